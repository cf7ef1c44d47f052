//! Looking into archives where the rules want it: the file that is to be served, and for what it
//! changes the one before it.

use std::sync::Arc;
use std::time::Instant;

use cordon_policy::ecosystem::NPM;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{
    AdvisoryKind, ArchiveFacts, Bundled, ByteFacts, Fact, FactKind, FactSet, ScanVerdict,
    ScannerVerdicts, VersionFacts,
};
use cordon_policy::inspect::content::ContentChange;
use cordon_policy::inspect::indicators::{IndicatorFacts, IndicatorSet};
use cordon_policy::inspect::manifest::{Disagreement, agree};
use cordon_policy::inspect::{Depth, Sheet};
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest, PackageVersion, Timestamp};
use cordon_policy::reason;
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::cache::SheetRecord;
use smol_str::SmolStr;

use super::Engine;
use super::artifact::{Held, Wanted};
use super::failure::Failure;
use super::inspections::inspected_facts;
use crate::feeds::AdvisoryData;
use crate::inspection::{Job, Source};

/// Longest text about what failed that is kept.
pub(super) const WHY_CHARS: usize = 200;

/// What is to be learned before a candidate can be judged with its bytes.
pub(super) fn to_learn(
    ruleset: &Ruleset,
    evaluation: &Evaluation,
    facts: &VersionFacts,
    now: Timestamp,
) -> FactSet {
    // What is refused for other reasons is not looked into: that could only add reasons.
    if evaluation.effect() == Effect::Block || facts.artifact.kind != ArtifactKind::Archive {
        return FactSet::EMPTY;
    }
    let wanted = evaluation.awaits().union(ruleset.wants(facts, now));
    let missing = [
        (FactKind::Archive, matches!(facts.archive, Fact::NotYet)),
        (FactKind::Agreement, matches!(facts.agreement, Fact::NotYet)),
        (FactKind::Content, matches!(facts.content, Fact::NotYet)),
        (
            FactKind::ContentChange,
            matches!(facts.content_change, Fact::NotYet),
        ),
        (FactKind::Scanners, matches!(facts.scanners, Fact::NotYet)),
        (
            FactKind::Indicators,
            matches!(facts.indicators, Fact::NotYet),
        ),
        (FactKind::Bundled, matches!(facts.bundled, Fact::NotYet)),
    ];
    let missing = missing
        .into_iter()
        .filter(|(_, is_missing)| *is_missing)
        .fold(FactSet::EMPTY, |set, (kind, _)| {
            set.union(FactSet::of(kind))
        });
    wanted.intersection(inspected_facts()).intersection(missing)
}

/// Makes the facts about an archive those about these bytes: what was found in others, by another
/// version of the inspection or within other limits says nothing, nor does what was found of other
/// indicators. Files that
/// derive from an archive are not looked into.
pub(super) fn forget_others(
    facts: &mut VersionFacts,
    bytes: &ByteFacts,
    (indicators, limits): (&SmolStr, &SmolStr),
) {
    let is_about_these = facts.history.pinned.as_ref() == Some(&bytes.sha256)
        && facts
            .archive
            .known()
            .is_some_and(|archive| archive.is_current(limits));
    if facts.artifact.kind != ArtifactKind::Archive {
        if matches!(facts.archive, Fact::NotYet) {
            (facts.archive, facts.agreement) = (Fact::Absent, Fact::Absent);
            (facts.content, facts.content_change) = (Fact::Absent, Fact::Absent);
            (facts.scanners, facts.indicators) = (Fact::Absent, Fact::Absent);
            facts.bundled = Fact::Absent;
        }
        return;
    }
    if !is_about_these {
        (facts.archive, facts.agreement) = (Fact::NotYet, Fact::NotYet);
        (facts.content, facts.content_change) = (Fact::NotYet, Fact::NotYet);
        (facts.scanners, facts.indicators) = (Fact::NotYet, Fact::NotYet);
        facts.bundled = Fact::NotYet;
    }
    let found = facts.indicators.known();
    if found.is_some_and(|found| found.set != *indicators) {
        facts.indicators = Fact::NotYet;
    }
}

/// What is known once every scanner was asked: without an answer of each that is required nothing is,
/// unless another has something against the archive.
fn scanner_facts(verdicts: ScannerVerdicts) -> Fact<Arc<ScannerVerdicts>> {
    let is_objected_to = verdicts.worst().is_some_and(|it| it > ScanVerdict::Clean);
    match verdicts.lacking() {
        Some(why) if !is_objected_to => unavailable(&why),
        _ => Fact::Known(Arc::new(verdicts)),
    }
}

fn unavailable<T>(why: &str) -> Fact<T> {
    Fact::Unavailable(reason::ascii(why, WHY_CHARS).into())
}

impl Engine {
    /// Learns what is to be learned from the bytes.
    pub(super) async fn look_into(
        &self,
        wanted: &Wanted,
        learn: FactSet,
        facts: &mut VersionFacts,
        held: &mut Held,
    ) -> Result<(), Failure> {
        let is_about_content =
            learn.contains(FactKind::Content) || learn.contains(FactKind::ContentChange);
        let depth = match is_about_content {
            true => Depth::Content,
            false => Depth::Structure,
        };
        let is_searched = learn.contains(FactKind::Indicators);
        let set = is_searched.then(|| Arc::clone(&wanted.snapshot.indicators));
        let Some(bytes) = facts.bytes.known().cloned() else {
            return Ok(());
        };
        if learn.contains(FactKind::Scanners) {
            facts.scanners = self.scanned(&facts.artifact, &bytes, held).await?;
        }
        let sheet = match self
            .sheet(&facts.artifact, &bytes, depth, set.as_ref(), held)
            .await?
        {
            Ok(sheet) => sheet,
            Err(why) => {
                set_unavailable(facts, learn, &why);
                return Ok(());
            }
        };
        facts.archive = Fact::Known(Arc::new(ArchiveFacts::from(&sheet)));
        facts.bundled = bundled(&facts.artifact, &sheet);
        advise_bundled(facts, &wanted.snapshot().advisories, self.clock.now());
        if learn.contains(FactKind::Agreement) {
            facts.agreement = agreement(wanted, &sheet);
        }
        if let Some(set) = &set {
            facts.indicators = indicator_facts(set, &bytes.sha256, &sheet);
        }
        if !is_about_content {
            return Ok(());
        }
        let content = sheet.content.map(Arc::from);
        let Some(content) = content else {
            let why = "what its files can do was not told";
            (facts.content, facts.content_change) = (unavailable(why), unavailable(why));
            return Ok(());
        };
        facts.content = Fact::Known(Arc::clone(&content));
        if learn.contains(FactKind::ContentChange) {
            facts.content_change = match self.content_baseline(wanted, facts).await? {
                Fact::Known(before) => {
                    let mut change =
                        ContentChange::between(before.version, &before.content, &content);
                    change.archive_before = Some(before.archive);
                    Fact::Known(Arc::new(change))
                }
                Fact::Absent => Fact::Absent,
                Fact::Unavailable(why) => Fact::Unavailable(why),
                Fact::NotYet => unavailable("the version before was not looked at"),
            };
        }
        Ok(())
    }

    /// What the scanners say that are configured.
    async fn scanned(
        &self,
        artifact: &ArtifactId,
        bytes: &ByteFacts,
        held: &mut Held,
    ) -> Result<Fact<Arc<ScannerVerdicts>>, Failure> {
        if self.scanners.is_empty() {
            return Ok(Fact::Absent);
        }
        let source = source(held).await?;
        let verdicts = self.scanners.scan(artifact, &bytes.sha256, source).await;
        Ok(scanner_facts(verdicts))
    }

    /// The sheet of the bytes: remembered, or made now, in so much depth and with these indicators
    /// searched for, if any are given. The inner error says why there is none.
    pub(super) async fn sheet(
        &self,
        artifact: &ArtifactId,
        bytes: &ByteFacts,
        depth: Depth,
        set: Option<&Arc<IndicatorSet>>,
        held: &mut Held,
    ) -> Result<Result<Sheet, SmolStr>, Failure> {
        let remembered = self.stores.cache.sheet(artifact).await?;
        let remembered = remembered
            .filter(|it| it.sha256 == bytes.sha256 && it.sheet.is_current(&self.inspection_limits))
            .map(|it| it.sheet);
        if let Some(sheet) = &remembered
            && (depth == Depth::Structure || sheet.content.is_some())
            && set.is_none_or(|set| is_searched_for(sheet, set))
        {
            return Ok(Ok(sheet.clone()));
        }
        // Hosts are looked for in what was understood of source.
        let depth = match set.is_some_and(|set| set.has_domains()) {
            true => Depth::Content,
            false => missing_depth(depth, remembered.as_ref()),
        };
        let pauses = &self.inspect_pauses;
        if let Some(why) = pauses.why(&bytes.sha256, depth, Instant::now()) {
            return Ok(Err(why));
        }
        let job = Job {
            artifact: artifact.clone(),
            depth,
            indicators: set.cloned(),
            source: source(held).await?,
        };
        let mut sheet = match self.inspector.inspect(job).await {
            Ok(sheet) => sheet,
            Err(failure) => {
                tracing::warn!(%artifact, %failure, "an archive could not be looked into");
                let why = reason::ascii(&failure.to_string(), WHY_CHARS).into();
                let told = (&failure, &why);
                pauses.failed(&bytes.sha256, depth, told, Instant::now());
                return Ok(Err(why));
            }
        };
        pauses.succeeded(&bytes.sha256, depth);
        // What was not asked for this time and is known of the same bytes.
        if let Some(remembered) = remembered {
            sheet.content = sheet.content.or(remembered.content);
            sheet.indicators = sheet.indicators.or(remembered.indicators);
        }
        let record = SheetRecord {
            sha256: bytes.sha256.clone(),
            sheet,
        };
        self.stores.cache.put_sheet(artifact, &record).await?;
        Ok(Ok(record.sheet))
    }
}

/// Whether a sheet tells of these indicators.
pub(super) fn is_searched_for(sheet: &Sheet, set: &IndicatorSet) -> bool {
    let found = sheet.indicators.as_ref();
    found.is_some_and(|found| found.set == *set.id())
}

/// How deep to look for what a sheet does not tell.
fn missing_depth(depth: Depth, remembered: Option<&Sheet>) -> Depth {
    match remembered.is_some_and(|sheet| sheet.content.is_some()) {
        true => Depth::Structure,
        false => depth,
    }
}

/// What of a set is in an archive, its own digest among it.
pub(super) fn indicator_facts(
    set: &IndicatorSet,
    sha256: &Digest,
    sheet: &Sheet,
) -> Fact<Arc<IndicatorFacts>> {
    let Some(found) = sheet.indicators.as_ref().filter(|it| it.set == *set.id()) else {
        return unavailable("what is in its files was not told");
    };
    // What was not searched is not known to be free of them.
    if let Some(why) = &found.failed {
        return unavailable(why);
    }
    let mut found = IndicatorFacts::clone(found);
    if let Ok(sha256) = sha256.as_bytes().try_into() {
        set.search_archive(sha256, &mut found);
    }
    Fact::Known(Arc::new(found))
}

/// Which other packages an archive brings along.
fn bundled(artifact: &ArtifactId, sheet: &Sheet) -> Fact<Arc<[Bundled]>> {
    let ecosystem = artifact.subject.name.ecosystem();
    if *ecosystem != NPM {
        return Fact::Absent;
    }
    let Some(manifest) = &sheet.manifest else {
        return unavailable("it has no manifest that can be read");
    };
    let all = Bundled::of(&manifest.nested, ecosystem);
    match all.is_empty() {
        true => Fact::Absent,
        false => Fact::Known(all.into()),
    }
}

/// Brings what advisories say of packages that are brought along up to these.
pub(super) fn advise_bundled(facts: &mut VersionFacts, data: &AdvisoryData, now: Timestamp) {
    let Fact::Known(all) = &facts.bundled else {
        return;
    };
    let advised = all.iter().map(|it| {
        let PackageVersion { name, version } = &it.subject;
        let known = data.facts(name, version, false, now).advisories;
        let matches = known.known().map_or(&[][..], |all| all);
        let malware = matches.iter().filter(|it| it.kind == AdvisoryKind::Malware);
        Bundled {
            malware: malware.cloned().collect(),
            ..it.clone()
        }
    });
    facts.bundled = Fact::Known(advised.collect());
}

/// Where the registry's document and the archive contradict each other. Of a file that no document
/// lists any more nothing is declared; what it was found to be when it was listed is on record.
fn agreement(wanted: &Wanted, sheet: &Sheet) -> Fact<Arc<[Disagreement]>> {
    let package = &wanted.package;
    let Some(place) = package.place_of(wanted.index) else {
        return Fact::Absent;
    };
    let Some(declared) = package.document.declared(place) else {
        return unavailable("what the registry says of it cannot be read");
    };
    let Some(found) = &sheet.manifest else {
        return unavailable("it has no manifest that can be read");
    };
    let found = agree(&declared, found, package.name.ecosystem());
    match found.is_empty() {
        true => Fact::Absent,
        false => Fact::Known(found.into()),
    }
}

/// The bytes, for somebody else to read.
async fn source(held: &mut Held) -> Result<Source, Failure> {
    Ok(match held {
        Held::Stored(reader) => Source::Blob(Arc::clone(reader)),
        Held::Spooled(spooled) => Source::File(spooled.staged.file().await?),
    })
}

fn set_unavailable(facts: &mut VersionFacts, learn: FactSet, why: &str) {
    // Whatever else was to be learned needs the archive.
    facts.archive = unavailable(why);
    if *facts.subject().name.ecosystem() == NPM {
        facts.bundled = unavailable(why);
    }
    if learn.contains(FactKind::Agreement) {
        facts.agreement = unavailable(why);
    }
    if learn.contains(FactKind::Content) {
        facts.content = unavailable(why);
    }
    if learn.contains(FactKind::ContentChange) {
        facts.content_change = unavailable(why);
    }
    if learn.contains(FactKind::Indicators) {
        facts.indicators = unavailable(why);
    }
}
