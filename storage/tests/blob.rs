//! The blob conformance suite on every backend.

use cordon_storage::blob::{FilesystemBlobs, MemoryBlobs};
use cordon_storage::conformance;

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
