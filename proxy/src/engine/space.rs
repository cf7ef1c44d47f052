//! The blob store kept within `limits.store_size` while it is in use.
//!
//! What is stored is counted as it is committed; the folder is walked at start, when the count
//! says that it is too much, and once in a while. Then the least recently used goes
//! (`cordon_storage::collect`) until there is some room again, so that the next download does not
//! bring the next walk. What is being stored is held meanwhile; what is being sent stays readable.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cordon_policy::model::{ArtifactId, Digest, Timestamp};
use cordon_storage::cache::ArtifactRecord;
use cordon_storage::collect::{Claims, Held, Retention, Unnamed, carry_out, take_stock};
use cordon_storage::evidence::{Entry as LogEntry, Notice};
use cordon_storage::{Chain, StorageError};
use futures_util::TryStreamExt as _;
use tokio::sync::Notify;

use super::clock::Clock;
use super::observe::Meters;
use super::uses::Uses;
use super::{Engine, Stores};
use crate::config::QuarantineConfig;
use crate::quarantine::kept_bytes;

/// How often the store is counted anew and uses are written, when nothing else makes it.
const CHECK_EVERY: Duration = Duration::from_secs(30 * 60);
/// A collection frees down to the limit less this fraction of it.
const ROOM: u64 = 16;
/// Blobs one collection removes at most; the next one goes on.
const AT_ONCE: usize = 20_000;
/// Time off after a collection, for each part of time it took.
const REST: u32 = 9;
/// The longest time off, and the time off after a failure.
const MOST_REST: Duration = Duration::from_secs(300);
const REST_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// How much later than its record an artifact must have been used to be written again.
const USE_RESOLUTION: Duration = Duration::from_secs(60 * 60);

/// What the blob store holds and may hold.
pub(super) struct Space {
    stores: Stores,
    limit_bytes: u64,
    quarantine: QuarantineConfig,
    clock: Arc<dyn Clock>,
    metrics: Arc<Meters>,
    claims: Claims,
    /// Bytes found by the last count.
    counted_bytes: AtomicU64,
    /// Bytes committed since that count began.
    added_bytes: AtomicU64,
    is_over: Notify,
    pub(super) uses: Uses,
}

impl Space {
    pub(super) fn new(
        stores: Stores,
        limit_bytes: u64,
        quarantine: QuarantineConfig,
        clock: Arc<dyn Clock>,
        metrics: Arc<Meters>,
    ) -> Self {
        Self {
            stores,
            limit_bytes,
            quarantine,
            clock,
            metrics,
            claims: Claims::default(),
            counted_bytes: AtomicU64::new(0),
            added_bytes: AtomicU64::new(0),
            is_over: Notify::new(),
            uses: Uses::default(),
        }
    }

    /// Keeps a blob from being collected: from before its commit until a record names it.
    pub(super) async fn hold(&self, digest: &Digest) -> Held {
        self.claims.hold(digest).await
    }

    /// Counts what was committed. Committing what is there already counts too; the next walk puts
    /// that right.
    pub(super) fn added(&self, bytes: u64) {
        self.added_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.show() > self.limit_bytes {
            self.is_over.notify_one();
        }
    }

    /// Bytes stored as far as known, shown to operators.
    fn show(&self) -> u64 {
        let counted = self.counted_bytes.load(Ordering::Relaxed);
        let stored = counted.saturating_add(self.added_bytes.load(Ordering::Relaxed));
        self.metrics.store_bytes(stored);
        stored
    }

    fn counted(&self, bytes: u64) -> u64 {
        self.counted_bytes.store(bytes, Ordering::Relaxed);
        self.show()
    }

    /// Counts what is stored, unless it is known to be too much, and frees space if it is. Answers
    /// what was removed, also when it failed half-way.
    async fn tidy(&self) -> (HashSet<Digest>, Result<(), StorageError>) {
        let mut removed = HashSet::new();
        let outcome = self.tidy_into(&mut removed).await;
        (removed, outcome)
    }

    async fn tidy_into(&self, removed: &mut HashSet<Digest>) -> Result<(), StorageError> {
        let is_over = self.show() > self.limit_bytes;
        // What is committed from here on may be counted twice, but not overlooked.
        let added = self.added_bytes.swap(0, Ordering::Relaxed);
        self.counted_bytes.fetch_add(added, Ordering::Relaxed);
        if !is_over {
            let sizes = self.stores.blobs.scan();
            let stored = sizes
                .try_fold(0_u64, |sum, blob| async move {
                    Ok(sum.saturating_add(blob.size_bytes))
                })
                .await?;
            if self.counted(stored) <= self.limit_bytes {
                return Ok(());
            }
        }
        // Records must say how things stand before they are asked what to take.
        let outcome = match self.write_uses(Duration::ZERO).await {
            Ok(()) => self.collect(removed).await,
            failed => failed,
        };
        self.metrics.collection_ended(outcome.is_ok());
        outcome
    }

    async fn collect(&self, removed: &mut HashSet<Digest>) -> Result<(), StorageError> {
        let Some(round) = self.claims.begin() else {
            return Ok(());
        };
        let (blobs, cache) = (&*self.stores.blobs, &*self.stores.cache);
        let keep = kept_bytes(&self.stores, &self.quarantine, self.clock.now()).await?;
        let retention = Retention {
            budget_bytes: self.limit_bytes - self.limit_bytes / ROOM,
            keep,
            // After the loss of the index nothing has a name, and all of it is good.
            unnamed: Unnamed::GoFirst,
            most: AT_ONCE,
        };
        let plan = take_stock(blobs, cache, &round, &retention).await?;
        if self.counted(plan.before_bytes) <= self.limit_bytes {
            return Ok(());
        }
        let mut freed_bytes = 0;
        let outcome = carry_out(blobs, cache, &round, &plan, |deletion| {
            freed_bytes += deletion.blob.size_bytes;
            removed.insert(deletion.blob.digest.clone());
        })
        .await;
        drop(round);
        self.metrics.collected(removed.len(), freed_bytes);
        let left_bytes = self.counted(plan.before_bytes.saturating_sub(freed_bytes));
        if left_bytes > self.limit_bytes && !removed.is_empty() {
            self.is_over.notify_one();
        }
        self.report(plan.before_bytes, removed.len(), freed_bytes)
            .await;
        outcome
    }

    async fn report(&self, before_bytes: u64, removed: usize, freed_bytes: u64) {
        tracing::info!(
            stored_bytes = before_bytes,
            limit_bytes = self.limit_bytes,
            removed,
            freed_bytes,
            "the store was above its limit; the least recently used was removed"
        );
        let notice = Notice {
            at: self.clock.now(),
            code: "store-collected".into(),
            text: format!(
                "{before_bytes} bytes were stored, {} are allowed (limits.store_size); {removed} \
                 blobs with {freed_bytes} bytes were removed",
                self.limit_bytes
            ),
        };
        let noted = self.stores.evidence.append(vec![LogEntry::Notice(notice)]);
        if let Err(error) = noted.await {
            self.metrics.store_failed(&error);
            tracing::error!(error = %Chain(&error), "recording a collection failed");
        }
    }

    /// Writes when artifacts were last used, where the record is older than that by more than
    /// `resolution`.
    pub(super) async fn write_uses(&self, resolution: Duration) -> Result<(), StorageError> {
        let mut uses = self.uses.take().into_iter();
        while let Some((artifact, at)) = uses.next() {
            if let Err(error) = self.write_use(&artifact, at, resolution).await {
                self.uses.put(&artifact, at);
                uses.for_each(|(artifact, at)| self.uses.put(&artifact, at));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_use(
        &self,
        artifact: &ArtifactId,
        at: Timestamp,
        resolution: Duration,
    ) -> Result<(), StorageError> {
        let Some(record) = self.stores.cache.artifact(artifact).await? else {
            return Ok(());
        };
        if at.since(record.last_used_at) <= resolution {
            return Ok(());
        }
        let record = ArtifactRecord {
            last_used_at: at,
            ..record
        };
        self.stores.cache.put_artifact(artifact, &record).await
    }

    /// Writes uses as they are written now and then.
    pub(super) async fn note_uses(&self) {
        if let Err(error) = self.write_uses(USE_RESOLUTION).await {
            self.metrics.store_failed(&error);
            tracing::warn!(error = %Chain(&error), "recording when artifacts were used failed");
        }
    }
}

impl Engine {
    /// Keeps the blob store within its limit. Runs until it is dropped.
    pub async fn keep_store_bounded(&self) {
        loop {
            let started = tokio::time::Instant::now();
            self.list_uses();
            let (removed, outcome) = self.space.tidy().await;
            self.forget_removed(&removed);
            let mut rest = started.elapsed().saturating_mul(REST).min(MOST_REST);
            if let Err(error) = outcome {
                self.metrics.store_failed(&error);
                tracing::error!(error = %Chain(&error), "keeping the store within its limit failed");
                rest = REST_AFTER_FAILURE;
            }
            tokio::time::sleep(rest).await;
            tokio::select! {
                () = self.space.is_over.notified() => {}
                () = tokio::time::sleep(CHECK_EVERY) => self.space.note_uses().await,
            }
        }
    }

    /// Puts the latest use of everything in memory on the list.
    fn list_uses(&self) {
        for (_, hot) in &self.hot {
            let artifact = hot.cleared.permit().artifact();
            self.space.uses.put(artifact, hot.last_use.at());
        }
    }

    /// Lets go of open files that were removed: they take space until the last one is closed.
    fn forget_removed(&self, removed: &HashSet<Digest>) {
        if removed.is_empty() {
            return;
        }
        for (request, hot) in &self.hot {
            if removed.contains(hot.cleared.permit().sha256()) {
                self.hot.invalidate(&*request);
            }
        }
    }
}

#[cfg(test)]
#[path = "space_tests.rs"]
mod tests;
