//! Keys that messages, comments and pages name are keys the reader knows.

use std::fs;
use std::path::{Path, PathBuf};

use super::example::known_keys;

/// The files below a folder that people read or that hold what they are told.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        let is_text = path
            .extension()
            .is_some_and(|it| it == "rs" || it == "md" || it == "toml");
        if path.is_dir() {
            files(&path, into);
        } else if is_text {
            into.push(path);
        }
    }
}

/// What follows a marker, as far as it is a key.
fn named<'a>(line: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
    line.split(marker).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
        let key = &rest[..end.unwrap_or(rest.len())];
        (!key.is_empty()).then_some(key)
    })
}

#[test]
fn every_limit_that_is_named_is_a_key_of_the_configuration() {
    let known = known_keys("[limits]");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = vec![root.join("README.md"), root.join("config.example.toml")];
    for part in ["proxy/src", "storage/src", "policy/src"] {
        files(&root.join(part), &mut all);
    }
    let mut found = 0;
    for path in all {
        let text = fs::read_to_string(&path).expect("a file of the source");
        let is_code = path.extension().is_some_and(|it| it == "rs");
        for (number, line) in text.lines().enumerate() {
            // In code, only what stands in a comment or a text is told to anybody.
            let told = match line.find(['/', '"']) {
                Some(start) if is_code => &line[start..],
                None if is_code => "",
                _ => line,
            };
            let fields = named(told, "limit: \"").chain(named(told, "Overloaded(\""));
            for key in named(told, "limits.").chain(fields) {
                found += 1;
                assert!(
                    known.iter().any(|it| it == key),
                    "{}:{}: `{key}` is no key of [limits]",
                    path.display(),
                    number + 1
                );
            }
        }
    }
    assert!(found > 10, "only {found} found");
}
