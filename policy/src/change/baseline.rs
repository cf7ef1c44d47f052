//! Which earlier version one is compared with.

use std::collections::{BTreeMap, VecDeque};

use smol_str::SmolStr;

use super::{Place, has_settled};
use crate::model::{Line, Timestamp};

/// The versions seen so far, in the order they are compared in.
pub(super) struct Baselines {
    lines: BTreeMap<Line, OneLine>,
    /// Whether versions come in the order of their dates; else nothing settles.
    is_dated: bool,
    /// How many were added.
    count: usize,
}

/// One line: all its files, and those of each series.
#[derive(Default)]
struct OneLine {
    whole: Tracks,
    series: BTreeMap<SmolStr, Tracks>,
}

#[derive(Default)]
struct Tracks {
    stable: Track,
    all: Track,
}

/// The newest version of a kind that later ones may be compared with.
#[derive(Default)]
struct Track {
    /// The newest that changed nothing remarkable.
    quiet: Option<Seen>,
    /// The newest remarkable one that has settled.
    settled: Option<Seen>,
    /// Remarkable ones that have not, in order.
    unsettled: VecDeque<(Seen, Option<Timestamp>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    /// When it was added.
    turn: usize,
    /// Index of the candidate.
    index: usize,
}

impl Track {
    fn add(&mut self, seen: Seen, published_at: Option<Timestamp>, is_remarkable: bool) {
        if is_remarkable {
            self.unsettled.push_back((seen, published_at));
        } else {
            self.quiet = Some(seen);
            // Whatever is older than a quiet version is never the newest again.
            self.unsettled.clear();
        }
    }

    /// The newest to compare a version of that date with.
    fn newest(&mut self, published_at: Option<Timestamp>, is_dated: bool) -> Option<usize> {
        while let Some((seen, at)) = self.unsettled.front().copied()
            && is_dated
            && has_settled(at, published_at)
        {
            self.settled = Some(seen);
            self.unsettled.pop_front();
        }
        self.quiet.max(self.settled).map(|seen| seen.index)
    }
}

impl Tracks {
    fn track(&mut self, only_stable: bool) -> &mut Track {
        match only_stable {
            true => &mut self.stable,
            false => &mut self.all,
        }
    }
}

impl Baselines {
    pub(super) fn new(is_dated: bool) -> Self {
        Self {
            lines: BTreeMap::new(),
            is_dated,
            count: 0,
        }
    }

    /// The candidate to compare with; `None` for the first of all.
    pub(super) fn find(&mut self, place: &Place, series: &SmolStr) -> Option<usize> {
        if !place.is_prerelease
            && let Some(index) = self.find_among(place, series, true)
        {
            return Some(index);
        }
        self.find_among(place, series, false)
    }

    fn find_among(&mut self, place: &Place, series: &SmolStr, only_stable: bool) -> Option<usize> {
        let (at, is_dated) = (place.published_at, self.is_dated);
        let newest = |tracks: &mut Tracks| tracks.track(only_stable).newest(at, is_dated);
        if let Some(line) = self.lines.get_mut(&place.line) {
            let alike = line.series.get_mut(series).and_then(newest);
            if let Some(index) = alike.or_else(|| newest(&mut line.whole)) {
                return Some(index);
            }
        }
        let mut lower = self.lines.range_mut(..place.line).rev();
        if let Some(index) = lower.find_map(|(_, line)| newest(&mut line.whole)) {
            return Some(index);
        }
        let mut higher = self.lines.range_mut(place.line..);
        higher.find_map(|(_, line)| newest(&mut line.whole))
    }

    /// Adds a candidate, newer than all before.
    pub(super) fn add(
        &mut self,
        index: usize,
        place: Place,
        series: &SmolStr,
        is_remarkable: bool,
    ) {
        let seen = Seen {
            turn: self.count,
            index,
        };
        self.count += 1;
        let line = self.lines.entry(place.line).or_default();
        let add = |tracks: &mut Tracks| {
            tracks.all.add(seen, place.published_at, is_remarkable);
            if !place.is_prerelease {
                tracks.stable.add(seen, place.published_at, is_remarkable);
            }
        };
        add(&mut line.whole);
        if !series.is_empty() {
            match line.series.get_mut(series) {
                Some(tracks) => add(tracks),
                None => add(line.series.entry(series.clone()).or_default()),
            }
        }
    }
}
