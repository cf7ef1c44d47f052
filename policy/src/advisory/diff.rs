//! What a new generation of data says differently.

use std::collections::BTreeSet;

use super::AdvisoryIndex;
use crate::model::PackageName;

/// What a feed no longer says, counted by what it was and not by how much there is: as many other
/// records do not make up for those that are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Records there were.
    pub records: usize,
    /// Of those, records whose id is gone.
    pub lost_records: usize,
    /// Packages that records named and had not taken back, once for each such record.
    pub packages: usize,
    /// Of those, packages that the record of that id names no more, or takes back.
    pub lost_packages: usize,
}

/// The packages of which two indexes of one ecosystem do not say the same: named in one of them
/// only, or by records that say something else about them. A record of which nothing but the time
/// of its last change differs says the same.
pub fn changed_packages(old: &AdvisoryIndex, new: &AdvisoryIndex) -> BTreeSet<PackageName> {
    let scheme = new.scheme();
    let differs = |index: &AdvisoryIndex, name: &str, fingerprint: [u8; 16]| {
        index.fingerprint(name) != Some(fingerprint)
    };
    let changed = new
        .packages()
        .filter(|(name, fingerprint)| differs(old, name, *fingerprint));
    let gone = old
        .packages()
        .filter(|(name, fingerprint)| differs(new, name, *fingerprint));
    changed
        .chain(gone)
        .filter_map(|(name, _)| scheme.package(name).ok())
        .collect()
}
