//! A table from hashes to places in the list of popular names, built once and small.
//!
//! Entries of one bucket stand beside each other; each keeps 16 further bits of the hash, so that
//! of the places it gives nearly all are right. They are compared in full afterwards, hence a
//! wrong one costs time and nothing else. The hash has no key: a name made to collide finds the
//! popular names it collides with, all of which are compared.

/// Odd, with its bits well spread: the base of the polynomial hash.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15 | 1;

/// Multimap from hashes to 16-bit places.
pub(super) struct Index {
    /// Where each bucket's entries begin.
    offsets: Vec<u32>,
    /// The further bits of the hash above, the place below.
    entries: Vec<u32>,
    /// One bit for each of several hashes: whether there may be an entry at all.
    filter: Vec<u64>,
    bucket_bits: u32,
}

impl Index {
    /// An index of these pairs; equal pairs are kept once.
    pub(super) fn new(mut pairs: Vec<(u64, u16)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let bucket_bits = pairs.len().max(2).ilog2().saturating_sub(1).max(1);
        let buckets = 1usize << bucket_bits;
        let mut offsets = Vec::with_capacity(buckets + 1);
        let mut entries = Vec::with_capacity(pairs.len());
        let mut filter = vec![0u64; (buckets >> 2).max(1)];
        for (hash, place) in pairs {
            let bucket = (hash >> (64 - bucket_bits)) as usize;
            let at = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            while offsets.len() <= bucket {
                offsets.push(at);
            }
            entries.push(tag(hash) | u32::from(place));
            let (word, bit) = filter_place(hash, filter.len());
            filter[word] |= bit;
        }
        let end = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        offsets.resize(buckets + 1, end);
        Self {
            offsets,
            entries,
            filter,
            bucket_bits,
        }
    }

    /// The places kept under a hash.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> impl Iterator<Item = u16> {
        let (word, bit) = filter_place(hash, self.filter.len());
        let bucket = match self.filter[word] & bit {
            0 => &[][..],
            _ => self.bucket(hash),
        };
        let tag = tag(hash);
        bucket
            .iter()
            .filter(move |entry| **entry & 0xffff_0000 == tag)
            .map(|entry| (entry & 0xffff) as u16)
    }

    fn bucket(&self, hash: u64) -> &[u32] {
        let bucket = (hash >> (64 - self.bucket_bits)) as usize;
        let from = self.offsets[bucket] as usize;
        let to = self.offsets[bucket + 1] as usize;
        &self.entries[from..to]
    }

    /// Bytes it takes up.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.offsets) + size_of_val(&*self.entries) + size_of_val(&*self.filter)
    }
}

/// Sixteen bits of the hash that name neither bucket nor filter bit, above a place.
fn tag(hash: u64) -> u32 {
    ((hash & 0xffff) as u32) << 16
}

fn filter_place(hash: u64, words: usize) -> (usize, u64) {
    // `words` is a power of two: the bits from 16 on choose word and bit.
    let bits = (hash >> 16) as usize;
    ((bits >> 6) & (words - 1), 1 << (bits & 63))
}

/// The hash of some letters.
pub(super) fn hash(letters: &[u8]) -> u64 {
    finish(polynomial(letters))
}

/// Calls `visit` with the length and the hash of each beginning of the letters.
pub(super) fn prefixes(letters: &[u8], mut visit: impl FnMut(usize, u64)) {
    let mut sum = 0;
    for (at, letter) in letters.iter().enumerate() {
        sum = push(sum, *letter);
        visit(at + 1, finish(sum));
    }
}

/// The hash of letters told apart from the plain one by what they are kept as.
pub(super) fn hash_as(kind: u8, letters: &[u8]) -> u64 {
    finish(polynomial(letters) ^ (u64::from(kind) << 56 | 0x5bd1_e995))
}

fn polynomial(letters: &[u8]) -> u64 {
    letters.iter().fold(0, |sum, letter| push(sum, *letter))
}

fn push(sum: u64, letter: u8) -> u64 {
    sum.wrapping_mul(BASE).wrapping_add(u64::from(letter) + 1)
}

/// Spreads the bits (the finalizer of MurmurHash3).
fn finish(sum: u64) -> u64 {
    let sum = (sum ^ (sum >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let sum = (sum ^ (sum >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    sum ^ (sum >> 33)
}

/// Calls `visit` with the hash of the letters and of what is left of them after taking out one or,
/// with `two`, two letters. Two texts within that many edits share one of these (SymSpell).
pub(super) fn deletions(letters: &[u8], two: bool, mut visit: impl FnMut(u64)) {
    const MOST: usize = super::form::MAX_LETTERS;
    let length = letters.len().min(MOST);
    let letters = &letters[..length];
    let mut power = [1u64; MOST + 1];
    let mut prefix = [0u64; MOST + 1];
    for (at, letter) in letters.iter().enumerate() {
        power[at + 1] = power[at].wrapping_mul(BASE);
        prefix[at + 1] = push(prefix[at], *letter);
    }
    // The polynomial of the letters from `from` to `to`.
    let part = |from: usize, to: usize| {
        prefix[to].wrapping_sub(prefix[from].wrapping_mul(power[to - from]))
    };
    visit(finish(prefix[length]));
    for first in 0..length {
        // Taking out either of two equal neighbours leaves the same.
        if first > 0 && letters[first] == letters[first - 1] {
            continue;
        }
        let kept = prefix[first];
        let tail = length - first - 1;
        visit(finish(
            kept.wrapping_mul(power[tail])
                .wrapping_add(part(first + 1, length)),
        ));
        if !two {
            continue;
        }
        for second in first + 1..length {
            if second > first + 1 && letters[second] == letters[second - 1] {
                continue;
            }
            let between = second - first - 1;
            let kept = kept
                .wrapping_mul(power[between])
                .wrapping_add(part(first + 1, second));
            visit(finish(
                kept.wrapping_mul(power[length - second - 1])
                    .wrapping_add(part(second + 1, length)),
            ));
        }
    }
}
