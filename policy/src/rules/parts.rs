//! What several rules have in common: how their tables are read, effects that may be `ignore`, and
//! how the rules about changes look at a version.

use std::sync::Arc;
use std::time::Duration;

use super::Rule;
use super::minimum_age::{EARLIEST_PLAUSIBLE, changed_since_first_sight};
use crate::config::canonical::PolicyText;
use crate::config::limits::MAX_DURATION;
use crate::config::reader::TableReader;
use crate::ecosystem::NPM;
use crate::evaluate::Findings;
use crate::facts::{Bundled, Change, Fact, FactKind, VersionFacts};
use crate::finding::FindingCode;
use crate::model::{PackageVersion, Timestamp};
use crate::reason;
use crate::verdict::Effect;

pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Reads a rule's own table and each of its overrides: what an override leaves out it inherits from
/// the rule's table, and that from the default.
pub(super) fn read_each<R: Rule + Default>(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
    read_one: impl Fn(&R, &mut TableReader<'_, '_>) -> R,
) -> Vec<Arc<dyn Rule>> {
    let base = Arc::new(read_one(&R::default(), table));
    let mut rules: Vec<Arc<dyn Rule>> = vec![base.clone()];
    for table in overrides {
        rules.push(Arc::new(read_one(&base, table)));
    }
    rules
}

/// Reads an effect that may be `ignore`, which is [`Effect::Allow`].
pub(super) fn read_effect(table: &mut TableReader<'_, '_>, key: &str, inherited: Effect) -> Effect {
    let choices = [
        ("ignore", Effect::Allow),
        ("hide", Effect::Hide),
        ("quarantine", Effect::Quarantine),
        ("block", Effect::Block),
    ];
    table
        .choice(key, &choices)
        .map_or(inherited, |read| read.value)
}

/// Writes an effect that may be `ignore`.
pub(super) fn write_effect(out: &mut PolicyText, key: &str, effect: Effect) {
    let word = match effect {
        Effect::Allow => "ignore",
        other => other.name(),
    };
    out.text(key, word);
}

/// Reads `settled_after`: how long after its publication a version's changes count.
pub(super) fn read_settled_after(table: &mut TableReader<'_, '_>, inherited: Duration) -> Duration {
    table
        .duration("settled_after", DAY..=MAX_DURATION)
        .map_or(inherited, |read| read.value)
}

/// Whether a version's changes still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settling {
    /// They do not.
    Settled,
    /// They do, until then; without an end where it is not known how old the version is.
    Until(Option<Timestamp>),
    /// Its age was not asked for so far.
    NotYet,
}

/// By the date the registry gives, but never by one that it changed to an earlier one; where it
/// gives none, by Cordon's own first sight. A date that could not be learned settles nothing.
pub(super) fn settling(facts: &VersionFacts, now: Timestamp, after: Duration) -> Settling {
    let since = match &facts.published_at {
        Fact::NotYet => return Settling::NotYet,
        Fact::Known(at) if *at >= EARLIEST_PLAUSIBLE => {
            let first_sight = changed_since_first_sight(&facts.history, *at);
            Some(first_sight.map_or(*at, |first_sight| first_sight.max(*at)))
        }
        Fact::Absent => facts.history.first_seen_at,
        Fact::Known(_) | Fact::Unavailable(_) => None,
    };
    match since.map(|since| since.saturating_add(after)) {
        Some(until) if until <= now => Settling::Settled,
        until => Settling::Until(until),
    }
}

/// [`settling`], waiting for the date where it was not asked for. `None` when there is nothing to
/// look at.
pub(super) fn unsettled(
    facts: &VersionFacts,
    now: Timestamp,
    after: Duration,
    out: &mut Findings<'_>,
) -> Option<Option<Timestamp>> {
    match settling(facts, now, after) {
        Settling::Settled => None,
        Settling::Until(until) => Some(until),
        Settling::NotYet => {
            out.await_fact(FactKind::PublishedAt);
            None
        }
    }
}

/// How a rule about changes looks at a version.
pub(super) struct Look<'a> {
    pub(super) facts: &'a VersionFacts,
    pub(super) now: Timestamp,
    /// How long changes count.
    pub(super) after: Duration,
    /// The finding when the change could not be learned.
    pub(super) unknown: FindingCode,
    /// What a change could ask for at most.
    pub(super) strictest: Effect,
}

/// What there is to see.
pub(super) enum Seen<'a> {
    /// Nothing, or not yet, or something that was reported.
    Nothing,
    /// It is the first version of the package.
    First(Option<Timestamp>),
    /// It changes this, and until then that counts.
    Change(&'a Change, Option<Timestamp>),
}

impl<'a> Look<'a> {
    pub(super) fn see(self, out: &mut Findings<'_>) -> Seen<'a> {
        let Self {
            facts,
            now,
            after,
            unknown,
            strictest,
        } = self;
        let Some(until) = unsettled(facts, now, after, out) else {
            return Seen::Nothing;
        };
        match &facts.change {
            Fact::Known(change) => Seen::Change(change, until),
            Fact::Absent => Seen::First(until),
            Fact::NotYet => {
                out.await_fact(FactKind::Change);
                Seen::Nothing
            }
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "what {} changes could not be learned ({})",
                    subject(facts.subject()),
                    reason::ascii(cause, 80)
                );
                out.report_unavailable_as(strictest, unknown, FactKind::Change, reason);
                if let Some(until) = until {
                    out.changes_at(until);
                }
                Seen::Nothing
            }
        }
    }
}

/// A version in a sentence that names another thing as well: cut shorter than by
/// [`reason::subject`].
pub(super) fn subject(subject: &PackageVersion) -> String {
    format!(
        "{} {}",
        reason::ascii(subject.name.as_published(), 40),
        reason::ascii(subject.version.as_str(), 20)
    )
}

/// The version a change was found against.
pub(super) fn since(change: &Change) -> String {
    reason::ascii(change.since.as_str(), 20)
}

/// Names in a sentence: the first few, each of so many characters, and how many more.
pub(super) fn list<'n>(names: impl ExactSizeIterator<Item = &'n str>, each: usize) -> String {
    const SHOWN: usize = 3;
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<String> = names
        .take(SHOWN)
        .map(|name| reason::ascii(name, each))
        .collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Names as evidence: all of them, within bounds.
pub(super) fn evidence<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| reason::ascii(name, 80)).collect();
    reason::ascii(&names.join("+"), 240)
}

/// The packages an archive brings along. Asking for them has no archive read by itself: that is the
/// business of the rules about archives. Where one was read, they must be known.
pub(super) fn brought_along<'f>(
    facts: &'f VersionFacts,
    unknown: FindingCode,
    out: &mut Findings<'_>,
) -> &'f [Bundled] {
    match &facts.bundled {
        Fact::Known(all) => all,
        Fact::Absent => &[],
        Fact::NotYet => {
            if matches!(facts.archive, Fact::Known(_)) && *facts.subject().name.ecosystem() == NPM {
                out.await_fact(FactKind::Bundled);
            }
            &[]
        }
        Fact::Unavailable(cause) => {
            let reason = format!(
                "it could not be learned which packages {} brings along ({})",
                subject(facts.subject()),
                reason::ascii(cause, 60)
            );
            out.report_unavailable(unknown, FactKind::Bundled, reason);
            &[]
        }
    }
}
