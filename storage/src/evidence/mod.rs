//! What must never be lost: decisions, servings, pins, sightings, policy changes.
//!
//! Everything that changes state is an [`Entry`] of one append-only log. State (the latest
//! decision, the pin of an artifact, what a package looked like at first sight) is a projection of
//! the entries, written in the same transaction. The log is a Merkle tree published as plain files
//! (C2SP tlog-tiles) with signed checkpoints, so that anyone can check it without Cordon.

use std::collections::HashMap;

use async_trait::async_trait;
use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::finding::RuleId;
use cordon_policy::model::{ArtifactId, Digest, FileName, PackageName, Timestamp, Version};
use cordon_policy::verdict::Effect;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::StorageError;

/// One fact of the log. Serialised once, as canonical JSON; those bytes are what is hashed, kept
/// and published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// A verdict was reached.
    Decision(Box<Decision>),
    /// Bytes or refusals went out, counted per client and decision over one batch.
    Served(Served),
    /// The bytes of an artifact were seen for the first time. A later pin for the same artifact
    /// is ignored: pins are written once.
    Pin(Pin),
    /// Versions of a package were seen for the first time, or changed their publication time.
    Sighting(Sighting),
    /// A policy came into force.
    Policy(PolicyChange),
    /// A document was rendered with versions withheld, or with none after some.
    Listing(Listing),
    /// Anything an operator should find later: damage found, start, stop, repair, collection.
    Notice(Notice),
}

/// One line of "who received what".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The decision that allowed or refused it.
    pub decision: DecisionId,
    /// Who asked.
    pub client: Client,
    /// Whether bytes went out or a refusal.
    pub outcome: Outcome,
    /// How many times in this batch.
    pub count: u32,
    /// First time in this batch.
    pub first_at: Timestamp,
    /// Last time in this batch.
    pub last_at: Timestamp,
}

/// Who asked, as far as the connection tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Client {
    /// Peer address without port.
    pub address: SmolStr,
    /// First product of the `User-Agent`, e.g. `npm/11.19.1`, escaped and cut.
    pub agent: SmolStr,
}

/// What the client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The bytes.
    Served,
    /// A refusal.
    Refused,
}

/// First-seen bytes of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The artifact.
    pub artifact: ArtifactId,
    /// Its bytes.
    pub sha256: Digest,
    /// When.
    pub at: Timestamp,
}

/// What a package's document showed that was new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The package.
    pub package: PackageName,
    /// When.
    pub at: Timestamp,
    /// The candidates, as a blob of the evidence store named by digest, because a package can have
    /// more of them than an entry may hold.
    pub candidates: Digest,
    /// How many.
    pub count: u32,
}

/// One candidate at first sight.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sighted {
    /// The version.
    pub version: Version,
    /// The file.
    pub file: FileName,
    /// The publication time given.
    pub published_at: Option<Timestamp>,
}

/// What is remembered of a candidate since first sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When Cordon first saw it.
    pub first_seen_at: Timestamp,
    /// The publication time given then.
    pub published_at: Option<Timestamp>,
}

/// A policy came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// When.
    pub at: Timestamp,
    /// Identity of the ruleset.
    pub ruleset: SmolStr,
    /// SHA-256 of the policy text, which the evidence store keeps.
    pub text: Digest,
    /// `start` or `reload`.
    pub cause: SmolStr,
}

/// What a rendered document withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// When.
    pub at: Timestamp,
    /// The package.
    pub package: PackageName,
    /// The upstream document it was made from.
    pub document: Digest,
    /// Under which rules.
    pub ruleset: SmolStr,
    /// Candidates listed.
    pub listed: u32,
    /// Candidates withheld.
    pub withheld: u32,
}

/// Something an operator should find later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// Stable kebab-case code: `blob-corrupt`, `log-gap`.
    pub code: SmolStr,
    /// What happened, one line.
    pub text: String,
}

/// Position of an entry in the log, from 0.
pub type EntryIndex = u64;

/// Which decisions to page through. All given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Only this package.
    pub package: Option<PackageName>,
    /// Only this verdict.
    pub effect: Option<Effect>,
    /// Only decisions in which this rule found something.
    pub rule: Option<RuleId>,
    /// Only what this client address asked for.
    pub client: Option<SmolStr>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// After this entry, for following.
    pub after: Option<EntryIndex>,
    /// The newest so many, oldest first; 0 means 100.
    pub limit: usize,
}

/// A decision with its place in the log and who was affected.
#[derive(Clone, Debug)]
pub struct LoggedDecision {
    /// Its place.
    pub index: EntryIndex,
    /// The decision.
    pub decision: Decision,
    /// Who received or was refused, latest first, at most 100.
    pub servings: Vec<Served>,
}

/// The evidence store.
#[async_trait]
pub trait Evidence: Send + Sync + 'static {
    /// Appends entries in order and makes them durable together. When this returns, they survive
    /// a kill and a power cut. Returns the index of the first.
    async fn append(&self, entries: Vec<Entry>) -> Result<EntryIndex, StorageError>;

    /// Keeps bytes that entries name by digest (sighting lists, policy texts); durable no later
    /// than the next append.
    async fn put_text(&self, bytes: bytes::Bytes) -> Result<Digest, StorageError>;

    /// Bytes kept by [`put_text`](Self::put_text).
    async fn text(&self, digest: &Digest) -> Result<Option<bytes::Bytes>, StorageError>;

    /// A decision by id.
    async fn decision(&self, id: &DecisionId) -> Result<Option<LoggedDecision>, StorageError>;

    /// Decisions that match.
    async fn decisions(&self, filter: &LogFilter) -> Result<Vec<LoggedDecision>, StorageError>;

    /// The newest decision about an artifact.
    async fn latest(&self, artifact: &ArtifactId) -> Result<Option<LoggedDecision>, StorageError>;

    /// The write-once digest of an artifact.
    async fn pin(&self, artifact: &ArtifactId) -> Result<Option<Digest>, StorageError>;

    /// Pins and first-allowed times of all artifacts of a package.
    async fn remembered(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<FileName, Remembered>, StorageError>;

    /// What the package's candidates were at first sight.
    async fn sightings(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Seen>, StorageError>;

    /// Entries as stored, for rebuilding and export: at most `limit` from `from`.
    async fn entries(
        &self,
        from: EntryIndex,
        limit: usize,
    ) -> Result<Vec<(EntryIndex, Entry)>, StorageError>;

    /// Signs and publishes a checkpoint over everything appended so far; returns its text.
    async fn checkpoint(&self) -> Result<String, StorageError>;
}

/// What is kept per artifact of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The write-once digest.
    pub pinned: Option<Digest>,
    /// When its bytes were first allowed.
    pub first_allowed_at: Option<Timestamp>,
}
