//! What the fake registry was asked, so that tests can count and look at headers.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One request as it arrived, and the status it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Path and query exactly as sent.
    pub target: String,
    /// Path, percent-decoded, without the query.
    pub path: String,
    /// The query, without `?`; empty if there was none.
    pub query: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body as received.
    pub body: Vec<u8>,
    /// The status answered; 0 when the connection was closed without one.
    pub status: u16,
}

impl Recorded {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether any header name or value, or the target, contains `text`.
    pub fn mentions(&self, text: &str) -> bool {
        self.target.contains(text)
            || self
                .headers
                .iter()
                .any(|(name, value)| name.contains(text) || value.contains(text))
    }
}

/// Every request since the start or the last [`clear`](RequestLog::clear).
#[derive(Debug, Default)]
pub struct RequestLog {
    entries: Mutex<Vec<Recorded>>,
    changed: Condvar,
}

impl RequestLog {
    /// Everything recorded.
    pub fn all(&self) -> Vec<Recorded> {
        self.lock().clone()
    }

    /// How many requests.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Requests (of any method) for a decoded path.
    pub fn of(&self, path: &str) -> Vec<Recorded> {
        self.lock()
            .iter()
            .filter(|r| r.path == path)
            .cloned()
            .collect()
    }

    /// How many GETs for a decoded path, including those answered 304 or with a fault.
    pub fn gets(&self, path: &str) -> usize {
        self.lock()
            .iter()
            .filter(|r| r.method == "GET" && r.path == path)
            .count()
    }

    /// How many requests whose decoded path contains `part`.
    pub fn containing(&self, part: &str) -> usize {
        self.lock().iter().filter(|r| r.path.contains(part)).count()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Waits until `is_met` holds for what was recorded so far.
    ///
    /// # Panics
    /// After `patience`, showing what was recorded.
    pub fn wait_until(&self, patience: Duration, is_met: impl Fn(&[Recorded]) -> bool) {
        let deadline = Instant::now() + patience;
        let mut entries = self.lock();
        while !is_met(&entries) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited {patience:?} in vain; so far: {:#?}",
                entries
                    .iter()
                    .map(|r| format!("{} {} {}", r.method, r.target, r.status))
                    .collect::<Vec<_>>()
            );
            entries = self
                .changed
                .wait_timeout(entries, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    pub(super) fn push(&self, request: Recorded) {
        self.lock().push(request);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
