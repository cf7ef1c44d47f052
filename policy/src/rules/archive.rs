#![doc = include_str!("archive.md")]

use std::collections::BTreeSet;
use std::sync::Arc;

use super::parts::{read_each, subject};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{ArchiveFacts, Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::inspect::FaultCode;
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Refusal, Specimen, Stage};
use crate::verdict::Effect;

const SCAN_FAILED: FindingCode = FindingCode::from_static("scan-failed");

/// The codes of faults, and what is told when looking failed.
static CODES: [(&str, &str); FaultCode::ALL.len() + 1] = {
    let mut codes = [(
        "scan-failed",
        "looking into it failed: the worker died, took too long or was not there",
    ); FaultCode::ALL.len() + 1];
    let mut at = 0;
    while at < FaultCode::ALL.len() {
        codes[at] = (FaultCode::ALL[at].0.name(), FaultCode::ALL[at].1);
        at += 1;
    }
    codes
};

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("archive"),
    page: include_str!("archive.md"),
    codes: &CODES,
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds archives readers could take differently.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// Faults that are let through.
    pub accept: BTreeSet<FaultCode>,
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let choices: Vec<(&str, FaultCode)> = FaultCode::ALL
        .iter()
        .map(|(code, _)| (code.name(), *code))
        .collect();
    let read_one = |inherited: &Archive, table: &mut TableReader<'_, '_>| Archive {
        accept: table.choices("accept", &choices).map_or_else(
            || inherited.accept.clone(),
            |read| read.into_iter().collect(),
        ),
    };
    read_each(table, overrides, read_one)
}

impl Rule for Archive {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Archive)
    }

    fn wants(&self, facts: &VersionFacts, _: Timestamp) -> FactSet {
        let _ = facts;
        FactSet::of(FactKind::Archive)
    }

    fn check(&self, facts: &VersionFacts, _: Timestamp, out: &mut Findings<'_>) {
        match &facts.archive {
            Fact::Known(archive) => self.report(facts, archive, out),
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Archive),
            Fact::Unavailable(why) => {
                let why = reason::ascii(why, 200);
                let reason = format!("looking into {} failed: {why}", facts.artifact.file);
                out.report_unavailable(SCAN_FAILED, FactKind::Archive, reason);
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        if self.accept.contains(&FaultCode::Gzip) {
            return Specimen::Nothing("it accepts `gzip`, the fault examples are made with");
        }
        let mut specimen = stage.spoiled_at(stage.long_ago(), |it| it.has_hostile_archive = true);
        if let Specimen::Pair(pair) = &mut specimen {
            pair.refusal = Refusal::Bytes;
        }
        specimen
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.texts("accept", self.accept.iter().map(|code| code.name()));
    }
}

impl Archive {
    /// The first fault of each code that is not accepted.
    fn report(&self, facts: &VersionFacts, archive: &ArchiveFacts, out: &mut Findings<'_>) {
        let mut told = BTreeSet::new();
        for fault in archive.faults.first() {
            if self.accept.contains(&fault.code) || !told.insert(fault.code) {
                continue;
            }
            let place = match fault.place.as_str() {
                "" => String::new(),
                place => format!(" at `{}`", reason::ascii(place, 80)),
            };
            let reason = format!(
                "the archive of {} cannot be trusted{place}: {}",
                subject(facts.subject()),
                reason::ascii(&fault.detail, 160),
            );
            let code = FindingCode::from_static(fault.code.name());
            out.report(code, reason, &fault.place, None);
        }
    }
}
