//! F-01: a process that appends is killed at any moment; whatever it had acknowledged is there.
//!
//! Kill -9 shows that the order of writes is right and that opening repairs what a kill leaves; it
//! does not test fsync, because the page cache survives the process. Power loss is the subject of
//! `evidence_power.rs`. `CORDON_CRASH_CYCLES` sets how many kills (20 if not given).

#![expect(clippy::unwrap_used, reason = "a failure is to stop the test")]
#![expect(
    clippy::print_stdout,
    reason = "the child tells its parent what was acknowledged"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon_storage::conformance::sample::{Sample, artifact, notice};
use cordon_storage::evidence::log::verify::verify;
use cordon_storage::evidence::{Entry, Evidence, SqliteEvidence, SqliteOptions};

const FOLDER: &str = "CORDON_CRASH_FOLDER";

fn open(folder: &Path) -> SqliteEvidence {
    SqliteEvidence::open(folder, &SqliteOptions::default()).unwrap()
}

/// The entries of append `n`: one to three, all told apart by their number.
fn entries(n: u64) -> Vec<Entry> {
    (0..=n % 3)
        .map(|part| match part {
            0 => notice(n),
            _ => Sample::allow(n * 4 + part, artifact("a", &format!("{n}.{part}.0"))).entry(),
        })
        .collect()
}

/// The process that gets killed: appends, and prints `<index> <n>` for what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let store = Arc::new(open(Path::new(&folder)));
    println!("open");
    let start = store.size() * 8;
    let callers = (0..8).map(|caller| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in (start + caller..).step_by(8) {
                let index = store.append(entries(n)).await.unwrap();
                acknowledge(index, n);
                if n % 97 == 0 {
                    store.checkpoint().await.unwrap();
                }
            }
        })
    });
    futures_util::future::join_all(callers).await;
}

/// One line, written at once, so that none is ever half there without being noticed.
fn acknowledge(index: u64, n: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {index} {n}").unwrap();
    out.flush().unwrap();
}

/// A small generator of numbers that always gives the same ones (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Runs the child until it has printed `lines` lines, kills it, and returns what it acknowledged.
fn run_and_kill(folder: &Path, lines: u64) -> Vec<(u64, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child_appends_until_it_is_killed",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut seen = 0;
    let mut line = String::new();
    // After the kill, what was already in the pipe is read as well: it was acknowledged.
    while output.read_line(&mut line).unwrap() > 0 {
        if line.ends_with('\n')
            && let Some(pair) = line.trim_end().strip_prefix("ack ")
            && let Some((index, n)) = pair.split_once(' ')
        {
            acknowledged.push((index.parse().unwrap(), n.parse().unwrap()));
        }
        line.clear();
        seen += 1;
        if seen == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(
        seen >= lines,
        "the child ended by itself after {seen} lines"
    );
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_01_no_acknowledged_entry_is_lost_by_kill_and_the_log_verifies() {
    let cycles: u64 = std::env::var("CORDON_CRASH_CYCLES").map_or(20, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut all: BTreeMap<u64, u64> = BTreeMap::new();
    let mut last_checkpoint = None;
    let mut slowest = Duration::ZERO;
    let mut state = 3;
    for cycle in 0..cycles {
        // The first lines come from the test harness and from opening: also that is cut short.
        let lines = 2 + random(&mut state) % 300;
        all.extend(run_and_kill(folder.path(), lines));
        let started = Instant::now();
        let store = open(folder.path());
        slowest = slowest.max(started.elapsed());
        let size = store.size();
        // What earlier cycles acknowledged was checked then; the log below covers it still.
        for (index, n) in all.range(size.saturating_sub(2_000)..) {
            let expected = entries(*n);
            let kept = store.entries(*index, expected.len()).await.unwrap();
            let kept: Vec<Entry> = kept.into_iter().map(|(_, entry)| entry).collect();
            assert_eq!(
                kept, expected,
                "cycle {cycle}: append {n} at {index} of {size}"
            );
        }
        let key = store.public_key().to_owned();
        store.close().await;
        let log = folder.path().join("log");
        let report = verify(&log, &key, last_checkpoint.as_deref()).unwrap();
        assert_eq!(report.entries, size);
        last_checkpoint = Some(std::fs::read_to_string(log.join("checkpoint")).unwrap());
    }
    let acknowledged = all.len();
    println!(
        "{cycles} kills, {acknowledged} acknowledged appends, 0 lost, slowest opening {slowest:?}"
    );
    assert!(slowest < Duration::from_secs(2));
    assert!(acknowledged > 0);
}
