//! Waiting for something another process does.

use std::time::{Duration, Instant};

use crate::cordon::PATIENCE;

/// Waits until it is so; fails naming what was waited for.
#[track_caller]
pub fn until(what: &str, is_so: impl FnMut() -> bool) {
    within(PATIENCE, what, is_so);
}

/// As [`until`], for what may take longer than most.
#[track_caller]
pub fn within(patience: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
