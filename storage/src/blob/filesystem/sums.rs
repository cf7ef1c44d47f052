//! Sums of a blob's chunks, so that a read of any part can be proved without reading the whole.
//!
//! The name of a blob proves it as a whole. A blob of at most one chunk needs nothing more. A
//! longer one has its chunk sums beside it in `<name>.sums`:
//!
//! ```text
//! "cordon-sums-1\n\0\0"  16 bytes
//! SHA-256 of the blob    32 bytes, its name
//! size in bytes           8 bytes, little-endian
//! SHA-256 of each chunk  32 bytes × ⌈size ÷ CHUNK_BYTES⌉
//! seal                   32 bytes, HMAC-SHA-256 of all above under the store's key
//! ```
//!
//! The seal keeps whoever can write files here, but not read the key, from changing blob and sums
//! together. Sums that are missing or fail their seal cost time, never correctness: the whole blob
//! is read against its name and the sums are written anew.

use cordon_policy::model::Digest;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

use crate::blob::CHUNK_BYTES;

const MAGIC: &[u8; 16] = b"cordon-sums-1\n\0\0";
const SUM_BYTES: usize = 32;
/// Magic, name, size.
const HEAD_BYTES: usize = 16 + SUM_BYTES + 8;

/// The largest sums file read: that of a blob of 32 GiB. A larger blob is verified whole each time
/// its sums have left memory.
pub(super) const SUMS_FILE_BYTES: u64 = 4 * 1024 * 1024 + 1024;

/// SHA-256 of one chunk.
pub(super) type Sum = [u8; SUM_BYTES];

/// Key under which the sums of one store are sealed.
pub(super) type SealKey = [u8; 32];

/// The sums of a whole blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    size_bytes: u64,
    chunks: Box<[Sum]>,
}

impl Sums {
    /// Sums of a blob that fits in one chunk: its name is its only sum. `None` for a longer blob.
    pub(super) fn of_small(digest: &Digest, size_bytes: u64) -> Option<Self> {
        if size_bytes > CHUNK_BYTES {
            return None;
        }
        let sum = Sum::try_from(digest.as_bytes()).ok()?;
        Some(Self {
            size_bytes,
            chunks: Box::new([sum]),
        })
    }

    /// Size of the blob.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether the blob is long enough to have a sums file.
    pub(super) fn has_file(&self) -> bool {
        self.size_bytes > CHUNK_BYTES
    }

    /// Whether `data` is chunk number `index`.
    pub(super) fn proves(&self, index: usize, data: &[u8]) -> bool {
        self.chunks
            .get(index)
            .is_some_and(|sum| sum[..] == Sha256::digest(data)[..])
    }

    /// Bytes of memory held.
    pub(super) fn memory_bytes(&self) -> u32 {
        u32::try_from(
            self.chunks
                .len()
                .saturating_mul(SUM_BYTES)
                .saturating_add(128),
        )
        .unwrap_or(u32::MAX)
    }

    /// The contents of the sums file.
    pub(super) fn encode(&self, digest: &Digest, key: &SealKey) -> Vec<u8> {
        let mut data = Vec::with_capacity(HEAD_BYTES + (self.chunks.len() + 1) * SUM_BYTES);
        data.extend_from_slice(MAGIC);
        data.extend_from_slice(digest.as_bytes());
        data.extend_from_slice(&self.size_bytes.to_le_bytes());
        for sum in &self.chunks {
            data.extend_from_slice(sum);
        }
        let seal = seal(key, &data).finalize().into_bytes();
        data.extend_from_slice(&seal);
        data
    }

    /// Reads a sums file; `None` unless it is whole, sealed by `key` and about `digest`.
    pub(super) fn decode(data: &[u8], digest: &Digest, key: &SealKey) -> Option<Self> {
        let body_bytes = data.len().checked_sub(SUM_BYTES)?;
        let (body, found_seal) = data.split_at_checked(body_bytes)?;
        seal(key, body).verify_slice(found_seal).ok()?;
        let (magic, rest) = body.split_first_chunk::<16>()?;
        let (name, rest) = rest.split_first_chunk::<SUM_BYTES>()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let size_bytes = u64::from_le_bytes(*size);
        let (chunks, left_over) = rest.as_chunks::<SUM_BYTES>();
        let is_whole = magic == MAGIC
            && name[..] == *digest.as_bytes()
            && left_over.is_empty()
            && chunks.len() as u64 == size_bytes.div_ceil(CHUNK_BYTES);
        is_whole.then(|| Self {
            size_bytes,
            chunks: chunks.into(),
        })
    }
}

fn seal(key: &SealKey, data: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac
}

/// Takes the sums of a blob as it passes by.
#[derive(Debug, Default)]
pub(super) struct SumsBuilder {
    chunk: Sha256,
    size_bytes: u64,
    done: Vec<Sum>,
}

impl SumsBuilder {
    /// Takes in the next bytes.
    pub(super) fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let room = CHUNK_BYTES - self.size_bytes % CHUNK_BYTES;
            let take = usize::try_from(room).unwrap_or(usize::MAX).min(data.len());
            let (now, later) = data.split_at(take);
            self.chunk.update(now);
            self.size_bytes = self.size_bytes.saturating_add(now.len() as u64);
            if self.size_bytes.is_multiple_of(CHUNK_BYTES) {
                self.done.push(self.chunk.finalize_reset().into());
            }
            data = later;
        }
    }

    /// The sums of all that was taken in.
    pub(super) fn finish(mut self) -> Sums {
        if !self.size_bytes.is_multiple_of(CHUNK_BYTES) || self.size_bytes == 0 {
            self.done.push(self.chunk.finalize().into());
        }
        Sums {
            size_bytes: self.size_bytes,
            chunks: self.done.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SealKey = [7; 32];

    fn sums_of(data: &[u8], piece_bytes: usize) -> Sums {
        let mut builder = SumsBuilder::default();
        data.chunks(piece_bytes.max(1))
            .for_each(|piece| builder.update(piece));
        builder.finish()
    }

    #[test]
    fn the_pieces_data_arrives_in_do_not_matter() {
        let chunk = CHUNK_BYTES as usize;
        for size in [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 17] {
            let data = vec![5_u8; size];
            let whole = sums_of(&data, usize::MAX);
            assert_eq!(whole, sums_of(&data, 4093), "{size} bytes");
            assert_eq!(whole.size_bytes(), size as u64);
            assert_eq!(whole.chunks.len(), size.div_ceil(chunk).max(1));
            for (index, piece) in data.chunks(chunk).enumerate() {
                assert!(whole.proves(index, piece));
            }
        }
    }

    #[test]
    fn a_small_blob_is_proved_by_its_name() {
        let digest = Digest::of(b"small");
        assert_eq!(Sums::of_small(&digest, 5), Some(sums_of(b"small", 5)));
        assert_eq!(Sums::of_small(&digest, CHUNK_BYTES + 1), None);
    }

    #[test]
    fn every_single_bit_flip_of_a_sums_file_is_noticed() {
        let data = vec![9_u8; CHUNK_BYTES as usize + 100];
        let digest = Digest::of(&data);
        let sums = sums_of(&data, 1000);
        let encoded = sums.encode(&digest, &KEY);
        assert_eq!(Sums::decode(&encoded, &digest, &KEY), Some(sums));
        for bit in 0..encoded.len() * 8 {
            let mut damaged = encoded.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Sums::decode(&damaged, &digest, &KEY), None, "bit {bit}");
        }
    }

    #[test]
    fn a_sums_file_cut_extended_or_of_another_blob_or_store_is_refused() {
        let data = vec![9_u8; CHUNK_BYTES as usize + 100];
        let digest = Digest::of(&data);
        let encoded = sums_of(&data, 1000).encode(&digest, &KEY);
        for length in 0..encoded.len() {
            assert_eq!(Sums::decode(&encoded[..length], &digest, &KEY), None);
        }
        let mut extended = encoded.clone();
        extended.extend_from_slice(&[0; 32]);
        assert_eq!(Sums::decode(&extended, &digest, &KEY), None);
        assert_eq!(Sums::decode(&encoded, &Digest::of(b"other"), &KEY), None);
        assert_eq!(Sums::decode(&encoded, &digest, &[8; 32]), None);
    }
}
