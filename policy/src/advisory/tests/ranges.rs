//! Ranges and lists of versions.

use super::*;

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
        json!([{"introduced": "always"}, {"fixed": "1.0.1"}]),
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
