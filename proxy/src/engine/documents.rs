//! Upstream documents with memory: fetched, read, and only then kept.
//!
//! What is fresh comes from the store; the rest is confirmed upstream ([`Engine::fetch`]). The
//! bytes are looked at afterwards, under a turn that no upstream can hold up. What turns out to be
//! of use is kept ([`Engine::keep`]); where it does not, or upstream fails, the last good document
//! stands in for a while ([`Engine::fall_back`]).

use std::sync::Arc;
use std::time::Duration;

use cordon_policy::model::{Ecosystem, Timestamp};
use cordon_storage::cache::{DocumentKey, DocumentRecord, DocumentState};
use tokio::sync::SemaphorePermit;
use url::Url;

use super::Engine;
use super::failure::Failure;
use crate::registry::{DocumentRequest, MetadataError, UpstreamDocument};
use crate::telemetry::metrics::UpstreamOutcome;
use crate::upstream::{DocumentAnswer, Place, Received, Turn, Upstream, UpstreamError, Validators};

/// How soon a failing upstream is asked again for a document that is being stood in for.
pub(super) const STALE_RETRY: Duration = Duration::from_secs(5);
/// Times documents are asked for when their stored bytes turn out damaged: damage is set aside, so
/// that the second time nothing stored is relied on.
const ATTEMPTS: usize = 3;

/// Where documents come from, and which.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) upstream: &'a Arc<Upstream>,
    pub(super) ecosystem: &'a Ecosystem,
    pub(super) requests: &'a [DocumentRequest],
    /// Documents in memory, by request, whose bytes are used again if they turn out unchanged.
    pub(super) held: &'a [Option<UpstreamDocument>],
}

/// Documents as far as they can be had now, in the order of the requests; only the first if
/// upstream does not have that one. Holding them holds the places among those being worked on.
pub(super) struct Documents<'a> {
    pub(super) all: Vec<Known>,
    /// For what is large.
    pub(super) large: Turn,
    _turn: SemaphorePermit<'a>,
    _place: Option<Place>,
}

/// A document, or its absence, with how long that may be believed.
pub(super) struct Known {
    pub(super) asked: Asked,
    /// The document; `None` if upstream has none.
    pub(super) document: Option<UpstreamDocument>,
    /// When it was confirmed.
    pub(super) since: Timestamp,
    /// Until when nobody needs to ask again.
    pub(super) until: Timestamp,
    /// Whether it stands in for one upstream would not confirm.
    pub(super) is_stale: bool,
    /// What is to be remembered of it, once it proved to be of use.
    pub(super) news: Option<DocumentRecord>,
    /// What was remembered before, if `document` is another one or gone.
    pub(super) before: Option<DocumentRecord>,
}

/// Which document, and how it is remembered.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) key: DocumentKey,
    /// Where it is asked for; what was had may have come from elsewhere.
    pub(super) url: Url,
    pub(super) files: Arc<[Url]>,
    pub(super) is_kept: bool,
}

impl Asked {
    pub(super) fn of(wanted: Wanted<'_>, request: &DocumentRequest) -> Self {
        let key = DocumentKey {
            ecosystem: wanted.ecosystem.as_str().into(),
            upstream: wanted.upstream.config().id.clone(),
            kind: request.kind.into(),
            name: request.name.clone(),
        };
        let base = &wanted.upstream.config().url;
        Self {
            // A path that cannot be joined is refused when it is asked for.
            url: base.join(&request.path).unwrap_or_else(|_| base.clone()),
            files: wanted.upstream.files(),
            is_kept: request.is_kept,
            key,
        }
    }
}

/// What is remembered of a document.
struct Memory {
    asked: Asked,
    record: Option<DocumentRecord>,
    is_fresh: bool,
}

/// What upstream says of a document.
enum Word {
    /// It need not be asked, or fails and is stood in for.
    Recorded {
        record: DocumentRecord,
        is_stale: bool,
    },
    /// The document remembered is still right, or there is none.
    Renewed {
        record: DocumentRecord,
        before: Option<DocumentRecord>,
    },
    /// Another one.
    Fetched {
        received: Box<Received>,
        validators: Validators,
        max_age_seconds: Option<u32>,
        before: Option<DocumentRecord>,
    },
}

impl Word {
    fn is_missing(&self) -> bool {
        match self {
            Self::Recorded { record, .. } | Self::Renewed { record, .. } => {
                record.state == DocumentState::Missing
            }
            Self::Fetched { .. } => false,
        }
    }
}

impl Documents<'_> {
    /// Whether upstream does not have the document at `index`.
    pub(super) fn is_missing(&self, index: usize) -> bool {
        self.all
            .get(index)
            .is_none_or(|known| known.document.is_none())
    }

    /// The documents alone.
    pub(super) fn sources(&self) -> Vec<Option<UpstreamDocument>> {
        self.all
            .iter()
            .map(|known| known.document.clone())
            .collect()
    }

    /// Takes the large turn if all of it together is large.
    pub(super) async fn take_large_turn(&self, large_from_bytes: u64) {
        let documents = self.all.iter().filter_map(|known| known.document.as_ref());
        let size: usize = documents.map(|document| document.bytes.len()).sum();
        if size as u64 > large_from_bytes {
            self.large.take().await;
        }
    }
}

impl Engine {
    /// The documents as far as they can be had now.
    ///
    /// # Errors
    /// If one of them can neither be had nor be stood in for.
    pub(super) async fn fetch(&self, wanted: Wanted<'_>) -> Result<Documents<'_>, Failure> {
        for _ in 0..ATTEMPTS {
            let (words, place) = self.ask(wanted).await?;
            let turn = self
                .documents_at_once
                .acquire()
                .await
                .map_err(|_| Failure::Interrupted)?;
            let large = Turn::of(&self.large_documents);
            if let Some(all) = self.look(wanted, words, &large).await? {
                return Ok(Documents {
                    all,
                    large,
                    _turn: turn,
                    _place: place,
                });
            }
        }
        Err(Failure::Interrupted)
    }

    /// Asks upstream for what is not fresh. No turn is held meanwhile, only a place among those
    /// who ask the same upstream.
    async fn ask(
        &self,
        wanted: Wanted<'_>,
    ) -> Result<(Vec<(Asked, Word)>, Option<Place>), Failure> {
        let recollect = |request| self.recollect(wanted, request);
        let memories =
            futures_util::future::try_join_all(wanted.requests.iter().map(recollect)).await?;
        let place = match memories.iter().all(|memory| memory.is_fresh) {
            true => None,
            false => Some(wanted.upstream.place().await),
        };
        let (place, refused) = match place {
            None => (None, None),
            Some(Ok(place)) => (Some(place), None),
            Some(Err(error)) => (None, Some(error)),
        };
        let hear = |(memory, request)| {
            let answer = match &refused {
                Some(error) => Err(error.clone()),
                None => Ok(place.as_ref()),
            };
            self.hear(wanted, request, memory, answer)
        };
        let asked = memories.into_iter().zip(wanted.requests).map(hear);
        let mut words = Vec::with_capacity(wanted.requests.len());
        for outcome in futures_util::future::join_all(asked).await {
            let (asked, word) = outcome?;
            let is_missing = word.is_missing();
            words.push((asked, word));
            if words.len() == 1 && is_missing {
                // Without the first, the rest does not matter, nor whether it can be had.
                break;
            }
        }
        Ok((words, place))
    }

    async fn recollect(
        &self,
        wanted: Wanted<'_>,
        request: &DocumentRequest,
    ) -> Result<Memory, Failure> {
        let asked = Asked::of(wanted, request);
        let record = match asked.is_kept {
            true => self.stores.cache.document(&asked.key).await?,
            false => None,
        };
        let record = match record {
            Some(record) if self.has_bytes(&record).await? => Some(record),
            _ => None,
        };
        let now = self.clock.now();
        let is_fresh = record
            .as_ref()
            // A record of the future is from a clock that was wrong (F-30).
            .is_some_and(|record| record.fetched_at <= now && now < self.fresh_until(record));
        Ok(Memory {
            asked,
            record,
            is_fresh,
        })
    }

    async fn has_bytes(&self, record: &DocumentRecord) -> Result<bool, Failure> {
        match &record.state {
            DocumentState::Missing => Ok(true),
            DocumentState::Present { blob, .. } => {
                Ok(self.stores.blobs.stat(blob).await?.is_some())
            }
        }
    }

    /// What upstream says of one document, if it needs to be asked.
    async fn hear(
        &self,
        wanted: Wanted<'_>,
        request: &DocumentRequest,
        memory: Memory,
        place: Result<Option<&Place>, UpstreamError>,
    ) -> Result<(Asked, Word), Failure> {
        let Memory {
            asked,
            record,
            is_fresh,
        } = memory;
        if is_fresh && let Some(record) = record {
            let is_stale = false;
            return Ok((asked, Word::Recorded { record, is_stale }));
        }
        let present = record.filter(|record| record.state != DocumentState::Missing);
        let answer = match place {
            Ok(Some(place)) => {
                self.question(wanted, request, present.as_ref(), place)
                    .await
            }
            Ok(None) => return Err(Failure::Interrupted),
            Err(error) => Err(error),
        };
        let word = match answer {
            Ok(answer) => self.learn(present, answer)?,
            Err(error) => self.stand_in(&asked.key, present, error)?,
        };
        Ok((asked, word))
    }

    async fn question(
        &self,
        wanted: Wanted<'_>,
        request: &DocumentRequest,
        present: Option<&DocumentRecord>,
        place: &Place,
    ) -> Result<DocumentAnswer, UpstreamError> {
        let validators = present.map(|record| Validators {
            etag: record.etag.clone(),
            last_modified: record.last_modified.clone(),
        });
        let started = std::time::Instant::now();
        let answer = wanted
            .upstream
            .document(place, request, validators.as_ref())
            .await;
        let (outcome, bytes) = match &answer {
            Ok(DocumentAnswer::Present { document, .. }) => {
                (UpstreamOutcome::Fetched, document.size_bytes())
            }
            Ok(DocumentAnswer::Unchanged { .. }) => (UpstreamOutcome::NotModified, 0),
            Ok(DocumentAnswer::Missing) => (UpstreamOutcome::Missing, 0),
            Err(error) if error.counts_as_outage() => (UpstreamOutcome::Failed, 0),
            Err(_) => (UpstreamOutcome::Rejected, 0),
        };
        let name = (wanted.ecosystem.as_str(), wanted.upstream.id());
        self.metrics
            .upstream(name, "document", outcome, started.elapsed(), bytes);
        answer
    }

    fn learn(
        &self,
        before: Option<DocumentRecord>,
        answer: DocumentAnswer,
    ) -> Result<Word, Failure> {
        let now = self.clock.now();
        Ok(match answer {
            DocumentAnswer::Present {
                document,
                validators,
                max_age_seconds,
            } => Word::Fetched {
                received: document,
                validators,
                max_age_seconds,
                before,
            },
            DocumentAnswer::Unchanged { max_age_seconds } => Word::Renewed {
                record: DocumentRecord {
                    fetched_at: now,
                    max_age_seconds,
                    ..before.ok_or(Failure::Interrupted)?
                },
                before: None,
            },
            DocumentAnswer::Missing => Word::Renewed {
                record: DocumentRecord {
                    state: DocumentState::Missing,
                    fetched_at: now,
                    url: None,
                    etag: None,
                    last_modified: None,
                    max_age_seconds: None,
                },
                before,
            },
        })
    }

    fn stand_in(
        &self,
        key: &DocumentKey,
        record: Option<DocumentRecord>,
        error: UpstreamError,
    ) -> Result<Word, Failure> {
        match record.filter(|record| error.leaves_a_gap() && self.may_stand_in(record)) {
            Some(record) => {
                self.tell_of_stand_in(key, &error);
                let is_stale = true;
                Ok(Word::Recorded { record, is_stale })
            }
            None => Err(error.into()),
        }
    }

    /// Puts the last good document in the place of one that is of no use, or gone. `false` if there
    /// is none that may stand in.
    pub(super) async fn fall_back(
        &self,
        known: &mut Known,
        why: &(dyn std::fmt::Display + Sync),
    ) -> Result<bool, Failure> {
        let Some(before) = known.before.take().filter(|it| self.may_stand_in(it)) else {
            return Ok(false);
        };
        let Some(document) = self.recall(&known.asked, &before).await? else {
            return Ok(false);
        };
        self.tell_of_stand_in(&known.asked.key, why);
        known.document = Some(document);
        known.since = self.clock.now();
        known.until = known.since.saturating_add(STALE_RETRY);
        known.is_stale = true;
        known.news = None;
        Ok(true)
    }

    /// Puts the last good documents in the place of those nothing could be made of.
    ///
    /// # Errors
    /// The one given, if there are none. What is stored is then of no use either, and forgotten.
    pub(super) async fn fall_back_all(
        &self,
        all: &mut [Known],
        error: Arc<MetadataError>,
    ) -> Result<(), Failure> {
        let mut has_fallen_back = false;
        for known in all.iter_mut() {
            has_fallen_back |= self.fall_back(known, &error).await?;
        }
        if has_fallen_back {
            return Ok(());
        }
        self.forget_documents(all).await;
        Err(Failure::Document(error))
    }

    /// A record of the future tells nothing of its age, so it does not stand in (F-30).
    fn may_stand_in(&self, record: &DocumentRecord) -> bool {
        let now = self.clock.now();
        record.fetched_at <= now && now.since(record.fetched_at) < self.config.freshness.max_stale
    }

    fn tell_of_stand_in(&self, key: &DocumentKey, error: &dyn std::fmt::Display) {
        tracing::warn!(
            upstream = %key.upstream,
            kind = %key.kind,
            name = %key.name,
            error = %error,
            "serving a stored document in place of one upstream would not confirm"
        );
        self.metrics.stale_document(&key.ecosystem);
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

    /// The documents themselves. `None` if stored bytes were gone or damaged: those are set aside
    /// by now, and upstream must be asked without relying on them.
    async fn look(
        &self,
        wanted: Wanted<'_>,
        words: Vec<(Asked, Word)>,
        large: &Turn,
    ) -> Result<Option<Vec<Known>>, Failure> {
        let mut all = Vec::with_capacity(words.len());
        for (index, (asked, word)) in words.into_iter().enumerate() {
            let held = wanted.held.get(index).and_then(Option::as_ref);
            let known = match word {
                Word::Recorded { record, is_stale } => {
                    self.recalled(asked, record, held, is_stale).await?
                }
                Word::Renewed { record, before } => {
                    let news = Some(record.clone());
                    let known = self.recalled(asked, record, held, false).await?;
                    known.map(|known| Known {
                        news,
                        before,
                        ..known
                    })
                }
                Word::Fetched {
                    received,
                    validators,
                    max_age_seconds,
                    before,
                } => {
                    let decoded = received.decode(large).await;
                    let known = self.fetched(asked, decoded, validators, max_age_seconds, before);
                    Some(known.await?)
                }
            };
            match known {
                Some(known) => all.push(known),
                None => return Ok(None),
            }
        }
        Ok(Some(all))
    }

    async fn fetched(
        &self,
        asked: Asked,
        decoded: Result<UpstreamDocument, UpstreamError>,
        validators: Validators,
        max_age_seconds: Option<u32>,
        before: Option<DocumentRecord>,
    ) -> Result<Known, Failure> {
        let now = self.clock.now();
        let document = match decoded {
            Ok(document) => document,
            Err(error) => {
                let mut known = Known {
                    asked,
                    document: None,
                    since: now,
                    until: now,
                    is_stale: false,
                    news: None,
                    before,
                };
                return match self.fall_back(&mut known, &error).await? {
                    true => Ok(known),
                    false => Err(error.into()),
                };
            }
        };
        let record = DocumentRecord {
            state: DocumentState::Present {
                blob: document.digest.clone(),
                content_type: document.content_type.clone(),
            },
            fetched_at: now,
            url: Some(document.url.as_str().into()),
            etag: validators.etag,
            last_modified: validators.last_modified,
            max_age_seconds,
        };
        Ok(Known {
            asked,
            document: Some(document),
            since: now,
            until: self.fresh_until(&record),
            is_stale: false,
            news: Some(record),
            before,
        })
    }

    /// What a record tells of, `None` when its bytes are gone or damaged.
    async fn recalled(
        &self,
        asked: Asked,
        record: DocumentRecord,
        held: Option<&UpstreamDocument>,
        is_stale: bool,
    ) -> Result<Option<Known>, Failure> {
        let document = match &record.state {
            DocumentState::Missing => None,
            DocumentState::Present { blob, .. } => {
                let held = held.filter(|document| document.digest == *blob).cloned();
                let document = match held {
                    Some(document) => Some(document),
                    None => self.recall(&asked, &record).await?,
                };
                if document.is_none() {
                    return Ok(None);
                }
                document
            }
        };
        let (since, until) = match is_stale {
            true => {
                let now = self.clock.now();
                (now, now.saturating_add(STALE_RETRY))
            }
            false => (record.fetched_at, self.fresh_until(&record)),
        };
        Ok(Some(Known {
            asked,
            document,
            since,
            until,
            is_stale,
            news: None,
            before: None,
        }))
    }
}
