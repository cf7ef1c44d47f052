//! The Merkle tree of the log (RFC 6962) by its right edge.
//!
//! Only what the next entry can still change is kept: for each level of tiles, the hashes of the
//! tile being filled, at most 255 of 32 bytes. That is enough to extend the tree, to write its
//! tiles and to compute its root, at 64 KiB for any number of entries.

use tlog_tiles::{EMPTY_HASH, HASH_SIZE, Hash, Tile, node_hash};

/// Height of a tile: C2SP tlog-tiles fixes it.
pub const TILE_HEIGHT: u8 = 8;

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// A full tile that an entry completed.
#[derive(Clone, Debug)]
pub struct FullTile {
    /// Its level: 0 holds the hashes of entries.
    pub level: u8,
    /// Its number within the level.
    pub number: u64,
    /// Its 256 hashes, concatenated.
    pub data: Vec<u8>,
    /// The root of its subtree, which is an entry of the tile above.
    pub root: Hash,
}

/// The right edge of a tree.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// Per level of tiles, the hashes of the one being filled.
    levels: Vec<Vec<u8>>,
}

impl Tree {
    /// The tree of no entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a tree whose hashes are known to `hashes(level, number)`: the root of the
    /// full subtree `number` of height `level * 8`, at level 0 the hash of entry `number`.
    ///
    /// # Errors
    /// Those of `hashes`.
    pub fn load<E>(
        size: u64,
        mut hashes: impl FnMut(u8, std::ops::Range<u64>) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, E> {
        let mut levels = Vec::new();
        let mut level = 0u8;
        let mut complete = size;
        while complete > 0 {
            let start = complete - complete % TILE_WIDTH;
            let mut data = Vec::with_capacity(TILE_WIDTH as usize * HASH_SIZE);
            for hash in hashes(level, start..complete)? {
                data.extend_from_slice(&hash.0);
            }
            levels.push(data);
            complete /= TILE_WIDTH;
            level += 1;
        }
        Ok(Self { size, levels })
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends the hash of an entry; calls `full` for every tile it completes, lowest first.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(FullTile)) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0u8.. {
            let index = usize::from(level);
            if self.levels.len() == index {
                self.levels
                    .push(Vec::with_capacity(TILE_WIDTH as usize * HASH_SIZE));
            }
            let data = &mut self.levels[index];
            data.extend_from_slice(&hash.0);
            if data.len() < TILE_WIDTH as usize * HASH_SIZE {
                return;
            }
            let data = std::mem::replace(data, Vec::with_capacity(TILE_WIDTH as usize * HASH_SIZE));
            hash = Tile::subtree_hash(&data);
            let number = (self.size >> (u32::from(TILE_HEIGHT) * (u32::from(level) + 1))) - 1;
            full(FullTile {
                level,
                number,
                data,
                root: hash,
            });
        }
    }

    /// The hashes of the entries after the last full bundle, concatenated.
    pub fn edge(&self) -> &[u8] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// The tiles being filled, lowest first: level, number, hashes. Empty ones are left out.
    pub fn partial(&self) -> impl Iterator<Item = (u8, u64, &[u8])> {
        self.levels
            .iter()
            .zip(0u8..)
            .filter(|(data, _)| !data.is_empty())
            .map(|(data, level)| {
                let number = self.size >> (u32::from(TILE_HEIGHT) * (u32::from(level) + 1));
                (level, number, data.as_slice())
            })
    }

    /// The root: RFC 6962 section 2.1.
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        // From the right: within a level, the full subtrees are the binary digits of the number
        // of hashes, the smallest rightmost.
        for data in &self.levels {
            let mut rest = data.as_slice();
            while !rest.is_empty() {
                let hashes = rest.len() / HASH_SIZE;
                let width = 1usize << hashes.trailing_zeros();
                let (left, right) = rest.split_at(rest.len() - width * HASH_SIZE);
                let subtree = Tile::subtree_hash(right);
                root = Some(match root {
                    Some(smaller) => node_hash(subtree, smaller),
                    None => subtree,
                });
                rest = left;
            }
        }
        root.unwrap_or(EMPTY_HASH)
    }
}

#[cfg(test)]
mod tests {
    use tlog_tiles::record_hash;

    use super::*;

    /// RFC 6962 section 2.1, word for word.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_HASH,
            [one] => *one,
            many => {
                let half = many.len().next_power_of_two() / 2;
                let (left, right) = many.split_at(half);
                node_hash(naive_root(left), naive_root(right))
            }
        }
    }

    fn leaf(index: u64) -> Hash {
        record_hash(&index.to_be_bytes())
    }

    #[test]
    fn root_is_that_of_the_definition_at_every_size() {
        let mut tree = Tree::new();
        let mut leaves = Vec::new();
        assert_eq!(tree.root(), EMPTY_HASH);
        for index in 0..1_100 {
            leaves.push(leaf(index));
            tree.push(leaf(index), |_| ());
            assert_eq!(tree.root(), naive_root(&leaves), "size {}", index + 1);
        }
    }

    #[test]
    fn loaded_edge_continues_like_the_original() {
        let mut hashes: std::collections::HashMap<(u8, u64), Hash> = Default::default();
        let mut tree = Tree::new();
        for index in 0..70_000 {
            hashes.insert((0, index), leaf(index));
            tree.push(leaf(index), |tile| {
                hashes.insert((tile.level + 1, tile.number), tile.root);
            });
        }
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
            let mut short = Tree::new();
            (0..size).for_each(|index| short.push(leaf(index), |_| ()));
            let loaded = Tree::load(size, |level, numbers| {
                Ok::<_, ()>(numbers.map(|number| hashes[&(level, number)]).collect())
            });
            assert_eq!(loaded.unwrap().root(), short.root(), "size {size}");
        }
    }

    #[test]
    fn full_tiles_are_numbered_and_partial_ones_follow_them() {
        let mut tree = Tree::new();
        let mut full = Vec::new();
        for index in 0..65_536 + 300 {
            tree.push(leaf(index), |tile| full.push((tile.level, tile.number)));
        }
        assert_eq!(full.len(), 256 + 1 + 1);
        assert_eq!(full[255], (0, 255));
        assert_eq!(full[256], (1, 0));
        assert_eq!(full[257], (0, 256));
        let partial: Vec<_> = tree
            .partial()
            .map(|(l, n, data)| (l, n, data.len() / 32))
            .collect();
        assert_eq!(partial, [(0, 257, 44), (1, 1, 1), (2, 0, 1)]);
    }
}
