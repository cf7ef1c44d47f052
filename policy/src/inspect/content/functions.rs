//! The functions of a file, and what runs when some of them do.

use std::collections::BTreeSet;
use std::ops::Range;

use super::token::{Source, TokenKind};

/// How many functions after each other are followed.
const STEPS: usize = 6;

/// The functions of a file by their names.
pub(super) struct Functions<'s> {
    source: &'s Source<'s>,
    names: BTreeSet<&'s str>,
}

impl<'s> Functions<'s> {
    pub(super) fn of(source: &'s Source<'s>) -> Self {
        let names = source.scopes.iter().filter_map(|it| it.name.as_deref());
        Self {
            source,
            names: names.collect(),
        }
    }

    /// Whether the file has a function of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Of every scope, whether it runs when one of these functions does: theirs, those inside them,
    /// and those of the functions that are named there.
    pub(super) fn running<'n>(&self, start: impl IntoIterator<Item = &'n str>) -> Vec<bool> {
        let mut named: BTreeSet<&str> = start.into_iter().collect();
        let mut runs = vec![false; self.source.scopes.len()];
        for _ in 0..STEPS {
            self.open(&named, &mut runs);
            let before = named.len();
            for (at, token) in self.source.tokens.iter().enumerate() {
                let is_running = runs.get(token.scope as usize).copied().unwrap_or(false);
                if is_running && token.kind == TokenKind::Name && !self.is_member(at) {
                    named.extend(self.names.get(&*token.text));
                }
            }
            if named.len() == before {
                break;
            }
        }
        runs
    }

    /// Marks the scopes of functions and what is inside them. A scope comes after the one around it.
    fn open(&self, named: &BTreeSet<&str>, runs: &mut [bool]) {
        for (index, scope) in self.source.scopes.iter().enumerate().skip(1) {
            let is_named = scope.name.as_deref().is_some_and(|it| named.contains(it));
            let is_inside = runs.get(scope.parent as usize).copied().unwrap_or(false);
            if let Some(runs) = runs.get_mut(index) {
                *runs |= is_named || is_inside;
            }
        }
    }

    /// `a.send` is no function of the file; `self.send` may be.
    fn is_member(&self, at: usize) -> bool {
        let before = |back: usize| {
            at.checked_sub(back)
                .and_then(|it| self.source.tokens.get(it))
        };
        before(1).is_some_and(|it| it.is_mark("."))
            && !before(2).is_some_and(|it| it.is_name("self"))
    }

    /// The runs of tokens that are in such scopes.
    pub(super) fn ranges(&self, runs: &[bool]) -> Vec<Range<usize>> {
        const RANGES: usize = 200;
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (at, token) in self.source.tokens.iter().enumerate() {
            if !runs.get(token.scope as usize).copied().unwrap_or(false) {
                continue;
            }
            if let Some(last) = ranges.last_mut().filter(|it| it.end == at) {
                last.end = at + 1;
                continue;
            }
            if ranges.len() >= RANGES {
                break;
            }
            ranges.push(at..at + 1);
        }
        ranges
    }
}
