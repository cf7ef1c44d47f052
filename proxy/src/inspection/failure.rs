//! Why an archive could not be looked into.

use std::time::Duration;

use smol_str::SmolStr;

/// Why there is no sheet. Each is a sentence for whoever wonders why something is held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectFailure {
    /// The worker ended by itself or was ended by the system, twice.
    #[error("the inspection worker broke on it: {0}")]
    Crashed(SmolStr),
    /// It took longer than the archive's size allows.
    #[error("inspection took longer than {} s, see `inspection.timeout`", .0.as_secs())]
    TimedOut(Duration),
    /// It took more memory than a worker may have.
    #[error("inspection needs more than {} MiB, see `inspection.memory`", .0 >> 20)]
    OutOfMemory(u64),
    /// The worker answered something that is no answer.
    #[error("the inspection worker answered what cannot be used: {0}")]
    Garbage(SmolStr),
    /// No worker could be had.
    #[error("no inspection worker could be had: {0}")]
    Unavailable(SmolStr),
    /// The bytes themselves could not be read.
    #[error("the file could not be read for inspection: {0}")]
    Input(SmolStr),
}

impl InspectFailure {
    /// The stable name, used in metrics: `timed-out`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Crashed(_) => "crashed",
            Self::TimedOut(_) => "timed-out",
            Self::OutOfMemory(_) => "out-of-memory",
            Self::Garbage(_) => "garbage",
            Self::Unavailable(_) => "unavailable",
            Self::Input(_) => "input",
        }
    }
}
