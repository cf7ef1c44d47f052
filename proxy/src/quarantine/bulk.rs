//! One decision about many tickets: first what it would be about, then exactly that.

use cordon_policy::decision::DecisionId;
use cordon_policy::model::Digest;
use cordon_storage::evidence::{HoldFilter, HoldState};
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use super::tickets::Query;
use super::{Order, Refused, Reviewed, Ticket, Wish, tickets};
use crate::reload::Reloader;

/// The most tickets decided about at once.
const MOST: usize = 500;

/// Which held tickets a decision is about: a rule, a package, a pattern or a finding must be named.
#[derive(Clone, Debug, Default)]
pub struct BulkFilter {
    /// What the store narrows by: ecosystem, package, rule, since.
    pub filter: HoldFilter,
    /// Only packages whose name matches: `*` and `?`.
    pub names: Option<String>,
    /// Only where this finding stands against it.
    pub fingerprint: Option<String>,
}

/// A decision about many.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// Which.
    pub filter: BulkFilter,
    /// What.
    pub wish: Wish,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The [`Plan::plan`] that was shown; without it nothing is done but showing one.
    pub plan: Option<String>,
}

/// What a decision about many is about, or was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Names exactly these tickets as they stand.
    pub plan: String,
    /// The tickets.
    pub tickets: Vec<Ticket>,
    /// What was done; empty when it was only shown.
    pub done: Vec<Reviewed>,
}

impl Reloader {
    /// Shows what a decision would be about, or takes it when that is what was shown.
    ///
    /// # Errors
    /// When something else matches by now, or one of the tickets refuses; nothing is done then.
    pub async fn review_many(&self, bulk: &Bulk) -> Result<Plan, Refused> {
        let _turn = self.turn().await;
        let tickets = self.matching(&bulk.filter).await?;
        let plan = plan_of(&tickets);
        let mut done = Vec::new();
        if let Some(shown) = &bulk.plan {
            if *shown != plan {
                return Err(Refused::Conflict(format!(
                    "what matches is not what was shown: it is plan {plan} now, with {} tickets; \
                     look again",
                    tickets.len()
                )));
            }
            let orders = tickets.iter().filter_map(|ticket| {
                Some(Order {
                    seen: ticket.strictest()?.decision.clone(),
                    wish: bulk.wish,
                    by: bulk.by.clone(),
                    reason: bulk.reason.clone(),
                })
            });
            let orders: Vec<Order> = orders.collect();
            done = self.carry_out(&orders).await?;
        }
        Ok(Plan {
            plan,
            tickets,
            done,
        })
    }

    async fn matching(&self, filter: &BulkFilter) -> Result<Vec<Ticket>, Refused> {
        let unsound = |text: String| Refused::Unsound(vec![text]);
        let is_narrow = filter.filter.rule.is_some()
            || filter.filter.package.is_some()
            || filter.names.is_some()
            || filter.fingerprint.is_some();
        if !is_narrow {
            return Err(unsound(
                "say which: a rule, a package, a pattern of names or a fingerprint".to_owned(),
            ));
        }
        let names = match &filter.names {
            None => None,
            Some(pattern) => {
                let glob = Glob::new(pattern).map_err(|error| unsound(error.to_string()))?;
                Some(glob.compile_matcher())
            }
        };
        let mut query = Query {
            filter: HoldFilter {
                limit: MOST,
                ..filter.filter.clone()
            },
            state: Some(HoldState::Held),
        };
        let mut found = Vec::new();
        loop {
            let page = self.tickets(&query).await?;
            let wanted = page.tickets.into_iter();
            found.extend(wanted.filter(|it| is_meant(it, names.as_ref(), filter)));
            if found.len() > MOST {
                return Err(unsound(format!(
                    "more than {MOST} tickets match; narrow it, or write a rule"
                )));
            }
            match page.next {
                Some(next) => query.filter.before = Some(next),
                None => return Ok(found),
            }
        }
    }
}

fn is_meant(ticket: &Ticket, names: Option<&GlobMatcher>, filter: &BulkFilter) -> bool {
    let name = || tickets::name_of(&ticket.package);
    let has = |print: &String| {
        let mut standing = ticket.standing.iter().flat_map(|it| it.fingerprints());
        standing.any(|found| found == print)
    };
    names.is_none_or(|glob| name().is_some_and(|name| glob.is_match(name)))
        && filter.fingerprint.as_ref().is_none_or(has)
}

/// A name for exactly these tickets as they stand.
fn plan_of(tickets: &[Ticket]) -> String {
    let mut shown: Vec<String> = tickets
        .iter()
        .map(|ticket| {
            let standing = ticket.standing.iter();
            let prints: Vec<&str> = standing.flat_map(|it| it.fingerprints()).collect();
            let decisions: Vec<&str> = ticket
                .standing
                .iter()
                .map(|it| it.decision.as_str())
                .collect();
            format!("{} {} {}", ticket.id, decisions.join(","), prints.join(","))
        })
        .collect();
    shown.sort();
    let digest = Digest::of(shown.join("\n").as_bytes()).hex();
    digest.chars().take(DecisionId::LEN).collect()
}
