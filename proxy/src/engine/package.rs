//! Packages as the engine holds them: parsed documents, what is remembered, the current verdicts.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use cordon_policy::facts::{AskedInVain, Fact, History, PackageFacts, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, FileName, PackageName, Timestamp, Version,
};
use cordon_storage::evidence::Remembered;
use smol_str::SmolStr;

use super::Engine;
use super::context::Context;
use super::documents::{Documents, Known, Wanted};
use super::failure::Failure;
use super::freshness::Freshness;
use super::gone::Absent;
use super::inspections::Inspections;
use super::judge::Judgements;
use super::removals::Compared;
use super::sightings::Sightings;
use super::unlisted::Unlisted;
use crate::registry::{ArtifactSource, Document, Registry, UpstreamDocument, View};
use crate::upstream::{Turn, Upstream, UpstreamError};

/// Which parsed documents: a package under the documents a view needs. Their names are part of it:
/// to cargo `a-b` and `a_b` are one package, at two places upstream of which only one exists, and a
/// miss at one must not be believed of the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PackageKey {
    pub(super) package: PackageName,
    pub(super) documents: SmolStr,
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
    pub(super) judgements: Judgements,
    /// Held while verdicts are made, so that each changed one is recorded once.
    pub(super) judging: tokio::sync::Mutex<()>,
    pub(super) sightings: Sightings,
    /// As of when the documents were parsed, with what was allowed since then.
    pub(super) remembered: ArcSwap<HashMap<(Version, FileName), Remembered>>,
    /// Whether it was asked for before it existed.
    pub(super) asked_in_vain: Option<AskedInVain>,
    /// What was had and is not in the document, numbered after what is.
    pub(super) unlisted: Unlisted,
    /// What looking into its files showed.
    pub(super) inspections: Arc<Inspections>,
    /// Whether it is to be told who has what was removed.
    pub(super) owes_alarm: AtomicBool,
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
        let unlisted = self.unlisted.len() * 2048;
        self.document.weight_bytes().max(sources) + candidates * 128 + unlisted + 1024
    }

    /// How many candidates there are: those of the document, then those it does not list.
    pub(super) fn candidates(&self) -> usize {
        self.document.candidates().len() + self.unlisted.len()
    }

    /// The candidates that may be asked for. Of a project that is gone only those that were had.
    pub(super) fn offered(&self) -> std::ops::Range<usize> {
        let from = match self.is_gone() {
            true => self.document.candidates().len(),
            false => 0,
        };
        from..self.candidates()
    }

    /// What the document tells of a candidate, or told.
    pub(super) fn candidate(&self, index: usize) -> Option<&VersionFacts> {
        match self.number_of_unlisted(index) {
            Some(number) => self.unlisted.facts(number),
            None => self.document.candidates().get(index),
        }
    }

    /// Where the document has a candidate.
    pub(super) fn place_of(&self, index: usize) -> Option<usize> {
        match self.number_of_unlisted(index) {
            Some(number) => self.unlisted.place(number),
            None => Some(index),
        }
    }

    /// Whether upstream lists the candidate no longer.
    pub(super) fn is_unlisted(&self, index: usize) -> bool {
        self.number_of_unlisted(index).is_some()
    }

    fn number_of_unlisted(&self, index: usize) -> Option<usize> {
        index.checked_sub(self.document.candidates().len())
    }

    /// Whether the whole project is gone upstream.
    pub(super) fn is_gone(&self) -> bool {
        self.unlisted.gone().is_some()
    }

    /// Whether that is on record, and there is no document of it.
    pub(super) fn is_known_to_be_gone(&self) -> bool {
        let is_believed = self.unlisted.gone().is_some_and(|gone| gone.is_believed);
        is_believed && self.sources.iter().all(Option::is_none)
    }

    /// The last good document that is shown in the place of what is gone.
    pub(super) fn shown_digest(&self) -> Option<&Digest> {
        self.unlisted.gone()?.shown.as_ref()
    }

    /// Whether it is still to be told who has what was removed.
    pub(super) fn owes_alarm(&self) -> bool {
        self.owes_alarm.load(Ordering::Relaxed)
    }

    /// Whether it is still to be told who has what was removed; only the first to ask is told so.
    pub(super) fn takes_alarm(&self) -> bool {
        self.owes_alarm.swap(false, Ordering::Relaxed)
    }

    /// What the bytes of a file must be that upstream lists no longer. They are not to be had from
    /// there.
    pub(super) fn recorded_source(&self, facts: &VersionFacts) -> ArtifactSource {
        ArtifactSource {
            url: self.upstream.config().url.clone(),
            digests: facts.declared.known().cloned().unwrap_or_default(),
            size_bytes: facts.size_bytes.known().copied(),
        }
    }

    /// The facts about a candidate, with what Cordon remembers of it and what was learned of others.
    pub(super) fn facts(&self, index: usize, context: &Context) -> Option<VersionFacts> {
        let mut facts = self.candidate(index)?.clone();
        facts.history = self.history(&facts);
        self.inspections.complete(&mut facts);
        match self.is_unlisted(index) {
            true => context.complete_recorded(&mut facts),
            false => context.complete(index, &mut facts),
        }
        Some(facts)
    }

    /// What is known about the package as a whole, beyond what its documents tell; `None` for one
    /// without candidates.
    pub(super) fn package_facts(&self) -> Option<PackageFacts> {
        let first = self.document.candidates().first()?;
        Some(PackageFacts {
            asked_in_vain: self.asked_in_vain,
            ..PackageFacts::clone(&first.package)
        })
    }

    /// When the package first appeared.
    pub(super) fn first_published_at(&self) -> Fact<Timestamp> {
        let first = self.document.candidates().first();
        first.map_or(Fact::Absent, |facts| {
            facts.package.first_published_at.clone()
        })
    }

    /// When a version was published; `Absent` when there is none.
    pub(super) fn published_at(&self, version: &Version) -> Fact<Timestamp> {
        let mut candidates = self.document.candidates().iter();
        candidates
            .find(|facts| facts.subject().version == *version)
            .map_or(Fact::Absent, |facts| facts.published_at.clone())
    }

    /// What Cordon remembers of a candidate.
    pub(super) fn history(&self, facts: &VersionFacts) -> History {
        let id = &facts.artifact;
        let key = (id.subject.version.clone(), id.file.clone());
        let seen = self.sightings.seen(&key);
        let remembered = self.remembered.load();
        let remembered = remembered.get(&key);
        History {
            first_seen_at: seen.map(|seen| seen.first_seen_at),
            published_at_first_sight: seen.and_then(|seen| seen.published_at),
            first_allowed_at: remembered.and_then(|known| known.first_allowed_at),
            pinned: remembered.and_then(|known| known.pinned.clone()),
            removal: remembered
                .and_then(|known| known.removal)
                .or_else(|| self.unlisted.removal()),
        }
    }

    /// The bytes of a file were allowed: from now on that is part of its history.
    pub(super) fn note_allowed(&self, id: &ArtifactId, sha256: &Digest, at: Timestamp) {
        if id.kind != ArtifactKind::Archive {
            return;
        }
        let key = (id.subject.version.clone(), id.file.clone());
        let is_known = |all: &HashMap<_, Remembered>| {
            all.get(&key)
                .is_some_and(|it| it.first_allowed_at.is_some())
        };
        if is_known(&self.remembered.load()) {
            return;
        }
        self.remembered.rcu(|all| {
            let mut all = HashMap::clone(all);
            let remembered = all.entry(key.clone()).or_default();
            remembered.first_allowed_at.get_or_insert(at);
            remembered.pinned.get_or_insert_with(|| sha256.clone());
            all
        });
    }

    /// The bytes of a file are held: from now on no others are it.
    pub(super) fn note_pinned(&self, id: &ArtifactId, sha256: &Digest) {
        let key = (id.subject.version.clone(), id.file.clone());
        let is_known =
            |all: &HashMap<_, Remembered>| all.get(&key).is_some_and(|it| it.pinned.is_some());
        if id.kind != ArtifactKind::Archive || is_known(&self.remembered.load()) {
            return;
        }
        self.remembered.rcu(|all| {
            let mut all = HashMap::clone(all);
            let remembered = all.entry(key.clone()).or_default();
            remembered.pinned.get_or_insert_with(|| sha256.clone());
            all
        });
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
        let previous = match self.settled(&key) {
            ControlFlow::Break(outcome) => return outcome,
            ControlFlow::Continue(previous) => previous,
        };
        let this = self.this();
        let (name, view, flight_key) = (name.clone(), view.clone(), key.clone());
        self.package_flights
            .run(key, || async move {
                // A flight may have landed between the look above and this start.
                let previous = match this.settled(&flight_key) {
                    ControlFlow::Break(outcome) => return outcome,
                    ControlFlow::Continue(later) => later.or(previous),
                };
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

    /// What memory answers with now; else the package as it was, to be confirmed.
    fn settled(
        &self,
        key: &PackageKey,
    ) -> ControlFlow<Result<Arc<Package>, Failure>, Option<Arc<Package>>> {
        let previous = self.packages.get(key);
        if let Some(package) = &previous
            && package.freshness.is_fresh(self.clock.now())
        {
            return ControlFlow::Break(Ok(Arc::clone(package)));
        }
        match self.recent_failures.get(key) {
            Some(failure) => ControlFlow::Break(Err(failure)),
            None => ControlFlow::Continue(previous),
        }
    }

    async fn refresh(
        &self,
        registry: &'static dyn Registry,
        name: PackageName,
        view: &View,
        previous: Option<Arc<Package>>,
    ) -> Result<Arc<Package>, Failure> {
        let requests = registry.documents(&name, view);
        let mut absent = Vec::new();
        for upstream in self.sources_of(&name)? {
            let held = previous
                .as_ref()
                .filter(|p| p.upstream.id() == upstream.id());
            let wanted = Wanted {
                upstream: &upstream,
                ecosystem: name.ecosystem(),
                requests: &requests,
                held: held.map_or(&[], |package| &package.sources),
            };
            let mut documents = match self.fetch(wanted).await {
                Err(Failure::Upstream(error)) if self.is_known_to_be_gone(&name).await? => {
                    tracing::debug!(package = %name, %error, "a project on record as gone could not be asked for");
                    absent.push(Absent::remembered(&upstream, self.clock.now()));
                    // Who comes after it is not asked in its place.
                    break;
                }
                fetched => fetched?,
            };
            if documents.is_missing(0) {
                absent.push(Absent::of(&upstream, &documents.all));
                self.keep_documents(documents.all).await;
                continue;
            }
            self.complete(wanted, &mut documents).await?;
            let (package, documents) = self
                .assemble(registry, &name, wanted, documents, held)
                .await?;
            self.keep_documents(documents).await;
            self.suspects.invalidate(&name);
            return Ok(package);
        }
        let gone = self.assemble_gone(registry, &name, view, absent, previous);
        if let Some(package) = gone.await? {
            return Ok(package);
        }
        self.note_missed(&name).await;
        Err(Failure::NotFound(format!(
            "{} does not exist upstream",
            name.purl()
        )))
    }

    /// A package that is there with a part of it missing is upstream's failure: saying that there
    /// is no such package would be wrong, and its absence is not remembered.
    async fn complete(
        &self,
        wanted: Wanted<'_>,
        documents: &mut Documents<'_>,
    ) -> Result<(), Failure> {
        for (known, request) in documents.all.iter_mut().zip(wanted.requests) {
            if known.document.is_some() || request.is_optional {
                continue;
            }
            let error = UpstreamError::Protocol {
                upstream: wanted.upstream.id().to_owned(),
                what: format!("it has no {}", request.kind),
            };
            if !self.fall_back(known, &error).await? {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// The package the documents make, with those it was made from. Where nothing can be made of
    /// new ones, the last good ones are used.
    async fn assemble<'a>(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        wanted: Wanted<'_>,
        mut documents: Documents<'a>,
        held: Option<&Arc<Package>>,
    ) -> Result<(Arc<Package>, Vec<Known>), Failure> {
        let upstream = wanted.upstream;
        let parsed = loop {
            if let Some(package) = self.unchanged(&documents, held).await {
                return Ok((package, documents.all));
            }
            let sources = documents.sources();
            match self.parse(registry, name, sources, &documents.large).await {
                Err(Failure::Document(error)) => {
                    self.fall_back_all(&mut documents.all, error).await?;
                }
                parsed => break parsed?,
            }
        };
        for remark in parsed.remarks() {
            tracing::warn!(package = %name, upstream = upstream.id(), remark, "upstream's document is odd");
        }
        let evidence = &self.stores.evidence;
        let (seen, mut remembered, missed) = tokio::try_join!(
            evidence.sightings(name),
            evidence.remembered(name),
            evidence.missed(name)
        )?;
        let first = documents.all.first_mut().ok_or(Failure::Interrupted)?;
        let Compared {
            document,
            unlisted,
            owes_alarm,
        } = self
            .compare(registry, name, wanted, first, parsed, &mut remembered)
            .await?;
        let inspections = self.inspections(name, &remembered).await?;
        let before = held.map(|package| &package.sightings);
        let now = self.clock.now();
        let package = Arc::new(Package {
            registry,
            upstream: Arc::clone(upstream),
            sources: documents.sources(),
            freshness: Arc::new(Freshness::of(&documents.all)),
            judgements: Judgements::default(),
            judging: tokio::sync::Mutex::new(()),
            sightings: Sightings::of(document.candidates(), seen, before, now),
            document,
            owes_alarm: AtomicBool::new(owes_alarm),
            remembered: ArcSwap::from_pointee(remembered),
            inspections,
            asked_in_vain: missed.map(|first_at| AskedInVain { first_at }),
            name: name.clone(),
            unlisted,
        });
        self.note_sightings(&package.name, &package.sightings).await;
        self.look_for_drift(&package).await;
        Ok((package, documents.all))
    }

    /// The package in memory, if the documents are those it was made from.
    async fn unchanged(
        &self,
        documents: &Documents<'_>,
        held: Option<&Arc<Package>>,
    ) -> Option<Arc<Package>> {
        let digests = documents
            .all
            .iter()
            .map(|known| known.document.as_ref().map(|document| &document.digest));
        let package = held.filter(|package| package.source_digests().eq(digests))?;
        package.freshness.renew(&documents.all);
        self.note_sightings(&package.name, &package.sightings).await;
        Some(Arc::clone(package))
    }

    pub(super) async fn parse(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        sources: Vec<Option<UpstreamDocument>>,
        large: &Turn,
    ) -> Result<Box<dyn Document>, Failure> {
        const INLINE: usize = 64 * 1024;
        let size: usize = sources
            .iter()
            .flatten()
            .map(|source| source.bytes.len())
            .sum();
        if size <= INLINE {
            return Ok(registry.read(name, &sources)?);
        }
        if size as u64 > self.config.limits.large_document_bytes {
            large.take().await;
        }
        let name = name.clone();
        let parsed = tokio::task::spawn_blocking(move || registry.read(&name, &sources)).await;
        Ok(parsed.map_err(|_| Failure::Interrupted)??)
    }
}
