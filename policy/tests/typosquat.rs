//! Names that look made to be taken for popular ones, as the rule judges them.

mod support;

use std::sync::Arc;

use cordon_policy::facts::{Fact, PackageFacts, Popularity, Score, Similarity, VersionFacts};
use cordon_policy::model::Timestamp;
use cordon_policy::verdict::Effect;
use support::*;

fn likeness(score: u16) -> Fact<Similarity> {
    Fact::Known(Similarity {
        score: Score(score),
        target: "lodash".into(),
        technique: "two letters swapped".into(),
    })
}

fn named(similarity: Fact<Similarity>, first: Fact<Timestamp>) -> VersionFacts {
    let mut facts = fetched("pkg:npm/lodahs@1.0.0");
    facts.package = Arc::new(PackageFacts {
        similarity,
        first_published_at: first,
        ..(*facts.package).clone()
    });
    facts
}

#[test]
fn a_young_name_like_a_popular_one_is_held_until_it_is_established() {
    let ruleset = policy("[rules.typosquat]\n");
    let facts = named(likeness(800), Fact::Known(at(-100 * DAY)));
    let held = ruleset.evaluate(&facts, NOW);
    assert_eq!(held.effect(), Effect::Quarantine);
    assert_eq!(held.valid_until(), Some(at(630 * DAY)));
    let found = held.deciding().unwrap();
    assert_eq!(
        found.reason,
        "lodahs looks like lodash (two letters swapped); if lodash is meant, use lodash instead"
    );
    assert_eq!(
        found.fingerprint().as_str(),
        "typosquat/resembles-popular/lodash"
    );
    let later = ruleset.evaluate(&facts, at(630 * DAY));
    assert_eq!(later.effect(), Effect::Allow);
}

#[test]
fn below_the_threshold_without_a_likeness_or_popular_itself_it_passes() {
    let ruleset = policy("[rules.typosquat]\n");
    let young = || Fact::Known(at(-DAY));
    for similarity in [likeness(799), Fact::Absent] {
        let facts = named(similarity, young());
        assert_eq!(ruleset.evaluate(&facts, NOW).effect(), Effect::Allow);
    }
    let mut popular = named(likeness(1_000), young());
    Arc::make_mut(&mut popular.package).popularity = Some(Popularity { rank: 9_000 });
    assert_eq!(ruleset.evaluate(&popular, NOW).effect(), Effect::Allow);
}

#[test]
fn what_is_not_known_is_waited_for_or_held() {
    let ruleset = policy("[rules.typosquat]\n");
    let old = || Fact::Known(at(-3_000 * DAY));
    for waiting in [
        named(Fact::NotYet, old()),
        named(likeness(900), Fact::NotYet),
    ] {
        let evaluation = ruleset.evaluate(&waiting, NOW);
        assert!(evaluation.permit().is_none());
        assert!(!evaluation.awaits().is_empty());
    }
    // A likeness too small to matter needs no age.
    let plain = named(likeness(10), Fact::NotYet);
    assert!(ruleset.evaluate(&plain, NOW).awaits().is_empty());
    let implausible = Fact::Known(Timestamp::from_millis(0));
    for lost in [
        named(Fact::Unavailable("out of memory".into()), old()),
        named(likeness(900), Fact::Absent),
        named(likeness(900), Fact::Unavailable("time-out".into())),
        named(likeness(900), implausible),
    ] {
        let held = ruleset.evaluate(&lost, NOW);
        assert_eq!(held.effect(), Effect::Quarantine);
        assert_eq!(held.valid_until(), None);
    }
}

#[test]
fn threshold_and_age_are_settings_and_read_back_as_written() {
    let ruleset = policy(
        "[rules.typosquat]\nthreshold = 0.95\nestablished_after = '90d'\n\
         [[rules.typosquat.override]]\necosystem = 'npm'\npackages = ['lodahs']\nthreshold = 0.5\n",
    );
    let facts = named(likeness(600), Fact::Known(at(-10 * DAY)));
    let held = ruleset.evaluate(&facts, NOW);
    assert_eq!(held.effect(), Effect::Quarantine);
    assert_eq!(held.valid_until(), Some(at(80 * DAY)));
    let text = ruleset.describe();
    assert!(text.contains("threshold = 0.950"), "{text}");
    assert!(text.contains("threshold = 0.500"), "{text}");
    assert_eq!(policy(&text).describe(), text);
}
