//! Tar: POSIX ustar and PAX, GNU's long names, and the old format without a magic.

mod entries;
mod header;
mod links;
mod pax;

pub(super) use entries::read;

use super::stream::{Budget, Limited, Stop, Stream, read_up_to, skip};
use header::{BLOCK, Header};

/// Passes over a tar inside an archive as far as it is sound, and hands on what may be a file.
pub(super) fn pass(
    stream: &mut dyn Stream,
    budget: &Budget<'_>,
    file: &mut dyn FnMut(&mut dyn Stream) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut block = [0; BLOCK];
    while read_up_to(stream, &mut block)? == BLOCK {
        let Ok(header) = Header::parse(&block) else {
            break;
        };
        budget.entry()?;
        let mut body = Limited::new(stream, header.size);
        file(&mut body)?;
        let left = body.left().saturating_add(padding(header.size));
        skip(stream, left)?;
    }
    Ok(())
}

/// Bytes between the end of a body and the next block.
fn padding(size: u64) -> u64 {
    let block = BLOCK as u64;
    (block - size % block) % block
}
