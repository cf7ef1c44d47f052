//! What the evidence store costs. Prints figures; the bounds it asserts are wide enough for an
//! unoptimised build on a busy machine. `CORDON_SPEED_ENTRIES` sets the length of the log that is
//! verified (20,000 if not given).

#![expect(clippy::print_stdout, reason = "the figures are what the test is for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon_storage::conformance::sample::{Sample, artifact, notice};
use cordon_storage::evidence::log::proof::prove;
use cordon_storage::evidence::log::verify::verify;
use cordon_storage::evidence::{Entry, Evidence, LogFilter, SqliteEvidence, SqliteOptions};

fn decisions(name: &str, from: u64, count: u64) -> Vec<Entry> {
    (from..from + count)
        .map(|n| {
            let mut hidden = Sample::hide(n, artifact(name, &format!("{n}.0.0")));
            // About as long as a decision with real facts.
            hidden.reason.push_str(&" and so on".repeat(60));
            hidden.entry()
        })
        .collect()
}

fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appending_keeps_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteEvidence::open(folder.path(), &SqliteOptions::default()).unwrap());

    let alone = decisions("alone", 0, 300);
    let started = Instant::now();
    for entry in alone {
        store.append(vec![entry]).await.unwrap();
    }
    let single = rate(300, started.elapsed());

    let callers: Vec<_> = (0..64)
        .map(|n| decisions("many", 1_000 + n * 100, 100))
        .collect();
    let started = Instant::now();
    let tasks: Vec<_> = callers
        .into_iter()
        .map(|entries| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for entry in entries {
                    store.append(vec![entry]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let together = rate(6_400, started.elapsed());

    let mut listing = Vec::new();
    let mut processor = Duration::ZERO;
    for n in 0..5 {
        let entries = decisions("cold", 100_000 + n * 10_000, 2_600);
        let (started, used) = (Instant::now(), processor_time());
        store.append(entries).await.unwrap();
        listing.push(started.elapsed());
        processor += processor_time().saturating_sub(used);
    }
    listing.sort();

    let filter = LogFilter {
        limit: 100,
        ..LogFilter::default()
    };
    let started = Instant::now();
    assert_eq!(store.decisions(&filter).await.unwrap().len(), 100);
    let page = started.elapsed();
    println!(
        "appends/s: 1 caller {single:.0}, 64 callers {together:.0}; 2,600 decisions at once: {:?} (median), {:?} (worst), {:?} of processor time each; page of 100: {page:?}",
        listing[2],
        listing[4],
        processor / 5
    );
    store.close().await;
    assert!(together > 1_000.0, "{together} appends/s with 64 callers");
    assert!(
        listing[2] < Duration::from_millis(1_000),
        "{:?} for 2,600 decisions",
        listing[2]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_and_verifying_stay_cheap() {
    let entries: u64 =
        std::env::var("CORDON_SPEED_ENTRIES").map_or(20_000, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::default();
    let store = SqliteEvidence::open(folder.path(), &options).unwrap();
    let started = Instant::now();
    let mut from = 0;
    while from < entries {
        let to = (from + 10_000).min(entries);
        store
            .append((from..to).map(notice).collect())
            .await
            .unwrap();
        from = to;
    }
    let public_key = store.public_key().to_owned();
    store.close().await;
    let written = started.elapsed();

    let started = Instant::now();
    let store = SqliteEvidence::open(folder.path(), &options).unwrap();
    let opened = started.elapsed();
    store.close().await;

    let log = folder.path().join("log");
    let started = Instant::now();
    let report = verify(&log, &public_key, None).unwrap();
    let verified = started.elapsed();
    assert_eq!(report.entries, entries);
    let started = Instant::now();
    let proof = prove(&log, &public_key, entries / 2).unwrap();
    let proved = started.elapsed();
    println!(
        "{entries} entries of {} bytes: written and published in {written:?}, reopened in {opened:?}, verified in {verified:?} ({:.0}/s, 10 million in {:.0} s), proof of {} hashes in {proved:?}; peak memory {}",
        report.entry_bytes / entries,
        rate(entries, verified),
        1e7 / rate(entries, verified),
        proof.hashes.len(),
        peak_memory(),
    );
    assert!(opened < Duration::from_secs(2));
    assert!(proved < Duration::from_millis(200), "{proved:?}");
}

/// Processor time of all threads so far, in steps of 10 ms; zero where the system does not tell.
/// On a machine that is busy with other things it says more than the clock.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The most memory this process ever held, where the system tells.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
