//! The folder around the database: what is opened, what is put in quarantine, what is swapped.
//!
//! ```text
//! VERSION, LOCK
//! FLUSHED                number of the last flush
//! sled/                  the database
//! sled.corrupt-<time>/   databases that did not open, the newest two; safe to remove
//! sled.fresh/            being exported into, see `compact`
//! sled.old/              replaced by the fresh one, about to be removed
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::database::{Database, Trouble};

/// Damaged databases kept for looking at.
const QUARANTINED: usize = 2;

pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("sled")
}

pub(super) fn fresh(folder: &Path) -> PathBuf {
    folder.join("sled.fresh")
}

fn old(folder: &Path) -> PathBuf {
    folder.join("sled.old")
}

/// What an index was when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It held its records.
    Existing,
    /// There was none: it starts empty.
    New,
    /// What was there could not be read: it starts empty and wants rebuilding.
    Emptied {
        /// Where the damaged database is now.
        quarantine: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// It opened, but without records it had: sled takes damage for the end of its log. What it
    /// holds is right, and it wants rebuilding.
    Shortened,
}

impl Opened {
    /// Whether records may be missing that blobs and evidence know about.
    pub fn wants_rebuild(&self) -> bool {
        *self != Self::Existing
    }
}

/// Opens the database; a damaged one goes into quarantine and an empty one takes its place.
pub(super) fn open(folder: &Path, memory_bytes: u64) -> Result<(Database, Opened), Trouble> {
    finish_swap(folder)?;
    let path = database(folder);
    let is_new = !path.try_exists()?;
    match Database::open(&path, memory_bytes) {
        Ok(database) if is_new => {
            forget_flushed(folder)?;
            Ok((database, Opened::New))
        }
        // Noted after the flush it counts, so only damage makes the database fall behind it.
        Ok(database) if database.flushes_at_open() < flushed(folder) => {
            tracing::warn!("the cache index has lost records, it wants rebuilding");
            Ok((database, Opened::Shortened))
        }
        Ok(database) => Ok((database, Opened::Existing)),
        Err(Trouble::Damaged(reason)) => {
            let quarantine = quarantine(folder)?;
            tracing::warn!(
                quarantine = %quarantine.display(),
                %reason,
                "the cache index could not be read, it starts empty"
            );
            let database = Database::open(&path, memory_bytes)?;
            Ok((database, Opened::Emptied { quarantine, reason }))
        }
        Err(trouble) => Err(trouble),
    }
}

/// Number of the last flush noted. A note that cannot be read counts as one of a flush that was
/// lost: rebuilding costs only time.
pub(super) fn flushed(folder: &Path) -> u64 {
    match std::fs::read_to_string(folder.join("FLUSHED")) {
        Ok(text) => text.trim().parse().unwrap_or(u64::MAX),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(_) => u64::MAX,
    }
}

/// Notes that flush `number` is done.
pub(super) fn note_flushed(folder: &Path, number: u64) -> io::Result<()> {
    let staged = folder.join("FLUSHED.new");
    std::fs::write(&staged, format!("{number}\n"))?;
    std::fs::rename(staged, folder.join("FLUSHED"))
}

fn forget_flushed(folder: &Path) -> io::Result<()> {
    match std::fs::remove_file(folder.join("FLUSHED")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Moves the database out of the way.
pub(super) fn quarantine(folder: &Path) -> io::Result<PathBuf> {
    const PREFIX: &str = "sled.corrupt-";
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut place = folder.join(format!("{PREFIX}{seconds:012}"));
    let mut number = 1;
    while place.try_exists()? {
        place = folder.join(format!("{PREFIX}{seconds:012}-{number}"));
        number += 1;
    }
    std::fs::rename(database(folder), &place)?;
    forget_flushed(folder)?;
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with(PREFIX) {
            kept.push(name);
        }
    }
    kept.sort();
    for name in kept.iter().rev().skip(QUARANTINED) {
        std::fs::remove_dir_all(folder.join(name))?;
    }
    Ok(place)
}

/// Puts the fresh database, closed and durable, in place of the old one, closed.
pub(super) fn swap(folder: &Path) -> io::Result<()> {
    std::fs::rename(database(folder), old(folder))?;
    std::fs::rename(fresh(folder), database(folder))?;
    sync(folder)?;
    remove(&old(folder))
}

/// Ends a swap that a kill interrupted. The old database is only moved when the fresh one is
/// complete, so whichever is in place is whole.
fn finish_swap(folder: &Path) -> io::Result<()> {
    if !database(folder).try_exists()? && old(folder).try_exists()? {
        let complete = if fresh(folder).try_exists()? {
            fresh(folder)
        } else {
            old(folder)
        };
        std::fs::rename(complete, database(folder))?;
        sync(folder)?;
    }
    remove(&old(folder))?;
    remove(&fresh(folder))
}

/// Removes a folder, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    use crate::disk::Disk as _;
    crate::disk::RealDisk.sync_folder(folder)
}
