//! Developers asking for the release of what was refused to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordon_policy::decision::DecisionId;
use cordon_storage::evidence::{
    Client, Entry as LogEntry, Hold, HoldState, QuarantineAct, QuarantineChange, REQUESTS_PER_HOLD,
};
use http::StatusCode;
use smol_str::SmolStr;

use super::Engine;
use crate::http::reply::Reply;
use crate::http::service::Request;
use crate::http::why::{self, Asked, Form, HoldView, Proofs, Question};
use crate::quarantine::{self, Judge, MAX_NAME_CHARS, MAX_REASON_CHARS, Refused, plain};

/// Client addresses whose requests are counted at once.
const ADDRESSES: u64 = 10_000;

/// For how long requests are counted.
const HOUR: Duration = Duration::from_secs(3_600);

/// What guards requests for release.
pub(super) struct Asking {
    proofs: Option<Proofs>,
    counts: moka::sync::Cache<SmolStr, Arc<AtomicUsize>>,
    turn: tokio::sync::Mutex<()>,
}

impl Asking {
    pub(super) fn new() -> Self {
        let counts = moka::sync::Cache::builder();
        Self {
            // Without randomness no form can be told from a forged one, and none is shown.
            proofs: Proofs::new().ok(),
            counts: counts.max_capacity(ADDRESSES).time_to_live(HOUR).build(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn is_too_often(&self, address: &SmolStr, most: usize) -> bool {
        let count = self
            .counts
            .get_with(address.clone(), || Arc::new(AtomicUsize::new(0)));
        count.fetch_add(1, Ordering::Relaxed) >= most
    }
}

impl Engine {
    /// How what a decision is about stands by now, for the page about it; `None` if it was never
    /// held, or that cannot be told.
    pub(super) async fn hold_view(&self, id: &DecisionId, client: &Client) -> Option<HoldView> {
        let hold = match quarantine::find(&*self.stores.evidence, id.as_str()).await {
            Ok(hold) => hold,
            Err(Refused::Failed(error)) => {
                tracing::warn!(error, "reading how something held stands failed");
                return None;
            }
            Err(_) => return None,
        };
        let ticket = self.ticket_of(&hold).await.ok()?;
        let is_asked = hold.requests.iter().any(|it| is_from(it, client));
        let may_ask = ticket.state == HoldState::Held && !is_asked;
        let may_ask = may_ask && self.config.quarantine.requests_per_hour > 0;
        let now = self.clock.now();
        let proofs = self.asking.proofs.as_ref().filter(|_| may_ask);
        let proof = proofs.map(|proofs| proofs.make(id, &client.address, now));
        let action = format!("{}why/{id}/request", self.public_url.path());
        Some(HoldView::new(
            &ticket,
            is_asked,
            proof.map(|it| (action, it)),
        ))
    }

    async fn ticket_of(&self, hold: &Hold) -> Result<quarantine::Ticket, Refused> {
        let snapshot = self.snapshot();
        let judge = Judge {
            ruleset: &snapshot.ruleset,
            advisories: Some(&snapshot.advisories),
            now: self.clock.now(),
        };
        let present = quarantine::present(&*self.stores.evidence, hold, judge).await?;
        Ok(quarantine::Ticket::new(hold, &present, &[]))
    }

    /// Answers `POST /why/<id>/request`.
    pub(super) async fn asked_for_release(&self, request: &Request) -> Reply {
        let form = Question::of(request).map_or(Form::Html, |question| question.form);
        let (status, message) = match self.ask_for_release(request).await {
            Ok(said) => (StatusCode::OK, said),
            Err(Turned::Away(status, message)) => (status, message),
            Err(Turned::Refused(refused)) => {
                let status = match refused {
                    Refused::Unknown(_) => StatusCode::NOT_FOUND,
                    Refused::Conflict(_) => StatusCode::CONFLICT,
                    Refused::Unsound(_) => StatusCode::UNPROCESSABLE_ENTITY,
                    Refused::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
                };
                (status, refused.to_string())
            }
        };
        why::said(status, form, &message)
    }

    async fn ask_for_release(&self, request: &Request) -> Result<String, Turned> {
        let away = |status, message: &str| Turned::Away(status, message.to_owned());
        if why::is_foreign(&request.headers, &self.public_url) {
            let message = "pages of other sites cannot ask here; open the page of the decision";
            return Err(away(StatusCode::FORBIDDEN, message));
        }
        let id = match request.target.segments() {
            [id, what] if what == "request" => DecisionId::parse(id),
            _ => None,
        };
        let id = id.ok_or_else(|| away(StatusCode::NOT_FOUND, "there is no such page"))?;
        let asked = Asked::read(&request.headers, &request.body)
            .map_err(|problem| away(StatusCode::BAD_REQUEST, problem))?;
        let now = self.clock.now();
        let client = &request.client;
        let holds = |proofs: &Proofs| proofs.holds(&asked.proof, &id, &client.address, now);
        if !self.asking.proofs.as_ref().is_some_and(holds) {
            let message = "the form is too old or not from here; load the page again and send it \
                           from there";
            return Err(away(StatusCode::FORBIDDEN, message));
        }
        let most = self.config.quarantine.requests_per_hour;
        if self.asking.is_too_often(&client.address, most) {
            let message = "too many requests came from there within an hour; try again later";
            return Err(away(StatusCode::TOO_MANY_REQUESTS, message));
        }
        let reason = plain("a reason", &asked.reason, MAX_REASON_CHARS)?;
        let contact = match &asked.contact {
            None => None,
            Some(contact) => Some(plain("how to reach you", contact, MAX_NAME_CHARS)?),
        };
        let _turn = self.asking.turn.lock().await;
        let hold = quarantine::find(&*self.stores.evidence, id.as_str()).await?;
        let ticket = self.ticket_of(&hold).await?;
        let subject = &hold.artifact.subject;
        if ticket.state != HoldState::Held {
            return Err(Refused::Conflict(format!(
                "{subject} is not held: it is {}, {}",
                ticket.state.name(),
                ticket.because
            ))
            .into());
        }
        if let Some(before) = hold.requests.iter().find(|it| is_from(it, client)) {
            let message = format!("you asked for {subject} already, at {}", before.at);
            return Err(Refused::Conflict(message).into());
        }
        if hold.requests.len() >= REQUESTS_PER_HOLD {
            let message = format!("many asked for {subject} already; it is on the list");
            return Err(Refused::Conflict(message).into());
        }
        let change = QuarantineChange {
            at: now,
            ticket: hold.ticket.clone(),
            artifact: hold.artifact.clone(),
            sha256: None,
            act: QuarantineAct::Asked,
            from: ticket.state,
            by: client.address.clone(),
            reason,
            seen: Some(id),
            fingerprints: Vec::new(),
            approved_by: None,
            expires: None,
            text: None,
            client: Some(client.clone()),
            contact: contact.map(Into::into),
        };
        tracing::info!(
            ticket = %change.ticket,
            artifact = %change.artifact,
            client = client.address.as_str(),
            "a release was asked for"
        );
        let entry = LogEntry::Quarantine(Box::new(change));
        let appended = self.stores.evidence.append(vec![entry]).await;
        appended.map_err(Refused::from)?;
        self.metrics.asked_for_release();
        Ok(format!(
            "The release of {subject} is asked for (ticket {}). Whoever looks after this Cordon \
             sees it; the page of the decision tells what became of it.",
            hold.ticket
        ))
    }
}

/// Why a request was not taken.
enum Turned {
    Away(StatusCode, String),
    Refused(Refused),
}

impl From<Refused> for Turned {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Whether a request came from this client: by its address and program, who it shows to be included.
fn is_from(request: &QuarantineChange, client: &Client) -> bool {
    request.client.as_ref() == Some(client)
}
