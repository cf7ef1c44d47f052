//! Counters of advisory data, and of what turned out bad after it was served.

use cordon_policy::facts::RemovalScope;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{EcosystemLabel, Metrics};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    ecosystem: String,
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RemovalLabels {
    ecosystem: String,
    scope: &'static str,
}

/// How the data of an ecosystem stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedState {
    /// Number of the generation in force; 0 for none.
    pub generation: u64,
    /// Records that hold.
    pub records: u64,
    /// Seconds since its sources last confirmed it.
    pub confirmed_seconds: u64,
    /// Seconds since the newest record changed.
    pub newest_seconds: u64,
    /// Whether it may be believed.
    pub is_believed: bool,
    /// Packages whose refusal waits to be confirmed.
    pub awaiting: usize,
}

#[derive(Debug, Default)]
pub(super) struct Feeds {
    generation: Family<EcosystemLabel, Gauge>,
    records: Family<EcosystemLabel, Gauge>,
    confirmed: Family<EcosystemLabel, Gauge>,
    newest: Family<EcosystemLabel, Gauge>,
    believed: Family<EcosystemLabel, Gauge>,
    awaiting: Family<EcosystemLabel, Gauge>,
    refusals: Family<RefusalLabels, Counter>,
    exposures: Family<EcosystemLabel, Counter>,
    removals: Family<RemovalLabels, Counter>,
    digest_changes: Family<EcosystemLabel, Counter>,
}

impl Feeds {
    pub(super) fn register_into(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            (
                "feed_generation",
                "Generation of advisory data in force",
                &self.generation,
            ),
            ("feed_records", "Advisory records that hold", &self.records),
            (
                "feed_confirmed_age_seconds",
                "Time since the sources last confirmed that the data is the newest",
                &self.confirmed,
            ),
            (
                "feed_newest_age_seconds",
                "Time since the newest advisory record changed",
                &self.newest,
            ),
            (
                "feed_believed",
                "Whether the advisory data may be believed (1) or is missing or too old (0)",
                &self.believed,
            ),
            (
                "feed_awaiting_confirmation",
                "Packages in use whose refusal waits to be confirmed",
                &self.awaiting,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "feed_refusals",
            "Dumps of advisories that were refused or could not be had",
            self.refusals.clone(),
        );
        registry.register(
            "exposures",
            "Files that were served and are refused by now",
            self.exposures.clone(),
        );
        registry.register(
            "removals",
            "Files in use that upstream removed, alone or with their whole project",
            self.removals.clone(),
        );
        registry.register(
            "digest_changes",
            "Files whose registry has other bytes for them than those first seen",
            self.digest_changes.clone(),
        );
    }
}

impl Metrics {
    /// How the advisory data of an ecosystem stands.
    pub fn feed(&self, ecosystem: &str, state: &FeedState) {
        let label = EcosystemLabel {
            ecosystem: ecosystem.to_owned(),
        };
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let feeds = &self.feeds;
        for (gauge, value) in [
            (&feeds.generation, number(state.generation)),
            (&feeds.records, number(state.records)),
            (&feeds.confirmed, number(state.confirmed_seconds)),
            (&feeds.newest, number(state.newest_seconds)),
            (&feeds.believed, i64::from(state.is_believed)),
            (&feeds.awaiting, number(state.awaiting as u64)),
        ] {
            gauge.get_or_create(&label).set(value);
        }
    }

    /// A dump was refused, or could not be had.
    pub fn feed_refused(&self, ecosystem: &str, cause: &'static str) {
        let labels = RefusalLabels {
            ecosystem: ecosystem.to_owned(),
            cause,
        };
        self.feeds.refusals.get_or_create(&labels).inc();
    }

    /// A file that was served is refused by now.
    pub fn exposed(&self, ecosystem: &str) {
        let label = EcosystemLabel {
            ecosystem: ecosystem.to_owned(),
        };
        self.feeds.exposures.get_or_create(&label).inc();
    }

    /// Upstream lists so many files no longer that were had from there.
    pub fn removed(&self, ecosystem: &str, scope: RemovalScope, files: u64) {
        let labels = RemovalLabels {
            ecosystem: ecosystem.to_owned(),
            scope: scope.name(),
        };
        self.feeds.removals.get_or_create(&labels).inc_by(files);
    }

    /// A registry has other bytes for a file than those first seen.
    pub fn digest_changed(&self, ecosystem: &str) {
        let label = EcosystemLabel {
            ecosystem: ecosystem.to_owned(),
        };
        self.feeds.digest_changes.get_or_create(&label).inc();
    }
}
