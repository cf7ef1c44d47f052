//! Why a request could not be answered, and whose fault it is.

use std::sync::Arc;

use cordon_storage::StorageError;
use http::StatusCode;

use crate::registry::MetadataError;
use crate::upstream::UpstreamError;

/// A request that ends without what it asked for, policy aside.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The client asked for something that contradicts the registry.
    #[error("{0}")]
    Contradiction(String),
    /// The policy keeps the name at home, and there is nobody to ask.
    #[error("{0}")]
    Owned(String),
    /// An upstream gave no usable answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// No answer can be made from what upstream sent.
    #[error(transparent)]
    Document(Arc<MetadataError>),
    /// A store failed.
    #[error(transparent)]
    Store(Arc<StorageError>),
    /// Too much at once.
    #[error("too many requests are under way (limits.{0}); try again shortly")]
    Overloaded(&'static str),
    /// A task ended without an answer.
    #[error("the work was interrupted")]
    Interrupted,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The client's.
    Client,
    /// The upstream's.
    Upstream,
    /// A store's.
    Store,
    /// Cordon's.
    Ours,
}

impl Failure {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotFound(_) | Self::Contradiction(_) | Self::Owned(_) => Blame::Client,
            Self::Upstream(_) | Self::Document(_) => Blame::Upstream,
            Self::Store(_) => Blame::Store,
            Self::Overloaded(_) | Self::Interrupted => Blame::Ours,
        }
    }

    /// The status it is answered with. Never one that clients retry for minutes where trying
    /// again cannot help, and never 404 for what merely failed.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Contradiction(_) | Self::Owned(_) => StatusCode::FORBIDDEN,
            Self::Upstream(error) if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream(_) | Self::Document(_) => StatusCode::BAD_GATEWAY,
            Self::Store(_) | Self::Overloaded(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Interrupted => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which trying again may help, for 503.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(5)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::NotFound { what } => Self::NotFound(what),
            other => Self::Document(Arc::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use cordon_storage::Chain;

    use super::*;

    #[test]
    fn the_cause_of_a_store_failure_is_for_the_log_and_not_for_the_client() {
        let cause = std::io::Error::other("disk gone");
        let failure = Failure::from(StorageError::io("blob", "reading a blob", cause));
        let said = "reading a blob in the blob store: input or output failed";
        assert_eq!(failure.to_string(), said);
        assert_eq!(Chain(&failure).to_string(), format!("{said}: disk gone"));
    }
}
