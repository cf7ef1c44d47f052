//! Reading every blob against its name, to find damage before anybody asks for the blob.

use cordon_policy::model::Digest;
use futures_util::TryStreamExt;
use sha2::{Digest as _, Sha256};

use super::{BlobReader, BlobStore};
use crate::{StorageError, StorageErrorKind};

/// What a scrub met so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Blobs read.
    pub blobs: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Blobs that were damaged.
    pub damaged: u64,
}

/// Reads every blob whole and sets the damaged ones aside. Holds what is stored against the name
/// itself, not only against the sums that reads are checked with. `met` is told of each blob, with
/// whether it is damaged, for showing progress and for noting damage; the next one waits for it.
///
/// Reads one blob at a time, so that serving goes before scrubbing.
///
/// # Errors
/// When the store fails otherwise than by damage; what was set aside until then stays so.
pub async fn scrub(
    store: &dyn BlobStore,
    mut met: impl FnMut(&Digest, bool, &Scrubbed),
) -> Result<Scrubbed, StorageError> {
    let mut so_far = Scrubbed::default();
    let mut all = store.scan();
    while let Some(stat) = all.try_next().await? {
        let checked = match store.open(&stat.digest).await {
            // Deleted since it was listed.
            Ok(None) => continue,
            Ok(Some(reader)) => read_whole(reader).await,
            Err(error) => Err(error),
        };
        so_far.blobs += 1;
        let is_damaged = match checked {
            Ok((found, bytes)) => {
                so_far.bytes = so_far.bytes.saturating_add(bytes);
                found != stat.digest
            }
            Err(error) if error.kind == StorageErrorKind::Corrupt => true,
            Err(error) => return Err(error),
        };
        if is_damaged {
            store.set_aside(&stat.digest).await?;
            so_far.damaged += 1;
        }
        met(&stat.digest, is_damaged, &so_far);
    }
    Ok(so_far)
}

/// SHA-256 and size of what an open blob holds.
async fn read_whole(reader: BlobReader) -> Result<(Digest, u64), StorageError> {
    tokio::task::spawn_blocking(move || {
        let mut whole = Sha256::new();
        let mut offset = 0_u64;
        loop {
            let piece = reader.read_at(offset, usize::MAX)?;
            if piece.is_empty() {
                return Ok((Digest::sha256(whole.finalize().into()), offset));
            }
            whole.update(&piece);
            offset = offset.saturating_add(piece.len() as u64);
        }
    })
    .await
    .unwrap_or_else(|error| {
        Err(StorageError::new(
            "blob",
            "scrubbing a blob",
            StorageErrorKind::Io,
            error,
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{FilesystemBlobs, MemoryBlobs};
    use crate::conformance::blob::{put, sample};

    #[tokio::test]
    async fn damaged_blobs_are_found_set_aside_and_told_of() {
        let store = MemoryBlobs::new();
        let mut damaged = Vec::new();
        for seed in 0..20 {
            let digest = put(&store, &sample(1000 * seed as usize, seed)).await;
            if seed % 5 == 3 {
                assert!(store.damage(&digest, |data| data[0] ^= 1));
                damaged.push(digest);
            }
        }
        let mut told = Vec::new();
        let found = scrub(&store, |digest, is_damaged, _| {
            if is_damaged {
                told.push(digest.clone());
            }
        })
        .await
        .expect("a scrub");
        assert_eq!((found.blobs, found.damaged), (20, 4));
        damaged.sort();
        told.sort();
        assert_eq!(told, damaged);
        for digest in &damaged {
            assert!(store.open(digest).await.expect("an answer").is_none());
        }
        let again = scrub(&store, |_, _, _| {}).await.expect("a scrub");
        assert_eq!((again.blobs, again.damaged), (16, 0));
        assert_eq!(
            again.bytes,
            (0..20).filter(|seed| seed % 5 != 3).sum::<u64>() * 1000
        );
    }

    #[tokio::test]
    async fn files_and_what_took_their_place_are_scrubbed_as_well() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = FilesystemBlobs::open(folder.path()).expect("the store opens");
        let good = put(&store, &sample(600_000, 1)).await;
        let cut = put(&store, &sample(600_000, 2)).await;
        let replaced = put(&store, &sample(100, 3)).await;
        let live = |digest: &Digest| {
            let hex = digest.hex();
            folder
                .path()
                .join(format!("blobs/sha256/{}/{hex}", &hex[..2]))
        };
        std::fs::write(live(&cut), sample(599_999, 2)).expect("a write");
        std::fs::remove_file(live(&replaced)).expect("a removal");
        std::fs::create_dir(live(&replaced)).expect("a folder");
        let found = scrub(&store, |_, _, _| {}).await.expect("a scrub");
        assert_eq!((found.blobs, found.damaged), (3, 2));
        assert!(store.open(&good).await.expect("an answer").is_some());
        assert_eq!(
            std::fs::read_dir(folder.path().join("aside"))
                .expect("a list")
                .count(),
            2
        );
    }
}
