//! What the engine tells the meters; they never answer back.

use std::time::Duration;

use cordon_policy::decision::Decision;

/// Counts what happens. Called on the hot path: an implementation takes no lock and never blocks.
pub trait Observe: Send + Sync + 'static {
    /// An upstream was asked for something.
    fn upstream_request(&self, ecosystem: &str, is_ok: bool, elapsed: Duration);
    /// A stored document stood in for one upstream would not confirm.
    fn stale_document(&self);
    /// A store failed.
    fn store_error(&self, store: &'static str);
    /// A decision was recorded.
    fn decision(&self, decision: &Decision);
    /// A cache was asked: `rendered`, `parsed`, `artifact`.
    fn cache(&self, cache: &'static str, is_hit: bool);
    /// Stored bytes were found damaged.
    fn damaged_blob(&self);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observe for Unobserved {
    fn upstream_request(&self, _: &str, _: bool, _: Duration) {}
    fn stale_document(&self) {}
    fn store_error(&self, _: &'static str) {}
    fn decision(&self, _: &Decision) {}
    fn cache(&self, _: &'static str, _: bool) {}
    fn damaged_blob(&self) {}
}
