#![doc = include_str!("install-code.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::{
    DAY, Look, Seen, evidence, list, read_each, read_effect, read_settled_after, since, subject,
    write_effect,
};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::ecosystem::PYPI;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;

const ADDED: FindingCode = FindingCode::from_static("install-code-added");
const FIRST: FindingCode = FindingCode::from_static("install-code-first");
const UNKNOWN: FindingCode = FindingCode::from_static("install-code-unknown");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("install-code"),
    page: include_str!("install-code.md"),
    codes: &[
        (
            "install-code-added",
            "the version newly runs code when it is installed",
        ),
        (
            "install-code-first",
            "the first version of a package runs code when it is installed",
        ),
        (
            "install-code-unknown",
            "it could not be learned whether the version newly runs code when it is installed",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions that begin to run code at install.
#[derive(Clone, Debug)]
pub struct InstallCode {
    /// How long after its publication a version's change counts.
    pub settled_after: Duration,
    /// What code at install in the first version of a package asks for.
    pub first_version: Effect,
}

impl Default for InstallCode {
    fn default() -> Self {
        Self {
            settled_after: 90 * DAY,
            first_version: Effect::Allow,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &InstallCode, table: &mut TableReader<'_, '_>| InstallCode {
        settled_after: read_settled_after(table, inherited.settled_after),
        first_version: read_effect(table, "first_version", inherited.first_version),
    };
    read_each(table, overrides, read_one)
}

impl Rule for InstallCode {
    fn needs(&self) -> FactSet {
        let needs = FactSet::of(FactKind::Change).union(FactSet::of(FactKind::PublishedAt));
        match self.first_version {
            Effect::Allow => needs,
            _ => needs.union(FactSet::of(FactKind::InstallHooks)),
        }
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let look = Look {
            facts,
            now,
            after: self.settled_after,
            unknown: UNKNOWN,
            strictest: out.settings().effect.max(self.first_version),
        };
        match look.see(out) {
            Seen::Nothing => {}
            Seen::First(until) => self.check_first(facts, until, out),
            Seen::Change(change, _) if change.added_hooks.is_empty() => {}
            Seen::Change(change, until) => {
                let hooks = || change.added_hooks.iter().map(AsRef::as_ref);
                let reason = format!(
                    "{} newly runs code at install ({}); {} did not",
                    subject(facts.subject()),
                    list(hooks(), 14),
                    since(change)
                );
                out.report(ADDED, reason, &evidence(hooks()), until);
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        match *stage.ecosystem() == PYPI {
            true => Specimen::CannotWork("PyPI's pages do not tell what runs at install"),
            false => stage.spoiled(|it| it.has_install_code = true),
        }
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.duration("settled_after", self.settled_after);
        write_effect(out, "first_version", self.first_version);
    }
}

impl InstallCode {
    fn check_first(&self, facts: &VersionFacts, until: Option<Timestamp>, out: &mut Findings<'_>) {
        if self.first_version == Effect::Allow {
            return;
        }
        let subject = subject(facts.subject());
        match &facts.install_hooks {
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::InstallHooks),
            Fact::Known(hooks) if hooks.is_empty() => {}
            Fact::Known(hooks) => {
                let hooks = || hooks.iter().map(AsRef::as_ref);
                let reason = format!(
                    "{subject} is the first version of its package and runs code at install ({})",
                    list(hooks(), 14)
                );
                out.report_as(self.first_version, FIRST, reason, &evidence(hooks()), until);
            }
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "it could not be learned what {subject} runs at install ({})",
                    reason::ascii(cause, 60)
                );
                let effect = self.first_version;
                out.report_unavailable_as(effect, UNKNOWN, FactKind::InstallHooks, reason);
                if let Some(until) = until {
                    out.changes_at(until);
                }
            }
        }
    }
}
