//! The legacy JSON API: `/pypi/{name}/json` and `/pypi/{name}/{version}/json`.
//!
//! It lists every file address, so it is filtered by the verdicts on the simple page's files: a
//! file the page does not name, or under which it names other digests, is not shown. What the
//! document tells about the project comes from one release (`info`); when that one is withheld,
//! its place is taken by the newest release that is shown, and what only the withheld release said
//! goes.

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_policy::facts::{Fact, VersionFacts};
use cordon_policy::model::{Digest, DigestAlgorithm, Version};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::SCHEME;
use super::json::{Members, Span, is_null, is_tame, push_string, string};
use super::page::{Page, malformed};
use super::render::{DEMOTED, files_base, is_yanked, segment};
use crate::registry::{Entry, Links, Listing, MetadataError, UpstreamDocument};

const DOCUMENT: &str = "legacy JSON document";

/// A parsed legacy document.
pub(super) struct Legacy {
    bytes: Bytes,
    members: Vec<(SmolStr, Part)>,
    /// `info.version`.
    version: Version,
}

/// A member of the document.
enum Part {
    Info(Vec<(SmolStr, Span)>),
    Urls(Vec<LegacyFile>),
    Releases(Vec<(SmolStr, Vec<LegacyFile>)>),
    /// About the release of `info`.
    Vulnerabilities(Span),
    Kept(Span),
}

/// A file the simple page names too.
struct LegacyFile {
    /// Index of the candidate.
    candidate: usize,
    object: Span,
    url: Span,
    yanked: Option<Span>,
    yanked_reason: Option<Span>,
}

/// Reads the document beside its page.
///
/// # Errors
/// Not JSON, without `info.version`, or about another project.
pub(super) fn read(page: &Page, document: &UpstreamDocument) -> Result<Legacy, MetadataError> {
    Reader::new(page, document)
        .and_then(|reader| reader.read(document))
        .map_err(|why| malformed(DOCUMENT, &page.package, why))
}

struct Reader<'a> {
    page: &'a Page,
    text: &'a str,
    by_name: BTreeMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    fn new(page: &'a Page, document: &'a UpstreamDocument) -> Result<Self, String> {
        let text = std::str::from_utf8(&document.bytes).map_err(|error| error.to_string())?;
        let by_name = page
            .candidates
            .iter()
            .enumerate()
            .map(|(index, facts)| (facts.artifact.file.as_str(), index))
            .collect();
        Ok(Self {
            page,
            text,
            by_name,
        })
    }

    fn read(&self, document: &UpstreamDocument) -> Result<Legacy, String> {
        let top: Members<'_> =
            serde_json::from_str(self.text).map_err(|error| error.to_string())?;
        let mut version = None;
        let mut members = Vec::with_capacity(top.0.len());
        for (name, raw) in &top.0 {
            if !is_tame(raw) {
                return Err(format!(
                    "`{name}` is nested too deeply or holds a giant number"
                ));
            }
            let part = match name.as_ref() {
                "info" => {
                    let info: Members<'_> = serde_json::from_str(raw.get())
                        .map_err(|error| format!("`info`: {error}"))?;
                    version = info.get("version").and_then(string).map(SmolStr::new);
                    self.check_name(&info)?;
                    Part::Info(self.spans(&info)?)
                }
                "urls" => Part::Urls(self.files(raw)?),
                "releases" => Part::Releases(self.releases(raw)?),
                "vulnerabilities" => Part::Vulnerabilities(self.span(raw)?),
                _ => Part::Kept(self.span(raw)?),
            };
            members.push((SmolStr::new(name), part));
        }
        Ok(Legacy {
            bytes: document.bytes.clone(),
            members,
            version: Version::verbatim(version.ok_or("`info.version` is missing")?),
        })
    }

    fn check_name(&self, info: &Members<'_>) -> Result<(), String> {
        let name = info.get("name").and_then(string).unwrap_or_default();
        match SCHEME.package(&name) {
            Ok(found) if found == self.page.package => Ok(()),
            Ok(found) => Err(format!("it is about {}", found.purl())),
            Err(error) => Err(error.to_string()),
        }
    }

    fn span(&self, raw: &RawValue) -> Result<Span, String> {
        Span::of(self.text, raw.get()).ok_or_else(|| "it has 4 GiB or more".to_owned())
    }

    fn spans(&self, members: &Members<'_>) -> Result<Vec<(SmolStr, Span)>, String> {
        members
            .0
            .iter()
            .map(|(name, raw)| Ok((SmolStr::new(name), self.span(raw)?)))
            .collect()
    }

    fn releases(&self, raw: &RawValue) -> Result<Vec<(SmolStr, Vec<LegacyFile>)>, String> {
        if is_null(raw) {
            return Ok(Vec::new());
        }
        let releases: Members<'_> =
            serde_json::from_str(raw.get()).map_err(|error| format!("`releases`: {error}"))?;
        releases
            .0
            .iter()
            .map(|(version, raw)| Ok((SmolStr::new(version), self.files(raw)?)))
            .collect()
    }

    fn files(&self, raw: &RawValue) -> Result<Vec<LegacyFile>, String> {
        let objects: Vec<&RawValue> =
            serde_json::from_str(raw.get()).map_err(|error| format!("files: {error}"))?;
        let mut files = Vec::with_capacity(objects.len());
        for object in objects {
            let members: Members<'_> =
                serde_json::from_str(object.get()).map_err(|error| format!("files: {error}"))?;
            let name = members.get("filename").and_then(string).unwrap_or_default();
            let Some(candidate) = self.by_name.get(name.as_ref()).copied() else {
                continue;
            };
            let url = members.get("url").filter(|url| string(url).is_some());
            let (Some(facts), Some(url)) = (self.page.candidates.get(candidate), url) else {
                continue;
            };
            if !agrees(facts, &members) {
                return Err(format!("its digests of {name} are not the simple page's"));
            }
            let span = |name: &str| members.get(name).map(|raw| self.span(raw)).transpose();
            files.push(LegacyFile {
                candidate,
                object: self.span(object)?,
                url: self.span(url)?,
                yanked: span("yanked")?,
                yanked_reason: span("yanked_reason")?,
            });
        }
        Ok(files)
    }
}

/// Whether the SHA-256 here is the page's, as far as both give one (reliability.md M-32).
fn agrees(facts: &VersionFacts, file: &Members<'_>) -> bool {
    let here = file
        .get("digests")
        .and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok())
        .and_then(|digests| {
            let hex = string(digests.get("sha256")?)?;
            Digest::from_hex(DigestAlgorithm::Sha256, &hex).ok()
        });
    let there = facts
        .declared
        .known()
        .and_then(|digests| digests.get(DigestAlgorithm::Sha256));
    match (here, there) {
        (Some(here), Some(there)) => here == *there,
        _ => true,
    }
}

impl Legacy {
    /// Approximate memory held, in bytes.
    pub(super) fn weight_bytes(&self) -> usize {
        let files: usize = self
            .members
            .iter()
            .map(|(_, part)| match part {
                Part::Urls(files) => files.len(),
                Part::Releases(releases) => releases.iter().map(|(_, files)| files.len() + 1).sum(),
                Part::Info(members) => members.len(),
                Part::Vulnerabilities(_) | Part::Kept(_) => 1,
            })
            .sum();
        self.bytes.len() + files * size_of::<LegacyFile>()
    }
}

/// The document for clients; `version` when it was asked for by version.
///
/// # Errors
/// If upstream has none, or nothing of what was asked for is shown.
pub(super) fn render(
    page: &Page,
    listing: &Listing<'_>,
    version: Option<&str>,
    links: &Links,
) -> Result<Vec<u8>, MetadataError> {
    let Some(legacy) = &page.legacy else {
        return Err(MetadataError::NotFound {
            what: format!(
                "upstream has no JSON document about {}",
                page.package.purl()
            ),
        });
    };
    let shown = Shown::new(page, listing);
    let info = match version {
        Some(asked) => {
            let asked = Version::verbatim(asked);
            if SCHEME.compare(&asked, &legacy.version).is_ne() {
                let why = format!("it is about version {}", legacy.version);
                return Err(malformed(DOCUMENT, &page.package, why));
            }
            shown.has(&asked).then_some(asked)
        }
        None if shown.is_complete || shown.has(&legacy.version) => Some(legacy.version.clone()),
        None => shown.newest(),
    };
    let Some(info) = info else {
        return Err(MetadataError::NotFound {
            what: format!(
                "{} has no such version, or none that may be had",
                page.package.purl()
            ),
        });
    };
    let writer = Writer {
        page,
        legacy,
        shown,
        is_replaced: info != legacy.version && version.is_none(),
        info,
        links,
        files_base: files_base(page, links),
    };
    Ok(writer.document())
}

/// What of the page is shown.
struct Shown<'a> {
    page: &'a Page,
    /// By candidate.
    entries: Vec<Option<&'a Entry>>,
    /// By version: whether a file is shown.
    versions: Vec<bool>,
    is_complete: bool,
}

impl<'a> Shown<'a> {
    fn new(page: &'a Page, listing: &'a Listing<'_>) -> Self {
        let mut entries = vec![None; page.files.len()];
        let mut versions = vec![false; page.versions.len()];
        for (index, file, _, entry) in page.shown(listing) {
            if let Some(slot) = entries.get_mut(index) {
                *slot = Some(entry);
            }
            if let Some(slot) = versions.get_mut(file.version as usize) {
                *slot = true;
            }
        }
        Self {
            page,
            entries,
            versions,
            is_complete: page.is_complete(listing),
        }
    }

    fn has(&self, version: &Version) -> bool {
        self.page
            .versions
            .find(version)
            .and_then(|index| self.versions.get(index as usize))
            .is_some_and(|shown| *shown)
    }

    fn entry(&self, candidate: usize) -> Option<&'a Entry> {
        self.entries.get(candidate).copied().flatten()
    }

    /// The newest version installers would choose: stable before pre-release, not yanked before
    /// yanked.
    fn newest(&self) -> Option<Version> {
        let mut is_offered = vec![false; self.versions.len()];
        for (index, (file, facts)) in self
            .page
            .files
            .iter()
            .zip(&self.page.candidates)
            .enumerate()
        {
            let is_good = self.entry(index) == Some(&Entry::Listed) && !is_yanked(facts);
            if let Some(slot) = is_offered.get_mut(file.version as usize) {
                *slot |= is_good;
            }
        }
        self.page
            .versions
            .iter()
            .zip(&self.versions)
            .zip(is_offered)
            .filter(|((_, shown), _)| **shown)
            .max_by(|((a, _), a_good), ((b, _), b_good)| {
                let rank = |version, good: &bool| (*good, !SCHEME.is_prerelease(version));
                rank(a, a_good)
                    .cmp(&rank(b, b_good))
                    .then_with(|| SCHEME.compare(a, b))
            })
            .map(|((version, _), _)| version.clone())
    }
}

struct Writer<'a> {
    page: &'a Page,
    legacy: &'a Legacy,
    shown: Shown<'a>,
    /// The release `info` is about in the answer.
    info: Version,
    /// Whether that is another one than upstream's.
    is_replaced: bool,
    links: &'a Links,
    files_base: String,
}

impl Writer<'_> {
    fn document(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.legacy.bytes.len() + 1024);
        out.push(b'{');
        for (name, part) in &self.legacy.members {
            // Which weaknesses the replacing release has, this document does not say.
            if self.is_replaced && matches!(part, Part::Vulnerabilities(_)) {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            push_string(&mut out, name);
            out.push(b':');
            match part {
                Part::Info(members) => self.push_info(&mut out, members),
                Part::Urls(files) if self.is_replaced => {
                    let release = self.files_of_info().unwrap_or(files);
                    self.push_files(&mut out, release);
                }
                Part::Urls(files) => self.push_files(&mut out, files),
                Part::Releases(releases) => self.push_releases(&mut out, releases),
                Part::Vulnerabilities(span) | Part::Kept(span) => {
                    out.extend_from_slice(span.bytes(&self.legacy.bytes));
                }
            }
        }
        out.push(b'}');
        out
    }

    /// The files of the release that takes the place of a withheld one.
    fn files_of_info(&self) -> Option<&[LegacyFile]> {
        let index = self.page.versions.find(&self.info);
        self.legacy.members.iter().find_map(|(_, part)| match part {
            Part::Releases(releases) => releases
                .iter()
                .find(|(version, _)| {
                    self.page.versions.find(&Version::verbatim(version.clone())) == index
                })
                .map(|(_, files)| files.as_slice()),
            _ => None,
        })
    }

    fn push_info(&self, out: &mut Vec<u8>, members: &[(SmolStr, Span)]) {
        for (index, (name, span)) in members.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            push_string(out, name);
            out.push(b':');
            match self.info_member(name) {
                Some(text) => out.extend_from_slice(text.as_bytes()),
                None => out.extend_from_slice(span.bytes(&self.legacy.bytes)),
            }
        }
        if members.is_empty() {
            out.push(b'{');
        }
        out.push(b'}');
    }

    /// What replaces a member of `info`, as JSON.
    fn info_member(&self, name: &str) -> Option<String> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let project = format!(
            "{}simple/{}/",
            self.links.base,
            self.page.package.normalized()
        );
        match name {
            // The registry's own pages about the project: no address of an upstream leaves here.
            "package_url" | "project_url" => return Some(quoted(&project)),
            "release_url" => {
                let version = segment(self.info.as_str());
                let project = self.page.package.normalized();
                let url = format!("{}pypi/{project}/{version}/json", self.links.base);
                return Some(quoted(&url));
            }
            _ => {}
        }
        if !self.is_replaced {
            return None;
        }
        Some(match name {
            "version" => quoted(self.info.as_str()),
            "requires_python" => self
                .requires_python()
                .map_or_else(|| "null".to_owned(), |text| quoted(&text)),
            "yanked" => self.is_info_yanked().to_string(),
            "description" => quoted(""),
            "yanked_reason" | "requires_dist" | "provides_extra" | "download_url" | "dynamic" => {
                "null".to_owned()
            }
            _ => return None,
        })
    }

    fn files_of_page(&self) -> impl Iterator<Item = usize> {
        let version = self.page.versions.find(&self.info);
        self.page
            .files
            .iter()
            .enumerate()
            .filter(move |(_, file)| Some(file.version) == version)
            .map(|(index, _)| index)
            .filter(|index| self.shown.entry(*index).is_some())
    }

    fn requires_python(&self) -> Option<SmolStr> {
        self.files_of_page()
            .find_map(|index| self.page.files.get(index)?.requires_python.clone())
    }

    fn is_info_yanked(&self) -> bool {
        self.files_of_page()
            .all(|index| self.page.candidates.get(index).is_some_and(is_yanked))
    }

    fn push_releases(&self, out: &mut Vec<u8>, releases: &[(SmolStr, Vec<LegacyFile>)]) {
        out.push(b'{');
        let mut is_first = true;
        for (version, files) in releases {
            let is_shown = files
                .iter()
                .any(|file| self.shown.entry(file.candidate).is_some());
            // As on the page: with something withheld, empty releases go too.
            if !is_shown && !(self.shown.is_complete && files.is_empty()) {
                continue;
            }
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            push_string(out, version);
            out.push(b':');
            self.push_files(out, files);
        }
        out.push(b'}');
    }

    fn push_files(&self, out: &mut Vec<u8>, files: &[LegacyFile]) {
        out.push(b'[');
        let mut is_first = true;
        for file in files {
            let facts = self.page.candidates.get(file.candidate);
            let (Some(entry), Some(facts)) = (self.shown.entry(file.candidate), facts) else {
                continue;
            };
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            self.push_file(out, file, facts, entry);
        }
        out.push(b']');
    }

    fn push_file(&self, out: &mut Vec<u8>, file: &LegacyFile, facts: &VersionFacts, entry: &Entry) {
        let is_demoted =
            *entry == Entry::Demoted && !matches!(facts.is_yanked, Fact::Known(Some(_)));
        let url = format!(
            "\"{}{}\"",
            self.files_base,
            segment(facts.artifact.file.as_str())
        );
        let mut pieces = vec![(file.url, url)];
        if is_demoted {
            pieces.extend(file.yanked.map(|span| (span, "true".to_owned())));
            pieces.extend(
                file.yanked_reason
                    .map(|span| (span, format!("\"{DEMOTED}\""))),
            );
        }
        pieces.sort_unstable_by_key(|(span, _)| span.start);
        let mut rest = file.object;
        for (span, text) in pieces {
            let before = Span {
                start: rest.start,
                end: span.start,
            };
            out.extend_from_slice(before.bytes(&self.legacy.bytes));
            out.extend_from_slice(text.as_bytes());
            rest.start = span.end;
        }
        out.extend_from_slice(rest.bytes(&self.legacy.bytes));
    }
}
