//! Upstream documents with memory: fresh ones from the store, others confirmed, old ones as a
//! stand-in while upstream fails.

use std::sync::Arc;
use std::time::Duration;

use cordon_policy::model::{Digest, Ecosystem, Timestamp};
use cordon_storage::cache::{DocumentKey, DocumentRecord, DocumentState};
use cordon_storage::{Chain, StorageErrorKind};

use super::Engine;
use super::failure::Failure;
use crate::registry::{DocumentRequest, UpstreamDocument};
use crate::telemetry::metrics::UpstreamOutcome;
use crate::upstream::{DocumentAnswer, Upstream, UpstreamError, Validators};

/// How soon a failing upstream is asked again for a document that is being stood in for.
const STALE_RETRY: Duration = Duration::from_secs(5);

/// A document, or its absence, with how long that may be believed.
#[derive(Clone, Debug)]
pub(super) struct Confirmed {
    /// The document; `None` if upstream has none.
    pub(super) document: Option<UpstreamDocument>,
    /// Until when nobody needs to ask again.
    pub(super) fresh_until: Timestamp,
    /// Whether it stands in for one upstream would not confirm.
    pub(super) is_stale: bool,
}

impl Engine {
    /// The document as far as it can be had now. `previous` is the one in memory, whose bytes are
    /// used again when they turn out to be unchanged.
    pub(super) async fn confirm(
        &self,
        upstream: &Arc<Upstream>,
        ecosystem: &Ecosystem,
        request: &DocumentRequest,
        previous: Option<&UpstreamDocument>,
    ) -> Result<Confirmed, Failure> {
        let key = DocumentKey {
            ecosystem: ecosystem.as_str().into(),
            upstream: upstream.config().id.clone(),
            kind: request.kind.into(),
            name: request.name.clone(),
        };
        let now = self.clock.now();
        let record = self.stores.cache.document(&key).await?;
        let known = match record {
            Some(record) => self.recall(upstream, request, record, previous).await?,
            None => None,
        };
        if let Some((record, document)) = &known {
            let fresh_until = self.fresh_until(record);
            if now < fresh_until {
                return Ok(Confirmed {
                    document: document.clone(),
                    fresh_until,
                    is_stale: false,
                });
            }
        }
        let validators = known
            .as_ref()
            .filter(|(_, document)| document.is_some())
            .map(|(record, _)| Validators {
                etag: record.etag.clone(),
                last_modified: record.last_modified.clone(),
            });
        let started = std::time::Instant::now();
        let answer = upstream
            .document(request, validators.as_ref(), &self.large_documents)
            .await;
        self.meter(upstream, ecosystem, &answer, started.elapsed());
        match answer {
            Ok(answer) => self.learn(key, now, known, answer).await,
            Err(error) => self.stand_in(ecosystem, now, known, error),
        }
    }

    fn meter(
        &self,
        upstream: &Upstream,
        ecosystem: &Ecosystem,
        answer: &Result<DocumentAnswer, UpstreamError>,
        took: Duration,
    ) {
        let (outcome, bytes) = match answer {
            Ok(DocumentAnswer::Present { document, .. }) => {
                (UpstreamOutcome::Fetched, document.bytes.len() as u64)
            }
            Ok(DocumentAnswer::Unchanged { .. }) => (UpstreamOutcome::NotModified, 0),
            Ok(DocumentAnswer::Missing) => (UpstreamOutcome::Missing, 0),
            Err(error) if error.counts_as_outage() => (UpstreamOutcome::Failed, 0),
            Err(_) => (UpstreamOutcome::Rejected, 0),
        };
        let name = (ecosystem.as_str(), upstream.id());
        self.metrics
            .upstream(name, "document", outcome, took, bytes);
    }

    /// The document a record tells of, `None` when its bytes are gone or damaged: then it is
    /// fetched again.
    async fn recall(
        &self,
        upstream: &Arc<Upstream>,
        request: &DocumentRequest,
        record: DocumentRecord,
        previous: Option<&UpstreamDocument>,
    ) -> Result<Option<(DocumentRecord, Option<UpstreamDocument>)>, Failure> {
        let DocumentState::Present { blob, content_type } = &record.state else {
            return Ok(Some((record, None)));
        };
        if let Some(document) = previous.filter(|document| document.digest == *blob) {
            let document = document.clone();
            return Ok(Some((record, Some(document))));
        }
        let Some(bytes) = self.read_blob(blob).await? else {
            return Ok(None);
        };
        let Ok(url) = upstream.config().url.join(&request.path) else {
            return Ok(None);
        };
        let document = UpstreamDocument {
            bytes,
            digest: blob.clone(),
            content_type: content_type.clone(),
            url,
            files: upstream.files(),
            last_modified: record.last_modified.clone(),
            upstream: upstream.config().id.clone(),
        };
        Ok(Some((record, Some(document))))
    }

    async fn learn(
        &self,
        key: DocumentKey,
        now: Timestamp,
        known: Option<(DocumentRecord, Option<UpstreamDocument>)>,
        answer: DocumentAnswer,
    ) -> Result<Confirmed, Failure> {
        let (record, document) = match answer {
            DocumentAnswer::Present {
                document,
                validators,
                max_age_seconds,
            } => {
                let state = DocumentState::Present {
                    blob: document.digest.clone(),
                    content_type: document.content_type.clone(),
                };
                let record = DocumentRecord {
                    state,
                    fetched_at: now,
                    etag: validators.etag,
                    last_modified: validators.last_modified,
                    max_age_seconds,
                };
                (record, Some(*document))
            }
            DocumentAnswer::Unchanged { max_age_seconds } => {
                let Some((record, document)) = known else {
                    return Err(Failure::Interrupted);
                };
                (
                    DocumentRecord {
                        fetched_at: now,
                        max_age_seconds,
                        ..record
                    },
                    document,
                )
            }
            DocumentAnswer::Missing => {
                let record = DocumentRecord {
                    state: DocumentState::Missing,
                    fetched_at: now,
                    etag: None,
                    last_modified: None,
                    max_age_seconds: None,
                };
                (record, None)
            }
        };
        let fresh_until = self.fresh_until(&record);
        self.keep_document(key, record, document.clone()).await;
        Ok(Confirmed {
            document,
            fresh_until,
            is_stale: false,
        })
    }

    fn stand_in(
        &self,
        ecosystem: &Ecosystem,
        now: Timestamp,
        known: Option<(DocumentRecord, Option<UpstreamDocument>)>,
        error: UpstreamError,
    ) -> Result<Confirmed, Failure> {
        if let Some((record, Some(document))) = known
            && now.since(record.fetched_at) < self.config.freshness.max_stale
        {
            tracing::warn!(
                upstream = %document.upstream,
                error = %error,
                document = %document.digest,
                "serving a stored document in place of one upstream would not confirm"
            );
            self.metrics.stale_document(ecosystem.as_str());
            return Ok(Confirmed {
                document: Some(document),
                fresh_until: now.saturating_add(STALE_RETRY),
                is_stale: true,
            });
        }
        Err(error.into())
    }

    fn fresh_until(&self, record: &DocumentRecord) -> Timestamp {
        let freshness = &self.config.freshness;
        let lifetime = match (&record.state, record.max_age_seconds) {
            (DocumentState::Missing, _) => freshness.negative,
            (DocumentState::Present { .. }, None) => freshness.max_age,
            (DocumentState::Present { .. }, Some(seconds)) => {
                Duration::from_secs(seconds.into()).clamp(freshness.min_age, freshness.max_age)
            }
        };
        record.fetched_at.saturating_add(lifetime)
    }

    /// Writes the document and its record behind the answer, at once: losing them costs a fetch, or
    /// the package while upstream is away. Before the answer it would add milliseconds to each cold
    /// document (measured: 2 at the median on a fast disk, a multiple of that on a busy one). Only that
    /// something is missing is written before it, because nothing of that stays in memory, and
    /// clients that ask for a missing name ask several times at once (cargo's probes, npm's second
    /// form).
    async fn keep_document(
        &self,
        key: DocumentKey,
        record: DocumentRecord,
        document: Option<UpstreamDocument>,
    ) {
        let stores = self.stores.clone();
        let metrics = Arc::clone(&self.metrics);
        let space = Arc::clone(&self.space);
        let is_missing = record.state == DocumentState::Missing;
        let write = async move {
            let work = async {
                let mut _held = None;
                if let (DocumentState::Present { blob, .. }, Some(document)) =
                    (&record.state, document)
                {
                    _held = Some(space.hold(blob).await);
                    if stores.blobs.stat(blob).await?.is_none() {
                        let mut staged = stores.blobs.stage(document.bytes.len() as u64).await?;
                        staged.write(document.bytes).await?;
                        space.added(staged.commit().await?.size_bytes);
                    }
                }
                stores.cache.put_document(&key, &record).await
            };
            if let Err(error) = work.await {
                metrics.store_failed(&error);
                tracing::warn!(error = %Chain(&error), document = ?key, "keeping a document failed");
            }
        };
        if is_missing {
            write.await;
        } else {
            self.background.run(write).await;
        }
    }

    /// All bytes of a blob, verified; `None` if it is not there or was found damaged (it is then
    /// moved aside and reported).
    pub(super) async fn read_blob(&self, digest: &Digest) -> Result<Option<bytes::Bytes>, Failure> {
        let Some(reader) = self.stores.blobs.open(digest).await? else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || read_all(&*reader))
            .await
            .map_err(|_| Failure::Interrupted)?;
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind == StorageErrorKind::Corrupt => {
                self.set_aside(digest).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// All bytes of a blob, proved.
pub(super) fn read_all(
    reader: &dyn cordon_storage::blob::ReadBlob,
) -> Result<bytes::Bytes, cordon_storage::StorageError> {
    let size = reader.size_bytes();
    let first = reader.read_at(0, usize::MAX)?;
    if first.len() as u64 == size {
        return Ok(first);
    }
    let mut all = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    all.extend_from_slice(&first);
    while (all.len() as u64) < size {
        let piece = reader.read_at(all.len() as u64, usize::MAX)?;
        if piece.is_empty() {
            break;
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.into())
}
