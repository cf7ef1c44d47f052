//! Security fixes let through early, release trains, and young names of popular packages.

mod support;

use std::sync::Arc;

use cordon_policy::facts::{
    AddedDependency, Burst, Change, DependencyKind, ExoticDependency, ExoticSource, Fact,
    PackageFacts, Popularity, Sibling, Standing, Trust, TrustLost, VersionFacts,
};
use cordon_policy::model::{PurlTarget, Timestamp, Version, parse_purl};
use cordon_policy::verdict::{Effect, Evaluation};
use support::*;

const POLICY: &str = "[rules.minimum-age]\n";

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

/// A fix of so many hours that changes this.
fn fix(hours: i64, change: Change) -> VersionFacts {
    let mut facts = fetched("pkg:npm/axios@1.15.0");
    facts.published_at = Fact::Known(at(-hours * HOUR));
    facts.fixes = Arc::from(["GHSA-3p68-rc4w-qgx5".into()]);
    facts.change = Fact::Known(Arc::new(change));
    facts
}

fn judge(facts: &VersionFacts) -> Evaluation {
    policy(POLICY).evaluate(facts, NOW)
}

fn dependency(standing: Fact<Standing>) -> AddedDependency {
    let PurlTarget { name, .. } = parse_purl(
        "pkg:npm/plain-crypto-js",
        &cordon_policy::ecosystem::schemes(),
    )
    .expect("a valid purl");
    AddedDependency {
        is_of_known_owner: false,
        package: name,
        kind: DependencyKind::Normal,
        standing,
    }
}

fn standing(first: Fact<Timestamp>, rank: Option<u32>) -> Fact<Standing> {
    Fact::Known(Standing {
        first_published_at: first,
        rank,
    })
}

#[test]
fn a_reviewed_fix_is_let_through_after_the_floor_and_says_so() {
    assert_eq!(judge(&fix(23, unchanged())).effect(), Effect::Hide);
    let released = judge(&fix(25, unchanged()));
    assert_eq!(released.effect(), Effect::Allow);
    let note = &released.findings()[0];
    assert_eq!(note.code.as_str(), "released-early");
    assert!(
        note.reason.contains("GHSA-3p68-rc4w-qgx5"),
        "{}",
        note.reason
    );
    let mut unreviewed = fix(25, unchanged());
    unreviewed.fixes = Arc::default();
    assert_eq!(judge(&unreviewed).effect(), Effect::Hide);
    // Of age anyway: nothing to tell.
    assert!(judge(&fix(73, unchanged())).findings().is_empty());
}

#[test]
fn a_fix_that_changes_anything_else_stays_held() {
    let changes: [fn(&mut Change); 7] = [
        |change| change.added_hooks.push("postinstall".into()),
        |change| {
            change.added_exotic.push(ExoticDependency {
                name: "x".into(),
                source: ExoticSource::Git,
                written: "git://host.example/x".into(),
            });
        },
        |change| change.new_publisher = Some("stranger".into()),
        |change| {
            change.trust_lost = Some(TrustLost {
                from: Trust::TrustedPublisher,
                to: Trust::Account,
            });
        },
        |change| {
            let young = standing(Fact::Known(at(-18 * HOUR)), None);
            change.added_dependencies.push(dependency(young));
        },
        |change| {
            let unknown = standing(Fact::Absent, None);
            change.added_dependencies.push(dependency(unknown));
        },
        |change| {
            let lost = Fact::Unavailable("time-out".into());
            change.added_dependencies.push(dependency(lost));
        },
    ];
    for (at, make) in changes.into_iter().enumerate() {
        let mut change = unchanged();
        make(&mut change);
        assert_eq!(judge(&fix(25, change)).effect(), Effect::Hide, "{at}");
    }
    let mut burst = fix(25, unchanged());
    burst.burst = Fact::Known(Burst {
        versions: 5,
        habit: 1,
    });
    assert_eq!(judge(&burst).effect(), Effect::Hide);
    let mut first = fix(25, unchanged());
    first.change = Fact::Absent;
    assert_eq!(judge(&first).effect(), Effect::Hide);
}

#[test]
fn a_fix_may_newly_depend_on_what_is_established() {
    for known in [
        standing(Fact::Known(at(-400 * DAY)), None),
        standing(Fact::NotYet, Some(12)),
    ] {
        let mut change = unchanged();
        change.added_dependencies.push(dependency(known));
        assert_eq!(judge(&fix(25, change)).effect(), Effect::Allow);
    }
    let mut change = unchanged();
    change.added_dependencies.push(dependency(Fact::NotYet));
    assert!(judge(&fix(25, change)).permit().is_none());
}

#[test]
fn a_version_waits_for_what_it_pins() {
    let mut facts = fetched("pkg:npm/%40types/bun@1.3.2");
    facts.published_at = Fact::Known(at(-73 * HOUR));
    let pinned = fetched("pkg:npm/bun-types@1.3.2").subject().clone();
    let sibling = |published_at| {
        let subject = pinned.clone();
        Fact::Known(Arc::from([Sibling {
            subject,
            published_at,
        }]))
    };
    facts.siblings = sibling(Fact::Known(at(-71 * HOUR)));
    let waiting = judge(&facts);
    assert_eq!(waiting.effect(), Effect::Hide);
    assert_eq!(waiting.valid_until(), Some(at(HOUR)));
    let found = waiting.deciding().unwrap();
    assert_eq!(found.code.as_str(), "train-too-young");
    assert!(
        found.reason.contains("pins bun-types 1.3.2"),
        "{}",
        found.reason
    );
    facts.siblings = sibling(Fact::Known(at(-74 * HOUR)));
    assert_eq!(judge(&facts).effect(), Effect::Allow);
    for lost in [Fact::Absent, Fact::Unavailable("time-out".into())] {
        facts.siblings = sibling(lost);
        assert_eq!(judge(&facts).effect(), Effect::Hide);
    }
    facts.siblings = sibling(Fact::NotYet);
    assert!(judge(&facts).permit().is_none());
    let careless = policy("[rules.minimum-age]\nwaits_for_pinned = false\n");
    assert_eq!(careless.evaluate(&facts, NOW).effect(), Effect::Allow);
}

#[test]
fn a_popular_name_may_be_younger_than_another() {
    let mut facts = fetched("pkg:npm/left-pad@1.3.0");
    let mut package = PackageFacts {
        first_published_at: Fact::Known(at(-8 * DAY)),
        ..(*facts.package).clone()
    };
    facts.package = Arc::new(package.clone());
    assert_eq!(judge(&facts).effect(), Effect::Quarantine);
    package.popularity = Some(Popularity { rank: 9_000 });
    facts.package = Arc::new(package.clone());
    assert_eq!(judge(&facts).effect(), Effect::Allow);
    // Popular, and two days old: somebody else's name now.
    package.first_published_at = Fact::Known(at(-2 * DAY));
    facts.package = Arc::new(package);
    assert_eq!(judge(&facts).effect(), Effect::Quarantine);
}
