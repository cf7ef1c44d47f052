//! Which vulnerabilities count.

use super::*;

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

#[test]
fn an_ignored_advisory_is_recorded_and_counts_again_at_its_end() {
    let ignored = |id: &str| {
        only(&format!(
            "[rules.advisory]\nunmaintained = 'block'\n[[rules.advisory.override]]\n\
             ecosystem = 'npm'\nmin_severity = 1.0\n[[rules.advisory.ignore]]\nid = '{id}'\n\
             reason = 'not called'\nowner = 'web team'\nticket = 'WEB-77'\nuntil = '{}'\n",
            at(DAY)
        ))
    };
    let mut found = flaw(Some(98));
    found.id = "GHSA-aaaa-bbbb-cccc".into();
    found.aliases = vec!["CVE-2026-1".into()];
    let facts = warned("pkg:npm/lodash@4.17.20", &[found.clone()]);
    for id in ["GHSA-aaaa-bbbb-cccc", "cve-2026-1"] {
        let rules = ignored(id);
        let evaluation = rules.evaluate(&facts, NOW);
        assert_eq!(evaluation.effect(), Effect::Allow, "{id}");
        assert_eq!(evaluation.valid_until(), Some(at(DAY)), "{id}");
        let finding = &evaluation.findings()[0];
        assert_eq!(finding.mode, Mode::Monitor);
        assert!(
            finding.reason.contains("by web team: not called"),
            "{}",
            finding.reason
        );
        assert_eq!(
            rules.evaluate(&facts, at(DAY)).effect(),
            Effect::Hide,
            "{id}"
        );
        let again = policy(&rules.describe());
        assert_eq!(again.hash(), rules.hash(), "it is written back");
    }
    let other = ignored("CVE-2026-2");
    assert_eq!(other.evaluate(&facts, NOW).effect(), Effect::Hide);
    assert_ne!(other.hash(), ignored("CVE-2026-3").hash());
    found.kind = AdvisoryKind::Unmaintained;
    let facts = warned("pkg:npm/lodash@4.17.20", &[found]);
    assert_eq!(
        ignored("CVE-2026-1").evaluate(&facts, NOW).effect(),
        Effect::Allow
    );
    assert_eq!(other.evaluate(&facts, NOW).effect(), Effect::Block);
}

#[test]
fn what_is_ignored_needs_an_end_an_owner_and_a_reason_and_is_no_malware() {
    let whole = "id = 'CVE-2026-1'\nreason = 'r'\nowner = 'o'\nuntil = '2027-01-01T00:00:00Z'\n";
    for (text, code) in [
        (whole.replace("id = 'CVE-2026-1'\n", ""), "missing-key"),
        (whole.replace("reason = 'r'\n", ""), "missing-key"),
        (whole.replace("owner = 'o'\n", ""), "missing-key"),
        (
            whole.replace("until = '2027-01-01T00:00:00Z'\n", ""),
            "missing-key",
        ),
        (
            whole.replace("CVE-2026-1", "MAL-2026-1"),
            "cannot-be-ignored",
        ),
        (whole.replace("CVE-2026-1", "yanked@0.1.1"), "invalid-value"),
        (
            format!("{whole}[[rules.advisory.ignore]]\n{whole}"),
            "duplicate-entry",
        ),
    ] {
        let source = PolicySource {
            name: "policy.toml".to_owned(),
            text: format!("[rules.advisory]\n[[rules.advisory.ignore]]\n{text}"),
        };
        let problems = load(&[source]).expect_err(&text);
        assert_eq!(problems[0].code, code, "{text}: {problems:?}");
    }
}
