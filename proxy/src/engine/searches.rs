//! Searching stored archives again when other indicators came into force.
//!
//! Safety does not wait for this: the generation has moved, and what was found of other indicators is
//! not believed when bytes are asked for. This is for telling who has what is known to be bad by now,
//! and for listings to hide it. One archive is searched at a time, in the same bounded workers that
//! serve requests.

use std::collections::BTreeSet;
use std::sync::Arc;

use cordon_policy::facts::{ByteFacts, Fact, FactKind, VersionFacts};
use cordon_policy::inspect::Depth;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest, PackageName};
use cordon_storage::{Chain, StorageError};

use super::Engine;
use super::artifact::Held;
use super::failure::Failure;
use super::inspect::{indicator_facts, is_searched_for};

impl Engine {
    /// Searches the stored archives of a package that were searched for other indicators than are in
    /// force. What cannot be searched stays as it is: whoever asks for it finds that out.
    ///
    /// # Errors
    /// If a store fails.
    pub(super) async fn search_again(&self, package: &PackageName) -> Result<(), StorageError> {
        let snapshot = self.snapshot();
        if !snapshot.ruleset.needs().contains(FactKind::Indicators) {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        for decision in self.stores.evidence.standing(package).await? {
            let id = decision.evaluation.artifact();
            let is_stale = is_searched_otherwise(&decision.facts, &snapshot.indicators);
            if !is_stale || !seen.insert(id.clone()) {
                continue;
            }
            let Some(sha256) = self.stores.evidence.pin(id).await? else {
                continue;
            };
            match self.search_stored(id, &sha256, &snapshot.indicators).await {
                Ok(()) => {}
                Err(failure) => {
                    tracing::warn!(artifact = %id, error = %Chain(&failure), "a stored archive was not searched again");
                }
            }
        }
        Ok(())
    }

    async fn search_stored(
        &self,
        id: &ArtifactId,
        sha256: &Digest,
        set: &Arc<IndicatorSet>,
    ) -> Result<(), Failure> {
        let known = self.stores.cache.sheet(id).await?;
        if known.is_some_and(|it| it.sha256 == *sha256 && is_searched_for(&it.sheet, set)) {
            return Ok(());
        }
        let _held = self.space.hold(sha256).await;
        let Some(reader) = self.open(sha256).await? else {
            return Ok(());
        };
        let bytes = ByteFacts {
            sha256: sha256.clone(),
            size_bytes: reader.size_bytes(),
            mismatches: Vec::new(),
            declared_size_bytes: None,
        };
        let mut held = Held::Stored(reader);
        // Why it could not be looked into was said.
        let _ = self
            .sheet(id, &bytes, Depth::Structure, Some(set), &mut held)
            .await?;
        Ok(())
    }

    /// Puts what a search for these indicators found into recorded facts, if there was one since;
    /// whether there was.
    pub(super) async fn found_again(
        &self,
        facts: &mut VersionFacts,
        set: &Arc<IndicatorSet>,
    ) -> Result<bool, StorageError> {
        if !is_searched_otherwise(facts, set) {
            return Ok(false);
        }
        let Some(pinned) = &facts.history.pinned else {
            return Ok(false);
        };
        let Some(record) = self.stores.cache.sheet(&facts.artifact).await? else {
            return Ok(false);
        };
        if record.sha256 != *pinned || !is_searched_for(&record.sheet, set) {
            return Ok(false);
        }
        facts.indicators = indicator_facts(set, pinned, &record.sheet);
        Ok(true)
    }
}

/// Whether an archive was looked into, and not searched for these indicators.
fn is_searched_otherwise(facts: &VersionFacts, set: &IndicatorSet) -> bool {
    let is_archive = facts.artifact.kind == ArtifactKind::Archive;
    is_archive
        && matches!(facts.archive, Fact::Known(_))
        && match &facts.indicators {
            Fact::Known(found) => found.set != *set.id(),
            Fact::NotYet | Fact::Unavailable(_) => true,
            Fact::Absent => false,
        }
}
