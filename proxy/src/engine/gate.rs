//! The gate: the only maker of [`Cleared`], without which no artifact byte can be sent.

use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use cordon_policy::model::Timestamp;
use cordon_policy::verdict::ServePermit;
use cordon_storage::blob::BlobReader;

/// Bytes that may go out: a permit for exactly their digest, and the durable decision behind it.
pub struct Cleared {
    permit: ServePermit,
    decision: DecisionId,
    generation: u64,
    bytes: ClearedBytes,
}

/// Where the bytes are.
#[derive(Clone)]
pub enum ClearedBytes {
    /// Small: in memory, verified when loaded.
    Memory(Bytes),
    /// Large: in the store, verified chunk by chunk while they leave.
    Stored(BlobReader),
}

impl Cleared {
    /// Only the engine calls this, after the decision was acknowledged as durable and with bytes
    /// of the permit's digest.
    pub(super) fn new(
        permit: ServePermit,
        decision: DecisionId,
        generation: u64,
        bytes: ClearedBytes,
    ) -> Self {
        Self {
            permit,
            decision,
            generation,
            bytes,
        }
    }

    /// The permit.
    pub fn permit(&self) -> &ServePermit {
        &self.permit
    }

    /// The decision that allowed it.
    pub fn decision(&self) -> &DecisionId {
        &self.decision
    }

    /// Whether it still holds: same generation of policy and not lapsed.
    pub fn holds(&self, generation: u64, now: Timestamp) -> bool {
        self.generation == generation && self.permit.is_valid_at(now)
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> u64 {
        match &self.bytes {
            ClearedBytes::Memory(bytes) => bytes.len() as u64,
            ClearedBytes::Stored(reader) => reader.size_bytes(),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &ClearedBytes {
        &self.bytes
    }
}

#[cfg(test)]
impl Cleared {
    /// Bytes cleared by an empty policy, for tests of what carries them.
    pub(crate) fn for_test(sha256: cordon_policy::model::Digest, bytes: ClearedBytes) -> Self {
        use std::sync::Arc;

        use cordon_policy::evaluate::Ruleset;
        use cordon_policy::facts::{ByteFacts, Fact, PackageFacts, VersionFacts};
        use cordon_policy::model::{
            ArtifactId, ArtifactKind, Ecosystem, FileName, PackageName, PackageVersion, Version,
        };
        use cordon_policy::verdict::RulesetHash;

        let name =
            PackageName::from_checked_parts(Ecosystem::from_static("npm"), "left-pad", "left-pad");
        let artifact = ArtifactId {
            subject: PackageVersion {
                name: name.clone(),
                version: Version::verbatim("1.3.0"),
            },
            file: FileName::new("left-pad-1.3.0.tgz").expect("a file name"),
            kind: ArtifactKind::Archive,
        };
        let package = Arc::new(PackageFacts {
            name,
            first_published_at: Fact::NotYet,
            status: Fact::NotYet,
            upstream: "test".into(),
            similarity: Fact::NotYet,
            popularity: None,
            asked_in_vain: None,
        });
        let mut facts = VersionFacts::unknown(artifact, package);
        facts.bytes = Fact::Known(ByteFacts {
            sha256,
            size_bytes: 0,
            mismatches: Vec::new(),
            declared_size_bytes: None,
        });
        let ruleset = Ruleset::new(RulesetHash("test".into()), Vec::new(), Vec::new());
        let permit = ruleset
            .evaluate(&facts, Timestamp::from_millis(0))
            .permit()
            .expect("an empty policy allows everything");
        Self::new(permit, DecisionId::from_random(7), 1, bytes)
    }
}
