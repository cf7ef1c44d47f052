//! Checking a published log from the outside: with its files, its public key, and nothing else.
//!
//! Every entry is hashed, every hash of every tile computed again, the root compared with the
//! signed checkpoint. What does not fit is named by the index of the first entry it concerns.
//! Memory stays below one bundle and one tile per level, however long the log is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tlog_tiles::{HASH_SIZE, Hash, record_hash};

use super::layout::{self, BUNDLE_LIMIT_BYTES, CHECKPOINT, NOTE_LIMIT_BYTES, PUBLIC_KEY};
use super::reader::{Found, Published};
use crate::disk::{Disk, RealDisk};
use crate::evidence::entry::EntryIndex;
use crate::evidence::key::{KeyError, TreeHead, open_checkpoint};
use crate::evidence::tree::{TILE_WIDTH, Tree};

/// How errors name the checkpoint given for comparison.
const OTHER_CHECKPOINT: &str = "the other checkpoint";

/// What was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries under the checkpoint, all of them good.
    pub entries: u64,
    /// Bytes of these entries.
    pub entry_bytes: u64,
    /// Root of their tree, base64.
    pub root: String,
    /// Entries under the other checkpoint, when one was given: they are the first of this log.
    pub extends: Option<u64>,
}

/// The log is not what was signed.
#[derive(Debug, thiserror::Error)]
#[error("{}{place}: {problem}", index_of(*first_bad))]
pub struct VerifyError {
    /// The first entry concerned, where one can be named: a wrong signature concerns all.
    pub first_bad: Option<EntryIndex>,
    /// The file, within the log.
    pub place: String,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

fn index_of(first_bad: Option<EntryIndex>) -> String {
    first_bad
        .map(|index| format!("entry {index}: "))
        .unwrap_or_default()
}

impl VerifyError {
    /// Whether the log was found wanting. Otherwise something needed to look at it is not there or
    /// not readable, and nothing is said about the log: a new one has no checkpoint yet.
    pub fn accuses(&self) -> bool {
        match self.problem {
            Problem::Unreadable(_) => false,
            Problem::Missing => self.place != CHECKPOINT,
            _ => self.place != OTHER_CHECKPOINT,
        }
    }

    pub(super) fn new(place: &Path, problem: Problem, first_bad: Option<EntryIndex>) -> Self {
        Self {
            first_bad,
            place: place.display().to_string(),
            problem,
        }
    }
}

/// What can be wrong with a published log.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The operating system could not read it.
    #[error("reading failed")]
    Unreadable(#[source] std::io::Error),
    /// It is not there, or not a file.
    #[error("the file is missing")]
    Missing,
    /// The key or a checkpoint is not good.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The published key is not the one given.
    #[error("the published key is not the one given")]
    OtherKey,
    /// The file ends too early.
    #[error("the file ends before its last entry")]
    Short,
    /// The file goes on too long.
    #[error("the file goes on after its last entry")]
    Long,
    /// An entry and its hash do not belong together.
    #[error("the entry and its hash do not belong together")]
    Entry,
    /// A hash is not that of what is below it.
    #[error("the hash is not that of the entries below it")]
    Hash,
    /// Two forms of one tile or bundle differ.
    #[error("the file differs from the published one of another width")]
    Sibling,
    /// All fits, except to the signature.
    #[error(
        "the entries are not those of the checkpoint; every hash was made to fit them, so the first bad one cannot be told, but it is not before entry {not_before}"
    )]
    Root {
        /// Entries before this one were confirmed by the other checkpoint given.
        not_before: EntryIndex,
    },
    /// The other checkpoint signs other entries.
    #[error("the first {size} entries are not those of the other checkpoint")]
    Contradiction {
        /// Entries under the other checkpoint.
        size: u64,
    },
    /// The other checkpoint signs more entries.
    #[error("the log ends here, the other checkpoint covers {size} entries")]
    Truncated {
        /// Entries under the other checkpoint.
        size: u64,
    },
}

/// Verifies the log published in a folder against the public key. `against` is the text of another
/// checkpoint of it, older or newer, which must be consistent with it (INV-24, INV-25).
///
/// # Errors
/// The first thing found wrong.
pub fn verify(log: &Path, public_key: &str, against: Option<&str>) -> Result<Report, VerifyError> {
    verify_on(&RealDisk, log, public_key, against)
}

pub(crate) fn verify_on(
    disk: &dyn Disk,
    log: &Path,
    public_key: &str,
    against: Option<&str>,
) -> Result<Report, VerifyError> {
    let published = Published { disk, folder: log };
    check_key(&published, public_key)?;
    let (_, head) = published.checkpoint(public_key)?;
    let against = against
        .map(|text| open_checkpoint(text.as_bytes(), public_key))
        .transpose()
        .map_err(|error| VerifyError::new(Path::new(OTHER_CHECKPOINT), error.into(), None))?;
    let mut walk = Walk {
        published,
        size: head.size,
        against,
        tree: Tree::new(),
        tiles: HashMap::new(),
        entry_bytes: 0,
    };
    walk.check_against()?;
    for number in 0..head.size.div_ceil(TILE_WIDTH) {
        walk.bundle(number)?;
    }
    walk.finish(&head)
}

fn check_key(published: &Published<'_>, public_key: &str) -> Result<(), VerifyError> {
    let path = Path::new(PUBLIC_KEY);
    let bad = |problem| VerifyError::new(path, problem, None);
    let found = published
        .read(path, NOTE_LIMIT_BYTES)
        .map_err(|error| bad(Problem::Unreadable(error)))?;
    match found {
        Some(text) if text != format!("{}\n", public_key.trim_end()).as_bytes() => {
            Err(bad(Problem::OtherKey))
        }
        // A verifier has the key from elsewhere; the published copy is a convenience.
        _ => Ok(()),
    }
}

/// One pass over the log.
struct Walk<'a> {
    published: Published<'a>,
    size: u64,
    against: Option<TreeHead>,
    tree: Tree,
    /// The tile of each level in which the next hash of that level stands.
    tiles: HashMap<u8, Found>,
    entry_bytes: u64,
}

impl Walk<'_> {
    fn bundle(&mut self, number: u64) -> Result<(), VerifyError> {
        let first = number * TILE_WIDTH;
        let width = (self.size - first).min(TILE_WIDTH);
        let bundle = self.published.bundle(number, width)?;
        let bad = |problem, index| VerifyError::new(&bundle.path, problem, Some(index));
        let mut rest = bundle.bytes.as_slice();
        let mut ends = Vec::with_capacity(TILE_WIDTH as usize);
        for index in first..first + width {
            let entry = layout::next_entry(&mut rest).ok_or_else(|| bad(Problem::Short, index))?;
            self.entry_bytes += entry.len() as u64;
            let hash = record_hash(entry);
            if !self.is_in_tile(0, index, hash)? {
                return Err(bad(Problem::Entry, index));
            }
            self.push(hash)?;
            ends.push(bundle.bytes.len() - rest.len());
        }
        if !rest.is_empty() && (width == TILE_WIDTH || !bundle.is_full) {
            return Err(bad(Problem::Long, first + width));
        }
        let full = layout::bundle(number, TILE_WIDTH);
        let bad_sibling = self.check_siblings(&full, &bundle.path, &bundle.bytes, &ends)?;
        bad_sibling.map_or(Ok(()), |(path, item)| {
            Err(VerifyError::new(
                &path,
                Problem::Sibling,
                Some(first + item),
            ))
        })
    }

    /// Extends the tree; every tile this completes must stand in the tile above it.
    fn push(&mut self, hash: Hash) -> Result<(), VerifyError> {
        let mut completed = Vec::new();
        self.tree.push(hash, |tile| {
            completed.push((tile.level, tile.number, tile.root))
        });
        for (level, number, root) in completed {
            if !self.is_in_tile(level + 1, number, root)? {
                let first = number << (8 * (u32::from(level) + 1));
                let path = layout::tile(level + 1, number / TILE_WIDTH, TILE_WIDTH);
                return Err(VerifyError::new(&path, Problem::Hash, Some(first)));
            }
        }
        self.check_against()
    }

    /// Whether hash `index` of a level stands in its tile. The last one closes the tile.
    fn is_in_tile(&mut self, level: u8, index: u64, hash: Hash) -> Result<bool, VerifyError> {
        let number = index / TILE_WIDTH;
        let hashes = self.size >> (8 * u32::from(level));
        let width = (hashes - number * TILE_WIDTH).min(TILE_WIDTH);
        let tile = match self.tiles.remove(&level) {
            Some(tile) => tile,
            None => self.published.tile(level, number, width)?,
        };
        let place = usize::try_from(index % TILE_WIDTH).expect("less than 256") * HASH_SIZE;
        let entry = index << (8 * u32::from(level));
        let Some(found) = tile.bytes.get(place..place + HASH_SIZE) else {
            return Err(VerifyError::new(&tile.path, Problem::Short, Some(entry)));
        };
        if found != hash.0 {
            return Ok(false);
        }
        if index % TILE_WIDTH + 1 == width {
            self.close(level, number, width, &tile)?;
        } else {
            self.tiles.insert(level, tile);
        }
        Ok(true)
    }

    /// A tile whose hashes are all good must end there, and its other forms must agree.
    fn close(&self, level: u8, number: u64, width: u64, tile: &Found) -> Result<(), VerifyError> {
        let shift = 8 * u32::from(level);
        let used = usize::try_from(width).expect("at most 256") * HASH_SIZE;
        let stands_in = tile.is_full && width < TILE_WIDTH;
        if tile.bytes.len() > used && !stands_in {
            let end = (number * TILE_WIDTH + width) << shift;
            return Err(VerifyError::new(&tile.path, Problem::Long, Some(end)));
        }
        let full = layout::tile(level, number, TILE_WIDTH);
        let ends: Vec<usize> = (HASH_SIZE..=used).step_by(HASH_SIZE).collect();
        let bad_sibling = self.check_siblings(&full, &tile.path, &tile.bytes, &ends)?;
        bad_sibling.map_or(Ok(()), |(path, item)| {
            let entry = (number * TILE_WIDTH + item) << shift;
            Err(VerifyError::new(&path, Problem::Sibling, Some(entry)))
        })
    }

    /// Finds another form of a checked tile or bundle that is not its beginning or, when a crash
    /// came between publishing and signing, its continuation; and the first item in which it
    /// differs. `ends` are the offsets at which the checked items end.
    fn check_siblings(
        &self,
        full: &Path,
        checked_path: &Path,
        checked: &[u8],
        ends: &[usize],
    ) -> Result<Option<(PathBuf, u64)>, VerifyError> {
        for (width, path) in self.published.siblings(full, checked_path) {
            let bytes = self
                .published
                .read(&path, BUNDLE_LIMIT_BYTES)
                .map_err(|error| VerifyError::new(&path, Problem::Unreadable(error), None))?;
            let Some(bytes) = bytes else { continue };
            let items = usize::try_from(width).expect("at most 256").min(ends.len());
            let end = items
                .checked_sub(1)
                .and_then(|last| ends.get(last))
                .copied()
                .unwrap_or(0);
            let is_shorter = items < ends.len();
            let agreed = bytes
                .iter()
                .zip(&checked[..end])
                .take_while(|(a, b)| a == b)
                .count();
            if agreed < end || (is_shorter && bytes.len() > end) {
                let item = ends.partition_point(|end| *end <= agreed);
                return Ok(Some((path, item as u64)));
            }
        }
        Ok(None)
    }

    fn check_against(&self) -> Result<(), VerifyError> {
        match &self.against {
            Some(other) if other.size == self.tree.size() && other.root != self.tree.root() => {
                let problem = Problem::Contradiction { size: other.size };
                Err(VerifyError::new(
                    Path::new("the other checkpoint"),
                    problem,
                    None,
                ))
            }
            _ => Ok(()),
        }
    }

    fn finish(self, head: &TreeHead) -> Result<Report, VerifyError> {
        let root = self.tree.root();
        let confirmed = self.against.as_ref().map_or(0, |other| other.size);
        if root != head.root {
            let problem = Problem::Root {
                not_before: confirmed.min(head.size),
            };
            return Err(VerifyError::new(
                Path::new(layout::CHECKPOINT),
                problem,
                None,
            ));
        }
        if confirmed > head.size {
            let problem = Problem::Truncated { size: confirmed };
            let place = Path::new(layout::CHECKPOINT);
            return Err(VerifyError::new(place, problem, Some(head.size)));
        }
        Ok(Report {
            entries: head.size,
            entry_bytes: self.entry_bytes,
            root: root.to_string(),
            extends: self.against.map(|other| other.size),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chain;

    #[test]
    fn what_cannot_be_looked_at_accuses_nobody() {
        let error = |place: &str, problem| VerifyError::new(Path::new(place), problem, None);
        let denied = || Problem::Unreadable(std::io::ErrorKind::PermissionDenied.into());
        for innocent in [
            error(CHECKPOINT, denied()),
            error("tile/0/000", denied()),
            error(CHECKPOINT, Problem::Missing),
            error(OTHER_CHECKPOINT, Problem::Short),
        ] {
            assert!(!innocent.accuses(), "{innocent}");
        }
        for guilty in [
            error("tile/0/000", Problem::Missing),
            error(CHECKPOINT, Problem::Short),
            error(PUBLIC_KEY, Problem::OtherKey),
        ] {
            assert!(guilty.accuses(), "{guilty}");
        }
        let said = Chain(&error(CHECKPOINT, denied())).to_string();
        assert_eq!(said, "checkpoint: reading failed: permission denied");
    }
}
