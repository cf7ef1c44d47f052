#![doc = include_str!("indicator.md")]

use std::collections::BTreeSet;
use std::sync::Arc;

use smol_str::SmolStr;

use super::parts::{read_each, read_effect, subject, write_effect};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::config::text::shown;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::inspect::indicators::{Grade, IndicatorFacts, IndicatorHit};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Refusal, Specimen, Stage};
use crate::verdict::Effect;

const FOUND: FindingCode = FindingCode::from_static("indicator-found");
const WATCHED: FindingCode = FindingCode::from_static("indicator-watched");
const UNKNOWN: FindingCode = FindingCode::from_static("indicator-unknown");

/// What the rule's own examples are made with.
const TEST_MARKER: &str = "cordon/test-marker";

/// Most names of indicators in the evidence of a finding.
const NAMES: usize = 8;

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("indicator"),
    page: include_str!("indicator.md"),
    codes: &[
        (
            "indicator-found",
            "a file holds what is known to belong to an attack",
        ),
        (
            "indicator-watched",
            "a file holds what attacks and honest packages have",
        ),
        (
            "indicator-unknown",
            "the files could not be searched for indicators",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds archives that hold what is known to belong to attacks.
#[derive(Clone, Debug)]
pub struct Indicator {
    /// What a malicious indicator asks for.
    pub malicious: Effect,
    /// Indicators, `pack/rule`, that are recorded and stop nothing.
    pub watch: BTreeSet<SmolStr>,
    /// Indicators, `pack/rule`, that are not looked at.
    pub ignore: BTreeSet<SmolStr>,
}

impl Default for Indicator {
    fn default() -> Self {
        Self {
            malicious: Effect::Quarantine,
            watch: BTreeSet::new(),
            ignore: BTreeSet::new(),
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &Indicator, table: &mut TableReader<'_, '_>| Indicator {
        malicious: read_effect(table, "malicious", inherited.malicious),
        watch: read_names(table, "watch", &inherited.watch),
        ignore: read_names(table, "ignore", &inherited.ignore),
    };
    read_each(table, overrides, read_one)
}

/// Reads names of indicators. Which there are depends on the packs, which are not known here.
fn read_names(
    table: &mut TableReader<'_, '_>,
    key: &str,
    inherited: &BTreeSet<SmolStr>,
) -> BTreeSet<SmolStr> {
    read_indicators(table, key).unwrap_or_else(|| inherited.clone())
}

/// Reads a list of names, if there is one.
pub(crate) fn read_indicators(
    table: &mut TableReader<'_, '_>,
    key: &str,
) -> Option<BTreeSet<SmolStr>> {
    let written = table.strings(key)?;
    let file = table.file();
    let names = written.into_iter().filter_map(|name| {
        let is_name = name.value.split('/').filter(|it| !it.is_empty()).count() == 2
            && name.value.matches('/').count() == 1;
        if !is_name {
            let message = format!("`{}` is not the name of an indicator", shown(&name.value));
            let help = "write pack and rule: \"starter/npm-worm\", \"domains/hosts.txt\"";
            file.error("invalid-value", &name.bytes, message, help);
        }
        is_name.then(|| name.value.into())
    });
    Some(names.collect())
}

impl Rule for Indicator {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Indicators)
    }

    fn wants(&self, _: &VersionFacts, _: Timestamp) -> FactSet {
        FactSet::of(FactKind::Indicators)
    }

    fn check(&self, facts: &VersionFacts, _: Timestamp, out: &mut Findings<'_>) {
        match &facts.indicators {
            Fact::Known(indicators) => self.report(facts, indicators, out),
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Indicators),
            Fact::Unavailable(why) => {
                let why = reason::ascii(why, 80);
                let reason = format!(
                    "{} was not searched for indicators: {why}",
                    subject(facts.subject())
                );
                out.report_unavailable_as(self.malicious, UNKNOWN, FactKind::Indicators, reason);
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        let marker = SmolStr::new_static(TEST_MARKER);
        if self.malicious == Effect::Allow {
            return Specimen::Nothing("it records what it finds and stops nothing");
        }
        if self.ignore.contains(&marker) || self.watch.contains(&marker) {
            return Specimen::Nothing("it lets pass the text examples are made with");
        }
        let mut specimen = stage.spoiled(|it| it.has_indicator = true);
        if let Specimen::Pair(pair) = &mut specimen {
            pair.refusal = Refusal::Bytes;
        }
        specimen
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        write_effect(out, "malicious", self.malicious);
        out.texts("watch", self.watch.iter().map(SmolStr::as_str));
        out.texts("ignore", self.ignore.iter().map(SmolStr::as_str));
    }
}

impl Indicator {
    fn report(&self, facts: &VersionFacts, found: &IndicatorFacts, out: &mut Findings<'_>) {
        let heeded = found
            .hits
            .iter()
            .map(|hit| (hit, hit.name()))
            .filter(|(_, name)| !self.ignore.contains(name.as_str()));
        let (stopping, watched): (Vec<_>, Vec<_>) = heeded.partition(|(hit, name)| {
            hit.grade == Grade::Malicious
                && !self.watch.contains(name.as_str())
                && self.malicious != Effect::Allow
        });
        if let Some((reason, evidence)) = tell(facts, &stopping) {
            out.report_as(self.malicious, FOUND, reason, &evidence, None);
        }
        if let Some((reason, evidence)) = tell(facts, &watched) {
            out.note(WATCHED, reason, &evidence, out.settings().effect);
        }
    }
}

/// The first hit in words, and what sets these hits apart from others.
fn tell(facts: &VersionFacts, hits: &[(&IndicatorHit, String)]) -> Option<(String, String)> {
    let (first, name) = hits.first()?;
    let place = match (first.file.as_str(), first.line) {
        ("", _) => String::new(),
        (file, 0) => format!(" in {}", reason::ascii(file, 50)),
        (file, line) => format!(" in {}:{line}", reason::ascii(file, 50)),
    };
    let names: BTreeSet<&str> = hits.iter().map(|(_, name)| name.as_str()).collect();
    let others = match names.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let subject = reason::ascii(&subject(facts.subject()).to_string(), 50);
    let (name, title) = (reason::ascii(name, 40), reason::ascii(&first.title, 80));
    let reason = format!("{subject} has {name}{place}{others}: {title}");
    let evidence: Vec<String> = names
        .into_iter()
        .take(NAMES)
        .map(|name| reason::ascii(name, 40))
        .collect();
    Some((reason::ascii(&reason, 190), evidence.join(",")))
}
