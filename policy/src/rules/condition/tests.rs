use std::sync::Arc;

use proptest::prelude::*;
use smol_str::SmolStr;

use super::expression::MAX_LIST;
use super::shape::FIELDS;
use super::*;
use crate::config::{PolicySource, load};
use crate::ecosystem::schemes;
use crate::evaluate::Ruleset;
use crate::facts::{Fact, PackageFacts};
use crate::model::{ArtifactId, ArtifactKind, FileName, PackageVersion, parse_purl};

const NOW: Timestamp = Timestamp::from_millis(1_795_255_200_000);

fn facts() -> VersionFacts {
    let target = parse_purl("pkg:npm/%40acme/widget@2.0.0", &schemes()).expect("a purl");
    let artifact = ArtifactId {
        subject: PackageVersion {
            name: target.name.clone(),
            version: target.version.expect("a version"),
        },
        file: FileName::new("widget-2.0.0.tgz").expect("a file name"),
        kind: ArtifactKind::Archive,
    };
    let package = PackageFacts::unknown(target.name, "main".into());
    let mut facts = VersionFacts::unknown(artifact, Arc::new(package));
    facts.published_at = Fact::Known(NOW);
    facts.size_bytes = Fact::Known(60_000_000);
    facts.license = Fact::Known("MIT".into());
    facts.deprecated = Fact::Absent;
    facts.install_hooks = Fact::Known(vec!["postinstall".into(), "install".into()]);
    facts.has_provenance = Fact::Known(false);
    facts.publisher = Fact::Unavailable("the registry does not answer".into());
    facts.advisories = Fact::Absent;
    facts
}

fn outcome(expression: &str) -> Outcome {
    Expression::compile(expression)
        .unwrap_or_else(|refused| panic!("{expression}: {refused:?}"))
        .evaluate(&facts())
}

fn refusal(expression: &str) -> String {
    match Expression::compile(expression) {
        Ok(_) => panic!("{expression} compiles"),
        Err(refused) => refused.why,
    }
}

fn policy(text: &str) -> Result<Ruleset, Vec<String>> {
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text: text.to_owned(),
    };
    match load(&[source]) {
        Ok(loaded) => Ok(loaded.ruleset),
        Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn expressions_see_the_facts() {
    for holds in [
        "facts.size_bytes > 50 * 1000 * 1000",
        "facts.ecosystem == 'npm' && facts.name.startsWith('@acme/')",
        "facts.purl == 'pkg:npm/%40acme/widget@2.0.0'",
        "facts.license in ['MIT', 'ISC']",
        "!has(facts.deprecated) && has(facts.license)",
        "facts.install_hooks.exists(hook, hook == 'postinstall')",
        "facts.install_hooks.exists_one(hook, hook.contains('post'))",
        "size(facts.install_hooks) == 2 && 'install' in facts.install_hooks",
        "facts.advisories.all(advisory, advisory.kind != 'malware')",
        "size(facts.advisories) == 0",
        "facts.published_at == 1795255200",
        "facts.has_provenance ? false : facts.file.endsWith('.tgz')",
        "['post', 'pre'].exists(word, facts.install_hooks.exists(hook, hook.startsWith(word)))",
    ] {
        assert_eq!(outcome(holds), Outcome::Is(true), "{holds}");
        let not = format!("!({holds})");
        assert_eq!(outcome(&not), Outcome::Is(false), "{not}");
    }
}

#[test]
fn a_fact_that_could_not_be_learned_decides_nothing_in_favour() {
    for expression in [
        "facts.publisher == 'mallory'",
        "false && facts.publisher == 'mallory'",
        "has(facts.publisher) && facts.publisher == 'mallory'",
        "!has(facts.publisher) || facts.size_bytes > 0",
    ] {
        let Outcome::Unknown(kind, why) = outcome(expression) else {
            panic!("{expression} is decided");
        };
        assert_eq!(kind, Some(FactKind::Publisher));
        assert!(why.contains("does not answer"), "{why}");
    }
    assert_eq!(
        outcome("facts.is_yanked || facts.status == 'quarantined'"),
        Outcome::Awaits(vec![FactKind::Yanked, FactKind::Status])
    );
}

#[test]
fn an_expression_that_fails_holds() {
    for expression in [
        "facts.deprecated == ''",
        "facts.size_bytes > 'big'",
        "facts.size_bytes / 0 > 1",
        "9223372036854775807 * facts.size_bytes > 0",
        "facts.size_bytes",
        "facts.license.contains(3)",
    ] {
        let outcome = outcome(expression);
        assert!(
            matches!(outcome, Outcome::Unknown(None, _)),
            "{expression}: {outcome:?}"
        );
    }
}

#[test]
fn a_list_that_is_too_long_to_be_walked_holds() {
    let expression = Expression::compile("'x' in facts.install_hooks").expect("compiles");
    let mut facts = facts();
    let hooks = |count: usize| Fact::Known(vec![SmolStr::new_static("y"); count]);
    facts.install_hooks = hooks(MAX_LIST);
    assert_eq!(expression.evaluate(&facts), Outcome::Is(false));
    facts.install_hooks = hooks(MAX_LIST + 1);
    let Outcome::Unknown(kind, _) = expression.evaluate(&facts) else {
        panic!("it is decided");
    };
    assert_eq!(kind, Some(FactKind::InstallHooks));
}

#[test]
fn what_does_not_exist_or_could_take_long_is_refused() {
    for (expression, why) in [
        ("facts.licence == 'MIT'", "did you mean `license`?"),
        ("license == 'MIT'", "write `facts.license`"),
        ("size_byte > 3", "facts are under `facts`"),
        (
            "facts.change.licence.from == 'MIT'",
            "did you mean `license`?",
        ),
        ("facts.license.from == 'MIT'", "nothing named `from`"),
        (
            "facts.advisories.exists(a, a.severity > 3)",
            "there is no `severity`",
        ),
        ("facts['license'] == 'MIT'", "`[]` is not offered"),
        ("facts == {}", "name a fact"),
        ("facts.exists(name, true)", "name a fact"),
        ("facts.change.exists(name, true)", "only lists are walked"),
        ("facts.name.exists(c, c == 'a')", "only lists are walked"),
        ("facts.name.matches('(a*)*b')", "no function `matches`"),
        ("facts.name + facts.name == 'aa'", "`+` is not offered"),
        ("[facts.name].exists(n, n == 'a')", "a list is written out"),
        (
            "size(facts.install_hooks.map(h, [h, h])) > 3",
            "`map` and `filter`",
        ),
        (
            "size(facts.install_hooks.filter(h, true)) > 3",
            "`map` and `filter`",
        ),
        ("size({'a': 1}) > 3", "nothing is built"),
        ("b'abc' == facts.name", "no fact is a sequence of bytes"),
        (
            "facts.install_hooks.exists(a, facts.install_hooks.exists(b, \
             facts.install_hooks.exists(c, a == b && b == c)))",
            "steps, at most",
        ),
        (
            "facts.install_hooks.exists(facts, facts == '')",
            "one name of their own",
        ),
    ] {
        let refusal = refusal(expression);
        assert!(refusal.contains(why), "{expression}: {refusal}");
    }
    assert!(refusal(&format!("{}true", " ".repeat(3_000))).contains("bytes"));
}

#[test]
fn what_can_never_be_judged_is_refused() {
    for (expression, why) in [
        ("1", "not true or false"),
        ("'text'", "not true or false"),
        ("[1, 2]", "not true or false"),
        ("facts.size_bytes * 2", "not true or false"),
        ("size(facts.install_hooks)", "not true or false"),
        ("facts.size_bytes > 3 ? 1 : 2", "not true or false"),
        ("facts.size_bytes > 1/0", "can never be judged"),
        ("facts.published_at > 1/0", "can never be judged"),
        ("facts.name == 'a' && 1 % 0 == 1", "can never be judged"),
        ("[1, 2].exists(n, n / 0 == 1)", "can never be judged"),
        ("true && 1/0 > 1", "can never be judged"),
        ("!1", "can never be judged"),
    ] {
        let refusal = refusal(expression);
        assert!(refusal.contains(why), "{expression}: {refusal}");
    }
    for expression in ["true", "1 < 2", "[1, 2].exists(n, n == 1)", "!(1 > 2)"] {
        assert!(Expression::compile(expression).is_ok(), "{expression}");
    }
}

#[test]
fn deep_nesting_is_refused_and_nothing_else_happens() {
    let shapes = [
        ("", "(", "true", ")"),
        ("", "!", "true", ""),
        ("", "- ", "1", ""),
        ("", "[", "1", "]"),
        ("", "{1:", "1", "}"),
        ("", "true ? true : ", "true", ""),
        ("", "true ? ", "true", ": true"),
        ("facts.size_bytes", " - 1", "", ""),
        ("1", " == 1", "", ""),
        ("true", " && true", "", ""),
        ("true", " || false", "", ""),
        ("facts", ".change", "", ""),
        ("facts.name", ".contains('a')", "", ""),
        ("", "size(", "facts.name", ")"),
        ("facts.install_hooks", ".exists(a, a == '')", "", ""),
        ("", "facts.install_hooks.exists(a, ", "true", ")"),
    ];
    for (before, open, inside, close) in shapes {
        for depth in [4, 15, 16, 17, 60, 200, 600] {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            let text = format!("{before}{open}{inside}{close}");
            if let Ok(expression) = Expression::compile(&text) {
                let _ = expression.evaluate(&facts());
            }
        }
    }
}

#[test]
fn conditions_are_read_with_their_places_and_written_back() {
    let ruleset = policy(
        "[rules.condition]\n[[rules.condition.when]]\nname = 'big'\n\
         expression = \"facts.size_bytes > 1000\"\nreason = 'too big'\neffect = 'hide'\n\
         [[rules.condition.when]]\nname = 'who'\nexpression = \"facts.publisher == 'm'\"\n",
    )
    .expect("loads");
    let evaluation = ruleset.evaluate(&facts(), NOW);
    let found: Vec<(&str, &str, Effect, String)> = evaluation
        .findings()
        .iter()
        .filter(|it| it.rule.as_str() == "condition")
        .map(|it| {
            (
                it.code.as_str(),
                it.evidence.as_str(),
                it.effect,
                it.source.to_string(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                "condition-unknown",
                "who/publisher",
                Effect::Block,
                "policy.toml:7:1".to_owned()
            ),
            (
                "condition-met",
                "big",
                Effect::Hide,
                "policy.toml:2:1".to_owned()
            ),
        ]
    );
    let again = policy(&ruleset.describe()).expect("the canonical form loads");
    assert_eq!(again.hash(), ruleset.hash());
}

#[test]
fn an_error_points_at_the_place_in_the_expression() {
    let problems = policy(
        "[[rules.condition.when]]\nname = 'a'\nexpression = \"true && facts.licence == 'MIT'\"\n\
         [[rules.condition.when]]\nname = 'a'\nexpression = 'facts.size_bytes >'\n\
         [[rules.condition.when]]\nexpresion = 'true'\n",
    )
    .expect_err("is refused");
    insta::assert_snapshot!(problems.join("\n"));
}

#[test]
fn every_name_is_on_the_page() {
    for field in FIELDS {
        assert!(
            KIND.page.contains(&format!("`{}`", field.name)),
            "{}",
            field.name
        );
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_or_an_evaluation_panic(
        text in "(facts\\.[a-z_]{1,12}|[a-z]{1,3}|[0-9.]{1,3}|'[a-z]?'|\\(|\\)|\\[|\\]|\\{|\\}|[!&|?:<>=+*/%,-]| |exists\\(a,|has\\(|\u{e9}|\"|\\\\){0,40}"
    ) {
        if let Ok(expression) = Expression::compile(&text) {
            let _ = expression.evaluate(&facts());
        }
    }
}
