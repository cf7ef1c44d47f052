//! Blobs as plain files, named by what they hold.
//!
//! ```text
//! VERSION                       format of this folder; an unknown one is refused before any write
//! LOCK                          held while a process has the store open
//! seal.key                      key of the chunk sums, owner-only; lost: sums are taken again
//! blobs/sha256/ab/abcd…         the bytes, nothing else: `sha256sum` gives the name
//! blobs/sha256/ab/abcd….sums    chunk sums of blobs longer than one chunk (`sums`)
//! staging/                      blobs being written; emptied when the store is opened
//! aside/                        damaged blobs, for looking at; safe to empty
//! ```
//!
//! A blob gets its live name in one place, `Store::publish`, by renaming a file that is complete
//! and fsynced; the commit is acknowledged after the fsync of the folder. Readers therefore see a
//! whole blob or none. All 256 folders exist from the start, so that no commit depends on a folder
//! that is not durable yet.

mod beside;
mod chunks;
#[cfg(test)]
mod crash_tests;
mod open;
mod read;
mod stage;
mod sums;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cordon_policy::model::{Digest, DigestAlgorithm};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use moka::sync::Cache;

use self::stage::Stage;
use self::sums::{SealKey, Sums};
use super::{BlobReader, BlobStat, BlobStore, StagedBlob};
use crate::disk::{Disk, Lock, Opened};
use crate::{StorageError, StorageErrorKind};

/// Memory for chunk sums of large blobs, the most used ones: enough for 64 GiB of blobs.
const SUMS_MEMORY_BYTES: u64 = 8 * 1024 * 1024;

/// Damaged blobs kept for looking at. Further ones are deleted: the first of a series tell most.
const ASIDE_FILES: usize = 64;

/// Blobs in a folder of the local file system. Cheap to clone; clones are the same store.
///
/// Only one process at a time can have a folder open.
#[derive(Clone, Debug)]
pub struct FilesystemBlobs {
    store: Arc<Store>,
}

/// The open folder. Everything in here blocks.
#[derive(Debug)]
struct Store {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    key: SealKey,
    /// Sums belong to content, not to a file, so what is in here never goes stale.
    sums: Cache<Digest, Arc<Sums>>,
    next_stage: AtomicU64,
    /// One per folder of blobs: whoever changes what is live in it holds it until the change is
    /// durable, so that no commit is acknowledged on the strength of another's unfinished one.
    changing: Vec<Mutex<()>>,
    _lock: Box<dyn Lock>,
}

impl Store {
    fn shard(&self, digest: &Digest) -> PathBuf {
        let first = digest.as_bytes().first().copied().unwrap_or(0);
        self.shard_of(first)
    }

    fn shard_of(&self, first: u8) -> PathBuf {
        self.root.join(format!("blobs/sha256/{first:02x}"))
    }

    fn live(&self, digest: &Digest) -> PathBuf {
        self.shard(digest).join(digest.hex())
    }

    fn sums_file(&self, digest: &Digest) -> PathBuf {
        self.shard(digest).join(format!("{}.sums", digest.hex()))
    }

    /// A name in the staging folder that nothing has.
    fn staged(&self) -> PathBuf {
        let number = self.next_stage.fetch_add(1, Ordering::Relaxed);
        self.root.join(format!("staging/{number:016x}"))
    }

    /// The right to change what is live beside `digest`.
    fn changing(&self, digest: &Digest) -> Option<MutexGuard<'_, ()>> {
        let first = digest.as_bytes().first().copied().unwrap_or(0);
        let lock = self.changing.get(usize::from(first))?;
        Some(lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the blob `sums` were taken of is stored already; if so, durably.
    fn keep_stored(&self, digest: &Digest, sums: &Sums) -> Result<bool, StorageError> {
        let _held = self.changing(digest);
        if !self.is_intact(digest, sums) {
            return Ok(false);
        }
        // A process killed between renaming it and the fsync of the folder leaves it like this.
        let shard = self.shard(digest);
        self.disk
            .sync_folder(&shard)
            .map_err(|error| io_at("committing a blob", &shard, &error))?;
        Ok(true)
    }

    /// Gives the complete and fsynced file at `staged` its live name.
    fn publish(&self, staged: &Path, digest: &Digest, sums: Sums) -> Result<(), StorageError> {
        const OPERATION: &str = "committing a blob";
        let _held = self.changing(digest);
        let live = self.live(digest);
        let shard = self.shard(digest);
        let is_occupied = self
            .disk
            .look(&live)
            .map_err(|error| io_at(OPERATION, &live, &error))?
            .is_some();
        if is_occupied && !self.is_intact(digest, &sums) {
            self.move_aside(digest)?;
        }
        let sums = Arc::new(sums);
        if sums.has_file() {
            self.sums.insert(digest.clone(), Arc::clone(&sums));
        }
        self.rename_into(staged, &live, &shard)
            .map_err(|error| io_at(OPERATION, &live, &error))?;
        self.write_sums(digest, &sums);
        self.disk.sync_folder(&shard).map_err(|error| {
            // The name may or may not last. Nothing may build on it, so it goes.
            let _ = self.disk.remove(&live);
            io_at(OPERATION, &shard, &error)
        })
    }

    /// Renames, making the folder again if somebody removed it under us.
    fn rename_into(&self, from: &Path, to: &Path, folder: &Path) -> std::io::Result<()> {
        match self.disk.rename(from, to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                crate::disk::create_folders(&*self.disk, folder)?;
                self.disk.rename(from, to)
            }
            other => other,
        }
    }

    /// Writes the sums file. Not fsynced and allowed to fail: without it, or with a torn one, the
    /// next open verifies the whole blob.
    fn write_sums(&self, digest: &Digest, sums: &Sums) {
        if !sums.has_file() {
            return;
        }
        let staged = self.staged();
        let written = self.disk.create(&staged).and_then(|mut file| {
            file.write_all(&sums.encode(digest, &self.key))?;
            drop(file);
            self.disk.rename(&staged, &self.sums_file(digest))
        });
        if let Err(error) = written {
            let _ = self.disk.remove(&staged);
            tracing::debug!(%digest, %error, "chunk sums not written, the blob is verified whole at its next opening");
        }
    }

    /// Moves a damaged blob out of the way, or deletes it when enough are kept. The caller holds
    /// the folder ([`Store::changing`]).
    fn move_aside(&self, digest: &Digest) -> Result<(), StorageError> {
        const OPERATION: &str = "setting a damaged blob aside";
        let live = self.live(digest);
        let folder = self.root.join("aside");
        let aside = folder.join(digest.hex());
        let is_full = self
            .disk
            .list(&folder)
            .is_ok_and(|kept| kept.len() >= ASIDE_FILES && !kept.contains(&digest.hex()));
        let moved = if is_full {
            self.disk.remove(&live)
        } else {
            self.rename_into(&live, &aside, &folder).or_else(|_| {
                // A folder neither replaces a file nor is replaced by one.
                absent_is_fine(self.disk.remove(&aside))?;
                self.disk.rename(&live, &aside)
            })
        };
        match moved {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_at(OPERATION, &live, &error));
            }
            _ => {}
        }
        self.forget_sums(digest)
            .and_then(|()| self.sync_shard(digest))
            .map_err(|error| io_at(OPERATION, &live, &error))
    }

    fn delete(&self, digest: &Digest) -> Result<(), StorageError> {
        let _held = self.changing(digest);
        let live = self.live(digest);
        absent_is_fine(self.disk.remove(&live))
            .and_then(|()| self.forget_sums(digest))
            .map_err(|error| io_at("deleting a blob", &live, &error))
    }

    fn forget_sums(&self, digest: &Digest) -> std::io::Result<()> {
        self.sums.invalidate(digest);
        absent_is_fine(self.disk.remove(&self.sums_file(digest)))
    }

    fn sync_shard(&self, digest: &Digest) -> std::io::Result<()> {
        absent_is_fine(self.disk.sync_folder(&self.shard(digest)))
    }

    fn stat(&self, digest: &Digest) -> Result<Option<BlobStat>, StorageError> {
        const OPERATION: &str = "looking for a blob";
        let live = self.live(digest);
        match self.disk.look(&live) {
            Ok(None) => Ok(None),
            Ok(Some(entry)) if !entry.is_file => Err(irregular(OPERATION, &live)),
            Ok(Some(entry)) => Ok(Some(BlobStat {
                digest: digest.clone(),
                size_bytes: entry.size_bytes,
            })),
            Err(error) => Err(io_at(OPERATION, &live, &error)),
        }
    }

    /// The blobs whose name starts with one byte. Something that is not a file is listed as well,
    /// so that a scrub meets it.
    fn list_shard(&self, first: u8) -> Result<Vec<BlobStat>, StorageError> {
        let shard = self.shard_of(first);
        let names = match self.disk.list(&shard) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|error| io_at("listing blobs", &shard, &error))?,
        };
        let mut found = Vec::new();
        for name in names {
            let Ok(digest) = Digest::from_hex(DigestAlgorithm::Sha256, &name) else {
                continue;
            };
            if digest.as_bytes().first() != Some(&first) || digest.hex() != name {
                continue;
            }
            let path = shard.join(&name);
            let entry = self
                .disk
                .look(&path)
                .map_err(|error| io_at("listing blobs", &path, &error))?;
            if let Some(entry) = entry {
                found.push(BlobStat {
                    digest,
                    size_bytes: entry.size_bytes,
                });
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl BlobStore for FilesystemBlobs {
    async fn stage(&self, limit_bytes: u64) -> Result<Box<dyn StagedBlob>, StorageError> {
        Ok(Box::new(Stage::new(Arc::clone(&self.store), limit_bytes)))
    }

    async fn open(&self, digest: &Digest) -> Result<Option<BlobReader>, StorageError> {
        if digest.algorithm() != DigestAlgorithm::Sha256 {
            return Ok(None);
        }
        let (store, digest) = (Arc::clone(&self.store), digest.clone());
        blocking("opening a blob", move || {
            Ok(store
                .open(&digest)?
                .map(|reader| Arc::new(reader) as BlobReader))
        })
        .await
    }

    async fn stat(&self, digest: &Digest) -> Result<Option<BlobStat>, StorageError> {
        if digest.algorithm() != DigestAlgorithm::Sha256 {
            return Ok(None);
        }
        let (store, digest) = (Arc::clone(&self.store), digest.clone());
        blocking("looking for a blob", move || store.stat(&digest)).await
    }

    async fn delete(&self, digest: &Digest) -> Result<(), StorageError> {
        if digest.algorithm() != DigestAlgorithm::Sha256 {
            return Ok(());
        }
        let (store, digest) = (Arc::clone(&self.store), digest.clone());
        blocking("deleting a blob", move || store.delete(&digest)).await
    }

    async fn set_aside(&self, digest: &Digest) -> Result<(), StorageError> {
        if digest.algorithm() != DigestAlgorithm::Sha256 {
            return Ok(());
        }
        let (store, digest) = (Arc::clone(&self.store), digest.clone());
        blocking("setting a damaged blob aside", move || {
            let _held = store.changing(&digest);
            store.move_aside(&digest)
        })
        .await
    }

    fn scan(&self) -> BoxStream<'_, Result<BlobStat, StorageError>> {
        stream::iter(0..=u8::MAX)
            .then(|first| {
                let store = Arc::clone(&self.store);
                blocking("listing blobs", move || store.list_shard(first))
            })
            .map_ok(|found| stream::iter(found.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }
}

/// Runs file operations off the async threads.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(StorageError::new(
                "blob",
                operation,
                StorageErrorKind::Io,
                error,
            ))
        })
}

fn absent_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// An I/O error with the path it is about.
fn io_at(operation: &'static str, path: &Path, error: &std::io::Error) -> StorageError {
    let named = std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    StorageError::io("blob", operation, named)
}

fn corrupt(operation: &'static str, path: &Path, what: &str) -> StorageError {
    StorageError::new(
        "blob",
        operation,
        StorageErrorKind::Corrupt,
        format!("{}: {what}", path.display()),
    )
}

fn irregular(operation: &'static str, path: &Path) -> StorageError {
    corrupt(operation, path, "not a regular file")
}

/// What [`Store::open`] needs of a file at a path.
fn open_regular(
    disk: &dyn Disk,
    operation: &'static str,
    path: &Path,
) -> Result<Option<Box<dyn crate::disk::DiskFile>>, StorageError> {
    match disk.open(path) {
        Ok(Opened::File(file)) => Ok(Some(file)),
        Ok(Opened::Missing) => Ok(None),
        Ok(Opened::Irregular) => Err(irregular(operation, path)),
        Err(error) => Err(io_at(operation, path, &error)),
    }
}
