//! The model of a project's page, whichever form upstream sent it in.
//!
//! Each file is a candidate of its own: PyPI lets files be added to an old release, so the age and
//! the verdict belong to the file (conformance item 69). Files that cannot be served safely are
//! left out here, so that everything on the page can be located: a name outside the grammar, a
//! name that is no file of this project, an address with credentials or of another file.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::facts::{Fact, PackageFacts, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, Digests, FileName, PackageName, PackageVersion, Timestamp,
    Version,
};
use percent_encoding::percent_decode_str;
use smol_str::SmolStr;
use url::Url;

use super::SCHEME;
use super::file_name::FileNames;
use super::json::{Span, unquote};
use super::legacy::Legacy;
use super::versions::Versions;
use crate::registry::{
    ArtifactSource, Document, Entry, Links, Listing, MetadataError, Rendered, View,
};

/// The status of a project whose files must not be offered (PEP 792).
pub(super) const QUARANTINED: &str = "quarantined";

/// Most files of one project. The largest projects have some ten thousand.
const MAX_FILES: usize = 100_000;

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
    pub(super) metadata: Sibling,
    pub(super) source: Source,
    /// Index into [`Page::versions`].
    pub(super) version: u32,
}

/// Whether upstream offers a wheel's core metadata as a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sibling {
    /// No.
    None,
    /// Yes, with these digests (possibly none).
    Offered(Digests),
    /// Yes, with a digest nobody can check.
    Unusable,
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
    pub(super) yanked: Option<Span>,
}

/// A file as a reader found it.
pub(super) struct Found<'a> {
    pub(super) name: &'a str,
    /// As written: absolute or relative.
    pub(super) url: &'a str,
    pub(super) provenance: Option<&'a str>,
    pub(super) digests: Fact<Digests>,
    pub(super) size_bytes: Fact<u64>,
    pub(super) published_at: Fact<Timestamp>,
    pub(super) is_yanked: Fact<Option<SmolStr>>,
    pub(super) requires_python: Option<SmolStr>,
    pub(super) metadata: Sibling,
    /// Where it stands in a JSON page; `None` in HTML.
    pub(super) json: Option<JsonSource>,
}

/// Builds a page from what a reader finds.
pub(super) struct PageBuilder<'a> {
    package: &'a PackageName,
    base: Url,
    names: FileNames<'a>,
    versions: Versions,
    files: Vec<File>,
    candidates: Vec<VersionFacts>,
    by_name: BTreeMap<SmolStr, usize>,
    has_dropped_files: bool,
    facts: Arc<PackageFacts>,
}

impl<'a> PageBuilder<'a> {
    /// `versions` as upstream lists them, empty if it does not.
    pub(super) fn new(
        package: &'a PackageName,
        upstream: SmolStr,
        base: Url,
        versions: Versions,
        status: Option<&Status>,
    ) -> Self {
        let facts = PackageFacts {
            name: package.clone(),
            // Known only after the last file.
            first_published_at: Fact::NotYet,
            status: status.map_or(Fact::Absent, |status| Fact::Known(status.name.clone())),
            upstream,
        };
        Self {
            package,
            base,
            names: FileNames::new(SCHEME, package),
            versions,
            files: Vec::new(),
            candidates: Vec::new(),
            by_name: BTreeMap::new(),
            has_dropped_files: false,
            facts: Arc::new(facts),
        }
    }

    /// Adds a file, or drops it if it cannot be served safely.
    ///
    /// # Errors
    /// If the page gives the file twice with different digests (reliability.md M-42), or too many
    /// files.
    pub(super) fn push(&mut self, found: Found<'_>) -> Result<(), MetadataError> {
        if self.files.len() >= MAX_FILES {
            let why = format!("it names more than {MAX_FILES} files");
            return Err(malformed("simple page", self.package, why));
        }
        let Some((file, version, url)) = self.accept(&found) else {
            self.has_dropped_files = true;
            return Ok(());
        };
        if let Some(first) = self
            .by_name
            .get(file.as_str())
            .and_then(|at| self.candidates.get_mut(*at))
        {
            self.has_dropped_files = true;
            return merge_digests(first, found.digests)
                .map_err(|why| malformed("simple page", self.package, why));
        }
        let source = match found.json {
            Some(json) => Source::Json(json),
            None => Source::Html {
                url: String::from(url).into(),
                provenance: found
                    .provenance
                    .and_then(|text| resolve(&self.base, text).ok())
                    .map(|url| String::from(url).into()),
            },
        };
        self.by_name
            .insert(SmolStr::new(file.as_str()), self.candidates.len());
        self.files.push(File {
            requires_python: found.requires_python,
            metadata: found.metadata,
            source,
            version: self.versions.index_of(&version),
        });
        let version = self.versions.at(self.files.last().map_or(0, |f| f.version));
        let subject = PackageVersion {
            name: self.package.clone(),
            version: Version::verbatim(version),
        };
        let artifact = ArtifactId {
            subject,
            file,
            kind: ArtifactKind::Archive,
        };
        self.candidates.push(VersionFacts {
            published_at: found.published_at,
            declared: found.digests,
            size_bytes: found.size_bytes,
            is_yanked: found.is_yanked,
            has_provenance: Fact::Known(found.provenance.is_some()),
            ..VersionFacts::unknown(artifact, Arc::clone(&self.facts))
        });
        Ok(())
    }

    /// Name, version and address, if the file can be served safely.
    fn accept(&mut self, found: &Found<'_>) -> Option<(FileName, SmolStr, Url)> {
        let file = FileName::new(found.name).ok()?;
        let version = self.names.version(found.name)?;
        let url = resolve(&self.base, found.url).ok()?;
        is_address_of(&url, found.name).then_some((file, version, url))
    }

    /// The page, with what only all files together tell.
    pub(super) fn finish(self, head: Head, bytes: Bytes) -> Page {
        let is_quarantined = head
            .status
            .as_ref()
            .is_some_and(|status| status.name == QUARANTINED);
        let mut page = Page {
            package: self.package.clone(),
            bytes,
            base: self.base,
            head,
            versions: self.versions,
            files: self.files,
            candidates: self.candidates,
            has_dropped_files: self.has_dropped_files,
            legacy: None,
        };
        let facts = Arc::new(PackageFacts {
            first_published_at: first_published(&page.candidates),
            ..(*self.facts).clone()
        });
        let deprecated = deprecation(page.head.status.as_ref());
        for candidate in &mut page.candidates {
            candidate.package = Arc::clone(&facts);
            candidate.deprecated.clone_from(&deprecated);
        }
        if is_quarantined && !page.files.is_empty() {
            page.files.clear();
            page.candidates.clear();
            page.has_dropped_files = true;
        }
        page
    }
}

/// The earliest upload among the files still there. Unknown uploads are left out, which can only
/// make the project look younger.
fn first_published(candidates: &[VersionFacts]) -> Fact<Timestamp> {
    let known = candidates
        .iter()
        .filter_map(|candidate| candidate.published_at.known());
    if let Some(first) = known.min() {
        return Fact::Known(*first);
    }
    candidates
        .iter()
        .map(|candidate| &candidate.published_at)
        .find(|fact| matches!(fact, Fact::Unavailable(_)))
        .cloned()
        .unwrap_or(Fact::Absent)
}

fn deprecation(status: Option<&Status>) -> Fact<SmolStr> {
    match status {
        Some(status) if matches!(status.name.as_str(), "deprecated" | "archived") => Fact::Known(
            status
                .reason
                .clone()
                .unwrap_or_else(|| SmolStr::from(format!("the project is {}", status.name))),
        ),
        Some(_) | None => Fact::Absent,
    }
}

/// A file named twice must be the same file: both sets of digests are then demanded of it.
fn merge_digests(first: &mut VersionFacts, second: Fact<Digests>) -> Result<(), String> {
    let is_same = match (&mut first.declared, second) {
        (_, Fact::Absent | Fact::NotYet) => true,
        (declared @ (Fact::Absent | Fact::NotYet), second) => {
            *declared = second;
            true
        }
        (Fact::Known(known), Fact::Known(more)) => {
            let agrees = |digest: &Digest| {
                let other = known.get(digest.algorithm());
                other.is_none_or(|other| other == digest)
            };
            let is_same = more.iter().all(agrees);
            more.iter().for_each(|digest| known.insert(digest.clone()));
            is_same
        }
        (first, second) => *first == second,
    };
    if is_same {
        return Ok(());
    }
    Err(format!(
        "it names {} twice, with different digests",
        first.artifact.file
    ))
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
        return Err("it holds a backslash or control characters");
    }
    let mut url = base.join(text).map_err(|_| "it is no URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its scheme is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds credentials");
    }
    url.set_fragment(None);
    Ok(url)
}

/// Whether the last path segment is the file's name: the page may say where a file is, not that
/// another file is this one (M-09, M-35).
fn is_address_of(url: &Url, file: &str) -> bool {
    url.path()
        .rsplit('/')
        .next()
        .is_some_and(|segment| percent_decode_str(segment).eq(file.bytes()))
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
            ArtifactKind::CoreMetadata => match &self.files.get(index)?.metadata {
                Sibling::None => None,
                Sibling::Unusable => Some(Err(malformed(
                    "simple page",
                    &self.package,
                    "the digest of a core metadata file is not one",
                ))),
                Sibling::Offered(digests) => Some(self.file_url(index).map(|mut url| {
                    url.set_path(&format!("{}.metadata", url.path()));
                    source(url, digests.clone())
                })),
            },
            ArtifactKind::Provenance => Some(
                self.provenance_url(index)?
                    .map(|url| source(url, Digests::none())),
            ),
        }
    }

    fn weight_bytes(&self) -> usize {
        let each = size_of::<VersionFacts>() + size_of::<File>() + 96;
        self.bytes.len()
            + self.candidates.len() * each
            + self.versions.weight_bytes()
            + self.legacy.as_ref().map_or(0, Legacy::weight_bytes)
    }
}
