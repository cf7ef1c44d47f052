//! Searches and whole-registry lists, with what may not be had left out; and the few documents
//! that are passed through as they are.

use std::sync::Arc;

use cordon_policy::decision::Decision;
use cordon_policy::model::{Ecosystem, PackageName, Version};
use http::StatusCode;

use super::Engine;
use super::failure::Failure;
use super::snapshot::Snapshot;
use crate::http::reply::{ReadyDocument, Reply};
use crate::registry::{DocumentRequest, Registry, UpstreamDocument, View};
use crate::upstream::Upstream;

impl Engine {
    pub(super) async fn catalog(
        &self,
        registry: &'static dyn Registry,
        request: DocumentRequest,
        view: View,
        snapshot: Arc<Snapshot>,
    ) -> Result<Reply, Failure> {
        let ecosystem = registry.scheme().ecosystem();
        let upstreams = self.upstreams.for_registry(ecosystem);
        let document = self.first_of(ecosystem, &upstreams, &request).await?;
        let links = self.links(registry).clone();
        let now = self.clock.now();
        let work = move || {
            let catalog = registry.read_catalog(&document)?;
            let keep: Vec<bool> = catalog
                .entries()
                .map(|facts| snapshot.ruleset.evaluate(&facts, now).may_list())
                .collect();
            let withheld = keep.iter().filter(|kept| !**kept).count();
            catalog
                .render(&keep, &view, &links)
                .map(|rendered| (rendered, withheld))
        };
        let (rendered, withheld) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Failure::Interrupted)??;
        let etag = cordon_policy::model::Digest::of(&rendered.body).hex()[..32].to_owned();
        Ok(Reply::Document(Arc::new(ReadyDocument {
            identity_bytes: rendered.body.len() as u64,
            identity: Some(rendered.body),
            gzip: None,
            etag,
            content_type: rendered.content_type,
            last_modified: rendered.last_modified,
            vary: rendered.vary,
            withheld: u32::try_from(withheld).unwrap_or(u32::MAX),
            notice: None,
            is_stale: false,
        })))
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
        let index = package
            .document
            .candidates()
            .iter()
            .position(|facts| facts.subject().version == *version)
            .ok_or_else(|| {
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
            Some(package) => self.upstreams.for_package(package),
            None => self.upstreams.for_registry(ecosystem),
        };
        let document = self.first_of(ecosystem, &upstreams, &request).await?;
        Ok(Reply::Forwarded {
            status: StatusCode::OK,
            content_type: document.content_type.to_string(),
            body: document.bytes,
        })
    }

    async fn first_of(
        &self,
        ecosystem: &Ecosystem,
        upstreams: &[Arc<Upstream>],
        request: &DocumentRequest,
    ) -> Result<UpstreamDocument, Failure> {
        let _turn = self
            .documents_at_once
            .acquire()
            .await
            .map_err(|_| Failure::Interrupted)?;
        for upstream in upstreams {
            let confirmed = self.confirm(upstream, ecosystem, request, None).await?;
            if let Some(document) = confirmed.document {
                return Ok(document);
            }
        }
        Err(Failure::NotFound(format!(
            "no upstream has the {} asked for",
            request.kind
        )))
    }
}
