#![doc = include_str!("watched-name.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::read_each;
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::limits::MAX_DURATION;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{AskedInVain, Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Fixture, GOOD_VERSION, Release, Specimen, Stage};
use crate::verdict::Effect;

const REGISTERED_LATER: FindingCode = FindingCode::from_static("registered-after-asked");

/// Registries cut times to seconds, and clocks differ.
const ROUNDING: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("watched-name"),
    page: include_str!("watched-name.md"),
    codes: &[(
        "registered-after-asked",
        "the name was asked for here before anybody had registered it",
    )],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Holds packages whose names were asked for before they existed.
#[derive(Clone, Debug)]
pub struct WatchedName {
    /// How long after its first publication such a package is held.
    pub watch_for: Duration,
}

impl Default for WatchedName {
    fn default() -> Self {
        Self {
            watch_for: 365 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &WatchedName, table: &mut TableReader<'_, '_>| WatchedName {
        watch_for: table
            .duration("watch_for", DAY..=MAX_DURATION)
            .map_or(inherited.watch_for, |read| read.value),
    };
    read_each(table, overrides, read_one)
}

impl Rule for WatchedName {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::FirstPublishedAt)
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let Some(AskedInVain { first_at }) = facts.package.asked_in_vain else {
            return;
        };
        let name = reason::ascii(facts.subject().name.as_published(), 64);
        let evidence = first_at.to_string();
        match &facts.package.first_published_at {
            // It was there all along: whoever asked was told wrongly, or it had been taken down.
            Fact::Known(first) if first.saturating_add(ROUNDING) <= first_at => {}
            Fact::Known(first) => {
                let until = first.saturating_add(self.watch_for);
                if until > now {
                    let reason = format!(
                        "{name} was asked for here on {}, before it existed; somebody registered it \
                         on {}",
                        reason::instant(first_at),
                        reason::instant(*first)
                    );
                    out.report(REGISTERED_LATER, reason, &evidence, Some(until));
                }
            }
            Fact::NotYet => out.await_fact(FactKind::FirstPublishedAt),
            Fact::Absent | Fact::Unavailable(_) => {
                let reason = format!(
                    "{name} was asked for here on {}, before it existed; it is not known when it \
                     was registered",
                    reason::instant(first_at)
                );
                out.report_unavailable(REGISTERED_LATER, FactKind::FirstPublishedAt, reason);
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        let bad = Fixture {
            releases: vec![Release::at(GOOD_VERSION, stage.just_now())],
            asked_in_vain_at: Some(stage.yesterday()),
            ..stage.plain(stage.name.clone(), GOOD_VERSION)
        };
        stage.whole(bad, None)
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.duration("watch_for", self.watch_for);
    }
}
