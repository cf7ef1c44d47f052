//! What each version of a package changes, computed from all of them together.
//!
//! Nearly every hijack of a known package shows in what the bad version *adds*: a dependency nobody
//! knows, a script that runs at install, a loss of provenance. To see it, every version is compared
//! with one before. Which one is what this module decides, because whoever may publish once may
//! publish twice:
//!
//! - Versions are taken in the order they were **published**, within their [`Line`]. Backports to an
//!   old line are compared with that line.
//! - A version whose own changes were remarkable (code at install, dependencies, sources, a publisher
//!   or a loss of trust) is **not** what the next one is compared with, until it has been public for
//!   [`SETTLED`]. Whoever adds a dependency in 1.14.1 and publishes 1.14.2 an hour later has still
//!   added it: 1.14.2 is compared with 1.14.0 too. What a remarkable but honest version added counts
//!   for its successors until it has settled.
//! - The first version of a new line is compared with the highest lower line: a major number is no
//!   way out. Below all lines, with the lowest higher one.
//! - A pre-release is what a stable version is compared with only where there is no other.
//! - Where files are published one by one, each is compared with the files of its own kind first.
//! - The first version of all has nothing before it: `Absent`.
//!
//! Where the registry tells no date for some version, all are taken in the order of the versions
//! themselves, and nothing ever settles: stricter, never looser.

mod baseline;
mod burst;
mod difference;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use crate::facts::{DependencyKind, Fact, Trust, VersionFacts};
use crate::model::{Line, Scheme, Timestamp, Version};

use baseline::Baselines;
use difference::{Owners, Publishers, difference};

/// How long a version has to be public for what it added to be taken for granted. Of the hijacks on
/// record nearly all were found within a week, and all but two within a month.
pub const SETTLED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Most dependencies one version may newly have, each of which has to be asked about. One that adds
/// more has a change that cannot be judged.
pub const MAX_ADDED: usize = 256;

/// What is compared of a version, or of a file where files are published one by one, besides what
/// its [`VersionFacts`] hold: the licence, the publisher, and dependencies from outside the registry.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// What it depends on within the registry: sorted by name, each name once.
    pub dependencies: Arc<[Dependency]>,
    /// What runs at install, as far as metadata tells.
    pub hooks: Arc<[SmolStr]>,
    /// Who may publish it, sorted; empty where versions do not tell.
    pub maintainers: Arc<[SmolStr]>,
    /// How far its publication can be trusted.
    pub trust: Trust,
    /// Its size in bytes, if declared.
    pub size_bytes: Option<u64>,
    /// Which files are alike, where a version has several; empty where it has one.
    pub series: SmolStr,
    /// Why what it depends on cannot be read, if so: what it changes cannot be judged then.
    pub unreadable: Option<&'static str>,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            dependencies: Arc::default(),
            hooks: Arc::default(),
            maintainers: Arc::default(),
            trust: Trust::Account,
            size_bytes: None,
            series: SmolStr::default(),
            unreadable: None,
        }
    }
}

/// A dependency within the registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// The package's name as written.
    pub name: SmolStr,
    /// What it is required for; of several, the first in order.
    pub kind: DependencyKind,
}

/// Fills in [`VersionFacts::change`] and [`VersionFacts::burst`] of every candidate of one package.
/// A candidate without a sheet counts as one that declares nothing.
pub fn compare(scheme: &dyn Scheme, candidates: &mut [VersionFacts], sheets: &[Sheet]) {
    let Some(order) = Order::of(scheme, candidates) else {
        return;
    };
    let nothing = Sheet::default();
    let mut baselines = Baselines::new(order.is_dated);
    let mut publishers = Publishers::new(order.is_dated);
    let mut owners = Owners::default();
    let mut last = &nothing;
    for index in order.indices {
        let sheet_at = |index: usize| sheets.get(index).unwrap_or(&nothing);
        let Some(facts) = candidates.get(index) else {
            continue;
        };
        let sheet = sheet_at(index);
        let version = &facts.artifact.subject.version;
        let place = Place {
            line: scheme.line(version),
            is_prerelease: scheme.is_prerelease(version),
            published_at: facts.published_at.known().copied(),
        };
        let new_publisher = publishers.is_new(facts);
        let before = baselines
            .find(&place, &sheet.series)
            .and_then(|index| Some((candidates.get(index)?, sheet_at(index))));
        let (change, is_remarkable) = match before {
            None => (Fact::Absent, false),
            Some(before) => difference(scheme, before, (facts, sheet), new_publisher, &owners),
        };
        // Versions that depend on the same share one list.
        if order.is_dated && !Arc::ptr_eq(&last.dependencies, &sheet.dependencies) {
            owners.add(sheet, place.published_at);
            last = sheet;
        }
        baselines.add(index, place, &sheet.series, is_remarkable);
        if let Some(facts) = candidates.get_mut(index) {
            facts.change = change;
        }
    }
    burst::fill(candidates, sheets);
}

/// Where a version stands among the others.
struct Place {
    line: Line,
    is_prerelease: bool,
    published_at: Option<Timestamp>,
}

/// The order in which versions are compared.
struct Order {
    indices: Vec<usize>,
    /// Whether that is the order of publication.
    is_dated: bool,
}

impl Order {
    /// `None` when there is nothing to order.
    fn of(scheme: &dyn Scheme, candidates: &[VersionFacts]) -> Option<Self> {
        if candidates.is_empty() {
            return None;
        }
        let date = |index: usize| {
            let facts: Option<&VersionFacts> = candidates.get(index);
            facts.and_then(|facts| facts.published_at.known())
        };
        let version = |index: usize| {
            let facts: Option<&VersionFacts> = candidates.get(index);
            facts.map(|facts| &facts.artifact.subject.version)
        };
        let mut indices: Vec<usize> = (0..candidates.len()).collect();
        let is_dated = indices.iter().all(|index| date(*index).is_some());
        if is_dated {
            // Mostly in order already, which the sort makes use of.
            indices.sort_by(|a, b| {
                let by_version = || match (version(*a), version(*b)) {
                    (Some(a), Some(b)) => scheme.compare(a, b),
                    (a, b) => a.is_some().cmp(&b.is_some()),
                };
                date(*a).cmp(&date(*b)).then_with(by_version)
            });
        } else {
            let ranks = ranks(scheme, candidates);
            indices.sort_by_key(|index| version(*index).and_then(|v| ranks.get(v.as_str())));
        }
        Some(Self { indices, is_dated })
    }
}

/// The rank of every version. Comparing reads both versions each time, and where files are listed
/// one by one there are many times more files than versions.
fn ranks<'a>(scheme: &dyn Scheme, candidates: &'a [VersionFacts]) -> BTreeMap<&'a str, usize> {
    let versions = candidates.iter().map(|facts| {
        let version = &facts.artifact.subject.version;
        (version.as_str(), version)
    });
    let distinct: BTreeMap<&str, &Version> = versions.collect();
    let mut sorted: Vec<&Version> = distinct.into_values().collect();
    sorted.sort_by(|a, b| scheme.compare(a, b));
    let named = sorted.iter().map(|version| version.as_str());
    named.zip(0..).collect()
}

/// Whether `earlier` was public long enough when `later` was published.
fn has_settled(earlier: Option<Timestamp>, later: Option<Timestamp>) -> bool {
    match (earlier, later) {
        (Some(earlier), Some(later)) => later.since(earlier) >= SETTLED,
        (None, _) | (_, None) => false,
    }
}
