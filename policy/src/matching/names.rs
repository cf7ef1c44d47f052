//! Names and name patterns of one ecosystem, for one look-up.

use std::hash::BuildHasherDefault;
use std::ops::Range;

use globset::{GlobSet, GlobSetBuilder};
use smol_str::SmolStr;

use super::NamePattern;

/// SipHash with a fixed key: the core has no randomness, and the same policy must behave the same
/// in every process. The keys are the policy author's, so nobody gains by choosing collisions.
type FixedHasher = BuildHasherDefault<std::hash::DefaultHasher>;

#[expect(
    clippy::disallowed_types,
    reason = "fixed hasher; only asked for single names, never walked, so its order is unseen"
)]
type Table = std::collections::HashMap<SmolStr, Range<u32>, FixedHasher>;

/// Exact names in a hash table and patterns in one automaton, each leading to numbers the caller
/// gave.
#[derive(Clone, Debug, Default)]
pub struct NameIndex {
    exact: Table,
    exact_numbers: Vec<u32>,
    patterns: GlobSet,
    pattern_numbers: Vec<u32>,
}

impl NameIndex {
    /// Indexes names with their numbers.
    ///
    /// # Errors
    /// The patterns together are too large to compile.
    pub fn new<'a>(
        names: impl IntoIterator<Item = (&'a NamePattern, u32)>,
    ) -> Result<Self, globset::Error> {
        let mut exact: Vec<(SmolStr, u32)> = Vec::new();
        let mut patterns = GlobSetBuilder::new();
        let mut pattern_numbers = Vec::new();
        for (name, number) in names {
            match name {
                NamePattern::Exact(name) => exact.push((name.normalized().into(), number)),
                NamePattern::Glob { glob, .. } => {
                    patterns.add(glob.clone());
                    pattern_numbers.push(number);
                }
            }
        }
        exact.sort();
        let mut table = Table::with_capacity_and_hasher(exact.len(), FixedHasher::default());
        let mut exact_numbers = Vec::with_capacity(exact.len());
        for (name, number) in exact {
            let at = u32::try_from(exact_numbers.len()).unwrap_or(u32::MAX);
            table.entry(name).or_insert(at..at).end = at.saturating_add(1);
            exact_numbers.push(number);
        }
        Ok(Self {
            exact: table,
            exact_numbers,
            patterns: patterns.build()?,
            pattern_numbers,
        })
    }

    /// The numbers given to exactly this normalised name, in order.
    pub fn exact(&self, normalized: &str) -> &[u32] {
        self.exact
            .get(normalized)
            .and_then(|range| {
                self.exact_numbers
                    .get(range.start as usize..range.end as usize)
            })
            .unwrap_or_default()
    }

    /// Whether a pattern matches the normalised name. Allocates nothing.
    pub fn matches_pattern(&self, normalized: &str) -> bool {
        !self.pattern_numbers.is_empty() && self.patterns.is_match(normalized)
    }

    /// The numbers of the patterns that match, in the order they were given.
    pub fn patterns(&self, normalized: &str) -> impl Iterator<Item = u32> + '_ {
        let matching = match self.pattern_numbers.is_empty() {
            true => Vec::new(),
            false => self.patterns.matches(normalized),
        };
        matching
            .into_iter()
            .filter_map(|at| self.pattern_numbers.get(at).copied())
    }

    /// Whether the name is meant, exactly or by a pattern. Allocates nothing.
    pub fn holds(&self, normalized: &str) -> bool {
        self.exact.contains_key(normalized) || self.matches_pattern(normalized)
    }

    /// Whether nothing was indexed.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.pattern_numbers.is_empty()
    }
}
