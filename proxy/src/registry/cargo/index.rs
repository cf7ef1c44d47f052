//! An index file: read once, rendered by copying its lines.
//!
//! What cannot be judged is not passed on: a line without a readable `name`, `vers` and `cksum` is
//! no candidate and leaves no trace in any answer, and neither do lines that give one version twice
//! (build metadata does not tell versions apart). What is not a line at all, or belongs to another
//! package, makes the whole file unusable, because then nothing else in it deserves trust: a file
//! cut in the middle of a line, an error page, another package's file.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::change::{self, Dependency, Sheet};
use cordon_policy::ecosystem;
use cordon_policy::facts::{Change, Fact, PackageFacts, VersionFacts};
use cordon_policy::inspect::manifest::{self, Manifest};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, DigestAlgorithm, Digests, FileName, PackageName, PackageVersion,
    Scheme as _, Timestamp, Version,
};
use smol_str::SmolStr;

use super::line::{self, Line, LineError, Yanked};
use super::template::DownloadTemplate;
use crate::registry::denial::ascii;
use crate::registry::json::Span;
use crate::registry::{
    ArtifactSource, Document, Entry, LastModified, Links, Listing, MetadataError, Pin, Rendered,
    UpstreamDocument, View,
};

/// Most remarks kept about one file.
const MAX_REMARKS: usize = 8;

/// A parsed index file.
#[derive(Debug)]
pub(super) struct IndexFile {
    bytes: Bytes,
    candidates: Vec<VersionFacts>,
    /// Beside `candidates`.
    places: Vec<Place>,
    template: DownloadTemplate,
    last_modified: Option<SmolStr>,
    /// Whether a rendering with every candidate listed is the upstream file itself.
    is_whole: bool,
    remarks: Vec<String>,
}

/// Where a candidate's line is, without its line feed, and its `yanked` within the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: Span,
    yanked: Yanked,
}

impl IndexFile {
    pub(super) fn read(
        package: &PackageName,
        document: &UpstreamDocument,
        template: DownloadTemplate,
    ) -> Result<Self, MetadataError> {
        let malformed = |why: String| MetadataError::Malformed {
            document: "index file",
            subject: package.to_string(),
            why,
        };
        if u32::try_from(document.bytes.len()).is_err() {
            return Err(malformed("it has more than 4 GiB".to_owned()));
        }
        let mut reader = Reader::new(package);
        for (number, span) in lines(&document.bytes) {
            reader
                .take(span, span.of(&document.bytes))
                .map_err(|why| malformed(format!("line {number}: {why}")))?;
        }
        let dropped = reader.drop_versions_given_twice();
        let is_whole = dropped == 0 && reader.skipped == 0 && ends_as_written(&document.bytes);
        let shared = Arc::new(PackageFacts {
            name: package.clone(),
            first_published_at: reader.first_published_at(),
            status: Fact::Absent,
            upstream: document.upstream.clone(),
            similarity: Fact::NotYet,
            popularity: None,
            asked_in_vain: None,
        });
        let places = reader.found.iter().map(|found| found.place).collect();
        let sheets = sheets(&mut reader.found);
        let mut candidates: Vec<VersionFacts> = reader
            .found
            .into_iter()
            .map(|found| facts(found, &shared))
            .collect();
        change::compare(&ecosystem::Cargo, &mut candidates, &sheets);
        Ok(Self {
            bytes: document.bytes.clone(),
            candidates,
            places,
            template,
            last_modified: document.last_modified.clone(),
            is_whole,
            remarks: reader.remarks,
        })
    }
}

/// Whether the last line ends in one line feed, as every line of ours does.
fn ends_as_written(bytes: &[u8]) -> bool {
    match bytes {
        [.., before, b'\n'] => !before.is_ascii_whitespace(),
        bytes => bytes.is_empty(),
    }
}

/// The lines of a file with their numbers, without their line feeds; empty ones at the end are no
/// lines.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Span)> {
    let end = bytes
        .iter()
        .rposition(|byte| !byte.is_ascii_whitespace())
        .map_or(0, |last| last + 1);
    let mut start = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        if start >= end {
            return None;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        // `read` checked that every offset fits.
        let span = Span {
            start: start as u32,
            end: (start + length) as u32,
        };
        start += length + 1;
        number += 1;
        Some((number, span))
    })
}

/// A line that gives a candidate.
struct Found {
    /// In the line's spelling: it may have capitals, which the path it was asked by cannot.
    name: PackageName,
    line: Line,
    place: Place,
    file: FileName,
}

/// Lines as they are read.
struct Reader {
    /// The path's spelling, which every line's name must have in lower case.
    lower_name: String,
    found: Vec<Found>,
    skipped: usize,
    remarks: Vec<String>,
}

impl Reader {
    fn new(package: &PackageName) -> Self {
        Self {
            lower_name: package.as_published().to_ascii_lowercase(),
            found: Vec::new(),
            skipped: 0,
            remarks: Vec::new(),
        }
    }

    /// Reads a line; an error says why the whole file is unusable.
    fn take(&mut self, span: Span, bytes: &[u8]) -> Result<(), String> {
        let line = match line::read(bytes) {
            Ok(line) => line,
            Err(LineError::Damaged(error)) => return Err(error.to_string()),
            Err(LineError::Unreadable(why)) => {
                self.leave_out(why);
                return Ok(());
            }
        };
        let name = ecosystem::Cargo
            .package(&line.name)
            .ok()
            .filter(|_| line.name.to_ascii_lowercase() == self.lower_name)
            .ok_or_else(|| {
                let other = ascii(&line.name, 64);
                format!("it belongs to `{other}`, not to `{}`", self.lower_name)
            })?;
        let yanked = match line.yanked {
            Yanked::Yes => Yanked::Yes,
            Yanked::No(value) => Yanked::No(Span {
                start: span.start + value.start,
                end: span.start + value.end,
            }),
            Yanked::Unsaid(at) => Yanked::Unsaid(span.start + at),
        };
        let file = format!("{}-{}.crate", line.name, line.version);
        match FileName::new(file) {
            Ok(file) => self.found.push(Found {
                name,
                line,
                place: Place { line: span, yanked },
                file,
            }),
            Err(error) => self.leave_out(&error.to_string()),
        }
        Ok(())
    }

    /// The oldest time the file still tells. Lines without one may be older; then the package is
    /// older as well, never younger.
    fn first_published_at(&self) -> Fact<Timestamp> {
        self.found
            .iter()
            .filter_map(|found| found.line.published_at.known().copied())
            .min()
            .map_or(Fact::Absent, Fact::Known)
    }

    fn leave_out(&mut self, why: &str) {
        self.skipped += 1;
        self.remark(format!(
            "a line of `{}` is left out: {why}",
            self.lower_name
        ));
    }

    /// Takes out every version that is there more than once, build metadata aside: which of them
    /// is meant cannot be known. Returns how many lines went.
    fn drop_versions_given_twice(&mut self) -> usize {
        let mut seen = HashSet::with_capacity(self.found.len());
        let twice: BTreeSet<String> = self
            .found
            .iter()
            .map(|found| without_build(&found.line.version))
            .filter(|version| !seen.insert(*version))
            .map(str::to_owned)
            .collect();
        let before = self.found.len();
        self.found
            .retain(|found| !twice.contains(without_build(&found.line.version)));
        for version in &twice {
            self.remark(format!(
                "{} {version} is left out: the index has it more than once",
                self.lower_name
            ));
        }
        before - self.found.len()
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(remark);
        }
    }
}

/// A version without its build metadata, by which cargo tells versions apart.
fn without_build(version: &Version) -> &str {
    let text = version.as_str();
    text.split_once('+').map_or(text, |(version, _)| version)
}

/// What is compared of each line. Lines that name the same dependencies share one list.
fn sheets(found: &mut [Found]) -> Vec<Sheet> {
    let mut before: Arc<[Dependency]> = Arc::default();
    let hooks: Arc<[SmolStr]> = Arc::new([SmolStr::new_static("links")]);
    let of = |found: &mut Found| {
        let read = std::mem::take(&mut found.line.dependencies);
        if *before != *read {
            before = read.into();
        }
        Sheet {
            dependencies: Arc::clone(&before),
            hooks: match found.line.has_links {
                true => Arc::clone(&hooks),
                false => Arc::default(),
            },
            ..Sheet::default()
        }
    };
    found.iter_mut().map(of).collect()
}

fn facts(found: Found, package: &Arc<PackageFacts>) -> VersionFacts {
    let Found {
        name, line, file, ..
    } = found;
    let artifact = ArtifactId {
        subject: PackageVersion {
            name,
            version: line.version,
        },
        file,
        kind: ArtifactKind::Archive,
    };
    VersionFacts {
        published_at: line.published_at,
        archive_sha256: None,
        declared: Fact::Known(Digests::from_iter([line.checksum])),
        size_bytes: Fact::Absent,
        // The index gives no reason for a yank.
        is_yanked: Fact::Known((line.yanked == Yanked::Yes).then(SmolStr::default)),
        deprecated: Fact::Absent,
        has_provenance: Fact::Known(false),
        exotic_dependencies: match line.exotic.is_empty() {
            true => Fact::Absent,
            false => Fact::Known(line.exotic.into()),
        },
        ..VersionFacts::unknown(artifact, Arc::clone(package))
    }
}

impl Document for IndexFile {
    fn candidates(&self) -> &[VersionFacts] {
        &self.candidates
    }

    fn render(
        &self,
        listing: &Listing<'_>,
        _view: &View,
        _links: &Links,
    ) -> Result<Rendered, MetadataError> {
        let is_unchanged = self.is_whole && (0..self.places.len()).all(|i| is_listed(listing, i));
        let body = if is_unchanged {
            self.bytes.clone()
        } else {
            self.filtered(listing).into()
        };
        Ok(Rendered {
            body,
            content_type: "text/plain",
            // A date says nothing about our verdicts: with it, a client that has the file from
            // before a block would be told that nothing changed.
            last_modified: self
                .last_modified
                .as_ref()
                .filter(|_| is_unchanged)
                .map(|date| LastModified::Validator(date.to_string())),
            vary: "",
        })
    }

    fn locate(&self, index: usize) -> Result<ArtifactSource, MetadataError> {
        let facts = self.candidates.get(index);
        let declared = facts.and_then(|facts| facts.declared.known());
        let checksum = declared.and_then(|digests| digests.get(DigestAlgorithm::Sha256));
        let (Some(facts), Some(checksum)) = (facts, checksum) else {
            return Err(MetadataError::NotFound {
                what: format!("the index file has no candidate {index}"),
            });
        };
        Ok(ArtifactSource {
            url: self.template.expand(facts.subject(), checksum)?,
            digests: Digests::from_iter([checksum.clone()]),
            size_bytes: None,
        })
    }

    fn locate_derived(
        &self,
        _index: usize,
        _kind: ArtifactKind,
    ) -> Option<Result<ArtifactSource, MetadataError>> {
        None
    }

    fn pins(&self, index: usize) -> Vec<Pin> {
        let (Some(place), Some(candidate)) = (self.places.get(index), self.candidates.get(index))
        else {
            return Vec::new();
        };
        super::pins::read(place.line.of(&self.bytes), &candidate.subject().version)
    }

    fn declared(&self, index: usize) -> Option<Manifest> {
        let line = self.places.get(index)?.line.of(&self.bytes);
        manifest::cargo::declared(line)
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn weight_bytes(&self) -> usize {
        // Beside its fixed size, a candidate has a digest, and names too long to be held in place.
        const EACH: usize =
            size_of::<VersionFacts>() + size_of::<Change>() + size_of::<Place>() + 160;
        self.bytes.len() + self.candidates.len() * EACH
    }
}

impl IndexFile {
    /// Listed lines as they are, demoted ones with `yanked` set, the others not at all.
    fn filtered(&self, listing: &Listing<'_>) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.bytes.len() + self.places.len() * INSERTION.len());
        for (index, place) in self.places.iter().enumerate() {
            let between = |start, end| Span { start, end }.of(&self.bytes);
            let Span { start, end } = place.line;
            match (listing.entries.get(index), place.yanked) {
                (None | Some(Entry::Hidden), _) => continue,
                (Some(Entry::Listed), _) | (Some(Entry::Demoted), Yanked::Yes) => {
                    body.extend_from_slice(between(start, end));
                }
                (Some(Entry::Demoted), Yanked::No(value)) => {
                    body.extend_from_slice(between(start, value.start));
                    body.extend_from_slice(b"true");
                    body.extend_from_slice(between(value.end, end));
                }
                (Some(Entry::Demoted), Yanked::Unsaid(at)) => {
                    body.extend_from_slice(between(start, at));
                    body.extend_from_slice(INSERTION);
                    body.extend_from_slice(between(at, end));
                }
            }
            body.push(b'\n');
        }
        body
    }
}

/// What makes a line without `yanked` a yanked one, put before its first key. A line has other
/// keys, so the comma is always right.
const INSERTION: &[u8] = b"\"yanked\":true,";

fn is_listed(listing: &Listing<'_>, index: usize) -> bool {
    listing.entries.get(index) == Some(&Entry::Listed)
}
