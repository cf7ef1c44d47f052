//! Giving space back. sled's file grows to many times its records and never shrinks, so the
//! records are exported into a fresh database, which then takes its place.
//!
//! Puts and removals go on during the export: they reach the database in use first and the fresh
//! one after it, and the export leaves alone what is in the fresh one already.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, TryLockError};

use super::database::{Database, contained};
use super::folder;
use super::running::{Fresh, Shared, State, close, error};
use crate::StorageError;

const OPERATION: &str = "compacting the cache index";

/// How many times its records a folder may take.
const SIZE_FACTOR: u64 = 3;

impl Shared {
    /// Exports if it is time to. Whether it was done.
    pub(super) fn compact(&self) -> Result<bool, StorageError> {
        let _only_one = match self.compacting.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        let limits = self.limits;
        let is_large = self.run(OPERATION, |open| {
            let disk_bytes = open.database.disk_bytes()?;
            let live_bytes = open.database.live_bytes();
            Ok(disk_bytes > limits.compact_above_bytes
                && disk_bytes > live_bytes.saturating_mul(SIZE_FACTOR))
        })?;
        if !is_large {
            return Ok(false);
        }
        let exported = self.export();
        if !matches!(exported, Ok(true)) {
            self.abandon();
        }
        exported
    }

    fn export(&self) -> Result<bool, StorageError> {
        let path = folder::fresh(&self.folder);
        let fresh = folder::remove(&path)
            .map_err(super::database::Trouble::from)
            .and_then(|()| Database::open(&path, self.limits.memory_bytes))
            .map_err(|trouble| error(OPERATION, trouble))?;
        // From here on every change reaches both.
        let Some(source) = self.mirror_to(&fresh) else {
            return Ok(false);
        };
        let copied = contained(|| source.copy_into(&fresh, || self.is_mirroring()));
        drop(source);
        copied.map_err(|trouble| error(OPERATION, trouble))?;
        drop(fresh);
        self.switch_to_fresh()
    }

    fn mirror_to(&self, fresh: &Database) -> Option<Database> {
        let mut state = self.changing();
        let State::Open(open) = &mut *state else {
            return None;
        };
        open.fresh = Some(Fresh {
            database: fresh.clone(),
            has_failed: AtomicBool::new(false),
        });
        Some(open.database.clone())
    }

    /// Whether the export still makes sense: not after the database in use was given up.
    fn is_mirroring(&self) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        is_mirroring(&state)
    }

    fn switch_to_fresh(&self) -> Result<bool, StorageError> {
        let mut state = self.changing();
        if !is_mirroring(&state) {
            return Ok(false);
        }
        if let State::Open(open) = &*state
            && let Some(fresh) = &open.fresh
        {
            contained(|| self.flush_to_disk(&fresh.database))
                .map_err(|trouble| error(OPERATION, trouble))?;
        }
        close(&mut state);
        let fail = |trouble| error(OPERATION, trouble);
        folder::swap(&self.folder).map_err(|cause| fail(cause.into()))?;
        let (database, opened) =
            folder::open(&self.folder, self.limits.memory_bytes).map_err(fail)?;
        if opened.wants_rebuild() {
            self.has_lost.store(true, Ordering::Relaxed);
        }
        *state = self.opened(database);
        Ok(true)
    }

    /// Goes on as if no export had been tried.
    fn abandon(&self) {
        let mut state = self.changing();
        if let State::Open(open) = &mut *state
            && let Some(fresh) = open.fresh.take()
        {
            let _ = contained(|| {
                drop(fresh);
                Ok(())
            });
        }
        if let Err(cause) = folder::remove(&folder::fresh(&self.folder)) {
            tracing::debug!(%cause, "the fresh cache index was not removed, the next start removes it");
        }
    }
}

fn is_mirroring(state: &State) -> bool {
    matches!(state, State::Open(open) if open
        .fresh
        .as_ref()
        .is_some_and(|fresh| !fresh.has_failed.load(Ordering::Relaxed)))
}
