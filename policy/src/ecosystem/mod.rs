//! The naming and ordering rules of each ecosystem: the one canonicaliser of each.
//!
//! | | name key | versions | ranges |
//! |---|---|---|---|
//! | npm | byte for byte | SemVer, read as loosely as npm reads the registry | node ranges with `includePrerelease` |
//! | PyPI | PEP 503 | PEP 440 | specifier sets with `prereleases=True` |
//! | cargo | lower case, `_` as `-` | SemVer 2 | cargo requirements, pre-releases inside the bounds included |
//!
//! Every `compare` is a total preorder: versions of equal meaning (`1.0` and `1.0.0` in PEP 440,
//! different build metadata in SemVer) are `Equal`; what does not parse sorts below everything that
//! does, by spelling.

mod cargo;
mod npm;
mod npm_range;
mod order_key;
mod pypi;
mod semver_bound;

pub use cargo::Cargo;
pub use npm::Npm;
pub use pypi::PyPi;

use std::cmp::Ordering;

use crate::model::{Ecosystem, NameError, RangeError, Scheme, Version, VersionError};

/// npm: `npm`.
pub const NPM: Ecosystem = Ecosystem::from_static("npm");
/// PyPI: `pypi`.
pub const PYPI: Ecosystem = Ecosystem::from_static("pypi");
/// crates.io: `cargo`.
pub const CARGO: Ecosystem = Ecosystem::from_static("cargo");

/// Longest version text anybody may ask for, in bytes: the limit of npm's own parser.
pub(crate) const MAX_VERSION_BYTES: usize = 256;

/// Longest range text a policy may hold, in bytes; enough for a thousand alternatives.
const MAX_RANGE_BYTES: usize = 16 * 1024;

/// Every scheme Cordon knows.
pub fn schemes() -> [&'static dyn Scheme; 3] {
    [&Npm, &PyPi, &Cargo]
}

/// The scheme of an ecosystem.
pub fn scheme_for(ecosystem: &Ecosystem) -> Option<&'static dyn Scheme> {
    schemes()
        .into_iter()
        .find(|scheme| scheme.ecosystem() == ecosystem)
}

/// Orders two versions of which either may not parse: unparsable below parsable, and among
/// themselves by spelling.
fn compare_with<'v, T>(
    a: &'v Version,
    b: &'v Version,
    parse: impl Fn(&'v str) -> Option<T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (parse(a.as_str()), parse(b.as_str())) {
        (Some(a), Some(b)) => compare(&a, &b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.as_str().cmp(b.as_str()),
    }
}

/// Foreign text for an error message: escaped, at most 80 characters.
fn printable(raw: &str) -> String {
    const MAX_PRINTED: usize = 80;
    let mut text: String = raw.escape_debug().take(MAX_PRINTED).collect();
    if raw.escape_debug().nth(MAX_PRINTED).is_some() {
        text.push('…');
    }
    text
}

fn name_error(ecosystem: Ecosystem, raw: &str, why: &'static str) -> NameError {
    NameError {
        ecosystem,
        raw: printable(raw),
        why,
    }
}

fn version_error(ecosystem: Ecosystem, raw: &str) -> VersionError {
    VersionError {
        ecosystem,
        raw: printable(raw),
    }
}

fn range_error(ecosystem: Ecosystem, raw: &str, why: impl Into<String>) -> RangeError {
    RangeError {
        ecosystem,
        raw: printable(raw),
        why: why.into(),
    }
}

/// What every scheme refuses in a range before its own grammar is applied. A blank range is not
/// "any version": an unfinished line of policy must not match everything.
fn check_range_text(ecosystem: &Ecosystem, raw: &str) -> Result<(), RangeError> {
    if raw.len() > MAX_RANGE_BYTES {
        return Err(range_error(
            ecosystem.clone(),
            raw,
            format!("it has more than {MAX_RANGE_BYTES} bytes"),
        ));
    }
    if raw.trim().is_empty() {
        return Err(range_error(
            ecosystem.clone(),
            raw,
            "it is blank; write `*` for every version",
        ));
    }
    Ok(())
}
