//! What the self-test found, in figures.

use std::sync::atomic::AtomicU64;

use cordon_policy::model::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The meters of the self-test.
#[derive(Debug, Default)]
pub(super) struct SelfTestMeters {
    checks: Gauge,
    failures: Gauge,
    at_seconds: Gauge<f64, AtomicU64>,
}

impl SelfTestMeters {
    pub(super) fn register_into(&self, registry: &mut Registry) {
        registry.register(
            "self_test_checks",
            "Questions the last self-test asked",
            self.checks.clone(),
        );
        registry.register(
            "self_test_failures",
            "What the last self-test found wrong; anything but 0 needs a person",
            self.failures.clone(),
        );
        registry.register(
            "self_test_timestamp_seconds",
            "When the last self-test was made, in seconds since 1970; 0 before the first",
            self.at_seconds.clone(),
        );
    }
}

impl super::Metrics {
    /// A self-test was made at an instant, or could not be, which counts as a failure.
    pub fn self_tested(&self, checks: usize, failures: usize, at: Timestamp) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let meters = &self.self_test;
        meters.checks.set(count(checks));
        meters.failures.set(count(failures));
        // Seconds of this century are exact in a double.
        meters.at_seconds.set(at.as_millis() as f64 / 1_000.0);
    }
}
