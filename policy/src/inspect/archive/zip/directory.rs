//! The central directory.

use super::end::End;
use super::extra::Extra;
use super::local::UTF8;
use super::{last, local, u16_at, u32_at};
use crate::inspect::archive::stream::{Source, Stop, too_many_entries};
use crate::inspect::fault::FaultCode;
use crate::inspect::limits::Limits;

/// How an entry begins.
pub(super) const SIGNATURE: [u8; 4] = *b"PK\x01\x02";

/// Bytes before the name.
const FIXED_BYTES: usize = 46;

/// Bytes of a directory: 200,000 entries with names of 290 bytes.
const DIRECTORY_BYTES: u64 = 64 << 20;

/// One entry as the directory tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// The version of the format it says it needs, in tenths.
    pub(super) version_needed: u8,
    pub(super) name: &'a [u8],
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) compressed_bytes: u64,
    pub(super) size_bytes: u64,
    /// Where its local header is.
    pub(super) position: u64,
    /// Type and permission bits, if it was written on a system that has them.
    pub(super) unix_mode: u16,
}

impl Entry<'_> {
    /// The name, for people.
    pub(super) fn place(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.name)
    }

    pub(super) fn is_folder(&self) -> bool {
        self.name.ends_with(b"/")
    }
}

/// Reads the bytes of the directory.
pub(super) fn load(source: &mut Source<'_>, end: End, limits: &Limits) -> Result<Vec<u8>, Stop> {
    if end.entries > limits.entries {
        return Err(too_many_entries(limits));
    }
    if end.directory_bytes > DIRECTORY_BYTES {
        let detail = format!("the directory has {} bytes", end.directory_bytes);
        return Err(Stop::whole(FaultCode::Limit, &detail));
    }
    let count = usize::try_from(end.directory_bytes).unwrap_or(usize::MAX);
    source.read_at(end.directory, count)
}

/// Reads the entries, which must fill the directory. In the order of their local headers.
pub(super) fn parse<'a>(bytes: &'a [u8], end: End) -> Result<Vec<Entry<'a>>, Stop> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if entries.len() as u64 >= end.entries {
            return Err(cd("the directory holds more than the end record says"));
        }
        let (entry, after) = entry(rest)?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() as u64 != end.entries {
        let detail = format!(
            "the end record says {} entries, the directory holds {}",
            end.entries,
            entries.len()
        );
        return Err(cd(&detail));
    }
    entries.sort_by_key(|entry: &Entry<'_>| entry.position);
    Ok(entries)
}

fn entry(bytes: &[u8]) -> Result<(Entry<'_>, &[u8]), Stop> {
    if !bytes.starts_with(&SIGNATURE) {
        return Err(cd("something in the directory is not an entry"));
    }
    let name_end = FIXED_BYTES + usize::from(u16_at(bytes, 28));
    let extra_end = name_end + usize::from(u16_at(bytes, 30));
    let end = extra_end + usize::from(u16_at(bytes, 32));
    let (Some(name), Some(extra), Some(comment), Some(rest)) = (
        bytes.get(FIXED_BYTES..name_end),
        bytes.get(name_end..extra_end),
        bytes.get(extra_end..end),
        bytes.get(end..),
    ) else {
        return Err(cd("an entry is longer than the directory"));
    };
    let place = String::from_utf8_lossy(name);
    let problem = |(code, detail): (FaultCode, &str)| Stop::at(code, &place, detail);
    let extra = Extra::parse(extra).map_err(problem)?;
    extra.agrees_with(name).map_err(problem)?;
    let fields = [u32_at(bytes, 24), u32_at(bytes, 20), u32_at(bytes, 42)];
    let [size_bytes, compressed_bytes, position] = extra.widen(fields).map_err(problem)?;
    if u16_at(bytes, 34) != 0 {
        return Err(problem((FaultCode::ZipCd, "the entry is in another part")));
    }
    let flags = u16_at(bytes, 8);
    if flags & UTF8 == 0 && !name.is_ascii() {
        return Err(problem((
            FaultCode::Name,
            "the name's encoding is not told",
        )));
    }
    // Readers that pass over the length of a comment would go on inside it.
    let signatures = [SIGNATURE, local::SIGNATURE, *b"PK\x05\x06"];
    if signatures.iter().any(|it| last(comment, it).is_some()) {
        let detail = "the comment of an entry holds a record";
        return Err(problem((FaultCode::ZipCd, detail)));
    }
    let entry = Entry {
        name,
        version_needed: local::version_needed(bytes, 6),
        flags,
        method: u16_at(bytes, 10),
        crc: u32_at(bytes, 16),
        compressed_bytes,
        size_bytes,
        position,
        unix_mode: u16_at(bytes, 40),
    };
    Ok((entry, rest))
}

fn cd(detail: &str) -> Stop {
    Stop::whole(FaultCode::ZipCd, detail)
}
