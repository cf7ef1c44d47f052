//! The rules: one file each, with its documentation page and its tests.
//!
//! A rule looks at facts and reports findings; it never decides. Effect, mode, scope and the
//! answer to a missing fact come from [`RuleSettings`], the same for every rule.

use crate::evaluate::Findings;
use crate::facts::{FactSet, VersionFacts};
use crate::finding::{ConfigSpan, Mode, RuleId};
use crate::model::{Ecosystem, Timestamp};
use crate::verdict::Effect;

/// A check over the facts of one candidate.
pub trait Rule: Send + Sync + std::fmt::Debug {
    /// Its stable id.
    fn id(&self) -> RuleId;

    /// The facts it reads, so that nothing is fetched that no rule asks for.
    fn needs(&self) -> FactSet;

    /// Looks, and reports. Must not read a clock: `now` is the instant of the evaluation. Where a
    /// needed fact is `NotYet`, call [`Findings::await_fact`]; where it is `Unavailable`, call
    /// [`Findings::report_unavailable`].
    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>);
}

/// A rule with the settings of the policy.
#[derive(Debug)]
pub struct ConfiguredRule {
    /// The rule.
    pub rule: Box<dyn Rule>,
    /// Settings in order: the last one whose scope holds the candidate applies.
    pub settings: Vec<(PackageScope, RuleSettings)>,
}

impl ConfiguredRule {
    /// The settings for a candidate, `None` when no scope holds it (the rule does not apply).
    pub fn settings_for(&self, facts: &VersionFacts) -> Option<&RuleSettings> {
        self.settings
            .iter()
            .rev()
            .find(|(scope, _)| scope.holds(facts))
            .map(|(_, settings)| settings)
            .filter(|settings| settings.is_enabled)
    }
}

/// Which packages a setting is for.
#[derive(Clone, Debug, Default)]
pub struct PackageScope {
    /// Only this ecosystem, when given.
    pub ecosystem: Option<Ecosystem>,
    /// Only packages whose normalised name matches, when given. `*` does not cross `/`.
    pub packages: Option<globset::GlobSet>,
}

impl PackageScope {
    /// Whether the candidate is in scope.
    pub fn holds(&self, facts: &VersionFacts) -> bool {
        let name = &facts.subject().name;
        self.ecosystem
            .as_ref()
            .is_none_or(|ecosystem| ecosystem == name.ecosystem())
            && self
                .packages
                .as_ref()
                .is_none_or(|globs| globs.is_match(name.normalized()))
    }
}

/// What every rule can be told.
#[derive(Clone, Debug)]
pub struct RuleSettings {
    /// Whether the rule applies at all here.
    pub is_enabled: bool,
    /// Act or watch.
    pub mode: Mode,
    /// What its findings ask for.
    pub effect: Effect,
    /// What a fact that could not be learned asks for. Never milder than `hide`.
    pub on_unavailable: Effect,
    /// Where this was written.
    pub source: ConfigSpan,
}
