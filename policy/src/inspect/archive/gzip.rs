//! The gzip layer (RFC 1952): exactly one member that fills the file.

use flate2::Crc;

use super::compression::{Decoder, Deflate};
use super::stream::{Budget, Stop, Stream, read_up_to};
use crate::inspect::fault::FaultCode;

/// How a gzip member begins.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Bytes of the name, the comment or the extra field of a header. Real ones have a file name.
const FIELD_BYTES: usize = 4_096;

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// What is compressed.
pub(super) struct Gunzip<'a> {
    from: &'a mut dyn Stream,
    budget: &'a Budget<'a>,
    decoder: Decoder<Deflate>,
    is_checked: bool,
}

impl<'a> Gunzip<'a> {
    /// Reads the header.
    pub(super) fn new(from: &'a mut dyn Stream, budget: &'a Budget<'a>) -> Result<Self, Stop> {
        header(from)?;
        Ok(Self {
            from,
            budget,
            decoder: Decoder::deflate(FaultCode::Gzip),
            is_checked: false,
        })
    }

    /// The trailer, and that nothing follows.
    fn finish(&mut self) -> Result<(), Stop> {
        self.is_checked = true;
        let mut trailer = [0; 8];
        if read_up_to(self.from, &mut trailer)? < trailer.len() {
            return Err(fault("the trailer is cut"));
        }
        let [a, b, c, d, e, f, g, h] = trailer;
        let (stored, size) = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        );
        let crc = self.decoder.crc();
        if stored != crc {
            let detail = format!("the checksum is {crc:08x}, the trailer says {stored:08x}");
            return Err(fault(&detail));
        }
        let made = self.decoder.made();
        if made & u64::from(u32::MAX) != u64::from(size) {
            let detail = format!("there are {made} bytes, the trailer says {size}");
            return Err(fault(&detail));
        }
        let mut next = [0; 2];
        match read_up_to(self.from, &mut next)? {
            0 => Ok(()),
            2 if next == MAGIC => Err(Stop::whole(
                FaultCode::GzipMulti,
                "another gzip member follows the first",
            )),
            _ => Err(fault("there are bytes after the trailer")),
        }
    }
}

impl Stream for Gunzip<'_> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        self.decoder.advance(self.from, self.budget)?;
        if self.decoder.is_done() && !self.is_checked {
            self.finish()?;
        }
        Ok(self.decoder.ready())
    }

    fn consume(&mut self, count: usize) {
        self.decoder.consume(count);
    }
}

fn fault(detail: &str) -> Stop {
    Stop::whole(FaultCode::Gzip, detail)
}

/// Reads a member's header.
fn header(from: &mut dyn Stream) -> Result<(), Stop> {
    let mut crc = Crc::new();
    let fixed: [u8; 10] = exactly(from, &mut crc)?;
    let [m0, m1, method, flags, ..] = fixed;
    if [m0, m1] != MAGIC {
        return Err(fault("it does not begin like gzip"));
    }
    if method != 8 {
        return Err(fault(&format!("the compression method is {method}, not 8")));
    }
    if flags & RESERVED != 0 {
        return Err(fault(&format!("reserved flags are set ({flags:#04x})")));
    }
    if flags & EXTRA != 0 {
        let count = u16::from_le_bytes(exactly(from, &mut crc)?);
        if usize::from(count) > FIELD_BYTES {
            return Err(fault(&format!("the extra field has {count} bytes")));
        }
        for _ in 0..count {
            let [_]: [u8; 1] = exactly(from, &mut crc)?;
        }
    }
    for (flag, what) in [(NAME, "name"), (COMMENT, "comment")] {
        if flags & flag != 0 {
            text(from, &mut crc, what)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        let computed = crc.sum() & 0xffff;
        let stored = u16::from_le_bytes(exactly(from, &mut crc)?);
        if computed != u32::from(stored) {
            return Err(fault("the checksum of the header is wrong"));
        }
    }
    Ok(())
}

fn exactly<const N: usize>(from: &mut dyn Stream, crc: &mut Crc) -> Result<[u8; N], Stop> {
    let mut bytes = [0; N];
    if read_up_to(from, &mut bytes)? < N {
        return Err(fault("the header is cut"));
    }
    crc.update(&bytes);
    Ok(bytes)
}

/// A text that ends with a zero byte.
fn text(from: &mut dyn Stream, crc: &mut Crc, what: &str) -> Result<(), Stop> {
    for _ in 0..FIELD_BYTES {
        let [byte]: [u8; 1] = exactly(from, crc)?;
        if byte == 0 {
            return Ok(());
        }
    }
    let detail = format!("the {what} in the header has over {FIELD_BYTES} bytes");
    Err(fault(&detail))
}
