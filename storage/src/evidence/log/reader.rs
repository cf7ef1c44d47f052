//! Reading published files, as anyone would.

use std::io;
use std::path::{Path, PathBuf};

use super::layout::{self, BUNDLE_LIMIT_BYTES, CHECKPOINT, NOTE_LIMIT_BYTES};
use super::verify::{Problem, VerifyError};
use crate::disk::{Disk, Opened, read_small};
use crate::evidence::key::{TreeHead, open_checkpoint};
use crate::evidence::tree::TILE_WIDTH;

/// A folder with a published log.
#[derive(Clone, Copy)]
pub(super) struct Published<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) folder: &'a Path,
}

/// A tile or bundle as found.
pub(super) struct Found {
    /// Its path within the log.
    pub(super) path: PathBuf,
    /// Its bytes; the full form may stand in for a partial one and then has more than asked for.
    pub(super) bytes: Vec<u8>,
    /// Whether the full form stands in.
    pub(super) is_full: bool,
}

impl Published<'_> {
    /// A file, `None` when nothing readable is there.
    pub(super) fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match self.disk.open(&self.folder.join(path)) {
            Ok(Opened::File(file)) => read_small(&*file, limit).map(Some),
            Ok(Opened::Missing | Opened::Irregular) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The checkpoint: its text and what it says.
    pub(super) fn checkpoint(&self, public_key: &str) -> Result<(String, TreeHead), VerifyError> {
        let path = Path::new(CHECKPOINT);
        let bad = |problem| VerifyError::new(path, problem, None);
        let bytes = self
            .read(path, NOTE_LIMIT_BYTES)
            .map_err(|error| bad(Problem::Unreadable(error)))?
            .ok_or_else(|| bad(Problem::Missing))?;
        let head = open_checkpoint(&bytes, public_key).map_err(|error| bad(error.into()))?;
        let text = String::from_utf8(bytes).expect("an opened checkpoint is text");
        Ok((text, head))
    }

    /// Bundle `number`, of which `width` entries are wanted.
    pub(super) fn bundle(&self, number: u64, width: u64) -> Result<Found, VerifyError> {
        let first = number * TILE_WIDTH;
        self.found(|width| layout::bundle(number, width), width, first)
    }

    /// Tile `number` of `level`, of which `width` hashes are wanted.
    pub(super) fn tile(&self, level: u8, number: u64, width: u64) -> Result<Found, VerifyError> {
        let first = (number * TILE_WIDTH) << (8 * u32::from(level));
        self.found(|width| layout::tile(level, number, width), width, first)
    }

    fn found(
        &self,
        path: impl Fn(u64) -> PathBuf,
        width: u64,
        first: u64,
    ) -> Result<Found, VerifyError> {
        for (form, is_full) in [(path(width), width == TILE_WIDTH), (path(TILE_WIDTH), true)] {
            let bytes = self.read(&form, BUNDLE_LIMIT_BYTES).map_err(|error| {
                VerifyError::new(&form, Problem::Unreadable(error), Some(first))
            })?;
            if let Some(bytes) = bytes {
                return Ok(Found {
                    path: form,
                    bytes,
                    is_full,
                });
            }
        }
        Err(VerifyError::new(
            &path(width),
            Problem::Missing,
            Some(first),
        ))
    }

    /// Other forms of the same tile or bundle, with their widths: partial ones, and the full one.
    pub(super) fn siblings(&self, full: &Path, except: &Path) -> Vec<(u64, PathBuf)> {
        let folder = layout::partial_folder(full);
        // A folder that is not there, or not readable, holds nothing that a client would be given.
        let names = self
            .disk
            .list(&self.folder.join(&folder))
            .unwrap_or_default();
        let mut forms: Vec<(u64, PathBuf)> = names
            .into_iter()
            .filter_map(|name| Some((name.parse::<u64>().ok()?, folder.join(name))))
            .filter(|(width, _)| (1..TILE_WIDTH).contains(width))
            .collect();
        forms.push((TILE_WIDTH, full.to_owned()));
        forms.retain(|(_, path)| path != except);
        forms.sort();
        forms
    }
}
