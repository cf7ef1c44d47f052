//! What a configuration refers to outside itself: environment, files, the platform's data folder.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

/// Most bytes a secret file may have.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// The world around a configuration. [`Platform`] is the real one.
pub trait Surroundings {
    /// An environment variable. Not Unicode reads as not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// A small text file and whether users outside its owner and group can read it.
    ///
    /// # Errors
    /// Why it cannot be read, without its content.
    fn secret_file(&self, path: &Path) -> Result<SecretFile, String>;

    /// Whether a file is there.
    fn is_file(&self, path: &Path) -> bool;

    /// The platform's folder for data of programs, without Cordon's own part.
    fn data_folder(&self) -> Option<PathBuf>;
}

/// A secret file as read.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Its text.
    pub text: String,
    /// Whether every user of the machine can read it.
    pub is_readable_by_others: bool,
}

/// The process's environment and file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Platform;

impl Surroundings for Platform {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn secret_file(&self, path: &Path) -> Result<SecretFile, String> {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is not a file".to_owned());
        }
        let mut text = String::new();
        let read = file
            .take(MAX_SECRET_FILE_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        if u64::try_from(read).is_ok_and(|read| read > MAX_SECRET_FILE_BYTES) {
            return Err(format!("it has more than {MAX_SECRET_FILE_BYTES} bytes"));
        }
        Ok(SecretFile {
            text,
            is_readable_by_others: is_readable_by_others(&metadata),
        })
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn data_folder(&self) -> Option<PathBuf> {
        etcetera::choose_base_strategy()
            .ok()
            .map(|folders| folders.data_dir())
    }
}

#[cfg(unix)]
fn is_readable_by_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_readable_by_others(_metadata: &std::fs::Metadata) -> bool {
    false
}
