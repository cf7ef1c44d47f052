//! What an index of the size of npm's costs: to build, to open, to ask.

use std::hint::black_box;

use cordon_policy::advisory::{AdvisoryIndex, IndexBuilder};
use cordon_policy::ecosystem::Npm;
use cordon_policy::model::{PackageName, Scheme, Timestamp, Version};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};

/// As many records as the dump of npm has, most of them malware of one package each.
const MALWARE: usize = 25_000;
const VULNERABILITIES: usize = 2_000;

fn records() -> Vec<String> {
    let entry = |name: String, versions: Value, events: Value| {
        json!({"package": {"ecosystem": "npm", "name": name, "purl": format!("pkg:npm/{name}")},
            "versions": versions, "ranges": [{"type": "SEMVER", "events": events}]})
    };
    let malware = (0..MALWARE).map(|number| {
        let everything = json!([{"introduced": "0"}]);
        let affected = entry(format!("bad-{number}"), json!(["1.0.7"]), everything);
        json!({"schema_version": "1.5.0", "id": format!("MAL-2025-{number}"),
            "modified": "2025-06-04T00:00:00Z", "published": "2025-06-04T00:00:00Z",
            "summary": format!("Malicious code in bad-{number} (npm)"),
            "details": "x".repeat(700), "affected": [affected]})
    });
    let vulnerabilities = (0..VULNERABILITIES).map(|number| {
        let major = number % 7;
        let events = json!([{"introduced": format!("{major}.0.0")},
            {"fixed": format!("{major}.17.21")}]);
        // Every hundredth package has twenty records.
        let affected = entry(format!("popular-{}", number / 20), json!([]), events);
        json!({"schema_version": "1.7.3", "id": format!("GHSA-{number:04}-aaaa-bbbb"),
            "aliases": [format!("CVE-2025-{number}")], "modified": "2025-06-04T00:00:00Z",
            "severity": [{"type": "CVSS_V3",
                "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "summary": "Prototype pollution", "details": "x".repeat(1_500),
            "affected": [affected], "database_specific": {"github_reviewed": true}})
    });
    malware
        .chain(vulnerabilities)
        .map(|it| it.to_string())
        .collect()
}

fn build(records: &[String]) -> Vec<u8> {
    let mut builder = IndexBuilder::new(&Npm);
    for record in records {
        builder
            .add("record", record.as_bytes())
            .expect("a good record");
    }
    builder
        .finish(Timestamp::from_millis(0))
        .expect("it fits")
        .0
}

fn name(text: &str) -> PackageName {
    Npm.package(text).expect("a valid name")
}

fn advisory(criterion: &mut Criterion) {
    let records = records();
    let bytes = build(&records);
    let index = AdvisoryIndex::open(bytes.clone()).expect("it opens");
    let (unnamed, bad, popular) = (name("left-pad"), name("bad-777"), name("popular-7"));
    let version = Version::verbatim("1.4.2");
    let mut group = criterion.benchmark_group("advisory");
    group.bench_function("unnamed-package", |bencher| {
        bencher.iter(|| index.for_package(black_box(&unnamed)).is_none());
    });
    group.bench_function("one-record", |bencher| {
        bencher.iter(|| index.matches(black_box(&bad), black_box(&version)));
    });
    group.bench_function("twenty-records", |bencher| {
        bencher.iter(|| index.matches(black_box(&popular), black_box(&version)));
    });
    let versions: Vec<Version> = (0..2_000)
        .map(|number| Version::verbatim(format!("{}.{}.0", number / 250, number % 250)))
        .collect();
    group.bench_function("two-thousand-versions-of-a-package", |bencher| {
        bencher.iter(|| {
            let mut package = index.for_package(&popular).expect("it is named");
            let found = versions
                .iter()
                .map(|version| package.matches(version).len());
            found.sum::<usize>()
        });
    });
    group.sample_size(10);
    group.bench_function("open", |bencher| {
        bencher.iter_with_setup(|| bytes.clone(), AdvisoryIndex::open);
    });
    group.bench_function("build", |bencher| bencher.iter(|| build(&records)));
    group.finish();
}

criterion_group!(benches, advisory);
criterion_main!(benches);
