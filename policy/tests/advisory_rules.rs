//! The rules `advisory` and `malware`: what counts, how much a report is believed, and what missing
//! data means.

mod support;

use std::sync::Arc;

use cordon_policy::advisory::NO_DATA;
use cordon_policy::config::{PolicySource, load};
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{
    AdvisoryKind, AdvisoryMatch, Fact, FactKind, FactSet, Named, PackageFacts, Popularity,
    VersionFacts,
};
use cordon_policy::finding::Mode;
use cordon_policy::model::{Digest, Timestamp};
use cordon_policy::verdict::{Effect, Evaluation};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use support::*;

/// The rule of that id alone, beside the one that cannot be left out.
fn only(rule: &str) -> Ruleset {
    policy(&format!(
        "[rules.integrity]\n[rules.minimum-age]\nenabled = false\n{rule}"
    ))
}

fn report(id: &str, kind: AdvisoryKind, named: Named) -> AdvisoryMatch {
    AdvisoryMatch {
        id: id.into(),
        aliases: Vec::new(),
        kind,
        named,
        cvss_tenths: None,
        fixed: Vec::new(),
        is_reviewed: false,
        published_at: Some(at(-10 * DAY)),
        modified_at: None,
        summary: "text".into(),
        is_exploited: false,
        epss_thousandths: None,
    }
}

fn malware(named: Named) -> AdvisoryMatch {
    report("MAL-2026-1", AdvisoryKind::Malware, named)
}

fn flaw(cvss_tenths: Option<u8>) -> AdvisoryMatch {
    AdvisoryMatch {
        cvss_tenths,
        ..report("GHSA-1", AdvisoryKind::Vulnerability, Named::Range)
    }
}

/// A fetched version with these advisories.
fn warned(purl: &str, advisories: &[AdvisoryMatch]) -> VersionFacts {
    let mut facts = fetched(purl);
    facts.advisories = match advisories {
        [] => Fact::Absent,
        some => Fact::Known(Arc::from(some)),
    };
    facts
}

fn with_package(facts: &mut VersionFacts, change: impl FnOnce(&mut PackageFacts)) {
    change(Arc::make_mut(&mut facts.package));
}

fn code(evaluation: &Evaluation) -> Option<&str> {
    evaluation
        .findings()
        .first()
        .map(|finding| finding.code.as_str())
}

// ---- malware -----------------------------------------------------------------------------------

#[test]
fn malware_is_blocked_and_the_reason_names_report_and_remedy() {
    let rules = only("[rules.malware]\n");
    let mut found = malware(Named::Listed);
    found.fixed = ["1.14.0", "1.14.2", "1.14.3", "1.15.0"]
        .map(Into::into)
        .to_vec();
    let evaluation = rules.evaluate(&warned("pkg:npm/axios@1.14.1", &[found]), NOW);
    assert_eq!(evaluation.effect(), Effect::Block);
    let finding = evaluation.deciding().expect("it is refused");
    assert_eq!(
        finding.fingerprint().as_str(),
        "malware/known-malware/MAL-2026-1"
    );
    assert_eq!(
        finding.reason,
        "axios 1.14.1 is malware (MAL-2026-1); use 1.14.2 or 1.15.0"
    );
    let evaluation = rules.evaluate(&warned("pkg:npm/axios@1.14.1", &[]), NOW);
    assert_eq!(evaluation.effect(), Effect::Allow);
}

#[test]
fn a_vulnerability_is_no_business_of_the_malware_rule_nor_the_other_way_round() {
    let flawed = warned("pkg:npm/axios@1.14.1", &[flaw(Some(100))]);
    let bad = warned("pkg:npm/axios@1.14.1", &[malware(Named::Listed)]);
    assert_eq!(
        only("[rules.malware]\n").evaluate(&flawed, NOW).effect(),
        Effect::Allow
    );
    assert_eq!(
        only("[rules.advisory]\n").evaluate(&bad, NOW).effect(),
        Effect::Allow
    );
}

/// A package of two years, a report of ten days ago.
fn swept(named: Named, change: impl FnOnce(&mut VersionFacts)) -> (Effect, Option<String>) {
    let mut facts = warned("pkg:npm/chalk@5.6.0", &[malware(named)]);
    with_package(&mut facts, |package| {
        package.first_published_at = Fact::Known(at(-730 * DAY));
    });
    facts.published_at = Fact::Known(at(-12 * DAY));
    change(&mut facts);
    let evaluation = only("[rules.malware]\n").evaluate(&facts, NOW);
    (evaluation.effect(), code(&evaluation).map(str::to_owned))
}

#[test]
fn n_02_a_sweep_over_an_established_package_stops_what_nobody_uses_yet() {
    let (effect, code) = swept(Named::Everything, |_| {});
    assert_eq!(
        (effect, code.as_deref()),
        (Effect::Quarantine, Some("suspect-range"))
    );
    // Published between the two.
    let (effect, _) = swept(Named::Everything, |facts| {
        facts.published_at = Fact::Known(at(-24 * DAY + HOUR));
    });
    assert_eq!(effect, Effect::Quarantine);
}

#[test]
fn n_01_n_05_a_sweep_over_an_established_package_keeps_what_is_in_use() {
    let served = |facts: &mut VersionFacts| facts.history.first_allowed_at = Some(at(-DAY));
    let settled = |facts: &mut VersionFacts| facts.published_at = Fact::Known(at(-24 * DAY));
    for found in [
        swept(Named::Everything, served),
        swept(Named::Everything, settled),
    ] {
        assert_eq!(
            found,
            (Effect::Allow, Some("suspect-range-in-use".to_owned()))
        );
    }
}

#[test]
fn n_04_versions_outside_the_list_of_an_established_package_stay() {
    let (effect, code) = swept(Named::Unlisted, |_| {});
    assert_eq!(
        (effect, code.as_deref()),
        (Effect::Allow, Some("suspect-range-in-use"))
    );
    let (effect, _) = swept(Named::Listed, |facts| {
        facts.history.first_allowed_at = Some(at(-DAY));
    });
    assert_eq!(
        effect,
        Effect::Block,
        "what is listed is not kept, in use or not"
    );
}

#[test]
fn a_sweep_over_an_unknown_package_is_believed() {
    let young = |facts: &mut VersionFacts| {
        with_package(facts, |package| {
            package.first_published_at = Fact::Known(at(-300 * DAY));
        });
        facts.history.first_allowed_at = Some(at(-DAY));
    };
    assert_eq!(swept(Named::Everything, young).0, Effect::Block);
    // The list may have missed versions that came later; a person should look.
    assert_eq!(swept(Named::Unlisted, young).0, Effect::Quarantine);
    let popular = |facts: &mut VersionFacts| {
        young(facts);
        with_package(facts, |package| {
            package.popularity = Some(Popularity { rank: 9 })
        });
    };
    assert_eq!(swept(Named::Everything, popular).0, Effect::Allow);
}

#[test]
fn what_is_not_known_is_not_counted_in_favour_and_what_is_not_learned_is_waited_for() {
    for lost in [Fact::Absent, Fact::Unavailable("down".into())] {
        let (effect, _) = swept(Named::Everything, |facts| {
            with_package(facts, |package| package.first_published_at = lost.clone());
        });
        assert_eq!(effect, Effect::Block);
        let (effect, _) = swept(Named::Everything, |facts| facts.published_at = lost);
        assert_eq!(effect, Effect::Quarantine);
    }
    let mut facts = warned("pkg:npm/chalk@5.6.0", &[malware(Named::Everything)]);
    with_package(&mut facts, |package| {
        package.first_published_at = Fact::NotYet
    });
    let evaluation = only("[rules.malware]\n").evaluate(&facts, NOW);
    assert_eq!(evaluation.awaits(), FactSet::of(FactKind::FirstPublishedAt));
    assert!(evaluation.permit().is_none());
}

#[test]
fn what_cannot_be_read_counts_as_malware_and_says_so() {
    let facts = warned("pkg:npm/chalk@5.6.0", &[malware(Named::Unreadable)]);
    let evaluation = only("[rules.malware]\n").evaluate(&facts, NOW);
    let finding = evaluation.deciding().expect("it is refused");
    assert_eq!(finding.effect, Effect::Block);
    assert!(
        finding.reason.contains("cannot be read"),
        "{}",
        finding.reason
    );
}

// ---- vulnerabilities ---------------------------------------------------------------------------

fn judged(rule: &str, found: AdvisoryMatch) -> (Effect, Option<String>) {
    let facts = warned("pkg:npm/lodash@4.17.20", &[found]);
    let evaluation = only(rule).evaluate(&facts, NOW);
    (evaluation.effect(), code(&evaluation).map(str::to_owned))
}

#[test]
fn a_vulnerability_counts_from_the_threshold_on() {
    const RULE: &str = "[rules.advisory]\nmin_severity = 7.5\n";
    assert_eq!(judged(RULE, flaw(Some(74))).0, Effect::Allow);
    assert_eq!(
        judged(RULE, flaw(Some(75))),
        (Effect::Hide, Some("vulnerable".into()))
    );
    let whole = "[rules.advisory]\nmin_severity = 7\n";
    assert_eq!(judged(whole, flaw(Some(70))).0, Effect::Hide);
}

#[test]
fn y_05_an_unknown_severity_counts_as_high() {
    let at_least = |severity: &str| format!("[rules.advisory]\nmin_severity = {severity}\n");
    assert_eq!(judged(&at_least("8.9"), flaw(None)).0, Effect::Hide);
    assert_eq!(judged(&at_least("9.0"), flaw(None)).0, Effect::Allow);
    assert_eq!(judged("[rules.advisory]\n", flaw(None)).0, Effect::Hide);
}

#[test]
fn what_is_exploited_or_likely_to_be_counts_whatever_its_score() {
    let exploited = AdvisoryMatch {
        is_exploited: true,
        ..flaw(Some(10))
    };
    let likely = AdvisoryMatch {
        epss_thousandths: Some(250),
        ..flaw(Some(10))
    };
    let code = |found: AdvisoryMatch, rule: &str| judged(rule, found).1.unwrap_or_default();
    assert_eq!(code(exploited.clone(), "[rules.advisory]\n"), "exploited");
    assert_eq!(code(exploited, "[rules.advisory]\nexploited = false\n"), "");
    assert_eq!(code(likely.clone(), "[rules.advisory]\n"), "");
    assert_eq!(
        code(likely.clone(), "[rules.advisory]\nmin_epss = 0.251\n"),
        ""
    );
    assert_eq!(
        code(likely, "[rules.advisory]\nmin_epss = 0.25\n"),
        "likely-exploited"
    );
}

#[test]
fn informational_kinds_ask_for_what_each_is_told_and_for_nothing_by_default() {
    for (kind, key, code) in [
        (AdvisoryKind::Unmaintained, "unmaintained", "unmaintained"),
        (AdvisoryKind::Unsound, "unsound", "unsound"),
        (AdvisoryKind::Notice, "notice", "security-notice"),
    ] {
        let found = report("RUSTSEC-1", kind, Named::Everything);
        assert_eq!(
            judged("[rules.advisory]\n", found.clone()),
            (Effect::Allow, None)
        );
        let rule = format!("[rules.advisory]\n{key} = 'quarantine'\n");
        assert_eq!(
            judged(&rule, found),
            (Effect::Quarantine, Some(code.to_owned()))
        );
    }
}

#[test]
fn the_reason_names_report_score_and_remedy_in_printable_ascii() {
    let mut found = flaw(Some(98));
    found.id = "GHSA-\u{1b}[2J".into();
    found.fixed = vec!["4.17.21".into()];
    found.epss_thousandths = Some(425);
    let facts = warned("pkg:npm/lodash@4.17.20", &[found]);
    let evaluation = only("[rules.advisory]\n").evaluate(&facts, NOW);
    assert_eq!(
        evaluation.deciding().expect("it is hidden").reason,
        "lodash 4.17.20 has a known vulnerability (GHSA-?[2J, CVSS 9.8, EPSS 42.5%); use 4.17.21"
    );
}

#[test]
fn numbers_out_of_place_are_refused() {
    for (line, code) in [
        ("min_severity = 10.1", "out-of-range"),
        ("min_severity = -1", "out-of-range"),
        ("min_severity = 7.55", "invalid-value"),
        ("min_severity = nan", "out-of-range"),
        ("min_severity = inf", "out-of-range"),
        ("min_severity = 'high'", "wrong-type"),
        ("min_epss = 1.5", "out-of-range"),
        ("unsound = 'allow'", "unknown-value"),
    ] {
        let source = PolicySource {
            name: "policy.toml".to_owned(),
            text: format!("[rules.advisory]\n{line}\n"),
        };
        let problems = load(&[source]).expect_err(line);
        assert_eq!(problems[0].code, code, "{line}: {problems:?}");
    }
}

// ---- without data ------------------------------------------------------------------------------

#[test]
fn d_01_without_data_what_was_never_allowed_is_held_and_what_was_stays() {
    for (rule, effect) in [("malware", Effect::Block), ("advisory", Effect::Hide)] {
        let rules = only(&format!("[rules.{rule}]\n"));
        for cause in [NO_DATA, "advisory data is too old"] {
            let mut facts = fetched("pkg:npm/lodash@4.17.20");
            facts.advisories = Fact::Unavailable(cause.into());
            let evaluation = rules.evaluate(&facts, NOW);
            assert_eq!(evaluation.effect(), effect, "{rule}: {cause}");
            assert!(evaluation.findings()[0].reason.contains(cause));
            facts.history.first_allowed_at = Some(at(-DAY));
            assert_eq!(
                rules.evaluate(&facts, NOW).effect(),
                effect,
                "without a pin"
            );
            facts.history.pinned = Some(Digest::of(b"honest"));
            let evaluation = rules.evaluate(&facts, NOW);
            assert_eq!(evaluation.effect(), Effect::Allow);
            assert_eq!(
                evaluation.findings()[0].mode,
                Mode::Monitor,
                "it is recorded"
            );
        }
    }
}

#[test]
fn inactive_means_silent_while_no_data_was_ever_loaded_and_only_then() {
    for rule in ["malware", "advisory"] {
        let rules = only(&format!("[rules.{rule}]\nwithout_data = 'inactive'\n"));
        let mut facts = fetched("pkg:npm/lodash@4.17.20");
        facts.advisories = Fact::Unavailable(NO_DATA.into());
        assert!(rules.evaluate(&facts, NOW).findings().is_empty());
        facts.advisories = Fact::Unavailable("advisory data is too old".into());
        assert!(rules.evaluate(&facts, NOW).effect() > Effect::Allow);
    }
}

#[test]
fn what_is_not_asked_so_far_is_waited_for() {
    for rule in ["malware", "advisory"] {
        let mut facts = fetched("pkg:npm/lodash@4.17.20");
        facts.advisories = Fact::NotYet;
        let evaluation = only(&format!("[rules.{rule}]\n")).evaluate(&facts, NOW);
        assert!(evaluation.awaits().contains(FactKind::Advisories));
        assert!(evaluation.permit().is_none());
    }
}

// ---- two people --------------------------------------------------------------------------------

fn exemption(waives: &str, people: &str) -> Result<Ruleset, Vec<&'static str>> {
    let text = format!(
        "[rules.integrity]\n[rules.minimum-age]\nenabled = false\n[rules.malware]\n\
         [rules.advisory]\n\n[[exempt]]\nid = 'a'\npackage = 'pkg:npm/axios@1.14.1'\n{waives}\n\
         reason = 'looked at'\n{people}\nuntil = '2026-12-24T00:00:00Z'\n"
    );
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text,
    };
    match load(&[source]) {
        Ok(loaded) => Ok(loaded.ruleset),
        Err(rejected) => Err(rejected.iter().map(|it| it.code).collect()),
    }
}

#[test]
fn a_malware_finding_is_set_aside_by_two_people_and_not_by_one() {
    const RULE: &str = "rules = ['malware']";
    const PRINT: &str = "fingerprints = ['malware/known-malware/MAL-2026-1']";
    let facts = warned("pkg:npm/axios@1.14.1", &[malware(Named::Listed)]);
    for waives in [RULE, PRINT, "rules = ['advisory', 'malware']"] {
        for people in [
            "owner = 'dana'",
            "owner = 'dana'\napproved_by = 'dana'",
            "owner = 'dana'\napproved_by = ' Dana '",
        ] {
            let refused = exemption(waives, people).expect_err("one person");
            assert_eq!(refused, ["needs-two-people"], "{waives} {people}");
        }
        let rules = exemption(waives, "owner = 'dana'\napproved_by = 'robin'");
        let rules = rules.expect("two people");
        assert_eq!(rules.evaluate(&facts, NOW).effect(), Effect::Allow);
        let described = rules.describe();
        assert!(described.contains("approved_by = \"robin\""), "{described}");
    }
    assert!(exemption("rules = ['advisory']", "owner = 'dana'").is_ok());
}

// ---- properties --------------------------------------------------------------------------------

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
