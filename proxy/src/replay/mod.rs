//! Replay: what another policy would have decided, from the facts that were recorded.
//!
//! Every decision of a span of time is judged again by two policies, each at the instant it was
//! taken, and what they disagree on is gathered by package, route and identity. The log is walked
//! once, in order, a page at a time; a serving comes after the decision it follows, so clients are
//! joined on the way. A decision older than the span that was served within it is judged at its
//! first serving there: what many use is often decided once and served for months.
//!
//! No upstream is asked, no clock read, nothing written.

mod difference;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::pin;

use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::VersionFacts;
use cordon_policy::model::Timestamp;
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::StorageError;
use cordon_storage::evidence::{Entry, EntryIndex, Evidence, LogFilter, Served, pages};
use futures_util::TryStreamExt as _;

pub use difference::{Difference, Direction, Group, Tally};

/// Decisions whose later servings can be told apart; some 32 bytes each. Servings of further ones
/// are counted and not joined.
const MAX_KNOWN: usize = 4_000_000;

/// Judges everything recorded since an instant by both policies.
///
/// # Errors
/// If the record cannot be read.
pub async fn replay(
    evidence: &dyn Evidence,
    old: &Ruleset,
    new: &Ruleset,
    since: Option<Timestamp>,
) -> Result<Difference, StorageError> {
    let mut replay = Replay {
        old,
        new,
        since,
        known: HashMap::new(),
        difference: Difference::default(),
    };
    let from = first_entry(evidence, since).await?;
    let mut pages = pin!(pages(evidence, from));
    while let Some(page) = pages.try_next().await? {
        for (_, entry) in page {
            match entry {
                Entry::Decision(decision) => replay.decision(&decision),
                Entry::Served(served) => replay.served(evidence, &served).await?,
                // Nothing else was judged or answered.
                _ => {}
            }
        }
    }
    Ok(replay.difference)
}

/// Where to begin: at the first decision of the span, or after the newest one before it, whatever
/// is earlier. Between the two are servings, which tell when they were.
async fn first_entry(
    evidence: &dyn Evidence,
    since: Option<Timestamp>,
) -> Result<EntryIndex, StorageError> {
    let Some(since) = since else {
        return Ok(0);
    };
    let within = LogFilter {
        since: Some(since),
        after: Some(0),
        limit: 1,
        ..LogFilter::default()
    };
    let before = LogFilter {
        until: Some(since),
        limit: 1,
        ..LogFilter::default()
    };
    let within = evidence.decisions(&within).await?.pop();
    let before = evidence.decisions(&before).await?.pop();
    let after = before.map_or(0, |logged| logged.index + 1);
    Ok(within.map_or(after, |logged| logged.index.min(after)))
}

struct Replay<'a> {
    old: &'a Ruleset,
    new: &'a Ruleset,
    since: Option<Timestamp>,
    /// What came of each decision met: its group, if the policies disagree on it. By a hash of the
    /// id: ids are random.
    known: HashMap<u64, Option<(Direction, usize)>>,
    difference: Difference,
}

impl Replay<'_> {
    fn decision(&mut self, decision: &Decision) {
        let is_within = self.since.is_none_or(|since| decision.at >= since);
        if is_within && !self.known.contains_key(&key(&decision.id)) {
            self.judge(&decision.id, &decision.facts, decision.at);
        }
    }

    async fn served(
        &mut self,
        evidence: &dyn Evidence,
        served: &Served,
    ) -> Result<(), StorageError> {
        if self.since.is_some_and(|since| served.last_at < since) {
            return Ok(());
        }
        self.difference.servings += u64::from(served.count);
        if !self.known.contains_key(&key(&served.decision)) {
            if self.known.len() >= MAX_KNOWN {
                self.difference.unjoined += u64::from(served.count);
                return Ok(());
            }
            match evidence.decision(&served.decision).await? {
                Some(logged) => {
                    let decision = logged.decision;
                    self.judge(&decision.id, &decision.facts, served.first_at);
                }
                None => {
                    self.difference.unjoined += u64::from(served.count);
                    return Ok(());
                }
            }
        }
        if let Some(Some((direction, group))) = self.known.get(&key(&served.decision)) {
            self.difference.add_client(*direction, *group, served);
        }
        Ok(())
    }

    fn judge(&mut self, id: &DecisionId, facts: &VersionFacts, at: Timestamp) {
        self.difference.count(at);
        let old = self.old.evaluate(facts, at);
        let new = self.new.evaluate(facts, at);
        let direction = direction_of(&old, &new);
        let group = direction.and_then(|direction| {
            let group = self.difference.add(direction, facts, &old, &new)?;
            Some((direction, group))
        });
        if self.known.len() < MAX_KNOWN {
            self.known.insert(key(id), group);
        }
    }
}

fn key(id: &DecisionId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn direction_of(old: &Evaluation, new: &Evaluation) -> Option<Direction> {
    match (old.effect(), new.effect()) {
        (old, new) if old == new => None,
        (Effect::Allow, _) => Some(Direction::NewlyBlocked),
        (_, Effect::Allow) => Some(Direction::NewlyAllowed),
        (_, _) => Some(Direction::Changed),
    }
}

#[cfg(test)]
mod tests;
