//! Held artifacts: their bytes, fetched for a person to look at.

use std::sync::Arc;

use cordon_policy::decision::Decision;
use cordon_policy::model::ArtifactId;

use super::Engine;
use super::artifact::Outcome;
use super::failure::Failure;
use crate::registry::{ArtifactRequest, View};

impl Engine {
    /// Fetches, verifies, judges and keeps the bytes of something held, for review. Nothing is served
    /// by it. Answers what is decided about them.
    ///
    /// # Errors
    /// If it cannot be had, or a store fails.
    pub async fn fetch_held(&self, artifact: &ArtifactId) -> Result<Arc<Decision>, Failure> {
        let name = &artifact.subject.name;
        let registry = super::service::mounted(name.ecosystem().as_str())
            .ok_or_else(|| Failure::NotFound(format!("no registry serves {}", name.purl())))?;
        let request = ArtifactRequest {
            package: name.clone(),
            version: Some(artifact.subject.version.clone()),
            file: Some(artifact.file.clone()),
            kind: artifact.kind,
            expected: None,
        };
        let snapshot = self.snapshot();
        let package = self
            .package(registry, name, &View::plain("artifact"))
            .await?;
        let wanted = self.wanted_for_review(package, &request, snapshot).await?;
        match self.prove(wanted).await? {
            Outcome::Refused(decision) => Ok(decision),
            // It is held no longer, and what clients get they get by asking.
            Outcome::Cleared(hot) => {
                let evidence = &self.stores.evidence;
                let decision = evidence.decision(hot.cleared.decision()).await?;
                let decision = decision.ok_or(Failure::Interrupted)?;
                Ok(Arc::new(decision.decision))
            }
        }
    }
}
