//! The composition root: the only place that knows which concrete types make up a Cordon.

use std::path::PathBuf;
use std::sync::Arc;

use cordon_policy::evaluate::Ruleset;
use cordon_storage::StorageError;
use cordon_storage::blob::MemoryBlobs;
use cordon_storage::cache::MemoryIndex;
use cordon_storage::evidence::MemoryEvidence;

use crate::config::Config;
use crate::data;
use crate::engine::{Engine, Parts, RandomIds, Stores, SystemClock};
use crate::feeds::installed;
use crate::indicators::IndicatorsError;
use crate::names::{Names, NamesError};
use crate::telemetry::Metrics;
use crate::upstream::{UpstreamError, Upstreams};
use crate::{indicators, registry};

/// An engine for commands that look without touching: what it fetches stays in memory, and what
/// is remembered is read from the data folder if there is one.
///
/// # Errors
/// If there is evidence and it cannot be read, or the upstream clients cannot be made.
pub fn observing_engine(
    config: Config,
    ruleset: Arc<Ruleset>,
) -> Result<Arc<Engine>, ObserveError> {
    let evidence = data::open_reader_if_any(&config.data).map_err(|error| {
        let folder = config.data.clone();
        ObserveError::Evidence { folder, error }
    })?;
    // No data folder yet: nothing is remembered.
    let evidence = evidence.unwrap_or_else(|| Arc::new(MemoryEvidence::new()));
    let stores = Stores {
        blobs: Arc::new(MemoryBlobs::new()),
        cache: Arc::new(MemoryIndex::new()),
        evidence,
    };
    let upstreams = Upstreams::new(&config.upstreams, &config.limits)?;
    let names = Names::read(&config.popular)?;
    let indicators = indicators::read(&config.indicators)?;
    let advisories = Arc::new(installed::read_data(&config));
    let public_url = config.public_url(config.listen);
    Ok(Engine::new(Parts {
        config: Arc::new(config),
        public_url,
        ruleset,
        advisories,
        names,
        indicators,
        stores,
        upstreams,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        inspector: Arc::new(crate::inspection::InProcess::default()),
        scanners: Arc::new(crate::inspection::scanner::Scanners::none()),
        metrics: Arc::new(metrics()),
    }))
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A list of popular names cannot be used.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// What is looked for in archives cannot be used.
    #[error(transparent)]
    Indicators(#[from] IndicatorsError),
    /// What is remembered decides with; an answer without it could be another one.
    #[error("reading the evidence in {}", folder.display())]
    Evidence {
        /// The data folder.
        folder: PathBuf,
        /// What the store said.
        #[source]
        error: StorageError,
    },
    /// An upstream client cannot be made.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// The meters, with a label for every mount.
pub fn metrics() -> Metrics {
    let mounts = registry::all().map(|registry| registry.scheme().ecosystem().as_str());
    Metrics::new(&mounts)
}
