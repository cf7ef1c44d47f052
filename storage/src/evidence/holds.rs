//! What is held: the questions, their answers, and the model every store is compared with.
//!
//! That something is held is nobody's entry. An artifact was held once when some decision about it
//! put it in quarantine; the first of them is its ticket. It stands as the newest decisions about it
//! say, and as people settled it by the newest review.

use std::collections::BTreeMap;

use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::finding::RuleId;
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest, Ecosystem, PackageName, Timestamp};
use cordon_policy::verdict::Effect;

use super::entry::{Entry, EntryIndex, Pin, QuarantineAct, QuarantineChange};
use super::memory::rules_of;
use super::query::page_size;

/// Open requests given along with one hold: the newest.
pub const REQUESTS_PER_HOLD: usize = 50;

/// The most changes given of one artifact: the newest.
pub const MAX_HISTORY: usize = 1_000;

/// Which holds to page through. All given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct HoldFilter {
    /// Only of this ecosystem.
    pub ecosystem: Option<Ecosystem>,
    /// Only of this package.
    pub package: Option<PackageName>,
    /// Only where this rule found something in a decision that stands.
    pub rule: Option<RuleId>,
    /// Only first held then or later.
    pub since: Option<Timestamp>,
    /// Only what may be held now: a decision that stands refuses it to somebody, or a release that
    /// may have ended lets it through; and nobody rejected it.
    pub only_open: bool,
    /// Only what was held first before this entry, for the next page.
    pub before: Option<EntryIndex>,
    /// How many at most, the latest held first; 0 means [`DEFAULT_PAGE`](super::query::DEFAULT_PAGE),
    /// more than [`MAX_PAGE`](super::query::MAX_PAGE) means that.
    pub limit: usize,
}

/// An artifact that was held once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The entry by which it was held first.
    pub index: EntryIndex,
    /// Its ticket: the decision of that entry.
    pub ticket: DecisionId,
    /// When that was.
    pub since: Timestamp,
    /// What was held.
    pub artifact: ArtifactId,
    /// The newest decision about it for each audience, in the order of their keys.
    pub standing: Vec<Decision>,
    /// The newest review.
    pub review: Option<QuarantineChange>,
    /// The first of two voices for a release, when no review came after it: the newest.
    pub approval: Option<QuarantineChange>,
    /// Requests for its release that no review came after: the newest, oldest first.
    pub requests: Vec<QuarantineChange>,
}

/// Bytes kept of something held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBytes {
    /// Which.
    pub sha256: Digest,
    /// Since when.
    pub since: Timestamp,
}

/// Whether a decision alone makes its artifact a held one.
pub(crate) fn holds(decision: &Decision) -> bool {
    is_archive(decision) && decision.evaluation.effect() == Effect::Quarantine
}

/// Whether what is held is looked after by its archive: derived files follow it.
pub(crate) fn is_archive(decision: &Decision) -> bool {
    decision.evaluation.artifact().kind == ArtifactKind::Archive
}

/// Whether a verdict refuses until a person does something.
fn is_strict(effect: Effect) -> bool {
    matches!(effect, Effect::Quarantine | Effect::Block)
}

impl HoldFilter {
    fn admits(&self, hold: &Hold) -> bool {
        let name = &hold.artifact.subject.name;
        let mut standing = hold.standing.iter();
        let is_open = || {
            let settled = hold.review.as_ref().map(|review| review.act);
            let mut standing = hold.standing.iter();
            settled != Some(QuarantineAct::Rejected)
                && (settled == Some(QuarantineAct::Released)
                    || standing.any(|decision| is_strict(decision.evaluation.effect())))
        };
        self.ecosystem
            .as_ref()
            .is_none_or(|it| it == name.ecosystem())
            && self.package.as_ref().is_none_or(|it| it == name)
            && self.rule.as_ref().is_none_or(|rule| {
                standing.any(|decision| rules_of(decision).any(|found| found == rule))
            })
            && self.since.is_none_or(|since| hold.since >= since)
            && self.before.is_none_or(|before| hold.index < before)
            && (!self.only_open || is_open())
    }
}

/// Everything that was held once, told from all entries: the model.
pub(super) fn all<'a>(entries: impl Iterator<Item = (EntryIndex, &'a Entry)>) -> Vec<Hold> {
    let mut first: BTreeMap<ArtifactId, (EntryIndex, &Decision)> = BTreeMap::new();
    let mut standing: BTreeMap<ArtifactId, BTreeMap<String, &Decision>> = BTreeMap::new();
    let mut changes: BTreeMap<ArtifactId, Vec<&QuarantineChange>> = BTreeMap::new();
    for (index, entry) in entries {
        match entry {
            Entry::Decision(decision) if is_archive(decision) => {
                let artifact = decision.evaluation.artifact();
                if holds(decision) {
                    let slot = first.entry(artifact.clone());
                    slot.or_insert((index, decision));
                }
                let newest = standing.entry(artifact.clone()).or_default();
                newest.insert(decision.facts.audience.key().to_string(), decision);
            }
            Entry::Quarantine(change) => {
                changes
                    .entry(change.artifact.clone())
                    .or_default()
                    .push(change);
            }
            _ => {}
        }
    }
    let mut all: Vec<Hold> = first
        .into_iter()
        .map(|(artifact, (index, decision))| {
            let newest = standing.remove(&artifact).unwrap_or_default();
            let changes = changes.remove(&artifact).unwrap_or_default();
            let (review, after) = settle(&changes);
            let approval = after
                .iter()
                .rev()
                .find(|it| it.act == QuarantineAct::Approved);
            let requests = after.iter().filter(|it| it.act == QuarantineAct::Asked);
            let mut requests: Vec<QuarantineChange> = requests.map(|it| (*it).clone()).collect();
            requests.drain(..requests.len().saturating_sub(REQUESTS_PER_HOLD));
            Hold {
                index,
                ticket: decision.id.clone(),
                since: decision.at,
                standing: newest.into_values().cloned().collect(),
                review: review.cloned(),
                approval: approval.map(|it| (*it).clone()),
                requests,
                artifact,
            }
        })
        .collect();
    all.sort_by_key(|hold| std::cmp::Reverse(hold.index));
    all
}

/// The newest review of some changes, oldest first, and what came after it.
fn settle<'a, 'c>(
    changes: &'a [&'c QuarantineChange],
) -> (Option<&'c QuarantineChange>, &'a [&'c QuarantineChange]) {
    match changes.iter().rposition(|change| change.act.is_review()) {
        Some(at) => (
            changes.get(at).copied(),
            changes.get(at + 1..).unwrap_or_default(),
        ),
        None => (None, changes),
    }
}

/// The page a filter asks for.
pub(super) fn page(all: Vec<Hold>, filter: &HoldFilter) -> Vec<Hold> {
    let found = all.into_iter().filter(|hold| filter.admits(hold));
    found.take(page_size(filter.limit)).collect()
}

/// The bytes kept of what is held, the latest held first.
pub(super) fn bytes(all: &[Hold], pins: &[&Pin]) -> Vec<HeldBytes> {
    let is_held = |hold: &&Hold| {
        let mut standing = hold.standing.iter();
        standing.any(|decision| decision.evaluation.effect() == Effect::Quarantine)
    };
    let pinned = |hold: &Hold| {
        let pin = pins.iter().find(|pin| pin.artifact == hold.artifact)?;
        Some(HeldBytes {
            sha256: pin.sha256.clone(),
            since: hold.since,
        })
    };
    all.iter().filter(is_held).filter_map(pinned).collect()
}

/// How much is refused until a person looks, by ecosystem.
pub(super) fn counts(all: &[Hold]) -> BTreeMap<Ecosystem, u64> {
    let open = HoldFilter {
        only_open: true,
        ..HoldFilter::default()
    };
    let mut counts = BTreeMap::new();
    for hold in all.iter().filter(|hold| open.admits(hold)) {
        let mut standing = hold.standing.iter();
        if standing.any(|decision| is_strict(decision.evaluation.effect())) {
            let ecosystem = hold.artifact.subject.name.ecosystem().clone();
            *counts.entry(ecosystem).or_insert(0) += 1;
        }
    }
    counts
}

/// The reviews in force: the newest of each artifact, where it was not taken back.
pub(super) fn reviews<'a>(
    entries: impl Iterator<Item = (EntryIndex, &'a Entry)>,
) -> Vec<QuarantineChange> {
    let mut newest: BTreeMap<&ArtifactId, (EntryIndex, &QuarantineChange)> = BTreeMap::new();
    for (index, entry) in entries {
        if let Entry::Quarantine(change) = entry
            && change.act.is_review()
        {
            newest.insert(&change.artifact, (index, change));
        }
    }
    let mut found: Vec<_> = newest
        .into_values()
        .filter(|(_, change)| change.act != QuarantineAct::Undone)
        .collect();
    found.sort_by_key(|(index, _)| *index);
    found
        .into_iter()
        .map(|(_, change)| change.clone())
        .collect()
}

/// What people did about an artifact, oldest first.
pub(super) fn history<'a>(
    entries: impl Iterator<Item = (EntryIndex, &'a Entry)>,
    artifact: &ArtifactId,
) -> Vec<QuarantineChange> {
    let mut found: Vec<QuarantineChange> = entries
        .filter_map(|(_, entry)| match entry {
            Entry::Quarantine(change) if change.artifact == *artifact => Some((**change).clone()),
            _ => None,
        })
        .collect();
    found.drain(..found.len().saturating_sub(MAX_HISTORY));
    found
}
