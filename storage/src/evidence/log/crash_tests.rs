//! F-03, F-04, F-06: the published log on a disk that loses what was not synced, and on one whose
//! operations fail. The entries come from a store that is durable, as SQLite's is by its contract.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tlog_tiles::record_hash;

use super::heads::{Folders, Signed};
use super::publisher::{LeafSource, Publisher};
use super::verify::verify_on;
use crate::StorageError;
use crate::disk::simulated::{Random, SimulatedDisk};
use crate::evidence::key::{TreeHead, open_checkpoint};
use crate::evidence::tree::Tree;

/// Seeds run by default, and by whoever sets `CORDON_LOSSY_DISK_SEEDS`.
const SEEDS: u64 = 400;

/// Power cuts on each disk, most of them in the middle of the recovery from the one before.
const CUTS: u64 = 6;

/// Committed entries.
#[derive(Default)]
struct Committed(Vec<Vec<u8>>);

impl Committed {
    fn grow(&mut self, count: u64) {
        for _ in 0..count {
            let n = self.0.len();
            self.0
                .push(format!("entry {n} {}", "x".repeat(n % 200)).into_bytes());
        }
    }

    fn head(&self, size: u64) -> TreeHead {
        let mut tree = Tree::new();
        let size_here = usize::try_from(size).unwrap();
        self.0[..size_here]
            .iter()
            .for_each(|leaf| tree.push(record_hash(leaf), |_| ()));
        TreeHead {
            size,
            root: tree.root(),
        }
    }

    fn newest(&self) -> TreeHead {
        self.head(self.0.len() as u64)
    }
}

impl LeafSource for Committed {
    fn leaves(&mut self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, StorageError> {
        let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        Ok(self.0[range].to_vec())
    }

    fn tree(&mut self, size: u64) -> Result<Tree, StorageError> {
        let mut tree = Tree::new();
        let size = usize::try_from(size).unwrap();
        self.0[..size]
            .iter()
            .for_each(|leaf| tree.push(record_hash(leaf), |_| ()));
        Ok(tree)
    }

    fn may_sign(&mut self) -> Result<bool, StorageError> {
        Ok(true)
    }
}

fn folders() -> Folders {
    Folders {
        log: PathBuf::from("/data/log"),
        keys: PathBuf::from("/data/keys"),
    }
}

/// Reads what was signed, checks it as the store would, and opens the publisher.
fn open(
    disk: &SimulatedDisk,
    committed: &mut Committed,
) -> Result<(Publisher, String), StorageError> {
    let signed = Signed::read(disk, &folders(), Some("logs.example/power"), None)?;
    for head in &signed.heads {
        assert_eq!(
            head.head,
            committed.head(head.head.size),
            "{} contradicts",
            head.place
        );
    }
    let public_key = signed.key.public().to_owned();
    let disk = Arc::new(disk.clone());
    Ok((
        Publisher::open(disk, folders(), &signed, committed)?,
        public_key,
    ))
}

/// Publishes until the power goes or enough was done; gives every checkpoint that was returned.
fn work(
    disk: &SimulatedDisk,
    random: &mut Random,
    committed: &mut Committed,
    signed: &mut Vec<String>,
) -> Result<(), StorageError> {
    let (mut publisher, _) = open(disk, committed)?;
    for _ in 0..4 {
        // Now and then a large step, so that tiles of the second level are completed too.
        let step = if random.below(8) == 0 { 700 } else { 60 };
        committed.grow(random.below(step));
        let target = committed.newest();
        signed.push(publisher.publish(&target, committed)?);
    }
    Ok(())
}

fn check(disk: &SimulatedDisk, committed: &mut Committed, signed: &[String], seed: u64) {
    let (mut publisher, public_key) =
        open(disk, committed).unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
    let newest = signed.last().map(String::as_str);
    let size = newest.map_or(0, |text| {
        open_checkpoint(text.as_bytes(), &public_key).unwrap().size
    });
    assert!(
        publisher.size() >= size,
        "seed {seed}: a published checkpoint is lost"
    );
    committed.grow(3);
    let target = committed.newest();
    publisher.publish(&target, committed).unwrap();
    for older in signed.iter().rev().take(3).map(String::as_str) {
        let report = verify_on(disk, Path::new("/data/log"), &public_key, Some(older))
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(report.entries, target.size);
    }
}

fn seeds() -> u64 {
    std::env::var("CORDON_LOSSY_DISK_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(SEEDS)
}

#[test]
fn f_03_returned_checkpoints_survive_power_cuts_and_the_log_verifies() {
    let mut returned = 0;
    for seed in 0..seeds() {
        let mut disk = SimulatedDisk::new(seed);
        let mut random = Random::new(seed ^ 0xface);
        let mut committed = Committed::default();
        let mut signed = Vec::new();
        for _ in 0..CUTS {
            disk.cut_after(random.below(200));
            // Failing is what a power cut looks like from inside.
            let _ = work(&disk, &mut random, &mut committed, &mut signed);
            disk.crash();
        }
        check(&disk, &mut committed, &signed, seed);
        returned += signed.len();
    }
    assert!(
        returned as u64 > seeds(),
        "{returned} checkpoints returned: too few to prove anything"
    );
}

/// Every operation of one publication in turn: the state is before or after, never between.
#[test]
fn f_02_power_cut_at_every_operation_of_a_publication() {
    for operation in 0.. {
        let mut disk = SimulatedDisk::new(operation);
        let mut committed = Committed::default();
        committed.grow(250);
        let (mut publisher, _) = open(&disk, &mut committed).unwrap();
        let target = committed.newest();
        let mut signed = vec![publisher.publish(&target, &mut committed).unwrap()];
        committed.grow(20);
        let target = committed.newest();
        disk.cut_after(operation);
        let published = publisher.publish(&target, &mut committed);
        let is_done = published.is_ok();
        signed.extend(published);
        disk.crash();
        check(&disk, &mut committed, &signed, operation);
        if is_done {
            assert!(operation > 20, "{operation} operations publish nothing");
            return;
        }
    }
}

/// A failing operation is reported, nothing is signed over it, and the next attempt starts anew.
#[test]
fn f_06_failing_operation_publishes_nothing_and_the_next_attempt_all() {
    for operation in 0.. {
        let disk = SimulatedDisk::new(operation);
        let mut committed = Committed::default();
        committed.grow(250);
        let (mut publisher, public_key) = open(&disk, &mut committed).unwrap();
        let target = committed.newest();
        let before = publisher.publish(&target, &mut committed).unwrap();
        committed.grow(20);
        let target = committed.newest();
        disk.fail_after(operation, std::io::ErrorKind::Other);
        let failed = publisher.publish(&target, &mut committed);
        if failed.is_err() {
            let log = Path::new("/data/log");
            let report = verify_on(&disk, log, &public_key, Some(&before)).unwrap();
            assert!(report.entries == 250 || report.entries == 270);
            publisher.publish(&target, &mut committed).unwrap();
        }
        if disk.has_failure_left() {
            assert!(operation > 20, "{operation} operations publish nothing");
            return;
        }
        check(&disk, &mut committed, &[before], operation);
    }
}
