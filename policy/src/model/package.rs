//! Ecosystems, package names, versions.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A registry family, named by its package-URL type: `npm`, `pypi`, `cargo`.
///
/// Open on purpose: nothing outside an adapter may match on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ecosystem(SmolStr);

impl Ecosystem {
    /// Names an ecosystem by its purl type, which must be lower-case ASCII letters and digits.
    pub const fn from_static(purl_type: &'static str) -> Self {
        Self(SmolStr::new_static(purl_type))
    }

    /// The purl type, e.g. `npm`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A package's name, as its registry would accept it. Made only by [`Scheme::package`].
///
/// Two names are the same package when ecosystem and normalised form agree; the published spelling
/// is kept for display and for building upstream addresses.
///
/// [`Scheme::package`]: super::Scheme::package
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PackageName {
    ecosystem: Ecosystem,
    normalized: SmolStr,
    as_published: SmolStr,
    #[serde(default)]
    is_printed_normalized: bool,
}

impl PackageName {
    /// For [`Scheme`](super::Scheme) implementations only: the caller has checked the grammar and
    /// computed the normal form.
    pub fn from_checked_parts(
        ecosystem: Ecosystem,
        normalized: impl Into<SmolStr>,
        as_published: impl Into<SmolStr>,
    ) -> Self {
        Self {
            ecosystem,
            normalized: normalized.into(),
            as_published: as_published.into(),
            is_printed_normalized: false,
        }
    }

    /// For [`Scheme`](super::Scheme) implementations only: the ecosystem's package URLs carry the
    /// normalised name (PyPI), not the published spelling (npm, cargo).
    pub fn printed_normalized(self) -> Self {
        Self {
            is_printed_normalized: true,
            ..self
        }
    }

    /// The registry family this name belongs to.
    pub fn ecosystem(&self) -> &Ecosystem {
        &self.ecosystem
    }

    /// The form used for comparison, policy and storage keys.
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// The spelling it was given with.
    pub fn as_published(&self) -> &str {
        &self.as_published
    }

    /// The spelling used in package URLs, hence everywhere in print.
    pub(super) fn printed(&self) -> &str {
        if self.is_printed_normalized {
            &self.normalized
        } else {
            &self.as_published
        }
    }

    /// The identity without a version, e.g. `pkg:npm/%40scope/name`.
    pub fn purl(&self) -> String {
        super::purl::format(self, None)
    }
}

impl PartialEq for PackageName {
    fn eq(&self, other: &Self) -> bool {
        self.ecosystem == other.ecosystem && self.normalized == other.normalized
    }
}
impl Eq for PackageName {}
impl std::hash::Hash for PackageName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.ecosystem.hash(state);
        self.normalized.hash(state);
    }
}
impl PartialOrd for PackageName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for PackageName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.ecosystem, &self.normalized).cmp(&(&other.ecosystem, &other.normalized))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.purl())
    }
}

/// A version exactly as the registry spells it. Ordering and equality of meaning belong to
/// [`Scheme`](super::Scheme); `==` here is equality of spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(SmolStr);

impl Version {
    /// Keeps a registry's spelling. Any text is accepted, because registries hold old versions no
    /// grammar admits; a client's version goes through [`Scheme::version`](super::Scheme::version).
    pub fn verbatim(text: impl Into<SmolStr>) -> Self {
        Self(text.into())
    }

    /// No version in particular: what is asked about a package known by its name alone. No registry
    /// has a version that is spelled like it.
    pub const fn unspecified() -> Self {
        Self(SmolStr::new_static(""))
    }

    /// Whether it is [`Self::unspecified`].
    pub fn is_unspecified(&self) -> bool {
        self.0.is_empty()
    }

    /// The spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One version of one package. Displayed as a package URL, the only printed identity in Cordon.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackageVersion {
    /// The package.
    pub name: PackageName,
    /// The version.
    pub version: Version,
}

impl fmt::Display for PackageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::purl::format(&self.name, Some(&self.version)))
    }
}
