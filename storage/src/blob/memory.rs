//! Blobs in memory: for tests and for trying Cordon out without a disk.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use cordon_policy::model::Digest;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use sha2::{Digest as _, Sha256};

use super::{BlobReader, BlobStat, BlobStore, CHUNK_BYTES, ReadBlob, StagedBlob, copy, over_limit};
use crate::{StorageError, StorageErrorKind};

/// What all blobs together may take, unless told otherwise.
pub const MEMORY_BLOBS_BYTES: u64 = 1024 * 1024 * 1024;

/// Blobs in memory, gone with the process.
#[derive(Clone, Debug)]
pub struct MemoryBlobs {
    capacity_bytes: u64,
    blobs: Arc<Mutex<Contents>>,
}

#[derive(Debug, Default)]
struct Contents {
    by_digest: HashMap<Digest, Stored>,
    size_bytes: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    data: Bytes,
    is_intact: bool,
}

impl Contents {
    fn remove(&mut self, digest: &Digest) {
        if let Some(stored) = self.by_digest.remove(digest) {
            self.size_bytes -= stored.data.len() as u64;
        }
    }
}

impl MemoryBlobs {
    /// An empty store of [`MEMORY_BLOBS_BYTES`].
    pub fn new() -> Self {
        Self::with_capacity(MEMORY_BLOBS_BYTES)
    }

    /// An empty store that is full at `capacity_bytes`.
    pub fn with_capacity(capacity_bytes: u64) -> Self {
        Self {
            capacity_bytes,
            blobs: Arc::default(),
        }
    }

    /// Changes a stored blob behind the store's back, as a failing disk would. Whether it was there.
    pub fn damage(&self, digest: &Digest, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut contents = self.contents();
        let Some(stored) = contents.by_digest.get_mut(digest) else {
            return false;
        };
        let mut changed = stored.data.to_vec();
        let before = changed.len() as u64;
        change(&mut changed);
        let after = changed.len() as u64;
        *stored = Stored {
            is_intact: Digest::of(&changed) == *digest,
            data: changed.into(),
        };
        contents.size_bytes = contents.size_bytes - before + after;
        true
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Every change leaves the map whole, so a panic elsewhere does not spoil it.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryBlobs {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn stage(&self, limit_bytes: u64) -> Result<Box<dyn StagedBlob>, StorageError> {
        Ok(Box::new(MemoryStage {
            store: self.clone(),
            limit_bytes,
            data: BytesMut::new(),
            hasher: Sha256::new(),
        }))
    }

    async fn open(&self, digest: &Digest) -> Result<Option<BlobReader>, StorageError> {
        let found = self.contents().by_digest.get(digest).cloned();
        let Some(stored) = found else { return Ok(None) };
        if stored.data.is_empty() && !stored.is_intact {
            return Err(damaged());
        }
        Ok(Some(Arc::new(MemoryReader(stored))))
    }

    async fn stat(&self, digest: &Digest) -> Result<Option<BlobStat>, StorageError> {
        let contents = self.contents();
        Ok(contents.by_digest.get(digest).map(|stored| BlobStat {
            digest: digest.clone(),
            size_bytes: stored.data.len() as u64,
        }))
    }

    async fn delete(&self, digest: &Digest) -> Result<(), StorageError> {
        self.contents().remove(digest);
        Ok(())
    }

    async fn set_aside(&self, digest: &Digest) -> Result<(), StorageError> {
        // Nobody can look into the memory later: out of the way is gone.
        self.delete(digest).await
    }

    fn scan(&self) -> BoxStream<'_, Result<BlobStat, StorageError>> {
        let all: Vec<_> = self
            .contents()
            .by_digest
            .iter()
            .map(|(digest, stored)| {
                Ok(BlobStat {
                    digest: digest.clone(),
                    size_bytes: stored.data.len() as u64,
                })
            })
            .collect();
        stream::iter(all).boxed()
    }
}

struct MemoryStage {
    store: MemoryBlobs,
    limit_bytes: u64,
    data: BytesMut,
    hasher: Sha256,
}

#[async_trait]
impl StagedBlob for MemoryStage {
    async fn write(&mut self, data: Bytes) -> Result<(), StorageError> {
        if self.len().saturating_add(data.len() as u64) > self.limit_bytes {
            return Err(over_limit(self.limit_bytes));
        }
        self.hasher.update(&data);
        self.data.extend_from_slice(&data);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.data.len() as u64
    }

    fn digest(&self) -> Digest {
        Digest::sha256(self.hasher.clone().finalize().into())
    }

    async fn file(&mut self) -> Result<File, StorageError> {
        let data = Bytes::copy_from_slice(&self.data);
        copy(self.len(), |_| Ok(data.clone()))
    }

    async fn commit(self: Box<Self>) -> Result<BlobStat, StorageError> {
        let stat = BlobStat {
            digest: self.digest(),
            size_bytes: self.len(),
        };
        let mut contents = self.store.contents();
        let stored = contents.by_digest.get(&stat.digest);
        if stored.is_none_or(|stored| !stored.is_intact) {
            let freed_bytes = stored.map_or(0, |stored| stored.data.len() as u64);
            let size_bytes = contents.size_bytes - freed_bytes + stat.size_bytes;
            if size_bytes > self.store.capacity_bytes {
                return Err(StorageError::new(
                    "blob",
                    "committing a blob",
                    StorageErrorKind::Full,
                    format!("memory holds at most {} bytes", self.store.capacity_bytes),
                ));
            }
            contents.size_bytes = size_bytes;
            let stored = Stored {
                data: self.data.freeze(),
                is_intact: true,
            };
            contents.by_digest.insert(stat.digest.clone(), stored);
        }
        Ok(stat)
    }
}

struct MemoryReader(Stored);

impl ReadBlob for MemoryReader {
    fn size_bytes(&self) -> u64 {
        self.0.data.len() as u64
    }

    fn read_at(&self, offset: u64, max: usize) -> Result<Bytes, StorageError> {
        let Some(start) = usize::try_from(offset)
            .ok()
            .filter(|start| *start < self.0.data.len())
        else {
            return Ok(Bytes::new());
        };
        if !self.0.is_intact {
            return Err(damaged());
        }
        let room = usize::try_from(CHUNK_BYTES - offset % CHUNK_BYTES).unwrap_or(usize::MAX);
        let length = max.min(room).min(self.0.data.len() - start);
        Ok(self.0.data.slice(start..start + length))
    }
}

fn damaged() -> StorageError {
    StorageError::new(
        "blob",
        "reading a blob",
        StorageErrorKind::Corrupt,
        "the bytes in memory do not match the name",
    )
}
