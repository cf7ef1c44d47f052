//! Generations of data that is made elsewhere and must be had whole: advisory data.
//!
//! A generation is some bytes (an index) with a manifest that says what they were made of. It is
//! written beside its predecessor, made durable, and put in force by replacing one small file; a
//! process killed at any point leaves the old generation or the new one, whole, and what it left
//! lying about is swept up by the next. What a generation was made of is kept apart, as parts by
//! their SHA-256.
//!
//! ```text
//! folder/
//!   lock          held by the one who writes
//!   current       "12 <sha256 of 12.json>": what is in force
//!   12.json       the seal: number, digest of the data, manifest
//!   12.data       the data
//!   parts/        what generations were made of, by SHA-256
//! ```

mod parts;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_policy::model::{Digest, DigestAlgorithm};
use serde::{Deserialize, Serialize};

pub use parts::{Part, PartWriter};

use crate::disk::{Disk, Lock, Opened, RealDisk, create_folders, read_small, replace_file};
use crate::{StorageError, StorageErrorKind};

const STORE: &str = "feeds";
const CURRENT: &str = "current";
const PARTS: &str = "parts";

/// Longest seal, in bytes.
const SEAL_LIMIT_BYTES: u64 = 1 << 20;

/// Longest note, in bytes.
const NOTE_LIMIT_BYTES: u64 = 1 << 24;

/// Most bytes the data of one generation may have.
const DATA_LIMIT_BYTES: u64 = 2 << 30;

/// Generations kept: the one in force and the one before it.
const KEPT: usize = 2;

/// A folder of generations. All calls block.
#[derive(Clone, Debug)]
pub struct Generations {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

/// One generation, without its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its number: greater than that of every generation before it.
    pub number: u64,
    /// SHA-256 of its data.
    pub digest: Digest,
    /// Length of its data in bytes.
    pub size_bytes: u64,
    /// What its maker says of it.
    pub manifest: serde_json::Value,
}

/// Held by the one who writes.
#[derive(Debug)]
pub struct Writing {
    generations: Generations,
    _lock: Box<dyn Lock>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Seal {
    number: u64,
    data: Digest,
    size_bytes: u64,
    manifest: serde_json::Value,
}

impl Generations {
    /// Opens a folder, making it when it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StorageError> {
        Self::open_on(Arc::new(RealDisk), folder.into())
    }

    pub(crate) fn open_on(disk: Arc<dyn Disk>, folder: PathBuf) -> Result<Self, StorageError> {
        create_folders(&*disk, &folder).map_err(io_at("opening the folder", &folder))?;
        Ok(Self { disk, folder })
    }

    /// The folder of generations at a place where there may be none; makes nothing.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            disk: Arc::new(RealDisk),
            folder: folder.into(),
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What says which generation is in force, as it stands: changes with every generation and
    /// costs next to nothing to ask. `None` when there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn pointer(&self) -> Result<Option<String>, StorageError> {
        const OPERATION: &str = "reading which generation is in force";
        let Some(bytes) = self.small(CURRENT, 256, OPERATION)? else {
            return Ok(None);
        };
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| corrupt(OPERATION, format!("{CURRENT} is not text")))
    }

    /// The generation in force.
    ///
    /// # Errors
    /// `Corrupt` when what is there is not the whole of one generation.
    pub fn current(&self) -> Result<Option<Generation>, StorageError> {
        const OPERATION: &str = "reading the generation in force";
        let Some(pointer) = self.pointer()? else {
            return Ok(None);
        };
        let wrong = || corrupt(OPERATION, format!("{CURRENT} names no generation"));
        let (number, digest) = pointer.trim_end().split_once(' ').ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let digest = Digest::from_hex(DigestAlgorithm::Sha256, digest).map_err(|_| wrong())?;
        let name = seal_name(number);
        let bytes = self
            .small(&name, SEAL_LIMIT_BYTES, OPERATION)?
            .ok_or_else(|| corrupt(OPERATION, format!("{name} is missing")))?;
        if Digest::of(&bytes) != digest {
            return Err(corrupt(
                OPERATION,
                format!("{name} is not the one that was put in force"),
            ));
        }
        self.unseal(number, &bytes).map(Some)
    }

    /// The newest generation that is there whole, besides `except`: to fall back on when the one in
    /// force is damaged. It has to be read to tell.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn newest_whole(&self, except: u64) -> Result<Option<(Generation, Vec<u8>)>, StorageError> {
        const OPERATION: &str = "looking for a whole generation";
        let mut numbers = self.numbers(OPERATION)?;
        numbers.retain(|number| *number != except);
        for number in numbers.into_iter().rev() {
            let Ok(Some(bytes)) = self.small(&seal_name(number), SEAL_LIMIT_BYTES, OPERATION)
            else {
                continue;
            };
            let whole = self.unseal(number, &bytes);
            if let Ok(generation) = whole
                && let Ok(data) = self.data(&generation)
            {
                return Ok(Some((generation, data)));
            }
        }
        Ok(None)
    }

    fn unseal(&self, number: u64, bytes: &[u8]) -> Result<Generation, StorageError> {
        let name = seal_name(number);
        let wrong = |why: String| corrupt("reading a generation", format!("{name}: {why}"));
        let seal: Seal = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if seal.number != number {
            return Err(wrong(format!("it is generation {}", seal.number)));
        }
        Ok(Generation {
            number,
            digest: seal.data,
            size_bytes: seal.size_bytes,
            manifest: seal.manifest,
        })
    }

    /// The data of a generation, proved.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are not those that were sealed.
    pub fn data(&self, generation: &Generation) -> Result<Vec<u8>, StorageError> {
        const OPERATION: &str = "reading the data of a generation";
        let name = data_name(generation.number);
        let bytes = self
            .small(&name, DATA_LIMIT_BYTES, OPERATION)?
            .ok_or_else(|| corrupt(OPERATION, format!("{name} is missing")))?;
        if bytes.len() as u64 != generation.size_bytes || Digest::of(&bytes) != generation.digest {
            return Err(corrupt(
                OPERATION,
                format!("{name} is not the data of its generation"),
            ));
        }
        Ok(bytes)
    }

    /// Takes the lock; `None` while somebody else writes.
    ///
    /// # Errors
    /// If there can be no lock.
    pub fn write(&self) -> Result<Option<Writing>, StorageError> {
        let path = self.folder.join("lock");
        let lock = self.disk.lock(&path).map_err(io_at("locking", &path))?;
        let parts = self.folder.join(PARTS);
        create_folders(&*self.disk, &parts).map_err(io_at("making the folder", &parts))?;
        Ok(lock.map(|lock| Writing {
            generations: self.clone(),
            _lock: lock,
        }))
    }

    /// A small file beside the generations: state that may be lost.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.small(name, NOTE_LIMIT_BYTES, "reading a note")
    }

    /// Puts a small file beside the generations, as a whole.
    ///
    /// # Errors
    /// If it cannot be written; then the old one is still there.
    pub fn put_note(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let path = self.folder.join(name);
        let staged = self.folder.join(format!("{name}.new"));
        replace_file(&*self.disk, &staged, &path, bytes).map_err(io_at("writing a note", &path))
    }

    fn small(
        &self,
        name: &str,
        limit_bytes: u64,
        operation: &'static str,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let path = self.folder.join(name);
        match self.disk.open(&path).map_err(io_at(operation, &path))? {
            Opened::Missing => Ok(None),
            Opened::Irregular => Err(corrupt(operation, format!("{name} is not a file"))),
            Opened::File(file) => match read_small(&*file, limit_bytes) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    Err(corrupt(operation, format!("{name} is too large")))
                }
                Err(error) => Err(io_at(operation, &path)(error)),
            },
        }
    }

    /// The numbers of generations something is there of, ascending.
    fn numbers(&self, operation: &'static str) -> Result<Vec<u64>, StorageError> {
        let names = self.list(&self.folder, operation)?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn list(&self, folder: &Path, operation: &'static str) -> Result<Vec<String>, StorageError> {
        self.disk.list(folder).map_err(io_at(operation, folder))
    }
}

impl Writing {
    /// Where it writes.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// Writes a generation and puts it in force: durable when this returns.
    ///
    /// # Errors
    /// The old generation is still in force, except after `Io`, when it is unknown which one is.
    pub fn commit(
        &self,
        data: &[u8],
        manifest: serde_json::Value,
    ) -> Result<Generation, StorageError> {
        const OPERATION: &str = "writing a generation";
        let Generations { disk, folder } = &self.generations;
        let newest = self.generations.numbers(OPERATION)?.pop().unwrap_or(0);
        let number = newest.saturating_add(1);
        let seal = Seal {
            number,
            data: Digest::of(data),
            size_bytes: data.len() as u64,
            manifest,
        };
        let sealed = serde_json::to_vec_pretty(&seal)
            .map_err(|error| StorageError::new(STORE, OPERATION, StorageErrorKind::Io, error))?;
        for (name, bytes) in [(data_name(number), data), (seal_name(number), &sealed)] {
            let path = folder.join(name);
            let write = || {
                let mut file = disk.create(&path)?;
                file.write_all(bytes)?;
                file.sync()
            };
            write().map_err(io_at(OPERATION, &path))?;
        }
        disk.sync_folder(folder).map_err(io_at(OPERATION, folder))?;
        let pointer = format!("{number} {}\n", Digest::of(&sealed).hex());
        self.generations.put_note(CURRENT, pointer.as_bytes())?;
        Ok(Generation {
            number,
            digest: seal.data,
            size_bytes: seal.size_bytes,
            manifest: seal.manifest,
        })
    }

    /// Removes generations but the newest two, parts but those named, and what killed writers
    /// left. What cannot be removed stays.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn collect(&self, parts: &HashSet<Digest>) -> Result<(), StorageError> {
        const OPERATION: &str = "removing old generations";
        let Generations { disk, folder } = &self.generations;
        let current = self.generations.current()?.map(|current| current.number);
        let mut numbers = self.generations.numbers(OPERATION)?;
        // What is newer than the generation in force was never put in force.
        numbers.retain(|number| current.is_some_and(|current| *number <= current));
        let kept: Vec<u64> = numbers.into_iter().rev().take(KEPT).collect();
        for name in self.generations.list(folder, OPERATION)? {
            if number_of(&name).is_some_and(|number| !kept.contains(&number)) {
                let _ = disk.remove(&folder.join(name));
            }
        }
        let below = folder.join(PARTS);
        for name in self.generations.list(&below, OPERATION)? {
            let digest = Digest::from_hex(DigestAlgorithm::Sha256, &name).ok();
            if digest.is_none_or(|digest| !parts.contains(&digest)) {
                let _ = disk.remove(&below.join(name));
            }
        }
        Ok(())
    }
}

fn seal_name(number: u64) -> String {
    format!("{number}.json")
}

fn data_name(number: u64) -> String {
    format!("{number}.data")
}

fn number_of(name: &str) -> Option<u64> {
    let (number, kind) = name.split_once('.')?;
    matches!(kind, "json" | "data").then(|| number.parse().ok())?
}

fn corrupt(operation: &'static str, cause: String) -> StorageError {
    StorageError::new(STORE, operation, StorageErrorKind::Corrupt, cause)
}

fn io_at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    move |error| {
        let named = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        StorageError::io(STORE, operation, named)
    }
}
