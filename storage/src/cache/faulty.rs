//! A cache index that fails as planned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cordon_policy::model::ArtifactId;
use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};

use super::{ArtifactRecord, CacheIndex, DocumentKey, DocumentRecord, Pages, SheetRecord};
use crate::conformance::{Faults, Passage, planned};
use crate::{StorageError, StorageErrorKind};

const STORE: &str = "cache";

/// Wraps an index; operations are named after the trait methods (listings: `documents`,
/// `artifacts`). A torn call takes effect, but its
/// caller is told that it failed.
#[derive(Clone, Debug)]
pub struct FaultyIndex<I> {
    index: I,
    faults: Arc<Faults>,
    has_lost: Arc<AtomicBool>,
}

impl<I: CacheIndex> FaultyIndex<I> {
    /// Loses every record, as an index does that finds its database damaged.
    ///
    /// # Errors
    /// Those of the index inside.
    pub async fn lose(&self) -> Result<(), StorageError> {
        for (key, _) in self.index.documents().await? {
            self.index.remove_document(&key).await?;
        }
        for (id, _) in self.index.artifacts().await? {
            self.index.remove_artifact(&id).await?;
            self.index.remove_sheet(&id).await?;
        }
        self.has_lost.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl<I> FaultyIndex<I> {
    /// Lets `faults` decide about every call to `index`.
    pub fn new(index: I, faults: Arc<Faults>) -> Self {
        Self {
            index,
            faults,
            has_lost: Arc::default(),
        }
    }

    /// The index inside.
    pub fn inner(&self) -> &I {
        &self.index
    }

    /// A listing is one call; a torn one fails after its pages.
    fn pass_pages<'a, K: Send + 'a, R: Send + 'a>(
        &'a self,
        operation: &'static str,
        pages: impl FnOnce() -> Pages<'a, K, R> + Send + 'a,
    ) -> Pages<'a, K, R> {
        let faults = Arc::clone(&self.faults);
        async move {
            match faults.pass(STORE, operation).await {
                Ok(Passage::Whole) => pages(),
                Ok(Passage::Torn { .. }) => {
                    let end = Err(planned(STORE, operation, StorageErrorKind::Io));
                    pages().chain(stream::iter([end])).boxed()
                }
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        }
        .into_stream()
        .flatten()
        .boxed()
    }

    async fn pass<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let passage = self.faults.pass(STORE, operation).await?;
        let answer = call.await?;
        match passage {
            Passage::Whole => Ok(answer),
            Passage::Torn { .. } => Err(planned(STORE, operation, StorageErrorKind::Io)),
        }
    }
}

#[async_trait]
impl<I: CacheIndex> CacheIndex for FaultyIndex<I> {
    async fn document(&self, key: &DocumentKey) -> Result<Option<DocumentRecord>, StorageError> {
        self.pass("document", self.index.document(key)).await
    }

    async fn put_document(
        &self,
        key: &DocumentKey,
        record: &DocumentRecord,
    ) -> Result<(), StorageError> {
        let call = self.index.put_document(key, record);
        self.pass("put_document", call).await
    }

    async fn remove_document(&self, key: &DocumentKey) -> Result<(), StorageError> {
        let call = self.index.remove_document(key);
        self.pass("remove_document", call).await
    }

    fn document_pages(&self) -> Pages<'_, DocumentKey, DocumentRecord> {
        self.pass_pages("documents", || self.index.document_pages())
    }

    async fn artifact(&self, id: &ArtifactId) -> Result<Option<ArtifactRecord>, StorageError> {
        self.pass("artifact", self.index.artifact(id)).await
    }

    async fn put_artifact(
        &self,
        id: &ArtifactId,
        record: &ArtifactRecord,
    ) -> Result<(), StorageError> {
        let call = self.index.put_artifact(id, record);
        self.pass("put_artifact", call).await
    }

    async fn remove_artifact(&self, id: &ArtifactId) -> Result<(), StorageError> {
        let call = self.index.remove_artifact(id);
        self.pass("remove_artifact", call).await
    }

    fn artifact_pages(&self) -> Pages<'_, ArtifactId, ArtifactRecord> {
        self.pass_pages("artifacts", || self.index.artifact_pages())
    }

    async fn sheet(&self, id: &ArtifactId) -> Result<Option<SheetRecord>, StorageError> {
        self.pass("sheet", self.index.sheet(id)).await
    }

    async fn put_sheet(&self, id: &ArtifactId, record: &SheetRecord) -> Result<(), StorageError> {
        self.pass("put_sheet", self.index.put_sheet(id, record))
            .await
    }

    async fn remove_sheet(&self, id: &ArtifactId) -> Result<(), StorageError> {
        self.pass("remove_sheet", self.index.remove_sheet(id)).await
    }

    async fn flush(&self) -> Result<(), StorageError> {
        self.pass("flush", self.index.flush()).await
    }

    fn take_lost(&self) -> bool {
        self.has_lost.swap(false, Ordering::Relaxed) || self.index.take_lost()
    }
}
