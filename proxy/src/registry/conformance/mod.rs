//! What every adapter must satisfy, written once.
//!
//! An adapter describes itself by a [`Suite`] (names, versions, recorded documents, what its
//! clients can print) and calls [`registry_conformance!`] in its tests:
//!
//! ```ignore
//! registry_conformance!(suite());
//! ```
//!
//! Each property becomes a test of its own: normalising is idempotent; the version order is total;
//! `classify` never panics and inverts our own addresses; every listed artifact can be located; a
//! hidden version appears nowhere in any view; a rendering that allows all is what upstream sent,
//! but for what the adapter documents; refusals fit what clients print.

mod checks;

use cordon_policy::facts::VersionFacts;
use cordon_policy::model::{Digest, PackageName};
use http::{HeaderMap, Method};
use url::Url;

pub(crate) use self::checks::*;
use super::{
    ArtifactRequest, DenialBody, DenialScope, Document, Links, MetadataError, Registry, Rendered,
    RequestHead, Route, RouteError, UpstreamDocument, View,
};

/// An adapter's description of itself.
pub(crate) struct Suite {
    /// The adapter.
    pub(crate) registry: &'static dyn Registry,
    /// Valid names, in every spelling the ecosystem has.
    pub(crate) names: Vec<&'static str>,
    /// Versions, among them some that no grammar admits.
    pub(crate) versions: Vec<&'static str>,
    /// Recorded documents.
    pub(crate) fixtures: Vec<Fixture>,
    /// Path below the mount (no leading slash, percent-encoded) of a package's main document.
    pub(crate) metadata_path: fn(&PackageName) -> String,
    /// Path below the mount (no leading slash, percent-encoded) of a candidate's archive.
    pub(crate) artifact_path: fn(&VersionFacts) -> String,
    /// Compares a rendering that allows all with what upstream sent; says what differs beyond
    /// the adapter's documented changes. Views with nothing to compare answer `Ok`.
    pub(crate) compare: fn(&Fixture, &View, &Rendered) -> Result<(), String>,
    /// Request headers of each client family.
    pub(crate) clients: Vec<HeaderMap>,
    /// What the adapter's clients need of a refusal beyond the common limits.
    pub(crate) check_denial: fn(DenialScope, &HeaderMap, &DenialBody) -> Result<(), String>,
}

/// A package's recorded upstream documents.
pub(crate) struct Fixture {
    /// For messages.
    pub(crate) name: &'static str,
    /// The package.
    pub(crate) package: &'static str,
    /// By [`DocumentRequest::kind`](super::DocumentRequest::kind).
    pub(crate) documents: Vec<(&'static str, UpstreamDocument)>,
    /// Every form it can be asked for.
    pub(crate) views: Vec<View>,
    /// Whether each version's spelling occurs in the documents as that version only (and not,
    /// say, in a dependency), so that any trace of it in a rendering is a leak.
    pub(crate) has_unmistakable_versions: bool,
}

impl Fixture {
    /// The document as adapters get it.
    pub(crate) fn upstream(url: &str, content_type: &str, bytes: &[u8]) -> UpstreamDocument {
        UpstreamDocument {
            bytes: bytes.to_vec().into(),
            digest: Digest::of(bytes),
            content_type: content_type.into(),
            url: Url::parse(url).unwrap(),
            files: [Url::parse("https://files.example/").unwrap()].into(),
            last_modified: None,
            upstream: "test".into(),
        }
    }

    /// Parses the documents a view needs.
    pub(crate) fn read(
        &self,
        registry: &dyn Registry,
        view: &View,
    ) -> Result<Box<dyn Document>, MetadataError> {
        let package = self.package(registry);
        let documents: Vec<Option<UpstreamDocument>> = registry
            .documents(&package, view)
            .iter()
            .map(|request| {
                let found = self
                    .documents
                    .iter()
                    .find(|(kind, _)| *kind == request.kind);
                assert!(
                    found.is_some() || request.is_optional,
                    "fixture {} lacks the {} document",
                    self.name,
                    request.kind
                );
                found.map(|(_, document)| document.clone())
            })
            .collect();
        registry.read(&package, &documents)
    }

    fn package(&self, registry: &dyn Registry) -> PackageName {
        registry.scheme().package(self.package).unwrap()
    }
}

/// The public address renderings are made for.
pub(crate) fn links(registry: &dyn Registry) -> Links {
    let base = format!(
        "http://cordon.example:4873/{}/",
        registry.scheme().ecosystem()
    );
    Links {
        base: Url::parse(&base).unwrap(),
    }
}

/// A request target below the mount, split the way `http::target` does.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    segments: Vec<String>,
    has_trailing_slash: bool,
    query: Option<String>,
}

impl Target {
    /// Splits a path (no leading slash) with an optional query.
    pub(crate) fn parse(path: &str) -> Self {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        let segments = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| {
                percent_encoding::percent_decode_str(segment)
                    .decode_utf8()
                    .unwrap()
                    .into_owned()
            })
            .collect();
        Self {
            segments,
            has_trailing_slash: path.ends_with('/'),
            query,
        }
    }

    /// Asks the adapter what it means.
    pub(crate) fn classify(
        &self,
        registry: &dyn Registry,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Route, RouteError> {
        registry.classify(&self.head(method, headers), &links(registry))
    }

    /// The request as adapters see it.
    pub(crate) fn head<'a>(
        &'a self,
        method: &'a Method,
        headers: &'a HeaderMap,
    ) -> RequestHead<'a> {
        RequestHead {
            method,
            segments: &self.segments,
            has_trailing_slash: self.has_trailing_slash,
            has_doubled_slash: false,
            query: self.query.as_deref(),
            headers,
        }
    }
}

/// The candidates an artifact request means, found as the engine finds them.
pub(crate) fn find(request: &ArtifactRequest, candidates: &[VersionFacts]) -> Vec<usize> {
    (0..candidates.len())
        .filter(|index| {
            let facts = &candidates[*index];
            let declares = |digest: &Digest| {
                facts
                    .declared
                    .known()
                    .is_some_and(|all| all.iter().any(|declared| declared == digest))
            };
            request.package == facts.subject().name
                && request
                    .version
                    .as_ref()
                    .is_none_or(|v| *v == facts.subject().version)
                && request
                    .file
                    .as_ref()
                    .is_none_or(|file| *file == facts.artifact.file)
                && request.expected.as_ref().is_none_or(declares)
        })
        .collect()
}

/// Makes one test of each property for the adapter a [`Suite`] describes.
macro_rules! registry_conformance {
    ($suite:expr) => {
        registry_conformance!(@tests $suite;
            normalising_is_idempotent,
            version_order_is_total,
            classify_never_panics,
            classify_inverts_our_addresses,
            every_listed_artifact_can_be_located,
            hidden_versions_appear_nowhere,
            allowing_all_keeps_what_upstream_sent,
            denials_fit_their_clients
        );
    };
    (@tests $suite:expr; $($property:ident),+) => {
        $(
            #[test]
            fn $property() {
                $crate::registry::conformance::$property(&$suite);
            }
        )+
    };
}
pub(crate) use registry_conformance;
