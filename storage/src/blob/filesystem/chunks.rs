//! Proved chunks of one open blob, shared by all who read it at the same time.
//!
//! A thousand clients on one artifact would otherwise read, prove and hold the same chunk a
//! thousand times. A chunk is kept here no longer than somebody holds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use crate::StorageError;

/// Entries from which those nobody holds are looked for.
const PRUNE_FROM: usize = 64;

/// A chunk somebody may hold. Locked while it is being read, so that others wait for it instead of
/// reading it too.
type Slot = Mutex<Weak<Vec<u8>>>;

/// The chunks somebody holds, by where they start.
#[derive(Debug)]
pub(super) struct Chunks(Mutex<Slots>);

#[derive(Debug)]
struct Slots {
    by_start: HashMap<u64, Arc<Slot>>,
    prune_at: usize,
}

/// A chunk as the owner of [`Bytes`].
struct Held(Arc<Vec<u8>>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Slots {
            by_start: HashMap::new(),
            prune_at: PRUNE_FROM,
        }))
    }

    /// The chunk that starts at `start`, if somebody holds it. Does not wait.
    pub(super) fn at_hand(&self, start: u64) -> Option<Bytes> {
        let slot = Arc::clone(self.slots().by_start.get(&start)?);
        let chunk = slot.try_lock().ok()?.upgrade()?;
        Some(Bytes::from_owner(Held(chunk)))
    }

    /// The chunk that starts at `start`: the one somebody holds, or what `prove` gives.
    pub(super) fn get(
        &self,
        start: u64,
        prove: impl FnOnce() -> Result<Vec<u8>, StorageError>,
    ) -> Result<Bytes, StorageError> {
        let slot = self.slots().slot(start);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let chunk = match slot.upgrade() {
            Some(chunk) => chunk,
            None => {
                let chunk = Arc::new(prove()?);
                *slot = Arc::downgrade(&chunk);
                chunk
            }
        };
        Ok(Bytes::from_owner(Held(chunk)))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Every change leaves the map whole, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn slot(&mut self, start: u64) -> Arc<Slot> {
        if self.by_start.len() >= self.prune_at && !self.by_start.contains_key(&start) {
            self.by_start.retain(|_, slot| is_wanted(slot));
            // Twice what is in use: looking through all of them stays rare.
            self.prune_at = PRUNE_FROM.max(self.by_start.len().saturating_mul(2));
        }
        Arc::clone(self.by_start.entry(start).or_default())
    }
}

/// Whether somebody holds the chunk or is about to.
fn is_wanted(slot: &Arc<Slot>) -> bool {
    let is_asked_for = Arc::strong_count(slot) > 1;
    is_asked_for || slot.lock().is_ok_and(|chunk| chunk.strong_count() > 0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::StorageErrorKind;

    fn chunk(byte: u8) -> Result<Vec<u8>, StorageError> {
        Ok(vec![byte; 8])
    }

    fn failed() -> Result<Vec<u8>, StorageError> {
        Err(StorageError::new(
            "blob",
            "a test",
            StorageErrorKind::Corrupt,
            "of failure",
        ))
    }

    #[test]
    fn a_chunk_is_shared_while_somebody_holds_it_and_read_again_after() {
        let chunks = Chunks::new();
        assert_eq!(chunks.at_hand(0), None);
        let first = chunks.get(0, || chunk(1)).expect("it is given");
        let second = chunks.get(0, failed).expect("the first is still held");
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_eq!(chunks.at_hand(0), Some(first.clone()));
        assert_eq!(chunks.at_hand(8), None);
        // A part holds the whole.
        let part = first.slice(2..4);
        drop((first, second));
        assert!(chunks.at_hand(0).is_some());
        drop(part);
        assert_eq!(chunks.at_hand(0), None);
        assert_eq!(chunks.get(0, || chunk(2)).expect("read anew")[0], 2);
    }

    #[test]
    fn a_chunk_that_is_not_proved_is_kept_for_nobody() {
        let chunks = Chunks::new();
        chunks.get(0, failed).expect_err("not proved");
        assert_eq!(chunks.at_hand(0), None);
        assert_eq!(chunks.get(0, || chunk(1)).expect("now it is")[0], 1);
    }

    #[test]
    fn many_who_ask_at_once_make_one_read() {
        let (chunks, reads) = (Chunks::new(), AtomicUsize::new(0));
        let held: Vec<Bytes> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        let prove = || {
                            reads.fetch_add(1, Ordering::SeqCst);
                            chunk(3)
                        };
                        chunks.get(0, prove).expect("it is given")
                    })
                })
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|held| held.expect("no panic")).collect()
        });
        assert_eq!((held.len(), reads.load(Ordering::SeqCst)), (16, 1));
    }

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let chunks = Chunks::new();
        let kept: Vec<Bytes> = (0..100)
            .map(|start| chunks.get(start, || chunk(0)).expect("it is given"))
            .collect();
        for start in 100..10_000 {
            drop(chunks.get(start, || chunk(0)));
        }
        assert!(chunks.slots().by_start.len() <= 2 * kept.len() + PRUNE_FROM);
        assert!((0..100).all(|start| chunks.at_hand(start).is_some()));
    }
}
