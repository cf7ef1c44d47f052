//! The only place where findings become a verdict.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::SmolStr;

use crate::exemption::{Coverage, Exemption, ExemptionId};
use crate::facts::{Audience, FactKind, FactSet, VersionFacts};
use crate::finding::{ConfigSpan, Finding, FindingCode, Mode, RuleId};
use crate::model::{Ecosystem, PackageName, Timestamp};
use crate::rejection::Rejection;
use crate::rules::{ConfiguredRule, Home, RuleSettings, Variant};
use crate::verdict::{Effect, Evaluation, Origin, RulesetHash};

/// A validated policy: rules with their settings, and exemptions. Immutable; replaced as a whole.
#[derive(Debug)]
pub struct Ruleset {
    hash: RulesetHash,
    rules: Arc<[ConfiguredRule]>,
    audiences: ToldApart,
    exemptions: Vec<Arc<Exemption>>,
    exemptions_of: BTreeMap<PackageName, Vec<Arc<Exemption>>>,
    rejections: Vec<Arc<Rejection>>,
    rejections_of: BTreeMap<PackageName, Vec<Arc<Rejection>>>,
}

/// Who a policy tells apart.
#[derive(Clone, Debug, Default)]
struct ToldApart {
    routes: BTreeSet<SmolStr>,
    identities: BTreeSet<SmolStr>,
    /// Some rule reads who asks.
    is_read: bool,
}

impl ToldApart {
    fn by(rules: &[ConfiguredRule]) -> Self {
        let mut told = Self::default();
        for variant in rules.iter().flat_map(|rule| &rule.variants) {
            let scope = &variant.scope;
            told.routes.extend(scope.routes.iter().flatten().cloned());
            let identities = scope.identities.iter().flatten();
            told.identities.extend(identities.cloned());
            told.is_read |= variant.settings.is_enabled && variant.rule.reads_audience();
        }
        told
    }
}

impl Ruleset {
    /// Makes a ruleset from parts. Policy files go through [`crate::config`].
    pub fn new(
        hash: RulesetHash,
        mut rules: Vec<ConfiguredRule>,
        exemptions: Vec<Exemption>,
    ) -> Self {
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let mut exemptions: Vec<Arc<Exemption>> = exemptions.into_iter().map(Arc::new).collect();
        exemptions.sort_by(|a, b| a.id.cmp(&b.id));
        let mut exemptions_of: BTreeMap<PackageName, Vec<Arc<Exemption>>> = BTreeMap::new();
        for exemption in &exemptions {
            exemptions_of
                .entry(exemption.scope.package().clone())
                .or_default()
                .push(Arc::clone(exemption));
        }
        Self {
            hash,
            audiences: ToldApart::by(&rules),
            rules: rules.into(),
            exemptions,
            exemptions_of,
            rejections: Vec::new(),
            rejections_of: BTreeMap::new(),
        }
    }

    /// The same with these refusals by people, in place of those it had.
    #[must_use]
    pub fn with_rejections(self, rejections: Vec<Rejection>) -> Self {
        let mut rejections: Vec<Arc<Rejection>> = rejections.into_iter().map(Arc::new).collect();
        rejections.sort_by(|a, b| a.id.cmp(&b.id));
        let mut rejections_of: BTreeMap<PackageName, Vec<Arc<Rejection>>> = BTreeMap::new();
        for rejection in &rejections {
            rejections_of
                .entry(rejection.subject.name.clone())
                .or_default()
                .push(Arc::clone(rejection));
        }
        Self {
            rejections,
            rejections_of,
            ..self
        }
    }

    /// The same rules with nothing exempt from them, and nothing rejected by hand.
    #[must_use]
    pub fn without_exemptions(&self) -> Self {
        Self {
            hash: self.hash.clone(),
            rules: Arc::clone(&self.rules),
            audiences: self.audiences.clone(),
            exemptions: Vec::new(),
            exemptions_of: BTreeMap::new(),
            rejections: Vec::new(),
            rejections_of: BTreeMap::new(),
        }
    }

    /// The one rule alone.
    #[must_use]
    pub fn only(&self, rule: &RuleId) -> Self {
        let own = self
            .rules
            .iter()
            .filter(|configured| configured.id == *rule);
        Self {
            rules: own.cloned().collect(),
            ..self.without_exemptions()
        }
    }

    /// Identity of the policy.
    pub fn hash(&self) -> &RulesetHash {
        &self.hash
    }

    /// The rules, in the order of their ids.
    pub fn rules(&self) -> &[ConfiguredRule] {
        &self.rules
    }

    /// The exemptions in the order of their ids, expired ones included.
    pub fn exemptions(&self) -> &[Arc<Exemption>] {
        &self.exemptions
    }

    /// What people refused, in the order of the ids.
    pub fn rejections(&self) -> &[Arc<Rejection>] {
        &self.rejections
    }

    /// Who asks, as far as some rule makes a difference: all others are judged alike, and may share
    /// what was judged.
    pub fn audience(&self, route: Option<&str>, identity: Option<&str>) -> Audience {
        let known = |name: Option<&str>, told: &BTreeSet<SmolStr>| {
            name.filter(|name| self.audiences.is_read || told.contains(*name))
                .map(SmolStr::from)
        };
        Audience {
            route: known(route, &self.audiences.routes),
            identity: known(identity, &self.audiences.identities),
        }
    }

    /// The routes and the identities that rules name.
    pub fn named_audiences(&self) -> (&BTreeSet<SmolStr>, &BTreeSet<SmolStr>) {
        (&self.audiences.routes, &self.audiences.identities)
    }

    /// Facts some enforced or monitored rule wants for some package.
    pub fn needs(&self) -> FactSet {
        self.rules
            .iter()
            .flat_map(|rule| &rule.variants)
            .filter(|variant| variant.settings.is_enabled)
            .fold(FactSet::EMPTY, |set, variant| {
                set.union(variant.rule.needs())
            })
    }

    /// The facts that cost requests to learn and that some rule would read for this candidate now.
    pub fn wants(&self, facts: &VersionFacts, now: Timestamp) -> FactSet {
        self.rules
            .iter()
            .filter_map(|configured| configured.variant_for(facts))
            .fold(FactSet::EMPTY, |set, variant| {
                set.union(variant.rule.wants(facts, now))
            })
    }

    /// The upstreams that alone may be asked for the package, when it is kept at home. Such names
    /// must not be sent to any other (INV-34).
    pub fn home_of(&self, package: &PackageName) -> Option<&[SmolStr]> {
        self.enforced()
            .filter(|variant| variant.scope.holds_name(package))
            .find_map(|variant| variant.rule.home_of(package))
    }

    /// Whether a text that would be sent to a registry as a whole speaks of names kept at home.
    pub fn mentions_owned(&self, ecosystem: &Ecosystem, text: &str) -> bool {
        let mut enforced = self.enforced();
        enforced.any(|variant| variant.rule.mentions_owned(ecosystem, text))
    }

    /// Every upstream that rules name as a home of packages, whether they are enforced or not.
    pub fn homes(&self) -> impl Iterator<Item = Home<'_>> {
        let bases = self.rules.iter().filter_map(|rule| rule.variants.first());
        bases.flat_map(|base| base.rule.homes())
    }

    fn enforced(&self) -> impl Iterator<Item = &Variant> {
        self.rules
            .iter()
            .filter_map(|rule| rule.variants.first())
            .filter(|base| base.settings.is_enabled && base.settings.mode == Mode::Enforce)
    }

    /// Judges one candidate. Total and deterministic: the same facts, ruleset and instant give the
    /// same evaluation. A candidate no rule objects to costs no allocation.
    pub fn evaluate(&self, facts: &VersionFacts, now: Timestamp) -> Evaluation {
        let mut collected = Collected::default();
        for configured in self.rules.iter() {
            let Some(variant) = configured.variant_for(facts) else {
                continue;
            };
            let mut findings = Findings {
                rule: &configured.id,
                settings: &variant.settings,
                now,
                collected: &mut collected,
            };
            variant.rule.check(facts, now, &mut findings);
        }
        self.conclude(facts, now, collected)
    }

    fn conclude(&self, facts: &VersionFacts, now: Timestamp, collected: Collected) -> Evaluation {
        let sha256 = facts.bytes.known().map(|bytes| bytes.sha256.clone());
        let Collected {
            mut findings,
            awaits,
            mut valid_until,
        } = collected;
        let mut waived = Vec::new();
        if !findings.is_empty() {
            for finding in &findings {
                earliest(&mut valid_until, finding.until);
            }
            waived = self.waive(facts, now, &mut findings, &mut valid_until);
        }
        // No exemption sets aside what a person refused: that is undone where it was done.
        self.reject(facts, &mut findings);
        if findings.len() + waived.len() > 1 {
            findings.sort_by(|a, b| severity(a).cmp(&severity(b)));
            waived.sort_by(|(a, _), (b, _)| severity(a).cmp(&severity(b)));
        }
        let effect = findings
            .iter()
            .filter(|finding| finding.mode == Mode::Enforce)
            .map(|finding| finding.effect)
            .max()
            .unwrap_or(Effect::Allow);
        Evaluation {
            artifact: facts.artifact.clone(),
            sha256,
            effect,
            findings,
            waived,
            awaits,
            valid_until,
            origin: Origin::Judged,
        }
    }

    /// Adds what people refused.
    fn reject(&self, facts: &VersionFacts, findings: &mut Vec<Finding>) {
        let Some(rejections) = self.rejections_of.get(&facts.subject().name) else {
            return;
        };
        let meant = rejections.iter().filter(|it| it.is_about(facts));
        findings.extend(meant.map(|it| it.finding(facts.subject())));
    }

    /// Takes out of `findings` what an exemption that holds now sets aside.
    fn waive(
        &self,
        facts: &VersionFacts,
        now: Timestamp,
        findings: &mut Vec<Finding>,
        valid_until: &mut Option<Timestamp>,
    ) -> Vec<(Finding, ExemptionId)> {
        let Some(exemptions) = self.exemptions_of.get(&facts.subject().name) else {
            return Vec::new();
        };
        let covering: Vec<(&Exemption, Coverage)> = exemptions
            .iter()
            .map(Arc::as_ref)
            .filter(|exemption| exemption.is_active_at(now))
            .filter_map(|exemption| Some((exemption, exemption.covers(facts)?)))
            .collect();
        let mut waived = Vec::new();
        findings.retain(|finding| {
            // Of several exemptions the one that lasts longest is named: until it ends, nothing
            // changes.
            let longest = covering
                .iter()
                .filter(|(exemption, coverage)| exemption.sets_aside(finding, *coverage))
                .map(|(exemption, _)| exemption)
                .max_by_key(|exemption| (exemption.expires, Reverse(&exemption.id)));
            let Some(exemption) = longest else {
                return true;
            };
            earliest(valid_until, Some(exemption.expires));
            waived.push((finding.clone(), exemption.id.clone()));
            false
        });
        waived
    }
}

/// The order findings are kept and shown in: what counts first, then the strictest, then by name,
/// then what lasts longest.
fn severity(finding: &Finding) -> impl Ord + '_ {
    (
        finding.mode == Mode::Monitor,
        Reverse(finding.effect),
        &finding.rule,
        &finding.code,
        &finding.evidence,
        finding.until.is_some(),
        Reverse(finding.until),
        &finding.reason,
        &finding.source,
    )
}

fn earliest(into: &mut Option<Timestamp>, candidate: Option<Timestamp>) {
    if let Some(candidate) = candidate {
        *into = Some(into.map_or(candidate, |current| current.min(candidate)));
    }
}

#[derive(Default)]
struct Collected {
    findings: Vec<Finding>,
    awaits: FactSet,
    valid_until: Option<Timestamp>,
}

/// What a rule reports into. Carries the rule's settings, so that effect, mode and source are the
/// same for every rule and no rule can forget them.
pub struct Findings<'a> {
    rule: &'a RuleId,
    settings: &'a RuleSettings,
    now: Timestamp,
    collected: &'a mut Collected,
}

impl Findings<'_> {
    /// The settings that apply to the candidate at hand.
    pub fn settings(&self) -> &RuleSettings {
        self.settings
    }

    /// Reports a finding with the configured effect. `until` is when time alone ends it.
    pub fn report(
        &mut self,
        code: FindingCode,
        reason: String,
        evidence: &str,
        until: Option<Timestamp>,
    ) {
        self.report_as(self.settings.effect, code, reason, evidence, until);
    }

    /// Reports that a needed fact could not be learned. Never milder than what the fact, known,
    /// could have led to: losing a fact must not loosen a verdict.
    pub fn report_unavailable(&mut self, code: FindingCode, fact: FactKind, reason: String) {
        self.report_unavailable_as(self.settings.effect, code, fact, reason);
    }

    /// As [`Self::report_unavailable`], where the rule itself fixes what the fact could have led
    /// to.
    pub fn report_unavailable_as(
        &mut self,
        effect: Effect,
        code: FindingCode,
        fact: FactKind,
        reason: String,
    ) {
        let effect = effect.max(self.settings.on_unavailable).max(Effect::Hide);
        self.report_as(effect, code, reason, fact.name(), None);
    }

    /// Reports a finding whose effect the rule itself fixes.
    pub fn report_as(
        &mut self,
        effect: Effect,
        code: FindingCode,
        reason: String,
        evidence: &str,
        until: Option<Timestamp>,
    ) {
        let source = self.settings.source.clone();
        self.report_at(source, effect, code, reason, evidence, until);
    }

    /// Reports a finding that one line of the policy, not the rule as a whole, asked for.
    pub fn report_at(
        &mut self,
        source: ConfigSpan,
        effect: Effect,
        code: FindingCode,
        reason: String,
        evidence: &str,
        until: Option<Timestamp>,
    ) {
        if effect == Effect::Allow || until.is_some_and(|until| until <= self.now) {
            return;
        }
        self.collected.findings.push(Finding {
            rule: self.rule.clone(),
            code,
            effect,
            reason,
            evidence: evidence.into(),
            until,
            mode: self.settings.mode,
            source,
        });
    }

    /// Records what the rule saw and let pass, whatever its mode: who reads the decision later sees
    /// it, and it stops nothing. `asks_for` is what it would have been without the relief.
    pub fn note(&mut self, code: FindingCode, reason: String, evidence: &str, asks_for: Effect) {
        self.collected.findings.push(Finding {
            rule: self.rule.clone(),
            code,
            effect: asks_for.max(Effect::Hide),
            reason,
            evidence: evidence.into(),
            until: None,
            mode: Mode::Monitor,
            source: self.settings.source.clone(),
        });
    }

    /// Says that the rule cannot conclude before the fact is learned. A monitored rule waits for
    /// nothing: it must not delay what it may not stop.
    pub fn await_fact(&mut self, fact: FactKind) {
        if self.settings.mode == Mode::Enforce {
            self.collected.awaits.insert(fact);
        }
    }

    /// Says that the rule's answer may change at `instant` by time alone, without a finding now.
    pub fn changes_at(&mut self, instant: Timestamp) {
        if instant > self.now {
            earliest(&mut self.collected.valid_until, Some(instant));
        }
    }
}
