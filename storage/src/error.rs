//! What a store can say besides its answer.

use std::error::Error;
use std::fmt;

/// A store failed. A miss is never an error: reading what is not there is `Ok(None)`.
#[derive(Debug, thiserror::Error)]
#[error("{operation} in the {store} store: {kind}")]
pub struct StorageError {
    /// Which store: `blob`, `cache`, `evidence`.
    pub store: &'static str,
    /// What was being done, in words: `committing a blob`.
    pub operation: &'static str,
    /// What kind of failure.
    pub kind: StorageErrorKind,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Kinds a caller treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageErrorKind {
    /// The disk or a quota is full.
    #[error("no space left")]
    Full,
    /// Stored bytes are not what they were: moved aside, never served.
    #[error("stored data is damaged")]
    Corrupt,
    /// The store is closed, locked by another process or read-only.
    #[error("the store is not available")]
    Unavailable,
    /// Written by a version of Cordon this one does not know.
    #[error("the store has an unknown format version")]
    Format,
    /// Anything else the operating system or the engine reported.
    #[error("input or output failed")]
    Io,
}

impl StorageError {
    /// Wraps a cause.
    pub fn new(
        store: &'static str,
        operation: &'static str,
        kind: StorageErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            store,
            operation,
            kind,
            source: Some(source.into()),
        }
    }

    /// Wraps an I/O error, telling a full or unwritable disk from the rest.
    pub fn io(store: &'static str, operation: &'static str, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                StorageErrorKind::Full
            }
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
                StorageErrorKind::Unavailable
            }
            _ => StorageErrorKind::Io,
        };
        Self::new(store, operation, kind, error)
    }
}

/// An error with its causes on one line, as logs and commands tell it: an error's own text says
/// what failed, its causes say why.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            // Some errors name their cause themselves.
            let why = error.to_string();
            if !text.contains(&why) {
                text.push_str(": ");
                text.push_str(&why);
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("starting: {0}")]
    struct NamesItsCause(#[source] StorageError);

    #[test]
    fn every_cause_is_told_once() {
        let cause = std::io::Error::other("disk gone");
        let error = NamesItsCause(StorageError::io("blob", "reading a blob", cause));
        assert_eq!(
            Chain(&error).to_string(),
            "starting: reading a blob in the blob store: input or output failed: disk gone"
        );
    }
}
