//! The legacy JSON API: `/pypi/{name}/json` and `/pypi/{name}/{version}/json`.
//!
//! It lists every file address, so it is filtered by the verdicts on the simple page's files: a
//! file the page does not name, or under which it names other digests, is not shown. What the
//! document tells about the project comes from one release (`info`); when that one is withheld,
//! its place is taken by the newest release that is shown: the version, its files, whether it is
//! yanked and what Python it needs are that one's, and the description, the requirements, the
//! download address and the weaknesses go. The rest (summary, author, licence, classifiers, links)
//! stays as the withheld release has it: the document gives no other.

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_policy::facts::VersionFacts;
use cordon_policy::model::{Digest, DigestAlgorithm, Version};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::SCHEME;
use super::json::{Members, Span, is_null, is_tame, string};
use super::page::{Page, malformed};
use crate::registry::{MetadataError, UpstreamDocument};

pub(super) const DOCUMENT: &str = "legacy JSON document";

/// A parsed legacy document.
pub(super) struct Legacy {
    pub(super) bytes: Bytes,
    pub(super) members: Vec<(SmolStr, Part)>,
    /// `info.version`.
    pub(super) version: Version,
}

/// A member of the document.
pub(super) enum Part {
    Info(Vec<(SmolStr, Span)>),
    Urls(Vec<LegacyFile>),
    Releases(Vec<(SmolStr, Vec<LegacyFile>)>),
    /// About the release of `info`.
    Vulnerabilities(Span),
    Kept(Span),
}

/// A file the simple page names too.
pub(super) struct LegacyFile {
    /// Index of the candidate.
    pub(super) candidate: usize,
    pub(super) object: Span,
    pub(super) url: Span,
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
            files.push(LegacyFile {
                candidate,
                object: self.span(object)?,
                url: self.span(url)?,
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
