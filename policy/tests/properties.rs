//! Properties of evaluation: what makes order, caching, replay and missing facts harmless.

mod support;

use std::sync::Arc;

use cordon_policy::config::canonical::PolicyText;
use cordon_policy::evaluate::{Findings, Ruleset};
use cordon_policy::exemption::{Exemption, ExemptionId, Scope, Waives};
use cordon_policy::facts::{
    AddedDependency, Burst, ByteFacts, Change, DependencyKind, DigestMismatch, ExoticDependency,
    ExoticSource, Fact, FactKind, FactSet, History, LicenseChange, Removal, RemovalScope, Standing,
    Trust, TrustLost, VersionFacts,
};
use cordon_policy::finding::{ConfigSpan, FindingCode, Mode, RuleId};
use cordon_policy::matching::{PackageScope, VersionSet};
use cordon_policy::model::{Digest, DigestAlgorithm, Digests, Timestamp, Version};
use cordon_policy::rules::{ConfiguredRule, Rule, RuleSettings, Variant};
use cordon_policy::specimen::{Specimen, Stage};
use cordon_policy::verdict::{Effect, Evaluation, RulesetHash};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use smol_str::SmolStr;
use support::*;

// ---- scripted rules: the algebra alone -------------------------------------------------------

/// One thing a scripted rule reports.
#[derive(Clone, Debug)]
struct Line {
    code: &'static str,
    effect: Effect,
    evidence: &'static str,
    until: Option<Timestamp>,
}

/// A rule that reports what it was told to.
#[derive(Clone, Debug)]
struct Scripted {
    id: &'static str,
    mode: Mode,
    lines: Vec<Line>,
}

impl Rule for Scripted {
    fn needs(&self) -> FactSet {
        FactSet::EMPTY
    }
    fn check(&self, _: &VersionFacts, _: Timestamp, out: &mut Findings<'_>) {
        for line in &self.lines {
            let code = FindingCode::from_static(line.code);
            out.report_as(
                line.effect,
                code,
                line.code.to_owned(),
                line.evidence,
                line.until,
            );
        }
    }
    fn specimen(&self, _: &Stage<'_>) -> Specimen {
        Specimen::Nothing("it is of these tests")
    }

    fn write_parameters(&self, _: &mut PolicyText) {}
}

fn place() -> ConfigSpan {
    ConfigSpan {
        file: "test".into(),
        line: 1,
        column: 1,
    }
}

fn ruleset(rules: &[Scripted], exemptions: Vec<Exemption>) -> Ruleset {
    let configured = rules.iter().map(|rule| ConfiguredRule {
        id: RuleId::from_static(rule.id),
        variants: vec![Variant {
            scope: PackageScope::ALL,
            settings: RuleSettings {
                is_enabled: true,
                mode: rule.mode,
                effect: Effect::Hide,
                on_unavailable: Effect::Hide,
                source: place(),
            },
            rule: Arc::new(rule.clone()),
        }],
    });
    Ruleset::new(RulesetHash("test".into()), configured.collect(), exemptions)
}

fn effects() -> impl Strategy<Value = Effect> {
    select(vec![
        Effect::Allow,
        Effect::Hide,
        Effect::Quarantine,
        Effect::Block,
    ])
}

fn instants() -> impl Strategy<Value = Timestamp> {
    // Close together, so that several things end at once; and the ends of time.
    prop_oneof![
        8 => (-5_i64..5).prop_map(|hours| at(hours * HOUR)),
        1 => select(vec![Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)]),
    ]
}

fn lines() -> impl Strategy<Value = Line> {
    (
        select(vec!["a", "b"]),
        effects(),
        select(vec!["x", "y"]),
        option::of(instants()),
    )
        .prop_map(|(code, effect, evidence, until)| Line {
            code,
            effect,
            evidence,
            until,
        })
}

fn scripts() -> impl Strategy<Value = Vec<Scripted>> {
    let one = |id: &'static str| {
        (
            select(vec![Mode::Enforce, Mode::Enforce, Mode::Monitor]),
            vec(lines(), 0..4),
        )
            .prop_map(move |(mode, lines)| Scripted { id, mode, lines })
    };
    (one("rule-a"), one("rule-b"), one("rule-c")).prop_map(|(a, b, c)| vec![a, b, c])
}

/// What an exemption of the tests sets aside and until when.
#[derive(Clone, Debug)]
struct Waiver {
    rule: &'static str,
    print: Option<&'static str>,
    expires: Timestamp,
}

fn waivers() -> impl Strategy<Value = Vec<Waiver>> {
    let one = (
        select(vec!["rule-a", "rule-b"]),
        option::of(select(vec!["a/x", "b/y"])),
        instants(),
    )
        .prop_map(|(rule, print, expires)| Waiver {
            rule,
            print,
            expires,
        });
    vec(one, 0..4)
}

fn exemptions(waivers: &[Waiver]) -> Vec<Exemption> {
    let build = |(number, waiver): (usize, &Waiver)| Exemption {
        id: ExemptionId(format!("x{number}").into()),
        scope: Scope::Versions(
            candidate("pkg:npm/left-pad@1.3.0").artifact.subject.name,
            VersionSet::Every,
        ),
        declared: Vec::new(),
        waives: match waiver.print {
            None => Waives::Rules(vec![RuleId::from_static(waiver.rule)]),
            Some(print) => Waives::Fingerprints(vec![cordon_policy::finding::Fingerprint::parse(
                &format!("{}/{print}", waiver.rule),
            )]),
        },
        reason: "test".to_owned(),
        owner: "test".to_owned(),
        approved_by: None,
        ticket: "T-1".to_owned(),
        expires: waiver.expires,
        source: place(),
        bytes: 0..0,
    };
    waivers.iter().enumerate().map(build).collect()
}

fn judge(rules: &[Scripted], waivers: &[Waiver], now: Timestamp) -> Evaluation {
    ruleset(rules, exemptions(waivers)).evaluate(&fetched("pkg:npm/left-pad@1.3.0"), now)
}

/// Instants worth looking at between `now` and where the effect may change.
fn inside(now: Timestamp, until: Option<Timestamp>, fraction: f64) -> Vec<Timestamp> {
    let end = until.map_or(i64::MAX, Timestamp::as_millis);
    let length = i128::from(end) - i128::from(now.as_millis());
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of the length")]
    let part = (length as f64 * fraction) as i128;
    let middle = i128::from(now.as_millis()) + part.clamp(0, (length - 1).max(0));
    vec![
        now,
        Timestamp::from_millis(i64::try_from(middle).unwrap_or(i64::MAX)),
        Timestamp::from_millis(end.saturating_sub(1).max(now.as_millis())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn order_of_rules_and_findings_does_not_matter(
        rules in scripts(),
        waived in waivers(),
        shuffled in Just(()).prop_perturb(|(), mut random| random.next_u64()),
    ) {
        let first = judge(&rules, &waived, NOW);
        let mut other: Vec<Scripted> = rules.clone();
        for rule in &mut other {
            let length = rule.lines.len().max(1);
            let turn = usize::try_from(shuffled % 7).unwrap_or(0) % length;
            rule.lines.rotate_left(turn);
            if shuffled % 2 == 0 {
                rule.lines.reverse();
            }
        }
        let turn = usize::try_from(shuffled % 3).unwrap_or(0);
        other.rotate_left(turn);
        let second = judge(&other, &waived, NOW);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn adding_a_finding_never_loosens(
        rules in scripts(),
        waived in waivers(),
        extra in lines(),
        to in 0_usize..3,
    ) {
        let before = judge(&rules, &waived, NOW).effect();
        let mut more = rules;
        more[to].lines.push(extra);
        prop_assert!(judge(&more, &waived, NOW).effect() >= before);
    }

    #[test]
    fn adding_a_waiver_never_tightens_and_hides_nothing(
        rules in scripts(),
        waived in waivers(),
        extra in waivers(),
    ) {
        let before = judge(&rules, &waived, NOW);
        let more = [waived, extra].concat();
        let after = judge(&rules, &more, NOW);
        prop_assert!(after.effect() <= before.effect());
        prop_assert_eq!(
            after.findings().len() + after.waived().len(),
            before.findings().len() + before.waived().len()
        );
    }

    #[test]
    fn the_effect_is_constant_until_it_may_change(
        rules in scripts(),
        waived in waivers(),
        now in instants(),
        fraction in 0.0..1.0,
    ) {
        let evaluation = judge(&rules, &waived, now);
        prop_assert!(evaluation.valid_until().is_none_or(|until| until > now));
        for instant in inside(now, evaluation.valid_until(), fraction) {
            prop_assert_eq!(judge(&rules, &waived, instant).effect(), evaluation.effect());
        }
    }

    #[test]
    fn the_deciding_finding_has_the_effect_and_exists_unless_allowed(
        rules in scripts(),
        waived in waivers(),
    ) {
        let evaluation = judge(&rules, &waived, NOW);
        match evaluation.deciding() {
            None => prop_assert_eq!(evaluation.effect(), Effect::Allow),
            Some(finding) => {
                prop_assert_eq!(finding.effect, evaluation.effect());
                prop_assert_ne!(finding.effect, Effect::Allow);
                prop_assert_eq!(finding.mode, Mode::Enforce);
            }
        }
        prop_assert_eq!(evaluation.permit().is_some(), evaluation.effect() == Effect::Allow);
    }
}

// ---- the real rules over arbitrary facts -------------------------------------------------------

fn times() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        4 => (-100_i64..100).prop_map(|hours| at(hours * HOUR)),
        2 => (-60_i64..60).prop_map(|days| at(days * DAY)),
        1 => select(vec![i64::MIN, -1, 0, i64::MAX]).prop_map(Timestamp::from_millis),
    ]
}

fn fact<T: Clone + std::fmt::Debug + 'static>(
    known: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Fact<T>> {
    prop_oneof![
        4 => known.prop_map(Fact::Known),
        1 => Just(Fact::Absent),
        1 => Just(Fact::Unavailable("time-out".into())),
        1 => Just(Fact::NotYet),
    ]
}

fn digests() -> impl Strategy<Value = Digest> {
    select(vec!["honest", "other"]).prop_map(|text| Digest::of(text.as_bytes()))
}

fn byte_facts() -> impl Strategy<Value = ByteFacts> {
    let mismatch = digests().prop_map(|declared| DigestMismatch {
        algorithm: DigestAlgorithm::Sha256,
        declared,
        found: Digest::of(b"found"),
    });
    (
        digests(),
        vec(mismatch, 0..2),
        option::weighted(0.2, 0_u64..9),
    )
        .prop_map(|(sha256, mismatches, declared_size_bytes)| ByteFacts {
            sha256,
            size_bytes: 6,
            mismatches,
            declared_size_bytes,
        })
}

/// What the rules about changes, licences and stages read.
#[derive(Clone, Debug)]
struct Traits {
    change: Fact<Arc<Change>>,
    exotic: Fact<Arc<[ExoticDependency]>>,
    burst: Fact<Burst>,
    license: Fact<SmolStr>,
    hooks: Fact<Vec<SmolStr>>,
    has_provenance: Fact<bool>,
    is_yanked: Fact<Option<SmolStr>>,
    deprecated: Fact<SmolStr>,
    status: Fact<SmolStr>,
}

impl Traits {
    /// All in one state of knowledge.
    fn unknown(state: &Fact<()>) -> Self {
        fn of<T>(state: &Fact<()>) -> Fact<T> {
            match state {
                Fact::Unavailable(cause) => Fact::Unavailable(cause.clone()),
                Fact::Absent => Fact::Absent,
                Fact::Known(()) | Fact::NotYet => Fact::NotYet,
            }
        }
        Self {
            change: of(state),
            exotic: of(state),
            burst: of(state),
            license: of(state),
            hooks: of(state),
            has_provenance: of(state),
            is_yanked: of(state),
            deprecated: of(state),
            status: of(state),
        }
    }

    fn apply(&self, which: FactKind, facts: &mut VersionFacts) {
        match which {
            FactKind::Change => facts.change = self.change.clone(),
            FactKind::ExoticDependencies => facts.exotic_dependencies = self.exotic.clone(),
            FactKind::Burst => facts.burst = self.burst.clone(),
            FactKind::License => facts.license = self.license.clone(),
            FactKind::InstallHooks => facts.install_hooks = self.hooks.clone(),
            FactKind::Provenance => facts.has_provenance = self.has_provenance.clone(),
            FactKind::Yanked => facts.is_yanked = self.is_yanked.clone(),
            FactKind::Deprecated => facts.deprecated = self.deprecated.clone(),
            FactKind::Status => {
                let mut package = (*facts.package).clone();
                package.status = self.status.clone();
                facts.package = Arc::new(package);
            }
            _ => {}
        }
    }

    fn apply_all(&self, facts: &mut VersionFacts) {
        for kind in FactKind::ALL {
            self.apply(kind, facts);
        }
    }
}

fn standings() -> impl Strategy<Value = Fact<Standing>> {
    fact(
        (fact(times()), option::weighted(0.2, 1_u32..9)).prop_map(|(first_published_at, rank)| {
            Standing {
                first_published_at,
                rank,
            }
        }),
    )
}

fn added_dependencies() -> impl Strategy<Value = Vec<AddedDependency>> {
    let one =
        (select(vec!["a", "b", "c"]), standings()).prop_map(|(name, standing)| AddedDependency {
            is_of_known_owner: false,
            package: candidate(&format!("pkg:npm/{name}@1.0.0"))
                .package
                .name
                .clone(),
            kind: DependencyKind::Normal,
            standing,
        });
    vec(one, 0..3)
}

fn exotics() -> impl Strategy<Value = Vec<ExoticDependency>> {
    let one = select(vec![
        ("a", ExoticSource::Git, "eve/a"),
        ("b", ExoticSource::Url, "https://files.example/\u{e9}.tgz"),
        ("c", ExoticSource::File, "file:../c"),
    ]);
    let one = one.prop_map(|(name, source, written)| ExoticDependency {
        name: name.into(),
        source,
        written: written.into(),
    });
    vec(one, 0..3)
}

fn names(of: &'static [&'static str]) -> impl Strategy<Value = Vec<SmolStr>> {
    vec(select(of.to_vec()).prop_map(SmolStr::from), 0..3)
}

fn licenses() -> impl Strategy<Value = SmolStr> {
    select(vec![
        "MIT",
        "mit",
        "MIT OR GPL-3.0",
        "GPL-3.0+",
        "BSD",
        "UNLICENSED",
        "",
        "{\"type\":\"ISC\"}",
    ])
    .prop_map(SmolStr::from)
}

fn changes() -> impl Strategy<Value = Change> {
    let trust = || {
        select(vec![
            Trust::Account,
            Trust::Provenance,
            Trust::TrustedPublisher,
        ])
    };
    (
        added_dependencies(),
        names(&["postinstall", "gypfile"]),
        exotics(),
        option::of(Just("eve".into())),
        names(&["eve", "bo"]),
        option::of((trust(), trust())),
        option::of((licenses(), licenses())),
        option::of((0_u64..20_000_000, 0_u64..20_000_000)),
    )
        .prop_map(
            |(added_dependencies, hooks, exotic, publisher, maintainers, trust, license, size)| {
                Change {
                    since: Version::verbatim("0.9.9"),
                    since_published_at: None,
                    added_dependencies,
                    added_hooks: hooks,
                    added_exotic: exotic,
                    new_publisher: publisher,
                    new_maintainers: maintainers,
                    trust_lost: trust.map(|(from, to)| TrustLost { from, to }),
                    license: license.map(|(from, to)| LicenseChange { from, to }),
                    size_bytes: size,
                }
            },
        )
}

fn traits() -> impl Strategy<Value = Traits> {
    (
        fact(changes().prop_map(Arc::new)),
        fact(exotics().prop_map(Arc::from)),
        fact((0_u32..9, 0_u32..4).prop_map(|(versions, habit)| Burst { versions, habit })),
        fact(licenses()),
        fact(names(&["install", "preinstall"])),
        fact(any::<bool>()),
        fact(option::of(Just("broken".into()))),
        fact(select(vec!["", "use another"]).prop_map(SmolStr::from)),
        fact(
            select(vec!["active", "archived", "quarantined", "deprecated"]).prop_map(SmolStr::from),
        ),
    )
        .prop_map(
            |(
                change,
                exotic,
                burst,
                license,
                hooks,
                has_provenance,
                is_yanked,
                deprecated,
                status,
            )| Traits {
                change,
                exotic,
                burst,
                license,
                hooks,
                has_provenance,
                is_yanked,
                deprecated,
                status,
            },
        )
}

fn removals() -> impl Strategy<Value = Removal> {
    let scopes = select(vec![RemovalScope::Project, RemovalScope::Version]);
    (times(), scopes).prop_map(|(at, scope)| Removal { at, scope })
}

fn facts() -> impl Strategy<Value = VersionFacts> {
    let purls = select(vec![
        "pkg:npm/left-pad@1.3.0",
        "pkg:npm/left-pad@2.0.0-rc.1",
        "pkg:npm/%40acme/x@1.0.0",
        "pkg:pypi/foo-bar@1.0",
        "pkg:cargo/serde@1.0.200",
    ]);
    let history = (
        option::of(times()),
        option::of(times()),
        option::weighted(0.3, digests()),
        option::weighted(0.2, times()),
        option::weighted(0.3, removals()),
    )
        .prop_map(|(seen, published, pinned, allowed, removal)| History {
            first_seen_at: seen,
            published_at_first_sight: published,
            first_allowed_at: allowed,
            pinned,
            removal,
        });
    let declared = fact(vec(digests(), 0..2).prop_map(Digests::from_iter));
    (
        purls,
        fact(times()),
        declared,
        fact(byte_facts()),
        fact(times()),
        history,
        traits(),
    )
        .prop_map(
            |(purl, published_at, declared, bytes, first_published_at, history, traits)| {
                let mut facts = candidate(purl);
                facts.published_at = published_at;
                facts.declared = declared;
                facts.bytes = bytes;
                facts.history = history;
                set_first_published(&mut facts, first_published_at);
                traits.apply_all(&mut facts);
                facts
            },
        )
}

fn set_first_published(facts: &mut VersionFacts, fact: Fact<Timestamp>) {
    let mut package = (*facts.package).clone();
    package.first_published_at = fact;
    facts.package = Arc::new(package);
}

/// Policies of every shape the first rules have, with `exempt` appended.
fn policies(with_exemptions: bool) -> impl Strategy<Value = String> {
    let age = select(vec![
        "",
        "[rules.minimum-age]\n",
        "[rules.minimum-age]\neffect = 'quarantine'\nname_age_effect = 'hide'\nfreeze_after = '2026-11-20T00:00:00Z'\n",
        "[rules.minimum-age]\nversion_age = '0s'\nname_age = '0s'\nfreeze_after = '2026-11-22T00:00:00Z'\nwhen_missing = 'first-seen'\n",
        "[rules.minimum-age]\nwhen_missing = 'first-seen'\nfirst_seen_age = '24h'\n",
        "[rules.minimum-age]\nmode = 'monitor'\n[[rules.minimum-age.override]]\necosystem = 'npm'\nmode = 'enforce'\non_unavailable = 'block'\n",
    ]);
    let deny = select(vec![
        "",
        "[rules.deny]\npurls = ['pkg:npm/left-pad@1.3.0', 'pkg:pypi/Foo.Bar']\n",
        "[rules.deny]\neffect = 'quarantine'\n[[rules.deny.match]]\necosystem = 'npm'\nnames = ['@acme/*', 'left-*']\nversions = '>=1.3'\n",
    ]);
    let allow = select(vec![
        "",
        "[rules.allow]\nmode = 'monitor'\npurls = ['pkg:npm/left-pad']\n",
        "[[rules.allow.match]]\necosystem = 'npm'\nnames = ['left-*']\nversions = '^1'\n",
    ]);
    let integrity = select(vec![
        "[rules.integrity]\n",
        "[rules.integrity]\nundeclared = 'allow'\n",
        "[rules.integrity]\nundeclared = 'hide'\n",
    ]);
    let condition = select(vec![
        "",
        "[[rules.condition.when]]\nname = 'a'\nexpression = 'has(facts.published_at) && facts.published_at > 1795000000'\n\
         [[rules.condition.when]]\nname = 'b'\nexpression = '!has(facts.first_published_at)'\neffect = 'hide'\n",
        "[rules.condition]\neffect = 'hide'\non_unavailable = 'quarantine'\n\
         [[rules.condition.when]]\nname = 'a'\nexpression = 'facts.first_published_at < facts.published_at'\n",
    ]);
    let waive = |what: &str, until: &str| {
        format!(
            "[[exempt]]\nid = '{what}'\npackage = 'pkg:npm/left-pad'\nversions = '^1'\n{what}\n\
             reason = 'r'\nowner = 'o'\nticket = 'T-1'\nuntil = '{until}'\n"
        )
        .replace(
            &format!("id = '{what}'"),
            &format!("id = 'i{}'", what.len()),
        )
    };
    let exempt = select(vec![
        String::new(),
        waive("rules = ['minimum-age']", "2026-11-22T00:00:00Z"),
        waive("rules = ['deny', 'allow']", "2026-11-21T10:00:01Z"),
        waive("rules = ['deny']", "2026-11-21T10:00:00Z"),
    ]);
    let parts = (
        age,
        deny,
        allow,
        integrity,
        condition,
        change_policies(),
        exempt,
    );
    parts.prop_map(
        move |(age, deny, allow, integrity, condition, changes, exempt)| {
            let exempt = if with_exemptions { exempt.as_str() } else { "" };
            format!("{age}{deny}{allow}{integrity}{condition}{changes}{exempt}")
        },
    )
}

/// Policies of every shape the rules about changes, licences and stages have.
fn change_policies() -> impl Strategy<Value = String> {
    let settings = select(vec![
        "",
        "mode = 'monitor'\n",
        "effect = 'hide'\non_unavailable = 'block'\n",
        "effect = 'block'\n",
    ]);
    let rules = select(vec![
        "",
        "[rules.new-dependency]\n",
        "[rules.new-dependency]\nname_age = '1d'\nsettled_after = '10d'\n",
        "[rules.install-code]\n",
        "[rules.install-code]\necosystem = 'npm'\nfirst_version = 'block'\n",
        "[rules.exotic-dependency]\n",
        "[rules.exotic-dependency]\necosystem = 'npm'\nany = true\n",
        "[rules.publisher-change]\nnew_maintainer = 'block'\n",
        "[rules.provenance]\n",
        "[rules.provenance]\necosystem = 'npm'\nrequired = true\n",
        "[rules.publish-burst]\n",
        "[rules.size-jump]\ntimes = 2\n",
        "[rules.license]\necosystem = 'npm'\ndeny = ['GPL-*']\nchange = 'quarantine'\n",
        "[rules.license]\necosystem = 'npm'\nallow = ['MIT']\nunknown = 'ignore'\n",
        "[rules.lifecycle]\nyanked = 'hide'\ndeprecated = 'block'\narchived = 'hide'\nprerelease = 'hide'\n",
        "[rules.lifecycle]\nquarantined = 'ignore'\n",
        "[rules.lifecycle]\nremoved = 'hide'\nproject_removed = 'quarantine'\n",
    ]);
    let one = (rules, settings).prop_map(|(rule, settings)| match rule {
        "" => String::new(),
        rule => format!("{rule}{settings}"),
    });
    let end = select(vec![
        "",
        "[[rules.lifecycle.end_of_life]]\necosystem = 'npm'\nnames = ['left-*']\ndate = '2026-11-21T12:00:00Z'\n",
    ]);
    (vec(one, 1..6), end).prop_map(|(rules, end)| {
        let mut seen: Vec<String> = Vec::new();
        let mut text = String::new();
        for rule in rules {
            // A rule has one table.
            let header = rule.lines().next().unwrap_or_default().to_owned();
            if !seen.contains(&header) {
                text.push_str(&rule);
                seen.push(header);
            }
        }
        // What an entry adds to belongs to the table before it.
        match seen.iter().any(|header| header == "[rules.lifecycle]") {
            true => text,
            false => text + end,
        }
    })
}

/// Replaces one fact by another state of knowledge.
fn with_fact(facts: &VersionFacts, which: FactKind, replace: &Replacement) -> VersionFacts {
    let mut facts = facts.clone();
    match which {
        FactKind::PublishedAt => facts.published_at = replace.time.clone(),
        FactKind::Declared => facts.declared = replace.declared.clone(),
        FactKind::Bytes => facts.bytes = replace.bytes.clone(),
        FactKind::FirstPublishedAt => set_first_published(&mut facts, replace.time.clone()),
        FactKind::Standing => set_standings(&mut facts, &replace.standing),
        other => replace.traits.apply(other, &mut facts),
    }
    facts
}

#[derive(Clone, Debug)]
struct Replacement {
    time: Fact<Timestamp>,
    declared: Fact<Digests>,
    bytes: Fact<ByteFacts>,
    standing: Fact<Standing>,
    traits: Traits,
}

impl Replacement {
    fn unavailable() -> Self {
        let cause = || "time-out".into();
        Self {
            time: Fact::Unavailable(cause()),
            declared: Fact::Unavailable(cause()),
            bytes: Fact::Unavailable(cause()),
            standing: Fact::Unavailable(cause()),
            traits: Traits::unknown(&Fact::Unavailable(cause())),
        }
    }

    fn not_yet() -> Self {
        Self {
            time: Fact::NotYet,
            declared: Fact::NotYet,
            bytes: Fact::NotYet,
            standing: Fact::NotYet,
            traits: Traits::unknown(&Fact::NotYet),
        }
    }
}

/// Of every dependency the version newly has.
fn set_standings(facts: &mut VersionFacts, standing: &Fact<Standing>) {
    if let Fact::Known(change) = &facts.change {
        let mut change = (**change).clone();
        for added in &mut change.added_dependencies {
            added.standing = standing.clone();
        }
        facts.change = Fact::Known(Arc::new(change));
    }
}

fn replacements() -> impl Strategy<Value = Replacement> {
    (
        fact(times()),
        fact(vec(digests(), 0..2).prop_map(Digests::from_iter)),
        fact(byte_facts()),
        standings(),
        traits(),
    )
        .prop_map(|(time, declared, bytes, standing, traits)| Replacement {
            time,
            declared,
            bytes,
            standing,
            traits,
        })
}

/// Nothing is wrong but what changed: other rules would hide what these do.
fn sound_but_changed() -> impl Strategy<Value = VersionFacts> {
    let purls = select(vec![
        "pkg:npm/left-pad@1.3.0",
        "pkg:npm/left-pad@2.0.0-rc.1",
        "pkg:pypi/foo-bar@1.0",
    ]);
    let first_seen = option::of(times());
    (purls, fact(times()), first_seen, traits()).prop_map(|(purl, published, seen, traits)| {
        let mut facts = fetched(purl);
        facts.published_at = published;
        facts.history.first_seen_at = seen;
        traits.apply_all(&mut facts);
        facts
    })
}

fn change_kinds() -> impl Strategy<Value = FactKind> {
    let dated = select(vec![FactKind::PublishedAt, FactKind::Standing]);
    let others = known_kinds().prop_filter("others are about the file", |kind| {
        !matches!(
            kind,
            FactKind::Bytes | FactKind::Declared | FactKind::FirstPublishedAt
        )
    });
    prop_oneof![1 => dated, 1 => Just(FactKind::Change), 2 => others]
}

fn known_kinds() -> impl Strategy<Value = FactKind> {
    select(vec![
        FactKind::PublishedAt,
        FactKind::Declared,
        FactKind::Bytes,
        FactKind::FirstPublishedAt,
        FactKind::Change,
        FactKind::Standing,
        FactKind::ExoticDependencies,
        FactKind::Burst,
        FactKind::License,
        FactKind::InstallHooks,
        FactKind::Provenance,
        FactKind::Yanked,
        FactKind::Deprecated,
        FactKind::Status,
    ])
}

proptest! {
    // More of them: a rule is only one of many, and each has several facts.
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn losing_a_fact_about_a_change_never_loosens(
        text in change_policies(), facts in sound_but_changed(), which in change_kinds(),
        now in times(),
    ) {
        let ruleset = policy(&format!("[rules.integrity]\n{text}"));
        let lost = with_fact(&facts, which, &Replacement::unavailable());
        let (before, after) = (ruleset.evaluate(&facts, now), ruleset.evaluate(&lost, now));
        prop_assert!(after.effect() >= before.effect(), "{text}\n{before:?}\n{after:?}");
    }

    #[test]
    fn learning_a_fact_about_a_change_only_tightens(
        text in change_policies(), facts in sound_but_changed(), which in change_kinds(),
        learned in replacements(), now in times(),
    ) {
        let ruleset = policy(&format!("[rules.integrity]\n{text}"));
        let ignorant = with_fact(&facts, which, &Replacement::not_yet());
        let knowing = with_fact(&facts, which, &learned);
        let before = ruleset.evaluate(&ignorant, now);
        let after = ruleset.evaluate(&knowing, now);
        prop_assert!(after.effect() >= before.effect(), "{text}\n{before:?}\n{after:?}");
    }

    #[test]
    fn the_effect_of_a_change_is_constant_until_it_may_change(
        text in change_policies(), facts in sound_but_changed(), now in times(),
        fraction in 0.0..1.0,
    ) {
        let ruleset = policy(&format!("[rules.integrity]\n{text}"));
        let evaluation = ruleset.evaluate(&facts, now);
        for instant in inside(now, evaluation.valid_until(), fraction) {
            let then = ruleset.evaluate(&facts, instant);
            prop_assert_eq!(then.effect(), evaluation.effect(), "{}\n{:?}", text, then);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn losing_a_fact_never_loosens(
        text in policies(true), facts in facts(), which in known_kinds(), now in times(),
    ) {
        let ruleset = policy(&text);
        let lost = with_fact(&facts, which, &Replacement::unavailable());
        let (before, after) = (ruleset.evaluate(&facts, now), ruleset.evaluate(&lost, now));
        prop_assert!(after.effect() >= before.effect(), "{before:?}\n{after:?}");
    }

    #[test]
    fn learning_a_fact_only_tightens(
        text in policies(true),
        facts in facts(),
        which in known_kinds(),
        learned in replacements(),
        now in times(),
    ) {
        let ruleset = policy(&text);
        let ignorant = with_fact(&facts, which, &Replacement::not_yet());
        let knowing = with_fact(&facts, which, &learned);
        let before = ruleset.evaluate(&ignorant, now);
        let after = ruleset.evaluate(&knowing, now);
        prop_assert!(after.effect() >= before.effect(), "{before:?}\n{after:?}");
    }

    #[test]
    fn a_version_that_changes_more_is_never_judged_milder(
        text in policies(true), facts in facts(), less in changes(), more in changes(),
        now in times(),
    ) {
        let ruleset = policy(&text);
        let with = |change: Change| {
            let mut facts = facts.clone();
            facts.change = Fact::Known(Arc::new(change));
            ruleset.evaluate(&facts, now)
        };
        let before = with(less.clone());
        let after = with(Change {
            added_dependencies: [less.added_dependencies.clone(), more.added_dependencies].concat(),
            added_hooks: [less.added_hooks.clone(), more.added_hooks].concat(),
            added_exotic: [less.added_exotic.clone(), more.added_exotic].concat(),
            new_publisher: less.new_publisher.clone().or(more.new_publisher),
            new_maintainers: [less.new_maintainers.clone(), more.new_maintainers].concat(),
            trust_lost: less.trust_lost.or(more.trust_lost),
            license: less.license.clone().or(more.license),
            size_bytes: less.size_bytes.or(more.size_bytes),
            ..less
        });
        prop_assert!(after.effect() >= before.effect(), "{before:?}\n{after:?}");
    }

    #[test]
    fn exemptions_never_tighten(text in policies(true), facts in facts(), now in times()) {
        let without = text.split("[[exempt]]").next().unwrap_or_default();
        let (with, without) = (policy(&text), policy(without));
        prop_assert!(with.evaluate(&facts, now).effect() <= without.evaluate(&facts, now).effect());
    }

    #[test]
    fn the_real_effect_is_constant_until_it_may_change(
        text in policies(true), facts in facts(), now in times(), fraction in 0.0..1.0,
    ) {
        let ruleset = policy(&text);
        let evaluation = ruleset.evaluate(&facts, now);
        for instant in inside(now, evaluation.valid_until(), fraction) {
            let then = ruleset.evaluate(&facts, instant);
            prop_assert_eq!(then.effect(), evaluation.effect(), "{:?}", then);
        }
    }

    #[test]
    fn replaying_stored_facts_under_the_stored_policy_gives_the_same_evaluation(
        text in policies(true), facts in facts(), now in times(),
    ) {
        let ruleset = policy(&text);
        let evaluation = ruleset.evaluate(&facts, now);
        let stored = serde_json::to_string(&facts).unwrap();
        let read: VersionFacts = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&read, &facts);
        prop_assert_eq!(&ruleset.evaluate(&read, now), &evaluation);
        // The canonical text has other lines, hence other sources; nothing else differs.
        let canonical = policy(&ruleset.describe());
        prop_assert_eq!(canonical.hash(), ruleset.hash());
        let replayed = canonical.evaluate(&read, now);
        prop_assert_eq!(replayed.effect(), evaluation.effect());
        prop_assert_eq!(replayed.valid_until(), evaluation.valid_until());
        prop_assert_eq!(replayed.awaits(), evaluation.awaits());
        let prints = |evaluation: &Evaluation| -> Vec<_> {
            evaluation.findings().iter().map(|f| (f.fingerprint(), f.reason.clone())).collect()
        };
        prop_assert_eq!(prints(&replayed), prints(&evaluation));
    }

    #[test]
    fn an_evaluation_read_from_a_record_never_gives_a_permit(
        text in policies(true), facts in facts(), now in times(),
    ) {
        let evaluation = policy(&text).evaluate(&facts, now);
        let stored = serde_json::to_string(&evaluation).unwrap();
        let read: Evaluation = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&read, &evaluation);
        prop_assert!(read.permit().is_none());
        prop_assert!(read.clone().permit().is_none());
        let may_serve = evaluation.effect() == Effect::Allow
            && evaluation.awaits().is_empty()
            && evaluation.sha256().is_some();
        prop_assert_eq!(evaluation.permit().is_some(), may_serve);
    }

    #[test]
    fn reasons_are_short_and_printable_ascii_whatever_the_version_is(
        text in policies(true), facts in facts(), now in times(), version in "\\PC{0,40}",
    ) {
        let mut facts = facts;
        facts.artifact.subject.version = cordon_policy::model::Version::verbatim(version);
        let evaluation = policy(&text).evaluate(&facts, now);
        for finding in evaluation.findings() {
            let reason = &finding.reason;
            prop_assert!(reason.bytes().all(|b| (b' '..=b'~').contains(&b)), "{reason}");
            prop_assert!(reason.len() <= 200, "{reason}");
        }
    }
}
