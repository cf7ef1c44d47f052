//! `tests/manifests.md` is what the tests do: every case of the group is in it, and every test it
//! names is there and is a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../../manifests.md");

/// The cases the table is about.
fn cases() -> impl Iterator<Item = String> {
    (1..=43)
        .chain(51..=60)
        .map(|number| format!("M-{number:02}"))
}

/// The rows of the table: a case, and the tests of its last column as `path` and function.
fn rows() -> BTreeMap<String, Vec<(String, String)>> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| line.starts_with("| M-")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _, _, tests] = cells.as_slice() else {
            panic!("four columns: {line}");
        };
        let named = tests.split('`').skip(1).step_by(2);
        let tests = named.map(|test| {
            let (path, function) = test.split_once("::").expect("a file and a function");
            (path.to_owned(), function.to_owned())
        });
        let before = rows.insert((*id).to_owned(), tests.collect());
        assert!(before.is_none(), "{id} stands twice");
    }
    rows
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("the workspace").to_owned()
}

/// Whether a file has a function of that name that the test runner finds.
fn has_test(path: &str, function: &str) -> bool {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| {
        panic!("{path}: {error}");
    });
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let name = line
            .strip_prefix("fn ")
            .and_then(|rest| rest.split('(').next());
        name == Some(function)
    };
    let Some(at) = lines.iter().position(|line| is_it(line)) else {
        return false;
    };
    let mut above = lines[..at].iter().rev();
    let attribute = above.find(|line| !line.starts_with("//") && !line.starts_with("#[ignore"));
    let is_marker = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    // Properties stand in a macro of their own.
    attribute.is_some_and(is_marker)
}

#[test]
fn every_case_has_a_row_and_every_test_it_names_is_one() {
    let rows = rows();
    let listed: Vec<&String> = rows.keys().collect();
    let all: Vec<String> = cases().collect();
    assert_eq!(listed, all.iter().collect::<Vec<_>>());
    for (id, tests) in &rows {
        assert!(!tests.is_empty(), "{id} names no test");
        for (path, function) in tests {
            assert!(
                has_test(path, function),
                "{id}: there is no test {path}::{function}"
            );
        }
    }
}
