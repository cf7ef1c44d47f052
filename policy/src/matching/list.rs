//! Lists of packages and versions, as `deny` and `allow` have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;

use super::{NameIndex, NamePattern, VersionSet};
use crate::ecosystem::scheme_for;
use crate::finding::ConfigSpan;
use crate::model::{Ecosystem, PackageName, PackageVersion, VersionRange};

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
            let unions = unions(group, start);
            start += group.len();
            per_ecosystem.push(EcosystemNames {
                ecosystem: first.ecosystem.clone(),
                names,
                unions,
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

fn unions(group: &[(NamePattern, Entry)], start: usize) -> BTreeMap<u32, Box<dyn VersionRange>> {
    let mut unions = BTreeMap::new();
    let mut at = start;
    for same in group.chunk_by(|(_, a), (_, b)| (a.is_pattern, &a.name) == (b.is_pattern, &b.name))
    {
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        at += same.len();
        let texts: Option<Vec<&str>> = same
            .iter()
            .map(|(_, entry)| match &entry.versions {
                VersionSet::Within { text, .. } => Some(text.as_str()),
                VersionSet::Every | VersionSet::Exactly(_) => None,
            })
            .collect();
        let is_worth_it = same.len() > 1 && !same.iter().any(|(_, entry)| entry.is_pattern);
        if let Some((texts, (_, entry))) = texts.zip(same.first()).filter(|_| is_worth_it)
            && let Some(Ok(union)) =
                scheme_for(&entry.ecosystem).map(|scheme| scheme.any_range(&texts))
        {
            unions.insert(number, union);
        }
    }
    unions
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
    /// For names whose entries are all ranges, the union of these, by the number of the first: one
    /// reading of the version tells that none applies, which is nearly always so.
    unions: BTreeMap<u32, Box<dyn VersionRange>>,
    are_patterns_unconditional: bool,
}

impl EcosystemNames {
    /// The numbers of the entries of exactly this name, none when surely none holds the version.
    fn exact(&self, subject: &PackageVersion) -> &[u32] {
        let numbers = self.names.exact(subject.name.normalized());
        let union = match numbers {
            [first, _, ..] => self.unions.get(first),
            _ => None,
        };
        match union {
            Some(union) if !union.contains(&subject.version) => &[],
            _ => numbers,
        }
    }
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
        of.exact(subject).iter().copied().any(is_in)
            || (of.names.matches_pattern(name)
                && (of.are_patterns_unconditional || of.names.patterns(name).any(is_in)))
    }

    /// Whether an entry names the package, whatever versions it means. Allocates nothing.
    pub fn names(&self, name: &PackageName) -> bool {
        self.names_of(name.ecosystem())
            .is_some_and(|of| of.names.holds(name.normalized()))
    }

    /// The first entry, in canonical order, that holds the version: exact names before patterns.
    pub fn find(&self, subject: &PackageVersion) -> Option<&Entry> {
        let of = self.names_of(subject.name.ecosystem())?;
        let name = subject.name.normalized();
        let exact = of.exact(subject).iter().copied();
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

    /// As [`Self::find`], where an entry for one version also means its local variants.
    pub fn find_with_variants(&self, subject: &PackageVersion) -> Option<&Entry> {
        self.find(subject).or_else(|| {
            let scheme = scheme_for(subject.name.ecosystem())?;
            let public = PackageVersion {
                version: scheme.public_version(&subject.version)?,
                name: subject.name.clone(),
            };
            let of = self.names_of(subject.name.ecosystem())?;
            let entries = of.names.exact(subject.name.normalized()).iter();
            entries
                .filter_map(|number| self.entry(*number))
                .filter(|entry| matches!(entry.versions, VersionSet::Exactly(_)))
                .find(|entry| entry.versions.holds(&public))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::schemes;
    use crate::matching::parse_name_or_pattern;
    use crate::model::{Scheme, Version};

    const VERSIONS: [&str; 9] = [
        "0.9.0",
        "1.0.0",
        "1.2.3",
        "1.9.9",
        "2.0.0",
        "2.5.0",
        "3.0.0",
        "3.0.0-rc.1",
        "not a version",
    ];

    fn subject(scheme: &dyn Scheme, version: &str) -> PackageVersion {
        PackageVersion {
            name: scheme.package("left-pad").unwrap(),
            version: Version::verbatim(version),
        }
    }

    fn list(scheme: &dyn Scheme, ranges: &[&str]) -> PackageList {
        let mut builder = ListBuilder::new("test".into());
        let place = ConfigSpan {
            file: "test".into(),
            line: 1,
            column: 1,
        };
        for (name, range) in ranges.iter().map(|range| ("left-pad", *range)).chain([
            ("left-p?d", ">9"),
            ("other", "*"),
            ("left-pa", ">0"),
        ]) {
            builder.add(
                scheme.ecosystem().clone(),
                parse_name_or_pattern(scheme, name).unwrap(),
                VersionSet::parse_range(scheme, range).unwrap(),
                None,
                &place,
            );
        }
        builder.build().unwrap()
    }

    #[test]
    fn several_ranges_of_one_name_hold_what_each_of_them_holds() {
        for scheme in schemes() {
            for ranges in [
                &[">=1.0,<1.5", ">=2.0,<2.1"][..],
                &[">=2.4", "<1.0", ">=1.2,<1.3"],
                &["*", "<1.0"],
                &[">=9"],
            ] {
                // npm separates comparators with a space.
                let spelled: Vec<String> = ranges
                    .iter()
                    .map(|range| match scheme.range(range) {
                        Ok(_) => (*range).to_owned(),
                        Err(_) => range.replace(',', " "),
                    })
                    .collect();
                let spelled: Vec<&str> = spelled.iter().map(String::as_str).collect();
                let list = list(scheme, &spelled);
                let union = scheme.any_range(&spelled).unwrap();
                for version in VERSIONS {
                    let subject = subject(scheme, version);
                    let expected = spelled
                        .iter()
                        .any(|range| scheme.range(range).unwrap().contains(&subject.version));
                    let case = format!("{} {spelled:?} {version}", scheme.ecosystem());
                    assert_eq!(union.contains(&subject.version), expected, "{case}");
                    assert_eq!(list.find(&subject).is_some(), expected, "{case}");
                    assert_eq!(list.holds(&subject), expected, "{case}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_lines_decides_nothing() {
        let scheme = schemes()[0];
        let (forth, back) = ([">=1", ">=2", "^1.2"], ["^1.2", ">=2", ">=1"]);
        for version in VERSIONS {
            let subject = subject(scheme, version);
            let named = |ranges| list(scheme, ranges).find(&subject).map(Entry::evidence);
            assert_eq!(named(&forth), named(&back), "{version}");
        }
    }
}
