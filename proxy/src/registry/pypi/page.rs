//! The model of a project's page, whichever form upstream sent it in.
//!
//! Each file is a candidate of its own: PyPI lets files be added to an old release, so the age and
//! the verdict belong to the file (conformance item 69).

use bytes::Bytes;
use cordon_policy::facts::{Change, VersionFacts};
use cordon_policy::inspect::manifest::Manifest;
use cordon_policy::model::{ArtifactKind, DigestAlgorithm, Digests, PackageName};
use smol_str::SmolStr;
use url::Url;

use super::json::{Span, unquote};
use super::legacy::Legacy;
use super::versions::Versions;
use crate::registry::{
    ArtifactSource, Document, Entry, Links, Listing, MetadataError, Rendered, View,
};

/// A parsed page.
pub(super) struct Page {
    pub(super) package: PackageName,
    /// The upstream document, for what is copied from it; empty when that was HTML.
    pub(super) bytes: Bytes,
    /// Against which relative addresses are resolved.
    pub(super) base: Url,
    pub(super) head: Head,
    pub(super) versions: Versions,
    /// One for each candidate.
    pub(super) files: Vec<File>,
    pub(super) candidates: Vec<VersionFacts>,
    /// Whether the page named files that are not candidates.
    pub(super) has_dropped_files: bool,
    /// Why files were left out, a few of them.
    pub(super) remarks: Vec<String>,
    /// The legacy JSON document, when it was asked for.
    pub(super) legacy: Option<Legacy>,
}

/// What a page says besides its files.
#[derive(Debug)]
pub(super) struct Head {
    /// `1.` and a number.
    pub(super) api_version: SmolStr,
    pub(super) status: Option<Status>,
    /// PyPI's serial number of the page.
    pub(super) last_serial: Option<u64>,
    /// The members of a JSON page in order; `None` for a page read from HTML.
    pub(super) members: Option<Vec<Member>>,
}

/// The status of a project.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) name: SmolStr,
    pub(super) reason: Option<SmolStr>,
}

/// A member of a JSON page.
#[derive(Debug)]
pub(super) enum Member {
    /// `files`.
    Files,
    /// `name`.
    Name,
    /// `versions`, as upstream has it.
    Versions(Span),
    /// Anything else: its name and value as they are written now.
    Kept {
        /// The name, decoded.
        name: SmolStr,
        /// The value.
        value: Value,
    },
}

/// A value that is copied or was replaced when the page was read.
#[derive(Debug)]
pub(super) enum Value {
    /// In the document.
    Copied(Span),
    /// Made here: JSON text.
    Replaced(Box<str>),
}

impl Value {
    pub(super) fn text<'a>(&'a self, document: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Copied(span) => span.bytes(document),
            Self::Replaced(text) => text.as_bytes(),
        }
    }
}

/// What rendering and locating need of a file, beside its facts.
#[derive(Debug)]
pub(super) struct File {
    pub(super) requires_python: Option<SmolStr>,
    /// Digests of the core metadata upstream offers as a file of its own; never empty. Offered
    /// without a digest it could not be verified, so that clients are told to read the archive.
    pub(super) metadata: Option<Digests>,
    pub(super) source: Source,
    /// Index into [`Page::versions`].
    pub(super) version: u32,
}

/// Where a file stands in the upstream document.
#[derive(Debug)]
pub(super) enum Source {
    /// In a JSON page.
    Json(JsonSource),
    /// In an HTML page: absolute addresses.
    Html {
        url: Box<str>,
        provenance: Option<Box<str>>,
    },
}

/// Spans of the values a rendering replaces.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonSource {
    /// The whole object.
    pub(super) object: Span,
    pub(super) url: Span,
    /// Only if it is an address.
    pub(super) provenance: Option<Span>,
    /// Offers of core metadata that are taken back.
    pub(super) withdrawn: [Option<Span>; 3],
}

/// Resolves an address of a page, refusing what no honest page holds: other schemes, credentials,
/// backslashes, which browsers and libraries read differently (reliability.md M-06 to M-08, M-33).
///
/// Whether the host may be asked is the fetcher's decision.
pub(super) fn resolve(base: &Url, text: &str) -> Result<Url, &'static str> {
    if text
        .bytes()
        .any(|byte| byte == b'\\' || byte.is_ascii_control())
    {
        return Err("its address holds a backslash or control characters");
    }
    let mut url = base.join(text).map_err(|_| "its address is no URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its address is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its address holds credentials");
    }
    url.set_fragment(None);
    Ok(url)
}

pub(super) fn malformed(
    document: &'static str,
    package: &PackageName,
    why: impl ToString,
) -> MetadataError {
    MetadataError::Malformed {
        document,
        subject: package.purl(),
        why: why.to_string(),
    }
}

impl Page {
    /// Which files are shown: by index, whether and how. A candidate without an entry is hidden.
    pub(super) fn shown<'a>(
        &'a self,
        listing: &'a Listing<'_>,
    ) -> impl Iterator<Item = (usize, &'a File, &'a VersionFacts, &'a Entry)> {
        self.files
            .iter()
            .zip(&self.candidates)
            .zip(listing.entries)
            .enumerate()
            .filter(|(_, (_, entry))| **entry != Entry::Hidden)
            .map(|(index, ((file, facts), entry))| (index, file, facts, entry))
    }

    /// Whether everything upstream names is shown.
    pub(super) fn is_complete(&self, listing: &Listing<'_>) -> bool {
        !self.has_dropped_files && self.shown(listing).count() == self.files.len()
    }

    fn address(&self, index: usize, text: &str) -> Result<Url, MetadataError> {
        resolve(&self.base, text).map_err(|why| MetadataError::Address {
            subject: self
                .candidates
                .get(index)
                .map_or_else(|| self.package.purl(), |facts| facts.artifact.to_string()),
            url: text.chars().take(200).collect(),
            why: why.to_owned(),
        })
    }

    fn file(&self, index: usize) -> Result<&File, MetadataError> {
        self.files
            .get(index)
            .ok_or_else(|| MetadataError::NotFound {
                what: format!("{} has no file number {index}", self.package.purl()),
            })
    }

    fn file_url(&self, index: usize) -> Result<Url, MetadataError> {
        match &self.file(index)?.source {
            Source::Json(json) => {
                let text = unquote(json.url.text(&self.bytes)).unwrap_or_default();
                self.address(index, &text)
            }
            Source::Html { url, .. } => self.address(index, url),
        }
    }

    fn provenance_url(&self, index: usize) -> Option<Result<Url, MetadataError>> {
        match &self.files.get(index)?.source {
            Source::Json(json) => {
                let text = unquote(json.provenance?.text(&self.bytes))?;
                Some(self.address(index, &text))
            }
            Source::Html { provenance, .. } => Some(self.address(index, provenance.as_deref()?)),
        }
    }
}

impl Document for Page {
    fn candidates(&self) -> &[VersionFacts] {
        &self.candidates
    }

    fn render(
        &self,
        listing: &Listing<'_>,
        view: &View,
        links: &Links,
    ) -> Result<Rendered, MetadataError> {
        super::render::render(self, listing, view, links)
    }

    fn locate(&self, index: usize) -> Result<ArtifactSource, MetadataError> {
        let url = self.file_url(index)?;
        let facts = self.candidates.get(index);
        Ok(ArtifactSource {
            url,
            digests: facts
                .and_then(|facts| facts.declared.known())
                .cloned()
                .unwrap_or_default(),
            size_bytes: facts.and_then(|facts| facts.size_bytes.known()).copied(),
        })
    }

    fn locate_derived(
        &self,
        index: usize,
        kind: ArtifactKind,
    ) -> Option<Result<ArtifactSource, MetadataError>> {
        let source = |url, digests| ArtifactSource {
            url,
            digests,
            size_bytes: None,
        };
        match kind {
            ArtifactKind::Archive => None,
            ArtifactKind::CoreMetadata => {
                let digests = self.files.get(index)?.metadata.clone()?;
                Some(self.file_url(index).map(|mut url| {
                    url.set_path(&format!("{}.metadata", url.path()));
                    source(url, digests)
                }))
            }
            ArtifactKind::Provenance => Some(
                self.provenance_url(index)?
                    .map(|url| source(url, Digests::none())),
            ),
        }
    }

    /// A page tells of the file's metadata only which Python it is for, and the digest of the rest.
    fn declared(&self, index: usize) -> Option<Manifest> {
        let (file, facts) = (self.files.get(index)?, self.candidates.get(index)?);
        let subject = facts.subject();
        let digests = file.metadata.as_ref();
        Some(Manifest {
            name: Some(subject.name.normalized().to_owned()),
            version: Some(subject.version.to_string()),
            requires_python: file.requires_python.as_ref().map(|it| it.to_string()),
            core_metadata_sha256: digests
                .and_then(|it| it.get(DigestAlgorithm::Sha256))
                .cloned(),
            ..Manifest::default()
        })
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn weight_bytes(&self) -> usize {
        let each = size_of::<VersionFacts>() + size_of::<Change>() + size_of::<File>() + 96;
        self.bytes.len()
            + self.candidates.len() * each
            + self.versions.weight_bytes()
            + self.legacy.as_ref().map_or(0, Legacy::weight_bytes)
    }
}
