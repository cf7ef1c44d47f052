//! How a held artifact stands, as people see it.

use cordon_policy::decision::Decision;
use cordon_policy::finding::Mode;
use cordon_policy::model::Timestamp;
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::evidence::{Hold, HoldState, QuarantineAct, QuarantineChange};
use serde::{Deserialize, Serialize};

use super::order::release_id;

/// A held artifact. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id: the decision by which it was held first.
    pub id: String,
    /// The version, a package URL.
    pub package: String,
    /// The file.
    pub file: String,
    /// SHA-256 of its bytes, when they are known.
    pub sha256: Option<String>,
    /// Where it stands.
    pub state: HoldState,
    /// Why it stands there, in a sentence.
    pub because: String,
    /// Since when it was held first.
    pub since: String,
    /// What is decided about it for each kind of who asks, the strictest first.
    pub standing: Vec<Standing>,
    /// The last decision of a person, unless it was taken back.
    pub review: Option<Change>,
    /// The first of two voices for a release.
    pub approval: Option<Change>,
    /// Requests for its release.
    pub requests: Vec<Request>,
    /// Everything people did, oldest first; only where one ticket is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Change>,
    /// The place in the list, for the next page.
    pub place: u64,
}

/// What is decided for one kind of who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The decision on record: what whoever looks at this has seen.
    pub decision: String,
    /// Who asks, as far as the policy tells them apart; empty is everybody.
    pub audience: String,
    /// The verdict by the rules in force.
    pub effect: String,
    /// What stands against it.
    pub findings: Vec<Found>,
    /// What is set aside, with the exemption that does it.
    pub waived: Vec<Found>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its identity.
    pub fingerprint: String,
    /// What it asks for.
    pub effect: String,
    /// Whether it counts; one that does not is only watched.
    pub is_enforced: bool,
    /// What was found, in a sentence.
    pub reason: String,
    /// When time alone ends it.
    pub until: Option<String>,
    /// The exemption that sets it aside.
    pub waived_by: Option<String>,
}

/// What a person did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `released`, `rejected`, …
    pub act: QuarantineAct,
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// Who agreed before.
    pub approved_by: Option<String>,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<String>,
}

/// A request for release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// When.
    pub at: String,
    /// The address and program it came from.
    pub client: String,
    /// How to reach whoever asks.
    pub contact: Option<String>,
    /// Why they need it.
    pub reason: String,
}

/// Where something stands, from what is judged now and the last word of a person.
pub fn state(review: Option<&QuarantineChange>, present: &[Evaluation]) -> HoldState {
    if review.is_some_and(|it| it.act == QuarantineAct::Rejected) {
        return HoldState::Rejected;
    }
    if present.iter().any(|it| it.effect() >= Effect::Quarantine) {
        return HoldState::Held;
    }
    let is_released = review.is_some_and(|review| {
        let id = release_id(&review.ticket);
        let mut waived = present.iter().flat_map(Evaluation::waived);
        review.act == QuarantineAct::Released && waived.any(|(_, by)| by.0 == id)
    });
    match is_released {
        true => HoldState::Released,
        false => HoldState::Cleared,
    }
}

impl Ticket {
    /// Puts a hold into words. `present` is what is judged now of each of its standing decisions.
    pub fn new(hold: &Hold, present: &[Evaluation], history: &[QuarantineChange]) -> Self {
        let state = state(hold.review.as_ref(), present);
        let mut standing: Vec<(Effect, Standing)> = hold
            .standing
            .iter()
            .zip(present)
            .map(|(decision, now)| (now.effect(), stands(decision, now)))
            .collect();
        standing.sort_by(|(a, one), (b, other)| {
            let by_audience = || one.audience.cmp(&other.audience);
            b.cmp(a).then_with(by_audience)
        });
        let sha256 = present.iter().find_map(Evaluation::sha256);
        let review = hold.review.as_ref();
        Self {
            id: hold.ticket.to_string(),
            package: hold.artifact.subject.to_string(),
            file: hold.artifact.file.to_string(),
            sha256: sha256.map(|digest| digest.hex()),
            state,
            because: because(state, hold, present),
            since: hold.since.to_string(),
            standing: standing.into_iter().map(|(_, it)| it).collect(),
            review: review
                .filter(|it| it.act != QuarantineAct::Undone)
                .map(Change::new),
            approval: hold.approval.as_ref().map(Change::new),
            requests: hold.requests.iter().map(Request::new).collect(),
            history: history.iter().map(Change::new).collect(),
            place: hold.index,
        }
    }

    /// What stands against it for those it is refused to most.
    pub fn strictest(&self) -> Option<&Standing> {
        self.standing.first()
    }
}

/// Why it stands as it does.
fn because(state: HoldState, hold: &Hold, present: &[Evaluation]) -> String {
    let strictest = present.iter().max_by_key(|it| it.effect());
    let deciding = strictest.and_then(Evaluation::deciding);
    let review = hold.review.as_ref();
    let told = |change: &QuarantineChange| {
        let until = change.expires.map(|end| format!(" until {end}"));
        format!(
            "{} by {} at {}{}: {}",
            change.act.name(),
            change.by,
            change.at,
            until.unwrap_or_default(),
            change.reason
        )
    };
    match (state, review) {
        (HoldState::Rejected | HoldState::Released, Some(review)) => told(review),
        (HoldState::Held, review) => {
            let finding = deciding.map_or("", |it| it.reason.as_str());
            let before = match review {
                Some(review) if review.act == QuarantineAct::Released => {
                    format!(" (it was {}, which does not cover this)", told(review))
                }
                _ => String::new(),
            };
            format!("{finding}{before}")
        }
        _ => cleared(present),
    }
}

/// Why something is held no longer although nobody released it.
fn cleared(present: &[Evaluation]) -> String {
    if let Some(finding) = present.iter().find_map(Evaluation::deciding) {
        return format!("held no longer; {}", finding.reason);
    }
    match present.iter().flat_map(Evaluation::waived).next() {
        Some((_, exemption)) => format!("set aside by the exemption {exemption}"),
        None => "what stood against it went away".to_owned(),
    }
}

fn stands(decision: &Decision, now: &Evaluation) -> Standing {
    let audience = &decision.facts.audience;
    let named = [("route", &audience.route), ("identity", &audience.identity)];
    let named = named
        .into_iter()
        .filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
    let found = |finding: &cordon_policy::finding::Finding, waived_by: Option<String>| Found {
        fingerprint: finding.fingerprint().to_string(),
        effect: finding.effect.name().to_owned(),
        is_enforced: finding.mode == Mode::Enforce,
        reason: finding.reason.clone(),
        until: finding.until.map(|at: Timestamp| at.to_string()),
        waived_by,
    };
    let waived = now.waived().iter();
    Standing {
        decision: decision.id.to_string(),
        audience: named.collect::<Vec<_>>().join(", "),
        effect: now.effect().name().to_owned(),
        findings: now.findings().iter().map(|it| found(it, None)).collect(),
        waived: waived
            .map(|(it, by)| found(it, Some(by.to_string())))
            .collect(),
    }
}

impl Standing {
    /// The fingerprints a release of it sets aside.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        let enforced = self.findings.iter().filter(|it| it.is_enforced);
        enforced.map(|it| it.fingerprint.as_str())
    }
}

impl Change {
    fn new(change: &QuarantineChange) -> Self {
        Self {
            act: change.act,
            at: change.at.to_string(),
            by: change.by.to_string(),
            approved_by: change.approved_by.as_ref().map(ToString::to_string),
            reason: change.reason.clone(),
            until: change.expires.map(|at| at.to_string()),
        }
    }
}

impl Request {
    fn new(change: &QuarantineChange) -> Self {
        let client = change.client.as_ref();
        Self {
            at: change.at.to_string(),
            client: client.map_or_else(String::new, |it| format!("{} {}", it.address, it.agent)),
            contact: change.contact.as_ref().map(ToString::to_string),
            reason: change.reason.clone(),
        }
    }
}
