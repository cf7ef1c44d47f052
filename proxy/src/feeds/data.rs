//! What the engine judges by: the advisory data in force, of every ecosystem.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cordon_policy::advisory::{self, AdvisoryIndex};
use cordon_policy::facts::{AdvisoryKind, AdvisoryMatch, Fact, Named};
use cordon_policy::model::{Digest, Ecosystem, PackageName, Timestamp, Version};
use smol_str::SmolStr;

/// Why there are no advisory facts while no data was ever loaded. A constant, because the zero
/// configuration start tells this cause from data that got too old.
pub const NO_DATA: SmolStr = SmolStr::new_static(advisory::NO_DATA);

/// How far in the future a confirmation may lie: clocks of one machine are not set back further
/// without it being noticed.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60 * 60);

/// Looks advisories up.
pub trait Advisories: Send + Sync + fmt::Debug {
    /// The advisories that name a version, in order of their ids.
    fn matches(&self, package: &PackageName, version: &Version) -> Vec<AdvisoryMatch>;

    /// Ids of reviewed advisories that call exactly this version their fix.
    fn fixes(&self, package: &PackageName, version: &Version) -> Vec<SmolStr>;
}

impl Advisories for AdvisoryIndex {
    fn matches(&self, package: &PackageName, version: &Version) -> Vec<AdvisoryMatch> {
        Self::matches(self, package, version)
    }

    fn fixes(&self, package: &PackageName, version: &Version) -> Vec<SmolStr> {
        Self::fixes(self, package, version)
    }
}

/// Identity of the advisory data a decision was taken by: 16 hexadecimal digits over the digests
/// of every index, or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotId(SmolStr);

impl SnapshotId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The advisory data in force: one generation for every ecosystem together.
#[derive(Debug)]
pub struct AdvisoryData {
    id: SnapshotId,
    ecosystems: BTreeMap<Ecosystem, EcosystemFeed>,
}

/// The data of one ecosystem.
#[derive(Clone, Debug)]
pub enum EcosystemFeed {
    /// There is data.
    Loaded(LoadedFeed),
    /// Feeds are configured and none has been loaded so far.
    Missing,
    /// The configuration names no feed: nothing is looked for, and nothing is held for it.
    Off,
}

/// An index with what limits belief in it.
#[derive(Clone, Debug)]
pub struct LoadedFeed {
    /// The index.
    pub index: Arc<dyn Advisories>,
    /// SHA-256 of the index.
    pub digest: Digest,
    /// Until when it may be believed. Shared by every snapshot of the same data, so that
    /// confirming it needs no new generation.
    pub belief: Arc<Belief>,
    /// Why it does not hold everything it should: a configured feed that was never loaded.
    pub gap: Option<SmolStr>,
    /// What waits to be confirmed, if anything does.
    pub held_back: Option<Arc<HeldBack>>,
}

/// What a new generation says of packages in use, and what is not acted on before a person has
/// confirmed it: it refuses so many of them at once that a mistake is as likely as an attack.
///
/// It concerns only versions that were allowed here before, and never what is named version by
/// version as malware.
#[derive(Debug)]
pub struct HeldBack {
    /// The data that holds for them meanwhile.
    pub previous: Arc<dyn Advisories>,
    /// The packages.
    pub packages: BTreeSet<PackageName>,
    /// From when on the new data holds, confirmed or not.
    pub until: Timestamp,
}

impl HeldBack {
    /// What is said about a version of one of the packages meanwhile.
    fn matches(
        &self,
        package: &PackageName,
        version: &Version,
        mut new: Vec<AdvisoryMatch>,
    ) -> Vec<AdvisoryMatch> {
        new.retain(|it| it.kind == AdvisoryKind::Malware && it.named == Named::Listed);
        let mut matches = self.previous.matches(package, version);
        matches.retain(|old| new.iter().all(|it| it.id != old.id));
        matches.extend(new);
        matches.sort_by(|a, b| a.id.cmp(&b.id));
        matches
    }
}

impl LoadedFeed {
    /// When time alone changes what the data says.
    fn valid_until(&self, now: Timestamp) -> Option<Timestamp> {
        let held_back = self.held_back.as_ref().map(|it| it.until);
        let ends = [Some(self.belief.until()), held_back];
        ends.into_iter().flatten().filter(|end| now < *end).min()
    }
}

/// Between which instants data may be believed.
#[derive(Debug)]
pub struct Belief {
    confirmed_at: AtomicI64,
    until: AtomicI64,
}

impl Belief {
    /// Confirmed at an instant, to be believed until another.
    pub fn new(confirmed_at: Timestamp, until: Timestamp) -> Self {
        Self {
            confirmed_at: AtomicI64::new(confirmed_at.as_millis()),
            until: AtomicI64::new(until.as_millis()),
        }
    }

    /// The source said again that this is its newest data.
    pub fn renew(&self, confirmed_at: Timestamp, until: Timestamp) {
        self.until.store(until.as_millis(), Ordering::Relaxed);
        self.confirmed_at
            .store(confirmed_at.as_millis(), Ordering::Relaxed);
    }

    /// When the source last confirmed it.
    pub fn confirmed_at(&self) -> Timestamp {
        Timestamp::from_millis(self.confirmed_at.load(Ordering::Relaxed))
    }

    /// The instant from which it is too old.
    pub fn until(&self) -> Timestamp {
        Timestamp::from_millis(self.until.load(Ordering::Relaxed))
    }

    /// Why it may not be believed now, if so.
    fn doubt(&self, now: Timestamp) -> Option<SmolStr> {
        let confirmed_at = self.confirmed_at();
        if confirmed_at > now.saturating_add(CLOCK_TOLERANCE) {
            return Some(
                format!("advisory data was confirmed at {confirmed_at}, which is yet to come")
                    .into(),
            );
        }
        (now >= self.until())
            .then(|| format!("advisory data is too old: last confirmed at {confirmed_at}").into())
    }
}

/// What advisory data says about one version at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvisoryFacts {
    /// The advisories that name it.
    pub advisories: Fact<Arc<[AdvisoryMatch]>>,
    /// Ids of reviewed advisories that call exactly this version their fix.
    pub fixes: Arc<[SmolStr]>,
    /// The instant at which time alone changes the answer: the data gets too old.
    pub valid_until: Option<Timestamp>,
}

impl AdvisoryFacts {
    fn without(advisories: Fact<Arc<[AdvisoryMatch]>>) -> Self {
        Self {
            advisories,
            fixes: Arc::default(),
            valid_until: None,
        }
    }
}

impl AdvisoryData {
    /// The data of some ecosystems, as one generation.
    pub fn new(ecosystems: impl IntoIterator<Item = (Ecosystem, EcosystemFeed)>) -> Self {
        let ecosystems: BTreeMap<_, _> = ecosystems.into_iter().collect();
        Self {
            id: identity(&ecosystems),
            ecosystems,
        }
    }

    /// Nothing configured.
    pub fn off() -> Self {
        Self::new([])
    }

    /// Its identity.
    pub fn id(&self) -> &SnapshotId {
        &self.id
    }

    /// The data of one ecosystem.
    pub fn ecosystem(&self, ecosystem: &Ecosystem) -> &EcosystemFeed {
        const OFF: &EcosystemFeed = &EcosystemFeed::Off;
        self.ecosystems.get(ecosystem).unwrap_or(OFF)
    }

    /// Every ecosystem something is configured for.
    pub fn ecosystems(&self) -> impl Iterator<Item = (&Ecosystem, &EcosystemFeed)> {
        self.ecosystems.iter()
    }

    /// Whether advisory rules have nothing to judge by in an ecosystem: feeds are configured, and
    /// none was ever loaded.
    pub fn is_missing(&self, ecosystem: &Ecosystem) -> bool {
        matches!(self.ecosystem(ecosystem), EcosystemFeed::Missing)
    }

    /// Ids of reviewed advisories that call exactly this version their fix. Asked before it is
    /// known whether the data may be believed: it decides only what else is looked at.
    pub fn fixes(&self, package: &PackageName, version: &Version) -> Vec<SmolStr> {
        match self.ecosystem(package.ecosystem()) {
            EcosystemFeed::Loaded(loaded) => loaded.index.fixes(package, version),
            EcosystemFeed::Missing | EcosystemFeed::Off => Vec::new(),
        }
    }

    /// The instant at which the data of an ecosystem gets too old to be believed, if that is to
    /// come.
    pub fn believed_until(&self, ecosystem: &Ecosystem, now: Timestamp) -> Option<Timestamp> {
        match self.ecosystem(ecosystem) {
            EcosystemFeed::Loaded(loaded) => loaded.valid_until(now),
            EcosystemFeed::Missing | EcosystemFeed::Off => None,
        }
    }

    /// What is said about a version.
    ///
    /// Data that may not be believed to be complete (too old, or of several feeds one is missing)
    /// makes the fact `Unavailable`, which holds what was never seen here. What it does say keeps
    /// its force all the same: malware stays malware, and of a version that was allowed here
    /// before (`was_allowed`), and so would stay served without data, every advisory counts.
    pub fn facts(
        &self,
        package: &PackageName,
        version: &Version,
        was_allowed: bool,
        now: Timestamp,
    ) -> AdvisoryFacts {
        let loaded = match self.ecosystem(package.ecosystem()) {
            EcosystemFeed::Off => return AdvisoryFacts::without(Fact::Absent),
            EcosystemFeed::Missing => return AdvisoryFacts::without(Fact::Unavailable(NO_DATA)),
            EcosystemFeed::Loaded(loaded) => loaded,
        };
        let doubt = loaded.belief.doubt(now).or_else(|| loaded.gap.clone());
        let valid_until = loaded.valid_until(now);
        let mut matches = loaded.index.matches(package, version);
        if let Some(held_back) = loaded.held_back.as_ref().filter(|it| now < it.until)
            && was_allowed
            && held_back.packages.contains(package)
        {
            matches = held_back.matches(package, version, matches);
        }
        let is_malware = matches.iter().any(|it| it.kind == AdvisoryKind::Malware);
        let is_known = is_malware || (was_allowed && !matches.is_empty());
        let (advisories, fixes) = match doubt {
            // What data of yesterday calls a fix may be known better today.
            Some(cause) if !is_known => (Fact::Unavailable(cause), Arc::default()),
            Some(_) => (Fact::Known(matches.into()), Arc::default()),
            None if matches.is_empty() => {
                (Fact::Absent, loaded.index.fixes(package, version).into())
            }
            None => (
                Fact::Known(matches.into()),
                loaded.index.fixes(package, version).into(),
            ),
        };
        AdvisoryFacts {
            advisories,
            fixes,
            valid_until,
        }
    }
}

fn identity(ecosystems: &BTreeMap<Ecosystem, EcosystemFeed>) -> SnapshotId {
    const SHOWN: usize = 16;
    let mut all = String::new();
    for (ecosystem, feed) in ecosystems {
        if let EcosystemFeed::Loaded(loaded) = feed {
            all.push_str(&format!("{ecosystem} {}\n", loaded.digest));
        }
    }
    if all.is_empty() {
        return SnapshotId(SmolStr::new_static("none"));
    }
    let mut id = Digest::of(all.as_bytes()).hex();
    id.truncate(SHOWN);
    SnapshotId(id.into())
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
