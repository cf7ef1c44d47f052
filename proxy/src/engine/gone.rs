//! Projects that are gone upstream while versions of them are in use here.
//!
//! That the whole project is gone says nothing about a single version: those in use go on from the
//! store, their list from the last good document, which is kept for that. Nothing is asked for
//! upstream, and nothing new is offered.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use cordon_policy::facts::{RemovalScope, VersionFacts};
use cordon_policy::model::{ArtifactKind, Digest, PackageName, Timestamp};
use cordon_storage::cache::{DocumentKey, DocumentRecord, DocumentState};

use super::Engine;
use super::documents::{Asked, Known, Wanted};
use super::failure::Failure;
use super::freshness::Freshness;
use super::judge::Judgements;
use super::package::Package;
use super::removals::{Memory, Shown};
use super::sightings::{Candidate, Sightings};
use super::unlisted::{Unlisted, candidate};
use crate::registry::{
    ArtifactSource, Document, DocumentRequest, Links, Listing, MetadataError, Registry, Rendered,
    UpstreamDocument, View,
};
use crate::upstream::{Turn, Upstream};

/// How long a package in use must not be found before that is believed: a registry's answer may be
/// wrong for a moment.
const BELIEVED_AFTER: Duration = Duration::from_secs(60);

/// The absence of a package, for as long as it may be believed.
pub(super) struct Absent {
    upstream: Arc<Upstream>,
    freshness: Freshness,
    /// The document there was before.
    before: Option<DocumentRecord>,
    /// When upstream said so; `None` if it could only not be asked.
    said_at: Option<Timestamp>,
}

impl Absent {
    /// As upstream says.
    pub(super) fn of(upstream: &Arc<Upstream>, documents: &[Known]) -> Self {
        let first = documents.first();
        Self {
            upstream: Arc::clone(upstream),
            freshness: Freshness::of(documents),
            before: first.and_then(|known| known.before.clone()),
            said_at: first.map(|known| known.since),
        }
    }

    /// As is remembered, while upstream cannot be asked.
    pub(super) fn remembered(upstream: &Arc<Upstream>, now: Timestamp) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            freshness: Freshness::stale(now),
            before: None,
            said_at: None,
        }
    }

    fn is_at(&self, upstream: &str) -> bool {
        self.upstream.id() == upstream
    }
}

/// The document of a project of which nothing is left, not even in the store.
pub(super) struct NoDocument {
    pub(super) package: PackageName,
}

impl NoDocument {
    fn not_found(&self) -> MetadataError {
        MetadataError::NotFound {
            what: format!(
                "{} does not exist upstream any more, and its last document is not kept here",
                self.package.purl()
            ),
        }
    }
}

impl Document for NoDocument {
    fn candidates(&self) -> &[VersionFacts] {
        &[]
    }

    fn render(&self, _: &Listing<'_>, _: &View, _: &Links) -> Result<Rendered, MetadataError> {
        Err(self.not_found())
    }

    fn locate(&self, _: usize) -> Result<ArtifactSource, MetadataError> {
        Err(self.not_found())
    }

    fn locate_derived(
        &self,
        _: usize,
        _: ArtifactKind,
    ) -> Option<Result<ArtifactSource, MetadataError>> {
        None
    }

    fn weight_bytes(&self) -> usize {
        0
    }
}

impl Engine {
    /// Whether a package is on record as gone: then it need not be asked for again to serve what is
    /// in use of it.
    pub(super) async fn is_known_to_be_gone(&self, name: &PackageName) -> Result<bool, Failure> {
        let memory = self.stores.evidence.remembered(name).await?;
        Ok(since_removal(&memory).is_some())
    }

    /// The package made of what is remembered of one that no upstream has; `None` if nothing of it
    /// was ever in use.
    pub(super) async fn assemble_gone(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        view: &View,
        mut absent: Vec<Absent>,
        previous: Option<Arc<Package>>,
    ) -> Result<Option<Arc<Package>>, Failure> {
        if let Some(package) = previous.filter(|package| package.is_known_to_be_gone())
            && let Some(absent) = absent.iter().find(|it| it.is_at(package.upstream.id()))
        {
            package.freshness.adopt(&absent.freshness);
            return Ok(Some(package));
        }
        let evidence = &self.stores.evidence;
        let mut memory = evidence.remembered(name).await?;
        let mut files = self.unlisted(name, &[], &memory).await?;
        let requests = registry.documents(name, view);
        files.retain(|facts| is_of_document(registry, facts, view, &requests));
        if files.is_empty() || absent.is_empty() {
            return Ok(None);
        }
        let is_origin = |it: &Absent| files.iter().any(|facts| it.is_at(&facts.package.upstream));
        let absent = absent.swap_remove(absent.iter().position(is_origin).unwrap_or(0));
        let wanted = Wanted {
            upstream: &absent.upstream,
            ecosystem: name.ecosystem(),
            requests: &requests,
            held: &[],
        };
        let (since, is_believed) = match since_removal(&memory) {
            Some(since) => (since, true),
            None => self.suspect(name),
        };
        if let Some(said_at) = absent.said_at.filter(|_| is_believed) {
            let only: HashSet<Candidate> = files.iter().map(candidate).collect();
            let shown = Shown {
                candidates: &[],
                is_emptied: true,
                since: said_at,
                is_stale: false,
                only: Some(&only),
            };
            self.note_removals(name, &shown, &mut memory).await?;
        }
        let _turn = self
            .documents_at_once
            .acquire()
            .await
            .map_err(|_| Failure::Interrupted)?;
        let last = self
            .last_good(registry, name, wanted, absent.before)
            .await?;
        let nothing = Box::new(NoDocument {
            package: name.clone(),
        });
        let (document, unlisted) = Unlisted::of(files).of_gone((since, is_believed), last, nothing);
        let seen = evidence.sightings(name).await?;
        let inspections = self.inspections(name, &memory).await?;
        Ok(Some(Arc::new(Package {
            registry,
            upstream: Arc::clone(&absent.upstream),
            sources: vec![None],
            freshness: Arc::new(absent.freshness),
            judgements: Judgements::default(),
            judging: tokio::sync::Mutex::new(()),
            sightings: Sightings::of(&[], seen, None, since),
            document,
            owes_alarm: AtomicBool::new(has_removed_version(&memory)),
            remembered: ArcSwap::from_pointee(memory),
            inspections,
            asked_in_vain: None,
            name: name.clone(),
            unlisted,
        })))
    }

    /// Since when a package in use was not found, and whether that may be believed by now.
    pub(super) fn suspect(&self, name: &PackageName) -> (Timestamp, bool) {
        let now = self.clock.now();
        let since = self.suspects.get(name).filter(|since| *since <= now);
        let since = since.unwrap_or_else(|| {
            self.suspects.insert(name.clone(), now);
            now
        });
        (since, now.since(since) >= BELIEVED_AFTER)
    }

    /// The last documents of a package that list anything, of which `before` may be the first. It is
    /// kept apart from what upstream says now.
    pub(super) async fn last_good(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        wanted: Wanted<'_>,
        before: Option<DocumentRecord>,
    ) -> Result<Option<(Box<dyn Document>, Digest)>, Failure> {
        let mut asked = wanted.requests.iter().map(|it| Asked::of(wanted, it));
        let Some(first) = asked.next() else {
            return Ok(None);
        };
        let mut others = Vec::new();
        for other in asked {
            let record = self.stores.cache.document(&other.key).await?;
            others.push(match record {
                Some(record) => self.recall(&other, &record).await?,
                None => None,
            });
        }
        let kept_under = kept_key(&first.key);
        let kept = self.stores.cache.document(&kept_under).await?;
        for (record, is_kept) in [(before, false), (kept, true)] {
            let Some(record) = record else { continue };
            let Some(found) = self.recall(&first, &record).await? else {
                continue;
            };
            let digest = found.digest.clone();
            let sources = std::iter::once(Some(found)).chain(others.iter().cloned());
            let document = match self.read_again(registry, name, sources.collect()).await {
                Ok(document) if !document.is_emptied() => document,
                Ok(_) | Err(Failure::Document(_) | Failure::NotFound(_)) => continue,
                Err(failure) => return Err(failure),
            };
            if !is_kept {
                self.keep_last_good(&kept_under, &record).await?;
            }
            return Ok(Some((document, digest)));
        }
        Ok(None)
    }

    async fn read_again(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        sources: Vec<Option<UpstreamDocument>>,
    ) -> Result<Box<dyn Document>, Failure> {
        self.parse(registry, name, sources, &Turn::of(&self.large_documents))
            .await
    }

    async fn keep_last_good(
        &self,
        key: &DocumentKey,
        record: &DocumentRecord,
    ) -> Result<(), Failure> {
        let DocumentState::Present { blob, .. } = &record.state else {
            return Ok(());
        };
        let _held = self.space.hold(blob).await;
        Ok(self.stores.cache.put_document(key, record).await?)
    }
}

/// Where the last good document is kept.
fn kept_key(key: &DocumentKey) -> DocumentKey {
    DocumentKey {
        kind: format!("{}-last-good", key.kind).into(),
        ..key.clone()
    }
}

/// Whether facts were recorded of the very package asked for. To cargo `a-b` and `a_b` are one
/// package, of which upstream has one: that the other is missing says nothing.
pub(super) fn is_of_document(
    registry: &'static dyn Registry,
    facts: &VersionFacts,
    view: &View,
    requests: &[DocumentRequest],
) -> bool {
    let first = registry.documents(&facts.subject().name, view);
    let names = [first.first(), requests.first()].map(|it| it.map(|it| it.name.clone()));
    names[0] == names[1]
}

/// Since when the project is on record as gone.
pub(super) fn since_removal(memory: &Memory) -> Option<Timestamp> {
    let removals = memory.values().filter_map(|known| known.removal);
    removals
        .filter(|removal| removal.scope == RemovalScope::Project)
        .map(|removal| removal.at)
        .min()
}

/// Whether a version was removed while its project went on.
pub(super) fn has_removed_version(memory: &Memory) -> bool {
    let mut removals = memory.values().filter_map(|known| known.removal);
    removals.any(|removal| removal.scope == RemovalScope::Version)
}
