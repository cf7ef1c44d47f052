//! Building an index: records in, the bytes of an index file out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::codec::{put_bytes, put_count, put_number, put_optional};
use super::diff::Losses;
use super::draft::{self, Draft, PackageDraft, Remarks};
use super::index::{FileHeader, IndexError, PackageEntry, hash_of};
use super::osv::{Record, RecordError, Withdrawn};
use super::scores::{Epss, Kev, ScoresError};
use super::{MAX_INDEX_BYTES, osv};
use crate::facts::AdvisoryKind;
use crate::model::{Scheme, Timestamp};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It names a package of the ecosystem.
    Kept,
    /// It was taken back.
    Withdrawn,
    /// It names no package of the ecosystem.
    Ignored,
    /// There was a record of that id already; the newer one is kept.
    Duplicate,
}

/// What an index was built from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildReport {
    /// Records kept that hold.
    pub records: usize,
    /// Records that were taken back.
    pub withdrawn: usize,
    /// Records that name no package of the ecosystem.
    pub ignored: usize,
    /// Records refused with a [`RecordError`].
    pub unreadable: usize,
    /// Records of an id that came before.
    pub duplicates: usize,
    /// Packages named.
    pub packages: usize,
    /// Malware records that count no more for a package because a record of the same thing was
    /// taken back.
    pub released: usize,
    /// Packages of names the ecosystem's grammar does not have; they can be found by their spelling
    /// only ([`AdvisoryIndex::for_spelling`](super::AdvisoryIndex::for_spelling)).
    pub impossible_names: usize,
    /// Ranges of types the schema does not know, left out.
    pub unknown_ranges: usize,
    /// Ranges with an end that cannot be read, taken for wider.
    pub unreadable_ranges: usize,
    /// Packages whose package URL names another package; both are taken as named.
    pub purl_disagreements: usize,
    /// When the record changed last did so.
    pub newest_modified: Option<Timestamp>,
    /// Size of the index in bytes.
    pub bytes: usize,
}

/// Collects records for the index of one ecosystem. What it makes does not depend on their order.
pub struct IndexBuilder {
    scheme: &'static dyn Scheme,
    drafts: BTreeMap<SmolStr, Draft>,
    epss: Epss,
    kev: Kev,
    remarks: Remarks,
    report: BuildReport,
}

impl std::fmt::Debug for IndexBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IndexBuilder")
            .field("ecosystem", self.scheme.ecosystem())
            .field("records", &self.drafts.len())
            .finish_non_exhaustive()
    }
}

impl IndexBuilder {
    /// A builder without records.
    pub fn new(scheme: &'static dyn Scheme) -> Self {
        Self {
            scheme,
            drafts: BTreeMap::new(),
            epss: Epss::default(),
            kev: Kev::default(),
            remarks: Remarks::default(),
            report: BuildReport::default(),
        }
    }

    /// Adds a record, given as JSON; `hint` is what it is called where it comes from (a file's
    /// name) and is used in messages only. Several feeds may be added one after the other: of two
    /// records of one id the one modified later counts.
    ///
    /// # Errors
    /// The record is refused and counted; the builder goes on without it.
    pub fn add(&mut self, hint: &str, json: &[u8]) -> Result<Added, RecordError> {
        let record = Record::read(hint, json).inspect_err(|_| self.report.unreadable += 1)?;
        let newest = self.report.newest_modified.max(record.modified_at);
        let draft = Draft::new(record, self.scheme, &mut self.remarks);
        self.report.newest_modified = newest;
        if draft.packages.is_empty() {
            self.report.ignored += 1;
            return Ok(Added::Ignored);
        }
        let added = match draft.withdrawn {
            Some(_) => Added::Withdrawn,
            None => Added::Kept,
        };
        match self.drafts.entry(draft.id.clone()) {
            Entry::Vacant(free) => {
                free.insert(draft);
                Ok(added)
            }
            Entry::Occupied(mut taken) => {
                self.report.duplicates += 1;
                if precedence(&draft) > precedence(taken.get()) {
                    taken.insert(draft);
                }
                Ok(Added::Duplicate)
            }
        }
    }

    /// Adds the probabilities of exploitation, as CSV.
    /// Answers how many CVE numbers it has.
    ///
    /// # Errors
    /// The text is not such a file.
    pub fn with_epss(&mut self, csv: &str) -> Result<usize, ScoresError> {
        self.epss = Epss::read(csv)?;
        Ok(self.epss.len())
    }

    /// Adds the list of exploited vulnerabilities, as JSON.
    /// Answers how many CVE numbers it has.
    ///
    /// # Errors
    /// The bytes are not such a file.
    pub fn with_kev(&mut self, json: &[u8]) -> Result<usize, ScoresError> {
        self.kev = Kev::read(json)?;
        Ok(self.kev.len())
    }

    /// How new the records added so far are: when the record changed last did so, one in a
    /// thousand left out, and all that claim to be newer than `horizon`. Real dumps hold a record or
    /// two with times yet to come, and a dump must not look newer, nor every later one older,
    /// because of them.
    pub fn newest_modified(&self, horizon: Timestamp) -> Option<Timestamp> {
        const ONE_IN: usize = 1_000;
        let mut times: Vec<Timestamp> = self.times().collect();
        let leave_out = times.len() / ONE_IN;
        times.retain(|at| *at <= horizon);
        let leave_out = leave_out.saturating_sub(self.modified_after(horizon));
        if leave_out >= times.len() {
            return None;
        }
        let (_, newest, _) = times.select_nth_unstable_by(leave_out, |a, b| b.cmp(a));
        Some(*newest)
    }

    /// How many of the records added so far say that they changed after that instant.
    pub fn modified_after(&self, instant: Timestamp) -> usize {
        self.times().filter(|at| *at > instant).count()
    }

    fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.drafts.values().filter_map(|draft| draft.modified_at)
    }

    /// Notes what the records added so far no longer say of what an earlier record of the same
    /// feed, given as JSON, said. One that cannot be read said nothing.
    pub fn compare(&self, earlier: &[u8], losses: &mut Losses) {
        let Ok(record) = Record::read("", earlier) else {
            return;
        };
        let packages = draft::packages(&record, self.scheme);
        if packages.is_empty() {
            return;
        }
        losses.records += 1;
        let now = self.drafts.get(&record.id);
        losses.lost_records += usize::from(now.is_none());
        if record.withdrawn.is_some() {
            return;
        }
        let still_holds = now.filter(|draft| draft.withdrawn.is_none());
        losses.packages += packages.len();
        losses.lost_packages += packages
            .iter()
            .filter(|name| still_holds.is_none_or(|draft| !draft.is_about(name)))
            .count();
    }

    /// The number of records refused so far.
    pub fn unreadable(&self) -> usize {
        self.report.unreadable
    }

    /// The bytes of the index, and what they were made of. `as_of` is when the data was learned.
    ///
    /// # Errors
    /// There is more than an index holds.
    pub fn finish(mut self, as_of: Timestamp) -> Result<(Vec<u8>, BuildReport), IndexError> {
        self.note_remarks();
        let mut records = Records::default();
        let mut packages: BTreeMap<SmolStr, Vec<(&Draft, &PackageDraft)>> = BTreeMap::new();
        for draft in self.drafts.values() {
            for package in &draft.packages {
                let drafts = packages.entry(package.name.clone()).or_default();
                drafts.push((draft, package));
            }
            if draft.withdrawn.is_some() {
                self.report.withdrawn += 1;
                continue;
            }
            self.report.records += 1;
            records.push(draft, &self.epss, &self.kev)?;
        }
        let mut blocks = Vec::new();
        let mut entries = Vec::with_capacity(packages.len());
        for (name, drafts) in &packages {
            let start = blocks.len();
            let fingerprint = write_package(name, drafts, &records, &mut blocks, &mut self.report);
            if let Some(fingerprint) = fingerprint {
                entries.push(PackageEntry {
                    hash: hash_of(name),
                    start: offset(start)?,
                    length: offset(blocks.len() - start)?,
                    fingerprint,
                });
            }
        }
        entries.sort_by_key(|entry| (entry.hash, entry.start));
        self.report.packages = entries.len();
        let header = FileHeader {
            ecosystem: self.scheme.ecosystem().as_str(),
            as_of,
            newest_modified: self.report.newest_modified,
            record_count: self.report.records,
            withdrawn_count: self.report.withdrawn,
        };
        let bytes = header.write(&records.offsets, &records.bytes, &entries, &blocks)?;
        self.report.bytes = bytes.len();
        Ok((bytes, self.report))
    }

    fn note_remarks(&mut self) {
        let Remarks {
            impossible_names,
            unknown_ranges,
            purl_disagreements,
            unreadable_ranges,
        } = self.remarks;
        self.report.impossible_names = impossible_names;
        self.report.unknown_ranges = unknown_ranges;
        self.report.purl_disagreements = purl_disagreements;
        self.report.unreadable_ranges = unreadable_ranges;
    }
}

/// Of two records of one id: the later one; of equally old ones the one that still holds; and so
/// on, so that the order of adding does not matter.
fn precedence(draft: &Draft) -> impl Ord + '_ {
    let affected = draft
        .packages
        .iter()
        .map(|package| (&package.name, &package.spelled, &package.affected));
    (
        draft.modified_at,
        draft.withdrawn.is_none(),
        draft.cvss_tenths,
        affected.collect::<Vec<_>>(),
        (&draft.summary, &draft.aliases, draft.published_at),
    )
}

/// An offset or a length as an index holds it.
pub(super) fn offset(value: usize) -> Result<u32, IndexError> {
    u32::try_from(value)
        .ok()
        .filter(|_| value <= MAX_INDEX_BYTES)
        .ok_or(IndexError::TooLarge)
}

/// The table of records being written.
#[derive(Debug, Default)]
struct Records<'d> {
    numbers: BTreeMap<&'d SmolStr, u32>,
    offsets: Vec<u32>,
    bytes: Vec<u8>,
    /// Of each record: where the part ends that packages' fingerprints are taken of.
    judged_until: Vec<u32>,
}

impl<'d> Records<'d> {
    fn push(&mut self, draft: &'d Draft, epss: &Epss, kev: &Kev) -> Result<(), IndexError> {
        let number = offset(self.offsets.len())?;
        self.numbers.insert(&draft.id, number);
        self.offsets.push(offset(self.bytes.len())?);
        let out = &mut self.bytes;
        put_bytes(out, draft.id.as_bytes());
        put_count(out, draft.aliases.len());
        for alias in &draft.aliases {
            put_bytes(out, alias.as_bytes());
        }
        out.push(osv::gravity(draft.kind));
        out.push(u8::from(draft.is_reviewed));
        put_optional(out, draft.cvss_tenths.map(i64::from));
        put_optional(out, epss.highest(draft.ids()).map(i64::from));
        out.push(u8::from(kev.holds_any(draft.ids())));
        put_optional(out, draft.published_at.map(Timestamp::as_millis));
        put_bytes(out, draft.summary.as_bytes());
        self.judged_until.push(offset(out.len())?);
        put_optional(out, draft.modified_at.map(Timestamp::as_millis));
        Ok(())
    }

    /// What a verdict may depend on in the record of that number.
    fn judged(&self, number: u32) -> &[u8] {
        let place = number as usize;
        let (start, end) = (self.offsets.get(place), self.judged_until.get(place));
        let range = start
            .zip(end)
            .map(|(start, end)| *start as usize..*end as usize);
        range
            .and_then(|range| self.bytes.get(range))
            .unwrap_or_default()
    }
}

/// Writes what is known of one package: groups of records that are about one thing. `None`, and
/// nothing is written, when all of them were taken back.
fn write_package(
    name: &SmolStr,
    drafts: &[(&Draft, &PackageDraft)],
    records: &Records<'_>,
    out: &mut Vec<u8>,
    report: &mut BuildReport,
) -> Option<[u8; 16]> {
    let mut groups: Vec<Vec<u8>> = Vec::new();
    let mut said = Sha256::new();
    for group in groups_of(drafts) {
        let is_taken_back = group
            .iter()
            .any(|(draft, _)| draft.withdrawn == Some(Withdrawn::TakenBack));
        let live: Vec<&(&Draft, &PackageDraft)> = group
            .iter()
            .filter(|(draft, _)| draft.withdrawn.is_none())
            .copied()
            .collect();
        if live.is_empty() {
            continue;
        }
        let mut written = Vec::new();
        let mut last = None;
        put_count(&mut written, live.len());
        for (draft, package) in live {
            let number = records.numbers.get(&draft.id).copied().unwrap_or_default();
            let is_released = is_taken_back && draft.kind == AdvisoryKind::Malware;
            // A record is there once for each spelling of the name.
            let is_new = last.replace(number) != Some(number);
            report.released += usize::from(is_released && is_new);
            put_number(&mut written, u64::from(number));
            written.push(u8::from(is_released));
            put_bytes(&mut written, package.spelled.as_bytes());
            written.extend_from_slice(&package.affected);
            // Record numbers differ between indexes; what the records say does not.
            said.update(records.judged(number));
            said.update([u8::from(is_released)]);
            said.update(&package.affected);
        }
        said.update([0xff]);
        groups.push(written);
    }
    if groups.is_empty() {
        return None;
    }
    put_bytes(out, name.as_bytes());
    put_count(out, groups.len());
    for group in &groups {
        out.extend_from_slice(group);
    }
    let mut fingerprint = [0; 16];
    for (to, from) in fingerprint.iter_mut().zip(said.finalize()) {
        *to = from;
    }
    Some(fingerprint)
}

type Member<'d> = (&'d Draft, &'d PackageDraft);

/// Records that share an id or an alias, directly or over others, in the order of their ids. Only
/// records about the same package are put together, so that no chain of aliases joins what has
/// nothing to do with each other, and loops end by themselves.
fn groups_of<'a, 'd>(drafts: &'a [Member<'d>]) -> Vec<Vec<&'a Member<'d>>> {
    let mut leader: Vec<usize> = (0..drafts.len()).collect();
    let mut first_with: BTreeMap<&SmolStr, usize> = BTreeMap::new();
    for (place, (draft, _)) in drafts.iter().enumerate() {
        for id in draft.ids() {
            let other = *first_with.entry(id).or_insert(place);
            let (a, b) = (find(&mut leader, place), find(&mut leader, other));
            let (low, high) = (a.min(b), a.max(b));
            if let Some(slot) = leader.get_mut(high) {
                *slot = low;
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<&Member<'d>>> = BTreeMap::new();
    for (place, member) in drafts.iter().enumerate() {
        groups
            .entry(find(&mut leader, place))
            .or_default()
            .push(member);
    }
    groups.into_values().collect()
}

/// The leader of a place, halving the way there. Leaders are never above what they lead, so this
/// ends.
fn find(leader: &mut [usize], mut place: usize) -> usize {
    while let Some(next) = leader.get(place).copied()
        && next != place
    {
        let beyond = leader.get(next).copied().unwrap_or(next);
        if let Some(slot) = leader.get_mut(place) {
            *slot = beyond;
        }
        place = beyond;
    }
    place
}
