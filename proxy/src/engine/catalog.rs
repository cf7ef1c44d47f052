//! Searches and whole-registry lists, with what may not be had left out; and the few documents
//! that are passed through as they are.

use std::sync::Arc;

use cordon_policy::decision::Decision;
use cordon_policy::model::{Digest, Ecosystem, PackageName, Timestamp, Version};
use cordon_policy::verdict::Evaluation;
use smol_str::SmolStr;

use super::Engine;
use super::documents::{Documents, Wanted};
use super::failure::Failure;
use super::freshness::Freshness;
use super::metadata::{Ready, ReadyKey, Subject, compress, ready, reply};
use super::snapshot::Snapshot;
use crate::http::reply::{ReadyDocument, Reply};
use crate::registry::{DocumentRequest, Links, MetadataError, Registry, UpstreamDocument, View};
use crate::upstream::Upstream;

/// What a catalog is made from besides documents.
struct Making {
    registry: &'static dyn Registry,
    view: View,
    snapshot: Arc<Snapshot>,
    /// The one in memory, which is used again if its document turns out unchanged.
    previous: Option<Arc<Ready>>,
}

/// A catalog as it is shown.
struct Made {
    document: ReadyDocument,
    valid_until: Option<Timestamp>,
    /// Owned names that are listed there, with the upstream that lists them.
    taken: Vec<(PackageName, SmolStr)>,
}

impl Engine {
    pub(super) async fn catalog(
        &self,
        registry: &'static dyn Registry,
        request: DocumentRequest,
        view: View,
        snapshot: Arc<Snapshot>,
    ) -> Result<Reply, Failure> {
        let key = ReadyKey {
            subject: Subject::Catalog {
                ecosystem: registry.scheme().ecosystem().clone(),
                kind: request.kind,
                name: request.name.clone(),
            },
            view: view.clone(),
            audience: snapshot.audience.clone(),
            route: snapshot.route.clone(),
        };
        let previous = self.ready.get(&key);
        if let Some(ready) = &previous
            && ready.holds(snapshot.generation, self.clock.now())
        {
            self.metrics.rendered.hit();
            return Ok(reply(ready));
        }
        self.metrics.rendered.miss();
        if let Some(failure) = self.recent_catalog_failures.get(&key) {
            return Err(failure);
        }
        let this = self.this();
        let (flight_key, generation) = (key.clone(), snapshot.generation);
        let making = Making {
            registry,
            view,
            snapshot,
            previous,
        };
        let made = self
            .render_flights
            .run((key, generation), || async move {
                let outcome = this.make_catalog(&request, making).await;
                match &outcome {
                    Ok(ready) => this.ready.insert(flight_key, Arc::clone(ready)),
                    Err(failure) => this
                        .recent_catalog_failures
                        .insert(flight_key, failure.clone()),
                }
                outcome
            })
            .await??;
        Ok(reply(&made))
    }

    async fn make_catalog(
        &self,
        request: &DocumentRequest,
        making: Making,
    ) -> Result<Arc<Ready>, Failure> {
        let registry = making.registry;
        let ecosystem = registry.scheme().ecosystem();
        let making = Arc::new(making);
        self.may_search(ecosystem, request)?;
        let upstreams = self.upstreams.for_registry(ecosystem);
        let mut documents = self.first_of(ecosystem, &upstreams, request).await?;
        let made = loop {
            match self.render_catalog(&making, &documents).await {
                Err(Failure::Document(error)) => {
                    self.fall_back_all(&mut documents.all, error).await?;
                }
                made => break made?,
            }
        };
        self.keep_documents(documents.all).await;
        Ok(made)
    }

    async fn render_catalog(
        &self,
        making: &Arc<Making>,
        documents: &Documents<'_>,
    ) -> Result<Arc<Ready>, Failure> {
        let Some(Some(document)) = documents.sources().into_iter().next() else {
            return Err(Failure::Interrupted);
        };
        let (now, generation) = (self.clock.now(), making.snapshot.generation);
        if let Some(ready) = &making.previous
            && ready.source.as_ref() == Some(&document.digest)
            && ready.is_of(generation, now)
        {
            ready.freshness.renew(&documents.all);
            return Ok(Arc::clone(ready));
        }
        documents
            .take_large_turn(self.config.limits.large_document_bytes)
            .await;
        let route = making.snapshot.route.as_ref();
        let links = self.links(making.registry, route).clone();
        let making = Arc::clone(making);
        let source = Some(document.digest.clone());
        let work = move || making.render(&document, &links, now);
        let Made {
            document,
            valid_until,
            taken,
        } = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Failure::Interrupted)??;
        for (name, upstream) in taken {
            self.tell_of_taken(name, &upstream).await;
        }
        Ok(Arc::new(Ready {
            document: Arc::new(document),
            generation,
            valid_until,
            freshness: Arc::new(Freshness::of(&documents.all)),
            source,
            inspections: None,
        }))
    }

    /// The decision that withholds the version a forwarded document is about, if one does.
    ///
    /// # Errors
    /// If the package has no such version, or nothing can be said about it.
    pub(super) async fn withheld(
        &self,
        registry: &'static dyn Registry,
        package: Option<&PackageName>,
        version: Option<&Version>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Option<Arc<Decision>>, Failure> {
        let (Some(name), Some(version)) = (package, version) else {
            return Ok(None);
        };
        let package = self
            .package(registry, name, &View::plain("artifact"))
            .await?;
        let judgement = self.judge(&package, snapshot).await?;
        let is_meant = |index: &usize| {
            let facts = package.candidate(*index);
            facts.is_some_and(|facts| facts.subject().version == *version)
        };
        let index = package.offered().find(is_meant).ok_or_else(|| {
            Failure::NotFound(format!("{} has no version {version}", name.purl()))
        })?;
        Ok(judgement.withheld.get(&index).cloned())
    }

    pub(super) async fn forward(
        &self,
        registry: &'static dyn Registry,
        request: DocumentRequest,
        package: Option<PackageName>,
    ) -> Result<Reply, Failure> {
        let ecosystem = registry.scheme().ecosystem();
        let upstreams = match &package {
            Some(package) => self.sources_of(package)?,
            None => self.upstreams.for_registry(ecosystem),
        };
        let mut documents = self.first_of(ecosystem, &upstreams, &request).await?;
        let reply = loop {
            match forwarded(&request, &documents) {
                Err(Failure::Document(error)) => {
                    self.fall_back_all(&mut documents.all, error).await?;
                }
                reply => break reply?,
            }
        };
        self.keep_documents(documents.all).await;
        Ok(reply)
    }

    /// The document of the first upstream that has it.
    async fn first_of(
        &self,
        ecosystem: &Ecosystem,
        upstreams: &[Arc<Upstream>],
        request: &DocumentRequest,
    ) -> Result<Documents<'_>, Failure> {
        for upstream in upstreams {
            let wanted = Wanted {
                upstream,
                ecosystem,
                requests: std::slice::from_ref(request),
                held: &[],
            };
            let documents = self.fetch(wanted).await?;
            if !documents.is_missing(0) {
                return Ok(documents);
            }
            self.keep_documents(documents.all).await;
        }
        Err(Failure::NotFound(format!(
            "no upstream has the {} asked for",
            request.kind
        )))
    }
}

impl Making {
    /// The catalog without what may not be had, and until when that is so.
    fn render(
        &self,
        document: &UpstreamDocument,
        links: &Links,
        now: Timestamp,
    ) -> Result<Made, MetadataError> {
        let catalog = self.registry.read_catalog(document)?;
        let mut valid_until: Option<Timestamp> = None;
        let (mut keep, mut taken) = (Vec::new(), Vec::new());
        for mut facts in catalog.entries() {
            facts.audience = self.snapshot.audience.clone();
            let evaluation = self.snapshot.ruleset.evaluate(&facts, now);
            keep.push(evaluation.may_list());
            if taken.len() < MAX_TAKEN && is_taken(&evaluation) {
                taken.push((facts.subject().name.clone(), facts.package.upstream.clone()));
            }
            valid_until = [valid_until, evaluation.valid_until()]
                .into_iter()
                .flatten()
                .min();
        }
        let withheld = keep.iter().filter(|kept| !**kept).count();
        let rendered = catalog.render(&keep, &self.view, links)?;
        let gzip = compress(&rendered.body);
        let etag = Digest::of(&rendered.body).hex()[..32].to_owned();
        let document = ReadyDocument {
            withheld: u32::try_from(withheld).unwrap_or(u32::MAX),
            ..ready(rendered, gzip, etag)
        };
        Ok(Made {
            document,
            valid_until,
            taken,
        })
    }
}

/// Owned names told of for one catalog, at most.
const MAX_TAKEN: usize = 16;

/// Whether somebody has taken an owned name there.
fn is_taken(evaluation: &Evaluation) -> bool {
    let mut findings = evaluation.findings().iter();
    findings.any(|finding| finding.code.as_str() == "foreign-source")
}

/// Keys and attestations are JSON; what is not is something else in their place.
fn forwarded(request: &DocumentRequest, documents: &Documents<'_>) -> Result<Reply, Failure> {
    let Some(Some(document)) = documents.sources().into_iter().next() else {
        return Err(Failure::Interrupted);
    };
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&document.bytes) {
        return Err(Failure::from(MetadataError::Malformed {
            document: request.kind,
            subject: format!("upstream {}", document.upstream),
            why: error.to_string(),
        }));
    }
    Ok(Reply::Forwarded {
        content_type: document.content_type.to_string(),
        body: document.bytes,
    })
}
