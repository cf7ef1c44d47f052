//! An evidence store that fails as planned.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::facts::Audience;
use cordon_policy::model::{
    ArtifactId, Digest, Ecosystem, FileName, PackageName, Timestamp, Version,
};

use super::{
    Entry, EntryIndex, Evidence, ExemptionChange, ExposureFilter, HeldBytes, Hold, HoldFilter,
    LogFilter, LoggedDecision, LoggedExposure, LoggedNotice, LoggedServing, Missed,
    QuarantineChange, Receivers, Remembered, STORE, Seen, ServingFilter,
};
use crate::conformance::{Faults, Passage, planned};
use crate::{StorageError, StorageErrorKind};

/// Wraps a store; operations are named after the trait methods. A torn call takes effect, but its
/// caller is told that it failed: so it is with a commit whose answer was lost.
#[derive(Clone, Debug)]
pub struct FaultyEvidence<E> {
    store: E,
    faults: Arc<Faults>,
}

impl<E> FaultyEvidence<E> {
    /// Lets `faults` decide about every call to `store`.
    pub fn new(store: E, faults: Arc<Faults>) -> Self {
        Self { store, faults }
    }

    /// The store inside.
    pub fn inner(&self) -> &E {
        &self.store
    }

    async fn pass<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        let passage = self.faults.pass(STORE, operation).await?;
        let answer = call.await?;
        match passage {
            Passage::Whole => Ok(answer),
            Passage::Torn { .. } => Err(planned(STORE, operation, StorageErrorKind::Io)),
        }
    }
}

#[async_trait]
impl<E: Evidence> Evidence for FaultyEvidence<E> {
    async fn append(&self, entries: Vec<Entry>) -> Result<EntryIndex, StorageError> {
        self.pass("append", self.store.append(entries)).await
    }

    async fn put_text(&self, bytes: Bytes) -> Result<Digest, StorageError> {
        self.pass("put_text", self.store.put_text(bytes)).await
    }

    async fn text(&self, digest: &Digest) -> Result<Option<Bytes>, StorageError> {
        self.pass("text", self.store.text(digest)).await
    }

    async fn decision(&self, id: &DecisionId) -> Result<Option<LoggedDecision>, StorageError> {
        self.pass("decision", self.store.decision(id)).await
    }

    async fn decisions(&self, filter: &LogFilter) -> Result<Vec<LoggedDecision>, StorageError> {
        self.pass("decisions", self.store.decisions(filter)).await
    }

    async fn notices(&self, limit: usize) -> Result<Vec<LoggedNotice>, StorageError> {
        self.pass("notices", self.store.notices(limit)).await
    }

    async fn latest(
        &self,
        artifact: &ArtifactId,
        audience: Option<&Audience>,
    ) -> Result<Option<LoggedDecision>, StorageError> {
        self.pass("latest", self.store.latest(artifact, audience))
            .await
    }

    async fn standing(&self, package: &PackageName) -> Result<Vec<Decision>, StorageError> {
        self.pass("standing", self.store.standing(package)).await
    }

    async fn pin(&self, artifact: &ArtifactId) -> Result<Option<Digest>, StorageError> {
        self.pass("pin", self.store.pin(artifact)).await
    }

    async fn remembered(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Remembered>, StorageError> {
        self.pass("remembered", self.store.remembered(package))
            .await
    }

    async fn sightings(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Seen>, StorageError> {
        self.pass("sightings", self.store.sightings(package)).await
    }

    async fn servings(&self, filter: &ServingFilter) -> Result<Vec<LoggedServing>, StorageError> {
        self.pass("servings", self.store.servings(filter)).await
    }

    async fn receivers(
        &self,
        artifact: &ArtifactId,
        audience: Option<&Audience>,
        limit: usize,
    ) -> Result<Receivers, StorageError> {
        self.pass("receivers", self.store.receivers(artifact, audience, limit))
            .await
    }

    async fn exposures(
        &self,
        filter: &ExposureFilter,
    ) -> Result<Vec<LoggedExposure>, StorageError> {
        self.pass("exposures", self.store.exposures(filter)).await
    }

    async fn missed(&self, package: &PackageName) -> Result<Option<Timestamp>, StorageError> {
        self.pass("missed", self.store.missed(package)).await
    }

    async fn missed_names(&self, limit: usize) -> Result<Vec<Missed>, StorageError> {
        self.pass("missed_names", self.store.missed_names(limit))
            .await
    }

    async fn missed_count(&self) -> Result<u64, StorageError> {
        self.pass("missed_count", self.store.missed_count()).await
    }

    async fn exemptions(&self) -> Result<Vec<ExemptionChange>, StorageError> {
        self.pass("exemptions", self.store.exemptions()).await
    }

    async fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>, StorageError> {
        self.pass("holds", self.store.holds(filter)).await
    }

    async fn hold(&self, artifact: &ArtifactId) -> Result<Option<Hold>, StorageError> {
        self.pass("hold", self.store.hold(artifact)).await
    }

    async fn quarantine_history(
        &self,
        artifact: &ArtifactId,
    ) -> Result<Vec<QuarantineChange>, StorageError> {
        let call = self.store.quarantine_history(artifact);
        self.pass("quarantine_history", call).await
    }

    async fn reviews(&self) -> Result<Vec<QuarantineChange>, StorageError> {
        self.pass("reviews", self.store.reviews()).await
    }

    async fn held_bytes(&self, limit: usize) -> Result<Vec<HeldBytes>, StorageError> {
        self.pass("held_bytes", self.store.held_bytes(limit)).await
    }

    async fn hold_counts(&self) -> Result<BTreeMap<Ecosystem, u64>, StorageError> {
        self.pass("hold_counts", self.store.hold_counts()).await
    }

    async fn packages(
        &self,
        after: Option<&PackageName>,
        limit: usize,
    ) -> Result<Vec<PackageName>, StorageError> {
        self.pass("packages", self.store.packages(after, limit))
            .await
    }

    async fn entries(
        &self,
        from: EntryIndex,
        limit: usize,
    ) -> Result<Vec<(EntryIndex, Entry)>, StorageError> {
        self.pass("entries", self.store.entries(from, limit)).await
    }

    async fn checkpoint(&self) -> Result<String, StorageError> {
        self.pass("checkpoint", self.store.checkpoint()).await
    }
}
