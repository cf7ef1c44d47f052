//! Writing the published files, in the order that makes a crash harmless: bundles, tiles, both
//! read back and hashed again, then the checkpoint.
//!
//! A checkpoint is only ever written over files that are durable, and only when the tree computed
//! from the entries as read back from the store is the one the writer computed from the entries
//! as they were given to it. One flipped bit between the two has ruined a public log before (Yeti
//! 2022).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tlog_tiles::{HASH_SIZE, Hash, record_hash};

use super::heads::{Folders, LAST_FILE, Signed, io};
use super::layout::{self, BUNDLE_LIMIT_BYTES, CHECKPOINT, STAGED};
use crate::disk::{Disk, Opened, create_folders, read_small, replace_file};
use crate::evidence::STORE;
use crate::evidence::key::{LogKey, TreeHead};
use crate::evidence::tree::{TILE_WIDTH, Tree};
use crate::{StorageError, StorageErrorKind};

const OPERATION: &str = "publishing the evidence log";

/// Where the entries come from.
pub(crate) trait LeafSource {
    /// The bytes of the entries `from..to`, all of them.
    fn leaves(&mut self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StorageError>;

    /// The right edge of the tree over the first `size` entries.
    fn tree(&mut self, size: u64) -> Result<Tree, StorageError>;

    /// Whether this process may still write: another one may have opened the store since.
    fn may_sign(&mut self) -> Result<bool, StorageError>;
}

/// The one writer of the published files.
pub(crate) struct Publisher {
    disk: Arc<dyn Disk>,
    folders: Folders,
    key: Arc<LogKey>,
    /// What is published.
    tree: Tree,
    /// The published checkpoint, `None` when there is none yet.
    checkpoint: Option<String>,
}

/// A file to be written.
struct Output {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Publisher {
    /// Continues where the published files end. Files at the right edge that are missing or not
    /// what they should be are written again (S-11).
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        folders: Folders,
        signed: &Signed,
        source: &mut dyn LeafSource,
    ) -> Result<Self, StorageError> {
        create_folders(&*disk, &folders.log).map_err(io(OPERATION))?;
        let size = signed.published.as_ref().map_or(0, |head| head.size);
        let mut publisher = Self {
            disk,
            folders,
            key: Arc::clone(&signed.key),
            tree: source.tree(size)?,
            checkpoint: None,
        };
        if let Some(TreeHead { size, root }) = &signed.published {
            if publisher.tree.root() != *root {
                return Err(corrupt(
                    "the store contradicts the published checkpoint".to_owned(),
                ));
            }
            publisher.repair_edge(source)?;
            // Signing the same again is no contradiction; Ed25519 even gives the same bytes.
            publisher.checkpoint = Some(publisher.key.sign(*size, *root));
        }
        Ok(publisher)
    }

    /// Entries under the published checkpoint.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Publishes the log up to `target` and returns its checkpoint.
    ///
    /// # Errors
    /// `Corrupt` when the store has not what was appended: then nothing is signed any more.
    /// Everything else may be tried again.
    pub(crate) fn publish(
        &mut self,
        target: &TreeHead,
        source: &mut dyn LeafSource,
    ) -> Result<String, StorageError> {
        if let Some(checkpoint) = &self.checkpoint
            && target.size <= self.tree.size()
        {
            return Ok(checkpoint.clone());
        }
        let mut tree = self.tree.clone();
        let mut full = Vec::new();
        while tree.size() < target.size {
            self.extend(&mut tree, target.size, source, &mut full)?;
        }
        for (level, number, data) in tree.partial() {
            let width = (data.len() / HASH_SIZE) as u64;
            if level > 0 && is_written(&self.tree, level, tree.size()) {
                continue;
            }
            if self.tree.size() >> (8 * u32::from(level)) <= number * TILE_WIDTH {
                self.remove_forms(&layout::tile(level, number, TILE_WIDTH), 0)?;
            }
            self.write(Output {
                path: layout::tile(level, number, width),
                bytes: data.to_vec(),
            })?;
        }
        if tree.root() != target.root {
            return Err(corrupt(format!(
                "the first {} entries are not those that were appended",
                target.size
            )));
        }
        if !source.may_sign()? {
            let cause = "another process opened this store for writing";
            return Err(StorageError::new(
                STORE,
                OPERATION,
                StorageErrorKind::Unavailable,
                cause,
            ));
        }
        let checkpoint = self.key.sign(target.size, target.root);
        self.sign_off(&checkpoint)?;
        self.tree = tree;
        self.checkpoint = Some(checkpoint.clone());
        self.remove_partials(&full);
        Ok(checkpoint)
    }

    /// One bundle, and the tiles that it completes.
    fn extend(
        &self,
        tree: &mut Tree,
        target: u64,
        source: &mut dyn LeafSource,
        full: &mut Vec<PathBuf>,
    ) -> Result<(), StorageError> {
        let number = tree.size() / TILE_WIDTH;
        let start = number * TILE_WIDTH;
        let end = target.min(start + TILE_WIDTH);
        let leaves = source.leaves(start, end)?;
        if leaves.len() as u64 != end - start {
            return Err(corrupt(format!(
                "entries between {start} and {end} are missing"
            )));
        }
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| record_hash(leaf)).collect();
        let skip = usize::try_from(tree.size() - start).expect("less than a bundle");
        // The part of the bundle that is published already must still be the same.
        let edge = tree.edge().chunks_exact(HASH_SIZE);
        if let Some(changed) = edge.zip(&hashes).position(|(known, hash)| *known != hash.0) {
            let index = start + changed as u64;
            return Err(corrupt(format!(
                "entry {index} changed after it was published"
            )));
        }
        let path = layout::bundle(number, end - start);
        if tree.size() == start {
            self.remove_forms(&layout::bundle(number, TILE_WIDTH), 0)?;
        }
        self.write(Output {
            path: path.clone(),
            bytes: layout::bundle_bytes(&leaves),
        })?;
        self.check_bundle(&path, &hashes)?;
        if end - start == TILE_WIDTH {
            full.push(path);
        }
        let mut completed = Vec::new();
        for hash in hashes.into_iter().skip(skip) {
            tree.push(hash, |tile| completed.push(tile));
        }
        for tile in completed {
            let path = layout::tile(tile.level, tile.number, TILE_WIDTH);
            full.push(path.clone());
            self.write(Output {
                path,
                bytes: tile.data,
            })?;
        }
        Ok(())
    }

    /// Writes a file durably and reads it back.
    fn write(&self, output: Output) -> Result<(), StorageError> {
        let Output { path, bytes } = output;
        let path = self.folders.log.join(path);
        self.put(&path, &bytes).map_err(io(OPERATION))?;
        if self.read(&path)?.as_deref() == Some(bytes.as_slice()) {
            Ok(())
        } else {
            let cause = format!("{} is not what was written to it", path.display());
            Err(StorageError::new(
                STORE,
                OPERATION,
                StorageErrorKind::Io,
                cause,
            ))
        }
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            create_folders(&*self.disk, folder)?;
        }
        // Renaming replaces a file; anything else in its place has to go first (S-11).
        if self.disk.look(path)?.is_some_and(|found| !found.is_file) {
            self.disk.remove(path)?;
        }
        replace_file(&*self.disk, &self.folders.log.join(STAGED), path, bytes)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
        match self.disk.open(path) {
            Ok(Opened::File(file)) => read_small(&*file, BUNDLE_LIMIT_BYTES)
                .map(Some)
                .map_err(io(OPERATION)),
            Ok(Opened::Missing | Opened::Irregular) => Ok(None),
            // A file stands where a folder should: nothing is there either.
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(StorageError::io(STORE, OPERATION, error)),
        }
    }

    /// The bundle on disk holds entries of exactly these hashes.
    fn check_bundle(&self, path: &Path, hashes: &[Hash]) -> Result<(), StorageError> {
        let path = self.folders.log.join(path);
        let bytes = self.read(&path)?.unwrap_or_default();
        let mut rest = bytes.as_slice();
        let is_same = hashes
            .iter()
            .all(|hash| layout::next_entry(&mut rest).is_some_and(|e| record_hash(e) == *hash));
        if is_same && rest.is_empty() {
            return Ok(());
        }
        let cause = format!("{} is not what was written to it", path.display());
        Err(StorageError::new(
            STORE,
            OPERATION,
            StorageErrorKind::Io,
            cause,
        ))
    }

    /// First the key's own memory, then the public: a crash in between leaves the memory ahead,
    /// which is consistent with the store and harmless.
    fn sign_off(&self, checkpoint: &str) -> Result<(), StorageError> {
        let Folders { log, keys } = &self.folders;
        let bytes = checkpoint.as_bytes();
        replace_file(
            &*self.disk,
            &keys.join(STAGED),
            &keys.join(LAST_FILE),
            bytes,
        )
        .and_then(|()| replace_file(&*self.disk, &log.join(STAGED), &log.join(CHECKPOINT), bytes))
        .map_err(io(OPERATION))
    }

    /// Partial forms may go once the full one is published. Failing to is no harm: they are true.
    fn remove_partials(&self, full: &[PathBuf]) {
        for path in full {
            let folder = self.folders.log.join(layout::partial_folder(path));
            match self.disk.remove(&folder) {
                Err(error) if !is_absence(&error) => {
                    tracing::warn!(folder = %folder.display(), error = %error, "removing partial tiles failed");
                }
                _ => {}
            }
        }
    }

    /// Removes the forms of a tile or bundle that are wider than what is published of it. No
    /// checkpoint covers them: they are left from a crash, and should the entries behind them be
    /// lost as well (S-07), they would contradict what takes their place.
    fn remove_forms(&self, full: &Path, published: u64) -> Result<(), StorageError> {
        let folder = self.folders.log.join(layout::partial_folder(full));
        let mut forms = vec![self.folders.log.join(full)];
        if published == 0 {
            forms.push(folder);
        } else {
            let names = self.disk.list(&folder).unwrap_or_default();
            let wider = |name: &String| name.parse::<u64>().is_ok_and(|width| width > published);
            forms.extend(
                names
                    .into_iter()
                    .filter(wider)
                    .map(|name| folder.join(name)),
            );
        }
        for form in forms {
            match self.disk.remove(&form) {
                Err(error) if !is_absence(&error) => {
                    return Err(StorageError::io(STORE, OPERATION, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The files the published checkpoint ends with.
    fn repair_edge(&self, source: &mut dyn LeafSource) -> Result<(), StorageError> {
        let size = self.tree.size();
        let mut edge = Vec::new();
        // A full bundle is not the edge any more; whether it is whole is the verifier's question.
        if !size.is_multiple_of(TILE_WIDTH) {
            let number = size / TILE_WIDTH;
            let leaves = source.leaves(number * TILE_WIDTH, size)?;
            let path = layout::bundle(number, size % TILE_WIDTH);
            let bytes = layout::bundle_bytes(&leaves);
            self.remove_forms(&layout::bundle(number, TILE_WIDTH), size % TILE_WIDTH)?;
            edge.push(Output { path, bytes });
        }
        for (level, number, data) in self.tree.partial() {
            let width = (data.len() / HASH_SIZE) as u64;
            self.remove_forms(&layout::tile(level, number, TILE_WIDTH), width)?;
            let path = layout::tile(level, number, width);
            edge.push(Output {
                path,
                bytes: data.to_vec(),
            });
        }
        for output in edge {
            let path = self.folders.log.join(&output.path);
            if self.read(&path)?.as_deref() != Some(output.bytes.as_slice()) {
                tracing::error!(
                    file = %path.display(),
                    "a published file was damaged or missing and is written again"
                );
                self.write(output)?;
            }
        }
        Ok(())
    }
}

/// Nothing is at a path, or a file stands where one of its folders should be.
fn is_absence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether the partial tile of a level is the same at the published size as at `size`.
fn is_written(published: &Tree, level: u8, size: u64) -> bool {
    let hashes = |size: u64| size >> (8 * u32::from(level));
    published.size() > 0 && hashes(published.size()) == hashes(size)
}

fn corrupt(cause: String) -> StorageError {
    StorageError::new(STORE, OPERATION, StorageErrorKind::Corrupt, cause)
}
