//! F-03 for the database: what a power cut may leave of its files, put together and opened.
//!
//! SQLite is trusted to do what it documents: with WAL and `synchronous = FULL` a commit returns
//! after its write-ahead log was synchronised, and a checkpoint synchronises the database before
//! the log is used again. Under that contract a power cut leaves
//!
//! - the write-ahead log as it was at the last acknowledged commit, and of what was written since
//!   any part: blocks missing, zeroed, garbled;
//! - during a checkpoint, any mixture of old and new pages in the database beside a whole log.
//!
//! The tests build such states from copies of the files and open them. They show that opening
//! finds everything acknowledged in each of them and that the published log still fits; that
//! SQLite keeps its contract on a given disk they cannot show. `CORDON_POWER_ROUNDS` sets the
//! number of rounds (4 if not given), of 12 states each.

#![expect(clippy::unwrap_used, reason = "a failure is to stop the test")]

use std::fs;
use std::path::Path;

use cordon_storage::conformance::sample::{Sample, artifact, notice};
use cordon_storage::evidence::log::verify::verify;
use cordon_storage::evidence::{Entry, Evidence, SqliteEvidence, SqliteOptions};

const STATES: u64 = 12;

/// What a disk writes at once.
const BLOCK: usize = 512;

fn open(folder: &Path) -> SqliteEvidence {
    SqliteEvidence::open(folder, &SqliteOptions::default()).unwrap()
}

fn rounds() -> u64 {
    std::env::var("CORDON_POWER_ROUNDS").map_or(4, |text| text.parse().unwrap())
}

/// A small generator of numbers that always gives the same ones (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn entry(n: u64) -> Entry {
    match n % 3 {
        0 => notice(n),
        _ => Sample::allow(n, artifact("a", &format!("{n}.0.0"))).entry(),
    }
}

async fn append(store: &SqliteEvidence, from: u64, count: u64) {
    for n in from..from + count {
        store.append(vec![entry(n)]).await.unwrap();
    }
}

/// The database and its write-ahead log as they are now.
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    fn read(folder: &Path) -> Self {
        Self {
            database: fs::read(folder.join("evidence.db")).unwrap(),
            log: fs::read(folder.join("evidence.db-wal")).unwrap(),
        }
    }
}

/// A data folder as a power cut left it. What is published is durable before a checkpoint says so.
fn restore(from: &Path, files: &Files) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["keys", "log"] {
        copy(&from.join("then").join(name), &folder.path().join(name));
    }
    fs::write(folder.path().join("evidence.db"), &files.database).unwrap();
    fs::write(folder.path().join("evidence.db-wal"), &files.log).unwrap();
    folder
}

/// Keeps what is published, and the memory of what was signed, as they are now.
fn remember_published(folder: &Path) {
    for name in ["keys", "log"] {
        copy(&folder.join(name), &folder.join("then").join(name));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Everything acknowledged is there, in its place, and the log goes on.
async fn check(folder: &Path, acknowledged: u64, checkpoint: &str) {
    let store = open(folder);
    let size = store.size();
    assert!(
        size >= acknowledged,
        "{size} entries of {acknowledged} acknowledged ones"
    );
    for (index, kept) in store.entries(0, 10_000).await.unwrap() {
        assert_eq!(kept, entry(index));
    }
    store.append(vec![entry(size)]).await.unwrap();
    let key = store.public_key().to_owned();
    store.close().await;
    let report = verify(&folder.join("log"), &key, Some(checkpoint)).unwrap();
    assert_eq!(report.entries, size + 1);
}

/// What a power cut leaves of bytes that were not synchronised.
fn torn(state: &mut u64, unsynced: &[u8]) -> Vec<u8> {
    let mut left = Vec::new();
    for block in unsynced.chunks(BLOCK) {
        match random(state) % 8 {
            0 => return left,
            1 => left.extend(vec![0; block.len()]),
            2 => left.extend(block.iter().map(|byte| byte ^ 0x55)),
            _ => left.extend(block),
        }
    }
    left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_03_acknowledged_entries_survive_whatever_is_left_of_the_write_ahead_log() {
    let mut state = 5;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut size = 0;
    for _ in 0..rounds() {
        let count = 1 + random(&mut state) % 40;
        append(&store, size, count).await;
        size += count;
        let checkpoint = store.checkpoint().await.unwrap();
        remember_published(folder.path());
        let synced = Files::read(folder.path());
        let more = 1 + random(&mut state) % 10;
        append(&store, size, more).await;
        let after = Files::read(folder.path());
        assert!(
            after.log.starts_with(&synced.log),
            "the log was begun anew: make it longer"
        );
        for _ in 0..STATES {
            let tail = torn(&mut state, &after.log[synced.log.len()..]);
            let log = [synced.log.as_slice(), tail.as_slice()].concat();
            let left = Files {
                database: synced.database.clone(),
                log,
            };
            check(restore(folder.path(), &left).path(), size, &checkpoint).await;
        }
        size += more;
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_03_acknowledged_entries_survive_whatever_is_left_of_a_checkpoint() {
    let mut state = 9;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut size = 0;
    for _ in 0..rounds() {
        append(&store, size, 30).await;
        size += 30;
        let checkpoint = store.checkpoint().await.unwrap();
        remember_published(folder.path());
        let before = Files::read(folder.path());
        let other = rusqlite::Connection::open(folder.path().join("evidence.db")).unwrap();
        let moved: i64 = other
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2))
            .unwrap();
        assert!(moved > 0, "the checkpoint moved nothing");
        let after = Files::read(folder.path());
        assert_eq!(after.log, before.log);
        for _ in 0..STATES {
            let mut database = before.database.clone();
            for (at, block) in after.database.chunks(BLOCK).enumerate() {
                // The file may have been made longer without its blocks having been written.
                if database.len() < (at + 1) * BLOCK {
                    database.resize((at + 1) * BLOCK, 0);
                }
                if random(&mut state).is_multiple_of(2) {
                    database[at * BLOCK..][..block.len()].copy_from_slice(block);
                }
            }
            let left = Files {
                database,
                log: before.log.clone(),
            };
            check(restore(folder.path(), &left).path(), size, &checkpoint).await;
        }
    }
    store.close().await;
}
