//! Invariants of the core that a table says better than a property.

mod support;

use std::sync::Arc;

use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{
    ByteFacts, DigestMismatch, Fact, FactKind, FactSet, PackageFacts, VersionFacts,
};
use cordon_policy::finding::Mode;
use cordon_policy::model::{ArtifactKind, Digest, DigestAlgorithm, Digests, Timestamp, Version};
use cordon_policy::rules::RULES;
use cordon_policy::verdict::{Effect, Evaluation};
use support::*;

fn codes(evaluation: &Evaluation) -> Vec<&str> {
    let findings = evaluation.findings().iter();
    findings.map(|finding| finding.code.as_str()).collect()
}

fn break_fact(facts: &mut VersionFacts, kind: FactKind) {
    let cause = || "time-out".into();
    match kind {
        FactKind::PublishedAt => facts.published_at = Fact::Unavailable(cause()),
        FactKind::Declared => facts.declared = Fact::Unavailable(cause()),
        FactKind::Bytes => facts.bytes = Fact::Unavailable(cause()),
        FactKind::FirstPublishedAt => {
            let mut package = (*facts.package).clone();
            package.first_published_at = Fact::Unavailable(cause());
            facts.package = package.into();
        }
        FactKind::Yanked => facts.is_yanked = Fact::Unavailable(cause()),
        FactKind::Deprecated => facts.deprecated = Fact::Unavailable(cause()),
        FactKind::License => facts.license = Fact::Unavailable(cause()),
        FactKind::InstallHooks => facts.install_hooks = Fact::Unavailable(cause()),
        FactKind::Provenance => facts.has_provenance = Fact::Unavailable(cause()),
        FactKind::Publisher => facts.publisher = Fact::Unavailable(cause()),
        FactKind::Change | FactKind::Standing => facts.change = Fact::Unavailable(cause()),
        FactKind::ExoticDependencies => facts.exotic_dependencies = Fact::Unavailable(cause()),
        FactKind::Siblings => facts.siblings = Fact::Unavailable(cause()),
        FactKind::Burst => facts.burst = Fact::Unavailable(cause()),
        FactKind::Advisories => facts.advisories = Fact::Unavailable(cause()),
        FactKind::Similarity => {
            let mut package = (*facts.package).clone();
            package.similarity = Fact::Unavailable(cause());
            facts.package = package.into();
        }
        FactKind::Archive => facts.archive = Fact::Unavailable(cause()),
        FactKind::Agreement => facts.agreement = Fact::Unavailable(cause()),
        FactKind::Content => facts.content = Fact::Unavailable(cause()),
        FactKind::ContentChange => facts.content_change = Fact::Unavailable(cause()),
        FactKind::Scanners => facts.scanners = Fact::Unavailable(cause()),
        FactKind::Indicators => facts.indicators = Fact::Unavailable(cause()),
        FactKind::Bundled => facts.bundled = Fact::Unavailable(cause()),
        FactKind::Signature => facts.signature = Fact::Unavailable(cause()),
        FactKind::Status => {
            let mut package = (*facts.package).clone();
            package.status = Fact::Unavailable(cause());
            facts.package = package.into();
        }
    }
}

#[test]
fn inv_11_every_fact_a_rule_needs_holds_when_it_cannot_be_learned() {
    let ruleset = built_in();
    let mut broken = 0;
    let enforced = ruleset
        .rules()
        .iter()
        .flat_map(|rule| &rule.variants)
        .filter(|variant| variant.settings.mode == Mode::Enforce)
        .fold(FactSet::EMPTY, |set, variant| {
            set.union(variant.rule.needs())
        });
    for kind in enforced.iter() {
        let mut facts = fetched("pkg:npm/left-pad@1.3.0");
        // Of age, and not yet so old that what it changed has settled.
        facts.published_at = Fact::Known(at(-5 * DAY));
        if kind == FactKind::Content {
            // Looked at without comparison only while the name is young.
            let mut package = (*facts.package).clone();
            package.first_published_at = Fact::Known(at(-60 * DAY));
            facts.package = package.into();
        }
        assert!(ruleset.evaluate(&facts, NOW).permit().is_some());
        break_fact(&mut facts, kind);
        broken += 1;
        let evaluation = ruleset.evaluate(&facts, NOW);
        assert_ne!(evaluation.effect(), Effect::Allow, "{kind:?}");
        assert!(evaluation.permit().is_none());
        assert!(evaluation.deciding().is_some());
    }
    assert!(broken >= 10, "{broken}");
}

#[test]
fn inv_11_what_was_not_asked_yet_is_awaited_and_never_served() {
    let ruleset = built_in();
    let facts = fetched("pkg:npm/left-pad@1.3.0");
    let unknown = VersionFacts::unknown(facts.artifact.clone(), facts.package.clone());
    let evaluation = ruleset.evaluate(&unknown, NOW);
    assert!(evaluation.permit().is_none());
    for kind in [FactKind::PublishedAt, FactKind::Declared, FactKind::Bytes] {
        assert!(evaluation.awaits().contains(kind), "{kind:?}");
    }
}

#[test]
fn inv_11_a_monitored_rule_delays_nothing_and_stops_nothing() {
    let ruleset = policy("[rules.minimum-age]\nmode = 'monitor'\n");
    let mut facts = fetched("pkg:npm/left-pad@1.3.0");
    facts.published_at = Fact::NotYet;
    assert!(ruleset.evaluate(&facts, NOW).permit().is_some());
    facts.published_at = Fact::Known(at(-HOUR));
    let evaluation = ruleset.evaluate(&facts, NOW);
    assert_eq!(codes(&evaluation), ["too-young"]);
    assert_eq!(evaluation.findings()[0].mode, Mode::Monitor);
    assert!(evaluation.permit().is_some());
    assert!(evaluation.deciding().is_none());
}

const EXEMPT_VERSION: &str = r#"
[rules.minimum-age]
[rules.deny]
purls = ["pkg:npm/left-pad"]
[[exempt]]
id = "hotfix"
package = "pkg:npm/left-pad@1.3.1"
rules = ["deny"]
reason = "needed"
owner = "ops"
ticket = "T-1"
until = "2026-11-21T12:00:00Z"
"#;

#[test]
fn inv_20_an_exemption_fails_closed_at_its_second() {
    let ruleset = policy(EXEMPT_VERSION);
    let facts = fetched("pkg:npm/left-pad@1.3.1");
    let end = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
    let before = Timestamp::from_millis(end.as_millis() - 1);
    for instant in [NOW, before] {
        let evaluation = ruleset.evaluate(&facts, instant);
        assert_eq!(evaluation.effect(), Effect::Allow);
        assert_eq!(evaluation.waived().len(), 1);
        assert_eq!(evaluation.waived()[0].1.0, "hotfix");
        let permit = evaluation.permit().unwrap();
        assert_eq!(permit.valid_until(), Some(end));
        assert!(!permit.is_valid_at(end));
    }
    let evaluation = ruleset.evaluate(&facts, end);
    assert_eq!(evaluation.effect(), Effect::Block);
    assert!(evaluation.waived().is_empty());
    // A clock that jumps forward and back: the instant decides, nothing is remembered.
    assert_eq!(
        ruleset.evaluate(&facts, at(900 * DAY)).effect(),
        Effect::Block
    );
    assert_eq!(ruleset.evaluate(&facts, NOW).effect(), Effect::Allow);
}

#[test]
fn inv_20_an_exemption_is_for_one_version_and_one_rule() {
    let ruleset = policy(EXEMPT_VERSION);
    let effect = |facts: &VersionFacts| ruleset.evaluate(facts, NOW).effect();
    for other in ["pkg:npm/left-pad@1.3.2", "pkg:npm/left-pad@1.3.1-rc.1"] {
        assert_eq!(effect(&fetched(other)), Effect::Block, "{other}");
    }
    let mut young = fetched("pkg:npm/left-pad@1.3.1");
    young.published_at = Fact::Known(at(-HOUR));
    assert_eq!(effect(&young), Effect::Hide);
}

#[test]
fn inv_20_an_exemption_for_bytes_covers_no_other_bytes() {
    let ruleset = policy(&format!(
        "[rules.deny]\npurls = ['pkg:npm/left-pad']\n[[exempt]]\nid = 'x'\n\
         package = 'pkg:npm/left-pad@1.3.1'\nfile = 'left-pad-1.3.1.tgz'\nsha256 = '{}'\n\
         rules = ['deny']\nreason = 'r'\nowner = 'o'\nticket = 'T-1'\nuntil = '2027-01-01T00:00:00Z'\n",
        Digest::of(b"honest").hex()
    ));
    let mut facts = fetched("pkg:npm/left-pad@1.3.1");
    assert_eq!(ruleset.evaluate(&facts, NOW).effect(), Effect::Allow);
    let Fact::Known(bytes) = &mut facts.bytes else {
        unreachable!("just fetched");
    };
    bytes.sha256 = Digest::of(b"other");
    assert_eq!(ruleset.evaluate(&facts, NOW).effect(), Effect::Block);
    facts.bytes = Fact::NotYet;
    assert_eq!(ruleset.evaluate(&facts, NOW).effect(), Effect::Block);
}

#[test]
fn inv_20_an_exemption_for_bytes_goes_by_the_declared_digest_until_they_are_there() {
    let ruleset = policy(&format!(
        "[rules.minimum-age]\n[[exempt]]\nid = 'x'\n\
         package = 'pkg:pypi/requests@2.32.3'\nfile = 'requests-2.32.3.tar.gz'\nsha256 = '{}'\n\
         rules = ['minimum-age', 'integrity']\nreason = 'r'\nowner = 'o'\nticket = 'T-1'\nuntil = '2027-01-01T00:00:00Z'\n",
        Digest::of(b"honest").hex()
    ));
    let effect = |facts: &VersionFacts| ruleset.evaluate(facts, NOW).effect();
    let mut facts = candidate("pkg:pypi/requests@2.32.3");
    facts.published_at = Fact::Known(at(-HOUR));
    assert_eq!(effect(&facts), Effect::Hide, "nothing says which bytes");
    facts.declared = Fact::Known(Digests::from_iter([Digest::of(b"other")]));
    assert_eq!(effect(&facts), Effect::Hide);
    facts.declared = Fact::Known(Digests::from_iter([Digest::of(b"honest")]));
    assert_eq!(effect(&facts), Effect::Allow);
    // What arrives is judged by what it is, and what does not arrive is not vouched for.
    facts.bytes = Fact::Known(honest_bytes());
    assert_eq!(effect(&facts), Effect::Allow);
    facts.bytes = Fact::Known(ByteFacts {
        sha256: Digest::of(b"other"),
        ..honest_bytes()
    });
    assert_eq!(effect(&facts), Effect::Hide);
    for gone in [Fact::Absent, Fact::Unavailable("time-out".into())] {
        facts.bytes = gone;
        assert_eq!(effect(&facts), Effect::Block);
    }
    // What derives from the exempt archive is as old as it is; its own bytes are still checked.
    facts.artifact.kind = ArtifactKind::CoreMetadata;
    facts.bytes = Fact::Known(honest_bytes());
    assert_eq!(effect(&facts), Effect::Hide);
    facts.archive_sha256 = Some(Digest::of(b"honest"));
    assert_eq!(effect(&facts), Effect::Allow);
    facts.history.pinned = Some(Digest::of(b"other"));
    assert_eq!(effect(&facts), Effect::Block);
}

#[test]
fn a_refusal_clears_when_its_last_finding_does() {
    let ruleset = policy(
        "[rules.minimum-age]\nversion_age = '72h'\nname_age = '30d'\n\
         [rules.deny]\npurls = ['pkg:npm/left-pad@1.3.1']\n",
    );
    let young = |purl: &str| {
        let mut facts = candidate(purl);
        facts.published_at = Fact::Known(at(-HOUR));
        let package = PackageFacts {
            first_published_at: Fact::Known(at(-HOUR)),
            ..(*facts.package).clone()
        };
        facts.package = Arc::new(package);
        ruleset.evaluate(&facts, NOW)
    };
    let both = young("pkg:npm/left-pad@1.3.0");
    assert_eq!(both.valid_until(), Some(at(71 * HOUR)));
    assert_eq!(both.clears_at(), Some(at(30 * DAY - HOUR)));
    assert_eq!(young("pkg:npm/left-pad@1.3.1").clears_at(), None);
    let fine = ruleset.evaluate(&candidate("pkg:npm/left-pad@1.3.0"), NOW);
    assert_eq!(fine.clears_at(), None);
}

#[test]
fn a_package_without_a_first_date_is_held_as_a_new_one_is() {
    let ruleset = policy("[rules.minimum-age]\neffect = 'hide'\nname_age_effect = 'block'\n");
    for unknown in [Fact::Absent, Fact::Unavailable("time-out".into())] {
        let mut facts = candidate("pkg:npm/left-pad@1.3.0");
        let package = PackageFacts {
            first_published_at: unknown.clone(),
            ..(*facts.package).clone()
        };
        facts.package = Arc::new(package);
        let effect = ruleset.evaluate(&facts, NOW).effect();
        assert_eq!(effect, Effect::Block, "{unknown:?}");
    }
}

#[test]
fn a_denied_version_is_denied_with_its_local_variants_an_allowed_one_is_not_allowed_with_them() {
    let effect = |policy: &Ruleset, purl: &str| policy.evaluate(&candidate(purl), NOW).effect();
    let denied = policy("[rules.deny]\npurls = ['pkg:pypi/torch@1.0', 'pkg:npm/left-pad@1.3.0']\n");
    for held in [
        "pkg:pypi/torch@1.0",
        "pkg:pypi/torch@1.0.0",
        "pkg:pypi/torch@1.0%2Bcpu",
        "pkg:pypi/torch@1.0.0%2Bcpu",
        "pkg:npm/left-pad@1.3.0%2Bbuild",
    ] {
        assert_eq!(effect(&denied, held), Effect::Block, "{held}");
    }
    for other in ["pkg:pypi/torch@1.1%2Bcpu", "pkg:pypi/torch@1.0.post1%2Bcpu"] {
        assert_eq!(effect(&denied, other), Effect::Allow, "{other}");
    }
    let variant = policy("[rules.deny]\npurls = ['pkg:pypi/torch@1.0%2Bcpu']\n");
    assert_eq!(effect(&variant, "pkg:pypi/torch@1.0"), Effect::Allow);
    assert_eq!(
        effect(&variant, "pkg:pypi/torch@1.0%2Bcu121"),
        Effect::Allow
    );
    let allowed = policy("[rules.allow]\npurls = ['pkg:pypi/torch@1.0']\n");
    assert_eq!(effect(&allowed, "pkg:pypi/torch@1.0"), Effect::Allow);
    assert_eq!(effect(&allowed, "pkg:pypi/torch@1.0%2Bcpu"), Effect::Block);
}

#[test]
fn m_10_m_31_a_sha1_counts_as_declared_and_an_md5_alone_does_not() {
    let digest = |algorithm, length| {
        Digest::from_bytes(algorithm, &[7; 64][..length]).expect("that many bytes")
    };
    let md5 = digest(DigestAlgorithm::Md5, 16);
    let sha1 = digest(DigestAlgorithm::Sha1, 20);
    let effect = |policy_text: &str, digests: &[Digest]| {
        let mut facts = candidate("pkg:pypi/requests@2.32.3");
        facts.declared = Fact::Known(digests.iter().cloned().collect());
        policy(policy_text).evaluate(&facts, NOW).effect()
    };
    let default = "[rules.integrity]\n";
    assert_eq!(effect(default, std::slice::from_ref(&md5)), Effect::Block);
    assert_eq!(effect(default, std::slice::from_ref(&sha1)), Effect::Allow);
    assert_eq!(effect(default, &[md5.clone(), sha1]), Effect::Allow);
    let own = "[rules.integrity]\n[[rules.integrity.override]]\n\
               packages = ['requests']\nundeclared = 'allow'\n";
    assert_eq!(effect(own, &[md5]), Effect::Allow);
}

#[test]
fn an_allowed_version_lists_its_project_by_name() {
    let ruleset = policy(
        "[rules.allow]\npurls = ['pkg:pypi/requests@2.32.3']\n\
         [[rules.allow.match]]\necosystem = 'pypi'\nnames = ['acme-*']\nversions = '<2'\n",
    );
    let effect = |purl: &str, version: Version, bytes: Fact<ByteFacts>| {
        let mut facts = candidate(purl);
        facts.artifact.subject.version = version;
        facts.bytes = bytes;
        ruleset.evaluate(&facts, NOW).effect()
    };
    let named = |purl| effect(purl, Version::unspecified(), Fact::NotYet);
    assert_eq!(named("pkg:pypi/requests"), Effect::Allow);
    assert_eq!(named("pkg:pypi/acme-tools"), Effect::Allow);
    assert_eq!(named("pkg:pypi/other"), Effect::Block);
    let other = effect(
        "pkg:pypi/requests",
        Version::verbatim("2.32.2"),
        Fact::NotYet,
    );
    assert_eq!(other, Effect::Block);
    let bytes = Fact::Known(honest_bytes());
    let nameless = effect("pkg:pypi/requests", Version::unspecified(), bytes);
    assert_eq!(nameless, Effect::Block, "bytes always have a version");
}

#[test]
fn inv_20_a_fingerprint_exemption_does_not_cover_tomorrows_finding() {
    let ruleset = policy(
        "[rules.deny]\npurls = ['pkg:npm/left-pad@1.3.1']\n[[exempt]]\nid = 'x'\n\
         package = 'pkg:npm/left-pad@1.3.1'\nfingerprints = ['deny/denied/npm/left-pad 1.3.0']\n\
         reason = 'r'\nowner = 'o'\nticket = 'T-1'\nuntil = '2027-01-01T00:00:00Z'\n",
    );
    let facts = fetched("pkg:npm/left-pad@1.3.1");
    assert_eq!(ruleset.evaluate(&facts, NOW).effect(), Effect::Block);
}

/// Judges a version by its date alone.
fn judge_date(date: Fact<Timestamp>) -> Evaluation {
    let mut facts = fetched("pkg:npm/left-pad@1.3.1");
    facts.published_at = date;
    built_in().evaluate(&facts, NOW)
}

#[test]
fn inv_21_m_18_dates_that_are_no_dates_hold() {
    let known = |text: &str| Fact::Known(Timestamp::parse(text).unwrap());
    let table: [(&str, Fact<Timestamp>, &str); 8] = [
        ("missing", Fact::Absent, "date-missing"),
        (
            "not a date",
            Fact::Unavailable("not a date".into()),
            "date-unavailable",
        ),
        (
            "1970",
            Fact::Known(Timestamp::from_millis(0)),
            "date-implausible",
        ),
        (
            "before 1970",
            known("1960-01-01T00:00:00Z"),
            "date-implausible",
        ),
        (
            "the far past",
            Fact::Known(Timestamp::from_millis(i64::MIN)),
            "date-implausible",
        ),
        ("a second ahead", Fact::Known(at(SECOND)), "date-in-future"),
        ("2099", known("2099-01-01T00:00:00Z"), "date-in-future"),
        (
            "the far future",
            Fact::Known(Timestamp::from_millis(i64::MAX)),
            "date-in-future",
        ),
    ];
    for (case, date, code) in table {
        let evaluation = judge_date(date);
        assert_eq!(evaluation.effect(), Effect::Hide, "{case}");
        assert_eq!(codes(&evaluation), [code], "{case}");
        assert!(evaluation.permit().is_none(), "{case}");
    }
}

#[test]
fn inv_21_m_18_a_date_that_changes_between_fetches_counts_from_first_sight() {
    let mut facts = fetched("pkg:npm/left-pad@1.3.1");
    facts.history.first_seen_at = Some(at(-2 * HOUR));
    let judge = |facts: &VersionFacts, now| built_in().evaluate(facts, now);
    for (told_first, told_now) in [
        // Back-dated after it was seen young.
        (at(-3 * HOUR), at(-900 * DAY)),
        // Dated later than before: a republication.
        (at(-900 * DAY), at(-800 * DAY)),
        // Dated far ahead at first.
        (at(900 * DAY), at(-900 * DAY)),
    ] {
        facts.history.published_at_first_sight = Some(told_first);
        facts.published_at = Fact::Known(told_now);
        let evaluation = judge(&facts, NOW);
        assert_eq!(codes(&evaluation), ["date-changed"]);
        assert_eq!(evaluation.valid_until(), Some(at(70 * HOUR)));
        assert_eq!(judge(&facts, at(70 * HOUR)).effect(), Effect::Allow);
    }
    // Seconds are rounding, not another story.
    facts.history.published_at_first_sight = Some(at(-900 * DAY));
    facts.published_at = Fact::Known(at(-900 * DAY + 59 * SECOND));
    assert_eq!(judge(&facts, NOW).effect(), Effect::Allow);
    facts.published_at = Fact::Known(at(-900 * DAY + 61 * SECOND));
    assert_eq!(judge(&facts, NOW).effect(), Effect::Hide);
}

#[test]
fn inv_21_a_clock_set_back_never_releases_early() {
    let mut facts = fetched("pkg:npm/left-pad@1.3.1");
    facts.published_at = Fact::Known(at(-HOUR));
    facts.history.first_seen_at = Some(at(-HOUR));
    for back in [0, SECOND, HOUR, 30 * DAY, 20_000 * DAY] {
        let effect = built_in().evaluate(&facts, at(-back)).effect();
        assert!(effect >= Effect::Hide, "{back}");
    }
    let open = at(71 * HOUR);
    assert_eq!(built_in().evaluate(&facts, open).effect(), Effect::Allow);
    let shut = Timestamp::from_millis(open.as_millis() - 1);
    assert_eq!(built_in().evaluate(&facts, shut).effect(), Effect::Hide);
}

#[test]
fn inv_21_a_registry_that_is_not_trusted_is_timed_by_first_sight() {
    let ruleset = policy("[rules.minimum-age]\nfirst_seen_age = '24h'\n");
    let mut facts = fetched("pkg:npm/left-pad@1.3.1");
    let evaluation = ruleset.evaluate(&facts, NOW);
    assert_eq!(codes(&evaluation), ["seen-too-recently"]);
    assert_eq!(evaluation.valid_until(), Some(at(DAY)));
    facts.history.first_seen_at = Some(at(-25 * HOUR));
    assert_eq!(ruleset.evaluate(&facts, NOW).effect(), Effect::Allow);
}

#[test]
fn a_young_name_is_quarantined_and_a_frozen_version_hidden() {
    let ruleset = policy("[rules.minimum-age]\nfreeze_after = '2026-11-01T00:00:00Z'\n");
    let mut facts = fetched("pkg:pypi/colourama@0.1");
    facts.published_at = Fact::Known(at(-10 * DAY));
    let mut package = (*facts.package).clone();
    package.first_published_at = Fact::Known(at(-10 * DAY));
    facts.package = package.into();
    let evaluation = ruleset.evaluate(&facts, NOW);
    assert_eq!(evaluation.effect(), Effect::Quarantine);
    assert_eq!(codes(&evaluation), ["name-too-young", "frozen"]);
    let later = ruleset.evaluate(&facts, at(40 * DAY));
    assert_eq!(codes(&later), ["frozen"]);
    assert_eq!(later.valid_until(), None);
}

#[test]
fn overrides_by_ecosystem_and_package_apply_last_one_first() {
    let ruleset = policy(
        "[rules.minimum-age]\nversion_age = '72h'\n\
         [[rules.minimum-age.override]]\necosystem = 'npm'\nversion_age = '2h'\n\
         [[rules.minimum-age.override]]\npackages = ['@acme/*', 'Acme_*']\nversion_age = '0s'\nname_age = '0s'\n\
         [[rules.minimum-age.override]]\necosystem = 'cargo'\nenabled = false\n",
    );
    let effect = |purl: &str| {
        let mut facts = fetched(purl);
        facts.published_at = Fact::Known(at(-HOUR));
        ruleset.evaluate(&facts, NOW).valid_until()
    };
    assert_eq!(effect("pkg:pypi/requests@1.0"), Some(at(71 * HOUR)));
    assert_eq!(effect("pkg:npm/left-pad@1.0.0"), Some(at(HOUR)));
    assert_eq!(effect("pkg:npm/%40acme/x@1.0.0"), None);
    assert_eq!(effect("pkg:pypi/acme-core@1.0"), None);
    assert_eq!(effect("pkg:cargo/serde@1.0.0"), None);
}

#[test]
fn integrity_always_blocks_what_does_not_fit() {
    let ruleset: Ruleset = policy("[rules.deny]\npurls = ['pkg:npm/other']\n");
    let judge = |change: &dyn Fn(&mut VersionFacts)| {
        let mut facts = fetched("pkg:npm/left-pad@1.3.0");
        change(&mut facts);
        let evaluation = ruleset.evaluate(&facts, NOW);
        let code = codes(&evaluation).join(" ");
        (evaluation.effect(), code)
    };
    let blocked = |code: &str| (Effect::Block, code.to_owned());
    let with_bytes = |facts: &mut VersionFacts,
                      change: &dyn Fn(&mut cordon_policy::facts::ByteFacts)| {
        let mut bytes = honest_bytes();
        change(&mut bytes);
        facts.bytes = Fact::Known(bytes);
    };
    let mismatch = DigestMismatch {
        algorithm: DigestAlgorithm::Sha256,
        declared: Digest::of(b"declared"),
        found: Digest::of(b"honest"),
    };
    assert_eq!(judge(&|_| {}), (Effect::Allow, String::new()));
    assert_eq!(
        judge(&|facts| with_bytes(facts, &|bytes| bytes.mismatches = vec![mismatch.clone()])),
        blocked("integrity-mismatch")
    );
    assert_eq!(
        judge(&|facts| with_bytes(facts, &|bytes| bytes.declared_size_bytes = Some(7))),
        blocked("size-mismatch")
    );
    assert_eq!(
        judge(&|facts| facts.history.pinned = Some(Digest::of(b"first"))),
        blocked("artifact-replaced")
    );
    assert_eq!(
        judge(&|facts| facts.history.pinned = Some(Digest::of(b"honest"))),
        (Effect::Allow, String::new())
    );
    for undeclared in [Fact::Absent, Fact::Known(Digests::none())] {
        assert_eq!(
            judge(&|facts| facts.declared = undeclared.clone()),
            blocked("integrity-undeclared")
        );
    }
}

#[test]
fn n_28_inv_12_a_denied_name_is_denied_under_every_spelling_and_no_other_name_is() {
    let ruleset = policy(
        "[rules.deny]\npurls = ['pkg:pypi/Foo_Bar', 'pkg:cargo/foo_bar', 'pkg:npm/JSONStream', 'pkg:pypi/dated@1.0']\n\
         [[rules.deny.match]]\necosystem = 'pypi'\nnames = ['Evil.*']\n",
    );
    let effect = |purl: &str| ruleset.evaluate(&fetched(purl), NOW).effect();
    for denied in [
        "pkg:pypi/foo-bar@1.0",
        "pkg:pypi/foo.bar@1.0",
        "pkg:pypi/FOO__bar@1.0",
        "pkg:cargo/foo-bar@1.0.0",
        "pkg:cargo/Foo_Bar@1.0.0",
        "pkg:npm/JSONStream@1.0.0",
        "pkg:pypi/evil-thing@1.0",
        "pkg:pypi/dated@1.0.0",
        "pkg:pypi/dated@v1",
    ] {
        assert_eq!(effect(denied), Effect::Block, "{denied}");
    }
    for allowed in [
        "pkg:pypi/foobar@1.0",
        "pkg:npm/jsonstream@1.0.0",
        "pkg:npm/foo-bar@1.0.0",
        "pkg:pypi/dated@1.0.1",
    ] {
        assert_eq!(effect(allowed), Effect::Allow, "{allowed}");
    }
}

#[test]
fn an_allow_list_closes_its_ecosystem_and_no_other() {
    let ruleset = policy(
        "[rules.allow]\npurls = ['pkg:npm/react']\n\
         [[rules.allow.match]]\necosystem = 'npm'\nnames = ['@acme/*', 'vite']\nversions = '^5'\n",
    );
    let effect = |purl: &str| ruleset.evaluate(&fetched(purl), NOW).effect();
    for allowed in [
        "pkg:npm/react@18.2.0",
        "pkg:npm/%40acme/x@5.1.0",
        "pkg:npm/vite@5.0.1",
        "pkg:pypi/anything@1.0",
    ] {
        assert_eq!(effect(allowed), Effect::Allow, "{allowed}");
    }
    for refused in [
        "pkg:npm/left-pad@1.0.0",
        "pkg:npm/vite@4.0.0",
        "pkg:npm/%40acme/x@6.0.0",
    ] {
        let evaluation = ruleset.evaluate(&fetched(refused), NOW);
        assert_eq!(codes(&evaluation), ["not-allowed"], "{refused}");
    }
}

#[test]
fn a_denied_version_names_the_line_that_denies_it() {
    let ruleset = policy(
        "[rules.deny]\n[[rules.deny.match]]\necosystem = 'npm'\nnames = [\n  'a',\n  'b',\n]\n",
    );
    let evaluation = ruleset.evaluate(&fetched("pkg:npm/b@1.0.0"), NOW);
    let source = &evaluation.findings()[0].source;
    assert_eq!(source.to_string(), "policy.toml:6:4");
}

#[test]
fn every_rule_is_documented_with_its_codes_which_are_unique() {
    let mut codes: Vec<&str> = Vec::new();
    for kind in RULES {
        let id = kind.id.as_str();
        assert!(kind.page.starts_with(&format!("# {id}\n")), "{id}");
        assert!(kind.page.contains("**What it stops.**"), "{id}");
        assert!(kind.page.contains("## False alarms"), "{id}");
        for (code, _) in kind.codes {
            assert!(kind.page.contains(&format!("`{code}`")), "{id}: {code}");
            codes.push(code);
        }
    }
    let count = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), count);
    assert!(RULES.is_sorted_by(|a, b| a.id < b.id));
}
