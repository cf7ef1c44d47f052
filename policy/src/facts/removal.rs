//! What upstream took back of what was had from there.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// A file Cordon had that upstream lists no longer. A yanked version is still listed and not meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Removal {
    /// When Cordon found out.
    pub at: Timestamp,
    /// What else is gone.
    pub scope: RemovalScope,
}

/// How much upstream removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovalScope {
    /// The whole project: it does not exist any more, has no file left, or only the registry's
    /// placeholder. That tells nothing about a single version.
    Project,
    /// The file, while the project goes on without it.
    Version,
}

impl RemovalScope {
    /// The kebab-case name used in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Version => "version",
        }
    }
}
