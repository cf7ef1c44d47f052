//! What was decided is decided again when rules or advisories change (flow d): from the facts as
//! they were recorded, without a request to anybody.
//!
//! Safety does not wait for this: the generation has moved, so whoever asks gets a verdict of now.
//! This is for telling: which verdicts changed, and who has what is refused by now.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cordon_policy::decision::{Cause, Decision};
use cordon_policy::facts::{AdvisoryKind, Fact, Named, VersionFacts};
use cordon_policy::finding::Fingerprint;
use cordon_policy::model::{FileName, PackageName, Timestamp, Version};
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::StorageError;
use cordon_storage::evidence::{
    APPEND_LIMIT, Entry as LogEntry, Exposure, ExposureFilter, RECEIVERS_PER_EXPOSURE, Receivers,
    Remembered,
};
use smol_str::SmolStr;

use super::Engine;
use super::inspect::advise_bundled;
use super::snapshot::Snapshot;
use super::suspected::Suspected;
use crate::feeds::AdvisoryData;

/// Exposures of a file looked at, newest first, for one told to the same audience.
const AUDIENCES_TOLD: usize = 64;
/// Most advisory ids named in one exposure.
const MAX_IDS: usize = 32;

/// What came of judging again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reevaluated {
    /// Files judged.
    pub judged: u64,
    /// Verdicts that are stricter now.
    pub stricter: u64,
    /// Verdicts that are milder now.
    pub milder: u64,
    /// Files that were served and are refused by now.
    pub exposed: u64,
}

impl std::ops::AddAssign for Reevaluated {
    fn add_assign(&mut self, more: Self) {
        self.judged += more.judged;
        self.stricter += more.stricter;
        self.milder += more.milder;
        self.exposed += more.exposed;
    }
}

impl Engine {
    /// Judges the files of a package again, as far as anything was decided about them. Changed
    /// verdicts and exposures are durable when this returns.
    ///
    /// # Errors
    /// If a store fails; then nothing is recorded, or all of it.
    pub async fn reevaluate(
        &self,
        package: &PackageName,
        cause: Cause,
    ) -> Result<Reevaluated, StorageError> {
        let evidence = &self.stores.evidence;
        // Before the turn: whoever asks for the package need not wait for this.
        if matches!(cause, Cause::IndicatorChange | Cause::PolicyReload) {
            self.search_again(package).await?;
        }
        // Nobody else concludes anything about it meanwhile.
        let _turn = self.turns.of(package).await;
        let standing = evidence.standing(package).await?;
        let mut done = Reevaluated::default();
        if standing.is_empty() {
            return Ok(done);
        }
        let inspections = self.inspected.get(package);
        // Who got something a moment ago is to be among the receivers.
        self.flush_servings().await;
        let remembered = evidence.remembered(package).await?;
        let snapshot = self.snapshot();
        let now = self.clock.now();
        let mut log = Vec::new();
        let mut exposures = Vec::new();
        let mut suspected = Suspected::default();
        for decision in ordered(standing) {
            let mut facts = facts_now(&decision, &remembered, Some(&snapshot.advisories), now);
            let is_searched = self.found_again(&mut facts, &snapshot.indicators).await?;
            let was_allowed = facts.history.first_allowed_at.is_some();
            let evaluation = snapshot.ruleset.evaluate(&facts, now);
            done.judged += 1;
            if was_allowed {
                suspected.add(&evaluation);
            }
            if is_searched
                && let (Some(inspections), Some(pinned)) = (&inspections, &facts.history.pinned)
            {
                inspections.note(pinned, &facts, evaluation.effect() != Effect::Allow);
            }
            let standing = match change(&decision, &evaluation, now) {
                Change::None => decision,
                change => {
                    done.stricter += u64::from(change == Change::Stricter);
                    done.milder += u64::from(change == Change::Milder);
                    let decision = self.decided_again(evaluation, facts, cause, &snapshot, now);
                    log.push(LogEntry::Decision(Box::new(decision.clone())));
                    decision
                }
            };
            if was_allowed
                && standing.evaluation.effect() != Effect::Allow
                && let Some(exposure) = self.exposure(&standing, cause, now).await?
            {
                done.exposed += 1;
                log.push(LogEntry::Exposure(Box::new(exposure.clone())));
                exposures.push(exposure);
            }
        }
        let notice = self.suspicion(package, &suspected, now);
        log.extend(notice.map(LogEntry::Notice));
        while !log.is_empty() {
            let rest = log.split_off(log.len().min(APPEND_LIMIT));
            evidence.append(log).await?;
            log = rest;
        }
        self.has_told(package, suspected);
        for exposure in &exposures {
            self.metrics.exposed(package.ecosystem().as_str());
            report(exposure);
        }
        Ok(done)
    }

    fn decided_again(
        &self,
        evaluation: Evaluation,
        facts: VersionFacts,
        cause: Cause,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Decision {
        let decision = Decision {
            id: self.ids.next(),
            at: now,
            evaluation,
            cause,
            ruleset: snapshot.ruleset.hash().clone(),
            facts,
            // Which versions are listed is known where documents are, not here.
            nearest_allowed: None,
        };
        self.metrics.decided(&decision);
        decision
    }

    /// Who has the file, if anybody received it since the last time this was told.
    async fn exposure(
        &self,
        decision: &Decision,
        cause: Cause,
        now: Timestamp,
    ) -> Result<Option<Exposure>, StorageError> {
        let evidence = &self.stores.evidence;
        let artifact = decision.evaluation.artifact();
        let Receivers {
            list,
            clients,
            total,
            newest,
        } = evidence
            .receivers(
                artifact,
                Some(&decision.facts.audience),
                RECEIVERS_PER_EXPOSURE,
            )
            .await?;
        let Some(newest) = newest else {
            return Ok(None);
        };
        let filter = ExposureFilter {
            artifact: Some(artifact.clone()),
            limit: AUDIENCES_TOLD,
            ..ExposureFilter::default()
        };
        for told in evidence.exposures(&filter).await?.iter().rev() {
            if told.index <= newest {
                break;
            }
            // What was told about others who asked says nothing of these.
            let about = evidence.decision(&told.exposure.decision).await?;
            let about = about.map(|logged| logged.decision.facts.audience);
            if about.is_none_or(|audience| audience == decision.facts.audience) {
                return Ok(None);
            }
        }
        Ok(Some(Exposure {
            at: now,
            artifact: artifact.clone(),
            decision: decision.id.clone(),
            effect: decision.evaluation.effect(),
            cause,
            advisories: advisories(&decision.facts),
            received_by: list,
            clients,
            total,
        }))
    }

    /// Of some packages those of which new advisory data would refuse what is served under the
    /// data in force, and was served since an instant. What is named version by version as malware
    /// does not count: nobody has to think twice about that.
    ///
    /// # Errors
    /// If a store fails.
    pub async fn newly_refused(
        &self,
        data: &AdvisoryData,
        packages: &BTreeSet<PackageName>,
        since: Timestamp,
    ) -> Result<BTreeSet<PackageName>, StorageError> {
        // Who got something a moment ago counts.
        self.flush_servings().await;
        let mut refused = BTreeSet::new();
        for package in packages {
            if self.is_newly_refused(data, package, since).await? {
                refused.insert(package.clone());
            }
        }
        Ok(refused)
    }

    async fn is_newly_refused(
        &self,
        data: &AdvisoryData,
        package: &PackageName,
        since: Timestamp,
    ) -> Result<bool, StorageError> {
        let evidence = &self.stores.evidence;
        let standing = evidence.standing(package).await?;
        if standing.is_empty() {
            return Ok(false);
        }
        let remembered = evidence.remembered(package).await?;
        let snapshot = self.snapshot();
        let now = self.clock.now();
        for decision in ordered(standing) {
            let facts = facts_now(&decision, &remembered, Some(data), now);
            let is_listed_malware = facts.advisories.known().is_some_and(|matches| {
                let mut matches = matches.iter();
                matches.any(|it| it.kind == AdvisoryKind::Malware && it.named == Named::Listed)
            });
            if facts.history.first_allowed_at.is_none() || is_listed_malware {
                continue;
            }
            let before = facts_now(&decision, &remembered, Some(&snapshot.advisories), now);
            let is_allowed =
                |facts| snapshot.ruleset.evaluate(facts, now).effect() == Effect::Allow;
            if is_allowed(&facts) || !is_allowed(&before) {
                continue;
            }
            let received = evidence
                .receivers(
                    decision.evaluation.artifact(),
                    Some(&decision.facts.audience),
                    1,
                )
                .await?;
            let last = received.list.first();
            if last.is_some_and(|receiver| receiver.last_at >= since) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Decisions in the order of what they are about, so that the log is too.
fn ordered(mut all: Vec<Decision>) -> Vec<Decision> {
    let key = |decision: &Decision| {
        let audience = decision.facts.audience.clone();
        (decision.evaluation.artifact().clone(), audience)
    };
    all.sort_by_cached_key(key);
    all
}

/// The facts of a decision, with what is remembered and known of advisories by now; without
/// advisory data those of then.
pub fn facts_now(
    decision: &Decision,
    remembered: &HashMap<(Version, FileName), Remembered>,
    data: Option<&AdvisoryData>,
    now: Timestamp,
) -> VersionFacts {
    let mut facts = decision.facts.clone();
    let id = &facts.artifact;
    let key = (id.subject.version.clone(), id.file.clone());
    if let Some(remembered) = remembered.get(&key) {
        let history = &mut facts.history;
        history.first_allowed_at = remembered.first_allowed_at.or(history.first_allowed_at);
        history.pinned = remembered.pinned.clone().or_else(|| history.pinned.take());
        history.removal = remembered.removal;
    }
    let Some(data) = data else {
        return facts;
    };
    let was_allowed = facts.history.first_allowed_at.is_some();
    let subject = facts.subject();
    let known = data.facts(&subject.name, &subject.version, was_allowed, now);
    (facts.advisories, facts.fixes) = (known.advisories, known.fixes);
    advise_bundled(&mut facts, data, now);
    facts
}

/// How a verdict changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    Stricter,
    Milder,
    /// The same verdict for another reason.
    Reason,
}

fn change(decision: &Decision, evaluation: &Evaluation, now: Timestamp) -> Change {
    let before = &decision.evaluation;
    if evaluation.effect() > before.effect() {
        return Change::Stricter;
    }
    // Time alone may have changed it: whoever asks finds that out, and it says nothing here.
    if before.valid_until().is_some_and(|until| until <= now) {
        return Change::None;
    }
    if evaluation.effect() < before.effect() {
        return Change::Milder;
    }
    let prints = |evaluation: &Evaluation| -> Vec<(Effect, Fingerprint)> {
        let findings = evaluation.findings().iter();
        findings.map(|f| (f.effect, f.fingerprint())).collect()
    };
    let is_same = evaluation.effect() == Effect::Allow || prints(before) == prints(evaluation);
    if is_same {
        Change::None
    } else {
        Change::Reason
    }
}

fn advisories(facts: &VersionFacts) -> Vec<SmolStr> {
    match &facts.advisories {
        Fact::Known(matches) => matches
            .iter()
            .take(MAX_IDS)
            .map(|it| it.id.clone())
            .collect(),
        Fact::Absent | Fact::Unavailable(_) | Fact::NotYet => Vec::new(),
    }
}

fn report(exposure: &Exposure) {
    let first = exposure.received_by.first();
    tracing::warn!(
        artifact = %exposure.artifact,
        decision = %exposure.decision,
        effect = exposure.effect.name(),
        advisories = exposure.advisories.join(","),
        clients = exposure.clients,
        total = exposure.total,
        latest = first.map(|it| it.client.address.as_str()).unwrap_or_default(),
        "what was served is refused by now; `cordon log exposures` tells who has it"
    );
}

/// The snapshot a pass brings the records up to.
pub(super) fn identity(snapshot: &Arc<Snapshot>) -> (String, String) {
    (
        snapshot.ruleset.hash().to_string(),
        format!("{}+{}", snapshot.advisories.id(), snapshot.indicators.id()),
    )
}
