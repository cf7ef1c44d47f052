//! A blob store that fails as planned.

use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::model::Digest;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};

use super::{BlobReader, BlobStat, BlobStore, ReadBlob, StagedBlob};
use crate::conformance::{Faults, Passage, planned};
use crate::{StorageError, StorageErrorKind};

const STORE: &str = "blob";

/// Wraps a store; operations are named after the trait methods, reading an open blob is `read_at`.
#[derive(Clone, Debug)]
pub struct FaultyBlobs<S> {
    store: S,
    faults: Arc<Faults>,
}

impl<S> FaultyBlobs<S> {
    /// Lets `faults` decide about every call to `store`.
    pub fn new(store: S, faults: Arc<Faults>) -> Self {
        Self { store, faults }
    }

    /// The store inside.
    pub fn inner(&self) -> &S {
        &self.store
    }
}

#[async_trait]
impl<S: BlobStore> BlobStore for FaultyBlobs<S> {
    async fn stage(&self, limit_bytes: u64) -> Result<Box<dyn StagedBlob>, StorageError> {
        self.faults.pass(STORE, "stage").await?;
        Ok(Box::new(FaultyStage {
            stage: self.store.stage(limit_bytes).await?,
            faults: Arc::clone(&self.faults),
        }))
    }

    async fn open(&self, digest: &Digest) -> Result<Option<BlobReader>, StorageError> {
        self.faults.pass(STORE, "open").await?;
        let found = self.store.open(digest).await?;
        Ok(found.map(|reader| {
            Arc::new(FaultyReader {
                reader,
                faults: Arc::clone(&self.faults),
            }) as BlobReader
        }))
    }

    async fn stat(&self, digest: &Digest) -> Result<Option<BlobStat>, StorageError> {
        self.faults.pass(STORE, "stat").await?;
        self.store.stat(digest).await
    }

    async fn delete(&self, digest: &Digest) -> Result<(), StorageError> {
        self.faults.pass(STORE, "delete").await?;
        self.store.delete(digest).await
    }

    async fn set_aside(&self, digest: &Digest) -> Result<(), StorageError> {
        self.faults.pass(STORE, "set_aside").await?;
        self.store.set_aside(digest).await
    }

    fn scan(&self) -> BoxStream<'_, Result<BlobStat, StorageError>> {
        async {
            match self.faults.pass(STORE, "scan").await {
                Ok(_) => self.store.scan(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        }
        .into_stream()
        .flatten()
        .boxed()
    }
}

struct FaultyStage {
    stage: Box<dyn StagedBlob>,
    faults: Arc<Faults>,
}

#[async_trait]
impl StagedBlob for FaultyStage {
    async fn write(&mut self, data: Bytes) -> Result<(), StorageError> {
        match self.faults.pass(STORE, "write").await? {
            Passage::Whole => self.stage.write(data).await,
            Passage::Torn { kept_bytes } => {
                let kept = data.slice(..kept_bytes.min(data.len()));
                self.stage.write(kept).await?;
                Err(planned(STORE, "writing a blob", StorageErrorKind::Io))
            }
        }
    }

    fn len(&self) -> u64 {
        self.stage.len()
    }

    fn digest(&self) -> Digest {
        self.stage.digest()
    }

    async fn file(&mut self) -> Result<File, StorageError> {
        self.faults.pass(STORE, "file").await?;
        self.stage.file().await
    }

    /// A torn commit takes effect, but its caller is told that it failed.
    async fn commit(self: Box<Self>) -> Result<BlobStat, StorageError> {
        match self.faults.pass(STORE, "commit").await? {
            Passage::Whole => self.stage.commit().await,
            Passage::Torn { .. } => {
                self.stage.commit().await?;
                Err(planned(STORE, "committing a blob", StorageErrorKind::Io))
            }
        }
    }
}

struct FaultyReader {
    reader: BlobReader,
    faults: Arc<Faults>,
}

impl ReadBlob for FaultyReader {
    fn size_bytes(&self) -> u64 {
        self.reader.size_bytes()
    }

    /// A torn read gives fewer bytes, which a reader may always do.
    fn read_at(&self, offset: u64, max: usize) -> Result<Bytes, StorageError> {
        match self.faults.pass_blocking(STORE, "read_at")? {
            Passage::Whole => self.reader.read_at(offset, max),
            Passage::Torn { kept_bytes } => self.reader.read_at(offset, max.min(kept_bytes.max(1))),
        }
    }
}
