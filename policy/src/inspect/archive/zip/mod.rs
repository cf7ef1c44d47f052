//! ZIP: every byte of the file must belong to exactly one record, and records that say the same
//! thing must say it the same way.

mod directory;
mod end;
mod entries;
mod extra;
pub(super) mod local;

pub(super) use end::last_of as last_end;
pub(super) use entries::read;

/// Little-endian numbers at a place of a record; 0 beyond its end.
fn u16_at(record: &[u8], start: usize) -> u16 {
    let bytes = record.get(start..).and_then(|it| it.first_chunk::<2>());
    bytes.map_or(0, |it| u16::from_le_bytes(*it))
}

fn u32_at(record: &[u8], start: usize) -> u32 {
    let bytes = record.get(start..).and_then(|it| it.first_chunk::<4>());
    bytes.map_or(0, |it| u32::from_le_bytes(*it))
}

fn u64_at(record: &[u8], start: usize) -> u64 {
    let bytes = record.get(start..).and_then(|it| it.first_chunk::<8>());
    bytes.map_or(0, |it| u64::from_le_bytes(*it))
}

/// The last place where these bytes are.
fn last(bytes: &[u8], signature: &[u8]) -> Option<usize> {
    bytes
        .windows(signature.len())
        .rposition(|window| window == signature)
}
