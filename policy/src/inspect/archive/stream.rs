//! Bytes from one layer to the next, without copies, and what makes reading stop.

use std::cell::Cell;
use std::io::{self, SeekFrom};
use std::rc::Rc;

use crate::inspect::fault::{Fault, FaultCode};
use crate::inspect::limits::Limits;
use crate::inspect::run::Input;

/// Bytes a layer hands on at once.
pub(super) const CHUNK: usize = 64 << 10;

/// Why reading ended before the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The input cannot be read.
    Input(io::Error),
    /// What follows cannot be told apart, or is not worth the work.
    Fault(Fault),
    /// A layer below stopped; it kept the reason.
    Below,
}

impl Stop {
    /// A fault of the archive as a whole.
    pub(super) fn whole(code: FaultCode, detail: &str) -> Self {
        Self::Fault(Fault::new(code, "", detail))
    }

    /// A fault of one entry.
    pub(super) fn at(code: FaultCode, place: &str, detail: &str) -> Self {
        Self::Fault(Fault::new(code, place, detail))
    }

    /// Whether a bound was passed: then nothing more is read, not even around it.
    pub(super) fn is_bound(&self) -> bool {
        let Self::Fault(fault) = self else {
            return !matches!(self, Self::Below);
        };
        matches!(
            fault.code,
            FaultCode::Limit | FaultCode::Ratio | FaultCode::Entries
        )
    }
}

/// A layer: what it has ready, and how much of that was taken.
pub(super) trait Stream {
    /// The next bytes, as often as asked; none at the end.
    fn fill(&mut self) -> Result<&[u8], Stop>;

    /// Takes so many of them.
    fn consume(&mut self, count: usize);
}

/// Fills the buffer as far as the stream goes.
pub(super) fn read_up_to(stream: &mut dyn Stream, buffer: &mut [u8]) -> Result<usize, Stop> {
    let mut done = 0;
    while let Some(room) = buffer.get_mut(done..).filter(|room| !room.is_empty()) {
        let ready = stream.fill()?;
        let count = ready.len().min(room.len());
        if count == 0 {
            break;
        }
        if let (Some(to), Some(from)) = (room.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        stream.consume(count);
        done += count;
    }
    Ok(done)
}

/// Passes over so many bytes; fewer only at the end. Returns how many.
pub(super) fn skip(stream: &mut dyn Stream, count: u64) -> Result<u64, Stop> {
    let mut left = count;
    while left > 0 {
        let ready = stream.fill()?.len();
        if ready == 0 {
            break;
        }
        let taken = at_most(ready, left);
        stream.consume(taken);
        left -= taken as u64;
    }
    Ok(count - left)
}

/// The smaller one: a count of bytes at hand.
pub(super) fn at_most(ready: usize, left: u64) -> usize {
    usize::try_from(left).map_or(ready, |left| left.min(ready))
}

/// The archive's own bytes.
pub(super) struct Source<'a> {
    input: &'a mut dyn Input,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    length: u64,
}

impl<'a> Source<'a> {
    /// From its beginning.
    pub(super) fn new(input: &'a mut dyn Input) -> io::Result<Self> {
        let length = input.seek(SeekFrom::End(0))?;
        input.seek(SeekFrom::Start(0))?;
        Ok(Self {
            input,
            buffer: vec![0; CHUNK].into_boxed_slice(),
            start: 0,
            end: 0,
            length,
        })
    }

    /// How long it is.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Goes on at this place.
    pub(super) fn seek(&mut self, position: u64) -> Result<(), Stop> {
        (self.start, self.end) = (0, 0);
        self.input
            .seek(SeekFrom::Start(position))
            .map(|_| ())
            .map_err(Stop::Input)
    }

    /// Bytes at a place; fewer only if the archive ends.
    pub(super) fn read_at(&mut self, position: u64, count: usize) -> Result<Vec<u8>, Stop> {
        self.seek(position)?;
        let mut bytes = vec![0; at_most(count, self.length.saturating_sub(position))];
        let done = read_up_to(self, &mut bytes)?;
        bytes.truncate(done);
        Ok(bytes)
    }
}

impl Stream for Source<'_> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        while self.start >= self.end {
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Ok(&[]),
                Ok(count) => (self.start, self.end) = (0, count.min(self.buffer.len())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Input(error)),
            }
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }
}

/// The next so many bytes of a stream.
pub(super) struct Limited<'a> {
    stream: &'a mut dyn Stream,
    left: u64,
}

impl<'a> Limited<'a> {
    pub(super) fn new(stream: &'a mut dyn Stream, count: u64) -> Self {
        Self {
            stream,
            left: count,
        }
    }

    /// How many of them were not taken.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

impl Stream for Limited<'_> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let ready = self.stream.fill()?;
        let count = at_most(ready.len(), self.left);
        Ok(ready.get(..count).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        let count = at_most(count, self.left);
        self.left -= count as u64;
        self.stream.consume(count);
    }
}

/// A stream for libraries that want a [`Read`](io::Read). What stopped it is left in `stop`.
pub(super) struct Readable<'a> {
    pub(super) stream: &'a mut dyn Stream,
    pub(super) stop: Rc<Cell<Option<Stop>>>,
}

impl io::Read for Readable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = match self.stream.fill() {
            Ok(ready) => ready,
            Err(stop) => {
                self.stop.set(Some(stop));
                return Err(io::Error::other("the layer below stopped"));
            }
        };
        let count = ready.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.stream.consume(count);
        Ok(count)
    }
}

/// What one inspection may cost, over all layers and nested archives. Each layer counts what it
/// unpacks itself: who reads an archive inside the archive is given a [`nested`](Self::nested) one,
/// and what it reads from goes on counting as what it is.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    limits: &'a Limits,
    archive_bytes: u64,
    is_nested: bool,
    spent: Rc<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    unpacked: Cell<u64>,
    /// Of these, what came of archives inside the archive.
    nested: Cell<u64>,
    entries: Cell<u64>,
}

impl<'a> Budget<'a> {
    /// For an archive of this size.
    pub(super) fn new(limits: &'a Limits, archive_bytes: u64) -> Self {
        Self {
            limits,
            archive_bytes,
            is_nested: false,
            spent: Rc::default(),
        }
    }

    pub(super) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// The same, for what is in archives inside the archive.
    pub(super) fn nested(&self) -> Self {
        Self {
            limits: self.limits,
            archive_bytes: self.archive_bytes,
            is_nested: true,
            spent: Rc::clone(&self.spent),
        }
    }

    /// So many bytes were unpacked.
    pub(super) fn unpacked(&self, count: usize) -> Result<(), Stop> {
        let add = |to: &Cell<u64>| {
            let total = to.get().saturating_add(count as u64);
            to.set(total);
            total
        };
        let total = add(&self.spent.unpacked);
        if self.is_nested {
            add(&self.spent.nested);
        }
        let installed = total.saturating_sub(self.spent.nested.get());
        self.ratio(installed, self.limits.ratio)?;
        self.ratio(total, self.limits.nested_ratio)?;
        if total > self.limits.unpacked_bytes {
            let detail = format!(
                "it unpacks to more than {} bytes",
                self.limits.unpacked_bytes
            );
            return Err(Stop::whole(FaultCode::Limit, &detail));
        }
        Ok(())
    }

    fn ratio(&self, unpacked: u64, ratio: u64) -> Result<(), Stop> {
        let allowed = ratio.saturating_mul(self.archive_bytes);
        match unpacked > self.limits.ratio_from_bytes && unpacked > allowed {
            true => {
                let detail = format!(
                    "{} bytes unpack to more than {unpacked}, over {ratio} times as much",
                    self.archive_bytes
                );
                Err(Stop::whole(FaultCode::Ratio, &detail))
            }
            false => Ok(()),
        }
    }

    /// Another entry.
    pub(super) fn entry(&self) -> Result<(), Stop> {
        let total = self.spent.entries.get().saturating_add(1);
        self.spent.entries.set(total);
        if total > self.limits.entries {
            return Err(too_many_entries(self.limits));
        }
        Ok(())
    }
}

/// The fault of an archive with more entries than are looked at.
pub(super) fn too_many_entries(limits: &Limits) -> Stop {
    let most = limits.entries;
    let detail = format!("there are more than {most} entries");
    Stop::whole(FaultCode::Entries, &detail)
}
