use super::diagnostic::{Colours, render};
use super::*;
use crate::matching::PackageScope;
use crate::model::Timestamp;
use crate::rules::{ConfiguredRule, Variant};
use crate::verdict::RulesetHash;
use std::sync::Arc;

fn source(name: &str, text: &str) -> PolicySource {
    PolicySource {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

fn errors(text: &str) -> Vec<&'static str> {
    match load(&[source("policy.toml", text)]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .filter(|problem| problem.is_error())
            .map(|problem| problem.code)
            .collect(),
    }
}

fn warnings(text: &str) -> Vec<String> {
    let loaded = load(&[source("policy.toml", text)]).unwrap();
    loaded.warnings.iter().map(ToString::to_string).collect()
}

fn drawn(files: &[PolicySource]) -> String {
    let problems = match load(files) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    render(&problems, files, Colours::Without)
}

#[test]
fn the_built_in_policy_loads_without_a_word() {
    let loaded = load(&[]).unwrap();
    assert!(loaded.warnings.is_empty());
    insta::assert_snapshot!(loaded.ruleset.describe());
}

#[test]
fn settings_left_out_are_those_of_the_built_in_policy() {
    // Milder in the built-in policy than where somebody asks for them, as their pages tell.
    const MILDER: [&str; 4] = ["advisory", "malware", "new-dependency", "publisher-change"];
    let built_in = load(&[]).unwrap().ruleset;
    let blank = |rule: &ConfiguredRule| format!("[rules.{}]\n", rule.id);
    let text: String = built_in.rules().iter().map(blank).collect();
    let bare = load(&[source("x", &text)]).unwrap().ruleset;
    for (bare, built_in) in bare.rules().iter().zip(built_in.rules()) {
        let is_same = described(bare) == described(built_in);
        assert_eq!(is_same, !MILDER.contains(&bare.id.as_str()), "{}", bare.id);
    }
}

fn described(rule: &ConfiguredRule) -> String {
    let variants = rule.variants.iter().map(|variant| Variant {
        scope: PackageScope::ALL,
        settings: variant.settings.clone(),
        rule: Arc::clone(&variant.rule),
    });
    let rule = ConfiguredRule {
        id: rule.id.clone(),
        variants: variants.collect(),
    };
    Ruleset::new(RulesetHash("none".into()), vec![rule], Vec::new()).describe()
}

const EVERY_KEY: &str = r#"
[rules.deny]
purls = ["pkg:npm/event-stream@3.3.6", "pkg:pypi/colourama", "pkg:cargo/rustdecimal"]
[[rules.deny.match]]
ecosystem = "npm"
names = ["@evil/*", "node-ipc"]
versions = ">=10.1.1 <10.1.3"
reason = "say \"no\" \\ to this"

[rules.allow]
i_understand_this_allows_everything = true
mode = "monitor"
effect = "quarantine"
[[rules.allow.match]]
ecosystem = "cargo"
names = ["*"]
[[rules.allow.override]]
ecosystem = "cargo"
enabled = false

[rules.integrity]
[[rules.integrity.override]]
packages = ["acme-*"]
undeclared = "allow"

[rules.minimum-age]
ecosystem = "npm"
packages = ["left-*", "@acme/*"]
version_age = "100h"
name_age = "0s"
first_seen_age = "1w"
freeze_after = "2026-12-20T00:00:00.5Z"
when_missing = "first-seen"
on_unavailable = "block"
[[rules.minimum-age.override]]
ecosystem = "pypi"
packages = ["Foo_Bar"]
effect = "quarantine"

[[exempt]]
id = "one"
package = "pkg:npm/%40acme/x@1.2.3"
rules = ["minimum-age", "deny"]
reason = "why"
owner = "me"
ticket = "T-1"
until = "2026-12-24T00:00:00Z"
[[exempt]]
id = "two"
package = "pkg:pypi/foo"
versions = ">=1,<2"
fingerprints = ["minimum-age/frozen/2026-12-20T00:00:00.5Z"]
reason = "why"
owner = "me"
ticket = "OPS-1"
until = "2026-12-24T00:00:00Z"
[[exempt]]
id = "three"
package = "pkg:npm/left-pad@1.3.0"
file = "left-pad-1.3.0.tgz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
rules = ["integrity"]
reason = "why"
owner = "me"
ticket = "T-1"
until = "2026-12-24T00:00:00Z"
"#;

#[test]
fn the_canonical_text_reads_back_to_the_same_policy() {
    let loaded = load(&[source("a.toml", EVERY_KEY)]).unwrap();
    let text = loaded.ruleset.describe();
    insta::assert_snapshot!(text);
    let again = load(&[source("b.toml", &text)]).unwrap();
    assert_eq!(again.ruleset.describe(), text);
    assert_eq!(again.ruleset.hash(), loaded.ruleset.hash());
}

#[test]
fn the_hash_ignores_wording_and_files_and_nothing_else() {
    let hash = |files: &[PolicySource]| load(files).unwrap().ruleset.hash().clone();
    let first = hash(&[source(
        "a",
        "[rules.deny]\npurls = ['pkg:npm/b', 'pkg:npm/a']\n[rules.minimum-age]\nversion_age='3d'",
    )]);
    let second = hash(&[
        source("b", "# why\r\n[rules.minimum-age]\r\nversion_age=\"72h\""),
        source("c", "[rules.deny]\npurls = ['pkg:npm/a',\n'pkg:npm/b']\n"),
    ]);
    assert_eq!(first, second);
    let third = hash(&[source(
        "a",
        "[rules.deny]\npurls = ['pkg:npm/b', 'pkg:npm/a']\n[rules.minimum-age]\nversion_age='71h'",
    )]);
    assert_ne!(first, third);
}

#[test]
fn c_01_c_02_c_12_all_problems_of_several_files_are_told_at_once() {
    let files = [
        source(
            "base.toml",
            "[rules.minimum-age]\nversion_agee = '72h'\nname_age = '7'\nmode = 'enfroce'\n[rules.minimum-agee]\n",
        ),
        source(
            "team.toml",
            "[rules.minimum-age]\nversion_age = '1h'\n[[exempt]]\nid = 'x'\nuntil = 'soon'\n",
        ),
    ];
    insta::assert_snapshot!(drawn(&files));
}

#[test]
fn duplicate_rule_tables_across_files_name_both_places() {
    let files = [
        source("a.toml", "\n[rules.deny]\npurls = ['pkg:npm/a']"),
        source("b.toml", "[rules.deny]\npurls = ['pkg:npm/b']"),
    ];
    let problems = load(&files).unwrap_err();
    assert_eq!(problems[0].code, "duplicate-rule");
    assert_eq!(problems[0].span.file, "b.toml");
    assert!(
        problems[0].message.contains("a.toml:2:1"),
        "{}",
        problems[0]
    );
}

#[test]
fn c_05_empty_files_and_policies_without_rules_are_refused() {
    assert_eq!(errors(""), ["empty-file"]);
    assert_eq!(errors("# nothing yet\n"), ["empty-file"]);
    assert_eq!(errors("[rules]\n"), ["no-rules"]);
    assert_eq!(errors("rules = 1\n"), ["no-rules", "wrong-type"]);
}

#[test]
fn c_07_shadowed_entries_and_overrides_are_warned_of() {
    let found = warnings(
        "[rules.deny]\npurls = ['pkg:npm/a@1.0.0', 'pkg:npm/a', 'pkg:npm/b@1.0.0', 'pkg:npm/b@1.0.0', 'pkg:npm/@x/y']\n\
         [[rules.deny.match]]\necosystem = 'npm'\nnames = ['@x/*']\n\
         [rules.minimum-age]\n\
         [[rules.minimum-age.override]]\necosystem = 'npm'\npackages = ['a']\nversion_age = '1h'\n\
         [[rules.minimum-age.override]]\necosystem = 'npm'\nversion_age = '2h'\n",
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn c_07_an_allow_entry_that_is_denied_is_warned_of() {
    let found = warnings(
        "[rules.deny]\npurls = ['pkg:pypi/foo-bar']\n[rules.allow]\npurls = ['pkg:pypi/foo-bar@1.0', 'pkg:pypi/other']\n",
    );
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("shadowed-entry"), "{}", found[0]);
}

#[test]
fn c_08_allowing_everything_needs_an_explicit_key() {
    let list = "[[rules.allow.match]]\necosystem = 'npm'\nnames = ['@*/*']\n";
    assert_eq!(errors(list), ["allows-everything"]);
    let with_key = format!("[rules.allow]\ni_understand_this_allows_everything = true\n{list}");
    assert_eq!(errors(&with_key), [""; 0]);
    let ranged = format!("{list}versions = '<2'\n");
    assert_eq!(errors(&ranged), [""; 0]);
}

#[test]
fn c_07_a_list_that_holds_nothing_is_told() {
    let nothing = [
        "",
        "purls = []\n",
        "match = []\n",
        "purls = []\nmatch = []\n",
    ];
    for list in nothing {
        let allow = format!("[rules.allow]\n{list}");
        assert_eq!(errors(&allow), ["empty-list"], "{allow}");
        let found = warnings(&format!("[rules.deny]\n{list}"));
        assert_eq!(found.len(), 1, "{list}: {found:?}");
        assert!(found[0].contains("empty-list"), "{found:?}");
    }
    for rule in ["allow", "deny"] {
        let text = format!("[[rules.{rule}.match]]\necosystem = 'npm'\nnames = []\n");
        assert_eq!(errors(&text), ["empty-list"], "{text}");
    }
    // What is wrong there is one problem, not two.
    assert_eq!(errors("[rules.allow]\npurls = 'x'\n"), ["wrong-type"]);
    assert_eq!(errors("[rules.allow]\npurls = ['x']\n"), ["invalid-purl"]);
}

#[test]
fn c_09_c_10_dangerous_and_malformed_patterns_are_refused() {
    for names in ["['**']", "['[']", "['{,a}*']"] {
        let text = format!("[[rules.deny.match]]\necosystem = 'npm'\nnames = {names}\n");
        let found = errors(&text);
        assert!(
            found == ["invalid-pattern"] || found == ["impossible-name"],
            "{names}: {found:?}"
        );
    }
    // Repetition is no glob syntax: what would explode as a regular expression is plain letters.
    let plain = "[[rules.deny.match]]\necosystem = 'npm'\nnames = ['(x{1000}){1000}*']\n";
    assert_eq!(errors(plain), [""; 0]);
    let many: String = (0..2_001).map(|n| format!("'a{n}*',")).collect();
    let text = format!("[[rules.deny.match]]\necosystem = 'npm'\nnames = [{many}]\n");
    assert_eq!(errors(&text), ["too-many-patterns"]);
}

#[test]
fn c_11_exemptions_say_everything_or_are_refused() {
    let full = [
        ("id", "id = 'a'"),
        ("package", "package = 'pkg:npm/a@1.0.0'"),
        ("rules", "rules = ['deny']"),
        ("reason", "reason = 'r'"),
        ("owner", "owner = 'o'"),
        ("ticket", "ticket = 'T-1'"),
        ("until", "until = '2026-12-24T00:00:00Z'"),
    ];
    for missing in full.map(|(key, _)| key) {
        let lines: Vec<&str> = full
            .iter()
            .filter(|(key, _)| *key != missing)
            .map(|(_, line)| *line)
            .collect();
        let text = format!("[rules.deny]\n[[exempt]]\n{}\n", lines.join("\n"));
        assert_eq!(errors(&text), ["missing-key"], "{missing}");
    }
    for (from, to, code) in [
        ("@1.0.0", "", "unclear-scope"),
        ("'r'", "'  '", "empty-value"),
        ("['deny']", "['dney']", "unknown-rule"),
        ("['deny']", "['integrity']", "cannot-be-weakened"),
        (
            "rules = ['deny']",
            "fingerprints = ['deny/denied']",
            "unknown-value",
        ),
        ("2026-12-24T00:00:00Z", "2026-12-24", "invalid-value"),
    ] {
        let lines: Vec<&str> = full.iter().map(|(_, line)| *line).collect();
        let text = format!(
            "[rules.deny]\n[[exempt]]\n{}\n",
            lines.join("\n").replace(from, to)
        );
        assert_eq!(errors(&text), [code], "{to}");
    }
}

#[test]
fn c_11_an_exemption_for_bytes_nobody_declares_is_warned_of() {
    let exempt = |package: &str, rules: &str| {
        let zeros = "0".repeat(64);
        warnings(&format!(
            "[rules.minimum-age]\n[rules.deny]\npurls = ['pkg:npm/x']\n[[exempt]]\nid = 'a'\n\
             package = '{package}'\nfile = 'left-pad-1.3.0.tgz'\nsha256 = '{zeros}'\n{rules}\n\
             reason = 'r'\nowner = 'o'\nticket = 'T-1'\nuntil = '2026-12-24T00:00:00Z'\n"
        ))
    };
    let npm = "pkg:npm/left-pad@1.3.0";
    for rules in [
        "rules = ['minimum-age']",
        "rules = ['integrity', 'deny']",
        "fingerprints = ['minimum-age/frozen/x']",
    ] {
        let found = exempt(npm, rules);
        assert_eq!(found.len(), 1, "{rules}: {found:?}");
        assert!(found[0].contains("exempts-nothing"), "{found:?}");
    }
    assert_eq!(exempt(npm, "rules = ['integrity']"), [""; 0]);
    for declared in ["pkg:pypi/left-pad@1.3.0", "pkg:cargo/left-pad@1.3.0"] {
        assert_eq!(exempt(declared, "rules = ['minimum-age']"), [""; 0]);
    }
}

#[test]
fn c_11_an_exemption_that_ended_is_told_when_asked_with_the_time() {
    let loaded = load(&[source("a.toml", EVERY_KEY)]).unwrap();
    let end = Timestamp::parse("2026-12-24T00:00:00Z").unwrap();
    let before = Timestamp::from_millis(end.as_millis() - 1);
    assert!(loaded.ruleset.expired_exemptions(before).is_empty());
    let expired = loaded.ruleset.expired_exemptions(end);
    assert_eq!(expired.len(), 3);
    assert_eq!(expired[0].span.file, "a.toml");
    assert!(!expired[0].is_error());
}

#[test]
fn c_18_an_allowed_name_that_is_owned_without_a_home_is_an_error() {
    let policy = |upstreams: &str| {
        format!(
            "[rules.allow]\npurls = ['pkg:npm/%40acme/widget', 'pkg:npm/react']\n\
             [[rules.namespace.owned]]\necosystem = 'npm'\nnames = ['@acme/*']\n{upstreams}"
        )
    };
    assert_eq!(errors(&policy("")), ["allows-owned-name"]);
    let at_home = [source("a.toml", &policy("upstreams = ['internal']\n"))];
    assert!(load(&at_home).is_ok());
}

#[test]
fn integrity_cannot_be_weakened() {
    let fixed = "[rules.integrity]\nenabled = false\nmode = 'monitor'\neffect = 'hide'\non_unavailable = 'hide'\n";
    assert_eq!(errors(fixed), ["cannot-be-weakened"; 4]);
}

#[test]
fn integrity_cannot_be_confined_to_some_packages() {
    for scope in ["ecosystem = 'pypi'", "packages = ['left-pad']"] {
        let confined = format!("[rules.integrity]\n{scope}\n");
        assert_eq!(errors(&confined), ["cannot-be-weakened"], "{scope}");
        let differs = format!(
            "[rules.integrity]\n[[rules.integrity.override]]\n{scope}\nundeclared = 'hide'\n"
        );
        assert_eq!(errors(&differs), [""; 0], "{scope}");
    }
}

#[test]
fn c_19_unknown_ecosystems_are_refused() {
    let found = errors(
        "[rules.deny]\npurls = ['pkg:rubygems/rails']\n[[rules.deny.match]]\necosystem = 'pipy'\nnames = ['x']\n",
    );
    assert_eq!(found, ["unknown-ecosystem", "unknown-value"]);
}

#[test]
fn c_21_names_in_foreign_letters_are_refused_never_silently_unmatched() {
    // NFC and NFD spellings of the same word.
    for name in ["caf\u{e9}", "cafe\u{301}"] {
        let text =
            format!("\u{feff}[[rules.deny.match]]\r\necosystem = 'npm'\r\nnames = ['{name}']\r\n");
        assert_eq!(errors(&text), ["impossible-name"]);
    }
    assert_eq!(
        errors("\u{feff}[rules.deny]\r\npurls = [\t'pkg:npm/a'\t]\r\n"),
        [""; 0]
    );
}

#[test]
fn n_28_non_canonical_names_work_and_warn() {
    let text = "[rules.deny]\npurls = ['pkg:pypi/Foo_Bar']\n[[rules.deny.match]]\necosystem = 'pypi'\nnames = ['Foo.Baz', 'Qux_*']\n";
    let found = warnings(text);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].contains("non-canonical-name"));
    let text = load(&[source("x", text)]).unwrap().ruleset.describe();
    assert!(
        text.contains("\"pkg:pypi/foo-bar\"") && text.contains("\"qux-*\""),
        "{text}"
    );
    // On crates.io only the registry knows the published spelling.
    assert!(warnings("[rules.deny]\npurls = ['pkg:cargo/serde_json']\n").is_empty());
}

#[test]
fn n_29_names_that_cannot_exist_are_refused() {
    let text = "[rules.deny]\npurls = ['pkg:npm/.hidden', 'pkg:pypi/a@@', 'pkg:npm/a?b=c', 'pkg:cargo/1x']\n";
    let found = errors(text);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0], "impossible-name");
}

#[test]
fn unavailable_may_not_be_milder_than_the_effect() {
    assert_eq!(
        errors("[rules.minimum-age]\neffect = 'block'\non_unavailable = 'hide'\n"),
        ["too-mild"]
    );
}

#[test]
fn every_problem_is_drawn_with_its_line_and_remedy() {
    let text = "[rules.deny]\npurls = ['left-pad', 'pkg:npm/Left Pad', 'pkg:npm/a@']\neffect = 'allow'\n[[rules.deny.match]]\nnames = ['a']\nversions = '>>1'\n[[rules.deny.match]]\necosystem = 'pypi'\nnames = ['a']\nversions = '^1.0'\n[[rules.deny.override]]\nmode = 'monitor'\n";
    insta::assert_snapshot!(drawn(&[source("deny.toml", text)]));
}

#[test]
fn c_20_a_long_list_loads_whole_and_says_how_many_odd_names_it_has() {
    const COUNT: usize = 20_000;
    let purls: String = (0..COUNT)
        .map(|n| format!("'pkg:pypi/Name_{n}',"))
        .collect();
    let loaded = load(&[source("x", &format!("[rules.deny]\npurls = [{purls}]\n"))]).unwrap();
    let last = loaded.warnings.last().unwrap();
    assert_eq!(last.code, "too-many-problems");
    assert!(!last.is_error());
    let text = loaded.ruleset.describe();
    assert_eq!(text.matches("pkg:pypi/name-").count(), COUNT);
}

proptest::proptest! {
    #[test]
    fn c_04_no_text_makes_loading_panic(
        cut in 0_usize..2_000, length in 0_usize..60, put in "[\\[\\]{}='\"#.,a-z0-9\\-\n]{0,8}|\\PC{0,4}",
    ) {
        let mut text: Vec<char> = EVERY_KEY.chars().collect();
        let start = cut.min(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, put.chars());
        let files = [source("x.toml", &text.into_iter().collect::<String>())];
        let problems = match load(&files) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        for colours in [Colours::Without, Colours::Ansi] {
            render(&problems, &files, colours);
        }
    }
}
