//! How one ecosystem names and orders things.

use std::cmp::Ordering;

use super::{Ecosystem, PackageName, Version};
use crate::facts::FactSet;

/// The naming and ordering rules of one ecosystem. Implemented once per ecosystem under
/// [`crate::ecosystem`]; there is no other canonicaliser of names anywhere in Cordon.
pub trait Scheme: Send + Sync {
    /// The purl type.
    fn ecosystem(&self) -> &Ecosystem;

    /// The name OSV records use: `npm`, `PyPI`, `crates.io`.
    fn osv_name(&self) -> &'static str;

    /// Whether OSV records name packages by their exact spelling (npm, crates.io), not by the
    /// normalised name. Counts only where the schema's own evaluation is wanted.
    fn compares_names_by_spelling(&self) -> bool {
        true
    }

    /// Whether the registry declares a SHA-256 for every file, so that a file's bytes can be named
    /// before they are fetched.
    fn declares_sha256(&self) -> bool {
        true
    }

    /// Checks a name against the ecosystem's grammar and normalises it.
    ///
    /// Normalising is idempotent: `package(p.normalized())` gives an equal name.
    fn package(&self, raw: &str) -> Result<PackageName, NameError>;

    /// Checks a version given by a client or a policy author. Registry documents use
    /// [`Version::verbatim`] instead.
    fn version(&self, raw: &str) -> Result<Version, VersionError>;

    /// Total order over versions, also over those that do not parse (which sort below all that
    /// do, among themselves by spelling).
    fn compare(&self, a: &Version, b: &Version) -> Ordering;

    /// Appends a key whose bytes order versions as [`Self::compare`] does, so that a version is
    /// read once to be compared with many; equal keys are versions of equal meaning. `false`, and
    /// nothing is appended, when the version does not parse. Keys are kept in index files: a change
    /// of their form is a new format of those.
    fn order_key(&self, version: &Version, key: &mut Vec<u8>) -> bool;

    /// Appends a boundary among the keys of [`Self::order_key`]: below every version whose release
    /// begins with these numbers (`1.2`: from 1.2.0-0 or 1.2.dev0 on), and above every one before
    /// those. Missing numbers count as zero where versions may leave them out. `false`, and nothing
    /// is appended, when no version has so many numbers.
    fn prefix_key(&self, numbers: &[u64], key: &mut Vec<u8>) -> bool;

    /// The version this one is a local variant of (PEP 440: `1.0` of `1.0+cpu`), where the ecosystem
    /// has such.
    fn public_version(&self, _version: &Version) -> Option<Version> {
        None
    }

    /// Whether the ecosystem's installers treat the version as a pre-release. What does not parse
    /// counts as one, so that it is never chosen as a replacement for a stable version.
    fn is_prerelease(&self, version: &Version) -> bool;

    /// The line a version belongs to.
    fn line(&self, version: &Version) -> Line;

    /// Facts the registry's metadata never tells. A rule that needs one of them cannot work here,
    /// and a policy that enables it here is refused.
    fn untold(&self) -> FactSet {
        FactSet::EMPTY
    }

    /// Parses a range in the ecosystem's own requirement syntax (npm range, PEP 440 specifier set,
    /// cargo requirement). For policy, a range matches pre-releases inside its bounds as well, and
    /// an unparsable version matches no range except `*`.
    fn range(&self, raw: &str) -> Result<Box<dyn VersionRange>, RangeError>;

    /// The union of ranges: a version lies in it when it lies in one of them. Worth its own method
    /// because reading the version costs more than comparing it, and a union reads it once.
    fn any_range(&self, raws: &[&str]) -> Result<Box<dyn VersionRange>, RangeError>;
}

/// Versions that follow one another without anybody choosing a new interface: those an ordinary
/// requirement moves along by itself. Lines are ordered as their versions are.
///
/// SemVer: the major number; below 1.0 the minor one, because `^0.3.1` ends at 0.4. PEP 440: epoch
/// and first release number. What does not parse is the lowest line of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(Option<[u64; 2]>);

impl Line {
    /// The line of versions that do not parse.
    pub const UNREADABLE: Self = Self(None);

    /// The line of those numbers, the more significant first.
    pub const fn new(first: u64, second: u64) -> Self {
        Self(Some([first, second]))
    }

    /// The line of a SemVer version.
    pub const fn of_semver(major: u64, minor: u64) -> Self {
        match major {
            0 => Self::new(0, minor),
            _ => Self::new(major, 0),
        }
    }
}

/// A parsed version range.
pub trait VersionRange: Send + Sync + std::fmt::Debug {
    /// Whether the version lies in the range.
    fn contains(&self, version: &Version) -> bool;
}

/// A name outside its ecosystem's grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{raw}` is not a valid {ecosystem} package name: {why}")]
pub struct NameError {
    /// The ecosystem whose grammar was applied.
    pub ecosystem: Ecosystem,
    /// What was given, escaped and cut to a printable length.
    pub raw: String,
    /// The rule that was broken.
    pub why: &'static str,
}

/// A version outside its ecosystem's grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{raw}` is not a valid {ecosystem} version")]
pub struct VersionError {
    /// The ecosystem whose grammar was applied.
    pub ecosystem: Ecosystem,
    /// What was given, escaped and cut to a printable length.
    pub raw: String,
}

/// A version range that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{raw}` is not a valid {ecosystem} version range: {why}")]
pub struct RangeError {
    /// The ecosystem whose grammar was applied.
    pub ecosystem: Ecosystem,
    /// What was given.
    pub raw: String,
    /// What the parser said.
    pub why: String,
}
