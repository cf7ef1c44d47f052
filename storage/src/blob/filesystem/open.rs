//! Opening the folder: format, lock, folders, left-overs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use moka::sync::Cache;

use super::sums::SealKey;
use super::{FilesystemBlobs, SUMS_MEMORY_BYTES, Store, absent_is_fine, io_at};
use crate::disk::{
    Disk, Opened, RealDisk, create_folders, read_small, replace_file, settle_version,
};
use crate::{StorageError, StorageErrorKind};

const OPERATION: &str = "opening the blob folder";

/// What `VERSION` says. The number changes when an older Cordon could not read the folder.
const VERSION: &[u8] = b"cordon-blobs 1\n";

impl FilesystemBlobs {
    /// Opens the folder, creating it when missing, and empties its staging folder. Blocks; meant
    /// for start-up. Takes no longer for a large store than for a small one.
    ///
    /// # Errors
    /// `Unavailable` when another process has it open or it cannot be written, `Format` when
    /// another version of Cordon wrote it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StorageError> {
        Self::open_on(Arc::new(RealDisk), path.into())
    }

    /// The same on any disk.
    pub(crate) fn open_on(disk: Arc<dyn Disk>, root: PathBuf) -> Result<Self, StorageError> {
        create_folders(&*disk, &root).map_err(|error| io_at(OPERATION, &root, &error))?;
        let lock_file = root.join("LOCK");
        let lock = disk
            .lock(&lock_file)
            .map_err(|error| io_at(OPERATION, &lock_file, &error))?
            .ok_or_else(|| locked(&root))?;
        // VERSION is durable before anything else is made, so blobs without it are not ours.
        let is_used = disk.list(&root.join("blobs")).is_ok();
        settle_version(&*disk, "blob", &root, VERSION, is_used)?;
        make_folders(&*disk, &root)?;
        empty_staging(&*disk, &root)?;
        let key = seal_key(&*disk, &root)?;
        let sums = Cache::builder()
            .max_capacity(SUMS_MEMORY_BYTES)
            .weigher(|_, sums: &Arc<super::Sums>| sums.memory_bytes())
            .build();
        Ok(Self {
            store: Arc::new(Store {
                disk,
                root,
                key,
                sums,
                next_stage: AtomicU64::new(0),
                changing: (0..=u8::MAX).map(|_| Mutex::new(())).collect(),
                _lock: lock,
            }),
        })
    }
}

fn locked(root: &Path) -> StorageError {
    StorageError::new(
        "blob",
        OPERATION,
        StorageErrorKind::Unavailable,
        format!(
            "{} is in use by another process; stop it or choose another data folder",
            root.display()
        ),
    )
}

/// Makes what is missing of the folders, durable before the first commit relies on them.
fn make_folders(disk: &dyn Disk, root: &Path) -> Result<(), StorageError> {
    let make = |folder: &Path, names: &mut dyn Iterator<Item = String>| {
        let present: HashSet<String> = disk.list(folder)?.into_iter().collect();
        for name in names {
            if !present.contains(&name) {
                match disk.create_folder(&folder.join(name)) {
                    Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
        // Also when nothing was missing: the process that made them may have been killed first.
        disk.sync_folder(folder)
    };
    let top = ["blobs", "staging", "aside"].map(String::from);
    let blobs = root.join("blobs");
    let shards = blobs.join("sha256");
    make(root, &mut top.into_iter())
        .and_then(|()| make(&blobs, &mut std::iter::once(String::from("sha256"))))
        .and_then(|()| {
            make(
                &shards,
                &mut (0..=u8::MAX).map(|first| format!("{first:02x}")),
            )
        })
        .map_err(|error| io_at(OPERATION, root, &error))
}

/// Removes what earlier processes were writing when they ended.
fn empty_staging(disk: &dyn Disk, root: &Path) -> Result<(), StorageError> {
    let staging = root.join("staging");
    let fail = |error: std::io::Error| io_at(OPERATION, &staging, &error);
    for name in disk.list(&staging).map_err(fail)? {
        absent_is_fine(disk.remove(&staging.join(name))).map_err(fail)?;
    }
    Ok(())
}

fn seal_key(disk: &dyn Disk, root: &Path) -> Result<SealKey, StorageError> {
    let path = root.join("seal.key");
    let fail = |error: std::io::Error| io_at(OPERATION, &path, &error);
    if let Opened::File(file) = disk.open(&path).map_err(fail)?
        && let Ok(data) = read_small(&*file, 64)
        && let Ok(key) = SealKey::try_from(data)
    {
        return Ok(key);
    }
    let mut key = SealKey::default();
    getrandom::fill(&mut key).map_err(|error| {
        StorageError::new("blob", OPERATION, StorageErrorKind::Io, error.to_string())
    })?;
    absent_is_fine(disk.remove(&path))
        .and_then(|()| replace_file(disk, &root.join("staging/seal.key"), &path, &key))
        .map_err(fail)?;
    Ok(key)
}
