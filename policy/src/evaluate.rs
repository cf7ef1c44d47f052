//! The only place where findings become a verdict.

use std::sync::Arc;

use crate::exemption::Exemption;
use crate::facts::{FactKind, FactSet, VersionFacts};
use crate::finding::{Finding, FindingCode, Mode};
use crate::model::Timestamp;
use crate::rules::{ConfiguredRule, RuleSettings};
use crate::verdict::{Effect, Evaluation, Origin, RulesetHash};

/// A validated policy: rules with their settings, and exemptions. Immutable; replaced as a whole.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) hash: RulesetHash,
    pub(crate) rules: Vec<ConfiguredRule>,
    pub(crate) exemptions: Vec<Arc<Exemption>>,
}

impl Ruleset {
    /// Makes a ruleset from parts. Policy files go through [`crate::config`].
    pub fn new(hash: RulesetHash, rules: Vec<ConfiguredRule>, exemptions: Vec<Exemption>) -> Self {
        Self {
            hash,
            rules,
            exemptions: exemptions.into_iter().map(Arc::new).collect(),
        }
    }

    /// Identity of the policy text.
    pub fn hash(&self) -> &RulesetHash {
        &self.hash
    }

    /// The rules, in the order of their ids.
    pub fn rules(&self) -> &[ConfiguredRule] {
        &self.rules
    }

    /// The exemptions, expired ones included.
    pub fn exemptions(&self) -> &[Arc<Exemption>] {
        &self.exemptions
    }

    /// Facts some enforced or monitored rule wants.
    pub fn needs(&self) -> FactSet {
        self.rules
            .iter()
            .fold(FactSet::EMPTY, |set, rule| set.union(rule.rule.needs()))
    }

    /// Judges one candidate. Total and deterministic: the same facts, ruleset and instant give the
    /// same evaluation.
    pub fn evaluate(&self, facts: &VersionFacts, now: Timestamp) -> Evaluation {
        let mut collected = Collected::default();
        for configured in &self.rules {
            let Some(settings) = configured.settings_for(facts) else {
                continue;
            };
            let mut findings = Findings {
                settings,
                rule: configured,
                now,
                collected: &mut collected,
            };
            configured.rule.check(facts, now, &mut findings);
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
            let covering: Vec<&Arc<Exemption>> = self
                .exemptions
                .iter()
                .filter(|e| e.is_active_at(now))
                .filter(|e| e.scope.covers(&facts.artifact, sha256.as_ref()))
                .collect();
            findings.retain(|finding| {
                // Of several exemptions the one that lasts longest is named.
                let best = covering
                    .iter()
                    .filter(|e| e.waives.includes(finding))
                    .max_by(|a, b| a.expires.cmp(&b.expires).then_with(|| b.id.cmp(&a.id)));
                let Some(exemption) = best else { return true };
                earliest(&mut valid_until, Some(exemption.expires));
                waived.push((finding.clone(), exemption.id.clone()));
                false
            });
        }
        for finding in findings
            .iter()
            .chain(waived.iter().map(|(finding, _)| finding))
        {
            earliest(&mut valid_until, finding.until.filter(|until| *until > now));
        }
        findings.sort_by(|a, b| {
            (
                a.mode == Mode::Monitor,
                std::cmp::Reverse(a.effect),
                &a.rule,
                &a.code,
                &a.evidence,
            )
                .cmp(&(
                    b.mode == Mode::Monitor,
                    std::cmp::Reverse(b.effect),
                    &b.rule,
                    &b.code,
                    &b.evidence,
                ))
        });
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
    settings: &'a RuleSettings,
    rule: &'a ConfiguredRule,
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

    /// Reports that a needed fact could not be learned, with the effect configured for that.
    pub fn report_unavailable(&mut self, code: FindingCode, fact: FactKind, reason: String) {
        let evidence = format!("{fact:?}");
        self.report_as(self.settings.on_unavailable, code, reason, &evidence, None);
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
        if effect == Effect::Allow || until.is_some_and(|until| until <= self.now) {
            return;
        }
        self.collected.findings.push(Finding {
            rule: self.rule.rule.id(),
            code,
            effect,
            reason,
            evidence: evidence.into(),
            until,
            mode: self.settings.mode,
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
