//! Proof that one entry is in the log, small enough to be handed to an auditor.

use std::path::Path;

use tlog_tiles::{Hash, TileHashReader, TileReader, check_record, prove_record, record_hash};

use super::layout;
use super::reader::Published;
use super::verify::{Problem, VerifyError};
use crate::disk::{Disk, RealDisk};
use crate::evidence::entry::EntryIndex;
use crate::evidence::key::{KeyError, open_checkpoint};
use crate::evidence::tree::{TILE_HEIGHT, TILE_WIDTH};

/// An entry, and the hashes that lead from it to a signed checkpoint (RFC 6962 section 2.1.1).
#[derive(Clone, Debug, PartialEq)]
pub struct InclusionProof {
    /// The checkpoint.
    pub checkpoint: String,
    /// Place of the entry.
    pub index: EntryIndex,
    /// The entry as logged.
    pub entry: Vec<u8>,
    /// The hashes of the path, at most 64.
    pub hashes: Vec<[u8; 32]>,
}

/// A proof that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The checkpoint is not good.
    #[error(transparent)]
    Checkpoint(#[from] KeyError),
    /// The hashes do not lead from the entry to the checkpoint.
    #[error("the hashes do not lead from entry {0} to the checkpoint")]
    Path(EntryIndex),
}

impl InclusionProof {
    /// Checks the proof against the public key alone.
    ///
    /// # Errors
    /// When the entry is not proved to be at that place of the signed log.
    pub fn check(&self, public_key: &str) -> Result<(), ProofError> {
        let head = open_checkpoint(self.checkpoint.as_bytes(), public_key)?;
        let hashes = self.hashes.iter().copied().map(Hash).collect();
        check_record(
            &hashes,
            head.size,
            head.root,
            self.index,
            record_hash(&self.entry),
        )
        .map_err(|_| ProofError::Path(self.index))
    }
}

/// Proves that entry `index` is under the published checkpoint.
///
/// # Errors
/// When there is no such entry, or the files on its path are not what was signed.
pub fn prove(
    log: &Path,
    public_key: &str,
    index: EntryIndex,
) -> Result<InclusionProof, VerifyError> {
    prove_on(&RealDisk, log, public_key, index)
}

fn prove_on(
    disk: &dyn Disk,
    log: &Path,
    public_key: &str,
    index: EntryIndex,
) -> Result<InclusionProof, VerifyError> {
    let published = Published { disk, folder: log };
    let (checkpoint, head) = published.checkpoint(public_key)?;
    let bad = |problem| VerifyError::new(Path::new(layout::CHECKPOINT), problem, Some(index));
    if index >= head.size {
        return Err(bad(Problem::Missing));
    }
    let number = index / TILE_WIDTH;
    let width = (head.size - number * TILE_WIDTH).min(TILE_WIDTH);
    let bundle = published.bundle(number, width)?;
    let mut rest = bundle.bytes.as_slice();
    let entry = (number * TILE_WIDTH..=index)
        .map(|_| layout::next_entry(&mut rest))
        .last()
        .flatten()
        .ok_or_else(|| VerifyError::new(&bundle.path, Problem::Short, Some(index)))?;
    let tiles = Tiles(published);
    // The library checks every tile it reads against the root before it uses a hash of it.
    let hashes = prove_record(
        head.size,
        index,
        &TileHashReader::new(head.size, head.root, &tiles),
    )
    .map_err(|_| bad(Problem::Hash))?;
    let proof = InclusionProof {
        checkpoint,
        index,
        entry: entry.to_vec(),
        hashes: hashes.into_iter().map(|hash| hash.0).collect(),
    };
    match proof.check(public_key) {
        Ok(()) => Ok(proof),
        Err(_) => Err(VerifyError::new(&bundle.path, Problem::Entry, Some(index))),
    }
}

struct Tiles<'a>(Published<'a>);

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        tiles
            .iter()
            .map(|tile| {
                let width = u64::from(tile.width());
                let found = self.0.tile(tile.level(), tile.level_index(), width);
                let mut bytes = found.map_err(|_| tlog_tiles::Error::InvalidTile)?.bytes;
                bytes.truncate(tile.width() as usize * tlog_tiles::HASH_SIZE);
                Ok(bytes)
            })
            .collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}
