//! Counters for Prometheus, in OpenMetrics form.
//!
//! Labels come from closed sets (configured upstreams and ecosystems, our own enums), never from a
//! request: no package name can grow this. What every request touches is looked up once, at start.

use std::time::Duration;

use cordon_policy::verdict::Effect;
use cordon_storage::{StorageError, StorageErrorKind};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use self::feeds::Feeds;
use self::inspection::Inspections;
use self::outcome::Requests;
pub use self::outcome::{Outcome, Served};
use self::self_test::SelfTestMeters;

pub mod feeds;
pub mod inspection;
mod outcome;
mod quarantine;
mod self_test;

/// Seconds; from a memory hit to a slow upstream.
const LATENCY_BUCKETS: [f64; 14] = [
    0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 900.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    ecosystem: String,
    upstream: String,
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamName {
    ecosystem: String,
    upstream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    ecosystem: String,
    effect: &'static str,
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    cache: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabels {
    store: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EcosystemLabel {
    ecosystem: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    cause: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Latency;

impl MetricConstructor<Histogram> for Latency {
    fn new_metric(&self) -> Histogram {
        Histogram::new(LATENCY_BUCKETS)
    }
}

/// How an upstream request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamOutcome {
    /// A fresh answer.
    Fetched,
    /// Confirmed unchanged.
    NotModified,
    /// No such thing.
    Missing,
    /// An answer that could not be used.
    Rejected,
    /// No answer: refused, timed out, cut.
    Failed,
}

impl UpstreamOutcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::NotModified => "not-modified",
            Self::Missing => "missing",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    connections: Gauge,
    connections_opened: Counter,
    connections_refused: Family<CauseLabel, Counter>,
    panics: Counter,
    upstream_requests: Family<UpstreamLabels, Counter>,
    upstream_seconds: Family<UpstreamName, Histogram, Latency>,
    upstream_bytes: Family<UpstreamName, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    cache_lookups: Family<CacheLabels, Counter>,
    store_errors: Family<StoreLabels, Counter>,
    damaged_blobs: Counter,
    work_behind_answers: Gauge,
    store_bytes: Gauge,
    collections: Family<OutcomeLabel, Counter>,
    collected_blobs: Counter,
    collected_bytes: Counter,
    lost_servings: Counter,
    stale_documents: Family<EcosystemLabel, Counter>,
    generation: Gauge,
    inactive_rules: Gauge,
    policy_reloads: Family<OutcomeLabel, Counter>,
    policy_problems: Gauge,
    watching_rules: Gauge,
    break_glass: Gauge,
    certificate_reloads: Family<OutcomeLabel, Counter>,
    self_test: SelfTestMeters,
    feeds: Feeds,
    inspections: Inspections,
    quarantine: quarantine::Quarantine,
}

impl Metrics {
    /// Makes all metrics; `ecosystems` are the mounts requests are counted by.
    pub fn new(ecosystems: &[&str]) -> Self {
        let mut registry = Registry::with_prefix("cordon");
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "Version of this Cordon", Info::new(build));
        let mut metrics = Self {
            requests: Requests::new(ecosystems, &mut registry),
            connections: Gauge::default(),
            connections_opened: Counter::default(),
            connections_refused: Family::default(),
            panics: Counter::default(),
            upstream_requests: Family::default(),
            upstream_seconds: Family::new_with_constructor(Latency),
            upstream_bytes: Family::default(),
            decisions: Family::default(),
            cache_lookups: Family::default(),
            store_errors: Family::default(),
            damaged_blobs: Counter::default(),
            work_behind_answers: Gauge::default(),
            store_bytes: Gauge::default(),
            collections: Family::default(),
            collected_blobs: Counter::default(),
            collected_bytes: Counter::default(),
            lost_servings: Counter::default(),
            stale_documents: Family::default(),
            generation: Gauge::default(),
            inactive_rules: Gauge::default(),
            policy_reloads: Family::default(),
            policy_problems: Gauge::default(),
            watching_rules: Gauge::default(),
            break_glass: Gauge::default(),
            certificate_reloads: Family::default(),
            self_test: SelfTestMeters::default(),
            feeds: Feeds::default(),
            inspections: Inspections::default(),
            quarantine: quarantine::Quarantine::default(),
            registry: Registry::default(),
        };
        metrics.register_into(&mut registry);
        metrics.registry = registry;
        metrics
    }

    fn register_into(&self, registry: &mut Registry) {
        registry.register(
            "connections",
            "Open client connections",
            self.connections.clone(),
        );
        registry.register(
            "connections_opened",
            "Client connections accepted",
            self.connections_opened.clone(),
        );
        registry.register(
            "connections_refused",
            "Client connections closed unserved",
            self.connections_refused.clone(),
        );
        registry.register(
            "panics",
            "Requests that ended in a panic",
            self.panics.clone(),
        );
        registry.register(
            "upstream_requests",
            "Requests to upstream registries",
            self.upstream_requests.clone(),
        );
        registry.register(
            "upstream_seconds",
            "Time until an upstream answer was complete",
            self.upstream_seconds.clone(),
        );
        registry.register(
            "upstream_bytes",
            "Bytes received from upstream registries",
            self.upstream_bytes.clone(),
        );
        registry.register("decisions", "Decisions recorded", self.decisions.clone());
        registry.register(
            "cache_lookups",
            "Look-ups in memory caches",
            self.cache_lookups.clone(),
        );
        registry.register(
            "store_errors",
            "Failures of the stores",
            self.store_errors.clone(),
        );
        registry.register(
            "damaged_blobs",
            "Transfers cut because stored bytes failed their check",
            self.damaged_blobs.clone(),
        );
        registry.register(
            "work_behind_answers",
            "Pieces of work going on behind answers; at 0 what was answered outlives a kill",
            self.work_behind_answers.clone(),
        );
        registry.register(
            "store_bytes",
            "Bytes in the blob store, as far as counted",
            self.store_bytes.clone(),
        );
        registry.register(
            "collections",
            "Times space was freed because the blob store was above its limit",
            self.collections.clone(),
        );
        registry.register(
            "collected_blobs",
            "Blobs removed to free space",
            self.collected_blobs.clone(),
        );
        registry.register(
            "collected_bytes",
            "Bytes removed to free space",
            self.collected_bytes.clone(),
        );
        registry.register(
            "lost_servings",
            "Records of who received what, given up because the evidence store took none for too long",
            self.lost_servings.clone(),
        );
        registry.register(
            "stale_documents",
            "Documents served without upstream's confirmation",
            self.stale_documents.clone(),
        );
        registry.register(
            "generation",
            "Generation of policy and data",
            self.generation.clone(),
        );
        registry.register(
            "inactive_rules",
            "Rules that cannot act yet because their data is missing",
            self.inactive_rules.clone(),
        );
        registry.register(
            "policy_reloads",
            "Attempts to reload the policy",
            self.policy_reloads.clone(),
        );
        registry.register(
            "policy_problems",
            "Errors that keep configuration or policy files as they are now out of force",
            self.policy_problems.clone(),
        );
        registry.register(
            "watching_rules",
            "Rules in monitor mode: they record what they find and stop nothing",
            self.watching_rules.clone(),
        );
        registry.register(
            "break_glass_exemptions",
            "Exemptions granted in an emergency that hold now; anything but 0 needs a person",
            self.break_glass.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Attempts to reload the TLS certificate",
            self.certificate_reloads.clone(),
        );
        self.self_test.register_into(registry);
        self.feeds.register_into(registry);
        self.inspections.register_into(registry);
        self.quarantine.register_into(registry);
    }

    /// The counters of one mount.
    pub fn served(&self, mount: &str) -> &Served {
        self.requests.of(mount)
    }

    /// A connection was accepted; the guard counts it as open while it lives.
    pub fn connection_opened(&self) -> OpenConnection {
        self.connections_opened.inc();
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// Work began that goes on behind an answer; the guard counts it while it lives.
    pub fn work_begun(&self) -> CountedWork {
        self.work_behind_answers.inc();
        CountedWork(self.work_behind_answers.clone())
    }

    /// A connection was closed unserved.
    pub fn connection_refused(&self, cause: &'static str) {
        self.connections_refused
            .get_or_create(&CauseLabel { cause })
            .inc();
    }

    /// A request panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// An upstream request ended. `kind` is what was asked for: `document`, `artifact`.
    pub fn upstream_request(
        &self,
        (ecosystem, upstream): (&str, &str),
        kind: &'static str,
        outcome: UpstreamOutcome,
        took: Duration,
        bytes: u64,
    ) {
        let name = UpstreamName {
            ecosystem: ecosystem.to_owned(),
            upstream: upstream.to_owned(),
        };
        self.upstream_seconds
            .get_or_create(&name)
            .observe(took.as_secs_f64());
        self.upstream_bytes.get_or_create(&name).inc_by(bytes);
        let labels = UpstreamLabels {
            ecosystem: name.ecosystem,
            upstream: name.upstream,
            kind,
            outcome: outcome.name(),
        };
        self.upstream_requests.get_or_create(&labels).inc();
    }

    /// A decision was recorded; `rule` is the one that decided, none for `allow`.
    pub fn decided(&self, ecosystem: &str, effect: Effect, rule: Option<&str>) {
        let labels = DecisionLabels {
            ecosystem: ecosystem.to_owned(),
            effect: effect.name(),
            rule: rule.unwrap_or_default().to_owned(),
        };
        self.decisions.get_or_create(&labels).inc();
    }

    /// The counter of hits or misses of a memory cache; keep it, rather than asking each time.
    pub fn cache_lookups(&self, cache: &'static str, is_hit: bool) -> Counter {
        let outcome = if is_hit { "hit" } else { "miss" };
        self.cache_lookups
            .get_or_create_owned(&CacheLabels { cache, outcome })
    }

    /// A store failed.
    pub fn store_failed(&self, error: &StorageError) {
        let kind = match error.kind {
            StorageErrorKind::Full => "full",
            StorageErrorKind::Corrupt => "corrupt",
            StorageErrorKind::Unavailable => "unavailable",
            StorageErrorKind::Format => "format",
            StorageErrorKind::Io => "io",
        };
        let store = error.store;
        self.store_errors
            .get_or_create(&StoreLabels { store, kind })
            .inc();
    }

    /// A transfer was cut because stored bytes failed their check.
    pub fn blob_damaged(&self) {
        self.damaged_blobs.inc();
    }

    /// So many bytes are in the blob store.
    pub fn store_bytes(&self, bytes: u64) {
        self.store_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A collection removed so many blobs with so many bytes.
    pub fn collected(&self, blobs: u64, bytes: u64) {
        self.collected_blobs.inc_by(blobs);
        self.collected_bytes.inc_by(bytes);
    }

    /// A collection came to its end, or failed.
    pub fn collection_ended(&self, is_ok: bool) {
        self.collections.get_or_create(&ended(is_ok)).inc();
    }

    /// So many records of who received what were given up.
    pub fn servings_lost(&self, count: u64) {
        self.lost_servings.inc_by(count);
    }

    /// A document was served without upstream's confirmation.
    pub fn document_stale(&self, ecosystem: &str) {
        let ecosystem = ecosystem.to_owned();
        self.stale_documents
            .get_or_create(&EcosystemLabel { ecosystem })
            .inc();
    }

    /// A generation came into force, with so many rules unable to act.
    pub fn generation_changed(&self, generation: u64, inactive_rules: usize) {
        self.generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.inactive_rules
            .set(i64::try_from(inactive_rules).unwrap_or(i64::MAX));
    }

    /// So many rules only watch.
    pub fn rules_watching(&self, rules: usize) {
        self.watching_rules
            .set(i64::try_from(rules).unwrap_or(i64::MAX));
    }

    /// So many exemptions granted in an emergency hold now.
    pub fn break_glass_active(&self, exemptions: usize) {
        self.break_glass
            .set(i64::try_from(exemptions).unwrap_or(i64::MAX));
    }

    /// The policy was reloaded, or could not be because of so many problems.
    pub fn policy_reloaded(&self, problems: usize) {
        self.policy_reloads
            .get_or_create(&ended(problems == 0))
            .inc();
        self.policy_problems
            .set(i64::try_from(problems).unwrap_or(i64::MAX));
    }

    /// The TLS certificate was reloaded, or could not be.
    pub fn certificate_reloaded(&self, is_ok: bool) {
        self.certificate_reloads.get_or_create(&ended(is_ok)).inc();
    }

    /// Everything in OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing to a string does not fail");
        text
    }
}

fn ended(is_ok: bool) -> OutcomeLabel {
    OutcomeLabel {
        outcome: if is_ok { "ok" } else { "failed" },
    }
}

/// An open connection, counted until dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Work behind an answer, counted until dropped.
#[derive(Debug)]
pub struct CountedWork(Gauge);

impl Drop for CountedWork {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_encoded_and_no_label_comes_from_a_request() {
        let metrics = Metrics::new(&["npm", "pypi"]);
        let open = metrics.connection_opened();
        metrics
            .served("npm")
            .count(Outcome::Document, Duration::from_micros(20));
        metrics
            .served("left-pad")
            .count(Outcome::Refused, Duration::ZERO);
        metrics
            .served("right-pad")
            .count(Outcome::Refused, Duration::ZERO);
        metrics.upstream_request(
            ("npm", "public"),
            "document",
            UpstreamOutcome::Fetched,
            Duration::from_millis(30),
            1000,
        );
        metrics.decided("npm", Effect::Hide, Some("minimum-age"));
        metrics.generation_changed(3, 1);
        let text = metrics.encode();
        for line in [
            "cordon_requests_total{ecosystem=\"npm\",outcome=\"document\"} 1",
            "cordon_requests_total{ecosystem=\"other\",outcome=\"refused\"} 2",
            "cordon_connections 1",
            "cordon_upstream_bytes_total{ecosystem=\"npm\",upstream=\"public\"} 1000",
            "cordon_decisions_total{ecosystem=\"npm\",effect=\"hide\",rule=\"minimum-age\"} 1",
            "cordon_generation 3",
            "cordon_inactive_rules 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("-pad"));
        drop(open);
        assert!(metrics.encode().contains("\ncordon_connections 0\n"));
    }
}
