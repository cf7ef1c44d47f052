//! A name as the eye takes it in: letters and digits in a row, and where its words begin.

use unicode_security::confusable_detection::skeleton;

/// Letters and digits of a name that are compared. Longer names are compared with none: the longest
/// popular name has fewer than 80.
pub(super) const MAX_LETTERS: usize = 96;

/// Stands for a letter without an ASCII look-alike.
const FOREIGN: u8 = b'?';

/// A name in its form for comparison.
#[derive(Clone)]
pub(super) struct Form {
    letters: [u8; MAX_LETTERS],
    length: u8,
    starts: u128,
    scope: u8,
    has_lookalikes: bool,
}

/// The same, borrowed: what popular names are kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View<'a> {
    /// Letters and digits, lower case, without separators.
    pub(super) letters: &'a [u8],
    /// Bit `i` is set when a word begins at letter `i`.
    pub(super) starts: u128,
    /// How many of the letters are the scope's (npm); 0 without a scope.
    pub(super) scope: usize,
}

impl Form {
    /// The form of a name, `None` for one without letters or with too many.
    pub(super) fn of(name: &str) -> Option<Self> {
        if name.is_ascii() {
            return Self::of_ascii(name.bytes(), false);
        }
        // Longer than any name that fits, even when every character were four bytes.
        if name.len() > 4 * MAX_LETTERS {
            return None;
        }
        let look = skeleton(name).flat_map(char::to_lowercase);
        Self::of_ascii(
            look.map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(FOREIGN)),
            true,
        )
    }

    fn of_ascii(bytes: impl Iterator<Item = u8>, has_lookalikes: bool) -> Option<Self> {
        let mut form = Self {
            letters: [0; MAX_LETTERS],
            length: 0,
            starts: 0,
            scope: 0,
            has_lookalikes,
        };
        let mut is_scoped = false;
        let mut is_start = true;
        for (at, byte) in bytes.enumerate() {
            match byte {
                b'@' if at == 0 => is_scoped = true,
                b'/' if is_scoped && form.scope == 0 => {
                    form.scope = form.length;
                    is_start = true;
                }
                byte if byte.is_ascii_alphanumeric() || byte == FOREIGN => {
                    let place = form.letters.get_mut(usize::from(form.length))?;
                    *place = byte.to_ascii_lowercase();
                    form.starts |= u128::from(is_start) << form.length;
                    form.length += 1;
                    is_start = false;
                }
                _ => is_start = true,
            }
        }
        (form.length > form.scope).then_some(form)
    }

    /// Whether letters of other scripts were read as the ASCII letters they look like.
    pub(super) fn has_lookalikes(&self) -> bool {
        self.has_lookalikes
    }

    /// The form, borrowed.
    pub(super) fn view(&self) -> View<'_> {
        View {
            letters: &self.letters[..usize::from(self.length)],
            starts: self.starts,
            scope: usize::from(self.scope),
        }
    }
}

impl<'a> View<'a> {
    /// A name of no letters.
    pub(super) const EMPTY: Self = View {
        letters: &[],
        starts: 0,
        scope: 0,
    };

    /// The words of the name, with the scope's if it has one.
    pub(super) fn words(self) -> Words<'a> {
        Words { left: self }
    }

    /// The name without its scope.
    pub(super) fn bare(self) -> Self {
        View {
            letters: &self.letters[self.scope..],
            starts: self.starts >> self.scope,
            scope: 0,
        }
    }

    /// How many words it has.
    pub(super) fn word_count(self) -> usize {
        self.starts.count_ones() as usize
    }

    /// Whether a word begins at that letter; the end counts as a beginning.
    pub(super) fn is_start(self, at: usize) -> bool {
        at >= self.letters.len() || self.starts & (1 << at) != 0
    }

    /// The word holding the letter at `at`: where it begins and ends.
    pub(super) fn word_at(self, at: usize) -> (usize, usize) {
        let length = self.letters.len();
        let at = at.min(length.saturating_sub(1));
        let before = self.starts & (u128::MAX >> (127 - at));
        let from = 127usize.saturating_sub(before.leading_zeros() as usize);
        let after = if at >= 127 {
            0
        } else {
            self.starts >> (at + 1)
        };
        let to = match after.trailing_zeros() {
            128 => length,
            zeros => at + 1 + zeros as usize,
        };
        (from, to.min(length))
    }
}

/// The words of a name, in order.
pub(super) struct Words<'a> {
    left: View<'a>,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.left.letters.is_empty() {
            return None;
        }
        let (_, end) = self.left.word_at(0);
        let (word, rest) = self.left.letters.split_at(end);
        self.left = View {
            letters: rest,
            starts: self.left.starts >> end,
            scope: 0,
        };
        Some(word)
    }
}

/// Rewrites letters into the ones they are taken for in most fonts (UTS 39, the part within ASCII):
/// `0` as `o`, `1` as `l`, `rn` as `m`, `vv` as `w`. Two names of one skeleton look the same.
pub(super) fn ascii_skeleton<'b>(letters: &[u8], into: &'b mut [u8; MAX_LETTERS]) -> &'b [u8] {
    let mut length = 0;
    let mut rest = letters;
    while let (Some((&first, after)), Some(place)) = (rest.split_first(), into.get_mut(length)) {
        let pair = after.first().copied();
        (*place, rest) = match (first, pair) {
            (b'r', Some(b'n')) => (b'm', &after[1..]),
            (b'v', Some(b'v')) => (b'w', &after[1..]),
            (b'0', _) => (b'o', after),
            (b'1', _) => (b'l', after),
            (other, _) => (other, after),
        };
        length += 1;
    }
    &into[..length]
}
