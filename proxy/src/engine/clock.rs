//! Where time and randomness enter.

use std::time::{SystemTime, UNIX_EPOCH};

use cordon_policy::decision::DecisionId;
use cordon_policy::model::Timestamp;

/// The wall clock, for policy dates only; deadlines use the monotonic clock.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Makes decision ids.
pub trait IdSource: Send + Sync + 'static {
    /// A fresh id.
    fn next(&self) -> DecisionId;
}

/// Ids from the operating system's randomness.
#[derive(Clone, Copy, Debug)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next(&self) -> DecisionId {
        let random = getrandom::u64().expect("the operating system gives random numbers");
        DecisionId::from_random(random)
    }
}
