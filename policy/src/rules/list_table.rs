//! Reading and writing the lists of `deny` and `allow`.

use std::ops::Range;

use crate::config::canonical::{PolicyText, purl_of};
use crate::config::limits::MAX_PATTERNS;
use crate::config::names::{read_ecosystem, read_name, read_purl, read_range, read_reason};
use crate::config::reader::TableReader;
use crate::ecosystem::scheme_for;
use crate::finding::RuleId;
use crate::matching::{Entry, ListBuilder, NamePattern, PackageList, VersionSet};

/// A list as read.
pub(super) struct ReadList {
    /// The compiled list.
    pub(super) list: PackageList,
    /// Places of names that mean a whole ecosystem, every version of it.
    pub(super) everything: Vec<Range<usize>>,
    /// Whether nothing is listed, not even something wrong: no key, or keys that hold nothing.
    pub(super) is_blank: bool,
}

/// Reads `purls` and `match` of a rule's table. `None` when the list does not compile, which is
/// then among the file's problems.
pub(super) fn read_list(table: &mut TableReader<'_, '_>) -> Option<ReadList> {
    let file = table.file();
    let mut reading = Reading {
        builder: ListBuilder::new(file.name().clone()),
        patterns: 0,
        everything: Vec::new(),
    };
    let has_purls = table.has("purls");
    let purls = table.strings("purls");
    let matches = table.tables("match");
    let is_blank = matches.is_empty()
        && match &purls {
            Some(purls) => purls.is_empty(),
            // Something that is no list was reported.
            None => !has_purls,
        };
    for purl in purls.unwrap_or_default() {
        let Some((name, version)) = read_purl(file, &purl) else {
            continue;
        };
        reading.builder.add(
            name.ecosystem().clone(),
            NamePattern::Exact(name),
            version.map_or(VersionSet::Every, VersionSet::Exactly),
            None,
            &file.span(&purl.bytes),
        );
    }
    for entry in matches {
        reading.read_match(entry);
    }
    if reading.patterns > MAX_PATTERNS {
        file.error(
            "too-many-patterns",
            table.bytes(),
            format!(
                "`{}` has {} name patterns, at most {MAX_PATTERNS} are read",
                table.path(),
                reading.patterns
            ),
            "write exact names, of which there may be any number",
        );
        return None;
    }
    match reading.builder.build() {
        Ok(list) => {
            warn_of_shadowed(&list, table);
            Some(ReadList {
                list,
                everything: reading.everything,
                is_blank,
            })
        }
        Err(error) => {
            file.error(
                "too-many-patterns",
                table.bytes(),
                format!("the patterns of `{}` do not compile: {error}", table.path()),
                "use fewer or simpler patterns",
            );
            None
        }
    }
}

struct Reading {
    builder: ListBuilder,
    patterns: usize,
    everything: Vec<Range<usize>>,
}

impl Reading {
    fn read_match(&mut self, mut entry: TableReader<'_, '_>) {
        let file = entry.file();
        entry.require("ecosystem", "name the ecosystem whose names these are");
        entry.require("names", "list them: names = [\"left-pad\", \"@acme/*\"]");
        let scheme = read_ecosystem(&mut entry);
        let names = entry.strings("names");
        if names.as_ref().is_some_and(Vec::is_empty) {
            file.error(
                "empty-list",
                entry.bytes(),
                format!("`{}.names` names nothing", entry.path()),
                "list the names meant, or remove the table",
            );
        }
        let names = names.unwrap_or_default();
        let versions = entry.string("versions");
        let reason = read_reason(&mut entry);
        entry.finish();
        let Some(scheme) = scheme else {
            return;
        };
        let versions = match versions {
            None => VersionSet::Every,
            Some(written) => match read_range(file, scheme, &written) {
                Some(versions) => versions,
                None => return,
            },
        };
        for written in names {
            let Some(name) = read_name(file, scheme, &written) else {
                continue;
            };
            self.patterns += usize::from(matches!(name, NamePattern::Glob { .. }));
            if matches!(versions, VersionSet::Every) && name.is_everything() {
                self.everything.push(written.bytes.clone());
            }
            self.builder.add(
                scheme.ecosystem().clone(),
                name,
                versions.clone(),
                reason.clone(),
                &file.span(&written.bytes),
            );
        }
    }
}

/// Warns of entries that change nothing because another one says as much or more.
fn warn_of_shadowed(list: &PackageList, table: &TableReader<'_, '_>) {
    let same_name = |a: &Entry, b: &Entry| {
        (&a.ecosystem, a.is_pattern, &a.name) == (&b.ecosystem, b.is_pattern, &b.name)
    };
    for group in list.entries().chunk_by(same_name) {
        let Some(first) = group.first() else {
            continue;
        };
        let wider = match first.is_pattern {
            true => group
                .iter()
                .find(|e| matches!(e.versions, VersionSet::Every)),
            false => list.every_version_of(&first.ecosystem, &first.name),
        };
        for (at, entry) in group.iter().enumerate() {
            let earlier = group.iter().take(at);
            let twin = earlier
                .rev()
                .find(|earlier| earlier.meaning() == entry.meaning());
            let Some(by) = twin.or(wider.filter(|wider| !std::ptr::eq(*wider, entry))) else {
                continue;
            };
            let (place, by) = (list.place(entry), list.place(by));
            table.file().warning(
                "shadowed-entry",
                &table.file().bytes_from(&place),
                format!(
                    "`{}` changes nothing: line {} says it already",
                    entry.evidence(),
                    by.line
                ),
                "remove one of the two",
            );
        }
    }
}

/// Writes a list so that [`read_list`] gives an equal one.
pub(super) fn write_list(list: &PackageList, id: &RuleId, out: &mut PolicyText) {
    let is_purl = |entry: &&Entry| {
        let has_purl = matches!(entry.versions, VersionSet::Every | VersionSet::Exactly(_));
        !entry.is_pattern && entry.reason.is_none() && has_purl
    };
    let purls: Vec<String> = list
        .entries()
        .iter()
        .filter(is_purl)
        .filter_map(purl)
        .collect();
    out.texts("purls", purls.iter().map(String::as_str));
    for entry in list.entries().iter().filter(|entry| !is_purl(entry)) {
        out.array_table(&format!("rules.{id}.match"));
        out.text("ecosystem", entry.ecosystem.as_str());
        out.texts("names", [entry.name.as_str()]);
        out.text("versions", entry.versions.text());
        if let Some(reason) = &entry.reason {
            out.text("reason", reason);
        }
    }
}

fn purl(entry: &Entry) -> Option<String> {
    let name = scheme_for(&entry.ecosystem)?.package(&entry.name).ok()?;
    Some(match &entry.versions {
        VersionSet::Exactly(version) => purl_of(&name, version),
        VersionSet::Every | VersionSet::Within { .. } => name.purl(),
    })
}
