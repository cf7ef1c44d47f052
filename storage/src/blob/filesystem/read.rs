//! Reading: nothing leaves that was not proved.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cordon_policy::model::Digest;
use sha2::{Digest as _, Sha256};

use super::chunks::Chunks;
use super::sums::{SUMS_FILE_BYTES, Sums, SumsBuilder};
use super::{Store, corrupt, io_at, open_regular};
use crate::StorageError;
use crate::blob::{CHUNK_BYTES, ReadBlob, copy};
use crate::disk::{DiskFile, Opened, read_small};

const OPERATION: &str = "reading a blob";

/// A chunk in memory.
const CHUNK: usize = CHUNK_BYTES as usize;

impl Store {
    /// Opens a blob. Its size is right and its sums are known when this returns; its bytes are
    /// proved chunk by chunk as they are read.
    pub(super) fn open(&self, digest: &Digest) -> Result<Option<Reader>, StorageError> {
        let path = self.live(digest);
        let Some(file) = open_regular(&*self.disk, OPERATION, &path)? else {
            return Ok(None);
        };
        let size_bytes = file
            .size_bytes()
            .map_err(|error| io_at(OPERATION, &path, &error))?;
        let sums = self.sums_of(digest, &*file, size_bytes, &path)?;
        if sums.size_bytes() != size_bytes {
            let what = format!(
                "{size_bytes} bytes long, committed with {}",
                sums.size_bytes()
            );
            return Err(corrupt(OPERATION, &path, &what));
        }
        if size_bytes == 0 && !sums.proves(0, &[]) {
            return Err(corrupt(OPERATION, &path, "empty"));
        }
        Ok(Some(Reader {
            path,
            file,
            sums,
            shared: Chunks::new(),
            proved: Mutex::new(None),
        }))
    }

    /// Sums from memory, from the sums file, or taken anew while the whole is held against its name.
    fn sums_of(
        &self,
        digest: &Digest,
        file: &dyn DiskFile,
        size_bytes: u64,
        path: &std::path::Path,
    ) -> Result<Arc<Sums>, StorageError> {
        if let Some(sums) = Sums::of_small(digest, size_bytes) {
            return Ok(Arc::new(sums));
        }
        if let Some(sums) = self.sums.get(digest) {
            return Ok(sums);
        }
        if let Ok(Opened::File(sums_file)) = self.disk.open(&self.sums_file(digest))
            && let Ok(data) = read_small(&*sums_file, SUMS_FILE_BYTES)
            && let Some(sums) = Sums::decode(&data, digest, &self.key)
        {
            let sums = Arc::new(sums);
            self.sums.insert(digest.clone(), Arc::clone(&sums));
            return Ok(sums);
        }
        let (found, sums) = take_sums(file).map_err(|error| io_at(OPERATION, path, &error))?;
        if found != *digest {
            return Err(corrupt(OPERATION, path, &format!("holds {found}")));
        }
        let sums = Arc::new(sums);
        self.sums.insert(digest.clone(), Arc::clone(&sums));
        self.write_sums(digest, &sums);
        Ok(sums)
    }

    /// Whether the blob is stored with exactly the bytes `sums` were taken of. One that cannot be
    /// read is not.
    pub(super) fn is_intact(&self, digest: &Digest, sums: &Sums) -> bool {
        let Ok(Opened::File(file)) = self.disk.open(&self.live(digest)) else {
            return false;
        };
        if file.size_bytes().ok() != Some(sums.size_bytes()) {
            return false;
        }
        let mut buffer = vec![0; chunk_at(0, sums.size_bytes())];
        let chunks = sums.size_bytes().div_ceil(CHUNK_BYTES).max(1);
        (0..chunks).all(|index| {
            let start = index.saturating_mul(CHUNK_BYTES);
            let Some(chunk) = buffer.get_mut(..chunk_at(start, sums.size_bytes())) else {
                return false;
            };
            file.read_at(chunk, start)
                .is_ok_and(|length| length == chunk.len())
                && usize::try_from(index).is_ok_and(|index| sums.proves(index, chunk))
        })
    }
}

/// Length of the chunk that starts at `start`.
fn chunk_at(start: u64, size_bytes: u64) -> usize {
    usize::try_from(size_bytes.saturating_sub(start)).map_or(CHUNK, |rest| rest.min(CHUNK))
}

/// Reads a whole file: its SHA-256 and its sums.
fn take_sums(file: &dyn DiskFile) -> std::io::Result<(Digest, Sums)> {
    let mut whole = Sha256::new();
    let mut sums = SumsBuilder::default();
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0_u64;
    loop {
        let length = file.read_at(&mut buffer, offset)?;
        let Some(data) = buffer.get(..length).filter(|data| !data.is_empty()) else {
            return Ok((Digest::sha256(whole.finalize().into()), sums.finish()));
        };
        whole.update(data);
        sums.update(data);
        offset = offset.saturating_add(length as u64);
    }
}

/// An open blob. The file stays readable when the blob is deleted or replaced meanwhile.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    sums: Arc<Sums>,
    /// Chunks that others who read the same open blob hold.
    shared: Chunks,
    /// The last chunk proved, kept only while it is being read in smaller pieces.
    proved: Mutex<Option<(u64, Bytes)>>,
}

impl Reader {
    /// Reads and proves the chunk that starts at `start`.
    fn prove(&self, start: u64) -> Result<Vec<u8>, StorageError> {
        let mut buffer = vec![0; chunk_at(start, self.sums.size_bytes())];
        let length = self
            .file
            .read_at(&mut buffer, start)
            .map_err(|error| io_at(OPERATION, &self.path, &error))?;
        buffer.truncate(length);
        let is_proved = usize::try_from(start / CHUNK_BYTES)
            .is_ok_and(|index| self.sums.proves(index, &buffer));
        if !is_proved {
            let what = format!("the bytes from {start} on are not those committed");
            return Err(corrupt(OPERATION, &self.path, &what));
        }
        Ok(buffer)
    }
}

impl ReadBlob for Reader {
    fn size_bytes(&self) -> u64 {
        self.sums.size_bytes()
    }

    fn read_at(&self, offset: u64, max: usize) -> Result<Bytes, StorageError> {
        if offset >= self.size_bytes() || max == 0 {
            return Ok(Bytes::new());
        }
        let start = offset - offset % CHUNK_BYTES;
        let kept = self
            .proved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .filter(|(of, _)| *of == start);
        let chunk = match kept {
            Some((_, chunk)) => chunk,
            None => self.shared.get(start, || self.prove(start))?,
        };
        let (wanted, is_all) = part(&chunk, offset - start, max);
        if !is_all {
            *self.proved.lock().unwrap_or_else(PoisonError::into_inner) = Some((start, chunk));
        }
        Ok(wanted)
    }

    fn at_hand(&self, offset: u64, max: usize) -> Option<Bytes> {
        let start = offset - offset % CHUNK_BYTES;
        let chunk = self.shared.at_hand(start)?;
        let (wanted, _) = part(&chunk, offset - start, max);
        (!wanted.is_empty()).then_some(wanted)
    }

    fn file(&self) -> Result<File, StorageError> {
        let reopened = self
            .file
            .reopen()
            .map_err(|error| io_at(OPERATION, &self.path, &error))?;
        let Some(file) = reopened else {
            return copy(self.size_bytes(), |offset| self.read_at(offset, usize::MAX));
        };
        let chunks = self.size_bytes().div_ceil(CHUNK_BYTES);
        for index in 0..chunks {
            self.prove(index.saturating_mul(CHUNK_BYTES))?;
        }
        Ok(file)
    }
}

/// At most `max` bytes of a chunk from `offset` on, and whether they are its last.
fn part(chunk: &Bytes, offset: u64, max: usize) -> (Bytes, bool) {
    let from = usize::try_from(offset)
        .unwrap_or(usize::MAX)
        .min(chunk.len());
    let to = from.saturating_add(max).min(chunk.len());
    (chunk.slice(from..to), to == chunk.len())
}
