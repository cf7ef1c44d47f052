//! INV-45, F-32: the policy changes again and again under load; each answer is of exactly one policy
//! that was in force while it was made, and a wrong file changes nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::Protocol;
use cordon_tests::fixture::{self, OLD, PACKAGE, SETTLED, YOUNG};
use cordon_tests::memory;
use cordon_tests::numbers::Numbers;

/// The policy of an epoch denies one of these, in turn.
const VERSIONS: [&str; 3] = [OLD, SETTLED, YOUNG];
/// Who asks at once.
const CLIENTS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(30);

const WRONG: [&str; 4] = [
    "rules = [",
    "[rules.no-such-rule]\n",
    "[rules.deny]\npurls = [\"nonsense\"]\n",
    "[[rules.deny.match]]\necosystem = \"npm\"\nnames = [\"*\"]\nversions = \"]\"\n",
];

/// The version an epoch denies.
fn denied_in(epoch: usize) -> &'static str {
    VERSIONS[epoch % VERSIONS.len()]
}

fn policy(epoch: usize) -> String {
    let rules = Protocol::ALL.map(|protocol| {
        let equals = match protocol {
            Protocol::Pypi => "==",
            _ => "=",
        };
        format!(
            "[[rules.deny.match]]\necosystem = \"{}\"\nnames = [\"{PACKAGE}\"]\n\
             versions = \"{equals}{}\"\nreason = \"house rule {epoch} of today\"\n\n",
            protocol.purl_type(),
            denied_in(epoch)
        )
    });
    rules.concat()
}

/// When a policy was in force at the earliest and for certain.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    written: Instant,
    acknowledged: Instant,
}

/// What an answer says of the policy behind it.
#[derive(Debug)]
enum Says {
    /// A document that lists these.
    Lists(BTreeSet<String>),
    /// An archive was sent.
    Serves(&'static str),
    /// An archive was refused by the house rule of that number.
    Refuses(&'static str, usize),
}

impl Says {
    /// Whether that epoch's policy says so.
    fn is_of(&self, epoch: usize) -> bool {
        let denied = denied_in(epoch);
        match self {
            Self::Lists(listed) => {
                let allowed = VERSIONS.into_iter().filter(|version| *version != denied);
                *listed == allowed.map(str::to_owned).collect()
            }
            Self::Serves(version) => *version != denied,
            Self::Refuses(version, rule) => *version == denied && *rule == epoch,
        }
    }
}

#[derive(Debug)]
struct Observed {
    protocol: Protocol,
    began: Instant,
    ended: Instant,
    says: Says,
}

/// Asks for something by chance and reads what the answer says.
fn observe(cordon: &Cordon, numbers: &mut Numbers) -> Observed {
    let protocol = Protocol::ALL[pick(numbers, 3)];
    let base = cordon.url(protocol);
    let asks_for_archive = numbers.below(2) == 0;
    let version = VERSIONS[pick(numbers, 3)];
    let began = Instant::now();
    let says = match asks_for_archive {
        false => Says::Lists(listed(protocol, &base, numbers)),
        true => {
            let reply = http::get(&archive_url(protocol, &base, version));
            match reply.status {
                200 => Says::Serves(version),
                403 => Says::Refuses(version, rule_of(&reply)),
                status => panic!("{protocol:?} {version}: {status} {}", reply.text()),
            }
        }
    };
    Observed {
        protocol,
        began,
        ended: Instant::now(),
        says,
    }
}

fn pick(numbers: &mut Numbers, count: u64) -> usize {
    usize::try_from(numbers.below(count)).expect("small")
}

fn archive_url(protocol: Protocol, base: &str, version: &str) -> String {
    match protocol {
        Protocol::Npm => format!("{base}{PACKAGE}/-/{PACKAGE}-{version}.tgz"),
        Protocol::Pypi => {
            format!("{base}files/{PACKAGE}/demo_package-{version}-py3-none-any.whl")
        }
        Protocol::Cargo => format!("{base}api/v1/crates/{PACKAGE}/{version}/download"),
    }
}

/// The number in `house rule 7 of today`.
fn rule_of(reply: &http::Reply) -> usize {
    let text = reply.text();
    let number = text
        .split("house rule ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no rule in {text}"))
}

/// What a document lists. npm's says it in three places, which must agree.
fn listed(protocol: Protocol, base: &str, numbers: &mut Numbers) -> BTreeSet<String> {
    if protocol != Protocol::Npm {
        return listing::choices(protocol, base, PACKAGE)
            .into_iter()
            .collect();
    }
    let accept = match numbers.below(2) {
        0 => "application/json",
        _ => "application/vnd.npm.install-v1+json",
    };
    let url = format!("{base}{PACKAGE}");
    let document = http::get_with(&url, &[("Accept", accept)])
        .expect(200)
        .json();
    let keys = |field: &str| -> BTreeSet<String> {
        let object = document[field].as_object().expect("an object");
        let is_version = |key: &&String| key.starts_with(|c: char| c.is_ascii_digit());
        object.keys().filter(is_version).cloned().collect()
    };
    let versions = keys("versions");
    if document.get("time").is_some() {
        assert_eq!(keys("time"), versions, "{document}");
    }
    let latest = document["dist-tags"]["latest"].as_str();
    let highest = versions.iter().next_back().map(String::as_str);
    assert_eq!(latest, highest, "{document}");
    versions
}

/// Puts a policy file in place and asks for it to be read. Whether it was accepted.
fn reload(cordon: &Cordon, text: &str) -> bool {
    cordon.write_policy(text);
    let reply = http::request("POST", &format!("{}reload", cordon.admin()), &[], b"");
    reply.status == 200
}

/// Asks with many clients while the policy is changed, and holds every answer to a policy that was
/// in force. `change` adds the epochs it makes. How many answers there were, and for how many of
/// them only one policy is possible.
fn under_load(cordon: &Cordon, change: impl FnOnce(&AtomicU64, &mut Vec<Epoch>)) -> (usize, usize) {
    let start = Instant::now();
    let mut in_force = vec![Epoch {
        written: start,
        acknowledged: start,
    }];
    let (is_over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let observed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        // Also when an assertion below fails, or the clients would never end.
        let _end = OnDrop(|| is_over.store(true, Ordering::SeqCst));
        for client in 0..CLIENTS {
            let (is_over, answers, observed) = (&is_over, &answers, &observed);
            scope.spawn(move || {
                let mut numbers = Numbers::new(client + 1);
                let mut mine = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    mine.push(observe(cordon, &mut numbers));
                    answers.fetch_add(1, Ordering::SeqCst);
                }
                let mut all = observed.lock().unwrap_or_else(PoisonError::into_inner);
                all.append(&mut mine);
            });
        }
        change(&answers, &mut in_force);
    });
    let observed = observed
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let mut certain = 0;
    for one in &observed {
        let could_be = in_force_during(&in_force, one);
        certain += usize::from(could_be.len() == 1);
        assert!(
            could_be.clone().any(|epoch| one.says.is_of(epoch)),
            "{:?}: of no policy in force ({could_be:?}): {:?}",
            one.protocol,
            one.says
        );
    }
    (observed.len(), certain)
}

/// Puts the policy of an epoch in force.
fn begin(cordon: &Cordon, epoch: usize) -> Epoch {
    let written = Instant::now();
    assert!(reload(cordon, &policy(epoch)), "{}", cordon.log());
    Epoch {
        written,
        acknowledged: Instant::now(),
    }
}

#[test]
fn inv_45_under_load_each_answer_is_of_the_policy_in_force() {
    let _alone = crate::alone();
    let registry = fixture::registry();
    let cordon = Builder::new(&registry).policy(&policy(0)).start();
    let pid = cordon.pid().expect("it runs");
    let epochs = usize::try_from(crate::scale(50, 300)).expect("small");
    let start = Instant::now();
    let mut warm_mib = 0;
    let (observed, certain) = under_load(&cordon, |answers, in_force| {
        for epoch in 1..=epochs {
            if epoch % 2 == 0 {
                let wrong = WRONG[epoch / 2 % WRONG.len()];
                assert!(!reload(&cordon, wrong), "accepted: {wrong}");
                wait_for_answers(answers, CLIENTS);
            }
            in_force.push(begin(&cordon, epoch));
            wait_for_answers(answers, 5 * CLIENTS);
            if epoch == epochs / 2 {
                warm_mib = memory::resident_mib(pid);
            }
        }
    });
    println!(
        "{epochs} policies and {} wrong files in {:.1} s, {observed} answers, {certain} of them \
         with one policy possible; memory {warm_mib} MiB half way, {} MiB in the end",
        epochs / 2,
        start.elapsed().as_secs_f32(),
        memory::resident_mib(pid)
    );
    // As many as were waited for after each acknowledgement, less those under way then.
    assert!(certain >= epochs * 3, "too few could be told apart");
}

/// Reloads one after another without a pause, every other file wrong: a hundred a second and more,
/// for a minute in a release run.
#[test]
fn c_22_in_a_storm_of_reloads_each_answer_is_of_one_policy_and_nothing_leaks() {
    let _alone = crate::alone();
    let registry = fixture::registry();
    let cordon = Builder::new(&registry).policy(&policy(0)).start();
    let pid = cordon.pid().expect("it runs");
    let lasts = Duration::from_secs(crate::scale(3, 60));
    let (mut reloads, mut warm_mib) = (0, 0);
    let start = Instant::now();
    let (observed, certain) = under_load(&cordon, |_, in_force| {
        while start.elapsed() < lasts {
            let epoch = in_force.len();
            in_force.push(begin(&cordon, epoch));
            let wrong = WRONG[epoch % WRONG.len()];
            assert!(!reload(&cordon, wrong), "accepted: {wrong}");
            reloads += 2;
            if warm_mib == 0 && start.elapsed() > lasts / 2 {
                warm_mib = memory::resident_mib(pid);
            }
        }
    });
    let took = start.elapsed().as_secs_f32();
    let end_mib = memory::resident_mib(pid);
    println!(
        "{reloads} reloads, half of them of wrong files, in {took:.1} s ({:.0} a second), \
         {observed} answers, {certain} of them with one policy possible; memory {warm_mib} MiB \
         half way, {end_mib} MiB in the end",
        reloads as f32 / took
    );
    assert!(observed > 100, "the clients stood still");
    assert!(
        end_mib < warm_mib + 64,
        "it grows: {warm_mib} to {end_mib} MiB"
    );
}

/// The epochs an answer may be of: begun before it ended, and not followed by one that was
/// acknowledged before it began.
fn in_force_during(epochs: &[Epoch], one: &Observed) -> std::ops::Range<usize> {
    let outlived = epochs.partition_point(|epoch| epoch.acknowledged < one.began);
    let begun = epochs.partition_point(|epoch| epoch.written <= one.ended);
    outlived.saturating_sub(1)..begun
}

/// Waits until that many more answers came.
fn wait_for_answers(answers: &AtomicU64, count: u64) {
    let before = answers.load(Ordering::SeqCst);
    let deadline = Instant::now() + PATIENCE;
    while answers.load(Ordering::SeqCst) < before + count {
        assert!(Instant::now() < deadline, "the clients stand still");
        std::thread::yield_now();
    }
}

/// Does something at the end of a scope, however it ends.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
