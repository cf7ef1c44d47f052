//! Counters of looking into archives.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{CauseLabel, Latency, Metrics, OutcomeLabel};

/// Why a worker process is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerEnd {
    /// It was not needed any more, or had done enough.
    Retired,
    /// It ended by itself, or somebody ended it.
    Crashed,
    /// It had to be ended for taking too long.
    TimedOut,
    /// It needed more memory than it may have.
    OutOfMemory,
    /// It answered what is no answer.
    Garbage,
    /// It never became ready.
    NotStarted,
}

impl WorkerEnd {
    const fn name(self) -> &'static str {
        match self {
            Self::Retired => "retired",
            Self::Crashed => "crashed",
            Self::TimedOut => "timed-out",
            Self::OutOfMemory => "out-of-memory",
            Self::Garbage => "garbage",
            Self::NotStarted => "not-started",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScanLabels {
    scanner: String,
    outcome: &'static str,
}

#[derive(Debug)]
pub(super) struct Inspections {
    outcomes: Family<OutcomeLabel, Counter>,
    seconds: Family<OutcomeLabel, Histogram, Latency>,
    bytes: Counter,
    workers: Gauge,
    worker_ends: Family<CauseLabel, Counter>,
    scans: Family<ScanLabels, Counter>,
    scan_seconds: Family<ScanLabels, Histogram, Latency>,
}

impl Default for Inspections {
    fn default() -> Self {
        Self {
            outcomes: Family::default(),
            seconds: Family::new_with_constructor(Latency),
            bytes: Counter::default(),
            workers: Gauge::default(),
            worker_ends: Family::default(),
            scans: Family::default(),
            scan_seconds: Family::new_with_constructor(Latency),
        }
    }
}

impl Inspections {
    pub(super) fn register_into(&self, registry: &mut Registry) {
        registry.register(
            "inspections",
            "Archives looked into, and failures to",
            self.outcomes.clone(),
        );
        registry.register(
            "inspection_seconds",
            "Time to look into an archive, without the wait for a worker",
            self.seconds.clone(),
        );
        registry.register(
            "inspected_bytes",
            "Bytes of the archives that were looked into",
            self.bytes.clone(),
        );
        registry.register(
            "inspection_workers",
            "Worker processes running",
            self.workers.clone(),
        );
        registry.register(
            "inspection_workers_ended",
            "Worker processes that ended; all but `retired` are worth a look",
            self.worker_ends.clone(),
        );
        registry.register(
            "scans",
            "Archives other scanners were asked about, by what they said",
            self.scans.clone(),
        );
        registry.register(
            "scan_seconds",
            "Time other scanners took, with the wait for a place",
            self.scan_seconds.clone(),
        );
    }
}

impl Metrics {
    /// An archive of a size was looked into, or could not be.
    pub fn inspected(&self, outcome: &'static str, took: Duration, bytes: u64) {
        let label = OutcomeLabel { outcome };
        let meters = &self.inspections;
        meters.outcomes.get_or_create(&label).inc();
        let seconds = meters.seconds.get_or_create(&label);
        seconds.observe(took.as_secs_f64());
        meters.bytes.inc_by(bytes);
    }

    /// A configured scanner was asked about an archive.
    pub fn scanned(&self, scanner: &str, outcome: &'static str, took: Duration) {
        let labels = ScanLabels {
            scanner: scanner.to_owned(),
            outcome,
        };
        let meters = &self.inspections;
        meters.scans.get_or_create(&labels).inc();
        let seconds = meters.scan_seconds.get_or_create(&labels);
        seconds.observe(took.as_secs_f64());
    }

    /// A worker process is ready.
    pub fn worker_started(&self) {
        self.inspections.workers.inc();
    }

    /// A worker process ended, or did not start.
    pub fn worker_ended(&self, end: WorkerEnd) {
        let meters = &self.inspections;
        if end != WorkerEnd::NotStarted {
            meters.workers.dec();
        }
        let cause = end.name();
        meters
            .worker_ends
            .get_or_create(&CauseLabel { cause })
            .inc();
    }
}
