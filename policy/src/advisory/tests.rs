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

// ---- ranges ------------------------------------------------------------------------------------

#[test]
fn d_11_a_range_holds_from_its_introduction_to_before_its_fix() {
    let index = npm(&[ranged(
        "A-1",
        json!([{"introduced": "1.0.0"}, {"fixed": "1.2.0"}]),
    )]);
    for (version, is_affected) in [
        ("0.9.9", false),
        ("1.0.0-rc.1", false),
        ("1.0.0", true),
        ("1.2.0-rc.1", true),
        ("1.2.0", false),
        ("1.2.0+build", false),
        ("2.0.0", false),
    ] {
        let found = !ids(&index, "left-pad", version).is_empty();
        assert_eq!(found, is_affected, "{version}");
    }
}

#[test]
fn d_11_last_affected_is_affected_itself_and_its_build_metadata_too() {
    let index = npm(&[ranged(
        "A-1",
        json!([{"introduced": "0"}, {"last_affected": "1.2.0"}]),
    )]);
    let hits = |version: &str| !ids(&index, "left-pad", version).is_empty();
    assert!(hits("0.0.0-0") && hits("1.2.0") && hits("1.2.0+5"));
    assert!(!hits("1.2.1-0"));
}

#[test]
fn d_11_events_in_any_order_mean_the_same() {
    let index = npm(&[ranged(
        "A-1",
        json!([{"fixed": "3.5.0"}, {"introduced": "3.0.0"}, {"fixed": "1.5.0"}, {"introduced": "1.0.0"}]),
    )]);
    let hits = |version: &str| !ids(&index, "left-pad", version).is_empty();
    assert!(hits("1.4.9") && hits("3.0.0"));
    assert!(!hits("1.5.0") && !hits("2.9.9") && !hits("3.5.0"));
}

#[test]
fn d_11_limits_cut_a_range_and_a_star_does_not() {
    let events = |limit: &str| json!([{"introduced": "1.0.0"}, {"limit": limit}]);
    let index = npm(&[ranged("A-1", events("2.0.0"))]);
    assert_eq!(ids(&index, "left-pad", "1.9.9"), ["A-1"]);
    assert!(ids(&index, "left-pad", "2.0.0").is_empty());
    let index = npm(&[ranged("A-1", events("*"))]);
    assert_eq!(named(&index, "left-pad", "9.0.0"), [Named::Range]);
}

#[test]
fn d_11_without_an_introduction_nothing_is_affected() {
    let index = npm(&[ranged("A-1", json!([{"fixed": "1.0.0"}]))]);
    assert!(ids(&index, "left-pad", "0.5.0").is_empty());
    assert!(ids(&index, "left-pad", "no version").is_empty());
}

#[test]
fn a_fix_where_the_next_range_begins_leaves_no_gap() {
    let index = npm(&[ranged(
        "A-1",
        json!([{"introduced": "1.0.0"}, {"fixed": "2.0.0"}, {"introduced": "2.0.0"}]),
    )]);
    assert_eq!(ids(&index, "left-pad", "2.0.0"), ["A-1"]);
}

#[test]
fn what_cannot_be_read_counts_as_affected_and_says_so() {
    let index = npm(&[ranged(
        "A-1",
        json!([{"introduced": "1.0.0"}, {"fixed": "soon"}]),
    )]);
    assert_eq!(named(&index, "left-pad", "5.0.0"), [Named::Unreadable]);
    assert!(ids(&index, "left-pad", "0.9.0").is_empty());
    let index = npm(&[ranged(
        "A-1",
        json!([{"introduced": "1.0.0-*"}, {"fixed": "1.0.1"}]),
    )]);
    assert_eq!(named(&index, "left-pad", "0.1.0"), [Named::Unreadable]);
    assert!(ids(&index, "left-pad", "1.0.1").is_empty());
    // A version nobody can order.
    let index = npm(&[ranged(
        "A-1",
        json!([{"introduced": "1.0.0"}, {"fixed": "1.0.1"}]),
    )]);
    assert_eq!(named(&index, "left-pad", "latest"), [Named::Unreadable]);
    // A limit nobody can read is none.
    let limits = json!([{"introduced": "0"}, {"limit": "1.0.0"}, {"limit": "?"}]);
    let index = npm(&[ranged("A-1", limits)]);
    assert_eq!(named(&index, "left-pad", "7.0.0"), [Named::Unreadable]);
}

#[test]
fn listed_versions_are_compared_by_meaning_and_unreadable_ones_by_spelling() {
    let record = json!({"id": "A-1", "affected": [{
        "package": {"ecosystem": "PyPI", "name": "foo"}, "versions": ["1.0", "2004b-old"]}]});
    let (index, _) = built(&PyPi, &[record]);
    for (version, expected) in [
        ("1.0.0", vec![Named::Listed]),
        ("v1", vec![Named::Listed]),
        ("1.0+local", vec![]),
        ("1.0.post1", vec![]),
        ("2004b-old", vec![Named::Listed]),
        ("2004b-new", vec![]),
    ] {
        assert_eq!(named(&index, "foo", version), expected, "{version}");
    }
}

#[test]
fn a_list_spelled_out_beside_its_range_is_not_kept_twice() {
    let versions: Vec<String> = (0..500).map(|patch| format!("1.0.{patch}")).collect();
    let with_list = |id: &str, versions: &[String]| {
        json!({"id": id, "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"},
            "versions": versions, "ranges": [{"type": "SEMVER",
            "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]})
    };
    let long = npm(&[with_list("A-1", &versions)]);
    let short = npm(&[with_list("A-1", &[])]);
    assert_eq!(long.size_bytes(), short.size_bytes());
    // What the range does not hold is kept.
    let index = npm(&[with_list("A-1", &["3.0.0".to_owned()])]);
    assert_eq!(named(&index, "left-pad", "3.0.0"), [Named::Listed]);
    // Of malware the list is what is sure.
    let index = npm(&[with_list("MAL-1", &versions)]);
    assert_eq!(named(&index, "left-pad", "1.0.7"), [Named::Listed]);
    assert_eq!(named(&index, "left-pad", "1.9.9"), [Named::Range]);
}

// ---- records -----------------------------------------------------------------------------------

#[test]
fn d_08_d_09_a_withdrawn_record_drops_out_and_comes_back_with_a_later_one() {
    let record = everything("A-1");
    let taken_back = with(record.clone(), "withdrawn", json!("2026-02-01T00:00:00Z"));
    let taken_back = with(taken_back, "modified", json!("2026-02-01T00:00:00Z"));
    let again = with(record.clone(), "modified", json!("2026-03-01T00:00:00Z"));
    assert_eq!(
        ids(&npm(std::slice::from_ref(&record)), "left-pad", "1.0.0"),
        ["A-1"]
    );
    let (index, report) = built(&Npm, &[record.clone(), taken_back.clone()]);
    assert!(ids(&index, "left-pad", "1.0.0").is_empty());
    assert_eq!(
        (report.records, report.withdrawn, report.duplicates),
        (0, 1, 1)
    );
    assert_eq!((index.package_count(), index.withdrawn_count()), (0, 1));
    assert_eq!(
        ids(&npm(&[again, taken_back, record]), "left-pad", "1.0.0"),
        ["A-1"]
    );
}

#[test]
fn a_withdrawal_that_is_no_date_is_none() {
    for value in [json!(null), json!(""), json!(true), json!("soon")] {
        let index = npm(&[with(everything("A-1"), "withdrawn", value.clone())]);
        assert_eq!(ids(&index, "left-pad", "1.0.0"), ["A-1"], "{value}");
    }
}

#[test]
fn d_10_nothing_said_of_versions_is_all_of_malware_and_none_of_anything_else() {
    let silent = |id: &str| {
        json!({"id": id, "affected": [{"package": {"ecosystem": "npm", "name": "left-pad"},
            "versions": [], "ranges": null}]})
    };
    assert!(ids(&npm(&[silent("GHSA-1")]), "left-pad", "1.0.0").is_empty());
    let index = npm(&[silent("MAL-1")]);
    assert_eq!(named(&index, "left-pad", "1.0.0"), [Named::Everything]);
}

#[test]
fn d_12_other_ecosystems_and_range_types_are_left_out_and_counted() {
    let elsewhere = |ecosystem: &str| {
        json!({"id": format!("X-{ecosystem}"), "affected": [{
            "package": {"ecosystem": ecosystem, "name": "left-pad"}, "versions": ["1.0.0"]}]})
    };
    let odd = json!({"id": "A-1", "affected": [{
        "package": {"ecosystem": "npm", "name": "left-pad"},
        "ranges": [{"type": "PHASE", "events": [{"introduced": "0"}]},
                   {"type": "GIT", "events": [{"introduced": "0"}]}]}]});
    let (index, report) = built(&Npm, &[elsewhere("npm:private"), elsewhere("PyPI"), odd]);
    assert!(ids(&index, "left-pad", "1.0.0").is_empty());
    assert_eq!((report.ignored, report.unknown_ranges), (2, 1));
}

#[test]
fn one_record_may_be_about_several_ecosystems() {
    let record = json!({"id": "A-1", "affected": [
        {"package": {"ecosystem": "PyPI", "name": "foo"}, "versions": ["1.0"]},
        {"package": {"ecosystem": "npm", "name": "left-pad"}, "versions": ["2.0.0"]},
        {"package": {"ecosystem": "npm", "name": "left-pad"}, "versions": ["3.0.0"]},
        {"package": {"ecosystem": "npm", "name": "right-pad"}, "versions": ["4.0.0"]}]});
    let index = npm(std::slice::from_ref(&record));
    assert_eq!(index.package_count(), 2);
    assert_eq!(ids(&index, "left-pad", "2.0.0"), ["A-1"]);
    assert_eq!(ids(&index, "left-pad", "3.0.0"), ["A-1"]);
    assert!(ids(&index, "left-pad", "4.0.0").is_empty());
    assert_eq!(ids(&built(&PyPi, &[record]).0, "foo", "1.0"), ["A-1"]);
}

#[test]
fn d_13_d_14_names_are_normalised_and_a_purl_of_another_name_means_both() {
    let record = json!({"id": "A-1", "affected": [{"package":
        {"ecosystem": "PyPI", "name": "Foo_Bar", "purl": "pkg:pypi/other"}, "versions": ["1.0"]}]});
    let (index, report) = built(&PyPi, &[record]);
    for name in ["foo-bar", "FOO.bar", "other"] {
        assert_eq!(ids(&index, name, "1.0"), ["A-1"], "{name}");
    }
    assert_eq!(report.purl_disagreements, 1);
    let record = json!({"id": "A-1", "affected": [{"package":
        {"ecosystem": "npm", "name": "../escape"}, "versions": ["1.0.0"]}]});
    let (index, report) = built(&Npm, &[record]);
    assert_eq!(
        (report.impossible_names, index.package_names().count()),
        (1, 0)
    );
    let mut package = index.for_spelling("../escape").unwrap();
    assert_eq!(package.record_ids(&Version::verbatim("1.0.0")), ["A-1"]);
}

#[test]
fn d_19_only_schema_versions_of_a_known_major_are_read() {
    let mut builder = IndexBuilder::new(&Npm);
    let mut add = |version: Value| {
        let record = with(everything("A-1"), "schema_version", version);
        builder.add("A-1.json", record.to_string().as_bytes())
    };
    for known in [json!(null), json!("1.0.0"), json!("1.7.3"), json!("1.99.0")] {
        assert!(add(known.clone()).is_ok(), "{known}");
    }
    for unknown in [json!("99.0.0"), json!("2.0.0"), json!("10.0.0"), json!("")] {
        let refused = add(unknown.clone()).unwrap_err();
        assert!(refused.is_of_unknown_schema(), "{unknown}");
        assert!(refused.to_string().contains("A-1.json"), "{refused}");
    }
    assert_eq!(builder.unreadable(), 4);
}

#[test]
fn d_03_d_18_a_bad_record_is_refused_counted_and_named() {
    let mut builder = IndexBuilder::new(&Npm);
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"id":1}"#,
        r#"{"id":""}"#,
        r#"{"id":"a b"}"#,
        r#"{"id":"a,b"}"#,
        "{\"id\":\"a\u{202e}b\"}",
        r#"{"id":"a","affected":[{"versions":[1]}]}"#,
    ] {
        let refused = builder.add("bad\u{1b}.json", bad.as_bytes()).unwrap_err();
        assert!(refused.to_string().contains("`bad?.json`"), "{refused}");
    }
    assert_eq!(builder.unreadable(), 11);
    let huge = vec![b' '; MAX_RECORD_BYTES + 1];
    assert!(matches!(
        builder.add("x", &huge),
        Err(RecordError::TooLarge { .. })
    ));
}

#[test]
fn what_is_odd_beside_the_point_does_not_cost_a_record() {
    let record = json!({"id": "MAL-1", "aliases": "none", "summary": 3, "severity": "HIGH",
        "database_specific": [], "published": 12, "modified": {}, "affected": [{
        "package": {"ecosystem": "npm", "name": "left-pad", "purl": 5}, "severity": {},
        "database_specific": "x", "versions": ["1.0.0"], "ecosystem_specific": null}]});
    assert_eq!(ids(&npm(&[record]), "left-pad", "1.0.0"), ["MAL-1"]);
}

#[test]
fn kinds_and_reviews_go_by_the_words_of_each_database() {
    let cases = [
        (everything("MAL-1"), AdvisoryKind::Malware, false),
        (everything("LWA-1"), AdvisoryKind::Malware, false),
        (everything("GHSA-1"), AdvisoryKind::Vulnerability, false),
        (
            with(
                everything("GHSA-1"),
                "database_specific",
                json!({"github_reviewed": true}),
            ),
            AdvisoryKind::Vulnerability,
            true,
        ),
        (
            with(
                everything("OWN-1"),
                "database_specific",
                json!({"cwe_ids": ["CWE-506"]}),
            ),
            AdvisoryKind::Malware,
            false,
        ),
    ];
    for (record, kind, is_reviewed) in cases {
        let found = &found(&npm(&[record]), "left-pad", "1.0.0")[0];
        assert_eq!(
            (found.kind, found.is_reviewed),
            (kind, is_reviewed),
            "{}",
            found.id
        );
    }
    let rustsec = |specific: Value| {
        json!({"id": "RUSTSEC-1", "affected": [{"database_specific": specific,
            "package": {"ecosystem": "crates.io", "name": "foo"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0.0.0-0"}]}]}]})
    };
    for (specific, kind) in [
        (
            json!({"informational": null, "categories": []}),
            AdvisoryKind::Vulnerability,
        ),
        (
            json!({"informational": "unmaintained"}),
            AdvisoryKind::Unmaintained,
        ),
        (json!({"informational": "unsound"}), AdvisoryKind::Unsound),
        (json!({"informational": "other"}), AdvisoryKind::Notice),
        (json!({"categories": ["malicious"]}), AdvisoryKind::Malware),
        (
            json!({"cwes": [{"cweId": "CWE-506"}]}),
            AdvisoryKind::Malware,
        ),
    ] {
        let (index, _) = built(&Cargo, &[rustsec(specific)]);
        let found = &found(&index, "foo", "1.0.0")[0];
        assert_eq!((found.kind, found.named), (kind, Named::Everything));
        assert!(found.is_reviewed);
    }
}

// ---- aliases -----------------------------------------------------------------------------------

#[test]
fn records_of_one_thing_are_one_match_with_the_worst_of_each() {
    let ghsa = with(
        ranged("GHSA-1", json!([{"introduced": "0"}, {"fixed": "1.1.0"}])),
        "aliases",
        json!(["CVE-1"]),
    );
    let ghsa = with(
        ghsa,
        "severity",
        json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]),
    );
    let other = with(
        ranged("AAA-1", json!([{"introduced": "0"}, {"fixed": "1.2.0"}])),
        "aliases",
        json!(["CVE-1", "XYZ-9"]),
    );
    let apart = listed("ZZZ-1", &["1.0.0"]);
    let index = npm(&[ghsa, other, apart]);
    let all = found(&index, "left-pad", "1.0.0");
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].id, "AAA-1");
    assert_eq!(all[0].aliases, ["CVE-1", "GHSA-1", "XYZ-9"]);
    assert_eq!(all[0].fixed, ["1.1.0", "1.2.0"]);
    assert_eq!(all[0].cvss_tenths, Some(98));
    assert_eq!(all[1].id, "ZZZ-1");
    // Only records that name the version say how bad it is.
    let all = found(&index, "left-pad", "1.1.5");
    assert_eq!((all.len(), all[0].cvss_tenths), (1, None));
    let name = Npm.package("left-pad").unwrap();
    let mut package = index.for_package(&name).unwrap();
    let ids = package.record_ids(&Version::verbatim("1.0.0"));
    assert_eq!(
        ids,
        ["AAA-1", "GHSA-1", "ZZZ-1"],
        "all records, nothing merged"
    );
}

#[test]
fn d_16_loops_and_crowds_of_aliases_end() {
    let aliased = |id: usize, other: usize| {
        with(
            everything(&format!("A-{id}")),
            "aliases",
            json!([format!("A-{other}")]),
        )
    };
    let ring: Vec<Value> = (0..200).map(|id| aliased(id, (id + 1) % 200)).collect();
    let all = found(&npm(&ring), "left-pad", "1.0.0");
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].id.as_str(), all[0].aliases.len()), ("A-0", 32));
    let many: Vec<String> = (0..10_000).map(|id| format!("B-{id}")).collect();
    let crowd = with(everything("A-1"), "aliases", json!(many));
    assert_eq!(
        found(&npm(&[crowd]), "left-pad", "1.0.0")[0].aliases.len(),
        32
    );
    let own = with(everything("A-1"), "aliases", json!(["A-1"]));
    assert!(
        found(&npm(&[own]), "left-pad", "1.0.0")[0]
            .aliases
            .is_empty()
    );
}

#[test]
fn a_withdrawn_alias_releases_malware_at_once_and_nothing_else() {
    let malware = with(everything("MAL-1"), "aliases", json!(["GHSA-1"]));
    let live = everything("GHSA-1");
    let gone = with(live.clone(), "withdrawn", json!("2026-02-01T00:00:00Z"));
    let flaw = with(everything("PYSEC-1"), "aliases", json!(["GHSA-1"]));
    assert_eq!(
        ids(&npm(&[malware.clone(), live]), "left-pad", "1.0.0"),
        ["MAL-1"]
    );
    let (index, report) = built(&Npm, &[malware.clone(), gone.clone()]);
    assert!(ids(&index, "left-pad", "1.0.0").is_empty());
    assert_eq!(report.released, 1);
    // The plain evaluation of the schema goes by each record alone.
    let name = Npm.package("left-pad").unwrap();
    let mut package = index.for_package(&name).unwrap();
    assert_eq!(package.record_ids(&Version::verbatim("1.0.0")), ["MAL-1"]);
    assert_eq!(
        ids(&npm(&[flaw, gone.clone()]), "left-pad", "1.0.0"),
        ["PYSEC-1"]
    );
    // Closed because another record says the same.
    let duplicate = with(
        gone.clone(),
        "summary",
        json!("Duplicate Advisory: malware"),
    );
    assert_eq!(
        ids(&npm(&[malware.clone(), duplicate]), "left-pad", "1.0.0"),
        ["MAL-1"]
    );
    // About another package.
    let mut elsewhere = gone;
    elsewhere["affected"][0]["package"]["name"] = json!("right-pad");
    assert_eq!(
        ids(&npm(&[malware, elsewhere]), "left-pad", "1.0.0"),
        ["MAL-1"]
    );
}

#[test]
fn n_04_a_list_in_any_record_of_the_thing_narrows_a_report_about_everything() {
    let sweep = with(everything("MAL-1"), "aliases", json!(["GHSA-1"]));
    assert_eq!(
        named(&npm(std::slice::from_ref(&sweep)), "left-pad", "1.0.0"),
        [Named::Everything]
    );
    let list = with(
        listed("GHSA-1", &["1.4.1"]),
        "database_specific",
        json!({"cwe_ids": ["CWE-506"]}),
    );
    let index = npm(&[sweep, list]);
    assert_eq!(named(&index, "left-pad", "1.4.1"), [Named::Listed]);
    assert_eq!(named(&index, "left-pad", "1.4.0"), [Named::Unlisted]);
}

// ---- scores, fixes, differences ----------------------------------------------------------------

#[test]
fn scores_are_joined_by_alias() {
    let mut builder = IndexBuilder::new(&Npm);
    builder
        .with_epss("cve,epss,percentile\nCVE-1,0.42,0.9\n")
        .unwrap();
    builder
        .with_kev(br#"{"vulnerabilities":[{"cveID":"CVE-1"}]}"#)
        .unwrap();
    let record = with(everything("GHSA-1"), "aliases", json!(["CVE-1"]));
    builder.add("x", record.to_string().as_bytes()).unwrap();
    builder
        .add("x", listed("GHSA-2", &["1.0.0"]).to_string().as_bytes())
        .unwrap();
    let (bytes, _) = builder.finish(Timestamp::from_millis(0)).unwrap();
    let all = found(&AdvisoryIndex::open(bytes).unwrap(), "left-pad", "1.0.0");
    assert_eq!(
        (all[0].epss_thousandths, all[0].is_exploited),
        (Some(420), true)
    );
    assert_eq!(
        (all[1].epss_thousandths, all[1].is_exploited),
        (None, false)
    );
}

#[test]
fn a_fix_is_exactly_the_fixed_version_of_a_reviewed_record() {
    let events = json!([{"introduced": "0"}, {"fixed": "1.2.0"}]);
    let reviewed = with(
        ranged("GHSA-1", events.clone()),
        "database_specific",
        json!({"github_reviewed": true}),
    );
    let index = npm(&[reviewed, ranged("GHSA-2", events)]);
    let name = Npm.package("left-pad").unwrap();
    let fixes = |version: &str| index.fixes(&name, &Version::verbatim(version));
    assert_eq!(fixes("1.2.0"), ["GHSA-1"]);
    assert!(fixes("1.2.1").is_empty() && fixes("1.2.0-rc.1").is_empty() && fixes("?").is_empty());
}

#[test]
fn packages_about_which_something_else_is_said_are_told() {
    let about = |id: &str, package: &str, version: &str, modified: &str| {
        json!({"id": id, "modified": modified, "affected": [{
            "package": {"ecosystem": "npm", "name": package}, "versions": [version]}]})
    };
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    let old = npm(&[
        about("A-1", "same", "1.0.0", early),
        about("A-2", "touched", "1.0.0", early),
        about("A-3", "other-version", "1.0.0", early),
        about("A-4", "gone", "1.0.0", early),
    ]);
    let new = npm(&[
        about("A-0", "added", "1.0.0", late),
        about("A-1", "same", "1.0.0", early),
        about("A-2", "touched", "1.0.0", late),
        about("A-3", "other-version", "2.0.0", late),
    ]);
    let changed = changed_packages(&old, &new);
    let names: Vec<&str> = changed.iter().map(|name| name.normalized()).collect();
    assert_eq!(names, ["added", "gone", "other-version"]);
    assert!(changed_packages(&new, &new).is_empty());
}

// ---- the file ----------------------------------------------------------------------------------

#[test]
fn an_index_cut_or_changed_anywhere_is_refused() {
    let mut builder = IndexBuilder::new(&Npm);
    builder
        .add("x", everything("A-1").to_string().as_bytes())
        .unwrap();
    let (bytes, report) = builder.finish(Timestamp::from_millis(0)).unwrap();
    assert_eq!(report.bytes, bytes.len());
    for cut in 0..bytes.len() {
        assert!(AdvisoryIndex::open(bytes[..cut].to_vec()).is_err(), "{cut}");
    }
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        assert!(AdvisoryIndex::open(damaged).is_err(), "{place}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(
        AdvisoryIndex::open(longer).unwrap_err(),
        IndexError::Damaged
    );
    let opened = AdvisoryIndex::open(bytes).unwrap();
    assert_eq!((opened.record_count(), opened.package_count()), (1, 1));
    assert_eq!(
        opened.newest_modified(),
        Some(Timestamp::parse("2026-01-01T00:00:00Z").unwrap())
    );
}

/// A file made on purpose, its checksum right: it is refused or answers, and panics in no case.
#[test]
fn an_index_that_contradicts_itself_is_refused() {
    use sha2::Digest as _;
    let mut builder = IndexBuilder::new(&Npm);
    let record = with(everything("A-1"), "aliases", json!(["B-1"]));
    builder.add("x", record.to_string().as_bytes()).unwrap();
    builder
        .add("x", listed("MAL-1", &["1.0.0"]).to_string().as_bytes())
        .unwrap();
    let (bytes, _) = builder.finish(Timestamp::from_millis(0)).unwrap();
    for place in 40..bytes.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut made = bytes.clone();
            made[place] = value;
            let digest = sha2::Sha256::digest(&made[40..]);
            made[8..40].copy_from_slice(&digest);
            if let Ok(index) = AdvisoryIndex::open(made) {
                let name = index.scheme().package("left-pad").unwrap();
                let _ = index.matches(&name, &Version::verbatim("1.0.0"));
                let _ = (
                    index.package_names().count(),
                    changed_packages(&index, &index),
                );
            }
        }
    }
}

#[test]
fn d_04_an_index_of_nothing_answers_nothing() {
    let index = npm(&[]);
    assert_eq!((index.record_count(), index.package_count()), (0, 0));
    assert!(ids(&index, "left-pad", "1.0.0").is_empty());
    assert_eq!(index.newest_modified(), None);
    let other = PyPi.package("left-pad").unwrap();
    assert!(index.for_package(&other).is_none());
}

#[test]
fn no_version_in_particular_is_named_by_what_names_every_one() {
    let index = npm(&[everything("A-1"), listed("A-2", &["1.0.0"])]);
    let name = Npm.package("left-pad").unwrap();
    let all = index.matches(&name, &Version::unspecified());
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].id.as_str(), all[0].named),
        ("A-1", Named::Everything)
    );
}
