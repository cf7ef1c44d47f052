//! What replaying a policy costs. Prints figures. `CORDON_SPEED_DECISIONS` sets how many decisions
//! are recorded and judged again (5,000 if not given). A release is held to one million in a
//! minute of one core:
//!
//! ```text
//! CORDON_SPEED_DECISIONS=1000000 cargo test --release -p cordon --test replay_speed -- --nocapture
//! ```

#![expect(clippy::print_stdout, reason = "the figures are what the test is for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon::replay::{Direction, replay};
use cordon_policy::config::{PolicySource, load};
use cordon_policy::decision::{Cause, Decision, DecisionId};
use cordon_policy::ecosystem::schemes;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{ByteFacts, Fact, History, PackageFacts, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, FileName, PackageVersion, PurlTarget, Timestamp, parse_purl,
};
use cordon_storage::evidence::{
    Client, Entry, Evidence, Outcome, Served, SqliteEvidence, SqliteOptions,
};

/// 2026-11-01T00:00:00Z.
const START: i64 = 1_793_491_200_000;
const HOUR: i64 = 3_600_000;

/// Decisions appended at once.
const BATCH: u64 = 5_000;

/// Numbers that look random and are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn policy(text: &str) -> Ruleset {
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text: text.to_owned(),
    };
    load(&[source]).expect("the policy loads").ruleset
}

/// Facts as a registry's document gives them, of a version from minutes to years old.
fn facts(numbers: &mut Numbers, at: Timestamp) -> VersionFacts {
    let ecosystem = ["npm", "pypi", "cargo"][usize::try_from(numbers.below(3)).expect("small")];
    let name = format!("package-{}", numbers.below(20_000));
    let version = format!("{}.{}.0", numbers.below(9), numbers.below(40));
    let purl = format!("pkg:{ecosystem}/{name}@{version}");
    let PurlTarget { name, version } = parse_purl(&purl, &schemes()).expect("a package URL");
    let subject = PackageVersion {
        name: name.clone(),
        version: version.expect("a version"),
    };
    let digest = Digest::of(purl.as_bytes());
    let age = match numbers.below(10) {
        0 => numbers.below(14 * 24) * 3_600,
        _ => numbers.below(2_000) * 24 * 3_600,
    };
    let published = at.saturating_sub(Duration::from_secs(age));
    let first = published.saturating_sub(Duration::from_secs(numbers.below(2_000) * 86_400));
    let mut package = PackageFacts::unknown(name, "registry.example".into());
    package.first_published_at = Fact::Known(first);
    package.status = Fact::Absent;
    let artifact = ArtifactId {
        file: FileName::new(format!("file-{}.tgz", subject.version)).expect("a file name"),
        subject,
        kind: ArtifactKind::Archive,
    };
    let mut facts = VersionFacts::unknown(artifact, Arc::new(package));
    facts.published_at = Fact::Known(published);
    facts.declared = Fact::Known([digest.clone()].into_iter().collect());
    facts.size_bytes = Fact::Known(numbers.below(1 << 20));
    facts.bytes = Fact::Known(ByteFacts {
        sha256: digest.clone(),
        size_bytes: 12_345,
        mismatches: Vec::new(),
        declared_size_bytes: None,
    });
    facts.is_yanked = Fact::Known(None);
    facts.deprecated = Fact::Absent;
    facts.license = Fact::Known("MIT OR Apache-2.0".into());
    facts.install_hooks = Fact::Known(Vec::new());
    facts.has_provenance = Fact::Known(numbers.below(4) == 0);
    facts.publisher = Fact::Known(format!("publisher-{}", numbers.below(5_000)).into());
    facts.change = Fact::Absent;
    facts.exotic_dependencies = Fact::Absent;
    facts.burst = Fact::Absent;
    facts.siblings = Fact::Absent;
    facts.advisories = Fact::Absent;
    facts.history = History {
        first_seen_at: Some(published),
        published_at_first_sight: Some(published),
        first_allowed_at: None,
        pinned: Some(digest),
        removal: None,
    };
    facts
}

fn decision(numbers: &mut Numbers, id: u64, at: Timestamp, ruleset: &Ruleset) -> Decision {
    let facts = facts(numbers, at);
    Decision {
        id: DecisionId::from_random(id.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        at,
        evaluation: ruleset.evaluate(&facts, at),
        cause: Cause::Request,
        ruleset: ruleset.hash().clone(),
        facts,
        nearest_allowed: None,
    }
}

/// Every tenth decision is followed by a serving.
fn serving(numbers: &mut Numbers, decision: &Decision) -> Entry {
    Entry::Served(Served {
        decision: decision.id.clone(),
        client: Client {
            address: format!("192.0.2.{}", numbers.below(250)).into(),
            agent: "npm/11.0.0".into(),
        },
        outcome: match decision.evaluation.may_list() {
            true => Outcome::Served,
            false => Outcome::Refused,
        },
        count: 3,
        first_at: decision.at,
        last_at: decision.at,
    })
}

async fn fill(store: &dyn Evidence, count: u64, ruleset: &Ruleset) -> u64 {
    let mut numbers = Numbers(42);
    let step = 30 * 24 * HOUR / i64::try_from(count).expect("small").max(1);
    let (mut entries, mut size) = (Vec::new(), 0);
    for id in 0..count {
        let at = Timestamp::from_millis(START + i64::try_from(id).expect("small") * step);
        let decision = decision(&mut numbers, id, at, ruleset);
        let served = (id % 10 == 0).then(|| serving(&mut numbers, &decision));
        if id < 1_000 {
            size += serde_json::to_vec(&decision)
                .expect("has a JSON form")
                .len() as u64;
        }
        entries.push(Entry::Decision(Box::new(decision)));
        entries.extend(served);
        if (id + 1) % BATCH == 0 || id + 1 == count {
            store
                .append(std::mem::take(&mut entries))
                .await
                .expect("appends");
        }
    }
    size / count.min(1_000)
}

#[tokio::test(flavor = "current_thread")]
async fn a_million_decisions_are_judged_again_in_a_minute_of_one_core() {
    let count: u64 = std::env::var("CORDON_SPEED_DECISIONS")
        .map_or(5_000, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let old = policy("[rules.minimum-age]\n");
    let new = policy(
        "[rules.minimum-age]\nversion_age = '14d'\n[rules.deny]\npurls = ['pkg:npm/package-7']\n",
    );
    let store = SqliteEvidence::open(folder.path(), &SqliteOptions::default()).expect("opens");
    let started = Instant::now();
    let size = fill(&store, count, &old).await;
    store.close().await;
    let filled = started.elapsed();

    let store = SqliteEvidence::open_to_read(folder.path()).expect("opens");
    let memory = memory();
    let (started, used) = (Instant::now(), processor_time());
    let found = replay(&store, &old, &new, None).await.expect("reads");
    let (took, processor) = (started.elapsed(), processor_time().saturating_sub(used));
    println!(
        "{count} decisions of {size} bytes, recorded in {filled:.1?}: judged twice in {took:.2?}, \
         {processor:.2?} of processor time; newly blocked {}, newly allowed {}; memory {memory} \
         before, {} at most",
        found.count_of(Direction::NewlyBlocked),
        found.count_of(Direction::NewlyAllowed),
        peak_memory(),
    );
    assert_eq!(found.decisions, count);
    assert_eq!(
        (found.servings, found.unjoined),
        (count.div_ceil(10) * 3, 0)
    );
    assert!(found.count_of(Direction::NewlyBlocked) > count / 50);
    assert_eq!(found.count_of(Direction::NewlyAllowed), 0);
    if !cfg!(debug_assertions) {
        let for_a_million = processor.as_secs_f64() * 1e6 / count as f64;
        assert!(
            count < 100_000 || for_a_million < 60.0,
            "{for_a_million:.0} s for a million"
        );
    }
}

/// Processor time of all threads so far, in steps of 10 ms; zero where the system does not tell.
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

fn memory() -> String {
    status("VmRSS:")
}

/// The most memory this process ever held.
fn peak_memory() -> String {
    status("VmHWM:")
}

fn status(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
