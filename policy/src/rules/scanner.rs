#![doc = include_str!("scanner.md")]

use std::sync::Arc;

use super::parts::{read_each, read_effect, subject, write_effect};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{
    Fact, FactKind, FactSet, ScanOutcome, ScanReport, ScanVerdict, Scanned, VersionFacts,
};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;

const MALICIOUS: FindingCode = FindingCode::from_static("scanner-malicious");
const SUSPICIOUS: FindingCode = FindingCode::from_static("scanner-suspicious");
const FAILED: FindingCode = FindingCode::from_static("scanner-failed");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("scanner"),
    page: include_str!("scanner.md"),
    codes: &[
        (
            "scanner-malicious",
            "a scanner says that the archive does harm",
        ),
        (
            "scanner-suspicious",
            "a scanner says that a person should look, or contradicts itself",
        ),
        (
            "scanner-failed",
            "a required scanner gave no answer that could be used",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds what scanners other than Cordon object to.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// What a suspicious archive asks for.
    pub suspicious: Effect,
    /// What a malicious one does.
    pub malicious: Effect,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            suspicious: Effect::Quarantine,
            malicious: Effect::Quarantine,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &Scanner, table: &mut TableReader<'_, '_>| Scanner {
        suspicious: read_effect(table, "suspicious", inherited.suspicious),
        malicious: read_effect(table, "malicious", inherited.malicious),
    };
    read_each(table, overrides, read_one)
}

impl Rule for Scanner {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Scanners)
    }

    fn wants(&self, _: &VersionFacts, _: Timestamp) -> FactSet {
        FactSet::of(FactKind::Scanners)
    }

    fn check(&self, facts: &VersionFacts, _: Timestamp, out: &mut Findings<'_>) {
        match &facts.scanners {
            Fact::Known(verdicts) => {
                for scanned in &verdicts.scanners {
                    self.report(facts, scanned, out);
                }
            }
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Scanners),
            Fact::Unavailable(why) => {
                let why = reason::ascii(why, 200);
                let reason = format!("{} was not scanned: {why}", facts.artifact.file);
                let strictest = self.suspicious.max(self.malicious);
                out.report_unavailable_as(strictest, FAILED, FactKind::Scanners, reason);
            }
        }
    }

    fn specimen(&self, _: &Stage<'_>) -> Specimen {
        Specimen::Nothing("what scanners say is not known before they are asked")
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        write_effect(out, "suspicious", self.suspicious);
        write_effect(out, "malicious", self.malicious);
    }
}

impl Scanner {
    fn report(&self, facts: &VersionFacts, scanned: &Scanned, out: &mut Findings<'_>) {
        let report = match &scanned.outcome {
            ScanOutcome::Answered(report) => report,
            ScanOutcome::Failed(why) if scanned.is_required => {
                let why = reason::ascii(why, 160);
                let reason = format!(
                    "{} was not scanned: {}: {why}",
                    facts.artifact.file, scanned.id
                );
                let strictest = self.suspicious.max(self.malicious);
                out.report_unavailable_as(strictest, FAILED, FactKind::Scanners, reason);
                return;
            }
            ScanOutcome::Failed(_) => return,
        };
        let (code, effect) = match report.verdict() {
            ScanVerdict::Clean => return,
            ScanVerdict::Suspicious => (SUSPICIOUS, self.suspicious),
            ScanVerdict::Malicious => (MALICIOUS, self.malicious),
        };
        let reason = format!(
            "scanner {} calls {} {}{}",
            scanned.id,
            subject(facts.subject()),
            report.verdict().name(),
            said(report)
        );
        let evidence = format!("{} {}", scanned.id, rules(report));
        out.report_as(effect, code, reason, &evidence, None);
    }
}

/// The worst finding, in the scanner's own words.
fn said(report: &ScanReport) -> String {
    let Some(worst) = report.findings.iter().max_by_key(|it| it.severity) else {
        return String::new();
    };
    let place = match worst.place.as_str() {
        "" => String::new(),
        place => format!(" in {}", reason::ascii(place, 60)),
    };
    format!(": {}{place}", reason::ascii(&worst.rule, 60))
}

/// What sets this answer apart from another of the same scanner.
fn rules(report: &ScanReport) -> String {
    let mut rules: Vec<String> = report
        .findings
        .iter()
        .take(8)
        .map(|it| reason::ascii(&it.rule, 40))
        .collect();
    rules.sort();
    rules.dedup();
    rules.join(",")
}
