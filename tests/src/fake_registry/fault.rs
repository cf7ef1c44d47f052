//! Ways in which an answer can go wrong.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What to do to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another status with a short text body.
    Status(u16),
    /// 429 or 503 with `Retry-After`.
    RetryAfter {
        /// The status.
        status: u16,
        /// Seconds.
        seconds: u32,
    },
    /// An HTML error page under this status (200 included: the captive-portal case).
    HtmlPage(u16),
    /// The true headers, then only the first bytes, then the connection is closed.
    CutAt(usize),
    /// The true headers and the first bytes, then nothing until
    /// [`release_stalls`](super::FakeRegistry::release_stalls); then the rest.
    StallAt(usize),
    /// Nothing at all, not even the head, until stalls are released.
    StallHead,
    /// The body in pieces, at this rate.
    Drip {
        /// Bytes a second.
        bytes_per_second: usize,
    },
    /// `Content-Length` is off by this much; the body is whole and the connection closed after it.
    WrongLength(i64),
    /// Chunked, whole, but without the last chunk; then closed.
    ChunkedWithoutEnd,
    /// Chunked and complete: no length is known beforehand.
    Chunked,
    /// Chunked, and after the body white space without end, until the connection is closed.
    Endless,
    /// One bit of the middle byte flipped.
    WrongBytes,
    /// `Content-Encoding: gzip`, and really compressed that many times.
    Gzip {
        /// How often.
        layers: u8,
    },
    /// `Content-Encoding: gzip` on bytes that are not compressed.
    MislabelledGzip,
    /// Redirected.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// `Location` as sent.
        location: String,
    },
    /// Further headers on the true answer.
    Headers(Vec<(String, String)>),
    /// Without `ETag` and `Last-Modified`, and never 304.
    NoValidators,
    /// The connection is closed without an answer.
    Close,
    /// Bytes that are not HTTP.
    Garbage,
}

impl Fault {
    /// [`Fault::Redirect`] with 302.
    pub fn redirect_to(location: impl Into<String>) -> Self {
        Self::Redirect {
            status: 302,
            location: location.into(),
        }
    }

    /// [`Fault::Headers`] with one header.
    pub fn header(name: &str, value: &str) -> Self {
        Self::Headers(vec![(name.to_owned(), value.to_owned())])
    }
}

struct Planned {
    pattern: String,
    fault: Fault,
    left: Option<u32>,
}

/// The faults in force, and the gate at which stalled answers wait.
pub(super) struct Faults {
    planned: Mutex<Vec<Planned>>,
    releases: watch::Sender<u64>,
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            planned: Mutex::new(Vec::new()),
            releases: watch::Sender::new(0),
        }
    }

    /// Adds a fault for a decoded path, or for every path with the part before a final `*` as its
    /// beginning; `times` answers, or until cleared.
    pub(super) fn plan(&self, pattern: &str, fault: Fault, times: Option<u32>) {
        self.lock().push(Planned {
            pattern: pattern.to_owned(),
            fault,
            left: times,
        });
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
        self.release();
    }

    pub(super) fn clear_path(&self, pattern: &str) {
        self.lock().retain(|planned| planned.pattern != pattern);
    }

    /// Takes what applies to one answer for `path`: each matching fault once, oldest first.
    pub(super) fn take(&self, path: &str) -> Vec<Fault> {
        let mut planned = self.lock();
        let mut taken = Vec::new();
        for entry in planned.iter_mut() {
            let is_match = match entry.pattern.strip_suffix('*') {
                Some(start) => path.starts_with(start),
                None => path == entry.pattern,
            };
            if is_match {
                taken.push(entry.fault.clone());
                entry.left = entry.left.map(|left| left.saturating_sub(1));
            }
        }
        planned.retain(|entry| entry.left != Some(0));
        taken
    }

    /// Lets every answer that stalls now go on.
    pub(super) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// Waits for the next release after `subscribed`.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.releases.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long one piece of a dripped body waits, and how large it is.
pub(super) fn drip(bytes_per_second: usize) -> (Duration, usize) {
    // Ten pieces a second; slower rates send single bytes further apart.
    let piece = (bytes_per_second / 10).max(1);
    let pause = Duration::from_secs_f64(piece as f64 / bytes_per_second.max(1) as f64);
    (pause, piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_wears_off() {
        let faults = Faults::new();
        faults.plan("/a", Fault::Status(503), Some(2));
        assert_eq!(faults.take("/a"), [Fault::Status(503)]);
        assert!(faults.take("/b").is_empty());
        assert_eq!(faults.take("/a"), [Fault::Status(503)]);
        assert!(faults.take("/a").is_empty());
    }

    #[test]
    fn a_star_matches_every_path_below() {
        let faults = Faults::new();
        faults.plan("/npm/*", Fault::Close, None);
        assert_eq!(faults.take("/npm/x"), [Fault::Close]);
        assert!(faults.take("/pypi/x").is_empty());
        faults.clear_path("/npm/*");
        assert!(faults.take("/npm/x").is_empty());
    }
}
