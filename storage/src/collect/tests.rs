use proptest::prelude::*;

use super::*;
use crate::blob::MemoryBlobs;
use crate::cache::{ArtifactRecord, DocumentRecord, DocumentState, MemoryIndex};
use crate::conformance::blob::put;
use crate::conformance::cache::{artifact_id, artifact_record, document_key, document_record};

/// The plan for a stock, as [`take_stock`] makes it.
fn plan(
    blobs: Vec<BlobStat>,
    documents: Documents,
    artifacts: Artifacts,
    retention: &Retention,
) -> Plan {
    let mut stock = Stock::default();
    blobs.iter().for_each(|blob| stock.blob(blob, retention));
    artifacts
        .iter()
        .for_each(|(id, record)| stock.artifact(id, record));
    documents
        .iter()
        .for_each(|(key, record)| stock.document(key, record));
    let mut choice = stock.choose(retention);
    blobs.into_iter().for_each(|blob| choice.blob(blob));
    artifacts
        .into_iter()
        .for_each(|(id, record)| choice.artifact(id, &record));
    documents
        .into_iter()
        .for_each(|(key, record)| choice.document(key, &record));
    choice.plan()
}

fn blob(name: &str, size_bytes: u64) -> BlobStat {
    BlobStat {
        digest: Digest::of(name.as_bytes()),
        size_bytes,
    }
}

fn artifact(name: &str, file: &str, last_used_at: i64) -> (ArtifactId, ArtifactRecord) {
    let mut record = artifact_record(name);
    record.last_used_at = Timestamp::from_millis(last_used_at);
    (artifact_id(file, "1", file), record)
}

fn document(name: &str, fetched_at: i64) -> (DocumentKey, DocumentRecord) {
    let mut record = document_record(name);
    record.fetched_at = Timestamp::from_millis(fetched_at);
    (document_key(name), record)
}

fn within(budget_bytes: u64) -> Retention {
    Retention {
        budget_bytes,
        keep: HashSet::new(),
        unnamed: Unnamed::Go,
        most: usize::MAX,
    }
}

fn deleted(plan: &Plan) -> Vec<Digest> {
    let deletions = plan.deletions.iter();
    deletions
        .map(|deletion| deletion.blob.digest.clone())
        .collect()
}

fn names(names: &[&str]) -> Vec<Digest> {
    names
        .iter()
        .map(|name| Digest::of(name.as_bytes()))
        .collect()
}

fn stock() -> Vec<BlobStat> {
    ["old", "mid", "doc", "new", "orphan"]
        .map(|name| blob(name, 100))
        .to_vec()
}

type Documents = Vec<(DocumentKey, DocumentRecord)>;
type Artifacts = Vec<(ArtifactId, ArtifactRecord)>;

fn records() -> (Documents, Artifacts) {
    let artifacts = vec![
        artifact("new", "new", 40),
        artifact("old", "old", 10),
        artifact("mid", "mid", 20),
        // The bytes of `old` under another name, used later.
        artifact("old", "alias", 25),
        artifact("gone", "gone", 1),
    ];
    (vec![document("doc", 30)], artifacts)
}

#[test]
fn the_least_recently_used_go_until_the_rest_fits() {
    for (budget, expected) in [
        (u64::MAX, &["orphan"][..]),
        (400, &["orphan"]),
        (399, &["orphan", "mid"]),
        (300, &["orphan", "mid"]),
        (200, &["orphan", "mid", "old"]),
        (100, &["orphan", "mid", "old", "doc"]),
        (0, &["orphan", "mid", "old", "doc", "new"]),
    ] {
        let (documents, artifacts) = records();
        let plan = plan(stock(), documents, artifacts, &within(budget));
        assert_eq!(deleted(&plan), names(expected), "{budget} bytes");
        assert_eq!(plan.before_bytes, 500);
        assert_eq!(plan.after_bytes, 500 - 100 * expected.len() as u64);
    }
}

#[test]
fn a_document_stays_as_long_as_an_artifact_of_its_package_or_ecosystem() {
    let artifacts = vec![artifact("old", "old", 10), artifact("new", "new", 40)];
    let documents = vec![document("old", 1), document("new", 2), document("", 3)];
    let stock = [("old", 100), ("new", 100)].map(|(name, size)| blob(name, size));
    // Each document in a blob of its own, which is smaller than any artifact.
    let documents: Vec<_> = documents
        .into_iter()
        .map(|(key, mut record)| {
            record.state = DocumentState::Present {
                blob: Digest::of(format!("about {}", key.name).as_bytes()),
                content_type: "text/plain".into(),
            };
            (key, record)
        })
        .collect();
    let abouts = ["about old", "about new", "about "].map(|name| blob(name, 10));
    let stock: Vec<_> = stock.into_iter().chain(abouts).collect();
    let plan = plan(stock, documents, artifacts, &within(0));
    let (old, new) = (["old", "about old", "new"], ["about ", "about new"]);
    let mut deleted = deleted(&plan);
    let last = deleted.split_off(3);
    assert_eq!(deleted, names(&old));
    // Of the same instant and size, in any order.
    let set = |digests: Vec<Digest>| digests.into_iter().collect::<HashSet<_>>();
    assert_eq!(set(last), set(names(&new)));
}

#[test]
fn no_more_go_at_once_than_may_and_the_oldest_do() {
    let (documents, artifacts) = records();
    let mut retention = within(0);
    retention.most = 2;
    let plan = plan(stock(), documents, artifacts, &retention);
    assert_eq!(deleted(&plan), names(&["orphan", "mid"]));
    assert_eq!(plan.after_bytes, 300);
}

#[test]
fn what_is_to_be_kept_stays_and_counts() {
    let (documents, artifacts) = records();
    let retention = Retention {
        budget_bytes: 0,
        keep: HashSet::from_iter(names(&["mid", "orphan", "unknown"])),
        unnamed: Unnamed::Go,
        most: usize::MAX,
    };
    let plan = plan(stock(), documents, artifacts, &retention);
    assert_eq!(deleted(&plan), names(&["old", "doc", "new"]));
    assert_eq!(plan.after_bytes, 200);
}

#[test]
fn unnamed_blobs_stay_when_told() {
    let (documents, artifacts) = records();
    let mut retention = within(0);
    retention.unnamed = Unnamed::Stay;
    let plan = plan(stock(), documents, artifacts, &retention);
    assert_eq!(deleted(&plan), names(&["mid", "old", "doc", "new"]));
}

#[test]
fn unnamed_blobs_go_first_but_only_as_far_as_needed_when_told() {
    for (budget, expected) in [
        (500, &[][..]),
        (400, &["orphan"]),
        (399, &["orphan", "mid"]),
    ] {
        let (documents, artifacts) = records();
        let mut retention = within(budget);
        retention.unnamed = Unnamed::GoFirst;
        let plan = plan(stock(), documents, artifacts, &retention);
        assert_eq!(deleted(&plan), names(expected), "{budget} bytes");
    }
}

#[tokio::test]
async fn bytes_that_arrive_again_after_the_stock_was_taken_stay() {
    let (blobs, index) = (MemoryBlobs::new(), MemoryIndex::new());
    let (again, gone) = (Digest::of(b"again"), Digest::of(b"gone"));
    for name in ["again", "gone"] {
        put(&blobs, name.as_bytes()).await;
    }
    let claims = Claims::default();
    let round = claims.begin().expect("a round");
    let plan = take_stock(&blobs, &index, &round, &within(0))
        .await
        .expect("a plan");
    assert_eq!(plan.deletions.len(), 2);
    let held = claims.hold(&again).await;
    put(&blobs, b"again").await;
    let (id, record) = artifact("again", "again", 1);
    index.put_artifact(&id, &record).await.expect("a put");
    drop(held);
    carry_out(&blobs, &index, &round, &plan, |_| ())
        .await
        .expect("a collection");
    let is_there = |found: Option<BlobStat>| found.is_some();
    assert!(is_there(blobs.stat(&again).await.expect("a look")));
    assert!(!is_there(blobs.stat(&gone).await.expect("a look")));
}

#[tokio::test]
async fn records_go_with_their_blobs_and_others_stay() {
    let (blobs, index) = (MemoryBlobs::new(), MemoryIndex::new());
    for name in ["old", "mid", "doc", "new", "orphan"] {
        put(&blobs, name.as_bytes()).await;
    }
    let (documents, artifacts) = records();
    for (key, record) in &documents {
        index.put_document(key, record).await.expect("a put");
    }
    for (id, record) in &artifacts {
        index.put_artifact(id, record).await.expect("a put");
    }
    let claims = Claims::default();
    let round = claims.begin().expect("a round");
    let plan = take_stock(&blobs, &index, &round, &within(6))
        .await
        .expect("a plan");
    assert_eq!(deleted(&plan), names(&["orphan", "mid", "old"]));
    let mut count = 0;
    carry_out(&blobs, &index, &round, &plan, |_| count += 1)
        .await
        .expect("a collection");
    assert_eq!(count, 3);
    let left: Vec<BlobStat> = blobs.scan().try_collect().await.expect("a scan");
    assert_eq!(left.len(), 2);
    assert_eq!(index.documents().await.expect("a list").len(), 1);
    // `new`, and `gone`, whose blob was not there to begin with.
    assert_eq!(index.artifacts().await.expect("a list").len(), 2);
}

proptest! {
    /// Kept blobs are never deleted, the rest fits or nothing more could go, and nothing went
    /// that need not have gone.
    #[test]
    fn plans_keep_what_must_be_kept_and_delete_no_more_than_needed(
        sizes in prop::collection::vec(0_u64..1000, 1..40),
        used in prop::collection::vec((0_usize..40, 0_i64..20), 0..60),
        kept in prop::collection::vec(0_usize..40, 0..10),
        budget_bytes in 0_u64..20_000,
    ) {
        let name = |number: usize| format!("blob-{number}");
        let blobs: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(number, size)| blob(&name(number), *size))
            .collect();
        let artifacts: Vec<_> = used
            .iter()
            .enumerate()
            .map(|(file, (number, at))| artifact(&name(*number), &format!("file-{file}"), *at))
            .collect();
        let keep: HashSet<_> = kept
            .iter()
            .map(|number| Digest::of(name(*number).as_bytes()))
            .collect();
        let retention = Retention { budget_bytes, keep: keep.clone(), unnamed: Unnamed::Stay, most: usize::MAX };
        let total: u64 = sizes.iter().sum();
        let plan = plan(blobs.clone(), Vec::new(), artifacts.clone(), &retention);
        let freed: u64 = plan.deletions.iter().map(|deletion| deletion.blob.size_bytes).sum();
        prop_assert_eq!(plan.after_bytes, total - freed);
        prop_assert!(plan.deletions.iter().all(|deletion| !keep.contains(&deletion.blob.digest)));
        if let Some(last) = plan.deletions.last() {
            prop_assert!(plan.after_bytes + last.blob.size_bytes > budget_bytes);
        }
        if plan.after_bytes > budget_bytes {
            let could_go: HashSet<_> = artifacts
                .iter()
                .map(|(_, record)| record.sha256.clone())
                .filter(|digest| !keep.contains(digest))
                .filter(|digest| blobs.iter().any(|blob| blob.digest == *digest))
                .collect();
            prop_assert_eq!(could_go.len(), plan.deletions.len());
        }
    }
}
