//! The end of a ZIP: where its directory is, told once and truly.

use super::directory::SIGNATURE as ENTRY;
use super::{last, local, u16_at, u32_at, u64_at};
use crate::inspect::archive::stream::{Source, Stop};
use crate::inspect::fault::FaultCode;

const SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const RECORD64: [u8; 4] = *b"PK\x06\x06";

const FIXED_BYTES: usize = 22;
const LOCATOR_BYTES: u64 = 20;
const RECORD64_BYTES: u64 = 56;

/// Readers look for the end record this far from the end of the file.
const SEARCHED_BYTES: u64 = 0xffff + FIXED_BYTES as u64;

/// Where the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) directory: u64,
    pub(super) directory_bytes: u64,
    pub(super) entries: u64,
}

/// The end record, as it stands.
struct Record {
    position: u64,
    disks: [u16; 2],
    entries: [u16; 2],
    directory_bytes: u32,
    directory: u32,
}

impl Record {
    fn parse(position: u64, bytes: &[u8]) -> Self {
        Self {
            position,
            disks: [u16_at(bytes, 4), u16_at(bytes, 6)],
            entries: [u16_at(bytes, 8), u16_at(bytes, 10)],
            directory_bytes: u32_at(bytes, 12),
            directory: u32_at(bytes, 16),
        }
    }

    fn end(&self) -> End {
        End {
            directory: self.directory.into(),
            directory_bytes: self.directory_bytes.into(),
            entries: self.entries[1].into(),
        }
    }

    /// Whether a number has no room here and stands in a ZIP64 record.
    fn is_full(&self) -> bool {
        self.entries.contains(&u16::MAX)
            || self.directory == u32::MAX
            || self.directory_bytes == u32::MAX
    }
}

/// Finds the end and checks that the directory fills what is before it.
pub(super) fn find(source: &mut Source<'_>) -> Result<End, Stop> {
    let length = source.len();
    let start = length.saturating_sub(SEARCHED_BYTES);
    let tail = source.read_at(start, usize::try_from(SEARCHED_BYTES).unwrap_or(usize::MAX))?;
    let place = end_record(&tail, source)?;
    let position = start + place as u64;
    let record = Record::parse(position, tail.get(place..).unwrap_or_default());
    if record.disks != [0, 0] || record.entries[0] != record.entries[1] {
        return Err(eocd("the end record is of an archive in several parts"));
    }
    let (end, directory_end) = match locator(source, &record)? {
        Some(found) => found,
        None if record.is_full() => {
            let detail = "the end record refers to ZIP64 records that are missing";
            return Err(Stop::whole(FaultCode::Zip64, detail));
        }
        None => (record.end(), position),
    };
    let told = end.directory.checked_add(end.directory_bytes);
    if told != Some(directory_end) {
        return Err(misplaced(source, &tail, place, end, directory_end)?);
    }
    if end.entries == 0 && (end.directory > 0 || end.directory_bytes > 0) {
        let other = tail.get(..place).and_then(|it| last(it, &SIGNATURE));
        return Err(match other {
            Some(_) => eocd("there is another end record before the last"),
            None => Stop::whole(FaultCode::ZipCd, "the directory is empty, the file is not"),
        });
    }
    Ok(end)
}

/// Where in the tail the one end record is.
fn end_record(tail: &[u8], source: &mut Source<'_>) -> Result<usize, Stop> {
    let fits = |place: usize| {
        let record = tail.get(place..).unwrap_or_default();
        record.len() >= FIXED_BYTES && record.len() == FIXED_BYTES + usize::from(u16_at(record, 20))
    };
    let Some(place) = last(tail, &SIGNATURE) else {
        let begins = source.read_at(0, 4)?;
        return Err(match begins == local::SIGNATURE {
            true => eocd("there is no end record: the file is cut"),
            false => Stop::whole(FaultCode::Type, "it is not a ZIP"),
        });
    };
    if fits(place) {
        return Ok(place);
    }
    let mut before = tail.get(..place).unwrap_or_default();
    while let Some(earlier) = last(before, &SIGNATURE) {
        if fits(earlier) {
            return Err(eocd(
                "the comment of the end record holds another end record",
            ));
        }
        before = tail.get(..earlier).unwrap_or_default();
    }
    let record = tail.get(place..).unwrap_or_default();
    let said = FIXED_BYTES + usize::from(u16_at(record, 20));
    Err(match record.len() > said {
        true => {
            let detail = format!("{} bytes follow the end record", record.len() - said);
            Stop::whole(FaultCode::ZipTrailing, &detail)
        }
        false => eocd("the end record is cut"),
    })
}

/// The fault of a directory that is not where it is said to be.
fn misplaced(
    source: &mut Source<'_>,
    tail: &[u8],
    place: usize,
    end: End,
    directory_end: u64,
) -> Result<Stop, Stop> {
    let real = directory_end.checked_sub(end.directory_bytes);
    if let Some(real) = real.filter(|real| end.directory_bytes > 0 && *real > end.directory)
        && source.read_at(real, 4)? == ENTRY
    {
        let detail = format!("{} bytes are before the archive", real - end.directory);
        return Ok(Stop::whole(FaultCode::ZipPrefix, &detail));
    }
    let other = tail.get(..place).and_then(|it| last(it, &SIGNATURE));
    if other.is_some() {
        return Ok(eocd("there is another end record before the last"));
    }
    let detail = format!(
        "the directory is said to be {} bytes at {} and does not end at {directory_end}",
        end.directory_bytes, end.directory
    );
    Ok(Stop::whole(FaultCode::ZipCd, &detail))
}

/// The ZIP64 records, if there is a locator: what they say and where they begin.
fn locator(source: &mut Source<'_>, record: &Record) -> Result<Option<(End, u64)>, Stop> {
    let Some(position) = record.position.checked_sub(LOCATOR_BYTES) else {
        return Ok(None);
    };
    let locator = source.read_at(position, 20)?;
    if !locator.starts_with(&LOCATOR) {
        return Ok(None);
    }
    let said = u64_at(&locator, 8);
    let is_one = u32_at(&locator, 4) == 0 && u32_at(&locator, 16) == 1;
    let fits = said.checked_add(RECORD64_BYTES) == Some(position);
    let bytes = source.read_at(position.saturating_sub(RECORD64_BYTES), 56)?;
    let is_sound = bytes.starts_with(&RECORD64)
        && u64_at(&bytes, 4) == RECORD64_BYTES - 12
        && u32_at(&bytes, 16) == 0
        && u32_at(&bytes, 20) == 0
        && u64_at(&bytes, 24) == u64_at(&bytes, 32);
    if !(is_one && fits && is_sound) {
        let detail = "the ZIP64 locator does not lead to the ZIP64 end record";
        return Err(Stop::whole(FaultCode::Zip64, detail));
    }
    let end = End {
        entries: u64_at(&bytes, 32),
        directory_bytes: u64_at(&bytes, 40),
        directory: u64_at(&bytes, 48),
    };
    let plain = record.end();
    let agrees = |small: u64, full: u64, large: u64| small == full || small == large;
    let agree = agrees(plain.entries, u16::MAX.into(), end.entries)
        && agrees(plain.directory, u32::MAX.into(), end.directory)
        && agrees(plain.directory_bytes, u32::MAX.into(), end.directory_bytes);
    if !agree {
        let detail = "the ZIP64 end record and the end record say different things";
        return Err(Stop::whole(FaultCode::Zip64, detail));
    }
    Ok(Some((end, said)))
}

/// Whether the last end record of a file that should be something else leads to a directory: then
/// some readers take the file for a ZIP.
pub(crate) fn last_of(source: &mut Source<'_>) -> Result<bool, Stop> {
    let start = source.len().saturating_sub(SEARCHED_BYTES);
    let tail = source.read_at(start, usize::try_from(SEARCHED_BYTES).unwrap_or(usize::MAX))?;
    let Some(place) = last(&tail, &SIGNATURE) else {
        return Ok(false);
    };
    let position = start + place as u64;
    let record = tail.get(place..).unwrap_or_default();
    if record.len() < FIXED_BYTES {
        return Ok(false);
    }
    let end = Record::parse(position, record).end();
    let Some(directory) = position.checked_sub(end.directory_bytes) else {
        return Ok(false);
    };
    let is_empty = end.directory_bytes == 0 && end.entries == 0;
    Ok(is_empty || source.read_at(directory, 4)? == ENTRY)
}

fn eocd(detail: &str) -> Stop {
    Stop::whole(FaultCode::ZipEocd, detail)
}
