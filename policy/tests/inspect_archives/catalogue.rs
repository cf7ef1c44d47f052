//! `tests/archives.md` is true: it has every case, what it says comes of each does come of it, and
//! the tests it names are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{ArchiveFacts, Fact};
use cordon_policy::finding::Finding;
use cordon_policy::inspect::FaultCode;
use cordon_policy::verdict::Effect;

use super::support::{NOW, built_in, fetched};
use super::table::{Came, Case};
use super::{cases, cases_layers};

const TABLE: &str = include_str!("../../../tests/archives.md");

/// Cases of the catalogue.
const CASES: usize = 85;

/// Where the named tests are.
const FOLDERS: [&str; 4] = [
    "policy/tests/inspect_archives",
    "policy/src/inspect/manifest",
    "proxy/src",
    "tests/it",
];

/// One line of the table.
struct Row {
    id: &'static str,
    stated: &'static str,
    found: &'static str,
    tests: Vec<&'static str>,
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| line.starts_with("| A-"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let [id, _, stated, found, tests] = cells[..] else {
                panic!("five cells: {line}");
            };
            let quoted = tests.split('`').skip(1).step_by(2);
            Row {
                id: id.trim_start_matches(['|', ' ']),
                stated,
                found,
                tests: quoted.collect(),
            }
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources below a folder, as text.
fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            into.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// The names of all tests of a source.
fn tests_of(source: &str) -> BTreeSet<String> {
    let mut is_test = false;
    let mut names = BTreeSet::new();
    for line in source.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line);
        if let (true, Some(rest)) = (is_test, function.strip_prefix("fn ")) {
            names.extend(rest.split('(').next().map(str::to_owned));
            is_test = false;
        }
    }
    names
}

/// What the built-in policy says of an archive, as the table says it.
fn verdict(policy: &Ruleset, case: &Case, came: Came) -> BTreeSet<String> {
    let (ecosystem, _) = case.file;
    let mut facts = fetched(&format!("pkg:{ecosystem}/a@1.0.0"));
    let mut marks: BTreeSet<String> = came
        .marks
        .iter()
        .map(|it| format!("allowed, marked {}", it.kind.name()))
        .collect();
    let is_faultless = came.faults.is_empty();
    facts.archive = Fact::Known(Arc::new(ArchiveFacts {
        faults: came.faults,
        marks: came.marks,
        ..ArchiveFacts::default()
    }));
    let evaluation = policy.evaluate(&facts, NOW);
    assert_eq!(evaluation.permit().is_some(), is_faultless, "{}", case.what);
    if is_faultless {
        assert_eq!(evaluation.effect(), Effect::Allow, "{}", case.what);
        if marks.is_empty() {
            marks.insert("allowed".to_owned());
        }
        return marks;
    }
    assert_eq!(evaluation.effect(), Effect::Quarantine, "{}", case.what);
    let of_archive = |it: &&Finding| it.rule.as_str() == "archive";
    let findings = evaluation.findings().iter().filter(of_archive);
    findings.map(|it| it.code.to_string()).collect()
}

#[test]
fn the_table_has_every_case_once_and_in_order() {
    let ids: Vec<&str> = rows().iter().map(|row| row.id).collect();
    let all: Vec<String> = (1..=CASES).map(|n| format!("A-{n:02}")).collect();
    assert_eq!(ids, all);
}

#[test]
fn the_tests_the_table_names_are_there() {
    let mut texts = Vec::new();
    for folder in FOLDERS {
        sources(&root().join(folder), &mut texts);
    }
    let known: BTreeSet<String> = texts.iter().flat_map(|it| tests_of(it)).collect();
    for row in rows() {
        assert!(!row.tests.is_empty(), "{} names no test", row.id);
        for test in row.tests {
            let is_there = match test.contains('/') {
                true => root().join(test).is_file(),
                false => known.contains(test),
            };
            assert!(is_there, "{} names `{test}`", row.id);
        }
    }
}

/// Of every case there is an archive for; those made to cost are judged where they are made.
#[test]
fn every_archive_comes_out_as_the_table_says() {
    let policy = built_in();
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for case in [cases(), cases_layers::bombs()].concat() {
        let outcome = verdict(&policy, &case, case.came());
        found.entry(case.id).or_default().extend(outcome);
    }
    let mut wrong = Vec::new();
    for row in rows() {
        let said: BTreeSet<&str> = row.found.split("; ").collect();
        let Some(found) = found.get(row.id) else {
            continue;
        };
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        if said != found {
            let found: Vec<&str> = found.into_iter().collect();
            wrong.push(format!("{} | {}", row.id, found.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A case that is to be quarantined for a reason is held for that reason, among others perhaps.
#[test]
fn what_is_found_is_what_was_stated() {
    for row in rows() {
        let said: BTreeSet<&str> = row.found.split("; ").collect();
        let stated = row.stated.split(['(', ')']).skip(1).step_by(2);
        let codes: Vec<&str> = stated
            .filter(|it| FaultCode::ALL.iter().any(|(code, _)| code.name() == *it))
            .filter(|it| *it != "uninspectable")
            .collect();
        let is_stated = codes.is_empty() || codes.iter().any(|it| said.contains(it));
        assert!(is_stated, "{}: {} is not {}", row.id, row.found, row.stated);
    }
}
