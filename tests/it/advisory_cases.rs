//! `cordon advisories match`: the ids of the records that name a version, and nothing else.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cordon_tests::cordon::binary;
use tempfile::TempDir;

/// Where the data of real advisories is, beside the repository or where this variable says.
const SHARED: &str = "CORDON_SHARED";

fn shared(path: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let folder = std::env::var_os(SHARED).unwrap_or_else(|| beside.into());
    let found = Path::new(&folder).join("data").join(path);
    found.exists().then_some(found)
}

/// Answers of the batch, given dumps, for these lines.
fn batch(sources: &[String], lines: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(["advisories", "match", "--batch"]);
    for source in sources {
        command.args(["--from", source]);
    }
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let lines = lines.to_owned();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writing
        .join()
        .expect("no panic")
        .expect("everything is read");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every development case: the lines with tabs, the expected ids fourth, sorted and joined.
#[test]
fn the_development_cases_are_all_answered_exactly() {
    let Some(cases) = shared("advisories/dev-cases.tsv") else {
        return println!("skipped: there are no development cases (set {SHARED})");
    };
    let dump = |ecosystem: &str| {
        let dump = shared(&format!("osv/{ecosystem}/all.zip"));
        let dump = dump.expect("the dumps lie beside the cases");
        format!("{ecosystem}={}", dump.display())
    };
    let cases = fs::read_to_string(cases).expect("the cases can be read");
    let cases: Vec<Vec<&str>> = cases
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    let lines = cases.iter().fold(String::new(), |mut lines, case| {
        writeln!(lines, "{}", case[..3].join("\t")).expect("writing to a string");
        lines
    });
    let output = batch(&["npm", "PyPI", "crates.io"].map(dump), &lines);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answers = text(&output.stdout);
    assert_eq!(answers.lines().count(), cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .zip(answers.lines())
        .filter(|(case, answer)| case[3] != *answer)
        .map(|(case, answer)| format!("{case:?}: {answer}"))
        .collect();
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    println!("{} of {} cases right", cases.len(), cases.len());
}

#[test]
fn a_batch_answers_line_by_line_and_says_which_lines_it_cannot_use() {
    let folder = TempDir::new().expect("a folder");
    let record = |id: &str, ecosystem: &str, name: &str| {
        let json = format!(
            r#"{{"id":"{id}","aliases":["X-1"],"affected":[{{"package":{{"ecosystem":"{ecosystem}",
            "name":"{name}"}},"versions":["1.0.0"]}}]}}"#
        );
        fs::write(folder.path().join(format!("{id}.json")), json).expect("it is writable");
    };
    record("B-1", "npm", "left-pad");
    record("A-1", "npm", "left-pad");
    record("C-1", "crates.io", "foo_bar");
    record("D-1", "PyPI", "Foo_Bar");
    let from = |ecosystem: &str| format!("{ecosystem}={}", folder.path().display());
    let sources = ["npm", "cargo", "pypi"].map(from);
    let lines = "ecosystem\tpackage\tversion\n\
        npm\tleft-pad\t1.0.0\n\
        npm\tLeft-Pad\t1.0.0\n\
        npm\tleft-pad\t1.0.1\texpected\tignored\n\
        PyPI\tfoo.bar\tv1\r\n\
        cargo\tfoo_bar\t1.0.0\n\
        crates.io\tfoo-bar\t1.0.0\n\
        npm\tleft-pad\n\
        gem\tleft-pad\t1.0.0\n\
        npm\tno such name\t1.0.0\n\
        npm\tleft-pad\t1.0.0";
    let output = batch(&sources, lines);
    let expected = "\nA-1,B-1\n\n\nD-1\nC-1\n\n\n\n\nA-1,B-1\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(1), "two lines were unusable");
    let complaints = text(&output.stderr);
    assert!(complaints.contains("line 8: "), "{complaints}");
    assert!(complaints.contains("line 9: `gem`"), "{complaints}");
}
