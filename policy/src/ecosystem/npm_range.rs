//! npm ranges, read strictly and with `includePrerelease`.
//!
//! Strictly, because node's loose mode drops comparators it cannot read: a typing error in a policy
//! would silently widen or narrow it. Versions are still read loosely, as everywhere.

use super::npm::{MAX_SAFE_INTEGER, are_identifiers, is_space, parse, safe_integer};
use super::semver_bound::{Bound, Operator, Partial};
use crate::model::{Version, VersionRange};

/// Alternatives (`||`) of bounds that must all hold.
#[derive(Debug)]
pub(super) struct NpmRange {
    alternatives: Vec<Vec<Bound>>,
}

impl VersionRange for NpmRange {
    fn contains(&self, version: &Version) -> bool {
        let Some(version) = parse(version.as_str()) else {
            // Only `*` holds a version that cannot be read.
            return self.alternatives.iter().any(Vec::is_empty);
        };
        self.alternatives
            .iter()
            .any(|bounds| bounds.iter().all(|bound| bound.admits(&version)))
    }
}

impl NpmRange {
    /// Reads a range; the error says what is wrong with it.
    ///
    /// A blank alternative is one: node takes it for every version, so that a `||` left over at the
    /// end of a line would turn a narrow exemption into one for everything.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let written: Vec<&str> = text
            .split("||")
            .map(|alternative| alternative.trim_matches(is_space))
            .collect();
        if written.len() > 1 && written.contains(&"") {
            return Err("there is nothing on one side of `||`".to_owned());
        }
        let alternatives = written
            .into_iter()
            .map(alternative_bounds)
            .collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// The range that holds no version.
    pub(super) fn nothing() -> Self {
        Self {
            alternatives: Vec::new(),
        }
    }

    /// Adds what another range holds.
    pub(super) fn extend(&mut self, other: Self) {
        self.alternatives.extend(other.alternatives);
    }
}

fn alternative_bounds(text: &str) -> Result<Vec<Bound>, String> {
    let words: Vec<&str> = text.split(is_space).filter(|w| !w.is_empty()).collect();
    if let [from, "-", to] = words.as_slice() {
        return hyphen_bounds(from, to);
    }
    let mut bounds = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match split_operator(word) {
            // `> 1.2.3` and `>1.2.3` are the same comparator.
            (_, "") => {
                let version = words
                    .next()
                    .ok_or_else(|| format!("`{word}` has no version"))?;
                let joined = format!("{word}{version}");
                let (operator, version) = split_operator(&joined);
                bounds.extend(comparator_bounds(operator, version)?);
            }
            (operator, version) => bounds.extend(comparator_bounds(operator, version)?),
        }
    }
    Ok(bounds)
}

/// The operator a word starts with; `None` for none at all.
fn split_operator(word: &str) -> (Option<Operator>, &str) {
    const OPERATORS: [(&str, Operator); 8] = [
        ("~>", Operator::Tilde),
        ("~", Operator::Tilde),
        ("^", Operator::Caret),
        (">=", Operator::GreaterOrEqual),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        ("<", Operator::Less),
        ("=", Operator::Exact),
    ];
    for (text, operator) in OPERATORS {
        if let Some(rest) = word.strip_prefix(text) {
            return (Some(operator), rest);
        }
    }
    (None, word)
}

fn comparator_bounds(operator: Option<Operator>, text: &str) -> Result<Vec<Bound>, String> {
    let invalid = || format!("`{text}` is not a version or a part of one");
    let word = parse_word(text).ok_or_else(invalid)?;
    let operator = operator.unwrap_or(Operator::Exact);
    let is_series = matches!(operator, Operator::Tilde | Operator::Caret);
    let Some(partial) = word.partial() else {
        // `*`: everything, except that nothing is above or below everything.
        let is_contradiction = matches!(operator, Operator::Greater | Operator::Less);
        return if word.is_ordered() || is_series {
            Ok(if is_contradiction {
                vec![Bound::nothing()]
            } else {
                Vec::new()
            })
        } else {
            Err(invalid())
        };
    };
    let is_full = partial.patch.is_some();
    if !is_series && (!word.is_ordered() || (is_full && !matches!(word.prefix, "" | "v"))) {
        return Err(invalid());
    }
    partial
        .bounds(operator, MAX_SAFE_INTEGER)
        .ok_or_else(|| format!("`{text}` has a number above {MAX_SAFE_INTEGER}"))
}

fn hyphen_bounds(from: &str, to: &str) -> Result<Vec<Bound>, String> {
    let from_word = parse_word(from).ok_or_else(|| format!("`{from}` is not a version"))?;
    let to_word = parse_word(to).ok_or_else(|| format!("`{to}` is not a version"))?;
    let mut bounds = Vec::new();
    if let Some(partial) = from_word.partial() {
        if partial.patch.is_some() && !matches!(from_word.prefix, "" | "v") {
            return Err(format!("`{from}` is not a version"));
        }
        bounds.push(partial.hyphen_start());
    }
    if let Some(partial) = to_word.partial() {
        let end = partial
            .hyphen_end(MAX_SAFE_INTEGER)
            .ok_or_else(|| format!("`{to}` has a number above {MAX_SAFE_INTEGER}"))?;
        bounds.push(end);
    }
    Ok(bounds)
}

/// A number, or one of `x`, `X`, `*`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Number(u64),
    Any,
}

impl Part {
    fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Any => None,
        }
    }
}

/// `1`, `1.x`, `v1.2.3-beta`: up to three parts, and what stands in front of them.
struct Word<'a> {
    prefix: &'a str,
    major: Part,
    minor: Option<Part>,
    patch: Option<Part>,
    pre: &'a str,
}

impl<'a> Word<'a> {
    /// The version with its open parts; `None` when the major is open.
    fn partial(&self) -> Option<Partial<'a>> {
        let minor = self.minor.and_then(Part::number);
        Some(Partial {
            major: self.major.number()?,
            minor,
            patch: minor.and(self.patch.and_then(Part::number)),
            pre: self.pre,
        })
    }

    /// Whether no number follows an open part, as in `1.x.3`.
    fn is_ordered(&self) -> bool {
        let numbers = [Some(self.major), self.minor, self.patch]
            .map(|part| part.is_some_and(|part| part != Part::Any));
        numbers.is_sorted_by(|earlier, later| *earlier || !*later)
    }
}

fn parse_word(text: &str) -> Option<Word<'_>> {
    let rest = text.trim_start_matches(['v', '=']);
    let prefix = text.strip_suffix(rest)?;
    // Build metadata says nothing about the order of versions.
    let rest = match rest.split_once('+') {
        Some((rest, build)) if are_identifiers(build) => rest,
        Some(_) => return None,
        None => rest,
    };
    let (numbers, pre) = match rest.split_once('-') {
        Some((numbers, pre)) if is_strict_pre(pre) => (numbers, pre),
        Some(_) => return None,
        None => (rest, ""),
    };
    let mut parts = numbers.split('.').map(part);
    let word = Word {
        prefix,
        major: parts.next()??,
        minor: parts.next().map_or(Some(None), |part| part.map(Some))?,
        patch: parts.next().map_or(Some(None), |part| part.map(Some))?,
        pre,
    };
    let is_whole = parts.next().is_none() && (pre.is_empty() || word.patch.is_some());
    is_whole.then_some(word)
}

fn part(text: &str) -> Option<Part> {
    match text {
        "x" | "X" | "*" => Some(Part::Any),
        "0" => Some(Part::Number(0)),
        _ if text.starts_with(|c: char| c.is_ascii_digit() && c != '0') => {
            safe_integer(text).map(Part::Number)
        }
        _ => None,
    }
}

/// Pre-release identifiers as SemVer 2 has them: no leading zeros in numbers.
fn is_strict_pre(pre: &str) -> bool {
    are_identifiers(pre)
        && pre.split('.').all(|identifier| {
            identifier.len() == 1
                || !identifier.starts_with('0')
                || identifier.bytes().any(|byte| !byte.is_ascii_digit())
        })
}
