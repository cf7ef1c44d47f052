mod aliases;
mod bounds;
mod differences;
mod file;
mod ranges;
mod records;
mod spellings;

use serde_json::{Value, json};

use super::*;
use crate::ecosystem::{Cargo, Npm, PyPi};
use crate::facts::{AdvisoryKind, AdvisoryMatch, Named};
use crate::model::{Scheme, Timestamp, Version};

fn built(scheme: &'static dyn Scheme, records: &[Value]) -> (AdvisoryIndex, BuildReport) {
    let mut builder = IndexBuilder::new(scheme);
    for record in records {
        builder
            .add("record", record.to_string().as_bytes())
            .unwrap();
    }
    let (bytes, report) = builder.finish(Timestamp::from_millis(7)).unwrap();
    (AdvisoryIndex::open(bytes).unwrap(), report)
}

fn npm(records: &[Value]) -> AdvisoryIndex {
    built(&Npm, records).0
}

fn found(index: &AdvisoryIndex, package: &str, version: &str) -> Vec<AdvisoryMatch> {
    let name = index.scheme().package(package).unwrap();
    index.matches(&name, &Version::verbatim(version))
}

fn named(index: &AdvisoryIndex, package: &str, version: &str) -> Vec<Named> {
    let all = found(index, package, version);
    all.iter().map(|found| found.named).collect()
}

fn ids(index: &AdvisoryIndex, package: &str, version: &str) -> Vec<String> {
    let all = found(index, package, version);
    all.iter().map(|found| found.id.to_string()).collect()
}

/// A record about `left-pad` with one range.
fn ranged(id: &str, events: Value) -> Value {
    json!({"id": id, "modified": "2026-01-01T00:00:00Z", "affected": [{
        "package": {"ecosystem": "npm", "name": "left-pad"},
        "ranges": [{"type": "SEMVER", "events": events}]}]})
}

/// A record about `left-pad` with a list.
fn listed(id: &str, versions: &[&str]) -> Value {
    json!({"id": id, "modified": "2026-01-01T00:00:00Z", "affected": [{
        "package": {"ecosystem": "npm", "name": "left-pad"}, "versions": versions}]})
}

fn everything(id: &str) -> Value {
    ranged(id, json!([{"introduced": "0"}]))
}

fn with(mut record: Value, key: &str, value: Value) -> Value {
    record[key] = value;
    record
}
