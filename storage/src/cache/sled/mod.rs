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
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cordon_policy::model::ArtifactId;

use self::database::{Database, Kind, Trouble, contained};
use self::record::Record;
use super::{ArtifactRecord, CacheIndex, DocumentKey, DocumentRecord};
use crate::disk::{Disk, Lock, RealDisk, create_folders, settle_version};
use crate::{StorageError, StorageErrorKind};

pub use self::folder::Opened;

const STORE: &str = "cache";
const OPENING: &str = "opening the cache index";

/// What `VERSION` says. The number changes when an older Cordon could not read the folder.
const VERSION: &[u8] = b"cordon-cache 1\n";

/// How long a put may stay in memory only.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// How long after the disk failed it is tried again.
const REOPEN_AFTER: Duration = Duration::from_secs(3);

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

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    limits: SledLimits,
    state: RwLock<State>,
    /// Whether something was put since the last flush, which then is on its way.
    is_dirty: AtomicBool,
    has_lost: AtomicBool,
    next_number: AtomicU64,
    /// Number of the next flush; held while flushing, so that the last number noted is never
    /// ahead of the last one in the database.
    next_flush: Mutex<u64>,
    compacting: Mutex<()>,
    _lock: Box<dyn Lock>,
}

#[derive(Debug)]
enum State {
    Open(Box<Open>),
    /// The disk failed; tried again after a while.
    Closed {
        since: Instant,
    },
}

#[derive(Debug)]
struct Open {
    database: Database,
    /// Counts the openings, so that trouble met in one database is not blamed on its successor.
    number: u64,
    /// Where records go as well while the database is being exported.
    fresh: Option<Fresh>,
}

#[derive(Debug)]
struct Fresh {
    database: Database,
    has_failed: AtomicBool,
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
        let (database, opened) = folder::open(&folder, limits.memory_bytes)
            .map_err(|trouble| error(OPENING, trouble))?;
        let last_flush = database.flushes_at_open();
        let shared = Shared {
            folder,
            limits,
            state: RwLock::new(State::Open(Box::new(Open {
                database,
                number: 0,
                fresh: None,
            }))),
            is_dirty: AtomicBool::new(false),
            has_lost: AtomicBool::new(false),
            next_number: AtomicU64::new(1),
            next_flush: Mutex::new(last_flush.saturating_add(1)),
            compacting: Mutex::new(()),
            _lock: lock,
        };
        let index = Self {
            shared: Arc::new(shared),
        };
        Ok((index, opened))
    }

    /// Whether the index lost records since this was last asked, because its database was found
    /// damaged while running. The caller rebuilds it then.
    pub fn take_lost(&self) -> bool {
        self.shared.has_lost.swap(false, Ordering::Relaxed)
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

    async fn all<R: Record>(
        &self,
        operation: &'static str,
        kind: Kind,
    ) -> Result<Vec<(R::Id, R)>, StorageError> {
        let shared = Arc::clone(&self.shared);
        blocking(operation, move || {
            shared.run(operation, |open| open.database.all(kind))
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

/// An error with its causes on one line.
struct Chain<'a>(&'a StorageError);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Open {
    /// Does to the fresh database what was done to the one in use. When that fails, the export
    /// has failed, not the operation.
    fn also(&self, work: impl FnOnce(&Database) -> Result<(), Trouble>) {
        if let Some(fresh) = &self.fresh
            && work(&fresh.database).is_err()
        {
            fresh.has_failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// Runs one operation on the database, opening it again when it is due.
    fn run<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Open) -> Result<T, Trouble>,
    ) -> Result<T, StorageError> {
        self.reopen_if_due(operation)?;
        let (number, trouble) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let State::Open(open) = &*state else {
                return Err(closed(operation));
            };
            match contained(|| work(open)) {
                Ok(answer) => return Ok(answer),
                Err(trouble) => (open.number, trouble),
            }
        };
        self.give_up(number, &trouble);
        Err(error(operation, trouble))
    }

    /// Closes a database that failed: sled does nothing more after an error. A damaged one goes
    /// into quarantine at once.
    fn give_up(&self, number: u64, trouble: &Trouble) {
        let mut state = self.changing();
        if !matches!(&*state, State::Open(open) if open.number == number) {
            // Another operation met the same trouble first.
            return;
        }
        close(&mut state);
        let Trouble::Damaged(reason) = trouble else {
            return;
        };
        let reopened = folder::quarantine(&self.folder)
            .map_err(Trouble::from)
            .and_then(|quarantine| {
                tracing::warn!(
                    quarantine = %quarantine.display(),
                    %reason,
                    "the cache index was found damaged, it starts empty"
                );
                self.has_lost.store(true, Ordering::Relaxed);
                folder::open(&self.folder, self.limits.memory_bytes)
            });
        if let Ok((database, _)) = reopened {
            *state = self.opened(database);
        }
    }

    fn opened(&self, database: Database) -> State {
        State::Open(Box::new(Open {
            database,
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
            fresh: None,
        }))
    }

    fn reopen_if_due(&self, operation: &'static str) -> Result<(), StorageError> {
        let is_due = |state: &State| matches!(state, State::Closed { since } if since.elapsed() >= REOPEN_AFTER);
        if !is_due(&self.state.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let mut state = self.changing();
        if !is_due(&state) {
            return Ok(());
        }
        *state = State::Closed {
            since: Instant::now(),
        };
        let (database, opened) = folder::open(&self.folder, self.limits.memory_bytes)
            .map_err(|trouble| error(operation, trouble))?;
        if opened.wants_rebuild() {
            self.has_lost.store(true, Ordering::Relaxed);
        }
        *state = self.opened(database);
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        self.is_dirty.store(false, Ordering::Relaxed);
        self.run("flushing the cache index", |open| {
            self.flush_to_disk(&open.database)
        })
    }

    fn flush_to_disk(&self, database: &Database) -> Result<(), Trouble> {
        let mut next = self
            .next_flush
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next = number.saturating_add(1);
        database.flush(number)?;
        Ok(folder::note_flushed(&self.folder, number)?)
    }

    fn changing(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut state = self.changing();
        if let State::Open(open) = &*state
            && let Err(trouble) = contained(|| self.flush_to_disk(&open.database))
        {
            tracing::warn!(
                ?trouble,
                "the cache index could not be flushed while closing"
            );
        }
        close(&mut state);
    }
}

/// Drops the database, in which sled may panic as anywhere.
fn close(state: &mut State) {
    let open = std::mem::replace(
        state,
        State::Closed {
            since: Instant::now(),
        },
    );
    // Whatever happens to it now is of no consequence.
    let _ = contained(|| {
        drop(open);
        Ok(())
    });
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
            .await
    }

    async fn remove_document(&self, key: &DocumentKey) -> Result<(), StorageError> {
        self.remove::<DocumentRecord>("forgetting a document", Kind::Documents, key)
            .await
    }

    async fn documents(&self) -> Result<Vec<(DocumentKey, DocumentRecord)>, StorageError> {
        self.all("listing documents", Kind::Documents).await
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

    async fn artifacts(&self) -> Result<Vec<(ArtifactId, ArtifactRecord)>, StorageError> {
        self.all("listing artifacts", Kind::Artifacts).await
    }

    async fn flush(&self) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.shared);
        blocking("flushing the cache index", move || shared.flush()).await
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

fn error(operation: &'static str, trouble: Trouble) -> StorageError {
    match trouble {
        Trouble::Damaged(reason) => {
            StorageError::new(STORE, operation, StorageErrorKind::Corrupt, reason)
        }
        Trouble::Io(error) => StorageError::io(STORE, operation, error),
    }
}

fn closed(operation: &'static str) -> StorageError {
    StorageError::new(
        STORE,
        operation,
        StorageErrorKind::Unavailable,
        "the disk under the cache index failed; it is tried again in a few seconds",
    )
}

fn named(path: &std::path::Path, error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
