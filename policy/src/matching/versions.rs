//! Sets of versions of one package.

use std::fmt;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::ecosystem::scheme_for;
use crate::model::{PackageVersion, RangeError, Scheme, Version, VersionRange};

/// Which versions of a package are meant.
#[derive(Clone)]
pub enum VersionSet {
    /// All of them.
    Every,
    /// One, under every spelling its ecosystem calls equal (`1.0` and `1.0.0` on PyPI).
    Exactly(Version),
    /// Those inside a range.
    Within {
        /// The range as written.
        text: SmolStr,
        /// The range, parsed.
        range: Arc<dyn VersionRange>,
    },
}

impl VersionSet {
    /// Parses a range in the ecosystem's own syntax; `*` is every version.
    ///
    /// # Errors
    /// The range does not parse.
    pub fn parse_range(scheme: &dyn Scheme, text: &str) -> Result<Self, RangeError> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Every);
        }
        Ok(Self::Within {
            text: text.into(),
            range: Arc::from(scheme.range(text)?),
        })
    }

    /// Whether the version is meant. The package's name is the caller's business.
    pub fn holds(&self, subject: &PackageVersion) -> bool {
        match self {
            Self::Every => true,
            Self::Exactly(version) => {
                *version == subject.version
                    || scheme_for(subject.name.ecosystem())
                        .is_some_and(|scheme| scheme.compare(version, &subject.version).is_eq())
            }
            Self::Within { range, .. } => range.contains(&subject.version),
        }
    }

    /// The text a policy would say it with.
    pub fn text(&self) -> &str {
        match self {
            Self::Every => "*",
            Self::Exactly(version) => version.as_str(),
            Self::Within { text, .. } => text,
        }
    }
}

impl fmt::Debug for VersionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("every version"),
            Self::Exactly(version) => write!(f, "version {version}"),
            Self::Within { text, .. } => write!(f, "versions {text}"),
        }
    }
}
