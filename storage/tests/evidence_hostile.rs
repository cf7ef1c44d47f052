//! The data folder of the evidence store after things happened to it (reliability.md S-03 to S-15).
//! Whatever it was, nothing is signed that contradicts what was signed before.

#![expect(clippy::unwrap_used, reason = "a failure is to stop the test")]

use std::error::Error as _;
use std::fs;
use std::path::Path;

use cordon_policy::decision::DecisionId;
use cordon_policy::facts::RemovalScope;
use cordon_policy::model::{Digest, FileName, Version};
use cordon_storage::conformance::sample::{
    Sample, artifact, at, exposure, missed, notice, package, quarantine, removal, served,
};
use cordon_storage::evidence::log::verify::verify;
use cordon_storage::evidence::{
    Entry, Evidence, HoldFilter, LogFilter, Outcome, Pin, QuarantineAct, Sighted, Sighting,
    SqliteEvidence, SqliteOptions, sighted_to_text,
};
use cordon_storage::{StorageError, StorageErrorKind};
use rusqlite::Connection;

fn open(folder: &Path) -> Result<SqliteEvidence, StorageError> {
    SqliteEvidence::open(folder, &SqliteOptions::default())
}

/// A data folder with a closed store of `entries` notices.
async fn closed(entries: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store
        .append((0..entries).map(notice).collect())
        .await
        .unwrap();
    store.close().await;
    folder
}

/// The database in the hands of someone who follows no rules.
fn database(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("evidence.db")).unwrap();
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    connection
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

/// The kind of an error and its cause in words.
fn told(error: &StorageError) -> (StorageErrorKind, String) {
    (
        error.kind,
        error.source().map(ToString::to_string).unwrap_or_default(),
    )
}

fn refusal(folder: &Path) -> (StorageErrorKind, String) {
    told(&open(folder).unwrap_err())
}

/// Opens, appends and publishes: the log verifies and extends `checkpoint`.
async fn goes_on(folder: &Path, checkpoint: &str) -> u64 {
    let store = open(folder).unwrap();
    let index = store.append(vec![notice(1_000_000)]).await.unwrap();
    let key = store.public_key().to_owned();
    store.close().await;
    let report = verify(&folder.join("log"), &key, Some(checkpoint)).unwrap();
    assert_eq!(report.entries, index + 1);
    report.entries
}

fn checkpoint(folder: &Path) -> String {
    fs::read_to_string(folder.join("log/checkpoint")).unwrap()
}

#[tokio::test]
async fn s_14_second_opening_is_refused_and_a_stale_lock_file_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lock"), "12345").unwrap();
    let store = open(folder.path()).unwrap();
    let (kind, text) = refusal(folder.path());
    assert_eq!(kind, StorageErrorKind::Unavailable);
    assert!(text.contains("held by another process"), "{text}");
    store.close().await;
    open(folder.path()).unwrap().close().await;
}

/// INV-26: where locks do not work, the counter takes the right to write away.
#[tokio::test]
async fn inv_26_writer_overtaken_by_another_neither_appends_nor_signs() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    first.append(vec![notice(0)]).await.unwrap();
    first.checkpoint().await.unwrap();
    fs::remove_file(folder.path().join("lock")).unwrap();
    let second = open(folder.path()).unwrap();
    second.append(vec![notice(1)]).await.unwrap();
    let text = second.checkpoint().await.unwrap();
    let refused = first.append(vec![notice(2)]).await.unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Unavailable);
    first.close().await;
    second.close().await;
    assert_eq!(checkpoint(folder.path()), text);
    goes_on(folder.path(), &text).await;
}

#[tokio::test]
async fn s_12_data_folder_of_yesterday_beside_the_key_of_today_is_refused() {
    let folder = closed(300).await;
    let backup = tempfile::tempdir().unwrap();
    copy(folder.path(), backup.path());
    let store = open(folder.path()).unwrap();
    store
        .append((300..310).map(notice).collect())
        .await
        .unwrap();
    store.close().await;
    let newer = checkpoint(folder.path());
    // Restored: everything but the keys.
    let restored = tempfile::tempdir().unwrap();
    copy(backup.path(), restored.path());
    fs::remove_dir_all(restored.path().join("keys")).unwrap();
    copy(&folder.path().join("keys"), &restored.path().join("keys"));
    let before = checkpoint(restored.path());
    let (kind, text) = refusal(restored.path());
    assert_eq!(kind, StorageErrorKind::Corrupt);
    assert!(
        text.contains("covers 310 entries, the database has 300"),
        "{text}"
    );
    assert_eq!(checkpoint(restored.path()), before);
    // Everything restored, and a checkpoint kept elsewhere.
    let known = SqliteOptions {
        known_checkpoint: Some(newer),
        ..SqliteOptions::default()
    };
    let (kind, text) = told(&SqliteEvidence::open(backup.path(), &known).unwrap_err());
    assert_eq!(kind, StorageErrorKind::Corrupt);
    assert!(
        text.starts_with("the checkpoint given covers 310"),
        "{text}"
    );
}

#[tokio::test]
async fn s_12_other_entries_under_the_same_number_are_refused() {
    let folder = closed(300).await;
    let fork = tempfile::tempdir().unwrap();
    let store = open(fork.path()).unwrap();
    store.append((5..305).map(notice).collect()).await.unwrap();
    store.close().await;
    // At rest, all of the database is in its one file.
    fs::copy(
        fork.path().join("evidence.db"),
        folder.path().join("evidence.db"),
    )
    .unwrap();
    let (kind, text) = refusal(folder.path());
    assert_eq!(kind, StorageErrorKind::Corrupt);
    assert!(text.contains("contradicts the first 300 entries"), "{text}");
}

#[tokio::test]
async fn s_09_older_checkpoint_is_extended_and_a_newer_one_refused() {
    let folder = closed(100).await;
    let older = checkpoint(folder.path());
    let store = open(folder.path()).unwrap();
    store
        .append((100..700).map(notice).collect())
        .await
        .unwrap();
    store.close().await;
    let newer = checkpoint(folder.path());
    fs::write(folder.path().join("log/checkpoint"), &older).unwrap();
    assert_eq!(goes_on(folder.path(), &newer).await, 701);
    let newest = checkpoint(folder.path());
    let behind = closed(100).await;
    fs::write(behind.path().join("log/checkpoint"), newest).unwrap();
    let (kind, text) = refusal(behind.path());
    assert_eq!(kind, StorageErrorKind::Corrupt, "{text}");
}

#[tokio::test]
async fn s_10_wrong_signature_changed_key_and_missing_key_are_refused() {
    let folder = closed(10).await;
    let good = checkpoint(folder.path());
    let path = folder.path().join("log/checkpoint");
    fs::write(&path, good.replace("\n10\n", "\n11\n")).unwrap();
    let (kind, text) = refusal(folder.path());
    assert_eq!(kind, StorageErrorKind::Corrupt);
    assert!(text.contains("the signature of the checkpoint"), "{text}");
    fs::write(&path, &good).unwrap();

    let key = folder.path().join("keys/log.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let (kind, text) = refusal(folder.path());
    assert_eq!(kind, StorageErrorKind::Corrupt);
    assert!(text.contains("log.key is missing"), "{text}");
    assert!(!key.exists(), "no new key is made beside an old log");

    let other = closed(1).await;
    fs::copy(other.path().join("keys/log.key"), &key).unwrap();
    let (kind, text) = refusal(folder.path());
    assert_eq!(kind, StorageErrorKind::Corrupt);
    assert!(text.contains("another key"), "{text}");

    fs::write(&key, kept).unwrap();
    goes_on(folder.path(), &good).await;
}

#[cfg(unix)]
#[tokio::test]
async fn key_is_readable_by_its_owner_only_and_nothing_published_holds_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = closed(300).await;
    let key = folder.path().join("keys/log.key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let secret = fs::read_to_string(&key).unwrap();
    let secret = secret.trim_end().splitn(5, '+').nth(4).unwrap();
    for name in [
        "log/log.pub",
        "log/checkpoint",
        "keys/log.last",
        "log/tile/entries/000",
    ] {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{name}");
    }
}

#[tokio::test]
async fn s_07_entries_cut_off_the_end_before_any_checkpoint_are_noted_in_the_log() {
    let folder = closed(300).await;
    let signed = checkpoint(folder.path());
    let store = open(folder.path()).unwrap();
    let pinned = artifact("a", "1.0.0");
    let pin = Pin {
        artifact: pinned.clone(),
        sha256: Digest::of(b"x"),
        at: at(0),
    };
    let entries = vec![
        Sample::allow(1, pinned.clone()).entry(),
        Entry::Pin(pin),
        removal(pinned.clone(), Some(RemovalScope::Version), 2),
        exposure(1, pinned.clone(), 3),
        missed("never-there", 4),
    ];
    store.append(entries).await.unwrap();
    store.append((0..300).map(notice).collect()).await.unwrap();
    store.close().await;
    // As if nothing of it had been published, and the last 304 entries were lost.
    for name in ["log/checkpoint", "keys/log.last"] {
        fs::write(folder.path().join(name), &signed).unwrap();
    }
    database(folder.path())
        .execute("DELETE FROM entries WHERE idx > 300", [])
        .unwrap();
    let store = open(folder.path()).unwrap();
    let page = store.entries(299, 10).await.unwrap();
    assert_eq!(page.len(), 3);
    let (301, Entry::Notice(gap)) = &page[2] else {
        panic!("{page:?}")
    };
    assert_eq!(gap.code, "log-gap");
    assert!(
        gap.text.starts_with("304 entries from 301 on were missing"),
        "{}",
        gap.text
    );
    assert_eq!(store.pin(&pinned).await.unwrap(), None, "its entry is gone");
    assert!(
        store.latest(&pinned, None).await.unwrap().is_some(),
        "its entry is there"
    );
    store.audit().await.unwrap();
    store.close().await;
    goes_on(folder.path(), &signed).await;
}

#[tokio::test]
async fn s_08_entries_cut_off_below_a_checkpoint_are_refused() {
    let folder = closed(300).await;
    database(folder.path())
        .execute("DELETE FROM entries WHERE idx > 298", [])
        .unwrap();
    let (kind, text) = refusal(folder.path());
    assert_eq!(kind, StorageErrorKind::Corrupt);
    assert!(
        text.contains("covers 300 entries, the database has 299"),
        "{text}"
    );
    let present: u64 = database(folder.path())
        .query_row("SELECT count(*) FROM entries", [], |row| row.get(0))
        .unwrap();
    assert_eq!(present, 299, "nothing was written");
}

#[tokio::test]
async fn s_04_pin_row_that_differs_from_its_entry_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let pinned = artifact("a", "1.0.0");
    let pin = Pin {
        artifact: pinned.clone(),
        sha256: Digest::of(b"good"),
        at: at(0),
    };
    store.append(vec![Entry::Pin(pin)]).await.unwrap();
    store.close().await;
    let bad = Digest::of(b"bad").to_string();
    database(folder.path())
        .execute("UPDATE artifacts SET pinned = ?1", [bad])
        .unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!(
        store.pin(&pinned).await.unwrap_err().kind,
        StorageErrorKind::Corrupt
    );
    store.close().await;
}

#[tokio::test]
async fn s_05_decision_edited_in_the_database_is_refused_and_never_published() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let denied = Sample::hide(1, artifact("a", "1.0.0"));
    store.append(vec![denied.entry()]).await.unwrap();
    store.append((0..600).map(notice).collect()).await.unwrap();
    store.close().await;
    database(folder.path())
        .execute(
            "UPDATE entries SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"hide\"', '\"allow\"') AS BLOB)
             WHERE idx = 0",
            [],
        )
        .unwrap();
    let store = open(folder.path()).unwrap();
    let edited = store
        .decision(&DecisionId::from_random(1))
        .await
        .unwrap_err();
    assert_eq!(edited.kind, StorageErrorKind::Corrupt);
    assert!(store.decisions(&LogFilter::default()).await.is_err());
    store.close().await;
}

/// Every kind of row, edited or deleted: the audit finds it, whatever the questions would answer.
#[tokio::test]
async fn s_04_audit_finds_every_edited_or_deleted_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let candidates = vec![Sighted {
        version: Version::verbatim("1.0.0"),
        file: FileName::new("a-1.0.0.tgz").unwrap(),
        published_at: None,
    }];
    let candidates = store.put_text(sighted_to_text(&candidates)).await.unwrap();
    let pinned = artifact("a", "1.0.0");
    let pin = |bytes| {
        Entry::Pin(Pin {
            artifact: pinned.clone(),
            sha256: bytes,
            at: at(0),
        })
    };
    let entries = vec![
        Sample::hide(1, artifact("a", "2.0.0")).entry(),
        Sample::allow(2, pinned.clone()).entry(),
        Sample::allow(3, pinned.clone()).entry(),
        pin(Digest::of(b"good")),
        pin(Digest::of(b"later")),
        Entry::Served(served(2, "192.0.2.1", Outcome::Served, 1)),
        Entry::Sighting(Sighting {
            package: package("a"),
            at: at(1),
            candidates,
            count: 1,
        }),
        removal(pinned.clone(), Some(RemovalScope::Version), 2),
        Sample::quarantine(4, artifact("b", "1.0.0")).entry(),
        quarantine(artifact("b", "1.0.0"), QuarantineAct::Released, 3),
    ];
    store.append(entries).await.unwrap();
    store.append((0..300).map(notice).collect()).await.unwrap();
    assert_eq!(store.audit().await.unwrap(), 310);
    store.close().await;
    drop(store);
    for damage in [
        "UPDATE decisions SET effect = 'allow' WHERE idx = 0",
        "UPDATE decisions SET at = at + 1 WHERE idx = 1",
        "UPDATE decisions SET id = 'xxxxxxxxxxxx' WHERE idx = 1",
        "DELETE FROM decisions WHERE idx = 2",
        "UPDATE artifacts SET pinned = NULL, pinned_by = NULL",
        "UPDATE artifacts SET pinned = 'sha256:00' WHERE pinned IS NOT NULL",
        "UPDATE artifacts SET pinned_by = 4 WHERE pinned IS NOT NULL",
        "UPDATE artifacts SET pinned = 'sha256:00', pinned_by = 0 WHERE pinned IS NULL",
        "UPDATE artifacts SET first_allowed_at = first_allowed_at - 1",
        "UPDATE artifacts SET first_allowed_by = 2 WHERE first_allowed_by = 1",
        "UPDATE artifacts SET first_allowed_at = NULL, first_allowed_by = NULL",
        "DELETE FROM artifacts",
        "UPDATE servings SET client = '192.0.2.9'",
        "DELETE FROM servings",
        "UPDATE sightings SET first_seen_at = 0",
        "UPDATE sightings SET published_at = 0",
        "DELETE FROM sightings",
        "UPDATE removals SET scope = NULL",
        "UPDATE removals SET at = 0",
        "DELETE FROM removals",
        "UPDATE holds SET ticket = 'xxxxxxxxxxxx'",
        "UPDATE holds SET first = first + 1",
        "DELETE FROM holds",
        "UPDATE hold_standing SET effect = 'allow'",
        "UPDATE hold_standing SET idx = 2",
        "DELETE FROM hold_standing",
        "INSERT INTO holds SELECT id, package, 2, 'xxxxxxxxxxxx', 0 FROM artifacts
             WHERE version = '2.0.0'",
        "UPDATE quarantine_changes SET act = 'rejected'",
        "UPDATE quarantine_changes SET settles = 0",
        "DELETE FROM quarantine_changes",
        "DELETE FROM texts",
        "DELETE FROM nodes",
        "DELETE FROM decision_rules",
        "UPDATE decision_rules SET rule = 'deny'",
        "INSERT INTO decision_rules VALUES ('deny', 1)",
        "UPDATE entries SET kind = 'served' WHERE idx = 100",
        "DELETE FROM entries WHERE idx = 100",
        "UPDATE entries SET bytes = x'7b7d', leaf = x'00' WHERE idx = 100",
        "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE idx = 101),
                            bytes = (SELECT bytes FROM entries WHERE idx = 101) WHERE idx = 100",
    ] {
        let damaged = tempfile::tempdir().unwrap();
        copy(folder.path(), damaged.path());
        let changed = database(damaged.path()).execute(damage, []).unwrap();
        assert!(changed > 0, "{damage}");
        let store = SqliteEvidence::open_to_read(damaged.path()).unwrap();
        let found = store.audit().await;
        assert!(
            matches!(&found, Err(error) if error.kind == StorageErrorKind::Corrupt),
            "{damage}: {found:?}"
        );
    }
}

/// An edit between commit and publication: the checkpoint is not signed, and writing stops.
#[tokio::test]
async fn entry_that_changed_before_it_was_published_is_not_signed() {
    let folder = closed(10).await;
    let signed = checkpoint(folder.path());
    let store = open(folder.path()).unwrap();
    store.append(vec![notice(10)]).await.unwrap();
    let edit = database(folder.path());
    // The publisher may have been faster; then there is nothing unpublished to edit. So edit the
    // store at rest, in the way the publisher reads it: from the row.
    edit.execute("UPDATE entries SET bytes = x'7b7d' WHERE idx = 10", [])
        .unwrap();
    store.append(vec![notice(11)]).await.unwrap();
    let refused = store.checkpoint().await.unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Corrupt);
    assert_eq!(
        store.append(vec![notice(12)]).await.unwrap_err().kind,
        StorageErrorKind::Unavailable
    );
    let key = store.public_key().to_owned();
    store.close().await;
    assert!(verify(&folder.path().join("log"), &key, Some(&signed)).is_ok());
}

#[tokio::test]
async fn s_11_damaged_tiles_at_the_edge_are_written_again() {
    let folder = closed(300).await;
    let signed = checkpoint(folder.path());
    let log = folder.path().join("log");
    fs::write(log.join("tile/0/001.p/44"), b"garbage").unwrap();
    fs::remove_file(log.join("tile/1/000.p/1")).unwrap();
    fs::create_dir(log.join("tile/1/000.p/1")).unwrap();
    fs::remove_file(log.join("tile/entries/001.p/44")).unwrap();
    goes_on(folder.path(), &signed).await;
}

#[tokio::test]
async fn missing_checkpoint_is_signed_again_over_the_same_entries() {
    let folder = closed(700).await;
    let signed = checkpoint(folder.path());
    fs::remove_file(folder.path().join("log/checkpoint")).unwrap();
    fs::remove_dir_all(folder.path().join("log/tile")).unwrap();
    goes_on(folder.path(), &signed).await;
}

#[tokio::test]
async fn s_15_store_of_a_newer_version_and_a_foreign_database_are_refused() {
    let folder = closed(1).await;
    database(folder.path())
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let (kind, text) = refusal(folder.path());
    assert_eq!(kind, StorageErrorKind::Format);
    assert!(text.contains("has schema 99"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    database(folder.path())
        .pragma_update(None, "user_version", 1)
        .unwrap();
    assert_eq!(refusal(folder.path()).0, StorageErrorKind::Format);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("evidence.db"), [7; 5_000]).unwrap();
    assert_eq!(refusal(folder.path()).0, StorageErrorKind::Corrupt);
}

#[tokio::test]
async fn store_of_an_older_version_is_brought_up_to_date() {
    let folder = closed(3).await;
    let old = database(folder.path());
    old.execute_batch("DROP INDEX entries_notices; DROP TABLE exposures; DROP TABLE missed; DROP TABLE exemptions; DROP TABLE removals; DROP TABLE holds; DROP TABLE hold_standing; DROP TABLE quarantine_changes; DROP INDEX decisions_audience; ALTER TABLE decisions DROP COLUMN audience; PRAGMA user_version = 1;")
        .unwrap();
    drop(old);
    let store = open(folder.path()).unwrap();
    let notices = store.notices(10).await.unwrap();
    assert_eq!(notices.len(), 3);
    store.audit().await.unwrap();
}

#[tokio::test]
async fn what_was_held_before_holds_were_listed_is_listed_after() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let entries = vec![
        Sample::hide(1, artifact("a", "1.0.0")).entry(),
        Sample::quarantine(2, artifact("a", "1.0.0")).entry(),
        Sample::quarantine(3, artifact("a", "1.0.0")).entry(),
        Sample::allow(4, artifact("b", "1.0.0")).entry(),
    ];
    store.append(entries).await.unwrap();
    let before = store.holds(&HoldFilter::default()).await.unwrap();
    assert_eq!(before.len(), 1);
    store.close().await;
    drop(store);
    let old = database(folder.path());
    old.execute_batch(
        "DROP TABLE holds; DROP TABLE hold_standing; DROP TABLE quarantine_changes;
         PRAGMA user_version = 6;",
    )
    .unwrap();
    drop(old);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.holds(&HoldFilter::default()).await.unwrap(), before);
    store.audit().await.unwrap();
}

#[tokio::test]
async fn closed_store_answers_questions_and_refuses_appends() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store
        .append(vec![Sample::allow(1, artifact("a", "1.0.0")).entry()])
        .await
        .unwrap();
    store.close().await;
    assert_eq!(
        store.append(Vec::new()).await.unwrap_err().kind,
        StorageErrorKind::Unavailable
    );
    assert_eq!(
        store.checkpoint().await.unwrap_err().kind,
        StorageErrorKind::Unavailable
    );
    assert_eq!(
        store.decisions(&LogFilter::default()).await.unwrap().len(),
        1
    );
    assert_eq!(store.remembered(&package("a")).await.unwrap().len(), 1);
    assert_eq!((store.size(), store.published_size()), (1, 1));
}

#[tokio::test]
async fn store_is_read_at_rest_and_beside_its_writer() {
    let folder = tempfile::tempdir().unwrap();
    let absent = SqliteEvidence::open_to_read(folder.path()).unwrap_err();
    assert_eq!(absent.kind, StorageErrorKind::Unavailable);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing was made"
    );
    let store = open(folder.path()).unwrap();
    store
        .append(vec![Sample::allow(1, artifact("a", "1.0.0")).entry()])
        .await
        .unwrap();
    let reader = SqliteEvidence::open_to_read(folder.path()).unwrap();
    assert_eq!(
        (reader.size(), reader.public_key()),
        (1, store.public_key())
    );
    store
        .append(vec![Sample::allow(2, artifact("a", "2.0.0")).entry()])
        .await
        .unwrap();
    assert_eq!(
        reader.decisions(&LogFilter::default()).await.unwrap().len(),
        2
    );
    let refused = reader.append(vec![notice(0)]).await.unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Unavailable);
    assert!(reader.checkpoint().await.is_err());
    drop(reader);
    store.close().await;
    drop(store);
    // At rest all of it is in one file; what stands beside it is empty and may be gone.
    let log = folder.path().join("evidence.db-wal");
    assert_eq!(fs::metadata(&log).map_or(0, |found| found.len()), 0);
    for name in ["evidence.db-wal", "evidence.db-shm"] {
        let _ = fs::remove_file(folder.path().join(name));
    }
    let reader = SqliteEvidence::open_to_read(folder.path()).unwrap();
    assert_eq!(
        reader.decisions(&LogFilter::default()).await.unwrap().len(),
        2
    );
    reader.close().await;
    drop(reader);
    open(folder.path()).unwrap().close().await;
}

/// Entries are published without anyone asking, at most a second after they were appended.
#[tokio::test]
async fn checkpoint_follows_the_last_entry_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.append((0..3).map(notice).collect()).await.unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while store.published_size() < 3 {
        assert!(
            std::time::Instant::now() < deadline,
            "nothing was published"
        );
        tokio::task::yield_now().await;
    }
    let key = store.public_key().to_owned();
    assert_eq!(
        verify(&folder.path().join("log"), &key, None)
            .unwrap()
            .entries,
        3
    );
    store.close().await;
}
