//! Verdicts over all candidates of a package, recorded before anyone is answered.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use cordon_policy::decision::{Cause, Decision};
use cordon_policy::facts::Audience;
use cordon_policy::finding::Fingerprint;
use cordon_policy::model::{FileName, Timestamp, Version};
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::evidence::{APPEND_LIMIT, Entry as LogEntry, Listing as ListingEntry};
use smol_str::SmolStr;

use super::Engine;
use super::context::Context;
use super::failure::Failure;
use super::package::Package;
use super::snapshot::Snapshot;
use crate::registry::Entry;

/// The verdicts of one generation over a package's candidates.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) generation: u64,
    /// When time alone could change a verdict.
    pub(super) valid_until: Option<Timestamp>,
    /// One per candidate.
    pub(super) entries: Vec<Entry>,
    /// The decision behind each candidate that is not listed.
    pub(super) withheld: HashMap<usize, Arc<Decision>>,
    /// Candidates listed.
    pub(super) listed: u32,
    /// The decision that speaks for all of them: the one a resolver would have taken.
    pub(super) spokesman: Option<Arc<Decision>>,
    /// What was known besides the documents.
    pub(super) context: Arc<Context>,
    /// Who it is for.
    pub(super) audience: Audience,
    /// [`Inspections::epoch`](super::inspections::Inspections::epoch) before it was made.
    pub(super) inspections_epoch: u64,
}

/// The newest judgements of a package, one for each audience that asked.
#[derive(Debug, Default)]
pub(super) struct Judgements(ArcSwap<Vec<Arc<Judgement>>>);

impl Judgements {
    /// Audiences remembered of one package; the one that asked first again is judged anew.
    const MOST: usize = 16;

    fn of(&self, audience: &Audience) -> Option<Arc<Judgement>> {
        let all = self.0.load();
        all.iter().find(|it| it.audience == *audience).cloned()
    }

    /// Called by one at a time.
    fn put(&self, judgement: Arc<Judgement>) {
        let all = self.0.load();
        let others = all.iter().filter(|it| it.audience != judgement.audience);
        let kept = others.take(Self::MOST - 1).cloned();
        let next = std::iter::once(Arc::clone(&judgement))
            .chain(kept)
            .collect();
        self.0.store(Arc::new(next));
    }
}

impl Judgement {
    /// Whether it may be used by a request of this generation now.
    pub(super) fn holds(&self, generation: u64, now: Timestamp) -> bool {
        self.generation == generation && self.valid_until.is_none_or(|until| now < until)
    }

    /// Whether nothing of the package may be had although there is something.
    pub(super) fn is_all_withheld(&self) -> bool {
        self.listed == 0 && !self.withheld.is_empty()
    }
}

/// Candidates judged where the request runs; more are judged on a thread for blocking work. A
/// candidate takes about a microsecond.
const INLINE_CANDIDATES: usize = 2_000;

impl Engine {
    /// The verdicts for this request's snapshot; changed ones are durable when this returns.
    pub(super) async fn judge(
        &self,
        package: &Arc<Package>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Arc<Judgement>, Failure> {
        let now = self.clock.now();
        if let Some(judgement) = current(package, snapshot, now) {
            return Ok(judgement);
        }
        let _turn = package.judging.lock().await;
        let now = self.clock.now();
        if let Some(judgement) = current(package, snapshot, now) {
            return Ok(judgement);
        }
        let inspections_epoch = package.inspections.epoch();
        let context = Arc::new(self.context(package, snapshot, now).await?);
        let evaluated = match package.candidates() {
            0..=INLINE_CANDIDATES => evaluate_all(package, snapshot, &context, now),
            _ => {
                let (package, snapshot) = (Arc::clone(package), Arc::clone(snapshot));
                let context = Arc::clone(&context);
                let work = move || evaluate_all(&package, &snapshot, &context, now);
                tokio::task::spawn_blocking(work)
                    .await
                    .map_err(|_| Failure::Interrupted)?
            }
        };
        let previous = package.judgements.of(&snapshot.audience);
        let judgement = self
            .conclude(package, snapshot, now, context, evaluated, previous)
            .await?;
        let judgement = Arc::new(Judgement {
            inspections_epoch,
            ..judgement
        });
        package.judgements.put(Arc::clone(&judgement));
        self.tell_of_removals(package).await;
        Ok(judgement)
    }

    async fn conclude(
        &self,
        package: &Arc<Package>,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        context: Arc<Context>,
        evaluated: Evaluated,
        previous: Option<Arc<Judgement>>,
    ) -> Result<Judgement, Failure> {
        let Evaluated {
            entries,
            listed,
            not_listed,
            valid_until,
        } = evaluated;
        let ladder = if not_listed.is_empty() {
            Vec::new()
        } else {
            listed_versions(package, &entries)
        };
        let mut withheld = HashMap::with_capacity(not_listed.len());
        let mut log = Vec::new();
        // What is on record must stay so until what is concluded here is, too.
        let turn = match not_listed.is_empty() {
            true => None,
            false => Some(self.turns.of(&package.name).await),
        };
        let mut standing = self
            .standing(package, snapshot, previous.as_deref(), &not_listed)
            .await?;
        for (index, evaluation) in not_listed {
            let before = previous
                .as_ref()
                .and_then(|previous| previous.withheld.get(&index));
            if let Some(decision) = before.filter(|d| is_same(d, &evaluation, snapshot)) {
                withheld.insert(index, Arc::clone(decision));
                continue;
            }
            let Some(facts) = package.facts(index, &context) else {
                continue;
            };
            if let Some(decision) = standing
                .remove(&key_of(&evaluation))
                .filter(|d| is_same(d, &evaluation, snapshot))
            {
                withheld.insert(index, Arc::new(decision));
                continue;
            }
            let decision = Decision {
                id: self.ids.next(),
                at: now,
                nearest_allowed: nearest(package, &ladder, &evaluation.subject().version),
                cause: cause(previous.as_deref(), snapshot),
                ruleset: snapshot.ruleset.hash().clone(),
                evaluation,
                facts,
            };
            self.metrics.decided(&decision);
            log.push(LogEntry::Decision(Box::new(decision.clone())));
            withheld.insert(index, Arc::new(decision));
        }
        if !log.is_empty() {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let document = package.source_digests().flatten().next().cloned();
            if let Some(document) = document {
                log.push(LogEntry::Listing(ListingEntry {
                    at: now,
                    package: package.name.clone(),
                    document,
                    ruleset: snapshot.ruleset.hash().0.clone(),
                    listed: count(listed),
                    withheld: count(withheld.len()),
                }));
            }
            while !log.is_empty() {
                let rest = log.split_off(log.len().min(APPEND_LIMIT));
                self.stores.evidence.append(log).await?;
                log = rest;
            }
        }
        drop(turn);
        Ok(Judgement {
            generation: snapshot.generation,
            valid_until: sooner(valid_until, context.valid_until),
            entries,
            context,
            spokesman: spokesman(package, &withheld),
            withheld,
            listed: u32::try_from(listed).unwrap_or(u32::MAX),
            audience: snapshot.audience.clone(),
            inspections_epoch: 0,
        })
    }

    /// What is on record about the files of a package: a document that changed, was forgotten or
    /// is seen again after a start is judged anew, but a conclusion that stands is not written
    /// into the log once more. Asked only when something withheld was not known before.
    async fn standing(
        &self,
        package: &Package,
        snapshot: &Snapshot,
        previous: Option<&Judgement>,
        not_listed: &[(usize, Evaluation)],
    ) -> Result<HashMap<(Version, FileName), Decision>, Failure> {
        let is_known = |index: &usize| {
            previous.is_some_and(|judgement| judgement.withheld.contains_key(index))
        };
        if not_listed.iter().all(|(index, _)| is_known(index)) {
            return Ok(HashMap::new());
        }
        let standing = self.stores.evidence.standing(&package.name).await?;
        let ours = standing.into_iter();
        let ours = ours.filter(|decision| decision.facts.audience == snapshot.audience);
        Ok(ours
            .map(|decision| (key_of(&decision.evaluation), decision))
            .collect())
    }
}

fn key_of(evaluation: &Evaluation) -> (Version, FileName) {
    let artifact = evaluation.artifact();
    (artifact.subject.version.clone(), artifact.file.clone())
}

/// Why verdicts are made now: nobody had asked before, other rules hold, or time passed.
fn cause(previous: Option<&Judgement>, snapshot: &Snapshot) -> Cause {
    match previous {
        None => Cause::Request,
        Some(previous) if previous.generation == snapshot.generation => Cause::Expiry,
        Some(previous) if previous.context.is_of(&snapshot.advisories) => Cause::PolicyReload,
        Some(_) => Cause::AdvisoryRefresh,
    }
}

fn current(package: &Package, snapshot: &Snapshot, now: Timestamp) -> Option<Arc<Judgement>> {
    package
        .judgements
        .of(&snapshot.audience)
        .filter(|judgement| judgement.holds(snapshot.generation, now))
        .filter(|judgement| judgement.inspections_epoch == package.inspections.epoch())
}

struct Evaluated {
    /// One per candidate of the document.
    entries: Vec<Entry>,
    listed: usize,
    not_listed: Vec<(usize, Evaluation)>,
    valid_until: Option<Timestamp>,
}

fn evaluate_all(
    package: &Package,
    snapshot: &Snapshot,
    context: &Context,
    now: Timestamp,
) -> Evaluated {
    let mut entries = vec![Entry::Hidden; package.document.candidates().len()];
    let mut listed = 0;
    let mut not_listed = Vec::new();
    let mut valid_until: Option<Timestamp> = None;
    for index in package.offered() {
        let Some(facts) = package.facts(index, context) else {
            break;
        };
        let evaluation = snapshot.ruleset.evaluate(&facts, now);
        valid_until = sooner(valid_until, evaluation.valid_until());
        let may_list = evaluation.may_list();
        if let Some(entry) = package
            .place_of(index)
            .and_then(|place| entries.get_mut(place))
        {
            listed += usize::from(may_list);
            *entry = match may_list {
                true => Entry::Listed,
                false => package.registry.withheld_as(evaluation.effect()),
            };
        }
        if !may_list {
            not_listed.push((index, evaluation));
        }
    }
    Evaluated {
        entries,
        listed,
        not_listed,
        valid_until,
    }
}

fn sooner(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether the record of an earlier evaluation says the same as this one.
fn is_same(decision: &Decision, evaluation: &Evaluation, snapshot: &Snapshot) -> bool {
    let prints = |evaluation: &Evaluation| -> Vec<(Effect, Fingerprint)> {
        evaluation
            .findings()
            .iter()
            .map(|f| (f.effect, f.fingerprint()))
            .collect()
    };
    decision.ruleset == *snapshot.ruleset.hash()
        && decision.evaluation.effect() == evaluation.effect()
        && decision.evaluation.valid_until() == evaluation.valid_until()
        && prints(&decision.evaluation) == prints(evaluation)
}

/// Versions that are listed, in ascending order.
fn listed_versions(package: &Package, entries: &[Entry]) -> Vec<Version> {
    let scheme = package.registry.scheme();
    let mut versions: Vec<Version> = package
        .document
        .candidates()
        .iter()
        .zip(entries)
        .filter(|(_, entry)| **entry == Entry::Listed)
        .map(|(facts, _)| facts.artifact.subject.version.clone())
        .collect();
    versions.sort_by(|a, b| scheme.compare(a, b));
    versions.dedup();
    versions
}

/// The allowed version a developer would take instead: the highest one not above, pre-releases
/// only for a pre-release; else the lowest one above.
fn nearest(package: &Package, ladder: &[Version], wanted: &Version) -> Option<SmolStr> {
    let scheme = package.registry.scheme();
    let wants_prerelease = scheme.is_prerelease(wanted);
    let fits = |version: &&Version| wants_prerelease || !scheme.is_prerelease(version);
    let split = ladder.partition_point(|v| scheme.compare(v, wanted) != Ordering::Greater);
    let (below, above) = ladder.split_at(split);
    let found = below
        .iter()
        .rev()
        .find(fits)
        .or_else(|| above.iter().find(fits));
    found
        .or_else(|| ladder.last())
        .map(|version| version.as_str().into())
}

/// The withheld candidate that speaks for all: the highest release, else the highest pre-release.
fn spokesman(package: &Package, withheld: &HashMap<usize, Arc<Decision>>) -> Option<Arc<Decision>> {
    let scheme = package.registry.scheme();
    let rank = |decision: &&Arc<Decision>| {
        let version = decision.evaluation.subject().version.clone();
        (!scheme.is_prerelease(&version), version)
    };
    withheld
        .values()
        .max_by(|a, b| {
            let ((a_stable, a), (b_stable, b)) = (rank(a), rank(b));
            a_stable.cmp(&b_stable).then_with(|| scheme.compare(&a, &b))
        })
        .cloned()
}
