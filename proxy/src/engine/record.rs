//! Who received what: counted per client and decision, written in small batches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cordon_policy::decision::DecisionId;
use cordon_policy::model::Timestamp;
use cordon_storage::Chain;
use cordon_storage::evidence::{Client, Entry as LogEntry, Outcome, Served};

use super::Engine;

/// The longest a serving stays in memory only.
const DELAY: Duration = Duration::from_millis(50);
/// Distinct (decision, client, outcome) triples held at once; more are written at once.
const MOST: usize = 4096;

type Key = (DecisionId, Client, Outcome);

#[derive(Clone, Copy, Debug)]
struct Count {
    count: u32,
    first_at: Timestamp,
    last_at: Timestamp,
}

/// Servings not yet written.
#[derive(Debug, Default)]
pub(super) struct Servings(Mutex<HashMap<Key, Count>>);

impl Servings {
    /// Counts one. Returns whether the batch is full and wants writing now.
    fn add(&self, decision: &DecisionId, client: &Client, outcome: Outcome, at: Timestamp) -> bool {
        let mut batch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        batch
            .entry((decision.clone(), client.clone(), outcome))
            .and_modify(|count| {
                count.count = count.count.saturating_add(1);
                count.last_at = at;
            })
            .or_insert(Count {
                count: 1,
                first_at: at,
                last_at: at,
            });
        batch.len() >= MOST
    }

    fn take(&self) -> Vec<LogEntry> {
        let batch = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        batch
            .into_iter()
            .map(|((decision, client, outcome), count)| {
                LogEntry::Served(Served {
                    decision,
                    client,
                    outcome,
                    count: count.count,
                    first_at: count.first_at,
                    last_at: count.last_at,
                })
            })
            .collect()
    }
}

impl Engine {
    /// Notes that a client got the bytes or a refusal.
    pub(super) fn note(&self, decision: &DecisionId, client: &Client, outcome: Outcome) {
        if self
            .servings
            .add(decision, client, outcome, self.clock.now())
        {
            self.servings_full.notify_one();
        }
    }

    /// Writes servings until `self` ends; the task that runs it is the only writer of them.
    pub async fn write_servings(&self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(DELAY) => {}
                () = self.servings_full.notified() => {}
            }
            self.flush_servings().await;
        }
    }

    /// Writes what is waiting. A failure keeps the service up and is reported: the decisions
    /// themselves are already durable.
    pub async fn flush_servings(&self) {
        let batch = self.servings.take();
        if batch.is_empty() {
            return;
        }
        let count = batch.len();
        if let Err(error) = self.stores.evidence.append(batch).await {
            self.metrics.store_failed(&error);
            tracing::error!(error = %Chain(&error), count, "recording who received what failed");
        }
    }
}
