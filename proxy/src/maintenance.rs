//! Work on the stores that no request waits for: rebuilding the cache index, freeing space.

use std::collections::HashSet;

use cordon_policy::decision::Decision;
use cordon_policy::facts::Fact;
use cordon_policy::model::{Digest, Digests};
use cordon_policy::verdict::Effect;
use cordon_storage::StorageError;
use cordon_storage::cache::ArtifactRecord;
use cordon_storage::collect::{Claims, Deletion, Plan, Retention, Unnamed, carry_out, take_stock};
use cordon_storage::evidence::Entry;

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

/// Frees space down to `budget_bytes`: blobs nothing names any more, then the least recently used
/// (`cordon_storage::collect`). For a store that nothing else is using. With `dry_run` nothing is
/// removed; `progress` is told of the blobs removed so far.
///
/// # Errors
/// If a store fails.
pub async fn collect(
    stores: &Stores,
    budget_bytes: u64,
    dry_run: bool,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Plan, StorageError> {
    let retention = Retention {
        budget_bytes,
        keep: HashSet::new(),
        unnamed: Unnamed::Go,
    };
    let claims = Claims::default();
    let round = claims.begin().expect("new claims have no round under way");
    let plan = take_stock(&*stores.blobs, &*stores.cache, &round, &retention).await?;
    if !dry_run {
        let mut removed = 0;
        let count = |_: &Deletion| {
            removed += 1;
            progress(removed);
        };
        carry_out(&*stores.blobs, &*stores.cache, &round, &plan, count).await?;
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cordon_storage::blob::{BlobStore, MemoryBlobs};
    use cordon_storage::cache::{CacheIndex, MemoryIndex};
    use cordon_storage::conformance::blob::put;
    use cordon_storage::conformance::cache::{document_key, document_record};
    use cordon_storage::evidence::MemoryEvidence;

    use super::*;

    #[tokio::test]
    async fn documents_are_removed_as_well_and_a_dry_run_removes_nothing() {
        let (blobs, cache) = (Arc::new(MemoryBlobs::new()), Arc::new(MemoryIndex::new()));
        let stores = Stores {
            blobs: Arc::clone(&blobs) as _,
            cache: Arc::clone(&cache) as _,
            evidence: Arc::new(MemoryEvidence::new()),
        };
        for name in ["document", "nobody-names-this"] {
            put(&*blobs, name.as_bytes()).await;
        }
        let (key, record) = (document_key("a"), document_record("document"));
        cache.put_document(&key, &record).await.expect("a put");
        for (is_dry, expected) in [(true, 0), (false, 2)] {
            let mut told = 0;
            let plan = collect(&stores, 0, is_dry, |removed| told = removed)
                .await
                .expect("a collection");
            assert_eq!((plan.deletions.len(), plan.after_bytes), (2, 0));
            assert_eq!(told, expected);
            let document = Digest::of(b"document");
            let is_there = blobs.stat(&document).await.expect("a look").is_some();
            assert_eq!(is_there, is_dry);
            let listed = cache.documents().await.expect("a list");
            assert_eq!(listed.is_empty(), !is_dry);
        }
    }
}
