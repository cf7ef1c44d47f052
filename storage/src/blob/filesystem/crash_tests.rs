//! INV-10, F-03: what was acknowledged survives a power cut, what was not is never half there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::blob::CHUNK_BYTES;
use crate::conformance::blob::{read_all, sample};
use crate::disk::simulated::{Random, SimulatedDisk};

const ROOT: &str = "/data/blobs";

/// Seeds run by default, and by whoever sets `CORDON_LOSSY_DISK_SEEDS`.
const SEEDS: u64 = 1000;

fn open(disk: &SimulatedDisk) -> Result<FilesystemBlobs, StorageError> {
    FilesystemBlobs::open_on(Arc::new(disk.clone()), PathBuf::from(ROOT))
}

/// The blobs of a run, all different: few enough that the same ones are committed again.
fn blobs() -> Vec<Bytes> {
    let chunk = CHUNK_BYTES as usize;
    let lengths = [0, 1, 100, 4096, 9000, chunk + 1, chunk + 9000, 50, 60];
    let numbered = lengths.into_iter().zip(0..);
    numbered
        .map(|(length, seed)| sample(length, seed).into())
        .collect()
}

async fn commit(store: &FilesystemBlobs, data: &Bytes) -> Result<Digest, StorageError> {
    let mut stage = store.stage(u64::MAX).await?;
    stage.write(data.clone()).await?;
    Ok(stage.commit().await?.digest)
}

/// One disk through several power cuts.
struct Run {
    seed: u64,
    disk: SimulatedDisk,
    random: Random,
    blobs: Vec<Bytes>,
    digests: Vec<Digest>,
    /// Blobs committed and not deleted since.
    acknowledged: BTreeSet<usize>,
    commits: u64,
}

impl Run {
    /// Commits and deletes until the power goes or there was enough of it.
    async fn work(&mut self) {
        let Ok(store) = open(&self.disk) else { return };
        for _ in 0..12 {
            let number = self.random.below(self.blobs.len() as u64) as usize;
            let data = self.blobs[number].clone();
            let done = match self.random.below(10) {
                0 => {
                    self.acknowledged.remove(&number);
                    store.delete(&Digest::of(&data)).await
                }
                1 => {
                    let mut stage = store.stage(u64::MAX).await.expect("a stage");
                    // Given up half-way.
                    stage.write(data).await
                }
                _ => commit(&store, &data).await.map(|digest| {
                    assert_eq!(digest, Digest::of(&data));
                    self.acknowledged.insert(number);
                    self.commits += 1;
                }),
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn check(&self) {
        let seed = self.seed;
        let store = open(&self.disk).expect("the store opens after a crash");
        // Whatever has a live name is whole, acknowledged or not.
        let mut present = BTreeSet::new();
        for first in 0..=u8::MAX {
            for stat in store.store.list_shard(first).expect("a listing") {
                let number = self
                    .digests
                    .iter()
                    .position(|digest| *digest == stat.digest);
                let number = number.expect("one of ours");
                let reader = store.store.open(&stat.digest);
                let reader = reader.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
                let reader: BlobReader = Arc::new(reader.expect("listed"));
                let data = read_all(&reader, usize::MAX);
                assert_eq!(data, self.blobs[number][..], "seed {seed}");
                present.insert(number);
            }
        }
        for number in &self.acknowledged {
            assert!(
                present.contains(number),
                "seed {seed}: blob {number} is lost"
            );
        }
        let staging = Path::new(ROOT).join("staging");
        let staged = self.disk.list(&staging).expect("a listing");
        assert_eq!(staged, Vec::<String>::new());
    }
}

/// Three kills or power cuts on one disk each, the second and third also while opening.
#[test]
fn inv_10_acknowledged_blobs_survive_power_cuts_and_partial_ones_are_never_seen() {
    let seeds = std::env::var("CORDON_LOSSY_DISK_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(SEEDS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let blobs = blobs();
    let mut commits = 0;
    for seed in 0..seeds {
        let mut run = Run {
            seed,
            disk: SimulatedDisk::new(seed),
            random: Random::new(seed.wrapping_add(7)),
            blobs: blobs.clone(),
            digests: blobs.iter().map(|data| Digest::of(data)).collect(),
            acknowledged: BTreeSet::new(),
            commits: 0,
        };
        for _ in 0..3 {
            // Often within the opening, which has its own order to keep.
            let limit = [30, 300, 600, 1000][run.random.below(4) as usize];
            run.disk.cut_after(run.random.below(limit));
            runtime.block_on(run.work());
            // A process that is only killed leaves names behind that are not durable yet.
            if run.random.below(2) == 0 {
                run.disk.crash();
                run.check();
            } else {
                run.disk.kill();
            }
        }
        for _ in 0..2 {
            // The second time: nothing rests on what the check itself left unsynced.
            run.disk.crash();
            run.check();
        }
        commits += run.commits;
    }
    assert!(commits > seeds, "only {commits} commits in {seeds} runs");
}

/// Every operation of a commit fails once, in turn. Whatever the commit then says is true, and the
/// store goes on working.
#[test]
fn inv_10_a_commit_tells_the_truth_whichever_operation_fails() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let blobs = blobs();
    for data in [&blobs[2], &blobs[5]] {
        for is_stored_before in [false, true] {
            let mut failures = 0;
            for operation in 0.. {
                let mut disk = SimulatedDisk::new(operation);
                let store = open(&disk).expect("a new store");
                if is_stored_before {
                    runtime.block_on(commit(&store, data)).expect("a commit");
                }
                disk.fail_after(operation, std::io::ErrorKind::StorageFull);
                let result = runtime.block_on(commit(&store, data));
                if disk.has_failure_left() {
                    assert!(result.is_ok(), "nothing failed");
                    break;
                }
                let is_acknowledged = match result {
                    Ok(_) => true,
                    Err(error) => {
                        assert_eq!(error.kind, StorageErrorKind::Full, "{error:?}");
                        failures += 1;
                        runtime
                            .block_on(commit(&store, data))
                            .expect("space is back");
                        operation.is_multiple_of(2)
                    }
                };
                drop(store);
                if is_acknowledged {
                    disk.crash();
                }
                let store = open(&disk).expect("it opens again");
                let reader = store.store.open(&Digest::of(data)).expect("intact");
                let reader: BlobReader = Arc::new(reader.expect("acknowledged"));
                assert_eq!(read_all(&reader, usize::MAX), data[..]);
            }
            assert!(failures > 0, "no operation made the commit fail");
        }
    }
}

/// A process killed at any operation of a commit may leave a name that is not durable. The next
/// process to find the blob there makes it so before it says that it is stored.
#[test]
fn inv_10_what_a_killed_process_left_is_made_durable_before_it_is_relied_on() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    for data in [&blobs()[2], &blobs()[5]] {
        for operation in 0.. {
            let mut is_last = false;
            // It depends on the seed whether a name that is not durable is lost.
            for seed in 0..8 {
                let mut disk = SimulatedDisk::new(seed);
                let store = open(&disk).expect("a new store");
                disk.cut_after(operation);
                let is_done = runtime.block_on(commit(&store, data)).is_ok();
                disk.kill();
                drop(store);
                let store = open(&disk).expect("it opens again");
                runtime.block_on(commit(&store, data)).expect("a commit");
                drop(store);
                disk.crash();
                let store = open(&disk).expect("it opens again");
                let reader = store.store.open(&Digest::of(data)).expect("intact");
                let reader: BlobReader = Arc::new(reader.expect("acknowledged"));
                assert_eq!(read_all(&reader, usize::MAX), data[..]);
                is_last = is_done;
            }
            if is_last {
                break;
            }
        }
    }
}
