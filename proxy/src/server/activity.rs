//! What one connection is doing: shared by its socket, its parser, its requests and its timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::ServerSettings;
use crate::http::body::Watch;

/// State of one connection. Everything in here is a plain counter or flag: a request takes no lock.
#[derive(Debug)]
pub(super) struct Connection {
    /// Peer address without port.
    pub(super) address: SmolStr,
    opened: Instant,
    requests: AtomicU64,
    /// Requests whose answer is being made.
    answering: AtomicUsize,
    /// Responses being sent.
    sending: AtomicUsize,
    /// Milliseconds after `opened` at which something last got on: a response begun, a piece of one
    /// handed over, a response ended.
    progressed_ms: AtomicU64,
    is_malformed: AtomicBool,
    must_reset: AtomicBool,
    is_draining: AtomicBool,
}

/// What the timer should do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idle {
    /// Look again after this time.
    LookAgain(Duration),
    /// It sent no request in the time a request head may take.
    NeverAsked,
    /// It has asked for nothing for too long.
    TooLong,
    /// It takes nothing of what it asked for.
    Stalled,
}

impl Connection {
    pub(super) fn new(address: SmolStr) -> Self {
        Self {
            address,
            opened: Instant::now(),
            requests: AtomicU64::new(0),
            answering: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            progressed_ms: AtomicU64::new(0),
            is_malformed: AtomicBool::new(false),
            must_reset: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
        }
    }

    /// A request begins; it ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.answering.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    fn progress(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progressed_ms.store(now, Ordering::Relaxed);
    }

    /// Whether the connection may stay.
    pub(super) fn idle(&self, settings: &ServerSettings) -> Idle {
        if self.answering.load(Ordering::Relaxed) > 0 {
            return Idle::LookAgain(settings.write_timeout);
        }
        let since = Duration::from_millis(self.progressed_ms.load(Ordering::Relaxed));
        let idle_for = self.opened.elapsed().saturating_sub(since);
        let (limit, verdict) = if self.sending.load(Ordering::Relaxed) > 0 {
            (settings.write_timeout, Idle::Stalled)
        } else if self.requests.load(Ordering::Relaxed) == 0 {
            (settings.header_timeout, Idle::NeverAsked)
        } else {
            (settings.idle_timeout, Idle::TooLong)
        };
        match limit.checked_sub(idle_for) {
            // Not less than the clock is read with, or a wait could end a little too early and
            // be repeated for nothing.
            Some(left) if !left.is_zero() => Idle::LookAgain(left.max(Duration::from_millis(1))),
            _ => verdict,
        }
    }

    /// The bytes of a request head were not what the grammar asks; nothing after them is answered.
    pub(super) fn set_malformed(&self) {
        self.is_malformed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_malformed(&self) -> bool {
        self.is_malformed.load(Ordering::Relaxed)
    }

    /// The socket is to be reset when it closes, so that the peer cannot take what it has for all.
    pub(super) fn reset_on_close(&self) {
        self.must_reset.store(true, Ordering::Relaxed);
    }

    pub(super) fn must_reset(&self) -> bool {
        self.must_reset.load(Ordering::Relaxed)
    }

    /// The process is ending: no time is spent on polite goodbyes.
    pub(super) fn set_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }
}

/// A request whose answer is being made.
#[derive(Debug)]
pub(super) struct Answering(Arc<Connection>);

impl Answering {
    /// The answer is made and begins to be sent.
    pub(super) fn send(self) -> Sending {
        self.0.sending.fetch_add(1, Ordering::Relaxed);
        self.0.progress();
        Sending(Arc::clone(&self.0))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A response being sent, until its body is handed over or dropped.
#[derive(Debug)]
pub(super) struct Sending(Arc<Connection>);

impl Watch for Sending {
    fn progressed(&self) {
        self.0.progress();
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.progress();
        self.0.sending.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_response_on() {
        let settings = ServerSettings::new(&Limits::default(), Vec::new());
        let connection = Arc::new(Connection::new("192.0.2.1".into()));
        let again = Idle::LookAgain;
        assert_eq!(connection.idle(&settings), again(settings.header_timeout));
        tokio::time::advance(settings.header_timeout).await;
        assert_eq!(connection.idle(&settings), Idle::NeverAsked);

        let answering = connection.begin();
        tokio::time::advance(settings.idle_timeout * 10).await;
        assert_eq!(connection.idle(&settings), again(settings.write_timeout));
        let sending = answering.send();
        assert_eq!(connection.idle(&settings), again(settings.write_timeout));
        tokio::time::advance(settings.write_timeout / 2).await;
        sending.progressed();
        assert_eq!(connection.idle(&settings), again(settings.write_timeout));
        tokio::time::advance(settings.write_timeout).await;
        assert_eq!(connection.idle(&settings), Idle::Stalled);

        drop(sending);
        assert_eq!(connection.idle(&settings), again(settings.idle_timeout));
        tokio::time::advance(settings.idle_timeout).await;
        assert_eq!(connection.idle(&settings), Idle::TooLong);
    }
}
