//! Reading records: what counts, what is refused, what is left out.

use super::*;

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

#[test]
fn an_odd_element_of_a_list_does_not_take_the_others_with_it() {
    let malware = [
        with(
            everything("GHSA-1"),
            "database_specific",
            json!({"cwe_ids": ["CWE-506", null]}),
        ),
        with_specific(json!({"cwes": [7, {"cweId": "CWE-506"}, {"cweId": {}}]})),
        with_specific(json!({"categories": [{}, "malicious"]})),
    ];
    for record in malware {
        let all = found(&npm(std::slice::from_ref(&record)), "left-pad", "1.0.0");
        assert_eq!(all[0].kind, AdvisoryKind::Malware, "{record}");
    }
    let scores = json!([
        {"type": "X", "score": 9.8},
        null,
        {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
    ]);
    let record = with(everything("GHSA-1"), "severity", scores);
    let record = with(record, "aliases", json!([null, "CVE-2026-1", 5]));
    let all = found(&npm(&[record]), "left-pad", "1.0.0");
    assert_eq!(all[0].cvss_tenths, Some(98));
    assert_eq!(all[0].aliases.len(), 1);
}

fn with_specific(specific: Value) -> Value {
    let mut record = everything("RUSTSEC-1");
    record["affected"][0]["database_specific"] = specific;
    record
}
