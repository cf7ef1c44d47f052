//! Exemptions: who set aside which finding, for what, why and until when.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::facts::{Fact, VersionFacts};
use crate::finding::{ConfigSpan, Finding, Fingerprint, RuleId};
use crate::matching::VersionSet;
use crate::model::{ArtifactId, Digest, DigestAlgorithm, PackageName, Timestamp};
use crate::rules;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Longest an exemption may last.
const MAX_LENGTH: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Longest an exemption from a rule that [needs two people](rules::needs_two_people) may last.
const MAX_LENGTH_FOR_TWO: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Names an exemption in records: the id given in the policy file, or one made by the shell.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExemptionId(pub SmolStr);

impl fmt::Display for ExemptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an exemption covers.
#[derive(Debug)]
pub enum Scope {
    /// Versions of a package.
    Versions(PackageName, VersionSet),
    /// Exactly these bytes under this name.
    Artifact {
        /// The file.
        artifact: ArtifactId,
        /// The bytes.
        sha256: Digest,
    },
}

impl Scope {
    /// The package it is about.
    pub fn package(&self) -> &PackageName {
        match self {
            Self::Versions(name, _) => name,
            Self::Artifact { artifact, .. } => &artifact.subject.name,
        }
    }

    /// Whether, and on whose word, the candidate is covered.
    ///
    /// An exemption for exact bytes covers them by their own digest. Before they are fetched, and
    /// for the files that derive from them, the digest the registry declares stands in: what is
    /// served in the end is held to that digest, or judged anew.
    pub fn covers(&self, facts: &VersionFacts) -> Option<Coverage> {
        let (artifact, subject) = (&facts.artifact, facts.subject());
        match self {
            Self::Versions(name, versions) => {
                let is_meant = *name == subject.name && versions.holds(subject);
                is_meant.then_some(Coverage::Whole)
            }
            Self::Artifact {
                artifact: exempt,
                sha256,
            } => {
                if (&exempt.subject, &exempt.file) != (subject, &artifact.file) {
                    return None;
                }
                if exempt.kind != artifact.kind {
                    let is_theirs = facts.archive_sha256.as_ref() == Some(sha256);
                    return is_theirs.then_some(Coverage::Declared);
                }
                let (found, coverage) = match &facts.bytes {
                    Fact::Known(bytes) => (Some(&bytes.sha256), Coverage::Whole),
                    // Where the registry declares another kind of digest, what Cordon saw under this
                    // name stands in: other bytes than those are refused as replaced.
                    Fact::NotYet => {
                        let declared = facts.declared.known();
                        let declared = declared.and_then(|all| all.get(DigestAlgorithm::Sha256));
                        let pinned = facts.history.pinned.as_ref();
                        (declared.or(pinned), Coverage::Declared)
                    }
                    // Nothing will arrive that the declaration could be held to.
                    Fact::Absent | Fact::Unavailable(_) => (None, Coverage::Declared),
                };
                (found == Some(sha256)).then_some(coverage)
            }
        }
    }
}

/// What a covering exemption may set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Whatever it waives.
    Whole,
    /// Only findings of rules that can be switched off: which bytes it is about is so far only the
    /// registry's word.
    Declared,
}

/// What an exemption sets aside. There is no "everything": integrity failures are never waived by
/// naming a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waives {
    /// All findings of these rules.
    Rules(Vec<RuleId>),
    /// Exactly these findings.
    Fingerprints(Vec<Fingerprint>),
}

impl Waives {
    /// Whether the finding is set aside.
    pub fn includes(&self, finding: &Finding) -> bool {
        match self {
            Self::Rules(rules) => rules.contains(&finding.rule),
            Self::Fingerprints(prints) => prints.contains(&finding.fingerprint()),
        }
    }
}

/// A person's decision to accept findings for a while.
#[derive(Debug)]
pub struct Exemption {
    /// Its name in records.
    pub id: ExemptionId,
    /// What it covers.
    pub scope: Scope,
    /// Digests the registry must declare for the file, all of them: so a version is known by its
    /// bytes before they are fetched where no SHA-256 is declared. Empty asks for none.
    pub declared: Vec<Digest>,
    /// What it sets aside.
    pub waives: Waives,
    /// Why, in the owner's words. Never empty.
    pub reason: String,
    /// Who answers for it. Never empty.
    pub owner: String,
    /// Who agreed, another person than the owner. Needed for rules that
    /// [need two people](rules::needs_two_people).
    pub approved_by: Option<String>,
    /// Where it was agreed. Never empty.
    pub ticket: String,
    /// When it ends by itself; at this instant it no longer holds.
    pub expires: Timestamp,
    /// Where it is written.
    pub source: ConfigSpan,
    /// Where in the file, in bytes, for drawing the line.
    pub bytes: std::ops::Range<usize>,
}

impl Exemption {
    /// Whether, and on whose word, it covers the candidate.
    pub fn covers(&self, facts: &VersionFacts) -> Option<Coverage> {
        let is_declared = |wanted: &Digest| {
            let declared = facts.declared.known();
            declared.and_then(|all| all.get(wanted.algorithm())) == Some(wanted)
        };
        match self.declared.iter().all(is_declared) {
            true => self.scope.covers(facts),
            false => None,
        }
    }

    /// Whether it sets the finding aside, covering the candidate like that.
    pub fn sets_aside(&self, finding: &Finding, coverage: Coverage) -> bool {
        let may_be = || match coverage {
            Coverage::Whole => true,
            Coverage::Declared => {
                rules::kind(finding.rule.as_str()).is_some_and(|kind| !kind.is_fixed)
            }
        };
        let may_alone = !rules::needs_two_people(&finding.rule);
        self.waives.includes(finding) && may_be() && (may_alone || self.has_two_people())
    }

    /// Whether two different people stand behind it.
    pub fn has_two_people(&self) -> bool {
        let approved_by = self.approved_by.as_deref();
        approved_by.is_some_and(|other| !is_same_person(&self.owner, other))
    }

    /// Whether it could set aside findings of rules that need two people.
    pub fn is_about_what_needs_two_people(&self) -> bool {
        match &self.waives {
            Waives::Rules(rules) => rules.iter().any(rules::needs_two_people),
            Waives::Fingerprints(prints) => prints
                .iter()
                .any(|print| rules::needs_two_people(&RuleId::parse(print.rule()))),
        }
    }

    /// How far ahead its end may be: an exception that never ends is a rule nobody wrote.
    pub fn longest(&self) -> Duration {
        match self.is_about_what_needs_two_people() {
            true => MAX_LENGTH_FOR_TWO,
            false => MAX_LENGTH,
        }
    }

    /// Whether its end is further ahead than it may be. What is asked for to the day may be a day
    /// longer: dates are written in many time zones.
    pub fn is_too_long_at(&self, now: Timestamp) -> bool {
        self.expires > now.saturating_add(self.longest() + DAY)
    }

    /// Whether it holds at `now`.
    pub fn is_active_at(&self, now: Timestamp) -> bool {
        now < self.expires
    }
}

/// Whether two names are one person's as far as spelling tells.
fn is_same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
