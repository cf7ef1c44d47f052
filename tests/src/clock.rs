//! The fake registry's clock: publication times come from it, not from the machine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that only moves when told to. Clones share the same hands.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<Timestamp>>);

impl Clock {
    /// A clock that stands a year and a bit before now, so that what is published by it is old
    /// enough for any sensible minimum age.
    pub fn long_ago() -> Self {
        Self::at(ago(Duration::from_secs(400 * 86_400)))
    }

    /// A clock that stands at an instant.
    pub fn at(instant: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(whole_seconds(instant))))
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets it.
    pub fn set(&self, instant: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = whole_seconds(instant);
    }

    /// Sets it to the machine's time less `age`: what is published now is that old for Cordon.
    pub fn set_ago(&self, age: Duration) {
        self.set(ago(age));
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let later = self.now() + SignedDuration::try_from(by).expect("a test duration is short");
        self.set(later);
    }
}

/// The machine's time and `wait` more, in whole seconds.
pub fn ahead(wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).expect("a test duration is short");
    whole_seconds(Timestamp::now() + wait)
}

/// The machine's time less `age`, in whole seconds.
pub fn ago(age: Duration) -> Timestamp {
    let age = SignedDuration::try_from(age).expect("a test duration is short");
    whole_seconds(Timestamp::now() - age)
}

/// `days` days.
pub const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

/// `hours` hours.
pub const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

// Registries give whole seconds (cargo) or milliseconds (npm); whole seconds suit all.
fn whole_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).expect("was a valid instant")
}
