//! What the engine counts, with the counters of the hot path at hand.

use std::sync::Arc;
use std::time::Duration;

use cordon_policy::decision::Decision;
use cordon_policy::facts::RemovalScope;
use cordon_storage::StorageError;
use prometheus_client::metrics::counter::Counter;

use super::failure::Failure;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::UpstreamOutcome;

/// The engine's view of the meters.
pub(super) struct Meters {
    metrics: Arc<Metrics>,
    /// Rendered documents found in memory, and not.
    pub(super) rendered: HitOrMiss,
    /// Cleared artifacts found in memory, and not.
    pub(super) artifacts: HitOrMiss,
}

/// Two counters of a memory cache.
pub(super) struct HitOrMiss {
    hits: Counter,
    misses: Counter,
}

impl HitOrMiss {
    fn new(metrics: &Metrics, cache: &'static str) -> Self {
        Self {
            hits: metrics.cache_lookups(cache, true),
            misses: metrics.cache_lookups(cache, false),
        }
    }

    pub(super) fn hit(&self) {
        self.hits.inc();
    }

    pub(super) fn miss(&self) {
        self.misses.inc();
    }
}

impl Meters {
    /// A release was asked for.
    pub(super) fn asked_for_release(&self) {
        self.metrics
            .quarantine_changed(cordon_storage::evidence::QuarantineAct::Asked);
    }

    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            rendered: HitOrMiss::new(&metrics, "rendered"),
            artifacts: HitOrMiss::new(&metrics, "artifact"),
            metrics,
        }
    }

    /// An upstream was asked.
    pub(super) fn upstream(
        &self,
        name: (&str, &str),
        kind: &'static str,
        outcome: UpstreamOutcome,
        took: Duration,
        bytes: u64,
    ) {
        self.metrics
            .upstream_request(name, kind, outcome, took, bytes);
    }

    /// A stored document stood in for one upstream would not confirm.
    pub(super) fn stale_document(&self, ecosystem: &str) {
        self.metrics.document_stale(ecosystem);
    }

    /// A store failed.
    pub(super) fn store_failed(&self, error: &StorageError) {
        self.metrics.store_failed(error);
    }

    /// So many bytes are in the blob store.
    pub(super) fn store_bytes(&self, bytes: u64) {
        self.metrics.store_bytes(bytes);
    }

    /// A collection removed so many blobs with so many bytes.
    pub(super) fn collected(&self, blobs: usize, bytes: u64) {
        self.metrics.collected(blobs as u64, bytes);
    }

    /// A collection came to its end, or failed.
    pub(super) fn collection_ended(&self, is_ok: bool) {
        self.metrics.collection_ended(is_ok);
    }

    /// So many records of who received what had to be given up.
    pub(super) fn servings_lost(&self, count: u64) {
        self.metrics.servings_lost(count);
    }

    /// A decision was recorded.
    pub(super) fn decided(&self, decision: &Decision) {
        let evaluation = &decision.evaluation;
        let rule = evaluation.deciding().map(|finding| finding.rule.as_str());
        let ecosystem = evaluation.subject().name.ecosystem().as_str();
        self.metrics.decided(ecosystem, evaluation.effect(), rule);
    }

    /// What was served is refused by now.
    pub(super) fn exposed(&self, ecosystem: &str) {
        self.metrics.exposed(ecosystem);
    }

    /// Upstream lists so many files no longer that were had from there.
    pub(super) fn removed(&self, ecosystem: &str, scope: RemovalScope, files: u64) {
        self.metrics.removed(ecosystem, scope, files);
    }

    /// A registry has other bytes for a file than those first seen.
    pub(super) fn digest_changed(&self, ecosystem: &str) {
        self.metrics.digest_changed(ecosystem);
    }

    /// Stored bytes were found damaged.
    pub(super) fn blob_damaged(&self) {
        self.metrics.blob_damaged();
    }
}

/// How a failed upstream request is counted.
pub(super) fn outcome_of(failure: &Failure) -> UpstreamOutcome {
    match failure {
        Failure::NotFound(_) => UpstreamOutcome::Missing,
        Failure::Upstream(error) if error.counts_as_outage() => UpstreamOutcome::Failed,
        Failure::Contradiction(_)
        | Failure::Owned(_)
        | Failure::Upstream(_)
        | Failure::Document(_)
        | Failure::Store(_)
        | Failure::Overloaded(_)
        | Failure::Interrupted => UpstreamOutcome::Rejected,
    }
}
