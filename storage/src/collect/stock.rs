//! What there is, remembered in a few bytes for each blob, and the choice of what goes.
//!
//! A store of 50 GiB can hold a million small artifacts, and listing them with their records takes
//! more than a kilobyte each. So everything is looked at twice: once to choose, by a short name,
//! a size and a time; and once to name what was chosen.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use cordon_policy::model::{ArtifactId, Digest, Timestamp};

use super::{Deletion, Plan, Retention, Unnamed};
use crate::blob::BlobStat;
use crate::cache::{ArtifactRecord, DocumentKey, DocumentRecord, DocumentState};

/// The first bytes of a digest. Should two blobs ever share them, they go or stay together.
type Short = u64;

fn short(digest: &Digest) -> Short {
    let first = digest.as_bytes().first_chunk::<8>();
    first.map_or(0, |bytes| Short::from_be_bytes(*bytes))
}

/// When a blob was last used that no record names.
const NEVER: i64 = i64::MIN;

/// Everything there is: 25 bytes for each blob, twice that at the worst.
#[derive(Default)]
pub(super) struct Stock {
    /// Size and last use.
    blobs: HashMap<Short, (u64, i64)>,
    /// When anything of a package was last served, by the hash of ecosystem and name.
    served: HashMap<u64, i64>,
    hasher: RandomState,
    before_bytes: u64,
}

impl Stock {
    /// Counts a blob.
    pub(super) fn blob(&mut self, blob: &BlobStat, retention: &Retention) {
        self.before_bytes = self.before_bytes.saturating_add(blob.size_bytes);
        if !retention.keep.contains(&blob.digest) {
            let seen = (blob.size_bytes, NEVER);
            self.blobs.insert(short(&blob.digest), seen);
        }
    }

    /// Notes what names a blob. Artifacts come before documents. A document is kept under some
    /// spelling of its package's name; the empty name is about no package in particular and serves
    /// all of its ecosystem.
    pub(super) fn artifact(&mut self, id: &ArtifactId, record: &ArtifactRecord) {
        let at = record.last_used_at.as_millis();
        let name = &id.subject.name;
        for spelling in ["", name.normalized(), name.as_published()] {
            let key = self.hasher.hash_one((name.ecosystem().as_str(), spelling));
            let latest = self.served.entry(key).or_insert(at);
            *latest = at.max(*latest);
        }
        self.used(&record.sha256, at);
    }

    /// Notes what names a blob, after the artifacts.
    pub(super) fn document(&mut self, key: &DocumentKey, record: &DocumentRecord) {
        if let DocumentState::Present { blob, .. } = &record.state {
            let package = (key.ecosystem.as_str(), key.name.as_str());
            let served = self.served.get(&self.hasher.hash_one(package));
            let confirmed = record.fetched_at.as_millis();
            self.used(blob, served.map_or(confirmed, |at| confirmed.max(*at)));
        }
    }

    fn used(&mut self, digest: &Digest, at: i64) {
        if let Some((_, last)) = self.blobs.get_mut(&short(digest)) {
            *last = at.max(*last).max(NEVER + 1);
        }
    }

    /// Chooses what goes: unnamed blobs first, then the longest unused, of those of one instant the
    /// largest.
    pub(super) fn choose(self, retention: &Retention) -> Choice {
        let mut candidates: Vec<(i64, u64, Short)> = self
            .blobs
            .into_iter()
            .filter(|(_, (_, last))| *last != NEVER || retention.unnamed != Unnamed::Stay)
            .map(|(short, (size_bytes, last))| (last, u64::MAX - size_bytes, short))
            .collect();
        candidates.sort_unstable();
        let mut choice = Choice {
            before_bytes: self.before_bytes,
            after_bytes: self.before_bytes,
            places: HashMap::new(),
            deletions: Vec::new(),
        };
        for (last, inverse, short) in candidates {
            let goes_anyway = last == NEVER && retention.unnamed == Unnamed::Go;
            let is_enough = choice.after_bytes <= retention.budget_bytes && !goes_anyway;
            if is_enough || choice.deletions.len() >= retention.most {
                break;
            }
            choice.after_bytes = choice.after_bytes.saturating_sub(u64::MAX - inverse);
            choice.places.insert(short, choice.deletions.len());
            choice.deletions.push(Chosen {
                last_used_at: (last != NEVER).then(|| Timestamp::from_millis(last)),
                ..Chosen::default()
            });
        }
        choice
    }
}

/// What was chosen, being named.
pub(super) struct Choice {
    before_bytes: u64,
    after_bytes: u64,
    places: HashMap<Short, usize>,
    deletions: Vec<Chosen>,
}

#[derive(Default)]
struct Chosen {
    blob: Option<BlobStat>,
    last_used_at: Option<Timestamp>,
    documents: Vec<DocumentKey>,
    artifacts: Vec<ArtifactId>,
}

impl Choice {
    /// Whether nothing goes.
    pub(super) fn is_empty(&self) -> bool {
        self.deletions.is_empty()
    }

    fn of(&mut self, digest: &Digest) -> Option<&mut Chosen> {
        let place = self.places.get(&short(digest))?;
        self.deletions.get_mut(*place)
    }

    /// A blob, which may be one of them.
    pub(super) fn blob(&mut self, blob: BlobStat) {
        if let Some(chosen) = self.of(&blob.digest) {
            chosen.blob = Some(blob);
        }
    }

    /// An artifact, which may be kept in one of them.
    pub(super) fn artifact(&mut self, id: ArtifactId, record: &ArtifactRecord) {
        if let Some(chosen) = self.of(&record.sha256) {
            chosen.artifacts.push(id);
        }
    }

    /// A document, which may be kept in one of them.
    pub(super) fn document(&mut self, key: DocumentKey, record: &DocumentRecord) {
        if let DocumentState::Present { blob, .. } = &record.state
            && let Some(chosen) = self.of(blob)
        {
            chosen.documents.push(key);
        }
    }

    /// The plan. A blob that is gone meanwhile is not part of it.
    pub(super) fn plan(self) -> Plan {
        let named = |chosen: Chosen| {
            Some(Deletion {
                blob: chosen.blob?,
                last_used_at: chosen.last_used_at,
                documents: chosen.documents,
                artifacts: chosen.artifacts,
            })
        };
        Plan {
            deletions: self.deletions.into_iter().filter_map(named).collect(),
            before_bytes: self.before_bytes,
            after_bytes: self.after_bytes,
        }
    }
}
