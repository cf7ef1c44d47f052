//! What is kept of upstream documents: their bytes as blobs, what is known of them in the cache
//! index.

use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::model::Digest;
use cordon_storage::blob::ReadBlob;
use cordon_storage::cache::{DocumentKey, DocumentRecord, DocumentState};
use cordon_storage::{Chain, StorageError, StorageErrorKind};

use super::Engine;
use super::documents::{Asked, Known};
use super::failure::Failure;
use crate::registry::UpstreamDocument;

impl Engine {
    /// The document a record tells of, `None` when there is none, or when its bytes are gone or
    /// damaged: then it must be fetched again.
    pub(super) async fn recall(
        &self,
        asked: &Asked,
        record: &DocumentRecord,
    ) -> Result<Option<UpstreamDocument>, Failure> {
        let DocumentState::Present { blob, content_type } = &record.state else {
            return Ok(None);
        };
        let Some(bytes) = self.read_blob(blob).await? else {
            return Ok(None);
        };
        // Addresses in it are relative to where it came from, which a redirect may have changed.
        let came_from = record.url.as_deref().and_then(|url| url.parse().ok());
        Ok(Some(UpstreamDocument {
            bytes,
            digest: blob.clone(),
            content_type: content_type.clone(),
            url: came_from.unwrap_or_else(|| asked.url.clone()),
            files: Arc::clone(&asked.files),
            last_modified: record.last_modified.clone(),
            upstream: asked.key.upstream.clone(),
        }))
    }

    /// Remembers what is new of documents that proved to be of use.
    pub(super) async fn keep_documents(&self, all: Vec<Known>) {
        for known in all {
            if let Some(record) = known.news.filter(|_| known.asked.is_kept) {
                self.keep_document(known.asked.key, record, known.document)
                    .await;
            }
        }
    }

    /// Forgets stored documents nothing can be made of: asked about them, upstream would say for
    /// ever that they are unchanged.
    pub(super) async fn forget_documents(&self, all: &[Known]) {
        for known in all.iter().filter(|known| known.asked.is_kept) {
            if let Err(error) = self.stores.cache.remove_document(&known.asked.key).await {
                self.metrics.store_failed(&error);
            }
        }
    }

    /// Writes the document and its record behind the answer, at once: losing them costs a fetch, or
    /// the package while upstream is away. Before the answer it would add milliseconds to each cold
    /// document (measured: 2 at the median on a fast disk, a multiple of that on a busy one). Only
    /// that something is missing is written before it, because nothing of that stays in memory, and
    /// clients that ask for a missing name ask several times at once (cargo's probes, npm's second
    /// form).
    async fn keep_document(
        &self,
        key: DocumentKey,
        record: DocumentRecord,
        document: Option<UpstreamDocument>,
    ) {
        let stores = self.stores.clone();
        let metrics = Arc::clone(&self.metrics);
        let space = Arc::clone(&self.space);
        let is_missing = record.state == DocumentState::Missing;
        let write = async move {
            let work = async {
                let mut _held = None;
                if let (DocumentState::Present { blob, .. }, Some(document)) =
                    (&record.state, document)
                {
                    _held = Some(space.hold(blob).await);
                    if stores.blobs.stat(blob).await?.is_none() {
                        let mut staged = stores.blobs.stage(document.bytes.len() as u64).await?;
                        staged.write(document.bytes).await?;
                        space.added(staged.commit().await?.size_bytes);
                    }
                }
                stores.cache.put_document(&key, &record).await
            };
            if let Err(error) = work.await {
                metrics.store_failed(&error);
                tracing::warn!(error = %Chain(&error), document = ?key, "keeping a document failed");
            }
        };
        if is_missing {
            write.await;
        } else {
            self.background.run(write).await;
        }
    }

    /// All bytes of a blob, verified; `None` if it is not there or was found damaged (it is then
    /// moved aside and reported).
    pub(super) async fn read_blob(&self, digest: &Digest) -> Result<Option<Bytes>, Failure> {
        let Some(reader) = self.open(digest).await? else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || read_all(&*reader))
            .await
            .map_err(|_| Failure::Interrupted)?;
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind == StorageErrorKind::Corrupt => {
                self.set_aside(digest).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// All bytes of a blob, proved.
pub(super) fn read_all(reader: &dyn ReadBlob) -> Result<Bytes, StorageError> {
    let size = reader.size_bytes();
    let first = reader.read_at(0, usize::MAX)?;
    if first.len() as u64 == size {
        return Ok(first);
    }
    let mut all = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    all.extend_from_slice(&first);
    while (all.len() as u64) < size {
        let piece = reader.read_at(all.len() as u64, usize::MAX)?;
        if piece.is_empty() {
            break;
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.into())
}
