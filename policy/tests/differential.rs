//! Cordon's reading of versions and ranges against the reference implementations.
//!
//! `data/npm_versions.tsv` is what npm's own `semver` says, `data/pypi_versions.tsv` what
//! `packaging` says; the scripts beside them write both and say what a row means. cargo's reference
//! is the `semver` crate, asked directly.

use std::cmp::Ordering;

use cordon_policy::ecosystem::{Cargo, Npm, PyPi};
use cordon_policy::model::{Scheme, Version};
use proptest::prelude::*;

/// Every row of a table that Cordon answers differently, with its answer.
fn differences(scheme: &dyn Scheme, table: &str) -> Vec<String> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let (kind, rest) = cells.split_first().expect("a line has a first cell");
            let (expected, arguments) = rest.split_last().expect("a row ends with an answer");
            let found = match (*kind, arguments) {
                ("v", [text]) => validity(scheme, text).to_owned(),
                ("c", [a, b]) => order(scheme, a, b),
                ("r", [range, version]) => membership(scheme, range, version).to_owned(),
                _ => panic!("not a row: {line}"),
            };
            (found != *expected).then(|| format!("{line}  (Cordon: {found})"))
        })
        .collect()
}

fn is_readable(scheme: &dyn Scheme, text: &str) -> bool {
    // Above every unreadable text, however it is spelled, are exactly the readable versions.
    let unreadable = Version::verbatim("\u{10ffff}");
    scheme.compare(&Version::verbatim(text), &unreadable) == Ordering::Greater
}

fn validity(scheme: &dyn Scheme, text: &str) -> &'static str {
    if is_readable(scheme, text) { "1" } else { "0" }
}

fn order(scheme: &dyn Scheme, a: &str, b: &str) -> String {
    if !is_readable(scheme, a) || !is_readable(scheme, b) {
        return "x".to_owned();
    }
    let order = scheme.compare(&Version::verbatim(a), &Version::verbatim(b));
    (order as i8).to_string()
}

fn membership(scheme: &dyn Scheme, range: &str, version: &str) -> &'static str {
    match scheme.range(range) {
        Err(_) => "x",
        Ok(range) if range.contains(&Version::verbatim(version)) => "1",
        Ok(_) => "0",
    }
}

fn assert_no_difference(scheme: &dyn Scheme, table: &str, least_rows: usize) {
    let rows = table.lines().count();
    assert!(rows >= least_rows, "only {rows} rows");
    let differences = differences(scheme, table);
    assert!(
        differences.is_empty(),
        "{} of {rows} rows differ:\n{}",
        differences.len(),
        differences[..differences.len().min(40)].join("\n")
    );
}

#[test]
fn n_27_npm_versions_and_ranges_agree_with_node_semver() {
    assert_no_difference(&Npm, include_str!("data/npm_versions.tsv"), 4_900);
}

#[test]
fn n_26_pypi_versions_and_specifiers_agree_with_packaging() {
    assert_no_difference(&PyPi, include_str!("data/pypi_versions.tsv"), 4_900);
}

/// The big tables: `CORDON_DIFFERENTIAL_TABLE` names a file written by one of the scripts; the
/// first line tells which.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
#[expect(
    clippy::disallowed_methods,
    reason = "the table is no part of the core"
)]
fn a_table_named_in_the_environment_agrees() {
    let Some(path) = std::env::var_os("CORDON_DIFFERENTIAL_TABLE") else {
        eprintln!("skipped: CORDON_DIFFERENTIAL_TABLE names no table");
        return;
    };
    let table = std::fs::read_to_string(&path).expect("the table can be read");
    let head = table.lines().next().unwrap_or_default();
    if head.contains("semver") {
        assert_no_difference(&Npm, &table, 1);
    } else {
        assert!(head.contains("packaging"), "unknown reference: {head}");
        assert_no_difference(&PyPi, &table, 1);
    }
}

/// Version-like text over few numbers, so that ranges are hit.
fn cargo_version() -> impl Strategy<Value = String> {
    "[0-3]\\.[0-3]\\.[0-3](-(alpha|rc|0|1|10)(\\.[0-2])?)?(\\+[a-z0-9]{1,3})?"
}

fn cargo_requirement() -> impl Strategy<Value = String> {
    let comparator = "(=|>|>=|<|<=|~|\\^|) ?([0-3]|[0-3]\\.[0-3]|[0-3]\\.[0-3]\\.[0-3](-(alpha|rc|0|1)(\\.[0-2])?)?|[0-3]\\.\\*|[0-3]\\.[0-3]\\.\\*)";
    prop::collection::vec(comparator, 1..3).prop_map(|all| all.join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn n_27_cargo_requirements_agree_with_the_semver_crate(
        requirement in cargo_requirement(),
        version in cargo_version(),
    ) {
        let ours = Cargo.range(&requirement);
        let theirs = semver::VersionReq::parse(&requirement);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", requirement);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            let parsed = semver::Version::parse(&version).expect("the strategy makes versions");
            let found = ours.contains(&Version::verbatim(version.as_str()));
            if parsed.pre.is_empty() {
                prop_assert_eq!(found, theirs.matches(&parsed));
            } else {
                // For policy, pre-releases inside the bounds are in: never fewer than cargo says.
                prop_assert!(found || !theirs.matches(&parsed));
            }
        }
    }

    #[test]
    fn cargo_orders_like_the_semver_crate_but_for_build_metadata(
        a in cargo_version(),
        b in cargo_version(),
    ) {
        let parse = |text: &str| semver::Version::parse(text).expect("the strategy makes versions");
        prop_assert_eq!(
            Cargo.compare(&Version::verbatim(a.as_str()), &Version::verbatim(b.as_str())),
            parse(&a).cmp_precedence(&parse(&b))
        );
    }
}
