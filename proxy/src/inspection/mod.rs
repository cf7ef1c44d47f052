//! Looking into archives, in processes that may break.
//!
//! What is inside an archive is found by [`cordon_policy::inspect`], a pure function that parses
//! hostile bytes. The engine asks an [`Inspector`] for it, and for the one file of an archive that is
//! served by itself. The real one keeps a few processes that
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
use bytes::Bytes;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::inspect::{Depth, Sheet};
use cordon_policy::model::{ArtifactId, Digest};

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

/// A wheel whose core metadata is wanted by itself.
#[derive(Debug)]
pub struct MetadataJob {
    /// The wheel.
    pub artifact: ArtifactId,
    /// SHA-256 of the metadata, as the wheel's sheet tells it.
    pub sha256: Digest,
    /// The wheel's bytes.
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

    /// Takes the core metadata out of a wheel: bytes of the digest that was asked for, or `None` if
    /// the wheel has no such file, or a longer one than is taken out
    /// ([`CORE_METADATA_BYTES`](cordon_policy::inspect::CORE_METADATA_BYTES)). Bounded as
    /// [`inspect`](Self::inspect) is.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect).
    async fn core_metadata(&self, job: MetadataJob) -> Result<Option<Bytes>, InspectFailure>;
}

/// Is a worker until Cordon goes. Standard input is the socket to it.
///
/// # Errors
/// When it cannot be confined, or Cordon cannot be understood.
#[cfg(unix)]
pub fn work(confinement: &Confinement) -> io::Result<()> {
    worker::run(confinement, &worker::Reading::POLICY)
}

#[cfg(test)]
mod tests;
