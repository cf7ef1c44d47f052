//! What must hold for any reports and facts.

use super::*;

fn reports() -> impl Strategy<Value = AdvisoryMatch> {
    (
        select(vec!["MAL-1", "MAL-2", "GHSA-1", "RUSTSEC-1"]),
        select(vec![
            AdvisoryKind::Malware,
            AdvisoryKind::Vulnerability,
            AdvisoryKind::Unmaintained,
            AdvisoryKind::Unsound,
            AdvisoryKind::Notice,
        ]),
        select(vec![
            Named::Listed,
            Named::Range,
            Named::Everything,
            Named::Unlisted,
            Named::Unreadable,
        ]),
        option::of(0..=100_u8),
        option::of(days()),
        any::<bool>(),
        option::of(0..=1_000_u16),
    )
        .prop_map(
            |(id, kind, named, cvss_tenths, published_at, is_exploited, epss)| AdvisoryMatch {
                cvss_tenths,
                published_at,
                is_exploited,
                epss_thousandths: epss,
                ..report(id, kind, named)
            },
        )
}

fn days() -> impl Strategy<Value = Timestamp> {
    (-800_i64..5).prop_map(|days| at(days * DAY))
}

fn dates() -> impl Strategy<Value = Fact<Timestamp>> {
    prop_oneof![
        6 => days().prop_map(Fact::Known),
        1 => Just(Fact::Absent),
        1 => Just(Fact::Unavailable("down".into())),
        1 => Just(Fact::NotYet),
    ]
}

fn candidates() -> impl Strategy<Value = VersionFacts> {
    (
        vec(reports(), 0..4),
        dates(),
        dates(),
        option::of(days()),
        any::<bool>(),
        option::weighted(0.2, Just(Popularity { rank: 3 })),
    )
        .prop_map(
            |(reports, published, first, allowed, is_pinned, popularity)| {
                let mut facts = warned("pkg:npm/axios@1.14.1", &reports);
                facts.published_at = published;
                facts.history.first_allowed_at = allowed;
                facts.history.pinned = is_pinned.then(|| Digest::of(b"honest"));
                with_package(&mut facts, |package| {
                    package.first_published_at = first;
                    package.popularity = popularity;
                });
                facts
            },
        )
}

fn policies() -> impl Strategy<Value = Ruleset> {
    let effects = || select(vec!["hide", "quarantine", "block"]);
    let informational = || select(vec!["ignore", "hide", "quarantine", "block"]);
    (
        effects(),
        effects(),
        0..=100_u32,
        informational(),
        informational(),
        0..30_u32,
    )
        .prop_map(|(malware, advisory, severity, unsound, notice, settled)| {
            only(&format!(
                "[rules.malware]\neffect = '{malware}'\nsettled_after = '{settled}d'\n\
                 [rules.advisory]\neffect = '{advisory}'\nmin_severity = {}.{}\n\
                 unsound = '{unsound}'\nnotice = '{notice}'\nmin_epss = 0.5\n",
                severity / 10,
                severity % 10
            ))
        })
}

/// Serving is what a verdict must not loosen: nothing may be served that was not.
fn strictness(evaluation: &Evaluation) -> (Effect, bool) {
    (evaluation.effect(), !evaluation.awaits().is_empty())
}

proptest! {
    #[test]
    fn another_report_never_loosens(
        rules in policies(),
        facts in candidates(),
        more in reports(),
        now in days(),
    ) {
        let mut warned = facts.clone();
        let mut reports = facts.advisories.known().map(|all| all.to_vec()).unwrap_or_default();
        reports.push(more);
        warned.advisories = Fact::Known(reports.into());
        let (before, after) = (rules.evaluate(&facts, now), rules.evaluate(&warned, now));
        prop_assert!(after.effect() >= before.effect());
        prop_assert!(before.awaits().iter().all(|kind| after.awaits().contains(kind)));
    }

    #[test]
    fn the_order_of_reports_does_not_matter(
        rules in policies(),
        (facts, shuffled) in candidates().prop_flat_map(|facts| {
            let reports = facts.advisories.known().map(|all| all.to_vec()).unwrap_or_default();
            (Just(facts), Just(reports).prop_shuffle())
        }),
    ) {
        let mut other = facts.clone();
        if !shuffled.is_empty() {
            other.advisories = Fact::Known(shuffled.into());
        }
        prop_assert_eq!(rules.evaluate(&facts, NOW), rules.evaluate(&other, NOW));
    }

    /// Of what was never allowed here; what was is kept on purpose.
    #[test]
    fn losing_a_fact_never_loosens(rules in policies(), facts in candidates(), which in 0..5) {
        let mut facts = facts;
        if which == 0 {
            facts.history.pinned = None;
        }
        let before = rules.evaluate(&facts, NOW);
        let lost = || Fact::Unavailable("down".into());
        let mut less = facts.clone();
        match which {
            0 => less.advisories = Fact::Unavailable("too old".into()),
            1 => less.published_at = lost(),
            2 => with_package(&mut less, |package| package.first_published_at = lost()),
            3 => with_package(&mut less, |package| package.popularity = None),
            _ => less.history.first_allowed_at = None,
        }
        let after = rules.evaluate(&less, NOW);
        prop_assert!(
            after.effect() >= before.effect() || !after.awaits().is_empty(),
            "{:?} became {:?}", strictness(&before), strictness(&after)
        );
    }

    #[test]
    fn learning_a_fact_never_loosens(
        rules in policies(),
        facts in candidates(),
        published in dates(),
        first in dates(),
    ) {
        let mut early = facts.clone();
        early.published_at = Fact::NotYet;
        with_package(&mut early, |package| package.first_published_at = Fact::NotYet);
        let mut late = facts;
        late.published_at = published;
        with_package(&mut late, |package| package.first_published_at = first);
        let (before, after) = (rules.evaluate(&early, NOW), rules.evaluate(&late, NOW));
        prop_assert!(after.effect() >= before.effect());
    }

    /// No clock is in these rules: a verdict holds until its facts change.
    #[test]
    fn verdicts_do_not_end_by_time(
        rules in policies(),
        facts in candidates(),
        now in days(),
        later in days(),
    ) {
        let (one, other) = (rules.evaluate(&facts, now), rules.evaluate(&facts, later));
        prop_assert_eq!(one.valid_until(), None);
        prop_assert_eq!(one.effect(), other.effect());
    }

    /// A withdrawn report is one that is not there.
    #[test]
    fn withdrawing_every_report_releases(rules in policies(), facts in candidates()) {
        let mut released = facts;
        released.advisories = Fact::Absent;
        prop_assert_eq!(rules.evaluate(&released, NOW).effect(), Effect::Allow);
    }
}
