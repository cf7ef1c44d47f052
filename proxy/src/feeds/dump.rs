//! Reading a dump: a zip of one JSON file for each record.
//!
//! The whole of it is read within bounds, one record at a time, and every record's checksum is
//! checked. A dump that is cut, damaged, doubled or too large is refused as a whole: what is
//! missing from it would be taken for withdrawn.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use cordon_policy::advisory::MAX_RECORD_BYTES;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

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
    let from = Forward::new(from).map_err(DumpError::Io)?;
    let mut archive = ZipArchive::new(from).map_err(not_whole)?;
    if archive.has_duplicate_names() {
        return Err(DumpError::Doubled.into());
    }
    let mut report = DumpReport::default();
    let mut json = Vec::new();
    let mut inflater = Inflater::default();
    for place in 0..archive.len() {
        let mut entry = archive
            .by_index_raw(place)
            .map_err(|error| entry_error(place, error))?;
        let name = cordon_policy::reason::ascii(&entry.name().unwrap_or_default(), 160);
        if !entry.is_file() || !name.ends_with(".json") {
            report.others += 1;
            continue;
        }
        if entry.encrypted() {
            let why = "it is encrypted".to_owned();
            return Err(DumpError::Unsupported { name, why }.into());
        }
        inflater.inflate(&name, &mut entry, &mut json)?;
        report.records += 1;
        report.bytes += json.len() as u64;
        if report.bytes > MAX_DUMP_BYTES {
            return Err(DumpError::TooLarge.into());
        }
        each(&name, &json)?;
    }
    Ok(report)
}

/// Inflates one entry after the other with one state. The zip library makes a new one for each,
/// and tens of thousands of those among the small things kept of records leave a heap ten times
/// the size of what is in it.
struct Inflater {
    state: Decompress,
    packed: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            state: Decompress::new(false),
            packed: vec![0; 64 * 1024],
        }
    }
}

impl Inflater {
    /// The bytes of an entry, of the length and checksum the zip's directory tells.
    fn inflate<R: Read>(
        &mut self,
        name: &str,
        entry: &mut ZipFile<'_, R>,
        json: &mut Vec<u8>,
    ) -> Result<(), DumpError> {
        let damaged = |why: String| DumpError::Damaged {
            name: name.to_owned(),
            why,
        };
        let (size, checksum) = (entry.size(), entry.crc32());
        let too_large = || DumpError::RecordTooLarge(name.to_owned());
        let size = usize::try_from(size).map_err(|_| too_large())?;
        if size > MAX_RECORD_BYTES {
            return Err(too_large());
        }
        json.clear();
        // One byte more: an entry may be longer than it says.
        json.reserve(size + 1);
        match entry.compression() {
            CompressionMethod::Stored => {
                let read = entry.by_ref().take(size as u64 + 1).read_to_end(json);
                read.map_err(|error| damaged(error.to_string()))?;
            }
            CompressionMethod::Deflated => {
                self.state.reset(false);
                self.deflated(size, entry, json).map_err(damaged)?;
            }
            other => {
                return Err(DumpError::Unsupported {
                    name: name.to_owned(),
                    why: format!("it is compressed by {other}"),
                });
            }
        }
        let mut found = Crc::new();
        found.update(json);
        if json.len() != size {
            return Err(damaged("it has another length than it says".to_owned()));
        }
        match found.sum() == checksum {
            true => Ok(()),
            false => Err(damaged("Invalid checksum".to_owned())),
        }
    }

    fn deflated(
        &mut self,
        size: usize,
        entry: &mut impl Read,
        json: &mut Vec<u8>,
    ) -> Result<(), String> {
        loop {
            let length = match entry.read(&mut self.packed) {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            let mut rest = self.packed.get(..length).unwrap_or_default();
            let flush = match length {
                0 => FlushDecompress::Finish,
                _ => FlushDecompress::None,
            };
            loop {
                let (before, filled) = (self.state.total_in(), json.len());
                // Fills the room there is and makes none: `json` cannot outgrow what is said.
                let status = self
                    .state
                    .decompress_vec(rest, json, flush)
                    .map_err(|error| error.to_string())?;
                let taken = usize::try_from(self.state.total_in() - before).unwrap_or(usize::MAX);
                rest = rest.get(taken..).unwrap_or_default();
                if json.len() > size {
                    return Err("it has another length than it says".to_owned());
                }
                if status == Status::StreamEnd {
                    return match rest.is_empty() {
                        true => Ok(()),
                        false => Err("it has bytes after its end".to_owned()),
                    };
                }
                let is_stuck = taken == 0 && json.len() == filled;
                if rest.is_empty() || is_stuck {
                    break;
                }
            }
            if length == 0 || !rest.is_empty() {
                return Err("it is cut".to_owned());
            }
        }
    }
}

/// A buffered reader that keeps its buffer when sought to a place within it. The library seeks to
/// each file of the zip, and they lie one after the other, many in a buffer.
struct Forward<R> {
    inner: BufReader<R>,
    position: u64,
}

impl<R: Read + Seek> Forward<R> {
    const BUFFER_BYTES: usize = 64 * 1024;

    fn new(mut from: R) -> io::Result<Self> {
        from.rewind()?;
        Ok(Self {
            inner: BufReader::with_capacity(Self::BUFFER_BYTES, from),
            position: 0,
        })
    }
}

impl<R: Read> Read for Forward<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for Forward<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let distance = match to {
            SeekFrom::Start(place) => place.checked_signed_diff(self.position),
            SeekFrom::Current(distance) => Some(distance),
            SeekFrom::End(_) => None,
        };
        self.position =
            match distance.and_then(|it| Some((it, self.position.checked_add_signed(it)?))) {
                Some((distance, place)) => {
                    self.inner.seek_relative(distance)?;
                    place
                }
                None => self.inner.seek(to)?,
            };
        Ok(self.position)
    }
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
