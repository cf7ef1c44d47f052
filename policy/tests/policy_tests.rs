//! Tests inside policy files: how they are read, what they judge, what is wrong with them.

mod support;

use cordon_policy::config::{Loaded, PolicySource, load};
use cordon_policy::policy_test::TestFacts;
use cordon_policy::verdict::Effect;

const POLICY: &str = "\
[rules.minimum-age]
[rules.deny]
purls = ['pkg:npm/evil']
[[exempt]]
id = 'hotfix'
package = 'pkg:npm/left-pad@1.3.1'
rules = ['minimum-age']
reason = 'urgent'
owner = 'platform'
ticket = 'T-1'
until = '2026-12-01T00:00:00Z'
";

fn read(text: &str) -> Result<Loaded, Vec<String>> {
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text: format!("{POLICY}{text}"),
    };
    load(&[source]).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// Runs the one test of a text; what it expected and what it got when they differ.
fn failure(test: &str) -> Option<(String, Effect)> {
    let loaded = read(&format!("[[test]]\nat = '2026-11-21T10:00:00Z'\n{test}"))
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let [test] = loaded.tests.as_slice() else {
        panic!("one test");
    };
    let evaluation = test.judge(&loaded.ruleset, None).expect("facts are given");
    (!test.expected.is_met_by(&evaluation))
        .then(|| (test.expected.to_string(), evaluation.effect()))
}

#[test]
fn facts_a_test_does_not_mention_are_fine() {
    assert_eq!(
        failure("package = 'pkg:npm/a@1.0.0'\nexpect = 'allow'"),
        None
    );
    assert_eq!(
        failure("package = 'pkg:npm/a@1.0.0'\nexpect = 'block'"),
        Some(("block".to_owned(), Effect::Allow))
    );
}

#[test]
fn a_test_names_the_rule_and_the_finding_that_must_decide() {
    let young = "package = 'pkg:npm/a@1.0.0'\nexpect = 'hide'\n";
    let facts = "[test.facts]\npublished_at = '2026-11-21T09:00:00Z'\n";
    for named in [
        "",
        "rule = 'minimum-age'\n",
        "rule = 'minimum-age'\ncode = 'too-young'\n",
    ] {
        assert_eq!(failure(&format!("{young}{named}{facts}")), None, "{named}");
    }
    for other in ["rule = 'deny'\n", "code = 'name-too-young'\n"] {
        assert!(
            failure(&format!("{young}{other}{facts}")).is_some(),
            "{other}"
        );
    }
}

#[test]
fn an_allowed_version_may_name_what_was_set_aside() {
    let facts = "[test.facts]\npublished_at = '2026-11-21T09:00:00Z'\n";
    let waived = format!(
        "package = 'pkg:npm/left-pad@1.3.1'\nexpect = 'allow'\nrule = 'minimum-age'\n{facts}"
    );
    assert_eq!(failure(&waived), None);
    let nothing = "package = 'pkg:npm/left-pad@1.3.1'\nexpect = 'allow'\nrule = 'minimum-age'";
    assert!(failure(nothing).is_some());
}

#[test]
fn a_fact_called_unavailable_holds() {
    let unknown = "package = 'pkg:pypi/a@1.0'\nexpect = 'hide'\ncode = 'date-unavailable'\n\
                   [test.facts]\nunavailable = ['published-at']";
    assert_eq!(failure(unknown), None);
    let mismatch = "package = 'pkg:cargo/a@1.0.0'\nexpect = 'block'\nrule = 'integrity'\n\
                    [test.facts]\nbytes = 'mismatch'";
    assert_eq!(failure(mismatch), None);
    let replaced = "package = 'pkg:cargo/a@1.0.0'\nexpect = 'block'\ncode = 'artifact-replaced'\n\
                    [test.facts]\nbytes = 'replaced'";
    assert_eq!(failure(replaced), None);
}

/// Reads a policy of these rules and its one test; what it expected and what it got when they differ.
fn failure_of(rules: &str, test: &str) -> Option<(String, Effect)> {
    let text = format!("{rules}\n[[test]]\nat = '2026-11-21T10:00:00Z'\n{test}");
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text,
    };
    let loaded = load(&[source]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let evaluation = loaded.tests[0].judge(&loaded.ruleset, None);
    let evaluation = evaluation.expect("facts are given");
    let expected = &loaded.tests[0].expected;
    (!expected.is_met_by(&evaluation)).then(|| (expected.to_string(), evaluation.effect()))
}

#[test]
fn what_is_in_the_archive_holds_by_the_rule_about_it() {
    let young = "published_at = '2026-11-21T09:00:00Z'";
    for (rule, code, facts) in [
        (
            "archive",
            "zip-cd",
            "archive_faults = ['zip-cd']".to_owned(),
        ),
        (
            "manifest",
            "manifest-scripts",
            "disagreements = ['scripts']".to_owned(),
        ),
        (
            "content",
            "doubtful-obfuscation",
            format!("content = ['decoded-code']\nfirst_{young}"),
        ),
        (
            "content-change",
            "runs-at-install-added",
            format!("content_change = ['install-script']\n{young}"),
        ),
        (
            "content-change",
            "binary-added",
            format!("content_change = ['binary']\n{young}"),
        ),
        (
            "content-change",
            "capability-added",
            format!("content_change = ['keys-sent']\n{young}"),
        ),
        (
            "indicator",
            "indicator-found",
            "indicators = ['mine/worm']".to_owned(),
        ),
        (
            "scanner",
            "scanner-suspicious",
            "scanner = 'suspicious'".to_owned(),
        ),
    ] {
        let rules = format!("[rules.{rule}]");
        let test = |expect: &str, facts: &str| {
            format!("package = 'pkg:npm/a@1.0.1'\n{expect}\n[test.facts]\n{facts}")
        };
        let held = format!("expect = 'quarantine'\nrule = '{rule}'\ncode = '{code}'");
        assert_eq!(failure_of(&rules, &test(&held, &facts)), None, "{facts}");
        assert_eq!(failure_of(&rules, &test("expect = 'allow'", young)), None);
    }
}

#[test]
fn what_a_policy_lets_through_of_an_archive_is_tested_as_well() {
    let accepting = "[rules.archive]\naccept = ['record']\n[rules.indicator]\n\
                     [rules.content-change]\nwatch = ['binary']";
    let facts = "published_at = '2026-11-21T09:00:00Z'\narchive_faults = ['record']\n\
                 watched_indicators = ['mine/rare']\ncontent_change = ['binary']\ncontent = []";
    let test = format!("package = 'pkg:pypi/a@1.0'\nexpect = 'allow'\n[test.facts]\n{facts}");
    assert_eq!(failure_of(accepting, &test), None);
    let bundled = "package = 'pkg:npm/a@1.0.0'\nexpect = 'quarantine'\ncode = 'bundled-malware'\n\
                   [[test.facts.bundled]]\npackage = 'pkg:npm/evil@1.0.0'\nmalware = ['MAL-1']";
    assert_eq!(failure_of("[rules.malware]", bundled), None);
    let unsigned = "package = 'pkg:npm/a@1.0.0'\nexpect = 'block'\nrule = 'integrity'\n\
                    [test.facts]\nsignature = 'invalid'";
    assert_eq!(failure_of("[rules.integrity]", unsigned), None);
}

#[test]
fn every_fact_can_be_told() {
    let loaded = read(include_str!("data/every_fact.toml"));
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:#?}"));
    let TestFacts::Given(facts) = &loaded.tests[0].facts else {
        panic!("the facts are told");
    };
    insta::assert_json_snapshot!(facts);
}

#[test]
fn the_hash_of_a_policy_does_not_know_its_tests() {
    let without = read("").unwrap().ruleset;
    let with = read(
        "[[test]]\npackage = 'pkg:npm/a@1.0.0'\nat = '2026-11-21T10:00:00Z'\nexpect = 'allow'\n",
    )
    .unwrap();
    assert_eq!(with.ruleset.hash(), without.hash());
    assert_eq!(with.tests.len(), 1);
    assert_eq!(with.tests[0].source.line, 12);
}

#[test]
fn everything_wrong_with_a_test_is_told_at_once() {
    let problems = read(include_str!("data/wrong_test.toml")).unwrap_err();
    insta::assert_snapshot!(problems.join("\n"));
}

#[test]
fn recorded_facts_are_asked_for_and_never_made_up() {
    let test = "[[test]]\npackage = 'pkg:npm/a@1.0.0'\nexpect = 'allow'\nrecorded = 'newest'\n";
    let loaded = read(test).unwrap();
    assert!(loaded.tests[0].judge(&loaded.ruleset, None).is_none());
    let facts = support::fetched("pkg:npm/a@1.0.0");
    let evaluation = loaded.tests[0].judge(&loaded.ruleset, Some((facts, support::NOW)));
    assert_eq!(evaluation.map(|it| it.effect()), Some(Effect::Allow));
}
