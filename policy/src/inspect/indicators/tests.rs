use proptest::prelude::*;

use super::automaton::PLACES;
use super::set::IndicatorSet;
use super::*;
use crate::config::diagnostic::Diagnostic;
use crate::ecosystem::{NPM, PYPI};

fn file(name: &str, text: &str) -> IndicatorFile {
    IndicatorFile {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

fn pack(rules: &str) -> String {
    format!("[pack]\nid = 'house'\nversion = '7'\n{rules}")
}

fn build(rules: &str) -> Result<IndicatorSet, Vec<Diagnostic>> {
    IndicatorSet::build(IndicatorSource {
        packs: vec![file("house.toml", &pack(rules))],
        ..IndicatorSource::none()
    })
}

fn search(set: &IndicatorSet, path: &str, bytes: &[u8]) -> IndicatorFacts {
    let mut facts = IndicatorFacts::of(set.id());
    let file = SearchedFile {
        ecosystem: &NPM,
        path,
        sha256: [7; 32],
        bytes,
    };
    set.search(&file, &mut facts);
    facts
}

fn rule(more: &str) -> String {
    format!("[[rule]]\nid = 'r'\ntitle = 't'\ngrade = 'malicious'\n{more}\n")
}

#[test]
fn a_hit_tells_pack_version_rule_file_line_and_what_stands_there() {
    let set = build(&rule("literals = ['needle']")).unwrap();
    let facts = search(
        &set,
        "lib/a.js",
        b"one\ntwo\n  a \x1b needle here\nneedle\n",
    );
    let [hit] = facts.hits.as_slice() else {
        panic!("{facts:?}");
    };
    assert_eq!(hit.name(), "house/r");
    assert_eq!((hit.version.as_str(), hit.file.as_str()), ("7", "lib/a.js"));
    assert_eq!(hit.line, 3);
    assert_eq!(hit.excerpt, "a \\u{1b} needle here");
    assert_eq!(facts.set, *set.id());
}

#[test]
fn conditions_count_different_texts_and_every_part_must_be_met() {
    let found = |rules: &str, text: &str| {
        let set = build(&rule(rules)).unwrap();
        !search(&set, "a", text.as_bytes()).hits.is_empty()
    };
    let two = "match = '2 of'\nliterals = ['alpha', 'beta', 'gamma']";
    assert!(found(two, "gamma alpha"));
    assert!(!found(two, "alpha alpha alpha"));
    let all = "match = 'all'\nliterals = ['alpha']\npatterns = ['b[0-9]+a']";
    assert!(found(all, "b42a alpha"));
    assert!(!found(all, "ba alpha"));
    let parts = "literals = ['alpha', 'beta']\n[[rule.part]]\npatterns = ['g+amma']";
    assert!(found(parts, "beta ggamma"));
    assert!(!found(parts, "beta"));
    assert!(!found(parts, "gamma"));
}

#[test]
fn case_counts_unless_it_is_to_be_ignored() {
    let exact = build(&rule("literals = ['Needle']\npatterns = ['x=Y']")).unwrap();
    assert!(search(&exact, "a", b"needle X=y").hits.is_empty());
    assert!(!search(&exact, "a", b"x=Y").hits.is_empty());
    let either = build(&rule(
        "ignore_case = true\nliterals = ['Needle']\npatterns = ['x=Y']",
    ));
    let either = either.unwrap();
    assert!(!search(&either, "a", b"nEEDLE").hits.is_empty());
    assert!(!search(&either, "a", b"X=y").hits.is_empty());
}

#[test]
fn a_rule_looks_at_its_files_and_ecosystems_alone() {
    let rules = rule("ecosystems = ['npm']\nfiles = ['*.js', 'bin/**']\nliterals = ['needle']");
    let set = build(&rules).unwrap();
    for (path, is_found) in [
        ("a.js", true),
        ("deep/down/A.JS", true),
        ("bin/tool", true),
        ("a.py", false),
        ("other/bin/tool", false),
    ] {
        assert_eq!(
            !search(&set, path, b"needle").hits.is_empty(),
            is_found,
            "{path}"
        );
    }
    let mut facts = IndicatorFacts::of(set.id());
    let file = SearchedFile {
        ecosystem: &PYPI,
        path: "a.js",
        sha256: [0; 32],
        bytes: b"needle",
    };
    set.search(&file, &mut facts);
    assert!(facts.hits.is_empty());
}

#[test]
fn parts_must_be_near_each_other_and_a_hundred_decoys_do_not_hide_them() {
    let rules = rule("within = '1 KiB'\nliterals = ['alpha']\n[[rule.part]]\nliterals = ['omega']");
    let set = build(&rules).unwrap();
    let at = |gap: usize| format!("alpha{}omega", " ".repeat(gap));
    assert!(!search(&set, "a", at(900).as_bytes()).hits.is_empty());
    assert!(search(&set, "a", at(2_000).as_bytes()).hits.is_empty());
    // The last of several is near.
    let later = format!("alpha{}{}", " ".repeat(5_000), at(3));
    let facts = search(&set, "a", later.as_bytes());
    assert_eq!(facts.hits.len(), 1);
    let decoys = "alpha ".repeat(PLACES + 1);
    let buried = format!("{decoys}{}{}", " ".repeat(5_000), at(3));
    assert!(!search(&set, "a", buried.as_bytes()).hits.is_empty());
}

#[test]
fn listed_digests_hosts_and_texts_are_found() {
    let digest = data_encoding::HEXLOWER.encode(&[7; 32]);
    let source = IndicatorSource {
        hashes: vec![file("bad.sha256", &format!("# ours\n{digest}  evil.bin\n"))],
        domains: vec![file("lists/hosts.txt", "*.Evil.example\n")],
        strings: vec![file("texts.txt", "  campaign x 17 \n")],
        ..IndicatorSource::none()
    };
    let set = IndicatorSet::build(source).unwrap();
    let rules = |bytes: &[u8]| -> Vec<String> {
        let facts = search(&set, "a", bytes);
        facts.hits.iter().map(IndicatorHit::name).collect()
    };
    assert_eq!(rules(b""), ["hashes/bad.sha256"]);
    let hosts = ["hashes/bad.sha256", "domains/hosts.txt"];
    for text in [
        "https://a.EVIL.example/x",
        "'evil.example'",
        "evil.example.",
        "evil.example:80",
    ] {
        assert_eq!(rules(text.as_bytes()), hosts, "{text}");
    }
    for text in [
        "devil.example",
        "evil.example.org",
        "my-evil.example",
        "evil.examples",
    ] {
        assert_eq!(rules(text.as_bytes()), ["hashes/bad.sha256"], "{text}");
    }
    assert_eq!(rules(b"a campaign x 17").len(), 2);
    let mut facts = IndicatorFacts::of(set.id());
    set.search_archive(&[7; 32], &mut facts);
    let content = crate::inspect::content::ContentFacts {
        hosts: vec!["c2.evil.example".into(), "good.example".into()],
        ..Default::default()
    };
    set.search_hosts(&content, &mut facts);
    let names: Vec<_> = facts.hits.iter().map(IndicatorHit::name).collect();
    assert_eq!(names, hosts);
}

#[test]
fn the_test_marker_is_in_every_set_and_an_empty_set_finds_nothing_else() {
    let set = IndicatorSet::build(IndicatorSource::none()).unwrap();
    let facts = search(&set, "NOTES", TEST_MARKER.as_bytes());
    assert_eq!(facts.hits[0].name(), "cordon/test-marker");
    assert!(search(&set, "x", b"anything").hits.is_empty());
    assert_eq!(set.summary(), "none");
    assert!(
        IndicatorSet::built_in()
            .summary()
            .starts_with("starter 2 (")
    );
}

#[test]
fn hits_are_bounded_and_the_surest_stay() {
    let mut rules = String::new();
    for n in 0..40 {
        rules.push_str(&format!(
            "[[rule]]\nid = 'w{n}'\ntitle = 't'\ngrade = 'watch'\nliterals = ['needle']\n"
        ));
    }
    rules.push_str(&rule("literals = ['needle']"));
    let set = build(&rules).unwrap();
    let mut facts = IndicatorFacts::of(set.id());
    for _ in 0..10 {
        let more = search(&set, "a", b"needle");
        more.hits.into_iter().for_each(|hit| facts.push(hit));
    }
    assert_eq!(facts.hits.len(), IndicatorFacts::HITS);
    assert_eq!(facts.hit_count, 410);
    let sure = facts
        .hits
        .iter()
        .take(4)
        .all(|it| it.grade == Grade::Malicious);
    assert!(sure, "{:?}", facts.hits);
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_no_half_set_is_made() {
    for (rules, code, line) in [
        ("", "indicator-empty", 1),
        (
            "[[rule]]\nid = 'R!'\ntitle = 't'\ngrade = 'watch'\nliterals = ['abcd']\n",
            "indicator-id",
            5,
        ),
        (
            "[[rule]]\nid = 'r'\ntitle = 't'\ngrade = 'bad'\nliterals = ['abcd']\n",
            "unknown-value",
            7,
        ),
        (&rule("literals = ['ab']"), "indicator-text", 8),
        (&rule("patterns = ['(']"), "indicator-pattern", 8),
        (&rule("patterns = ['a*']"), "indicator-pattern", 8),
        (
            &rule("patterns = ['(?:a{1000}){1000}']"),
            "indicator-pattern",
            8,
        ),
        (&rule(r"patterns = ['(a)\1']"), "indicator-pattern", 8),
        (
            &rule("files = ['a[']\nliterals = ['abcd']"),
            "indicator-files",
            8,
        ),
        (
            &rule("match = '3 of'\nliterals = ['abcd', 'efgh']"),
            "indicator-match",
            8,
        ),
        (&rule("literal = ['abcd']"), "unknown-key", 8),
        (&rule(""), "indicator-empty", 4),
        (
            &rule("literals = ['abcd']").repeat(2),
            "indicator-duplicate",
            9,
        ),
    ] {
        let problems = build(rules).expect_err(rules);
        let found = problems.iter().find(|it| it.code == code);
        let found = found.unwrap_or_else(|| panic!("{rules}: {problems:?}"));
        assert_eq!(
            (found.span.file.as_str(), found.span.line),
            ("house.toml", line),
            "{rules}"
        );
    }
    let lists = IndicatorSource {
        hashes: vec![file("h", "\n# c\nabc\n")],
        domains: vec![file("d", "http://evil.example/\n")],
        strings: vec![file("s", "fine\nx\n")],
        ..IndicatorSource::none()
    };
    let problems = IndicatorSet::build(lists).unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .map(|it| (it.code, it.span.file.as_str(), it.span.line))
        .collect();
    let expected = [
        ("indicator-hash", "h", 3),
        ("indicator-domain", "d", 1),
        ("indicator-text", "s", 2),
    ];
    assert_eq!(places, expected);
}

#[test]
fn another_text_is_another_set() {
    let id = |text: &str| {
        let source = IndicatorSource {
            strings: vec![file("s", text)],
            ..IndicatorSource::default()
        };
        source.id()
    };
    assert_eq!(id("same"), id("same"));
    assert_ne!(id("same"), id("other"));
    assert_ne!(
        IndicatorSource::default().id(),
        IndicatorSource::none().id()
    );
}

#[cfg(not(feature = "yara"))]
#[test]
fn yara_rules_without_yara_are_refused_with_the_remedy() {
    let source = IndicatorSource {
        yara: vec![file("a.yar", "rule a { condition: true }")],
        ..IndicatorSource::none()
    };
    let problems = IndicatorSet::build(source).unwrap_err();
    assert!(problems[0].help.contains("--features yara"), "{problems:?}");
}

proptest! {
    #[test]
    fn a_planted_text_is_found_at_any_offset_and_its_line_is_right(
        before in proptest::collection::vec(any::<u8>(), 0..5_000),
        after in proptest::collection::vec(any::<u8>(), 0..300),
        ignores_case in any::<bool>(),
    ) {
        let set = build(&rule(&format!("ignore_case = {ignores_case}\nliterals = ['plantedNeedle']")));
        let set = set.unwrap();
        let needle: &[u8] = if ignores_case { b"PLANTEDneedle" } else { b"plantedNeedle" };
        let bytes = [before.as_slice(), needle, after.as_slice()].concat();
        let facts = search(&set, "a", &bytes);
        prop_assert_eq!(facts.hits.len(), 1);
        let lines = before.iter().filter(|it| **it == b'\n').count() as u32 + 1;
        prop_assert_eq!(facts.hits[0].line, lines);
        prop_assert!(facts.hits[0].excerpt.to_ascii_lowercase().contains("plantedneedle"));
    }

    #[test]
    fn no_bytes_break_the_search(bytes in proptest::collection::vec(any::<u8>(), 0..3_000)) {
        let set = IndicatorSet::built_in();
        let facts = search(&set, "a.js", &bytes);
        prop_assert!(facts.hits.len() <= IndicatorFacts::HITS);
    }

    #[test]
    fn no_text_breaks_the_reading_of_a_pack(text in "\\PC{0,200}") {
        let _ = build(&text);
        let _ = build(&rule(&text));
    }
}
