//! The index in sled.
//!
//! sled 0.34 survives a kill but not always a power cut, may panic on a damaged file, and does not
//! give space back. It therefore holds only what can be rebuilt, and everything here expects it to
//! fail: it is opened on a thread of its own with a time limit, panics are caught, a damaged
//! database goes into quarantine and an empty one takes its place, also while running, and a folder
//! much larger than its records is exported into a fresh one.

mod compact;
mod database;
mod folder;
mod record;
mod running;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use cordon_policy::model::ArtifactId;
use futures_util::StreamExt as _;
use futures_util::stream;

use self::database::{Kind, Page};
use self::record::Record;
use self::running::Shared;
use super::{
    ArtifactRecord, CacheIndex, DocumentKey, DocumentRecord, DocumentState, PAGE, Pages,
    SheetRecord,
};
use crate::disk::{Disk, RealDisk, create_folders, settle_version};
use crate::{Chain, StorageError, StorageErrorKind};

pub use self::folder::Opened;

const STORE: &str = "cache";
const OPENING: &str = "opening the cache index";

/// What `VERSION` says. The number changes when an older Cordon could not read the folder.
const VERSION: &[u8] = b"cordon-cache 1\n";

/// How long a put may stay in memory only.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// What a [`SledIndex`] may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SledLimits {
    /// Memory for pages of the database, in bytes.
    pub memory_bytes: u64,
    /// Size of the folder in bytes up to which it is never exported into a fresh one.
    pub compact_above_bytes: u64,
}

impl Default for SledLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 32 * 1024 * 1024,
            compact_above_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Records in a folder of the local file system. Cheap to clone; clones are the same index. The
/// last one closes it, writing out what is buffered.
///
/// Only one process at a time can have a folder open.
#[derive(Clone, Debug)]
pub struct SledIndex {
    shared: Arc<Shared>,
}

impl SledIndex {
    /// Opens the folder, creating it when missing. Blocks; meant for start-up.
    ///
    /// # Errors
    /// `Unavailable` when another process has it open or it cannot be written, `Format` when
    /// another version of Cordon wrote it. A damaged database is not an error: see [`Opened`].
    pub fn open(path: impl Into<PathBuf>) -> Result<(Self, Opened), StorageError> {
        Self::open_with(path, SledLimits::default())
    }

    /// The same with limits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        path: impl Into<PathBuf>,
        limits: SledLimits,
    ) -> Result<(Self, Opened), StorageError> {
        let folder = path.into();
        let fail = |error| StorageError::io(STORE, OPENING, named(&folder, &error));
        create_folders(&RealDisk, &folder).map_err(fail)?;
        let lock = RealDisk.lock(&folder.join("LOCK")).map_err(fail)?;
        let Some(lock) = lock else {
            let text = format!(
                "{} is in use by another process; stop it or choose another data folder",
                folder.display()
            );
            return Err(StorageError::new(
                STORE,
                OPENING,
                StorageErrorKind::Unavailable,
                text,
            ));
        };
        let is_used = folder::database(&folder).try_exists().map_err(fail)?;
        settle_version(&RealDisk, STORE, &folder, VERSION, is_used)?;
        let (shared, opened) = Shared::open(folder, limits, lock)?;
        let index = Self {
            shared: Arc::new(shared),
        };
        Ok((index, opened))
    }

    /// Exports the records into a fresh database when the folder takes much more space than they
    /// do. Happens by itself some time after puts. Answers whether it did.
    ///
    /// # Errors
    /// When the disk or the database fails; the index then goes on with the database it had.
    pub async fn compact(&self) -> Result<bool, StorageError> {
        let shared = Arc::clone(&self.shared);
        blocking("compacting the cache index", move || shared.compact()).await
    }

    async fn get<R: Record>(
        &self,
        operation: &'static str,
        kind: Kind,
        id: &R::Id,
    ) -> Result<Option<R>, StorageError> {
        let (shared, key) = (Arc::clone(&self.shared), R::key(id));
        blocking(operation, move || {
            shared.run(operation, |open| open.database.get(kind, &key))
        })
        .await
    }

    async fn put<R: Record>(
        &self,
        operation: &'static str,
        kind: Kind,
        id: &R::Id,
        record: &R,
    ) -> Result<(), StorageError> {
        let key = R::key(id);
        let Some(value) = record::encode(&key, id, record) else {
            tracing::warn!(
                operation,
                "a record is too long for the cache index, it is not kept"
            );
            return self.remove::<R>(operation, kind, id).await;
        };
        let shared = Arc::clone(&self.shared);
        blocking(operation, move || {
            shared.run(operation, |open| {
                open.database.put(kind, &key, &value)?;
                open.also(|fresh| fresh.put(kind, &key, &value));
                Ok(())
            })
        })
        .await?;
        self.flush_soon();
        Ok(())
    }

    async fn remove<R: Record>(
        &self,
        operation: &'static str,
        kind: Kind,
        id: &R::Id,
    ) -> Result<(), StorageError> {
        let (shared, key) = (Arc::clone(&self.shared), R::key(id));
        blocking(operation, move || {
            shared.run(operation, |open| {
                open.database.remove(kind, &key)?;
                open.also(|fresh| fresh.remove(kind, &key));
                Ok(())
            })
        })
        .await?;
        self.flush_soon();
        Ok(())
    }

    fn pages<R: Record>(&self, operation: &'static str, kind: Kind) -> Pages<'_, R::Id, R> {
        let page_after = move |after: Option<Vec<u8>>| {
            let shared = Arc::clone(&self.shared);
            blocking(operation, move || {
                shared.run(operation, |open| {
                    open.database.page::<R>(kind, after.as_deref(), PAGE)
                })
            })
        };
        // Before the first page there is no key to go on after, and after the last no page.
        stream::try_unfold(Some(None), move |place| {
            let page = place.map(page_after);
            async move {
                let Some(page) = page else { return Ok(None) };
                let Page { records, last } = page.await?;
                Ok(Some((records, last.map(Some))))
            }
        })
        .boxed()
    }

    /// Hands what is buffered to the operating system, so that it survives a kill. A power cut may
    /// still take it, which the flush that is on its way sees to.
    async fn write_out(&self) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.shared);
        let operation = "writing the cache index out";
        blocking(operation, move || {
            shared.run(operation, |open| open.database.write_out())
        })
        .await
    }

    /// Sees to it that what was just put is written out, and space given back, in a while.
    fn flush_soon(&self) {
        if self.shared.is_dirty.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            tokio::time::sleep(FLUSH_AFTER).await;
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let done = blocking("flushing the cache index", move || {
                shared.flush()?;
                shared.compact()
            })
            .await;
            if let Err(error) = done {
                tracing::warn!(error = %Chain(&error), "the cache index could not be flushed");
            }
        });
    }
}

#[async_trait]
impl CacheIndex for SledIndex {
    async fn document(&self, key: &DocumentKey) -> Result<Option<DocumentRecord>, StorageError> {
        self.get("looking up a document", Kind::Documents, key)
            .await
    }

    async fn put_document(
        &self,
        key: &DocumentKey,
        record: &DocumentRecord,
    ) -> Result<(), StorageError> {
        self.put("remembering a document", Kind::Documents, key, record)
            .await?;
        match record.state {
            DocumentState::Present { .. } => self.write_out().await,
            // Believed for a minute only, and written before the answer.
            DocumentState::Missing => Ok(()),
        }
    }

    async fn remove_document(&self, key: &DocumentKey) -> Result<(), StorageError> {
        self.remove::<DocumentRecord>("forgetting a document", Kind::Documents, key)
            .await
    }

    fn document_pages(&self) -> Pages<'_, DocumentKey, DocumentRecord> {
        self.pages("listing documents", Kind::Documents)
    }

    async fn artifact(&self, id: &ArtifactId) -> Result<Option<ArtifactRecord>, StorageError> {
        self.get("looking up an artifact", Kind::Artifacts, id)
            .await
    }

    async fn put_artifact(
        &self,
        id: &ArtifactId,
        record: &ArtifactRecord,
    ) -> Result<(), StorageError> {
        self.put("remembering an artifact", Kind::Artifacts, id, record)
            .await
    }

    async fn remove_artifact(&self, id: &ArtifactId) -> Result<(), StorageError> {
        self.remove::<ArtifactRecord>("forgetting an artifact", Kind::Artifacts, id)
            .await
    }

    fn artifact_pages(&self) -> Pages<'_, ArtifactId, ArtifactRecord> {
        self.pages("listing artifacts", Kind::Artifacts)
    }

    async fn sheet(&self, id: &ArtifactId) -> Result<Option<SheetRecord>, StorageError> {
        self.get("looking up a sheet", Kind::Sheets, id).await
    }

    async fn put_sheet(&self, id: &ArtifactId, record: &SheetRecord) -> Result<(), StorageError> {
        self.put("remembering a sheet", Kind::Sheets, id, record)
            .await
    }

    async fn remove_sheet(&self, id: &ArtifactId) -> Result<(), StorageError> {
        self.remove::<SheetRecord>("forgetting a sheet", Kind::Sheets, id)
            .await
    }

    async fn flush(&self) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.shared);
        blocking("flushing the cache index", move || shared.flush()).await
    }

    fn take_lost(&self) -> bool {
        self.shared.has_lost.swap(false, Ordering::Relaxed)
    }
}

/// Runs database work off the async threads.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(StorageError::new(
                STORE,
                operation,
                StorageErrorKind::Io,
                error,
            ))
        })
}

fn named(path: &std::path::Path, error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
