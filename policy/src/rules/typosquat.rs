#![doc = include_str!("typosquat.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::read_each;
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::limits::MAX_DURATION;
use crate::config::reader::TableReader;
use crate::ecosystem::{CARGO, NPM, PYPI, scheme_for};
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, Score, Similarity, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Ecosystem;
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Fixture, GOOD_VERSION, Release, Specimen, Stage};
use crate::verdict::Effect;

const RESEMBLES_POPULAR: FindingCode = FindingCode::from_static("resembles-popular");
const LIKENESS_UNAVAILABLE: FindingCode = FindingCode::from_static("likeness-unavailable");

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Decimals of the threshold: a score has three.
const PLACES: u32 = 3;

/// 2000-01-01: before every registry. An earlier date is a default somebody forgot to fill in, and
/// makes no name established.
const EARLIEST_PLAUSIBLE: Timestamp = Timestamp::from_millis(946_684_800_000);

/// Two letters of a very popular name swapped, for the self-test; each scores more than
/// [`LIKENESS`].
const LOOKALIKES: [(Ecosystem, &str); 3] = [(NPM, "lodahs"), (PYPI, "reqeusts"), (CARGO, "tokoi")];
const LIKENESS: Score = Score(980);

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("typosquat"),
    page: include_str!("typosquat.md"),
    codes: &[
        (
            "resembles-popular",
            "the name looks made to be taken for a popular one",
        ),
        (
            "likeness-unavailable",
            "the name could not be compared with the popular ones",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Holds packages whose names look made to be taken for popular ones.
#[derive(Clone, Debug)]
pub struct Typosquat {
    /// The score from which a name is held.
    pub threshold: Score,
    /// How long after its first publication a name is no longer suspected.
    pub established_after: Duration,
}

impl Default for Typosquat {
    fn default() -> Self {
        Self {
            threshold: Score(800),
            established_after: 730 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &Typosquat, table: &mut TableReader<'_, '_>| Typosquat {
        threshold: table
            // A score of 0 is that of every name: as a threshold it would hold everything.
            .decimal("threshold", PLACES, 1..=1_000)
            .and_then(|read| u16::try_from(read.value).ok())
            .map_or(inherited.threshold, Score),
        established_after: table
            .duration("established_after", DAY..=MAX_DURATION)
            .map_or(inherited.established_after, |read| read.value),
    };
    read_each(table, overrides, read_one)
}

impl Rule for Typosquat {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Similarity).union(FactSet::of(FactKind::FirstPublishedAt))
    }

    fn check(&self, facts: &VersionFacts, _now: Timestamp, out: &mut Findings<'_>) {
        if facts.package.popularity.is_some() {
            return;
        }
        match &facts.package.similarity {
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Similarity),
            Fact::Known(likeness) if likeness.score >= self.threshold => {
                self.check_age(facts, likeness, out);
            }
            Fact::Known(_) => {}
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "{} could not be compared with the popular names ({})",
                    name_of(facts),
                    reason::ascii(cause, 60)
                );
                out.report_unavailable(LIKENESS_UNAVAILABLE, FactKind::Similarity, reason);
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        if self.threshold > LIKENESS {
            return Specimen::Nothing(
                "its threshold is above what a plain slip of the hand scores",
            );
        }
        let lookalike = LOOKALIKES
            .into_iter()
            .find(|(ecosystem, _)| ecosystem == stage.ecosystem())
            .and_then(|(ecosystem, name)| scheme_for(&ecosystem)?.package(name).ok());
        let Some(name) = lookalike else {
            return Specimen::CannotWork("there is no list of popular names for this ecosystem");
        };
        if !stage.is_in_scope(&name) {
            return Specimen::Nothing("its scope holds no popular name to look like");
        }
        let bad = Fixture {
            releases: vec![Release::at(GOOD_VERSION, stage.yesterday())],
            ..stage.plain(Some(name), GOOD_VERSION)
        };
        stage.whole(bad, None)
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.decimal("threshold", PLACES, u32::from(self.threshold.0));
        out.duration("established_after", self.established_after);
    }
}

impl Typosquat {
    /// A likeness is held against a name only while the name is young.
    fn check_age(&self, facts: &VersionFacts, likeness: &Similarity, out: &mut Findings<'_>) {
        let target = reason::ascii(&likeness.target, 64);
        let looks = format!(
            "{} looks like {target} ({})",
            name_of(facts),
            reason::ascii(&likeness.technique, 60)
        );
        match &facts.package.first_published_at {
            Fact::Known(first) if *first >= EARLIEST_PLAUSIBLE => {
                let until = first.saturating_add(self.established_after);
                let reason = format!("{looks}; if {target} is meant, use {target} instead");
                out.report(RESEMBLES_POPULAR, reason, &likeness.target, Some(until));
            }
            Fact::NotYet => out.await_fact(FactKind::FirstPublishedAt),
            Fact::Known(_) | Fact::Absent => {
                let reason = format!("{looks}, and nothing tells how old the name is");
                out.report(RESEMBLES_POPULAR, reason, &likeness.target, None);
            }
            Fact::Unavailable(_) => {
                let reason = format!("{looks}, and it could not be learned how old the name is");
                out.report_unavailable(RESEMBLES_POPULAR, FactKind::FirstPublishedAt, reason);
            }
        }
    }
}

fn name_of(facts: &VersionFacts) -> String {
    reason::ascii(facts.subject().name.as_published(), 64)
}
