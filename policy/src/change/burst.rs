//! Whether versions were published in a burst.

use std::collections::BTreeMap;
use std::time::Duration;

use smol_str::SmolStr;

use super::{SETTLED, Sheet};
use crate::facts::{Burst, Fact, VersionFacts};
use crate::model::Timestamp;

const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// Fills in [`VersionFacts::burst`].
pub(super) fn fill(candidates: &mut [VersionFacts], sheets: &[Sheet]) {
    let history = History::of(candidates, sheets);
    for facts in candidates {
        facts.burst = match facts.published_at.known() {
            Some(at) => history.around(*at),
            None => Fact::Unavailable(SmolStr::new_static(
                "the registry does not tell when it was published",
            )),
        };
    }
}

/// When versions were published, in order.
struct History {
    times: Vec<Timestamp>,
    /// For each of `times`, the most published within an hour up to it or to an earlier one.
    most: Vec<usize>,
}

impl History {
    fn of(candidates: &[VersionFacts], sheets: &[Sheet]) -> Self {
        let known = candidates.iter().filter_map(|facts| {
            let version = facts.artifact.subject.version.as_str();
            Some((version, *facts.published_at.known()?))
        });
        // Further files of a version are no further version.
        let has_files = sheets.iter().any(|sheet| !sheet.series.is_empty());
        let mut times: Vec<Timestamp> = if has_files {
            let mut first: BTreeMap<&str, Timestamp> = BTreeMap::new();
            for (version, at) in known {
                first
                    .entry(version)
                    .and_modify(|first| *first = at.min(*first))
                    .or_insert(at);
            }
            first.into_values().collect()
        } else {
            known.map(|(_, at)| at).collect()
        };
        times.sort_unstable();
        let mut most = Vec::with_capacity(times.len());
        let mut start = 0;
        let mut highest = 0;
        for (end, at) in times.iter().enumerate() {
            while times
                .get(start)
                .is_some_and(|first| at.since(*first) >= AN_HOUR)
            {
                start += 1;
            }
            highest = highest.max(end + 1 - start);
            most.push(highest);
        }
        Self { times, most }
    }

    fn around(&self, at: Timestamp) -> Fact<Burst> {
        let before = |instant: Timestamp| self.times.partition_point(|time| *time < instant);
        let up_to = |instant: Timestamp| self.times.partition_point(|time| *time <= instant);
        let versions =
            up_to(at.saturating_add(HALF_AN_HOUR)) - before(at.saturating_sub(HALF_AN_HOUR));
        if versions < 2 {
            return Fact::Absent;
        }
        let habit = up_to(at.saturating_sub(SETTLED))
            .checked_sub(1)
            .and_then(|last| self.most.get(last))
            .copied()
            .unwrap_or(0);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Fact::Known(Burst {
            versions: count(versions),
            habit: count(habit),
        })
    }
}
