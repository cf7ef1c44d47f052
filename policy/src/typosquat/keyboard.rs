//! Which keys lie beside each other on the keyboard most programmers have (QWERTY).

const ROWS: [&[u8]; 4] = [b"1234567890", b"qwertyuiop", b"asdfghjkl", b"zxcvbnm"];

/// For `0`–`9` and `a`–`z`, the keys beside it, a bit each in the same order.
static NEIGHBOURS: [u64; 36] = neighbours();

/// Whether the keys of two lower-case letters or digits touch.
pub(super) fn are_neighbours(a: u8, b: u8) -> bool {
    match (place(a), place(b)) {
        (Some(a), Some(b)) => NEIGHBOURS[a] & (1 << b) != 0,
        _ => false,
    }
}

const fn place(key: u8) -> Option<usize> {
    match key {
        b'0'..=b'9' => Some((key - b'0') as usize),
        b'a'..=b'z' => Some((key - b'a') as usize + 10),
        _ => None,
    }
}

const fn neighbours() -> [u64; 36] {
    let mut table = [0; 36];
    let mut row = 0;
    while row < ROWS.len() {
        let mut column = 0;
        while column < ROWS[row].len() {
            if let Some(key) = place(ROWS[row][column]) {
                if column > 0 {
                    table[key] |= bit(row, column - 1);
                }
                table[key] |= bit(row, column + 1);
                // Each row is set off by half a key to the right of the one above.
                if row > 0 {
                    table[key] |= bit(row - 1, column) | bit(row - 1, column + 1);
                }
                if row + 1 < ROWS.len() {
                    table[key] |= bit(row + 1, column);
                    if column > 0 {
                        table[key] |= bit(row + 1, column - 1);
                    }
                }
            }
            column += 1;
        }
        row += 1;
    }
    table
}

const fn bit(row: usize, column: usize) -> u64 {
    if column < ROWS[row].len()
        && let Some(key) = place(ROWS[row][column])
    {
        1 << key
    } else {
        0
    }
}
