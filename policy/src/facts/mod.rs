//! What is known about a version when it is judged.

mod advisory;
mod archive;
mod bundled;
mod change;
mod names;
mod removal;
mod scanner;
mod signature;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use advisory::{AdvisoryKind, AdvisoryMatch, Named};
pub use archive::ArchiveFacts;
pub use bundled::Bundled;
pub use change::{
    AddedDependency, Burst, Change, DependencyKind, ExoticDependency, ExoticSource, LicenseChange,
    Sibling, Standing, Trust, TrustLost,
};
pub use names::{AskedInVain, Audience, Popularity, Score, Similarity};
pub use removal::{Removal, RemovalScope};
pub use scanner::{
    ScanFinding, ScanOutcome, ScanReport, ScanSeverity, ScanVerdict, Scanned, ScannerVerdicts,
};
pub use signature::{SignatureFacts, SignatureVerdict};

use crate::inspect::content::{ContentChange, ContentFacts};
use crate::inspect::indicators::IndicatorFacts;
use crate::inspect::manifest::Disagreement;
use crate::model::{
    ArtifactId, Digest, DigestAlgorithm, Digests, PackageName, PackageVersion, Timestamp,
};

/// One thing that may be known.
///
/// The difference between the last three is what keeps Cordon from failing open: a rule may accept
/// `Absent`, must hold or refuse on `Unavailable`, and waits on `NotYet`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact<T> {
    /// Learned.
    Known(T),
    /// The registry says there is none.
    Absent,
    /// Asked for, and could not be learned; the text says why.
    Unavailable(SmolStr),
    /// Not asked so far.
    NotYet,
}

impl<T> Fact<T> {
    /// The value, if known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unavailable(_) | Self::NotYet => None,
        }
    }
}

/// The kinds of fact a rule can need or an evaluation can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum FactKind {
    /// [`VersionFacts::published_at`].
    PublishedAt,
    /// [`VersionFacts::declared`].
    Declared,
    /// [`VersionFacts::bytes`].
    Bytes,
    /// [`VersionFacts::is_yanked`].
    Yanked,
    /// [`VersionFacts::deprecated`].
    Deprecated,
    /// [`VersionFacts::license`].
    License,
    /// [`VersionFacts::install_hooks`].
    InstallHooks,
    /// [`VersionFacts::has_provenance`].
    Provenance,
    /// [`VersionFacts::publisher`].
    Publisher,
    /// [`PackageFacts::first_published_at`].
    FirstPublishedAt,
    /// [`VersionFacts::advisories`].
    Advisories,
    /// [`VersionFacts::change`].
    Change,
    /// [`AddedDependency::standing`] of what [`VersionFacts::change`] tells.
    Standing,
    /// [`VersionFacts::exotic_dependencies`].
    ExoticDependencies,
    /// [`VersionFacts::burst`].
    Burst,
    /// [`PackageFacts::similarity`].
    Similarity,
    /// [`PackageFacts::status`].
    Status,
    /// [`VersionFacts::siblings`].
    Siblings,
    /// [`VersionFacts::archive`].
    Archive,
    /// [`VersionFacts::agreement`].
    Agreement,
    /// [`VersionFacts::content`].
    Content,
    /// [`VersionFacts::content_change`].
    ContentChange,
    /// [`VersionFacts::scanners`].
    Scanners,
    /// [`VersionFacts::indicators`].
    Indicators,
    /// [`VersionFacts::bundled`].
    Bundled,
    /// [`VersionFacts::signature`].
    Signature,
}

impl FactKind {
    /// Every kind, in order.
    pub const ALL: [Self; 26] = [
        Self::PublishedAt,
        Self::Declared,
        Self::Bytes,
        Self::Yanked,
        Self::Deprecated,
        Self::License,
        Self::InstallHooks,
        Self::Provenance,
        Self::Publisher,
        Self::FirstPublishedAt,
        Self::Advisories,
        Self::Change,
        Self::Standing,
        Self::ExoticDependencies,
        Self::Burst,
        Self::Similarity,
        Self::Status,
        Self::Siblings,
        Self::Archive,
        Self::Agreement,
        Self::Content,
        Self::ContentChange,
        Self::Scanners,
        Self::Indicators,
        Self::Bundled,
        Self::Signature,
    ];

    /// The kebab-case name used in records and in the evidence of findings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PublishedAt => "published-at",
            Self::Declared => "declared",
            Self::Bytes => "bytes",
            Self::Yanked => "yanked",
            Self::Deprecated => "deprecated",
            Self::License => "license",
            Self::InstallHooks => "install-hooks",
            Self::Provenance => "provenance",
            Self::Publisher => "publisher",
            Self::FirstPublishedAt => "first-published-at",
            Self::Advisories => "advisories",
            Self::Change => "change",
            Self::Standing => "standing",
            Self::ExoticDependencies => "exotic-dependencies",
            Self::Burst => "burst",
            Self::Similarity => "similarity",
            Self::Status => "status",
            Self::Siblings => "siblings",
            Self::Archive => "archive",
            Self::Agreement => "agreement",
            Self::Content => "content",
            Self::ContentChange => "content-change",
            Self::Scanners => "scanners",
            Self::Indicators => "indicators",
            Self::Bundled => "bundled",
            Self::Signature => "signature",
        }
    }
}

/// A set of [`FactKind`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<FactKind>", into = "Vec<FactKind>")]
pub struct FactSet(u32);

impl FactSet {
    /// No fact.
    pub const EMPTY: Self = Self(0);

    /// The set of one fact.
    pub const fn of(kind: FactKind) -> Self {
        Self(1 << kind as u8)
    }

    /// Adds a fact.
    pub fn insert(&mut self, kind: FactKind) {
        self.0 |= Self::of(kind).0;
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the fact is in the set.
    pub const fn contains(self, kind: FactKind) -> bool {
        self.0 & Self::of(kind).0 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in order.
    pub fn iter(self) -> impl Iterator<Item = FactKind> {
        FactKind::ALL
            .into_iter()
            .filter(move |kind| self.contains(*kind))
    }
}

impl From<Vec<FactKind>> for FactSet {
    fn from(kinds: Vec<FactKind>) -> Self {
        kinds
            .into_iter()
            .fold(Self::EMPTY, |set, kind| set.union(Self::of(kind)))
    }
}

impl From<FactSet> for Vec<FactKind> {
    fn from(set: FactSet) -> Self {
        set.iter().collect()
    }
}

/// Everything known about one candidate: a version or, where the registry publishes files one by
/// one (PyPI), one file of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFacts {
    /// The file being judged, with its version. For npm and cargo the version's only archive.
    pub artifact: ArtifactId,
    /// When the registry says it was published (PyPI: when this file was uploaded).
    pub published_at: Fact<Timestamp>,
    /// The digests the registry declares for the file.
    pub declared: Fact<Digests>,
    /// Of a file that derives from an archive (core metadata, provenance): the SHA-256 the registry
    /// declares for that archive, if it does. `None` for archives themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_sha256: Option<Digest>,
    /// Size of the file in bytes, as declared. No rule of its own; shown and checked on arrival.
    pub size_bytes: Fact<u64>,
    /// What the bytes themselves showed; `NotYet` until they were fetched.
    pub bytes: Fact<ByteFacts>,
    /// What reading the archive showed; `NotYet` until it was inspected.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub archive: Fact<Arc<ArchiveFacts>>,
    /// Where the registry and the archive contradict each other; `Absent` when they agree.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub agreement: Fact<Arc<[Disagreement]>>,
    /// What the archive's files can do; `NotYet` until they were looked at, which is done where a
    /// rule wants it.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub content: Fact<Arc<ContentFacts>>,
    /// What of that changed against the version before; `Absent` when there is none to compare
    /// with.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub content_change: Fact<Arc<ContentChange>>,
    /// What scanners other than Cordon say; `Absent` where there are none.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub scanners: Fact<Arc<ScannerVerdicts>>,
    /// Which indicators are in the archive's files; `NotYet` until they were searched.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub indicators: Fact<Arc<IndicatorFacts>>,
    /// Other packages its archive brings along (npm); `Absent` when there are none.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub bundled: Fact<Arc<[Bundled]>>,
    /// What the registry's signature of it proves (npm); `Absent` where there is nothing to prove:
    /// no signature, or no keys to check one by. `NotYet` until its file is asked for.
    #[serde(default = "absent", skip_serializing_if = "is_absent")]
    pub signature: Fact<SignatureFacts>,
    /// Whether it is yanked, and the reason given (possibly empty).
    pub is_yanked: Fact<Option<SmolStr>>,
    /// The deprecation message, `Absent` when it is not deprecated.
    pub deprecated: Fact<SmolStr>,
    /// The licence as the registry words it, unparsed.
    pub license: Fact<SmolStr>,
    /// Code that runs when the package is installed, as far as metadata tells.
    pub install_hooks: Fact<Vec<SmolStr>>,
    /// Whether the registry offers a provenance attestation.
    pub has_provenance: Fact<bool>,
    /// Who published it, as the registry names them.
    pub publisher: Fact<SmolStr>,
    /// What the version changes against the one before; `Absent` for the first of its line.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub change: Fact<Arc<Change>>,
    /// Dependencies from outside the registry; `Absent` when there are none.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub exotic_dependencies: Fact<Arc<[ExoticDependency]>>,
    /// Whether it is one of several published at once; `Absent` when it is not.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub burst: Fact<Burst>,
    /// What it pins exactly of its own scope or project; `Absent` when nothing, or when it is old
    /// enough for that not to matter.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub siblings: Fact<Arc<[Sibling]>>,
    /// The advisories that name it; `Absent` when none does, `Unavailable` without data that may
    /// be believed.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub advisories: Fact<Arc<[AdvisoryMatch]>>,
    /// Ids of reviewed advisories that call exactly this version their fix.
    #[serde(default, skip_serializing_if = "<[SmolStr]>::is_empty")]
    pub fixes: Arc<[SmolStr]>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_anybody")]
    pub audience: Audience,
    /// What Cordon itself remembers of it.
    pub history: History,
    /// What is known about the package as a whole.
    pub package: Arc<PackageFacts>,
}

/// Records of versions that did not know a fact had not asked for it.
const fn not_yet<T>() -> Fact<T> {
    Fact::NotYet
}

const fn is_not_yet<T>(fact: &Fact<T>) -> bool {
    matches!(fact, Fact::NotYet)
}

/// Records of versions that looked at no signatures tell of none.
const fn absent<T>() -> Fact<T> {
    Fact::Absent
}

const fn is_absent<T>(fact: &Fact<T>) -> bool {
    matches!(fact, Fact::Absent)
}

fn is_anybody(audience: &Audience) -> bool {
    *audience == Audience::default()
}

impl VersionFacts {
    /// The version being judged.
    pub fn subject(&self) -> &PackageVersion {
        &self.artifact.subject
    }

    /// Facts about a candidate of which nothing but its identity has been asked so far.
    pub fn unknown(artifact: ArtifactId, package: Arc<PackageFacts>) -> Self {
        Self {
            artifact,
            published_at: Fact::NotYet,
            declared: Fact::NotYet,
            archive_sha256: None,
            size_bytes: Fact::NotYet,
            bytes: Fact::NotYet,
            archive: Fact::NotYet,
            agreement: Fact::NotYet,
            content: Fact::NotYet,
            content_change: Fact::NotYet,
            scanners: Fact::NotYet,
            indicators: Fact::NotYet,
            bundled: Fact::NotYet,
            signature: Fact::Absent,
            is_yanked: Fact::NotYet,
            deprecated: Fact::NotYet,
            license: Fact::NotYet,
            install_hooks: Fact::NotYet,
            has_provenance: Fact::NotYet,
            publisher: Fact::NotYet,
            change: Fact::NotYet,
            exotic_dependencies: Fact::NotYet,
            burst: Fact::NotYet,
            siblings: Fact::NotYet,
            advisories: Fact::NotYet,
            fixes: Arc::default(),
            audience: Audience::default(),
            history: History::default(),
            package,
        }
    }
}

/// What is known about a package, shared by all its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// The package.
    pub name: PackageName,
    /// When the oldest version the registry still tells of was published.
    pub first_published_at: Fact<Timestamp>,
    /// The project's status where the registry has one (PEP 792: `active`, `quarantined`, …).
    pub status: Fact<SmolStr>,
    /// Which configured upstream answered for it.
    pub upstream: SmolStr,
    /// The popular package its name looks made to be taken for; `Absent` when there is none.
    #[serde(default = "not_yet", skip_serializing_if = "is_not_yet")]
    pub similarity: Fact<Similarity>,
    /// Its place among the popular packages; `None` when it is not one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub popularity: Option<Popularity>,
    /// Whether it was asked for here before it existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_in_vain: Option<AskedInVain>,
}

impl PackageFacts {
    /// A package of which nothing but where it comes from is known.
    pub fn unknown(name: PackageName, upstream: SmolStr) -> Self {
        Self {
            name,
            first_published_at: Fact::NotYet,
            status: Fact::NotYet,
            upstream,
            similarity: Fact::NotYet,
            popularity: None,
            asked_in_vain: None,
        }
    }
}

/// What fetching a file showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteFacts {
    /// Cordon's own digest of the bytes.
    pub sha256: Digest,
    /// Number of bytes.
    pub size_bytes: u64,
    /// Declared digests the bytes do not have.
    pub mismatches: Vec<DigestMismatch>,
    /// The size the registry declared, when it is not the one found.
    pub declared_size_bytes: Option<u64>,
}

/// A declared digest and the one found instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestMismatch {
    /// The algorithm.
    pub algorithm: DigestAlgorithm,
    /// What the registry declared.
    pub declared: Digest,
    /// What the bytes have.
    pub found: Digest,
}

/// What Cordon remembers about a candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When Cordon first saw it listed.
    pub first_seen_at: Option<Timestamp>,
    /// The publication time the registry gave at that first sight; a later, different story is
    /// not believed when it would make the version older.
    pub published_at_first_sight: Option<Timestamp>,
    /// When Cordon first allowed its bytes to be served.
    pub first_allowed_at: Option<Timestamp>,
    /// SHA-256 of the bytes first seen under this name: written once, never changed.
    pub pinned: Option<Digest>,
    /// That upstream lists it no longer, although Cordon had it from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
}
