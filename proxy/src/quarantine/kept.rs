//! Which bytes of held artifacts stay for review whatever else has to go.

use std::collections::HashSet;

use cordon_policy::model::{Digest, Timestamp};
use cordon_storage::StorageError;

use crate::config::QuarantineConfig;
use crate::engine::Stores;

/// Held artifacts whose bytes are looked after, the latest held.
const MOST: usize = 100_000;

/// The bytes of what is held that no collection takes: those held not too long ago, the latest first,
/// up to the bound. What is left out stays held; its bytes go like any others, and can be fetched
/// again.
///
/// # Errors
/// If a store fails.
pub async fn kept_bytes(
    stores: &Stores,
    config: &QuarantineConfig,
    now: Timestamp,
) -> Result<HashSet<Digest>, StorageError> {
    let mut kept = HashSet::new();
    let mut left_bytes = config.max_bytes;
    for held in stores.evidence.held_bytes(MOST).await? {
        if now.since(held.since) > config.expire_after {
            break;
        }
        let Some(stat) = stores.blobs.stat(&held.sha256).await? else {
            continue;
        };
        if stat.size_bytes > left_bytes {
            break;
        }
        if kept.insert(held.sha256) {
            left_bytes -= stat.size_bytes;
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use cordon_storage::blob::MemoryBlobs;
    use cordon_storage::cache::MemoryIndex;
    use cordon_storage::conformance::blob::put;
    use cordon_storage::conformance::sample::{Sample, artifact, at};
    use cordon_storage::evidence::{Entry, MemoryEvidence, Pin};

    use super::*;

    #[tokio::test]
    async fn the_latest_held_bytes_are_kept_within_time_and_space() {
        let stores = Stores {
            blobs: Arc::new(MemoryBlobs::new()),
            cache: Arc::new(MemoryIndex::new()),
            evidence: Arc::new(MemoryEvidence::new()),
        };
        for (number, name) in [(1, "a"), (2, "bb"), (3, "ccc")] {
            let artifact = artifact(name, "1.0.0");
            put(&*stores.blobs, name.as_bytes()).await;
            let pin = Pin {
                artifact: artifact.clone(),
                sha256: Digest::of(name.as_bytes()),
                at: at(number),
            };
            let number = number.unsigned_abs();
            let entries = vec![
                Entry::Pin(pin),
                Sample::quarantine(number, artifact).entry(),
            ];
            stores.evidence.append(entries).await.expect("appends");
        }
        let kept = async |max_bytes, seconds| {
            let config = QuarantineConfig {
                max_bytes,
                expire_after: Duration::from_secs(seconds),
                ..QuarantineConfig::default()
            };
            kept_bytes(&stores, &config, at(4)).await.expect("reads")
        };
        let of = |names: &[&str]| -> HashSet<Digest> {
            names
                .iter()
                .map(|name| Digest::of(name.as_bytes()))
                .collect()
        };
        assert_eq!(kept(100, 100).await, of(&["a", "bb", "ccc"]));
        assert_eq!(kept(5, 100).await, of(&["bb", "ccc"]));
        assert_eq!(kept(100, 2).await, of(&["bb", "ccc"]));
        assert_eq!(kept(2, 100).await, of(&[]));
    }
}
