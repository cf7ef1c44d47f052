//! The thread that publishes what is committed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::project::number;
use super::schema::sql;
use super::state;
use crate::evidence::STORE;
use crate::evidence::key::TreeHead;
use crate::evidence::log::publisher::{LeafSource, Publisher};
use crate::evidence::tree::Tree;
use crate::{Chain, StorageError, StorageErrorKind};

/// Entries after which a checkpoint is published at once.
const PUBLISH_ENTRIES: u64 = 1_000;

/// The longest an entry waits for a checkpoint.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// After a failure, how long until the next attempt nobody asked for.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How often the log of the process says again that nothing is written any more.
const REMIND_EVERY: Duration = Duration::from_secs(3_600);

/// Callers that may wait for a checkpoint.
const WAITING: usize = 1_024;

/// Why nothing more is written, once that is so. Shared by the writer and the publisher.
pub(super) type Stopped = Arc<OnceLock<String>>;

/// Where someone waits for a checkpoint.
pub(super) type Reply = oneshot::Sender<Result<String, StorageError>>;

/// How the writer and callers reach the publisher.
#[derive(Clone, Debug)]
pub(super) struct Bell(Arc<(Mutex<Orders>, Condvar)>);

#[derive(Debug)]
struct Orders {
    committed: TreeHead,
    published: u64,
    waiting: Vec<Reply>,
    is_closing: bool,
}

impl Bell {
    pub(super) fn new(committed: TreeHead) -> Self {
        let orders = Orders {
            committed,
            published: 0,
            waiting: Vec::new(),
            is_closing: false,
        };
        Self(Arc::new((Mutex::new(orders), Condvar::new())))
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        // Each change under the lock is one assignment; none can be half done.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log is durable up to here.
    pub(super) fn committed(&self, head: TreeHead) {
        self.orders().committed = head;
        self.0.1.notify_all();
    }

    /// How far the log is durable, and how much of it is published.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let orders = self.orders();
        (orders.committed.size, orders.published)
    }

    /// Asks for a checkpoint over everything committed so far.
    pub(super) fn ask(&self, reply: Reply) {
        let mut orders = self.orders();
        if orders.is_closing || orders.waiting.len() >= WAITING {
            drop(orders);
            let cause =
                "the store is closed or open for reading only, or too many wait for a checkpoint";
            let error =
                StorageError::new(STORE, "publishing", StorageErrorKind::Unavailable, cause);
            // The caller may have gone; then nobody needs the answer.
            let _ = reply.send(Err(error));
            return;
        }
        orders.waiting.push(reply);
        drop(orders);
        self.0.1.notify_all();
    }

    /// Nothing more will be committed: publish the rest and end.
    fn close(&self) {
        self.orders().is_closing = true;
        self.0.1.notify_all();
    }

    /// Closes when it is dropped, so that also a panic of the writer ends the publisher.
    pub(super) fn close_on_drop(&self) -> impl Drop + use<> {
        struct Closing(Bell);
        impl Drop for Closing {
            fn drop(&mut self) {
                self.0.close();
            }
        }
        Closing(self.clone())
    }

    /// Waits until there is something to publish; `None` when all is published and closed.
    fn next(&self, not_before: Option<Instant>) -> Option<(TreeHead, Vec<Reply>)> {
        let mut orders = self.orders();
        let mut since: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let fresh = orders.committed.size.saturating_sub(orders.published);
            let due = if fresh == 0 {
                None
            } else {
                let since = *since.get_or_insert(now);
                let waited = if fresh >= PUBLISH_ENTRIES {
                    now
                } else {
                    since + PUBLISH_EVERY
                };
                Some(not_before.map_or(waited, |earliest| waited.max(earliest)))
            };
            let is_due = due.is_some_and(|due| due <= now);
            if !orders.waiting.is_empty() || is_due || (orders.is_closing && fresh > 0) {
                return Some((
                    orders.committed.clone(),
                    std::mem::take(&mut orders.waiting),
                ));
            }
            if orders.is_closing {
                return None;
            }
            let bell = &self.0.1;
            orders = match due {
                None => bell.wait(orders).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let wait = bell.wait_timeout(orders, due.saturating_duration_since(now));
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// Publishes until the store is closed.
pub(super) fn run(mut publisher: Publisher, mut source: Rows, bell: Bell, stopped: Stopped) {
    bell.orders().published = publisher.size();
    let mut not_before = None;
    while let Some((target, waiting)) = bell.next(not_before) {
        let outcome = match stopped.get() {
            Some(cause) => Err(super::writer::unavailable(cause)),
            None => publisher.publish(&target, &mut source),
        };
        not_before = None;
        if let Err(error) = &outcome {
            tracing::error!(error = %Chain(error), "publishing the evidence log failed");
            if error.kind == StorageErrorKind::Corrupt {
                // The first cause is the one to keep.
                let _ = stopped.set(Chain(error).to_string());
            }
            let pause = if stopped.get().is_some() {
                REMIND_EVERY
            } else {
                RETRY_AFTER
            };
            not_before = Some(Instant::now() + pause);
        }
        for reply in waiting {
            let answer = match &outcome {
                Ok(checkpoint) => Ok(checkpoint.clone()),
                Err(error) => Err(StorageError::new(
                    STORE,
                    error.operation,
                    error.kind,
                    Chain(error).to_string(),
                )),
            };
            // The caller may have gone; then nobody needs the answer.
            let _ = reply.send(answer);
        }
        let mut orders = bell.orders();
        orders.published = publisher.size();
        if orders.is_closing && outcome.is_err() {
            return;
        }
    }
}

/// The entries of the database.
pub(super) struct Rows {
    pub(super) connection: Connection,
    pub(super) epoch: i64,
}

impl LeafSource for Rows {
    fn leaves(&mut self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StorageError> {
        self.connection
            .prepare_cached("SELECT bytes FROM entries WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")
            .and_then(|mut select| {
                select
                    .query_map(params![number(from), number(to)], |row| row.get(0))?
                    .collect()
            })
            .map_err(sql("reading entries"))
    }

    fn tree(&mut self, size: u64) -> Result<Tree, StorageError> {
        state::load(&self.connection, size)
    }

    fn may_sign(&mut self) -> Result<bool, StorageError> {
        self.connection
            .prepare_cached("SELECT epoch FROM head")
            .and_then(|mut select| select.query_row([], |row| row.get::<_, i64>(0)))
            .map(|epoch| epoch == self.epoch)
            .map_err(sql("reading the head of the log"))
    }
}
