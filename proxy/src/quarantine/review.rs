//! Putting decisions by hand in force: compared with what is judged now, checked, recorded, in this
//! order, while nobody else decides.

use cordon_policy::config::PolicySource;
use cordon_policy::decision::{Cause, Decision, DecisionId};
use cordon_policy::evaluate::Ruleset;
use cordon_policy::exemption::Exemption;
use cordon_policy::model::{Digest, Timestamp};
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::Chain;
use cordon_storage::evidence::{Entry, Hold, HoldState, QuarantineAct, QuarantineChange};
use serde::{Deserialize, Serialize};

use super::order::{self, Signed};
use super::ticket::state;
use super::tickets::{self, Judge, Page, Query};
use super::{MAX_NAME_CHARS, MAX_REASON_CHARS, Order, Refused, Ticket, Wish, plain};
use crate::engine::{Clock as _, Snapshot, SystemClock, facts_now};
use crate::policy_files::review_source;
use crate::reload::{ByHand, Reloader};

/// Releases and rejections in force, at most: each is read with the policy.
const MAX_REVIEWS: usize = 5_000;

/// How long the first of two voices waits for the second.
const APPROVAL_LASTS: std::time::Duration = std::time::Duration::from_secs(14 * 24 * 3_600);

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewed {
    /// The ticket.
    pub ticket: String,
    /// What it is about.
    pub package: String,
    /// What was recorded.
    pub act: QuarantineAct,
    /// Where it stands now.
    pub state: HoldState,
    /// The same in a sentence.
    pub said: String,
}

/// An order that may be carried out.
struct Prepared {
    hold: Hold,
    change: QuarantineChange,
}

impl Reloader {
    /// A page of tickets.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn tickets(&self, query: &Query) -> Result<Page, Refused> {
        let snapshot = self.engine().snapshot();
        let evidence = &*self.engine().stores().evidence;
        let page = tickets::list(evidence, query, judge(&snapshot, SystemClock.now()));
        Ok(page.await?)
    }

    /// A ticket with everything people did about it.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn ticket(&self, id: &str) -> Result<Ticket, Refused> {
        let snapshot = self.engine().snapshot();
        let evidence = &*self.engine().stores().evidence;
        let shown = tickets::show(evidence, id, judge(&snapshot, SystemClock.now()));
        Ok(shown.await?.0)
    }

    /// Has the bytes of something held fetched, checked and kept for review, without serving them.
    ///
    /// # Errors
    /// When there is no such ticket, it is not held, or its bytes cannot be had.
    pub async fn fetch_held(&self, id: &str) -> Result<Ticket, Refused> {
        let evidence = &*self.engine().stores().evidence;
        let hold = tickets::find(evidence, id).await?;
        let snapshot = self.engine().snapshot();
        let present =
            tickets::present(evidence, &hold, judge(&snapshot, SystemClock.now())).await?;
        let strictest = present.iter().map(Evaluation::effect).max();
        if strictest != Some(Effect::Quarantine) {
            return Err(Refused::Conflict(format!(
                "{} is not in quarantine now; only what waits for a review is fetched for one",
                hold.artifact.subject
            )));
        }
        let decision = self.engine().fetch_held(&hold.artifact).await;
        let decision = decision.map_err(|failure| {
            let error = Chain(&failure);
            Refused::Failed(format!("fetching {}: {error}", hold.artifact.subject))
        })?;
        self.ticket(decision.id.as_str()).await
    }

    /// Does what somebody wants done about a ticket, if it still stands as they saw it.
    ///
    /// # Errors
    /// Nothing has changed then, except for `Failed`, when it is unknown.
    pub async fn review(&self, order: &Order) -> Result<Reviewed, Refused> {
        let _turn = self.turn().await;
        let mut done = self.carry_out(std::slice::from_ref(order)).await?;
        done.pop()
            .ok_or_else(|| Refused::Failed("nothing was done".to_owned()))
    }

    /// All of the orders or none, for whoever has the turn.
    pub(super) async fn carry_out(&self, orders: &[Order]) -> Result<Vec<Reviewed>, Refused> {
        let now = SystemClock.now();
        let mut prepared = Vec::with_capacity(orders.len());
        for order in orders {
            prepared.push(self.prepare(order, now).await?);
        }
        self.check_reviews(&prepared, now).await?;
        let entries = prepared.iter();
        let entries = entries.map(|it| Entry::Quarantine(Box::new(it.change.clone())));
        let evidence = &self.engine().stores().evidence;
        evidence.append(entries.collect()).await?;
        for Prepared { change, .. } in &prepared {
            tracing::warn!(
                ticket = %change.ticket,
                artifact = %change.artifact,
                act = change.act.name(),
                by = change.by.as_str(),
                reason = change.reason,
                "a held artifact was decided about by hand"
            );
            self.metrics().quarantine_changed(change.act);
        }
        self.put_reviews_in_force(&prepared).await?;
        let mut done = Vec::with_capacity(prepared.len());
        for it in prepared {
            done.push(self.tell(it, now).await?);
        }
        Ok(done)
    }

    async fn put_reviews_in_force(&self, prepared: &[Prepared]) -> Result<(), Refused> {
        let settled = prepared.iter().filter(|it| it.change.act.is_review());
        let settled: Vec<&Prepared> = settled.collect();
        let Some(first) = settled.first() else {
            return Ok(());
        };
        let cause = match first.change.act {
            QuarantineAct::Rejected => Cause::AdminDeny,
            _ => Cause::AdminRelease,
        };
        let names = settled.iter().map(|it| &it.hold.artifact.subject.name);
        let by_hand = ByHand {
            cause,
            packages: names.cloned().collect(),
        };
        let packages = by_hand.packages.clone();
        self.put_in_force(by_hand)
            .await
            .map_err(|problems| Refused::Failed(problems.join("\n")))?;
        // At once, so that whoever looks sees it.
        for package in packages {
            self.engine().reevaluate(&package, cause).await?;
        }
        Ok(())
    }

    async fn tell(&self, prepared: Prepared, now: Timestamp) -> Result<Reviewed, Refused> {
        let Prepared { hold, change } = prepared;
        let evidence = &*self.engine().stores().evidence;
        let snapshot = self.engine().snapshot();
        let hold = evidence.hold(&hold.artifact).await?.unwrap_or(hold);
        let present = tickets::present(evidence, &hold, judge(&snapshot, now)).await?;
        let state = state(hold.review.as_ref(), &present);
        let package = hold.artifact.subject.to_string();
        let until = change.expires.map(|end| format!(" until {end}"));
        let said = match change.act {
            QuarantineAct::Approved => format!(
                "{package}: this is the first of two voices; another person has to release it too"
            ),
            act => format!(
                "{package} is {}{}; it is {} now",
                act.name(),
                until.unwrap_or_default(),
                state.name()
            ),
        };
        Ok(Reviewed {
            ticket: change.ticket.to_string(),
            package,
            act: change.act,
            state,
            said,
        })
    }

    /// The change an order means, if the ticket stands as whoever gives it saw it.
    async fn prepare(&self, order: &Order, now: Timestamp) -> Result<Prepared, Refused> {
        let by = plain("your name", &order.by, MAX_NAME_CHARS)?;
        let reason = plain("a reason", &order.reason, MAX_REASON_CHARS)?;
        let evidence = &*self.engine().stores().evidence;
        let hold = tickets::find(evidence, &order.seen).await?;
        let snapshot = self.engine().snapshot();
        let present = tickets::present(evidence, &hold, judge(&snapshot, now)).await?;
        let from = state(hold.review.as_ref(), &present);
        let mut change = QuarantineChange {
            at: now,
            ticket: hold.ticket.clone(),
            artifact: hold.artifact.clone(),
            sha256: None,
            act: QuarantineAct::Undone,
            from,
            by: by.as_str().into(),
            reason,
            seen: DecisionId::parse(order.seen.trim()),
            fingerprints: Vec::new(),
            approved_by: None,
            expires: None,
            text: None,
            client: None,
            contact: None,
        };
        if order.wish == Wish::Undo {
            check_undo(&hold, from)?;
            return Ok(Prepared { hold, change });
        }
        check_held(&hold, from)?;
        let (decision, judged, sha256) = self.looked_at(&hold, &present, order).await?;
        change.sha256 = sha256;
        change.fingerprints = order::seen_of(judged).into_iter().collect();
        match order.wish {
            Wish::Release { until } => {
                self.release(&hold, decision, judged, until, &mut change)?;
            }
            Wish::Reject => {
                change.act = QuarantineAct::Rejected;
                let rejection = order::rejection(&hold, &change);
                change.text = Some(order::text_of_rejection(&rejection));
            }
            Wish::Undo => {}
        }
        Ok(Prepared { hold, change })
    }

    /// The standing decision for whom the one looked at was, with what is judged now; a conflict
    /// when that shows something else.
    async fn looked_at<'h>(
        &self,
        hold: &'h Hold,
        present: &'h [Evaluation],
        order: &Order,
    ) -> Result<(&'h Decision, &'h Evaluation, Option<Digest>), Refused> {
        let evidence = &self.engine().stores().evidence;
        let id = DecisionId::parse(order.seen.trim());
        let seen = match &id {
            Some(id) => evidence.decision(id).await?,
            None => None,
        };
        let seen = seen.ok_or_else(|| Refused::Unknown("there is no such decision".to_owned()))?;
        let seen = seen.decision;
        let both = hold.standing.iter().zip(present);
        let same = both
            .clone()
            .find(|(decision, _)| decision.facts.audience == seen.facts.audience);
        let strictest = || both.clone().max_by_key(|(_, now)| now.effect());
        let found = same.or_else(strictest);
        let (decision, now) =
            found.ok_or_else(|| Refused::Unknown("nothing stands about it any more".to_owned()))?;
        // Bytes that were looked at once are known by their pin ever after.
        let pinned = evidence.pin(&hold.artifact).await?;
        let bytes = now.sha256().cloned().or(pinned);
        let shown = seen
            .evaluation
            .sha256()
            .or(seen.facts.history.pinned.as_ref());
        let Some(difference) = order::difference((&seen.evaluation, shown), (now, bytes.as_ref()))
        else {
            return Ok((decision, now, bytes.or(shown.cloned())));
        };
        Err(Refused::Conflict(format!(
            "{} is not what decision {} shows: {difference}; look again at {}",
            hold.artifact.subject, seen.id, decision.id
        )))
    }

    /// Makes the change a release, or the first of two voices for one.
    fn release(
        &self,
        hold: &Hold,
        decision: &Decision,
        now: &Evaluation,
        until: Option<Timestamp>,
        change: &mut QuarantineChange,
    ) -> Result<(), Refused> {
        let config = &self.config().quarantine;
        let takes_two = config.approvers > 1 || order::needs_two(now);
        let approval = hold.approval.as_ref().filter(|it| agrees(it, change));
        if takes_two && approval.is_none() {
            change.act = QuarantineAct::Approved;
            return Ok(());
        }
        change.act = QuarantineAct::Released;
        change.approved_by = approval.map(|it| it.by.clone()).filter(|_| takes_two);
        let exemption = order::release(
            hold,
            &decision.facts,
            now,
            &Signed {
                change,
                until,
                release_for: config.release_for,
            },
        );
        check_end(&exemption, change.at)?;
        change.expires = Some(exemption.expires);
        change.text = Some(order::text_of_release(&exemption));
        Ok(())
    }

    /// Whether the policy takes what was prepared, and each release lets its artifact through.
    async fn check_reviews(&self, prepared: &[Prepared], now: Timestamp) -> Result<(), Refused> {
        let granted = prepared.iter().filter_map(|it| review_source(&it.change));
        let granted: Vec<PolicySource> = granted.collect();
        if granted.is_empty() {
            return Ok(());
        }
        let evidence = &*self.engine().stores().evidence;
        let in_force = evidence.reviews().await?;
        let in_force = in_force
            .iter()
            .filter(|it| it.expires.is_none_or(|end| now < end));
        if in_force.count() + granted.len() > MAX_REVIEWS {
            return Err(Refused::Unsound(vec![format!(
                "{MAX_REVIEWS} releases and rejections are in force already; take some back, or \
                 write a rule"
            )]));
        }
        let policy = self.read_policy().await.map_err(Refused::Unsound)?;
        let loaded = policy.together_with(&granted).map_err(|problems| {
            let problems = problems.iter().filter(|it| it.is_error());
            Refused::Unsound(problems.map(ToString::to_string).collect())
        })?;
        for it in prepared {
            if it.change.act == QuarantineAct::Released {
                self.check_release(it, &loaded.ruleset, now).await?;
            }
        }
        Ok(())
    }

    async fn check_release(
        &self,
        prepared: &Prepared,
        ruleset: &Ruleset,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let Prepared { hold, change } = prepared;
        let evidence = &*self.engine().stores().evidence;
        let remembered = evidence.remembered(&hold.artifact.subject.name).await?;
        let snapshot = self.engine().snapshot();
        let judged = hold.standing.iter().map(|decision| {
            let facts = facts_now(decision, &remembered, Some(&snapshot.advisories), now);
            ruleset.evaluate(&facts, now)
        });
        let is_let_through = |it: &Evaluation| it.effect() == Effect::Allow;
        let judged: Vec<Evaluation> = judged.collect();
        if judged.iter().any(is_let_through) {
            return Ok(());
        }
        let left = judged.iter().find_map(Evaluation::deciding);
        Err(Refused::Unsound(vec![format!(
            "{} would be refused all the same: {}",
            change.artifact.subject,
            left.map_or("a finding that cannot be set aside", |it| it
                .reason
                .as_str())
        )]))
    }
}

/// What tickets are judged by on a running Cordon.
pub(super) fn judge(snapshot: &Snapshot, now: Timestamp) -> Judge<'_> {
    Judge {
        ruleset: &snapshot.ruleset,
        advisories: Some(&snapshot.advisories),
        now,
    }
}

/// Whether another person agreed to the same not long ago.
fn agrees(approval: &QuarantineChange, change: &QuarantineChange) -> bool {
    let name = |change: &QuarantineChange| change.by.trim().to_lowercase();
    let is_recent = change.at.since(approval.at) <= APPROVAL_LASTS;
    is_recent
        && name(approval) != name(change)
        && approval.sha256 == change.sha256
        && approval.fingerprints == change.fingerprints
}

/// Whether what stands there can be released or rejected.
pub(super) fn may_settle(state: HoldState) -> bool {
    state == HoldState::Held
}

/// Whether there is something to take back.
pub(super) fn may_undo(act: Option<QuarantineAct>, state: HoldState) -> bool {
    matches!(
        (act, state),
        (Some(QuarantineAct::Released), HoldState::Released)
            | (Some(QuarantineAct::Rejected), HoldState::Rejected)
    )
}

fn check_held(hold: &Hold, state: HoldState) -> Result<(), Refused> {
    if may_settle(state) {
        return Ok(());
    }
    let review = hold.review.as_ref();
    let by = review.filter(|_| state != HoldState::Cleared);
    let by = by.map(|it| format!(" by {} at {}", it.by, it.at));
    Err(Refused::Conflict(format!(
        "{} is {} already{}",
        hold.artifact.subject,
        state.name(),
        by.unwrap_or_default()
    )))
}

fn check_undo(hold: &Hold, state: HoldState) -> Result<(), Refused> {
    let act = hold.review.as_ref().map(|it| it.act);
    match may_undo(act, state) {
        true => Ok(()),
        false => Err(Refused::Conflict(format!(
            "{} is {}: there is no release or rejection to take back",
            hold.artifact.subject,
            state.name()
        ))),
    }
}

fn check_end(exemption: &Exemption, now: Timestamp) -> Result<(), Refused> {
    if !exemption.is_active_at(now) {
        return Err(Refused::Unsound(vec![format!(
            "the release would have ended at {}",
            exemption.expires
        )]));
    }
    if exemption.is_too_long_at(now) {
        let latest = now.saturating_add(exemption.longest());
        return Err(Refused::Unsound(vec![format!(
            "the release would last longer than it may; let it end by {latest} and look again then"
        )]));
    }
    Ok(())
}
