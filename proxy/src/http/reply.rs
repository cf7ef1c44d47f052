//! What the engine answers with; `respond` turns it into HTTP.

use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use http::StatusCode;

use crate::engine::Cleared;
use crate::registry::{DenialBody, LastModified, Rendered};

/// An answer.
pub enum Reply {
    /// A filtered document.
    Document(Arc<ReadyDocument>),
    /// Artifact bytes. There is no other variant that can carry them.
    Artifact(Arc<Cleared>),
    /// A fixed answer of the adapter.
    Static(Rendered),
    /// Passed through from a fixed upstream path, with 200: keys, attestations.
    Forwarded {
        /// Media type.
        content_type: String,
        /// Bytes.
        body: Bytes,
    },
    /// The same resource elsewhere on this Cordon: an absolute path.
    Redirect(String),
    /// Refused by policy.
    Denied {
        /// The client's form of it.
        body: DenialBody,
        /// The record.
        decision: DecisionId,
    },
    /// Refused or failed for another reason, in the protocol's form.
    Failed {
        /// The client's form of it.
        body: DenialBody,
        /// Seconds for `retry-after`, with 503.
        retry_after_seconds: Option<u32>,
    },
    /// A page of Cordon's own: `why`, health.
    Page {
        /// Status.
        status: StatusCode,
        /// Media type.
        content_type: &'static str,
        /// Body.
        body: Bytes,
    },
}

/// A rendered document with its codings, kept in memory and shared by requests.
#[derive(Clone, Debug)]
pub struct ReadyDocument {
    /// As rendered. `None` for large documents, which are kept compressed only: a client that
    /// does not accept gzip gets `gzip` inflated a small piece at a time as it is sent.
    pub identity: Option<Bytes>,
    /// Size as rendered, in bytes.
    pub identity_bytes: u64,
    /// Compressed with gzip; `None` when not worth it. At least one of the two is there.
    pub gzip: Option<Bytes>,
    /// Strong validator without quotes; `respond` appends the coding.
    pub etag: String,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Last-Modified`.
    pub last_modified: Option<LastModified>,
    /// `Vary` besides `Accept-Encoding`.
    pub vary: &'static str,
    /// How many candidates were withheld.
    pub withheld: u32,
    /// A sentence about them for clients that show notices.
    pub notice: Option<String>,
    /// Whether it stands in for a document upstream would not confirm.
    pub is_stale: bool,
}
