//! The index file: checked once, then answered from as it is.
//!
//! ```text
//! magic 8 | SHA-256 of all that follows 32
//! format u32 | ecosystem 24, zero-padded | as of i64 | newest modified i64
//! records u32 | withdrawn u32 | record bytes u32 | packages u32 | bucket bits u32 | block bytes u32
//! offsets of records [u32] | records | buckets [u32] | packages [32 bytes] | blocks
//! ```
//!
//! Numbers of fixed width are little-endian. Packages are in the order of the hash of their names;
//! a bucket says where those begin whose hash starts with its number. The hash is public and fixed,
//! so whoever writes records could choose names that share a bucket; they would have to publish
//! packages of those names, and gain a longer walk.

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::MAX_INDEX_BYTES;
use super::build::offset;
use super::codec::Reader;
use super::package::{self, PackageAdvisories};
use super::record::RecordView;
use crate::facts::AdvisoryMatch;
use crate::model::{PackageName, Scheme, Timestamp, Version};

const MAGIC: &[u8; 8] = b"cordonAD";

/// The form of the file, order keys included. An index of another format is built again.
pub(super) const FORMAT: u32 = 1;

const CHECKED_FROM: usize = 40;
const ECOSYSTEM_BYTES: usize = 24;
const HEADER_BYTES: usize = CHECKED_FROM + 4 + ECOSYSTEM_BYTES + 16 + 24;
const ENTRY_BYTES: usize = 32;
const MAX_BUCKET_BITS: u32 = 24;
const NO_TIME: i64 = i64::MIN;

/// Why bytes are not a usable index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The file is cut, or something else altogether.
    #[error("the advisory index is not an index file; import the feed again")]
    NotAnIndex,
    /// Its bytes are not those that were written.
    #[error("the advisory index is damaged (its checksum differs); import the feed again")]
    Damaged,
    /// Written by another version of Cordon.
    #[error(
        "the advisory index has format {found}, and this program reads {FORMAT}; import the feed again"
    )]
    Format {
        /// The format it names.
        found: u32,
    },
    /// Its parts contradict each other, although the checksum holds.
    #[error("the advisory index contradicts itself ({0}); import the feed again")]
    Inconsistent(&'static str),
    /// More than an index holds.
    #[error(
        "the advisories need an index of more than {MAX_INDEX_BYTES} bytes; import fewer feeds"
    )]
    TooLarge,
}

/// What is written before the tables.
pub(super) struct FileHeader<'a> {
    pub(super) ecosystem: &'a str,
    pub(super) as_of: Timestamp,
    pub(super) newest_modified: Option<Timestamp>,
    pub(super) record_count: usize,
    pub(super) withdrawn_count: usize,
}

/// Where a package's block is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackageEntry {
    pub(super) hash: u64,
    pub(super) start: u32,
    pub(super) length: u32,
    /// Of what its records say: equal in two indexes when they say the same.
    pub(super) fingerprint: [u8; 16],
}

impl FileHeader<'_> {
    /// The whole file.
    pub(super) fn write(
        &self,
        offsets: &[u32],
        records: &[u8],
        entries: &[PackageEntry],
        blocks: &[u8],
    ) -> Result<Vec<u8>, IndexError> {
        let bits = bucket_bits(entries.len());
        let total = HEADER_BYTES
            + offsets.len() * 4
            + records.len()
            + ((1_usize << bits) + 1) * 4
            + entries.len() * ENTRY_BYTES
            + blocks.len();
        if total > MAX_INDEX_BYTES {
            return Err(IndexError::TooLarge);
        }
        let mut out = Vec::with_capacity(total);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; 32]);
        out.extend(FORMAT.to_le_bytes());
        let mut name = [0; ECOSYSTEM_BYTES];
        for (to, from) in name.iter_mut().zip(self.ecosystem.bytes()) {
            *to = from;
        }
        out.extend_from_slice(&name);
        out.extend(self.as_of.as_millis().to_le_bytes());
        let newest = self.newest_modified.map_or(NO_TIME, Timestamp::as_millis);
        out.extend(newest.to_le_bytes());
        for count in [
            self.record_count,
            self.withdrawn_count,
            records.len(),
            entries.len(),
            bits as usize,
            blocks.len(),
        ] {
            out.extend(offset(count)?.to_le_bytes());
        }
        out.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        out.extend_from_slice(records);
        for bucket in 0..=1_u64 << bits {
            let first = entries.partition_point(|entry| bucket_of(entry.hash, bits) < bucket);
            out.extend(offset(first)?.to_le_bytes());
        }
        for entry in entries {
            out.extend(entry.hash.to_le_bytes());
            out.extend(entry.start.to_le_bytes());
            out.extend(entry.length.to_le_bytes());
            out.extend_from_slice(&entry.fingerprint);
        }
        out.extend_from_slice(blocks);
        let (head, checked) = out.split_at_mut(CHECKED_FROM);
        let digest = Sha256::digest(checked);
        for (to, from) in head.iter_mut().skip(MAGIC.len()).zip(digest) {
            *to = from;
        }
        Ok(out)
    }
}

/// About two packages a bucket.
fn bucket_bits(packages: usize) -> u32 {
    (packages / 2).max(1).ilog2().min(MAX_BUCKET_BITS)
}

/// The bucket of a hash: its highest bits.
fn bucket_of(hash: u64, bits: u32) -> u64 {
    hash.checked_shr(64 - bits).unwrap_or(0)
}

/// FNV-1a, its bits mixed once more because buckets go by the highest.
pub(super) fn hash_of(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// The advisories of one ecosystem at one time. Immutable; a new generation is a new index.
pub struct AdvisoryIndex {
    bytes: Vec<u8>,
    scheme: &'static dyn Scheme,
    as_of: Timestamp,
    newest_modified: Option<Timestamp>,
    record_count: usize,
    withdrawn_count: usize,
    package_count: usize,
    bits: u32,
    offsets_at: usize,
    records_at: usize,
    buckets_at: usize,
    entries_at: usize,
    blocks_at: usize,
}

impl std::fmt::Debug for AdvisoryIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdvisoryIndex")
            .field("ecosystem", self.scheme.ecosystem())
            .field("as_of", &self.as_of)
            .field("records", &self.record_count)
            .field("packages", &self.package_count)
            .finish_non_exhaustive()
    }
}

impl AdvisoryIndex {
    /// Checks an index file's bytes: checksum, sizes, every record and every package.
    ///
    /// # Errors
    /// The bytes are not a whole index of this format.
    pub fn open(bytes: Vec<u8>) -> Result<Self, IndexError> {
        if bytes.len() > MAX_INDEX_BYTES {
            return Err(IndexError::TooLarge);
        }
        if !bytes.starts_with(MAGIC) || bytes.len() < HEADER_BYTES {
            return Err(IndexError::NotAnIndex);
        }
        let found = u32_at(&bytes, CHECKED_FROM).ok_or(IndexError::NotAnIndex)?;
        if found != FORMAT {
            return Err(IndexError::Format { found });
        }
        let checked = bytes.get(CHECKED_FROM..).unwrap_or_default();
        let stored = bytes.get(MAGIC.len()..CHECKED_FROM).unwrap_or_default();
        if Sha256::digest(checked).as_slice() != stored {
            return Err(IndexError::Damaged);
        }
        let index = Self::lay_out(bytes).ok_or(IndexError::Inconsistent("its sizes"))?;
        index.check()?;
        Ok(index)
    }

    fn lay_out(bytes: Vec<u8>) -> Option<Self> {
        let name_at = CHECKED_FROM + 4;
        let name = bytes.get(name_at..name_at + ECOSYSTEM_BYTES)?;
        let name = std::str::from_utf8(name).ok()?.trim_end_matches('\0');
        let scheme = crate::ecosystem::schemes()
            .into_iter()
            .find(|scheme| scheme.ecosystem().as_str() == name)?;
        let times_at = name_at + ECOSYSTEM_BYTES;
        let as_of = Timestamp::from_millis(i64_at(&bytes, times_at)?);
        let newest = i64_at(&bytes, times_at + 8)?;
        let count = |place: usize| u32_at(&bytes, times_at + 16 + place * 4).map(|n| n as usize);
        let (record_count, withdrawn_count) = (count(0)?, count(1)?);
        let (record_bytes, package_count) = (count(2)?, count(3)?);
        let (bits, block_bytes) = (u32::try_from(count(4)?).ok()?, count(5)?);
        if bits > MAX_BUCKET_BITS {
            return None;
        }
        let offsets_at = HEADER_BYTES;
        let records_at = offsets_at.checked_add(record_count.checked_mul(4)?)?;
        let buckets_at = records_at.checked_add(record_bytes)?;
        let entries_at = buckets_at.checked_add(((1_usize << bits) + 1) * 4)?;
        let blocks_at = entries_at.checked_add(package_count.checked_mul(ENTRY_BYTES)?)?;
        (blocks_at.checked_add(block_bytes)? == bytes.len()).then_some(())?;
        Some(Self {
            scheme,
            as_of,
            newest_modified: (newest != NO_TIME).then(|| Timestamp::from_millis(newest)),
            record_count,
            withdrawn_count,
            package_count,
            bits,
            offsets_at,
            records_at,
            buckets_at,
            entries_at,
            blocks_at,
            bytes,
        })
    }

    /// Reads everything once, so that what is read later is known to read.
    fn check(&self) -> Result<(), IndexError> {
        let wrong = IndexError::Inconsistent;
        for number in 0..self.record_count {
            self.record(number).ok_or(wrong("a record"))?;
        }
        let mut before = None;
        for place in 0..self.package_count {
            let entry = self.entry(place).ok_or(wrong("a package's place"))?;
            let (name, groups) = self.block(&entry).ok_or(wrong("a package"))?;
            let is_found = hash_of(name) == entry.hash && self.find(name).is_some();
            if !is_found || before.is_some_and(|before| before > entry.hash) {
                return Err(wrong("the order of packages"));
            }
            before = Some(entry.hash);
            let decoded = package::decode(groups).ok_or(wrong("what a package's records say"))?;
            if decoded
                .iter()
                .flatten()
                .any(|member| member.record >= self.record_count)
            {
                return Err(wrong("a package names a record that is not there"));
            }
        }
        Ok(())
    }

    /// The ecosystem's naming and ordering rules.
    pub fn scheme(&self) -> &'static dyn Scheme {
        self.scheme
    }

    /// When the data was learned.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// When the record changed last did so.
    pub fn newest_modified(&self) -> Option<Timestamp> {
        self.newest_modified
    }

    /// Number of records that hold.
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// Number of records that were taken back.
    pub fn withdrawn_count(&self) -> usize {
        self.withdrawn_count
    }

    /// Number of packages that some record names.
    pub fn package_count(&self) -> usize {
        self.package_count
    }

    /// The bytes of the index file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Size in memory and on disk, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether any record names the package. Allocates nothing.
    pub fn names_package(&self, name: &PackageName) -> bool {
        self.entry_of(name).is_some()
    }

    /// What is known of a package, read for judging its versions one after the other. `None` for a
    /// package no record names, without an allocation; also for one of another ecosystem.
    pub fn for_package(&self, name: &PackageName) -> Option<PackageAdvisories<'_>> {
        let entry = self.entry_of(name)?;
        self.read(&entry, name.as_published())
    }

    /// As [`Self::for_package`], for a name as written somewhere, which may be one the ecosystem's
    /// grammar does not have.
    pub fn for_spelling(&self, name: &str) -> Option<PackageAdvisories<'_>> {
        match self.scheme.package(name) {
            Ok(name) => self.for_package(&name),
            Err(_) => self.read(&self.find(name)?, name),
        }
    }

    fn read(&self, entry: &PackageEntry, spelled: &str) -> Option<PackageAdvisories<'_>> {
        let (_, groups) = self.block(entry)?;
        let groups =
            package::decode(groups).expect("every package was read when the index was opened");
        Some(PackageAdvisories::new(self, spelled, groups))
    }

    /// The advisories that name a version, aliases merged, in the order of their ids. For several
    /// versions of one package use [`Self::for_package`].
    pub fn matches(&self, name: &PackageName, version: &Version) -> Vec<AdvisoryMatch> {
        match self.for_package(name) {
            Some(mut advisories) => advisories.matches(version).to_vec(),
            None => Vec::new(),
        }
    }

    /// Ids of the reviewed advisories that call exactly this version their fix, in order.
    pub fn fixes(&self, name: &PackageName, version: &Version) -> Vec<SmolStr> {
        match self.for_package(name) {
            Some(mut advisories) => advisories.fixes(version),
            None => Vec::new(),
        }
    }

    /// Every package some record names and somebody could ask for, in no particular order.
    pub fn package_names(&self) -> impl Iterator<Item = PackageName> + '_ {
        self.packages()
            .filter_map(|(name, _)| self.scheme.package(name).ok())
    }

    /// Normalised names with the fingerprints of what their records say.
    pub(super) fn packages(&self) -> impl Iterator<Item = (&str, [u8; 16])> {
        (0..self.package_count).filter_map(|place| {
            let entry = self.entry(place)?;
            let (name, _) = self.block(&entry)?;
            Some((name, entry.fingerprint))
        })
    }

    /// The fingerprint of what is said of the package of that normalised name.
    pub(super) fn fingerprint(&self, name: &str) -> Option<[u8; 16]> {
        self.find(name).map(|entry| entry.fingerprint)
    }

    fn entry_of(&self, name: &PackageName) -> Option<PackageEntry> {
        if name.ecosystem() != self.scheme.ecosystem() {
            return None;
        }
        self.find(name.normalized())
    }

    fn find(&self, name: &str) -> Option<PackageEntry> {
        let hash = hash_of(name);
        let bucket = usize::try_from(bucket_of(hash, self.bits)).ok()?;
        let first = u32_at(&self.bytes, self.buckets_at + bucket * 4)? as usize;
        let end = u32_at(&self.bytes, self.buckets_at + (bucket + 1) * 4)? as usize;
        for place in first..end {
            let at = self.entries_at + place * ENTRY_BYTES;
            if u64_at(&self.bytes, at)? != hash {
                continue;
            }
            let entry = self.entry(place)?;
            if self.block(&entry)?.0 == name {
                return Some(entry);
            }
        }
        None
    }

    fn entry(&self, place: usize) -> Option<PackageEntry> {
        let at = self.entries_at + place * ENTRY_BYTES;
        let fingerprint = self.bytes.get(at + 16..at + ENTRY_BYTES)?;
        Some(PackageEntry {
            hash: u64_at(&self.bytes, at)?,
            start: u32_at(&self.bytes, at + 8)?,
            length: u32_at(&self.bytes, at + 12)?,
            fingerprint: fingerprint.try_into().ok()?,
        })
    }

    /// A package's name and its groups, to be read.
    fn block(&self, entry: &PackageEntry) -> Option<(&str, Reader<'_>)> {
        let start = self.blocks_at.checked_add(entry.start as usize)?;
        let end = start.checked_add(entry.length as usize)?;
        let mut block = Reader::new(self.bytes.get(start..end)?);
        let name = block.text()?;
        Some((name, block))
    }

    pub(super) fn record(&self, number: usize) -> Option<RecordView<'_>> {
        let at = u32_at(&self.bytes, self.offsets_at + number * 4)? as usize;
        let records = self.bytes.get(self.records_at..self.buckets_at)?;
        RecordView::decode(Reader::new(records.get(at..)?))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    u64_at(bytes, at).map(u64::cast_signed)
}
