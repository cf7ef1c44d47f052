//! The explanation as a value, and its two forms.

use askama::Template;
use cordon_policy::finding::{Finding, Mode};
use cordon_policy::model::Timestamp;
use cordon_policy::rules;
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::evidence::LoggedDecision;
use serde::Serialize;

use super::facts::{KnownFact, known};
use super::words::{asks_for, sentence, verdict, visible};
use super::{STYLE, Surroundings};
use crate::quarantine::Ticket;

/// Everything that is told about a decision.
#[derive(Clone, Debug, Serialize, Template)]
#[template(path = "why.html")]
pub struct Explanation {
    decision: String,
    #[serde(skip)]
    verdict: &'static str,
    effect: &'static str,
    subject: String,
    summary: String,
    at: Timestamped,
    ruleset: String,
    sha256: Option<String>,
    findings: Vec<FindingView>,
    /// When time alone ends it.
    clears_at: Option<Timestamped>,
    nearest_allowed: Option<String>,
    contact: Option<String>,
    facts: Vec<KnownFact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldView>,
    #[serde(skip)]
    next_steps: Vec<Step>,
    #[serde(skip)]
    json: String,
    #[serde(skip)]
    style: &'static str,
}

/// An instant in RFC 3339, in either form.
#[derive(Clone, Copy, Debug)]
struct Timestamped(Timestamp);

impl std::fmt::Display for Timestamped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Timestamped {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Clone, Debug, Serialize)]
struct FindingView {
    /// `minimum-age/too-young`.
    name: String,
    effect: &'static str,
    reason: String,
    /// What findings of this code mean in general.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    /// Left out where it tells of bytes that are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    until: Option<Timestamped>,
    is_enforced: bool,
    waived_by: Option<String>,
    /// The line of the policy.
    policy: String,
    documentation: Option<String>,
    #[serde(skip)]
    standing: String,
}

/// How what the decision is about stands by now.
#[derive(Clone, Debug, Serialize)]
pub struct HoldView {
    ticket: String,
    state: &'static str,
    because: String,
    requests: usize,
    is_asked_by_you: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<FormView>,
}

/// Where a request for release is sent, and what proves that the form was shown.
#[derive(Clone, Debug, Serialize)]
struct FormView {
    action: String,
    proof: String,
}

impl HoldView {
    /// Puts a ticket into the words of the page; `form` is the address and the proof, where somebody
    /// may ask.
    pub fn new(ticket: &Ticket, is_asked_by_you: bool, form: Option<(String, String)>) -> Self {
        Self {
            ticket: ticket.id.clone(),
            state: ticket.state.name(),
            because: visible(&ticket.because),
            requests: ticket.requests.len(),
            is_asked_by_you,
            form: form.map(|(action, proof)| FormView { action, proof }),
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    text: String,
    link: Option<Link>,
}

#[derive(Clone, Debug)]
struct Link {
    address: String,
    text: String,
}

/// Puts a record into words.
pub fn explanation(record: &LoggedDecision, around: &Surroundings<'_>) -> Explanation {
    let decision = &record.decision;
    let evaluation = &decision.evaluation;
    // Whoever may not have the bytes learns neither their size nor a digest (INV-3).
    let are_bytes_told = evaluation.effect() == Effect::Allow;
    let waived = evaluation
        .waived()
        .iter()
        .map(|(finding, exemption)| (finding, Some(exemption.to_string())));
    let findings = evaluation
        .findings()
        .iter()
        .map(|finding| (finding, None))
        .chain(waived)
        .map(|(finding, waived_by)| FindingView {
            evidence: (are_bytes_told || finding.rule != rules::integrity::KIND.id)
                .then(|| visible(&finding.evidence)),
            ..view(finding, waived_by, around)
        })
        .collect();
    let clears_at = evaluation.clears_at();
    let nearest_allowed = decision.nearest_allowed.as_deref().map(visible);
    let contact = around.contact.map(visible);
    let id = decision.id.to_string();
    Explanation {
        verdict: verdict(evaluation.effect()),
        effect: evaluation.effect().name(),
        subject: visible(&evaluation.subject().to_string()),
        summary: summary(evaluation),
        at: Timestamped(decision.at),
        ruleset: visible(&decision.ruleset.to_string()),
        sha256: decision
            .sha256()
            .filter(|_| are_bytes_told)
            .map(ToString::to_string),
        findings,
        next_steps: next_steps(
            evaluation,
            clears_at,
            nearest_allowed.as_deref(),
            contact.as_deref(),
            &id,
        ),
        clears_at: clears_at.map(Timestamped),
        nearest_allowed,
        contact,
        facts: known(&decision.facts, decision.at, are_bytes_told),
        hold: around.hold.clone(),
        // Relative, so that it holds below any public address.
        json: format!("{id}.json"),
        decision: id,
        style: STYLE,
    }
}

fn view(finding: &Finding, waived_by: Option<String>, around: &Surroundings<'_>) -> FindingView {
    let policy = visible(&finding.source.to_string());
    let is_enforced = finding.mode == Mode::Enforce && waived_by.is_none();
    let effect = asks_for(finding.effect);
    let standing = match (&waived_by, finding.mode) {
        (Some(exemption), _) => {
            format!(
                "Set aside by the exemption {}. Set at {policy}.",
                visible(exemption)
            )
        }
        (None, Mode::Monitor) => {
            format!("Only watched: recorded, without effect. Set at {policy}.")
        }
        (None, Mode::Enforce) => match finding.until {
            Some(until) => format!("It {effect} until {until}. Set at {policy}."),
            None => format!("It {effect}. Set at {policy}."),
        },
    };
    FindingView {
        name: format!("{}/{}", finding.rule, finding.code),
        effect: finding.effect.name(),
        reason: sentence(&finding.reason),
        meaning: meaning(finding),
        evidence: None,
        until: finding.until.map(Timestamped),
        is_enforced,
        waived_by,
        policy,
        documentation: (around.documentation)(&finding.rule).filter(|link| is_web(link)),
        standing,
    }
}

/// The line the rule's own documentation has about the code.
fn meaning(finding: &Finding) -> Option<&'static str> {
    let kind = cordon_policy::rules::kind(finding.rule.as_str())?;
    let (_, line) = kind
        .codes
        .iter()
        .find(|(code, _)| *code == finding.code.as_str())?;
    Some(line)
}

fn summary(evaluation: &Evaluation) -> String {
    match evaluation.deciding() {
        Some(finding) => sentence(&finding.reason),
        None if evaluation.awaits().is_empty() => {
            "Nothing in the policy stands against it.".to_owned()
        }
        None => "Nothing known so far stands against it; its bytes were still to be looked at."
            .to_owned(),
    }
}

fn next_steps(
    evaluation: &Evaluation,
    clears_at: Option<Timestamp>,
    nearest_allowed: Option<&str>,
    contact: Option<&str>,
    decision: &str,
) -> Vec<Step> {
    if evaluation.may_list() {
        return Vec::new();
    }
    let plain = |text: String| Step { text, link: None };
    let nearest = match nearest_allowed {
        Some(version) => plain(format!(
            "Use version {version}, the nearest one that is allowed."
        )),
        None => plain("No other version of it was allowed either.".to_owned()),
    };
    let wait = match (clears_at, evaluation.effect()) {
        (Some(at), _) => plain(format!(
            "Wait: it clears by itself at {at}, if nothing new is found."
        )),
        (None, Effect::Quarantine) => plain(
            "Waiting alone does not clear it: a person should look at it, and can release it."
                .to_owned(),
        ),
        (None, _) => plain("Waiting alone does not clear it.".to_owned()),
    };
    let ask = match contact {
        Some(contact) => Step {
            text: match link_to(contact) {
                Some(_) => format!("Ask, naming decision {decision}:"),
                None => format!("Ask {contact}, naming decision {decision}."),
            },
            link: link_to(contact),
        },
        None => plain(format!(
            "Ask whoever looks after this Cordon, naming decision {decision}."
        )),
    };
    vec![nearest, wait, ask]
}

/// A contact that can be followed: a web page or a mail address.
fn link_to(contact: &str) -> Option<Link> {
    let is_mail = contact.contains('@')
        && !contact.contains([':', '/', '?'])
        && contact.chars().all(|c| c.is_ascii_graphic());
    let address = if is_web(contact) {
        contact.to_owned()
    } else if is_mail {
        format!("mailto:{contact}")
    } else {
        return None;
    };
    Some(Link {
        address,
        text: contact.to_owned(),
    })
}

fn is_web(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_graphic());
    is_plain
        && (text.starts_with("https://") || text.starts_with("http://") || text.starts_with('/'))
}

impl Explanation {
    /// For people.
    pub fn html(&self) -> String {
        self.render().expect("the template writes to memory")
    }

    /// For programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and lists are JSON")
    }
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFound<'a> {
    message: &'a str,
    style: &'static str,
}

pub(super) fn not_found(message: &str) -> String {
    let page = NotFound {
        message,
        style: STYLE,
    };
    page.render().expect("the template writes to memory")
}

#[derive(Template)]
#[template(path = "said.html")]
struct Said<'a> {
    title: &'a str,
    message: &'a str,
    style: &'static str,
}

pub(super) fn said(title: &str, message: &str) -> String {
    let page = Said {
        title,
        message,
        style: STYLE,
    };
    page.render().expect("the template writes to memory")
}
