//! Names that were asked for and do not exist: kept, so that one that appears later is known for
//! what it may be (features.md O23).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cordon_policy::model::{PackageName, Timestamp};
use cordon_storage::evidence::{Entry as LogEntry, Evidence, Missed};
use cordon_storage::{Chain, StorageError};

use super::Engine;

/// Names kept, at most: a flood of made-up ones must not fill the store.
const MAX_NAMES: u64 = 100_000;
/// New names kept in an hour, at most.
const MAX_AN_HOUR: u32 = 1_000;
const HOUR: Duration = Duration::from_secs(3_600);
/// Names remembered as already kept.
const REMEMBERED: u64 = 10_000;

/// What is needed to keep each name once, and not too many.
pub(super) struct MissedNames {
    kept: moka::sync::Cache<PackageName, ()>,
    hour: Mutex<Hour>,
    /// How many names the store has, counted when the first is kept.
    total: tokio::sync::OnceCell<AtomicU64>,
}

struct Hour {
    since: Timestamp,
    names: u32,
}

impl MissedNames {
    pub(super) fn new() -> Self {
        Self {
            kept: moka::sync::Cache::new(REMEMBERED),
            hour: Mutex::new(Hour {
                since: Timestamp::from_millis(i64::MIN),
                names: 0,
            }),
            total: tokio::sync::OnceCell::new(),
        }
    }

    /// Whether the hour has room for one more.
    fn has_room(&self, now: Timestamp) -> bool {
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = now.since(hour.since) >= HOUR || now < hour.since;
        if is_over {
            *hour = Hour {
                since: now,
                names: 0,
            };
        }
        hour.names = hour.names.saturating_add(1);
        hour.names <= MAX_AN_HOUR
    }

    async fn keep(&self, evidence: &dyn Evidence, missed: Missed) -> Result<(), StorageError> {
        let count = || async { evidence.missed_count().await.map(AtomicU64::new) };
        let total = self.total.get_or_try_init(count).await?;
        if total.load(Ordering::Relaxed) >= MAX_NAMES
            || evidence.missed(&missed.package).await?.is_some()
        {
            return Ok(());
        }
        evidence.append(vec![LogEntry::Missed(missed)]).await?;
        total.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Engine {
    /// Keeps a name that no upstream knows, behind the answer.
    pub(super) async fn note_missed(&self, name: &PackageName) {
        let now = self.clock.now();
        if self.missed.kept.contains_key(name) {
            return;
        }
        self.missed.kept.insert(name.clone(), ());
        if !self.missed.has_room(now) {
            return;
        }
        let missed = Missed {
            at: now,
            package: name.clone(),
        };
        let names = Arc::clone(&self.missed);
        let evidence = Arc::clone(&self.stores.evidence);
        let metrics = Arc::clone(&self.metrics);
        let keep = async move {
            let name = missed.package.clone();
            if let Err(error) = names.keep(&*evidence, missed).await {
                // Asked for again, it is tried again.
                names.kept.invalidate(&name);
                metrics.store_failed(&error);
                tracing::warn!(error = %Chain(&error), "recording a missed name failed");
            }
        };
        self.background.run(keep).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_room_for_so_many_names_and_then_begins_anew() {
        let names = MissedNames::new();
        let at = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
        let room = |at| (0..2 * MAX_AN_HOUR).filter(|_| names.has_room(at)).count();
        assert_eq!(room(at(10)), MAX_AN_HOUR as usize);
        assert_eq!(room(at(11)), MAX_AN_HOUR as usize);
        // A clock set back does not close the door for ever.
        assert_eq!(room(at(5)), MAX_AN_HOUR as usize);
    }
}
