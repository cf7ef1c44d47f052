#![doc = include_str!("provenance.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::{DAY, Look, Seen, read_each, read_settled_after, since, subject};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::ecosystem::CARGO;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, Trust, TrustLost, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{BAD_VERSION, GOOD_VERSION, Release, Specimen, Stage};
use crate::verdict::Effect;

const LOST: FindingCode = FindingCode::from_static("provenance-lost");
const WEAKER: FindingCode = FindingCode::from_static("trusted-publisher-lost");
const MISSING: FindingCode = FindingCode::from_static("provenance-missing");
const UNKNOWN: FindingCode = FindingCode::from_static("provenance-unknown");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("provenance"),
    page: include_str!("provenance.md"),
    codes: &[
        (
            "provenance-lost",
            "the version before had provenance, this one has none",
        ),
        (
            "trusted-publisher-lost",
            "a trusted workflow published the version before; this one has provenance only",
        ),
        ("provenance-missing", "the version has no provenance"),
        (
            "provenance-unknown",
            "it could not be learned whether the version has provenance",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions whose origin is less certain than that of the version before.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// Whether every version must have provenance.
    pub required: bool,
    /// How long after its publication a loss counts.
    pub settled_after: Duration,
}

impl Default for Provenance {
    fn default() -> Self {
        Self {
            required: false,
            settled_after: 90 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &Provenance, table: &mut TableReader<'_, '_>| Provenance {
        required: table
            .boolean("required")
            .map_or(inherited.required, |read| read.value),
        settled_after: read_settled_after(table, inherited.settled_after),
    };
    read_each(table, overrides, read_one)
}

impl Rule for Provenance {
    fn needs(&self) -> FactSet {
        let needs = FactSet::of(FactKind::Change).union(FactSet::of(FactKind::PublishedAt));
        match self.required {
            true => needs.union(FactSet::of(FactKind::Provenance)),
            false => needs,
        }
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        if self.required {
            check_required(facts, out);
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
        let Some(TrustLost { from, to }) = change.trust_lost else {
            return;
        };
        let (code, now_is) = match to {
            Trust::Account => (LOST, "from an account, without provenance"),
            Trust::Provenance | Trust::TrustedPublisher => {
                (WEAKER, "with provenance, but not by a trusted workflow")
            }
        };
        let was = match from {
            Trust::TrustedPublisher => "was published by a trusted workflow",
            Trust::Provenance => "had provenance",
            Trust::Account => "came from an account",
        };
        let reason = format!(
            "{} was published {now_is}; {} {was}",
            subject(facts.subject()),
            since(change)
        );
        out.report(code, reason, word(from), until);
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        if *stage.ecosystem() == CARGO {
            return Specimen::CannotWork("the index of crates.io has no word of provenance");
        }
        let mut good = Release::at(GOOD_VERSION, stage.long_ago());
        good.has_provenance = true;
        let bad = Release::at(BAD_VERSION, stage.just_now());
        stage.pair(vec![good, bad], BAD_VERSION.to_owned())
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.boolean("required", self.required);
        out.duration("settled_after", self.settled_after);
    }
}

fn check_required(facts: &VersionFacts, out: &mut Findings<'_>) {
    let subject = subject(facts.subject());
    match &facts.has_provenance {
        Fact::Known(true) => {}
        Fact::Known(false) | Fact::Absent => {
            let reason = format!("{subject} has no provenance");
            out.report(MISSING, reason, "none", None);
        }
        Fact::NotYet => out.await_fact(FactKind::Provenance),
        Fact::Unavailable(cause) => {
            let reason = format!(
                "it could not be learned whether {subject} has provenance ({})",
                reason::ascii(cause, 60)
            );
            out.report_unavailable(UNKNOWN, FactKind::Provenance, reason);
        }
    }
}

const fn word(trust: Trust) -> &'static str {
    match trust {
        Trust::Account => "account",
        Trust::Provenance => "provenance",
        Trust::TrustedPublisher => "trusted-publisher",
    }
}
