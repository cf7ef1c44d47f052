//! A decision by hand as a table of the policy.

use std::collections::BTreeSet;
use std::time::Duration;

use cordon_policy::config::canonical::{PolicyText, write_exemption, write_rejection};
use cordon_policy::decision::DecisionId;
use cordon_policy::exemption::{Exemption, ExemptionId, Scope, Waives};
use cordon_policy::facts::VersionFacts;
use cordon_policy::finding::{ConfigSpan, Finding, Fingerprint, Mode};
use cordon_policy::matching::VersionSet;
use cordon_policy::model::{Digest, DigestAlgorithm, Timestamp};
use cordon_policy::rejection::Rejection;
use cordon_policy::rules;
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::evidence::{Hold, QuarantineChange};
use smol_str::{SmolStr, format_smolstr};

/// What somebody wants done about a ticket.
#[derive(Clone, Debug)]
pub struct Order {
    /// The decision they looked at: that of the ticket, or any later one about it.
    pub seen: String,
    /// What.
    pub wish: Wish,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What can be wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Let it through, as long as nothing else is found.
    Release {
        /// When that ends; `None` takes the configured time.
        until: Option<Timestamp>,
    },
    /// Refuse it for good.
    Reject,
    /// Take a release or a rejection back.
    Undo,
}

/// The id of a ticket's release among exemptions.
pub(super) fn release_id(ticket: &DecisionId) -> SmolStr {
    format_smolstr!("release-{ticket}")
}

/// The id of a ticket's rejection.
pub(super) fn rejection_id(ticket: &DecisionId) -> SmolStr {
    format_smolstr!("reject-{ticket}")
}

/// The findings that refuse: what a reviewer has to have seen.
pub(super) fn seen_of(evaluation: &Evaluation) -> BTreeSet<Fingerprint> {
    let counts = |it: &&Finding| it.mode == Mode::Enforce && it.effect != Effect::Allow;
    let against = evaluation.findings().iter().filter(counts);
    against.map(Finding::fingerprint).collect()
}

/// How what is judged now differs from what somebody saw, each with its bytes, in words; `None` when
/// it does not.
pub(super) fn difference(
    (seen, shown): (&Evaluation, Option<&Digest>),
    (now, bytes): (&Evaluation, Option<&Digest>),
) -> Option<String> {
    let (before, after) = (seen_of(seen), seen_of(now));
    let mut told: Vec<String> = Vec::new();
    let list = |prints: Vec<&Fingerprint>| {
        let names: Vec<&str> = prints.into_iter().map(Fingerprint::as_str).collect();
        names.join(", ")
    };
    let new: Vec<&Fingerprint> = after.difference(&before).collect();
    if !new.is_empty() {
        told.push(format!("found since: {}", list(new)));
    }
    let gone: Vec<&Fingerprint> = before.difference(&after).collect();
    if !gone.is_empty() {
        told.push(format!("found no longer: {}", list(gone)));
    }
    if let Some(bytes) = bytes.filter(|_| bytes != shown) {
        told.push(format!("its bytes are {bytes}"));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// Whether the release of something takes two people whatever the configuration says.
pub(super) fn needs_two(evaluation: &Evaluation) -> bool {
    let mut findings = evaluation.findings().iter();
    findings.any(|it| it.mode == Mode::Enforce && rules::needs_two_people(&it.rule))
}

/// What a release is made of besides its ticket.
pub(super) struct Signed<'a> {
    pub(super) change: &'a QuarantineChange,
    pub(super) until: Option<Timestamp>,
    pub(super) release_for: Duration,
}

/// The exemption a release is: for exactly these bytes where they are known or declared, else for
/// the version as it is declared; of exactly the findings there are.
pub(super) fn release(
    hold: &Hold,
    facts: &VersionFacts,
    now: &Evaluation,
    by: &Signed<'_>,
) -> Exemption {
    let declared = facts.declared.known();
    let declared_sha256 = declared.and_then(|all| all.get(DigestAlgorithm::Sha256));
    let change = by.change;
    let sha256 = change.sha256.as_ref().or(declared_sha256);
    let (scope, bound) = match sha256 {
        Some(sha256) => {
            let scope = Scope::Artifact {
                artifact: hold.artifact.clone(),
                sha256: sha256.clone(),
            };
            (scope, Vec::new())
        }
        None => {
            let subject = &hold.artifact.subject;
            let exactly = VersionSet::Exactly(subject.version.clone());
            let digests = declared.into_iter().flat_map(|all| all.iter().cloned());
            let scope = Scope::Versions(subject.name.clone(), exactly);
            (scope, digests.collect::<Vec<Digest>>())
        }
    };
    let mut exemption = Exemption {
        id: ExemptionId(release_id(&hold.ticket)),
        scope,
        declared: bound,
        waives: Waives::Fingerprints(waived_with(hold, now)),
        reason: shortened(&change.reason),
        owner: change.by.to_string(),
        approved_by: change.approved_by.as_ref().map(ToString::to_string),
        ticket: format!("quarantine {}", hold.ticket),
        expires: change.at,
        source: nowhere(),
        bytes: 0..0,
    };
    let longest = by.release_for.min(exemption.longest());
    exemption.expires = by.until.unwrap_or(change.at.saturating_add(longest));
    exemption
}

/// The findings there are, with those an earlier release of the same ticket sets aside: this one takes
/// its place, and a finding more must not bring back what was looked at then.
fn waived_with(hold: &Hold, now: &Evaluation) -> Vec<Fingerprint> {
    let own = release_id(&hold.ticket);
    let before = now.waived().iter().filter(|(_, id)| id.0 == own);
    let mut all = seen_of(now);
    all.extend(before.map(|(finding, _)| finding.fingerprint()));
    all.into_iter().collect()
}

/// The rejection of a ticket: of its file, and of its bytes under whatever name.
pub(super) fn rejection(hold: &Hold, change: &QuarantineChange) -> Rejection {
    Rejection {
        id: rejection_id(&hold.ticket),
        subject: hold.artifact.subject.clone(),
        file: Some(hold.artifact.file.clone()),
        sha256: change.sha256.clone(),
        reason: shortened(&change.reason),
        owner: change.by.to_string(),
        source: nowhere(),
    }
}

/// As the policy has it.
pub(super) fn text_of_release(exemption: &Exemption) -> String {
    let mut text = PolicyText::default();
    write_exemption(exemption, &mut text);
    text.as_str().to_owned()
}

/// As the policy has it.
pub(super) fn text_of_rejection(rejection: &Rejection) -> String {
    let mut text = PolicyText::default();
    write_rejection(rejection, &mut text);
    text.as_str().to_owned()
}

/// A reason as long as policies may have it; the whole stands in the evidence.
fn shortened(reason: &str) -> String {
    const MOST: usize = 190;
    let mut short: String = reason.chars().take(MOST).collect();
    if reason.chars().nth(MOST).is_some() {
        short.push_str("...");
    }
    short
}

/// Where it is written is known once it is read.
fn nowhere() -> ConfigSpan {
    ConfigSpan {
        file: SmolStr::default(),
        line: 1,
        column: 1,
    }
}
