//! A place among few.

use std::sync::Arc;

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// A place among few, taken when it is first needed and kept to the end, once for everything done
/// under it: what waits for a second place while it holds one could wait for ever.
pub struct Turn {
    places: Arc<Semaphore>,
    taken: OnceCell<OwnedSemaphorePermit>,
}

impl Turn {
    /// A turn that has not come yet.
    pub fn of(places: &Arc<Semaphore>) -> Self {
        Self {
            places: Arc::clone(places),
            taken: OnceCell::new(),
        }
    }

    /// Waits for the place, unless it is held already.
    pub async fn take(&self) {
        let take = || async {
            Arc::clone(&self.places)
                .acquire_owned()
                .await
                .expect("no semaphore of places is ever closed")
        };
        self.taken.get_or_init(take).await;
    }
}
