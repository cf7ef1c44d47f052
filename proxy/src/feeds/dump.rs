//! Reading a dump: a zip of one JSON file for each record.
//!
//! The whole of it is read within bounds, one record at a time, and every record's checksum is
//! checked. A dump that is cut, damaged, doubled or too large is refused as a whole: what is
//! missing from it would be taken for withdrawn.

use std::io::{Read, Seek, SeekFrom};

use cordon_policy::advisory::MAX_RECORD_BYTES;
use zip::ZipArchive;
use zip::result::ZipError;

/// Most files in a dump; the largest public one has a few hundred thousand.
pub const MAX_DUMP_ENTRIES: u64 = 2_000_000;

/// Most bytes of a dump's records together, inflated.
pub const MAX_DUMP_BYTES: u64 = 8 << 30;

/// What a dump held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpReport {
    /// Records handed on.
    pub records: u64,
    /// Their size in bytes, inflated.
    pub bytes: u64,
    /// Files that are no records (`.json`), left out.
    pub others: u64,
}

/// Why a dump was refused.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// Not a zip, or one that is cut.
    #[error("the dump is not a whole zip file ({0}); fetch it again")]
    NotWhole(String),
    /// More files than [`MAX_DUMP_ENTRIES`].
    #[error("the dump says it holds {0} files, more than {MAX_DUMP_ENTRIES}")]
    TooManyEntries(u64),
    /// A record larger than [`MAX_RECORD_BYTES`].
    #[error("`{0}` in the dump has more than {MAX_RECORD_BYTES} bytes")]
    RecordTooLarge(String),
    /// More than [`MAX_DUMP_BYTES`] altogether.
    #[error("the dump holds more than {MAX_DUMP_BYTES} bytes")]
    TooLarge,
    /// Two files of one name: nobody can say which is meant.
    #[error("the dump holds two files of one name")]
    Doubled,
    /// A file of it cannot be inflated, or has another checksum than the zip says.
    #[error("`{name}` in the dump is damaged ({why}); fetch it again")]
    Damaged {
        /// The file within the dump.
        name: String,
        /// What the reader said.
        why: String,
    },
    /// A file in it is encrypted or compressed in a way no dump is.
    #[error("`{name}` in the dump cannot be read ({why})")]
    Unsupported {
        /// The file within the dump.
        name: String,
        /// What the reader said.
        why: String,
    },
    /// The file system failed.
    #[error("reading the dump failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Hands each record of a dump, with its file name, to `each`, in the order of the zip's directory;
/// stops at its first error.
///
/// # Errors
/// What `each` said, or why the dump is refused. Records before that have been handed on, so that
/// nothing made of them may be used.
pub fn read_dump<R, E>(
    mut from: R,
    mut each: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<DumpReport, E>
where
    R: Read + Seek,
    E: From<DumpError>,
{
    check_entry_count(&mut from)?;
    let mut archive = ZipArchive::new(from).map_err(not_whole)?;
    if archive.has_duplicate_names() {
        return Err(DumpError::Doubled.into());
    }
    let mut report = DumpReport::default();
    let mut json = Vec::new();
    for place in 0..archive.len() {
        let mut entry = archive
            .by_index(place)
            .map_err(|error| entry_error(place, error))?;
        let name = cordon_policy::reason::ascii(&entry.name().unwrap_or_default(), 160);
        if !entry.is_file() || !name.ends_with(".json") {
            report.others += 1;
            continue;
        }
        json.clear();
        let limit = MAX_RECORD_BYTES as u64 + 1;
        let read = entry.by_ref().take(limit).read_to_end(&mut json);
        let bytes = read.map_err(|error| DumpError::Damaged {
            name: name.clone(),
            why: error.to_string(),
        })? as u64;
        if bytes == limit {
            return Err(DumpError::RecordTooLarge(name).into());
        }
        report.records += 1;
        report.bytes += bytes;
        if report.bytes > MAX_DUMP_BYTES {
            return Err(DumpError::TooLarge.into());
        }
        each(&name, &json)?;
    }
    Ok(report)
}

fn not_whole(error: ZipError) -> DumpError {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            DumpError::Io(error)
        }
        other => DumpError::NotWhole(other.to_string()),
    }
}

fn entry_error(place: usize, error: ZipError) -> DumpError {
    let name = format!("file {place}");
    let why = error.to_string();
    match error {
        ZipError::UnsupportedArchive(_) | ZipError::InvalidPassword => {
            DumpError::Unsupported { name, why }
        }
        _ => DumpError::Damaged { name, why },
    }
}

/// Looks at the number of files the end of the zip tells, before the library makes room for its
/// directory.
fn check_entry_count<R: Read + Seek>(from: &mut R) -> Result<(), DumpError> {
    /// Length of the end record without its comment, which has at most 65,535 bytes.
    const END_BYTES: u64 = 22;
    const LOCATOR_BYTES: u64 = 20;
    let size = from.seek(SeekFrom::End(0))?;
    let tail_bytes = size.min(END_BYTES + u64::from(u16::MAX) + LOCATOR_BYTES);
    from.seek(SeekFrom::Start(size - tail_bytes))?;
    let mut tail = Vec::new();
    from.by_ref().take(tail_bytes).read_to_end(&mut tail)?;
    let end = tail
        .windows(4)
        .rposition(|bytes| bytes == b"PK\x05\x06")
        .ok_or_else(|| DumpError::NotWhole("its end is missing".to_owned()))?;
    let number_at = |at: usize, length: usize| {
        let bytes = tail.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_u64, |n, byte| n << 8 | u64::from(*byte)),
        )
    };
    let cut = || DumpError::NotWhole("its end is cut".to_owned());
    let mut count = number_at(end + 10, 2).ok_or_else(cut)?;
    let locator = end.checked_sub(20);
    let locator = locator.filter(|at| tail.get(*at..*at + 4) == Some(b"PK\x06\x07"));
    if let Some(locator) = locator {
        // ZIP64: the locator tells where the larger end record is.
        let at = number_at(locator + 8, 8).ok_or_else(cut)?;
        from.seek(SeekFrom::Start(at))?;
        let mut record = [0; 40];
        from.read_exact(&mut record).map_err(|_| cut())?;
        let written = record.iter().skip(32).rev();
        count = written.fold(0, |n, byte| n << 8 | u64::from(*byte));
    }
    from.rewind()?;
    match count {
        0..=MAX_DUMP_ENTRIES => Ok(()),
        more => Err(DumpError::TooManyEntries(more)),
    }
}

#[cfg(test)]
#[path = "dump_tests.rs"]
mod tests;
