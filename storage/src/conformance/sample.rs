//! Values to fill evidence stores with: small, readable, and all different where asked to be.

use cordon_policy::decision::{Cause, Decision, DecisionId};
use cordon_policy::facts::RemovalScope;
use cordon_policy::finding::Fingerprint;
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, Ecosystem, FileName, PackageName, PackageVersion, Timestamp,
    Version,
};
use cordon_policy::verdict::Effect;
use serde_json::json;

use crate::evidence::{
    Client, Entry, ExemptionChange, Exposure, HoldState, Missed, Notice, Outcome, QuarantineAct,
    QuarantineChange, Receiver, Removal, Served,
};

/// The ecosystem of all samples.
pub const ECOSYSTEM: Ecosystem = Ecosystem::from_static("npm");

/// The `n`-th instant: seconds apart, from the middle of 2026 on.
pub fn at(n: i64) -> Timestamp {
    Timestamp::from_millis(1_780_000_000_000 + n * 1_000)
}

/// A package of that name.
pub fn package(name: &str) -> PackageName {
    PackageName::from_checked_parts(ECOSYSTEM, name, name)
}

/// The archive of a version.
pub fn artifact(name: &str, version: &str) -> ArtifactId {
    ArtifactId {
        subject: PackageVersion {
            name: package(name),
            version: Version::verbatim(version),
        },
        file: FileName::new(format!("{name}-{version}.tgz")).expect("sample names are plain"),
        kind: ArtifactKind::Archive,
    }
}

/// What sets sample decisions apart.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// Number of the decision: its id.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// About what.
    pub artifact: ArtifactId,
    /// The bytes, when they are known.
    pub sha256: Option<Digest>,
    /// The verdict.
    pub effect: Effect,
    /// The rules that found something.
    pub rules: &'a [&'a str],
    /// The reason each of them gives.
    pub reason: String,
}

impl Sample<'_> {
    /// An allow of known bytes, number `id`, at the instant of that number.
    pub fn allow(id: u64, artifact: ArtifactId) -> Self {
        Self {
            id,
            at: at(i64::try_from(id).unwrap_or(i64::MAX / 2_000)),
            sha256: Some(Digest::of(artifact.to_string().as_bytes())),
            artifact,
            effect: Effect::Allow,
            rules: &[],
            reason: String::new(),
        }
    }

    /// A refusal by the rule `minimum-age`, number `id`, at the instant of that number.
    pub fn hide(id: u64, artifact: ArtifactId) -> Self {
        Self {
            sha256: None,
            effect: Effect::Hide,
            rules: &["minimum-age"],
            reason: format!("{} is younger than 72 h", artifact.subject),
            ..Self::allow(id, artifact)
        }
    }

    /// A hold of known bytes by the rule `typosquat`, number `id`, at the instant of that number.
    pub fn quarantine(id: u64, artifact: ArtifactId) -> Self {
        Self {
            effect: Effect::Quarantine,
            rules: &["typosquat"],
            reason: format!("{} looks like another", artifact.subject),
            ..Self::allow(id, artifact)
        }
    }

    /// The decision, read from its stored form: only the core can conclude one.
    pub fn decision(&self) -> Decision {
        let findings: Vec<_> = self
            .rules
            .iter()
            .map(|rule| {
                json!({
                    "rule": rule, "code": "too-young", "effect": self.effect,
                    "reason": self.reason, "evidence": "", "until": at(1_000_000),
                    "mode": "enforce",
                    "source": {"file": "cordon.toml", "line": 3, "column": 1},
                })
            })
            .collect();
        let decision = json!({
            "id": DecisionId::from_random(self.id),
            "at": self.at,
            "evaluation": {
                "artifact": self.artifact, "sha256": self.sha256, "effect": self.effect,
                "findings": findings, "waived": [], "awaits": [], "valid_until": null,
            },
            "cause": "request",
            "ruleset": "7d5cf1a0b0d1",
            "facts": {
                "artifact": self.artifact, "published_at": {"known": at(-500_000)},
                "declared": "not-yet", "size_bytes": "not-yet", "bytes": "not-yet",
                "is_yanked": "absent", "deprecated": "absent", "license": {"known": "MIT"},
                "install_hooks": {"known": []}, "has_provenance": "not-yet",
                "publisher": {"unavailable": "the registry names none"},
                "history": {
                    "first_seen_at": at(-1_000), "published_at_first_sight": at(-500_000),
                    "first_allowed_at": null, "pinned": null,
                },
                "package": {
                    "name": self.artifact.subject.name, "first_published_at": "not-yet",
                    "status": "absent", "upstream": "registry.example",
                },
            },
            "nearest_allowed": null,
        });
        serde_json::from_value(decision).expect("the sample has the form of a stored decision")
    }

    /// The decision as an entry.
    pub fn entry(&self) -> Entry {
        Entry::Decision(Box::new(self.decision()))
    }
}

/// One serving of a decision.
pub fn served(decision: u64, address: &str, outcome: Outcome, n: i64) -> Served {
    Served {
        decision: DecisionId::from_random(decision),
        client: Client {
            address: address.into(),
            agent: "npm/11.0.0".into(),
        },
        outcome,
        count: 1,
        first_at: at(n),
        last_at: at(n),
    }
}

/// An artifact of which one client has the bytes turned out bad.
pub fn exposure(decision: u64, artifact: ArtifactId, n: i64) -> Entry {
    let Served { client, .. } = served(decision, "192.0.2.1", Outcome::Served, n);
    Entry::Exposure(Box::new(Exposure {
        at: at(n),
        artifact,
        decision: DecisionId::from_random(decision),
        effect: Effect::Block,
        cause: Cause::AdvisoryRefresh,
        advisories: vec!["OSV-1".into()],
        received_by: vec![Receiver {
            client,
            first_at: at(n),
            last_at: at(n),
            count: 2,
        }],
        clients: 1,
        total: 2,
    }))
}

/// Upstream removed an artifact at an instant, or lists it again.
pub fn removal(artifact: ArtifactId, scope: Option<RemovalScope>, n: i64) -> Entry {
    Entry::Removal(Removal {
        at: at(n),
        artifact,
        scope,
    })
}

/// A short entry, different for each `n`.
pub fn notice(n: u64) -> Entry {
    Entry::Notice(Notice {
        at: at(0),
        code: "sample".into(),
        text: format!("entry number {n}"),
    })
}

/// A name that was asked for in vain at an instant.
pub fn missed(name: &str, milliseconds: i64) -> Entry {
    Entry::Missed(Missed {
        at: at(milliseconds),
        package: package(name),
    })
}

/// Somebody did something about a held artifact at an instant.
pub fn quarantine(artifact: ArtifactId, act: QuarantineAct, n: i64) -> Entry {
    let Served { client, .. } = served(0, "192.0.2.1", Outcome::Refused, n);
    let is_asked = act == QuarantineAct::Asked;
    Entry::Quarantine(Box::new(QuarantineChange {
        at: at(n),
        ticket: DecisionId::from_random(1),
        sha256: Some(Digest::of(artifact.to_string().as_bytes())),
        artifact,
        act,
        from: HoldState::Held,
        by: "reviewer".into(),
        reason: format!("{} for the release", act.name()),
        seen: (!is_asked).then(|| DecisionId::from_random(1)),
        fingerprints: match is_asked {
            true => Vec::new(),
            false => vec![Fingerprint::parse("typosquat/too-young/")],
        },
        approved_by: None,
        expires: (act == QuarantineAct::Released).then(|| at(n + 1_000)),
        text: (act == QuarantineAct::Released).then(|| "[[exempt]]".to_owned()),
        client: is_asked.then_some(client),
        contact: is_asked.then(|| "ada".into()),
    }))
}

/// A change of an exemption at an instant.
pub fn exemption(id: &str, text: Option<&str>, milliseconds: i64) -> Entry {
    Entry::Exemption(ExemptionChange {
        at: at(milliseconds),
        id: id.into(),
        by: "admin".into(),
        text: text.map(str::to_owned),
        is_break_glass: text.is_some_and(|text| text.contains("break glass")),
    })
}
