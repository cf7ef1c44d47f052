//! The database while it is in use: closed when its disk fails, replaced when it is damaged.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::database::{Database, Trouble, contained};
use super::folder::{self, Opened};
use super::{OPENING, STORE, SledLimits};
use crate::disk::Lock;
use crate::{StorageError, StorageErrorKind};

/// How long after the disk failed it is tried again.
pub(super) const REOPEN_AFTER: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) limits: SledLimits,
    pub(super) state: RwLock<State>,
    /// Whether something was put since the last flush, which then is on its way.
    pub(super) is_dirty: AtomicBool,
    pub(super) has_lost: AtomicBool,
    pub(super) next_number: AtomicU64,
    /// Number of the next flush; held while flushing, so that the last number noted is never
    /// ahead of the last one in the database.
    pub(super) next_flush: Mutex<u64>,
    pub(super) compacting: Mutex<()>,
    pub(super) _lock: Box<dyn Lock>,
}

#[derive(Debug)]
pub(super) enum State {
    Open(Box<Open>),
    /// The disk failed; tried again after a while.
    Closed {
        since: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) database: Database,
    /// Counts the openings, so that trouble met in one database is not blamed on its successor.
    number: u64,
    /// Where records go as well while the database is being exported.
    pub(super) fresh: Option<Fresh>,
}

#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) database: Database,
    pub(super) has_failed: AtomicBool,
}

impl Open {
    /// Does to the fresh database what was done to the one in use. When that fails, the export
    /// has failed, not the operation.
    pub(super) fn also(&self, work: impl FnOnce(&Database) -> Result<(), Trouble>) {
        if let Some(fresh) = &self.fresh
            && work(&fresh.database).is_err()
        {
            fresh.has_failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// Opens the database of a folder that is checked and locked.
    pub(super) fn open(
        folder: PathBuf,
        limits: SledLimits,
        lock: Box<dyn Lock>,
    ) -> Result<(Self, Opened), StorageError> {
        let (database, opened) = folder::open(&folder, limits.memory_bytes)
            .map_err(|trouble| error(OPENING, trouble))?;
        let last_flush = database.flushes_at_open();
        let shared = Self {
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
        Ok((shared, opened))
    }

    /// Runs one operation on the database, opening it again when it is due.
    pub(super) fn run<T>(
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
    pub(super) fn give_up(&self, number: u64, trouble: &Trouble) {
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

    pub(super) fn opened(&self, database: Database) -> State {
        State::Open(Box::new(Open {
            database,
            number: self.next_number.fetch_add(1, Ordering::Relaxed),
            fresh: None,
        }))
    }

    pub(super) fn reopen_if_due(&self, operation: &'static str) -> Result<(), StorageError> {
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

    pub(super) fn flush(&self) -> Result<(), StorageError> {
        self.is_dirty.store(false, Ordering::Relaxed);
        self.run("flushing the cache index", |open| {
            self.flush_to_disk(&open.database)
        })
    }

    pub(super) fn flush_to_disk(&self, database: &Database) -> Result<(), Trouble> {
        let mut next = self
            .next_flush
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        *next = number.saturating_add(1);
        database.flush(number)?;
        Ok(folder::note_flushed(&self.folder, number)?)
    }

    pub(super) fn changing(&self) -> RwLockWriteGuard<'_, State> {
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
pub(super) fn close(state: &mut State) {
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

pub(super) fn error(operation: &'static str, trouble: Trouble) -> StorageError {
    match trouble {
        Trouble::Damaged(reason) => {
            StorageError::new(STORE, operation, StorageErrorKind::Corrupt, reason)
        }
        Trouble::Io(error) => StorageError::io(STORE, operation, error),
    }
}

pub(super) fn closed(operation: &'static str) -> StorageError {
    StorageError::new(
        STORE,
        operation,
        StorageErrorKind::Unavailable,
        "the disk under the cache index failed; it is tried again in a few seconds",
    )
}
