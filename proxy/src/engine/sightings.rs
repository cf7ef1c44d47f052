//! When each candidate was first seen.
//!
//! A rule may hold what is new to Cordon, and a publication time that changes after first sight is
//! not believed. Both rest on what was seen first, so it counts from the moment it is seen; it is
//! written down behind the answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cordon_policy::facts::VersionFacts;
use cordon_policy::model::{FileName, PackageName, Timestamp, Version};
use cordon_storage::evidence::{
    Entry as LogEntry, Evidence, Seen, Sighted, Sighting, sighted_to_text,
};
use cordon_storage::{Chain, StorageError};

use super::Engine;

/// A version's file.
pub(super) type Candidate = (Version, FileName);

/// What a package looked like at first sight.
pub(super) struct Sightings {
    seen: HashMap<Candidate, Seen>,
    /// Those of `seen` that were not in the evidence when it was asked.
    unwritten: Vec<Candidate>,
    /// Whether somebody writes those, or has.
    is_written: Arc<AtomicBool>,
}

impl Sightings {
    /// What the evidence has `seen`, what was seen `before` by the package in memory (its writing
    /// may be under way, or have failed), and the rest as first seen now.
    pub(super) fn of(
        candidates: &[VersionFacts],
        mut seen: HashMap<Candidate, Seen>,
        before: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let mut unwritten = Vec::new();
        for facts in candidates {
            let id = &facts.artifact;
            let candidate = (id.subject.version.clone(), id.file.clone());
            if seen.contains_key(&candidate) {
                continue;
            }
            let earlier = before.and_then(|before| before.seen(&candidate)).cloned();
            let first = earlier.unwrap_or_else(|| Seen {
                first_seen_at: now,
                published_at: facts.published_at.known().copied(),
            });
            seen.insert(candidate.clone(), first);
            unwritten.push(candidate);
        }
        Self {
            seen,
            is_written: Arc::new(AtomicBool::new(unwritten.is_empty())),
            unwritten,
        }
    }

    /// What a candidate looked like at first sight.
    pub(super) fn seen(&self, candidate: &Candidate) -> Option<&Seen> {
        self.seen.get(candidate)
    }

    /// What is to be written, by when it was seen.
    fn to_write(&self) -> BTreeMap<Timestamp, Vec<Sighted>> {
        let mut batches: BTreeMap<Timestamp, Vec<Sighted>> = BTreeMap::new();
        for candidate in &self.unwritten {
            let Some(seen) = self.seen.get(candidate) else {
                continue;
            };
            batches
                .entry(seen.first_seen_at)
                .or_default()
                .push(Sighted {
                    version: candidate.0.clone(),
                    file: candidate.1.clone(),
                    published_at: seen.published_at,
                });
        }
        batches
    }
}

impl Engine {
    /// Records candidates never seen before, behind the answer, and tries again whenever the
    /// documents are confirmed until it succeeds. If all of that is lost, because Cordon stops
    /// before, they count as first seen later: what is held since first sight is held longer, and a
    /// publication time that was changed in between is not noticed.
    pub(super) async fn note_sightings(&self, package: &PackageName, sightings: &Sightings) {
        if sightings.is_written.swap(true, Ordering::Relaxed) {
            return;
        }
        let batches = sightings.to_write();
        let is_written = Arc::clone(&sightings.is_written);
        let evidence = Arc::clone(&self.stores.evidence);
        let metrics = Arc::clone(&self.metrics);
        let package = package.clone();
        let write = async move {
            if let Err(error) = write(&*evidence, package, batches).await {
                is_written.store(false, Ordering::Relaxed);
                metrics.store_failed(&error);
                tracing::warn!(error = %Chain(&error), "recording a sighting failed; it is tried again");
            }
        };
        self.background.run(write).await;
    }
}

async fn write(
    evidence: &dyn Evidence,
    package: PackageName,
    batches: BTreeMap<Timestamp, Vec<Sighted>>,
) -> Result<(), StorageError> {
    let mut entries = Vec::with_capacity(batches.len());
    for (at, sighted) in batches {
        entries.push(LogEntry::Sighting(Sighting {
            package: package.clone(),
            at,
            count: u32::try_from(sighted.len()).unwrap_or(u32::MAX),
            candidates: evidence.put_text(sighted_to_text(&sighted)).await?,
        }));
    }
    evidence.append(entries).await.map(drop)
}
