//! The npm adapter (protocols.md §2).
//!
//! Everything about a package is answered from one upstream document, the full packument: only it
//! has publication times, and what is derived from one document cannot disagree with itself. It is
//! parsed once into places (`walk`, `packument`), from which each form is copied (`render`): the
//! packument, its abbreviated form, one version of it, its tags. A tarball is identified by package
//! and version; where upstream keeps it is looked up in the packument, never built from a request.

mod address;
mod catalog;
mod deny;
mod facts;
mod manifest;
mod negotiate;
mod packument;
mod pins;
mod relations;
mod render;
mod route;
mod tags;
mod walk;

use cordon_policy::model::{PackageName, Scheme};
use http::StatusCode;
use url::Url;

use self::catalog::Search;
use super::{
    Catalog, Denial, DenialBody, Document, DocumentRequest, Links, MetadataError, Registry,
    RequestHead, Route, RouteError, UpstreamDocument, View,
};

/// Names of the forms.
mod forms {
    /// All there is.
    pub(super) const PACKUMENT: &str = "packument";
    /// What an installer needs.
    pub(super) const ABBREVIATED: &str = "abbreviated";
    /// One version's manifest; the argument is a version or a tag.
    pub(super) const VERSION: &str = "version";
    /// The tags alone.
    pub(super) const DIST_TAGS: &str = "dist-tags";
    /// Search results.
    pub(super) const SEARCH: &str = "search";
}

/// The npm adapter.
#[derive(Clone, Copy, Debug)]
pub struct Npm;

impl Registry for Npm {
    fn scheme(&self) -> &'static dyn Scheme {
        &cordon_policy::ecosystem::Npm
    }

    fn classify(&self, request: &RequestHead<'_>, _links: &Links) -> Result<Route, RouteError> {
        route::classify(request)
    }

    fn documents(&self, package: &PackageName, _view: &View) -> Vec<DocumentRequest> {
        vec![DocumentRequest {
            kind: "packument",
            name: package.normalized().into(),
            path: upstream_path(package),
            accept: negotiate::FULL,
            is_optional: false,
            is_kept: true,
        }]
    }

    fn read(
        &self,
        package: &PackageName,
        documents: &[Option<UpstreamDocument>],
    ) -> Result<Box<dyn Document>, MetadataError> {
        let Some(Some(document)) = documents.first() else {
            return Err(MetadataError::NotFound {
                what: format!("{} has no packument", package.purl()),
            });
        };
        Ok(Box::new(walk::read(package, document)?))
    }

    fn read_catalog(&self, document: &UpstreamDocument) -> Result<Box<dyn Catalog>, MetadataError> {
        Ok(Box::new(Search::read(document)?))
    }

    fn keys(&self) -> Option<DocumentRequest> {
        Some(route::keys())
    }

    fn deny(&self, denial: &Denial<'_>, request: &RequestHead<'_>) -> DenialBody {
        deny::deny(denial, request)
    }

    fn error(&self, status: StatusCode, message: &str) -> DenialBody {
        deny::error(status, message)
    }

    fn root_segment(&self) -> Option<&'static str> {
        // pacote resolves the path of `dist.attestations.url` against the registry's origin, and so
        // loses the mount (protocols.md §2.1).
        Some("-")
    }

    fn client_setup(&self, base: &Url) -> String {
        let unsafe_hosts = match (base.scheme(), base.host_str()) {
            ("http", Some(host)) => {
                format!(" && yarn config set unsafeHttpWhitelist --json '[\"{host}\"]'")
            }
            _ => String::new(),
        };
        format!(
            "npm config set registry {base}\n\
             pnpm config set registry {base}\n\
             yarn config set npmRegistryServer {base}{unsafe_hosts}   # yarn 1: yarn config set registry {base}\n\
             printf '[install]\\nregistry = \"{base}\"\\n' >> bunfig.toml   # bun\n"
        )
    }
}

/// A package's path below a registry's base, the scope's slash encoded as npm does.
fn upstream_path(package: &PackageName) -> String {
    package.as_published().replace('/', "%2f")
}

#[cfg(test)]
mod tests;
