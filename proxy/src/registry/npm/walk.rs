//! The one walk through a packument.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use cordon_policy::change::{self, Sheet};
use cordon_policy::ecosystem::Npm as NpmScheme;
use cordon_policy::facts::{Fact, PackageFacts, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, FileName, PackageName, PackageVersion, Scheme, Version,
};
use smol_str::SmolStr;

use super::address::{self, Bases, Tarball};
use super::facts;
use super::manifest::{self, Fault, Given, Manifest};
use super::packument::{
    Defect, Edit, EditKind, Entry, Modified, Packument, Tag, TimeOf, TimeSlot, TopKind, TopMember,
    printable,
};
use super::relations::Relations;
use crate::registry::json::{Scanner, Span};
use crate::registry::{MetadataError, UpstreamDocument};

/// Most remarks kept of one document.
const MAX_REMARKS: usize = 16;

/// Parses a packument, full or abbreviated.
///
/// # Errors
/// If no answer can be made from it: not strict JSON, another package's, a key twice.
pub(super) fn read(
    package: &PackageName,
    document: &UpstreamDocument,
) -> Result<Packument, MetadataError> {
    let bytes = document.bytes.clone();
    let mut walk = Walk::new(package, document);
    walk.document(&bytes)
        .map_err(|fault| malformed(package, describe(&fault)))?;
    if walk.name.text() != Some(package.as_published()) {
        return Err(malformed(
            package,
            "its `name` is not that of the package asked for".to_owned(),
        ));
    }
    let is_unpublished = walk.times.iter().any(|(key, ..)| key == "unpublished");
    if !walk.has_versions && !is_unpublished {
        return Err(malformed(package, "it has no `versions`".to_owned()));
    }
    walk.refuse_files_of_other_versions();
    let (times, modified) = walk.place_times();
    change::compare(&NpmScheme, &mut walk.candidates, &walk.sheets);
    let tags = walk.place_tags();
    let mentions = walk.bases.mentions(&bytes);
    walk.edits.extend(mentions.into_iter().map(|mention| Edit {
        span: mention.span,
        kind: EditKind::Base {
            has_scheme: mention.has_scheme,
            has_slash: mention.has_slash,
        },
    }));
    Ok(Packument {
        package: package.clone(),
        candidates: walk.candidates,
        entries: walk.entries,
        short: walk.short,
        top: walk.top,
        tags,
        times,
        edits: without_overlap(walk.edits),
        modified,
        is_unpublished,
        upstream_last_modified: document.last_modified.clone(),
        bases: walk.bases,
        remarks: walk.remarks,
        bytes: bytes.clone(),
    })
}

/// What a walk collects before it can be put together.
struct Walk<'a> {
    package: &'a PackageName,
    facts: Arc<PackageFacts>,
    bases: Bases,
    candidates: Vec<VersionFacts>,
    /// Beside `candidates`, for telling what changed.
    sheets: Vec<Sheet>,
    relations: Relations<'a>,
    entries: Vec<Entry>,
    short: Vec<Span>,
    edits: Vec<Edit>,
    /// By key of `versions`; `None` for one that is no version.
    index: HashMap<SmolStr, Option<usize>>,
    /// Tarballs whose file name is that of another version, if there is such a version.
    suspects: Vec<(usize, String)>,
    top: Vec<TopMember>,
    name: Given<'a>,
    modified: Given<'a>,
    has_versions: bool,
    tags: Vec<(SmolStr, Given<'a>, Span, Span)>,
    times: Vec<(SmolStr, Given<'a>, Span)>,
    remarks: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(package: &'a PackageName, document: &UpstreamDocument) -> Self {
        Self {
            package,
            facts: Arc::new(PackageFacts {
                name: package.clone(),
                first_published_at: Fact::Absent,
                status: Fact::Absent,
                upstream: document.upstream.clone(),
                similarity: Fact::NotYet,
                popularity: None,
                asked_in_vain: None,
            }),
            bases: Bases::new(&document.url, &document.files, package),
            candidates: Vec::new(),
            sheets: Vec::new(),
            relations: Relations::default(),
            entries: Vec::new(),
            short: Vec::new(),
            edits: Vec::new(),
            index: HashMap::new(),
            suspects: Vec::new(),
            top: Vec::new(),
            name: Given::Missing,
            modified: Given::Missing,
            has_versions: false,
            tags: Vec::new(),
            times: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn document(&mut self, bytes: &'a [u8]) -> Result<(), Fault> {
        let mut scanner = Scanner::new(bytes)?;
        let mut members = scanner.object()?;
        let mut keys = HashSet::new();
        while let Some(key) = scanner.key(&mut members)? {
            let start = scanner.position();
            let kind = self.member(&mut scanner, &key, bytes)?;
            let value = scanner.span_since(start);
            let slot = scanner.end(&mut members)?;
            self.top.push(TopMember { kind, slot, value });
            if let Some(key) = keys.replace(key) {
                return Err(duplicate(&key, "the document"));
            }
        }
        scanner.finish()?;
        Ok(())
    }

    fn member(
        &mut self,
        scanner: &mut Scanner<'a>,
        key: &str,
        bytes: &[u8],
    ) -> Result<TopKind, Fault> {
        match key {
            "versions" => {
                self.has_versions = true;
                self.versions(scanner, bytes)?;
                Ok(TopKind::Versions)
            }
            "time" => {
                self.read_times(scanner)?;
                Ok(TopKind::Time)
            }
            "dist-tags" => {
                self.read_tags(scanner)?;
                Ok(TopKind::Tags)
            }
            "name" => {
                self.name = Given::read(scanner)?;
                Ok(TopKind::Other)
            }
            "modified" => {
                self.modified = Given::read(scanner)?;
                Ok(TopKind::Other)
            }
            "_attachments" => {
                scanner.skip()?;
                Ok(TopKind::Dropped)
            }
            _ => {
                scanner.skip()?;
                Ok(TopKind::Other)
            }
        }
    }

    fn versions(&mut self, scanner: &mut Scanner<'a>, bytes: &[u8]) -> Result<(), Fault> {
        let mut members = scanner.object()?;
        while let Some(key) = scanner.key(&mut members)? {
            let key = SmolStr::new(&key);
            let index = self.entries.len();
            let first = self.short.len();
            let start = scanner.position();
            let manifest = manifest::read(scanner, &mut self.short, &mut self.relations)?;
            let value = scanner.span_since(start);
            let slot = scanner.end(&mut members)?;
            let artifact = artifact(self.package, &key);
            let is_candidate = artifact.is_some();
            if self
                .index
                .insert(key.clone(), is_candidate.then_some(index))
                .is_some()
            {
                return Err(duplicate(&key, "`versions`"));
            }
            let Some(artifact) = artifact else {
                self.short.truncate(first);
                self.relations.drop_read();
                self.remark(format!("the key {key:?} of `versions` is no version"));
                continue;
            };
            let defect = self.defect(index, &artifact, &manifest);
            if let Some(defect) = &defect {
                self.remark(format!("{}: {}", artifact.subject, describe_defect(defect)));
            }
            self.note_addresses(index, &manifest);
            let (sheet, exotic) = self.relations.finish(&manifest);
            let facts = facts::of(artifact, &manifest, bytes, &self.facts, exotic);
            self.sheets.push(Sheet {
                hooks: facts
                    .install_hooks
                    .known()
                    .map_or_else(Arc::default, |hooks| hooks.as_slice().into()),
                ..sheet
            });
            self.candidates.push(facts);
            self.entries.push(Entry {
                slot,
                value,
                short: index_range(first, self.short.len()),
                has_install_script: manifest.has_install_script(),
                tarball_at: manifest.dist.tarball_at,
                is_signed: manifest.dist.is_signed,
                defect,
            });
        }
        Ok(())
    }

    fn note_addresses(&mut self, index: usize, manifest: &Manifest<'_>) {
        if manifest.dist.tarball.text().is_some() {
            self.edits.push(Edit {
                span: manifest.dist.tarball_at,
                kind: EditKind::Tarball(index),
            });
        }
        if let Some(span) = manifest.dist.attestations_at {
            self.edits.push(Edit {
                span,
                kind: EditKind::Attestations(index),
            });
        }
    }

    fn defect(
        &mut self,
        index: usize,
        artifact: &ArtifactId,
        manifest: &Manifest<'_>,
    ) -> Option<Defect> {
        let expected = [
            ("name", &manifest.name, self.package.as_published()),
            (
                "version",
                &manifest.version,
                artifact.subject.version.as_str(),
            ),
        ];
        for (field, given, expected) in expected {
            if *given != Given::Missing && given.text() != Some(expected) {
                return Some(Defect::Identity(format!(
                    "its manifest has another `{field}` than the key it stands under"
                )));
            }
        }
        let Some(raw) = manifest.dist.tarball.text() else {
            return Some(Defect::Address {
                url: String::new(),
                why: "`dist.tarball` is missing".to_owned(),
            });
        };
        match self.bases.check(raw, self.package, artifact.file.as_str()) {
            Ok(Tarball::Canonical) => None,
            Ok(Tarball::Irregular { seems_of }) => {
                self.suspects
                    .extend(seems_of.map(|version| (index, version)));
                None
            }
            Err(why) => Some(Defect::Address {
                url: printable(raw),
                why: why.to_owned(),
            }),
        }
    }

    /// A file that is another version's by its name is not fetched for this one (M-09).
    fn refuse_files_of_other_versions(&mut self) {
        for (index, version) in std::mem::take(&mut self.suspects) {
            let is_other = self.index.contains_key(version.as_str());
            let Some(entry) = self.entries.get_mut(index).filter(|_| is_other) else {
                continue;
            };
            if entry.defect.is_none() {
                entry.defect = Some(Defect::Address {
                    url: format!("{}-{version}.tgz", super::route::basename(self.package)),
                    why: "that is the file of another version".to_owned(),
                });
            }
        }
    }

    fn read_times(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if scanner.peek_value() != Some(b'{') {
            self.remark("`time` is not an object".to_owned());
            scanner.skip()?;
            return Ok(());
        }
        let mut members = scanner.object()?;
        let mut keys = HashSet::new();
        while let Some(key) = scanner.key(&mut members)? {
            let key = SmolStr::new(&key);
            let given = Given::read(scanner)?;
            let slot = scanner.end(&mut members)?;
            if !keys.insert(key.clone()) {
                return Err(duplicate(&key, "`time`"));
            }
            self.times.push((key, given, slot));
        }
        Ok(())
    }

    fn read_tags(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if scanner.peek_value() != Some(b'{') {
            self.remark("`dist-tags` is not an object".to_owned());
            scanner.skip()?;
            return Ok(());
        }
        let mut members = scanner.object()?;
        let mut keys = HashSet::new();
        while let Some(key) = scanner.key(&mut members)? {
            let key = SmolStr::new(&key);
            let start = scanner.position();
            let given = Given::read(scanner)?;
            let value = scanner.span_since(start);
            let slot = scanner.end(&mut members)?;
            if !keys.insert(key.clone()) {
                return Err(duplicate(&key, "`dist-tags`"));
            }
            self.tags.push((key, given, slot, value));
        }
        Ok(())
    }

    /// Gives every candidate its publication time and the package its first.
    fn place_times(&mut self) -> (Vec<TimeSlot>, Modified) {
        let mut created = Fact::Absent;
        let mut modified = std::mem::take(&mut self.modified);
        let mut slots = Vec::with_capacity(self.times.len());
        for (key, given, slot) in std::mem::take(&mut self.times) {
            let of = match self.index.get(&key) {
                Some(Some(index)) => TimeOf::Candidate(*index),
                Some(None) => TimeOf::Nothing,
                None => TimeOf::Package,
            };
            match (of, key.as_str()) {
                (TimeOf::Candidate(index), _) => {
                    if let Some(candidate) = self.candidates.get_mut(index) {
                        candidate.published_at = facts::time(&given);
                    }
                }
                (TimeOf::Package, "created") => created = facts::time(&given),
                (TimeOf::Package, "modified") if given.text().is_some() => modified = given,
                _ => {}
            }
            slots.push(TimeSlot { slot, of });
        }
        let known = || {
            self.candidates
                .iter()
                .filter_map(|candidate| candidate.published_at.known().copied())
        };
        let first_published_at = match (created, known().min()) {
            (Fact::Known(at), _) => Fact::Known(at),
            (_, Some(at)) => Fact::Known(at),
            (unknown, None) => unknown,
        };
        let modified = Modified {
            at: facts::time(&modified).known().copied().or(known().max()),
            text: modified.text().map(str::to_owned),
        };
        let package = Arc::new(PackageFacts {
            first_published_at,
            ..(*self.facts).clone()
        });
        for candidate in &mut self.candidates {
            candidate.package = Arc::clone(&package);
        }
        (slots, modified)
    }

    fn place_tags(&mut self) -> Vec<Tag> {
        std::mem::take(&mut self.tags)
            .into_iter()
            .map(|(name, given, slot, value)| Tag {
                name,
                slot,
                value,
                target: given.text().map(Version::verbatim),
                index: given
                    .text()
                    .and_then(|version| self.index.get(version).copied().flatten()),
            })
            .collect()
    }

    fn remark(&mut self, text: String) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(text);
        }
    }
}

/// The identity of a key of `versions`, if it is a version: one spelled as the registry spells
/// them. Another spelling of the same version would be a second way to name it (M-15).
fn artifact(package: &PackageName, key: &str) -> Option<ArtifactId> {
    let has_leading_zero = key.split('.').take(3).any(|part| {
        let mut bytes = part.bytes();
        bytes.next() == Some(b'0') && bytes.next().is_some_and(|byte| byte.is_ascii_digit())
    });
    if has_leading_zero {
        return None;
    }
    let version = NpmScheme.version(key).ok()?;
    let file = FileName::new(address::canonical_file(package, key)).ok()?;
    Some(ArtifactId {
        subject: PackageVersion {
            name: package.clone(),
            version,
        },
        file,
        kind: ArtifactKind::Archive,
    })
}

fn index_range(start: usize, end: usize) -> Range<u32> {
    // Fewer members than bytes, of which the scanner takes less than 2³².
    start as u32..end as u32
}

fn duplicate(key: &str, within: &'static str) -> Fault {
    Fault::Duplicate {
        key: printable(key),
        within,
    }
}

fn describe(fault: &Fault) -> String {
    match fault {
        Fault::Scan(error) => error.to_string(),
        Fault::Duplicate { key, within } => format!("the key `{key}` stands twice in {within}"),
    }
}

fn describe_defect(defect: &Defect) -> String {
    match defect {
        Defect::Identity(why) => why.clone(),
        Defect::Address { url, why } => format!("tarball address `{url}`: {why}"),
    }
}

fn without_overlap(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_unstable_by_key(|edit| (edit.span.start, std::cmp::Reverse(edit.span.end)));
    let mut end = 0;
    edits.retain(|edit| {
        let is_free = edit.span.start >= end;
        if is_free {
            end = edit.span.end;
        }
        is_free
    });
    edits
}

fn malformed(package: &PackageName, why: String) -> MetadataError {
    MetadataError::Malformed {
        document: "packument",
        subject: package.purl(),
        why,
    }
}
