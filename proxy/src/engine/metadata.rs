//! Flow (a): a document about one package.

use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::facts::Audience;
use cordon_policy::model::{Digest, Ecosystem, PackageName, Timestamp};
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::Engine;
use super::failure::Failure;
use super::freshness::Freshness;
use super::inspections::Inspections;
use super::judge::Judgement;
use super::package::Package;
use super::snapshot::Snapshot;
use crate::http::reply::{ReadyDocument, Reply};
use crate::registry::{
    DenialScope, Entry, Listing, MetadataError, Registry, Rendered, RequestHead, View,
};
use crate::upstream::Turn;

/// A rendered document by what it depends on besides the documents themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReadyKey {
    pub(super) subject: Subject,
    pub(super) view: View,
    /// Who it is for.
    pub(super) audience: Audience,
    /// The way whose addresses are in it.
    pub(super) route: Option<SmolStr>,
}

/// What a document is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Package(PackageName),
    /// A search or a list of packages.
    Catalog {
        ecosystem: Ecosystem,
        kind: &'static str,
        name: SmolStr,
    },
}

impl ReadyKey {
    pub(super) fn weight_bytes(&self) -> usize {
        let argument = self.view.argument.as_ref().map_or(0, SmolStr::len);
        argument
            + match &self.subject {
                Subject::Package(name) => 2 * name.normalized().len(),
                Subject::Catalog { name, .. } => name.len(),
            }
    }
}

/// A rendered document with what ends its life.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) document: Arc<ReadyDocument>,
    pub(super) generation: u64,
    pub(super) valid_until: Option<Timestamp>,
    pub(super) freshness: Arc<Freshness>,
    /// The one document it was made from, if it is a catalog.
    pub(super) source: Option<Digest>,
    /// What was known of the inside of the package's files, and as of when.
    pub(super) inspections: Option<(Arc<Inspections>, u64)>,
}

impl Ready {
    pub(super) fn holds(&self, generation: u64, now: Timestamp) -> bool {
        self.is_of(generation, now) && self.freshness.is_fresh(now)
    }

    /// Whether it holds as soon as its documents are confirmed.
    pub(super) fn is_of(&self, generation: u64, now: Timestamp) -> bool {
        self.generation == generation
            && self.valid_until.is_none_or(|until| now < until)
            && self
                .inspections
                .as_ref()
                .is_none_or(|(inspections, epoch)| inspections.epoch() == *epoch)
    }

    pub(super) fn weight_bytes(&self) -> usize {
        let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        size(&self.document.identity) + size(&self.document.gzip) + 512
    }
}

/// Size below which compressing is not worth it.
const GZIP_FROM: usize = 1024;
/// Size above which only the compressed form is kept.
const KEEP_IDENTITY_TO: usize = 256 * 1024;
/// libdeflate level: about as small as zlib's 9, 280 MB/s.
const GZIP_LEVEL: i32 = 6;

impl Engine {
    pub(super) async fn metadata(
        &self,
        registry: &'static dyn Registry,
        package: PackageName,
        view: View,
        head: &RequestHead<'_>,
        snapshot: Arc<Snapshot>,
    ) -> Result<Reply, Failure> {
        let key = ReadyKey {
            subject: Subject::Package(package.clone()),
            view,
            audience: snapshot.audience.clone(),
            route: snapshot.route.clone(),
        };
        if let Some(ready) = self.ready.get(&key)
            && ready.holds(snapshot.generation, self.clock.now())
        {
            self.metrics.rendered.hit();
            return Ok(reply(&ready));
        }
        self.metrics.rendered.miss();
        let package = self.package(registry, &package, &key.view).await?;
        let judgement = self.judge(&package, &snapshot).await?;
        if judgement.is_all_withheld() {
            let decision = judgement.spokesman.clone().ok_or(Failure::Interrupted)?;
            return Ok(self.denied(registry, head, &decision, DenialScope::Package));
        }
        let this = self.this();
        let (flight_key, asked) = (key.clone(), key.view.clone());
        let (for_render, with) = (Arc::clone(&package), Arc::clone(&judgement));
        let rendered = self
            .render_flights
            .run((key, judgement.generation), || async move {
                let outcome = this
                    .render(&for_render, &with, &flight_key.view, &snapshot)
                    .await;
                if let Ok(ready) = &outcome {
                    this.ready.insert(flight_key, Arc::clone(ready));
                }
                outcome
            })
            .await?;
        match rendered {
            Ok(ready) => Ok(reply(&ready)),
            // A version asked for by name that exists but is withheld is refused with its reason.
            Err(Failure::NotFound(what)) => match withheld_version(&package, &judgement, &asked) {
                Some(decision) => Ok(self.denied(registry, head, &decision, DenialScope::Artifact)),
                None => Err(Failure::NotFound(what)),
            },
            Err(failure) => Err(failure),
        }
    }

    async fn render(
        &self,
        package: &Arc<Package>,
        judgement: &Arc<Judgement>,
        view: &View,
        snapshot: &Snapshot,
    ) -> Result<Arc<Ready>, Failure> {
        let links = self
            .links(package.registry, snapshot.route.as_ref())
            .clone();
        let size = package.weight_bytes();
        let is_large = size as u64 > self.config.limits.large_document_bytes;
        let large = Turn::of(&self.large_documents);
        if is_large {
            large.take().await;
        }
        let (for_render, with, view) = (Arc::clone(package), Arc::clone(judgement), view.clone());
        let etag = etag(package, judgement, &view, snapshot, links.base.as_str());
        let work = move || -> Result<(Rendered, Option<Bytes>), MetadataError> {
            let listing = Listing {
                entries: &with.entries,
            };
            let rendered = for_render.document.render(&listing, &view, &links)?;
            let gzip = compress(&rendered.body);
            Ok((rendered, gzip))
        };
        const INLINE: usize = 32 * 1024;
        let (rendered, gzip) = if size <= INLINE {
            work()?
        } else {
            tokio::task::spawn_blocking(work)
                .await
                .map_err(|_| Failure::Interrupted)??
        };
        let withheld = u32::try_from(judgement.withheld.len()).unwrap_or(u32::MAX);
        let document = ReadyDocument {
            withheld,
            notice: notice(package, judgement),
            is_stale: package.is_gone(),
            ..ready(rendered, gzip, etag)
        };
        Ok(Arc::new(Ready {
            document: Arc::new(document),
            generation: judgement.generation,
            valid_until: judgement.valid_until,
            freshness: Arc::clone(&package.freshness),
            source: None,
            inspections: Some((
                Arc::clone(&package.inspections),
                judgement.inspections_epoch,
            )),
        }))
    }
}

/// A rendered document in the codings that are kept of it.
pub(super) fn ready(rendered: Rendered, gzip: Option<Bytes>, etag: String) -> ReadyDocument {
    let drops_identity = gzip.is_some() && rendered.body.len() > KEEP_IDENTITY_TO;
    ReadyDocument {
        identity_bytes: rendered.body.len() as u64,
        identity: (!drops_identity).then_some(rendered.body),
        gzip,
        etag,
        content_type: rendered.content_type,
        last_modified: rendered.last_modified,
        vary: rendered.vary,
        withheld: 0,
        notice: None,
        is_stale: false,
    }
}

pub(super) fn reply(ready: &Ready) -> Reply {
    if ready.freshness.is_stale() {
        let stale = ReadyDocument {
            is_stale: true,
            ..(*ready.document).clone()
        };
        return Reply::Document(Arc::new(stale));
    }
    Reply::Document(Arc::clone(&ready.document))
}

/// Strong validator over everything the rendering depends on: upstream's documents, the view, the
/// policy, the verdicts and our own address. The coding is appended when it is sent.
fn etag(
    package: &Package,
    judgement: &Judgement,
    view: &View,
    snapshot: &Snapshot,
    base: &str,
) -> String {
    let mut hasher = Sha256::new();
    for digest in package.source_digests().chain([package.shown_digest()]) {
        hasher.update(digest.map_or(&[0; 32][..], |digest| digest.as_bytes()));
    }
    let argument = view.argument.as_deref().unwrap_or("");
    let version = env!("CARGO_PKG_VERSION");
    for text in [
        view.form,
        argument,
        snapshot.ruleset.hash().0.as_str(),
        base,
        version,
    ] {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    let marks: Vec<u8> = judgement
        .entries
        .iter()
        .map(|entry| match entry {
            Entry::Listed => b'l',
            Entry::Hidden => b'h',
            Entry::Demoted => b'd',
        })
        .collect();
    hasher.update(&marks);
    data_encoding::HEXLOWER.encode(&hasher.finalize()[..16])
}

pub(super) fn compress(body: &Bytes) -> Option<Bytes> {
    if body.len() < GZIP_FROM {
        return None;
    }
    let level = libdeflater::CompressionLvl::new(GZIP_LEVEL).ok()?;
    let mut compressor = libdeflater::Compressor::new(level);
    // Large documents shrink to a tenth; room for one that does not is only taken when it is needed.
    const LARGE: usize = 1 << 20;
    let small = (body.len() > LARGE).then_some(body.len() / 4);
    for room in small.into_iter().chain([body.len()]) {
        let mut packed = vec![0; room];
        if let Ok(size) = compressor.gzip_compress(body, &mut packed) {
            return Some(Bytes::copy_from_slice(&packed[..size]));
        }
    }
    None
}

fn notice(package: &Package, judgement: &Judgement) -> Option<String> {
    if package.is_gone() {
        return Some(format!(
            "upstream has {} no longer; Cordon serves the versions that were in use",
            package.name.as_published()
        ));
    }
    let decision = judgement.spokesman.as_ref()?;
    let first = decision.evaluation.deciding()?;
    let count = judgement.withheld.len();
    let noun = if count == 1 { "version" } else { "versions" };
    Some(format!(
        "Cordon withholds {count} {noun} of {}; {} ({})",
        package.name.as_published(),
        first.reason,
        decision.id,
    ))
}

/// The decision about the version that a single-version view names, in whichever spelling. Of
/// several files the first withheld one speaks.
fn withheld_version(
    package: &Package,
    judgement: &Judgement,
    view: &View,
) -> Option<Arc<cordon_policy::decision::Decision>> {
    let scheme = package.registry.scheme();
    let wanted = scheme.version(view.argument.as_deref()?).ok()?;
    package
        .offered()
        .filter(|index| {
            let facts = package.candidate(*index);
            facts.is_some_and(|facts| scheme.compare(&facts.subject().version, &wanted).is_eq())
        })
        .find_map(|index| judgement.withheld.get(&index).cloned())
}
