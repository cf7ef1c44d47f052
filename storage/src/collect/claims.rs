//! Who is at work on which blob, so that a collection takes nothing away that somebody is just
//! storing or proving.
//!
//! A blob is there before the record that names it, and bytes that nothing named any more may
//! arrive again. Whoever stores bytes therefore holds their digest from before the commit until
//! the record is written. A collection deletes nothing that is held, or was at any moment since
//! it began: of all else its list of records is complete. Readers need no claim, an open blob
//! stays readable when it is deleted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cordon_policy::model::Digest;
use tokio::sync::Notify;

/// Blobs remembered as held since a collection began. When there are more, it ends early.
const HELD_MOST: usize = 65_536;

/// The claims on the blobs of one store. Cheap to clone; clones are the same claims.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    deleted: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How many hold each blob.
    held: HashMap<Digest, usize>,
    /// Blobs held at any moment since the round under way began.
    since: Option<HashSet<Digest>>,
    /// What the round is deleting right now.
    deleting: Option<Digest>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claims {
    /// Keeps a blob from being collected until the answer is dropped. Waits while it is being
    /// deleted, which is a matter of milliseconds.
    pub async fn hold(&self, digest: &Digest) -> Held {
        loop {
            let deleted = self.shared.deleted.notified();
            {
                let mut state = self.shared.state();
                if state.deleting.as_ref() != Some(digest) {
                    *state.held.entry(digest.clone()).or_default() += 1;
                    if let Some(since) = &mut state.since
                        && since.len() <= HELD_MOST
                    {
                        since.insert(digest.clone());
                    }
                    break;
                }
            }
            deleted.await;
        }
        Held {
            shared: Arc::clone(&self.shared),
            digest: digest.clone(),
        }
    }

    /// Begins a collection; `None` while another is under way.
    pub fn begin(&self) -> Option<Round> {
        let mut state = self.shared.state();
        if state.since.is_some() {
            return None;
        }
        state.since = Some(state.held.keys().cloned().collect());
        Some(Round {
            shared: Arc::clone(&self.shared),
        })
    }
}

/// A blob that stays while this lives.
#[derive(Debug)]
#[must_use = "the blob is held only while this lives"]
pub struct Held {
    shared: Arc<Shared>,
    digest: Digest,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(count) = state.held.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(&self.digest);
            }
        }
    }
}

/// A collection under way; there is one at a time.
#[derive(Debug)]
pub struct Round {
    shared: Arc<Shared>,
}

impl Round {
    /// What was held at any moment since the round began.
    pub(super) fn held(&self) -> Vec<Digest> {
        let state = self.shared.state();
        state.since.iter().flatten().cloned().collect()
    }

    /// The right to delete a blob; `None` when somebody holds it or did since the round began.
    pub(super) fn take(&self, digest: &Digest) -> Option<Taken<'_>> {
        let mut state = self.shared.state();
        let since = state.since.as_ref()?;
        if since.len() > HELD_MOST || since.contains(digest) {
            return None;
        }
        state.deleting = Some(digest.clone());
        Some(Taken(self))
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.shared.state().since = None;
    }
}

/// A blob that is being deleted; nobody gets hold of it meanwhile.
#[derive(Debug)]
pub(super) struct Taken<'a>(&'a Round);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.shared.state().deleting = None;
        self.0.shared.deleted.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    #[tokio::test]
    async fn what_was_held_at_any_moment_of_a_round_is_not_taken() {
        let claims = Claims::default();
        let before = claims.hold(&digest("before")).await;
        drop(claims.hold(&digest("long gone")).await);
        let round = claims.begin().expect("the first round");
        drop(before);
        drop(claims.hold(&digest("meanwhile")).await);
        for name in ["before", "meanwhile"] {
            assert!(round.take(&digest(name)).is_none(), "{name}");
        }
        assert!(round.take(&digest("long gone")).is_some());
        drop(round);
        let next = claims.begin().expect("the next round");
        assert!(next.take(&digest("before")).is_some());
    }

    #[tokio::test]
    async fn there_is_one_round_at_a_time() {
        let claims = Claims::default();
        let round = claims.begin();
        assert!(round.is_some() && claims.begin().is_none());
        drop(round);
        assert!(claims.begin().is_some());
    }

    #[tokio::test]
    async fn whoever_wants_to_hold_waits_for_the_deletion() {
        let claims = Claims::default();
        let round = claims.begin().expect("a round");
        let taken = round.take(&digest("a")).expect("nobody holds it");
        let wanted = digest("a");
        let mut waiting = Box::pin(claims.hold(&wanted));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(claims.hold(&digest("b")).now_or_never().is_some());
        drop(taken);
        let _held = waiting.await;
        assert!(round.take(&digest("a")).is_none());
    }

    #[tokio::test]
    async fn two_who_hold_one_blob_both_keep_it() {
        let claims = Claims::default();
        let (first, second) = (
            claims.hold(&digest("a")).await,
            claims.hold(&digest("a")).await,
        );
        drop(first);
        assert!(
            claims
                .begin()
                .expect("a round")
                .take(&digest("a"))
                .is_none()
        );
        drop(second);
        assert!(
            claims
                .begin()
                .expect("a round")
                .take(&digest("a"))
                .is_some()
        );
    }

    #[tokio::test]
    async fn a_round_that_cannot_remember_more_takes_nothing_more() {
        let claims = Claims::default();
        let round = claims.begin().expect("a round");
        for number in 0..=HELD_MOST {
            drop(claims.hold(&digest(&number.to_string())).await);
        }
        assert!(round.take(&digest("never held")).is_none());
    }
}
