//! What the content of a version changes against the version before it.

use serde::{Deserialize, Serialize};

use crate::model::Version;

/// The difference between the content of two versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentChange {
    /// The version compared with.
    pub since: Version,
}
