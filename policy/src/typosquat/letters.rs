//! How usual a name's letters are beside each other, learned from the popular names.
//!
//! A slip of the hand leaves letters beside each other that no word has; a name that is one letter
//! from another by chance is a word itself.

use super::form::View;

/// Letters, digits, anything else, and the ends of a name.
const SYMBOLS: usize = 38;
const END: usize = 37;

/// Sixteenths of a bit: what costs are counted in.
pub(super) const BIT: i32 = 16;

/// What each three letters in a row cost, in sixteenths of a bit.
pub(super) struct Letters {
    costs: Vec<u8>,
}

/// The cost of a name: of all its letters and of the dearest three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// All.
    pub(super) total: i32,
    /// The dearest three letters in a row.
    pub(super) dearest: i32,
}

impl Letters {
    /// Learns from names.
    pub(super) fn learn<'a>(names: impl Iterator<Item = View<'a>>) -> Self {
        let mut triples = vec![0u32; SYMBOLS * SYMBOLS * SYMBOLS];
        let mut pairs = vec![0u32; SYMBOLS * SYMBOLS];
        for name in names {
            windows(name, |place| {
                triples[place] += 1;
                pairs[place / SYMBOLS] += 1;
            });
        }
        let costs = triples
            .iter()
            .enumerate()
            .map(|(place, count)| {
                // Half an occurrence of everything, so that nothing is impossible.
                let all = log2(2 * pairs[place / SYMBOLS] + SYMBOLS as u32);
                u8::try_from(all - log2(2 * count + 1)).unwrap_or(u8::MAX)
            })
            .collect();
        Self { costs }
    }

    /// What a name costs.
    pub(super) fn cost(&self, name: View<'_>) -> Cost {
        let mut cost = Cost::default();
        windows(name, |place| {
            let one = i32::from(self.costs[place]);
            cost.total += one;
            cost.dearest = cost.dearest.max(one);
        });
        cost
    }
}

fn windows(name: View<'_>, mut visit: impl FnMut(usize)) {
    let mut before = (END, END);
    let symbols = name.letters.iter().map(|letter| symbol(*letter));
    for symbol in symbols.chain([END]) {
        visit((before.0 * SYMBOLS + before.1) * SYMBOLS + symbol);
        before = (before.1, symbol);
    }
}

fn symbol(letter: u8) -> usize {
    match letter {
        b'a'..=b'z' => usize::from(letter - b'a'),
        b'0'..=b'9' => usize::from(letter - b'0') + 26,
        _ => 36,
    }
}

/// The logarithm in sixteenths, without floating point: the same on every machine. Straight
/// between powers of two, at most an eleventh of a bit off.
pub(super) fn log2(number: u32) -> i32 {
    let number = number.max(1);
    let whole = number.ilog2();
    let above = u64::from(number - (1 << whole));
    let fraction = (above * BIT as u64) >> whole;
    whole as i32 * BIT + fraction as i32
}
