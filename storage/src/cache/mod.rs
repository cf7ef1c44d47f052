//! What may be thrown away: records about documents and artifacts, rebuilt from evidence and blobs.

#[cfg(any(test, feature = "conformance"))]
mod faulty;
mod memory;
mod sled;

#[cfg(any(test, feature = "conformance"))]
pub use faulty::FaultyIndex;
pub use memory::{MEMORY_RECORDS, MemoryIndex};
pub use sled::{Opened, SledIndex, SledLimits};

use async_trait::async_trait;
use cordon_policy::model::{ArtifactId, Digest, Timestamp};
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::StorageError;

/// Key of an upstream document: ecosystem, upstream id, document kind and canonical name. No
/// request header can enter it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DocumentKey {
    /// purl type.
    pub ecosystem: SmolStr,
    /// Id of the configured upstream.
    pub upstream: SmolStr,
    /// Which document: `packument`, `simple`, `index`, …
    pub kind: SmolStr,
    /// Canonical name the document is about.
    pub name: SmolStr,
}

/// What is remembered of an upstream document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// What upstream answered.
    pub state: DocumentState,
    /// When upstream last confirmed it.
    pub fetched_at: Timestamp,
    /// The address it was had from, after redirects; `None` for an absence, and in records of
    /// versions that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SmolStr>,
    /// Upstream's `ETag`, verbatim.
    pub etag: Option<SmolStr>,
    /// Upstream's `Last-Modified`, verbatim.
    pub last_modified: Option<SmolStr>,
    /// How long upstream says it is fresh, in seconds.
    pub max_age_seconds: Option<u32>,
}

/// What upstream answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DocumentState {
    /// The document, kept as a blob.
    Present {
        /// Its bytes.
        blob: Digest,
        /// Its media type without parameters.
        content_type: SmolStr,
    },
    /// There is none (404, 410).
    Missing,
}

/// What is remembered of an artifact's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// SHA-256 of the verified bytes, the blob's name.
    pub sha256: Digest,
    /// Size in bytes.
    pub size_bytes: u64,
    /// When they were fetched.
    pub fetched_at: Timestamp,
    /// Which upstream they came from.
    pub upstream: SmolStr,
    /// Digests computed over the bytes while they arrived, of every algorithm that was declared
    /// then; a later document that declares another algorithm makes Cordon read the blob again.
    pub computed: cordon_policy::model::Digests,
    /// When the bytes were last served, for collection; may lag behind by an hour.
    pub last_used_at: Timestamp,
}

/// What inspection found in an artifact's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetRecord {
    /// SHA-256 of the bytes it is about: the sheet says nothing of others under the same name.
    pub sha256: Digest,
    /// What was found.
    pub sheet: cordon_policy::inspect::Sheet,
}

/// Records, some at a time.
pub type Pages<'a, Id, Record> = BoxStream<'a, Result<Vec<(Id, Record)>, StorageError>>;

/// Records on one page, at most.
pub(crate) const PAGE: usize = 1000;

/// Small records that can be rebuilt. Losing all of it costs time, never correctness.
#[async_trait]
pub trait CacheIndex: Send + Sync + 'static {
    /// The record of a document.
    async fn document(&self, key: &DocumentKey) -> Result<Option<DocumentRecord>, StorageError>;
    /// Remembers a document; one that is present survives a kill when this returns.
    async fn put_document(
        &self,
        key: &DocumentKey,
        record: &DocumentRecord,
    ) -> Result<(), StorageError>;
    /// Forgets a document.
    async fn remove_document(&self, key: &DocumentKey) -> Result<(), StorageError>;
    /// Every document record, some at a time, in any order. What is put or removed meanwhile may be
    /// among them or not.
    fn document_pages(&self) -> Pages<'_, DocumentKey, DocumentRecord>;
    /// Every document record at once.
    async fn documents(&self) -> Result<Vec<(DocumentKey, DocumentRecord)>, StorageError> {
        self.document_pages().try_concat().await
    }
    /// The record of an artifact.
    async fn artifact(&self, id: &ArtifactId) -> Result<Option<ArtifactRecord>, StorageError>;
    /// Remembers an artifact.
    async fn put_artifact(
        &self,
        id: &ArtifactId,
        record: &ArtifactRecord,
    ) -> Result<(), StorageError>;
    /// Forgets an artifact.
    async fn remove_artifact(&self, id: &ArtifactId) -> Result<(), StorageError>;
    /// Every artifact record, as [`document_pages`](Self::document_pages).
    fn artifact_pages(&self) -> Pages<'_, ArtifactId, ArtifactRecord>;
    /// Every artifact record at once.
    async fn artifacts(&self) -> Result<Vec<(ArtifactId, ArtifactRecord)>, StorageError> {
        self.artifact_pages().try_concat().await
    }
    /// The sheet of an artifact.
    async fn sheet(&self, id: &ArtifactId) -> Result<Option<SheetRecord>, StorageError>;
    /// Remembers a sheet. One too long to be kept is made again when it is needed.
    async fn put_sheet(&self, id: &ArtifactId, record: &SheetRecord) -> Result<(), StorageError>;
    /// Forgets a sheet.
    async fn remove_sheet(&self, id: &ArtifactId) -> Result<(), StorageError>;
    /// Writes out what is buffered.
    async fn flush(&self) -> Result<(), StorageError>;

    /// Whether records were lost since this was last asked, because damage was found while
    /// running. The caller makes them again from evidence and blobs.
    fn take_lost(&self) -> bool {
        false
    }
}
