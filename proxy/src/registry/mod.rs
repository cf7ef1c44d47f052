//! Registry adapters: bytes in, bytes out. No sockets, no clock, no decisions.
//!
//! An adapter says what a request asks for ([`Registry::classify`]), which upstream documents
//! answer it ([`Registry::documents`]), what those documents tell about each candidate
//! ([`Registry::read`], [`Document::candidates`]), and how the answer looks once the engine has
//! said which candidates may be listed ([`Document::render`]). The engine fetches and decides.
//!
//! `read` returns a parsed [`Document`] instead of plain facts, so that a document is parsed once
//! and rendered many times: a changed verdict costs a copy, not a parse.

pub mod cargo;
#[cfg(test)]
pub(crate) mod conformance;
pub mod denial;
pub mod json;
pub mod npm;
pub mod pypi;
pub mod signature;

use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use cordon_policy::facts::VersionFacts;
use cordon_policy::inspect::manifest::Manifest;
use cordon_policy::model::{
    ArtifactKind, Digest, FileName, PackageName, PackageVersion, Scheme, Timestamp, Version,
};
use cordon_policy::verdict::Effect;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use smol_str::SmolStr;
use url::Url;

use self::signature::Signed;

/// Every adapter.
pub fn all() -> [&'static dyn Registry; 3] {
    [&npm::Npm, &pypi::PyPi, &cargo::Cargo]
}

/// One package protocol.
pub trait Registry: Send + Sync + 'static {
    /// Names and versions. The scheme's ecosystem is also the mount: `/npm/`, `/pypi/`, `/cargo/`.
    fn scheme(&self) -> &'static dyn Scheme;

    /// What a request below the mount asks for. The path was split and decoded once, strictly, by
    /// `http::target`; nothing downstream sees the raw string. `links` is for fixed answers that
    /// name this Cordon's own address (cargo's `config.json`).
    ///
    /// # Errors
    /// What is outside the protocol's grammar, with the status to answer.
    fn classify(&self, request: &RequestHead<'_>, links: &Links) -> Result<Route, RouteError>;

    /// The upstream documents that answer for a package under a view; the first tells of the
    /// candidates, the rest are needed beside it.
    fn documents(&self, package: &PackageName, view: &View) -> Vec<DocumentRequest>;

    /// Parses the documents named by [`documents`](Self::documents), in that order. An optional
    /// document upstream does not have is `None`.
    ///
    /// # Errors
    /// A document no answer can be made from. The engine answers 502; the original is never
    /// passed on.
    fn read(
        &self,
        package: &PackageName,
        documents: &[Option<UpstreamDocument>],
    ) -> Result<Box<dyn Document>, MetadataError>;

    /// Reads search results or a catalogue, so that what may not be had is not advertised.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn read_catalog(&self, document: &UpstreamDocument) -> Result<Box<dyn Catalog>, MetadataError>;

    /// Where an upstream lists the keys it signs with; `None` where registries sign nothing.
    fn keys(&self) -> Option<DocumentRequest> {
        None
    }

    /// The refusal in the form this request's client prints (protocols.md §5).
    fn deny(&self, denial: &Denial<'_>, request: &RequestHead<'_>) -> DenialBody;

    /// Any other error (404, 405, 502, …) in the protocol's own form.
    fn error(&self, status: StatusCode, message: &str) -> DenialBody;

    /// How documents treat a candidate that may not be had for this verdict: left out, or listed
    /// with a mark that makes resolvers avoid it (protocols.md §9), so that whoever pinned it is
    /// told why. The artifact is refused either way.
    fn withheld_as(&self, _effect: Effect) -> Entry {
        Entry::Hidden
    }

    /// First path segment this adapter also answers at the host's root, outside its mount, because
    /// some client drops the mount from an address (npm: `-`, for `/-/npm/v1/…`). Such a request
    /// is classified as if it had come below the mount, this segment included.
    fn root_segment(&self) -> Option<&'static str> {
        None
    }

    /// The three or four lines a developer pastes to use this registry at `base`.
    fn client_setup(&self, base: &Url) -> String;
}

/// A parsed upstream document.
pub trait Document: Send + Sync {
    /// Every candidate it tells of, in document order, with all facts metadata can give; history
    /// is left empty for the engine.
    fn candidates(&self) -> &[VersionFacts];

    /// The document for the client: only listed candidates, our addresses, tags repaired, unknown
    /// fields kept.
    ///
    /// # Errors
    /// If it cannot be made; the engine answers 502.
    fn render(
        &self,
        listing: &Listing<'_>,
        view: &View,
        links: &Links,
    ) -> Result<Rendered, MetadataError>;

    /// Where upstream keeps the bytes of the candidate at `index` (of [`candidates`]) and what
    /// they must be.
    ///
    /// [`candidates`]: Self::candidates
    ///
    /// # Errors
    /// If the document gives no usable address.
    fn locate(&self, index: usize) -> Result<ArtifactSource, MetadataError>;

    /// The file that derives from a candidate's archive (core metadata, provenance), when upstream
    /// offers it: its declared digests and where it is.
    fn locate_derived(
        &self,
        index: usize,
        kind: ArtifactKind,
    ) -> Option<Result<ArtifactSource, MetadataError>>;

    /// The versions of other packages without which the candidate at `index` cannot be installed
    /// (release trains): those it requires exactly, or at least at its own version. A few dozen at
    /// most; empty where the document does not tell.
    fn pins(&self, index: usize) -> Vec<Pin> {
        let _ = index;
        Vec::new()
    }

    /// What the document says in the place of the manifest inside the archive of the candidate at
    /// `index`, for comparing the two ([`agree`](cordon_policy::inspect::manifest::agree())). Made
    /// when asked for, since it takes parsing; `None` where the document tells nothing of the kind.
    fn declared(&self, index: usize) -> Option<Manifest> {
        let _ = index;
        None
    }

    /// What the registry signed of the candidate at `index`, or should have. Made when asked for;
    /// `None` where there is nothing of the kind.
    fn signed(&self, index: usize) -> Option<Signed> {
        let _ = index;
        None
    }

    /// Whether the project is left without any release: there is none, or only the registry's
    /// placeholder for what it took down.
    fn is_emptied(&self) -> bool {
        self.candidates().is_empty()
    }

    /// What the document had that no answer will have, one sentence each, for the log: entries
    /// outside the ecosystem's grammar, contradictions, unusable addresses. A few at most.
    fn remarks(&self) -> &[String] {
        &[]
    }

    /// Approximate memory held, in bytes.
    fn weight_bytes(&self) -> usize;
}

/// A version of another package that a version cannot be installed without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The version.
    pub subject: PackageVersion,
    /// Whether installers go on without it when there is no such version.
    pub is_optional: bool,
}

/// A parsed search answer or catalogue.
pub trait Catalog: Send + Sync {
    /// What is known about each result, in order. Made one at a time: PyPI's list of projects has
    /// more than half a million entries, which as facts would take several hundred megabytes.
    fn entries(&self) -> Box<dyn Iterator<Item = VersionFacts> + '_>;

    /// The answer with only the entries for which `keep` is true. An entry beyond the end of
    /// `keep` is dropped.
    ///
    /// # Errors
    /// If it cannot be made.
    fn render(&self, keep: &[bool], view: &View, links: &Links) -> Result<Rendered, MetadataError>;
}

/// A request as adapters see it.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// `GET`, `HEAD`, or what the client sent.
    pub method: &'a Method,
    /// Path segments below the mount, percent-decoded once, none empty, `.` or `..`. An encoded
    /// slash inside a segment has become a `/` in it.
    pub segments: &'a [String],
    /// Whether the path ended in `/`.
    pub has_trailing_slash: bool,
    /// Whether the path had exactly one doubled slash after the first segment below the mount
    /// (pipenv's `/simple//name/`); any other doubled slash was refused.
    pub has_doubled_slash: bool,
    /// The query, not decoded, without `?`.
    pub query: Option<&'a str>,
    /// Headers, for content negotiation and the form of refusals; never for policy.
    pub headers: &'a HeaderMap,
}

impl RequestHead<'_> {
    /// The `User-Agent`, empty if there is none or it is not visible ASCII.
    pub fn user_agent(&self) -> &str {
        self.headers
            .get(http::header::USER_AGENT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A document about one package.
    Metadata {
        /// The package.
        package: PackageName,
        /// Which form of it.
        view: View,
    },
    /// A file.
    Artifact(ArtifactRequest),
    /// Search results or a list of packages, filtered by name.
    Catalog {
        /// Path and query below the upstream's base.
        request: DocumentRequest,
        /// The form asked for.
        view: View,
    },
    /// An answer that needs no upstream and no package: `config.json`, ping.
    Static(Rendered),
    /// The same resource under its proper spelling: a path below the mount, starting without `/`.
    Redirect(String),
    /// JSON passed through byte for byte from a fixed upstream path: keys, attestations. Never
    /// artifact bytes.
    Forward {
        /// Path below the upstream's base.
        request: DocumentRequest,
        /// The package it is about, which must not be one whose name may not leave the house.
        package: Option<PackageName>,
        /// The version it is about: while that is withheld it is refused as the file
        /// would be, because an attestation tells the digest of the file.
        version: Option<Version>,
    },
    /// Publishing and the like: refused without contacting upstream.
    Refuse {
        /// 403 or 405.
        status: StatusCode,
        /// What to tell.
        message: &'static str,
    },
}

/// A file, as asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArtifactRequest {
    /// The package.
    pub package: PackageName,
    /// The version, where the path names it apart from the file name.
    pub version: Option<Version>,
    /// The file, where the path names it; cargo's path does not.
    pub file: Option<FileName>,
    /// Which of the version's files.
    pub kind: ArtifactKind,
    /// A digest the client put into the address (cargo's `{sha256-checksum}`): must be the one
    /// the registry declares.
    pub expected: Option<Digest>,
}

/// A form of a document. Opaque outside its adapter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The adapter's name for the form: `packument`, `abbreviated`, `simple-json`, ….
    pub form: &'static str,
    /// A parameter, such as the version or tag of a single-version document.
    pub argument: Option<SmolStr>,
}

impl View {
    /// A form without a parameter.
    pub const fn plain(form: &'static str) -> Self {
        Self {
            form,
            argument: None,
        }
    }
}

/// A document to be had from upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRequest {
    /// Which document, for the cache key: `packument`, `simple`, `index`, `config`.
    pub kind: &'static str,
    /// Canonical name it is about, for the cache key.
    pub name: SmolStr,
    /// Path below the upstream's base address, percent-encoded, without a leading slash. `../` is
    /// allowed at the start only (PyPI's JSON API lies beside the simple index).
    pub path: String,
    /// `Accept` to send.
    pub accept: &'static str,
    /// Whether upstream may be without it. That asking for it fails is a failure either way.
    pub is_optional: bool,
    /// Whether it is kept for the next request: not the answers to searches, of which there are as
    /// many as there are questions.
    pub is_kept: bool,
}

/// A document as upstream sent it, decoded from any content coding.
#[derive(Clone, Debug)]
pub struct UpstreamDocument {
    /// The bytes.
    pub bytes: Bytes,
    /// SHA-256 of them.
    pub digest: Digest,
    /// Media type, lower-case, without parameters.
    pub content_type: SmolStr,
    /// The address it was had from, against which relative addresses are resolved.
    pub url: Url,
    /// Origins, besides that of `url`, upstream's files may be had from.
    pub files: Arc<[Url]>,
    /// Upstream's `Last-Modified`, if any.
    pub last_modified: Option<SmolStr>,
    /// Id of the upstream.
    pub upstream: SmolStr,
}

/// Which candidates may be listed, by index of [`Document::candidates`].
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// One verdict per candidate.
    pub entries: &'a [Entry],
}

/// The verdict about one candidate, as far as rendering cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Listed as upstream has it.
    Listed,
    /// Not listed.
    Hidden,
    /// Listed, but marked as yanked so that resolvers avoid it, because builds that pin it then get
    /// the reason at the artifact instead of "no such package".
    Demoted,
}

/// Public addresses of this Cordon, from configuration only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// The registry's base as clients know it, ending in `/`: `http://127.0.0.1:4873/npm/`.
    pub base: Url,
}

/// A document ready for a client, before content coding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The bytes.
    pub body: Bytes,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Last-Modified`, when the protocol has one.
    pub last_modified: Option<LastModified>,
    /// Request headers the form depends on, besides `Accept-Encoding`.
    pub vary: &'static str,
}

/// The date of a document, as HTTP writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastModified {
    /// What is served under this date is always the same: a client may revalidate by it alone.
    Validator(String),
    /// It is upstream's and stays when a verdict changes: a client that asked by it alone would
    /// never learn of a block, so it is told but answers no condition.
    Information(String),
}

impl LastModified {
    /// The date.
    pub fn date(&self) -> &str {
        match self {
            Self::Validator(date) | Self::Information(date) => date,
        }
    }

    /// The date, if it answers `If-Modified-Since`.
    pub fn validator(&self) -> Option<&str> {
        match self {
            Self::Validator(date) => Some(date),
            Self::Information(_) => None,
        }
    }
}

/// Where bytes are and what they must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactSource {
    /// Absolute address, resolved against the document's.
    pub url: Url,
    /// Declared digests.
    pub digests: cordon_policy::model::Digests,
    /// Declared size, when there is one.
    pub size_bytes: Option<u64>,
}

/// A refusal by policy, in the terms every client form is made from.
#[derive(Clone, Debug)]
pub struct Denial<'a> {
    /// What is refused: a purl of a package or a version.
    pub subject: String,
    /// Whether all of a package is refused (its document) or one file.
    pub scope: DenialScope,
    /// The verdict.
    pub effect: Effect,
    /// Rule and code: `minimum-age/too-young`.
    pub code: String,
    /// The deciding finding's sentence.
    pub reason: &'a str,
    /// When time alone ends it.
    pub until: Option<Timestamp>,
    /// The nearest version that may be had.
    pub nearest_allowed: Option<&'a str>,
    /// The record.
    pub decision: &'a DecisionId,
    /// Where the record can be read: `{public}/why/{id}`.
    pub why_url: String,
    /// Whom to ask, from configuration.
    pub contact: Option<&'a str>,
}

/// What is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialScope {
    /// The document of a package of which nothing may be had.
    Package,
    /// A file.
    Artifact,
}

/// A refusal or error in a protocol's own form.
#[derive(Clone, Debug)]
pub struct DenialBody {
    /// Status.
    pub status: StatusCode,
    /// HTTP/1.1 reason phrase: visible ASCII and spaces, at most 150 characters. `None`: the
    /// canonical one.
    pub phrase: Option<String>,
    /// `Content-Type`.
    pub content_type: HeaderValue,
    /// Body.
    pub body: Bytes,
    /// Further headers (`npm-notice`).
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// A request outside the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RouteError {
    /// 400, 404, 405 or 406.
    pub status: StatusCode,
    /// What to tell; names the thing.
    pub message: String,
}

/// A document no answer can be made from.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Not the format it should be.
    #[error("reading the {document} of {subject}: {why}")]
    Malformed {
        /// Which document.
        document: &'static str,
        /// Of what.
        subject: String,
        /// What is wrong, with the place where known.
        why: String,
    },
    /// An address in it cannot be used.
    #[error("{subject} has the unusable address `{url}`: {why}")]
    Address {
        /// Of what.
        subject: String,
        /// The address, cut to a printable length.
        url: String,
        /// Why.
        why: String,
    },
    /// The view asks for something that is not there (a version or tag): answered 404.
    #[error("{what}")]
    NotFound {
        /// What is not there.
        what: String,
    },
}
