//! Techniques of attackers beyond the incidents that are replayed, each inert: what a package newly
//! does, in how it is usually written. Every file `techniques/*.txt` holds cases like
//!
//! ```text
//! ### <ecosystem> <name> [new] => <code> <file:line>
//! --- <path>
//! <text>
//! ```
//!
//! `new` judges the files as the first version of a package; otherwise they change a version before
//! that did nothing. A path with `.before` at its end is a file that version had.

use super::*;

struct Case<'t> {
    ecosystem: &'t str,
    name: &'t str,
    is_new: bool,
    /// The code and the place.
    expected: Option<(&'t str, &'t str)>,
    files: Vec<(&'t str, &'t str)>,
}

fn case(text: &str) -> Case<'_> {
    let (head, rest) = text.split_once('\n').expect("a head and files");
    let (what, expected) = match head.split_once(" => ") {
        Some((what, expected)) => (what, expected.split_once(' ')),
        None => (head, None),
    };
    let mut words = what.split_whitespace();
    let ecosystem = words.next().expect("an ecosystem");
    let name = words.next().expect("a name");
    let files = rest.strip_prefix("--- ").unwrap_or(rest).split("\n--- ");
    let files = files.filter_map(|it| it.split_once('\n')).collect();
    Case {
        ecosystem,
        name,
        is_new: words.next() == Some("new"),
        expected,
        files,
    }
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let text = text.trim_start_matches("### ");
    text.split("\n### ").map(case).collect()
}

/// What is in every package.
fn honest(ecosystem: &str) -> Vec<(&'static str, &'static str)> {
    match ecosystem {
        "npm" => vec![
            ("package.json", "{\"name\":\"x\",\"main\":\"index.js\"}\n"),
            ("index.js", "module.exports = (a, b) => a + b;\n"),
        ],
        "pypi" => vec![("pkg/__init__.py", "VERSION = '1.0'\n")],
        _ => vec![
            (
                "Cargo.toml",
                "[package]\nname = \"x\"\nversion = \"1.1.0\"\n",
            ),
            ("src/lib.rs", "pub fn add(a: u8, b: u8) -> u8 { a + b }\n"),
        ],
    }
}

impl<'t> Case<'t> {
    fn judge(&self, is_new: bool) -> Evaluation {
        let mut before = honest(self.ecosystem);
        let mut after: Vec<(&str, &str)> = before.clone();
        for (path, text) in &self.files {
            match path.strip_suffix(".before") {
                Some(path) => before.push((path, text)),
                None => {
                    after.retain(|(it, _)| it != path);
                    after.push((path, text));
                }
            }
        }
        match is_new {
            true => judge_new(self.ecosystem, &after),
            false => judge_change(self.ecosystem, &before, &after),
        }
    }
}

const TECHNIQUES: [&str; 3] = [
    include_str!("techniques/npm.txt"),
    include_str!("techniques/pypi.txt"),
    include_str!("techniques/cargo.txt"),
];

#[test]
fn techniques_of_attackers_are_held_with_file_and_line() {
    let cases: Vec<Case<'_>> = TECHNIQUES.iter().flat_map(|it| cases(it)).collect();
    assert!(cases.len() >= 250, "{} cases", cases.len());
    for case in cases {
        let (code, place) = case.expected.expect("a code and a place");
        let id = format!("{} {}", case.ecosystem, case.name);
        is_held(&id, &case.judge(case.is_new), code, place);
    }
}

#[test]
fn honest_code_like_it_is_allowed_new_or_changed() {
    for case in cases(include_str!("techniques/honest.txt")) {
        let id = format!("{} {}", case.ecosystem, case.name);
        is_allowed(&id, &case.judge(false));
        // The first version with a build file is another matter.
        if !case.files.iter().any(|(path, _)| path.ends_with(".before")) {
            is_allowed(&id, &case.judge(true));
        }
    }
}
