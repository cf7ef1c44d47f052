//! Work on the stores that no request waits for: rebuilding the cache index, freeing space.

use std::collections::HashSet;

use cordon_policy::decision::Decision;
use cordon_policy::facts::Fact;
use cordon_policy::model::{Digest, Digests};
use cordon_policy::verdict::Effect;
use cordon_storage::StorageError;
use cordon_storage::cache::{ArtifactRecord, DocumentState};
use cordon_storage::evidence::Entry;
use futures_util::StreamExt as _;

use crate::engine::Stores;

/// Entries read from the log at once.
const PAGE: usize = 1000;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries of the log read.
    pub entries: u64,
    /// Artifacts whose bytes are there and whose records were made again.
    pub artifacts: u64,
    /// Artifacts whose bytes are gone: they are fetched again when asked for.
    pub missing: u64,
}

/// Makes the records of artifacts again from the decisions that allowed their bytes. Documents
/// are fetched again from upstream; nothing of them is evidence.
///
/// `progress` is told of the entries read so far.
///
/// # Errors
/// If a store fails.
pub async fn rebuild(
    stores: &Stores,
    mut progress: impl FnMut(u64),
) -> Result<Rebuilt, StorageError> {
    let mut done = Rebuilt::default();
    loop {
        let page = stores.evidence.entries(done.entries, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for (_, entry) in &page {
            if let Entry::Decision(decision) = entry {
                restore(stores, decision, &mut done).await?;
            }
        }
        done.entries += page.len() as u64;
        progress(done.entries);
    }
    stores.cache.flush().await?;
    Ok(done)
}

async fn restore(
    stores: &Stores,
    decision: &Decision,
    done: &mut Rebuilt,
) -> Result<(), StorageError> {
    let evaluation = &decision.evaluation;
    let (Effect::Allow, Some(sha256)) = (evaluation.effect(), evaluation.sha256()) else {
        return Ok(());
    };
    let Some(stat) = stores.blobs.stat(sha256).await? else {
        done.missing += 1;
        return Ok(());
    };
    let record = ArtifactRecord {
        sha256: sha256.clone(),
        size_bytes: stat.size_bytes,
        fetched_at: decision.at,
        upstream: decision.facts.package.upstream.clone(),
        computed: proven(decision, sha256),
        last_used_at: decision.at,
    };
    stores
        .cache
        .put_artifact(evaluation.artifact(), &record)
        .await?;
    done.artifacts += 1;
    Ok(())
}

/// The digests these bytes were shown to have: all that were declared, because the decision that
/// allowed them found no mismatch, and our own.
fn proven(decision: &Decision, sha256: &Digest) -> Digests {
    let is_clean = matches!(&decision.facts.bytes, Fact::Known(b) if b.mismatches.is_empty());
    let declared = decision.facts.declared.known().filter(|_| is_clean);
    let own = std::iter::once(sha256.clone());
    declared
        .into_iter()
        .flat_map(Digests::iter)
        .cloned()
        .chain(own)
        .collect()
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Bytes in the store before.
    pub before_bytes: u64,
    /// Blobs removed.
    pub removed: u64,
    /// Bytes freed.
    pub freed_bytes: u64,
}

/// Frees blobs nothing names any more, then artifacts, least recently used first, until the store
/// holds at most `budget_bytes`. Documents in use are kept. With `dry_run` nothing is removed.
///
/// # Errors
/// If a store fails.
pub async fn collect(
    stores: &Stores,
    budget_bytes: u64,
    dry_run: bool,
) -> Result<Collected, StorageError> {
    let mut artifacts = stores.cache.artifacts().await?;
    artifacts.sort_by_key(|(_, record)| record.last_used_at);
    let mut keep: HashSet<Digest> = HashSet::new();
    for (_, record) in stores.cache.documents().await? {
        if let DocumentState::Present { blob, .. } = record.state {
            keep.insert(blob);
        }
    }
    let named: HashSet<Digest> = artifacts.iter().map(|(_, r)| r.sha256.clone()).collect();
    let mut done = Collected::default();
    let mut unnamed = Vec::new();
    let mut blobs = stores.blobs.scan();
    while let Some(stat) = blobs.next().await {
        let stat = stat?;
        done.before_bytes += stat.size_bytes;
        if !named.contains(&stat.digest) && !keep.contains(&stat.digest) {
            unnamed.push(stat);
        }
    }
    drop(blobs);
    for stat in unnamed {
        if !dry_run {
            stores.blobs.delete(&stat.digest).await?;
        }
        done.removed += 1;
        done.freed_bytes += stat.size_bytes;
    }
    let mut freed = HashSet::new();
    for (id, record) in artifacts {
        let held = done.before_bytes - done.freed_bytes;
        if held <= budget_bytes || keep.contains(&record.sha256) {
            continue;
        }
        if !dry_run {
            stores.cache.remove_artifact(&id).await?;
            stores.blobs.delete(&record.sha256).await?;
        }
        if freed.insert(record.sha256.clone()) {
            done.removed += 1;
            done.freed_bytes += record.size_bytes.min(done.before_bytes - done.freed_bytes);
        }
    }
    stores.cache.flush().await?;
    Ok(done)
}
