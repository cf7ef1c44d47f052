//! A packument, parsed once into places (performance.md §15).
//!
//! The document stays the bytes upstream sent. What a rendering may drop or change is remembered
//! as spans: a slot per version, per time and per tag, and one edit per address. A changed verdict
//! then costs copying of ranges, never a parse.

use std::ops::Range;

use bytes::Bytes;
use cordon_policy::facts::{Change, VersionFacts};
use cordon_policy::inspect::manifest::{self, Manifest};
use cordon_policy::model::{ArtifactKind, PackageName, Timestamp, Version};
use serde::Deserialize;
use smol_str::SmolStr;

use super::address::Bases;
use crate::registry::json::Span;
use crate::registry::signature::{Signature, Signed};
use crate::registry::{
    ArtifactSource, Document, Links, Listing, MetadataError, Pin, Rendered, View,
};

/// A parsed packument.
pub(super) struct Packument {
    pub(super) package: PackageName,
    pub(super) bytes: Bytes,
    pub(super) candidates: Vec<VersionFacts>,
    /// What `candidates` does not tell, in the same order.
    pub(super) entries: Vec<Entry>,
    /// Members of the abbreviated form of all entries.
    pub(super) short: Vec<Span>,
    pub(super) top: Vec<TopMember>,
    pub(super) tags: Vec<Tag>,
    pub(super) times: Vec<TimeSlot>,
    /// What is written over, in order and without overlap.
    pub(super) edits: Vec<Edit>,
    pub(super) modified: Modified,
    pub(super) is_unpublished: bool,
    pub(super) upstream_last_modified: Option<SmolStr>,
    pub(super) bases: Bases,
    pub(super) remarks: Vec<String>,
}

/// Where one version stands.
pub(super) struct Entry {
    /// The member of `versions`, with the white space around it.
    pub(super) slot: Span,
    /// The manifest.
    pub(super) value: Span,
    /// Its members in [`Packument::short`].
    pub(super) short: Range<u32>,
    pub(super) has_install_script: bool,
    pub(super) tarball_at: Span,
    /// Whether the registry signed it.
    pub(super) is_signed: bool,
    /// Why it is never listed and its tarball never fetched, whatever policy says.
    pub(super) defect: Option<Defect>,
}

/// What is wrong with a version.
#[derive(Debug)]
pub(super) enum Defect {
    /// The manifest is not that of the version it stands under (M-04).
    Identity(String),
    /// Its tarball has no usable address (M-07 to M-09).
    Address {
        /// The address, cut to a printable length.
        url: String,
        /// Why it is not usable.
        why: String,
    },
}

/// A member of the document.
pub(super) struct TopMember {
    pub(super) kind: TopKind,
    pub(super) slot: Span,
    pub(super) value: Span,
}

/// What rendering does with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopKind {
    Versions,
    Time,
    Tags,
    /// `_attachments`: CouchDB's list of tarballs of all versions. No client reads it, and it
    /// names what may be hidden.
    Dropped,
    Other,
}

/// A dist-tag.
pub(super) struct Tag {
    pub(super) name: SmolStr,
    pub(super) slot: Span,
    pub(super) value: Span,
    pub(super) target: Option<Version>,
    pub(super) index: Option<usize>,
}

/// A member of `time`.
pub(super) struct TimeSlot {
    pub(super) slot: Span,
    pub(super) of: TimeOf,
}

/// What a member of `time` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeOf {
    /// `created`, `modified`, `unpublished`, or a version that is no more.
    Package,
    /// The candidate at this index.
    Candidate(usize),
    /// A key of `versions` that is no version.
    Nothing,
}

/// When the document changed last.
#[derive(Default)]
pub(super) struct Modified {
    /// As upstream words it.
    pub(super) text: Option<String>,
    pub(super) at: Option<Timestamp>,
}

/// Bytes that are written over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    pub(super) span: Span,
    pub(super) kind: EditKind,
}

/// By what.
#[derive(Clone, Copy, Debug)]
pub(super) enum EditKind {
    /// The tarball address of the candidate at this index, as a JSON string.
    Tarball(usize),
    /// The attestations address of the candidate at this index, as a JSON string.
    Attestations(usize),
    /// Our base address, in the middle of a text.
    Base { has_scheme: bool, has_slash: bool },
}

/// What of a manifest is signed, and by what.
#[derive(Deserialize)]
struct SignedManifest {
    dist: SignedDist,
}

#[derive(Default, Deserialize)]
struct SignedDist {
    #[serde(default)]
    integrity: Option<String>,
    #[serde(default)]
    signatures: Vec<Signature>,
}

impl SignedDist {
    fn unreadable() -> Self {
        Self {
            integrity: Some("unreadable".to_owned()),
            signatures: vec![Signature {
                key_id: "unreadable".to_owned(),
                signature: String::new(),
            }],
        }
    }
}

impl Packument {
    /// A version that was published before this one and is signed; the latest of them.
    fn signed_before(&self, candidate: &VersionFacts) -> Option<Version> {
        let published_at = candidate.published_at.known()?;
        let signed = self.candidates.iter().zip(&self.entries);
        signed
            .filter(|(_, entry)| entry.is_signed)
            .filter_map(|(facts, _)| Some((facts.published_at.known()?, facts)))
            .filter(|(at, _)| *at < published_at)
            .max_by_key(|(at, _)| **at)
            .map(|(_, facts)| facts.subject().version.clone())
    }

    fn subject(&self, index: usize) -> String {
        self.candidates.get(index).map_or_else(
            || self.package.purl(),
            |candidate| candidate.subject().to_string(),
        )
    }
}

/// The version of npm's placeholders.
const PLACEHOLDER: &str = "0.0.1-security";

impl Document for Packument {
    fn candidates(&self) -> &[VersionFacts] {
        &self.candidates
    }

    /// npm puts `0.0.1-security` in the place of a package it took down.
    fn is_emptied(&self) -> bool {
        let mut versions = self.candidates.iter().map(|facts| &facts.subject().version);
        versions.all(|version| version.as_str() == PLACEHOLDER)
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
        let unusable = |url: String, why: String| MetadataError::Address {
            subject: self.subject(index),
            url,
            why,
        };
        let (Some(entry), Some(candidate)) = (self.entries.get(index), self.candidates.get(index))
        else {
            return Err(unusable(
                String::new(),
                "there is no such version".to_owned(),
            ));
        };
        match &entry.defect {
            None => {}
            Some(Defect::Identity(why)) => {
                return Err(MetadataError::Malformed {
                    document: "packument",
                    subject: self.subject(index),
                    why: why.clone(),
                });
            }
            Some(Defect::Address { url, why }) => return Err(unusable(url.clone(), why.clone())),
        }
        let raw: String = serde_json::from_slice(entry.tarball_at.of(&self.bytes))
            .map_err(|error| unusable(String::new(), error.to_string()))?;
        let url = self
            .bases
            .resolve(&raw)
            .map_err(|why| unusable(printable(&raw), why.to_owned()))?;
        Ok(ArtifactSource {
            url,
            digests: candidate.declared.known().cloned().unwrap_or_default(),
            size_bytes: None,
        })
    }

    fn locate_derived(
        &self,
        _index: usize,
        _kind: ArtifactKind,
    ) -> Option<Result<ArtifactSource, MetadataError>> {
        // npm derives no file from a tarball; attestations are a document of their own.
        None
    }

    fn pins(&self, index: usize) -> Vec<Pin> {
        let (Some(entry), Some(candidate)) = (self.entries.get(index), self.candidates.get(index))
        else {
            return Vec::new();
        };
        let manifest = entry.value.of(&self.bytes);
        super::pins::read(manifest, &candidate.subject().version)
    }

    fn declared(&self, index: usize) -> Option<Manifest> {
        let version = self.entries.get(index)?.value.of(&self.bytes);
        manifest::npm::declared(version)
    }

    fn signed(&self, index: usize) -> Option<Signed> {
        let (entry, candidate) = (self.entries.get(index)?, self.candidates.get(index)?);
        let dist = match entry.is_signed {
            false => SignedDist::default(),
            true => match serde_json::from_slice(entry.value.of(&self.bytes)) {
                Ok(SignedManifest { dist }) => dist,
                // What cannot be read is a signature nobody made.
                Err(_) => SignedDist::unreadable(),
            },
        };
        let integrity = dist.integrity.unwrap_or_default();
        // Without the digest that was signed there is nothing a signature could be of.
        if dist.signatures.is_empty() || integrity.is_empty() {
            return Some(Signed {
                message: String::new(),
                signatures: Vec::new(),
                earlier: Some(self.signed_before(candidate)?),
            });
        }
        let subject = candidate.subject();
        Some(Signed {
            message: format!(
                "{}@{}:{integrity}",
                subject.name.as_published(),
                subject.version
            ),
            signatures: dist.signatures,
            earlier: None,
        })
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn weight_bytes(&self) -> usize {
        // Strings, digests and table entries behind one candidate, roughly.
        const BEHIND: usize = 400;
        let per_version =
            size_of::<VersionFacts>() + size_of::<Change>() + size_of::<Entry>() + BEHIND;
        self.bytes.len()
            + self.candidates.len() * per_version
            + self.short.len() * size_of::<Span>()
            + self.edits.len() * size_of::<Edit>()
            + self.times.len() * size_of::<TimeSlot>()
    }
}

/// Escaped, without a user name and password, and cut to a length fit for a message.
pub(super) fn printable(text: &str) -> String {
    let authority = text.find("//").map_or(0, |at| at + 2);
    let (before, rest) = text.split_at(authority);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let text = format!("{before}{host}{path}");
    text.chars()
        .take(200)
        .flat_map(char::escape_default)
        .collect()
}
