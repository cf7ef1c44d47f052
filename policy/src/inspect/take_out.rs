//! Taking one file out of an archive: the core metadata of a wheel, which is served by itself.

use std::io;

use super::archive::{self, Looked, Member, Sink};
use super::limits::Limits;
use super::run::Input;
use crate::model::{ArtifactId, Digest};

/// Largest core metadata taken out, in bytes; real ones have a few hundred kilobytes at most.
pub const CORE_METADATA_BYTES: u64 = 4 << 20;

/// The core metadata (PEP 658) inside a wheel: its `METADATA` of that SHA-256, as a [`Sheet`] tells
/// it. `None` if the wheel has no such file within the limits, or it is larger than
/// [`CORE_METADATA_BYTES`].
///
/// [`Sheet`]: super::Sheet
///
/// # Errors
/// Only if the input itself cannot be read.
pub fn core_metadata(
    wheel: &ArtifactId,
    sha256: &Digest,
    input: &mut dyn Input,
    limits: &Limits,
) -> io::Result<Option<Vec<u8>>> {
    let mut take = Take {
        sha256: sha256.as_bytes(),
        found: None,
    };
    archive::read(wheel, input, limits, &mut take)?;
    Ok(take.found)
}

struct Take<'a> {
    sha256: &'a [u8],
    found: Option<Vec<u8>>,
}

impl Sink for Take<'_> {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        let is_metadata = member.path.ends_with(".dist-info/METADATA");
        match is_metadata && self.found.is_none() {
            true => CORE_METADATA_BYTES,
            false => 0,
        }
    }

    fn file(&mut self, looked: Looked<'_>) {
        if looked.is_whole() && looked.sha256[..] == *self.sha256 && self.found.is_none() {
            self.found = Some(looked.bytes.to_vec());
        }
    }
}
