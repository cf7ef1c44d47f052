//! Evidence in SQLite: one writer, a few readers, one process.
//!
//! `evidence.db` holds the entries and everything derived from them; a commit is acknowledged
//! when SQLite has synchronised its write-ahead log (WAL, `synchronous = FULL`). What a data
//! folder holds:
//!
//! ```text
//! lock           held by the process that writes
//! evidence.db    entries, projections, texts
//! keys/          the key that signs checkpoints, and what it signed last
//! log/           the log as published
//! ```

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::facts::Audience;
use cordon_policy::model::{
    ArtifactId, Digest, Ecosystem, FileName, PackageName, Timestamp, Version,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::encoding::{self, Encoded};
use super::key::TreeHead;
use super::log::heads::{self, Folders, Signed};
use super::log::publisher::Publisher;
use super::log::verify::Report;
use super::memory::{check_count, check_text};
use super::{
    Entry, EntryIndex, Evidence, ExemptionChange, ExposureFilter, HeldBytes, Hold, HoldFilter,
    LogFilter, LoggedDecision, LoggedExposure, LoggedNotice, LoggedServing, Missed,
    QuarantineChange, Receivers, Remembered, STORE, Seen, ServingFilter,
};
use crate::disk::{Disk, Lock, RealDisk, create_folders};
use crate::{StorageError, StorageErrorKind};

mod audit;
mod exposed;
mod holds;
mod known;
mod project;
mod publish;
mod read;
mod readers;
mod schema;
mod state;
mod writer;

use publish::{Bell, Rows, Stopped};
use readers::Readers;
use writer::{QUEUE_KIB, QUEUE_REQUESTS, Request, Work, Writer, unavailable};

/// Entries above which encoding leaves the caller's thread.
const ENCODE_INLINE: usize = 16;

/// How to open the store.
#[derive(Clone, Debug, Default)]
pub struct SqliteOptions {
    /// Now: the time of entries the opening itself may have to write. `None` reads the clock.
    pub opened_at: Option<Timestamp>,
    /// The name of the log, used when its key is made: visible ASCII without `+`. `None` makes
    /// one up.
    pub log_name: Option<String>,
    /// A checkpoint kept elsewhere (by a witness, in an export) that the log must extend.
    pub known_checkpoint: Option<String>,
}

/// The evidence store of one node.
#[derive(Debug)]
pub struct SqliteEvidence {
    readers: Readers,
    public_key: String,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    room: Arc<Semaphore>,
    bell: Bell,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

const OPENING: &str = "opening the evidence store";

/// The database in a data folder.
const DATABASE: &str = "evidence.db";

impl SqliteEvidence {
    /// Opens the store in a data folder, which is made when it is not there, and takes its lock.
    /// Blocks; call it where blocking is fine.
    ///
    /// # Errors
    /// `Unavailable` when another process holds the folder; `Format` when a newer version wrote
    /// it; `Corrupt` when the log contradicts itself or a signed checkpoint, or its key is not
    /// the one it was signed with.
    pub fn open(folder: &Path, options: &SqliteOptions) -> Result<Self, StorageError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let lock = Arc::new(take_folder(&*disk, folder)?);
        let folders = Folders::of(folder);
        let signed = Signed::read(
            &*disk,
            &folders,
            options.log_name.as_deref(),
            options.known_checkpoint.as_deref(),
        )?;
        let database = folder.join(DATABASE);
        let mut connection = schema::open_writer(&database)?;
        let opened_at = options.opened_at.unwrap_or_else(clock);
        let opened = state::open(&mut connection, &signed.heads, opened_at)?;
        let readers = Readers::open(&database)?;
        let mut rows = Rows {
            connection: schema::open_reader(&database)?,
            epoch: opened.epoch,
        };
        let publisher = Publisher::open(disk, folders, &signed, &mut rows)?;
        let bell = Bell::new(TreeHead {
            size: opened.tree.size(),
            root: opened.tree.root(),
        });
        let stopped = Stopped::default();
        let (requests, queue) = mpsc::channel(QUEUE_REQUESTS);
        let writer = Writer {
            connection,
            tree: opened.tree,
            epoch: opened.epoch,
            bell: bell.clone(),
            stopped: Arc::clone(&stopped),
        };
        let publishing = bell.clone();
        // Each thread holds the lock, so that the folder is free exactly when nothing can be
        // written to it any more.
        let held = Arc::clone(&lock);
        let threads = vec![
            thread("evidence-writer", move || {
                let _held = held;
                writer.run(queue);
            })?,
            thread("evidence-publisher", move || {
                let _held = lock;
                publish::run(publisher, rows, publishing, stopped);
            })?,
        ];
        Ok(Self {
            readers,
            public_key: signed.key.public().to_owned(),
            requests: Mutex::new(Some(requests)),
            room: Arc::new(Semaphore::new(QUEUE_KIB)),
            bell,
            threads: Mutex::new(threads),
        })
    }

    /// Whether there is a store in a folder.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn is_at(folder: &Path) -> Result<bool, StorageError> {
        folder
            .join(DATABASE)
            .try_exists()
            .map_err(|error| StorageError::io(STORE, OPENING, error))
    }

    /// Opens the store for questions only, also while another process writes it: no lock is
    /// taken, nothing is made or changed. Appends and checkpoints answer `Unavailable`.
    ///
    /// # Errors
    /// `Unavailable` when there is no store in the folder; `Format` when a newer version wrote it.
    pub fn open_to_read(folder: &Path) -> Result<Self, StorageError> {
        let database = folder.join(DATABASE);
        if !Self::is_at(folder)? {
            let cause = format!("there is no {}", database.display());
            return Err(StorageError::new(
                STORE,
                OPENING,
                StorageErrorKind::Unavailable,
                cause,
            ));
        }
        let readers = Readers::open(&database)?;
        let head = state::head(&schema::open_reader(&database)?)?;
        let public_key = heads::public_key(&RealDisk, &Folders::of(folder))?;
        let bell = Bell::new(head);
        drop(bell.close_on_drop());
        Ok(Self {
            readers,
            public_key,
            requests: Mutex::new(None),
            room: Arc::new(Semaphore::new(QUEUE_KIB)),
            bell,
            threads: Mutex::new(Vec::new()),
        })
    }

    /// The public key of the log, as verifiers are given it.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Number of durable entries.
    pub fn size(&self) -> u64 {
        self.bell.sizes().0
    }

    /// Number of entries under the published checkpoint.
    pub fn published_size(&self) -> u64 {
        self.bell.sizes().1
    }

    /// Writes what is queued, publishes a checkpoint over it, and frees the data folder. Appends
    /// fail from now on. Dropping the store does the same without waiting for it.
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

    /// Checks every entry against the tree, and every row made from entries against them. Reads
    /// everything. Answers the number of entries.
    ///
    /// # Errors
    /// `Corrupt`, with the first thing found wrong.
    pub async fn audit(&self) -> Result<u64, StorageError> {
        self.readers
            .ask(|connection| audit::audit(connection, None))
            .await
    }

    /// The same, and that the published log is the beginning of what the database holds.
    ///
    /// # Errors
    /// `Corrupt`, with the first thing found wrong.
    pub async fn audit_against(&self, published: &Report) -> Result<u64, StorageError> {
        let published = published.clone();
        self.readers
            .ask(move |connection| audit::audit(connection, Some(&published)))
            .await
    }

    async fn write(&self, work: Work, size_bytes: usize) -> Result<EntryIndex, StorageError> {
        let requests = self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let closed = || unavailable("the store is closed or open for reading only");
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

fn thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StorageError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| StorageError::io(STORE, OPENING, error))
}

/// One process writes to a data folder. The operating system drops the lock with the process, so
/// that a kill leaves nothing stale behind (S-14).
fn take_folder(disk: &dyn Disk, folder: &Path) -> Result<Box<dyn Lock>, StorageError> {
    let path = folder.join("lock");
    let held = create_folders(disk, folder)
        .and_then(|()| disk.lock(&path))
        .map_err(|error| StorageError::io(STORE, OPENING, error))?;
    held.ok_or_else(|| {
        let cause = format!(
            "{} is held by another process: stop it, or give this one another data folder",
            path.display()
        );
        StorageError::new(STORE, OPENING, StorageErrorKind::Unavailable, cause)
    })
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

    async fn notices(&self, limit: usize) -> Result<Vec<LoggedNotice>, StorageError> {
        self.readers
            .ask(move |connection| read::notices(connection, limit))
            .await
    }

    async fn latest(
        &self,
        artifact: &ArtifactId,
        audience: Option<&Audience>,
    ) -> Result<Option<LoggedDecision>, StorageError> {
        let (artifact, audience) = (artifact.clone(), audience.map(Audience::key));
        self.readers
            .ask(move |connection| read::latest(connection, &artifact, audience.as_deref()))
            .await
    }

    async fn standing(&self, package: &PackageName) -> Result<Vec<Decision>, StorageError> {
        let package = package.clone();
        self.readers
            .ask(move |connection| read::standing(connection, &package))
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

    async fn receivers(
        &self,
        artifact: &ArtifactId,
        audience: Option<&Audience>,
        limit: usize,
    ) -> Result<Receivers, StorageError> {
        let (artifact, audience) = (artifact.clone(), audience.map(Audience::key));
        self.readers
            .ask(move |connection| {
                exposed::receivers(connection, &artifact, audience.as_deref(), limit)
            })
            .await
    }

    async fn exposures(
        &self,
        filter: &ExposureFilter,
    ) -> Result<Vec<LoggedExposure>, StorageError> {
        let filter = filter.clone();
        self.readers
            .ask(move |connection| exposed::exposures(connection, &filter))
            .await
    }

    async fn missed(&self, package: &PackageName) -> Result<Option<Timestamp>, StorageError> {
        let package = package.clone();
        self.readers
            .ask(move |connection| known::missed(connection, &package))
            .await
    }

    async fn missed_names(&self, limit: usize) -> Result<Vec<Missed>, StorageError> {
        self.readers
            .ask(move |connection| known::missed_names(connection, limit))
            .await
    }

    async fn missed_count(&self) -> Result<u64, StorageError> {
        self.readers.ask(known::missed_count).await
    }

    async fn exemptions(&self) -> Result<Vec<ExemptionChange>, StorageError> {
        self.readers.ask(known::exemptions).await
    }

    async fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>, StorageError> {
        let filter = filter.clone();
        self.readers
            .ask(move |connection| holds::holds(connection, &filter))
            .await
    }

    async fn hold(&self, artifact: &ArtifactId) -> Result<Option<Hold>, StorageError> {
        let artifact = artifact.clone();
        self.readers
            .ask(move |connection| holds::hold(connection, &artifact))
            .await
    }

    async fn quarantine_history(
        &self,
        artifact: &ArtifactId,
    ) -> Result<Vec<QuarantineChange>, StorageError> {
        let artifact = artifact.clone();
        self.readers
            .ask(move |connection| holds::history(connection, &artifact))
            .await
    }

    async fn reviews(&self) -> Result<Vec<QuarantineChange>, StorageError> {
        self.readers.ask(holds::reviews).await
    }

    async fn held_bytes(&self, limit: usize) -> Result<Vec<HeldBytes>, StorageError> {
        self.readers
            .ask(move |connection| holds::held_bytes(connection, limit))
            .await
    }

    async fn hold_counts(&self) -> Result<BTreeMap<Ecosystem, u64>, StorageError> {
        self.readers.ask(holds::counts).await
    }

    async fn packages(
        &self,
        after: Option<&PackageName>,
        limit: usize,
    ) -> Result<Vec<PackageName>, StorageError> {
        let after = after.cloned();
        self.readers
            .ask(move |connection| exposed::packages(connection, after.as_ref(), limit))
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
        let (reply, answer) = oneshot::channel();
        self.bell.ask(reply);
        answer
            .await
            .map_err(|_| unavailable("the store is closed or open for reading only"))?
    }
}
