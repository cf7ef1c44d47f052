//! Bytes by SHA-256: artifacts, upstream documents, held files.

#[cfg(any(test, feature = "conformance"))]
mod faulty;
mod filesystem;
mod memory;
mod scrub;

#[cfg(any(test, feature = "conformance"))]
pub use faulty::FaultyBlobs;
pub use filesystem::FilesystemBlobs;
pub use memory::{MEMORY_BLOBS_BYTES, MemoryBlobs};
pub use scrub::{Scrubbed, scrub};

use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::model::Digest;
use futures_util::stream::BoxStream;

use crate::{StorageError, StorageErrorKind};

/// Content-addressed bytes. The store computes the digest itself; nobody can name bytes wrongly.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Opens a place to write a new blob of at most `limit_bytes`. Nothing is visible before
    /// [`StagedBlob::commit`]; dropping the stage discards it.
    async fn stage(&self, limit_bytes: u64) -> Result<Box<dyn StagedBlob>, StorageError>;

    /// Opens a blob for reading, `None` if it is not there.
    async fn open(&self, digest: &Digest) -> Result<Option<BlobReader>, StorageError>;

    /// Size and time of a blob, `None` if it is not there.
    async fn stat(&self, digest: &Digest) -> Result<Option<BlobStat>, StorageError>;

    /// Removes a blob; removing what is not there is fine.
    async fn delete(&self, digest: &Digest) -> Result<(), StorageError>;

    /// Moves a damaged blob out of the way, so that it is never served and can be looked at.
    async fn set_aside(&self, digest: &Digest) -> Result<(), StorageError>;

    /// Every blob, in no order, for collection and scrubbing.
    fn scan(&self) -> BoxStream<'_, Result<BlobStat, StorageError>>;
}

/// A blob being written.
#[async_trait]
pub trait StagedBlob: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// `Full` also when the stage's limit would be passed.
    async fn write(&mut self, data: Bytes) -> Result<(), StorageError>;

    /// Bytes written so far.
    fn len(&self) -> u64;

    /// Whether nothing was written so far.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// SHA-256 of the bytes written so far, to be compared before committing.
    fn digest(&self) -> Digest;

    /// The bytes written so far as a file of the operating system, open for reading only and with a
    /// position of its own: for another process to look at, without a copy in memory. Nothing may
    /// be written while it is looked at.
    async fn file(&mut self) -> Result<File, StorageError>;

    /// Makes the blob durable and visible, at once or not at all: fsync, rename, fsync of the
    /// folder. Committing bytes that are already stored keeps the stored ones.
    async fn commit(self: Box<Self>) -> Result<BlobStat, StorageError>;
}

/// What is known of a stored blob without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobStat {
    /// Its name.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
}

/// An open blob. Reads are blocking and verified: every chunk is checked against the sums taken at
/// commit before one of its bytes is returned.
pub trait ReadBlob: Send + Sync {
    /// Size of the whole blob.
    fn size_bytes(&self) -> u64;

    /// Reads verified bytes at `offset`: at least one byte unless at the end, at most up to the
    /// end of the chunk that holds `offset`, and at most `max` bytes.
    ///
    /// # Errors
    /// `Corrupt` if the stored bytes are not those committed.
    fn read_at(&self, offset: u64, max: usize) -> Result<Bytes, StorageError>;

    /// What [`read_at`](Self::read_at) would give, when that is verified in memory already because
    /// somebody else is reading it: without blocking. `None` says nothing but that it is not.
    fn at_hand(&self, _offset: u64, _max: usize) -> Option<Bytes> {
        None
    }

    /// The whole blob as a file of the operating system, as [`StagedBlob::file`] gives it. Every
    /// byte is verified before. Blocks as long as reading the whole takes.
    ///
    /// # Errors
    /// `Corrupt` if the stored bytes are not those committed.
    fn file(&self) -> Result<File, StorageError> {
        copy(self.size_bytes(), |offset| self.read_at(offset, usize::MAX))
    }
}

/// A shared open blob.
pub type BlobReader = std::sync::Arc<dyn ReadBlob>;

/// Bytes per verified chunk.
pub const CHUNK_BYTES: u64 = 256 * 1024;

/// Copies bytes into a file without a name, which ends with its last handle. `read` gives what is at
/// an offset, nothing at the end.
fn copy(
    size_bytes: u64,
    mut read: impl FnMut(u64) -> Result<Bytes, StorageError>,
) -> Result<File, StorageError> {
    const OPERATION: &str = "copying a blob into a temporary file";
    let fail = |error| StorageError::io("blob", OPERATION, error);
    let mut file = tempfile::tempfile().map_err(fail)?;
    let mut offset = 0_u64;
    while offset < size_bytes {
        let piece = read(offset)?;
        if piece.is_empty() {
            return Err(fail(io::ErrorKind::UnexpectedEof.into()));
        }
        file.write_all(&piece).map_err(fail)?;
        offset = offset.saturating_add(piece.len() as u64);
    }
    file.rewind().map_err(fail)?;
    Ok(file)
}

/// The answer to a write that would pass the stage's limit.
fn over_limit(limit_bytes: u64) -> StorageError {
    StorageError::new(
        "blob",
        "writing a blob",
        StorageErrorKind::Full,
        format!("it is larger than the {limit_bytes} bytes allowed for it"),
    )
}
