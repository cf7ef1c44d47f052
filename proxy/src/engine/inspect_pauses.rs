//! Archives that could not be looked into, and when each is tried again: one that breaks or outlasts
//! its worker would otherwise take one with every request for it.

use std::time::{Duration, Instant};

use cordon_policy::inspect::Depth;
use cordon_policy::model::Digest;
use smol_str::SmolStr;

use crate::inspection::InspectFailure;

/// The pause after the first failure. It doubles with every further one.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Archives remembered.
const ARCHIVES: u64 = 4_096;

type Key = (Digest, Depth);

/// A failure, and what it means for the next attempt.
#[derive(Clone, Debug)]
struct Failed {
    attempts: u32,
    until: Instant,
    why: SmolStr,
}

/// The pauses of all archives.
#[derive(Debug)]
pub(super) struct Pauses {
    failed: moka::sync::Cache<Key, Failed>,
}

impl Pauses {
    pub(super) fn new() -> Self {
        Self {
            failed: moka::sync::Cache::new(ARCHIVES),
        }
    }

    /// Why an archive is not looked into now; `None` if it may be.
    pub(super) fn why(&self, sha256: &Digest, depth: Depth, now: Instant) -> Option<SmolStr> {
        let failed = self.failed.get(&(sha256.clone(), depth))?;
        (now < failed.until).then_some(failed.why)
    }

    /// Notes what came of an attempt, with the reason that is told.
    pub(super) fn failed(
        &self,
        sha256: &Digest,
        depth: Depth,
        (failure, why): (&InspectFailure, &SmolStr),
        now: Instant,
    ) {
        if !is_its_doing(failure) {
            return;
        }
        let key = (sha256.clone(), depth);
        let before = self.failed.get(&key).map_or(0, |it| it.attempts);
        let factor = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
        let pause = FIRST.saturating_mul(factor).min(LONGEST);
        let failed = Failed {
            attempts: before.saturating_add(1).min(u32::BITS),
            until: now + pause,
            why: why.clone(),
        };
        self.failed.insert(key, failed);
    }

    /// Notes that an archive was looked into.
    pub(super) fn succeeded(&self, sha256: &Digest, depth: Depth) {
        self.failed.invalidate(&(sha256.clone(), depth));
    }
}

/// Whether the archive may be the cause: then another would have been looked into.
fn is_its_doing(failure: &InspectFailure) -> bool {
    match failure {
        InspectFailure::Crashed(_)
        | InspectFailure::TimedOut(_)
        | InspectFailure::OutOfMemory(_)
        | InspectFailure::Garbage(_) => true,
        InspectFailure::Unavailable(_) | InspectFailure::Input(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTH: Depth = Depth::Content;

    fn fail(pauses: &Pauses, failure: &InspectFailure, now: Instant) {
        let why = SmolStr::new("it broke");
        pauses.failed(&Digest::of(b"a"), DEPTH, (failure, &why), now);
    }

    fn rests(pauses: &Pauses, now: Instant) -> bool {
        pauses.why(&Digest::of(b"a"), DEPTH, now).is_some()
    }

    #[test]
    fn a_84_pauses_double_up_to_the_longest_and_end_with_a_success() {
        let pauses = Pauses::new();
        let mut now = Instant::now();
        assert!(!rests(&pauses, now));
        let mut expected = FIRST;
        for _ in 0..40 {
            fail(&pauses, &InspectFailure::TimedOut(FIRST), now);
            let last_moment = now + expected - Duration::from_millis(1);
            assert!(rests(&pauses, last_moment), "{expected:?}");
            now += expected;
            assert!(!rests(&pauses, now), "{expected:?}");
            expected = (expected * 2).min(LONGEST);
        }
        fail(&pauses, &InspectFailure::OutOfMemory(1), now);
        pauses.succeeded(&Digest::of(b"a"), DEPTH);
        assert!(!rests(&pauses, now));
        fail(&pauses, &InspectFailure::OutOfMemory(1), now);
        assert!(!rests(&pauses, now + FIRST));
    }

    #[test]
    fn what_is_not_the_archive_s_doing_makes_no_pause_nor_does_another_archive() {
        let pauses = Pauses::new();
        let now = Instant::now();
        fail(&pauses, &InspectFailure::Unavailable("none".into()), now);
        fail(&pauses, &InspectFailure::Input("unreadable".into()), now);
        assert!(!rests(&pauses, now));
        fail(&pauses, &InspectFailure::Crashed("signal 9".into()), now);
        assert!(rests(&pauses, now));
        assert!(pauses.why(&Digest::of(b"b"), DEPTH, now).is_none());
        let structure = pauses.why(&Digest::of(b"a"), Depth::Structure, now);
        assert!(structure.is_none());
    }
}
