//! The cache index conformance suite on every backend.

use cordon_storage::StorageErrorKind;
use cordon_storage::cache::{CacheIndex, FaultyIndex, MemoryIndex};
use cordon_storage::conformance::cache::{document_key, document_record};
use cordon_storage::conformance::{self, Faults};

#[tokio::test]
async fn memory_conforms() {
    conformance::cache::cache_index(MemoryIndex::new).await;
}

#[tokio::test]
async fn faulty_without_faults_conforms() {
    conformance::cache::cache_index(|| FaultyIndex::new(MemoryIndex::new(), Faults::none())).await;
}

#[tokio::test]
async fn planned_faults_happen_to_the_call_planned() {
    let faults = Faults::none();
    let index = FaultyIndex::new(MemoryIndex::new(), faults.clone());
    let (key, record) = (document_key("a"), document_record("a"));
    faults.fail("put_document", 2, StorageErrorKind::Full);
    faults.tear("put_document", 3, 0);
    faults.fail_from("document", 2, StorageErrorKind::Unavailable);

    index
        .put_document(&key, &record)
        .await
        .expect("the first put");
    index.remove_document(&key).await.expect("a removal");
    let error = index
        .put_document(&key, &record)
        .await
        .expect_err("the second put");
    assert_eq!(error.kind, StorageErrorKind::Full);
    assert_eq!(index.document(&key).await.expect("no effect"), None);
    let error = index
        .put_document(&key, &record)
        .await
        .expect_err("the third put");
    assert_eq!(error.kind, StorageErrorKind::Io);
    for _ in 0..2 {
        let error = index.document(&key).await.expect_err("from the second on");
        assert_eq!(error.kind, StorageErrorKind::Unavailable);
    }
    faults.heal();
    assert_eq!(index.document(&key).await.expect("healed"), Some(record));
    assert_eq!(faults.calls("put_document"), 3);
    assert_eq!(faults.calls("flush"), 0);
}
