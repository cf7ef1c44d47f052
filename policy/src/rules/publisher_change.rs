#![doc = include_str!("publisher-change.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::{
    DAY, Look, Seen, evidence, list, read_each, read_effect, read_settled_after, since, subject,
    write_effect,
};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::ecosystem::NPM;
use crate::evaluate::Findings;
use crate::facts::{FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;

const PUBLISHER: FindingCode = FindingCode::from_static("new-publisher");
const MAINTAINER: FindingCode = FindingCode::from_static("new-maintainer");
const UNKNOWN: FindingCode = FindingCode::from_static("publisher-unknown");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("publisher-change"),
    page: include_str!("publisher-change.md"),
    codes: &[
        (
            "new-publisher",
            "somebody published the version who had not published the package before",
        ),
        (
            "new-maintainer",
            "somebody may publish the package who could not when the version before was published",
        ),
        (
            "publisher-unknown",
            "it could not be learned whether the publisher is new",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions of new publishers.
#[derive(Clone, Debug)]
pub struct PublisherChange {
    /// What a new maintainer asks for.
    pub new_maintainer: Effect,
    /// How long after its publication a version's change counts.
    pub settled_after: Duration,
}

impl Default for PublisherChange {
    fn default() -> Self {
        Self {
            new_maintainer: Effect::Allow,
            settled_after: 30 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &PublisherChange, table: &mut TableReader<'_, '_>| PublisherChange {
        new_maintainer: read_effect(table, "new_maintainer", inherited.new_maintainer),
        settled_after: read_settled_after(table, inherited.settled_after),
    };
    read_each(table, overrides, read_one)
}

impl Rule for PublisherChange {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Change).union(FactSet::of(FactKind::PublishedAt))
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let look = Look {
            facts,
            now,
            after: self.settled_after,
            unknown: UNKNOWN,
            strictest: out.settings().effect.max(self.new_maintainer),
        };
        let Seen::Change(change, until) = look.see(out) else {
            return;
        };
        if let Some(publisher) = &change.new_publisher {
            let reason = format!(
                "{} was published by {}, who had not published the package before",
                subject(facts.subject()),
                reason::ascii(publisher, 40)
            );
            out.report(PUBLISHER, reason, &reason::ascii(publisher, 80), until);
        }
        if !change.new_maintainers.is_empty() {
            let names = || change.new_maintainers.iter().map(AsRef::as_ref);
            let reason = format!(
                "{} has new maintainers ({}); {} had not",
                subject(facts.subject()),
                list(names(), 17),
                since(change)
            );
            let effect = self.new_maintainer;
            out.report_as(effect, MAINTAINER, reason, &evidence(names()), until);
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        match *stage.ecosystem() == NPM {
            true => stage.spoiled(|it| it.publisher = Some("somebody-else".to_owned())),
            false => Specimen::CannotWork("the registry does not tell who publishes"),
        }
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        write_effect(out, "new_maintainer", self.new_maintainer);
        out.duration("settled_after", self.settled_after);
    }
}
