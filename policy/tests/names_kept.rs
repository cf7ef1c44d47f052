//! Names that were asked for before they existed.

mod support;

use std::sync::Arc;

use cordon_policy::facts::{AskedInVain, Fact, PackageFacts, VersionFacts};
use cordon_policy::model::Timestamp;
use cordon_policy::verdict::Effect;
use support::*;

fn registered(first: Fact<Timestamp>, asked: Timestamp) -> VersionFacts {
    let mut facts = fetched("pkg:pypi/acme-requests@1.0");
    facts.package = Arc::new(PackageFacts {
        first_published_at: first,
        asked_in_vain: Some(AskedInVain { first_at: asked }),
        ..(*facts.package).clone()
    });
    facts
}

#[test]
fn what_was_registered_after_it_was_asked_for_is_held_for_a_year() {
    let ruleset = policy("[rules.watched-name]\n");
    let facts = registered(Fact::Known(at(-100 * DAY)), at(-200 * DAY));
    let held = ruleset.evaluate(&facts, NOW);
    assert_eq!(held.effect(), Effect::Quarantine);
    assert_eq!(held.valid_until(), Some(at(265 * DAY)));
    let found = held.deciding().unwrap();
    assert!(
        found.reason.contains("before it existed"),
        "{}",
        found.reason
    );
    assert_eq!(
        ruleset.evaluate(&facts, at(265 * DAY)).effect(),
        Effect::Allow
    );
    // It was there before: the answer then was wrong, or it had been taken down.
    let old = registered(Fact::Known(at(-900 * DAY)), at(-200 * DAY));
    assert_eq!(ruleset.evaluate(&old, NOW).effect(), Effect::Allow);
    for lost in [Fact::Absent, Fact::Unavailable("time-out".into())] {
        let unknown = registered(lost, at(-200 * DAY));
        assert_eq!(ruleset.evaluate(&unknown, NOW).effect(), Effect::Quarantine);
    }
    let waiting = registered(Fact::NotYet, at(-200 * DAY));
    assert!(ruleset.evaluate(&waiting, NOW).permit().is_none());
}

#[test]
fn the_built_in_policy_watches() {
    let facts = registered(Fact::Known(at(-100 * DAY)), at(-200 * DAY));
    let held = built_in().evaluate(&facts, NOW);
    assert_eq!(held.deciding().unwrap().rule.as_str(), "watched-name");
}
