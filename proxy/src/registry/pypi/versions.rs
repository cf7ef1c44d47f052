//! The versions a page tells of, each under one spelling: which of them a file keeps listed.
//!
//! `foo-1.0.tar.gz` and `foo-1.0.0-py3-none-any.whl` are files of one version. It goes by the
//! spelling in the page's own list; without one, by that of the first file. This is for showing
//! only: verdicts and records go by the file's name (`build`).

use std::cmp::Ordering;
use std::collections::HashMap;

use cordon_policy::model::{Scheme, Version};
use smol_str::SmolStr;

/// Versions in document order.
pub(super) struct Versions {
    scheme: &'static dyn Scheme,
    spelled: Vec<Version>,
    /// How many came from the page's own list.
    published: usize,
    /// By spelling, every one met so far.
    known: HashMap<SmolStr, u32>,
    /// Indices by version order; made when the first unknown spelling turns up.
    ordered: Vec<u32>,
}

impl Versions {
    /// Begins with the page's own list, empty if it has none.
    pub(super) fn new(
        scheme: &'static dyn Scheme,
        published: impl Iterator<Item = SmolStr>,
    ) -> Self {
        let spelled: Vec<Version> = published.map(Version::verbatim).collect();
        let known = spelled
            .iter()
            .zip(0..)
            .map(|(version, index)| (SmolStr::new(version.as_str()), index))
            .collect();
        Self {
            scheme,
            published: spelled.len(),
            spelled,
            known,
            ordered: Vec::new(),
        }
    }

    /// The index of a version under any of its spellings; one not met before is added.
    pub(super) fn index_of(&mut self, text: &SmolStr) -> u32 {
        if let Some(index) = self.known.get(text) {
            return *index;
        }
        if self.ordered.len() < self.spelled.len() {
            self.ordered = (0..).take(self.spelled.len()).collect();
            let Self {
                ordered,
                spelled,
                scheme,
                ..
            } = self;
            ordered.sort_by(|a, b| compare(*scheme, spelled, *a, *b));
        }
        let version = Version::verbatim(text.clone());
        let place = self.ordered.binary_search_by(|index| {
            self.spelled
                .get(*index as usize)
                .map_or(Ordering::Less, |other| self.scheme.compare(other, &version))
        });
        let index = match place {
            Ok(place) => self.ordered.get(place).copied().unwrap_or_default(),
            Err(place) => {
                // Versions come from a document far below 4 GiB.
                let index = u32::try_from(self.spelled.len()).unwrap_or(u32::MAX);
                self.spelled.push(version);
                self.ordered.insert(place, index);
                index
            }
        };
        self.known.insert(text.clone(), index);
        index
    }

    /// All versions, in document order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Version> {
        self.spelled.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.spelled.len()
    }

    /// Whether every version stands in the page's own list.
    pub(super) fn are_published(&self) -> bool {
        self.published == self.spelled.len()
    }

    /// The index of the version equal to `version`, if the page tells of it.
    pub(super) fn find(&self, version: &Version) -> Option<u32> {
        if let Some(index) = self.known.get(version.as_str()) {
            return Some(*index);
        }
        self.spelled
            .iter()
            .zip(0..)
            .find(|(other, _)| self.scheme.compare(other, version).is_eq())
            .map(|(_, index)| index)
    }

    /// Approximate memory held, in bytes.
    pub(super) fn weight_bytes(&self) -> usize {
        self.known.len() * 64 + self.spelled.len() * 32
    }
}

fn compare(scheme: &dyn Scheme, spelled: &[Version], a: u32, b: u32) -> Ordering {
    match (spelled.get(a as usize), spelled.get(b as usize)) {
        (Some(a), Some(b)) => scheme.compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(published: &[&str]) -> Versions {
        let published: Vec<SmolStr> = published.iter().copied().map(SmolStr::new).collect();
        Versions::new(&cordon_policy::ecosystem::PyPi, published.into_iter())
    }

    #[test]
    fn other_spellings_go_by_the_published_one() {
        let mut versions = versions(&["2.0.0", "1.0.0rc1"]);
        for (text, index) in [("1.0.0-rc1", 1), ("2.0", 0), ("v2", 0), ("1.0.0.c1", 1)] {
            assert_eq!(versions.index_of(&SmolStr::new(text)), index, "{text}");
        }
        assert_eq!(versions.len(), 2);
        assert!(versions.are_published());
    }

    #[test]
    fn without_a_list_the_first_spelling_stands() {
        let mut versions = versions(&[]);
        for (text, index) in [
            ("1.0", 0),
            ("0.1-dev-r3", 1),
            ("1.0.0", 0),
            ("3", 2),
            ("0.1-dev-r3", 1),
        ] {
            assert_eq!(versions.index_of(&SmolStr::new(text)), index, "{text}");
        }
        assert_eq!(versions.iter().next().map(Version::as_str), Some("1.0"));
        assert!(!versions.are_published());
        assert_eq!(versions.find(&Version::verbatim("1.0.0.0")), Some(0));
        assert_eq!(versions.find(&Version::verbatim("9")), None);
    }
}
