//! Inspection workers that are killed, stopped and starved while clients ask (A-84, INV-16): what is
//! not proved is not sent, what is bad is never sent, and when it is over everything is as it should.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cordon_tests::archive::{self, Entry};
use cordon_tests::client::http::{self, Reply};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use cordon_tests::numbers::Numbers;
use cordon_tests::wait;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::incidents::{decisions, file_url, findings};
use crate::scale;

const POLICY: &str = "[rules.integrity]\n[rules.archive]\n[rules.content]\n";
const SETTINGS: &str = "[inspection]\nworkers = 2\ntimeout = \"1s\"\n";
const VERSION: &str = "1.0.0";
const CLIENTS: u64 = 6;
/// How long an archive may rest that took several workers with it: the pauses double from 5 s.
const PAUSES: Duration = Duration::from_secs(180);

/// The archive of a package: some source to look at, and in every second one a file twice.
fn archive_of(name: &str, is_bad: bool) -> Bytes {
    let manifest = format!(r#"{{"name":"{name}","version":"{VERSION}"}}"#);
    let source: String = (0..2_000)
        .map(|it| format!("exports.f{it} = (a, b) => a.concat(b, '{name}', {it});\n"))
        .collect();
    let mut entries: Vec<Entry> = vec![
        ("package/package.json".to_owned(), manifest.into_bytes()),
        ("package/index.js".to_owned(), source.into_bytes()),
    ];
    if is_bad {
        entries.push(("package/index.js".to_owned(), b"evil()\n".to_vec()));
    }
    archive::tar_gz(&entries)
}

/// The workers a Cordon has at this moment.
fn workers(cordon: &Cordon) -> Vec<Pid> {
    let pid = cordon.pid().expect("it runs");
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let children = threads.flatten().filter_map(|thread| {
        // A thread that has ended meanwhile has no children.
        fs::read_to_string(thread.path().join("children")).ok()
    });
    let children: Vec<String> = children.collect();
    let pids = children.iter().flat_map(|it| it.split_whitespace());
    pids.filter_map(|it| it.parse().ok().and_then(Pid::from_raw))
        .collect()
}

/// Does something bad to one of the workers. It may have been replaced since: then to nobody.
fn disturb(cordon: &Cordon, random: &mut Numbers) -> bool {
    let workers = workers(cordon);
    let Some(victim) = workers.get(random.below(workers.len().max(1) as u64) as usize) else {
        return false;
    };
    let done = match random.below(4) {
        // Hangs until its time is over.
        0 => kill_process(*victim, Signal::STOP),
        // Gets no more memory.
        1 => {
            let none = Rlimit {
                current: Some(1 << 20),
                maximum: Some(1 << 20),
            };
            prlimit(Some(*victim), Resource::As, none).map(|_| ())
        }
        _ => kill_process(*victim, Signal::KILL),
    };
    done.is_ok()
}

#[test]
fn a_84_workers_killed_stopped_and_starved_at_random_let_nothing_through() {
    let _alone = crate::alone();
    let registry = FakeRegistry::start();
    let count = scale(60, 600);
    let packages: Vec<(String, bool)> = (0..count)
        .map(|it| (format!("pack-{it}"), it % 2 == 1))
        .collect();
    for (name, is_bad) in &packages {
        let bytes = archive_of(name, *is_bad);
        registry.publish(Release::npm(name, VERSION).archive(bytes));
    }
    let cordon = Builder::new(&registry)
        .policy(POLICY)
        .section(SETTINGS)
        .start();
    let ask = |name: &str| {
        http::get(&file_url(
            (&registry, &cordon),
            Protocol::Npm,
            name,
            VERSION,
        ))
    };
    // The first that is asked for starts the workers.
    let _ = ask("pack-0").expect(200);
    let (disturbances, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (packages, cordon, ask) = (&packages, &cordon, &ask);
            let (registry, disturbances, refused) = (&registry, &disturbances, &refused);
            scope.spawn(move || {
                let mut random = Numbers::new(84 + client);
                for _ in 0..packages.len() {
                    let (name, is_bad) = &packages[random.below(packages.len() as u64) as usize];
                    if disturb(cordon, &mut random) {
                        disturbances.fetch_add(1, Ordering::Relaxed);
                    }
                    let reply = ask(name);
                    let is_served = is_served(registry, name, &reply);
                    assert!(!(is_served && *is_bad), "{name} is bad and was served");
                    refused.fetch_add(u64::from(!is_served && !is_bad), Ordering::Relaxed);
                }
            });
        }
    });
    let (disturbances, refused) = (disturbances.into_inner(), refused.into_inner());
    println!("{disturbances} disturbances, {refused} good files held for a while");
    assert!(disturbances > count / 2, "only {disturbances} disturbances");
    let health = http::get(&format!("{}healthz", cordon.admin()));
    assert_eq!(health.status, 200, "{}", health.text());
    for (name, is_bad) in &packages {
        match is_bad {
            false => wait::within(PAUSES, &format!("{name} is served"), || {
                ask(name).status == 200
            }),
            true => wait::within(PAUSES, &format!("{name} is held for what it is"), || {
                assert_eq!(ask(name).status, 403, "{name}");
                let all = decisions(&cordon, Protocol::Npm, name, VERSION);
                let found = all.last().map(findings).unwrap_or_default();
                found == ["archive/dup"]
            }),
        }
    }
}

/// Whether the file was sent. What is sent is whole and right, and what is not says why.
fn is_served(registry: &FakeRegistry, name: &str, reply: &Reply) -> bool {
    match reply.status {
        200 => {
            let bytes = registry.bytes_of(Protocol::Npm, name, VERSION);
            assert_eq!(reply.body, bytes, "{name}");
            true
        }
        403 | 503 => {
            assert!(reply.text().contains("archive"), "{}", reply.text());
            false
        }
        other => panic!("{name}: {other}: {}", reply.text()),
    }
}
