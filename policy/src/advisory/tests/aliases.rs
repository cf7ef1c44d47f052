//! Records about one thing.

use super::*;

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
