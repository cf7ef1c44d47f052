//! The rules: one file each, with its documentation page and its tests.
//!
//! A rule looks at facts and reports findings; it never decides. Effect, mode, scope and the
//! answer to a missing fact come from [`RuleSettings`], the same for every rule. A new rule is a
//! file, its page, and one line in [`RULES`].
//!
//! The keys a rule may have are those its `read` asks for; nothing declares them a second time. The
//! schema for editors (`cordon policy schema`, `deploy/policy.schema.json`) is made from them and
//! from the page, and `tests/schema.rs` checks both ways that
//!
//! - every key asked for, those of inner tables included, has a row in a table of the page with
//!   the columns `key`, `default` and `why` (keys all rules share need none), and
//! - every key on the page is asked for, whatever else is given, with the default the page tells.
//!
//! Hence: ask for every key always (`table.string("b")` also when `a` is not given), and for tables
//! inside by `table` and `tables`. After a change of keys write the schema again:
//! `cargo run -- policy schema > deploy/policy.schema.json`.

pub mod advisory;
mod advisory_data;
mod advisory_ignored;
pub mod allow;
pub mod archive;
pub mod condition;
pub mod content;
pub mod content_change;
pub(crate) mod content_signs;
pub mod deny;
mod end_of_life;
pub mod exotic_dependency;
pub mod indicator;
pub mod install_code;
pub mod integrity;
pub mod license;
pub mod lifecycle;
mod list_table;
pub mod malware;
pub mod manifest;
pub mod minimum_age;
pub mod namespace;
pub mod new_dependency;
mod parts;
pub mod provenance;
pub mod publish_burst;
pub mod publisher_change;
pub mod scanner;
pub mod size_jump;
pub mod typosquat;
pub mod watched_name;

use std::sync::Arc;

use smol_str::SmolStr;

use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{FactSet, VersionFacts};
use crate::finding::{ConfigSpan, Mode, RuleId};
pub use crate::matching::PackageScope;
use crate::model::{Ecosystem, PackageName, Timestamp};
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;

/// Every rule there is, in the order of their ids.
pub static RULES: &[RuleKind] = &[
    advisory::KIND,
    allow::KIND,
    archive::KIND,
    condition::KIND,
    content::KIND,
    content_change::KIND,
    deny::KIND,
    exotic_dependency::KIND,
    indicator::KIND,
    install_code::KIND,
    integrity::KIND,
    license::KIND,
    lifecycle::KIND,
    malware::KIND,
    manifest::KIND,
    minimum_age::KIND,
    namespace::KIND,
    new_dependency::KIND,
    provenance::KIND,
    publish_burst::KIND,
    publisher_change::KIND,
    scanner::KIND,
    size_jump::KIND,
    typosquat::KIND,
    watched_name::KIND,
];

/// A kind of rule: how it is called, documented and read from a policy.
#[derive(Clone, Debug)]
pub struct RuleKind {
    /// Its stable id.
    pub id: RuleId,
    /// Its documentation page, Markdown.
    pub page: &'static str,
    /// The codes of its findings with one line about each. Unique over all rules.
    pub codes: &'static [(&'static str, &'static str)],
    /// The effect of its findings when the policy names none.
    pub default_effect: Effect,
    /// Whether it cannot be switched off, only watched or softened.
    pub is_fixed: bool,
    /// Reads its own keys.
    pub read: ReadRule,
}

/// Reads a rule's own keys from its table and from each of its overrides, giving one rule for
/// each, the base first. Problems go to the file; the result is then not used.
pub type ReadRule = fn(&mut TableReader<'_, '_>, &mut [TableReader<'_, '_>]) -> Vec<Arc<dyn Rule>>;

/// The kind of that id.
pub fn kind(id: &str) -> Option<&'static RuleKind> {
    RULES.iter().find(|kind| kind.id.as_str() == id)
}

/// Whether setting aside a finding of the rule takes two people: whoever publishes malware also asks
/// for it to be let through.
pub fn needs_two_people(rule: &RuleId) -> bool {
    *rule == malware::KIND.id
}

/// A check over the facts of one candidate, with its parameters.
pub trait Rule: std::any::Any + Send + Sync + std::fmt::Debug {
    /// The facts it reads, so that nothing is fetched that no rule asks for.
    fn needs(&self) -> FactSet;

    /// Of the facts that cost requests to learn ([`FactKind::Siblings`], [`FactKind::Standing`]):
    /// those this rule would read for the candidate at this instant. `facts` holds what the
    /// registry's documents tell.
    ///
    /// [`FactKind::Siblings`]: crate::facts::FactKind::Siblings
    /// [`FactKind::Standing`]: crate::facts::FactKind::Standing
    fn wants(&self, facts: &VersionFacts, now: Timestamp) -> FactSet {
        let _ = (facts, now);
        FactSet::EMPTY
    }

    /// The upstreams that alone may be asked for the package, when the rule keeps it at home.
    fn home_of(&self, package: &PackageName) -> Option<&[SmolStr]> {
        let _ = package;
        None
    }

    /// Every upstream the rule names as a home, with the place that names it.
    fn homes(&self) -> Vec<Home<'_>> {
        Vec::new()
    }

    /// Whether a text (a search) speaks of names the rule keeps at home.
    fn mentions_owned(&self, ecosystem: &Ecosystem, text: &str) -> bool {
        let _ = (ecosystem, text);
        false
    }

    /// Whether it reads who asks ([`VersionFacts::audience`]).
    fn reads_audience(&self) -> bool {
        false
    }

    /// Whether it was told a probability of exploitation from which advisories count, which needs
    /// a source of such probabilities.
    fn reads_epss(&self) -> bool {
        false
    }

    /// Looks, and reports. Must not read a clock: `now` is the instant of the evaluation. Where a
    /// needed fact is `NotYet`, call [`Findings::await_fact`]; where it is `Unavailable`, call
    /// [`Findings::report_unavailable`].
    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>);

    /// A key by which this finds less than another rule of the same kind: asked of rules that
    /// [need two people](needs_two_people), whose overrides must not be milder.
    fn milder_key(&self, than: &dyn Rule) -> Option<&'static str> {
        let _ = than;
        None
    }

    /// A package the rule must refuse as it is configured, and one it must not, for the self-test.
    fn specimen(&self, stage: &Stage<'_>) -> Specimen;

    /// Writes its parameters, every one with its value, for `policy show` and the ruleset's hash:
    /// whatever changes a verdict must be written. Called for the rule and for each override.
    fn write_parameters(&self, out: &mut PolicyText);

    /// Writes what belongs to the rule as a whole, below its parameters, as tables of their own.
    fn write_tables(&self, id: &RuleId, out: &mut PolicyText) {
        let _ = (id, out);
    }
}

/// An upstream named as the home of owned names.
#[derive(Clone, Copy, Debug)]
pub struct Home<'r> {
    /// Whose names.
    pub ecosystem: &'r Ecosystem,
    /// The upstream's id.
    pub upstream: &'r SmolStr,
    /// Where it is named.
    pub source: &'r ConfigSpan,
    /// Where in the file, in bytes, for drawing the line.
    pub bytes: &'r std::ops::Range<usize>,
}

/// A rule as the policy configures it.
#[derive(Clone, Debug)]
pub struct ConfiguredRule {
    /// Its id.
    pub id: RuleId,
    /// The rule's own table first, then its overrides in the order of the file: the last one whose
    /// scope holds the candidate applies.
    pub variants: Vec<Variant>,
}

/// A rule with the settings and parameters of one table.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Which packages it is for.
    pub scope: PackageScope,
    /// What every rule can be told.
    pub settings: RuleSettings,
    /// The check with its parameters.
    pub rule: Arc<dyn Rule>,
}

impl ConfiguredRule {
    /// The variant for a candidate, `None` when no scope holds it or the rule is off there.
    pub fn variant_for(&self, facts: &VersionFacts) -> Option<&Variant> {
        self.variants
            .iter()
            .rev()
            .find(|variant| variant.scope.holds(facts))
            .filter(|variant| variant.settings.is_enabled)
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
    /// What a fact that could not be learned asks for. Never milder than `effect`.
    pub on_unavailable: Effect,
    /// Where this was written.
    pub source: ConfigSpan,
}
