//! What a packument of 20 MB costs: to parse, and to render again after a verdict changed
//! (performance.md, rows 5 and 6); and 2,000 versions of one to judge by every rule of the built-in
//! policy, and to render by these verdicts. Compression is not included.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use cordon::registry::npm::Npm;
use cordon::registry::{Document, Entry, Links, Listing, Registry, UpstreamDocument, View};
use cordon_policy::config::load;
use cordon_policy::facts::{Fact, VersionFacts};
use cordon_policy::model::{Digest, Timestamp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use url::Url;

/// As many as the largest real packument has.
const VERSIONS: usize = 2627;

/// A document of the shape and size of the largest ones: long maps of dependencies and scripts,
/// some free text, `dist` with signatures and attestations.
fn document(count: usize) -> String {
    let mut versions = Vec::with_capacity(count);
    let mut times = vec![
        "\"created\":\"2016-10-05T23:32:41.095Z\"".to_owned(),
        "\"modified\":\"2026-01-02T03:04:05.678Z\"".to_owned(),
    ];
    for number in 0..count {
        let version = match number % 4 {
            0 => format!("{}.{}.0", number / 100, number % 100),
            _ => format!("{}.{}.1-canary.{number}", number / 100, number % 100),
        };
        let mut lists = String::new();
        for field in ["dependencies", "devDependencies", "scripts", "taskMap"] {
            let members: Vec<String> = (0..38)
                .map(|index| {
                    format!(
                        "\"package-{field}-{index}\":\"{}.{index}.{number}\"",
                        index % 7
                    )
                })
                .collect();
            write!(lists, ",\"{field}\":{{{}}}", members.join(",")).expect("writing to memory");
        }
        let text = "A sentence of documentation, \\\"quoted\\\" now and then.\\n".repeat(16);
        versions.push(format!(
            "\"{version}\":{{\"name\":\"giant\",\"version\":\"{version}\",\"description\":\"{text}\",\
             \"license\":\"MIT\",\"repository\":{{\"type\":\"git\",\"url\":\"git+https://code.example/giant.git\"}},\
             \"publishConfig\":{{\"registry\":\"https://registry.example/\"}}{lists},\
             \"engines\":{{\"node\":\">=18\"}},\"_npmUser\":{{\"name\":\"release-bot\",\"email\":\"bot@people.example\"}},\
             \"maintainers\":[{{\"name\":\"ada\",\"email\":\"ada@people.example\"}}],\
             \"dist\":{{\"integrity\":\"sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==\",\
             \"shasum\":\"a9993e364706816aba3e25717850c26c9cd0d89d\",\
             \"tarball\":\"https://registry.example/giant/-/giant-{version}.tgz\",\"fileCount\":7001,\"unpackedSize\":98765432,\
             \"signatures\":[{{\"keyid\":\"SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA\",\"sig\":\"MEUCIQDx\"}}],\
             \"attestations\":{{\"url\":\"https://registry.example/-/npm/v1/attestations/giant@{version}\",\
             \"provenance\":{{\"predicateType\":\"https://slsa.dev/provenance/v1\"}}}}}},\"_hasShrinkwrap\":false}}"
        ));
        times.push(format!("\"{version}\":\"2024-05-06T07:08:09.010Z\""));
    }
    format!(
        "{{\"_id\":\"giant\",\"name\":\"giant\",\"dist-tags\":{{\"latest\":\"26.24.0\",\"canary\":\"26.26.1-canary.2626\"}},\
         \"versions\":{{{}}},\"time\":{{{}}},\"readme\":\"{}\"}}",
        versions.join(","),
        times.join(","),
        "text ".repeat(2000)
    )
}

fn parse(upstream: &UpstreamDocument) -> Box<dyn Document> {
    let package = Npm.scheme().package("giant").expect("a valid name");
    Npm.read(&package, &[Some(upstream.clone())])
        .expect("a sound document")
}

fn upstream(count: usize) -> UpstreamDocument {
    let bytes = Bytes::from(document(count));
    UpstreamDocument {
        digest: Digest::of(&bytes),
        bytes,
        content_type: "application/json".into(),
        url: Url::parse("https://registry.example/giant").expect("an address"),
        files: [].into(),
        last_modified: None,
        upstream: "bench".into(),
    }
}

/// The candidates as the engine completes them, with everything learned.
fn learned(document: &dyn Document) -> Vec<VersionFacts> {
    let mut all = document.candidates().to_vec();
    for facts in &mut all {
        let package = Arc::make_mut(&mut facts.package);
        package.similarity = Fact::Absent;
        package.first_published_at = Fact::Known(Timestamp::from_millis(1_400_000_000_000));
        facts.siblings = Fact::Absent;
        facts.advisories = Fact::Absent;
        facts.burst = match &facts.burst {
            Fact::NotYet => Fact::Absent,
            known => known.clone(),
        };
    }
    all
}

/// Every rule that is on by default, over every version of a large package.
fn judging(criterion: &mut Criterion) {
    const COUNT: usize = 2_000;
    let now = Timestamp::from_millis(1_790_000_000_000);
    let ruleset = load(&[]).expect("the built-in policy is valid").ruleset;
    let document = parse(&upstream(COUNT));
    let facts = learned(&*document);
    let judge = || -> Vec<Entry> {
        let verdicts = facts.iter().map(|facts| ruleset.evaluate(facts, now));
        let listed = verdicts.map(|verdict| match verdict.may_list() {
            true => Entry::Listed,
            false => Entry::Hidden,
        });
        listed.collect()
    };
    let listed = judge().iter().filter(|it| **it == Entry::Listed).count();
    assert_eq!(listed, COUNT, "the common case is that nothing is held");
    let links = Links {
        base: Url::parse("http://127.0.0.1:4873/npm/").expect("an address"),
    };
    let mut group = criterion.benchmark_group("packument-2000");
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("evaluate-every-default-rule", |bench| bench.iter(judge));
    let view = View::plain("packument");
    group.sample_size(20);
    group.bench_function("evaluate-and-render-full", |bench| {
        bench.iter(|| {
            let entries = judge();
            let listing = Listing { entries: &entries };
            document
                .render(&listing, &view, &links)
                .expect("a sound document")
        });
    });
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    let upstream = upstream(VERSIONS);
    let bytes = upstream.bytes.clone();
    let document = parse(&upstream);
    let count = document.candidates().len();
    let links = Links {
        base: Url::parse("http://127.0.0.1:4873/npm/").expect("an address"),
    };
    let all = vec![Entry::Listed; count];
    // The newest twenty are too young, and one old version in ten is blocked.
    let some: Vec<Entry> = (0..count)
        .map(|index| match index + 20 > count || index % 10 == 3 {
            true => Entry::Hidden,
            false => Entry::Listed,
        })
        .collect();

    let mut group = criterion.benchmark_group("packument");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.sample_size(20);
    group.bench_function("parse", |bench| bench.iter(|| parse(&upstream)));
    for (name, form, entries) in [
        ("render-full-all", "packument", &all),
        ("render-full-some", "packument", &some),
        ("render-abbreviated-some", "abbreviated", &some),
        ("render-tags-some", "dist-tags", &some),
    ] {
        let view = View::plain(form);
        let listing = Listing { entries };
        group.bench_function(name, |bench| {
            bench.iter(|| {
                document
                    .render(&listing, &view, &links)
                    .expect("a sound document")
            });
        });
    }
    group.finish();
}

criterion_group!(packument, benches, judging);
criterion_main!(packument);
