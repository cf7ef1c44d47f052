//! How long what was had from upstream may be believed.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use cordon_policy::model::Timestamp;

use super::documents::{Known, STALE_RETRY};

/// How long documents may be believed; shared by everything made from them, so that confirming
/// them once is enough.
#[derive(Debug)]
pub(super) struct Freshness {
    since: AtomicI64,
    until: AtomicI64,
    is_stale: AtomicBool,
}

impl Freshness {
    /// As fresh as the oldest of some documents.
    pub(super) fn of(documents: &[Known]) -> Self {
        let freshness = Self {
            since: AtomicI64::new(0),
            until: AtomicI64::new(0),
            is_stale: AtomicBool::new(false),
        };
        freshness.renew(documents);
        freshness
    }

    /// Whether it need not be confirmed. What was confirmed later than now was so by a clock that
    /// was wrong (F-30).
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        let now = now.as_millis();
        self.since.load(Ordering::Relaxed) <= now && now < self.until.load(Ordering::Relaxed)
    }

    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    /// What stands in for documents that cannot be asked for, for a moment.
    pub(super) fn stale(now: Timestamp) -> Self {
        let until = now.saturating_add(STALE_RETRY);
        Self {
            since: AtomicI64::new(now.as_millis()),
            until: AtomicI64::new(until.as_millis()),
            is_stale: AtomicBool::new(true),
        }
    }

    /// What was confirmed is the same as `other`.
    pub(super) fn adopt(&self, other: &Self) {
        for (ours, theirs) in [(&self.since, &other.since), (&self.until, &other.until)] {
            ours.store(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.is_stale.store(other.is_stale(), Ordering::Relaxed);
    }

    /// The documents were confirmed.
    pub(super) fn renew(&self, documents: &[Known]) {
        let since = documents.iter().map(|known| known.since.as_millis()).max();
        let until = documents.iter().map(|known| known.until.as_millis()).min();
        let is_stale = documents.iter().any(|known| known.is_stale);
        self.is_stale.store(is_stale, Ordering::Relaxed);
        self.since
            .store(since.unwrap_or(i64::MAX), Ordering::Relaxed);
        self.until
            .store(until.unwrap_or(i64::MIN), Ordering::Relaxed);
    }
}
