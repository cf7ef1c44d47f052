//! The lists inside the facts of a test.

use smol_str::SmolStr;

use crate::config::names::read_purl;
use crate::config::reader::{Spanned, TableReader};
use crate::config::text::shown;
use crate::facts::{
    AddedDependency, AdvisoryKind, AdvisoryMatch, DependencyKind, ExoticDependency, ExoticSource,
    Fact, Named, Score, Sibling, Standing,
};
use crate::model::{PackageName, PackageVersion};

/// Reads the purl of one version.
pub(super) fn read_subject(
    table: &TableReader<'_, '_>,
    written: &Spanned<String>,
) -> Option<PackageVersion> {
    let (name, version) = read_purl(table.file(), written)?;
    let Some(version) = version else {
        table.file().error(
            "missing-version",
            &written.bytes,
            format!("`{}` names no version", shown(&written.value)),
            "one version is meant: pkg:npm/left-pad@1.3.1",
        );
        return None;
    };
    Some(PackageVersion { name, version })
}

/// Reads a list of texts; without the key, none.
pub(super) fn names(table: &mut TableReader<'_, '_>, key: &str) -> Vec<SmolStr> {
    let texts = table.strings(key).unwrap_or_default();
    texts.into_iter().map(|text| text.value.into()).collect()
}

/// Reads something between 0 and 1.
pub(super) fn score(table: &mut TableReader<'_, '_>, key: &str) -> Option<Score> {
    thousandths(table, key).map(Score)
}

fn thousandths(table: &mut TableReader<'_, '_>, key: &str) -> Option<u16> {
    let read = table.decimal(key, 3, 0..=1_000)?;
    u16::try_from(read.value).ok()
}

/// Reads `[[…advisories]]`.
pub(super) fn advisories(table: &mut TableReader<'_, '_>) -> Vec<AdvisoryMatch> {
    let tables = table.tables("advisories");
    let mut found: Vec<AdvisoryMatch> = tables.into_iter().filter_map(advisory).collect();
    found.sort();
    found
}

fn advisory(mut table: TableReader<'_, '_>) -> Option<AdvisoryMatch> {
    table.require("id", "the record's id: id = \"GHSA-xxxx-xxxx-xxxx\"");
    table.require("kind", "what it warns of: kind = \"malware\"");
    let kinds = [
        ("malware", AdvisoryKind::Malware),
        ("vulnerability", AdvisoryKind::Vulnerability),
        ("unmaintained", AdvisoryKind::Unmaintained),
        ("unsound", AdvisoryKind::Unsound),
        ("notice", AdvisoryKind::Notice),
    ];
    let namings = [
        ("listed", Named::Listed),
        ("range", Named::Range),
        ("everything", Named::Everything),
        ("unreadable", Named::Unreadable),
    ];
    let id = table.string("id");
    let kind = table.choice("kind", &kinds);
    let mut flag = |key| table.boolean(key).is_some_and(|read| read.value);
    let (is_reviewed, is_exploited) = (flag("reviewed"), flag("exploited"));
    let cvss = table.decimal("cvss", 1, 0..=100);
    let found = AdvisoryMatch {
        id: id
            .as_ref()
            .map(|id| id.value.as_str().into())
            .unwrap_or_default(),
        aliases: names(&mut table, "aliases"),
        kind: kind
            .as_ref()
            .map_or(AdvisoryKind::Notice, |kind| kind.value),
        named: table
            .choice("named", &namings)
            .map_or(Named::Listed, |read| read.value),
        cvss_tenths: cvss.and_then(|cvss| u8::try_from(cvss.value).ok()),
        fixed: names(&mut table, "fixed"),
        is_reviewed,
        published_at: table.timestamp("published_at").map(|read| read.value),
        modified_at: table.timestamp("modified_at").map(|read| read.value),
        summary: table
            .string("summary")
            .map_or_else(|| "as the test says".into(), |read| read.value.into()),
        is_exploited,
        epss_thousandths: thousandths(&mut table, "epss"),
    };
    table.finish();
    id.zip(kind).map(|_| found)
}

/// Reads `[[…added_dependencies]]`.
pub(super) fn added_dependencies(table: &mut TableReader<'_, '_>) -> Vec<AddedDependency> {
    let tables = table.tables("added_dependencies");
    tables.into_iter().filter_map(added_dependency).collect()
}

fn added_dependency(mut table: TableReader<'_, '_>) -> Option<AddedDependency> {
    table.require("package", "name it: package = \"pkg:npm/plain-crypto-js\"");
    let kinds = [
        ("normal", DependencyKind::Normal),
        ("build", DependencyKind::Build),
        ("optional", DependencyKind::Optional),
        ("peer", DependencyKind::Peer),
    ];
    let package = table.string("package");
    let package = package.and_then(|written| read_package(&table, &written));
    let kind = table
        .choice("kind", &kinds)
        .map_or(DependencyKind::Normal, |read| read.value);
    let first_published_at = table.timestamp("first_published_at");
    let rank = table
        .integer("rank", 1..=i64::from(u32::MAX))
        .and_then(|rank| u32::try_from(rank.value).ok());
    let is_unknown = table.boolean("unknown").is_some_and(|read| read.value);
    let is_of_known_owner = table.boolean("known_owner").is_some_and(|read| read.value);
    table.finish();
    let first_published_at = match first_published_at {
        Some(at) => Fact::Known(at.value),
        None if is_unknown => Fact::Unavailable("the test says so".into()),
        None => Fact::Absent,
    };
    Some(AddedDependency {
        package: package?,
        kind,
        is_of_known_owner,
        standing: Fact::Known(Standing {
            first_published_at,
            rank,
        }),
    })
}

fn read_package(table: &TableReader<'_, '_>, written: &Spanned<String>) -> Option<PackageName> {
    let (name, version) = read_purl(table.file(), written)?;
    if version.is_some() {
        table.file().error(
            "unclear-scope",
            &written.bytes,
            "a dependency is a package, not a version",
            "leave out what follows `@`",
        );
        return None;
    }
    Some(name)
}

/// Reads tables of dependencies from outside the registry.
pub(super) fn exotic_dependencies(
    table: &mut TableReader<'_, '_>,
    key: &str,
) -> Vec<ExoticDependency> {
    let tables = table.tables(key);
    let mut found: Vec<ExoticDependency> = tables.into_iter().filter_map(exotic).collect();
    found.sort();
    found
}

fn exotic(mut table: TableReader<'_, '_>) -> Option<ExoticDependency> {
    table.require("name", "the name it goes by");
    table.require("source", "where it comes from: source = \"git\"");
    let sources = [
        ("git", ExoticSource::Git),
        ("url", ExoticSource::Url),
        ("file", ExoticSource::File),
        ("registry", ExoticSource::Registry),
    ];
    let name = table.string("name");
    let source = table.choice("source", &sources);
    let written = table.string("written");
    table.finish();
    Some(ExoticDependency {
        name: name?.value.into(),
        source: source?.value,
        written: written.map(|read| read.value.into()).unwrap_or_default(),
    })
}

/// Reads `[[…siblings]]`.
pub(super) fn siblings(table: &mut TableReader<'_, '_>) -> Vec<Sibling> {
    let tables = table.tables("siblings");
    tables.into_iter().filter_map(sibling).collect()
}

fn sibling(mut table: TableReader<'_, '_>) -> Option<Sibling> {
    table.require(
        "package",
        "name the version: package = \"pkg:npm/%40acme/a@1.2.0\"",
    );
    let package = table.string("package");
    let subject = package.and_then(|written| read_subject(&table, &written));
    let published_at = table.timestamp("published_at");
    table.finish();
    let published_at = match published_at {
        Some(at) => Fact::Known(at.value),
        None => Fact::Unavailable("the test says so".into()),
    };
    Some(Sibling {
        subject: subject?,
        published_at,
    })
}
