//! The rules about what a version changes.

mod support;

use std::sync::Arc;

use cordon_policy::ecosystem::schemes;
use cordon_policy::facts::{
    AddedDependency, Burst, Change, DependencyKind, ExoticDependency, ExoticSource, Fact, FactKind,
    FactSet, Standing, Trust, TrustLost, VersionFacts,
};
use cordon_policy::model::{Timestamp, Version, parse_purl};
use cordon_policy::verdict::{Effect, Evaluation};
use support::*;

fn unchanged() -> Change {
    Change {
        since: Version::verbatim("1.14.0"),
        since_published_at: Some(at(-90 * DAY)),
        added_dependencies: Vec::new(),
        added_hooks: Vec::new(),
        added_exotic: Vec::new(),
        new_publisher: None,
        new_maintainers: Vec::new(),
        trust_lost: None,
        license: None,
        size_bytes: None,
    }
}

/// axios 1.14.1, published so many hours ago, with this change.
fn changed(hours: i64, change: Change) -> VersionFacts {
    let mut facts = fetched("pkg:npm/axios@1.14.1");
    facts.published_at = Fact::Known(at(-hours * HOUR));
    facts.change = Fact::Known(Arc::new(change));
    facts
}

fn judge(rule: &str, facts: &VersionFacts) -> Evaluation {
    policy(&format!("[rules.{rule}]\n")).evaluate(facts, NOW)
}

/// Codes and reasons of the findings.
fn told(evaluation: &Evaluation) -> Vec<(String, String)> {
    let findings = evaluation.findings().iter();
    findings
        .map(|finding| (finding.code.to_string(), finding.reason.clone()))
        .collect()
}

fn one(rule: &str, facts: &VersionFacts) -> (String, String) {
    let evaluation = judge(rule, facts);
    assert_eq!(evaluation.effect(), Effect::Quarantine, "{evaluation:?}");
    match &told(&evaluation)[..] {
        [one] => one.clone(),
        other => panic!("{other:?}"),
    }
}

fn is_allowed(rule: &str, facts: &VersionFacts) {
    let evaluation = judge(rule, facts);
    assert_eq!(evaluation.effect(), Effect::Allow, "{evaluation:?}");
    assert!(evaluation.awaits().is_empty() && evaluation.findings().is_empty());
}

const RULES: [&str; 6] = [
    "new-dependency",
    "install-code",
    "exotic-dependency",
    "publisher-change",
    "provenance",
    "size-jump",
];

fn depends(names: &[(&str, Fact<Standing>)]) -> Change {
    let added = names.iter().map(|(name, standing)| AddedDependency {
        is_of_known_owner: false,
        package: parse_purl(&format!("pkg:npm/{name}"), &schemes())
            .expect("a valid purl")
            .name,
        kind: DependencyKind::Normal,
        standing: standing.clone(),
    });
    Change {
        added_dependencies: added.collect(),
        ..unchanged()
    }
}

fn standing(first: Fact<Timestamp>, rank: Option<u32>) -> Fact<Standing> {
    Fact::Known(Standing {
        first_published_at: first,
        rank,
    })
}

fn text(code: &str, reason: &str) -> (String, String) {
    (code.to_owned(), reason.to_owned())
}

#[test]
fn a_young_dependency_is_named_with_its_age_and_the_version_without_it() {
    let young = standing(Fact::Known(at(-18 * HOUR)), None);
    let facts = changed(1, depends(&[("plain-crypto-js", young)]));
    assert_eq!(
        one("new-dependency", &facts),
        text(
            "young-dependency",
            "axios 1.14.1 newly depends on plain-crypto-js, first published 18 h ago \
             (1.14.0 did not)"
        )
    );
    let evaluation = judge("new-dependency", &facts);
    assert_eq!(evaluation.clears_at(), Some(at(90 * DAY - 18 * HOUR)));
    let print = evaluation.findings()[0].fingerprint();
    assert_eq!(
        print.as_str(),
        "new-dependency/young-dependency/pkg:npm/plain-crypto-js"
    );
}

#[test]
fn dependencies_that_are_old_or_popular_are_nothing_to_tell() {
    let old = standing(Fact::Known(at(-90 * DAY)), None);
    let popular = standing(Fact::Unavailable("time-out".into()), Some(9_000));
    is_allowed(
        "new-dependency",
        &changed(1, depends(&[("a", old), ("b", popular)])),
    );
}

#[test]
fn a_dependency_in_the_scope_of_a_known_owner_is_new_for_a_shorter_time() {
    let of_known_owner = |standing: Fact<Standing>| {
        let mut change = depends(&[("%40axios/core", standing)]);
        change.added_dependencies[0].is_of_known_owner = true;
        changed(1, change)
    };
    let aged = |days: i64| of_known_owner(standing(Fact::Known(at(-days * DAY)), None));
    is_allowed("new-dependency", &aged(7));
    let evaluation = judge("new-dependency", &aged(6));
    assert_eq!(evaluation.clears_at(), Some(at(DAY)));
    // Nobody else can register what does not exist.
    is_allowed("new-dependency", &of_known_owner(Fact::Absent));
    // What could not be learned may be an hour old.
    let unknown = of_known_owner(Fact::Unavailable("time-out".into()));
    assert_eq!(one("new-dependency", &unknown).0, "dependency-unchecked");
}

#[test]
fn dependencies_nobody_knows_or_nobody_could_ask_about_hold() {
    for (standing, code) in [
        (Fact::Absent, "unknown-dependency"),
        (standing(Fact::Absent, None), "unknown-dependency"),
        (Fact::Unavailable("time-out".into()), "dependency-unchecked"),
        (
            standing(Fact::Unavailable("time-out".into()), None),
            "dependency-unchecked",
        ),
    ] {
        let facts = changed(1, depends(&[("ghost", standing)]));
        assert_eq!(one("new-dependency", &facts).0, code);
        let settles = Some(at(90 * DAY - HOUR));
        assert_eq!(judge("new-dependency", &facts).clears_at(), settles);
    }
}

#[test]
fn a_dependency_not_asked_about_is_wanted_and_awaited_unless_the_change_has_settled() {
    let ruleset = policy("[rules.new-dependency]\n");
    for (hours, kinds) in [
        (1, FactSet::of(FactKind::Standing)),
        (90 * 24, FactSet::EMPTY),
    ] {
        let facts = changed(hours, depends(&[("new", Fact::NotYet)]));
        let evaluation = ruleset.evaluate(&facts, NOW);
        assert_eq!(evaluation.effect(), Effect::Allow);
        assert_eq!(evaluation.awaits(), kinds, "{hours}");
        assert_eq!(ruleset.wants(&facts, NOW), kinds);
    }
    assert_eq!(ruleset.wants(&changed(1, unchanged()), NOW), FactSet::EMPTY);
}

#[test]
fn one_of_a_thousand_bad_dependencies_is_enough_and_findings_are_bounded() {
    let names: Vec<String> = (0..200).map(|number| format!("n{number}")).collect();
    let list: Vec<(&str, Fact<Standing>)> = names
        .iter()
        .map(|name| (name.as_str(), Fact::Absent))
        .collect();
    let evaluation = judge("new-dependency", &changed(1, depends(&list)));
    assert_eq!(evaluation.findings().len(), 16);
}

#[test]
fn code_at_install_that_was_not_there_is_named() {
    let change = Change {
        added_hooks: vec!["gypfile".into(), "preinstall".into()],
        ..unchanged()
    };
    assert_eq!(
        one("install-code", &changed(1, change)),
        text(
            "install-code-added",
            "axios 1.14.1 newly runs code at install (gypfile, preinstall); 1.14.0 did not"
        )
    );
}

#[test]
fn code_at_install_of_a_first_version_is_looked_at_when_asked_for() {
    let mut facts = changed(1, unchanged());
    facts.change = Fact::Absent;
    facts.install_hooks = Fact::Known(vec!["postinstall".into()]);
    is_allowed("install-code", &facts);
    let strict = "install-code]\necosystem = 'npm'\nfirst_version = 'block'\n[rules.integrity";
    let evaluation = judge(strict, &facts);
    assert_eq!(evaluation.effect(), Effect::Block);
    assert_eq!(told(&evaluation)[0].0, "install-code-first");
    facts.install_hooks = Fact::Unavailable("time-out".into());
    assert_eq!(judge(strict, &facts).effect(), Effect::Block);
    facts.install_hooks = Fact::NotYet;
    assert!(
        judge(strict, &facts)
            .awaits()
            .contains(FactKind::InstallHooks)
    );
    facts.install_hooks = Fact::Absent;
    assert_eq!(judge(strict, &facts).effect(), Effect::Allow);
    facts.change = Fact::Unavailable("time-out".into());
    assert_eq!(judge(strict, &facts).effect(), Effect::Block);
}

#[test]
fn dependencies_from_elsewhere_count_when_new_or_when_any_does() {
    let exotic = ExoticDependency {
        name: "left".into(),
        source: ExoticSource::Git,
        written: "github:eve/left".into(),
    };
    let change = Change {
        added_exotic: vec![exotic.clone()],
        ..unchanged()
    };
    assert_eq!(
        one("exotic-dependency", &changed(1, change)),
        text(
            "exotic-dependency-added",
            "axios 1.14.1 newly takes left from git (github:eve/left); 1.14.0 did not"
        )
    );
    let mut facts = changed(5_000 * 24, unchanged());
    facts.exotic_dependencies = Fact::Known(Arc::new([exotic]));
    is_allowed("exotic-dependency", &facts);
    let any = "exotic-dependency]\necosystem = 'npm'\nany = true\n[rules.integrity";
    assert_eq!(one(any, &facts).0, "exotic-dependency-present");
    facts.exotic_dependencies = Fact::Unavailable("time-out".into());
    assert_eq!(one(any, &facts).0, "exotic-dependencies-unknown");
}

#[test]
fn new_publishers_count_and_new_maintainers_when_asked_for() {
    let change = Change {
        new_publisher: Some("eve".into()),
        new_maintainers: vec!["eve".into()],
        ..unchanged()
    };
    let facts = changed(1, change);
    assert_eq!(
        one("publisher-change", &facts),
        text(
            "new-publisher",
            "axios 1.14.1 was published by eve, who had not published the package before"
        )
    );
    let both = judge(
        "publisher-change]\nnew_maintainer = 'block'\n[rules.integrity",
        &facts,
    );
    assert_eq!(both.effect(), Effect::Block);
    assert_eq!(both.findings().len(), 2);
}

#[test]
fn a_loss_of_provenance_or_of_the_trusted_publisher_is_told_apart() {
    let lost = |from, to| Change {
        trust_lost: Some(TrustLost { from, to }),
        ..unchanged()
    };
    assert_eq!(
        one(
            "provenance",
            &changed(1, lost(Trust::TrustedPublisher, Trust::Account))
        ),
        text(
            "provenance-lost",
            "axios 1.14.1 was published from an account, without provenance; 1.14.0 was published \
             by a trusted workflow"
        )
    );
    let weaker = changed(1, lost(Trust::TrustedPublisher, Trust::Provenance));
    assert_eq!(one("provenance", &weaker).0, "trusted-publisher-lost");
}

#[test]
fn required_provenance_counts_however_old_the_version_is() {
    let required = "provenance]\necosystem = 'npm'\nrequired = true\n[rules.integrity";
    let mut facts = changed(5_000 * 24, unchanged());
    for (fact, effect) in [
        (Fact::Known(true), Effect::Allow),
        (Fact::Known(false), Effect::Quarantine),
        (Fact::Absent, Effect::Quarantine),
        (Fact::Unavailable("time-out".into()), Effect::Quarantine),
    ] {
        facts.has_provenance = fact;
        assert_eq!(judge(required, &facts).effect(), effect);
    }
}

#[test]
fn a_burst_counts_against_the_habit() {
    let burst = |versions, habit| {
        let mut facts = changed(1, unchanged());
        facts.burst = Fact::Known(Burst { versions, habit });
        facts
    };
    for (versions, habit) in [(2, 0), (3, 2), (10, 5), (u32::MAX, u32::MAX)] {
        is_allowed("publish-burst", &burst(versions, habit));
    }
    assert_eq!(
        one("publish-burst", &burst(5, 1)),
        text(
            "published-in-a-burst",
            "axios 1.14.1 is one of 5 versions published within an hour (at most 1 before)"
        )
    );
    assert_eq!(one("publish-burst", &burst(3, 0)).0, "published-in-a-burst");
    let mut unknown = changed(1, unchanged());
    unknown.burst = Fact::Unavailable("no date".into());
    assert_eq!(one("publish-burst", &unknown).0, "burst-unknown");
}

#[test]
fn a_jump_in_size_counts_from_a_size_on() {
    let sized = |before, after| {
        changed(
            1,
            Change {
                size_bytes: Some((before, after)),
                ..unchanged()
            },
        )
    };
    is_allowed("size-jump", &sized(1_000, 1_000_000));
    is_allowed("size-jump", &sized(1_000_000, 9_999_999));
    is_allowed("size-jump", &sized(u64::MAX, 5));
    assert_eq!(
        one("size-jump", &sized(40_000, 12_000_000)),
        text("size-jumped", "axios 1.14.1 has 12 MB; 1.14.0 had 40 kB")
    );
    assert_eq!(one("size-jump", &sized(0, 2_000_000)).0, "size-jumped");
}

/// Everything at once.
fn remarkable() -> Change {
    Change {
        added_hooks: vec!["postinstall".into()],
        added_exotic: vec![ExoticDependency {
            name: "a".into(),
            source: ExoticSource::Url,
            written: "https://files.example/a.tgz".into(),
        }],
        new_publisher: Some("eve".into()),
        trust_lost: Some(TrustLost {
            from: Trust::Provenance,
            to: Trust::Account,
        }),
        size_bytes: Some((1, 10_000_000)),
        ..depends(&[("ghost", Fact::Absent)])
    }
}

#[test]
fn what_has_settled_no_longer_counts_and_until_then_the_reason_says_so() {
    for rule in RULES {
        let after = match rule {
            "publisher-change" | "size-jump" => 30,
            _ => 90,
        };
        let held = judge(rule, &changed(after * 24 - 1, remarkable()));
        assert_eq!(held.clears_at(), Some(at(HOUR)), "{rule}");
        is_allowed(rule, &changed(after * 24, remarkable()));
    }
}

#[test]
fn dates_that_are_missing_changed_or_nonsense_settle_nothing() {
    for rule in RULES {
        let mut facts = changed(5_000 * 24, remarkable());
        facts.published_at = Fact::Unavailable("time-out".into());
        assert_eq!(judge(rule, &facts).effect(), Effect::Quarantine, "{rule}");
        assert_eq!(judge(rule, &facts).clears_at(), None);
        facts.published_at = Fact::Known(Timestamp::from_millis(0));
        assert_eq!(judge(rule, &facts).effect(), Effect::Quarantine, "{rule}");
        // The registry backdated what Cordon saw as new.
        facts.published_at = Fact::Known(at(-5_000 * DAY));
        facts.history.first_seen_at = Some(at(-DAY));
        facts.history.published_at_first_sight = Some(at(-DAY));
        assert_eq!(judge(rule, &facts).effect(), Effect::Quarantine, "{rule}");
        facts.published_at = Fact::NotYet;
        assert!(judge(rule, &facts).awaits().contains(FactKind::PublishedAt));
    }
}

#[test]
fn without_a_date_the_first_sight_counts() {
    for rule in RULES {
        let mut facts = changed(0, remarkable());
        facts.published_at = Fact::Absent;
        assert_eq!(judge(rule, &facts).effect(), Effect::Quarantine, "{rule}");
        facts.history.first_seen_at = Some(at(-91 * DAY));
        is_allowed(rule, &facts);
    }
}

#[test]
fn a_change_that_could_not_be_learned_holds_until_it_has_settled() {
    for rule in RULES {
        let mut facts = changed(1, unchanged());
        is_allowed(rule, &facts);
        facts.change = Fact::Absent;
        is_allowed(rule, &facts);
        facts.change = Fact::NotYet;
        assert!(
            judge(rule, &facts).awaits().contains(FactKind::Change),
            "{rule}"
        );
        facts.change = Fact::Unavailable("time-out".into());
        let evaluation = judge(rule, &facts);
        assert_eq!(evaluation.effect(), Effect::Quarantine, "{rule}");
        assert!(evaluation.valid_until().is_some(), "{rule}");
        facts.published_at = Fact::Known(at(-91 * DAY));
        is_allowed(rule, &facts);
    }
}
