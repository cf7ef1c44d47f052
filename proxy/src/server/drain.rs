//! How a process ends: no new connections, running requests to their end, then a deadline.

use std::sync::Arc;

use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not at all.
    Serving,
    /// Nothing new is taken on.
    Draining,
    /// What still runs is cut.
    Aborting,
}

/// Ends every listener that holds a [`Drain`] of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<Phase>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Serving, until told otherwise.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }

    /// Takes on nothing new and lets requests finish, up to each listener's deadline.
    pub fn begin(&self) {
        self.advance(Phase::Draining);
    }

    /// Cuts what still runs, as a second signal asks for.
    pub fn abort(&self) {
        self.advance(Phase::Aborting);
    }

    /// What listeners watch.
    pub fn drain(&self) -> Drain {
        Drain(self.0.subscribe())
    }

    /// There is no way back.
    fn advance(&self, to: Phase) {
        self.0.send_if_modified(|phase| {
            let is_later = *phase < to;
            *phase = to.max(*phase);
            is_later
        });
    }
}

/// Tells of the end of the process.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<Phase>);

impl Drain {
    /// How far it has come.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until it has come at least so far. A [`Shutdown`] that is gone can end nothing, so
    /// then this never returns.
    pub async fn reached(&mut self, phase: Phase) {
        if self.0.wait_for(|current| *current >= phase).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_advance() {
        let shutdown = Shutdown::new();
        let mut drain = shutdown.drain();
        assert_eq!(drain.phase(), Phase::Serving);
        shutdown.abort();
        shutdown.begin();
        drain.reached(Phase::Draining).await;
        assert_eq!(drain.phase(), Phase::Aborting);
    }
}
