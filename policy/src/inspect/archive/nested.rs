//! Archives inside archives.
//!
//! No installer unpacks them, but who looks into everything can be made to unpack without end. They
//! are unpacked here as far as [`Limits::nested_depth`](crate::inspect::Limits) and counted like
//! the rest, and nothing else about them is judged: packages carry damaged archives as test data.

use super::Compression;
use super::compression::{self, Bunzip2, Decoder};
use super::gzip::Gunzip;
use super::show::HEAD_BYTES;
use super::stream::{Budget, Limited, Stop, Stream, read_up_to, skip};
use super::tar;
use super::zip::local;
use crate::inspect::fault::FaultCode;

/// What a file turns out to be.
enum Kind {
    Zip,
    Tar,
    Compressed(Compression),
}

fn kind(head: &[u8]) -> Option<Kind> {
    if head.starts_with(&local::SIGNATURE) {
        return Some(Kind::Zip);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(Kind::Tar);
    }
    compression_of(head).map(Kind::Compressed)
}

/// The compression these bytes begin like.
pub(super) fn compression_of(head: &[u8]) -> Option<Compression> {
    match head {
        [0x1f, 0x8b, 8, ..] => Some(Compression::Gzip),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some(Compression::Bzip2),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
        _ => None,
    }
}

/// Unpacks a file at this depth, if it is an archive, as far as it can be. Only passing a bound is
/// a fault.
pub(super) fn look(
    file: &mut dyn Stream,
    head: &[u8],
    depth: u32,
    budget: &Budget<'_>,
) -> Result<(), Stop> {
    let Some(kind) = kind(head) else {
        return Ok(());
    };
    if depth > budget.limits().nested_depth {
        let detail = format!("there are archives in archives, {depth} deep");
        return Err(Stop::whole(FaultCode::Limit, &detail));
    }
    let looked = match kind {
        Kind::Zip => zip(file, depth, budget),
        Kind::Tar => tar::pass(file, budget, &mut |body| inside(body, depth + 1, budget)),
        Kind::Compressed(compression) => compressed(file, compression, depth, budget),
    };
    match looked {
        Err(stop) if stop.is_bound() => Err(stop),
        _ => Ok(()),
    }
}

/// A file in a nested archive.
fn inside(body: &mut dyn Stream, depth: u32, budget: &Budget<'_>) -> Result<(), Stop> {
    let mut ahead = Ahead::new(body)?;
    let head = ahead.head.clone();
    look(&mut ahead, &head, depth, budget)
}

fn compressed(
    file: &mut dyn Stream,
    compression: Compression,
    depth: u32,
    budget: &Budget<'_>,
) -> Result<(), Stop> {
    match compression {
        Compression::Gzip => unpacked(&mut Gunzip::new(file, budget)?, depth, budget),
        Compression::Bzip2 => unpacked(&mut Bunzip2::new(file, budget), depth, budget),
        Compression::Xz => unpacked(&mut compression::unxz(file, budget), depth, budget),
        Compression::Zstd => unpacked(&mut compression::unzstd(file, budget)?, depth, budget),
    }
}

/// What was compressed: a tar makes one archive with its compression, anything else is inside.
fn unpacked(stream: &mut dyn Stream, depth: u32, budget: &Budget<'_>) -> Result<(), Stop> {
    let mut ahead = Ahead::new(stream)?;
    let head = ahead.head.clone();
    match kind(&head) {
        Some(Kind::Tar) => look(&mut ahead, &head, depth, budget)?,
        _ => look(&mut ahead, &head, depth + 1, budget)?,
    }
    skip(&mut ahead, u64::MAX).map(|_| ())
}

/// A ZIP by its local headers, as far as those tell where the next one is.
fn zip(file: &mut dyn Stream, depth: u32, budget: &Budget<'_>) -> Result<(), Stop> {
    let mut decoder = None;
    loop {
        let mut fixed = [0; local::FIXED_BYTES];
        if read_up_to(file, &mut fixed)? < fixed.len() {
            return Ok(());
        }
        let Some(header) = local::Header::parse(&fixed) else {
            return Ok(());
        };
        budget.entry()?;
        skip(file, header.variable_bytes())?;
        match (header.method, header.has_descriptor()) {
            (0, false) => {
                let mut body = Limited::new(file, u64::from(header.compressed_bytes));
                inside(&mut body, depth + 1, budget)?;
                let left = body.left();
                skip(file, left)?;
            }
            (8, has_descriptor) => {
                let decoder = decoder.get_or_insert_with(|| Decoder::deflate(FaultCode::Crc));
                decoder.reset();
                let mut body = Inflated {
                    file,
                    decoder,
                    budget,
                };
                inside(&mut body, depth + 1, budget)?;
                skip(&mut body, u64::MAX)?;
                if has_descriptor {
                    // With its signature, as nearly all write it; else the walk ends here.
                    skip(file, 16)?;
                }
            }
            _ => return Ok(()),
        }
    }
}

/// A deflated entry.
struct Inflated<'a> {
    file: &'a mut dyn Stream,
    decoder: &'a mut Decoder<compression::Deflate>,
    budget: &'a Budget<'a>,
}

impl Stream for Inflated<'_> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        self.decoder.advance(self.file, self.budget)?;
        Ok(self.decoder.ready())
    }

    fn consume(&mut self, count: usize) {
        self.decoder.consume(count);
    }
}

/// A stream whose beginning was looked at.
struct Ahead<'a> {
    stream: &'a mut dyn Stream,
    head: Vec<u8>,
    taken: usize,
}

impl<'a> Ahead<'a> {
    fn new(stream: &'a mut dyn Stream) -> Result<Self, Stop> {
        let mut head = vec![0; HEAD_BYTES];
        let count = read_up_to(stream, &mut head)?;
        head.truncate(count);
        Ok(Self {
            stream,
            head,
            taken: 0,
        })
    }
}

impl Stream for Ahead<'_> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        match self.head.get(self.taken..) {
            Some(left) if !left.is_empty() => Ok(left),
            _ => self.stream.fill(),
        }
    }

    fn consume(&mut self, count: usize) {
        if self.taken < self.head.len() {
            self.taken = self.taken.saturating_add(count).min(self.head.len());
        } else {
            self.stream.consume(count);
        }
    }
}
