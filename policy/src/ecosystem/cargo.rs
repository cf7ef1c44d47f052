//! Names and versions of cargo.
//!
//! crates.io holds `Foo-Bar`, `foo_bar` and `foo-bar` as one name, so the key of a name is folded;
//! the index path and the archive keep the published spelling.

use std::cmp::Ordering;

use smol_str::SmolStr;

use super::semver_bound::{Bound, Operator, Partial, Precedence};
use super::{
    CARGO, MAX_VERSION_BYTES, check_range_text, compare_with, name_error, order_key, range_error,
    version_error,
};
use crate::facts::{FactKind, FactSet};
use crate::model::{
    Ecosystem, Line, NameError, PackageName, RangeError, Scheme, Version, VersionError,
    VersionRange,
};

/// The cargo scheme.
#[derive(Clone, Copy, Debug)]
pub struct Cargo;

/// Longest name crates.io accepts.
const MAX_NAME_BYTES: usize = 64;

impl Scheme for Cargo {
    fn ecosystem(&self) -> &Ecosystem {
        static ECOSYSTEM: Ecosystem = CARGO;
        &ECOSYSTEM
    }

    fn osv_name(&self) -> &'static str {
        "crates.io"
    }

    fn package(&self, raw: &str) -> Result<PackageName, NameError> {
        if let Err(why) = check_name(raw) {
            return Err(name_error(CARGO, raw, why));
        }
        let normalized: SmolStr = raw
            .chars()
            .map(|c| {
                if c == '_' {
                    '-'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect();
        Ok(PackageName::from_checked_parts(CARGO, normalized, raw))
    }

    fn version(&self, raw: &str) -> Result<Version, VersionError> {
        match parse(raw) {
            Some(_) => Ok(Version::verbatim(raw)),
            None => Err(version_error(CARGO, raw)),
        }
    }

    fn compare(&self, a: &Version, b: &Version) -> Ordering {
        compare_with(a, b, parse, semver::Version::cmp_precedence)
    }

    fn order_key(&self, version: &Version, key: &mut Vec<u8>) -> bool {
        let Some(version) = parse(version.as_str()) else {
            return false;
        };
        order_key::semver(&precedence(&version), key);
        true
    }

    fn prefix_key(&self, numbers: &[u64], key: &mut Vec<u8>) -> bool {
        order_key::semver_prefix(numbers, key)
    }

    fn is_prerelease(&self, version: &Version) -> bool {
        parse(version.as_str()).is_none_or(|version| !version.pre.is_empty())
    }

    fn line(&self, version: &Version) -> Line {
        parse(version.as_str()).map_or(Line::UNREADABLE, |version| {
            Line::of_semver(version.major, version.minor)
        })
    }

    fn untold(&self) -> FactSet {
        // Licence and build script are in the archive; of provenance the index has no word.
        FactSet::of(FactKind::License)
            .union(FactSet::of(FactKind::InstallHooks))
            .union(FactSet::of(FactKind::Provenance))
    }

    fn range(&self, raw: &str) -> Result<Box<dyn VersionRange>, RangeError> {
        self.any_range(&[raw])
    }

    fn any_range(&self, raws: &[&str]) -> Result<Box<dyn VersionRange>, RangeError> {
        let requirement = |raw: &&str| {
            check_range_text(&CARGO, raw)?;
            match semver::VersionReq::parse(raw) {
                Ok(requirement) => Ok(requirement_bounds(&requirement)),
                Err(error) => Err(range_error(CARGO, raw, error.to_string())),
            }
        };
        let alternatives = raws.iter().map(requirement).collect::<Result<_, _>>()?;
        Ok(Box::new(CargoRange { alternatives }))
    }
}

fn check_name(raw: &str) -> Result<(), &'static str> {
    if raw.len() > MAX_NAME_BYTES {
        return Err("it has more than 64 characters");
    }
    if !raw.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err("it does not start with an ASCII letter");
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if raw.bytes().all(is_plain) {
        Ok(())
    } else {
        Err("only ASCII letters, digits, `-` and `_` are possible")
    }
}

fn parse(text: &str) -> Option<semver::Version> {
    if text.len() > MAX_VERSION_BYTES {
        return None;
    }
    semver::Version::parse(text).ok()
}

fn precedence(version: &semver::Version) -> Precedence<'_> {
    Precedence {
        core: [version.major, version.minor, version.patch],
        pre: version.pre.as_str(),
    }
}

/// Requirements of which one must hold, each as bounds that must all hold; no bound holds
/// everything.
#[derive(Debug)]
struct CargoRange {
    alternatives: Vec<Vec<Bound>>,
}

fn requirement_bounds(requirement: &semver::VersionReq) -> Vec<Bound> {
    requirement
        .comparators
        .iter()
        .flat_map(comparator_bounds)
        .collect()
}

fn comparator_bounds(comparator: &semver::Comparator) -> Vec<Bound> {
    let operator = match comparator.op {
        semver::Op::Greater => Operator::Greater,
        semver::Op::GreaterEq => Operator::GreaterOrEqual,
        semver::Op::Less => Operator::Less,
        semver::Op::LessEq => Operator::LessOrEqual,
        semver::Op::Tilde => Operator::Tilde,
        semver::Op::Caret => Operator::Caret,
        // `Op` may grow; a new operator can only be some form of equality for what parses today.
        _ => Operator::Exact,
    };
    let partial = Partial {
        major: comparator.major,
        minor: comparator.minor,
        patch: comparator.patch,
        pre: comparator.pre.as_str(),
    };
    // No end above the largest number: then the start alone decides, except for `>18446…`, which
    // nothing passes.
    partial
        .bounds(operator, u64::MAX)
        .unwrap_or_else(|| match operator {
            Operator::Greater => vec![Bound::nothing()],
            Operator::LessOrEqual => Vec::new(),
            _ => partial
                .bounds(Operator::GreaterOrEqual, u64::MAX)
                .unwrap_or_default(),
        })
}

impl VersionRange for CargoRange {
    fn contains(&self, version: &Version) -> bool {
        let Some(version) = parse(version.as_str()) else {
            return self.alternatives.iter().any(Vec::is_empty);
        };
        let version = precedence(&version);
        self.alternatives
            .iter()
            .any(|bounds| bounds.iter().all(|bound| bound.admits(&version)))
    }
}
