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
