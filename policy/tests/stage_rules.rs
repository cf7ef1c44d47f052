//! The rules about licences and the stages of life; and rules where they cannot work.

mod support;

use cordon_policy::config::{PolicySource, load};
use cordon_policy::facts::{
    Change, Fact, FactKind, LicenseChange, Removal, RemovalScope, VersionFacts,
};
use cordon_policy::model::Version;
use cordon_policy::verdict::{Effect, Evaluation};
use support::*;

fn license(policy_text: &str, license: Fact<&str>) -> Evaluation {
    let text = format!("[rules.license]\necosystem = 'npm'\n{policy_text}");
    let mut facts = fetched("pkg:npm/left-pad@1.3.0");
    facts.license = match license {
        Fact::Known(text) => Fact::Known(text.into()),
        Fact::Absent => Fact::Absent,
        Fact::Unavailable(cause) => Fact::Unavailable(cause),
        Fact::NotYet => Fact::NotYet,
    };
    policy(&text).evaluate(&facts, NOW)
}

/// Code and reason of the only finding; empty when there is none.
fn told(evaluation: &Evaluation) -> (String, String) {
    match evaluation.findings() {
        [] => Default::default(),
        [one] => (one.code.to_string(), one.reason.clone()),
        more => panic!("{more:?}"),
    }
}

#[test]
fn expressions_are_met_by_what_is_allowed_and_not_denied() {
    for (lists, text, code) in [
        ("", "MIT", ""),
        ("", "GPL-3.0", ""),
        ("deny = ['GPL-*']", "MIT", ""),
        ("deny = ['GPL-*']", "GPL-3.0", "license-denied"),
        ("deny = ['GPL-*']", "LGPL-3.0-only", ""),
        ("deny = ['GPL-*']", "MIT OR GPL-2.0+", ""),
        ("deny = ['GPL-*']", "MIT AND GPL-2.0+", "license-denied"),
        ("deny = ['gpl-3.0']", "GPL-3.0-only", "license-denied"),
        ("allow = ['MIT']", "MIT", ""),
        ("allow = ['MIT']", "mit", ""),
        ("allow = ['MIT']", r#"[{"type":"ISC"},{"type":"MIT"}]"#, ""),
        ("allow = ['MIT']", "ISC", "license-not-allowed"),
        ("allow = ['MIT']\ndeny = ['MIT']", "MIT", "license-denied"),
        ("allow = ['GPL-2.0-only']", "GPL-2.0", ""),
        (
            "allow = ['MIT', 'GPL-2.0-only WITH Classpath-exception-2.0']\ndeny = ['GPL-*']",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "",
        ),
        (
            "allow = ['MIT', 'GPL-2.0-only WITH Classpath-exception-2.0']\ndeny = ['GPL-*']",
            "GPL-2.0-only",
            "license-denied",
        ),
        ("deny = ['UNLICENSED']", "UNLICENSED", "license-denied"),
        ("allow = ['UNLICENSED']", "UNLICENSED", ""),
        ("allow = ['MIT']", "UNLICENSED", "license-not-allowed"),
        ("", "UNLICENSED", "license-unknown"),
        ("", "SEE LICENSE IN x", "license-unknown"),
        ("", "BSD", "license-unknown"),
        ("unknown = 'ignore'", "BSD", ""),
    ] {
        let evaluation = license(lists, Fact::Known(text));
        assert_eq!(told(&evaluation).0, code, "{lists} {text}");
        let effect = match code {
            "" => Effect::Allow,
            "license-unknown" => Effect::Quarantine,
            _ => Effect::Block,
        };
        assert_eq!(evaluation.effect(), effect);
    }
    assert_eq!(
        told(&license("deny = ['AGPL-*']", Fact::Known("agpl-3.0"))).1,
        "left-pad 1.3.0 is licensed under AGPL-3.0-only, which policy denies"
    );
}

#[test]
fn a_licence_that_is_missing_or_could_not_be_learned_is_not_a_good_one() {
    assert_eq!(told(&license("", Fact::Absent)).0, "license-unknown");
    let unlearned = license("unknown = 'ignore'", Fact::Unavailable("time-out".into()));
    assert_eq!(told(&unlearned).0, "license-unavailable");
    assert_eq!(unlearned.effect(), Effect::Block);
    assert!(
        license("", Fact::NotYet)
            .awaits()
            .contains(FactKind::License)
    );
}

#[test]
fn a_change_of_terms_counts_and_a_change_of_words_does_not() {
    let judge = |from: &str, to: &str, days: i64| {
        let mut facts = fetched("pkg:npm/left-pad@1.3.0");
        facts.published_at = Fact::Known(at(-days * DAY));
        facts.license = Fact::Known(to.into());
        facts.change = Fact::Known(std::sync::Arc::new(Change {
            since: Version::verbatim("1.2.9"),
            since_published_at: None,
            added_dependencies: Vec::new(),
            added_hooks: Vec::new(),
            added_exotic: Vec::new(),
            new_publisher: None,
            new_maintainers: Vec::new(),
            trust_lost: None,
            license: Some(LicenseChange {
                from: from.into(),
                to: to.into(),
            }),
            size_bytes: None,
        }));
        let text = "[rules.license]\necosystem = 'npm'\nunknown = 'ignore'\nchange = 'hide'\n";
        policy(text).evaluate(&facts, NOW)
    };
    assert_eq!(
        told(&judge("MIT", "BUSL-1.1", 1)).1,
        "left-pad 1.3.0 is licensed under BUSL-1.1; 1.2.9 was under MIT"
    );
    assert_eq!(judge("MIT", "BUSL-1.1", 1).clears_at(), Some(at(89 * DAY)));
    assert_eq!(told(&judge("", "MIT", 1)).0, "license-changed");
    assert_eq!(told(&judge("MIT/ISC", "(ISC OR MIT)", 1)).0, "");
    assert_eq!(told(&judge("MIT", "BUSL-1.1", 90)).0, "");
}

fn lifecycle(text: &str, facts: &VersionFacts) -> Evaluation {
    policy(&format!("[rules.lifecycle]\n{text}")).evaluate(facts, NOW)
}

/// A version in one stage, for each of them.
fn stages() -> Vec<(&'static str, &'static str, VersionFacts)> {
    let fresh = || fetched("pkg:pypi/foo@1.0");
    let with_status = |status: &str| {
        let mut facts = fresh();
        let mut package = (*facts.package).clone();
        package.status = Fact::Known(status.into());
        facts.package = package.into();
        facts
    };
    let mut deprecated = fresh();
    deprecated.deprecated = Fact::Known("use \u{e9}bar".into());
    let mut yanked = fresh();
    yanked.is_yanked = Fact::Known(Some("broken".into()));
    let mut archived = with_status("archived");
    archived.deprecated = Fact::Known("the project is archived".into());
    vec![
        ("deprecated", "deprecated", deprecated),
        ("yanked", "yanked", yanked),
        ("prerelease", "pre-release", fetched("pkg:pypi/foo@1.0rc1")),
        ("archived", "project-archived", archived),
        (
            "quarantined",
            "project-quarantined",
            with_status("quarantined"),
        ),
    ]
}

#[test]
fn each_stage_has_its_own_effect_and_only_quarantine_has_one_from_the_start() {
    for (key, code, facts) in stages() {
        let expected = match key {
            "quarantined" => Effect::Quarantine,
            _ => Effect::Allow,
        };
        assert_eq!(lifecycle("", &facts).effect(), expected, "{key}");
        let blocked = lifecycle(&format!("{key} = 'block'\n"), &facts);
        assert_eq!(blocked.effect(), Effect::Block, "{key}");
        assert_eq!(told(&blocked).0, code);
        let ignored = lifecycle(&format!("{key} = 'ignore'\n"), &facts);
        assert_eq!(ignored.effect(), Effect::Allow, "{key}");
    }
}

#[test]
fn what_upstream_removed_is_blocked_and_a_whole_project_only_where_it_was_not_in_use() {
    let removed = |scope, was_allowed: bool| {
        let mut facts = fetched("pkg:pypi/foo@1.0");
        facts.history.removal = Some(Removal {
            at: at(-DAY),
            scope,
        });
        facts.history.first_allowed_at = was_allowed.then(|| at(-2 * DAY));
        facts
    };
    let (version, project) = (RemovalScope::Version, RemovalScope::Project);
    for (text, scope, was_allowed, expected) in [
        ("", version, true, Effect::Block),
        ("", version, false, Effect::Block),
        ("", project, true, Effect::Allow),
        ("", project, false, Effect::Block),
        ("removed = 'hide'", version, true, Effect::Hide),
        ("removed = 'ignore'", version, true, Effect::Allow),
        ("removed = 'ignore'", project, false, Effect::Allow),
        (
            "project_removed = 'quarantine'",
            project,
            true,
            Effect::Quarantine,
        ),
        (
            "project_removed = 'quarantine'",
            project,
            false,
            Effect::Block,
        ),
        ("project_removed = 'block'", version, true, Effect::Block),
    ] {
        let evaluation = lifecycle(&format!("{text}\n"), &removed(scope, was_allowed));
        assert_eq!(
            evaluation.effect(),
            expected,
            "{text} {scope:?} {was_allowed}"
        );
    }
    let evaluation = lifecycle("", &removed(version, true));
    let expected = "the registry removed foo 1.0 (found out 2026-11-20T10:00Z)";
    assert_eq!(
        told(&evaluation),
        ("removed-upstream".into(), expected.into())
    );
    assert_eq!(evaluation.clears_at(), None);
}

#[test]
fn what_a_stage_needs_holds_when_it_could_not_be_learned() {
    let all = "deprecated = 'hide'\nyanked = 'hide'\narchived = 'hide'\n";
    let mut facts = fetched("pkg:pypi/foo@1.0");
    facts.is_yanked = Fact::Known(None);
    assert_eq!(lifecycle(all, &facts).effect(), Effect::Allow);
    facts.deprecated = Fact::NotYet;
    facts.is_yanked = Fact::Unavailable("time-out".into());
    let evaluation = lifecycle(all, &facts);
    assert_eq!(told(&evaluation).0, "lifecycle-unknown");
    assert!(evaluation.awaits().contains(FactKind::Deprecated));
}

#[test]
fn life_ends_on_the_day_and_not_before() {
    let end = |date: &str| {
        format!(
            "[[rules.lifecycle.end_of_life]]\necosystem = 'npm'\nnames = ['next', '@acme/*']\n\
             versions = '<15'\ndate = '{date}'\nreason = 'no fixes any more'\n"
        )
    };
    let over = end("2026-11-21T10:00:00Z");
    let evaluation = lifecycle(&over, &fetched("pkg:npm/next@14.9.9"));
    assert_eq!(evaluation.effect(), Effect::Hide);
    assert_eq!(
        told(&evaluation).1,
        "the life of next 14.9.9 ended on 2026-11-21T10:00Z (no fixes any more)"
    );
    for other in [
        "pkg:npm/next@15.0.0",
        "pkg:npm/nexts@1.0.0",
        "pkg:pypi/next@1.0",
    ] {
        assert_eq!(
            lifecycle(&over, &fetched(other)).effect(),
            Effect::Allow,
            "{other}"
        );
    }
    let later = end("2026-11-21T10:00:01Z");
    let evaluation = lifecycle(&later, &fetched("pkg:npm/%40acme/x@1.0.0"));
    assert_eq!(evaluation.effect(), Effect::Allow);
    assert_eq!(evaluation.valid_until(), Some(at(SECOND)));
}

#[test]
fn new_rules_read_back_from_what_policy_show_prints() {
    let text = "[rules.new-dependency]\nname_age = '60d'\n\
        [[rules.new-dependency.override]]\npackages = ['a']\nsettled_after = '10d'\n\
        [rules.install-code]\necosystem = 'npm'\nfirst_version = 'hide'\n\
        [rules.exotic-dependency]\necosystem = 'cargo'\nany = true\n\
        [rules.publisher-change]\nnew_maintainer = 'hide'\nmode = 'monitor'\n\
        [rules.provenance]\n[[rules.provenance.override]]\necosystem = 'npm'\nrequired = true\n\
        [rules.publish-burst]\nversions = 7\ntimes_habit = 3\n\
        [rules.size-jump]\ntimes = 5\nat_least = '3 MiB'\n\
        [rules.license]\necosystem = 'npm'\nallow = ['mit', 'LicenseRef-A', 'gpl-2.0 with classpath-exception-2.0']\n\
        deny = ['AGPL-*']\nunknown = 'ignore'\nchange = 'hide'\n\
        [rules.lifecycle]\nyanked = 'hide'\n[[rules.lifecycle.end_of_life]]\necosystem = 'pypi'\n\
        names = ['Foo_Bar', 'b*']\nversions = '<2'\ndate = '2027-01-01T00:00:00Z'\nreason = 'so'\n";
    let first = policy(text);
    let again = policy(&first.describe());
    assert_eq!(again.describe(), first.describe());
    assert_eq!(again.hash(), first.hash());
}

fn problems(text: &str) -> Vec<String> {
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text: text.to_owned(),
    };
    match load(&[source]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .map(|problem| format!("{}: {} ({})", problem.code, problem.message, problem.help))
            .collect(),
    }
}

#[test]
fn a_rule_enabled_where_it_cannot_work_is_refused_with_a_remedy() {
    assert_eq!(
        problems("[rules.license]\n"),
        [
            "rule-cannot-work: `license` needs license, which the metadata of pypi and cargo never \
          tells (say where it applies: `ecosystem = \"npm\"`)"
        ]
    );
    let cannot = |text: &str| {
        problems(text)
            .iter()
            .any(|p| p.starts_with("rule-cannot-work"))
    };
    for wrong in [
        "[rules.license]\necosystem = 'pypi'\n",
        "[rules.provenance]\nrequired = true\n",
        "[rules.install-code]\nfirst_version = 'hide'\n",
        "[rules.exotic-dependency]\nany = true\n",
        "[rules.provenance]\n[[rules.provenance.override]]\npackages = ['a']\nrequired = true\n",
    ] {
        assert!(cannot(wrong), "{wrong}");
    }
    for right in [
        "[rules.license]\necosystem = 'npm'\n",
        "[rules.license]\n[[rules.license.override]]\necosystem = 'pypi'\nenabled = false\n\
         [[rules.license.override]]\necosystem = 'cargo'\nenabled = false\n",
        "[rules.license]\nenabled = false\n",
        "[rules.exotic-dependency]\nany = true\n[[rules.exotic-dependency.override]]\n\
         ecosystem = 'pypi'\nany = false\n",
        "[rules.provenance]\nrequired = true\n[[rules.provenance.override]]\necosystem = 'cargo'\n\
         required = false\n",
        "[rules.new-dependency]\n[rules.install-code]\n[rules.exotic-dependency]\n\
         [rules.publisher-change]\n[rules.provenance]\n[rules.publish-burst]\n[rules.size-jump]\n\
         [rules.lifecycle]\ndeprecated = 'hide'\nyanked = 'hide'\narchived = 'hide'\n",
    ] {
        assert_eq!(problems(right), [""; 0], "{right}");
    }
    // Switched off for some packages only, it is still on for the others.
    assert!(cannot(
        "[rules.license]\n[[rules.license.override]]\necosystem = 'pypi'\npackages = ['a*']\n\
         enabled = false\n"
    ));
}

#[test]
fn licences_that_do_not_exist_and_ends_without_names_are_refused() {
    let codes = |text: &str| -> Vec<String> {
        problems(text)
            .iter()
            .map(|problem| problem.split(':').next().unwrap_or_default().to_owned())
            .collect()
    };
    let text = "[rules.license]\necosystem = 'npm'\nallow = ['MITT', 'Z9-*']\n";
    assert_eq!(codes(text), ["unknown-license", "unknown-license"]);
    assert!(problems(text)[0].contains("MIT"), "{:?}", problems(text));
    let text = "[[rules.lifecycle.end_of_life]]\necosystem = 'npm'\nnames = []\n\
                date = '2027-01-01T00:00:00Z'\n";
    assert_eq!(codes(text), ["empty-list"]);
    let text = "[[rules.lifecycle.end_of_life]]\nnames = ['a']\n";
    assert_eq!(codes(text), ["missing-key", "missing-key"]);
}

#[test]
fn a_rule_that_never_acts_in_the_ecosystem_it_is_written_for_is_refused() {
    for (rule, ecosystem) in [
        ("install-code", "pypi"),
        ("new-dependency", "pypi"),
        ("exotic-dependency", "pypi"),
        ("publisher-change", "cargo"),
        ("provenance", "cargo"),
        ("size-jump", "cargo"),
    ] {
        let written = format!("[rules.{rule}]\necosystem = \"{ecosystem}\"\n");
        let found = problems(&written);
        let starts = format!("rule-cannot-work: `{rule}` never acts for {ecosystem}: ");
        assert!(found.iter().any(|it| it.starts_with(&starts)), "{found:?}");
        // For all of them it works for some; switched off it does no harm.
        assert_eq!(problems(&format!("[rules.{rule}]\n")), Vec::<String>::new());
        let off = format!("{written}enabled = false\n");
        assert!(
            problems(&off)
                .iter()
                .all(|it| !it.starts_with("rule-cannot"))
        );
    }
}
