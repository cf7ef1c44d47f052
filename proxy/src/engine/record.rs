//! Who received what: counted per client and decision, written in small batches.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cordon_policy::decision::DecisionId;
use cordon_policy::model::Timestamp;
use cordon_storage::evidence::{Client, Entry as LogEntry, Outcome, Served};
use cordon_storage::{Chain, StorageError};

use super::Engine;

/// The longest a serving stays in memory only.
const DELAY: Duration = Duration::from_millis(50);
/// Distinct (decision, client, outcome) triples after which they are written at once.
const MANY: usize = 4096;
/// Triples held while the store does not take them. More are counted as lost and said so: what
/// was decided is on record, who asked for it in that time is not.
const MOST: usize = 16 * MANY;

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
    /// Counts one. Returns whether the batch is large and wants writing now; `Err` if there is no
    /// room for it.
    fn add(&self, key: Key, at: Timestamp) -> Result<bool, Full> {
        self.merge(
            key,
            Count {
                count: 1,
                first_at: at,
                last_at: at,
            },
        )
    }

    fn merge(&self, key: Key, more: Count) -> Result<bool, Full> {
        let mut batch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = batch.len() >= MOST;
        match batch.entry(key) {
            Slot::Occupied(mut slot) => {
                let count = slot.get_mut();
                count.count = count.count.saturating_add(more.count);
                count.first_at = count.first_at.min(more.first_at);
                count.last_at = count.last_at.max(more.last_at);
            }
            Slot::Vacant(_) if is_full => return Err(Full),
            Slot::Vacant(slot) => {
                slot.insert(more);
            }
        }
        Ok(batch.len() >= MANY)
    }

    fn take(&self) -> HashMap<Key, Count> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// There is no room for another serving.
#[derive(Debug)]
struct Full;

fn entry((decision, client, outcome): &Key, count: &Count) -> LogEntry {
    LogEntry::Served(Served {
        decision: decision.clone(),
        client: client.clone(),
        outcome: *outcome,
        count: count.count,
        first_at: count.first_at,
        last_at: count.last_at,
    })
}

impl Engine {
    /// Notes that a client got the bytes or a refusal.
    pub(super) fn note(&self, decision: &DecisionId, client: &Client, outcome: Outcome) {
        let key = (decision.clone(), client.clone(), outcome);
        match self.servings.add(key, self.clock.now()) {
            Ok(false) => {}
            Ok(true) => self.servings_full.notify_one(),
            Err(Full) => self.metrics.servings_lost(1),
        }
    }

    /// Writes servings until `ended`. It is not to be aborted: a batch being written would be lost with it.
    pub async fn write_servings(&self, ended: impl Future<Output = ()>) {
        let mut ended = std::pin::pin!(ended);
        loop {
            tokio::select! {
                () = tokio::time::sleep(DELAY) => {}
                () = self.servings_full.notified() => {}
                () = &mut ended => return,
            }
            self.flush_servings().await;
        }
    }

    /// Writes what is waiting. After a failure it waits for the next time, as far as there is
    /// room: the decisions themselves are already durable.
    pub async fn flush_servings(&self) {
        // Whoever returns from here knows that what was noted before is written.
        let _turn = self.servings_turn.lock().await;
        let batch = self.servings.take();
        if batch.is_empty() {
            return;
        }
        let mut batch: Vec<(Key, Count)> = batch.into_iter().collect();
        while !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(MANY));
            let entries = batch.iter().map(|(key, count)| entry(key, count)).collect();
            if let Err(error) = self.stores.evidence.append(entries).await {
                self.metrics.store_failed(&error);
                batch.extend(rest);
                self.put_back(batch, &error);
                return;
            }
            batch = rest;
        }
    }

    fn put_back(&self, batch: Vec<(Key, Count)>, error: &StorageError) {
        let count = batch.len();
        let lost = batch
            .into_iter()
            .map(|(key, count)| self.servings.merge(key, count))
            .filter(Result::is_err)
            .count();
        self.metrics.servings_lost(lost as u64);
        tracing::error!(
            error = %Chain(error),
            count,
            lost,
            "recording who received what failed; what is not lost is tried again"
        );
    }
}
