//! Compressed layers. The libraries only decompress; where a stream must end is judged here.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use flate2::{Crc, FlushDecompress, Status};
use lzma_rust2::XzReader;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::stream::{Budget, CHUNK, Readable, Stop, Stream};
use crate::inspect::fault::FaultCode;

/// Memory one decoder may ask for: xz's highest setting needs 64 MiB.
const DICTIONARY_BYTES: u32 = 64 << 20;
/// The same in the unit xz is told it, with room for its tables.
const MEMORY_KIB: u32 = (DICTIONARY_BYTES >> 10) + 1_024;

/// How far one call of a decoder came.
pub(super) struct Step {
    used: usize,
    made: usize,
    is_end: bool,
}

/// A decoder that is handed its input.
pub(super) trait Engine {
    /// Decodes some; `None` if the input is damaged.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Option<Step>;
}

/// DEFLATE without a wrapper.
pub(super) struct Deflate(flate2::Decompress);

impl Engine for Deflate {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Option<Step> {
        let (from, to) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output, FlushDecompress::None);
        Some(Step {
            is_end: status.ok()? == Status::StreamEnd,
            used: usize::try_from(self.0.total_in().checked_sub(from)?).ok()?,
            made: usize::try_from(self.0.total_out().checked_sub(to)?).ok()?,
        })
    }
}

/// bzip2, one stream.
pub(super) struct Bzip2(bzip2::Decompress);

impl Engine for Bzip2 {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Option<Step> {
        let (from, to) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output).ok()?;
        Some(Step {
            is_end: status == bzip2::Status::StreamEnd,
            used: usize::try_from(self.0.total_in().checked_sub(from)?).ok()?,
            made: usize::try_from(self.0.total_out().checked_sub(to)?).ok()?,
        })
    }
}

/// A decoder with what it made and nobody took yet.
pub(super) struct Decoder<E> {
    engine: E,
    output: Box<[u8]>,
    start: usize,
    end: usize,
    is_end: bool,
    crc: Crc,
    made: u64,
    code: FaultCode,
}

impl Decoder<Deflate> {
    pub(super) fn deflate(code: FaultCode) -> Self {
        Self::new(Deflate(flate2::Decompress::new(false)), code)
    }

    /// Ready for the next stream.
    pub(super) fn reset(&mut self) {
        self.engine.0.reset(false);
        (self.start, self.end) = (0, 0);
        self.is_end = false;
        self.crc.reset();
        self.made = 0;
    }
}

impl<E: Engine> Decoder<E> {
    fn new(engine: E, code: FaultCode) -> Self {
        Self {
            engine,
            output: vec![0; CHUNK].into_boxed_slice(),
            start: 0,
            end: 0,
            is_end: false,
            crc: Crc::new(),
            made: 0,
            code,
        }
    }

    /// Whether the compressed stream came to its end and all was taken.
    pub(super) fn is_done(&self) -> bool {
        self.is_end && self.start >= self.end
    }

    /// CRC-32 of everything made.
    pub(super) fn crc(&self) -> u32 {
        self.crc.sum()
    }

    /// Bytes made.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn ready(&self) -> &[u8] {
        self.output.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }

    /// Makes more unless there is some or the stream has ended.
    pub(super) fn advance(
        &mut self,
        from: &mut dyn Stream,
        budget: &Budget<'_>,
    ) -> Result<(), Stop> {
        while self.start >= self.end && !self.is_end {
            let input = from.fill()?;
            let is_cut = input.is_empty();
            let step = self.engine.step(input, &mut self.output);
            let Some(Step { used, made, is_end }) = step else {
                return Err(Stop::whole(self.code, "the compressed data are damaged"));
            };
            from.consume(used);
            (self.start, self.end) = (0, made.min(self.output.len()));
            self.is_end = is_end;
            self.made = self.made.saturating_add(made as u64);
            self.crc
                .update(self.output.get(..self.end).unwrap_or_default());
            budget.unpacked(made)?;
            if made == 0 && !is_end && is_cut {
                return Err(Stop::whole(self.code, "the compressed data are cut"));
            }
            if made == 0 && !is_end && used == 0 {
                return Err(Stop::whole(self.code, "the compressed data are damaged"));
            }
        }
        Ok(())
    }
}

/// One bzip2 stream that must fill what is below.
pub(super) struct Bunzip2<'a> {
    from: &'a mut dyn Stream,
    budget: &'a Budget<'a>,
    decoder: Decoder<Bzip2>,
}

impl<'a> Bunzip2<'a> {
    pub(super) fn new(from: &'a mut dyn Stream, budget: &'a Budget<'a>) -> Self {
        let engine = Bzip2(bzip2::Decompress::new(false));
        Self {
            from,
            budget,
            decoder: Decoder::new(engine, FaultCode::Compression),
        }
    }
}

impl Stream for Bunzip2<'_> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        self.decoder.advance(self.from, self.budget)?;
        if self.decoder.is_done() {
            nothing_after(self.from)?;
        }
        Ok(self.decoder.ready())
    }

    fn consume(&mut self, count: usize) {
        self.decoder.consume(count);
    }
}

/// A decoder that reads its input itself.
pub(super) trait Pull<'a>: io::Read {
    /// What it reads from. Not asked after a failure.
    fn input(&mut self) -> &mut Readable<'a>;

    /// Whether what it made is what was compressed, as far as it leaves that to its caller.
    fn is_true(&self) -> bool;
}

impl<'a> Pull<'a> for XzReader<Readable<'a>> {
    fn input(&mut self) -> &mut Readable<'a> {
        self.inner_mut()
    }

    fn is_true(&self) -> bool {
        true
    }
}

impl<'a> Pull<'a> for StreamingDecoder<Readable<'a>, FrameDecoder> {
    fn input(&mut self) -> &mut Readable<'a> {
        self.get_mut()
    }

    fn is_true(&self) -> bool {
        let stored = self.decoder.get_checksum_from_data();
        stored.is_none() || stored == self.decoder.get_calculated_checksum()
    }
}

/// One xz stream or zstd frame that must fill what is below.
pub(super) struct Pulled<'a, P> {
    decoder: P,
    stop: Rc<Cell<Option<Stop>>>,
    budget: &'a Budget<'a>,
    output: Box<[u8]>,
    start: usize,
    end: usize,
    is_end: bool,
}

/// xz.
pub(super) fn unxz<'a>(from: &'a mut dyn Stream, budget: &'a Budget<'a>) -> impl Stream + 'a {
    let stop = Rc::default();
    let input = Readable {
        stream: from,
        stop: Rc::clone(&stop),
    };
    let decoder = XzReader::new_mem_limit(input, false, MEMORY_KIB);
    Pulled::new(decoder, stop, budget)
}

/// zstd.
pub(super) fn unzstd<'a>(
    from: &'a mut dyn Stream,
    budget: &'a Budget<'a>,
) -> Result<impl Stream + 'a, Stop> {
    let stop = Rc::default();
    let input = Readable {
        stream: from,
        stop: Rc::clone(&stop),
    };
    let window = u64::from(DICTIONARY_BYTES);
    let decoder = StreamingDecoder::new_with_max_window_size(input, window)
        .map_err(|error| failed(&stop, &error))?;
    Ok(Pulled::new(decoder, stop, budget))
}

fn failed(stop: &Cell<Option<Stop>>, error: &dyn std::error::Error) -> Stop {
    stop.take().unwrap_or_else(|| {
        let detail = format!("the compressed data are damaged ({error})");
        Stop::whole(FaultCode::Compression, &detail)
    })
}

impl<'a, P: Pull<'a>> Pulled<'a, P> {
    fn new(decoder: P, stop: Rc<Cell<Option<Stop>>>, budget: &'a Budget<'a>) -> Self {
        Self {
            decoder,
            stop,
            budget,
            output: vec![0; CHUNK].into_boxed_slice(),
            start: 0,
            end: 0,
            is_end: false,
        }
    }

    fn advance(&mut self) -> Result<(), Stop> {
        let read = self.decoder.read(&mut self.output);
        let made = read.map_err(|error| failed(&self.stop, &error))?;
        (self.start, self.end) = (0, made.min(self.output.len()));
        if made > 0 {
            return self.budget.unpacked(made);
        }
        self.is_end = true;
        if !self.decoder.is_true() {
            let detail = "the checksum of the compressed data is wrong";
            return Err(Stop::whole(FaultCode::Compression, detail));
        }
        nothing_after(self.decoder.input().stream)
    }
}

impl<'a, P: Pull<'a>> Stream for Pulled<'a, P> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        if self.start >= self.end && !self.is_end {
            self.advance()?;
        }
        Ok(self.output.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }
}

/// A second stream or anything else after the first is read by some and not by others.
fn nothing_after(from: &mut dyn Stream) -> Result<(), Stop> {
    if from.fill()?.is_empty() {
        return Ok(());
    }
    let detail = "there are bytes after the end of the compressed data";
    Err(Stop::whole(FaultCode::Compression, detail))
}
