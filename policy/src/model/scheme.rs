//! How one ecosystem names and orders things.

use std::cmp::Ordering;

use super::{Ecosystem, PackageName, Version};

/// The naming and ordering rules of one ecosystem. Implemented once per ecosystem under
/// [`crate::ecosystem`]; there is no other canonicaliser of names anywhere in Cordon.
pub trait Scheme: Send + Sync {
    /// The purl type.
    fn ecosystem(&self) -> &Ecosystem;

    /// The name OSV records use: `npm`, `PyPI`, `crates.io`.
    fn osv_name(&self) -> &'static str;

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

    /// The version this one is a local variant of (PEP 440: `1.0` of `1.0+cpu`), where the ecosystem
    /// has such.
    fn public_version(&self, _version: &Version) -> Option<Version> {
        None
    }

    /// Whether the ecosystem's installers treat the version as a pre-release. What does not parse
    /// counts as one, so that it is never chosen as a replacement for a stable version.
    fn is_prerelease(&self, version: &Version) -> bool;

    /// Parses a range in the ecosystem's own requirement syntax (npm range, PEP 440 specifier set,
    /// cargo requirement). For policy, a range matches pre-releases inside its bounds as well, and
    /// an unparsable version matches no range except `*`.
    fn range(&self, raw: &str) -> Result<Box<dyn VersionRange>, RangeError>;

    /// The union of ranges: a version lies in it when it lies in one of them. Worth its own method
    /// because reading the version costs more than comparing it, and a union reads it once.
    fn any_range(&self, raws: &[&str]) -> Result<Box<dyn VersionRange>, RangeError>;
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
