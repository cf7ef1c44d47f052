//! The popular names of an ecosystem, in the order of their use.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::ecosystem::{CARGO, NPM, PYPI};
use crate::facts::Popularity;
use crate::model::{Ecosystem, NameError, PackageName, Scheme};

/// Most names a list may hold: places in the indexes made of it are kept in two bytes.
pub const MAX_POPULAR_NAMES: usize = u16::MAX as usize;

/// Longest list that is read, in bytes: every name with its line end at npm's greatest length would
/// fit several times over for any real list.
pub const MAX_POPULAR_BYTES: usize = 8 << 20;

/// A list of popular names that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PopularError {
    /// No name in it: with an empty list nothing would ever look like anything.
    #[error("the list of popular names holds no name; write one a line, the most used first")]
    Empty,
    /// More bytes than are read.
    #[error(
        "the list of popular names has {bytes} bytes, at most {MAX_POPULAR_BYTES} are read; keep the most used names only"
    )]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// More names than can be indexed.
    #[error(
        "line {line}: the list holds more than {MAX_POPULAR_NAMES} names; keep the most used names only"
    )]
    TooMany {
        /// The line of the first name too many, counted from 1.
        line: usize,
    },
    /// A line that is no name of the ecosystem.
    #[error("line {line}: {source}; write one name a line, without a version")]
    Name {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with the name.
        source: NameError,
    },
}

/// The popular names of one ecosystem.
///
/// A list is a text with one name a line, the most used first. Blank lines and lines beginning with
/// `#` are passed over; of a name that comes twice the first place counts.
#[derive(Clone)]
pub struct PopularNames {
    ecosystem: Ecosystem,
    /// By rank, normalised.
    names: Vec<SmolStr>,
    /// Places in `names`, in the order of the names.
    sorted: Vec<u16>,
}

impl std::fmt::Debug for PopularNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.names.len();
        write!(f, "PopularNames({}, {names} names)", self.ecosystem)
    }
}

impl PopularNames {
    /// The list Cordon comes with; `None` for an ecosystem without one. Where the names are from
    /// stands in `data/popular/README.md`.
    pub fn built_in(scheme: &dyn Scheme) -> Option<Arc<Self>> {
        let lists = [
            (NPM, include_str!("../../data/popular/npm.txt")),
            (PYPI, include_str!("../../data/popular/pypi.txt")),
            (CARGO, include_str!("../../data/popular/cargo.txt")),
        ];
        let (_, text) = lists
            .iter()
            .find(|(ecosystem, _)| ecosystem == scheme.ecosystem())?;
        let names = Self::parse(scheme, text).expect("a test reads the built-in lists");
        Some(Arc::new(names))
    }

    /// Reads a list.
    ///
    /// # Errors
    /// An empty or too long list, or a line that is no name: a list is taken whole or not at all.
    pub fn parse(scheme: &dyn Scheme, text: &str) -> Result<Self, PopularError> {
        if text.len() > MAX_POPULAR_BYTES {
            return Err(PopularError::TooLong { bytes: text.len() });
        }
        let mut names: Vec<SmolStr> = Vec::new();
        let mut lines: Vec<usize> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let name = line.trim();
            if name.is_empty() || name.starts_with('#') {
                continue;
            }
            let line = index + 1;
            let package = scheme
                .package(name)
                .map_err(|source| PopularError::Name { line, source })?;
            names.push(package.normalized().into());
            lines.push(line);
        }
        let mut order: Vec<usize> = (0..names.len()).collect();
        // Stable, so that of equal names the best place comes first and is the one kept.
        order.sort_by(|a, b| names[*a].cmp(&names[*b]));
        order.dedup_by(|later, first| names[*later] == names[*first]);
        order.sort_unstable();
        if let Some(surplus) = order.get(MAX_POPULAR_NAMES) {
            let line = lines[*surplus];
            return Err(PopularError::TooMany { line });
        }
        let names: Vec<SmolStr> = order.into_iter().map(|at| names[at].clone()).collect();
        if names.is_empty() {
            return Err(PopularError::Empty);
        }
        let mut sorted: Vec<u16> = (0..=u16::MAX).take(names.len()).collect();
        sorted.sort_by(|a, b| names[usize::from(*a)].cmp(&names[usize::from(*b)]));
        Ok(Self {
            ecosystem: scheme.ecosystem().clone(),
            names,
            sorted,
        })
    }

    /// The ecosystem the names are of.
    pub fn ecosystem(&self) -> &Ecosystem {
        &self.ecosystem
    }

    /// The names, normalised, the most used first. Never empty.
    pub fn names(&self) -> &[SmolStr] {
        &self.names
    }

    /// The package's place, 1 for the most used; `None` when it is not in the list or belongs to
    /// another ecosystem.
    pub fn rank(&self, name: &PackageName) -> Option<u32> {
        if name.ecosystem() != &self.ecosystem {
            return None;
        }
        self.place(name.normalized())
            .map(|place| u32::from(place) + 1)
    }

    /// Whether a normalised name is in the list.
    pub(super) fn has(&self, normalized: &str) -> bool {
        self.place(normalized).is_some()
    }

    /// Whether another package of the name's scope is in the list.
    pub(super) fn has_scope_of(&self, normalized: &str) -> bool {
        let Some(end) = normalized.find('/').filter(|_| normalized.starts_with('@')) else {
            return false;
        };
        let scope = &normalized[..=end];
        let name = |place: &u16| self.names[usize::from(*place)].as_str();
        let first = self.sorted.partition_point(|place| name(place) < scope);
        let next = self.sorted.get(first);
        next.is_some_and(|place| name(place).starts_with(scope))
    }

    fn place(&self, normalized: &str) -> Option<u16> {
        let name_at = |place: &u16| self.names[usize::from(*place)].as_str().cmp(normalized);
        let at = self.sorted.binary_search_by(name_at).ok()?;
        self.sorted.get(at).copied()
    }

    /// As [`Self::rank`], as a fact.
    pub fn popularity(&self, name: &PackageName) -> Option<Popularity> {
        self.rank(name).map(|rank| Popularity { rank })
    }
}
