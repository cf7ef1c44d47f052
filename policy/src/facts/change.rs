//! What a version changes against the one before it.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Fact;
use crate::model::{PackageName, PackageVersion, Timestamp, Version};

/// The difference between a version and the one it is compared with: the newest earlier one of
/// the same major line whose own changes were unremarkable or have settled (see [`crate::change`]).
/// Lists are sorted; what did not change is empty or `None`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// The version compared with.
    pub since: Version,
    /// When that was published; `None` where the registry does not tell, and versions are compared
    /// in their own order instead of that of publication.
    pub since_published_at: Option<Timestamp>,
    /// Dependencies that it did not have.
    pub added_dependencies: Vec<AddedDependency>,
    /// Code that runs at install and was not there: `postinstall`, `gypfile`, …
    pub added_hooks: Vec<SmolStr>,
    /// Dependencies from outside the registry that were not there.
    pub added_exotic: Vec<ExoticDependency>,
    /// Who published it, when nobody of that name had published the package before, or only since
    /// a few weeks ([`crate::change::SETTLED`]).
    pub new_publisher: Option<SmolStr>,
    /// Who may publish it now and was not named before, where versions name their maintainers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_maintainers: Vec<SmolStr>,
    /// How far its publication can be trusted, when that is less than before.
    pub trust_lost: Option<TrustLost>,
    /// The licence before and now, when the wording changed.
    pub license: Option<LicenseChange>,
    /// Size in bytes before and now, when both are declared and are of files of the same kind.
    pub size_bytes: Option<(u64, u64)>,
}

/// A dependency a version newly has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AddedDependency {
    /// The package.
    pub package: PackageName,
    /// What it is required for.
    pub kind: DependencyKind,
    /// Whether only somebody can have registered it whose code came with the package before: it is
    /// in an npm scope, and that scope is the package's own, the account's that published the
    /// version compared with, or one that version or a settled earlier one depended on. Scopes have one owner; in
    /// other ecosystems a name proves nothing, and this is `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_of_known_owner: bool,
    /// What is known of that package. `NotYet` as an adapter leaves it; the engine asks.
    pub standing: Fact<Standing>,
}

/// What a dependency is required for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DependencyKind {
    /// To run.
    Normal,
    /// To build (cargo); its code runs at build time.
    Build,
    /// If it can be had.
    Optional,
    /// Beside it, chosen by the one who depends (npm `peerDependencies`).
    Peer,
}

/// What is known of a package that another one newly depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// When it was first published.
    pub first_published_at: Fact<Timestamp>,
    /// Its rank in the list of popular packages, 1 is first; `None` when it is not in it.
    pub rank: Option<u32>,
}

/// A dependency that does not come from the registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExoticDependency {
    /// The name it goes by.
    pub name: SmolStr,
    /// Where it comes from.
    pub source: ExoticSource,
    /// The specification as written, cut to a bounded length. Foreign text.
    pub written: SmolStr,
}

/// Where a dependency comes from that is not the registry's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExoticSource {
    /// A version control repository, shorthands such as `user/repository` included.
    Git,
    /// An address of an archive.
    Url,
    /// A path of the installing machine.
    File,
    /// Another registry (cargo).
    Registry,
}

/// How far a publication can be trusted by what the registry says, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Nothing but the publisher's account.
    Account,
    /// An attestation of provenance.
    Provenance,
    /// Published by a workflow the registry trusts to publish the package, which it verified itself.
    TrustedPublisher,
}

/// A loss of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrustLost {
    /// Before.
    pub from: Trust,
    /// Now.
    pub to: Trust,
}

/// A change of licence, as the registry words both; empty when none was declared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LicenseChange {
    /// Before.
    pub from: SmolStr,
    /// Now.
    pub to: SmolStr,
}

/// Versions of a package published together, against its own habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Burst {
    /// Versions published within half an hour of this one, before or after, itself included.
    pub versions: u32,
    /// The most that were published within any hour long enough ago to be a habit
    /// ([`crate::change::SETTLED`]): a burst that goes on does not make itself usual.
    pub habit: u32,
}

/// A version that another one of the same scope or project pins exactly.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sibling {
    /// The pinned version.
    pub subject: PackageVersion,
    /// When it was published.
    pub published_at: Fact<Timestamp>,
}
