//! Flow (b): a file. Bytes are spooled, verified, judged and recorded before the first one leaves.

use std::sync::Arc;

use cordon_policy::decision::{Cause, Decision};
use cordon_policy::facts::{Audience, ByteFacts, Fact, VersionFacts};
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest, DigestAlgorithm, Timestamp};
use cordon_policy::verdict::Effect;
use cordon_storage::blob::BlobReader;
use cordon_storage::cache::ArtifactRecord;
use cordon_storage::evidence::{Entry as LogEntry, Pin};
use cordon_storage::{StorageError, StorageErrorKind};

use super::Engine;
use super::drift::{Drift, is_meant_to_stay};
use super::failure::Failure;
use super::fetch::Spooled;
use super::freshness::Freshness;
use super::gate::{Cleared, ClearedBytes};
use super::inspect::{forget_others, to_learn};
use super::judge::Judgement;
use super::kept::read_all;
use super::package::Package;
use super::snapshot::Snapshot;
use super::uses::LastUse;
use crate::http::reply::Reply;
use crate::registry::{ArtifactRequest, ArtifactSource, DenialScope, Registry, RequestHead, View};

/// A cleared artifact kept for the next request, as long as its documents may be believed.
#[derive(Clone)]
pub(super) struct Hot {
    pub(super) cleared: Arc<Cleared>,
    freshness: Arc<Freshness>,
    source: Arc<ArtifactSource>,
    pub(super) last_use: Arc<LastUse>,
}

impl Hot {
    /// Most files kept open by clearances in memory: a process may have only 1,024 of them where
    /// nobody raised the limit.
    const OPEN_FILES: u64 = 256;

    /// What it counts in a cache of `capacity` bytes: its memory, or its share of the open files.
    pub(super) fn weight_bytes(&self, capacity: u64) -> u64 {
        const OVERHEAD: u64 = 1024;
        match self.cleared.bytes() {
            ClearedBytes::Memory(bytes) => bytes.len() as u64 + OVERHEAD,
            ClearedBytes::Stored(_) => (capacity / Self::OPEN_FILES).max(OVERHEAD),
        }
    }
}

/// What became of an artifact.
#[derive(Clone)]
pub(super) enum Outcome {
    Cleared(Hot),
    Refused(Arc<Decision>),
}

/// A listed candidate whose bytes are wanted.
pub(super) struct Wanted {
    pub(super) package: Arc<Package>,
    /// The verdicts over all of the package.
    pub(super) judgement: Arc<Judgement>,
    /// Its number among the candidates.
    pub(super) index: usize,
    facts: VersionFacts,
    source: Arc<ArtifactSource>,
    pub(super) snapshot: Arc<Snapshot>,
    /// Upstream lists it no longer: what is not kept of it cannot be had, and is not asked for.
    is_unlisted: bool,
}

impl Wanted {
    /// What is known of it without its bytes.
    pub(super) fn facts(&self) -> &VersionFacts {
        &self.facts
    }

    /// What its bytes must be.
    pub(super) fn source(&self) -> &ArtifactSource {
        &self.source
    }

    /// What it is judged by.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl Engine {
    pub(super) async fn artifact(
        &self,
        registry: &'static dyn Registry,
        request: ArtifactRequest,
        head: &RequestHead<'_>,
        snapshot: Arc<Snapshot>,
    ) -> Result<Reply, Failure> {
        let now = self.clock.now();
        let key = (request, snapshot.audience.clone());
        if let Some(hot) = self.hot.get(&key)
            && is_current(&hot, &snapshot, now)
        {
            self.metrics.artifacts.hit();
            self.note_use(&hot, now);
            return Ok(Reply::Artifact(hot.cleared));
        }
        self.metrics.artifacts.miss();
        match self.clear(registry, &key, snapshot).await? {
            Outcome::Cleared(hot) => {
                self.note_use(&hot, now);
                let cleared = Arc::clone(&hot.cleared);
                self.hot.insert(key, hot);
                Ok(Reply::Artifact(cleared))
            }
            Outcome::Refused(decision) => {
                Ok(self.denied(registry, head, &decision, DenialScope::Artifact))
            }
        }
    }

    fn note_use(&self, hot: &Hot, now: Timestamp) {
        let artifact = hot.cleared.permit().artifact();
        self.space.uses.note(artifact, &hot.last_use, now);
    }

    async fn clear(
        &self,
        registry: &'static dyn Registry,
        key: &(ArtifactRequest, Audience),
        snapshot: Arc<Snapshot>,
    ) -> Result<Outcome, Failure> {
        let (request, audience) = key;
        let view = View::plain("artifact");
        let package = self.package(registry, &request.package, &view).await?;
        let index = find(&package, request)?;
        let judgement = self.judge(&package, &snapshot).await?;
        if let Some(decision) = judgement.withheld.get(&index) {
            return Ok(Outcome::Refused(Arc::clone(decision)));
        }
        let wanted = wanted(package, index, request, snapshot, judgement)?;
        if let Some(hot) = self.reuse(key, &wanted) {
            return Ok(Outcome::Cleared(hot));
        }
        let generation = wanted.snapshot.generation;
        let key = (wanted.facts.artifact.clone(), generation, audience.clone());
        if let Some(outcome) = self.recent_outcomes.get(&key) {
            return outcome;
        }
        let this = self.this();
        let flight_key = key.clone();
        self.artifact_flights
            .run(key, || async move {
                // A flight may have landed in vain between the look above and this start.
                if let Some(outcome) = this.recent_outcomes.get(&flight_key) {
                    return outcome;
                }
                let outcome = this.prove(wanted).await;
                // Whatever made upstream be asked in vain is remembered for a moment.
                if was_in_vain(&outcome) {
                    this.recent_outcomes.insert(flight_key, outcome.clone());
                }
                outcome
            })
            .await?
    }

    /// What is needed to have the bytes of a file whatever metadata says against it.
    pub(super) async fn wanted_for_review(
        &self,
        package: Arc<Package>,
        request: &ArtifactRequest,
        snapshot: Arc<Snapshot>,
    ) -> Result<Wanted, Failure> {
        let index = find(&package, request)?;
        let judgement = self.judge(&package, &snapshot).await?;
        wanted(package, index, request, snapshot, judgement)
    }

    /// A clearance from memory that only waited for its documents to be confirmed.
    fn reuse(&self, key: &(ArtifactRequest, Audience), wanted: &Wanted) -> Option<Hot> {
        let hot = self.hot.get(key)?;
        let holds = hot
            .cleared
            .holds(wanted.snapshot.generation, self.clock.now())
            && hot.source.digests == wanted.source.digests
            && hot.source.size_bytes == wanted.source.size_bytes;
        holds.then(|| Hot {
            freshness: Arc::clone(&wanted.package.freshness),
            ..hot
        })
    }

    /// Has the bytes, from the store or from upstream, and judges them.
    pub(super) async fn prove(&self, wanted: Wanted) -> Result<Outcome, Failure> {
        let id = wanted.facts.artifact.clone();
        let upstream = wanted.package.upstream.id();
        if let Some((reader, mut facts)) = self.stored(&id, &wanted.source, upstream).await? {
            self.hold_to_pin(&wanted, &mut facts).await?;
            match self.decide(&wanted, facts, Held::Stored(reader)).await {
                Err(Failure::Store(error)) if error.kind == StorageErrorKind::Corrupt => {
                    self.forget(&id).await?;
                }
                outcome => return outcome,
            }
        }
        let inside = self.inside_wheel(&wanted).await?;
        let taken = match &inside {
            Some(inside) => self.take_out(&wanted, inside).await?,
            None => None,
        };
        if let Some(spooled) = taken {
            let facts = spooled.facts.clone();
            return self.decide(&wanted, facts, Held::Spooled(spooled)).await;
        }
        if wanted.is_unlisted {
            return Err(Failure::NotFound(format!(
                "upstream removed {}, and its bytes are not kept here",
                id.subject
            )));
        }
        self.begin_baseline(&wanted);
        let ecosystem = id.subject.name.ecosystem().as_str();
        let spooled = self
            .spool(&wanted.package.upstream, ecosystem, &wanted.source)
            .await?;
        if let Some(inside) = &inside {
            inside.holds(&spooled, upstream)?;
        }
        let facts = spooled.facts.clone();
        self.decide(&wanted, facts, Held::Spooled(spooled)).await
    }

    /// The registry may not re-publish: bytes that were proved under the digests declared then and
    /// pinned stay the artifact, whatever the index declares now (INV-6). That it changed its
    /// story is told; the new bytes are never fetched.
    async fn hold_to_pin(&self, wanted: &Wanted, facts: &mut ByteFacts) -> Result<(), Failure> {
        let id = &wanted.facts.artifact;
        let is_contradicted = !facts.mismatches.is_empty() || facts.declared_size_bytes.is_some();
        if !is_contradicted || self.stores.evidence.pin(id).await?.as_ref() != Some(&facts.sha256) {
            return Ok(());
        }
        let mismatches = facts.mismatches.iter();
        let mut now: Vec<Digest> = mismatches.map(|it| it.declared.clone()).collect();
        // The same story in the same words as that of the document.
        if now.iter().any(is_sha256) {
            now.retain(is_sha256);
        }
        if !now.is_empty() {
            self.tell_of_drift(vec![Drift {
                artifact: id.clone(),
                pinned: facts.sha256.clone(),
                now,
                is_sent: false,
                history: wanted.facts.history.clone(),
            }])
            .await?;
        }
        facts.mismatches.clear();
        facts.declared_size_bytes = None;
        Ok(())
    }

    /// Judges the bytes; keeps, records and clears them, or records why not.
    async fn decide(
        &self,
        wanted: &Wanted,
        bytes: ByteFacts,
        mut held: Held,
    ) -> Result<Outcome, Failure> {
        let id = &wanted.facts.artifact;
        // Until they are open for whoever asked, they must not be collected.
        let _held = self.space.hold(&bytes.sha256).await;
        let now = self.clock.now();
        let pinned = self.stores.evidence.pin(id).await?;
        let mut facts = wanted.facts.clone();
        facts.bytes = Fact::Known(bytes.clone());
        facts.history.pinned = pinned.clone();
        let found_by = (wanted.snapshot.indicators.id(), &self.inspection_limits);
        forget_others(&mut facts, &bytes, found_by);
        facts.signature = self.signature(wanted).await?;
        let ruleset = &wanted.snapshot.ruleset;
        let mut evaluation = ruleset.evaluate(&facts, now);
        let learn = to_learn(ruleset, &evaluation, &facts, now);
        if !learn.is_empty() {
            self.look_into(wanted, learn, &mut facts, &mut held).await?;
            evaluation = ruleset.evaluate(&facts, now);
        }
        let effect = evaluation.effect();
        let mut reader = None;
        let is_kept =
            matches!(effect, Effect::Allow | Effect::Quarantine) && evaluation.awaits().is_empty();
        if is_kept {
            let upstream = wanted.package.upstream.id();
            reader = self.keep(id, upstream, &bytes, held).await?;
        }
        let permit = evaluation.permit();
        let turn = self.turns.of(&id.subject.name).await;
        let latest = self
            .stores
            .evidence
            .latest(id, Some(&facts.audience))
            .await?;
        // The record of the same conclusion about the same bytes under the same rules stands.
        let standing = latest.map(|logged| logged.decision).filter(|decision| {
            decision.ruleset == *wanted.snapshot.ruleset.hash() && decision.evaluation == evaluation
        });
        let decision = match standing {
            Some(decision) => Arc::new(decision),
            None => {
                let decision = Arc::new(Decision {
                    id: self.ids.next(),
                    at: now,
                    evaluation,
                    cause: Cause::Request,
                    ruleset: wanted.snapshot.ruleset.hash().clone(),
                    facts,
                    nearest_allowed: None,
                });
                let mut log = vec![LogEntry::Decision(Box::new((*decision).clone()))];
                // What is held for a person to look at must stay what it was as well.
                if pinned.is_none() && is_kept {
                    let pin = Pin {
                        artifact: id.clone(),
                        sha256: bytes.sha256.clone(),
                        at: now,
                    };
                    log.insert(0, LogEntry::Pin(pin));
                }
                self.metrics.decided(&decision);
                self.stores.evidence.append(log).await?;
                decision
            }
        };
        drop(turn);
        if let Some(pinned) = pinned.as_ref().filter(|pinned| **pinned != bytes.sha256)
            && is_meant_to_stay(id)
        {
            let declared = decision.facts.declared.known();
            let declared = declared.and_then(|digests| digests.get(DigestAlgorithm::Sha256));
            self.tell_of_drift(vec![Drift {
                artifact: id.clone(),
                pinned: pinned.clone(),
                now: vec![bytes.sha256.clone()],
                is_sent: declared != Some(&bytes.sha256),
                history: decision.facts.history.clone(),
            }])
            .await?;
        }
        let package = &wanted.package;
        if is_kept {
            package.note_pinned(id, &bytes.sha256);
        }
        // After the pin: what was found is told of the pinned bytes alone.
        let inspections = &package.inspections;
        inspections.note(&bytes.sha256, &decision.facts, permit.is_none());
        let Some(permit) = permit else {
            self.forget_derived(wanted);
            return Ok(Outcome::Refused(decision));
        };
        package.note_allowed(id, permit.sha256(), decision.at);
        if pinned.is_none() && self.stores.evidence.pin(id).await?.as_ref() != Some(permit.sha256())
        {
            // Somebody pinned other bytes meanwhile, under another generation of the policy.
            return Err(Failure::Interrupted);
        }
        let bytes = self.bytes_of(permit.sha256(), reader).await?;
        let cleared = Cleared::new(
            permit,
            decision.id.clone(),
            wanted.snapshot.generation,
            bytes,
        );
        Ok(Outcome::Cleared(Hot {
            cleared: Arc::new(cleared),
            freshness: Arc::clone(&wanted.package.freshness),
            source: Arc::clone(&wanted.source),
            last_use: Arc::new(LastUse::never()),
        }))
    }

    /// What derives from an archive is refused with it, from memory as well (M-38).
    fn forget_derived(&self, wanted: &Wanted) {
        let (package, id) = (&wanted.package, &wanted.facts.artifact);
        let place = package.place_of(wanted.index);
        let has_derived = [ArtifactKind::CoreMetadata, ArtifactKind::Provenance]
            .into_iter()
            .any(|kind| {
                let derived = place.and_then(|it| package.document.locate_derived(it, kind));
                derived.is_some()
            });
        if id.kind != ArtifactKind::Archive || !has_derived {
            return;
        }
        for (key, _) in &self.hot {
            let request = &key.0;
            if request.package == package.name && request.file.as_ref() == Some(&id.file) {
                self.hot.invalidate(&*key);
            }
        }
    }

    /// Keeps the bytes and their record. Answers them when they are open already: those cannot go
    /// away any more.
    pub(super) async fn keep(
        &self,
        id: &ArtifactId,
        upstream: &str,
        bytes: &ByteFacts,
        held: Held,
    ) -> Result<Option<BlobReader>, Failure> {
        let spooled = match held {
            Held::Stored(reader) => return Ok(Some(reader)),
            Held::Spooled(spooled) => spooled,
        };
        let Spooled {
            staged, computed, ..
        } = spooled;
        self.space.added(staged.commit().await?.size_bytes);
        let now = self.clock.now();
        let record = ArtifactRecord {
            sha256: bytes.sha256.clone(),
            size_bytes: bytes.size_bytes,
            fetched_at: now,
            upstream: upstream.into(),
            computed,
            last_used_at: now,
        };
        self.stores.cache.put_artifact(id, &record).await?;
        Ok(None)
    }

    /// The bytes of a kept blob: in memory when small, all of them verified.
    ///
    /// # Errors
    /// `Corrupt` when they are gone or damaged, after damaged ones were set aside: fetching them
    /// again helps.
    async fn bytes_of(
        &self,
        digest: &Digest,
        reader: Option<BlobReader>,
    ) -> Result<ClearedBytes, Failure> {
        let gone = || {
            let cause = format!("the stored bytes of {digest} are gone");
            StorageError::new("blob", "reading", StorageErrorKind::Corrupt, cause)
        };
        let reader = match reader {
            Some(reader) => reader,
            None => self.open(digest).await?.ok_or_else(gone)?,
        };
        if reader.size_bytes() > self.config.limits.artifact_cache_each_bytes {
            return Ok(ClearedBytes::Stored(reader));
        }
        let read = tokio::task::spawn_blocking(move || read_all(&*reader))
            .await
            .map_err(|_| Failure::Interrupted)?;
        if let Err(error) = &read
            && error.kind == StorageErrorKind::Corrupt
        {
            self.set_aside(digest).await;
        }
        Ok(ClearedBytes::Memory(read?))
    }
}

/// Where the bytes being judged are.
pub(super) enum Held {
    Stored(BlobReader),
    Spooled(Spooled),
}

fn is_sha256(digest: &Digest) -> bool {
    digest.algorithm() == DigestAlgorithm::Sha256
}

/// Whether trying again at once would only ask upstream once more. Damaged bytes are set aside, and
/// trying again helps.
fn was_in_vain(outcome: &Result<Outcome, Failure>) -> bool {
    match outcome {
        Ok(Outcome::Refused(_)) | Err(Failure::Upstream(_) | Failure::NotFound(_)) => true,
        Err(Failure::Store(error)) => error.kind != StorageErrorKind::Corrupt,
        Ok(Outcome::Cleared(_)) | Err(_) => false,
    }
}

fn is_current(hot: &Hot, snapshot: &Snapshot, now: Timestamp) -> bool {
    hot.cleared.holds(snapshot.generation, now) && hot.freshness.is_fresh(now)
}

/// The candidate a request means. Files are found by name, cargo's by version.
fn find(package: &Package, request: &ArtifactRequest) -> Result<usize, Failure> {
    let is_meant = |index: &usize| {
        let Some(VersionFacts { artifact: id, .. }) = package.candidate(*index) else {
            return false;
        };
        request.file.as_ref().is_none_or(|file| *file == id.file)
            && request
                .version
                .as_ref()
                .is_none_or(|version| *version == id.subject.version)
    };
    if request.file.is_none() && request.version.is_none() {
        return Err(Failure::NotFound("no file was named".to_owned()));
    }
    package.offered().find(is_meant).ok_or_else(|| {
        let wanted = request.file.as_ref().map(ToString::to_string);
        let wanted = wanted.or_else(|| request.version.as_ref().map(ToString::to_string));
        let wanted = wanted.unwrap_or_default();
        Failure::NotFound(format!("{} has no file `{wanted}`", package.name.purl()))
    })
}

fn wanted(
    package: Arc<Package>,
    index: usize,
    request: &ArtifactRequest,
    snapshot: Arc<Snapshot>,
    judgement: Arc<Judgement>,
) -> Result<Wanted, Failure> {
    let missing = || Failure::NotFound(format!("{} has no such file", package.name.purl()));
    let mut facts = package
        .facts(index, &judgement.context)
        .ok_or_else(missing)?;
    let is_unlisted = package.is_unlisted(index);
    let source = match request.kind {
        ArtifactKind::Archive if is_unlisted => package.recorded_source(&facts),
        ArtifactKind::Archive => package.document.locate(index)?,
        kind @ (ArtifactKind::CoreMetadata | ArtifactKind::Provenance) => {
            let place = package.place_of(index).ok_or_else(missing)?;
            let source = package
                .document
                .locate_derived(place, kind)
                .ok_or_else(missing)??;
            facts.artifact.kind = kind;
            let declared = facts.declared.known();
            facts.archive_sha256 = declared
                .and_then(|digests| digests.get(DigestAlgorithm::Sha256))
                .cloned();
            facts.declared = match source.digests.is_empty() {
                true => Fact::Absent,
                false => Fact::Known(source.digests.clone()),
            };
            facts.size_bytes = source.size_bytes.map_or(Fact::Absent, Fact::Known);
            source
        }
    };
    if let Some(expected) = &request.expected
        && source.digests.get(expected.algorithm()) != Some(expected)
    {
        return Err(Failure::Contradiction(format!(
            "the address asks for {} with {expected}, but the registry declares another digest; \
             update the lock file or the index",
            facts.artifact.subject
        )));
    }
    Ok(Wanted {
        package,
        judgement,
        index,
        facts,
        source: Arc::new(source),
        snapshot,
        is_unlisted,
    })
}
