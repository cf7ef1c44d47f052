//! What versions change, as index lines tell it.

use cordon_policy::facts::{Change, DependencyKind, ExoticSource, Fact};
use cordon_policy::model::Scheme as _;
use serde_json::{Value, json};

use super::index::IndexFile;
use super::template::DownloadTemplate;
use crate::registry::Document as _;
use crate::registry::conformance::Fixture;

/// An index file of versions with their times, each a line without name, version and digest.
fn index(lines: &[(&str, &str, Value)]) -> IndexFile {
    let lines: Vec<String> = lines
        .iter()
        .map(|(version, time, line)| {
            let mut line = line.clone();
            line["name"] = "lure".into();
            line["vers"] = (*version).into();
            line["pubtime"] = (*time).into();
            line["cksum"] = "a".repeat(64).into();
            format!("{line}\n")
        })
        .collect();
    read(&lines.concat())
}

fn read(text: &str) -> IndexFile {
    let document = Fixture::upstream("https://index.example/lure", "text/plain", text.as_bytes());
    let name = cordon_policy::ecosystem::Cargo.package("lure").unwrap();
    let template = DownloadTemplate::read(&Fixture::upstream(
        "https://index.example/config.json",
        "application/json",
        br#"{"dl":"https://static.example/crates"}"#,
    ))
    .unwrap();
    IndexFile::read(&name, &document, template).unwrap()
}

fn change(file: &IndexFile, index: usize) -> &Change {
    match &file.candidates()[index].change {
        Fact::Known(change) => change,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_build_dependency_and_a_renamed_one_show_and_those_for_development_do_not() {
    let file = index(&[
        (
            "0.3.9",
            "2024-01-01T00:00:00Z",
            json!({"deps": [{"name": "old", "kind": "normal"}]}),
        ),
        (
            "0.3.10",
            "2026-08-20T07:15:00Z",
            json!({"deps": [
                {"name": "old", "kind": "normal"},
                {"name": "proc-lure1", "kind": "build"},
                {"name": "alias", "package": "Real_Name", "kind": "normal", "optional": true},
                {"name": "tests-only", "kind": "dev"},
                {"name": "private", "registry": "https://index.example/other", "kind": "normal"},
                {"kind": "normal"}, 7,
            ], "links": "z"}),
        ),
        ("0.3.11", "2026-08-20T07:16:00Z", json!({"links": "z"})),
    ]);
    let second = change(&file, 1);
    assert_eq!(second.since.as_str(), "0.3.9");
    let added: Vec<_> = second
        .added_dependencies
        .iter()
        .map(|added| (added.package.normalized(), added.kind))
        .collect();
    assert_eq!(
        added,
        [
            ("proc-lure1", DependencyKind::Build),
            ("real-name", DependencyKind::Optional),
        ]
    );
    let exotic: Vec<_> = second
        .added_exotic
        .iter()
        .map(|exotic| (exotic.name.as_str(), exotic.source, exotic.written.as_str()))
        .collect();
    let written = "https://index.example/other";
    assert_eq!(exotic, [("private", ExoticSource::Registry, written)]);
    assert_eq!(second.added_hooks, ["links"]);
    assert_eq!(change(&file, 2).since.as_str(), "0.3.9");
}

#[test]
fn a_dependency_two_readers_could_take_differently_makes_its_line_no_candidate() {
    let line = |dependency: &str| {
        format!(
            "{{\"name\":\"lure\",\"vers\":\"1.0.0\",\"cksum\":\"{}\",\"deps\":[{dependency}]}}\n",
            "a".repeat(64)
        )
    };
    let count = |text: &str| read(&line(text)).candidates().len();
    assert_eq!(count(r#"{"name":"a","package":"b"}"#), 1);
    assert_eq!(count(r#"{"name":"a","package":"b","package":"c"}"#), 0);
    assert_eq!(count(r#"{"name":"a","kind":"dev","kind":"normal"}"#), 0);
}
