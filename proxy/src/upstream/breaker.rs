//! A breaker: an upstream that fails again and again is asked once in a while instead of by
//! everyone, so that an outage causes no storm and clients learn of it at once.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Failures in a row that open the breaker.
const FAILURES: u32 = 5;
/// Time between attempts while it is open.
const REST: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    next_attempt: Option<Instant>,
}

impl Breaker {
    /// Whether an attempt at `now` would be refused; `Err` tells how long to wait. Takes nothing.
    pub(super) fn peek(&self, now: Instant) -> Result<(), Duration> {
        match self.lock().next_attempt {
            Some(at) if now < at => Err(at - now),
            _ => Ok(()),
        }
    }

    /// Asks for an attempt at `now`; `Err` tells how long to wait. While open, one caller a
    /// second gets through.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.lock();
        match state.next_attempt {
            Some(at) if now < at => Err(at - now),
            Some(_) => {
                state.next_attempt = Some(now + REST);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Tells the outcome of an attempt, once for each, when all of the answer is there or is known
    /// not to come: a head alone is no sign of health.
    pub(super) fn report(&self, is_outage: bool, now: Instant) {
        let mut state = self.lock();
        if !is_outage {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.next_attempt = Some(now + REST);
        }
    }

    /// Whether attempts are being spaced out.
    pub(super) fn is_open(&self) -> bool {
        self.lock().next_attempt.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_five_failures_and_lets_one_attempt_a_second_through() {
        let breaker = Breaker::default();
        let start = Instant::now();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(start), Ok(()));
            breaker.report(true, start);
        }
        assert!(breaker.admit(start).is_err());
        let later = start + REST;
        assert_eq!(breaker.admit(later), Ok(()));
        assert!(
            breaker.admit(later).is_err(),
            "a second attempt in the same second"
        );
        breaker.report(false, later);
        assert_eq!(breaker.admit(later), Ok(()));
        assert!(!breaker.is_open());
    }
}
