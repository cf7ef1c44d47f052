#![doc = include_str!("publish-burst.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::{DAY, read_each, read_settled_after, subject, unsettled};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{Burst, Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{GOOD_VERSION, Release, Specimen, Stage};
use crate::verdict::Effect;

const BURST: FindingCode = FindingCode::from_static("published-in-a-burst");
const UNKNOWN: FindingCode = FindingCode::from_static("burst-unknown");

/// Most versions published for a self-test.
const MOST_PUBLISHED: u32 = 300;

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("publish-burst"),
    page: include_str!("publish-burst.md"),
    codes: &[
        (
            "published-in-a-burst",
            "unusually many versions of the package were published at once",
        ),
        (
            "burst-unknown",
            "it could not be learned how many versions were published at once",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions that were published in a burst.
#[derive(Clone, Debug)]
pub struct PublishBurst {
    /// How many versions within an hour are a burst.
    pub versions: u32,
    /// How many times the package's habit it has to be more than.
    pub times_habit: u32,
    /// How long after its publication a version counts.
    pub settled_after: Duration,
}

impl Default for PublishBurst {
    fn default() -> Self {
        Self {
            versions: 3,
            times_habit: 2,
            settled_after: 30 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let count = |table: &mut TableReader<'_, '_>, key: &str, least: i64, inherited: u32| {
        let read = table.integer(key, least..=1_000);
        read.and_then(|read| u32::try_from(read.value).ok())
            .unwrap_or(inherited)
    };
    let read_one = |inherited: &PublishBurst, table: &mut TableReader<'_, '_>| PublishBurst {
        versions: count(table, "versions", 2, inherited.versions),
        times_habit: count(table, "times_habit", 1, inherited.times_habit),
        settled_after: read_settled_after(table, inherited.settled_after),
    };
    read_each(table, overrides, read_one)
}

impl Rule for PublishBurst {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Burst).union(FactSet::of(FactKind::PublishedAt))
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let Some(until) = unsettled(facts, now, self.settled_after, out) else {
            return;
        };
        let subject = || subject(facts.subject());
        match &facts.burst {
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Burst),
            Fact::Known(Burst { versions, habit }) => {
                let is_unusual = *versions > habit.saturating_mul(self.times_habit);
                if *versions < self.versions || !is_unusual {
                    return;
                }
                let before = match habit {
                    0 => "none were before".to_owned(),
                    most => format!("at most {most} before"),
                };
                let reason = format!(
                    "{} is one of {versions} versions published within an hour ({before})",
                    subject()
                );
                out.report(BURST, reason, "burst", until);
            }
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "it could not be learned how many versions were published with {} ({})",
                    subject(),
                    reason::ascii(cause, 60)
                );
                out.report_unavailable(UNKNOWN, FactKind::Burst, reason);
                if let Some(until) = until {
                    out.changes_at(until);
                }
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        // One old version is a habit of one.
        let enough = self
            .versions
            .max(self.times_habit.saturating_add(1))
            .min(MOST_PUBLISHED);
        let mut releases = vec![Release::at(GOOD_VERSION, stage.long_ago())];
        releases.extend((1..=enough).map(|n| Release::at(format!("1.1.{n}"), stage.just_now())));
        match enough == MOST_PUBLISHED {
            true => Specimen::Nothing("so many versions at once are not published for a test"),
            false => stage.pair(releases, format!("1.1.{enough}")),
        }
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.integer("versions", self.versions.into());
        out.integer("times_habit", self.times_habit.into());
        out.duration("settled_after", self.settled_after);
    }
}
