use std::io::Cursor;

use super::*;
use crate::config::diagnostic::Diagnostic;
use crate::ecosystem::{NPM, scheme_for};
use crate::inspect::archive::{Looked, Member, Sink as _};
use crate::model::{ArtifactId, ArtifactKind, FileName, PackageVersion};

const RULES: &str = r#"
rule loader {
    meta:
        description = "a loader of ours"
    strings:
        $a = "needle" nocase
        $b = { 6e 65 65 ?? 6c 65 }
    condition:
        all of them
}
rule seen {
    meta:
        grade = "watch"
    condition:
        filesize > 1 and math.entropy(0, filesize) >= 0.0
}
"#;

fn set(text: &str) -> Result<IndicatorSet, Vec<Diagnostic>> {
    IndicatorSet::build(IndicatorSource {
        yara: vec![IndicatorFile {
            name: "rules/ours.yar".to_owned(),
            text: text.to_owned(),
        }],
        ..IndicatorSource::none()
    })
}

fn artifact() -> ArtifactId {
    let scheme = scheme_for(&NPM).expect("an ecosystem");
    ArtifactId {
        subject: PackageVersion {
            name: scheme.package("left-pad").expect("a name"),
            version: scheme.version("1.0.0").expect("a version"),
        },
        file: FileName::new("left-pad-1.0.0.tgz").expect("a file name"),
        kind: ArtifactKind::Archive,
    }
}

fn search(set: &IndicatorSet, bytes: &[u8]) -> IndicatorFacts {
    let mut searcher = Searcher::new(&artifact(), set);
    let member = Member {
        path: "package/lib/a.js",
        size_bytes: bytes.len() as u64,
        mode: 0o644,
    };
    assert_eq!(searcher.wants(&member), bytes.len() as u64);
    searcher.file(Looked {
        member: &member,
        sha256: [0; 32],
        bytes,
    });
    searcher.finish(None)
}

#[test]
fn rules_are_run_and_told_with_line_description_and_grade() {
    let set = set(&format!("import \"math\"\n{RULES}")).unwrap();
    assert!(set.summary().starts_with("yara ") && set.summary().ends_with("(2)"));
    let facts = search(&set, b"one\n  NEEDLE\nneedle here\n");
    let told: Vec<_> = facts
        .hits
        .iter()
        .map(|it| (it.name(), it.grade, it.line, it.title.as_str()))
        .collect();
    let loader = (
        "yara/loader".to_owned(),
        Grade::Malicious,
        2,
        "a loader of ours",
    );
    let seen = ("yara/seen".to_owned(), Grade::Watch, 0, "a YARA rule");
    assert_eq!(told, [loader, seen]);
    assert_eq!(facts.failed, None);
    assert_eq!(facts.hits[0].file, "lib/a.js");
    let other = search(&set, b"nothing");
    assert!(other.hits.iter().all(|it| it.rule == "seen"));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, line) in [
        ("rule a {\n  condition:\n    nothing_of_that_name\n}\n", 3),
        ("import \"pe\"\nrule a { condition: pe.is_pe }\n", 1),
        (
            "rule a {\n  strings:\n    $a = /(/\n  condition: $a\n}\n",
            3,
        ),
        ("include \"/etc/hostname\"\n", 1),
    ] {
        let problems = set(text).expect_err(text);
        let first = &problems[0];
        let place = (first.code, first.span.file.as_str(), first.span.line);
        assert_eq!(
            place,
            ("indicator-yara", "rules/ours.yar", line),
            "{problems:?}"
        );
    }
}

#[test]
fn an_archive_without_rules_met_is_still_read() {
    let set = set("rule a { strings: $a = \"needle\" condition: $a }").unwrap();
    let limits = crate::inspect::Limits::default();
    let mut input = Cursor::new(b"no archive".to_vec());
    let depth = crate::inspect::Depth::Structure;
    let known = &mut crate::inspect::content::KnownFiles::default();
    let sheet =
        crate::inspect::inspect_for(&artifact(), depth, &mut input, &limits, Some(&set), known);
    let found = sheet.unwrap().indicators.unwrap();
    assert_eq!(found.set, *set.id());
    assert!(found.hits.is_empty());
}
