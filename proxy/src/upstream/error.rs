//! What can go wrong with an upstream.

use std::time::Duration;

/// An upstream did not give a usable answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection, or it broke.
    #[error("upstream {upstream}: {what}")]
    Connection {
        /// Id of the upstream.
        upstream: String,
        /// What the network said.
        what: String,
    },
    /// Too slow.
    #[error("upstream {upstream} did not answer in time: {what}")]
    Timeout {
        /// Id of the upstream.
        upstream: String,
        /// Which limit.
        what: String,
    },
    /// A status that is neither the thing nor its absence.
    #[error("upstream {upstream} answered with status {status}")]
    Status {
        /// Id of the upstream.
        upstream: String,
        /// The status.
        status: u16,
    },
    /// A body of no use: cut short, of another length than announced, in an unknown coding.
    #[error("upstream {upstream} sent an unusable body: {what}")]
    Body {
        /// Id of the upstream.
        upstream: String,
        /// What is wrong with it.
        what: String,
    },
    /// An answer outside HTTP or the protocol: a redirect to nowhere, a part of the registry that
    /// is missing.
    #[error("upstream {upstream} sent an unusable answer: {what}")]
    Protocol {
        /// Id of the upstream.
        upstream: String,
        /// What is wrong with it.
        what: String,
    },
    /// Larger than the configured limit.
    #[error("upstream {upstream} sent more than limits.{limit} ({bytes} bytes)")]
    TooLarge {
        /// Id of the upstream.
        upstream: String,
        /// Name of the limit.
        limit: &'static str,
        /// Its value in bytes.
        bytes: u64,
    },
    /// An address Cordon does not go to.
    #[error(
        "upstream {upstream} points to {origin}, which is not among its configured origins; \
             add it to `files` of that upstream if it is right"
    )]
    ForeignOrigin {
        /// Id of the upstream.
        upstream: String,
        /// The origin refused.
        origin: String,
    },
    /// Not asked, because it failed again and again a moment ago.
    #[error("upstream {upstream} is failing; next attempt in {} ms", retry_in.as_millis())]
    Resting {
        /// Id of the upstream.
        upstream: String,
        /// Until the next attempt.
        retry_in: Duration,
    },
    /// The HTTP client could not be made.
    #[error("setting up the client for upstream {upstream}: {what}")]
    Setup {
        /// Id of the upstream.
        upstream: String,
        /// What the library said.
        what: String,
    },
}

impl UpstreamError {
    /// Whether the upstream was too slow (504) or wrong (502).
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Whether it says something about the upstream's health.
    pub fn counts_as_outage(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Timeout { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::Body { .. }
            | Self::Protocol { .. }
            | Self::TooLarge { .. }
            | Self::ForeignOrigin { .. }
            | Self::Resting { .. }
            | Self::Setup { .. } => false,
        }
    }

    /// Whether a stored document may stand in for the one that was not had: the upstream is
    /// failing, or what it sent is of no use. A refusal (401, 403, 451) or a redirect elsewhere is
    /// an answer, and is not papered over.
    pub fn leaves_a_gap(&self) -> bool {
        match self {
            Self::Body { .. } | Self::TooLarge { .. } | Self::Resting { .. } => true,
            Self::Connection { .. }
            | Self::Timeout { .. }
            | Self::Status { .. }
            | Self::Protocol { .. }
            | Self::ForeignOrigin { .. }
            | Self::Setup { .. } => self.counts_as_outage(),
        }
    }
}
