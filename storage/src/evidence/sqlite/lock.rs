//! One process per data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::evidence::STORE;
use crate::{StorageError, StorageErrorKind};

/// An exclusive lock on a data folder, held as long as this lives. The operating system drops it
/// with the process, so a kill leaves nothing stale behind.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of a folder: the file `lock` in it, whose content means nothing.
    ///
    /// # Errors
    /// `Unavailable` when another process, or another opening in this one, holds it.
    pub fn take(folder: &Path) -> Result<Self, StorageError> {
        let operation = "locking the data folder";
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| StorageError::io(STORE, operation, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::Error(error)) => Err(StorageError::io(STORE, operation, error)),
            Err(TryLockError::WouldBlock) => {
                let cause = format!(
                    "{} is held by another process: stop it, or give this one another data folder",
                    path.display()
                );
                Err(StorageError::new(
                    STORE,
                    operation,
                    StorageErrorKind::Unavailable,
                    cause,
                ))
            }
        }
    }
}
