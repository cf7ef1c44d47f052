#![doc = include_str!("content.md")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::content_signs::{Finding, Sign, code_of, evidence, grouped, read_signs, tell};
use super::parts::{DAY, read_each, subject};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::limits::MAX_DURATION;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::inspect::content::ContentFacts;
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{BAD_VERSION, Fixture, Refusal, Release, Specimen, Stage};
use crate::verdict::Effect;

const UNKNOWN: FindingCode = FindingCode::from_static("content-unknown");

/// The codes, in the order of [`super::content_signs::Group`].
const CODES: [&str; 6] = [
    "doubtful-install-code",
    "doubtful-capability",
    "doubtful-obfuscation",
    "doubtful-agent-config",
    "doubtful-binary",
    // Hosts are no sign in a package without a version before.
    "doubtful-capability",
];

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("content"),
    page: include_str!("content.md"),
    codes: &[
        (
            "doubtful-install-code",
            "code of a new package that runs unasked does doubtful things",
        ),
        (
            "doubtful-capability",
            "the code of a new package does what packages are hijacked for",
        ),
        (
            "doubtful-obfuscation",
            "a new package hides code or text from readers",
        ),
        (
            "doubtful-agent-config",
            "a new package drives AI agents or writes what they and editors act upon",
        ),
        (
            "doubtful-binary",
            "a new package carries a damaged native binary",
        ),
        (
            "content-unknown",
            "it could not be learned what the code of a new package does",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds versions of new packages whose code does what packages are hijacked for.
#[derive(Clone, Debug)]
pub struct Content {
    /// How long after its first publication a package is new.
    pub name_age: Duration,
    /// Signs that are recorded and stop nothing.
    pub watch: BTreeSet<Sign>,
    /// Signs that are not looked at.
    pub ignore: BTreeSet<Sign>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            name_age: 180 * DAY,
            watch: Sign::WATCHED_NEW.into_iter().collect(),
            ignore: BTreeSet::new(),
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &Content, table: &mut TableReader<'_, '_>| Content {
        name_age: table
            .duration("name_age", DAY..=MAX_DURATION)
            .map_or(inherited.name_age, |read| read.value),
        watch: read_signs(table, "watch", &inherited.watch),
        ignore: read_signs(table, "ignore", &inherited.ignore),
    };
    read_each(table, overrides, read_one)
}

/// Whether a package is new.
enum Newness {
    Old,
    /// It is, until then; without an end where its age is not known.
    Until(Option<Timestamp>),
    NotYet,
}

impl Rule for Content {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Content).union(FactSet::of(FactKind::FirstPublishedAt))
    }

    fn wants(&self, facts: &VersionFacts, now: Timestamp) -> FactSet {
        match self.newness(facts, now) {
            Newness::Old => FactSet::EMPTY,
            Newness::Until(_) | Newness::NotYet => FactSet::of(FactKind::Content),
        }
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let until = match self.newness(facts, now) {
            Newness::Old => return,
            Newness::NotYet => return out.await_fact(FactKind::FirstPublishedAt),
            Newness::Until(until) => until,
        };
        match &facts.content {
            Fact::Known(content) => self.report(facts, content, until, out),
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Content),
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "what the code of {} does could not be learned ({})",
                    subject(facts.subject()),
                    reason::ascii(cause, 80)
                );
                out.report_unavailable(UNKNOWN, FactKind::Content, reason);
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
        let mut release = Release::at(BAD_VERSION, stage.just_now());
        release.has_hostile_source = true;
        let bad = Fixture {
            name: stage.name.clone(),
            releases: vec![release],
            version: BAD_VERSION.to_owned(),
            ..Fixture::default()
        };
        let mut specimen = stage.whole(bad, None);
        if let Specimen::Pair(pair) = &mut specimen {
            pair.refusal = Refusal::Bytes;
        }
        specimen
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.duration("name_age", self.name_age);
        out.texts("watch", self.watch.iter().map(|it| it.name()));
        out.texts("ignore", self.ignore.iter().map(|it| it.name()));
    }
}

impl Content {
    fn newness(&self, facts: &VersionFacts, now: Timestamp) -> Newness {
        let first = match &facts.package.first_published_at {
            Fact::NotYet => return Newness::NotYet,
            Fact::Known(at) => Some(*at),
            // Where dates are not told, how long it is known here.
            Fact::Absent => facts.history.first_seen_at,
            Fact::Unavailable(_) => None,
        };
        match first.map(|at| at.saturating_add(self.name_age)) {
            Some(until) if until <= now => Newness::Old,
            until => Newness::Until(until),
        }
    }

    fn report(
        &self,
        facts: &VersionFacts,
        content: &ContentFacts,
        until: Option<Timestamp>,
        out: &mut Findings<'_>,
    ) {
        let mut found: Vec<Finding> = content.signals.iter().map(Finding::of_signal).collect();
        found.retain(|it| !self.ignore.contains(&it.sign));
        for (is_watched, group, of_code) in grouped(&found, &self.watch) {
            let reason = format!(
                "{}, of a new package, {}",
                subject(facts.subject()),
                tell(&of_code)
            );
            let code = code_of(&CODES, group);
            let evidence = evidence(&of_code);
            match is_watched {
                true => out.note(code, reason, &evidence, out.settings().effect),
                false => out.report(code, reason, &evidence, until),
            }
        }
    }
}
