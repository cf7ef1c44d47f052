//! What was changed behind Cordon's back is found and named: rows of the evidence, stored bytes.

use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::Cordon;
use cordon_tests::fake_registry::Protocol;
use cordon_tests::fixture::{OLD, PACKAGE, Scene};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

fn fetch_all(scene: &Scene) {
    for protocol in Protocol::ALL {
        let url = listing::locked_url(protocol, &scene.cordon.url(protocol), PACKAGE, OLD);
        let _ = http::get(&url).expect(200);
    }
}

fn database(cordon: &Cordon) -> rusqlite::Connection {
    let opened = rusqlite::Connection::open(cordon.data().join("evidence.db"));
    let connection = opened.expect("the database opens");
    let off = connection.pragma_update(None, "foreign_keys", false);
    off.expect("whoever edits rows can do that too");
    connection
}

fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

#[test]
fn log_verify_names_the_entry_whose_row_was_deleted_or_edited() {
    let mut scene = Scene::new();
    fetch_all(&scene);
    scene.cordon.stop();
    scene.cordon.restart();
    fetch_all(&scene);
    // Beside a running Cordon, which has written more than it has published.
    let good = scene.cordon.command(&["log", "verify"]);
    assert!(good.status.success(), "{good:?}");
    assert!(told(&good).contains("the database says the same"));
    scene.cordon.stop();
    let whole = fs::read(scene.cordon.data().join("evidence.db")).expect("it is there");
    let log = scene.cordon.data().join("log");
    let log = log.to_str().expect("a path in UTF-8");
    for (table, column, damage) in [
        ("decisions", "idx", "DELETE FROM decisions WHERE idx = ?1"),
        ("servings", "idx", "DELETE FROM servings WHERE idx = ?1"),
        (
            "artifacts",
            "pinned_by",
            "UPDATE artifacts SET pinned = 'sha256:00' WHERE pinned_by = ?1",
        ),
        ("entries", "idx", "DELETE FROM entries WHERE idx = ?1"),
        (
            "entries",
            "idx",
            "UPDATE entries SET bytes = x'7b7d' WHERE idx = ?1",
        ),
    ] {
        let connection = database(&scene.cordon);
        let select = format!("SELECT {column} FROM {table} ORDER BY {column} DESC LIMIT 1");
        let index: u64 = connection
            .query_row(&select, [], |row| row.get(0))
            .expect("there is one");
        let changed = connection.execute(damage, [index]).expect("it can be done");
        assert_eq!(changed, 1, "{damage}");
        drop(connection);
        let found = scene.cordon.command(&["log", "verify"]);
        assert!(!found.status.success(), "{damage}: {}", told(&found));
        assert!(
            told(&found).contains(&format!("entry {index} ")),
            "{damage}: {}",
            told(&found)
        );
        // The published log alone shows nothing of it.
        let alone = scene.cordon.command(&["log", "verify", "--folder", log]);
        assert!(alone.status.success(), "{damage}: {}", told(&alone));
        fs::write(scene.cordon.data().join("evidence.db"), &whole).expect("it is restored");
    }
    let good = scene.cordon.command(&["log", "verify"]);
    assert!(good.status.success(), "{good:?}");
}

#[test]
fn log_verify_finds_a_database_that_is_another_than_the_published_one() {
    let mut scene = Scene::new();
    fetch_all(&scene);
    scene.cordon.stop();
    let mut other = Scene::new();
    fetch_all(&other);
    fetch_all(&other);
    other.cordon.stop();
    let name = "evidence.db";
    fs::copy(
        other.cordon.data().join(name),
        scene.cordon.data().join(name),
    )
    .expect("a copy");
    let found = scene.cordon.command(&["log", "verify"]);
    assert!(!found.status.success(), "{}", told(&found));
}

#[test]
fn inv_05_damaged_bytes_leave_a_notice_in_the_log() {
    let mut scene = Scene::new();
    fetch_all(&scene);
    scene.cordon.stop();
    let expected = scene.registry.bytes_of(Protocol::Npm, PACKAGE, OLD);
    let digest = HEXLOWER.encode(&Sha256::digest(&expected));
    let blobs = scene.cordon.data().join("blobs/blobs/sha256");
    let mut rotten = expected.to_vec();
    rotten[10] ^= 1;
    fs::write(blobs.join(&digest[..2]).join(&digest), rotten).expect("the blob is there");
    scene.cordon.restart();
    let base = scene.cordon.url(Protocol::Npm);
    let url = listing::locked_url(Protocol::Npm, &base, PACKAGE, OLD);
    match http::try_request("GET", &url, &[], b"") {
        Ok(reply) if reply.status == 200 && reply.is_complete => assert_eq!(reply.body, expected),
        _ => {}
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let listed = told(&scene.cordon.command(&["log", "notices"]));
        let line = listed.lines().find(|line| line.contains("blob-damaged"));
        if let Some(line) = line {
            assert!(line.contains(&digest), "{line}");
            break;
        }
        assert!(Instant::now() < deadline, "no notice:\n{listed}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let only = scene.cordon.command(&["log", "notices", "--json"]);
    let only = String::from_utf8_lossy(&only.stdout).into_owned();
    let lines: Vec<serde_json::Value> = only
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert_eq!(lines.len(), 1, "{only}");
    assert_eq!(lines[0]["notice"]["code"], "blob-damaged");
}
