//! INV-10, F-01: a process that writes blobs is killed at random points. Whatever it acknowledged
//! is there, and nothing with a live name is partial.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cordon_policy::model::Digest;
use cordon_storage::blob::{BlobStore, FilesystemBlobs};
use cordon_storage::conformance::blob::{put, read_all, sample};
use futures_util::TryStreamExt;

/// How often the writer is killed, unless `CORDON_KILLS` says otherwise.
const KILLS: u64 = 25;

/// Set for the process that writes: where, and with which seed.
const FOLDER: &str = "CORDON_KILL_FOLDER";
const SEED: &str = "CORDON_KILL_SEED";

/// The process that is killed. Does nothing when run as a test.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let seed: u64 = std::env::var(SEED)
        .expect("a seed")
        .parse()
        .expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let store = FilesystemBlobs::open(Path::new(&folder)).expect("the store opens");
        let writers = (0..4_u64).map(|lane| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    // Some blobs are written again and again, some only once; some are large.
                    let seed = if number % 3 == 0 {
                        number % 40
                    } else {
                        seed * 10_000 + number * 4 + lane
                    };
                    let length = if seed % 8 == 7 {
                        300_000
                    } else {
                        500 + seed as usize % 9000
                    };
                    let digest = put(&store, &sample(length, seed)).await;
                    // One write call, so that lines are never torn among each other.
                    let line = format!("stored {}\n", digest.hex());
                    std::io::stdout()
                        .write_all(line.as_bytes())
                        .expect("the parent listens");
                }
            })
        });
        futures_util::future::join_all(writers).await;
    });
}

/// Lets the writer acknowledge some blobs and kills it; what it acknowledged.
fn write_and_kill(folder: &Path, seed: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the writer starts");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = String::new();
    // Also before the first acknowledgement, while it opens the store.
    let wanted = seed * 7 % 60;
    let mut seen = 0;
    while seen < wanted {
        let length = output.read_line(&mut text).expect("a line");
        assert!(length > 0, "the writer ended by itself: {text}");
        seen += u64::from(text.ends_with('\n') && text.lines().next_back().is_some_and(is_stored));
    }
    child.kill().expect("a kill");
    child.wait().expect("its end");
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).expect("what was in the pipe");
    text.push_str(&String::from_utf8_lossy(&rest));
    text.lines()
        .filter(|line| is_stored(line))
        .filter_map(|line| line.split("stored ").nth(1))
        .map(str::to_owned)
        .collect()
}

/// The test harness may write something of its own in front.
fn is_stored(line: &str) -> bool {
    line.split("stored ")
        .nth(1)
        .is_some_and(|hex| hex.len() == 64)
}

#[test]
fn inv_10_a_writer_killed_at_random_points_loses_nothing_it_acknowledged() {
    let kills = std::env::var("CORDON_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(KILLS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut acknowledged = HashSet::new();
    let mut slowest = Duration::ZERO;
    for seed in 0..kills {
        acknowledged.extend(write_and_kill(folder.path(), seed));
        let started = Instant::now();
        let store = FilesystemBlobs::open(folder.path()).expect("it opens after a kill");
        slowest = slowest.max(started.elapsed());
        let staged = std::fs::read_dir(folder.path().join("staging")).expect("a listing");
        assert_eq!(staged.count(), 0);
        let present = runtime.block_on(check_all(&store));
        for hex in &acknowledged {
            assert!(
                present.contains(hex),
                "kill {seed}: {hex} was acknowledged and is lost"
            );
        }
    }
    assert!(
        acknowledged.len() as u64 > kills,
        "the writer got nothing done"
    );
    assert!(slowest < Duration::from_secs(2), "opening took {slowest:?}");
}

/// Reads everything with a live name; what that is.
async fn check_all(store: &FilesystemBlobs) -> HashSet<String> {
    let all: Vec<_> = store.scan().try_collect().await.expect("a scan");
    let mut present = HashSet::new();
    for stat in all {
        let reader = store
            .open(&stat.digest)
            .await
            .expect("intact")
            .expect("listed");
        let data = read_all(&reader, usize::MAX);
        assert_eq!(Digest::of(&data), stat.digest);
        present.insert(stat.digest.hex());
    }
    present
}
