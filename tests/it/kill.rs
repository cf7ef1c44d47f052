//! INV-23, INV-48: whatever was answered is on record after kill -9, and it is soon back. What was
//! served can be served then without upstream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use cordon_tests::fixture::{self, OLD, PACKAGE};

const POLICY: &str = "[rules.deny]\npurls = [\"pkg:npm/denied-package\", \
                      \"pkg:pypi/denied-package\", \"pkg:cargo/denied-package\"]\n";
/// INV-48: from start to the first answer.
const BACK_WITHIN: Duration = Duration::from_secs(2);

fn rounds() -> u64 {
    std::env::var("CORDON_KILLS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(5)
}

fn name(round: u64, number: usize) -> String {
    format!("load-{round}-{number}")
}

/// Asks for everything of a round again and again until the process is gone; keeps every decision
/// a client was told.
fn load(
    addresses: Vec<(String, Option<bytes::Bytes>)>,
    told: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
) {
    while !is_over.load(Ordering::Relaxed) {
        for (url, expected) in &addresses {
            let Ok(reply) = http::try_request("GET", url, &[], b"") else {
                continue;
            };
            if let (200, true, Some(expected)) = (reply.status, reply.is_complete, expected) {
                assert_eq!(reply.body, *expected, "{url}");
            }
            if expected.is_none() {
                assert_ne!(reply.status, 200, "{url}");
            }
            if let Some(decision) = reply.header("x-cordon-decision") {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.push(decision.to_owned());
            }
        }
    }
}

#[test]
fn inv_23_every_answered_decision_is_on_record_after_kill() {
    let registry = FakeRegistry::start();
    let protocols = Protocol::ALL;
    for protocol in protocols {
        registry.publish(Release::new(protocol, "denied-package", "1.0.0"));
    }
    let mut cordon = Builder::new(&registry).policy(POLICY).start();
    let (mut all, mut slowest) = (0, Duration::ZERO);
    for round in 0..rounds() {
        let mut addresses = Vec::new();
        for protocol in protocols {
            let base = cordon.url(protocol);
            for number in 0..4 {
                let name = name(round, number);
                registry.publish(Release::new(protocol, &name, "1.0.0").padded(20_000));
                let url = listing::locked_url(protocol, &base, &name, "1.0.0");
                let bytes = registry.bytes_of(protocol, &name, "1.0.0");
                let denied = url.replace(&name, "denied-package");
                addresses.push((url, Some(bytes)));
                addresses.push((denied, None));
            }
        }
        let told = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..3)
            .map(|turn| {
                let mut mine = addresses.clone();
                mine.rotate_left(turn * 8);
                let (told, is_over) = (Arc::clone(&told), Arc::clone(&is_over));
                std::thread::spawn(move || load(mine, told, is_over))
            })
            .collect();
        // Anywhere from the first request to well into the warm phase.
        std::thread::sleep(Duration::from_millis(30 + (round * 7919) % 700));
        cordon.kill();
        is_over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().expect("no wrong byte arrived");
        }
        let back = cordon.restart();
        slowest = slowest.max(back);
        let mut told = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
        told.sort();
        told.dedup();
        for id in &told {
            let why = cordon.command(&["why", id]);
            assert!(
                why.status.success(),
                "round {round}: {id} was answered and is not on record: {}",
                String::from_utf8_lossy(&why.stderr)
            );
        }
        all += told.len();
    }
    assert!(
        all > 0,
        "no decision was told before a kill: nothing was tested"
    );
    cordon.stop();
    let verified = cordon.command(&["log", "verify"]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    println!(
        "{} kills, {all} decisions answered, 0 lost; slowest start {slowest:?}; {}",
        rounds(),
        String::from_utf8_lossy(&verified.stdout).trim()
    );
    // The figure is for a release build on a quiet machine; the quick run only sees a scan.
    let limit = if crate::is_thorough() {
        BACK_WITHIN
    } else {
        BACK_WITHIN * 5
    };
    assert!(slowest <= limit, "a start took {slowest:?}");
}

/// Waits until nothing is being written behind answers any more.
fn settled(cordon: &Cordon) {
    let deadline = Instant::now() + http::PATIENCE;
    loop {
        let metrics = http::get(&format!("{}metrics", cordon.admin())).text();
        if metrics
            .lines()
            .any(|line| line == "cordon_work_behind_answers 0")
        {
            return;
        }
        assert!(Instant::now() < deadline, "work goes on:\n{metrics}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_was_served_once_is_served_after_a_kill_while_upstream_is_away() {
    let mut registry = fixture::registry();
    let freshness = "[freshness]\nmin_age = \"1s\"\nmax_age = \"1s\"\n";
    for section in ["", freshness] {
        let mut cordon = Builder::new(&registry).section(section).start();
        let mut paths = Vec::new();
        for protocol in Protocol::ALL {
            let url = listing::locked_url(protocol, &cordon.url(protocol), PACKAGE, OLD);
            let _ = http::get(&url).expect(200);
            paths.push(url.replace(cordon.root(), ""));
        }
        settled(&cordon);
        cordon.kill();
        registry.stop();
        cordon.restart();
        for (protocol, path) in Protocol::ALL.into_iter().zip(paths) {
            let listed = listing::list(protocol, &cordon.url(protocol), PACKAGE);
            assert!(listed.iter().any(|one| one.version == OLD), "{protocol:?}");
            let reply = http::get(&format!("{}{path}", cordon.root())).expect(200);
            let expected = registry.bytes_of(protocol, PACKAGE, OLD);
            assert_eq!(reply.body, expected, "{protocol:?}");
        }
        registry.restart();
    }
}
