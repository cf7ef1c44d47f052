//! Names and versions of PyPI.
//!
//! Names by PEP 503 and PEP 508, versions and ranges by PEP 440. Parsing and ordering are
//! `pep440_rs`'s; membership is written out here after `packaging` (the reference implementation),
//! from which `pep440_rs` differs for `==1.2.*` against `1` and for `===`.

use std::cmp::Ordering;
use std::str::FromStr;

use pep440_rs::Operator;
use smol_str::SmolStr;

use super::{
    MAX_VERSION_BYTES, PYPI, check_range_text, compare_with, name_error, order_key, range_error,
    version_error,
};
use crate::facts::{FactKind, FactSet};
use crate::model::{
    Ecosystem, Line, NameError, PackageName, RangeError, Scheme, Version, VersionError,
    VersionRange,
};

/// The PyPI scheme.
#[derive(Clone, Copy, Debug)]
pub struct PyPi;

/// Longest name served: one path component on every file system. PyPI's longest is far below.
const MAX_NAME_BYTES: usize = 255;

impl Scheme for PyPi {
    fn ecosystem(&self) -> &Ecosystem {
        static ECOSYSTEM: Ecosystem = PYPI;
        &ECOSYSTEM
    }

    fn osv_name(&self) -> &'static str {
        "PyPI"
    }

    fn compares_names_by_spelling(&self) -> bool {
        false
    }

    fn package(&self, raw: &str) -> Result<PackageName, NameError> {
        if let Err(why) = check_name(raw) {
            return Err(name_error(PYPI, raw, why));
        }
        let normalized = normalize(raw);
        Ok(PackageName::from_checked_parts(PYPI, normalized, raw).printed_normalized())
    }

    fn version(&self, raw: &str) -> Result<Version, VersionError> {
        let has_space = raw.chars().any(char::is_whitespace);
        if !has_space && parse(raw).is_some() {
            Ok(Version::verbatim(raw))
        } else {
            Err(version_error(PYPI, raw))
        }
    }

    fn compare(&self, a: &Version, b: &Version) -> Ordering {
        compare_with(a, b, parse, Ord::cmp)
    }

    fn order_key(&self, version: &Version, key: &mut Vec<u8>) -> bool {
        let parsed = parse(version.as_str());
        parsed
            .inspect(|version| order_key::pep440(version, key))
            .is_some()
    }

    fn prefix_key(&self, numbers: &[u64], key: &mut Vec<u8>) -> bool {
        order_key::pep440_prefix(numbers, key);
        true
    }

    fn public_version(&self, version: &Version) -> Option<Version> {
        let (public, _) = version.as_str().split_once('+')?;
        parse(version.as_str())?;
        Some(Version::verbatim(public))
    }

    fn is_prerelease(&self, version: &Version) -> bool {
        parse(version.as_str()).is_none_or(|version| version.any_prerelease())
    }

    fn line(&self, version: &Version) -> Line {
        parse(version.as_str()).map_or(Line::UNREADABLE, |version| {
            let first = version.release().first().copied();
            Line::new(version.epoch(), first.unwrap_or_default())
        })
    }

    fn untold(&self) -> FactSet {
        // They are inside the files; the simple page tells none of them.
        FactSet::of(FactKind::License)
            .union(FactSet::of(FactKind::InstallHooks))
            .union(FactSet::of(FactKind::ExoticDependencies))
    }

    fn range(&self, raw: &str) -> Result<Box<dyn VersionRange>, RangeError> {
        self.any_range(&[raw])
    }

    fn any_range(&self, raws: &[&str]) -> Result<Box<dyn VersionRange>, RangeError> {
        let alternatives = raws
            .iter()
            .map(|raw| specifiers(raw))
            .collect::<Result<_, _>>()?;
        Ok(Box::new(PyPiRange { alternatives }))
    }
}

/// The specifiers of a set, all of which must hold.
fn specifiers(raw: &str) -> Result<Vec<Specifier>, RangeError> {
    check_range_text(&PYPI, raw)?;
    if raw.trim() == "*" {
        return Ok(Vec::new());
    }
    let specifiers: Result<Vec<Specifier>, String> = raw
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(Specifier::parse)
        .collect();
    match specifiers {
        Ok(specifiers) if specifiers.is_empty() => {
            Err(range_error(PYPI, raw, "it holds no specifier"))
        }
        Ok(specifiers) => Ok(specifiers),
        Err(why) => Err(range_error(PYPI, raw, why)),
    }
}

fn check_name(raw: &str) -> Result<(), &'static str> {
    if raw.len() > MAX_NAME_BYTES {
        return Err("it has more than 255 characters");
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !raw.bytes().all(is_plain) {
        return Err("only ASCII letters, digits, `-`, `_` and `.` are possible");
    }
    let is_edge = |c: char| c.is_ascii_alphanumeric();
    if !raw.starts_with(is_edge) || !raw.ends_with(is_edge) {
        return Err("it does not start and end with a letter or digit");
    }
    Ok(())
}

/// PEP 503: lower case, every run of `-`, `_` and `.` a single `-`.
fn normalize(name: &str) -> SmolStr {
    let mut normalized = String::with_capacity(name.len());
    for character in name.chars() {
        if !matches!(character, '-' | '_' | '.') {
            normalized.push(character.to_ascii_lowercase());
        } else if !normalized.ends_with('-') {
            normalized.push('-');
        }
    }
    normalized.into()
}

fn parse(text: &str) -> Option<pep440_rs::Version> {
    if text.len() > MAX_VERSION_BYTES {
        return None;
    }
    // `packaging` trims like Python's `\s`, which is more than ASCII.
    pep440_rs::Version::from_str(text.trim()).ok()
}

/// Specifier sets of which one must hold; an empty set holds everything.
#[derive(Debug)]
struct PyPiRange {
    alternatives: Vec<Vec<Specifier>>,
}

impl VersionRange for PyPiRange {
    fn contains(&self, version: &Version) -> bool {
        let Some(version) = parse(version.as_str()) else {
            return self.alternatives.iter().any(Vec::is_empty);
        };
        self.alternatives
            .iter()
            .any(|set| set.iter().all(|specifier| specifier.contains(&version)))
    }
}

/// One clause of a specifier set.
#[derive(Debug)]
enum Specifier {
    /// `===`: the spelling, ignoring case.
    Arbitrary(SmolStr),
    /// Any other operator.
    Ordered(Operator, pep440_rs::Version),
}

impl Specifier {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(spelling) = text.strip_prefix("===") {
            let spelling = spelling.trim();
            return if spelling.is_empty() || spelling.contains(char::is_whitespace) {
                Err(format!("`{text}` needs one version"))
            } else {
                Ok(Self::Arbitrary(spelling.to_ascii_lowercase().into()))
            };
        }
        pep440_rs::VersionSpecifier::from_str(text)
            .map(|specifier| {
                let (operator, version) = specifier.into_parts();
                Self::Ordered(operator, version)
            })
            .map_err(|error| error.to_string())
    }

    fn contains(&self, version: &pep440_rs::Version) -> bool {
        match self {
            Self::Arbitrary(spelling) => version.to_string() == *spelling,
            Self::Ordered(operator, bound) => contains(*operator, bound, version),
        }
    }
}

/// PEP 440 "Version specifiers", with pre-releases counted like any other version.
fn contains(operator: Operator, bound: &pep440_rs::Version, version: &pep440_rs::Version) -> bool {
    // Bounds have no local part except for `==` and `!=`, where it then counts.
    let public = if version.is_local() && !bound.is_local() {
        &version.clone().without_local()
    } else {
        version
    };
    let is_same_base = || {
        version.epoch() == bound.epoch()
            && padded(version.release(), bound.release().len())
                .eq(padded(bound.release(), version.release().len()))
    };
    match operator {
        Operator::Equal | Operator::ExactEqual => public == bound,
        Operator::NotEqual => public != bound,
        Operator::EqualStar => has_prefix(version, bound, bound.release().len()),
        Operator::NotEqualStar => !has_prefix(version, bound, bound.release().len()),
        Operator::TildeEqual => {
            public >= bound && has_prefix(version, bound, bound.release().len().saturating_sub(1))
        }
        Operator::GreaterThanEqual => public >= bound,
        Operator::LessThanEqual => public <= bound,
        // `<1.0` leaves out the pre-releases of 1.0, unless the bound is one itself.
        Operator::LessThan => {
            version < bound
                && (bound.any_prerelease() || !version.any_prerelease() || !is_same_base())
        }
        // `>1.0` leaves out its post-releases (unless the bound is one) and its local versions.
        Operator::GreaterThan => {
            version > bound
                && (bound.is_post() || !version.is_post() || !is_same_base())
                && (!version.is_local() || !is_same_base())
        }
    }
}

/// Whether epoch and the first `length` release numbers agree; missing numbers are zero.
fn has_prefix(version: &pep440_rs::Version, bound: &pep440_rs::Version, length: usize) -> bool {
    version.epoch() == bound.epoch()
        && padded(version.release(), length).take(length).eq(bound
            .release()
            .iter()
            .copied()
            .take(length))
}

/// The numbers, followed by zeros up to `length`.
fn padded(release: &[u64], length: usize) -> impl Iterator<Item = u64> + '_ {
    let missing = length.saturating_sub(release.len());
    release
        .iter()
        .copied()
        .chain(std::iter::repeat_n(0, missing))
}
