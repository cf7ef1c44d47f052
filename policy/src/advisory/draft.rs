//! A record reduced to what the index of one ecosystem keeps of it.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::MAX_FIXED;
use super::codec::{Reader, put_bytes, put_count};
use super::osv::{RawAffected, RawPackage, Record, Withdrawn};
use super::range::{self, Range};
use crate::facts::AdvisoryKind;
use crate::model::{PackageName, Scheme, Timestamp, Version, parse_purl};

/// What is kept of a record.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) id: SmolStr,
    pub(super) aliases: Vec<SmolStr>,
    pub(super) withdrawn: Option<Withdrawn>,
    pub(super) kind: AdvisoryKind,
    pub(super) is_reviewed: bool,
    pub(super) cvss_tenths: Option<u8>,
    pub(super) published_at: Option<Timestamp>,
    pub(super) modified_at: Option<Timestamp>,
    pub(super) summary: SmolStr,
    /// One for each package, and where records go by spelling one for each spelling of it.
    pub(super) packages: Vec<PackageDraft>,
}

/// What a record says of one package.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PackageDraft {
    /// The package's normalised name.
    pub(super) name: SmolStr,
    /// The name as the record spells it.
    pub(super) spelled: SmolStr,
    /// The versions meant: see [`Affected`].
    pub(super) affected: Vec<u8>,
}

/// What was ignored or remarkable in a record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remarks {
    /// Packages of names the ecosystem's grammar does not have.
    pub(super) impossible_names: usize,
    /// Ranges of types other than SEMVER, ECOSYSTEM and GIT.
    pub(super) unknown_ranges: usize,
    /// Packages whose package URL names another package; both are meant.
    pub(super) purl_disagreements: usize,
    /// Ranges with an end that cannot be read.
    pub(super) unreadable_ranges: usize,
}

impl Draft {
    /// Keeps what is about packages of the scheme's ecosystem.
    pub(super) fn new(record: Record<'_>, scheme: &dyn Scheme, remarks: &mut Remarks) -> Self {
        let by_spelling = scheme.compares_names_by_spelling();
        let mut packages: Vec<(Name, Versions)> = Vec::new();
        for affected in &record.affected {
            for name in names(affected, scheme, remarks) {
                let is_it = |(known, _): &(Name, Versions)| {
                    known.key == name.key && (!by_spelling || known.spelled == name.spelled)
                };
                let known = packages.iter().position(is_it);
                let versions = match known {
                    Some(place) => packages.get_mut(place),
                    None => {
                        packages.push((name, Versions::default()));
                        packages.last_mut()
                    }
                };
                if let Some((_, versions)) = versions {
                    versions.add(affected, record.kind, scheme, remarks);
                }
            }
        }
        let packages = packages.into_iter().map(|(name, versions)| PackageDraft {
            name: name.key,
            spelled: name.spelled,
            affected: versions.finish(record.kind),
        });
        Self {
            packages: packages.collect(),
            id: record.id,
            aliases: record.aliases,
            withdrawn: record.withdrawn,
            kind: record.kind,
            is_reviewed: record.is_reviewed,
            cvss_tenths: record.cvss_tenths,
            published_at: record.published_at,
            modified_at: record.modified_at,
            summary: record.summary,
        }
    }

    /// Whether it names the package of that normalised name.
    pub(super) fn is_about(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }

    /// The record's id and its aliases.
    pub(super) fn ids(&self) -> impl Iterator<Item = &SmolStr> {
        std::iter::once(&self.id).chain(&self.aliases)
    }
}

/// The normalised names of the packages of the scheme's ecosystem a record is about.
pub(super) fn packages(record: &Record<'_>, scheme: &dyn Scheme) -> BTreeSet<SmolStr> {
    let mut remarks = Remarks::default();
    let affected = record.affected.iter();
    affected
        .flat_map(|affected| names(affected, scheme, &mut remarks))
        .map(|name| name.key)
        .collect()
}

/// Longest name outside the grammar that is kept.
const MAX_IMPOSSIBLE_NAME_BYTES: usize = 256;

/// How a package is looked up, and how the record spells it.
struct Name {
    key: SmolStr,
    spelled: SmolStr,
}

impl From<PackageName> for Name {
    fn from(name: PackageName) -> Self {
        Self {
            key: name.normalized().into(),
            spelled: name.as_published().into(),
        }
    }
}

/// The packages of this ecosystem an entry is about: one, or two when its package URL names
/// another.
///
/// Registries hold a few packages whose names their own grammar no longer admits. Nobody can ask
/// for them here, but a record about one is still told of when asked for by that spelling.
fn names(affected: &RawAffected<'_>, scheme: &dyn Scheme, remarks: &mut Remarks) -> Vec<Name> {
    let Some(package) = &affected.package else {
        return Vec::new();
    };
    // With a suffix (`npm:something`) it is not the public registry that is meant.
    if package.ecosystem != scheme.osv_name() {
        return Vec::new();
    }
    let mut names: Vec<Name> = match scheme.package(&package.name) {
        Ok(name) => vec![name.into()],
        Err(_) => {
            remarks.impossible_names += 1;
            let is_short = package.name.len() <= MAX_IMPOSSIBLE_NAME_BYTES;
            let spelled = Some(SmolStr::from(package.name.as_ref())).filter(|_| is_short);
            let name = |spelled: SmolStr| Name {
                key: spelled.clone(),
                spelled,
            };
            spelled.into_iter().map(name).collect()
        }
    };
    if let Some(other) = purl_name(package, scheme).map(Name::from)
        && names.iter().all(|name| name.key != other.key)
    {
        remarks.purl_disagreements += 1;
        names.push(other);
    }
    names
}

fn purl_name(package: &RawPackage<'_>, scheme: &dyn Scheme) -> Option<PackageName> {
    let target = parse_purl(package.purl.as_deref()?, &crate::ecosystem::schemes()).ok()?;
    (target.name.ecosystem() == scheme.ecosystem()).then_some(target.name)
}

/// The versions a record means of one package, collected over its entries.
#[derive(Debug, Default)]
struct Versions {
    /// Keys of versions named one by one.
    listed: Vec<Vec<u8>>,
    /// Those that cannot be read, by their spelling.
    listed_unread: Vec<SmolStr>,
    ranges: Vec<Range<Vec<u8>>>,
    /// Fixed versions with their keys; what cannot be read has none.
    fixed: Vec<(Vec<u8>, SmolStr)>,
}

impl Versions {
    fn add(
        &mut self,
        affected: &RawAffected<'_>,
        kind: AdvisoryKind,
        scheme: &dyn Scheme,
        remarks: &mut Remarks,
    ) {
        let listed = affected.versions.as_deref().unwrap_or_default();
        for version in listed {
            let mut key = Vec::new();
            if scheme.order_key(&Version::verbatim(version.as_ref()), &mut key) {
                self.listed.push(key);
            } else {
                self.listed_unread.push(version.as_ref().into());
            }
        }
        let mut is_said = !listed.is_empty();
        for raw in affected.ranges.as_deref().unwrap_or_default() {
            match raw.kind.as_ref() {
                "SEMVER" | "ECOSYSTEM" => {}
                // Commits; whoever lists versions as well says which are meant.
                "GIT" => continue,
                _ => {
                    remarks.unknown_ranges += 1;
                    continue;
                }
            }
            let range = Range::read(raw, scheme);
            remarks.unreadable_ranges += usize::from(range.is_unreadable());
            self.ranges.push(range);
            is_said = true;
            for fixed in range::fixed(raw) {
                let mut key = Vec::new();
                scheme.order_key(&Version::verbatim(fixed), &mut key);
                self.fixed
                    .push((key, crate::reason::ascii(fixed, 64).into()));
            }
        }
        // By the schema such an entry is about no version. A package reported as malware, without
        // a word about versions, is malware as a whole.
        if !is_said && kind == AdvisoryKind::Malware {
            self.ranges.push(Range::everything());
        }
    }

    fn finish(mut self, kind: AdvisoryKind) -> Vec<u8> {
        // Databases spell out what their ranges say anyway: hundreds of versions that would be
        // compared one by one. For malware the list is what is sure and the range often is not.
        if kind != AdvisoryKind::Malware {
            let ranges = &self.ranges;
            let is_covered = |key: &Vec<u8>| {
                let mut sure = ranges.iter().filter(|range| !range.is_unreadable());
                sure.any(|range| range.names(Some(key)).is_some())
            };
            self.listed.retain(|key| !is_covered(key));
        }
        self.listed.sort();
        self.listed.dedup();
        self.listed_unread.sort();
        self.listed_unread.dedup();
        self.fixed.sort();
        self.fixed.dedup_by(|a, b| a.0 == b.0);
        let surplus = self.fixed.len().saturating_sub(MAX_FIXED);
        let mut out = Vec::new();
        put_count(&mut out, self.listed.len());
        for key in &self.listed {
            put_bytes(&mut out, key);
        }
        put_count(&mut out, self.listed_unread.len());
        for text in &self.listed_unread {
            put_bytes(&mut out, text.as_bytes());
        }
        put_count(&mut out, self.ranges.len());
        for range in &self.ranges {
            range.write(&mut out);
        }
        put_count(&mut out, self.fixed.len() - surplus);
        for (key, text) in self.fixed.iter().skip(surplus) {
            put_bytes(&mut out, key);
            put_bytes(&mut out, text.as_bytes());
        }
        out
    }
}

/// The versions a record means of one package, as an index holds them.
#[derive(Debug)]
pub(super) struct Affected<'a> {
    /// Keys of versions named one by one, in order.
    pub(super) listed: Vec<&'a [u8]>,
    /// Listed versions that cannot be read.
    pub(super) listed_unread: Vec<&'a str>,
    pub(super) ranges: Vec<Range<&'a [u8]>>,
    /// Fixed versions in order, with their keys.
    pub(super) fixed: Vec<(&'a [u8], &'a str)>,
}

impl<'a> Affected<'a> {
    pub(super) fn decode(from: &mut Reader<'a>) -> Option<Self> {
        let count = from.count()?;
        let listed: Vec<&[u8]> = (0..count).map(|_| from.bytes()).collect::<Option<_>>()?;
        let count = from.count()?;
        let listed_unread = (0..count).map(|_| from.text()).collect::<Option<_>>()?;
        let count = from.count()?;
        let ranges = (0..count)
            .map(|_| Range::decode(from))
            .collect::<Option<_>>()?;
        let count = from.count()?;
        let fixed = (0..count)
            .map(|_| Some((from.bytes()?, from.text()?)))
            .collect::<Option<_>>()?;
        // Looked up by halving.
        listed.is_sorted().then_some(Self {
            listed,
            listed_unread,
            ranges,
            fixed,
        })
    }

    /// Whether it names versions one by one.
    pub(super) fn has_list(&self) -> bool {
        !self.listed.is_empty() || !self.listed_unread.is_empty()
    }
}
