//! The published log against everything that can be done to its files.

#![expect(clippy::unwrap_used, reason = "a failure is to stop the test")]

use std::fs;
use std::path::{Path, PathBuf};

use cordon_storage::conformance::sample::notice;
use cordon_storage::evidence::log::proof::prove;
use cordon_storage::evidence::log::verify::{Problem, verify};
use cordon_storage::evidence::sqlite::SqliteOptions;
use cordon_storage::evidence::{Evidence, SqliteEvidence};

const ENTRIES: u64 = 1_000;

/// A published log that nobody writes any more.
struct Log {
    folder: tempfile::TempDir,
    public_key: String,
    checkpoints: Vec<String>,
}

impl Log {
    /// A log of 1,000 entries, published in four steps, so that it has partial tiles.
    async fn publish() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteEvidence::open(folder.path(), &SqliteOptions::default()).unwrap();
        let mut checkpoints = vec![store.checkpoint().await.unwrap()];
        let mut from = 0;
        for size in [100, 300, 900, 950, ENTRIES] {
            store
                .append((from..size).map(notice).collect())
                .await
                .unwrap();
            checkpoints.push(store.checkpoint().await.unwrap());
            from = size;
        }
        let public_key = store.public_key().to_owned();
        store.close().await;
        Self {
            folder,
            public_key,
            checkpoints,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The index `verify` names, or `None` when it finds nothing wrong.
    fn first_bad(&self) -> Option<Option<u64>> {
        verify(&self.path(), &self.public_key, None)
            .err()
            .map(|error| error.first_bad)
    }

    fn files(&self) -> Vec<PathBuf> {
        fn all(folder: &Path, into: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    all(&path, into);
                } else {
                    into.push(path);
                }
            }
        }
        let mut files = Vec::new();
        all(&self.path(), &mut files);
        files.sort();
        files
    }

    /// Changes a file, looks, and puts it back.
    fn with(&self, path: &Path, bytes: &[u8], look: impl FnOnce()) {
        let good = fs::read(path).unwrap();
        fs::write(path, bytes).unwrap();
        look();
        fs::write(path, good).unwrap();
    }
}

/// The entries of a bundle, each with its length before it.
fn split(bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bundle;
    let mut entries = Vec::new();
    while let Some(length) = rest.first_chunk::<2>() {
        let (entry, after) = rest.split_at(2 + usize::from(u16::from_be_bytes(*length)));
        entries.push(entry.to_vec());
        rest = after;
    }
    entries
}

/// The entry that byte `at` of a published file is about.
fn entry_at(log: &Log, path: &Path, at: usize) -> Option<u64> {
    let name = path
        .strip_prefix(log.path())
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let parts: Vec<&str> = name.split('/').collect();
    let [_, level, number, ..] = parts.as_slice() else {
        return None;
    };
    let number: u64 = number.trim_end_matches(".p").parse().unwrap();
    if *level == "entries" {
        let mut end = 0;
        let entries = split(&fs::read(path).unwrap());
        let item = entries.iter().position(|entry| {
            end += entry.len();
            at < end
        });
        return Some(number * 256 + item.unwrap() as u64);
    }
    let level: u32 = level.parse().unwrap();
    Some((number * 256 + (at / 32) as u64) << (8 * level))
}

/// A small generator of numbers that always gives the same ones (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[tokio::test]
async fn untouched_log_verifies_and_extends_every_older_checkpoint() {
    let log = Log::publish().await;
    let names: Vec<String> = log
        .files()
        .iter()
        .map(|path| {
            path.strip_prefix(log.path())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let expected = [
        "checkpoint",
        "log.pub",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002",
        "tile/0/003.p/132",
        "tile/0/003.p/182",
        "tile/0/003.p/232",
        "tile/1/000.p/1",
        "tile/1/000.p/3",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002",
        "tile/entries/003.p/132",
        "tile/entries/003.p/182",
        "tile/entries/003.p/232",
    ];
    assert_eq!(names, expected);
    let report = verify(&log.path(), &log.public_key, None).unwrap();
    assert_eq!((report.entries, report.extends), (ENTRIES, None));
    for (older, size) in log.checkpoints.iter().zip([0, 100, 300, 900, 950, 1_000]) {
        let report = verify(&log.path(), &log.public_key, Some(older)).unwrap();
        assert_eq!(report.extends, Some(size));
    }
}

#[tokio::test]
async fn every_sampled_bit_flip_is_found_and_its_entry_named() {
    let log = Log::publish().await;
    let files: Vec<(PathBuf, Vec<u8>)> = log
        .files()
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut state = 7;
    let mut flips = 0;
    for (path, good) in &files {
        // At least 40 of each file, so that the short ones are not missed; 1,500 over all.
        let samples = 40.max(1_500 * good.len() / bytes);
        for _ in 0..samples {
            let bit = usize::try_from(random(&mut state)).unwrap() % (good.len() * 8);
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let expected = entry_at(&log, path, bit / 8);
            log.with(path, &bad, || {
                assert_eq!(
                    log.first_bad(),
                    Some(expected),
                    "bit {bit} of {}",
                    path.display()
                );
            });
            flips += 1;
        }
    }
    assert!(flips >= 1_000, "{flips} flips");
    assert_eq!(log.first_bad(), None);
}

#[tokio::test]
async fn every_deleted_swapped_or_repeated_entry_is_found_and_named() {
    let log = Log::publish().await;
    for number in 0..4u64 {
        let name = if number == 3 {
            "003.p/232".into()
        } else {
            format!("00{number}")
        };
        let path = log.file(&format!("tile/entries/{name}"));
        let entries = split(&fs::read(&path).unwrap());
        for at in 0..entries.len() {
            let index = number * 256 + at as u64;
            let mut without = entries.clone();
            let removed = without.remove(at);
            let mut repeated = entries.clone();
            repeated.insert(at, removed);
            let mut swapped = entries.clone();
            swapped.swap(at, (at + 1).min(entries.len() - 1));
            let mut cases = vec![(without, index), (repeated, index + 1)];
            if at + 1 < entries.len() {
                cases.push((swapped, index));
            }
            for (changed, expected) in cases {
                log.with(&path, &changed.concat(), || {
                    assert_eq!(log.first_bad(), Some(Some(expected)), "entry {index}");
                });
            }
        }
    }
    assert_eq!(log.first_bad(), None);
}

#[tokio::test]
async fn every_sampled_truncation_and_every_missing_file_is_found_and_named() {
    let log = Log::publish().await;
    let mut state = 11;
    for path in log.files() {
        let good = fs::read(&path).unwrap();
        for _ in 0..60 {
            let length = usize::try_from(random(&mut state)).unwrap() % good.len();
            let expected = entry_at(&log, &path, length);
            log.with(&path, &good[..length], || {
                assert_eq!(
                    log.first_bad(),
                    Some(expected),
                    "{} at {length}",
                    path.display()
                );
            });
        }
        let longer = [good.as_slice(), &[0]].concat();
        log.with(&path, &longer, || {
            assert!(
                log.first_bad().is_some(),
                "{} with a byte more",
                path.display()
            );
        });
    }
    for (name, expected) in [
        ("checkpoint", None),
        ("tile/0/001", Some(256)),
        ("tile/0/003.p/232", Some(768)),
        ("tile/1/000.p/3", Some(0)),
        ("tile/entries/000", Some(0)),
        ("tile/entries/002", Some(512)),
        ("tile/entries/003.p/232", Some(768)),
    ] {
        let hidden = log.folder.path().join("hidden");
        fs::rename(log.file(name), &hidden).unwrap();
        assert_eq!(log.first_bad(), Some(expected), "without {name}");
        fs::rename(&hidden, log.file(name)).unwrap();
    }
    assert_eq!(log.first_bad(), None);
}

#[tokio::test]
async fn rewriting_all_hashes_does_not_help_without_the_key() {
    let log = Log::publish().await;
    let path = log.file("tile/entries/003.p/232");
    let mut entries = split(&fs::read(&path).unwrap());
    let last = entries.last_mut().unwrap();
    *last.last_mut().unwrap() ^= 1;
    let hash = tlog_tiles::record_hash(&last[2..]);
    fs::write(&path, entries.concat()).unwrap();
    let tile = log.file("tile/0/003.p/232");
    let mut hashes = fs::read(&tile).unwrap();
    hashes[231 * 32..].copy_from_slice(&hash.0);
    fs::write(&tile, hashes).unwrap();
    let error = verify(&log.path(), &log.public_key, None).unwrap_err();
    assert!(
        matches!(error.problem, Problem::Root { not_before: 0 }),
        "{error}"
    );
    let older = Some(log.checkpoints[4].as_str());
    let error = verify(&log.path(), &log.public_key, older).unwrap_err();
    assert!(
        matches!(error.problem, Problem::Root { not_before: 950 }),
        "{error}"
    );
}

/// INV-25: whoever holds a later checkpoint finds out.
#[tokio::test]
async fn log_put_back_to_an_older_checkpoint_is_found_by_a_newer_one() {
    let log = Log::publish().await;
    fs::write(log.file("checkpoint"), &log.checkpoints[4]).unwrap();
    let report = verify(&log.path(), &log.public_key, None).unwrap();
    assert_eq!(
        report.entries, 950,
        "by itself, an older state is a good one"
    );
    let newest = Some(log.checkpoints[5].as_str());
    let error = verify(&log.path(), &log.public_key, newest).unwrap_err();
    assert!(
        matches!(error.problem, Problem::Truncated { size: 1_000 }),
        "{error}"
    );
    assert_eq!(error.first_bad, Some(950));
}

#[tokio::test]
async fn log_of_another_history_is_found_by_any_checkpoint_of_this_one() {
    let log = Log::publish().await;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("keys")).unwrap();
    let key = log.folder.path().join("keys/log.key");
    fs::copy(key, folder.path().join("keys/log.key")).unwrap();
    let fork = SqliteEvidence::open(folder.path(), &SqliteOptions::default()).unwrap();
    fork.append((0..400).map(|n| notice(n + 5)).collect())
        .await
        .unwrap();
    fork.close().await;
    let published = folder.path().join("log");
    assert!(verify(&published, &log.public_key, None).is_ok());
    let older = Some(log.checkpoints[1].as_str());
    let error = verify(&published, &log.public_key, older).unwrap_err();
    assert!(
        matches!(error.problem, Problem::Contradiction { size: 100 }),
        "{error}"
    );
}

#[tokio::test]
async fn every_entry_has_a_proof_of_inclusion_and_no_other_entry_fits_it() {
    let log = Log::publish().await;
    for index in (0..ENTRIES).step_by(37).chain([255, 256, 767, 768, 999]) {
        let proof = prove(&log.path(), &log.public_key, index).unwrap();
        assert!(proof.hashes.len() <= 64);
        assert_eq!(proof.check(&log.public_key), Ok(()));
        let mut other = proof.clone();
        other.entry.push(b' ');
        assert!(other.check(&log.public_key).is_err());
        other = proof.clone();
        other.index = (index + 1) % ENTRIES;
        assert!(other.check(&log.public_key).is_err());
        other = proof.clone();
        other.hashes.pop();
        assert!(other.check(&log.public_key).is_err());
    }
    assert!(prove(&log.path(), &log.public_key, ENTRIES).is_err());
}
