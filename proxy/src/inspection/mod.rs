//! Looking into archives, in processes that may break.
//!
//! What is inside an archive is found by [`cordon_policy::inspect`], a pure function that parses
//! hostile bytes. The engine asks an [`Inspector`] for it. The real one keeps a few processes that
//! can do nothing but read the one file they are handed, and ends them when they take too long, take
//! too much or break. Whatever goes wrong is an [`InspectFailure`], never a sheet: what could not be
//! looked into is held, never let through (A-84, Y-03).

#[cfg(not(unix))]
mod elsewhere;
mod failure;
mod in_process;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
mod protocol;
#[cfg(unix)]
mod sandbox;
pub mod scanner;
mod source;
#[cfg(unix)]
mod worker;

#[cfg(unix)]
use std::io;

#[cfg(not(unix))]
pub use elsewhere::{Workers, probe};
pub use failure::InspectFailure;
pub use in_process::InProcess;
#[cfg(unix)]
pub use pool::{Workers, probe};
#[cfg(unix)]
pub use sandbox::Confinement;
pub use source::Source;

use std::sync::Arc;

use async_trait::async_trait;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::inspect::{Depth, Sheet};
use cordon_policy::model::ArtifactId;

/// One archive to look into.
#[derive(Debug)]
pub struct Job {
    /// What it is said to be. What it says of itself is held against that.
    pub artifact: ArtifactId,
    /// How much of it is looked at.
    pub depth: Depth,
    /// What is looked for in its files, if anything.
    pub indicators: Option<Arc<IndicatorSet>>,
    /// Its bytes.
    pub source: Source,
}

/// Looks into archives.
#[async_trait]
pub trait Inspector: Send + Sync + 'static {
    /// Looks into one archive. Takes no longer than the wait for a free worker and the time-out for
    /// its size; a caller who stops waiting stops nothing that was begun.
    ///
    /// # Errors
    /// When it could not be looked into. That says nothing about the archive: it is to be held, and
    /// may be tried again later.
    async fn inspect(&self, job: Job) -> Result<Sheet, InspectFailure>;
}

/// Is a worker until Cordon goes. Standard input is the socket to it.
///
/// # Errors
/// When it cannot be confined, or Cordon cannot be understood.
#[cfg(unix)]
pub fn work(confinement: &Confinement) -> io::Result<()> {
    worker::run(confinement, cordon_policy::inspect::inspect_for)
}

#[cfg(test)]
mod tests;
