//! Versions whose life ends on a date, as a policy lists them.

use std::sync::Arc;

use crate::config::canonical::PolicyText;
use crate::config::limits::MAX_PATTERNS;
use crate::config::names::{read_ecosystem, read_name, read_range, read_reason};
use crate::config::reader::TableReader;
use crate::facts::VersionFacts;
use crate::finding::RuleId;
use crate::matching::{PackageSet, VersionSet};
use crate::model::{Ecosystem, Timestamp};

const KEY: &str = "end_of_life";

/// Versions of some packages, and when their life ends.
#[derive(Debug)]
pub struct EndOfLife {
    /// The ecosystem of the names.
    pub ecosystem: Ecosystem,
    /// The packages.
    pub packages: PackageSet,
    /// Which of their versions.
    pub versions: VersionSet,
    /// From when on.
    pub date: Timestamp,
    /// What the policy says about it.
    pub reason: Option<Arc<str>>,
}

impl EndOfLife {
    /// Whether the version is meant.
    pub fn holds(&self, facts: &VersionFacts) -> bool {
        let subject = facts.subject();
        self.packages.holds(&subject.name) && self.versions.holds(subject)
    }

    /// What tells it from other entries.
    pub(super) fn evidence(&self) -> String {
        let names: Vec<&str> = self.packages.written().iter().map(AsRef::as_ref).collect();
        let names = super::parts::evidence(names.into_iter());
        format!("{names} {} {}", self.versions.text(), self.date)
    }
}

/// Reads `[[…end_of_life]]`.
pub(super) fn read_ends(table: &mut TableReader<'_, '_>) -> Vec<EndOfLife> {
    let entries = table.tables(KEY);
    if entries.len() > MAX_PATTERNS {
        table.file().error(
            "too-many-patterns",
            table.bytes(),
            format!(
                "`{}.{KEY}` has more than {MAX_PATTERNS} entries",
                table.path()
            ),
            "join entries that end on the same day: each may have many names",
        );
        return Vec::new();
    }
    entries.into_iter().filter_map(read_end).collect()
}

fn read_end(mut entry: TableReader<'_, '_>) -> Option<EndOfLife> {
    let file = entry.file();
    entry.require("ecosystem", "name the ecosystem whose names these are");
    entry.require("names", "list them: names = [\"left-pad\", \"@acme/*\"]");
    entry.require("date", "say from when on: date = \"2026-12-31T00:00:00Z\"");
    let scheme = read_ecosystem(&mut entry);
    let written = entry.strings("names").unwrap_or_default();
    let versions = entry.string("versions");
    let date = entry.timestamp("date");
    let reason = read_reason(&mut entry);
    let place = entry.bytes().clone();
    let path = entry.path().to_owned();
    entry.finish();
    let (scheme, date) = (scheme?, date?.value);
    let versions = match versions {
        None => VersionSet::Every,
        Some(written) => read_range(file, scheme, &written)?,
    };
    let mut names = Vec::with_capacity(written.len());
    for text in &written {
        names.push(read_name(file, scheme, text)?);
    }
    let canonical = names.iter().map(|name| name.canonical().into()).collect();
    let names = names
        .into_iter()
        .map(|name| (scheme.ecosystem().clone(), name))
        .collect();
    match PackageSet::new(names, canonical) {
        Ok(packages) if !packages.written().is_empty() => Some(EndOfLife {
            ecosystem: scheme.ecosystem().clone(),
            packages,
            versions,
            date,
            reason,
        }),
        Ok(_) => {
            file.error(
                "empty-list",
                &place,
                format!("`{path}.names` names nothing"),
                "list the names meant, or remove the table",
            );
            None
        }
        Err(error) => {
            file.error(
                "invalid-packages",
                &place,
                format!("`{path}.names`: {error}"),
                "use fewer or simpler patterns",
            );
            None
        }
    }
}

/// Writes entries so that [`read_ends`] gives equal ones.
pub(super) fn write_ends(ends: &[EndOfLife], id: &RuleId, out: &mut PolicyText) {
    for end in ends {
        out.array_table(&format!("rules.{id}.{KEY}"));
        out.text("ecosystem", end.ecosystem.as_str());
        out.texts("names", end.packages.written().iter().map(AsRef::as_ref));
        out.text("versions", end.versions.text());
        out.text("date", &end.date.to_string());
        if let Some(reason) = &end.reason {
            out.text("reason", reason);
        }
    }
}
