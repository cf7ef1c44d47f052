//! Names and versions of npm.
//!
//! Names are compared byte for byte: `JSONStream` and `jsonstream` are two packages. The grammar is
//! that of npm's own `validate-npm-package-name` for old packages, so that everything the registry
//! still serves can be asked for, and nothing else: no route word, no traversal, no `%` left over
//! from a second encoding.
//!
//! Versions are read as npm reads what a registry holds, that is loosely (`1.0.0beta`, `01.2.3`);
//! npm's reader is reproduced here, because the ordering must agree with the one the client uses
//! for data no strict parser accepts.

use std::cmp::Ordering;

use super::npm_range::NpmRange;
use super::semver_bound::Precedence;
use super::{
    MAX_VERSION_BYTES, NPM, check_range_text, compare_with, name_error, order_key, range_error,
    version_error,
};
use crate::model::{
    Ecosystem, Line, NameError, PackageName, RangeError, Scheme, Version, VersionError,
    VersionRange,
};

/// The npm scheme.
#[derive(Clone, Copy, Debug)]
pub struct Npm;

/// Longest name, with its scope, the registry accepts.
const MAX_NAME_BYTES: usize = 214;

/// JavaScript's largest exact integer: no part of a version may be above it.
pub(super) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

impl Scheme for Npm {
    fn ecosystem(&self) -> &Ecosystem {
        static ECOSYSTEM: Ecosystem = NPM;
        &ECOSYSTEM
    }

    fn osv_name(&self) -> &'static str {
        "npm"
    }

    fn declares_sha256(&self) -> bool {
        // SHA-512, and SHA-1 for what is old.
        false
    }

    fn package(&self, raw: &str) -> Result<PackageName, NameError> {
        match check_name(raw) {
            Ok(()) => Ok(PackageName::from_checked_parts(NPM, raw, raw)),
            Err(why) => Err(name_error(NPM, raw, why)),
        }
    }

    fn version(&self, raw: &str) -> Result<Version, VersionError> {
        // The registry lists no version with a prefix; `v1.0.0` is not a second spelling of `1.0.0`.
        let starts_with_digit = raw.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        let has_space = raw.chars().any(is_space);
        if starts_with_digit && !has_space && parse(raw).is_some() {
            Ok(Version::verbatim(raw))
        } else {
            Err(version_error(NPM, raw))
        }
    }

    fn compare(&self, a: &Version, b: &Version) -> Ordering {
        compare_with(a, b, parse, |a, b| a.compare(b))
    }

    fn order_key(&self, version: &Version, key: &mut Vec<u8>) -> bool {
        let parsed = parse(version.as_str());
        parsed
            .inspect(|version| order_key::semver(version, key))
            .is_some()
    }

    fn prefix_key(&self, numbers: &[u64], key: &mut Vec<u8>) -> bool {
        order_key::semver_prefix(numbers, key)
    }

    fn is_prerelease(&self, version: &Version) -> bool {
        parse(version.as_str()).is_none_or(|version| !version.pre.is_empty())
    }

    fn line(&self, version: &Version) -> Line {
        parse(version.as_str()).map_or(Line::UNREADABLE, |version| {
            let [major, minor, _] = version.core;
            Line::of_semver(major, minor)
        })
    }

    fn range(&self, raw: &str) -> Result<Box<dyn VersionRange>, RangeError> {
        check_range_text(&NPM, raw)?;
        match NpmRange::parse(raw) {
            Ok(range) => Ok(Box::new(range)),
            Err(why) => Err(range_error(NPM, raw, why)),
        }
    }

    fn any_range(&self, raws: &[&str]) -> Result<Box<dyn VersionRange>, RangeError> {
        let mut union = NpmRange::nothing();
        for raw in raws {
            check_range_text(&NPM, raw)?;
            let range = NpmRange::parse(raw).map_err(|why| range_error(NPM, raw, why))?;
            union.extend(range);
        }
        Ok(Box::new(union))
    }
}

fn check_name(raw: &str) -> Result<(), &'static str> {
    if raw.is_empty() {
        return Err("it is empty");
    }
    if raw.len() > MAX_NAME_BYTES {
        return Err("it has more than 214 characters");
    }
    let (scope, name) = match raw.strip_prefix('@') {
        None => (None, raw),
        Some(rest) => {
            let (scope, name) = rest
                .split_once('/')
                .ok_or("a scope is followed by `/` and a name")?;
            (Some(scope), name)
        }
    };
    if let Some(scope) = scope {
        check_component(scope)?;
    }
    check_component(name)?;
    if scope.is_none() {
        if raw.starts_with('_') {
            return Err("it starts with `_`");
        }
        if raw.starts_with('-') {
            return Err("it starts with `-`");
        }
        if ["node_modules", "favicon.ico"]
            .iter()
            .any(|reserved| raw.eq_ignore_ascii_case(reserved))
        {
            return Err("it is a reserved word");
        }
    }
    Ok(())
}

/// A scope or a name: the characters that need no percent-encoding, not starting with a period,
/// and not the `-` that separates names from files in registry paths.
fn check_component(component: &str) -> Result<(), &'static str> {
    if component.is_empty() {
        return Err("a scope or name is empty");
    }
    if component.starts_with('.') {
        return Err("it starts with a period");
    }
    if component == "-" {
        return Err("`-` separates names from files");
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    if component.bytes().all(is_plain) {
        Ok(())
    } else {
        Err("only ASCII letters, digits and `-_.!~*'()` are possible, after an optional `@scope/`")
    }
}

/// White space as JavaScript's `\s` and `trim` see it.
pub(super) fn is_space(character: char) -> bool {
    matches!(character,
        '\t'..='\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}'
        | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}

/// Reads a version as node-semver does in loose mode; `None` when it cannot.
pub(super) fn parse(text: &str) -> Option<Precedence<'_>> {
    if text.len() > MAX_VERSION_BYTES {
        return None;
    }
    parse_plain(text).or_else(|| parse_loosely(text))
}

/// The fast path for what nearly every version is: `1.2.3` or `1.2.3-beta.1`, nothing around it.
fn parse_plain(text: &str) -> Option<Precedence<'_>> {
    let mut core = [0_u64; 3];
    let mut rest = text;
    for (place, number) in core.iter_mut().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix('.')?;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (taken, left) = rest.split_at(digits);
        *number = safe_integer(taken)?;
        rest = left;
    }
    if rest.is_empty() {
        return Some(Precedence { core, pre: rest });
    }
    let pre = rest.strip_prefix('-')?;
    are_identifiers(pre).then_some(Precedence { core, pre })
}

fn parse_loosely(text: &str) -> Option<Precedence<'_>> {
    let text = text
        .trim_matches(is_space)
        .trim_start_matches(|c| c == 'v' || c == '=' || is_space(c));
    let (major, rest) = number(text)?;
    let (minor, rest) = number(rest.strip_prefix('.')?)?;
    let rest = rest.strip_prefix('.')?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (patch, tail) = rest.split_at(digits);
    if let Some(pre) = loose_pre(tail) {
        let core = [major, minor, safe_integer(patch)?];
        return Some(Precedence { core, pre });
    }
    // node's expression backtracks: in `1.2.34.5` the patch is 3 and the pre-release `4.5`.
    let split = digits.checked_sub(1).filter(|split| *split > 0)?;
    let (patch, tail) = rest.split_at(split);
    let pre = loose_pre(tail)?;
    Some(Precedence {
        core: [major, minor, safe_integer(patch)?],
        pre,
    })
}

fn number(text: &str) -> Option<(u64, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.strip_suffix(rest)?;
    Some((safe_integer(digits)?, rest))
}

pub(super) fn safe_integer(digits: &str) -> Option<u64> {
    digits
        .parse()
        .ok()
        .filter(|number| *number <= MAX_SAFE_INTEGER)
}

/// What follows the patch number: an optional pre-release, with or without its hyphen, and optional
/// build metadata. Gives the pre-release, or `None` when the text is something else.
fn loose_pre(tail: &str) -> Option<&str> {
    let (pre, build) = match tail.split_once('+') {
        Some((pre, build)) => (pre, Some(build)),
        None => (tail, None),
    };
    if build.is_some_and(|build| !are_identifiers(build)) {
        return None;
    }
    if pre.is_empty() {
        return Some(pre);
    }
    match pre.strip_prefix('-') {
        Some(rest) if are_identifiers(rest) => Some(rest),
        _ => are_identifiers(pre).then_some(pre),
    }
}

/// One or more non-empty identifiers of letters, digits and hyphens, joined by periods.
pub(super) fn are_identifiers(text: &str) -> bool {
    let mut is_after_identifier = false;
    for byte in text.bytes() {
        match byte {
            b'.' if is_after_identifier => is_after_identifier = false,
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => is_after_identifier = true,
            _ => return false,
        }
    }
    is_after_identifier
}
