//! Core metadata (PEP 658) of wheels that are here: taken out of the wheel itself.
//!
//! What is beside a wheel is a second copy of what is inside, and clients resolve by it. As long as
//! nobody had the wheel, it is fetched and held to the digest the registry declares for it; the wheel,
//! once it is inspected, is held to the same digest, and refused together with what is beside it where
//! they differ (M-38). From then on nothing is fetched any more.

use std::time::Instant;

use cordon_policy::inspect::Depth;
use cordon_policy::model::{ArtifactId, ArtifactKind};
use cordon_policy::reason;

use super::Engine;
use super::artifact::Wanted;
use super::failure::Failure;
use super::fetch::Spooled;
use super::inspect::WHY_CHARS;
use crate::inspection::{MetadataJob, Source};

impl Engine {
    /// The metadata inside a wheel that is kept and was inspected, as an inspector takes it out;
    /// `None` where there is none such, or it cannot be taken out: then upstream's copy is used,
    /// which is held to the digest that is declared. It is kept like any other file, and so taken
    /// out once.
    pub(super) async fn metadata_of_wheel(
        &self,
        wanted: &Wanted,
    ) -> Result<Option<Spooled>, Failure> {
        let id = &wanted.facts().artifact;
        if id.kind != ArtifactKind::CoreMetadata {
            return Ok(None);
        }
        let wheel = ArtifactId {
            kind: ArtifactKind::Archive,
            ..id.clone()
        };
        let Some(pinned) = self.stores.evidence.pin(&wheel).await? else {
            return Ok(None);
        };
        let inspected = self.stores.cache.sheet(&wheel).await?;
        let manifest = inspected
            .filter(|record| record.sha256 == pinned)
            .and_then(|record| record.sheet.manifest);
        let Some(sha256) = manifest.and_then(|manifest| manifest.core_metadata_sha256) else {
            return Ok(None);
        };
        // Taking it out reads the wheel as looking into it does: what broke then would break again.
        let pauses = &self.inspect_pauses;
        if pauses
            .why(&pinned, Depth::Structure, Instant::now())
            .is_some()
        {
            return Ok(None);
        }
        let _held = self.space.hold(&pinned).await;
        let Some(reader) = self.open(&pinned).await? else {
            return Ok(None);
        };
        let job = MetadataJob {
            artifact: wheel,
            sha256,
            source: Source::Blob(reader),
        };
        let taken = match self.inspector.core_metadata(job).await {
            Ok(taken) => taken,
            Err(failure) => {
                tracing::warn!(artifact = %id, %failure, "a wheel's metadata could not be taken out");
                let why = reason::ascii(&failure.to_string(), WHY_CHARS).into();
                let told = (&failure, &why);
                pauses.failed(&pinned, Depth::Structure, told, Instant::now());
                None
            }
        };
        let Some(bytes) = taken else {
            return Ok(None);
        };
        let spooled = self.spool_bytes(&wanted.package.upstream, wanted.source(), bytes);
        Ok(Some(spooled.await?))
    }
}
