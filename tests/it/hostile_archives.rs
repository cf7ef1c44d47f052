//! Archives that are cut, changed, break whoever reads them, or were made to cost: what
//! `tests/archives.md` says of them beyond reading them, on the real binary with its real workers.

mod bombs;
mod limits;
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "the writers of archives are those of another suite, which uses all of them"
)]
#[path = "../../policy/tests/inspect_archives/tarfile.rs"]
mod tarfile;
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "the writers of archives are those of another suite, which uses all of them"
)]
#[path = "../../policy/tests/inspect_archives/zipfile.rs"]
mod zipfile;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cordon_tests::client::http;
use cordon_tests::clock::{ago, hours};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Index, Protocol, Release};
use cordon_tests::{memory, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::incidents::{decisions, file_url, findings};

/// The rules of the built-in policy that look into archives.
const POLICY: &str = "[rules.integrity]\n[rules.archive]\n[rules.manifest]\n[rules.content]\n";

fn of_registry(
    registry: &FakeRegistry,
    cordon: &Cordon,
    protocol: Protocol,
    package: &str,
) -> String {
    file_url((registry, cordon), protocol, package, "1.0.0")
}

/// The findings of the last decision about a package.
fn found(cordon: &Cordon, protocol: Protocol, package: &str) -> Vec<String> {
    let all = decisions(cordon, protocol, package, "1.0.0");
    all.last().map(findings).unwrap_or_default()
}

/// The processes that look into archives for a Cordon.
fn workers(cordon: &Cordon) -> Vec<u32> {
    let Some(pid) = cordon.pid() else {
        return Vec::new();
    };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let mut found = Vec::new();
    for thread in threads.into_iter().flatten().flatten() {
        let children = std::fs::read_to_string(thread.path().join("children"));
        let children = children.unwrap_or_default();
        found.extend(children.split_whitespace().flat_map(str::parse::<u32>));
    }
    found
}

/// Whether a worker has begun: becoming ready takes less than this of the processor's time.
fn is_busy(worker: u32) -> bool {
    /// Hundredths of a second.
    const TICKS: u64 = 10;
    let stat = std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
    // The name before may hold anything; the twelfth number after it is what is meant.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks = after.split_whitespace().nth(11);
    ticks.and_then(|it| it.parse::<u64>().ok()) >= Some(TICKS)
}

fn metric(cordon: &Cordon, line: &str) -> u64 {
    let text = http::get(&format!("{}metrics", cordon.admin())).text();
    let value = text.lines().find_map(|it| it.strip_prefix(line));
    value.map_or(0, |it| it.trim().parse().expect("a number"))
}

/// A version of its own for every change, so that none rests on another's failure.
#[test]
fn a_80_a_81_cut_or_changed_bytes_never_arrive() {
    /// Versions of one package.
    const VERSIONS: u64 = 200;
    let flips = crate::scale(40, 10_000);
    let registry = FakeRegistry::start();
    let cordon = Cordon::start(&registry);
    for protocol in Protocol::ALL {
        let sample = Release::new(protocol, "sample", "1.0.0");
        registry.publish(sample);
        let length = registry.bytes_of(protocol, "sample", "1.0.0").len();
        let cuts = u64::try_from(length.div_ceil(512)).expect("small");
        let mut asked = Vec::new();
        for number in 0..cuts + flips {
            let (package, version) = (
                format!("changed-{}", number / VERSIONS),
                format!("1.0.{}", number % VERSIONS),
            );
            registry.publish(Release::new(protocol, &package, &version));
            let mut bytes = registry.bytes_of(protocol, &package, &version).to_vec();
            match number.checked_sub(cuts) {
                None => bytes.truncate(usize::try_from(number * 512).expect("small")),
                Some(flip) => {
                    let bits = u64::try_from(bytes.len() * 8).expect("small");
                    let bit = usize::try_from(flip * bits / flips).expect("small");
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
            registry.change_bytes(protocol, &package, &version, bytes, Index::Stays);
            asked.push((package, version));
        }
        for (package, version) in asked {
            let url = file_url((&registry, &cordon), protocol, &package, &version);
            let reply = http::get(&url);
            let is_refusal = matches!(reply.status, 403 | 502 | 503 | 504);
            assert!(is_refusal, "{protocol:?} {package}: {}", reply.status);
        }
    }
}

/// A package whose name is so young that its files are looked at.
fn young(name: &str) -> Release {
    Release::npm(name, "1.0.0").published_at(ago(hours(1)))
}

/// Source that takes a worker a while: every file is another.
fn long_reading(files: usize) -> Release {
    let mut release = young("demanding");
    for file in 0..files {
        let line =
            |n: usize| format!("export const f{n} = (a) => [a, {{ b: a + {file} }}].map(g);\n");
        let text: String = (0..14_000).map(line).collect();
        release = release.source(&format!("lib/{file}.js"), &text);
    }
    release
}

#[test]
fn a_84_an_archive_that_breaks_its_worker_is_held_and_tried_again_later() {
    let registry = FakeRegistry::start();
    registry.publish(long_reading(4));
    registry.publish(Release::npm("other", "1.0.0"));
    let section = "[inspection]\nworkers = 1\n";
    let builder = Builder::new(&registry).policy(POLICY).section(section);
    let cordon = builder.start();
    let pid = cordon.pid().expect("it runs");
    let url = of_registry(&registry, &cordon, Protocol::Npm, "demanding");
    let is_answered = AtomicBool::new(false);
    let held = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let reply = http::get(&url);
            is_answered.store(true, Ordering::Relaxed);
            reply
        });
        while !is_answered.load(Ordering::Relaxed) {
            for worker in workers(&cordon).into_iter().filter(|it| is_busy(*it)) {
                let worker = Pid::from_raw(i32::try_from(worker).expect("a process"));
                // It may have gone by itself.
                let _ = kill_process(worker.expect("a process"), Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        asking.join().expect("an answer")
    });
    let failed_at = Instant::now();
    assert_eq!(held.status, 403, "{}", held.text());
    let findings = found(&cordon, Protocol::Npm, "demanding");
    assert!(
        findings.contains(&"archive/scan-failed".to_owned()),
        "{findings:?}"
    );
    // Others are served meanwhile, by the same process.
    let other = of_registry(&registry, &cordon, Protocol::Npm, "other");
    let _ = http::get(&other).expect(200);
    assert_eq!(cordon.pid(), Some(pid));
    // It was not the archive's doing; when the pause is over it is found out.
    wait::until("the archive is looked into again", || {
        http::get(&url).status == 200
    });
    let paused = failed_at.elapsed();
    assert!(paused > Duration::from_secs(4), "{paused:?}");
}

#[test]
fn a_84_an_archive_that_takes_too_much_or_too_long_is_held() {
    let registry = FakeRegistry::start();
    // Little to read, and a great many things to keep of it.
    let greedy = young("greedy").source("lib.js", &"a;".repeat(500_000));
    registry.publish(greedy);
    registry.publish(long_reading(22));
    registry.publish(Release::pypi("other", "1.0.0"));
    // A slow machine may take more than a second to use so much memory.
    for (package, limits, outcome) in [
        ("greedy", "memory = \"96 MiB\"\n", "out-of-memory"),
        ("demanding", "timeout = \"1s\"\n", "timed-out"),
    ] {
        let section = format!("[inspection]\nworkers = 1\n{limits}");
        let builder = Builder::new(&registry).policy(POLICY).section(&section);
        let cordon = builder.start();
        let pid = cordon.pid().expect("it runs");
        let url = of_registry(&registry, &cordon, Protocol::Npm, package);
        for _ in 0..5 {
            let reply = http::get(&url);
            assert_eq!(reply.status, 403, "{package}: {}", reply.text());
        }
        let findings = found(&cordon, Protocol::Npm, package);
        assert!(
            findings.contains(&"archive/scan-failed".to_owned()),
            "{package}: {findings:?}"
        );
        let counted = format!("cordon_inspections_total{{outcome=\"{outcome}\"}}");
        assert_eq!(
            metric(&cordon, &counted),
            1,
            "{package} was tried again at once"
        );
        let other = of_registry(&registry, &cordon, Protocol::Pypi, "other");
        let _ = http::get(&other).expect(200);
        assert_eq!(cordon.pid(), Some(pid));
    }
}

/// The service and its worker have 256 MiB each. Writes figures.
#[test]
#[ignore = "makes archives of up to a gigabyte"]
fn archives_made_to_cost_are_held_and_a_large_honest_one_is_served_under_256_mib() {
    const LIMIT_MIB: u64 = 256;
    let _alone = crate::alone();
    let registry = FakeRegistry::start();
    let all = bombs::all();
    for bomb in &all {
        registry.publish(bomb.release());
    }
    let wheel = Release::pypi("large", "1.0.0").padded(200 << 20);
    registry.publish(wheel);
    registry.publish(Release::npm("other", "1.0.0"));
    let section = "[inspection]\nworkers = 1\nmemory = \"256 MiB\"\n";
    let builder = Builder::new(&registry).policy(POLICY).section(section);
    let cordon = builder.start();
    let pid = cordon.pid().expect("it runs");
    memory::limit_mib(pid, LIMIT_MIB);
    let other = of_registry(&registry, &cordon, Protocol::Npm, "other");
    let ask = |protocol, package: &str| {
        let url = of_registry(&registry, &cordon, protocol, package);
        memory::forget_peak(pid);
        for worker in workers(&cordon) {
            memory::forget_peak(worker);
        }
        let began = Instant::now();
        let reply = http::get(&url);
        let seconds = began.elapsed().as_secs_f32();
        let peak = memory::peak_mib(pid);
        let worker = workers(&cordon).into_iter().map(memory::peak_mib).max();
        println!(
            "{package}: {} in {seconds:.2} s, service {peak} MiB, worker {} MiB",
            reply.status,
            worker.unwrap_or(0)
        );
        assert!(peak < LIMIT_MIB, "{package}: {peak} MiB");
        reply
    };
    for bomb in &all {
        let reply = ask(bomb.protocol, bomb.package);
        assert_eq!(reply.status, 403, "{}: {}", bomb.package, reply.text());
        let findings = found(&cordon, bomb.protocol, bomb.package);
        let expected = format!("archive/{}", bomb.code);
        assert!(
            findings.contains(&expected),
            "{}: {findings:?}",
            bomb.package
        );
        let _ = http::get(&other).expect(200);
    }
    let reply = ask(Protocol::Pypi, "large");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expected = registry.bytes_of(Protocol::Pypi, "large", "1.0.0");
    assert!(reply.body == expected, "the wheel arrives whole");
    assert_eq!(cordon.pid(), Some(pid), "nothing was started anew");
}
