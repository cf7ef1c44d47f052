//! Packages as the engine holds them: parsed documents, what is remembered, the current verdicts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use cordon_policy::facts::{History, VersionFacts};
use cordon_policy::model::{Digest, FileName, PackageName, Timestamp, Version};
use cordon_storage::Chain;
use cordon_storage::evidence::{
    Entry as LogEntry, Remembered, Seen, Sighted, Sighting, sighted_to_text,
};
use smol_str::SmolStr;

use super::Engine;
use super::documents::Confirmed;
use super::failure::Failure;
use super::judge::Judgement;
use crate::registry::{Document, Registry, UpstreamDocument, View};
use crate::upstream::Upstream;

/// Which parsed documents: a package under the documents a view needs. Their names are part of it:
/// to cargo `a-b` and `a_b` are one package, at two places upstream of which only one exists, and a
/// miss at one must not be believed of the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PackageKey {
    pub(super) package: PackageName,
    pub(super) documents: SmolStr,
}

/// How long documents may be believed; shared by everything made from them, so that confirming
/// them once is enough.
#[derive(Debug)]
pub(super) struct Freshness {
    until: AtomicI64,
    is_stale: AtomicBool,
}

impl Freshness {
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        now.as_millis() < self.until.load(Ordering::Relaxed)
    }

    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    fn set(&self, until: Timestamp, is_stale: bool) {
        self.is_stale.store(is_stale, Ordering::Relaxed);
        self.until.store(until.as_millis(), Ordering::Relaxed);
    }
}

/// A package with its documents parsed.
pub(super) struct Package {
    pub(super) registry: &'static dyn Registry,
    pub(super) name: PackageName,
    pub(super) upstream: Arc<Upstream>,
    pub(super) document: Box<dyn Document>,
    /// The documents it was parsed from, in order of [`Registry::documents`].
    pub(super) sources: Vec<Option<UpstreamDocument>>,
    pub(super) freshness: Arc<Freshness>,
    pub(super) judgement: ArcSwapOption<Judgement>,
    /// Held while verdicts are made, so that each changed one is recorded once.
    pub(super) judging: tokio::sync::Mutex<()>,
    sightings: HashMap<(Version, FileName), Seen>,
    remembered: HashMap<(Version, FileName), Remembered>,
}

impl Package {
    /// Memory held, in bytes, as far as it depends on the documents.
    pub(super) fn weight_bytes(&self) -> usize {
        let sources: usize = self
            .sources
            .iter()
            .flatten()
            .map(|source| source.bytes.len())
            .sum();
        let candidates = self.document.candidates().len();
        self.document.weight_bytes().max(sources) + candidates * 128 + 1024
    }

    /// The facts about a candidate, with what Cordon remembers of it.
    pub(super) fn facts(&self, index: usize) -> Option<VersionFacts> {
        let mut facts = self.document.candidates().get(index)?.clone();
        facts.history = self.history(&facts);
        Some(facts)
    }

    fn history(&self, facts: &VersionFacts) -> History {
        let id = &facts.artifact;
        let key = (id.subject.version.clone(), id.file.clone());
        let seen = self.sightings.get(&key);
        let remembered = self.remembered.get(&key);
        History {
            first_seen_at: seen.map(|seen| seen.first_seen_at),
            published_at_first_sight: seen.and_then(|seen| seen.published_at),
            first_allowed_at: remembered.and_then(|known| known.first_allowed_at),
            pinned: remembered.and_then(|known| known.pinned.clone()),
        }
    }

    /// Digests of the documents, in order.
    pub(super) fn source_digests(&self) -> impl Iterator<Item = Option<&Digest>> {
        self.sources
            .iter()
            .map(|source| source.as_ref().map(|source| &source.digest))
    }
}

impl Engine {
    /// The package with documents that may be believed now.
    pub(super) async fn package(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        view: &View,
    ) -> Result<Arc<Package>, Failure> {
        let requests = registry.documents(name, view);
        let documents: Vec<String> = requests
            .iter()
            .map(|request| format!("{}={}", request.kind, request.name))
            .collect();
        let key = PackageKey {
            package: name.clone(),
            documents: documents.join("+").into(),
        };
        let previous = self.packages.get(&key);
        if let Some(package) = &previous
            && package.freshness.is_fresh(self.clock.now())
        {
            return Ok(Arc::clone(package));
        }
        if let Some(failure) = self.recent_failures.get(&key) {
            return Err(failure);
        }
        let this = self.this();
        let (name, view, flight_key) = (name.clone(), view.clone(), key.clone());
        self.package_flights
            .run(key, || async move {
                let outcome = this.refresh(registry, name, &view, previous).await;
                match &outcome {
                    Ok(package) => this.packages.insert(flight_key, Arc::clone(package)),
                    Err(Failure::Upstream(_) | Failure::Document(_)) => {
                        let failure = outcome.as_ref().err().cloned();
                        this.recent_failures
                            .insert(flight_key, failure.unwrap_or(Failure::Interrupted));
                    }
                    Err(_) => {}
                }
                outcome
            })
            .await?
    }

    async fn refresh(
        &self,
        registry: &'static dyn Registry,
        name: PackageName,
        view: &View,
        previous: Option<Arc<Package>>,
    ) -> Result<Arc<Package>, Failure> {
        let _turn = self
            .documents_at_once
            .acquire()
            .await
            .map_err(|_| Failure::Interrupted)?;
        let requests = registry.documents(&name, view);
        let ecosystem = name.ecosystem();
        for upstream in self.upstreams.for_package(&name) {
            let held = previous
                .as_ref()
                .filter(|p| p.upstream.id() == upstream.id());
            let confirm = |index: usize| {
                let previous = held
                    .and_then(|p| p.sources.get(index))
                    .and_then(Option::as_ref);
                self.confirm(&upstream, ecosystem, &requests[index], previous)
            };
            let all = futures_util::future::join_all((0..requests.len()).map(confirm)).await;
            let mut confirmed = Vec::with_capacity(all.len());
            for (outcome, request) in all.into_iter().zip(&requests) {
                match outcome {
                    // What an answer can do without does not fail it.
                    Err(Failure::Upstream(_)) if request.is_optional => confirmed.push(None),
                    Err(failure) => return Err(failure),
                    Ok(one) => confirmed.push(Some(one)),
                }
            }
            let is_missing = |one: &Option<Confirmed>| {
                one.as_ref()
                    .is_none_or(|confirmed| confirmed.document.is_none())
            };
            if confirmed.first().is_none_or(is_missing) {
                continue;
            }
            if let Some((_, request)) = confirmed
                .iter()
                .zip(&requests)
                .find(|(one, request)| is_missing(one) && !request.is_optional)
            {
                let what = format!("upstream {} has no {}", upstream.id(), request.kind);
                return Err(Failure::NotFound(what));
            }
            return self
                .assemble(registry, name, upstream, confirmed, held)
                .await;
        }
        Err(Failure::NotFound(format!(
            "{} does not exist upstream",
            name.purl()
        )))
    }

    async fn assemble(
        &self,
        registry: &'static dyn Registry,
        name: PackageName,
        upstream: Arc<Upstream>,
        confirmed: Vec<Option<Confirmed>>,
        held: Option<&Arc<Package>>,
    ) -> Result<Arc<Package>, Failure> {
        let now = self.clock.now();
        let until = confirmed
            .iter()
            .flatten()
            .map(|one| one.fresh_until)
            .min()
            .unwrap_or(now);
        let is_stale = confirmed.iter().flatten().any(|one| one.is_stale);
        let sources: Vec<Option<UpstreamDocument>> = confirmed
            .into_iter()
            .map(|one| one.and_then(|one| one.document))
            .collect();
        let digests = || {
            sources
                .iter()
                .map(|source| source.as_ref().map(|s| &s.digest))
        };
        if let Some(package) = held.filter(|package| package.source_digests().eq(digests())) {
            package.freshness.set(until, is_stale);
            return Ok(Arc::clone(package));
        }
        let document = self.parse(registry, &name, &sources).await?;
        for remark in document.remarks() {
            tracing::warn!(package = %name, upstream = upstream.id(), remark, "upstream's document is odd");
        }
        let freshness = Arc::new(Freshness {
            until: AtomicI64::new(until.as_millis()),
            is_stale: AtomicBool::new(is_stale),
        });
        let evidence = &self.stores.evidence;
        let (sightings, remembered) =
            tokio::try_join!(evidence.sightings(&name), evidence.remembered(&name))?;
        let package = Arc::new(Package {
            registry,
            upstream,
            document,
            sources,
            freshness,
            judgement: ArcSwapOption::empty(),
            judging: tokio::sync::Mutex::new(()),
            sightings,
            remembered,
            name,
        });
        self.note_sightings(&package, now).await;
        Ok(package)
    }

    async fn parse(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        sources: &[Option<UpstreamDocument>],
    ) -> Result<Box<dyn Document>, Failure> {
        const INLINE: usize = 64 * 1024;
        let size: usize = sources
            .iter()
            .flatten()
            .map(|source| source.bytes.len())
            .sum();
        if size <= INLINE {
            return Ok(registry.read(name, sources)?);
        }
        let is_large = size as u64 > self.config.limits.large_document_bytes;
        let _large = match is_large {
            true => Some(
                self.large_documents
                    .acquire()
                    .await
                    .map_err(|_| Failure::Interrupted)?,
            ),
            false => None,
        };
        let (name, sources) = (name.clone(), sources.to_vec());
        let parsed = tokio::task::spawn_blocking(move || registry.read(&name, &sources)).await;
        Ok(parsed.map_err(|_| Failure::Interrupted)??)
    }

    /// Records candidates never seen before, behind the answer: if that is lost, they are first
    /// seen later, which no rule takes as a reason to be milder.
    async fn note_sightings(&self, package: &Arc<Package>, now: Timestamp) {
        let fresh: Vec<Sighted> = package
            .document
            .candidates()
            .iter()
            .filter(|facts| {
                let id = &facts.artifact;
                let key = (id.subject.version.clone(), id.file.clone());
                !package.sightings.contains_key(&key)
            })
            .map(|facts| Sighted {
                version: facts.artifact.subject.version.clone(),
                file: facts.artifact.file.clone(),
                published_at: facts.published_at.known().copied(),
            })
            .collect();
        if fresh.is_empty() {
            return;
        }
        let evidence = Arc::clone(&self.stores.evidence);
        let metrics = Arc::clone(&self.metrics);
        let name = package.name.clone();
        let write = async move {
            let work = async {
                let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
                let candidates = evidence.put_text(sighted_to_text(&fresh)).await?;
                let sighting = Sighting {
                    package: name,
                    at: now,
                    candidates,
                    count,
                };
                evidence.append(vec![LogEntry::Sighting(sighting)]).await
            };
            if let Err(error) = work.await {
                metrics.store_failed(&error);
                tracing::warn!(error = %Chain(&error), "recording a sighting failed");
            }
        };
        self.background.run(write).await;
    }
}
