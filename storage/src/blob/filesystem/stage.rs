//! Writing: bytes are hashed as they come, gathered into large pieces, and written off the async
//! threads while the next piece arrives.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::model::Digest;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::sums::SumsBuilder;
use super::{Store, blocking, io_at};
use crate::blob::{BlobStat, StagedBlob, copy, over_limit};
use crate::disk::DiskFile;
use crate::{StorageError, StorageErrorKind};

const OPERATION: &str = "writing a blob";

/// Bytes gathered before they are handed to a blocking thread. A blob that ends before that takes
/// a single hop, in its commit.
const PIECE_BYTES: usize = 256 * 1024;

/// Bytes hashed before other tasks get their turn, some 50 µs of work.
const SLICE_BYTES: usize = 64 * 1024;

/// Bytes written between two fsyncs of a blob still arriving, so that little is left to wait for
/// after its last byte: the disk works while the network does.
const SYNC_EVERY_BYTES: u64 = 4 * 1024 * 1024;

/// A blob being written. Holds at most two pieces in memory: one gathering, one being written.
pub(super) struct Stage {
    limit_bytes: u64,
    length_bytes: u64,
    whole: Sha256,
    gathered: Vec<u8>,
    writer: WriterState,
}

enum WriterState {
    Idle(Writer),
    Busy(JoinHandle<Result<Writer, StorageError>>),
    /// A write failed or was given up half-way; nothing more can come of this stage.
    Lost,
}

impl Stage {
    pub(super) fn new(store: Arc<Store>, limit_bytes: u64) -> Self {
        let writer = Writer {
            path: store.staged(),
            store,
            file: None,
            is_staged: false,
            unsynced_bytes: 0,
            sums: SumsBuilder::default(),
        };
        Self {
            limit_bytes,
            length_bytes: 0,
            whole: Sha256::new(),
            gathered: Vec::new(),
            writer: WriterState::Idle(writer),
        }
    }

    /// Takes the writer, waiting for the piece it is busy with. The caller puts it back without
    /// waiting for anything in between, so that a caller who gives up loses no state.
    async fn take_writer(&mut self) -> Result<Writer, StorageError> {
        if let WriterState::Busy(task) = &mut self.writer {
            let done = task.await;
            self.writer = WriterState::Lost;
            return done.unwrap_or_else(|error| {
                Err(StorageError::new(
                    "blob",
                    OPERATION,
                    StorageErrorKind::Io,
                    error,
                ))
            });
        }
        match std::mem::replace(&mut self.writer, WriterState::Lost) {
            WriterState::Idle(writer) => Ok(writer),
            WriterState::Busy(_) | WriterState::Lost => Err(StorageError::new(
                "blob",
                OPERATION,
                StorageErrorKind::Io,
                "an earlier write to this stage failed",
            )),
        }
    }

    /// Starts writing what was gathered.
    async fn hand_over(&mut self) -> Result<(), StorageError> {
        let mut writer = self.take_writer().await?;
        let piece = std::mem::take(&mut self.gathered);
        self.writer = WriterState::Busy(tokio::task::spawn_blocking(move || {
            writer.append(&piece)?;
            writer.sync_now_and_then()?;
            Ok(writer)
        }));
        Ok(())
    }
}

#[async_trait]
impl StagedBlob for Stage {
    async fn write(&mut self, data: Bytes) -> Result<(), StorageError> {
        if matches!(self.writer, WriterState::Lost) {
            self.take_writer().await?;
        }
        if self.length_bytes.saturating_add(data.len() as u64) > self.limit_bytes {
            self.writer = WriterState::Lost;
            return Err(over_limit(self.limit_bytes));
        }
        for (number, slice) in data.chunks(SLICE_BYTES).enumerate() {
            if number > 0 {
                tokio::task::yield_now().await;
            }
            self.whole.update(slice);
            self.length_bytes += slice.len() as u64;
            self.gathered.extend_from_slice(slice);
            if self.gathered.len() >= PIECE_BYTES {
                self.hand_over().await?;
            }
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.length_bytes
    }

    fn digest(&self) -> Digest {
        Digest::sha256(self.whole.clone().finalize().into())
    }

    async fn file(&mut self) -> Result<File, StorageError> {
        let mut writer = self.take_writer().await?;
        let rest = std::mem::take(&mut self.gathered);
        // Kept as busy with it, so that a caller who gives up leaves a stage that is whole.
        let (give, given) = tokio::sync::oneshot::channel();
        self.writer = WriterState::Busy(tokio::task::spawn_blocking(move || {
            writer.append(&rest)?;
            // Nobody waits for it any more: then it is not needed.
            let _ = give.send(writer.reopen());
            Ok(writer)
        }));
        match given.await {
            Ok(file) => file,
            Err(_) => {
                let writer = self.take_writer().await?;
                self.writer = WriterState::Idle(writer);
                Err(StorageError::new(
                    "blob",
                    OPERATION,
                    StorageErrorKind::Io,
                    "the staged file was not opened again",
                ))
            }
        }
    }

    async fn commit(mut self: Box<Self>) -> Result<BlobStat, StorageError> {
        let stat = BlobStat {
            digest: self.digest(),
            size_bytes: self.length_bytes,
        };
        let writer = self.take_writer().await?;
        let rest = std::mem::take(&mut self.gathered);
        blocking("committing a blob", move || writer.finish(&rest, stat)).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Removing a large file takes milliseconds: not on an async thread, if there is a choice.
        if let WriterState::Idle(writer) = std::mem::replace(&mut self.writer, WriterState::Lost)
            && writer.is_staged
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(writer));
        }
    }
}

/// The staged file. Dropping it before it is published removes the file.
struct Writer {
    store: Arc<Store>,
    path: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    is_staged: bool,
    unsynced_bytes: u64,
    sums: SumsBuilder,
}

impl Writer {
    fn append(&mut self, data: &[u8]) -> Result<(), StorageError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = self
                    .store
                    .disk
                    .create(&self.path)
                    .map_err(|error| io_at(OPERATION, &self.path, &error))?;
                self.is_staged = true;
                self.file.insert(file)
            }
        };
        file.write_all(data)
            .map_err(|error| io_at(OPERATION, &self.path, &error))?;
        self.sums.update(data);
        self.unsynced_bytes = self.unsynced_bytes.saturating_add(data.len() as u64);
        Ok(())
    }

    /// The staged file for others to read.
    fn reopen(&self) -> Result<File, StorageError> {
        let fail = |error: std::io::Error| io_at(OPERATION, &self.path, &error);
        let Some(file) = &self.file else {
            return copy(0, |_| Ok(Bytes::new()));
        };
        if let Some(file) = file.reopen().map_err(fail)? {
            return Ok(file);
        }
        copy(file.size_bytes().map_err(fail)?, |offset| {
            let mut piece = vec![0; PIECE_BYTES];
            let length = file.read_at(&mut piece, offset).map_err(fail)?;
            piece.truncate(length);
            Ok(piece.into())
        })
    }

    /// Sees to it that not too much is left for the last fsync.
    fn sync_now_and_then(&mut self) -> Result<(), StorageError> {
        if self.unsynced_bytes < SYNC_EVERY_BYTES {
            return Ok(());
        }
        self.unsynced_bytes = 0;
        match &mut self.file {
            Some(file) => file
                .sync()
                .map_err(|error| io_at(OPERATION, &self.path, &error)),
            None => Ok(()),
        }
    }

    /// Writes the rest and commits.
    fn finish(mut self, rest: &[u8], stat: BlobStat) -> Result<BlobStat, StorageError> {
        const OPERATION: &str = "committing a blob";
        let mut builder = std::mem::take(&mut self.sums);
        builder.update(rest);
        let sums = builder.finish();
        if self.store.keep_stored(&stat.digest, &sums)? {
            return Ok(stat);
        }
        self.append(rest)?;
        if let Some(mut file) = self.file.take() {
            // A failed fsync is final: what the disk then holds is unknown, so the file goes.
            file.sync()
                .map_err(|error| io_at(OPERATION, &self.path, &error))?;
        }
        self.store.publish(&self.path, &stat.digest, sums)?;
        self.is_staged = false;
        Ok(stat)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.file = None;
        if self.is_staged
            && let Err(error) = self.store.disk.remove(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "staged file not removed, the next start removes it");
        }
    }
}
