//! Core metadata (PEP 658) of wheels that are here: taken out of the wheel itself.
//!
//! What is beside a wheel is a second copy of what is inside, and clients resolve by it. As long as
//! nobody had the wheel, it is fetched and held to the digest the registry declares for it; the wheel,
//! once it is inspected, is held to the same digest, and refused together with what is beside it where
//! they differ (M-38). From then on nothing is fetched any more.

use std::time::Instant;

use cordon_policy::inspect::Depth;
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest};
use cordon_policy::reason;

use super::Engine;
use super::artifact::Wanted;
use super::failure::Failure;
use super::fetch::Spooled;
use super::inspect::WHY_CHARS;
use crate::inspection::{MetadataJob, Source};
use crate::upstream::UpstreamError;

/// The metadata inside a wheel that is kept.
pub(super) struct Inside {
    wheel: ArtifactId,
    /// The wheel's bytes.
    pinned: Digest,
    /// Its metadata.
    sha256: Digest,
}

impl Inside {
    /// Whether upstream's copy is what is inside.
    ///
    /// # Errors
    /// If it is not: clients would resolve by something that is not installed.
    pub(super) fn holds(&self, copy: &Spooled, upstream: &str) -> Result<(), Failure> {
        if copy.facts.sha256 == self.sha256 {
            return Ok(());
        }
        let (subject, sha256) = (&self.wheel.subject, &self.sha256);
        let error = UpstreamError::Body {
            upstream: upstream.to_owned(),
            what: format!("core metadata of {subject} that is not that inside its wheel, {sha256}"),
        };
        Err(error.into())
    }
}

impl Engine {
    /// What is known of the metadata inside a wheel that is kept and was inspected; `None` where
    /// there is none such.
    pub(super) async fn inside_wheel(&self, wanted: &Wanted) -> Result<Option<Inside>, Failure> {
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
        let sha256 = manifest.and_then(|manifest| manifest.core_metadata_sha256);
        Ok(sha256.map(|sha256| Inside {
            wheel,
            pinned,
            sha256,
        }))
    }

    /// The metadata inside a wheel, as an inspector takes it out. It is kept like any other file, and
    /// so taken out once. `None` where it cannot be taken out: then upstream's copy has to be the
    /// same ([`Inside::holds`]).
    pub(super) async fn take_out(
        &self,
        wanted: &Wanted,
        inside: &Inside,
    ) -> Result<Option<Spooled>, Failure> {
        let Inside {
            wheel,
            pinned,
            sha256,
        } = inside;
        // Taking it out reads the wheel as looking into it does: what broke then would break again.
        let pauses = &self.inspect_pauses;
        if pauses
            .why(pinned, Depth::Structure, Instant::now())
            .is_some()
        {
            return Ok(None);
        }
        let _held = self.space.hold(pinned).await;
        let Some(reader) = self.open(pinned).await? else {
            return Ok(None);
        };
        let job = MetadataJob {
            artifact: wheel.clone(),
            sha256: sha256.clone(),
            source: Source::Blob(reader),
        };
        let taken = match self.inspector.core_metadata(job).await {
            Ok(taken) => taken,
            Err(failure) => {
                tracing::warn!(artifact = %wheel, %failure, "a wheel's metadata could not be taken out");
                let why = reason::ascii(&failure.to_string(), WHY_CHARS).into();
                let told = (&failure, &why);
                pauses.failed(pinned, Depth::Structure, told, Instant::now());
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
