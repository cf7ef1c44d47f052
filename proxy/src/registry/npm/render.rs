//! Making the client's document: copies of ranges of upstream's, with our addresses.
//!
//! With everything listed, the full form is upstream's, byte for byte, except that
//! * addresses at upstream are ours, wherever in the document they stand: `dist.tarball` and
//!   `dist.attestations.url` in canonical shape, any other mention by its prefix (so that no
//!   upstream artifact host remains, conformance item 11). A host named without `//` before it is
//!   text, not an address, and stays;
//! * the top-level `_attachments` is left out;
//! * tags to versions that do not exist are left out, and with them versions that are unfit
//!   whatever policy says (see [`Defect`](super::packument::Defect)).
//!
//! The abbreviated form is derived here from the full one, so the two can never disagree.

use std::time::{Duration, UNIX_EPOCH};

use cordon_policy::model::Timestamp;

use super::address::OurBase;
use super::forms;
use super::negotiate;
use super::packument::{Edit, EditKind, Entry, Packument, Tag, TimeOf, TopKind, TopMember};
use super::tags::{self, Repair};
use crate::registry::json::Span;
use crate::registry::{self, LastModified, Links, Listing, MetadataError, Rendered, View};

pub(super) fn render(
    packument: &Packument,
    listing: &Listing<'_>,
    view: &View,
    links: &Links,
) -> Result<Rendered, MetadataError> {
    if packument.entries.is_empty() && packument.is_unpublished {
        return Err(MetadataError::NotFound {
            what: format!("{} was unpublished", packument.package.purl()),
        });
    }
    let mut writer = Writer::new(packument, listing, links);
    let (content_type, vary) = match view.form {
        forms::ABBREVIATED => {
            writer.abbreviated();
            (negotiate::ABBREVIATED, "Accept")
        }
        forms::PACKUMENT => {
            writer.full();
            (negotiate::FULL, "Accept")
        }
        forms::DIST_TAGS => {
            writer.tags();
            (negotiate::FULL, "")
        }
        forms::VERSION => {
            let selector = view.argument.as_deref().unwrap_or("latest");
            let entry = writer
                .selected(selector)
                .ok_or_else(|| MetadataError::NotFound {
                    what: format!("{} has no version {selector}", packument.package.purl()),
                })?;
            writer.copy(entry.value);
            (negotiate::FULL, "")
        }
        other => {
            return Err(MetadataError::NotFound {
                what: format!("npm documents have no form `{other}`"),
            });
        }
    };
    Ok(Rendered {
        body: writer.out.into(),
        content_type,
        last_modified: last_modified(packument),
        vary,
    })
}

/// `Last-Modified`, which pnpm compares with its cut-off: the time in the document, or else what
/// upstream's own header says.
fn last_modified(packument: &Packument) -> Option<LastModified> {
    let upstream = || packument.upstream_last_modified.as_ref();
    let date = packument.modified.at.and_then(http_date);
    date.or_else(|| upstream().map(ToString::to_string))
        .map(LastModified::Information)
}

/// As in HTTP, if it is in the range HTTP can say: years 1970 to 9999.
fn http_date(at: Timestamp) -> Option<String> {
    const YEAR_10000_MS: u64 = 253_402_300_800_000;
    let milliseconds = u64::try_from(at.as_millis()).ok()?;
    (milliseconds < YEAR_10000_MS)
        .then(|| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(milliseconds)))
}

struct Writer<'a> {
    packument: &'a Packument,
    listing: &'a Listing<'a>,
    out: Vec<u8>,
    base: OurBase<'a>,
    /// `{base}{name}/-/`.
    files: String,
    /// `{base}-/npm/v1/attestations/{name}@`.
    attestations: String,
}

impl<'a> Writer<'a> {
    fn new(packument: &'a Packument, listing: &'a Listing<'a>, links: &'a Links) -> Self {
        let base = OurBase::new(links);
        let whole = base.whole;
        let name = packument.package.as_published();
        Self {
            packument,
            listing,
            out: Vec::new(),
            base,
            files: format!("{whole}{name}/-/"),
            attestations: format!("{whole}-/npm/v1/attestations/{}@", name.replace('/', "%2f")),
        }
    }

    /// What may be listed, and can be fetched: the rest is left out of every form. Resolvers heed
    /// a deprecation only in part (pnpm 10, yarn 1 and deno take a deprecated version), so a
    /// demoted candidate is left out as well.
    fn is_listed(&self, index: usize) -> bool {
        let is_fit = self
            .packument
            .entries
            .get(index)
            .is_some_and(|entry| entry.defect.is_none());
        is_fit && self.listing.entries.get(index) == Some(&registry::Entry::Listed)
    }

    fn listed(&self) -> impl Iterator<Item = (usize, &'a Entry)> + use<'a, '_> {
        self.packument
            .entries
            .iter()
            .enumerate()
            .filter(|(index, _)| self.is_listed(*index))
    }

    fn full(&mut self) {
        let packument = self.packument;
        let kept: usize = self.listed().map(|(_, entry)| length(entry.slot)).sum();
        let rest: usize = packument
            .top
            .iter()
            .filter(|member| member.kind != TopKind::Versions)
            .map(|member| length(member.slot))
            .sum();
        let growth = packument.edits.len() * (self.files.len() + 32);
        self.out
            .reserve(kept + rest + growth.min(kept + rest) + 1024);

        let first = packument.top.first().map_or(0, |member| member.slot.start);
        let last = packument.top.last().map_or(first, |member| member.slot.end);
        self.copy(Span {
            start: 0,
            end: first,
        });
        let mut separator = Separator::default();
        for member in &packument.top {
            if member.kind == TopKind::Dropped {
                continue;
            }
            separator.write(&mut self.out);
            self.member(member);
        }
        self.copy(Span {
            start: last,
            end: packument.bytes.len() as u32,
        });
    }

    fn member(&mut self, member: &TopMember) {
        if !matches!(
            member.kind,
            TopKind::Versions | TopKind::Time | TopKind::Tags
        ) {
            return self.copy(member.slot);
        }
        self.copy(Span {
            start: member.slot.start,
            end: member.value.start,
        });
        match member.kind {
            TopKind::Versions => {
                let slots: Vec<Span> = self.listed().map(|(_, entry)| entry.slot).collect();
                self.object(slots.into_iter());
            }
            TopKind::Time => self.times(),
            _ => self.tags(),
        }
        self.copy(Span {
            start: member.value.end,
            end: member.slot.end,
        });
    }

    fn abbreviated(&mut self) {
        let packument = self.packument;
        self.out.extend_from_slice(b"{\"name\":");
        self.string(packument.package.as_published());
        let modified = packument
            .modified
            .text
            .clone()
            .or_else(|| packument.modified.at.map(|at| at.to_string()));
        if let Some(modified) = modified {
            self.out.extend_from_slice(b",\"modified\":");
            self.string(&modified);
        }
        self.out.extend_from_slice(b",\"dist-tags\":");
        self.tags();
        self.out.extend_from_slice(b",\"versions\":{");
        let entries: Vec<&Entry> = self.listed().map(|(_, entry)| entry).collect();
        let mut separator = Separator::default();
        for entry in entries {
            separator.write(&mut self.out);
            self.abbreviated_version(entry);
        }
        self.out.push(b'}');
        if packument
            .top
            .iter()
            .any(|member| member.kind == TopKind::Time)
        {
            self.out.extend_from_slice(b",\"time\":");
            self.times();
        }
        self.out.push(b'}');
    }

    fn abbreviated_version(&mut self, entry: &Entry) {
        self.copy(Span {
            start: entry.slot.start,
            end: entry.value.start,
        });
        self.out.push(b'{');
        let mut separator = Separator::default();
        let members = entry.short.start as usize..entry.short.end as usize;
        for member in self.packument.short.get(members).unwrap_or_default() {
            separator.write(&mut self.out);
            self.copy(*member);
        }
        if entry.has_install_script {
            separator.write(&mut self.out);
            self.out.extend_from_slice(b"\"hasInstallScript\":true");
        }
        self.out.push(b'}');
    }

    fn times(&mut self) {
        let slots: Vec<Span> = self
            .packument
            .times
            .iter()
            .filter(|time| match time.of {
                TimeOf::Package => true,
                TimeOf::Candidate(index) => self.is_listed(index),
                TimeOf::Nothing => false,
            })
            .map(|time| time.slot)
            .collect();
        self.object(slots.into_iter());
    }

    /// An object of kept members. Neighbours are copied in one go, their comma with them.
    fn object(&mut self, slots: impl Iterator<Item = Span>) {
        self.out.push(b'{');
        let mut separator = Separator::default();
        let mut run: Option<Span> = None;
        for slot in slots {
            match &mut run {
                Some(run) if run.end + 1 == slot.start => run.end = slot.end,
                _ => {
                    if let Some(run) = run.replace(slot) {
                        separator.write(&mut self.out);
                        self.copy(run);
                    }
                }
            }
        }
        if let Some(run) = run {
            separator.write(&mut self.out);
            self.copy(run);
        }
        self.out.push(b'}');
    }

    fn tags(&mut self) {
        let packument = self.packument;
        self.out.push(b'{');
        let mut separator = Separator::default();
        for tag in &packument.tags {
            match self.repair(tag) {
                Repair::Drop => {}
                Repair::Keep(_) => {
                    separator.write(&mut self.out);
                    self.copy(tag.slot);
                }
                Repair::Move(index) => {
                    separator.write(&mut self.out);
                    self.copy(Span {
                        start: tag.slot.start,
                        end: tag.value.start,
                    });
                    if let Some(candidate) = packument.candidates.get(index) {
                        self.string(candidate.subject().version.as_str());
                    }
                    self.copy(Span {
                        start: tag.value.end,
                        end: tag.slot.end,
                    });
                }
            }
        }
        self.out.push(b'}');
    }

    fn repair(&self, tag: &Tag) -> Repair {
        tags::repair(
            &tag.name,
            tag.target.as_ref(),
            tag.index,
            &self.packument.candidates,
            &|index| self.is_listed(index),
        )
    }

    /// The version a path selects: by its number, or else by a tag.
    fn selected(&self, selector: &str) -> Option<&'a Entry> {
        let by_number = self
            .listed()
            .find(|(index, _)| {
                let candidate = self.packument.candidates.get(*index);
                candidate.is_some_and(|c| c.subject().version.as_str() == selector)
            })
            .map(|(_, entry)| entry);
        by_number.or_else(|| {
            let tag = self
                .packument
                .tags
                .iter()
                .find(|tag| tag.name == selector)?;
            match self.repair(tag) {
                Repair::Keep(index) | Repair::Move(index) => self.packument.entries.get(index),
                Repair::Drop => None,
            }
        })
    }

    /// Copies a range of upstream's document with the edits that lie in it.
    fn copy(&mut self, span: Span) {
        let packument = self.packument;
        let edits = &packument.edits;
        let first = edits.partition_point(|edit| edit.span.start < span.start);
        let mut at = span.start;
        for edit in edits.get(first..).unwrap_or_default() {
            if edit.span.end > span.end {
                break;
            }
            let before = Span {
                start: at,
                end: edit.span.start,
            };
            self.out.extend_from_slice(before.of(&packument.bytes));
            self.write_edit(edit);
            at = edit.span.end;
        }
        let rest = Span {
            start: at,
            end: span.end,
        };
        self.out.extend_from_slice(rest.of(&packument.bytes));
    }

    fn write_edit(&mut self, edit: &Edit) {
        let packument = self.packument;
        match edit.kind {
            EditKind::Tarball(index) => {
                if let Some(candidate) = packument.candidates.get(index) {
                    let file = candidate.artifact.file.as_str();
                    self.quoted(&[Part::Files, Part::Text(file)]);
                }
            }
            EditKind::Attestations(index) => {
                if let Some(candidate) = packument.candidates.get(index) {
                    let version = candidate.subject().version.as_str();
                    self.quoted(&[Part::Attestations, Part::Text(version)]);
                }
            }
            EditKind::Base {
                has_scheme,
                has_slash,
            } => {
                let base = self.base.instead_of(has_scheme, has_slash);
                self.out.extend_from_slice(base.as_bytes());
            }
        }
    }

    /// A JSON string of parts that need no escapes: addresses are visible ASCII without quotes or
    /// backslashes, file names and versions are letters, digits and a few marks.
    fn quoted(&mut self, parts: &[Part<'_>]) {
        self.out.push(b'"');
        for part in parts {
            let text = match part {
                Part::Files => self.files.as_str(),
                Part::Attestations => self.attestations.as_str(),
                Part::Text(text) => text,
            };
            self.out.extend_from_slice(text.as_bytes());
        }
        self.out.push(b'"');
    }

    fn string(&mut self, text: &str) {
        serde_json::to_writer(&mut self.out, text).expect("writing to memory does not fail");
    }
}

/// A part of an address.
enum Part<'a> {
    Files,
    Attestations,
    Text(&'a str),
}

/// Writes a comma before everything but the first.
#[derive(Default)]
struct Separator {
    is_needed: bool,
}

impl Separator {
    fn write(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.is_needed, true) {
            out.push(b',');
        }
    }
}

fn length(span: Span) -> usize {
    span.end.saturating_sub(span.start) as usize
}
