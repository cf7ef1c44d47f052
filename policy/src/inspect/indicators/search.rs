//! Looking for a set in a file.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::automaton::Found;
use super::facts::{IndicatorFacts, IndicatorHit};
use super::rule::{Kind, Rule};
use super::set::{IndicatorSet, Listed, RuleNumber};
use crate::inspect::content::ContentFacts;
use crate::inspect::fault::printable;
use crate::model::Ecosystem;

/// Characters of an excerpt, and how many of them stand before what was found.
const EXCERPT: usize = 120;
const BEFORE: usize = 40;
/// Bytes of a line that are looked back over for its beginning.
const LINE_BYTES: usize = 4 * EXCERPT;

/// A file to be searched.
#[derive(Clone, Copy, Debug)]
pub struct SearchedFile<'a> {
    /// Whose packages it is in.
    pub ecosystem: &'a Ecosystem,
    /// Its path inside the archive's one folder, where that has one.
    pub path: &'a str,
    /// SHA-256 of all of it.
    pub sha256: [u8; 32],
    /// Its bytes, or the first of them.
    pub bytes: &'a [u8],
}

impl IndicatorSet {
    /// Looks for everything in a file.
    pub fn search(&self, file: &SearchedFile<'_>, out: &mut IndicatorFacts) {
        if let Some(listed) = self.hashes.get(&file.sha256) {
            out.push(self.listed(listed, file.path, 0, "its SHA-256 is listed".into()));
        }
        let found = self.automaton.find(file.bytes);
        let mut touched: BTreeSet<RuleNumber> = self.unanchored.iter().copied().collect();
        for number in found.keys() {
            touched.extend(self.wanted_by(*number));
        }
        for number in touched {
            let Some(rule) = self.rules.get(number as usize) else {
                continue;
            };
            if !rule.is_about(file.ecosystem, file.path) {
                continue;
            }
            match rule.kind {
                Kind::List => self.tell_listed(number, rule, file, &found, out),
                Kind::Parts { .. } => {
                    if let Some(at) = rule.met(file.bytes, &found) {
                        out.push(self.hit(rule, file, at));
                    }
                }
            }
        }
    }

    /// Looks for the hosts its source names, also where they are spelled in ways a search for texts
    /// does not see.
    pub fn search_hosts(&self, content: &ContentFacts, out: &mut IndicatorFacts) {
        if self.domains.is_empty() {
            return;
        }
        for host in &content.hosts {
            let Some(listed) = below(host).find_map(|it| self.domains.get(it)) else {
                continue;
            };
            let reached = content.destinations.iter().find(|it| it.host == *host);
            let (path, line) = reached.map_or(("", 0), |it| (it.file.as_str(), it.line));
            out.push(self.listed(listed, path, line, host.clone()));
        }
    }

    /// Looks for the archive itself among the digests.
    pub fn search_archive(&self, sha256: &[u8; 32], out: &mut IndicatorFacts) {
        if let Some(listed) = self.hashes.get(sha256) {
            out.push(self.listed(listed, "", 0, "the archive's SHA-256 is listed".into()));
        }
    }

    fn tell_listed(
        &self,
        number: RuleNumber,
        rule: &Rule,
        file: &SearchedFile<'_>,
        found: &Found,
        out: &mut IndicatorFacts,
    ) {
        for (text, places) in found {
            let is_its_own = self.wanted_by(*text).any(|it| it == number);
            if is_its_own && let Some(at) = places.first.first() {
                out.push(self.hit(rule, file, *at));
            }
        }
    }

    fn hit(&self, rule: &Rule, file: &SearchedFile<'_>, at: usize) -> IndicatorHit {
        let (line, excerpt) = place(file.bytes, at);
        self.told(rule, file.path, line, excerpt)
    }

    fn listed(&self, listed: &Listed, path: &str, line: u32, excerpt: SmolStr) -> IndicatorHit {
        let rule = &self.rules[listed.rule as usize];
        self.told(rule, path, line, printable(&excerpt, EXCERPT).into())
    }

    fn told(&self, rule: &Rule, path: &str, line: u32, excerpt: SmolStr) -> IndicatorHit {
        let pack = &self.packs[rule.pack];
        IndicatorHit {
            pack: pack.id.clone(),
            version: pack.version.clone(),
            rule: rule.id.clone(),
            title: rule.title.clone(),
            grade: rule.grade,
            file: printable(path, 200).into(),
            line,
            excerpt,
        }
    }
}

/// A host and those it is below: `a.b.example`, `b.example`, `example`.
fn below(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |it| it.split_once('.').map(|(_, rest)| rest))
}

/// The line of a place and what stands there.
pub(super) fn place(bytes: &[u8], at: usize) -> (u32, SmolStr) {
    let before = bytes.get(..at).unwrap_or_default();
    let newlines = memchr::memchr_iter(b'\n', before).count();
    let line = u32::try_from(newlines).unwrap_or(u32::MAX);
    (line.saturating_add(1), excerpt(bytes, at))
}

/// What stands at a place: its line, of a long one what is near.
fn excerpt(bytes: &[u8], at: usize) -> SmolStr {
    let before = bytes
        .get(at.saturating_sub(LINE_BYTES)..at)
        .unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(0, |it| it + 1);
    let before = String::from_utf8_lossy(before.get(start..).unwrap_or_default());
    // Made printable first: what escapes are written with counts as well.
    let before = printable(before.trim_start(), 16 * LINE_BYTES);
    let left_out = before.chars().count().saturating_sub(BEFORE);
    let after = bytes.get(at..).unwrap_or_default();
    let after = after.get(..LINE_BYTES).unwrap_or(after);
    let end = memchr::memchr(b'\n', after).unwrap_or(after.len());
    let after = String::from_utf8_lossy(after.get(..end).unwrap_or_default());
    let after = printable(after.trim_end(), EXCERPT - BEFORE);
    let near: String = before.chars().skip(left_out).collect();
    format!("{near}{after}").into()
}
