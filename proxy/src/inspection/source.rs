//! Where the bytes of an archive are.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use bytes::Bytes;
use cordon_storage::Chain;
use cordon_storage::blob::BlobReader;

use super::InspectFailure;

/// The bytes of an archive.
pub enum Source {
    /// A file open for reading, as [`StagedBlob::file`](cordon_storage::blob::StagedBlob::file)
    /// gives it.
    File(File),
    /// A stored blob, verified whole before it is looked at.
    Blob(BlobReader),
    /// Bytes in memory: of files that were never stored.
    Memory(Bytes),
}

impl Source {
    /// The bytes as a file at its beginning, and their number. Blocks.
    ///
    /// # Errors
    /// [`InspectFailure::Input`].
    pub(super) fn into_file(self) -> Result<(File, u64), InspectFailure> {
        let mut file = match self {
            Self::File(file) => file,
            Self::Blob(reader) => reader
                .file()
                .map_err(|error| InspectFailure::Input(Chain(&error).to_string().into()))?,
            Self::Memory(data) => in_file(&data).map_err(|error| input(&error))?,
        };
        let size_bytes = file
            .rewind()
            .and_then(|()| Ok(file.metadata()?.len()))
            .map_err(|error| input(&error))?;
        Ok((file, size_bytes))
    }
}

/// A file without a name that holds `data`.
fn in_file(data: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(data)?;
    Ok(file)
}

pub(super) fn input(error: &io::Error) -> InspectFailure {
    InspectFailure::Input(error.to_string().into())
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Blob(reader) => write!(f, "Blob({} bytes)", reader.size_bytes()),
            Self::Memory(data) => write!(f, "Memory({} bytes)", data.len()),
        }
    }
}
