//! Core metadata (PEP 658) of wheels that are here: taken out of the wheel itself.
//!
//! What is beside a wheel is a second copy of what is inside, and clients resolve by it. As long as
//! nobody had the wheel, it is fetched and held to the digest the registry declares for it; the wheel,
//! once it is inspected, is held to the same digest, and refused together with what is beside it where
//! they differ (M-38). From then on nothing is fetched any more.

use std::io::Seek as _;

use cordon_policy::inspect::Limits;
use cordon_policy::inspect::archive::{self, Looked, Member, Sink};
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest};
use cordon_storage::blob::BlobReader;

use super::Engine;
use super::artifact::Wanted;
use super::failure::Failure;
use super::fetch::Spooled;

/// Largest wheel that is read once more for its metadata; of larger ones upstream's copy is used,
/// which has the same digest.
const WHEEL_BYTES: u64 = 64 << 20;

/// Largest metadata taken; real ones have a few hundred kilobytes at most.
const METADATA_BYTES: u64 = 4 << 20;

impl Engine {
    /// The metadata inside a wheel that is kept and was inspected; `None` where there is none such,
    /// or it cannot be taken out.
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
        let Some(digest) = manifest.and_then(|manifest| manifest.core_metadata_sha256) else {
            return Ok(None);
        };
        let Some(reader) = self.open(&pinned).await? else {
            return Ok(None);
        };
        if reader.size_bytes() > WHEEL_BYTES {
            return Ok(None);
        }
        let taken = tokio::task::spawn_blocking(move || take(&wheel, reader, &digest))
            .await
            .map_err(|_| Failure::Interrupted)?;
        let Some(bytes) = taken else {
            return Ok(None);
        };
        let spooled = self.spool_bytes(&wanted.package.upstream, wanted.source(), bytes.into());
        Ok(Some(spooled.await?))
    }
}

/// The file of that digest, if the wheel has it.
fn take(wheel: &ArtifactId, reader: BlobReader, digest: &Digest) -> Option<Vec<u8>> {
    let mut take = Take {
        sha256: digest.as_bytes(),
        found: None,
    };
    let mut input = reader.file().ok()?;
    input.rewind().ok()?;
    archive::read(wheel, &mut input, &Limits::default(), &mut take).ok()?;
    take.found
}

struct Take<'a> {
    sha256: &'a [u8],
    found: Option<Vec<u8>>,
}

impl Sink for Take<'_> {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        let is_metadata = member.path.ends_with(".dist-info/METADATA");
        match is_metadata && self.found.is_none() {
            true => METADATA_BYTES,
            false => 0,
        }
    }

    fn file(&mut self, looked: Looked<'_>) {
        if looked.is_whole() && looked.sha256[..] == *self.sha256 && self.found.is_none() {
            self.found = Some(looked.bytes.to_vec());
        }
    }
}
