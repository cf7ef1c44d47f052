//! Matching advisories: against reference implementations, and what must hold for any records.

use std::cmp::Ordering;

use cordon_policy::advisory::{AdvisoryIndex, IndexBuilder, changed_packages};
use cordon_policy::ecosystem::{Cargo, Npm, PyPi};
use cordon_policy::facts::{AdvisoryMatch, Named};
use cordon_policy::model::{Scheme, Timestamp, Version};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use serde_json::{Value, json};

fn index_of(scheme: &'static dyn Scheme, records: &[Value]) -> AdvisoryIndex {
    AdvisoryIndex::open(bytes_of(scheme, records)).expect("what was built opens")
}

fn bytes_of(scheme: &'static dyn Scheme, records: &[Value]) -> Vec<u8> {
    let mut builder = IndexBuilder::new(scheme);
    for record in records {
        let json = record.to_string();
        builder
            .add("record", json.as_bytes())
            .expect("a good record");
    }
    let built = builder.finish(Timestamp::from_millis(0));
    built.expect("it fits").0
}

fn matches(index: &AdvisoryIndex, package: &str, version: &str) -> Vec<AdvisoryMatch> {
    let name = index.scheme().package(package).expect("a valid name");
    index.matches(&name, &Version::verbatim(version))
}

// ---- reference implementations -----------------------------------------------------------------

/// D-11. Rows: an entry of a record as JSON, a version, whether it is affected.
fn assert_table(scheme: &'static dyn Scheme, table: &str, least_rows: usize) {
    let rows: Vec<&str> = table.lines().filter(|row| !row.starts_with('#')).collect();
    assert!(rows.len() >= least_rows, "only {} rows", rows.len());
    let differs = |row: &&&str| {
        let cells: Vec<&str> = row.split('\t').collect();
        let [entry, version, expected] = cells.as_slice() else {
            panic!("not a row: {row}");
        };
        let mut entry: Value = serde_json::from_str(entry).expect("an entry is JSON");
        entry["package"] = json!({"ecosystem": scheme.osv_name(), "name": "foo"});
        let index = index_of(scheme, &[json!({"id": "A-1", "affected": [entry]})]);
        let found = !matches(&index, "foo", version).is_empty();
        found != (*expected == "1")
    };
    let wrong: Vec<&&str> = rows.iter().filter(differs).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} rows differ:\n{:#?}",
        wrong.len(),
        rows.len(),
        &wrong[..wrong.len().min(20)]
    );
}

#[test]
fn d_11_npm_advisories_agree_with_node_semver() {
    assert_table(&Npm, include_str!("data/npm_affected.tsv"), 2_000);
}

#[test]
fn d_11_pypi_advisories_agree_with_packaging() {
    assert_table(&PyPi, include_str!("data/pypi_affected.tsv"), 2_000);
}

/// The big tables: `CORDON_AFFECTED_TABLE` names a file written by one of the scripts.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
#[expect(
    clippy::disallowed_methods,
    reason = "the table is no part of the core"
)]
fn a_table_named_in_the_environment_agrees() {
    let Some(path) = std::env::var_os("CORDON_AFFECTED_TABLE") else {
        eprintln!("skipped: CORDON_AFFECTED_TABLE names no table");
        return;
    };
    let table = std::fs::read_to_string(&path).expect("the table can be read");
    let head = table.lines().next().unwrap_or_default();
    if head.contains("semver") {
        assert_table(&Npm, &table, 1);
    } else {
        assert!(head.contains("packaging"), "unknown reference: {head}");
        assert_table(&PyPi, &table, 1);
    }
}

/// The schema's evaluation written down once more, on the `semver` crate.
fn semver_reference(versions: &[String], ranges: &[Vec<(&str, String)>], found: &str) -> bool {
    let compare = |a: &str, b: &str| {
        let parse = |text| semver::Version::parse(text).expect("the strategy makes versions");
        parse(a).cmp_precedence(&parse(b))
    };
    let place = |event: &(&str, String)| event.1 != "0";
    let in_range = |events: &Vec<(&str, String)>| {
        let mut sorted = events.clone();
        sorted.sort_by(|a, b| match (place(a), place(b)) {
            (true, true) => compare(&a.1, &b.1),
            (a, b) => a.cmp(&b),
        });
        let mut is_affected = false;
        for (kind, at) in sorted {
            match kind {
                "introduced" if at == "0" || compare(found, &at).is_ge() => is_affected = true,
                "fixed" if compare(found, &at).is_ge() => is_affected = false,
                "last_affected" if compare(found, &at).is_gt() => is_affected = false,
                _ => {}
            }
        }
        is_affected
    };
    versions.iter().any(|listed| compare(listed, found).is_eq()) || ranges.iter().any(in_range)
}

fn semver_text() -> impl Strategy<Value = String> {
    "[0-2]\\.[0-2]\\.[0-2](-(alpha|rc|0|1|10)(\\.[0-2])?)?(\\+[a-z0-9]{1,3})?"
}

fn semver_events() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let introduced = prop_oneof![2 => semver_text(), 1 => Just("0".to_owned())]
        .prop_map(|version| ("introduced", version));
    let ended = (select(vec!["fixed", "last_affected"]), semver_text());
    vec(prop_oneof![introduced, ended], 1..6)
}

proptest! {
    #![proptest_config(Config::with_cases(2_000))]

    #[test]
    fn d_11_cargo_advisories_agree_with_the_semver_crate(
        versions in vec(semver_text(), 0..3),
        ranges in vec(semver_events(), 0..3),
        found in semver_text(),
    ) {
        let written: Vec<Value> = ranges
            .iter()
            .map(|events| {
                let events: Vec<Value> =
                    events.iter().map(|(kind, at)| json!({*kind: at})).collect();
                json!({"type": "SEMVER", "events": events})
            })
            .collect();
        let record = json!({"id": "A-1", "affected": [{
            "package": {"ecosystem": "crates.io", "name": "foo"},
            "versions": versions, "ranges": written}]});
        let index = index_of(&Cargo, &[record]);
        let expected = semver_reference(&versions, &ranges, &found);
        prop_assert_eq!(!matches(&index, "foo", &found).is_empty(), expected);
    }
}

// ---- keys --------------------------------------------------------------------------------------

fn version_texts() -> impl Strategy<Value = String> {
    prop_oneof![
        semver_text(),
        "(1!)?[0-3](\\.[0-3]){0,3}((a|b|rc)[0-2])?(\\.post[0-2]?)?(\\.dev[0-2])?(\\+(a|1|ab\\.1|1\\.0))?",
        "[0-9]{1,17}\\.[0-9]{1,17}\\.[0-9]{1,3}(-[0-9a-z]{1,3}(\\.[0-9]{1,20})?)?",
        "(v|=)?0?1\\.0?2\\.3(beta|\\.4)?",
        ".{0,6}",
    ]
}

proptest! {
    #![proptest_config(Config::with_cases(8_000))]

    #[test]
    fn keys_order_versions_as_their_scheme_does(a in version_texts(), b in version_texts()) {
        for scheme in cordon_policy::ecosystem::schemes() {
            let key = |text: &str| {
                let mut key = vec![0xaa];
                let is_read = scheme.order_key(&Version::verbatim(text), &mut key);
                assert!(is_read || key == [0xaa], "nothing is appended for {text}");
                is_read.then_some(key)
            };
            let expected = scheme.compare(&Version::verbatim(a.as_str()), &Version::verbatim(b.as_str()));
            match (key(&a), key(&b)) {
                (Some(a), Some(b)) => {
                    prop_assert_eq!(a.cmp(&b), expected, "{}", scheme.osv_name());
                    // No key is the beginning of another: more may follow them in one buffer.
                    prop_assert!(a == b || !b.starts_with(&a));
                }
                (Some(_), None) => prop_assert_eq!(expected, Ordering::Greater),
                (None, Some(_)) => prop_assert_eq!(expected, Ordering::Less),
                (None, None) => {}
            }
        }
    }
}

// ---- bounds that are no versions ---------------------------------------------------------------

/// The versions that begin with these numbers, as the ecosystem's own ranges have it.
fn all_that_begin(scheme: &dyn Scheme, numbers: &[u64]) -> String {
    let text: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    let text = text.join(".");
    match (scheme.osv_name(), numbers) {
        ("PyPI", _) => format!("=={text}.*"),
        ("npm", [major, minor, patch]) => format!(">={text}-0 <{major}.{minor}.{}-0", patch + 1),
        (_, [major, minor, patch]) => format!(">={text}-0, <{major}.{minor}.{}-0", patch + 1),
        _ => format!("{text}.*"),
    }
}

proptest! {
    #![proptest_config(Config::with_cases(4_000))]

    #[test]
    fn a_partial_bound_holds_what_the_ecosystems_own_ranges_do(
        numbers in vec(0_u64..4, 2..4),
        found in version_texts(),
    ) {
        let text: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let bound = format!("{}-*", text.join("."));
        for scheme in cordon_policy::ecosystem::schemes() {
            let version = Version::verbatim(found.as_str());
            if !scheme.order_key(&version, &mut Vec::new()) {
                continue;
            }
            let record = json!({"id": "A-1", "affected": [{
                "package": {"ecosystem": scheme.osv_name(), "name": "foo"},
                "ranges": [{"type": "ECOSYSTEM",
                    "events": [{"introduced": bound}, {"last_affected": bound}]}]}]});
            let range = scheme.range(&all_that_begin(scheme, &numbers)).expect("a range");
            let is_affected = !matches(&index_of(scheme, &[record]), "foo", &found).is_empty();
            let name = scheme.osv_name();
            prop_assert_eq!(is_affected, range.contains(&version), "{} {} {}", name, bound, found);
        }
    }
}

// ---- any records -------------------------------------------------------------------------------

/// Records about few packages with few ids, so that aliases meet.
fn records() -> impl Strategy<Value = Vec<Value>> {
    let ids = || select(vec!["GHSA-1", "GHSA-2", "MAL-1", "MAL-2", "PYSEC-1", "X-1"]);
    let events = vec(
        prop_oneof![
            select(vec!["0", "1.0.0", "2.0.0", "odd"]).prop_map(|at| json!({"introduced": at})),
            select(vec!["1.0.0", "1.5.0", "odd"]).prop_map(|at| json!({"fixed": at})),
            select(vec!["1.0.0", "1.5.0"]).prop_map(|at| json!({"last_affected": at})),
        ],
        0..4,
    );
    let versions = vec(select(vec!["1.0.0", "1.5.0", "2.0.0", "odd"]), 0..3);
    let package = select(vec!["one", "two"]);
    let affected = (package, option::of(events), versions).prop_map(|(name, events, versions)| {
        let ranges: Vec<Value> = events
            .map(|events| json!({"type": "SEMVER", "events": events}))
            .into_iter()
            .collect();
        json!({"package": {"ecosystem": "npm", "name": name}, "ranges": ranges,
            "versions": versions})
    });
    let record = (
        ids(),
        vec(ids(), 0..3),
        select(vec!["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]),
        option::weighted(0.2, Just("2026-03-01T00:00:00Z")),
        vec(affected, 1..3),
        select(vec!["", "Duplicate", "text"]),
    );
    let record = record.prop_map(|(id, aliases, modified, withdrawn, affected, summary)| {
        json!({"id": id, "aliases": aliases, "modified": modified, "withdrawn": withdrawn,
            "affected": affected, "summary": summary})
    });
    vec(record, 0..6)
}

const ASKED: [&str; 6] = ["0.5.0", "1.0.0", "1.2.0", "1.5.0", "3.0.0", "odd"];

fn all_answers(index: &AdvisoryIndex) -> Vec<Vec<AdvisoryMatch>> {
    let packages = ["one", "two", "three"];
    let asked = packages
        .iter()
        .flat_map(|name| ASKED.map(|version| (*name, version)));
    asked
        .map(|(name, version)| matches(index, name, version))
        .collect()
}

proptest! {
    #![proptest_config(Config::with_cases(512))]

    #[test]
    fn the_order_of_records_does_not_matter(
        (records, shuffled) in records()
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
    ) {
        prop_assert_eq!(bytes_of(&Npm, &records), bytes_of(&Npm, &shuffled));
    }

    /// A record that has nothing to do with the others takes nothing away.
    #[test]
    fn adding_a_record_never_loosens(records in records(), more in records()) {
        let before = all_answers(&index_of(&Npm, &records));
        let mut all = records;
        for (number, mut record) in more.into_iter().enumerate() {
            record["id"] = json!(format!("MORE-{number}"));
            record["aliases"] = json!([]);
            all.push(record);
        }
        let after = all_answers(&index_of(&Npm, &all));
        for (before, after) in before.iter().zip(after) {
            for found in before {
                prop_assert!(after.contains(found), "{found:?} is gone");
            }
        }
    }

    #[test]
    fn a_difference_is_told_exactly_when_an_answer_can_differ(old in records(), new in records()) {
        let (old, new) = (index_of(&Npm, &old), index_of(&Npm, &new));
        let changed = changed_packages(&old, &new);
        prop_assert_eq!(&changed, &changed_packages(&new, &old));
        for name in ["one", "two"] {
            let answers = |index: &AdvisoryIndex| {
                ASKED.map(|version| {
                    let mut found = matches(index, name, version);
                    for one in &mut found {
                        one.modified_at = None;
                    }
                    found
                })
            };
            if answers(&old) != answers(&new) {
                let name = Npm.package(name).expect("a valid name");
                prop_assert!(changed.contains(&name), "{name} answers otherwise");
            }
        }
        prop_assert!(changed_packages(&new, &new).is_empty());
    }

    /// What is merged for the rules is what the records say one by one, except for malware that was
    /// released.
    #[test]
    fn matches_and_records_agree(records in records()) {
        let index = index_of(&Npm, &records);
        for name in index.package_names().collect::<Vec<_>>() {
            let mut package = index.for_package(&name).expect("it is named");
            for version in ASKED.map(Version::verbatim) {
                let merged = package.matches(&version);
                prop_assert_eq!(merged.to_vec(), index.matches(&name, &version));
                let ids = package.record_ids(&version);
                for found in merged.iter() {
                    prop_assert!(ids.contains(&found.id));
                    let is_odd = version.as_str() == "odd";
                    prop_assert!(!is_odd || found.named != Named::Range);
                }
                if merged.is_empty() {
                    let is_malware = |id: &str| id.starts_with("MAL-");
                    prop_assert!(ids.iter().all(|id| is_malware(id)), "{ids:?}");
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(json in ".{0,60}", bytes in vec(any::<u8>(), 0..200)) {
        let mut builder = IndexBuilder::new(&Npm);
        let _ = builder.add("x", json.as_bytes());
        let _ = builder.add("x", &bytes);
        let _ = builder.with_epss(&json);
        let _ = builder.with_kev(&bytes);
        let _ = AdvisoryIndex::open(bytes);
        prop_assert!(builder.finish(Timestamp::from_millis(0)).is_ok());
    }

    /// Vectors are parsed and scored by a library: whatever it is given, a record is read.
    #[test]
    fn any_severity_is_read(
        vector in "CVSS:(3\\.[01]|4\\.0)(/(AV|AC|AT|PR|UI|S|C|I|A|VC|VI|VA|SC|SI|SA|E|CR|MAV|MSI|RC):[A-Z]){0,14}",
        kind in select(vec!["CVSS_V3", "CVSS_V4"]),
    ) {
        let record = json!({"id": "A-1", "severity": [{"type": kind, "score": vector}],
            "affected": [{"package": {"ecosystem": "npm", "name": "one"}, "versions": ["1.0.0"]}]});
        let index = index_of(&Npm, &[record]);
        let found = matches(&index, "one", "1.0.0");
        prop_assert!(found[0].cvss_tenths.is_none_or(|tenths| tenths <= 100));
    }
}
