//! Bytes kept earlier: found, proved again, and taken out of service when they are damaged.

use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::facts::ByteFacts;
use cordon_policy::model::{ArtifactId, Digest};
use cordon_storage::blob::{BlobReader, ReadBlob};
use cordon_storage::cache::ArtifactRecord;
use cordon_storage::evidence::{Entry as LogEntry, Notice};
use cordon_storage::{Chain, StorageError, StorageErrorKind};

use super::Engine;
use super::failure::Failure;
use super::hash::{DeclaredHashers, covers, mismatches};
use crate::registry::ArtifactSource;

impl Engine {
    /// Bytes kept earlier, with every digest the registry declares today.
    pub(super) async fn stored(
        &self,
        id: &ArtifactId,
        source: &ArtifactSource,
        upstream: &str,
    ) -> Result<Option<(BlobReader, ByteFacts)>, Failure> {
        let record = match self.stores.cache.artifact(id).await? {
            Some(record) => record,
            None => match self.remember(id, upstream).await? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        let Some(reader) = self.open(&record.sha256).await? else {
            self.stores.cache.remove_artifact(id).await?;
            return Ok(None);
        };
        let mut computed = record.computed.clone();
        if !covers(&computed, &source.digests) {
            let (again, digests) = (Arc::clone(&reader), source.digests.clone());
            let sha256 = record.sha256.clone();
            let work = move || {
                let mut hashers = DeclaredHashers::for_digests(&digests);
                read_through(&*again, |piece| hashers.update(&piece))?;
                Ok::<_, StorageError>(hashers.finish(sha256))
            };
            let read = tokio::task::spawn_blocking(work)
                .await
                .map_err(|_| Failure::Interrupted)?;
            match read {
                Ok(digests) => computed = digests,
                Err(error) if error.kind == StorageErrorKind::Corrupt => {
                    self.set_aside(&record.sha256).await;
                    self.forget(id).await?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
            let record = ArtifactRecord {
                computed: computed.clone(),
                ..record.clone()
            };
            self.stores.cache.put_artifact(id, &record).await?;
        }
        let found = mismatches(&source.digests, &computed);
        let size_bytes = reader.size_bytes();
        let facts = ByteFacts {
            sha256: record.sha256,
            size_bytes,
            mismatches: found,
            declared_size_bytes: source.size_bytes.filter(|declared| *declared != size_bytes),
        };
        Ok(Some((reader, facts)))
    }

    /// The record of an artifact that the index does not know (a kill or damage took it), from its
    /// pin and the bytes that have that digest. Which other digests they have is found out anew.
    async fn remember(
        &self,
        id: &ArtifactId,
        upstream: &str,
    ) -> Result<Option<ArtifactRecord>, Failure> {
        let Some(sha256) = self.stores.evidence.pin(id).await? else {
            return Ok(None);
        };
        let Some(stat) = self.stores.blobs.stat(&sha256).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let record = ArtifactRecord {
            computed: std::iter::once(sha256.clone()).collect(),
            sha256,
            size_bytes: stat.size_bytes,
            fetched_at: now,
            upstream: upstream.into(),
            last_used_at: now,
        };
        self.stores.cache.put_artifact(id, &record).await?;
        Ok(Some(record))
    }

    /// Opens a blob, `None` if it is not there or was found damaged (it is then moved aside).
    pub(super) async fn open(&self, digest: &Digest) -> Result<Option<BlobReader>, Failure> {
        match self.stores.blobs.open(digest).await {
            Ok(reader) => Ok(reader),
            Err(error) if error.kind == StorageErrorKind::Corrupt => {
                self.set_aside(digest).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn forget(&self, id: &ArtifactId) -> Result<(), Failure> {
        Ok(self.stores.cache.remove_artifact(id).await?)
    }

    /// Takes damaged bytes out of service. The server calls this when a stored body turned out
    /// damaged while it was being sent. Several transfers may tell of the same damage, and the last
    /// of them after the bytes were fetched again: so they are looked at first.
    pub async fn damaged(&self, artifact: &ArtifactId, sha256: &Digest) {
        self.hot.invalidate_all();
        let looked_at = match self.open(sha256).await {
            Ok(Some(reader)) => tokio::task::spawn_blocking(move || read_through(&*reader, drop))
                .await
                .map_err(|_| Failure::Interrupted)
                .and_then(|read| Ok(read?)),
            Ok(None) => return,
            Err(failure) => Err(failure),
        };
        match looked_at {
            Ok(()) => return,
            Err(Failure::Store(error)) if error.kind == StorageErrorKind::Corrupt => {
                self.set_aside(sha256).await;
            }
            Err(failure) => {
                tracing::error!(error = %failure, blob = %sha256, "looking at damaged bytes failed");
            }
        }
        if let Err(error) = self.stores.cache.remove_artifact(artifact).await {
            self.metrics.store_failed(&error);
        }
    }

    /// Moves a damaged blob out of the way and leaves a notice; the next request fetches it again.
    pub(super) async fn set_aside(&self, digest: &Digest) {
        self.metrics.blob_damaged();
        tracing::error!(blob = %digest, "stored bytes are damaged; moved aside, will be fetched again");
        let notice = Notice {
            at: self.clock.now(),
            code: "blob-damaged".into(),
            text: format!("stored bytes of {digest} were damaged and moved aside"),
        };
        let aside = self.stores.blobs.set_aside(digest).await;
        let noted = self
            .stores
            .evidence
            .append(vec![LogEntry::Notice(notice)])
            .await
            .map(drop);
        for error in [aside, noted].into_iter().filter_map(Result::err) {
            self.metrics.store_failed(&error);
            tracing::error!(error = %Chain(&error), "reporting damaged bytes failed");
        }
    }
}

/// Reads a blob from end to end, in verified pieces.
fn read_through(blob: &dyn ReadBlob, mut each: impl FnMut(Bytes)) -> Result<(), StorageError> {
    let mut offset = 0;
    while offset < blob.size_bytes() {
        let piece = blob.read_at(offset, usize::MAX)?;
        if piece.is_empty() {
            break;
        }
        offset += piece.len() as u64;
        each(piece);
    }
    Ok(())
}
