//! What inspection showed of a package's files, as far as it is on record: listings must hide what
//! the bytes were held for, without looking at them again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use cordon_policy::decision::Decision;
use cordon_policy::facts::{
    ArchiveFacts, Bundled, Fact, FactKind, FactSet, ScannerVerdicts, VersionFacts,
};
use cordon_policy::inspect::content::{ContentChange, ContentFacts};
use cordon_policy::inspect::indicators::IndicatorFacts;
use cordon_policy::inspect::manifest::Disagreement;
use cordon_policy::model::{ArtifactKind, Digest, FileName, PackageName, Version};
use cordon_storage::StorageError;
use cordon_storage::evidence::Remembered;

use super::Engine;

/// The facts that come from looking into an archive.
pub(super) const INSPECTED: [FactKind; 7] = [
    FactKind::Archive,
    FactKind::Agreement,
    FactKind::Content,
    FactKind::ContentChange,
    FactKind::Scanners,
    FactKind::Indicators,
    FactKind::Bundled,
];

/// [`INSPECTED`] as a set.
pub(super) fn inspected_facts() -> FactSet {
    INSPECTED
        .into_iter()
        .fold(FactSet::EMPTY, |set, kind| set.union(FactSet::of(kind)))
}

/// What inspection showed of one file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inspected {
    /// The bytes it is about.
    sha256: Digest,
    archive: Fact<Arc<ArchiveFacts>>,
    agreement: Fact<Arc<[Disagreement]>>,
    content: Fact<Arc<ContentFacts>>,
    content_change: Fact<Arc<ContentChange>>,
    scanners: Fact<Arc<ScannerVerdicts>>,
    indicators: Fact<Arc<IndicatorFacts>>,
    bundled: Fact<Arc<[Bundled]>>,
}

impl Inspected {
    /// What facts tell of the bytes of an archive; `None` if it was not looked into.
    pub(super) fn of(sha256: &Digest, facts: &VersionFacts) -> Option<Self> {
        facts.archive.known()?;
        Some(Self {
            sha256: sha256.clone(),
            archive: facts.archive.clone(),
            agreement: learned(&facts.agreement),
            content: learned(&facts.content),
            content_change: learned(&facts.content_change),
            scanners: learned(&facts.scanners),
            indicators: learned(&facts.indicators),
            bundled: learned(&facts.bundled),
        })
    }

    fn on_record(decision: &Decision) -> Option<Self> {
        let facts = &decision.facts;
        let sha256 = match &facts.bytes {
            Fact::Known(bytes) => Some(&bytes.sha256),
            Fact::Absent | Fact::Unavailable(_) | Fact::NotYet => facts.history.pinned.as_ref(),
        };
        Self::of(sha256?, facts)
    }

    /// Whether what was found may not be found any more.
    fn is_outdated(&self, limits: &str) -> bool {
        let archive = self.archive.known();
        archive.is_some_and(|it| it.is_outdated(limits))
    }

    /// Completes facts about the same bytes.
    pub(super) fn complete(&self, facts: &mut VersionFacts) {
        if facts.history.pinned.as_ref() != Some(&self.sha256) {
            return;
        }
        facts.archive = self.archive.clone();
        facts.agreement = self.agreement.clone();
        facts.content = self.content.clone();
        facts.content_change = self.content_change.clone();
        facts.scanners = self.scanners.clone();
        facts.indicators = self.indicators.clone();
        facts.bundled = self.bundled.clone();
    }
}

/// What could not be learned then is asked again by the next request for the file; a listing must
/// not keep that request from coming.
fn learned<T: Clone>(fact: &Fact<T>) -> Fact<T> {
    match fact {
        Fact::Unavailable(_) => Fact::NotYet,
        known => known.clone(),
    }
}

/// Packages whose inspections are held in memory, beside those in use.
pub(super) const PACKAGES: u64 = 8192;

type Candidate = (Version, FileName);

/// What inspection showed of a package's files.
#[derive(Debug, Default)]
pub(super) struct Inspections {
    files: ArcSwap<HashMap<Candidate, Inspected>>,
    epoch: AtomicU64,
}

impl Inspections {
    /// Grows whenever a listing made before may no longer be right.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Completes the facts of a candidate whose history is known.
    pub(super) fn complete(&self, facts: &mut VersionFacts) {
        let files = self.files.load();
        if files.is_empty() {
            return;
        }
        let id = &facts.artifact;
        let key = (id.subject.version.clone(), id.file.clone());
        if let Some(inspected) = files.get(&key) {
            inspected.complete(facts);
        }
    }

    /// Notes what was concluded from. `is_held` says that the file is not served for it.
    pub(super) fn note(&self, sha256: &Digest, facts: &VersionFacts, is_held: bool) {
        let id = &facts.artifact;
        if id.kind != ArtifactKind::Archive {
            return;
        }
        let Some(inspected) = Inspected::of(sha256, facts) else {
            return;
        };
        let key = (id.subject.version.clone(), id.file.clone());
        let before = self.files.load().get(&key).cloned();
        if before.as_ref() == Some(&inspected) {
            return;
        }
        self.files.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.insert(key.clone(), inspected.clone());
            all
        });
        if is_held || before.is_some() {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Engine {
    /// What is on record about the files of a package that were had. All forms of a package share
    /// it.
    pub(super) async fn inspections(
        &self,
        package: &PackageName,
        remembered: &HashMap<Candidate, Remembered>,
    ) -> Result<Arc<Inspections>, StorageError> {
        if let Some(known) = self.inspected.get(package) {
            return Ok(known);
        }
        let read = match remembered.values().all(|it| it.pinned.is_none()) {
            true => Inspections::default(),
            false => self.recorded_inspections(package).await?,
        };
        let entry = self.inspected.entry_by_ref(package);
        Ok(entry.or_insert(Arc::new(read)).into_value())
    }

    async fn recorded_inspections(
        &self,
        package: &PackageName,
    ) -> Result<Inspections, StorageError> {
        let mut newest: HashMap<Candidate, (Decision, Inspected)> = HashMap::new();
        for decision in self.stores.evidence.standing(package).await? {
            let Some(inspected) = Inspected::on_record(&decision) else {
                continue;
            };
            let id = decision.evaluation.artifact();
            let key = (id.subject.version.clone(), id.file.clone());
            let is_newer = newest.get(&key).is_none_or(|(it, _)| it.at <= decision.at);
            if is_newer {
                newest.insert(key, (decision, inspected));
            }
        }
        // What was too large for other limits, or found by another version of the inspection, is listed, so
        // that it is asked for and looked at again. Nothing of it is sent before that.
        let limits = &self.inspection_limits;
        let files = newest.into_iter().map(|(key, (_, it))| (key, it));
        let files = files.filter(|(_, it)| !it.is_outdated(limits));
        Ok(Inspections {
            files: ArcSwap::from_pointee(files.collect()),
            epoch: AtomicU64::default(),
        })
    }
}
