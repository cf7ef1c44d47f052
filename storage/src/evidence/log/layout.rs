//! Paths and forms of the published files.

use std::path::PathBuf;

use tlog_tiles::Tile;

use crate::evidence::encoding::LEAF_LIMIT_BYTES;
use crate::evidence::tree::{TILE_HEIGHT, TILE_WIDTH};

/// The file of the checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The file of the public key.
pub const PUBLIC_KEY: &str = "log.pub";

/// Where a file is written before it is renamed into place. There is only ever one.
pub(crate) const STAGED: &str = "new";

/// The most bytes a bundle can have.
pub(crate) const BUNDLE_LIMIT_BYTES: u64 = TILE_WIDTH * (2 + LEAF_LIMIT_BYTES as u64);

/// The most bytes a checkpoint or a key is read with.
pub(crate) const NOTE_LIMIT_BYTES: u64 = 64 * 1024;

/// The tile of hashes `number` of `level`, of `width` hashes.
pub(crate) fn tile(level: u8, number: u64, width: u64) -> PathBuf {
    path(level, number, width, false)
}

/// The bundle `number`, of `width` entries.
pub(crate) fn bundle(number: u64, width: u64) -> PathBuf {
    path(0, number, width, true)
}

/// The folder of the partial forms of a tile or bundle, given the path of the full one.
pub(crate) fn partial_folder(full: &std::path::Path) -> PathBuf {
    let mut folder = full.as_os_str().to_owned();
    folder.push(".p");
    PathBuf::from(folder)
}

fn path(level: u8, number: u64, width: u64, is_bundle: bool) -> PathBuf {
    let width = u32::try_from(width.clamp(1, TILE_WIDTH)).expect("a tile is 256 wide");
    let tile = Tile::new(TILE_HEIGHT, level, number, width, is_bundle);
    // The library prints the older layout of Go's checksum database, which has the height in the
    // path and calls bundles `data`; tlog-tiles has dropped the one and renamed the other.
    let path = tile.path();
    let rest = path.strip_prefix("tile/8/").expect("the height is 8");
    match rest.strip_prefix("data/") {
        Some(rest) => PathBuf::from(format!("tile/entries/{rest}")),
        None => PathBuf::from(format!("tile/{rest}")),
    }
}

/// Writes entries as a bundle.
pub(crate) fn bundle_bytes(leaves: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(leaves.iter().map(|leaf| leaf.len() + 2).sum());
    for leaf in leaves {
        let length = u16::try_from(leaf.len()).expect("entries are at most 65,535 bytes long");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    bytes
}

/// Takes the next entry off the front of a bundle; `None` when the bytes end before it does.
pub(crate) fn next_entry<'a>(bundle: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bundle.split_first_chunk::<2>()?;
    let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *bundle = rest;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile(0, 0, 256), PathBuf::from("tile/0/000"));
        assert_eq!(
            tile(3, 1_234_067, 256),
            PathBuf::from("tile/3/x001/x234/067")
        );
        assert_eq!(tile(1, 5, 7), PathBuf::from("tile/1/005.p/7"));
        assert_eq!(
            bundle(1_234_067, 1),
            PathBuf::from("tile/entries/x001/x234/067.p/1")
        );
        assert_eq!(
            partial_folder(&tile(1, 5, 256)),
            PathBuf::from("tile/1/005.p")
        );
    }

    #[test]
    fn bundle_is_taken_apart_as_it_was_put_together() {
        let leaves = [b"".to_vec(), b"a".to_vec(), vec![7; LEAF_LIMIT_BYTES]];
        let bytes = bundle_bytes(&leaves);
        let mut rest = bytes.as_slice();
        for leaf in &leaves {
            assert_eq!(next_entry(&mut rest), Some(leaf.as_slice()));
        }
        assert_eq!(next_entry(&mut rest), None);
        let mut cut = &bytes[5..bytes.len() - 1];
        assert_eq!(next_entry(&mut cut), None);
        assert_eq!(next_entry(&mut [0u8].as_slice()), None);
    }
}
