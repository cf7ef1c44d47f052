#![doc = include_str!("../minimum-age.md")]

mod relief;
mod specimen;
mod train;

use std::sync::Arc;
use std::time::Duration;

use super::parts::read_each;
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::limits::MAX_DURATION;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, History, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;
use relief::Relief;

const TOO_YOUNG: FindingCode = FindingCode::from_static("too-young");
const DATE_CHANGED: FindingCode = FindingCode::from_static("date-changed");
const DATE_MISSING: FindingCode = FindingCode::from_static("date-missing");
const DATE_IN_FUTURE: FindingCode = FindingCode::from_static("date-in-future");
const DATE_IMPLAUSIBLE: FindingCode = FindingCode::from_static("date-implausible");
const DATE_UNAVAILABLE: FindingCode = FindingCode::from_static("date-unavailable");
const FROZEN: FindingCode = FindingCode::from_static("frozen");
const NAME_TOO_YOUNG: FindingCode = FindingCode::from_static("name-too-young");
const NAME_DATE_MISSING: FindingCode = FindingCode::from_static("name-date-missing");
const SEEN_TOO_RECENTLY: FindingCode = FindingCode::from_static("seen-too-recently");
const RELEASED_EARLY: FindingCode = FindingCode::from_static("released-early");
const TRAIN_TOO_YOUNG: FindingCode = FindingCode::from_static("train-too-young");
const TRAIN_UNKNOWN: FindingCode = FindingCode::from_static("train-unknown");

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// 2000-01-01: before every registry. An earlier date (1970, most often) is a default somebody
/// forgot to fill in, not an age.
pub(super) const EARLIEST_PLAUSIBLE: Timestamp = Timestamp::from_millis(946_684_800_000);

/// Two dates closer than this tell the same story: registries round the same instant differently
/// in different documents.
const SAME_STORY: Duration = Duration::from_secs(60);

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("minimum-age"),
    page: include_str!("../minimum-age.md"),
    codes: &[
        ("too-young", "the version was published too recently"),
        (
            "date-changed",
            "the registry changed the date, so the version's first sight counts",
        ),
        ("date-missing", "the registry gives no publication date"),
        ("date-in-future", "the publication date is in the future"),
        (
            "date-implausible",
            "the publication date is older than any registry",
        ),
        (
            "date-unavailable",
            "the publication date could not be learned",
        ),
        ("frozen", "the version was published after the freeze date"),
        (
            "name-too-young",
            "the package itself was first published too recently",
        ),
        (
            "name-date-missing",
            "it is not known when the package was first published",
        ),
        (
            "seen-too-recently",
            "Cordon has not known the version for long enough",
        ),
        (
            "released-early",
            "a reviewed advisory calls the version a fix, so it was let through early (never withholds)",
        ),
        (
            "train-too-young",
            "the version pins another one exactly that is too young",
        ),
        (
            "train-unknown",
            "the version pins another one exactly whose age could not be learned",
        ),
    ],
    default_effect: Effect::Hide,
    is_fixed: false,
    read,
};

/// What to think of a version without a publication date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingDate {
    /// Hold it until there is one.
    Hold,
    /// Count from when Cordon first saw it.
    FirstSeen,
}

/// Withholds what is too young by any of three clocks. A zero duration stops its clock.
#[derive(Clone, Debug)]
pub struct MinimumAge {
    /// Since the version was published, as the registry says.
    pub version_age: Duration,
    /// As `version_age`, for what a reviewed advisory calls a fix and is otherwise unremarkable.
    pub security_fix_age: Duration,
    /// Whether a version waits for what it pins exactly.
    pub waits_for_pinned: bool,
    /// Since the package was first published.
    pub name_age: Duration,
    /// As `name_age`, for packages in the list of popular ones.
    pub popular_name_age: Duration,
    /// What too young a package asks for.
    pub name_age_effect: Effect,
    /// Since Cordon first saw the version.
    pub first_seen_age: Duration,
    /// Versions published later than this are withheld.
    pub freeze_after: Option<Timestamp>,
    /// What to think of a version without a date.
    pub when_missing: MissingDate,
}

impl Default for MinimumAge {
    fn default() -> Self {
        Self {
            version_age: 72 * HOUR,
            security_fix_age: DAY,
            waits_for_pinned: true,
            name_age: 30 * DAY,
            popular_name_age: 7 * DAY,
            name_age_effect: Effect::Quarantine,
            first_seen_age: Duration::ZERO,
            freeze_after: None,
            when_missing: MissingDate::Hold,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    read_each(table, overrides, read_one)
}

fn read_one(inherited: &MinimumAge, table: &mut TableReader<'_, '_>) -> MinimumAge {
    let mut age = |key: &str, inherited: Duration| {
        table
            .duration(key, Duration::ZERO..=MAX_DURATION)
            .map_or(inherited, |read| read.value)
    };
    let version_age = age("version_age", inherited.version_age);
    let security_fix_age = age("security_fix_age", inherited.security_fix_age);
    let name_age = age("name_age", inherited.name_age);
    let popular_name_age = age("popular_name_age", inherited.popular_name_age);
    let first_seen_age = age("first_seen_age", inherited.first_seen_age);
    let effects =
        [Effect::Hide, Effect::Quarantine, Effect::Block].map(|effect| (effect.name(), effect));
    let missing = [
        ("hold", MissingDate::Hold),
        ("first-seen", MissingDate::FirstSeen),
    ];
    MinimumAge {
        version_age,
        security_fix_age,
        waits_for_pinned: table
            .boolean("waits_for_pinned")
            .map_or(inherited.waits_for_pinned, |read| read.value),
        name_age,
        popular_name_age,
        name_age_effect: table
            .choice("name_age_effect", &effects)
            .map_or(inherited.name_age_effect, |read| read.value),
        first_seen_age,
        freeze_after: table
            .timestamp("freeze_after")
            .map_or(inherited.freeze_after, |read| Some(read.value)),
        when_missing: table
            .choice("when_missing", &missing)
            .map_or(inherited.when_missing, |read| read.value),
    }
}

impl Rule for MinimumAge {
    fn needs(&self) -> FactSet {
        let mut needs = FactSet::EMPTY;
        if self.reads_version_date() {
            needs.insert(FactKind::PublishedAt);
        }
        if self.reads_pinned() {
            needs.insert(FactKind::Siblings);
        }
        if !self.name_age.is_zero() {
            needs.insert(FactKind::FirstPublishedAt);
        }
        needs
    }

    fn wants(&self, facts: &VersionFacts, now: Timestamp) -> FactSet {
        let Some(published) = facts.published_at.known().filter(|at| **at <= now) else {
            return FactSet::EMPTY;
        };
        let age = now.since(*published);
        let mut wants = FactSet::EMPTY;
        let shortest = match facts.fixes.is_empty() {
            true => self.version_age,
            false => self.version_age.min(self.security_fix_age),
        };
        // What is too young is held as it is; what has been old enough for a day came with siblings
        // that are, too.
        if self.reads_pinned() && shortest <= age && age < self.version_age.saturating_add(DAY) {
            wants.insert(FactKind::Siblings);
        }
        // A fix may be had early only if what it newly depends on is established.
        if (shortest..self.version_age).contains(&age) {
            wants.insert(FactKind::Standing);
        }
        wants
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        if self.reads_version_date() {
            self.check_version(facts, now, out);
        }
        if self.reads_pinned() {
            self.check_train(facts, now, out);
        }
        if !self.name_age.is_zero() {
            self.check_name(facts, now, out);
        }
        if !self.first_seen_age.is_zero() {
            self.check_first_seen(facts, now, out);
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        specimen::of(self, stage)
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.duration("version_age", self.version_age);
        out.duration("security_fix_age", self.security_fix_age);
        out.boolean("waits_for_pinned", self.waits_for_pinned);
        out.duration("name_age", self.name_age);
        out.duration("popular_name_age", self.popular_name_age);
        out.text("name_age_effect", self.name_age_effect.name());
        out.duration("first_seen_age", self.first_seen_age);
        if let Some(freeze) = self.freeze_after {
            out.text("freeze_after", &freeze.to_string());
        }
        out.text(
            "when_missing",
            match self.when_missing {
                MissingDate::Hold => "hold",
                MissingDate::FirstSeen => "first-seen",
            },
        );
    }
}

impl MinimumAge {
    fn reads_version_date(&self) -> bool {
        !self.version_age.is_zero() || self.freeze_after.is_some()
    }

    fn reads_pinned(&self) -> bool {
        self.waits_for_pinned && !self.version_age.is_zero()
    }

    /// The age asked of a version, and the advisory on whose word it is less than usual.
    fn age_for<'a>(
        &self,
        facts: &'a VersionFacts,
        now: Timestamp,
        out: &mut Findings<'_>,
    ) -> (Duration, Option<&'a str>) {
        if self.security_fix_age >= self.version_age {
            return (self.version_age, None);
        }
        match relief::of(facts, now) {
            Relief::None => (self.version_age, None),
            Relief::Fixes(advisory) => (self.security_fix_age, Some(advisory)),
            Relief::Awaits(advisory) => {
                out.await_fact(FactKind::Change);
                (self.security_fix_age, Some(advisory))
            }
        }
    }

    fn check_version(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let published = match &facts.published_at {
            Fact::Known(at) => *at,
            Fact::NotYet => return out.await_fact(FactKind::PublishedAt),
            Fact::Absent => return self.date_missing(facts, now, out),
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "the publication date of {} could not be learned ({})",
                    reason::subject(facts.subject()),
                    reason::ascii(cause, 60)
                );
                return out.report_unavailable(DATE_UNAVAILABLE, FactKind::PublishedAt, reason);
            }
        };
        if published < EARLIEST_PLAUSIBLE {
            let reason = format!(
                "the registry dates {} to {}, before any registry existed",
                reason::subject(facts.subject()),
                reason::instant(published)
            );
            return out.report(DATE_IMPLAUSIBLE, reason, &published.to_string(), None);
        }
        self.check_date(facts, published, now, out);
    }

    fn check_date(
        &self,
        facts: &VersionFacts,
        published: Timestamp,
        now: Timestamp,
        out: &mut Findings<'_>,
    ) {
        // What Cordon saw itself is not argued away by a registry that changed its story.
        let believed = match changed_since_first_sight(&facts.history, published) {
            Some(first_sight) => published.max(first_sight),
            None => published,
        };
        let (age, fixes) = self.age_for(facts, now, out);
        let until = believed.saturating_add(age);
        if published > now {
            let reason = format!(
                "the registry dates {} to {}, in the future; allowed from {}",
                reason::subject(facts.subject()),
                reason::instant(published),
                reason::instant(until)
            );
            out.report(DATE_IN_FUTURE, reason, &published.to_string(), Some(until));
            // From then on it is another finding, which an exemption may not cover.
            out.changes_at(published);
        } else if until > now {
            let subject = reason::subject(facts.subject());
            let (code, happened) = match believed > published {
                true => (
                    DATE_CHANGED,
                    "was first seen here (the registry changed its date)",
                ),
                false => (TOO_YOUNG, "was published"),
            };
            let reason = format!(
                "{subject} {happened} {} ago; versions must be {} old; allowed from {}",
                reason::length(now.since(believed)),
                reason::length(age),
                reason::instant(until)
            );
            out.report(code, reason, &believed.to_string(), Some(until));
        } else if let Some(advisory) = fixes
            && believed.saturating_add(self.version_age) > now
        {
            let reason = format!(
                "{} is let through {} after it was published because it fixes {}",
                reason::subject(facts.subject()),
                reason::length(now.since(believed)),
                reason::ascii(advisory, 40)
            );
            out.note(RELEASED_EARLY, reason, advisory, out.settings().effect);
        }
        if let Some(freeze) = self.freeze_after
            && believed > freeze
        {
            let reason = format!(
                "{} was published on {}; versions after {} are frozen",
                reason::subject(facts.subject()),
                reason::instant(believed),
                reason::instant(freeze)
            );
            out.report(FROZEN, reason, &freeze.to_string(), None);
        }
    }

    fn date_missing(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let subject = reason::subject(facts.subject());
        if self.when_missing == MissingDate::Hold {
            let reason = format!("the registry gives no publication date for {subject}");
            return out.report(DATE_MISSING, reason, "none", None);
        }
        let seen = facts.history.first_seen_at.unwrap_or(now);
        let until = seen.saturating_add(self.version_age);
        if until > now {
            let reason = format!(
                "{subject} has no publication date and was first seen here {} ago; allowed from {}",
                reason::length(now.since(seen)),
                reason::instant(until)
            );
            out.report(DATE_MISSING, reason, "first-seen", Some(until));
        }
        let Some(freeze) = self.freeze_after else {
            return;
        };
        if seen <= freeze && facts.history.first_seen_at.is_none() {
            // "Now" stands in for the first sight, and passes the freeze date by itself.
            out.changes_at(freeze.saturating_add(Duration::from_millis(1)));
        }
        if seen > freeze {
            let reason = format!(
                "{subject} has no publication date; versions after {} are frozen",
                reason::instant(freeze)
            );
            out.report(FROZEN, reason, &freeze.to_string(), None);
        }
    }

    fn check_name(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let name = || reason::ascii(facts.subject().name.as_published(), 64);
        let effect = self.name_age_effect;
        let first = match &facts.package.first_published_at {
            Fact::Known(at) => *at,
            Fact::NotYet => return out.await_fact(FactKind::FirstPublishedAt),
            Fact::Absent => {
                let reason = format!("the registry does not tell when {} first appeared", name());
                return out.report_as(effect, NAME_DATE_MISSING, reason, "none", None);
            }
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "it could not be learned when {} first appeared ({})",
                    name(),
                    reason::ascii(cause, 60)
                );
                return out.report_unavailable_as(
                    effect,
                    NAME_DATE_MISSING,
                    FactKind::FirstPublishedAt,
                    reason,
                );
            }
        };
        if first < EARLIEST_PLAUSIBLE {
            let reason = format!("the registry dates {} before any registry existed", name());
            return out.report_as(effect, NAME_DATE_MISSING, reason, &first.to_string(), None);
        }
        let age = match facts.package.popularity {
            Some(_) => self.name_age.min(self.popular_name_age),
            None => self.name_age,
        };
        let until = first.saturating_add(age);
        if until > now {
            let reason = format!(
                "the package {} first appeared {} ago; packages must be {} old; allowed from {}",
                name(),
                reason::length(now.since(first)),
                reason::length(age),
                reason::instant(until)
            );
            out.report_as(
                effect,
                NAME_TOO_YOUNG,
                reason,
                &first.to_string(),
                Some(until),
            );
        }
    }

    fn check_first_seen(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let seen = facts.history.first_seen_at.unwrap_or(now);
        let until = seen.saturating_add(self.first_seen_age);
        if until > now {
            let reason = format!(
                "{} was first seen here {} ago; it must be known for {}; allowed from {}",
                reason::subject(facts.subject()),
                reason::length(now.since(seen)),
                reason::length(self.first_seen_age),
                reason::instant(until)
            );
            out.report(SEEN_TOO_RECENTLY, reason, "first-seen", Some(until));
        }
    }
}

/// When the registry now tells another date than at first sight: the instant of that first sight.
pub(super) fn changed_since_first_sight(
    history: &History,
    published: Timestamp,
) -> Option<Timestamp> {
    let told = history.published_at_first_sight?;
    let has_changed = told.since(published).max(published.since(told)) > SAME_STORY;
    // Records older than first-seen times hold only the date: then that is the best there is.
    has_changed.then(|| history.first_seen_at.unwrap_or(told))
}
