//! `cordon typosquat --batch` on labelled sets of names, where they lie beside the repository.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cordon_tests::cordon::binary;
use tempfile::TempDir;

/// Where the sets and tables are, beside the repository or where this variable says.
const SHARED: &str = "CORDON_SHARED";

fn shared(path: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let folder = std::env::var_os(SHARED).unwrap_or_else(|| beside.into());
    let found = Path::new(&folder).join("data").join(path);
    found.exists().then_some(found)
}

/// The scores of these names, in thousandths.
fn scores(ecosystem: &str, names: &[&str]) -> Vec<u32> {
    let mut command = Command::new(binary());
    command.args(["typosquat", "--ecosystem", ecosystem, "--batch"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let lines = names.join("\n");
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    let written = writing.join().expect("no panic");
    written.expect("everything is read");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("the answer is text");
    let scores: Vec<u32> = text
        .lines()
        .map(|line| {
            let score = line.split('\t').nth(1).expect("a score");
            score.replace('.', "").parse().expect("thousandths")
        })
        .collect();
    assert_eq!(scores.len(), names.len(), "a line for every line");
    scores
}

/// A set's names with label, technique and score.
type Scored = Vec<(String, String, u32)>;

fn scored(ecosystem: &str, file: &Path) -> Scored {
    let text = fs::read_to_string(file).expect("the set can be read");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|it| it.split('\t').collect())
        .collect();
    let names: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let scores = scores(ecosystem, &names);
    let labelled = rows
        .iter()
        .map(|row| (row[1].to_owned(), row[3].to_owned()));
    labelled
        .zip(scores)
        .map(|((label, technique), score)| (label, technique, score))
        .collect()
}

/// The threshold above which at most one honest name in a thousand scores.
fn threshold(honest: &Scored) -> u32 {
    let mut scores: Vec<u32> = honest.iter().map(|(_, _, score)| *score).collect();
    scores.sort_unstable_by(|a, b| b.cmp(a));
    scores[scores.len() / 1_000]
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}

/// Must show 2 of the complete policy.
#[test]
fn squats_are_told_from_honest_names_as_well_as_promised() {
    if shared("typosquat").is_none() {
        return println!("skipped: there are no labelled sets (set {SHARED})");
    }
    let mut honest: BTreeMap<&str, Scored> = BTreeMap::new();
    for (ecosystem, set, least) in [
        ("npm", "dev-npm.tsv", 0.40),
        ("pypi", "dev-pypi.tsv", 0.75),
        ("crates.io", "dev-crates.tsv", 0.30),
        ("crates.io", "dev-crates-synthetic.tsv", 0.95),
    ] {
        let file = shared(&format!("typosquat/{set}")).expect("the set is there");
        let (squats, others): (Scored, Scored) = scored(ecosystem, &file)
            .into_iter()
            .partition(|(label, ..)| label == "squat");
        if !others.is_empty() {
            honest.insert(ecosystem, others);
        }
        let others = &honest[ecosystem];
        let threshold = threshold(others);
        let is_flagged = |(_, _, score): &&(String, String, u32)| *score > threshold;
        let recall = share(squats.iter().filter(is_flagged).count(), squats.len());
        let is_hard = |it: &&(String, String, u32)| it.1.starts_with("near:");
        let hard: Vec<_> = others.iter().filter(is_hard).collect();
        let hard_flagged = share(hard.iter().filter(|it| is_flagged(it)).count(), hard.len());
        println!("{set}: recall {recall:.3} above {threshold}, hard {hard_flagged:.4}");
        assert!(recall >= least, "{set}: recall {recall:.3}");
        assert!(
            hard_flagged <= 0.02,
            "{set}: {hard_flagged:.4} of the hard ones"
        );
        // One threshold serves every ecosystem: the default flags few honest names, yet finds
        // nearly as much.
        let at_default = others.iter().filter(|(_, _, score)| *score >= 800).count();
        assert!(
            share(at_default, others.len()) <= 0.001,
            "{set}: {at_default}"
        );
    }
}

#[test]
fn the_lists_of_popular_names_are_what_the_script_makes_of_the_tables() {
    let Some(tables) = shared("popular") else {
        return println!("skipped: there are no tables of popular names (set {SHARED})");
    };
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/data/popular");
    let made = TempDir::new().expect("a folder");
    let mut script = Command::new("python3");
    script
        .arg(lists.join("make.py"))
        .arg(tables)
        .arg(made.path());
    let status = script.status().expect("python3 runs");
    assert!(status.success());
    for list in ["npm.txt", "pypi.txt", "cargo.txt"] {
        let committed = fs::read(lists.join(list)).expect("the list is there");
        let made = fs::read(made.path().join(list)).expect("the list was made");
        assert!(made == committed, "{list}: make it again with make.py");
    }
}
