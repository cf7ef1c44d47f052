//! Response bodies.
//!
//! Artifact bytes come only from a [`Cleared`], and stored ones leave in verified chunks: a chunk
//! that fails its check ends the connection before one of its bytes is sent, so a client sees a cut
//! transfer and never wrong bytes (INV-3, INV-5).

use std::io::{Cursor, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use cordon_storage::StorageError;
use cordon_storage::blob::{BlobReader, CHUNK_BYTES};
use flate2::bufread::MultiGzDecoder;
use http_body::{Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use tokio::task::JoinHandle;

use crate::engine::{Cleared, ClearedBytes};

/// Bytes inflated at a time for a client without gzip: a few dozen microseconds of work.
const INFLATE_BYTES: usize = 64 * 1024;

/// Told of stored bytes that could not be sent. Called once for each transfer that was cut.
pub type DamageReport = Arc<dyn Fn(&Cleared, &StorageError) + Send + Sync>;

/// The body of a response.
#[derive(Debug)]
pub struct Body {
    source: Source,
    /// Bytes still to come.
    remaining: u64,
    sent: Option<Counter>,
    watch: Option<Box<dyn Watch>>,
}

/// Watches a response being sent: dropped with the body, once it is handed over or given up.
pub trait Watch: Send + Sync + std::fmt::Debug {
    /// The connection took a piece.
    fn progressed(&self);
}

#[derive(Debug)]
enum Source {
    /// All at once.
    Whole(Bytes),
    Stored(StoredPart),
    Inflated(Box<Inflated>),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// Bytes from memory: documents, refusals, pages.
    pub fn whole(bytes: Bytes) -> Self {
        Self::new(bytes.len() as u64, Source::Whole(bytes))
    }

    /// A document kept compressed, for a client that does not take gzip. `size_bytes` is its size
    /// inflated; a stream that gives another size is an error.
    pub fn inflated(gzip: Bytes, size_bytes: u64) -> Self {
        let decoder = MultiGzDecoder::new(Cursor::new(gzip));
        Self::new(size_bytes, Source::Inflated(Box::new(Inflated(decoder))))
    }

    /// Bytes `first..=last` of a cleared artifact, which must lie inside it.
    pub fn artifact(cleared: &Arc<Cleared>, first: u64, last: u64, report: &DamageReport) -> Self {
        debug_assert!(first <= last && last < cleared.size_bytes());
        let length = last - first + 1;
        match cleared.bytes() {
            ClearedBytes::Memory(bytes) => {
                let bounds = usize::try_from(first).ok().zip(usize::try_from(last).ok());
                let part = bounds
                    .filter(|(first, last)| first <= last && *last < bytes.len())
                    .map_or_else(Bytes::new, |(first, last)| bytes.slice(first..=last));
                Self::whole(part)
            }
            ClearedBytes::Stored(reader) => Self::new(
                length,
                Source::Stored(StoredPart {
                    reader: reader.clone(),
                    cleared: Arc::clone(cleared),
                    report: Arc::clone(report),
                    next: first,
                    end: last + 1,
                    reading: None,
                }),
            ),
        }
    }

    fn new(remaining: u64, source: Source) -> Self {
        Self {
            source,
            remaining,
            sent: None,
            watch: None,
        }
    }

    /// Counts the bytes as they are handed to the connection.
    #[must_use]
    pub fn counted(mut self, sent: Counter) -> Self {
        self.sent = Some(sent);
        self
    }

    /// Tells `watch` of progress, and keeps it until the body is sent or dropped.
    #[must_use]
    pub fn watched(mut self, watch: impl Watch + 'static) -> Self {
        self.watch = Some(Box::new(watch));
        self
    }

    /// Bytes still to come.
    pub fn len(&self) -> u64 {
        self.remaining
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.remaining == 0
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let piece = match &mut self.source {
            Source::Whole(bytes) => Ok(std::mem::take(bytes)),
            Source::Stored(part) => ready!(part.poll_chunk(context)),
            Source::Inflated(inflated) => inflated.piece(),
        };
        let remaining = self.remaining;
        let piece = piece.and_then(|piece| {
            // Neither more nor less than was announced may leave.
            if piece.is_empty() || piece.len() as u64 > remaining {
                return Err(BodyError::Length);
            }
            Ok(piece)
        });
        match piece {
            Ok(piece) => {
                self.remaining -= piece.len() as u64;
                if let Some(sent) = &self.sent {
                    sent.inc_by(piece.len() as u64);
                }
                if let Some(watch) = &self.watch {
                    watch.progressed();
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Err(error) => {
                self.remaining = 0;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// A part of a stored blob: one chunk is read ahead while the one before is being sent.
struct StoredPart {
    reader: BlobReader,
    cleared: Arc<Cleared>,
    report: DamageReport,
    /// Offset the next read starts at.
    next: u64,
    /// Offset after the last byte wanted.
    end: u64,
    reading: Option<JoinHandle<Result<Bytes, StorageError>>>,
}

impl StoredPart {
    fn read_next(&self) -> JoinHandle<Result<Bytes, StorageError>> {
        let reader = self.reader.clone();
        let offset = self.next;
        let wanted = usize::try_from((self.end - self.next).min(CHUNK_BYTES)).unwrap_or(usize::MAX);
        // A whole chunk is asked for, which the reader has to prove anyway: of a part it would keep
        // the rest for the next question.
        tokio::task::spawn_blocking(move || {
            let mut piece = reader.read_at(offset, usize::MAX)?;
            piece.truncate(wanted);
            Ok(piece)
        })
    }

    /// The next piece if it is in memory because it is being sent to somebody else: a herd on one
    /// artifact costs one read of each chunk.
    fn at_hand(&self) -> Option<Bytes> {
        let wanted = usize::try_from((self.end - self.next).min(CHUNK_BYTES)).unwrap_or(usize::MAX);
        self.reader.at_hand(self.next, wanted)
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => match self.at_hand() {
                Some(bytes) => {
                    self.next = self.next.saturating_add(bytes.len() as u64);
                    return Poll::Ready(Ok(bytes));
                }
                None => self.read_next(),
            },
        };
        let Poll::Ready(outcome) = Pin::new(&mut reading).poll(context) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        Poll::Ready(match outcome {
            Ok(Ok(bytes)) => {
                self.next = self.next.saturating_add(bytes.len() as u64);
                if self.next < self.end && !bytes.is_empty() {
                    self.reading = Some(self.read_next());
                }
                Ok(bytes)
            }
            Ok(Err(error)) => {
                (self.report)(&self.cleared, &error);
                Err(BodyError::Store(error))
            }
            Err(_) => Err(BodyError::Reader),
        })
    }
}

impl std::fmt::Debug for StoredPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredPart")
            .field("next", &self.next)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Inflated(MultiGzDecoder<Cursor<Bytes>>);

impl Inflated {
    fn piece(&mut self) -> Result<Bytes, BodyError> {
        let mut piece = vec![0; INFLATE_BYTES];
        let mut filled = 0;
        while let Some(room) = piece.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.0.read(room).map_err(BodyError::Inflate)? {
                0 => break,
                count => filled += count,
            }
        }
        piece.truncate(filled);
        Ok(piece.into())
    }
}

/// Why a body was cut. The client sees a broken transfer.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The store would not give the bytes.
    #[error("reading a stored artifact for a client: {0}")]
    Store(#[source] StorageError),
    /// The reading task ended without an answer.
    #[error("reading a stored artifact for a client: the reader stopped")]
    Reader,
    /// More or fewer bytes than announced.
    #[error("sending a body: it is not as long as announced")]
    Length,
    /// A compressed document in memory is damaged.
    #[error("inflating a document for a client without gzip")]
    Inflate(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use cordon_policy::model::Digest;
    use cordon_storage::StorageErrorKind;
    use cordon_storage::blob::ReadBlob;
    use http_body_util::BodyExt as _;

    use super::*;

    /// A blob whose chunk `bad` cannot be read, and whose chunk `held` is in memory.
    #[derive(Default)]
    struct Blob {
        bytes: Bytes,
        bad: Option<u64>,
        held: Option<u64>,
        reads: Mutex<Vec<(u64, usize)>>,
    }

    impl ReadBlob for Blob {
        fn size_bytes(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read_at(&self, offset: u64, max: usize) -> Result<Bytes, StorageError> {
            self.reads.lock().expect("no panic").push((offset, max));
            if self.bad == Some(offset / CHUNK_BYTES) {
                let cause = "checksum of a chunk differs";
                return Err(StorageError::new(
                    "blob",
                    "reading a blob",
                    StorageErrorKind::Corrupt,
                    cause,
                ));
            }
            Ok(self.part(offset, max))
        }

        fn at_hand(&self, offset: u64, max: usize) -> Option<Bytes> {
            let is_held = self.held == Some(offset / CHUNK_BYTES);
            is_held.then(|| self.part(offset, max))
        }
    }

    impl Blob {
        fn part(&self, offset: u64, max: usize) -> Bytes {
            let chunk_end = (offset / CHUNK_BYTES + 1) * CHUNK_BYTES;
            let end = chunk_end
                .min(self.size_bytes())
                .min(offset.saturating_add(max as u64));
            self.bytes.slice(offset as usize..end as usize)
        }
    }

    fn stored(size: usize, bad: Option<u64>) -> (Bytes, Arc<Cleared>) {
        let bytes: Bytes = (0..size).map(|i| (i % 251) as u8).collect();
        let blob = Blob {
            bytes: bytes.clone(),
            bad,
            ..Blob::default()
        };
        let cleared = Cleared::for_test(Digest::of(&bytes), ClearedBytes::Stored(Arc::new(blob)));
        (bytes, Arc::new(cleared))
    }

    fn ignore() -> DamageReport {
        Arc::new(|_, _| {})
    }

    #[tokio::test]
    async fn stored_bytes_arrive_whole_and_in_part() {
        let chunk = CHUNK_BYTES as usize;
        let size = chunk * 3 + 17;
        let (bytes, cleared) = stored(size, None);
        let end = size - 1;
        for (first, last) in [
            (0, end),
            (0, 0),
            (chunk - 1, chunk),
            (5, chunk * 2),
            (end, end),
        ] {
            let body = Body::artifact(&cleared, first as u64, last as u64, &ignore());
            assert_eq!(body.len(), (last - first + 1) as u64);
            let sent = body.collect().await.expect("reads").to_bytes();
            assert_eq!(sent, bytes.slice(first..=last), "{first}-{last}");
        }
    }

    #[tokio::test]
    async fn what_is_held_for_another_transfer_is_not_read_again() {
        let size = CHUNK_BYTES as usize * 3 + 1;
        let bytes: Bytes = (0..size).map(|i| (i % 241) as u8).collect();
        let blob = Arc::new(Blob {
            bytes: bytes.clone(),
            held: Some(0),
            ..Blob::default()
        });
        let reader: BlobReader = Arc::<Blob>::clone(&blob);
        let cleared = Cleared::for_test(Digest::of(&bytes), ClearedBytes::Stored(reader));
        let body = Body::artifact(&Arc::new(cleared), 7, size as u64 - 1, &ignore());
        assert_eq!(
            body.collect().await.expect("reads").to_bytes(),
            bytes.slice(7..)
        );
        let read: Vec<u64> = blob
            .reads
            .lock()
            .expect("no panic")
            .iter()
            .map(|(offset, _)| offset / CHUNK_BYTES)
            .collect();
        assert_eq!(read, [1, 2, 3]);
    }

    #[tokio::test]
    async fn inv_05_a_damaged_chunk_cuts_the_body_and_is_reported_once() {
        let size = CHUNK_BYTES as usize * 4;
        let (bytes, cleared) = stored(size, Some(2));
        let reports = Arc::new(Mutex::new(0));
        let count = Arc::clone(&reports);
        let report: DamageReport = Arc::new(move |_, error| {
            assert_eq!(error.kind, StorageErrorKind::Corrupt);
            *count.lock().expect("no panic") += 1;
        });
        let mut body = Body::artifact(&cleared, 0, size as u64 - 1, &report);
        let mut sent = Vec::new();
        let error = loop {
            match body.frame().await.expect("not the end") {
                Ok(frame) => sent.extend_from_slice(frame.data_ref().expect("data")),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, BodyError::Store(_)));
        assert_eq!(sent, bytes.slice(..CHUNK_BYTES as usize * 2));
        assert!(body.frame().await.is_none());
        assert_eq!(*reports.lock().expect("no panic"), 1);
    }

    #[derive(Debug, Default)]
    struct Pieces(Arc<Mutex<usize>>);

    impl Watch for Pieces {
        fn progressed(&self) {
            *self.0.lock().expect("no panic") += 1;
        }
    }

    #[tokio::test]
    async fn bytes_are_counted_and_the_watch_is_held_to_the_end() {
        let sent = Counter::default();
        let pieces = Arc::new(Mutex::new(0));
        let (bytes, cleared) = stored(CHUNK_BYTES as usize + 1, None);
        let body = Body::artifact(&cleared, 0, bytes.len() as u64 - 1, &ignore())
            .counted(sent.clone())
            .watched(Pieces(Arc::clone(&pieces)));
        assert_eq!(Arc::strong_count(&pieces), 2);
        body.collect().await.expect("reads");
        assert_eq!(
            (sent.get(), Arc::strong_count(&pieces)),
            (bytes.len() as u64, 1)
        );
        assert_eq!(*pieces.lock().expect("no panic"), 2);
    }
}
