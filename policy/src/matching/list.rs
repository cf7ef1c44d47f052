//! Lists of packages and versions, as `deny` and `allow` have them.

use std::sync::Arc;

use smol_str::SmolStr;

use super::{NameIndex, NamePattern, VersionSet};
use crate::finding::ConfigSpan;
use crate::model::{Ecosystem, PackageVersion};

/// One line of a list.
#[derive(Debug)]
pub struct Entry {
    /// The ecosystem it is about.
    pub ecosystem: Ecosystem,
    /// The canonical name or pattern.
    pub name: SmolStr,
    /// Whether the name is a pattern.
    pub is_pattern: bool,
    /// The versions meant.
    pub versions: VersionSet,
    /// Why, in the author's words.
    pub reason: Option<Arc<str>>,
    /// 1-based line of the list's file.
    pub line: u32,
    /// 1-based column.
    pub column: u32,
}

impl Entry {
    /// The line without its place and its reason: what makes two entries the same.
    pub fn meaning(&self) -> (&Ecosystem, bool, &str, &str) {
        (
            &self.ecosystem,
            self.is_pattern,
            &self.name,
            self.versions.text(),
        )
    }

    /// How findings name it: `npm/left-pad >=1.3`.
    pub fn evidence(&self) -> String {
        match self.versions {
            VersionSet::Every => format!("{}/{}", self.ecosystem, self.name),
            _ => format!("{}/{} {}", self.ecosystem, self.name, self.versions.text()),
        }
    }
}

/// Collects the entries of one list, all from one file.
#[derive(Debug)]
pub struct ListBuilder {
    file: SmolStr,
    entries: Vec<(NamePattern, Entry)>,
}

impl ListBuilder {
    /// An empty list in the file of that name.
    pub fn new(file: SmolStr) -> Self {
        Self {
            file,
            entries: Vec::new(),
        }
    }

    /// Adds an entry.
    pub fn add(
        &mut self,
        ecosystem: Ecosystem,
        name: NamePattern,
        versions: VersionSet,
        reason: Option<Arc<str>>,
        place: &ConfigSpan,
    ) {
        let entry = Entry {
            ecosystem,
            name: name.canonical().into(),
            is_pattern: matches!(name, NamePattern::Glob { .. }),
            versions,
            reason,
            line: place.line,
            column: place.column,
        };
        self.entries.push((name, entry));
    }

    /// Compiles the list.
    ///
    /// # Errors
    /// The patterns together are too large to compile.
    pub fn build(mut self) -> Result<PackageList, globset::Error> {
        // By meaning, so that the order of lines decides nothing, not even which entry is named.
        self.entries.sort_by(|(_, a), (_, b)| {
            (a.meaning(), a.line, a.column).cmp(&(b.meaning(), b.line, b.column))
        });
        let mut per_ecosystem = Vec::new();
        let mut start = 0;
        for group in self
            .entries
            .chunk_by(|(_, a), (_, b)| a.ecosystem == b.ecosystem)
        {
            let Some((_, first)) = group.first() else {
                continue;
            };
            let numbered = group
                .iter()
                .enumerate()
                .map(|(at, (name, _))| (name, u32::try_from(start + at).unwrap_or(u32::MAX)));
            let names = NameIndex::new(numbered)?;
            start += group.len();
            per_ecosystem.push(EcosystemNames {
                ecosystem: first.ecosystem.clone(),
                names,
                are_patterns_unconditional: group
                    .iter()
                    .filter(|(_, entry)| entry.is_pattern)
                    .all(|(_, entry)| matches!(entry.versions, VersionSet::Every)),
            });
        }
        Ok(PackageList {
            file: self.file,
            per_ecosystem,
            entries: self.entries.into_iter().map(|(_, entry)| entry).collect(),
        })
    }
}

/// A compiled list.
#[derive(Debug)]
pub struct PackageList {
    file: SmolStr,
    per_ecosystem: Vec<EcosystemNames>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct EcosystemNames {
    ecosystem: Ecosystem,
    names: NameIndex,
    are_patterns_unconditional: bool,
}

impl PackageList {
    /// Whether the list has a line for the ecosystem.
    pub fn speaks_of(&self, ecosystem: &Ecosystem) -> bool {
        self.names_of(ecosystem).is_some()
    }

    /// Whether the version is on the list. Allocates nothing unless a pattern with a version range
    /// matches the name.
    pub fn holds(&self, subject: &PackageVersion) -> bool {
        let Some(of) = self.names_of(subject.name.ecosystem()) else {
            return false;
        };
        let name = subject.name.normalized();
        let is_in = |number: u32| {
            self.entry(number)
                .is_some_and(|entry| entry.versions.holds(subject))
        };
        of.names.exact(name).iter().copied().any(is_in)
            || (of.names.matches_pattern(name)
                && (of.are_patterns_unconditional || of.names.patterns(name).any(is_in)))
    }

    /// The first entry, in canonical order, that holds the version: exact names before patterns.
    pub fn find(&self, subject: &PackageVersion) -> Option<&Entry> {
        let of = self.names_of(subject.name.ecosystem())?;
        let name = subject.name.normalized();
        let exact = of.names.exact(name).iter().copied();
        exact
            .filter_map(|number| self.entry(number))
            .find(|entry| entry.versions.holds(subject))
            .or_else(|| {
                of.names
                    .patterns(name)
                    .filter_map(|number| self.entry(number))
                    .find(|entry| entry.versions.holds(subject))
            })
    }

    /// The first entry that holds every version of the name, exactly or by a pattern.
    pub fn every_version_of(&self, ecosystem: &Ecosystem, normalized: &str) -> Option<&Entry> {
        let of = self.names_of(ecosystem)?;
        let exact = of.names.exact(normalized).iter().copied();
        exact
            .chain(of.names.patterns(normalized))
            .filter_map(|number| self.entry(number))
            .find(|entry| matches!(entry.versions, VersionSet::Every))
    }

    /// Every entry, in canonical order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where an entry is written.
    pub fn place(&self, entry: &Entry) -> ConfigSpan {
        ConfigSpan {
            file: self.file.clone(),
            line: entry.line,
            column: entry.column,
        }
    }

    fn names_of(&self, ecosystem: &Ecosystem) -> Option<&EcosystemNames> {
        self.per_ecosystem
            .iter()
            .find(|of| of.ecosystem == *ecosystem)
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)
    }
}
