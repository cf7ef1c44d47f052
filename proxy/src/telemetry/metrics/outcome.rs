//! Requests by mount and outcome: the counters every request touches, in a table.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{EcosystemLabel, LATENCY_BUCKETS};
use crate::http::reply::Reply;

/// What kind of answer a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// A filtered document.
    Document,
    /// The client's copy is current.
    NotModified,
    /// Artifact bytes.
    Artifact,
    /// Some artifact bytes.
    PartialArtifact,
    /// A fixed answer.
    Static,
    /// Passed through.
    Forwarded,
    /// Sent to the proper spelling.
    Redirect,
    /// Refused by policy.
    Denied,
    /// There is no such thing.
    NotFound,
    /// A request outside the protocol.
    Refused,
    /// An upstream did not give a usable answer.
    UpstreamFailed,
    /// Too much to do.
    Overloaded,
    /// Cordon's own fault.
    Failed,
    /// A page of Cordon's own.
    Page,
}

impl Outcome {
    const ALL: [Self; 14] = [
        Self::Document,
        Self::NotModified,
        Self::Artifact,
        Self::PartialArtifact,
        Self::Static,
        Self::Forwarded,
        Self::Redirect,
        Self::Denied,
        Self::NotFound,
        Self::Refused,
        Self::UpstreamFailed,
        Self::Overloaded,
        Self::Failed,
        Self::Page,
    ];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::NotModified => "not-modified",
            Self::Artifact => "artifact",
            Self::PartialArtifact => "partial-artifact",
            Self::Static => "static",
            Self::Forwarded => "forwarded",
            Self::Redirect => "redirect",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::UpstreamFailed => "upstream-failed",
            Self::Overloaded => "overloaded",
            Self::Failed => "failed",
            Self::Page => "page",
        }
    }

    /// What kind of answer a reply is, before conditions and ranges are looked at.
    pub fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Document(_) => Self::Document,
            Reply::Artifact(_) => Self::Artifact,
            Reply::Static(_) => Self::Static,
            Reply::Forwarded { .. } => Self::Forwarded,
            Reply::Redirect(_) => Self::Redirect,
            Reply::Denied { .. } => Self::Denied,
            Reply::Failed { body, .. } => Self::of_failure(body.status),
            Reply::Page { .. } => Self::Page,
        }
    }

    /// What kind of failure a status is.
    pub fn of_failure(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Self::NotFound,
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Self::UpstreamFailed,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Self::Overloaded,
            status if status.is_client_error() => Self::Refused,
            _ => Self::Failed,
        }
    }

    /// The same with the status the response got.
    pub fn with_status(self, status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_MODIFIED => Self::NotModified,
            StatusCode::PARTIAL_CONTENT => Self::PartialArtifact,
            _ => self,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    ecosystem: String,
    outcome: &'static str,
}

/// Counters of all mounts.
#[derive(Debug)]
pub(super) struct Requests {
    mounts: Vec<Served>,
    other: Served,
}

impl Requests {
    pub(super) fn new(ecosystems: &[&str], registry: &mut Registry) -> Self {
        let counts = Family::<Labels, Counter>::default();
        let bytes = Family::<EcosystemLabel, Counter>::default();
        let seconds = Histogram::new(LATENCY_BUCKETS);
        registry.register("requests", "Requests answered", counts.clone());
        registry.register("sent_bytes", "Body bytes sent to clients", bytes.clone());
        registry.register(
            "request_seconds",
            "Time until the response head was ready",
            seconds.clone(),
        );
        let served = |mount: &str| Served {
            mount: mount.to_owned(),
            outcomes: Outcome::ALL.map(|outcome| {
                counts.get_or_create_owned(&Labels {
                    ecosystem: mount.to_owned(),
                    outcome: outcome.name(),
                })
            }),
            bytes: bytes.get_or_create_owned(&EcosystemLabel {
                ecosystem: mount.to_owned(),
            }),
            seconds: seconds.clone(),
        };
        Self {
            mounts: ecosystems.iter().map(|mount| served(mount)).collect(),
            other: served("other"),
        }
    }

    /// A handful of mounts: looking through them is quicker than hashing.
    pub(super) fn of(&self, mount: &str) -> &Served {
        self.mounts
            .iter()
            .find(|served| served.mount == mount)
            .unwrap_or(&self.other)
    }
}

/// Counters of one mount.
#[derive(Debug)]
pub struct Served {
    mount: String,
    outcomes: [Counter; Outcome::ALL.len()],
    bytes: Counter,
    seconds: Histogram,
}

impl Served {
    /// Counts an answer whose head was ready after `took`.
    pub fn count(&self, outcome: Outcome, took: Duration) {
        if let Some(counter) = self.outcomes.get(outcome as usize) {
            counter.inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts body bytes.
    pub fn bytes(&self) -> &Counter {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_stands_at_its_own_place_in_the_table() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index, "{}", outcome.name());
        }
    }
}
