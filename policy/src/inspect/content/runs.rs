//! When the parts of a file run.

use std::collections::BTreeMap;

use super::facts::When;
use super::token::{ScopeKind, Source};

/// A call of one of the file's own functions.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnCall<'s> {
    /// The scope it is made in.
    pub(super) scope: u32,
    /// The token that names the function.
    pub(super) at: usize,
    /// What is called.
    pub(super) name: &'s str,
}

/// Which scopes of a file run while it is loaded: the file itself, and what is called from there by
/// its name, however far.
#[derive(Debug)]
pub(super) struct Runs<'s> {
    source: &'s Source<'s>,
    /// Of every scope.
    at_load: Vec<bool>,
}

impl<'s> Runs<'s> {
    pub(super) fn of(source: &'s Source<'s>, calls: &[OwnCall<'s>]) -> Self {
        let mut at_load = vec![false; source.scopes.len()];
        let mut by_name: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (index, scope) in (0_u32..).zip(&source.scopes) {
            if let Some(name) = &scope.name {
                by_name.entry(name).or_default().push(index);
            }
        }
        let mut calls_from: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for call in calls {
            calls_from.entry(call.scope).or_default().push(call.name);
        }
        let mut open = vec![0_u32];
        while let Some(scope) = open.pop() {
            match at_load.get_mut(scope as usize) {
                Some(known) if !*known => *known = true,
                _ => continue,
            }
            let called = calls_from.remove(&scope).unwrap_or_default();
            for name in called {
                open.extend(by_name.remove(name).unwrap_or_default());
            }
        }
        Self { source, at_load }
    }

    /// When the statements of a scope run.
    pub(super) fn when(&self, scope: u32) -> When {
        let kind = self.source.scopes.get(scope as usize).map(|it| it.kind);
        match kind {
            Some(ScopeKind::Test) => When::Test,
            _ if self.at_load.get(scope as usize).copied().unwrap_or(false) => When::Load,
            _ => When::Call,
        }
    }
}
