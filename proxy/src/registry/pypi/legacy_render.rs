//! Writes the legacy JSON document clients get.

use cordon_policy::facts::{Fact, VersionFacts};
use cordon_policy::model::Version;
use smol_str::SmolStr;

use super::SCHEME;
use super::json::{Span, push_string};
use super::legacy::{DOCUMENT, Legacy, LegacyFile, Part};
use super::page::{Page, malformed};
use super::render::{files_base, segment};
use crate::registry::{Entry, Links, Listing, MetadataError};

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

/// What of the page is shown: what may be had. Installers pin nothing by this document, so what is
/// blocked is not in it either.
struct Shown<'a> {
    page: &'a Page,
    /// By candidate.
    files: Vec<bool>,
    /// By version: whether a file is shown.
    versions: Vec<bool>,
    is_complete: bool,
}

impl<'a> Shown<'a> {
    fn new(page: &'a Page, listing: &'a Listing<'_>) -> Self {
        let mut files = vec![false; page.files.len()];
        let mut versions = vec![false; page.versions.len()];
        let may_be_had = |entry: &Entry| *entry == Entry::Listed;
        for (index, file, _, _) in page.shown(listing).filter(|shown| may_be_had(shown.3)) {
            if let Some(slot) = files.get_mut(index) {
                *slot = true;
            }
            if let Some(slot) = versions.get_mut(file.version as usize) {
                *slot = true;
            }
        }
        Self {
            page,
            files,
            versions,
            is_complete: page.is_complete(listing) && listing.entries.iter().all(may_be_had),
        }
    }

    fn has(&self, version: &Version) -> bool {
        self.page
            .versions
            .find(version)
            .and_then(|index| self.versions.get(index as usize))
            .is_some_and(|shown| *shown)
    }

    fn has_file(&self, candidate: usize) -> bool {
        self.files.get(candidate).copied().unwrap_or(false)
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
            let is_good = self.has_file(index) && !is_yanked(facts);
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
            .filter(|index| self.shown.has_file(*index))
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
            let is_shown = files.iter().any(|file| self.shown.has_file(file.candidate));
            // As on the page: with something withheld, empty releases go too.
            let is_empty_upstream = self.shown.is_complete && files.is_empty();
            if !is_shown && !is_empty_upstream {
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
            let Some(facts) = self
                .page
                .candidates
                .get(file.candidate)
                .filter(|_| self.shown.has_file(file.candidate))
            else {
                continue;
            };
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            self.push_file(out, file, facts);
        }
        out.push(b']');
    }

    fn push_file(&self, out: &mut Vec<u8>, file: &LegacyFile, facts: &VersionFacts) {
        let before = Span {
            start: file.object.start,
            end: file.url.start,
        };
        out.extend_from_slice(before.bytes(&self.legacy.bytes));
        let name = segment(facts.artifact.file.as_str());
        out.extend_from_slice(format!("\"{}{name}\"", self.files_base).as_bytes());
        let after = Span {
            start: file.url.end,
            end: file.object.end,
        };
        out.extend_from_slice(after.bytes(&self.legacy.bytes));
    }
}

fn is_yanked(facts: &VersionFacts) -> bool {
    matches!(&facts.is_yanked, Fact::Known(Some(_)))
}
