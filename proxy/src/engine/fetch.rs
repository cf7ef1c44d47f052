//! Spooling an artifact: into a stage, hashed in passing, looked at before anything is kept.

use std::sync::Arc;

use cordon_policy::facts::ByteFacts;
use cordon_policy::model::Digests;
use cordon_storage::blob::StagedBlob;

use super::Engine;
use super::failure::Failure;
use super::hash::{DeclaredHashers, mismatches};
use super::observe::outcome_of;
use crate::registry::ArtifactSource;
use crate::telemetry::metrics::UpstreamOutcome;
use crate::upstream::{ArtifactBody, Upstream, UpstreamError};

/// Bytes that arrived completely but are not yet kept.
pub(super) struct Spooled {
    pub(super) staged: Box<dyn StagedBlob>,
    pub(super) facts: ByteFacts,
    pub(super) computed: Digests,
}

impl Engine {
    /// Fetches an artifact into a stage. Dropping the result discards the bytes.
    pub(super) async fn spool(
        &self,
        upstream: &Arc<Upstream>,
        ecosystem: &str,
        source: &ArtifactSource,
    ) -> Result<Spooled, Failure> {
        let started = std::time::Instant::now();
        let outcome = self.spool_body(upstream, source).await;
        let (how, bytes) = match &outcome {
            Ok(spooled) => (UpstreamOutcome::Fetched, spooled.facts.size_bytes),
            Err(failure) => (outcome_of(failure), 0),
        };
        let name = (ecosystem, upstream.id());
        self.metrics
            .upstream(name, "artifact", how, started.elapsed(), bytes);
        outcome
    }

    /// The same of bytes that are here already.
    pub(super) async fn spool_bytes(
        &self,
        upstream: &Upstream,
        source: &ArtifactSource,
        bytes: bytes::Bytes,
    ) -> Result<Spooled, Failure> {
        let limit = self.config.limits.artifact_bytes;
        let mut spool = Spool::new(self.stores.blobs.stage(limit).await?, source);
        spool.take(bytes).await?;
        spool.finish(upstream)
    }

    async fn spool_body(
        &self,
        upstream: &Arc<Upstream>,
        source: &ArtifactSource,
    ) -> Result<Spooled, Failure> {
        let body = upstream.artifact(source.url.clone()).await?;
        let Some(mut body) = body else {
            return Err(Failure::NotFound(
                "upstream lists the file but does not have it".into(),
            ));
        };
        let limit = self.config.limits.artifact_bytes;
        let mut plain = Spool::new(self.stores.blobs.stage(limit).await?, source);
        if !body.is_gzip_coded {
            while let Some(chunk) = body.chunk().await? {
                plain.take(chunk).await?;
            }
            return plain.finish(upstream);
        }
        let decoded = Spool::new(self.stores.blobs.stage(limit).await?, source);
        spool_both(&mut body, plain, decoded, limit)
            .await?
            .choose(upstream)
    }
}

/// One form of the bytes on its way into a stage.
struct Spool<'a> {
    staged: Box<dyn StagedBlob>,
    hashers: DeclaredHashers,
    source: &'a ArtifactSource,
}

impl<'a> Spool<'a> {
    fn new(staged: Box<dyn StagedBlob>, source: &'a ArtifactSource) -> Self {
        let hashers = DeclaredHashers::for_digests(&source.digests);
        Self {
            staged,
            hashers,
            source,
        }
    }

    async fn take(&mut self, chunk: bytes::Bytes) -> Result<(), Failure> {
        self.hashers.update(&chunk);
        Ok(self.staged.write(chunk).await?)
    }

    fn finish(self, upstream: &Upstream) -> Result<Spooled, Failure> {
        if self.staged.is_empty() {
            let what = "an empty artifact".to_owned();
            let error = UpstreamError::Body {
                upstream: upstream.id().to_owned(),
                what,
            };
            return Err(error.into());
        }
        let sha256 = self.staged.digest();
        let size_bytes = self.staged.len();
        let computed = self.hashers.finish(sha256.clone());
        let facts = ByteFacts {
            sha256,
            size_bytes,
            mismatches: mismatches(&self.source.digests, &computed),
            declared_size_bytes: self
                .source
                .size_bytes
                .filter(|declared| *declared != size_bytes),
        };
        Ok(Spooled {
            staged: self.staged,
            facts,
            computed,
        })
    }
}

/// An answer that upstream compressed although asked not to, in both readings.
struct Both<'a> {
    plain: Spool<'a>,
    /// `None` if the bytes do not inflate.
    decoded: Option<Spool<'a>>,
}

impl Both<'_> {
    /// The published digests say which reading is the artifact: the bytes as sent if they match,
    /// the inflated ones only if those match and there is something to match (INV-8).
    fn choose(self, upstream: &Upstream) -> Result<Spooled, Failure> {
        let declares = !self.plain.source.digests.is_empty();
        let plain = self.plain.finish(upstream)?;
        if declares && plain.facts.mismatches.is_empty() {
            return Ok(plain);
        }
        if declares && let Some(decoded) = self.decoded {
            let decoded = decoded.finish(upstream)?;
            if decoded.facts.mismatches.is_empty() {
                return Ok(decoded);
            }
        }
        Ok(plain)
    }
}

async fn spool_both<'a>(
    body: &mut ArtifactBody<'_>,
    mut plain: Spool<'a>,
    decoded: Spool<'a>,
    limit: u64,
) -> Result<Both<'a>, Failure> {
    use std::io::Write;
    let mut decoded = Some(decoded);
    let mut inflater = flate2::write::MultiGzDecoder::new(Vec::new());
    while let Some(chunk) = body.chunk().await? {
        // Small pieces bound what one write can inflate to.
        for piece in chunk.chunks(4096) {
            let Some(spool) = &mut decoded else { break };
            let fits = inflater.write_all(piece).is_ok() && inflater.flush().is_ok();
            let inflated = std::mem::take(inflater.get_mut());
            if !fits || spool.staged.len() + inflated.len() as u64 > limit {
                decoded = None;
                break;
            }
            spool.take(inflated.into()).await?;
        }
        plain.take(chunk).await?;
    }
    if let Some(spool) = &mut decoded {
        match inflater.finish() {
            Ok(rest) => spool.take(rest.into()).await?,
            Err(_) => decoded = None,
        }
    }
    Ok(Both { plain, decoded })
}
