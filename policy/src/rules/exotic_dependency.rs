#![doc = include_str!("exotic-dependency.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::{DAY, Look, Seen, evidence, read_each, read_settled_after, since, subject};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::ecosystem::PYPI;
use crate::evaluate::Findings;
use crate::facts::{ExoticDependency, ExoticSource, Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;

const ADDED: FindingCode = FindingCode::from_static("exotic-dependency-added");
const PRESENT: FindingCode = FindingCode::from_static("exotic-dependency-present");
const UNKNOWN: FindingCode = FindingCode::from_static("exotic-dependencies-unknown");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("exotic-dependency"),
    page: include_str!("exotic-dependency.md"),
    codes: &[
        (
            "exotic-dependency-added",
            "the version newly has a dependency from outside the registry",
        ),
        (
            "exotic-dependency-present",
            "the version has a dependency from outside the registry",
        ),
        (
            "exotic-dependencies-unknown",
            "it could not be learned whether it has dependencies from outside the registry",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions with dependencies from outside the registry.
#[derive(Clone, Debug)]
pub struct Exotic {
    /// Whether any such dependency counts, not only a new one.
    pub any: bool,
    /// How long after its publication a version's change counts.
    pub settled_after: Duration,
}

impl Default for Exotic {
    fn default() -> Self {
        Self {
            any: false,
            settled_after: 90 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &Exotic, table: &mut TableReader<'_, '_>| Exotic {
        any: table
            .boolean("any")
            .map_or(inherited.any, |read| read.value),
        settled_after: read_settled_after(table, inherited.settled_after),
    };
    read_each(table, overrides, read_one)
}

impl Rule for Exotic {
    fn needs(&self) -> FactSet {
        match self.any {
            true => FactSet::of(FactKind::ExoticDependencies),
            false => FactSet::of(FactKind::Change).union(FactSet::of(FactKind::PublishedAt)),
        }
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        if self.any {
            return check_any(facts, out);
        }
        let look = Look {
            facts,
            now,
            after: self.settled_after,
            unknown: UNKNOWN,
            strictest: out.settings().effect,
        };
        let Seen::Change(change, until) = look.see(out) else {
            return;
        };
        if let [first, ..] = &change.added_exotic[..] {
            let reason = format!(
                "{} newly takes {}{}; {} did not",
                subject(facts.subject()),
                words(first),
                and_more(&change.added_exotic),
                since(change)
            );
            out.report(ADDED, reason, &prints(&change.added_exotic), until);
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        match *stage.ecosystem() == PYPI {
            true => Specimen::CannotWork("PyPI's pages do not tell what a file depends on"),
            false => stage.spoiled(|it| it.has_exotic_dependency = true),
        }
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.boolean("any", self.any);
        out.duration("settled_after", self.settled_after);
    }
}

fn check_any(facts: &VersionFacts, out: &mut Findings<'_>) {
    match &facts.exotic_dependencies {
        Fact::Absent => {}
        Fact::NotYet => out.await_fact(FactKind::ExoticDependencies),
        Fact::Known(list) => {
            if let [first, ..] = &list[..] {
                let reason = format!(
                    "{} takes {}{}",
                    subject(facts.subject()),
                    words(first),
                    and_more(list)
                );
                out.report(PRESENT, reason, &prints(list), None);
            }
        }
        Fact::Unavailable(cause) => {
            let reason = format!(
                "it could not be learned where the dependencies of {} come from ({})",
                subject(facts.subject()),
                reason::ascii(cause, 60)
            );
            out.report_unavailable(UNKNOWN, FactKind::ExoticDependencies, reason);
        }
    }
}

/// `left from git (eve/left)`.
fn words(exotic: &ExoticDependency) -> String {
    let source = match exotic.source {
        ExoticSource::Git => "git",
        ExoticSource::Url => "an address",
        ExoticSource::File => "a path",
        ExoticSource::Registry => "a registry",
    };
    format!(
        "{} from {source} ({})",
        reason::ascii(&exotic.name, 20),
        reason::ascii(&exotic.written, 24)
    )
}

fn and_more(list: &[ExoticDependency]) -> String {
    match list.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

fn prints(list: &[ExoticDependency]) -> String {
    let all: Vec<String> = list
        .iter()
        .map(|exotic| format!("{}={}", exotic.name, exotic.written))
        .collect();
    evidence(all.iter().map(String::as_str))
}
