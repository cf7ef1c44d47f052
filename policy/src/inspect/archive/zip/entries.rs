//! The entries of a ZIP, front to back: they must lie one behind the other without a gap.

use std::borrow::Cow;

use super::directory::{self, Entry};
use super::end::{self, End};
use super::last;
use super::local::{self, Header};
use crate::inspect::archive::Member;
use crate::inspect::archive::collide::Kind;
use crate::inspect::archive::compression::{Decoder, Deflate};
use crate::inspect::archive::stream::{Budget, Limited, Source, Stop, Stream, read_up_to, skip};
use crate::inspect::archive::walk::Walk;
use crate::inspect::fault::FaultCode;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Encrypted, strongly encrypted, with a masked directory.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// The data are a patch for another file.
const PATCH: u16 = 1 << 5;

/// Bytes of a gap that are searched to tell what it is.
const GAP_BYTES: usize = 1 << 20;

/// Reads a ZIP to its end.
pub(crate) fn read(source: &mut Source<'_>, walk: &mut Walk<'_>) -> Result<(), Stop> {
    let end = end::find(source)?;
    let bytes = directory::load(source, end, walk.budget().limits())?;
    let entries = directory::parse(&bytes, end)?;
    tile(source, &entries, end)?;
    let mut zip = Zip {
        source,
        walk,
        decoder: Decoder::deflate(FaultCode::Compression),
    };
    zip.source.seek(0)?;
    let after = entries.iter().skip(1).map(|entry| entry.position);
    for (entry, next) in entries.iter().zip(after.chain([end.directory])) {
        zip.entry(entry, next)?;
    }
    Ok(())
}

/// Checks, by the directory alone, that entries begin at 0 and do not overlap: before any is
/// unpacked.
fn tile(source: &mut Source<'_>, entries: &[Entry<'_>], end: End) -> Result<(), Stop> {
    let first = entries.first().map_or(end.directory, |it| it.position);
    if first > 0 {
        return Err(gap(source, 0, first.min(end.directory), "")?);
    }
    let after = entries.iter().skip(1).map(|entry| entry.position);
    for (entry, next) in entries.iter().zip(after.chain([end.directory])) {
        if entry.position >= end.directory {
            let detail = "the local header is said to be in the directory or after it";
            return Err(Stop::at(FaultCode::ZipLfh, &entry.place(), detail));
        }
        let least = (local::FIXED_BYTES + entry.name.len()) as u64;
        let least = entry.compressed_bytes.checked_add(entry.position + least);
        if least.is_none_or(|least| least > next) {
            return Err(overlap(entry));
        }
    }
    Ok(())
}

fn overlap(entry: &Entry<'_>) -> Stop {
    let detail = "its bytes are also those of the next entry or the directory";
    Stop::at(FaultCode::Overlap, &entry.place(), detail)
}

/// What bytes that belong to no entry are.
fn gap(source: &mut Source<'_>, start: u64, end: u64, after: &str) -> Result<Stop, Stop> {
    let count = end.saturating_sub(start);
    let bytes = source.read_at(
        start,
        usize::try_from(count).unwrap_or(GAP_BYTES).min(GAP_BYTES),
    )?;
    let is_entry = bytes.starts_with(&local::SIGNATURE) && last(&bytes, b"PK\x05\x06").is_none();
    Ok(match is_entry {
        true => Stop::at(
            FaultCode::ZipLfh,
            after,
            &format!("at {start} is an entry that is not in the directory"),
        ),
        false => Stop::at(
            FaultCode::ZipPrefix,
            after,
            &format!("the {count} bytes at {start} belong to no entry"),
        ),
    })
}

struct Zip<'z, 's, 'a> {
    source: &'z mut Source<'s>,
    walk: &'z mut Walk<'a>,
    decoder: Decoder<Deflate>,
}

impl Zip<'_, '_, '_> {
    /// Reads one entry, from its header to where the next must begin.
    fn entry(&mut self, entry: &Entry<'_>, next: u64) -> Result<(), Stop> {
        self.walk.budget().entry()?;
        let mut fixed = [0; local::FIXED_BYTES];
        let read = read_up_to(self.source, &mut fixed)?;
        let header = Header::parse(&fixed).filter(|_| read == fixed.len());
        let Some(header) = header else {
            let detail = format!("there is no local header at {}", entry.position);
            return Err(Stop::at(FaultCode::ZipLfh, &entry.place(), &detail));
        };
        let variable_bytes = header.variable_bytes();
        let mut variable = vec![0; usize::try_from(variable_bytes).unwrap_or_default()];
        read_up_to(self.source, &mut variable)?;
        let compared = header.compare(&variable, entry);
        compared.map_err(|(code, detail)| Stop::at(code, &entry.place(), &detail))?;
        let start = entry.position + local::FIXED_BYTES as u64 + variable_bytes;
        let end = start.checked_add(entry.compressed_bytes);
        let Some(end) = end.filter(|end| *end <= next) else {
            return Err(overlap(entry));
        };
        self.body(entry)?;
        self.after(entry, end, next)
    }

    /// Reads the data of an entry.
    fn body(&mut self, entry: &Entry<'_>) -> Result<(), Stop> {
        let path = self.judged(entry)?;
        let Self {
            source,
            walk,
            decoder,
        } = self;
        let mut packed = Limited::new(*source, entry.compressed_bytes);
        let readable = entry.flags & ENCRYPTED == 0 && matches!(entry.method, STORED | DEFLATED);
        if let Some(path) = path.filter(|_| readable) {
            let member = Member {
                path: &path,
                size_bytes: entry.size_bytes,
                mode: u32::from(entry.unix_mode) & 0o7777,
            };
            decoder.reset();
            let mut body = Body {
                packed: &mut packed,
                decoder,
                entry,
                budget: walk.budget(),
                stored: Stored::default(),
            };
            walk.file(&member, &mut body)?;
        }
        let left = packed.left();
        match skip(&mut packed, left)? == left {
            true => Ok(()),
            false => Err(Stop::at(
                FaultCode::ZipMismatch,
                &entry.place(),
                "the data are cut",
            )),
        }
    }

    /// What the directory says about an entry; its path if it is a file to be shown.
    fn judged<'e>(&mut self, entry: &Entry<'e>) -> Result<Option<Cow<'e, str>>, Stop> {
        let place = entry.place();
        if entry.flags & ENCRYPTED != 0 {
            self.walk
                .fault(FaultCode::Encrypted, &place, "it is encrypted");
        } else if entry.flags & PATCH != 0 || !matches!(entry.method, STORED | DEFLATED) {
            let detail = format!("it is compressed by method {}", entry.method);
            self.walk.fault(FaultCode::Method, &place, &detail);
        }
        if entry.version_needed > local::LATEST_VERSION {
            let detail = local::too_late(entry.version_needed);
            self.walk.fault(FaultCode::Method, &place, &detail);
        }
        if entry.flags & local::DEFERRED != 0 && entry.method == STORED {
            let detail = "a data descriptor after data that do not tell their end";
            self.walk.fault(FaultCode::ZipDd, &place, detail);
        }
        let is_folder = entry.is_folder();
        match (entry.unix_mode >> 12, is_folder) {
            (0, _) | (0o10, false) | (0o4, true) => {}
            (0o12, _) => self
                .walk
                .fault(FaultCode::Link, &place, "it is a symbolic link"),
            (kind, _) => {
                let detail = format!("its type ({kind:o}) is not that of its name");
                self.walk.fault(FaultCode::Type, &place, &detail);
            }
        }
        if is_folder && (entry.size_bytes > 0 || entry.crc != 0) {
            self.walk
                .fault(FaultCode::Type, &place, "a folder has content");
        }
        let kind = if is_folder { Kind::Folder } else { Kind::File };
        let path = self.walk.name(entry.name, kind)?;
        if let Some(path) = &path {
            self.walk.mode(path, entry.unix_mode.into());
        }
        Ok(path.filter(|_| !is_folder))
    }

    /// What stands between the data and the next entry: nothing, or a true descriptor.
    fn after(&mut self, entry: &Entry<'_>, end: u64, next: u64) -> Result<(), Stop> {
        let room = next - end;
        let mut used = 0;
        if entry.flags & local::DEFERRED != 0 {
            let bytes = self.source.read_at(end, local::DESCRIPTOR_BYTES)?;
            used = local::descriptor(&bytes, room, entry).ok_or_else(|| {
                let detail = "the data descriptor is missing or not what the directory says";
                Stop::at(FaultCode::ZipDd, &entry.place(), detail)
            })?;
            self.source.seek(end + used)?;
        }
        if used < room {
            let place = entry.place();
            return Err(gap(self.source, end + used, next, &place)?);
        }
        Ok(())
    }
}

/// The content of an entry, checked against the directory at its end.
struct Body<'b, 'd, 'a> {
    packed: &'b mut Limited<'d>,
    decoder: &'b mut Decoder<Deflate>,
    entry: &'b Entry<'b>,
    budget: &'b Budget<'a>,
    stored: Stored,
}

#[derive(Default)]
struct Stored {
    crc: flate2::Crc,
    made: u64,
    is_checked: bool,
}

impl Body<'_, '_, '_> {
    fn check(&mut self) -> Result<(), Stop> {
        self.stored.is_checked = true;
        let (made, crc) = match self.entry.method {
            DEFLATED => (self.decoder.made(), self.decoder.crc()),
            _ => (self.stored.made, self.stored.crc.sum()),
        };
        let place = self.entry.place();
        if made != self.entry.size_bytes {
            let detail = format!("{made} bytes, the directory says {}", self.entry.size_bytes);
            return Err(Stop::at(FaultCode::ZipMismatch, &place, &detail));
        }
        if self.packed.left() > 0 {
            let detail = format!("{} bytes follow the compressed data", self.packed.left());
            return Err(Stop::at(FaultCode::ZipMismatch, &place, &detail));
        }
        if crc != self.entry.crc {
            let detail = format!(
                "the checksum is {crc:08x}, the directory's {:08x}",
                self.entry.crc
            );
            return Err(Stop::at(FaultCode::Crc, &place, &detail));
        }
        Ok(())
    }
}

impl Stream for Body<'_, '_, '_> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        if self.entry.method == DEFLATED {
            self.decoder.advance(self.packed, self.budget)?;
            if self.decoder.made() > self.entry.size_bytes
                || (self.decoder.is_done() && !self.stored.is_checked)
            {
                self.check()?;
            }
            return Ok(self.decoder.ready());
        }
        if self.packed.left() == 0 && !self.stored.is_checked {
            self.check()?;
        }
        self.packed.fill()
    }

    fn consume(&mut self, count: usize) {
        if self.entry.method == DEFLATED {
            return self.decoder.consume(count);
        }
        if let Ok(taken) = self.packed.fill() {
            let taken = taken.get(..count).unwrap_or(taken);
            self.stored.crc.update(taken);
            self.stored.made = self.stored.made.saturating_add(taken.len() as u64);
        }
        self.packed.consume(count);
    }
}
