//! Work that goes on behind an answer: bounded in number, waited for at shutdown.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::telemetry::Metrics;

/// Pieces of work at once; further ones make their caller wait.
const AT_ONCE: usize = 64;

pub(super) struct Background {
    tasks: TaskTracker,
    slots: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Background {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            tasks: TaskTracker::new(),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            metrics,
        }
    }

    /// Starts work as soon as there is a slot.
    pub(super) async fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
            return;
        };
        let counted = self.metrics.work_begun();
        self.tasks.spawn(async move {
            work.await;
            drop((slot, counted));
        });
    }

    /// Waits until all of it is done.
    pub(super) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
