//! Waiting for something another process does.

use std::time::{Duration, Instant};

use crate::cordon::PATIENCE;

/// Waits until it is so; fails naming what was waited for.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
