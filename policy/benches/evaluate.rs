//! What judging one version costs: age, a deny list of 200,000 names, and four version ranges on
//! the very package judged; the rules about changes, licences and stages of life; and what loading
//! a million names costs.
//!
//! `cargo bench -p cordon-policy --bench evaluate`; the time of an element is that of one version.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cordon_policy::change::compare;
use cordon_policy::config::{PolicySource, load};
use cordon_policy::ecosystem::{Cargo, Npm, PyPi};
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{Fact, PackageFacts, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, FileName, PackageVersion, Scheme, Timestamp, Version,
};
use cordon_policy::verdict::Effect;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const VERSIONS: u64 = 2_627;

/// A policy with 200,000 denied names and four ranges of `bench-package`.
fn policy(ecosystem: &str, ranges: [&str; 4]) -> Ruleset {
    let mut text =
        String::from("[rules.minimum-age]\n[rules.integrity]\n[rules.deny]\npurls = [\n");
    for number in 0..200_000 {
        writeln!(text, "\"pkg:{ecosystem}/denied-package-{number}\",").expect("memory");
    }
    text.push_str("]\n");
    for range in ranges {
        writeln!(
            text,
            "[[rules.deny.match]]\necosystem = \"{ecosystem}\"\nnames = [\"bench-package\"]\nversions = \"{range}\""
        )
        .expect("memory");
    }
    let name = "bench.toml".to_owned();
    load(&[PolicySource { name, text }])
        .expect("the policy is valid")
        .ruleset
}

/// Versions as a large package has them, all old enough.
fn versions(scheme: &dyn Scheme) -> Vec<VersionFacts> {
    let name = scheme.package("bench-package").expect("a valid name");
    let published = Fact::Known(Timestamp::from_millis(1_600_000_000_000));
    let package = Arc::new(PackageFacts {
        name: name.clone(),
        first_published_at: published.clone(),
        status: Fact::Absent,
        upstream: "bench".into(),
        similarity: Fact::NotYet,
        popularity: None,
        asked_in_vain: None,
    });
    (0..VERSIONS)
        .map(|number| {
            let version = format!("{}.{}.{}", number / 100, number / 10 % 10, number % 10);
            let artifact = ArtifactId {
                file: FileName::new(format!("bench-package-{version}.tgz")).expect("a valid name"),
                subject: PackageVersion {
                    name: name.clone(),
                    version: Version::verbatim(version),
                },
                kind: ArtifactKind::Archive,
            };
            let mut facts = VersionFacts::unknown(artifact, Arc::clone(&package));
            facts.published_at = published.clone();
            facts
        })
        .collect()
}

fn evaluate(criterion: &mut Criterion) {
    let npm = [">=90.0.0 <91", "^95.1.2", "~99.1.0 || 98.x", ">100 <101"];
    let pypi = [">=90,<91", "~=95.1", "==99.1.*", ">100,<101"];
    let cargo = [">=90.0.0, <91", "^95.1.2", "~99.1.0", ">100, <101"];
    let mut group = criterion.benchmark_group("evaluate");
    group.throughput(Throughput::Elements(VERSIONS));
    let cases: [(&str, &dyn Scheme, [&str; 4]); 3] = [
        ("npm", &Npm, npm),
        ("pypi", &PyPi, pypi),
        ("cargo", &Cargo, cargo),
    ];
    for (name, scheme, ranges) in cases {
        let ruleset = policy(name, ranges);
        let facts = versions(scheme);
        group.bench_function(format!("{name}-age-deny200k-ranges"), |bencher| {
            bencher.iter(|| judge(&ruleset, &facts));
        });
    }
    let ruleset = policy("npm", npm);
    let mut facts = versions(&Npm);
    for (number, facts) in facts.iter_mut().enumerate() {
        facts.artifact.subject.name = Npm
            .package(&format!("other-package-{number}"))
            .expect("a valid name");
    }
    group.bench_function("npm-other-name-each", |bencher| {
        bencher.iter(|| judge(&ruleset, &facts));
    });
    let ruleset = load(&[]).expect("the built-in policy is valid").ruleset;
    let facts = versions(&Npm);
    group.bench_function("npm-built-in-policy", |bencher| {
        bencher.iter(|| judge(&ruleset, &facts));
    });
    let ruleset = load(&[PolicySource {
        name: "conditions.toml".to_owned(),
        text: CONDITIONS.to_owned(),
    }])
    .expect("the policy is valid")
    .ruleset;
    let mut facts = versions(&Npm);
    for facts in &mut facts {
        facts.size_bytes = Fact::Known(40_000);
        facts.install_hooks = Fact::Known(vec!["postinstall".into(), "install".into()]);
    }
    group.bench_function("npm-two-conditions", |bencher| {
        bencher.iter(|| judge(&ruleset, &facts));
    });
    let ruleset = changes_policy();
    let mut facts = versions(&Npm);
    compare(&Npm, &mut facts, &[]);
    for facts in &mut facts {
        facts.license = Fact::Known("MIT".into());
        facts.is_yanked = Fact::Absent;
        facts.deprecated = Fact::Absent;
    }
    group.bench_function("npm-rules-about-changes-settled", |bencher| {
        bencher.iter(|| judge(&ruleset, &facts));
    });
    // All at an age where changes still count.
    for facts in &mut facts {
        facts.published_at = Fact::Known(NOW.saturating_sub(Duration::from_secs(10 * 24 * 3_600)));
        facts.burst = Fact::Absent;
    }
    group.bench_function("npm-rules-about-changes-fresh", |bencher| {
        bencher.iter(|| judge(&ruleset, &facts));
    });
    group.finish();
}

/// A comparison, and a walk over a list.
const CONDITIONS: &str = "\
[rules.condition]
ecosystem = 'npm'
[[rules.condition.when]]
name = 'giant'
expression = 'has(facts.size_bytes) && facts.size_bytes > 50000000'
[[rules.condition.when]]
name = 'hook'
expression = '''facts.name.startsWith(\"@acme/\") || facts.install_hooks.exists(hook, hook == \"preinstall\")'''
";

/// Every rule about changes, licences and stages of life, enforced.
fn changes_policy() -> Ruleset {
    let mut text = String::from(
        "[rules.license]\necosystem = \"npm\"\nallow = [\"ISC\", \"MIT\"]\ndeny = [\"AGPL-*\"]\n\
         change = \"quarantine\"\n[rules.lifecycle]\nyanked = \"hide\"\ndeprecated = \"hide\"\n\
         archived = \"hide\"\n",
    );
    for rule in [
        "new-dependency",
        "install-code",
        "exotic-dependency",
        "publisher-change",
        "provenance",
        "publish-burst",
        "size-jump",
    ] {
        writeln!(text, "[rules.{rule}]").expect("memory");
    }
    let name = "changes.toml".to_owned();
    load(&[PolicySource { name, text }])
        .expect("the policy is valid")
        .ruleset
}

fn judge(ruleset: &Ruleset, facts: &[VersionFacts]) {
    for facts in facts {
        let evaluation = ruleset.evaluate(black_box(facts), NOW);
        assert_eq!(black_box(evaluation).effect(), Effect::Allow);
    }
}

/// What loading a policy of a million denied names costs.
fn load_million(criterion: &mut Criterion) {
    let mut text = String::from("[rules.deny]\npurls = [\n");
    for number in 0..1_000_000 {
        writeln!(text, "\"pkg:npm/denied-package-{number}\",").expect("memory");
    }
    text.push_str("]\n");
    let name = "million.toml".to_owned();
    let sources = [PolicySource { name, text }];
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("deny-1m", |bencher| {
        bencher.iter(|| load(black_box(&sources)).expect("the policy is valid"));
    });
    group.finish();
}

criterion_group!(benches, evaluate, load_million);
criterion_main!(benches);
