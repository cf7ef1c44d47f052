//! Matching: which advisories name a version of one package.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;

use super::codec::Reader;
use super::draft::Affected;
use super::index::AdvisoryIndex;
use super::record::RecordView;
use super::{MAX_FIXED, osv};
use crate::facts::{AdvisoryKind, AdvisoryMatch, Named};
use crate::model::Version;

/// Most aliases told with a match.
const MAX_ALIASES_TOLD: usize = 32;

/// A record within a group of records about one thing; there once for each spelling of the
/// package's name in it.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) record: usize,
    /// A malware record of which an alias was taken back.
    is_released: bool,
    /// The package's name as the record spells it.
    spelled: &'a str,
    affected: Affected<'a>,
}

/// Reads a package's groups; `None` when anything is out of place.
pub(super) fn decode(mut from: Reader<'_>) -> Option<Vec<Vec<Member<'_>>>> {
    let count = from.count()?;
    let mut groups = Vec::with_capacity(count);
    for _ in 0..count {
        let count = from.count()?;
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            members.push(Member {
                record: usize::try_from(from.number()?).ok()?,
                is_released: from.byte()? != 0,
                spelled: from.text()?,
                affected: Affected::decode(&mut from)?,
            });
        }
        groups.push(members);
    }
    from.is_empty().then_some(groups)
}

/// How one record names the version at hand: its group, its place there.
type Hit = (u32, u32, Named);

/// The advisories of one package, for judging its versions one after the other. Versions that the
/// same records name in the same way share one list.
#[derive(Debug)]
pub struct PackageAdvisories<'a> {
    index: &'a AdvisoryIndex,
    spelled: SmolStr,
    groups: Vec<Vec<Member<'a>>>,
    key: Vec<u8>,
    told: BTreeMap<Vec<Hit>, Arc<[AdvisoryMatch]>>,
}

impl<'a> PackageAdvisories<'a> {
    pub(super) fn new(
        index: &'a AdvisoryIndex,
        spelled: &str,
        groups: Vec<Vec<Member<'a>>>,
    ) -> Self {
        Self {
            index,
            spelled: spelled.into(),
            groups,
            key: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    /// The advisories that name the version, aliases merged, in the order of their ids. Malware
    /// records of which an alias was taken back do not count.
    ///
    /// [`Version::unspecified`] is named by what names every version.
    pub fn matches(&mut self, version: &Version) -> Arc<[AdvisoryMatch]> {
        let mut hits: Vec<Hit> = Vec::new();
        let key = read_key(self.index, version, &mut self.key);
        for (group, members) in (0..).zip(&self.groups) {
            for (place, member) in (0..).zip(members) {
                if !member.is_released
                    && let Some(named) = member.names(version, key)
                {
                    hits.push((group, place, named));
                }
            }
        }
        if let Some(told) = self.told.get(&hits) {
            return Arc::clone(told);
        }
        let mut matches: Vec<AdvisoryMatch> = hits
            .chunk_by(|a, b| a.0 == b.0)
            .filter_map(|hits| self.merge(hits))
            .collect();
        matches.sort();
        let matches: Arc<[AdvisoryMatch]> = matches.into();
        self.told.insert(hits, Arc::clone(&matches));
        matches
    }

    /// The ids of all records that name the version, in order: the plain evaluation of the OSV
    /// schema, nothing merged, and names compared as the schema does (PyPI: normalised; npm and
    /// crates.io: as spelled).
    pub fn record_ids(&mut self, version: &Version) -> Vec<SmolStr> {
        let by_spelling = self.index.scheme().compares_names_by_spelling();
        let key = read_key(self.index, version, &mut self.key);
        let mut ids: Vec<SmolStr> = self
            .groups
            .iter()
            .flatten()
            .filter(|member| !by_spelling || member.spelled == self.spelled)
            .filter(|member| member.names(version, key).is_some())
            .filter_map(|member| Some(self.index.record(member.record)?.id.into()))
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// Ids of the reviewed advisories that call exactly this version their fix, in order.
    pub fn fixes(&mut self, version: &Version) -> Vec<SmolStr> {
        let Some(key) = read_key(self.index, version, &mut self.key) else {
            return Vec::new();
        };
        let calls_it_fixed = |member: &&Member<'_>| {
            let mut ranges = member.affected.ranges.iter();
            !member.is_released && ranges.any(|range| range.is_fixed_at(key))
        };
        let members = self.groups.iter().flatten().filter(calls_it_fixed);
        let mut ids: Vec<SmolStr> = members
            .filter_map(|member| self.index.record(member.record))
            .filter(|record| record.is_reviewed)
            .map(|record| record.id.into())
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// One match of the records of one group that name the version.
    fn merge(&self, hits: &[Hit]) -> Option<AdvisoryMatch> {
        let members = self.groups.get(hits.first()?.0 as usize)?;
        let views: Vec<(RecordView<'a>, &Member<'a>, Named)> = hits
            .iter()
            .filter_map(|(_, place, named)| {
                let member = members.get(*place as usize)?;
                Some((self.index.record(member.record)?, member, *named))
            })
            .collect();
        let kind = views.iter().map(|(record, ..)| record.kind);
        let kind = kind.min_by_key(|kind| osv::gravity(*kind))?;
        // How it is named, and what it is called, goes by the records of the gravest kind.
        let gravest = || views.iter().filter(|(record, ..)| record.kind == kind);
        let (first, ..) = gravest().min_by_key(|(record, ..)| record.id)?;
        let named = gravest().map(|(.., named)| *named).min()?;
        let all = views.iter().map(|(record, ..)| record);
        Some(AdvisoryMatch {
            id: first.id.into(),
            aliases: self.aliases(members, first.id),
            kind,
            named: self.graded(kind, named, members),
            cvss_tenths: all.clone().filter_map(|record| record.cvss_tenths).max(),
            fixed: fixed(&views),
            is_reviewed: all.clone().any(|record| record.is_reviewed),
            published_at: all.clone().filter_map(|record| record.published_at).min(),
            modified_at: all.clone().filter_map(|record| record.modified_at).max(),
            summary: first.summary.into(),
            is_exploited: all.clone().any(|record| record.is_exploited),
            epss_thousandths: all.filter_map(|record| record.epss_thousandths).max(),
        })
    }

    /// Where some malware record of the group names versions one by one, those are what is sure; a
    /// range over everything beside the list says only that the reporter did not look further.
    fn graded(&self, kind: AdvisoryKind, named: Named, members: &[Member<'_>]) -> Named {
        let lists = |member: &Member<'_>| {
            let record = self.index.record(member.record);
            !member.is_released
                && member.affected.has_list()
                && record.is_some_and(|record| record.kind == AdvisoryKind::Malware)
        };
        let is_unsure = kind == AdvisoryKind::Malware && named == Named::Everything;
        match is_unsure && members.iter().any(lists) {
            true => Named::Unlisted,
            false => named,
        }
    }

    /// Every other id the group goes by.
    fn aliases(&self, members: &[Member<'_>], id: &str) -> Vec<SmolStr> {
        let mut aliases: Vec<SmolStr> = members
            .iter()
            .filter_map(|member| self.index.record(member.record))
            .flat_map(|record| std::iter::once(record.id.into()).chain(record.aliases))
            .filter(|alias| alias != id)
            .collect();
        aliases.sort();
        aliases.dedup();
        aliases.truncate(MAX_ALIASES_TOLD);
        aliases
    }
}

/// The version's key, kept in `key`; `None` when it cannot be read.
fn read_key<'k>(
    index: &AdvisoryIndex,
    version: &Version,
    key: &'k mut Vec<u8>,
) -> Option<&'k [u8]> {
    key.clear();
    index.scheme().order_key(version, key).then_some(key)
}

/// The fixed versions of all records, in order; of too many the highest.
fn fixed(views: &[(RecordView<'_>, &Member<'_>, Named)]) -> Vec<SmolStr> {
    let all = views
        .iter()
        .flat_map(|(_, member, _)| &member.affected.fixed);
    let mut fixed: Vec<(&[u8], &str)> = all.copied().collect();
    fixed.sort();
    fixed.dedup_by(|a, b| a.0 == b.0);
    let surplus = fixed.len().saturating_sub(MAX_FIXED);
    let kept = fixed.into_iter().skip(surplus);
    kept.map(|(_, text)| text.into()).collect()
}

impl Member<'_> {
    /// Whether and how the record names the version; its surest way.
    fn names(&self, version: &Version, key: Option<&[u8]>) -> Option<Named> {
        let is_listed = match key {
            Some(key) => self.affected.listed.binary_search(&key).is_ok(),
            None => self.affected.listed_unread.contains(&version.as_str()),
        };
        if is_listed {
            return Some(Named::Listed);
        }
        let mut ranges = self.affected.ranges.iter();
        if version.is_unspecified() {
            return ranges
                .any(|range| range.is_everything())
                .then_some(Named::Everything);
        }
        ranges.filter_map(|range| range.names(key)).min()
    }
}
