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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{PolicySource, load};
    use crate::facts::{ByteFacts, PackageFacts};
    use crate::model::{ArtifactId, ArtifactKind, Scheme, Timestamp, Version};
    use crate::verdict::Evaluation;

    const REJECT: &str = "[rules.integrity]\n[[reject]]\nid = 'miner'\n\
         package = 'pkg:npm/left-pad@1.3.1'\nfile = 'left-pad-1.3.1.tgz'\n\
         reason = 'starts a miner'\nowner = 'grace'\n";

    fn facts(version: &str, bytes: Option<&[u8]>) -> VersionFacts {
        let name = crate::ecosystem::Npm.package("left-pad").unwrap();
        let artifact = ArtifactId {
            subject: PackageVersion {
                name: name.clone(),
                version: Version::verbatim(version),
            },
            file: FileName::new(format!("left-pad-{version}.tgz")).unwrap(),
            kind: ArtifactKind::Archive,
        };
        let package = Arc::new(PackageFacts::unknown(name, "test".into()));
        let mut facts = VersionFacts::unknown(artifact, package);
        facts.declared = Fact::Known([Digest::of(b"declared")].into_iter().collect());
        if let Some(bytes) = bytes {
            facts.bytes = Fact::Known(ByteFacts {
                sha256: Digest::of(bytes),
                size_bytes: 1,
                mismatches: Vec::new(),
                declared_size_bytes: None,
            });
        }
        facts
    }

    fn judge(policy: &str, facts: &VersionFacts) -> Evaluation {
        let source = PolicySource {
            name: "policy.toml".to_owned(),
            text: policy.to_owned(),
        };
        let ruleset = load(&[source]).unwrap().ruleset;
        let described = PolicySource {
            name: "again".to_owned(),
            text: ruleset.describe(),
        };
        assert_eq!(load(&[described]).unwrap().ruleset.hash(), ruleset.hash());
        ruleset.evaluate(facts, Timestamp::from_millis(1_780_000_000_000))
    }

    #[test]
    fn what_was_rejected_is_blocked_by_its_name_whatever_the_bytes_are() {
        for bytes in [None, Some(&b"declared"[..]), Some(b"other")] {
            let evaluation = judge(REJECT, &facts("1.3.1", bytes));
            assert_eq!(evaluation.effect(), Effect::Block);
            let finding = evaluation.deciding().unwrap();
            assert_eq!(finding.fingerprint().as_str(), "quarantine/rejected/miner");
            assert_eq!(
                finding.reason,
                "left-pad 1.3.1 was looked at and rejected by grace: starts a miner"
            );
        }
        assert_eq!(judge(REJECT, &facts("1.3.0", None)).effect(), Effect::Allow);
    }

    #[test]
    fn rejected_bytes_are_blocked_under_other_names_of_the_package() {
        let digest = Digest::of(b"declared").hex();
        let policy = format!("{REJECT}sha256 = '{digest}'\n");
        for bytes in [None, Some(&b"declared"[..])] {
            assert_eq!(
                judge(&policy, &facts("1.3.2", bytes)).effect(),
                Effect::Block
            );
        }
        let other = facts("1.3.2", Some(b"other"));
        assert_eq!(judge(&policy, &other).effect(), Effect::Allow);
        let mut pinned = facts("1.3.2", None);
        pinned.declared = Fact::Absent;
        pinned.history.pinned = Some(Digest::of(b"declared"));
        assert_eq!(judge(&policy, &pinned).effect(), Effect::Block);
        let mut derived = facts("1.3.2", Some(b"metadata"));
        derived.archive_sha256 = Some(Digest::of(b"declared"));
        assert_eq!(judge(&policy, &derived).effect(), Effect::Block);
    }

    #[test]
    fn no_exemption_sets_a_rejection_aside_and_two_of_one_id_are_refused() {
        let exempt = |waives: &str| {
            let text = format!(
                "{REJECT}[[exempt]]\nid = 'x'\npackage = 'pkg:npm/left-pad@1.3.1'\n{waives}\n\
                 reason = 'r'\nowner = 'o'\nticket = 't'\nuntil = '2027-01-01T00:00:00Z'\n"
            );
            let source = PolicySource {
                name: "policy.toml".to_owned(),
                text,
            };
            load(&[source]).unwrap_err()[0].code
        };
        assert_eq!(exempt("rules = ['quarantine']"), "unknown-rule");
        let print = "fingerprints = ['quarantine/rejected/miner']";
        assert_eq!(exempt(print), "unknown-rule");
        let twice = [
            ("a", REJECT.to_owned()),
            ("b", REJECT.replace("[rules.integrity]\n", "")),
        ];
        let twice = twice.map(|(name, text)| PolicySource {
            name: name.to_owned(),
            text,
        });
        let problems = load(&twice).unwrap_err();
        assert_eq!(problems[0].code, "duplicate-rejection");
        let nameless = REJECT.replace("@1.3.1", "");
        let source = PolicySource {
            name: "a".to_owned(),
            text: nameless,
        };
        assert_eq!(load(&[source]).unwrap_err()[0].code, "unclear-scope");
    }
}
