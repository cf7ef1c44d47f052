#![doc = include_str!("content-change.md")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::content_signs::{Finding, Sign, code_of, read_signs, tell};
use super::parts::{DAY, Settling, read_each, read_settled_after, settling, subject, unsettled};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::inspect::content::{ContentChange, InstallKind, Signal, SignalKind};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Refusal, Specimen, Stage};
use crate::verdict::Effect;

const UNKNOWN: FindingCode = FindingCode::from_static("content-change-unknown");

/// The codes, in the order of [`super::content_signs::Group`].
const CODES: [&str; 6] = [
    "runs-at-install-added",
    "capability-added",
    "obfuscation-added",
    "agent-config-added",
    "binary-added",
    "destination-added",
];

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("content-change"),
    page: include_str!("content-change.md"),
    codes: &[
        (
            "runs-at-install-added",
            "what runs at install, or at every start of the interpreter, is new or does new things",
        ),
        (
            "capability-added",
            "its code newly does what packages are hijacked for",
        ),
        (
            "obfuscation-added",
            "code or text is newly hidden from readers",
        ),
        (
            "agent-config-added",
            "it newly drives AI agents or writes what they and editors act upon",
        ),
        ("binary-added", "it newly carries a native binary"),
        (
            "destination-added",
            "it newly sends something to a host the package did not name",
        ),
        (
            "content-change-unknown",
            "it could not be learned what the version's code newly does",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions whose code newly does what packages are hijacked for.
#[derive(Clone, Debug)]
pub struct ContentChangeRule {
    /// How long after its publication a version's change counts.
    pub settled_after: Duration,
    /// Signs that are recorded and stop nothing.
    pub watch: BTreeSet<Sign>,
    /// Signs that are not looked at.
    pub ignore: BTreeSet<Sign>,
}

impl Default for ContentChangeRule {
    fn default() -> Self {
        Self {
            settled_after: 30 * DAY,
            watch: Sign::WATCHED_CHANGES.into_iter().collect(),
            ignore: BTreeSet::new(),
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one =
        |inherited: &ContentChangeRule, table: &mut TableReader<'_, '_>| ContentChangeRule {
            settled_after: read_settled_after(table, inherited.settled_after),
            watch: read_signs(table, "watch", &inherited.watch),
            ignore: read_signs(table, "ignore", &inherited.ignore),
        };
    read_each(table, overrides, read_one)
}

impl Rule for ContentChangeRule {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::ContentChange).union(FactSet::of(FactKind::PublishedAt))
    }

    fn wants(&self, facts: &VersionFacts, now: Timestamp) -> FactSet {
        match settling(facts, now, self.settled_after) {
            Settling::Settled => FactSet::EMPTY,
            Settling::Until(_) | Settling::NotYet => FactSet::of(FactKind::ContentChange),
        }
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let Some(until) = unsettled(facts, now, self.settled_after, out) else {
            return;
        };
        match &facts.content_change {
            Fact::Known(change) => self.report(facts, change, until, out),
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::ContentChange),
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "what the code of {} newly does could not be learned ({})",
                    subject(facts.subject()),
                    reason::ascii(cause, 80)
                );
                out.report_unavailable(UNKNOWN, FactKind::ContentChange, reason);
                if let Some(until) = until {
                    out.changes_at(until);
                }
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        if self.ignore.contains(&Sign::SHOWN) || self.watch.contains(&Sign::SHOWN) {
            return Specimen::Nothing("it lets pass the sign examples are made with");
        }
        let mut specimen = stage.spoiled(|it| it.has_hostile_source = true);
        if let Specimen::Pair(pair) = &mut specimen {
            pair.refusal = Refusal::Bytes;
        }
        specimen
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.duration("settled_after", self.settled_after);
        out.texts("watch", self.watch.iter().map(|it| it.name()));
        out.texts("ignore", self.ignore.iter().map(|it| it.name()));
    }
}

impl ContentChangeRule {
    fn report(
        &self,
        facts: &VersionFacts,
        change: &ContentChange,
        until: Option<Timestamp>,
        out: &mut Findings<'_>,
    ) {
        let scripts = change
            .install
            .iter()
            .filter(|it| matches!(it.kind, InstallKind::Script | InstallKind::Gyp));
        let mut found: Vec<Finding> = scripts.map(Finding::of_install).collect();
        found.extend(change.signals.iter().map(Finding::of_signal));
        // Settings beside a host nobody knew are credentials until somebody looked.
        let sends = |file: &str| change.destinations.iter().any(|it| it.file == file);
        let taken = change
            .signals
            .iter()
            .filter(|it| it.kind == SignalKind::SettingsSent && sends(&it.file));
        found.extend(taken.map(|signal| {
            Finding::of_signal(&Signal {
                kind: SignalKind::CredentialsSent,
                ..signal.clone()
            })
        }));
        found.extend(change.binaries.iter().map(Finding::of_binary));
        found.extend(change.destinations.iter().map(Finding::of_destination));
        found.retain(|it| !self.ignore.contains(&it.sign));
        let since = reason::ascii(change.since.as_str(), 20);
        for (is_watched, group, of_code) in super::content_signs::grouped(&found, &self.watch) {
            let reason = format!(
                "{} newly {}; {since} did not",
                subject(facts.subject()),
                tell(&of_code)
            );
            let evidence = super::content_signs::evidence(&of_code);
            let code = code_of(&CODES, group);
            match is_watched {
                true => out.note(code, reason, &evidence, out.settings().effect),
                false => out.report(code, reason, &evidence, until),
            }
        }
    }
}
