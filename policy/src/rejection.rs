//! Rejections: what a person looked at and refused for good.
//!
//! A rejection is the counterpart of an exemption and enters the ruleset by the same way, so that one
//! gate decides. It has no end: whoever made it, or somebody else, takes it back.

use smol_str::SmolStr;

use crate::facts::{Fact, VersionFacts};
use crate::finding::{ConfigSpan, Finding, FindingCode, Mode, RuleId};
use crate::model::{Digest, DigestAlgorithm, FileName, PackageVersion};
use crate::reason;
use crate::verdict::Effect;

/// The rule findings of rejections are listed under. It is no rule of policy files: nothing there
/// switches it off, and no exemption names it.
pub const RULE: RuleId = RuleId::from_static("quarantine");

/// The code of a rejection.
pub const REJECTED: FindingCode = FindingCode::from_static("rejected");

/// A standing refusal of one version, one of its files, or these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its name in records.
    pub id: SmolStr,
    /// The version refused.
    pub subject: PackageVersion,
    /// The file refused; `None` is every file of the version.
    pub file: Option<FileName>,
    /// The bytes refused, under whatever file name and version of the package.
    pub sha256: Option<Digest>,
    /// Why, in the reviewer's words. Never empty.
    pub reason: String,
    /// Who refused it. Never empty.
    pub owner: String,
    /// Where it is written.
    pub source: ConfigSpan,
}

impl Rejection {
    /// Whether the candidate is what was refused. The name counts whatever the bytes are: other
    /// bytes under a name that was refused are no better for it.
    pub fn is_about(&self, facts: &VersionFacts) -> bool {
        let artifact = &facts.artifact;
        let is_named = self.subject == artifact.subject
            && self.file.as_ref().is_none_or(|file| *file == artifact.file);
        is_named || self.sha256.as_ref().is_some_and(|it| has_bytes(facts, it))
    }

    /// What the record says about a candidate it is about.
    pub fn finding(&self, subject: &PackageVersion) -> Finding {
        Finding {
            rule: RULE,
            code: REJECTED,
            effect: Effect::Block,
            reason: format!(
                "{} was looked at and rejected by {}: {}",
                reason::subject(subject),
                reason::ascii(&self.owner, 60),
                reason::ascii(&self.reason, 200)
            ),
            evidence: self.id.clone(),
            until: None,
            mode: Mode::Enforce,
            source: self.source.clone(),
        }
    }
}

/// Whether the bytes are, or are said to be, these. A file that derives from an archive is refused
/// with it.
fn has_bytes(facts: &VersionFacts, sha256: &Digest) -> bool {
    if facts.archive_sha256.as_ref() == Some(sha256) {
        return true;
    }
    match &facts.bytes {
        Fact::Known(bytes) => bytes.sha256 == *sha256,
        Fact::NotYet | Fact::Absent | Fact::Unavailable(_) => {
            let declared = facts.declared.known();
            let declared = declared.and_then(|all| all.get(DigestAlgorithm::Sha256));
            declared.or(facts.history.pinned.as_ref()) == Some(sha256)
        }
    }
}
