//! What a new generation of data says differently.

use std::collections::BTreeSet;

use super::AdvisoryIndex;
use crate::model::PackageName;

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
