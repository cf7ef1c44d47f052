//! What is too young as the rule is configured.

use std::time::Duration;

use super::{EARLIEST_PLAUSIBLE, MinimumAge};
use crate::model::Timestamp;
use crate::specimen::{BAD_VERSION, GOOD_VERSION, Good, Release, Specimen, Stage};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn of(rule: &MinimumAge, stage: &Stage<'_>) -> Specimen {
    // As old as anything may be that is believed at all.
    let oldest = EARLIEST_PLAUSIBLE.saturating_add(YEAR);
    let is_frozen = |at: Timestamp| rule.freeze_after.is_some_and(|freeze| at > freeze);
    let mut specimen = if !rule.version_age.is_zero() || is_frozen(stage.now) {
        let releases = vec![
            Release::at(GOOD_VERSION, oldest),
            Release::at(BAD_VERSION, stage.now),
        ];
        stage.pair(releases, BAD_VERSION.to_owned())
    } else if !rule.name_age.is_zero() {
        let mut bad = stage.plain(stage.name.clone(), GOOD_VERSION);
        bad.releases = vec![Release::at(GOOD_VERSION, stage.now)];
        let mut specimen = stage.whole(bad, None);
        if let Specimen::Pair(pair) = &mut specimen
            && let Good::Package(good) = &mut pair.good
        {
            good.releases = vec![Release::at(GOOD_VERSION, oldest)];
        }
        specimen
    } else if !rule.first_seen_age.is_zero() {
        stage.pair(
            vec![Release::at(GOOD_VERSION, oldest)],
            GOOD_VERSION.to_owned(),
        )
    } else {
        return Specimen::Nothing("every age is zero and nothing is frozen");
    };
    let longest = rule.version_age.max(rule.name_age).saturating_add(SECOND);
    if let Specimen::Pair(pair) = &mut specimen {
        if !rule.first_seen_age.is_zero() {
            pair.good = Good::Impossible("whatever is seen for the first time is held");
        } else if is_frozen(oldest) || oldest.saturating_add(longest) > stage.now {
            pair.good = Good::Impossible("nothing is old enough");
        }
    }
    specimen
}
