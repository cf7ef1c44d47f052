//! Showing files to who looks at them: their first bytes, and the digest of all.

use sha2::{Digest as _, Sha256};

use super::stream::{Stop, Stream, at_most};

/// Bytes of an archive's beginning that tell its kind: a tar's are at 257.
pub(super) const HEAD_BYTES: usize = 512;

/// One file while it is read.
pub(super) struct Showing<'a> {
    body: &'a mut dyn Stream,
    digest: Sha256,
    kept: &'a mut Vec<u8>,
    wanted: u64,
    read: u64,
    head: Vec<u8>,
    head_taken: usize,
    stop: Option<Stop>,
}

impl<'a> Showing<'a> {
    /// Starts a file; its beginning is read ahead. `kept` is a buffer used again for every file.
    pub(super) fn new(
        body: &'a mut dyn Stream,
        kept: &'a mut Vec<u8>,
        wanted: u64,
    ) -> Result<Self, Stop> {
        kept.clear();
        let mut head = Vec::new();
        while head.len() < HEAD_BYTES {
            let ready = body.fill()?;
            let count = ready.len().min(HEAD_BYTES - head.len());
            if count == 0 {
                break;
            }
            head.extend(ready.iter().take(count));
            body.consume(count);
        }
        Ok(Self {
            body,
            digest: Sha256::new(),
            kept,
            wanted,
            read: 0,
            head,
            head_taken: 0,
            stop: None,
        })
    }

    /// Its first bytes.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Why the layer below stopped, if it did.
    pub(super) fn stopped(&mut self) -> Result<(), Stop> {
        self.stop.take().map_or(Ok(()), Err)
    }

    /// Reads what is left of the file; gives back how long it was, and the digest of it all.
    pub(super) fn finish(mut self) -> Result<(u64, [u8; 32]), Stop> {
        loop {
            let ready = match self.fill() {
                Ok(ready) => ready.len(),
                Err(stop) => return Err(self.stop.take().unwrap_or(stop)),
            };
            if ready == 0 {
                break;
            }
            self.consume(ready);
        }
        Ok((self.read, self.digest.finalize().into()))
    }
}

impl Stream for Showing<'_> {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        if self.head_taken < self.head.len() {
            return Ok(self.head.get(self.head_taken..).unwrap_or_default());
        }
        match self.body.fill() {
            Ok(ready) => Ok(ready),
            Err(stop) => {
                self.stop = Some(stop);
                Err(Stop::Below)
            }
        }
    }

    fn consume(&mut self, count: usize) {
        let is_head = self.head_taken < self.head.len();
        let ready = match is_head {
            true => self.head.get(self.head_taken..).unwrap_or_default(),
            // It was filled without failing before anything of it is taken.
            false => self.body.fill().unwrap_or_default(),
        };
        let taken = ready.get(..count).unwrap_or(ready);
        self.digest.update(taken);
        let room = self.wanted.saturating_sub(self.kept.len() as u64);
        let keep = at_most(taken.len(), room);
        self.kept
            .extend_from_slice(taken.get(..keep).unwrap_or_default());
        let taken = taken.len();
        self.read = self.read.saturating_add(taken as u64);
        match is_head {
            true => self.head_taken += taken,
            false => self.body.consume(taken),
        }
    }
}
