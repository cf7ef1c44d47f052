//! What was signed before, and the key it was signed with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::layout::{CHECKPOINT, NOTE_LIMIT_BYTES, PUBLIC_KEY, STAGED};
use crate::disk::{Disk, Opened, create_folders, read_small, replace_file};
use crate::evidence::STORE;
use crate::evidence::key::{KeyError, LogKey, TreeHead, open_checkpoint};
use crate::{StorageError, StorageErrorKind};

const OPERATION: &str = "opening the published log";

/// The private key, in the folder of keys.
const KEY_FILE: &str = "log.key";

/// The last checkpoint signed, in the folder of keys.
pub(crate) const LAST_FILE: &str = "log.last";

/// The folders of a log.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// What is published.
    pub(crate) log: PathBuf,
    /// What is not.
    pub(crate) keys: PathBuf,
}

impl Folders {
    /// Those of a data folder.
    pub(crate) fn of(data: &Path) -> Self {
        Self {
            log: data.join("log"),
            keys: data.join("keys"),
        }
    }
}

/// A checkpoint that must be a prefix of the log.
#[derive(Clone, Debug)]
pub(crate) struct SignedHead {
    /// Where it was found, for messages.
    pub(crate) place: String,
    /// What it says.
    pub(crate) head: TreeHead,
}

/// The key, and every checkpoint known to be signed with it.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    /// The key.
    pub(crate) key: Arc<LogKey>,
    /// The published checkpoint.
    pub(crate) published: Option<TreeHead>,
    /// All known, the published one among them.
    pub(crate) heads: Vec<SignedHead>,
}

impl Signed {
    /// Reads key and checkpoints; makes a key, of that name, for a log that never was published.
    ///
    /// # Errors
    /// `Corrupt` when the key is missing or another than the published one, or a checkpoint does
    /// not bear its signature (S-10).
    pub(crate) fn read(
        disk: &dyn Disk,
        folders: &Folders,
        name: Option<&str>,
        known: Option<&str>,
    ) -> Result<Self, StorageError> {
        let public = read(disk, &folders.log.join(PUBLIC_KEY))?;
        let published = read(disk, &folders.log.join(CHECKPOINT))?;
        let last = read(disk, &folders.keys.join(LAST_FILE))?;
        let is_new = public.is_none() && published.is_none() && last.is_none();
        let key = Arc::new(match read(disk, &folders.keys.join(KEY_FILE))? {
            Some(text) => LogKey::parse(&text).map_err(|error| refuse(folders, &error))?,
            None if is_new => make_key(disk, folders, name)?,
            None => {
                let cause = format!(
                    "{} is missing, but the log was signed before: restore the key, or move {} away to begin a new log",
                    folders.keys.join(KEY_FILE).display(),
                    folders.log.display()
                );
                return Err(corrupt(cause));
            }
        });
        match public {
            Some(public) if public.trim_end() != key.public() => {
                let cause = format!(
                    "{} is the public half of another key than {}: restore the key that signed the log",
                    folders.log.join(PUBLIC_KEY).display(),
                    folders.keys.join(KEY_FILE).display()
                );
                return Err(corrupt(cause));
            }
            Some(_) => {}
            None => write_public(disk, folders, &key).map_err(io(OPERATION))?,
        }
        let open = |text: &str, place: String| {
            open_checkpoint(text.as_bytes(), key.public())
                .map(|head| SignedHead {
                    place: place.clone(),
                    head,
                })
                .map_err(|error| corrupt(format!("{place}: {error}; nothing is signed")))
        };
        let mut heads = Vec::new();
        let mut published_head = None;
        if let Some(text) = published {
            let head = open(&text, folders.log.join(CHECKPOINT).display().to_string())?;
            published_head = Some(head.head.clone());
            heads.push(head);
        }
        if let Some(text) = last {
            heads.push(open(
                &text,
                folders.keys.join(LAST_FILE).display().to_string(),
            )?);
        }
        if let Some(text) = known {
            heads.push(open(text, "the checkpoint given".to_owned())?);
        }
        Ok(Self {
            key,
            published: published_head,
            heads,
        })
    }
}

/// The published key.
pub(crate) fn public_key(disk: &dyn Disk, folders: &Folders) -> Result<String, StorageError> {
    let path = folders.log.join(PUBLIC_KEY);
    match read(disk, &path)? {
        Some(text) => Ok(text.trim_end().to_owned()),
        None => {
            let cause = format!("there is no {}", path.display());
            Err(StorageError::new(
                STORE,
                OPERATION,
                StorageErrorKind::Unavailable,
                cause,
            ))
        }
    }
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Option<String>, StorageError> {
    let file = match disk.open(path) {
        Ok(Opened::File(file)) => file,
        Ok(Opened::Missing) => return Ok(None),
        Ok(Opened::Irregular) => {
            return Err(corrupt(format!("{} is not a regular file", path.display())));
        }
        Err(error) => return Err(StorageError::io(STORE, OPERATION, error)),
    };
    let bytes = read_small(&*file, NOTE_LIMIT_BYTES).map_err(io(OPERATION))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(corrupt(format!("{} is not text", path.display()))),
    }
}

/// Makes a key that only its owner can read, and returns it once it is durable.
fn make_key(
    disk: &dyn Disk,
    folders: &Folders,
    name: Option<&str>,
) -> Result<LogKey, StorageError> {
    let key = match name {
        Some(name) => LogKey::generate(name),
        None => random_name().and_then(|name| LogKey::generate(&name)),
    }
    .map_err(|error| refuse(folders, &error))?;
    let text = format!("{}\n", key.secret_text());
    create_folders(disk, &folders.keys)
        .and_then(|()| {
            let staged = folders.keys.join(STAGED);
            replace_file(disk, &staged, &folders.keys.join(KEY_FILE), text.as_bytes())
        })
        .map_err(io(OPERATION))?;
    Ok(key)
}

/// Every log has a name of its own, so that checkpoints of two cannot be taken for each other.
fn random_name() -> Result<String, KeyError> {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(format!("cordon.invalid/{}", HEXLOWER.encode(&random)))
}

fn write_public(disk: &dyn Disk, folders: &Folders, key: &LogKey) -> io::Result<()> {
    create_folders(disk, &folders.log)?;
    let text = format!("{}\n", key.public());
    let staged = folders.log.join(STAGED);
    replace_file(
        disk,
        &staged,
        &folders.log.join(PUBLIC_KEY),
        text.as_bytes(),
    )
}

fn refuse(folders: &Folders, error: &KeyError) -> StorageError {
    corrupt(format!(
        "{}: {error}",
        folders.keys.join(KEY_FILE).display()
    ))
}

fn corrupt(cause: String) -> StorageError {
    StorageError::new(STORE, OPERATION, StorageErrorKind::Corrupt, cause)
}

pub(super) fn io(operation: &'static str) -> impl Fn(io::Error) -> StorageError {
    move |error| StorageError::io(STORE, operation, error)
}
