//! The file of the log's key.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use data_encoding::HEXLOWER;

use crate::evidence::STORE;
use crate::evidence::key::{KeyError, LogKey};
use crate::{StorageError, StorageErrorKind};

const OPERATION: &str = "opening the key of the evidence log";

/// The file of the key in the folder of keys.
pub(super) const KEY_FILE: &str = "log.key";

/// Reads the key, or makes one when there is none.
pub(super) fn load_or_make(folder: &Path, name: Option<&str>) -> Result<LogKey, StorageError> {
    match load(folder)? {
        Some(key) => Ok(key),
        None => make(folder, name),
    }
}

/// Reads the key, if there is one.
pub(super) fn load(folder: &Path) -> Result<Option<LogKey>, StorageError> {
    match fs::read_to_string(folder.join(KEY_FILE)) {
        Ok(text) => LogKey::parse(&text).map(Some).map_err(bad_key),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io(STORE, OPERATION, error)),
    }
}

/// Makes a key, readable by its owner only, and returns it once it is durable.
fn make(folder: &Path, name: Option<&str>) -> Result<LogKey, StorageError> {
    let key = match name {
        Some(name) => LogKey::generate(name),
        None => random_name().and_then(|name| LogKey::generate(&name)),
    }
    .map_err(bad_key)?;
    write(folder, &key).map_err(|error| StorageError::io(STORE, OPERATION, error))?;
    Ok(key)
}

/// Every log has a name of its own, so that checkpoints of two cannot be taken for each other.
fn random_name() -> Result<String, KeyError> {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(format!("cordon.invalid/{}", HEXLOWER.encode(&random)))
}

fn write(folder: &Path, key: &LogKey) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let staged = folder.join("log.key.new");
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&staged)?;
    file.write_all(key.secret_text().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&staged, folder.join(KEY_FILE))?;
    File::open(folder)?.sync_all()
}

fn bad_key(error: KeyError) -> StorageError {
    StorageError::new(STORE, OPERATION, StorageErrorKind::Corrupt, error)
}
