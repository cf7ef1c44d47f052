#![doc = include_str!("integrity.md")]

use std::sync::Arc;

use super::parts::read_each;
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{
    ByteFacts, Fact, FactKind, FactSet, SignatureFacts, SignatureVerdict, VersionFacts,
};
use crate::finding::{FindingCode, RuleId};
use crate::model::{ArtifactKind, Digest, DigestAlgorithm, Timestamp};
use crate::reason;
use crate::specimen::{Refusal, Specimen, Stage};
use crate::verdict::Effect;

const MISMATCH: FindingCode = FindingCode::from_static("integrity-mismatch");
const SIZE_MISMATCH: FindingCode = FindingCode::from_static("size-mismatch");
const REPLACED: FindingCode = FindingCode::from_static("artifact-replaced");
const UNDECLARED: FindingCode = FindingCode::from_static("integrity-undeclared");
const WEAK: FindingCode = FindingCode::from_static("integrity-weak");
const SIGNATURE_INVALID: FindingCode = FindingCode::from_static("signature-invalid");
const SIGNATURE_UNKNOWN: FindingCode = FindingCode::from_static("signature-unknown-key");
const SIGNATURE_MISSING: FindingCode = FindingCode::from_static("signature-missing");
const UNAVAILABLE: FindingCode = FindingCode::from_static("integrity-unavailable");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("integrity"),
    page: include_str!("integrity.md"),
    codes: &[
        (
            "integrity-mismatch",
            "the bytes do not have a digest the registry declares",
        ),
        (
            "size-mismatch",
            "the bytes are more or fewer than the registry declares",
        ),
        (
            "artifact-replaced",
            "the bytes are not those first seen under this name",
        ),
        (
            "integrity-undeclared",
            "the registry declares no digest for the file, or only an MD5",
        ),
        (
            "integrity-weak",
            "the registry declares nothing better than a SHA-1 for the file",
        ),
        (
            "signature-invalid",
            "the registry's signature is not of this name, version and digest, or its key had expired",
        ),
        (
            "signature-unknown-key",
            "the version is signed with a key that is not known, or no keys could be had",
        ),
        (
            "signature-missing",
            "earlier versions are signed by the registry, this one is not",
        ),
        (
            "integrity-unavailable",
            "the declared digests or the bytes could not be learned",
        ),
    ],
    default_effect: Effect::Block,
    is_fixed: true,
    read,
};

/// Refuses bytes that are not what the registry declares or what was seen before.
#[derive(Clone, Debug)]
pub struct Integrity {
    /// What a file without any declared digest, or with no other than MD5, asks for.
    pub undeclared: Effect,
    /// What a file asks for that has nothing better than a SHA-1.
    pub weak: Effect,
    /// What a signature asks for that cannot be checked for want of its key.
    pub signature_unknown: Effect,
    /// What a signature asks for that is missing where earlier versions have one.
    pub signature_missing: Effect,
}

impl Default for Integrity {
    fn default() -> Self {
        Self {
            undeclared: Effect::Block,
            weak: Effect::Allow,
            signature_unknown: Effect::Allow,
            signature_missing: Effect::Allow,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    read_each(table, overrides, read_one)
}

fn read_one(inherited: &Integrity, table: &mut TableReader<'_, '_>) -> Integrity {
    let choices = [
        Effect::Allow,
        Effect::Hide,
        Effect::Quarantine,
        Effect::Block,
    ]
    .map(|effect| (effect.name(), effect));
    let mut read = |key: &str, inherited: Effect| {
        let chosen = table.choice(key, &choices);
        chosen.map_or(inherited, |chosen| chosen.value)
    };
    Integrity {
        undeclared: read("undeclared", inherited.undeclared),
        weak: read("weak", inherited.weak),
        signature_unknown: read("signature_unknown", inherited.signature_unknown),
        signature_missing: read("signature_missing", inherited.signature_missing),
    }
}

impl Rule for Integrity {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Declared).union(FactSet::of(FactKind::Bytes))
    }

    fn check(&self, facts: &VersionFacts, _now: Timestamp, out: &mut Findings<'_>) {
        self.check_declared(facts, out);
        self.check_signature(facts, out);
        match &facts.bytes {
            Fact::Known(bytes) => check_bytes(facts, bytes, out),
            Fact::NotYet => out.await_fact(FactKind::Bytes),
            // A file the registry lists and does not have is as good as one that cannot be read.
            Fact::Absent => unavailable(facts, FactKind::Bytes, "there is no such file", out),
            Fact::Unavailable(cause) => unavailable(facts, FactKind::Bytes, cause, out),
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        let mut specimen = stage.spoiled_at(stage.long_ago(), |it| it.has_other_bytes = true);
        if let Specimen::Pair(pair) = &mut specimen {
            pair.refusal = Refusal::Bytes;
        }
        specimen
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.text("undeclared", self.undeclared.name());
        out.text("weak", self.weak.name());
        out.text("signature_unknown", self.signature_unknown.name());
        out.text("signature_missing", self.signature_missing.name());
    }
}

impl Integrity {
    fn check_declared(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        // No registry declares a digest for a provenance object; its reader checks its signature,
        // and it is pinned like any file.
        if facts.artifact.kind == ArtifactKind::Provenance && facts.declared == Fact::Absent {
            return;
        }
        // Two files with one MD5 are made in seconds, so it tells nothing of who made them both.
        // For SHA-1 that still takes a fortune, and old npm packages have nothing better: it counts,
        // and Cordon's own SHA-256 is pinned at first sight.
        let proves = |digest: &Digest| digest.algorithm() != DigestAlgorithm::Md5;
        let (has_any, has_digest) = match &facts.declared {
            Fact::Known(digests) => (!digests.is_empty(), digests.iter().any(proves)),
            Fact::Absent => (false, false),
            Fact::NotYet => return out.await_fact(FactKind::Declared),
            Fact::Unavailable(cause) => return unavailable(facts, FactKind::Declared, cause, out),
        };
        if !has_digest {
            let declared = match has_any {
                true => "only an MD5",
                false => "no digest",
            };
            let reason = format!(
                "{} cannot be verified: the registry declares {declared} for {}",
                reason::subject(facts.subject()),
                file(facts)
            );
            let evidence = facts.artifact.file.as_str();
            out.report_as(self.undeclared, UNDECLARED, reason, evidence, None);
        }
        let is_strong =
            |digest: &Digest| proves(digest) && digest.algorithm() != DigestAlgorithm::Sha1;
        let digests = facts.declared.known();
        if has_digest && !digests.is_some_and(|all| all.iter().any(is_strong)) {
            let reason = format!(
                "{} is declared by a SHA-1 alone; what came first under the name is held to",
                reason::subject(facts.subject())
            );
            say(self.weak, WEAK, reason, facts.artifact.file.as_str(), out);
        }
    }

    /// The registry's own signature, over name, version and declared digest. What the bytes are is
    /// checked against that digest; this proves that the registry's key stands for it.
    fn check_signature(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        let found = match &facts.signature {
            Fact::Absent => return,
            Fact::NotYet => return out.await_fact(FactKind::Signature),
            Fact::Known(found) if found.verdict == SignatureVerdict::Valid => return,
            Fact::Known(found) => Ok(found),
            Fact::Unavailable(cause) => Err(cause),
        };
        let subject = reason::subject(facts.subject());
        let SignatureFacts { verdict, about } = match found {
            Ok(found) => found,
            Err(cause) => {
                let reason = format!(
                    "{subject} is signed by its registry, whose keys could not be had ({})",
                    reason::ascii(cause, 60)
                );
                let evidence = FactKind::Signature.name();
                let effect = self.signature_unknown;
                return say(effect, SIGNATURE_UNKNOWN, reason, evidence, out);
            }
        };
        let shown = reason::ascii(about, 60);
        let (effect, code, reason) = match verdict {
            SignatureVerdict::Valid => return,
            SignatureVerdict::Missing => {
                let reason = format!("{subject} is not signed by its registry; {shown} is");
                (self.signature_missing, SIGNATURE_MISSING, reason)
            }
            SignatureVerdict::UnknownKey => {
                let reason = format!("{subject} is signed with a key nobody knows, {shown}");
                (self.signature_unknown, SIGNATURE_UNKNOWN, reason)
            }
            SignatureVerdict::ExpiredKey => {
                let reason =
                    format!("{subject} is signed with a key that had expired by then, {shown}");
                (Effect::Block, SIGNATURE_INVALID, reason)
            }
            SignatureVerdict::Invalid => {
                let reason = format!(
                    "{subject}: the signature of its registry is not of this version and digest"
                );
                (Effect::Block, SIGNATURE_INVALID, reason)
            }
        };
        say(effect, code, reason, about, out);
    }
}

/// Reports, or where the policy lets it pass, notes.
fn say(effect: Effect, code: FindingCode, reason: String, evidence: &str, out: &mut Findings<'_>) {
    match effect {
        Effect::Allow => out.note(code, reason, evidence, Effect::Hide),
        effect => out.report_as(effect, code, reason, evidence, None),
    }
}

fn check_bytes(facts: &VersionFacts, bytes: &ByteFacts, out: &mut Findings<'_>) {
    if bytes.mismatches.is_empty()
        && bytes.declared_size_bytes.is_none()
        && facts
            .history
            .pinned
            .as_ref()
            .is_none_or(|pinned| *pinned == bytes.sha256)
    {
        return;
    }
    let subject = reason::subject(facts.subject());
    for mismatch in &bytes.mismatches {
        let reason = format!(
            "{subject}: {} does not have the {} digest the registry declares",
            file(facts),
            mismatch.algorithm.name()
        );
        let evidence = format!("{} {}", mismatch.declared, mismatch.found);
        out.report_as(Effect::Block, MISMATCH, reason, &evidence, None);
    }
    if let Some(declared) = bytes.declared_size_bytes {
        let found = bytes.size_bytes;
        // The figures are evidence, not reason: the reason goes to whoever is refused the bytes.
        let difference = match found > declared {
            true => "more",
            false => "fewer",
        };
        let reason = format!(
            "{subject}: {} has {difference} bytes than the registry declares",
            file(facts)
        );
        let evidence = format!("{declared} {found}");
        out.report_as(Effect::Block, SIZE_MISMATCH, reason, &evidence, None);
    }
    if let Some(pinned) = &facts.history.pinned
        && *pinned != bytes.sha256
    {
        let reason = format!(
            "{subject}: {} is not the file first seen under this name; it was replaced",
            file(facts)
        );
        let evidence = format!("{pinned} {}", bytes.sha256);
        out.report_as(Effect::Block, REPLACED, reason, &evidence, None);
    }
}

fn unavailable(facts: &VersionFacts, fact: FactKind, cause: &str, out: &mut Findings<'_>) {
    let what = match fact {
        FactKind::Bytes => "its file could not be read",
        _ => "its declared digests could not be read",
    };
    let reason = format!(
        "{} cannot be verified: {what} ({})",
        reason::subject(facts.subject()),
        reason::ascii(cause, 60)
    );
    out.report_unavailable_as(Effect::Block, UNAVAILABLE, fact, reason);
}

fn file(facts: &VersionFacts) -> String {
    reason::ascii(facts.artifact.file.as_str(), 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::facts::PackageFacts;
    use crate::model::{ArtifactId, FileName, PackageVersion, Scheme, Version};

    #[test]
    fn only_provenance_needs_no_declared_digest() {
        let ruleset = load(&[]).unwrap().ruleset;
        let now = Timestamp::parse("2026-11-21T10:00:00Z").unwrap();
        let long_ago = Timestamp::parse("2020-01-01T00:00:00Z").unwrap();
        let name = crate::ecosystem::PyPi.package("foo").unwrap();
        let package = Arc::new(PackageFacts {
            name: name.clone(),
            first_published_at: Fact::Known(long_ago),
            status: Fact::Absent,
            upstream: "test".into(),
            similarity: Fact::NotYet,
            popularity: None,
            asked_in_vain: None,
        });
        for (kind, expected) in [
            (ArtifactKind::Archive, Effect::Block),
            (ArtifactKind::CoreMetadata, Effect::Block),
            (ArtifactKind::Provenance, Effect::Allow),
        ] {
            let artifact = ArtifactId {
                subject: PackageVersion {
                    name: name.clone(),
                    version: Version::verbatim("1.0"),
                },
                file: FileName::new("foo-1.0.zip").unwrap(),
                kind,
            };
            let facts = VersionFacts {
                published_at: Fact::Known(long_ago),
                declared: Fact::Absent,
                bytes: Fact::Known(ByteFacts {
                    sha256: Digest::of(b"bytes"),
                    size_bytes: 5,
                    mismatches: Vec::new(),
                    declared_size_bytes: None,
                }),
                ..VersionFacts::unknown(artifact, Arc::clone(&package))
            };
            assert_eq!(ruleset.evaluate(&facts, now).effect(), expected, "{kind:?}");
        }
    }

    #[test]
    fn what_a_signature_proves_decides_as_the_policy_says() {
        let now = Timestamp::parse("2026-11-21T10:00:00Z").unwrap();
        let name = crate::ecosystem::Npm.package("foo").unwrap();
        let package = Arc::new(PackageFacts::unknown(name.clone(), "test".into()));
        let bytes = ByteFacts {
            sha256: Digest::of(b"bytes"),
            size_bytes: 5,
            mismatches: Vec::new(),
            declared_size_bytes: None,
        };
        let artifact = ArtifactId {
            subject: PackageVersion {
                name,
                version: Version::verbatim("1.0.0"),
            },
            file: FileName::new("foo-1.0.0.tgz").unwrap(),
            kind: ArtifactKind::Archive,
        };
        let judged = |policy: &str, signature: Fact<SignatureFacts>| {
            let facts = VersionFacts {
                declared: Fact::Known([Digest::of(b"bytes")].into_iter().collect()),
                bytes: Fact::Known(bytes.clone()),
                signature,
                ..VersionFacts::unknown(artifact.clone(), Arc::clone(&package))
            };
            let source = crate::config::PolicySource {
                name: "policy".to_owned(),
                text: policy.to_owned(),
            };
            let evaluation = load(&[source]).unwrap().ruleset.evaluate(&facts, now);
            let codes = evaluation.findings().iter();
            let codes: Vec<String> = codes.map(|it| it.code.as_str().to_owned()).collect();
            (evaluation.effect(), codes, evaluation.awaits())
        };
        let plain = "[rules.integrity]\n";
        let strict = "[rules.integrity]\nsignature_unknown = 'block'\nsignature_missing = 'hide'\n";
        let of = |verdict| {
            let about = "SHA256:key".into();
            Fact::Known(SignatureFacts { verdict, about })
        };
        let invalid = "signature-invalid";
        let unknown = "signature-unknown-key";
        for (signature, code, plainly, strictly) in [
            (Fact::Absent, None, Effect::Allow, Effect::Allow),
            (
                of(SignatureVerdict::Valid),
                None,
                Effect::Allow,
                Effect::Allow,
            ),
            (
                of(SignatureVerdict::Invalid),
                Some(invalid),
                Effect::Block,
                Effect::Block,
            ),
            (
                of(SignatureVerdict::ExpiredKey),
                Some(invalid),
                Effect::Block,
                Effect::Block,
            ),
            (
                of(SignatureVerdict::UnknownKey),
                Some(unknown),
                Effect::Allow,
                Effect::Block,
            ),
            (
                Fact::Unavailable("down".into()),
                Some(unknown),
                Effect::Allow,
                Effect::Block,
            ),
            (
                of(SignatureVerdict::Missing),
                Some("signature-missing"),
                Effect::Allow,
                Effect::Hide,
            ),
        ] {
            for (policy, expected) in [(plain, plainly), (strict, strictly)] {
                let (effect, codes, awaits) = judged(policy, signature.clone());
                assert_eq!(effect, expected, "{signature:?}");
                assert_eq!(codes, Vec::from_iter(code), "{signature:?}");
                assert!(awaits.is_empty(), "{signature:?}");
            }
        }
        // What was not looked at so far is waited for.
        let (_, _, awaits) = judged(plain, Fact::NotYet);
        assert_eq!(awaits, FactSet::of(FactKind::Signature));
    }
}
