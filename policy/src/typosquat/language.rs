//! The words and letters package names are made of, learned from every built-in list.
//!
//! The same whatever list a detector compares with: the weights were trained with it.

use std::sync::LazyLock;

use super::form::{Form, MAX_LETTERS, View};
use super::index::{self, Index};
use super::letters::{BIT, Cost, Letters, log2};
use super::popular::PopularNames;
use crate::ecosystem::schemes;

/// Longest word sought inside a name that is run together.
const LONGEST_WORD: usize = 14;

/// Shortest word that is one wherever it stands; two letters stand everywhere.
const SHORTEST_WORD: usize = 3;

/// What a letter that is in no known word costs, in sixteenths of a bit.
const UNKNOWN_LETTER: i32 = 6 * BIT;

/// What is known of package names at large.
pub(super) struct Language {
    letters: Letters,
    words: Index,
    names: Index,
    /// The logarithm of the number of words, counted as often as they stand.
    all_words: i32,
}

/// Learned once a process.
static LANGUAGE: LazyLock<Language> = LazyLock::new(|| {
    let lists = schemes().into_iter().filter_map(PopularNames::built_in);
    let forms: Vec<Form> = lists
        .flat_map(|list| {
            list.names()
                .iter()
                .filter_map(|name| Form::of(name))
                .collect::<Vec<_>>()
        })
        .collect();
    Language::learn(&forms)
});

impl Language {
    /// The language of the built-in lists.
    pub(super) fn built_in() -> &'static Self {
        &LANGUAGE
    }

    fn learn(forms: &[Form]) -> Self {
        let views = || forms.iter().map(Form::view);
        let mut words: Vec<u64> = views().flat_map(View::words).map(index::hash).collect();
        let all_words = log2(u32::try_from(words.len()).unwrap_or(u32::MAX));
        words.sort_unstable();
        let counted = words.chunk_by(|a, b| a == b).filter_map(|same| {
            let count = u16::try_from(same.len()).unwrap_or(u16::MAX);
            Some((*same.first()?, count))
        });
        Self {
            letters: Letters::learn(views()),
            words: Index::new(counted.collect()),
            names: Index::new(
                views()
                    .map(|view| (index::hash(view.bare().letters), 0))
                    .collect(),
            ),
            all_words,
        }
    }

    /// In how many popular names of any ecosystem a word stands, counted up to 65,535.
    pub(super) fn uses(&self, word: &[u8]) -> u32 {
        let counts = self.words.get(index::hash(word));
        counts.map(u32::from).max().unwrap_or_default()
    }

    /// Whether these are the letters of a popular name of any ecosystem, a scope left out.
    pub(super) fn is_name(&self, letters: &[u8]) -> bool {
        self.names.get(index::hash(letters)).next().is_some()
    }

    /// What a name costs, letter by letter.
    pub(super) fn letters(&self, name: View<'_>) -> Cost {
        self.letters.cost(name)
    }

    /// What a name costs as a row of known words, in sixteenths of a bit: the least of all ways to
    /// take it apart.
    pub(super) fn reading(&self, letters: &[u8]) -> i32 {
        let mut least = [i32::MAX; MAX_LETTERS + 1];
        least[0] = 0;
        let letters = &letters[..letters.len().min(MAX_LETTERS)];
        for from in 0..letters.len() {
            let so_far = least[from];
            least[from + 1] = least[from + 1].min(so_far + UNKNOWN_LETTER);
            let longest = (letters.len() - from).min(LONGEST_WORD);
            index::prefixes(&letters[from..from + longest], |length, hash| {
                if length >= SHORTEST_WORD
                    && let Some(count) = self.words.get(hash).max()
                {
                    let cost = so_far + self.all_words - log2(u32::from(count));
                    least[from + length] = least[from + length].min(cost);
                }
            });
        }
        least[letters.len()]
    }
}
