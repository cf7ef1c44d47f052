use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::database::Trouble;
use super::running::{Open, REOPEN_AFTER, State};
use super::*;
use crate::conformance;
use crate::conformance::cache::{artifact_id, artifact_record, document_key, document_record};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(path: &Path) -> (SledIndex, Opened) {
    SledIndex::open(path).expect("the index opens")
}

async fn fill(index: &SledIndex, names: std::ops::Range<u32>) {
    for number in names {
        let name = format!("package-{number}");
        index
            .put_document(&document_key(&name), &document_record(&name))
            .await
            .expect("a put");
        let id = artifact_id(&name, "1.0.0", "file.tgz");
        index
            .put_artifact(&id, &artifact_record(&name))
            .await
            .expect("a put");
    }
}

/// How many of the records `fill` made are there; each must be right.
async fn count_right(index: &SledIndex) -> usize {
    let documents = index.documents().await.expect("a list");
    for (key, record) in &documents {
        assert_eq!(*record, document_record(&key.name));
    }
    let artifacts = index.artifacts().await.expect("a list");
    for (id, record) in &artifacts {
        assert_eq!(*record, artifact_record(id.subject.name.normalized()));
    }
    documents.len() + artifacts.len()
}

#[tokio::test]
async fn conforms() {
    let folder = folder();
    let number = AtomicU64::new(0);
    conformance::cache::cache_index(|| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        open(&folder.path().join(number.to_string())).0
    })
    .await;
}

#[tokio::test]
async fn records_outlive_the_process() {
    let folder = folder();
    let (index, opened) = open(folder.path());
    assert_eq!(opened, Opened::New);
    assert!(opened.wants_rebuild());
    fill(&index, 0..50).await;
    let live_bytes = {
        let state = index.shared.state.read().expect("not poisoned");
        let State::Open(open) = &*state else {
            panic!("open");
        };
        open.database.live_bytes()
    };
    drop(index);
    let (index, opened) = open(folder.path());
    assert_eq!(opened, Opened::Existing);
    assert!(!opened.wants_rebuild());
    assert_eq!(count_right(&index).await, 100);
    let state = index.shared.state.read().expect("not poisoned");
    let State::Open(open) = &*state else {
        panic!("open");
    };
    assert_eq!(open.database.live_bytes(), live_bytes);
}

#[tokio::test]
async fn a_second_opener_is_refused_and_does_no_harm() {
    let folder = folder();
    let (index, _) = open(folder.path());
    fill(&index, 0..5).await;
    let error = SledIndex::open(folder.path()).expect_err("it is in use");
    assert_eq!(error.kind, StorageErrorKind::Unavailable);
    assert_eq!(count_right(&index).await, 10);
    drop(index);
    assert_eq!(open(folder.path()).1, Opened::Existing);
}

#[tokio::test]
async fn a_folder_of_an_unknown_version_is_refused_unchanged() {
    let folder = folder();
    drop(open(folder.path()));
    let version = folder.path().join("VERSION");
    std::fs::write(&version, "cordon-cache 2\n").expect("a write");
    let error = SledIndex::open(folder.path()).expect_err("an unknown version");
    assert_eq!(error.kind, StorageErrorKind::Format);
    assert!(
        format!("{:?}", error.source).contains("cordon-cache 2"),
        "{error:?}"
    );
    std::fs::remove_file(&version).expect("a removal");
    let error = SledIndex::open(folder.path()).expect_err("no version beside data");
    assert_eq!(error.kind, StorageErrorKind::Format);
    assert!(!version.exists());
}

#[tokio::test]
async fn a_damaged_record_is_a_miss_and_is_removed() {
    let folder = folder();
    let (index, _) = open(folder.path());
    fill(&index, 0..2).await;
    let key = document_key("package-0");
    let bytes = DocumentRecord::key(&key);
    let damaged = |value: &[u8]| {
        index
            .shared
            .run("damaging", |open| {
                open.database.put_raw(Kind::Documents, &bytes, value);
                Ok(())
            })
            .expect("open");
    };
    for value in [
        &b""[..],
        b"\x01",
        b"\x02{}",
        b"not a record at all, but long enough",
    ] {
        damaged(value);
        assert_eq!(index.document(&key).await.expect("a miss"), None);
        damaged(value);
        let documents = index.documents().await.expect("a list");
        assert_eq!(documents.len(), 1);
    }
    index
        .put_document(&key, &document_record("package-0"))
        .await
        .expect("a put");
    assert_eq!(count_right(&index).await, 4);
}

#[tokio::test]
async fn an_over_long_record_is_forgotten_instead_of_kept_stale() {
    let folder = folder();
    let (index, _) = open(folder.path());
    let key = document_key("a");
    let mut record = document_record("a");
    index.put_document(&key, &record).await.expect("a put");
    record.etag = Some("x".repeat(100_000).into());
    index
        .put_document(&key, &record)
        .await
        .expect("not an error");
    assert_eq!(index.document(&key).await.expect("a miss"), None);
}

/// Whatever is done to the files, opening answers, and no record read is a wrong one.
#[tokio::test]
async fn damaged_files_end_in_quarantine_or_do_no_harm() {
    let folder = folder();
    let (index, _) = open(folder.path());
    fill(&index, 0..40).await;
    index.flush().await.expect("a flush");
    drop(index);
    let path = folder.path().join("sled/db");
    let good = std::fs::read(&path).expect("the database file");
    let used = good.iter().rposition(|byte| *byte != 0).expect("not empty");
    let mut damages: Vec<Vec<u8>> = vec![
        vec![],
        vec![0; good.len()],
        vec![0xff; 4096],
        good[..used / 2].to_vec(),
        good[..used / 3].to_vec(),
    ];
    for number in 0..25 {
        let mut flipped = good.clone();
        let bit = (used * 8) / 25 * number + number;
        flipped[bit / 8] ^= 1 << (bit % 8);
        damages.push(flipped);
    }
    let mut found = 0;
    for (number, damage) in damages.into_iter().enumerate() {
        let folder = self::folder();
        std::fs::write(folder.path().join("VERSION"), VERSION).expect("a write");
        std::fs::create_dir(folder.path().join("sled")).expect("a folder");
        for entry in std::fs::read_dir(path.parent().expect("a parent")).expect("a listing") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_file() {
                let to = folder.path().join("sled").join(entry.file_name());
                std::fs::copy(entry.path(), to).expect("a copy");
            }
        }
        std::fs::write(folder.path().join("sled/db"), damage).expect("a write");
        let flushed = path
            .parent()
            .and_then(Path::parent)
            .expect("a parent")
            .join("FLUSHED");
        std::fs::copy(flushed, folder.path().join("FLUSHED")).expect("a copy");
        let (index, opened) = open(folder.path());
        let mut is_known = opened.wants_rebuild();
        if let Opened::Emptied { quarantine, reason } = &opened {
            assert!(quarantine.join("db").exists(), "{reason}");
        }
        // A list may still meet the damage; then the index is emptied while running.
        let mut is_whole = false;
        for _ in 0..3 {
            if index.documents().await.is_ok() && index.artifacts().await.is_ok() {
                is_whole = true;
                break;
            }
            is_known |= index.take_lost();
        }
        assert!(is_whole, "damage {number}");
        let left = count_right(&index).await;
        assert!(
            left == 80 || is_known,
            "damage {number} lost records silently"
        );
        found += u32::from(is_known);
        fill(&index, 0..3).await;
        assert!(count_right(&index).await >= 6, "damage {number}");
    }
    assert!(found >= 5, "only {found} damages were found");
}

#[tokio::test]
async fn damage_met_while_running_empties_the_index_once() {
    let folder = folder();
    let (index, _) = open(folder.path());
    fill(&index, 0..3).await;
    for is_panic in [false, true] {
        assert!(!index.take_lost());
        let damage = |_: &Open| -> Result<(), Trouble> {
            assert!(!is_panic, "as sled may");
            Err(Trouble::Damaged("a bad page".into()))
        };
        let error = index.shared.run("reading", damage).expect_err("damage");
        assert_eq!(error.kind, StorageErrorKind::Corrupt);
        assert!(index.take_lost());
        assert_eq!(count_right(&index).await, 0);
        fill(&index, 0..3).await;
    }
    // The same trouble met by an operation that began before.
    index
        .shared
        .give_up(0, &Trouble::Damaged("a bad page".into()));
    assert!(!index.take_lost());
    assert_eq!(count_right(&index).await, 6);
    drop(index);
    assert_eq!(open(folder.path()).1, Opened::Existing);
    let quarantined = std::fs::read_dir(folder.path())
        .expect("a listing")
        .filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().starts_with("sled.corrupt-")
        });
    assert_eq!(quarantined.count(), 2);
}

#[tokio::test]
async fn a_failing_disk_closes_the_index_for_a_while_and_loses_nothing() {
    let folder = folder();
    let (index, _) = open(folder.path());
    fill(&index, 0..3).await;
    let full = || Trouble::Io(std::io::ErrorKind::StorageFull.into());
    let error = index.shared.run("writing", |_| Err::<(), _>(full()));
    assert_eq!(error.expect_err("a full disk").kind, StorageErrorKind::Full);
    let error = index.documents().await.expect_err("closed for now");
    assert_eq!(error.kind, StorageErrorKind::Unavailable);

    let since = Instant::now().checked_sub(REOPEN_AFTER + Duration::from_secs(1));
    *index.shared.changing() = State::Closed {
        since: since.expect("the machine runs longer than that"),
    };
    assert_eq!(count_right(&index).await, 6);
    assert!(!index.take_lost());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bloated_folder_is_exported_while_records_change() {
    let folder = folder();
    let limits = SledLimits {
        memory_bytes: 1024 * 1024,
        compact_above_bytes: 0,
    };
    let (index, _) = SledIndex::open_with(folder.path(), limits).expect("the index opens");
    fill(&index, 0..600).await;
    for number in 10..600 {
        let name = format!("package-{number}");
        let id = artifact_id(&name, "1.0.0", "file.tgz");
        index
            .remove_document(&document_key(&name))
            .await
            .expect("a removal");
        index.remove_artifact(&id).await.expect("a removal");
    }
    index.flush().await.expect("a flush");
    let before = size_of(&folder.path().join("sled"));
    let (done, ()) = tokio::join!(index.compact(), async {
        fill(&index, 1000..1100).await;
        for number in 0..5 {
            let key = document_key(&format!("package-{number}"));
            index.remove_document(&key).await.expect("a removal");
        }
    });
    assert!(
        done.expect("an export"),
        "{before} bytes are enough to be exported"
    );
    assert_eq!(count_right(&index).await, 20 - 5 + 200);
    index.flush().await.expect("a flush");
    let after = size_of(&folder.path().join("sled"));
    assert!(after < before, "{before} bytes became {after}");
    drop(index);
    let (index, opened) = SledIndex::open_with(folder.path(), limits).expect("it opens again");
    assert_eq!(opened, Opened::Existing);
    assert_eq!(count_right(&index).await, 20 - 5 + 200);
    assert!(!folder.path().join("sled.fresh").exists());
    assert!(!folder.path().join("sled.old").exists());
}

#[tokio::test]
async fn a_small_folder_is_left_alone() {
    let folder = folder();
    let (index, _) = open(folder.path());
    fill(&index, 0..10).await;
    assert!(!index.compact().await.expect("nothing to do"));
}

/// A kill between any two steps of the exchange leaves a whole database in place.
#[tokio::test]
async fn an_interrupted_exchange_is_ended_at_the_next_start() {
    for (present, records) in [
        (&["sled", "sled.fresh"][..], 2),
        (&["sled.old", "sled.fresh"], 4),
        (&["sled", "sled.old"], 2),
        (&["sled.old"], 6),
    ] {
        let folder = folder();
        let counts = [("sled", 1), ("sled.fresh", 2), ("sled.old", 3)];
        for (name, count) in counts {
            if present.contains(&name) {
                let other = self::folder();
                let (index, _) = open(other.path());
                fill(&index, 0..count).await;
                drop(index);
                std::fs::rename(other.path().join("sled"), folder.path().join(name))
                    .expect("a rename");
            }
        }
        std::fs::write(folder.path().join("VERSION"), VERSION).expect("a write");
        let (index, opened) = open(folder.path());
        assert_eq!(opened, Opened::Existing);
        assert_eq!(count_right(&index).await, records, "{present:?}");
        assert!(!folder.path().join("sled.fresh").exists());
        assert!(!folder.path().join("sled.old").exists());
    }
}

fn size_of(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .expect("a listing")
        .map(|entry| entry.expect("an entry").metadata().expect("metadata"))
        .filter(std::fs::Metadata::is_file)
        .map(|metadata| metadata.len())
        .sum()
}
