//! Work on the stores that no request waits for: rebuilding the cache index, freeing space.

use std::time::Duration;

use cordon_policy::decision::Decision;
use cordon_policy::facts::Fact;
use cordon_policy::model::{Digest, Digests};
use cordon_policy::verdict::Effect;
use cordon_storage::blob::{self, Scrubbed};
use cordon_storage::cache::ArtifactRecord;
use cordon_storage::collect::{Claims, Deletion, Plan, Retention, Unnamed, carry_out, take_stock};
use cordon_storage::evidence::{Entry, Notice};
use cordon_storage::{Chain, StorageError};

use crate::config::QuarantineConfig;
use crate::engine::{Clock as _, Stores, SystemClock};
use crate::quarantine::kept_bytes;

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

/// Makes the records of artifacts again that are missing, from the decisions that allowed their
/// bytes. Documents are fetched again from upstream; nothing of them is evidence.
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
    // What is held is kept for review, and its record is no permission to serve it.
    let (Effect::Allow | Effect::Quarantine, Some(sha256)) =
        (evaluation.effect(), evaluation.sha256())
    else {
        return Ok(());
    };
    let Some(stat) = stores.blobs.stat(sha256).await? else {
        done.missing += 1;
        return Ok(());
    };
    let id = evaluation.artifact();
    let known = stores.cache.artifact(id).await?;
    let record = match known.filter(|record| record.sha256 == *sha256) {
        Some(record) if record.last_used_at >= decision.at => return Ok(()),
        Some(record) => ArtifactRecord {
            last_used_at: decision.at,
            ..record
        },
        None => {
            done.artifacts += 1;
            ArtifactRecord {
                sha256: sha256.clone(),
                size_bytes: stat.size_bytes,
                fetched_at: decision.at,
                upstream: decision.facts.package.upstream.clone(),
                computed: proven(decision, sha256),
                last_used_at: decision.at,
            }
        }
    };
    stores.cache.put_artifact(id, &record).await
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

/// Fills a cache index that lost records from the evidence, so that what is in the store need not
/// be fetched again, and leaves a notice. Failing at it costs time only. Answers whether it was
/// done.
pub async fn refill(stores: &Stores) -> bool {
    let done = match rebuild(stores, |_| ()).await {
        Ok(done) if done.artifacts + done.missing == 0 => return true,
        Ok(done) => done,
        Err(error) => {
            tracing::error!(error = %Chain(&error), "making the cache index again failed");
            return false;
        }
    };
    tracing::warn!(
        artifacts = done.artifacts,
        missing = done.missing,
        "the cache index was made again from the evidence"
    );
    let notice = Notice {
        at: SystemClock.now(),
        code: "cache-index-rebuilt".into(),
        text: format!("{} artifact records made again", done.artifacts),
    };
    if let Err(error) = stores.evidence.append(vec![Entry::Notice(notice)]).await {
        tracing::error!(error = %Chain(&error), "recording the rebuild failed");
    }
    true
}

/// Reads every blob against its name, sets damaged ones aside and leaves a notice of them.
///
/// `progress` is told of the blobs read so far.
///
/// # Errors
/// If a store fails otherwise than by damage.
pub async fn scrub(
    stores: &Stores,
    mut progress: impl FnMut(u64),
) -> Result<Scrubbed, StorageError> {
    let mut first = None;
    let done = blob::scrub(&*stores.blobs, |digest, is_damaged, so_far| {
        if is_damaged && first.is_none() {
            first = Some(digest.clone());
        }
        progress(so_far.blobs);
    })
    .await?;
    if let Some(first) = first {
        let notice = Notice {
            at: SystemClock.now(),
            code: "blobs-damaged".into(),
            text: format!(
                "{} of {} blobs were damaged and set aside, {first} first",
                done.damaged, done.blobs
            ),
        };
        stores.evidence.append(vec![Entry::Notice(notice)]).await?;
    }
    Ok(done)
}

/// How often the cache index is asked whether it lost records.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long after a failure it is tried again to fill it.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Fills the cache index again whenever it lost records while running. Runs until it is dropped.
pub async fn watch_index(stores: Stores) {
    let mut wants_filling = false;
    loop {
        wants_filling |= stores.cache.take_lost();
        if wants_filling {
            wants_filling = !refill(&stores).await;
        }
        let pause = if wants_filling {
            TRY_AGAIN_AFTER
        } else {
            ASK_EVERY
        };
        tokio::time::sleep(pause).await;
    }
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
    quarantine: &QuarantineConfig,
    dry_run: bool,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Plan, StorageError> {
    let retention = Retention {
        budget_bytes,
        keep: kept_bytes(stores, quarantine, SystemClock.now()).await?,
        unnamed: Unnamed::Go,
        most: usize::MAX,
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

    use cordon_storage::StorageErrorKind;
    use cordon_storage::blob::MemoryBlobs;
    use cordon_storage::cache::{CacheIndex, FaultyIndex, MemoryIndex};
    use cordon_storage::conformance::Faults;
    use cordon_storage::conformance::blob::put;
    use cordon_storage::conformance::cache::{document_key, document_record};
    use cordon_storage::conformance::sample::{self, Sample};
    use cordon_storage::evidence::MemoryEvidence;

    use super::*;

    type Index = FaultyIndex<MemoryIndex>;

    fn stores() -> (Stores, Arc<Index>) {
        stores_with(Faults::none())
    }

    fn stores_with(faults: Arc<Faults>) -> (Stores, Arc<Index>) {
        let cache = Arc::new(FaultyIndex::new(MemoryIndex::new(), faults));
        let stores = Stores {
            blobs: Arc::new(MemoryBlobs::new()),
            cache: Arc::clone(&cache) as _,
            evidence: Arc::new(MemoryEvidence::new()),
        };
        (stores, cache)
    }

    async fn allow(stores: &Stores, id: u64, content: &[u8]) {
        let allow = Sample {
            sha256: Some(Digest::of(content)),
            ..Sample::allow(id, sample::artifact("a", "1.0.0"))
        };
        let entry = Entry::Decision(Box::new(allow.decision()));
        stores
            .evidence
            .append(vec![entry])
            .await
            .expect("an append");
    }

    #[tokio::test(start_paused = true)]
    async fn records_lost_while_running_are_made_again_and_a_notice_tells() {
        let (stores, cache) = stores();
        put(&*stores.blobs, b"content").await;
        allow(&stores, 1, b"content").await;
        let watch = tokio::spawn(watch_index(stores.clone()));
        tokio::time::sleep(ASK_EVERY * 3).await;
        assert_eq!(cache.artifacts().await.expect("a list"), []);
        cache.lose().await.expect("a loss");
        tokio::time::sleep(ASK_EVERY * 2).await;
        let (_, record) = cache.artifacts().await.expect("a list").remove(0);
        assert_eq!(record.sha256, Digest::of(b"content"));
        let entries = stores.evidence.entries(0, 10).await.expect("entries");
        let codes: Vec<_> = entries
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::Notice(notice) => Some(notice.code.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(codes, ["cache-index-rebuilt"]);
        watch.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn records_that_could_not_be_made_again_are_tried_again() {
        let faults = Faults::none();
        let (stores, cache) = stores_with(faults.clone());
        put(&*stores.blobs, b"content").await;
        allow(&stores, 1, b"content").await;
        let watch = tokio::spawn(watch_index(stores.clone()));
        faults.fail("put_artifact", 1, StorageErrorKind::Full);
        cache.lose().await.expect("a loss");
        tokio::time::sleep(ASK_EVERY * 3).await;
        assert_eq!(cache.artifacts().await.expect("a list"), []);
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
        assert_eq!(cache.artifacts().await.expect("a list").len(), 1);
        watch.abort();
    }

    #[tokio::test]
    async fn a_rebuild_leaves_better_records_alone_and_counts_each_artifact_once() {
        let (stores, cache) = stores();
        put(&*stores.blobs, b"content").await;
        allow(&stores, 1, b"content").await;
        allow(&stores, 2, b"content").await;
        let done = rebuild(&stores, |_| ()).await.expect("a rebuild");
        assert_eq!((done.entries, done.artifacts, done.missing), (2, 1, 0));
        let (id, mut record) = cache.artifacts().await.expect("a list").remove(0);
        assert_eq!(record.last_used_at, sample::at(2));
        record.last_used_at = sample::at(3);
        cache.put_artifact(&id, &record).await.expect("a put");
        let done = rebuild(&stores, |_| ()).await.expect("a rebuild");
        assert_eq!(done.artifacts, 0);
        let kept = cache.artifact(&id).await.expect("a look");
        assert_eq!(kept, Some(record));
    }

    #[tokio::test]
    async fn documents_are_removed_as_well_and_a_dry_run_removes_nothing() {
        let (stores, cache) = stores();
        let blobs = &stores.blobs;
        for name in ["document", "nobody-names-this"] {
            put(&**blobs, name.as_bytes()).await;
        }
        let (key, record) = (document_key("a"), document_record("document"));
        cache.put_document(&key, &record).await.expect("a put");
        for (is_dry, expected) in [(true, 0), (false, 2)] {
            let mut told = 0;
            let quarantine = QuarantineConfig::default();
            let plan = collect(&stores, 0, &quarantine, is_dry, |removed| told = removed)
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
