#![doc = include_str!("deny.md")]

use std::sync::Arc;

use super::list_table::{read_list, write_list};
use super::parts::{brought_along, subject};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::matching::PackageList;
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Specimen, Stage, TRIED, example, version_in};
use crate::verdict::Effect;

const DENIED: FindingCode = FindingCode::from_static("denied");
const BUNDLED: FindingCode = FindingCode::from_static("denied-bundled");
const UNKNOWN: FindingCode = FindingCode::from_static("denied-bundled-unknown");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("deny"),
    page: include_str!("deny.md"),
    codes: &[
        ("denied", "an entry of the list names the version"),
        (
            "denied-bundled",
            "an entry of the list names a package the archive brings along",
        ),
        (
            "denied-bundled-unknown",
            "it could not be learned which packages the archive brings along",
        ),
    ],
    default_effect: Effect::Block,
    is_fixed: false,
    read,
};

/// Withholds what its list names.
#[derive(Debug)]
pub struct Deny {
    list: PackageList,
}

impl Deny {
    /// A rule with that list.
    pub fn new(list: PackageList) -> Self {
        Self { list }
    }

    /// What is withheld.
    pub fn list(&self) -> &PackageList {
        &self.list
    }

    fn check_own(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        let Some(entry) = self.list.find_with_variants(facts.subject()) else {
            return;
        };
        let subject = reason::subject(facts.subject());
        let reason = match &entry.reason {
            Some(why) => format!("{subject} is denied by policy: {}", reason::ascii(why, 200)),
            None => format!(
                "{subject} is denied by policy ({})",
                reason::ascii(&entry.evidence(), 80)
            ),
        };
        let (place, effect) = (self.list.place(entry), out.settings().effect);
        out.report_at(place, effect, DENIED, reason, &entry.evidence(), None);
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let Some(read) = read_list(table) else {
        return Vec::new();
    };
    if read.is_blank {
        table.file().warning(
            "empty-list",
            table.bytes(),
            "`rules.deny` names nothing and denies nothing",
            "list packages under `purls` or `[[rules.deny.match]]`, or remove the table",
        );
    }
    let rule: Arc<dyn Rule> = Arc::new(Deny::new(read.list));
    vec![rule; overrides.len() + 1]
}

impl Rule for Deny {
    fn needs(&self) -> FactSet {
        FactSet::EMPTY
    }

    fn check(&self, facts: &VersionFacts, _now: Timestamp, out: &mut Findings<'_>) {
        self.check_own(facts, out);
        for bundled in brought_along(facts, UNKNOWN, out) {
            let Some(entry) = self.list.find_with_variants(&bundled.subject) else {
                continue;
            };
            let reason = format!(
                "{} brings along {}, which is denied by policy, in {}",
                subject(facts.subject()),
                subject(&bundled.subject),
                reason::ascii(&bundled.place, 80)
            );
            let evidence = format!("{} in {}", entry.evidence(), bundled.place);
            // For a person to look at: it is a part of something that may be wanted.
            let effect = out.settings().effect.min(Effect::Quarantine);
            let place = self.list.place(entry);
            out.report_at(place, effect, BUNDLED, reason, &evidence, None);
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        let own = self.list.entries().iter();
        let named = own.filter(|entry| entry.ecosystem == *stage.ecosystem());
        let denied = named.take(TRIED).find_map(|entry| {
            let name = example(stage.scheme, &entry.name).filter(|it| stage.is_in_scope(it))?;
            let version = version_in(&entry.versions, &name)?;
            Some(stage.plain(Some(name), version.as_str()))
        });
        match denied {
            Some(bad) => stage.whole(bad, None),
            None => Specimen::Nothing("its list names nothing there that can be published"),
        }
    }

    fn write_parameters(&self, _out: &mut PolicyText) {}

    fn write_tables(&self, id: &RuleId, out: &mut PolicyText) {
        write_list(&self.list, id, out);
    }
}
