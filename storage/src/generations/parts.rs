//! What generations are made of, by SHA-256.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use cordon_policy::model::Digest;
use sha2::{Digest as _, Sha256};

use super::{Generations, PARTS, Writing, corrupt, io_at};
use crate::StorageError;
use crate::disk::{DiskFile, Opened};

/// Tells parts being written by one process apart; those of a process that was killed are swept up.
static STAGED: AtomicU64 = AtomicU64::new(0);

/// A part being written. Dropped, it leaves nothing but a file the next collection removes.
#[derive(Debug)]
pub struct PartWriter {
    generations: Generations,
    path: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    hash: Sha256,
    size_bytes: u64,
}

impl Writing {
    /// Begins a part.
    ///
    /// # Errors
    /// If its file cannot be made.
    pub fn part(&self) -> Result<PartWriter, StorageError> {
        let generations = self.generations().clone();
        let number = STAGED.fetch_add(1, Ordering::Relaxed);
        let name = format!("incoming-{}-{number}", std::process::id());
        let path = generations.folder.join(PARTS).join(name);
        // The lock is ours: whoever left it there is gone.
        let _ = generations.disk.remove(&path);
        let created = generations.disk.create(&path);
        let file = created.map_err(io_at("beginning a part", &path))?;
        Ok(PartWriter {
            generations,
            path,
            file: Some(file),
            hash: Sha256::new(),
            size_bytes: 0,
        })
    }
}

impl PartWriter {
    /// Appends bytes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let file = self
            .file
            .as_mut()
            .expect("the file is taken by the end only");
        file.write_all(bytes)
            .map_err(io_at("writing a part", &self.path))?;
        self.hash.update(bytes);
        self.size_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Makes the part durable and answers its name.
    ///
    /// # Errors
    /// If it cannot be made durable.
    pub fn finish(mut self) -> Result<Digest, StorageError> {
        const OPERATION: &str = "keeping a part";
        let mut file = self.file.take().expect("the file is taken by the end only");
        file.sync().map_err(io_at(OPERATION, &self.path))?;
        drop(file);
        let digest = Digest::sha256(std::mem::take(&mut self.hash).finalize().into());
        let below = self.generations.folder.join(PARTS);
        let path = below.join(digest.hex());
        let disk = &self.generations.disk;
        disk.rename(&self.path, &path)
            .and_then(|()| disk.sync_folder(&below))
            .map_err(io_at(OPERATION, &path))?;
        Ok(digest)
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = self.generations.disk.remove(&self.path);
        }
    }
}

/// A part, for reading.
#[derive(Debug)]
pub struct Part {
    file: Box<dyn DiskFile>,
    size_bytes: u64,
    at: u64,
}

impl Generations {
    /// Opens a part. What is read of it is not proved: whatever is made of it must check itself, or
    /// [`Part::digest`] be asked first.
    ///
    /// # Errors
    /// `Corrupt` when it is not there.
    pub fn open_part(&self, digest: &Digest) -> Result<Part, StorageError> {
        const OPERATION: &str = "opening a part";
        let path = self.folder.join(PARTS).join(digest.hex());
        match self.disk.open(&path).map_err(io_at(OPERATION, &path))? {
            Opened::File(file) => {
                let size_bytes = file.size_bytes().map_err(io_at(OPERATION, &path))?;
                Ok(Part {
                    file,
                    size_bytes,
                    at: 0,
                })
            }
            Opened::Missing | Opened::Irregular => {
                Err(corrupt(OPERATION, format!("the part {digest} is missing")))
            }
        }
    }
}

impl Part {
    /// Its length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The SHA-256 of all of it; reads from the start.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn digest(&mut self) -> io::Result<Digest> {
        self.rewind()?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = self.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            hash.update(buffer.get(..length).unwrap_or_default());
        }
        self.rewind()?;
        Ok(Digest::sha256(hash.finalize().into()))
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
