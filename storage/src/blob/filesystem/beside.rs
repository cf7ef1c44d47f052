//! Looking at one blob beside the process that has the folder open.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use cordon_policy::model::Digest;
use sha2::Digest as _;

use super::FilesystemBlobs;
use crate::{StorageError, StorageErrorKind};

const OPERATION: &str = "reading a blob beside its owner";

/// Bytes read at once.
const PIECE: usize = 1 << 20;

impl FilesystemBlobs {
    /// A blob of the folder at `root` as a file at its beginning, whoever has the folder open. Every
    /// byte is verified before; nothing is changed. Blocks.
    ///
    /// # Errors
    /// `Corrupt` if the stored bytes are not those of the digest.
    pub fn file_beside(root: &Path, digest: &Digest) -> Result<Option<File>, StorageError> {
        let hex = digest.hex();
        let Some(shard) = hex.get(..2) else {
            return Ok(None);
        };
        let path = root.join("blobs/sha256").join(shard).join(&hex);
        let failed = |error: io::Error| StorageError::io("blob", OPERATION, error);
        match path.symlink_metadata() {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let found = digest_of(&mut file).map_err(failed)?;
        if found != *digest {
            let cause = format!("{} has the bytes of {found}", path.display());
            return Err(StorageError::new(
                "blob",
                OPERATION,
                StorageErrorKind::Corrupt,
                cause,
            ));
        }
        file.rewind().map_err(failed)?;
        Ok(Some(file))
    }
}

fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut hasher = sha2::Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        match piece.get(..read) {
            Some(bytes) if !bytes.is_empty() => hasher.update(bytes),
            _ => return Ok(Digest::sha256(hasher.finalize().into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::BlobStore as _;
    use crate::conformance::blob::put;

    #[tokio::test]
    async fn a_blob_is_read_beside_its_owner_and_never_when_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let store = FilesystemBlobs::open(folder.path()).unwrap();
        put(&store, b"held").await;
        let digest = Digest::of(b"held");
        let file = FilesystemBlobs::file_beside(folder.path(), &digest).unwrap();
        let mut text = String::new();
        file.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "held");
        let other = Digest::of(b"other");
        assert!(
            FilesystemBlobs::file_beside(folder.path(), &other)
                .unwrap()
                .is_none()
        );
        let hex = digest.hex();
        let path = folder
            .path()
            .join("blobs/sha256")
            .join(&hex[..2])
            .join(&hex);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "hold").unwrap();
        let refused = FilesystemBlobs::file_beside(folder.path(), &digest);
        assert_eq!(refused.unwrap_err().kind, StorageErrorKind::Corrupt);
        assert!(store.stat(&digest).await.unwrap().is_some());
    }
}
