//! Bounds of ranges that are no versions.

use super::*;
use crate::advisory::bound::Bound;

fn index_of(scheme: &'static dyn Scheme, events: Value) -> AdvisoryIndex {
    let record = json!({"id": "A-1", "affected": [{
        "package": {"ecosystem": scheme.osv_name(), "name": "foo"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}]}]});
    built(scheme, &[record]).0
}

/// Which versions are affected, and that all that are, are so by a range that is understood.
#[track_caller]
fn assert_affected(
    scheme: &'static dyn Scheme,
    events: Value,
    affected: &[&str],
    unaffected: &[&str],
) {
    let index = index_of(scheme, events.clone());
    for version in affected {
        let named = named(&index, "foo", version);
        assert_eq!(named, [Named::Range], "{events} {version}");
    }
    for version in unaffected {
        assert!(
            named(&index, "foo", version).is_empty(),
            "{events} {version}"
        );
    }
}

#[test]
fn a_part_of_a_version_begins_a_range_at_its_lowest() {
    assert_affected(
        &Cargo,
        json!([{"introduced": "0.1"}]),
        &[
            "0.1.0-0",
            "0.1.0-alpha",
            "0.1.0",
            "0.1.7",
            "0.2.0-0",
            "9.0.0",
        ],
        &["0.0.0-0", "0.0.99"],
    );
    assert_affected(
        &Npm,
        json!([{"introduced": "1.4.0-*"}, {"fixed": "1.4.0-beta.2"}]),
        &["1.4.0-0", "1.4.0-alpha", "1.4.0-beta.1"],
        &["1.3.99", "1.4.0-beta.2", "1.4.0"],
    );
    assert_affected(
        &PyPi,
        json!([{"introduced": "2.6.0-NA"}]),
        &["2.6.dev0", "2.6.0a1", "2.6", "2.6.0+cpu", "2.6.1", "1!0.1"],
        &["2.5.99", "2.5.post1"],
    );
}

#[test]
fn a_part_of_a_version_that_is_affected_last_holds_all_that_begin_so() {
    // As one record about `time` has it.
    assert_affected(
        &Cargo,
        json!([{"introduced": "0.1"}, {"last_affected": "0.2"}]),
        &[
            "0.1.0-0",
            "0.1.44",
            "0.2.0-0",
            "0.2.0",
            "0.2.27",
            "0.2.18446744073709551615",
        ],
        &["0.0.4", "0.3.0-0", "0.3.0-alpha.1", "0.3.0", "1.0.0"],
    );
    assert_affected(
        &Npm,
        json!([{"introduced": "0"}, {"last_affected": "1.4.0-*"}]),
        &["1.4.0-0", "1.4.0-rc.1", "1.4.0", "1.4.0+build"],
        &["1.4.1-0", "1.4.1"],
    );
    for bound in [
        "2.6.0-NA",
        "2.6.0-cu124",
        "2.6.0.stable11",
        r"2.6.0-alpha\.33",
    ] {
        assert_affected(
            &PyPi,
            json!([{"introduced": "0"}, {"last_affected": bound}]),
            &[
                "0.1",
                "2.6.0rc1",
                "2.6",
                "2.6.0+cu124",
                "2.6.0.post1",
                "2.6.0.5",
            ],
            &["2.6.1.dev0", "2.6.1", "2.7.0.dev20250101", "1!0.1"],
        );
    }
}

#[test]
fn a_part_of_a_version_that_is_the_fix_ends_a_range_at_the_first_that_may_be_it() {
    // Numbers alone: the release that has no others, as for any fix not its pre-releases.
    assert_affected(
        &Cargo,
        json!([{"introduced": "0"}, {"fixed": "0.2"}]),
        &["0.1.99", "0.2.0-0", "0.2.0-rc.1"],
        &["0.2.0", "0.2.1", "0.3.0"],
    );
    // With more to it, it may lie before the release or after it.
    assert_affected(
        &Npm,
        json!([{"introduced": "0"}, {"fixed": "1.4.0-*"}]),
        &["1.3.9", "1.4.0-0", "1.4.0"],
        &["1.4.1-0", "2.0.0"],
    );
    assert_affected(
        &PyPi,
        json!([{"introduced": "0"}, {"fixed": "0.2.0-n653"}]),
        &[
            "0.1.99",
            "0.2.0.dev0",
            "0.2.0",
            "0.2.0.post653",
            "0.2.0+n653",
        ],
        &["0.2.1.dev0", "0.2.1", "1.0.0"],
    );
}

#[test]
fn the_end_of_what_begins_so_is_nobodys_fix() {
    let record = json!({"id": "GHSA-1", "database_specific": {"github_reviewed": true}, "affected": [{
        "package": {"ecosystem": "PyPI", "name": "foo"}, "ranges": [{"type": "ECOSYSTEM",
        "events": [{"introduced": "0"}, {"fixed": "0.2.0-n653"}, {"introduced": "1"},
            {"fixed": "1.1"}]}]}]});
    let (index, _) = built(&PyPi, &[record]);
    let name = PyPi.package("foo").unwrap();
    let fixes = |version: &str| index.fixes(&name, &Version::verbatim(version));
    assert_eq!(fixes("1.1"), ["GHSA-1"]);
    for version in ["0.2.0", "0.2.1.dev0", "0.2.1"] {
        assert!(fixes(version).is_empty(), "{version}");
    }
    assert!(found(&index, "foo", "0.2.1").is_empty());
}

#[test]
fn of_ends_without_a_beginning_between_them_an_inexact_one_yields_to_a_later_one() {
    assert_affected(
        &PyPi,
        json!([{"introduced": "0"}, {"last_affected": "2.5.0-NA"}, {"last_affected": "2.7.1-NA"}]),
        &["2.5.0", "2.5.1", "2.7.1", "2.7.1+cpu"],
        &["2.7.2.dev0", "2.8"],
    );
    assert_affected(
        &PyPi,
        json!([{"introduced": "0"}, {"fixed": "2.5.0-NA"}, {"introduced": "3"}, {"fixed": "3.1"}]),
        &["2.5.0", "3.0", "3.1.dev0"],
        &["2.5.1", "2.9", "3.1"],
    );
    // An exact one ends the range as the schema has it.
    assert_affected(
        &PyPi,
        json!([{"introduced": "0"}, {"last_affected": "2.5.0"}, {"last_affected": "2.7.1-NA"}]),
        &["2.5.0"],
        &["2.5.1", "2.7.1"],
    );
}

#[test]
fn an_inexact_beginning_is_not_ended_by_what_is_written_before_it() {
    assert_affected(
        &Npm,
        json!([{"introduced": "1.0.0"}, {"fixed": "2.0.0-rc.1"}, {"introduced": "2.0.0-*"},
            {"fixed": "2.1.0"}]),
        &["1.0.0", "2.0.0-rc.1", "2.0.0", "2.0.9"],
        &["0.9.0", "2.1.0"],
    );
    // Of which nothing is known, it may be behind any end before it.
    let index = index_of(
        &Npm,
        json!([{"introduced": "1.0.0"}, {"fixed": "1.2.0"}, {"introduced": "later"},
            {"last_affected": "3.0.0"}]),
    );
    for version in ["0.1.0", "1.1.0", "1.2.0", "2.5.0", "3.0.0"] {
        assert_eq!(
            named(&index, "foo", version),
            [Named::Unreadable],
            "{version}"
        );
    }
    assert!(named(&index, "foo", "3.0.1").is_empty());
}

#[test]
fn what_may_be_something_else_than_one_version_stays_unreadable() {
    let long = format!("1.{}0-NA", "0.".repeat(1_000));
    for bound in [
        "soon",
        "",
        "0x1",
        "7",
        "2019-09-12",
        "2018-04-22b",
        "7a5b1823b7",
        "1.0 - 2.0",
        "1.0-2.0.x",
        "1.0,2.0",
        "1.0||3.0",
        ">=1.2",
        "1..2",
        "1.2.",
        ".1.2",
        "1.2-",
        "1!2.0-NA",
        "1.99999999999999999999-NA",
        "1.18446744073709551615-NA",
        "1.2-NA 3",
        "1.2-ñ",
        "1.2.3.4.x x",
        long.as_str(),
    ] {
        for scheme in [&Npm as &'static dyn Scheme, &Cargo, &PyPi] {
            match Bound::read(bound, scheme) {
                Bound::Unreadable => {}
                // `7` is a version of PyPI.
                Bound::Exact(_) => assert_eq!((bound, scheme.osv_name()), ("7", "PyPI")),
                Bound::Partial(prefix) => panic!("{bound}: {prefix:?}"),
            }
        }
    }
    // More numbers than a version has.
    assert_eq!(Bound::read("1.2.3.4-NA", &Cargo), Bound::Unreadable);
    let record = json!({"id": "A-1", "affected": [{
        "package": {"ecosystem": "PyPI", "name": "foo"}, "ranges": [{"type": "ECOSYSTEM",
        "events": [{"introduced": "0"}, {"last_affected": "2024-09-25"}]}]}]});
    let (index, report) = built(&PyPi, &[record]);
    assert_eq!(named(&index, "foo", "99"), [Named::Unreadable]);
    assert_eq!(report.unreadable_ranges, 1);
}
