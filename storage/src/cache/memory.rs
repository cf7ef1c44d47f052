//! The index in memory: for tests and for trying Cordon out without a disk.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cordon_policy::model::ArtifactId;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{ArtifactRecord, CacheIndex, DocumentKey, DocumentRecord, PAGE, Pages, SheetRecord};
use crate::{StorageError, StorageErrorKind};

/// Records of each kind held, unless told otherwise.
pub const MEMORY_RECORDS: usize = 1_000_000;

/// Records in memory, gone with the process.
#[derive(Debug)]
pub struct MemoryIndex {
    documents: Table<DocumentKey, DocumentRecord>,
    artifacts: Table<ArtifactId, ArtifactRecord>,
    sheets: Table<ArtifactId, SheetRecord>,
}

impl MemoryIndex {
    /// An empty index of [`MEMORY_RECORDS`] records of each kind.
    pub fn new() -> Self {
        Self::with_capacity(MEMORY_RECORDS)
    }

    /// An empty index that is full at `records` of a kind.
    pub fn with_capacity(records: usize) -> Self {
        Self {
            documents: Table::new(records),
            artifacts: Table::new(records),
            sheets: Table::new(records),
        }
    }
}

impl Default for MemoryIndex {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Table<K, R> {
    capacity: usize,
    rows: Mutex<HashMap<K, R>>,
}

impl<K: Clone + Eq + Hash + Send, R: Clone + Send> Table<K, R> {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            rows: Mutex::default(),
        }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<K, R>> {
        // Every change leaves the map whole, so a panic elsewhere does not spoil it.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &K) -> Option<R> {
        self.rows().get(key).cloned()
    }

    fn put(&self, key: &K, record: &R) -> Result<(), StorageError> {
        let mut rows = self.rows();
        if rows.len() >= self.capacity && !rows.contains_key(key) {
            return Err(StorageError::new(
                "cache",
                "remembering a record",
                StorageErrorKind::Full,
                format!("memory holds at most {} records of a kind", self.capacity),
            ));
        }
        rows.insert(key.clone(), record.clone());
        Ok(())
    }

    fn remove(&self, key: &K) {
        self.rows().remove(key);
    }

    fn pages(&self) -> Pages<'_, K, R> {
        let rows = self.rows();
        let all: Vec<(K, R)> = rows
            .iter()
            .map(|(key, record)| (key.clone(), record.clone()))
            .collect();
        let pages: Vec<_> = all.chunks(PAGE).map(|page| Ok(page.to_vec())).collect();
        stream::iter(pages).boxed()
    }
}

#[async_trait]
impl CacheIndex for MemoryIndex {
    async fn document(&self, key: &DocumentKey) -> Result<Option<DocumentRecord>, StorageError> {
        Ok(self.documents.get(key))
    }

    async fn put_document(
        &self,
        key: &DocumentKey,
        record: &DocumentRecord,
    ) -> Result<(), StorageError> {
        self.documents.put(key, record)
    }

    async fn remove_document(&self, key: &DocumentKey) -> Result<(), StorageError> {
        self.documents.remove(key);
        Ok(())
    }

    fn document_pages(&self) -> Pages<'_, DocumentKey, DocumentRecord> {
        self.documents.pages()
    }

    async fn artifact(&self, id: &ArtifactId) -> Result<Option<ArtifactRecord>, StorageError> {
        Ok(self.artifacts.get(id))
    }

    async fn put_artifact(
        &self,
        id: &ArtifactId,
        record: &ArtifactRecord,
    ) -> Result<(), StorageError> {
        self.artifacts.put(id, record)
    }

    async fn remove_artifact(&self, id: &ArtifactId) -> Result<(), StorageError> {
        self.artifacts.remove(id);
        Ok(())
    }

    fn artifact_pages(&self) -> Pages<'_, ArtifactId, ArtifactRecord> {
        self.artifacts.pages()
    }

    async fn sheet(&self, id: &ArtifactId) -> Result<Option<SheetRecord>, StorageError> {
        Ok(self.sheets.get(id))
    }

    async fn put_sheet(&self, id: &ArtifactId, record: &SheetRecord) -> Result<(), StorageError> {
        self.sheets.put(id, record)
    }

    async fn remove_sheet(&self, id: &ArtifactId) -> Result<(), StorageError> {
        self.sheets.remove(id);
        Ok(())
    }

    async fn flush(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
