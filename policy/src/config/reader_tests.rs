use std::time::Duration;

use super::super::diagnostic::{Colours, Diagnostic, render};
use super::super::{PolicySource, source::SourceFile};
use super::*;

const MAX: usize = 1 << 20;

fn problems(text: &str, read: impl FnOnce(&mut TableReader<'_, '_>)) -> Vec<Diagnostic> {
    let file = SourceFile::new("test.toml", text);
    if let Some(mut root) = file.root(MAX) {
        read(&mut root);
        root.finish();
    }
    file.into_diagnostics()
}

fn codes(text: &str, read: impl FnOnce(&mut TableReader<'_, '_>)) -> Vec<&'static str> {
    problems(text, read).iter().map(|p| p.code).collect()
}

#[test]
fn c_01_an_unknown_key_is_an_error_with_the_nearest_name() {
    let found = problems("blok = true\nzzz = 1", |root| {
        root.boolean("block");
    });
    assert_eq!(
        found[0].to_string(),
        "test.toml:1:1: error[unknown-key]: unknown key `blok`; did you mean `block`?"
    );
    assert_eq!(found[1].help, "allowed here: `block`");
}

#[test]
fn c_02_an_unknown_word_is_an_error_with_the_list() {
    let found = problems("mode = 'enfroce'", |root| {
        assert!(
            root.choice("mode", &[("enforce", 1), ("monitor", 2)])
                .is_none()
        );
    });
    assert_eq!(found[0].code, "unknown-value");
    assert!(found[0].message.contains("`enforce`, `monitor`"));
    assert_eq!(found[0].help, "did you mean `enforce`?");
}

#[test]
fn c_03_duplicate_keys_and_tables_name_both_places() {
    let found = problems("a = 1\nb = 2\na = 3", |_| {});
    assert_eq!(found[0].code, "duplicate-key");
    assert_eq!((found[0].span.line, found[0].span.column), (3, 1));
    assert!(found[0].message.contains("test.toml:1:1"));
    assert_eq!(codes("[a]\nb = 1\n[a]\nc = 1", |_| {}), ["duplicate-key"]);
}

#[test]
fn c_04_an_oversize_file_is_refused_naming_the_limit() {
    let text = format!("# {}", "x".repeat(MAX));
    let found = problems(&text, |_| {});
    assert_eq!(found[0].code, "file-too-large");
    assert!(found[0].message.contains(&MAX.to_string()));
}

#[test]
fn c_04_deep_nesting_is_refused() {
    let text = format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(codes(&text, |_| {}), ["syntax"]);
}

#[test]
fn c_05_an_empty_or_comment_only_file_is_an_error() {
    assert_eq!(codes("", |_| {}), ["empty-file"]);
    assert_eq!(codes("# later\n\n", |_| {}), ["empty-file"]);
}

#[test]
fn c_12_bad_durations_are_refused_with_the_remedy() {
    for text in ["'7'", "'-1d'", "'1e9d'", "7", "'99999d'"] {
        let found = problems(&format!("age = {text}"), |root| {
            let longest = Duration::from_secs(3_650 * 86_400);
            assert!(root.duration("age", Duration::ZERO..=longest).is_none());
        });
        assert_eq!(found.len(), 1, "{text}");
    }
}

#[test]
fn c_21_byte_order_mark_crlf_and_tabs_keep_places_right() {
    let text = "\u{feff}good = 1\r\n\tbäd = 2\r\n";
    let found = problems(text, |root| {
        root.integer("good", 0..=9);
    });
    // Bare keys are ASCII in TOML: the file is refused at the letter, not misread.
    assert_eq!(found[0].code, "syntax");
    assert_eq!((found[0].span.line, found[0].span.column), (2, 3));
    let found = problems("\u{feff}good = 1\r\n\tbad = 2\r\n", |root| {
        root.integer("good", 0..=9);
    });
    assert_eq!((found[0].span.line, found[0].span.column), (2, 2));
}

#[test]
fn all_problems_are_reported_at_once_in_file_order() {
    let text = "b = 'x'\na = 1\n[t]\nc = ''\nd = 1.5\n";
    let found = codes(text, |root| {
        let mut table = root.table("t").unwrap();
        table.string("c");
        table.integer("d", 0..=1);
        table.require("e", "write e");
        table.finish();
        root.integer("b", 0..=1);
        root.integer("a", 5..=6);
    });
    assert_eq!(
        found,
        [
            "wrong-type",
            "out-of-range",
            "missing-key",
            "empty-value",
            "wrong-type"
        ]
    );
}

#[test]
fn lists_tables_and_named_tables_are_read_with_their_places() {
    let text = "list = ['a', 2]\n[[t]]\nx = 1\n[[t]]\nx = 2\n[n.b]\n[n.a]\n";
    let file = SourceFile::new("test.toml", text);
    let mut root = file.root(MAX).unwrap();
    assert_eq!(root.strings("list").unwrap().len(), 1);
    let mut lines = Vec::new();
    for mut table in root.tables("t") {
        lines.push(file.span(&table.integer("x", 1..=2).unwrap().bytes).line);
        table.finish();
    }
    assert_eq!(lines, [3, 5]);
    let mut named = root.table("n").unwrap();
    let names: Vec<_> = named
        .named_tables()
        .into_iter()
        .map(|(name, table)| {
            assert_eq!(table.path(), format!("n.{}", name.value));
            table.finish();
            name.value
        })
        .collect();
    assert_eq!(names, ["b", "a"]);
    named.finish();
    root.finish();
    assert_eq!(file.into_diagnostics().len(), 1);
}

#[test]
fn problems_are_bounded_and_the_rest_counted() {
    let text: String = (0..1_000).map(|n| format!("k{n} = 1\n")).collect();
    let found = problems(&text, |_| {});
    assert_eq!(found.len(), super::super::limits::MAX_DIAGNOSTICS + 1);
    assert!(found.last().unwrap().message.starts_with("800 more"));
}

#[test]
fn rendering_shows_file_line_mark_and_remedy() {
    let source = PolicySource {
        name: "team.toml".to_owned(),
        text: "\u{feff}# rules\r\nmode = \"enfroce\"\r\n".to_owned(),
    };
    let file = SourceFile::new(&source.name, &source.text);
    let mut root = file.root(MAX).unwrap();
    root.choice("mode", &[("enforce", ()), ("monitor", ())]);
    root.finish();
    let found = file.into_diagnostics();
    insta::assert_snapshot!(render(
        &found,
        std::slice::from_ref(&source),
        Colours::Without
    ));
    assert!(render(&found, &[source], Colours::Ansi).contains("\u{1b}["));
    assert!(render(&found, &[], Colours::Without).starts_with("team.toml:2:9: error"));
}

#[test]
fn rendering_never_passes_on_terminal_commands() {
    let source = PolicySource {
        name: "x".to_owned(),
        text: "a = '\u{1b}]0;owned\u{7}\u{202e}'\n".to_owned(),
    };
    let file = SourceFile::new(&source.name, &source.text);
    if let Some(root) = file.root(MAX) {
        root.finish();
    }
    let text = render(&file.into_diagnostics(), &[source], Colours::Without);
    assert!(text.contains("owned"));
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
}
