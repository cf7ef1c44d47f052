//! What must never be lost: decisions, servings, pins, sightings, policy changes.
//!
//! Everything that changes state is an [`Entry`] of one append-only log. State (the latest
//! decision, the pin of an artifact, what a package looked like at first sight) is a projection of
//! the entries, written in the same transaction. The log is a Merkle tree published as plain files
//! (C2SP tlog-tiles) with signed checkpoints, so that anyone can check it without Cordon.
//!
//! Where to read on: [`entry`] says what is logged, [`encoding`] how an entry becomes bytes,
//! [`tree`] how bytes become hashes, [`sqlite`] how they are kept.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::facts::Audience;
use cordon_policy::model::{
    ArtifactId, Digest, Ecosystem, FileName, PackageName, Timestamp, Version,
};

use crate::StorageError;

pub mod encoding;
pub mod entry;
#[cfg(any(test, feature = "conformance"))]
mod faulty;
mod holds;
pub mod key;
pub mod log;
mod memory;
mod pages;
pub mod query;
pub mod sqlite;
pub mod tree;

pub use entry::{
    Client, Entry, EntryIndex, ExemptionChange, Exposure, HoldState, Listing, Missed, Notice,
    Outcome, Pin, PolicyChange, QuarantineAct, QuarantineChange, RECEIVERS_PER_EXPOSURE, Receiver,
    Removal, Served, Sighted, Sighting, sighted_from_text, sighted_to_text,
};
#[cfg(any(test, feature = "conformance"))]
pub use faulty::FaultyEvidence;
pub use holds::{HeldBytes, Hold, HoldFilter, MAX_HISTORY, REQUESTS_PER_HOLD};
pub use memory::MemoryEvidence;
pub use pages::pages;
pub use query::{
    ExposureFilter, LogFilter, LoggedDecision, LoggedExposure, LoggedNotice, LoggedServing,
    Receivers, Remembered, Seen, ServingFilter,
};
pub use sqlite::{SqliteEvidence, SqliteOptions};

/// The most bytes one text of the store may have: the sighting list of a package with half a
/// million files fits.
pub const TEXT_LIMIT_BYTES: usize = 64 << 20;

/// The most entries one append may bring.
pub const APPEND_LIMIT: usize = 65_536;

/// The name of this store in errors.
pub(crate) const STORE: &str = "evidence";

/// The evidence store.
#[async_trait]
pub trait Evidence: Send + Sync + 'static {
    /// Appends entries in order and makes them durable together. When this returns, they survive
    /// a kill and a power cut. Returns the index of the first; for no entries at all, the index
    /// the next one will get.
    ///
    /// # Errors
    /// Nothing of the append is kept, except after `Io` and `Unavailable`, when it is unknown
    /// whether it was. A sighting whose candidate list was not stored by
    /// [`put_text`](Self::put_text) is refused.
    async fn append(&self, entries: Vec<Entry>) -> Result<EntryIndex, StorageError>;

    /// Keeps bytes that entries name by digest (sighting lists, policy texts); durable no later
    /// than the next append. At most [`TEXT_LIMIT_BYTES`].
    async fn put_text(&self, bytes: Bytes) -> Result<Digest, StorageError>;

    /// Bytes kept by [`put_text`](Self::put_text), checked against the digest.
    async fn text(&self, digest: &Digest) -> Result<Option<Bytes>, StorageError>;

    /// A decision by id. Should two have the same id, the first.
    async fn decision(&self, id: &DecisionId) -> Result<Option<LoggedDecision>, StorageError>;

    /// Decisions that match, oldest first.
    async fn decisions(&self, filter: &LogFilter) -> Result<Vec<LoggedDecision>, StorageError>;

    /// The newest notices, oldest first: at most `limit`, and no more than [`query::MAX_PAGE`].
    async fn notices(&self, limit: usize) -> Result<Vec<LoggedNotice>, StorageError>;

    /// The newest decision about an artifact, for an audience or any.
    async fn latest(
        &self,
        artifact: &ArtifactId,
        audience: Option<&Audience>,
    ) -> Result<Option<LoggedDecision>, StorageError>;

    /// The newest decision about each of a package's archives, for each audience, in no order. What is withheld now was mostly
    /// withheld before: this tells it without a question for each file.
    async fn standing(&self, package: &PackageName) -> Result<Vec<Decision>, StorageError>;

    /// The write-once digest of an artifact.
    async fn pin(&self, artifact: &ArtifactId) -> Result<Option<Digest>, StorageError>;

    /// Pins, first-allowed times and removals of a package's archives. The key holds the version too,
    /// because nothing stops a registry from listing one file name under two versions.
    async fn remembered(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Remembered>, StorageError>;

    /// What the package's candidates were at first sight.
    async fn sightings(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Seen>, StorageError>;

    /// Who received or was refused what, newest first.
    async fn servings(&self, filter: &ServingFilter) -> Result<Vec<LoggedServing>, StorageError>;

    /// Who received the bytes of an artifact under any decision, or any for that audience: at most `limit` clients, and no
    /// more than [`query::MAX_PAGE`], with the count of all.
    async fn receivers(
        &self,
        artifact: &ArtifactId,
        audience: Option<&Audience>,
        limit: usize,
    ) -> Result<Receivers, StorageError>;

    /// Exposures that match, oldest first.
    async fn exposures(&self, filter: &ExposureFilter)
    -> Result<Vec<LoggedExposure>, StorageError>;

    /// When a name was first asked for and did not exist.
    async fn missed(&self, package: &PackageName) -> Result<Option<Timestamp>, StorageError>;

    /// Names that were asked for and did not exist, newest last: at most `limit`, and no more than
    /// [`query::MAX_PAGE`].
    async fn missed_names(&self, limit: usize) -> Result<Vec<Missed>, StorageError>;

    /// How many names were asked for and did not exist.
    async fn missed_count(&self) -> Result<u64, StorageError>;

    /// The exemptions administrators granted and did not end, by id, those that ended by time
    /// included.
    async fn exemptions(&self) -> Result<Vec<ExemptionChange>, StorageError>;

    /// What was held once and matches, the latest first.
    async fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>, StorageError>;

    /// An artifact, if it was held once.
    async fn hold(&self, artifact: &ArtifactId) -> Result<Option<Hold>, StorageError>;

    /// What people did about an artifact, oldest first: the newest [`MAX_HISTORY`].
    async fn quarantine_history(
        &self,
        artifact: &ArtifactId,
    ) -> Result<Vec<QuarantineChange>, StorageError>;

    /// The releases and rejections in force, those that ended by time included, oldest first.
    async fn reviews(&self) -> Result<Vec<QuarantineChange>, StorageError>;

    /// The bytes of what is held, as they are pinned, the latest held first: at most `limit`.
    async fn held_bytes(&self, limit: usize) -> Result<Vec<HeldBytes>, StorageError>;

    /// How many artifacts are refused to somebody until a person looks, by ecosystem.
    async fn hold_counts(&self) -> Result<BTreeMap<Ecosystem, u64>, StorageError>;

    /// Packages something was decided about, in the order of their ecosystems and names, after
    /// one of them: at most `limit`, and no more than [`query::MAX_PAGE`].
    async fn packages(
        &self,
        after: Option<&PackageName>,
        limit: usize,
    ) -> Result<Vec<PackageName>, StorageError>;

    /// Entries as stored, for rebuilding and export: at most `limit` from `from`.
    async fn entries(
        &self,
        from: EntryIndex,
        limit: usize,
    ) -> Result<Vec<(EntryIndex, Entry)>, StorageError>;

    /// Signs and publishes a checkpoint over everything appended so far; returns its text.
    async fn checkpoint(&self) -> Result<String, StorageError>;
}
