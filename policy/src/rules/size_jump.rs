#![doc = include_str!("size-jump.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::{DAY, Look, Seen, read_each, read_settled_after, since, subject};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::quantity::format_size;
use crate::config::reader::TableReader;
use crate::ecosystem::CARGO;
use crate::evaluate::Findings;
use crate::facts::{FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;

const JUMPED: FindingCode = FindingCode::from_static("size-jumped");
const UNKNOWN: FindingCode = FindingCode::from_static("size-change-unknown");

const MEBIBYTE: u64 = 1024 * 1024;

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("size-jump"),
    page: include_str!("size-jump.md"),
    codes: &[
        (
            "size-jumped",
            "the version is many times as large as the one before",
        ),
        (
            "size-change-unknown",
            "it could not be learned how the version's size changed",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions that are many times as large as the one before.
#[derive(Clone, Debug)]
pub struct SizeJump {
    /// How many times as large.
    pub times: u32,
    /// Size in bytes below which nothing is looked at.
    pub at_least: u64,
    /// How long after its publication a version's change counts.
    pub settled_after: Duration,
}

impl Default for SizeJump {
    fn default() -> Self {
        Self {
            times: 10,
            at_least: MEBIBYTE,
            settled_after: 30 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &SizeJump, table: &mut TableReader<'_, '_>| SizeJump {
        times: table
            .integer("times", 2..=1_000_000)
            .and_then(|read| u32::try_from(read.value).ok())
            .unwrap_or(inherited.times),
        at_least: table
            .size_bytes("at_least", 0..=1024 * 1024 * MEBIBYTE)
            .map_or(inherited.at_least, |read| read.value),
        settled_after: read_settled_after(table, inherited.settled_after),
    };
    read_each(table, overrides, read_one)
}

impl Rule for SizeJump {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Change).union(FactSet::of(FactKind::PublishedAt))
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
        let Some((before, after)) = change.size_bytes else {
            return;
        };
        let limit = before.saturating_mul(self.times.into()).max(self.at_least);
        if after < limit {
            return;
        }
        let reason = format!(
            "{} has {}; {} had {}",
            subject(facts.subject()),
            rounded(after),
            since(change),
            rounded(before)
        );
        out.report(JUMPED, reason, &after.to_string(), until);
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        if *stage.ecosystem() == CARGO {
            return Specimen::CannotWork("the index of crates.io does not tell sizes");
        }
        // More than any multiple of the few hundred bytes of the release before.
        let size = self
            .at_least
            .max(u64::from(self.times).saturating_mul(64 * 1024));
        stage.spoiled(|it| it.size_bytes = Some(size))
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.integer("times", self.times.into());
        out.text("at_least", &format_size(self.at_least));
        out.duration("settled_after", self.settled_after);
    }
}

/// A size as a person would say it, rounded down.
fn rounded(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
