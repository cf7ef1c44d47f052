//! What the rules about advisories have in common: missing data, and the words for fixes.

use crate::advisory::NO_DATA;
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::ecosystem::scheme_for;
use crate::evaluate::Findings;
use crate::facts::{AdvisoryMatch, Fact, FactKind, VersionFacts};
use crate::finding::FindingCode;
use crate::model::Version;
use crate::reason;
use crate::verdict::Effect;

/// What to do while no advisory data was ever loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutData {
    /// Hold what was never allowed here.
    Hold,
    /// Nothing, as if the rule were off. For a start without configuration only.
    Inactive,
}

impl WithoutData {
    pub(super) fn read(self, table: &mut TableReader<'_, '_>) -> Self {
        let choices = [("hold", Self::Hold), ("inactive", Self::Inactive)];
        let chosen = table.choice("without_data", &choices);
        chosen.map_or(self, |chosen| chosen.value)
    }

    pub(super) fn write(self, out: &mut PolicyText) {
        let word = match self {
            Self::Hold => "hold",
            Self::Inactive => "inactive",
        };
        out.text("without_data", word);
    }
}

/// The advisories that name the candidate; without data, what that means is reported. `strictest`
/// is the strictest effect an advisory could have had.
pub(super) fn known<'f>(
    facts: &'f VersionFacts,
    without_data: WithoutData,
    code: FindingCode,
    strictest: Effect,
    out: &mut Findings<'_>,
) -> &'f [AdvisoryMatch] {
    let cause = match &facts.advisories {
        Fact::Known(advisories) => return advisories,
        Fact::Absent => return &[],
        Fact::NotYet => {
            out.await_fact(FactKind::Advisories);
            return &[];
        }
        Fact::Unavailable(cause) => cause,
    };
    if cause == NO_DATA && without_data == WithoutData::Inactive {
        return &[];
    }
    let subject = reason::subject(facts.subject());
    let cause = reason::ascii(cause, 100);
    let history = &facts.history;
    if history.first_allowed_at.is_some() && history.pinned.is_some() {
        let reason = format!("{subject} was allowed before and stays so unchecked ({cause})");
        out.note(code, reason, FactKind::Advisories.name(), strictest);
        return &[];
    }
    let reason = format!("{subject} cannot be checked against advisories ({cause})");
    out.report_unavailable_as(strictest, code, FactKind::Advisories, reason);
    &[]
}

/// What to use instead, as far as the advisory tells: the nearest fixed version above, and the
/// highest.
pub(super) fn remedy(facts: &VersionFacts, advisory: &AdvisoryMatch) -> String {
    let subject = facts.subject();
    let Some(scheme) = scheme_for(subject.name.ecosystem()) else {
        return String::new();
    };
    let is_above = |fixed: &&str| {
        let fixed = Version::verbatim(*fixed);
        scheme.compare(&fixed, &subject.version).is_gt()
    };
    let mut above = advisory.fixed.iter().map(AsRef::as_ref).filter(is_above);
    let print = |version: &str| reason::ascii(version, 32);
    match (above.next(), above.next_back()) {
        (None, _) => String::new(),
        (Some(nearest), None) => format!("; use {}", print(nearest)),
        (Some(nearest), Some(highest)) => {
            format!("; use {} or {}", print(nearest), print(highest))
        }
    }
}
