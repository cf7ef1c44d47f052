//! Evidence in SQLite: one writer, a few readers, one process.
//!
//! `evidence.db` holds the entries and everything derived from them; a commit is acknowledged
//! when SQLite has synchronised its write-ahead log (WAL, `synchronous = FULL`). What a data
//! folder holds:
//!
//! ```text
//! lock           held by the process that writes
//! evidence.db    entries, projections, texts
//! keys/log.key   the key that signs checkpoints
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use cordon_policy::model::{ArtifactId, Digest, FileName, PackageName, Timestamp, Version};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::encoding::{self, Encoded};
use super::key::LogKey;
use super::memory::{check_count, check_text};
use super::{
    Entry, EntryIndex, Evidence, LogFilter, LoggedDecision, LoggedServing, Remembered, STORE, Seen,
    ServingFilter,
};
use crate::{StorageError, StorageErrorKind};

mod keys;
mod lock;
mod project;
mod read;
mod readers;
mod schema;
mod state;
mod writer;

pub use lock::FolderLock;
use readers::Readers;
use writer::{Committed, QUEUE_KIB, QUEUE_REQUESTS, Request, Work, Writer, unavailable};

/// Entries above which encoding leaves the caller's thread.
const ENCODE_INLINE: usize = 16;

/// How to open the store.
#[derive(Clone, Debug, Default)]
pub struct SqliteOptions {
    /// Now: the time of entries the opening itself may have to write. `None` reads the clock.
    pub opened_at: Option<Timestamp>,
    /// The name of the log, used when its key is made: no space and no `+`. `None` makes one up.
    pub log_name: Option<String>,
}

/// The evidence store of one node.
#[derive(Debug)]
pub struct SqliteEvidence {
    readers: Readers,
    key: Arc<LogKey>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    room: Arc<Semaphore>,
    committed: watch::Receiver<Committed>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// Where things are in a data folder.
#[derive(Clone, Debug)]
struct Layout {
    database: PathBuf,
    keys: PathBuf,
}

impl Layout {
    fn of(folder: &Path) -> Self {
        Self {
            database: folder.join("evidence.db"),
            keys: folder.join("keys"),
        }
    }
}

impl SqliteEvidence {
    /// Opens the store in a data folder, which is made when it is not there, and takes its lock.
    /// Blocks; call it where blocking is fine.
    ///
    /// # Errors
    /// `Unavailable` when another process holds the folder; `Format` when a newer version wrote
    /// it; `Corrupt` when the log contradicts itself or a signed checkpoint.
    pub fn open(folder: &Path, options: &SqliteOptions) -> Result<Self, StorageError> {
        let operation = "opening the evidence store";
        std::fs::create_dir_all(folder)
            .map_err(|error| StorageError::io(STORE, operation, error))?;
        let lock = FolderLock::take(folder)?;
        let layout = Layout::of(folder);
        let key = Arc::new(keys::load_or_make(
            &layout.keys,
            options.log_name.as_deref(),
        )?);
        let mut connection = schema::open_writer(&layout.database)?;
        let opened_at = options.opened_at.unwrap_or_else(clock);
        let opened = state::open(&mut connection, 0, opened_at)?;
        let readers = Readers::open(&layout.database)?;
        let now = Committed {
            size: opened.tree.size(),
            root: opened.tree.root(),
        };
        let (committed, watching) = watch::channel(now);
        let (requests, queue) = mpsc::channel(QUEUE_REQUESTS);
        let writer = Writer {
            connection,
            tree: opened.tree,
            epoch: opened.epoch,
            committed,
            failed: None,
        };
        let thread = std::thread::Builder::new()
            .name("evidence-writer".into())
            .spawn(move || {
                // Held by the thread that writes, so that the folder is free exactly when no
                // write can happen any more.
                let _lock = lock;
                writer.run(queue);
            })
            .map_err(|error| StorageError::io(STORE, operation, error))?;
        Ok(Self {
            readers,
            key,
            requests: Mutex::new(Some(requests)),
            room: Arc::new(Semaphore::new(QUEUE_KIB)),
            committed: watching,
            threads: Mutex::new(vec![thread]),
        })
    }

    /// The public key of the log, as verifiers are given it.
    pub fn public_key(&self) -> &str {
        self.key.public()
    }

    /// Number of durable entries.
    pub fn size(&self) -> u64 {
        self.committed.borrow().size
    }

    /// Writes what is queued, and frees the data folder. Appends fail from now on.
    pub async fn close(&self) {
        drop(
            self.requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread of the evidence store panicked");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("waiting for the threads of the evidence store failed");
        }
    }

    async fn write(&self, work: Work, size_bytes: usize) -> Result<EntryIndex, StorageError> {
        let requests = self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let closed = || unavailable("the store is closed");
        let requests = requests.ok_or_else(closed)?;
        let kib = size_bytes.div_ceil(1024).clamp(1, QUEUE_KIB);
        let kib = u32::try_from(kib).expect("the size of the queue is a small number");
        let room = Arc::clone(&self.room)
            .acquire_many_owned(kib)
            .await
            .map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let request = Request {
            work,
            reply,
            _room: room,
        };
        requests.send(request).await.map_err(|_| closed())?;
        drop(requests);
        answer.await.map_err(|_| closed())?
    }
}

/// The clock of the machine; before 1970 counts as 1970.
fn clock() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

async fn encode(entries: Vec<Entry>) -> Result<Vec<Encoded>, StorageError> {
    let encode = move || entries.into_iter().map(encoding::encode).collect();
    tokio::task::spawn_blocking(encode)
        .await
        .unwrap_or_else(|error| {
            Err(StorageError::new(
                STORE,
                "writing an entry",
                StorageErrorKind::Io,
                error,
            ))
        })
}

#[async_trait]
impl Evidence for SqliteEvidence {
    async fn append(&self, entries: Vec<Entry>) -> Result<EntryIndex, StorageError> {
        check_count(entries.len())?;
        let encoded = if entries.len() <= ENCODE_INLINE {
            entries
                .into_iter()
                .map(encoding::encode)
                .collect::<Result<_, _>>()?
        } else {
            encode(entries).await?
        };
        let size_bytes = encoded.iter().map(Encoded::size_bytes).sum();
        self.write(Work::Append(encoded), size_bytes).await
    }

    async fn put_text(&self, bytes: Bytes) -> Result<Digest, StorageError> {
        check_text(&bytes)?;
        let digest = Digest::of(&bytes);
        let size_bytes = bytes.len();
        self.write(Work::Text(digest.clone(), bytes), size_bytes)
            .await?;
        Ok(digest)
    }

    async fn text(&self, digest: &Digest) -> Result<Option<Bytes>, StorageError> {
        let digest = digest.clone();
        self.readers
            .ask(move |connection| read::text(connection, &digest))
            .await
    }

    async fn decision(&self, id: &DecisionId) -> Result<Option<LoggedDecision>, StorageError> {
        let id = id.clone();
        self.readers
            .ask(move |connection| read::decision(connection, &id))
            .await
    }

    async fn decisions(&self, filter: &LogFilter) -> Result<Vec<LoggedDecision>, StorageError> {
        let filter = filter.clone();
        self.readers
            .ask(move |connection| read::decisions(connection, &filter))
            .await
    }

    async fn latest(&self, artifact: &ArtifactId) -> Result<Option<LoggedDecision>, StorageError> {
        let artifact = artifact.clone();
        self.readers
            .ask(move |connection| read::latest(connection, &artifact))
            .await
    }

    async fn pin(&self, artifact: &ArtifactId) -> Result<Option<Digest>, StorageError> {
        let artifact = artifact.clone();
        self.readers
            .ask(move |connection| read::pin(connection, &artifact))
            .await
    }

    async fn remembered(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Remembered>, StorageError> {
        let package = package.clone();
        self.readers
            .ask(move |connection| read::remembered(connection, &package))
            .await
    }

    async fn sightings(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Seen>, StorageError> {
        let package = package.clone();
        self.readers
            .ask(move |connection| read::sightings(connection, &package))
            .await
    }

    async fn servings(&self, filter: &ServingFilter) -> Result<Vec<LoggedServing>, StorageError> {
        let filter = filter.clone();
        self.readers
            .ask(move |connection| read::servings(connection, &filter))
            .await
    }

    async fn entries(
        &self,
        from: EntryIndex,
        limit: usize,
    ) -> Result<Vec<(EntryIndex, Entry)>, StorageError> {
        self.readers
            .ask(move |connection| read::entries(connection, from, limit))
            .await
    }

    async fn checkpoint(&self) -> Result<String, StorageError> {
        let Committed { size, root } = *self.committed.borrow();
        Ok(self.key.sign(size, root))
    }
}
