//! The data folder: which store is where.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_policy::model::Timestamp;
use cordon_storage::blob::FilesystemBlobs;
use cordon_storage::cache::SledIndex;
use cordon_storage::evidence::{Evidence, SqliteEvidence, SqliteOptions};
use cordon_storage::{StorageError, StorageErrorKind};

use crate::engine::Stores;

/// Bytes, below the data folder.
const BLOBS: &str = "blobs";
/// The cache index, below the data folder.
const CACHE: &str = "cache";

/// The stores of a running Cordon, which holds the folder alone.
pub struct OpenData {
    /// For the engine.
    pub stores: Stores,
    /// The evidence store, to be closed at the end.
    pub evidence: Arc<SqliteEvidence>,
    /// Whether records may be missing from the cache index.
    pub wants_rebuild: bool,
}

/// Opens every store for writing. Blocks.
///
/// # Errors
/// If another process holds the folder or a store cannot be used.
pub fn open(folder: &Path, now: Timestamp) -> Result<OpenData, StorageError> {
    let options = SqliteOptions {
        opened_at: Some(now),
        ..SqliteOptions::default()
    };
    let evidence = Arc::new(SqliteEvidence::open(folder, &options)?);
    let blobs = Arc::new(FilesystemBlobs::open(folder.join(BLOBS))?);
    let (cache, opened) = SledIndex::open(folder.join(CACHE))?;
    let wants_rebuild = opened.wants_rebuild();
    let stores = Stores {
        blobs,
        cache: Arc::new(cache),
        evidence: Arc::clone(&evidence) as _,
    };
    Ok(OpenData {
        stores,
        evidence,
        wants_rebuild,
    })
}

/// As [`open`], but makes nothing: for work on what is already there.
///
/// # Errors
/// As for [`open`], and if no evidence store is in the folder.
pub fn open_existing(folder: &Path, now: Timestamp) -> Result<OpenData, StorageError> {
    if !SqliteEvidence::is_at(folder)? {
        let cause = format!(
            "{} is not a data folder of Cordon; name one with --data or server.data",
            folder.display()
        );
        return Err(StorageError::new(
            "evidence",
            "opening",
            StorageErrorKind::Unavailable,
            cause,
        ));
    }
    open(folder, now)
}

/// Opens the evidence for reading only, where there is a store at all.
///
/// # Errors
/// If there is one and it cannot be read.
pub fn open_reader_if_any(folder: &Path) -> Result<Option<Arc<dyn Evidence>>, StorageError> {
    match SqliteEvidence::is_at(folder)? {
        true => open_reader(folder).map(Some),
        false => Ok(None),
    }
}

/// Opens the evidence for reading only, beside a running Cordon or without one.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn open_reader(folder: &Path) -> Result<Arc<dyn Evidence>, StorageError> {
    Ok(Arc::new(SqliteEvidence::open_to_read(folder)?))
}

/// Where bytes are.
pub fn blob_folder(folder: &Path) -> PathBuf {
    folder.join(BLOBS)
}

/// Where the published log is.
pub fn log_folder(folder: &Path) -> PathBuf {
    folder.join("log")
}
