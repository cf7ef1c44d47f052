#![doc = include_str!("new-dependency.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::{
    DAY, Look, Seen, Settling, read_each, read_settled_after, settling, since, subject,
};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::limits::MAX_DURATION;
use crate::config::reader::TableReader;
use crate::ecosystem::PYPI;
use crate::evaluate::Findings;
use crate::facts::{AddedDependency, Change, Fact, FactKind, FactSet, Standing, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;

const YOUNG: FindingCode = FindingCode::from_static("young-dependency");
const NOBODY: FindingCode = FindingCode::from_static("unknown-dependency");
const UNCHECKED: FindingCode = FindingCode::from_static("dependency-unchecked");
const UNKNOWN: FindingCode = FindingCode::from_static("dependencies-unknown");

/// Most dependencies of one version reported; with them it is held, whatever the others are.
const MAX_REPORTED: usize = 16;

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("new-dependency"),
    page: include_str!("new-dependency.md"),
    codes: &[
        (
            "young-dependency",
            "the version newly depends on a package that is itself new",
        ),
        (
            "unknown-dependency",
            "the version newly depends on a package that does not exist or has no age",
        ),
        (
            "dependency-unchecked",
            "it could not be learned how old a new dependency is",
        ),
        (
            "dependencies-unknown",
            "it could not be learned what the version newly depends on",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions that newly depend on packages nobody knows.
#[derive(Clone, Debug)]
pub struct NewDependency {
    /// How long after its first publication a package counts as new.
    pub name_age: Duration,
    /// The same for packages in a scope whose owner's code came with the version before.
    pub known_owner_age: Duration,
    /// How long after its publication a version's change counts.
    pub settled_after: Duration,
}

impl Default for NewDependency {
    fn default() -> Self {
        Self {
            name_age: 90 * DAY,
            known_owner_age: 7 * DAY,
            settled_after: 90 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &NewDependency, table: &mut TableReader<'_, '_>| NewDependency {
        name_age: table
            .duration("name_age", DAY..=MAX_DURATION)
            .map_or(inherited.name_age, |read| read.value),
        known_owner_age: table
            .duration("known_owner_age", DAY..=MAX_DURATION)
            .map_or(inherited.known_owner_age, |read| read.value),
        settled_after: read_settled_after(table, inherited.settled_after),
    };
    read_each(table, overrides, read_one)
}

impl Rule for NewDependency {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Change)
            .union(FactSet::of(FactKind::PublishedAt))
            .union(FactSet::of(FactKind::Standing))
    }

    fn wants(&self, facts: &VersionFacts, now: Timestamp) -> FactSet {
        let has_added = facts
            .change
            .known()
            .is_some_and(|change| !change.added_dependencies.is_empty());
        match settling(facts, now, self.settled_after) {
            Settling::Until(_) if has_added => FactSet::of(FactKind::Standing),
            _ => FactSet::EMPTY,
        }
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
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
        let mut reported = 0;
        for added in &change.added_dependencies {
            let Some(doubt) = self.doubt(added, now) else {
                continue;
            };
            let Doubt::NotYet = doubt else {
                reported += 1;
                if reported <= MAX_REPORTED {
                    report(facts, change, added, doubt, until, now, out);
                }
                continue;
            };
            out.await_fact(FactKind::Standing);
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        let nobody = "cordon-self-test-nobody-has-this";
        match *stage.ecosystem() == PYPI {
            true => Specimen::CannotWork("PyPI's pages do not tell what a file depends on"),
            false => stage.spoiled(|it| it.dependencies.push(nobody.to_owned())),
        }
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.duration("name_age", self.name_age);
        out.duration("known_owner_age", self.known_owner_age);
        out.duration("settled_after", self.settled_after);
    }
}

/// Why a dependency is not taken for granted.
enum Doubt<'a> {
    /// It first appeared then, and is old enough later.
    Young { first: Timestamp, until: Timestamp },
    /// It does not exist, or has no date.
    Nobody,
    /// It could not be learned.
    Unavailable(&'a str),
    /// It was not asked for so far.
    NotYet,
}

impl NewDependency {
    fn doubt<'a>(&self, added: &'a AddedDependency, now: Timestamp) -> Option<Doubt<'a>> {
        let standing = match &added.standing {
            Fact::NotYet => return Some(Doubt::NotYet),
            // Nobody else can register it later.
            Fact::Absent if added.is_of_known_owner => return None,
            Fact::Absent => return Some(Doubt::Nobody),
            Fact::Unavailable(cause) => return Some(Doubt::Unavailable(cause)),
            Fact::Known(standing) => standing,
        };
        let Standing {
            first_published_at,
            rank,
        } = standing;
        if rank.is_some() {
            return None;
        }
        match first_published_at {
            Fact::NotYet => Some(Doubt::NotYet),
            Fact::Absent => Some(Doubt::Nobody),
            Fact::Unavailable(cause) => Some(Doubt::Unavailable(cause)),
            Fact::Known(first) => {
                let age = match added.is_of_known_owner {
                    true => self.known_owner_age.min(self.name_age),
                    false => self.name_age,
                };
                let until = first.saturating_add(age);
                (until > now).then_some(Doubt::Young {
                    first: *first,
                    until,
                })
            }
        }
    }
}

fn report(
    facts: &VersionFacts,
    change: &Change,
    added: &AddedDependency,
    doubt: Doubt<'_>,
    settled: Option<Timestamp>,
    now: Timestamp,
    out: &mut Findings<'_>,
) {
    let what = format!(
        "{} newly depends on {}",
        subject(facts.subject()),
        reason::ascii(added.package.as_published(), 40)
    );
    let before = since(change);
    let evidence = added.package.purl();
    match doubt {
        Doubt::NotYet => {}
        Doubt::Young { first, until } => {
            let age = reason::length(now.since(first));
            let reason = format!("{what}, first published {age} ago ({before} did not)");
            let until = settled.map_or(until, |settled| settled.min(until));
            out.report(YOUNG, reason, &evidence, Some(until));
        }
        Doubt::Nobody => {
            let reason = format!("{what}, of which no age is known ({before} did not)");
            out.report(NOBODY, reason, &evidence, settled);
        }
        Doubt::Unavailable(cause) => {
            let cause = reason::ascii(cause, 30);
            let reason = format!("{what}, whose age could not be learned ({cause})");
            let effect = out.settings().effect.max(out.settings().on_unavailable);
            // By name, so that setting aside one does not set aside another.
            out.report_as(effect, UNCHECKED, reason, &evidence, settled);
        }
    }
}
