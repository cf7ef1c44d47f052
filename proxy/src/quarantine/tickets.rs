//! Finding tickets: one by the id of any decision about it, many by what they have in common.

use std::collections::HashMap;

use cordon_policy::decision::DecisionId;
use cordon_policy::ecosystem::schemes;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::model::{FileName, Timestamp, Version, parse_purl};
use cordon_policy::verdict::Evaluation;
use cordon_storage::StorageError;
use cordon_storage::evidence::{Evidence, Hold, HoldFilter, HoldState, Remembered};

use super::{Refused, Ticket};
use crate::engine::facts_now;
use crate::feeds::AdvisoryData;

/// Holds read from the store at once while looking for those that stand as asked.
const PAGE: usize = 200;

/// Holds looked through for one page at most: what is long settled is skipped, not shown.
const MOST_LOOKED_AT: usize = 20_000;

/// Which tickets to list.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What the store narrows by. `limit` is the size of the page.
    pub filter: HoldFilter,
    /// Only those that stand there.
    pub state: Option<HoldState>,
}

/// Tickets, the latest held first.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Page {
    /// The tickets.
    pub tickets: Vec<Ticket>,
    /// Where the next page begins, when there may be one.
    pub next: Option<u64>,
}

/// What tickets are judged by.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// The rules, with what people decided by hand.
    pub ruleset: &'a Ruleset,
    /// Advisory data; without it the recorded matches count.
    pub advisories: Option<&'a AdvisoryData>,
    /// When.
    pub now: Timestamp,
}

/// What is judged now of each standing decision about a held artifact, in their order.
///
/// # Errors
/// If the store fails.
pub async fn present(
    evidence: &dyn Evidence,
    hold: &Hold,
    judge: Judge<'_>,
) -> Result<Vec<Evaluation>, StorageError> {
    let remembered = evidence.remembered(&hold.artifact.subject.name).await?;
    Ok(judged(hold, &remembered, judge))
}

fn judged(
    hold: &Hold,
    remembered: &HashMap<(Version, FileName), Remembered>,
    judge: Judge<'_>,
) -> Vec<Evaluation> {
    let facts = |decision| facts_now(decision, remembered, judge.advisories, judge.now);
    let standing = hold.standing.iter();
    standing
        .map(|decision| judge.ruleset.evaluate(&facts(decision), judge.now))
        .collect()
}

/// A page of tickets.
///
/// # Errors
/// If the store fails.
pub async fn list(
    evidence: &dyn Evidence,
    query: &Query,
    judge: Judge<'_>,
) -> Result<Page, StorageError> {
    let wanted = match query.filter.limit {
        0 => PAGE,
        limit => limit,
    };
    let mut page = Page::default();
    let mut filter = HoldFilter {
        limit: PAGE,
        only_open: query.filter.only_open || query.state == Some(HoldState::Held),
        ..query.filter.clone()
    };
    let mut looked_at = 0;
    while looked_at < MOST_LOOKED_AT {
        let holds = evidence.holds(&filter).await?;
        let is_last = holds.len() < PAGE;
        looked_at += holds.len();
        for hold in holds {
            filter.before = Some(hold.index);
            let ticket = Ticket::new(&hold, &present(evidence, &hold, judge).await?, &[]);
            if query.state.is_none_or(|state| state == ticket.state) {
                page.tickets.push(ticket);
            }
            if page.tickets.len() >= wanted {
                page.next = Some(hold.index);
                return Ok(page);
            }
        }
        if is_last {
            return Ok(page);
        }
    }
    page.next = filter.before;
    Ok(page)
}

/// The held artifact a decision is about, by any decision about it.
///
/// # Errors
/// When there is none, or the store fails.
pub async fn find(evidence: &dyn Evidence, id: &str) -> Result<Hold, Refused> {
    let unknown = |what: String| Refused::Unknown(what);
    let parsed = DecisionId::parse(id.trim())
        .ok_or_else(|| unknown(format!("`{id}` is not the id of a decision or ticket")))?;
    let logged = evidence.decision(&parsed).await?;
    let logged = logged.ok_or_else(|| unknown(format!("no decision {parsed} is recorded here")))?;
    let artifact = logged.decision.evaluation.artifact().clone();
    let hold = evidence.hold(&artifact).await?;
    hold.ok_or_else(|| {
        unknown(format!(
            "{} was never held: decision {parsed} says {}",
            artifact.subject,
            logged.decision.evaluation.effect()
        ))
    })
}

/// One ticket with everything people did.
///
/// # Errors
/// When there is none, or the store fails.
pub async fn show(
    evidence: &dyn Evidence,
    id: &str,
    judge: Judge<'_>,
) -> Result<(Ticket, Hold), Refused> {
    let hold = find(evidence, id).await?;
    let present = present(evidence, &hold, judge).await?;
    let history = evidence.quarantine_history(&hold.artifact).await?;
    Ok((Ticket::new(&hold, &present, &history), hold))
}

/// The normalised name in the package URL of a ticket.
pub(super) fn name_of(purl: &str) -> Option<String> {
    let target = parse_purl(purl, &schemes()).ok()?;
    Some(target.name.normalized().to_owned())
}
