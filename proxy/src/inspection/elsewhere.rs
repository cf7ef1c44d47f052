//! Systems that are not Unix have no way to hand an open file to a running process that this program
//! could use. Nothing is looked into there, and so what needs it is held.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::inspect::Sheet;
use cordon_policy::inspect::indicators::IndicatorSet;

use super::{InspectFailure, Inspector, Job, MetadataJob};
use crate::config::InspectionConfig;
use crate::telemetry::Metrics;

/// No workers.
pub struct Workers;

impl Workers {
    /// No workers, as everywhere that is not Unix.
    ///
    /// # Errors
    /// Never.
    pub fn new(_: &InspectionConfig, _: Arc<Metrics>) -> io::Result<Self> {
        Ok(Self)
    }

    /// As [`new`](Self::new).
    ///
    /// # Errors
    /// Never.
    pub fn of_program(
        _: PathBuf,
        config: &InspectionConfig,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        Self::new(config, metrics)
    }

    /// Nothing to end.
    pub fn close(&self) {}
}

#[async_trait]
impl Inspector for Workers {
    async fn inspect(&self, _: Job) -> Result<Sheet, InspectFailure> {
        Err(unavailable())
    }

    async fn core_metadata(&self, _: MetadataJob) -> Result<Option<Bytes>, InspectFailure> {
        Err(unavailable())
    }
}

/// That there can be none.
///
/// # Errors
/// Always.
pub fn probe(
    _: &InspectionConfig,
    _: Option<&IndicatorSet>,
) -> Result<(Duration, Option<String>), InspectFailure> {
    Err(unavailable())
}

fn unavailable() -> InspectFailure {
    InspectFailure::Unavailable("they need Unix".into())
}
