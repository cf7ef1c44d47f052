//! Inspection workers that are killed, stopped and starved while clients ask (A-84, INV-16): what is
//! not proved is not sent, what is bad is never sent, and when it is over everything is as it should.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

fn publish(registry: &FakeRegistry, (name, is_bad): &(String, bool)) {
    let bytes = archive_of(name, *is_bad);
    registry.publish(Release::npm(name, VERSION).archive(bytes));
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

/// Looks after which a worker is taken to have started. Where several in a row cannot even start,
/// Cordon tries again only after a while, and nothing would happen until then.
const STARTING: u32 = 5;

/// What was done to workers so far.
#[derive(Default)]
struct Disturbed {
    count: u64,
    /// How often each was seen.
    looks: HashMap<Pid, u32>,
    /// Those that may go on all the same: the next time they are ended.
    once: HashSet<Pid>,
    /// Those whose end is sure.
    left_alone: HashSet<Pid>,
}

impl Disturbed {
    /// Does something bad to one of the workers, if there is one.
    fn one_of(&mut self, mut workers: Vec<Pid>, random: &mut Numbers) {
        workers.retain(|it| {
            let looks = self.looks.entry(*it).or_default();
            *looks += 1;
            *looks > STARTING && !self.left_alone.contains(it)
        });
        let index = random.below(workers.len().max(1) as u64) as usize;
        let Some(&victim) = workers.get(index) else {
            return;
        };
        let is_first = self.once.insert(victim);
        let done = match random.below(4) {
            // Hangs with its next archive until its time is over.
            0 if is_first => {
                self.left_alone.insert(victim);
                kill_process(victim, Signal::STOP)
            }
            // Gets no more memory.
            1 if is_first => {
                let none = Rlimit {
                    current: Some(1 << 20),
                    maximum: Some(1 << 20),
                };
                prlimit(Some(victim), Resource::As, none).map(|_| ())
            }
            _ => {
                self.left_alone.insert(victim);
                kill_process(victim, Signal::KILL)
            }
        };
        // It may have been replaced meanwhile: then it was done to nobody.
        self.count += u64::from(done.is_ok());
    }
}

/// Ends the clients however the test ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_84_workers_killed_stopped_and_starved_at_random_let_nothing_through() {
    let _alone = crate::alone();
    let registry = FakeRegistry::start();
    let count = scale(60, 600);
    let packages: Vec<(String, bool)> = (0..count)
        .map(|it| (format!("pack-{it}"), it % 2 == 1))
        .collect();
    for package in &packages {
        publish(&registry, package);
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
    let (refused, more) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (registry, packages, ask) = (&registry, &packages, &ask);
            let (refused, more, is_over) = (&refused, &more, &is_over);
            scope.spawn(move || {
                let mut random = Numbers::new(84 + client);
                for turn in 0_u64.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    // Every second one is new, so that there is always work for the workers.
                    let (name, is_bad) = if turn % 2 == 0 {
                        packages[random.below(count) as usize].clone()
                    } else {
                        let package = (format!("more-{client}-{turn}"), turn % 4 == 1);
                        publish(registry, &package);
                        more.lock().expect("no client failed").push(package.clone());
                        package
                    };
                    let reply = ask(&name);
                    let is_served = is_served(registry, &name, &reply);
                    assert!(!(is_served && is_bad), "{name} is bad and was served");
                    refused.fetch_add(u64::from(!is_served && !is_bad), Ordering::Relaxed);
                }
            });
        }
        let _over = Ends(&is_over);
        let mut random = Numbers::new(84);
        let mut disturbed = Disturbed::default();
        wait::within(
            PAUSES,
            "enough workers are disturbed, some at their work",
            || {
                disturbed.one_of(workers(&cordon), &mut random);
                disturbed.count >= count / 4 && refused.load(Ordering::Relaxed) > 0
            },
        );
    });
    let (more, refused) = (
        more.into_inner().expect("no client failed"),
        refused.into_inner(),
    );
    println!(
        "at least {} disturbances, {} packages, {refused} answers that good files are held",
        count / 4,
        packages.len() + more.len()
    );
    let health = http::get(&format!("{}healthz", cordon.admin()));
    assert_eq!(health.status, 200, "{}", health.text());
    for (name, is_bad) in packages.iter().chain(&more) {
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
