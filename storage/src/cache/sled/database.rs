//! One sled database: opened where a panic or a hang does no harm, and read record by record.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::record::{self, Record};

/// The longest an opening may take before the database counts as damaged. Measured: 3 s for 1 M
/// records and 550 MB, after a kill.
const OPEN_LIMIT: Duration = Duration::from_secs(60);

/// sled gives its lock up a moment after the last handle is gone. We hold a lock of our own before
/// we get here, so it is never another process that we wait for.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

const LIVE_BYTES: &[u8] = b"live-bytes";
const FLUSHES: &[u8] = b"flushes";

/// What went wrong with a database.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Its contents are not to be trusted: it belongs in quarantine.
    Damaged(String),
    /// The disk under it failed: it may be well once the disk is.
    Io(io::Error),
}

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::Io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs sled code; a panic in it is damage, not the end of the process.
pub(super) fn contained<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(Trouble::Damaged(format!("sled panicked: {text}")))
    })
}

/// Which tree.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Documents,
    Artifacts,
    Sheets,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Documents, Self::Artifacts, Self::Sheets];
}

/// Some records in the order of their keys.
pub(super) struct Page<R: Record> {
    pub(super) records: Vec<(R::Id, R)>,
    /// The key to go on after; `None` at the end.
    pub(super) last: Option<Vec<u8>>,
}

/// An open database. Clones are the same database, which closes with the last of them.
#[derive(Clone, Debug)]
pub(super) struct Database {
    db: sled::Db,
    documents: sled::Tree,
    artifacts: sled::Tree,
    sheets: sled::Tree,
    path: PathBuf,
    /// Bytes of keys and values, to know what the folder should take. Exact while open; after a
    /// kill off by what was not flushed.
    live_bytes: Arc<AtomicI64>,
    flushes_at_open: u64,
}

impl Database {
    /// Opens or creates the database on a thread of its own.
    pub(super) fn open(path: &Path, memory_bytes: u64) -> Result<Self, Trouble> {
        let (sender, receiver) = mpsc::channel();
        let path = path.to_path_buf();
        std::thread::Builder::new()
            .name("cordon-cache-open".into())
            .spawn(move || {
                // Nobody listens any more when the limit has passed.
                let _ = sender.send(contained(|| open_here(path, memory_bytes)));
            })?;
        receiver.recv_timeout(OPEN_LIMIT).unwrap_or_else(|_| {
            let seconds = OPEN_LIMIT.as_secs();
            Err(Trouble::Damaged(format!("did not open within {seconds} s")))
        })
    }

    fn tree(&self, kind: Kind) -> &sled::Tree {
        match kind {
            Kind::Documents => &self.documents,
            Kind::Artifacts => &self.artifacts,
            Kind::Sheets => &self.sheets,
        }
    }

    /// The record under `key`. A damaged one is removed and is a miss.
    pub(super) fn get<R: Record>(&self, kind: Kind, key: &[u8]) -> Result<Option<R>, Trouble> {
        let Some(value) = self.tree(kind).get(key)? else {
            return Ok(None);
        };
        if let Some((_, record)) = record::decode::<R>(key, &value) {
            return Ok(Some(record));
        }
        self.drop_damaged(kind, key, &value)?;
        Ok(None)
    }

    /// The records after a key; damaged ones are removed and left out.
    pub(super) fn page<R: Record>(
        &self,
        kind: Kind,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Page<R>, Trouble> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (start, Bound::<&[u8]>::Unbounded);
        let mut page = Page {
            records: Vec::new(),
            last: None,
        };
        let mut count = 0;
        for row in self.tree(kind).range::<&[u8], _>(range).take(most) {
            let (key, value) = row?;
            match record::decode::<R>(&key, &value) {
                Some(pair) => page.records.push(pair),
                None => self.drop_damaged(kind, &key, &value)?,
            }
            count += 1;
            page.last = (count == most).then(|| key.to_vec());
        }
        Ok(page)
    }

    fn drop_damaged(&self, kind: Kind, key: &[u8], value: &[u8]) -> Result<(), Trouble> {
        tracing::warn!(
            ?kind,
            "a damaged record was removed from the cache index, it is fetched anew"
        );
        // Only that value: a good one may have taken its place meanwhile.
        if self
            .tree(kind)
            .compare_and_swap(key, Some(value), None::<&[u8]>)?
            .is_ok()
        {
            self.count(-row_bytes(key, value));
        }
        Ok(())
    }

    pub(super) fn put(&self, kind: Kind, key: &[u8], value: &[u8]) -> Result<(), Trouble> {
        let before = self.tree(kind).insert(key, value)?;
        self.count(row_bytes(key, value) - before.map_or(0, |old| row_bytes(key, &old)));
        Ok(())
    }

    pub(super) fn remove(&self, kind: Kind, key: &[u8]) -> Result<(), Trouble> {
        if let Some(old) = self.tree(kind).remove(key)? {
            self.count(-row_bytes(key, &old));
        }
        Ok(())
    }

    /// Copies every record into `other` without touching what was put there since. Runs beside
    /// puts and removals, as long as those go to `self` first and then to `other`. Stops early
    /// when `goes_on` says so.
    pub(super) fn copy_into(
        &self,
        other: &Self,
        mut goes_on: impl FnMut() -> bool,
    ) -> Result<(), Trouble> {
        for kind in Kind::ALL {
            for row in self.tree(kind) {
                if !goes_on() {
                    return Ok(());
                }
                let (key, value) = row?;
                let target = other.tree(kind);
                let is_new = target
                    .compare_and_swap(&key, None::<&[u8]>, Some(&value[..]))?
                    .is_ok();
                if is_new {
                    other.count(row_bytes(&key, &value));
                    // Removed here after we read it, and from there before we put it back?
                    if self.tree(kind).get(&key)?.is_none()
                        && target
                            .compare_and_swap(&key, Some(&value[..]), None::<&[u8]>)?
                            .is_ok()
                    {
                        other.count(-row_bytes(&key, &value));
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes out what is buffered and makes it durable as far as sled allows: its own flush never
    /// calls fsync. `number` counts the flushes of the folder.
    pub(super) fn flush(&self, number: u64) -> Result<(), Trouble> {
        let live_bytes = self.live_bytes.load(Ordering::Relaxed);
        self.db.insert(LIVE_BYTES, &live_bytes.to_le_bytes())?;
        self.db.insert(FLUSHES, &number.to_le_bytes())?;
        self.db.flush()?;
        File::open(self.path.join("db"))?.sync_all()?;
        Ok(())
    }

    /// Hands what is buffered to the operating system. Measured: 0.1 ms for a record.
    pub(super) fn write_out(&self) -> Result<(), Trouble> {
        self.db.flush()?;
        Ok(())
    }

    /// Number of the last flush that survived when the database was opened.
    pub(super) fn flushes_at_open(&self) -> u64 {
        self.flushes_at_open
    }

    /// Bytes of records.
    pub(super) fn live_bytes(&self) -> u64 {
        u64::try_from(self.live_bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Bytes of files.
    pub(super) fn disk_bytes(&self) -> Result<u64, Trouble> {
        Ok(self.db.size_on_disk()?)
    }

    fn count(&self, bytes: i64) {
        self.live_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Puts a value that is no record, as damage would.
    #[cfg(test)]
    pub(super) fn put_raw(&self, kind: Kind, key: &[u8], value: &[u8]) {
        self.tree(kind).insert(key, value).expect("an insert");
    }
}

fn row_bytes(key: &[u8], value: &[u8]) -> i64 {
    i64::try_from(key.len().saturating_add(value.len())).unwrap_or(i64::MAX)
}

fn open_here(path: PathBuf, memory_bytes: u64) -> Result<Database, Trouble> {
    let config = sled::Config::new()
        .path(&path)
        .cache_capacity(memory_bytes)
        .mode(sled::Mode::LowSpace)
        // Its periodic flusher makes a power cut likelier to leave an unreadable database.
        .flush_every_ms(None);
    let mut tries = 0;
    let db = loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if tries < LOCK_TRIES && error.to_string().contains("could not acquire lock") =>
            {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            other => break other?,
        }
    };
    let documents = db.open_tree("documents")?;
    let artifacts = db.open_tree("artifacts")?;
    let sheets = db.open_tree("sheets")?;
    let live_bytes = match stored(&db, LIVE_BYTES)? {
        Some(bytes) => i64::from_le_bytes(bytes),
        None => counted(&documents)? + counted(&artifacts)? + counted(&sheets)?,
    };
    let flushes_at_open = stored(&db, FLUSHES)?.map_or(0, u64::from_le_bytes);
    Ok(Database {
        db,
        documents,
        artifacts,
        sheets,
        path,
        live_bytes: Arc::new(AtomicI64::new(live_bytes)),
        flushes_at_open,
    })
}

fn stored(db: &sled::Db, key: &[u8]) -> Result<Option<[u8; 8]>, Trouble> {
    Ok(db
        .get(key)?
        .and_then(|value| <[u8; 8]>::try_from(&value[..]).ok()))
}

fn counted(tree: &sled::Tree) -> Result<i64, Trouble> {
    let mut bytes = 0_i64;
    for row in tree {
        let (key, value) = row?;
        bytes = bytes.saturating_add(row_bytes(&key, &value));
    }
    Ok(bytes)
}
