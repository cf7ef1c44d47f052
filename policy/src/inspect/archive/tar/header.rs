//! One header block, by the rules all readers agree on.

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;

/// A header readers agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The path, with the prefix before it.
    pub(super) name: Vec<u8>,
    /// Where a link leads.
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) mode: u32,
    /// The type flag.
    pub(super) kind: u8,
    /// Whether its magic is that of POSIX.
    pub(super) is_posix: bool,
}

/// What a magic says about the rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flavor {
    /// `ustar`, NUL, `00`: there is a prefix.
    Posix,
    /// GNU's: other fields are in the place of the prefix.
    Gnu,
    /// Before POSIX, or a magic no reader knows.
    Old,
}

impl Header {
    /// Reads a block. The error says, in words, what readers would take differently.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, String> {
        checksum(block)?;
        let kind = field(block, 156, 1).first().copied().unwrap_or_default();
        let flavor = match field(block, 257, 8) {
            b"ustar\x0000" => Flavor::Posix,
            b"ustar  \0" => Flavor::Gnu,
            magic if magic.starts_with(b"ustar") || magic.iter().all(|byte| *byte == 0) => {
                Flavor::Old
            }
            _ => return Err("the magic is unknown".to_owned()),
        };
        if flavor == Flavor::Old && matches!(kind, b'x' | b'g' | b'L' | b'K') {
            // The tar crate takes it for a file.
            let detail = "a long name or PAX header has a magic that some readers do not know";
            return Err(detail.to_owned());
        }
        for (start, count, what) in [
            (108, 8, "user id"),
            (116, 8, "group id"),
            (136, 12, "time"),
            (329, 8, "major device number"),
            (337, 8, "minor device number"),
        ] {
            number(field(block, start, count), what)?;
        }
        let mode = number(field(block, 100, 8), "mode")? & 0o7777;
        let prefix = prefix(field(block, 345, 155))?;
        let name = text(field(block, 0, 100), "name")?;
        let name = match (prefix, flavor) {
            ([], _) => name.to_vec(),
            (prefix, Flavor::Posix) => [prefix, b"/", name].concat(),
            // Some readers put it before the name whatever the magic says.
            _ => return Err("there is a prefix, but the magic says there is none".to_owned()),
        };
        Ok(Self {
            name,
            link: text(field(block, 157, 100), "link name")?.to_vec(),
            size: size(field(block, 124, 12))?,
            mode: u32::try_from(mode).unwrap_or_default(),
            kind,
            is_posix: flavor == Flavor::Posix,
        })
    }
}

/// A part of a block.
fn field(block: &[u8; BLOCK], start: usize, count: usize) -> &[u8] {
    block.get(start..start + count).unwrap_or_default()
}

/// A text up to its first NUL; then nothing may follow.
fn text<'a>(field: &'a [u8], what: &str) -> Result<&'a [u8], String> {
    let end = field.iter().position(|byte| *byte == 0);
    let (text, rest) = field.split_at(end.unwrap_or(field.len()));
    match rest.iter().all(|byte| *byte == 0) {
        true => Ok(text),
        false => Err(format!("there are bytes after the end of the {what}")),
    }
}

/// The prefix. Older versions of npm's own writer keep two times in its last 24 bytes, as star does;
/// then its first 131 bytes end with a NUL, and all readers stop there.
fn prefix(field: &[u8]) -> Result<&[u8], String> {
    let (short, times) = field.split_at_checked(131).unwrap_or_default();
    let are_times = times
        .iter()
        .all(|byte| matches!(byte, 0 | b' ' | b'0'..=b'7'));
    match short.last() {
        Some(0) if are_times => text(short, "prefix"),
        _ => text(field, "prefix"),
    }
}

/// A number that decides nothing about where entries are: octal with spaces around it, empty, or
/// binary. Some readers stop at one that is none of these.
fn number(field: &[u8], what: &str) -> Result<u64, String> {
    if let Some((sign @ 0x80.., rest)) = field.split_first() {
        // Readers differ about other first bytes, and about more than 48 bits.
        let (high, _) = rest.split_at(rest.len().saturating_sub(6));
        let fill = if *sign == 0x80 { 0 } else { 0xff };
        let is_plain = matches!(sign, 0x80 | 0xff) && high.iter().all(|byte| *byte == fill);
        return match is_plain {
            true => Ok(0),
            false => Err(format!("the {what} is a binary number out of bounds")),
        };
    }
    let end = field.iter().position(|byte| *byte == 0);
    let digits = field.get(..end.unwrap_or(field.len())).unwrap_or_default();
    octal(digits.trim_ascii()).ok_or_else(|| format!("the {what} is not an octal number"))
}

/// Digits alone; none are 0.
fn octal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => Some(value.checked_mul(8)? + u64::from(digit - b'0')),
        _ => None,
    })
}

/// A size decides where the next header is: nothing but octal digits, ended by NUL or space.
fn size(field: &[u8]) -> Result<u64, String> {
    if field.first().is_some_and(|byte| byte & 0x80 != 0) {
        return binary(field);
    }
    let end = field.iter().position(|byte| matches!(byte, 0 | b' '));
    let (digits, rest) = field.split_at(end.unwrap_or(field.len()));
    let is_padded = rest.iter().all(|byte| matches!(byte, 0 | b' '));
    octal(digits)
        .filter(|_| is_padded && !digits.is_empty())
        .ok_or_else(|| "the size is not an octal number".to_owned())
}

/// GNU's binary numbers are for sizes octal has no room for.
fn binary(field: &[u8]) -> Result<u64, String> {
    let (Some((0x80, high)), Some(low)) = (field.split_first(), field.last_chunk::<8>()) else {
        return Err("the size is a negative binary number".to_owned());
    };
    let value = u64::from_be_bytes(*low);
    let is_small = high.iter().take(3).any(|byte| *byte != 0) || value < 1 << 33;
    match is_small {
        true => Err("the size is a binary number that is out of place".to_owned()),
        false => Ok(value),
    }
}

/// The sum of all bytes, those of the sum itself taken as spaces.
fn checksum(block: &[u8; BLOCK]) -> Result<(), String> {
    let field = field(block, 148, 8);
    // One reader goes on into the next field.
    let digits = field.trim_ascii_start();
    if !digits.iter().any(|byte| matches!(byte, 0 | b' ')) {
        return Err("the checksum has no end".to_owned());
    }
    let stored = number(field, "checksum")?;
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(index, byte)| match index {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        })
        .sum();
    match sum == stored {
        true => Ok(()),
        false => Err(format!("the checksum is {sum}, the header says {stored}")),
    }
}
