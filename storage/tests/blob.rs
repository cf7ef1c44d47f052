//! The blob conformance suite on every backend.

use bytes::Bytes;
use cordon_storage::StorageErrorKind;
use cordon_storage::blob::{BlobStore, FaultyBlobs, FilesystemBlobs, MemoryBlobs};
use cordon_storage::conformance::{self, Faults};
use futures_util::TryStreamExt;

#[tokio::test]
async fn memory_conforms() {
    conformance::blob::blob_store(MemoryBlobs::new).await;
}

#[tokio::test]
async fn filesystem_conforms() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let number = std::sync::atomic::AtomicU32::new(0);
    conformance::blob::blob_store(|| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        FilesystemBlobs::open(folder.path().join(number.to_string())).expect("a new store")
    })
    .await;
}

#[tokio::test]
async fn faulty_without_faults_conforms() {
    conformance::blob::blob_store(|| FaultyBlobs::new(MemoryBlobs::new(), Faults::none())).await;
}

#[tokio::test]
async fn planned_faults_happen_to_the_call_planned() {
    let faults = Faults::none();
    let store = FaultyBlobs::new(MemoryBlobs::new(), faults.clone());
    faults.tear("write", 2, 3);
    let mut stage = store.stage(100).await.expect("a stage");
    stage
        .write(Bytes::from_static(b"whole"))
        .await
        .expect("the first write");
    let error = stage
        .write(Bytes::from_static(b"torn"))
        .await
        .expect_err("the second");
    assert_eq!(error.kind, StorageErrorKind::Io);
    assert_eq!(stage.len(), 8);
    faults.fail("commit", 1, StorageErrorKind::Full);
    let error = stage.commit().await.expect_err("the first commit");
    assert_eq!(error.kind, StorageErrorKind::Full);
    assert_eq!(
        store.scan().try_collect::<Vec<_>>().await.expect("a scan"),
        []
    );

    let digest = conformance::blob::put(&store, b"stored").await;
    let reader = store
        .open(&digest)
        .await
        .expect("an answer")
        .expect("the blob");
    faults.tear("read_at", 1, 2);
    faults.fail("read_at", 2, StorageErrorKind::Io);
    assert_eq!(reader.read_at(0, 100).expect("a short read"), "st");
    assert!(reader.read_at(2, 100).is_err());
    assert_eq!(reader.read_at(2, 100).expect("the third read"), "ored");
    faults.fail_from("scan", 1, StorageErrorKind::Unavailable);
    assert!(store.scan().try_collect::<Vec<_>>().await.is_err());
}
