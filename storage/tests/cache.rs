//! The cache index conformance suite on every backend.

use cordon_storage::cache::MemoryIndex;
use cordon_storage::conformance;

#[tokio::test]
async fn memory_conforms() {
    conformance::cache::cache_index(MemoryIndex::new).await;
}
