//! Single flight: one piece of work per key, however many ask, and it goes on when they leave.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::failure::Failure;

type Waiters<K, V> = Mutex<HashMap<K, watch::Receiver<Option<V>>>>;

/// Work under way, by key.
pub(super) struct Flights<K, V> {
    under_way: Arc<Waiters<K, V>>,
    limit: usize,
}

impl<K, V> Flights<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// At most `limit` pieces of work at once; more are refused, not queued.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            under_way: Arc::default(),
            limit,
        }
    }

    /// Joins the work under way for `key`, or starts it. The work runs as a task of its own: a
    /// caller that goes away does not end it.
    pub(super) async fn run<F>(&self, key: K, work: impl FnOnce() -> F) -> Result<V, Failure>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut receiver = self.join_or_start(key, work)?;
        let outcome = receiver.wait_for(Option::is_some).await;
        outcome
            .ok()
            .and_then(|value| (*value).clone())
            .ok_or(Failure::Interrupted)
    }

    /// Starts the work for `key`, unless it is under way or there is too much of it: who needs it
    /// runs it later.
    pub(super) fn begin<F>(&self, key: K, work: impl FnOnce() -> F)
    where
        F: Future<Output = V> + Send + 'static,
    {
        let _: Result<_, Failure> = self.join_or_start(key, work);
    }

    fn join_or_start<F>(
        &self,
        key: K,
        work: impl FnOnce() -> F,
    ) -> Result<watch::Receiver<Option<V>>, Failure>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = under_way.get(&key) {
            return Ok(receiver.clone());
        }
        if under_way.len() >= self.limit {
            return Err(Failure::Overloaded("connections"));
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key.clone(), receiver.clone());
        drop(under_way);
        let landing = Landing {
            under_way: Arc::clone(&self.under_way),
            key,
        };
        let work = work();
        tokio::spawn(async move {
            let value = work.await;
            // What is worth keeping is in the caches by now: whoever comes after the removal finds
            // it there, and asks anew for the rest.
            drop(landing);
            sender.send_replace(Some(value));
        });
        Ok(receiver)
    }
}

/// Takes the key off the list however the work ends, also by a panic.
struct Landing<K: Eq + Hash, V> {
    under_way: Arc<Waiters<K, V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_thousand_callers_share_one_piece_of_work() {
        let flights = Arc::new(Flights::<u8, usize>::new(10));
        let started = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(Notify::new());
        let callers: Vec<_> = (0..1000)
            .map(|_| {
                let (flights, started, go) = (flights.clone(), started.clone(), go.clone());
                tokio::spawn(async move {
                    flights
                        .run(1, || async move {
                            go.notified().await;
                            started.fetch_add(1, Ordering::SeqCst) + 1
                        })
                        .await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        go.notify_one();
        for caller in callers {
            assert_eq!(caller.await.expect("no panic").expect("a value"), 1);
        }
        assert_eq!(started.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn work_that_panics_is_interrupted_for_all_and_leaves_nothing_behind() {
        let flights = Flights::<u8, u8>::new(10);
        let outcome = flights.run(1, || async { panic!("as tests do") }).await;
        assert!(matches!(outcome, Err(Failure::Interrupted)));
        assert_eq!(flights.run(1, || async { 7 }).await.ok(), Some(7));
    }

    #[tokio::test]
    async fn more_keys_than_the_limit_are_refused() {
        let flights = Flights::<u8, u8>::new(1);
        let _held = flights
            .join_or_start(1, std::future::pending::<u8>)
            .expect("the first");
        let refused = flights.run(2, || async { 0 }).await;
        assert!(matches!(refused, Err(Failure::Overloaded(_))));
    }

    #[tokio::test]
    async fn a_caller_that_leaves_does_not_end_the_work() {
        let flights = Arc::new(Flights::<u8, u8>::new(1));
        let go = Arc::new(Notify::new());
        let done = Arc::new(Notify::new());
        let (wait, tell) = (go.clone(), done.clone());
        let mut caller = Box::pin(flights.run(1, || async move {
            wait.notified().await;
            tell.notify_one();
            9
        }));
        assert!(futures_util::poll!(&mut caller).is_pending());
        drop(caller);
        go.notify_one();
        done.notified().await;
    }
}
