use cordon_storage::StorageErrorKind;
use cordon_storage::blob::{BlobStore as _, FaultyBlobs, MemoryBlobs};
use cordon_storage::cache::{CacheIndex as _, FaultyIndex, MemoryIndex};
use cordon_storage::conformance::Faults;
use cordon_storage::conformance::blob::put;
use cordon_storage::conformance::cache::{artifact_id, artifact_record};
use cordon_storage::evidence::{Evidence as _, MemoryEvidence};
use futures_util::FutureExt as _;

use super::*;
use crate::config::QuarantineConfig;
use crate::engine::clock::SystemClock;
use crate::engine::uses::LastUse;

/// Four blobs of 100 bytes below a limit of 320, of which a collection leaves 300.
const LIMIT: u64 = 320;

struct Scene {
    blobs: Arc<MemoryBlobs>,
    index: Arc<FaultyIndex<MemoryIndex>>,
    evidence: Arc<MemoryEvidence>,
    faults: Arc<Faults>,
    space: Space,
}

fn content(number: u8) -> Vec<u8> {
    vec![number; 100]
}

fn digest(number: u8) -> Digest {
    Digest::of(&content(number))
}

fn artifact(number: u8) -> ArtifactId {
    artifact_id("a", &number.to_string(), "a.tgz")
}

impl Scene {
    fn new() -> Self {
        let faults = Faults::none();
        let index = FaultyIndex::new(MemoryIndex::new(), faults.clone());
        let (blobs, index) = (Arc::new(MemoryBlobs::new()), Arc::new(index));
        let evidence = Arc::new(MemoryEvidence::new());
        let stores = Stores {
            blobs: Arc::new(FaultyBlobs::new((*blobs).clone(), faults.clone())),
            cache: Arc::clone(&index) as _,
            evidence: Arc::clone(&evidence) as _,
        };
        let metrics = Arc::new(Meters::new(Arc::new(crate::telemetry::Metrics::new(&[]))));
        let space = Space::new(
            stores,
            LIMIT,
            QuarantineConfig::default(),
            Arc::new(SystemClock),
            metrics,
        );
        Self {
            blobs,
            index,
            evidence,
            faults,
            space,
        }
    }

    /// Artifacts 0 to 3, used in this order.
    async fn filled() -> Self {
        let scene = Self::new();
        for number in 0..4 {
            put(&*scene.blobs, &content(number)).await;
            let mut record = artifact_record("any");
            record.sha256 = digest(number);
            record.size_bytes = 100;
            record.last_used_at = Timestamp::from_millis(1000 + i64::from(number));
            let id = artifact(number);
            let put = scene.index.put_artifact(&id, &record);
            put.await.expect("a put");
        }
        scene
    }

    async fn left(&self) -> Vec<u8> {
        let mut left = Vec::new();
        for number in 0..4 {
            let stat = self.blobs.stat(&digest(number)).await.expect("a look");
            left.extend(stat.map(|_| number));
        }
        left
    }
}

#[tokio::test]
async fn above_the_limit_the_least_recently_used_go_and_leave_a_notice() {
    let scene = Scene::filled().await;
    let (removed, outcome) = scene.space.tidy().await;
    outcome.expect("a collection");
    assert_eq!(removed, HashSet::from([digest(0)]));
    assert_eq!(scene.left().await, [1, 2, 3]);
    let record = scene.index.artifact(&artifact(0)).await.expect("a look");
    assert_eq!(record, None);
    let entries = scene.evidence.entries(0, 10).await.expect("entries");
    let notice = entries.iter().find_map(|(_, entry)| match entry {
        LogEntry::Notice(notice) => Some(notice),
        _ => None,
    });
    let notice = notice.expect("a notice");
    assert_eq!(notice.code, "store-collected");
    assert_eq!(scene.space.show(), 300);
    // What fits stays, however often it is looked at.
    let (removed, outcome) = scene.space.tidy().await;
    outcome.expect("a count");
    assert!(removed.is_empty());
}

#[tokio::test]
async fn an_artifact_used_from_memory_only_does_not_look_unused() {
    let scene = Scene::filled().await;
    let last = LastUse::never();
    let now = Timestamp::from_millis(1_000_000);
    for _ in 0..1000 {
        scene.space.uses.note(&artifact(0), &last, now);
    }
    let puts = scene.faults.calls("put_artifact");
    scene.space.tidy().await.1.expect("a collection");
    assert_eq!(scene.left().await, [0, 2, 3]);
    assert_eq!(scene.faults.calls("put_artifact"), puts + 1);
    let record = scene.index.artifact(&artifact(0)).await.expect("a look");
    assert_eq!(record.map(|record| record.last_used_at), Some(now));
}

#[tokio::test]
async fn a_failing_index_loses_no_blob_and_no_use_and_is_asked_again() {
    for operation in ["artifact", "artifacts", "documents"] {
        let scene = Scene::filled().await;
        let last = LastUse::never();
        let used_at = Timestamp::from_millis(1_000_000);
        scene.space.uses.note(&artifact(0), &last, used_at);
        scene.faults.fail_from(operation, 1, StorageErrorKind::Io);
        let (removed, outcome) = scene.space.tidy().await;
        assert!(outcome.is_err() && removed.is_empty(), "{operation}");
        assert_eq!(scene.left().await, [0, 1, 2, 3], "{operation}");
        scene.faults.heal();
        scene.space.tidy().await.1.expect("a collection");
        assert_eq!(scene.left().await, [0, 2, 3], "{operation}");
    }
}

#[tokio::test]
async fn a_collection_that_fails_half_way_counts_what_it_did() {
    let scene = Scene::filled().await;
    for number in 4..8 {
        put(&*scene.blobs, &content(number)).await;
    }
    scene.faults.fail("delete", 3, StorageErrorKind::Io);
    let (removed, outcome) = scene.space.tidy().await;
    assert!(outcome.is_err());
    assert_eq!((removed.len(), scene.space.show()), (2, 600));
    scene.space.tidy().await.1.expect("a collection");
    assert_eq!(scene.space.show(), 300);
}

#[tokio::test]
async fn after_the_loss_of_the_index_no_more_goes_than_is_too_much() {
    let scene = Scene::new();
    for number in 0..4 {
        put(&*scene.blobs, &content(number)).await;
    }
    scene.space.tidy().await.1.expect("a collection");
    assert_eq!(scene.left().await.len(), 3);
}

#[tokio::test]
async fn what_is_held_stays_and_what_is_added_wakes_the_collection_above_the_limit_only() {
    let scene = Scene::filled().await;
    let _held = scene.space.hold(&digest(0)).await;
    scene.space.tidy().await.1.expect("a collection");
    assert_eq!(scene.left().await, [0, 2, 3]);
    let scene = Scene::new();
    scene.space.added(LIMIT);
    assert!(scene.space.is_over.notified().now_or_never().is_none());
    scene.space.added(1);
    assert!(scene.space.is_over.notified().now_or_never().is_some());
}
