//! Makes a page of what a reader finds.
//!
//! Files that cannot be served safely are left out here, so that everything on the page can be
//! located: a name outside the grammar, a name that is no file of this project, an address with
//! credentials or of another file.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::change::{self, Sheet};
use cordon_policy::facts::{Fact, PackageFacts, Trust, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, Digests, FileName, PackageName, PackageVersion, Timestamp,
    Version,
};
use percent_encoding::percent_decode_str;
use smol_str::SmolStr;
use url::Url;

use super::SCHEME;
use super::file_name::FileNames;
use super::page::{File, Head, JsonSource, Page, Source, Status, malformed, resolve};
use super::versions::Versions;
use crate::registry::MetadataError;
use crate::registry::denial::ascii;

/// The status of a project whose files must not be offered (PEP 792).
pub(super) const QUARANTINED: &str = "quarantined";

/// Most files of one project. The largest projects have some ten thousand.
const MAX_FILES: usize = 100_000;
/// Most remarks kept about one page.
const MAX_REMARKS: usize = 8;

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
    /// As [`File::metadata`].
    pub(super) metadata: Option<Digests>,
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
    /// Beside `candidates`, for telling what changed.
    sheets: Vec<Sheet>,
    by_name: HashMap<SmolStr, usize>,
    /// Versions by their spelling in file names: wheels repeat them dozens of times.
    canonical: HashMap<SmolStr, Version>,
    has_dropped_files: bool,
    remarks: Vec<String>,
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
            similarity: Fact::NotYet,
            popularity: None,
            asked_in_vain: None,
        };
        Self {
            package,
            base,
            names: FileNames::new(SCHEME, package),
            versions,
            files: Vec::new(),
            candidates: Vec::new(),
            sheets: Vec::new(),
            by_name: HashMap::new(),
            canonical: HashMap::new(),
            has_dropped_files: false,
            remarks: Vec::new(),
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
        let (file, version, url) = match self.accept(&found) {
            Ok(accepted) => accepted,
            Err(why) => {
                self.drop_file(found.name, why);
                return Ok(());
            }
        };
        if let Some(at) = self.by_name.get(file.as_str()).copied() {
            self.drop_file(found.name, "it is named twice");
            let first = self.candidates.get_mut(at);
            return first
                .map_or(Ok(()), |first| merge_digests(first, found.digests))
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
        // From the file name alone: if the page's list had a say, a page that spells a version
        // anew would make the same file another one, without its pin (reliability.md INV-6).
        let canonical = match self.canonical.get(&version) {
            Some(known) => known.clone(),
            None => {
                let made = canonical(&version);
                self.canonical.insert(version, made.clone());
                made
            }
        };
        let subject = PackageVersion {
            name: self.package.clone(),
            version: canonical,
        };
        let artifact = ArtifactId {
            subject,
            file,
            kind: ArtifactKind::Archive,
        };
        self.sheets.push(Sheet {
            trust: match found.provenance {
                Some(_) => Trust::Provenance,
                None => Trust::Account,
            },
            size_bytes: found.size_bytes.known().copied(),
            series: series(found.name),
            ..Sheet::default()
        });
        self.candidates.push(VersionFacts {
            published_at: found.published_at,
            archive_sha256: None,
            declared: found.digests,
            size_bytes: found.size_bytes,
            is_yanked: found.is_yanked,
            has_provenance: Fact::Known(found.provenance.is_some()),
            ..VersionFacts::unknown(artifact, Arc::clone(&self.facts))
        });
        Ok(())
    }

    /// Name, version and address, if the file can be served safely.
    fn accept(&mut self, found: &Found<'_>) -> Result<(FileName, SmolStr, Url), &'static str> {
        let file = FileName::new(found.name).map_err(|_| "its name is no file name")?;
        let version = self.names.version(found.name);
        let version = version.ok_or("its name is not that of a file of this project")?;
        let url = resolve(&self.base, found.url)?;
        if !is_address_of(&url, found.name) {
            return Err("its address is that of another file");
        }
        Ok((file, version, url))
    }

    fn drop_file(&mut self, name: &str, why: &str) {
        self.has_dropped_files = true;
        if self.remarks.len() < MAX_REMARKS {
            let name = ascii(name, 100);
            self.remarks
                .push(format!("left out the file `{name}`: {why}"));
        }
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
            remarks: self.remarks,
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
        change::compare(SCHEME, &mut page.candidates, &self.sheets);
        page
    }
}

/// One spelling for the files of a version: PEP 440's normal form, so that `1.0-rc1` in an sdist's
/// name and `1.0rc1` in a wheel's are the same; what is not PEP 440 stays.
fn canonical(spelled: &str) -> Version {
    spelled.parse::<pep440_rs::Version>().map_or_else(
        |_| Version::verbatim(spelled),
        |version| Version::verbatim(version.to_string()),
    )
}

/// Which files are of one kind: wheels for the same platform, source archives of the same format.
fn series(file: &str) -> SmolStr {
    let Some(stem) = file.strip_suffix(".whl") else {
        return SmolStr::new(file.rsplit('.').next().unwrap_or_default());
    };
    // Python, ABI, platform.
    let tags = stem.rmatch_indices('-').nth(2);
    SmolStr::new(tags.map_or(stem, |(at, _)| stem.get(at + 1..).unwrap_or_default()))
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
        Some(status) if status.name == "deprecated" => Fact::Known(
            status
                .reason
                .clone()
                .unwrap_or_else(|| SmolStr::new_static("the project is deprecated")),
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

/// Whether the last path segment is the file's name: the page may say where a file is, not that
/// another file is this one (M-09, M-35).
fn is_address_of(url: &Url, file: &str) -> bool {
    url.path()
        .rsplit('/')
        .next()
        .is_some_and(|segment| percent_decode_str(segment).eq(file.bytes()))
}
