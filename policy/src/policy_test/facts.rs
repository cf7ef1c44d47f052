//! The facts of a test: those told, and what the others are.
//!
//! A fact that is not told is known to be fine: the version and its package were published
//! [`SETTLED`] ago, the bytes are as declared, and of everything else there is none. A test thus
//! tells only what it is about. `unavailable` lists what could not be learned.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use super::read_archive::{Inside, read_inside};
use super::read_parts::{
    added_dependencies, advisories, exotic_dependencies, names, score, siblings,
};
use crate::config::reader::{Spanned, TableReader};
use crate::config::text::help_for;
use crate::facts::{
    AskedInVain, Audience, Burst, ByteFacts, Change, DigestMismatch, Fact, FactKind, FactSet,
    History, LicenseChange, PackageFacts, Popularity, Removal, RemovalScope, Similarity, Trust,
    TrustLost, VersionFacts,
};
use crate::model::{
    ArtifactId, ArtifactKind, Digest, DigestAlgorithm, Digests, FileName, PackageVersion,
    Timestamp, Version,
};

/// How long ago a version and its package were published when a test does not tell: about three
/// years, older than any rule asks for.
const SETTLED: Duration = Duration::from_secs(1_000 * 24 * 60 * 60);

/// What the cause of a fact is that a test calls unavailable.
const SAID_SO: &str = "the test says so";

/// The facts of a test that tells none.
pub(super) fn default_facts(
    subject: PackageVersion,
    file: Option<FileName>,
    at: Timestamp,
) -> VersionFacts {
    Told::default().about(subject, file, at)
}

/// Reads `[test.facts]`. `None` when they are not usable or what they are about is not.
pub(super) fn read_facts(
    mut table: TableReader<'_, '_>,
    subject: Option<(PackageVersion, Option<FileName>)>,
    at: Option<Timestamp>,
) -> Option<VersionFacts> {
    let told = Told {
        unavailable: read_unavailable(&mut table),
        published_at: instant(&mut table, "published_at"),
        first_published_at: instant(&mut table, "first_published_at"),
        first_seen_at: instant(&mut table, "first_seen_at"),
        published_at_first_sight: instant(&mut table, "published_at_first_sight"),
        first_allowed_at: instant(&mut table, "first_allowed_at"),
        removed: read_removed(&mut table),
        bytes: read_bytes(&mut table),
        size_bytes: table
            .integer("size_bytes", 0..=i64::MAX)
            .map(|size| size.value.unsigned_abs()),
        yanked: read_yanked(&mut table),
        deprecated: text(&mut table, "deprecated"),
        license: text(&mut table, "license"),
        install_hooks: names(&mut table, "install_hooks"),
        has_provenance: table.boolean("provenance").map(|read| read.value),
        publisher: text(&mut table, "publisher"),
        status: text(&mut table, "status"),
        upstream: text(&mut table, "upstream"),
        change: table.table("change").and_then(read_change),
        exotic_dependencies: exotic_dependencies(&mut table, "exotic_dependencies"),
        burst: table.table("burst").and_then(read_burst),
        siblings: siblings(&mut table),
        advisories: advisories(&mut table),
        fixes: names(&mut table, "fixes"),
        similarity: table.table("similarity").and_then(read_similarity),
        rank: table
            .integer("rank", 1..=i64::from(u32::MAX))
            .and_then(|rank| u32::try_from(rank.value).ok()),
        asked_in_vain: table.table("asked_in_vain").and_then(read_asked),
        inside: read_inside(&mut table),
    };
    table.finish();
    let (subject, file) = subject?;
    Some(told.about(subject, file, at?))
}

/// What a test tells.
#[derive(Debug, Default)]
struct Told {
    unavailable: FactSet,
    published_at: Option<Timestamp>,
    first_published_at: Option<Timestamp>,
    first_seen_at: Option<Timestamp>,
    published_at_first_sight: Option<Timestamp>,
    first_allowed_at: Option<Timestamp>,
    removed: Option<RemovalScope>,
    bytes: Bytes,
    size_bytes: Option<u64>,
    yanked: Option<Option<SmolStr>>,
    deprecated: Option<SmolStr>,
    license: Option<SmolStr>,
    install_hooks: Vec<SmolStr>,
    has_provenance: Option<bool>,
    publisher: Option<SmolStr>,
    status: Option<SmolStr>,
    upstream: Option<SmolStr>,
    change: Option<Change>,
    exotic_dependencies: Vec<crate::facts::ExoticDependency>,
    burst: Option<Burst>,
    siblings: Vec<crate::facts::Sibling>,
    advisories: Vec<crate::facts::AdvisoryMatch>,
    fixes: Vec<SmolStr>,
    similarity: Option<Similarity>,
    rank: Option<u32>,
    asked_in_vain: Option<AskedInVain>,
    inside: Inside,
}

/// What the bytes of a test's file are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Bytes {
    /// As declared, as seen before.
    #[default]
    Declared,
    /// Not what the registry declares.
    Mismatch,
    /// Not what was seen first.
    Replaced,
    /// Nothing is declared.
    Undeclared,
}

impl Told {
    /// The facts of that version, at that instant.
    fn about(self, subject: PackageVersion, file: Option<FileName>, at: Timestamp) -> VersionFacts {
        let settled = at.saturating_sub(SETTLED);
        let first_published = self.first_published_at.unwrap_or_else(|| {
            self.published_at
                .map_or(settled, |published| published.min(settled))
        });
        let published = self.published_at.unwrap_or(settled.max(first_published));
        let (declared, bytes, pinned) = self.file();
        let inside = &self.inside;
        let since = self.change.as_ref().map(|change| &change.since);
        let package = PackageFacts {
            name: subject.name.clone(),
            first_published_at: self.known(FactKind::FirstPublishedAt, Some(first_published)),
            status: self.known(FactKind::Status, self.status.clone()),
            upstream: self.upstream.clone().unwrap_or_else(|| "test".into()),
            similarity: self.known(FactKind::Similarity, self.similarity.clone()),
            popularity: self.rank.map(|rank| Popularity { rank }),
            asked_in_vain: self.asked_in_vain,
        };
        VersionFacts {
            published_at: self.known(FactKind::PublishedAt, Some(published)),
            declared,
            archive_sha256: None,
            size_bytes: self.size_bytes.map_or(Fact::Absent, Fact::Known),
            bytes,
            archive: self.shared(FactKind::Archive, Some(inside.archive())),
            agreement: self.list(FactKind::Agreement, &inside.disagreements()),
            content: self.shared(FactKind::Content, inside.content()),
            content_change: self.shared(FactKind::ContentChange, inside.content_change(since)),
            scanners: self.shared(FactKind::Scanners, inside.scanners()),
            indicators: self.shared(FactKind::Indicators, inside.indicators()),
            bundled: self.list(FactKind::Bundled, inside.bundled()),
            signature: self.known(FactKind::Signature, inside.signature()),
            is_yanked: self.known(FactKind::Yanked, Some(self.yanked.clone().flatten())),
            deprecated: self.known(FactKind::Deprecated, self.deprecated.clone()),
            license: self.known(FactKind::License, self.license.clone()),
            install_hooks: self.known(FactKind::InstallHooks, Some(self.install_hooks.clone())),
            has_provenance: self.known(
                FactKind::Provenance,
                Some(self.has_provenance.unwrap_or(false)),
            ),
            publisher: self.known(FactKind::Publisher, self.publisher.clone()),
            change: self.shared(FactKind::Change, self.change.clone()),
            exotic_dependencies: self.list(FactKind::ExoticDependencies, &self.exotic_dependencies),
            burst: self.known(FactKind::Burst, self.burst),
            siblings: self.list(FactKind::Siblings, &self.siblings),
            advisories: self.list(FactKind::Advisories, &self.advisories),
            fixes: self.fixes.clone().into(),
            audience: Audience::default(),
            history: History {
                first_seen_at: self.first_seen_at.or(Some(published.min(at))),
                published_at_first_sight: self.published_at_first_sight,
                first_allowed_at: self.first_allowed_at,
                pinned,
                removal: self.removed.map(|scope| Removal { at, scope }),
            },
            artifact: ArtifactId {
                file: file.unwrap_or_else(|| file_of(&subject)),
                subject,
                kind: ArtifactKind::Archive,
            },
            package: Arc::new(package),
        }
    }

    fn known<T>(&self, kind: FactKind, value: Option<T>) -> Fact<T> {
        if self.unavailable.contains(kind) {
            return Fact::Unavailable(SAID_SO.into());
        }
        value.map_or(Fact::Absent, Fact::Known)
    }

    fn shared<T>(&self, kind: FactKind, value: Option<T>) -> Fact<Arc<T>> {
        self.known(kind, value.map(Arc::new))
    }

    fn list<T: Clone>(&self, kind: FactKind, values: &[T]) -> Fact<Arc<[T]>> {
        self.known(kind, (!values.is_empty()).then(|| values.into()))
    }

    /// Declared digests, what fetching showed, and the bytes seen first.
    fn file(&self) -> (Fact<Digests>, Fact<ByteFacts>, Option<Digest>) {
        let found = Digest::of(b"the bytes of the test");
        let other = Digest::of(b"other bytes");
        let declared = match self.bytes {
            Bytes::Undeclared => Digests::default(),
            Bytes::Mismatch => [other.clone()].into_iter().collect(),
            Bytes::Declared | Bytes::Replaced => [found.clone()].into_iter().collect(),
        };
        let mismatches = match self.bytes {
            Bytes::Mismatch => vec![DigestMismatch {
                algorithm: DigestAlgorithm::Sha256,
                declared: other.clone(),
                found: found.clone(),
            }],
            Bytes::Declared | Bytes::Replaced | Bytes::Undeclared => Vec::new(),
        };
        let bytes = ByteFacts {
            sha256: found,
            size_bytes: self.size_bytes.unwrap_or_default(),
            mismatches,
            declared_size_bytes: None,
        };
        let declared = (!declared.is_empty()).then_some(declared);
        (
            self.known(FactKind::Declared, declared),
            self.known(FactKind::Bytes, Some(bytes)),
            (self.bytes == Bytes::Replaced).then_some(other),
        )
    }
}

/// A file name for a test that gives none. No rule reads it.
fn file_of(subject: &PackageVersion) -> FileName {
    let text = format!("{}-{}", subject.name.normalized(), subject.version);
    let plain = text.replace(
        |c: char| !c.is_ascii_graphic() || matches!(c, '/' | '\\'),
        "-",
    );
    FileName::new(plain.get(..plain.len().min(200)).unwrap_or("file"))
        .expect("visible ASCII without slashes, of 1 to 200 characters, is a file name")
}

fn instant(table: &mut TableReader<'_, '_>, key: &str) -> Option<Timestamp> {
    table.timestamp(key).map(|read| read.value)
}

fn text(table: &mut TableReader<'_, '_>, key: &str) -> Option<SmolStr> {
    table.string(key).map(|read| read.value.into())
}

fn read_unavailable(table: &mut TableReader<'_, '_>) -> FactSet {
    let mut set = FactSet::EMPTY;
    for Spanned { value, bytes } in table.strings("unavailable").unwrap_or_default() {
        match FactKind::ALL.into_iter().find(|kind| kind.name() == value) {
            Some(kind) => set.insert(kind),
            None => table.file().error(
                "unknown-value",
                &bytes,
                format!("there is no fact `{}`", crate::config::text::shown(&value)),
                help_for(&value, FactKind::ALL.map(FactKind::name)),
            ),
        }
    }
    set
}

fn read_bytes(table: &mut TableReader<'_, '_>) -> Bytes {
    let choices = [
        ("declared", Bytes::Declared),
        ("mismatch", Bytes::Mismatch),
        ("replaced", Bytes::Replaced),
        ("undeclared", Bytes::Undeclared),
    ];
    table
        .choice("bytes", &choices)
        .map_or(Bytes::Declared, |read| read.value)
}

fn read_removed(table: &mut TableReader<'_, '_>) -> Option<RemovalScope> {
    let choices = [RemovalScope::Version, RemovalScope::Project].map(|it| (it.name(), it));
    table.choice("removed", &choices).map(|read| read.value)
}

fn read_yanked(table: &mut TableReader<'_, '_>) -> Option<Option<SmolStr>> {
    let is_yanked = table.boolean("yanked");
    let reason = text(table, "yanked_reason");
    let is_yanked = is_yanked.map_or(reason.is_some(), |read| read.value);
    is_yanked.then(|| Some(reason.unwrap_or_default()))
}

fn read_change(mut table: TableReader<'_, '_>) -> Option<Change> {
    table.require(
        "since",
        "name the version compared with: since = \"1.14.0\"",
    );
    let since = text(&mut table, "since");
    let change = Change {
        since: Version::verbatim(since.clone().unwrap_or_default()),
        since_published_at: instant(&mut table, "since_published_at"),
        added_dependencies: added_dependencies(&mut table),
        added_hooks: names(&mut table, "added_hooks"),
        added_exotic: exotic_dependencies(&mut table, "added_exotic"),
        new_publisher: text(&mut table, "new_publisher"),
        new_maintainers: names(&mut table, "new_maintainers"),
        trust_lost: table.table("trust_lost").and_then(read_trust_lost),
        license: table.table("license").and_then(read_license_change),
        size_bytes: table.table("size_bytes").and_then(read_sizes),
    };
    table.finish();
    since.map(|_| change)
}

fn read_trust_lost(mut table: TableReader<'_, '_>) -> Option<TrustLost> {
    let choices = [
        ("account", Trust::Account),
        ("provenance", Trust::Provenance),
        ("trusted-publisher", Trust::TrustedPublisher),
    ];
    let help = "one of account, provenance, trusted-publisher";
    table.require("from", help);
    table.require("to", help);
    let from = table.choice("from", &choices);
    let to = table.choice("to", &choices);
    table.finish();
    Some(TrustLost {
        from: from?.value,
        to: to?.value,
    })
}

fn read_license_change(mut table: TableReader<'_, '_>) -> Option<LicenseChange> {
    let from = text(&mut table, "from").unwrap_or_default();
    let to = text(&mut table, "to").unwrap_or_default();
    table.finish();
    Some(LicenseChange { from, to })
}

fn read_sizes(mut table: TableReader<'_, '_>) -> Option<(u64, u64)> {
    table.require("from", "the size in bytes before");
    table.require("to", "the size in bytes now");
    let mut size = |key| {
        let read = table.integer(key, 0..=i64::MAX)?;
        Some(read.value.unsigned_abs())
    };
    let sizes = (size("from"), size("to"));
    table.finish();
    Some((sizes.0?, sizes.1?))
}

fn read_burst(mut table: TableReader<'_, '_>) -> Option<Burst> {
    table.require("versions", "how many versions were published at once");
    let mut count = |key| {
        let read = table.integer(key, 0..=i64::from(u32::MAX))?;
        u32::try_from(read.value).ok()
    };
    let (versions, habit) = (count("versions"), count("habit"));
    table.finish();
    Some(Burst {
        versions: versions?,
        habit: habit.unwrap_or(1),
    })
}

fn read_similarity(mut table: TableReader<'_, '_>) -> Option<Similarity> {
    table.require("score", "how alike, from 0 to 1: score = 0.93");
    table.require("target", "the popular package it looks like");
    let score = score(&mut table, "score");
    let target = text(&mut table, "target");
    let technique = text(&mut table, "technique").unwrap_or_else(|| "as the test says".into());
    table.finish();
    Some(Similarity {
        score: score?,
        target: target?,
        technique,
    })
}

fn read_asked(mut table: TableReader<'_, '_>) -> Option<AskedInVain> {
    table.require("first_at", "when it was first asked for");
    let first_at = instant(&mut table, "first_at");
    table.finish();
    Some(AskedInVain {
        first_at: first_at?,
    })
}
