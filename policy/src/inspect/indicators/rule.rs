//! A rule, ready to be looked for.

use globset::GlobSet;
use regex::bytes::Regex;
use smol_str::SmolStr;

use super::automaton::{Found, PLACES, TextNumber};
use super::facts::Grade;
use crate::model::Ecosystem;

/// Something that is told when it is found.
#[derive(Debug)]
pub(super) struct Rule {
    /// The pack's place in the set.
    pub(super) pack: usize,
    pub(super) id: SmolStr,
    pub(super) title: SmolStr,
    pub(super) grade: Grade,
    /// The ecosystems it is about; all when there is none.
    pub(super) ecosystems: Vec<Ecosystem>,
    /// The files it is about; all when there is none.
    pub(super) files: Option<GlobSet>,
    pub(super) kind: Kind,
}

/// When a rule is met.
#[derive(Debug)]
pub(super) enum Kind {
    /// By every text of a list, each by itself.
    List,
    /// By a file that meets every part.
    Parts {
        parts: Vec<Part>,
        /// Bytes in which all parts must be met; anywhere when there is none.
        within: Option<usize>,
    },
}

/// So many of some texts and patterns.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) needs: usize,
    pub(super) texts: Vec<TextNumber>,
    pub(super) patterns: Vec<Regex>,
}

/// A place where something of a part is: the part, its text or pattern, where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event {
    at: usize,
    part: usize,
    item: usize,
}

impl Rule {
    /// Whether it is about a file.
    pub(super) fn is_about(&self, ecosystem: &Ecosystem, path: &str) -> bool {
        let has_ecosystem = self.ecosystems.is_empty() || self.ecosystems.contains(ecosystem);
        has_ecosystem && self.files.as_ref().is_none_or(|it| it.is_match(path))
    }

    /// Where it is first met in a file, given the texts found there.
    pub(super) fn met(&self, bytes: &[u8], found: &Found) -> Option<usize> {
        let Kind::Parts { parts, within } = &self.kind else {
            return None;
        };
        // Cheap first: most files lack a text.
        let is_possible = |part: &Part| {
            let texts = part.texts.iter().filter(|it| found.contains_key(it));
            texts.count() + part.patterns.len() >= part.needs
        };
        if !parts.iter().all(is_possible) {
            return None;
        }
        let mut events = Vec::new();
        let mut are_places_known = true;
        for (number, part) in parts.iter().enumerate() {
            let mut met = 0;
            for (item, text) in part.texts.iter().enumerate() {
                let Some(places) = found.get(text) else {
                    continue;
                };
                met += 1;
                are_places_known &= !places.has_more;
                events.extend(places.first.iter().map(|at| Event {
                    at: *at,
                    part: number,
                    item,
                }));
            }
            for (item, pattern) in (part.texts.len()..).zip(&part.patterns) {
                // One place is enough where the distance does not matter.
                let wanted = if within.is_some() { PLACES + 1 } else { 1 };
                let before = events.len();
                let places = pattern.find_iter(bytes).take(wanted);
                events.extend(places.map(|it| Event {
                    at: it.start(),
                    part: number,
                    item,
                }));
                let places = events.len() - before;
                met += usize::from(places > 0);
                are_places_known &= places <= PLACES;
            }
            if met < part.needs {
                return None;
            }
        }
        events.sort_by_key(|it| it.at);
        match within {
            // Who buries what is looked for among a hundred copies of it hides nothing.
            Some(within) if are_places_known => nearest(parts, &events, *within),
            _ => events.first().map(|it| it.at),
        }
    }
}

/// Where the first stretch of so many bytes begins in which every part is met.
fn nearest(parts: &[Part], events: &[Event], within: usize) -> Option<usize> {
    let mut counts: Vec<Vec<u32>> = parts
        .iter()
        .map(|part| vec![0; part.texts.len() + part.patterns.len()])
        .collect();
    let mut start = 0;
    for end in 0..events.len() {
        let last = events.get(end)?;
        *counts.get_mut(last.part)?.get_mut(last.item)? += 1;
        while let Some(first) = events.get(start)
            && last.at - first.at > within
        {
            *counts.get_mut(first.part)?.get_mut(first.item)? -= 1;
            start += 1;
        }
        let is_met = |(part, counts): (&Part, &Vec<u32>)| {
            counts.iter().filter(|count| **count > 0).count() >= part.needs
        };
        if parts.iter().zip(&counts).all(is_met) {
            return events.get(start).map(|it| it.at);
        }
    }
    None
}
