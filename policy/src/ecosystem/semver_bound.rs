//! What npm and cargo share: SemVer precedence, and ranges as bounds on it.
//!
//! Both tools leave pre-releases out of a range unless it names one. A policy must not: a rule that
//! denies `1.x` and lets `1.5.0-beta.1` through denies nothing to whoever publishes a beta. So a
//! range is read as node reads it with `includePrerelease`: a partial version starts at the lowest
//! pre-release (`1.x` is `>=1.0.0-0 <2.0.0-0`), an upper end made by `^`, `~` or a partial version
//! stops before the pre-releases of the next release (`^1.2.3` does not hold `2.0.0-beta`), and a
//! bound with a full version is exactly that bound (`<1.2.3` holds `1.2.3-beta`).

use std::cmp::Ordering;

use smol_str::SmolStr;

/// The part of a version that counts in comparisons; build metadata does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Precedence<'a> {
    /// Major, minor, patch.
    pub(super) core: [u64; 3],
    /// Dot-separated pre-release identifiers; empty for a release.
    pub(super) pre: &'a str,
}

impl Precedence<'_> {
    /// SemVer 2 §11.
    pub(super) fn compare(&self, other: &Precedence<'_>) -> Ordering {
        self.core
            .cmp(&other.core)
            .then_with(|| compare_pre(self.pre, other.pre))
    }
}

/// Orders pre-release parts; an empty one (a release) is above all others.
fn compare_pre(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match compare_identifier(a, b) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// Numeric identifiers by value (of any length), below alphanumeric ones by spelling.
fn compare_identifier(a: &str, b: &str) -> Ordering {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number(a), is_number(b)) {
        (true, true) => {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

/// How a version must lie to the version of a [`Bound`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// One comparison a version must pass.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    relation: Relation,
    core: [u64; 3],
    pre: SmolStr,
}

impl Bound {
    fn new(relation: Relation, core: [u64; 3], pre: &str) -> Self {
        Self {
            relation,
            core,
            pre: pre.into(),
        }
    }

    /// At or above the lowest pre-release of `core`.
    fn from_first(core: [u64; 3]) -> Self {
        Self::new(Relation::GreaterOrEqual, core, LOWEST)
    }

    /// Below every pre-release of `core`.
    fn before(core: [u64; 3]) -> Self {
        Self::new(Relation::Less, core, LOWEST)
    }

    /// Below everything: what `>*` and `<*` mean.
    pub(super) fn nothing() -> Self {
        Self::before([0, 0, 0])
    }

    /// Whether the version passes.
    pub(super) fn admits(&self, version: &Precedence<'_>) -> bool {
        let bound = Precedence {
            core: self.core,
            pre: &self.pre,
        };
        let order = version.compare(&bound);
        match self.relation {
            Relation::Less => order.is_lt(),
            Relation::LessOrEqual => order.is_le(),
            Relation::Equal => order.is_eq(),
            Relation::GreaterOrEqual => order.is_ge(),
            Relation::Greater => order.is_gt(),
        }
    }
}

/// The lowest pre-release there is.
const LOWEST: &str = "0";

/// The operator in front of a (partial) version, with the same meaning in npm and cargo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// `=`, a bare npm version, a cargo wildcard.
    Exact,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `~`.
    Tilde,
    /// `^`, a bare cargo version.
    Caret,
}

/// A version with its minor and patch possibly left open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partial<'a> {
    /// Major.
    pub(super) major: u64,
    /// Minor; `None` leaves the patch open as well.
    pub(super) minor: Option<u64>,
    /// Patch.
    pub(super) patch: Option<u64>,
    /// Pre-release; ignored when the patch is open.
    pub(super) pre: &'a str,
}

impl Partial<'_> {
    /// The release after the ones this partial version stands for, `None` past the last number.
    fn next_release(&self, highest: u64) -> Option<[u64; 3]> {
        let up = |number: u64| number.checked_add(1).filter(|next| *next <= highest);
        match (self.minor, self.patch) {
            (None, _) => Some([up(self.major)?, 0, 0]),
            (Some(minor), None) => Some([self.major, up(minor)?, 0]),
            (Some(minor), Some(patch)) => Some([self.major, minor, up(patch)?]),
        }
    }

    /// Where `~` ends.
    fn tilde_end(&self, highest: u64) -> Option<[u64; 3]> {
        Partial {
            patch: None,
            ..*self
        }
        .next_release(highest)
    }

    /// Where `^` ends: the leftmost number that is not zero may not change.
    fn caret_end(&self, highest: u64) -> Option<[u64; 3]> {
        let frozen = match (self.major, self.minor) {
            (0, Some(0)) => *self,
            (0, Some(_)) => Partial {
                patch: None,
                ..*self
            },
            (_, _) => Partial {
                minor: None,
                patch: None,
                ..*self
            },
        };
        frozen.next_release(highest)
    }

    /// The bounds of an operator and a version. `None` when an end would need a number above
    /// `highest`.
    pub(super) fn bounds(&self, operator: Operator, highest: u64) -> Option<Vec<Bound>> {
        let open = [self.major, self.minor.unwrap_or(0), self.patch.unwrap_or(0)];
        let is_full = self.minor.is_some() && self.patch.is_some();
        let start = if is_full {
            Bound::new(Relation::GreaterOrEqual, open, self.pre)
        } else {
            Bound::from_first(open)
        };
        let full = |relation| vec![Bound::new(relation, open, self.pre)];
        Some(match operator {
            Operator::Exact if is_full => full(Relation::Equal),
            Operator::Exact => vec![start, Bound::before(self.next_release(highest)?)],
            Operator::Greater if is_full => full(Relation::Greater),
            Operator::Greater => vec![Bound::from_first(self.next_release(highest)?)],
            Operator::GreaterOrEqual => vec![start],
            Operator::Less if is_full => full(Relation::Less),
            Operator::Less => vec![Bound::before(open)],
            Operator::LessOrEqual if is_full => full(Relation::LessOrEqual),
            Operator::LessOrEqual => vec![Bound::before(self.next_release(highest)?)],
            Operator::Tilde => vec![start, Bound::before(self.tilde_end(highest)?)],
            Operator::Caret => vec![start, Bound::before(self.caret_end(highest)?)],
        })
    }

    /// The bounds of `this - to` (npm's hyphen range) seen from its lower end.
    pub(super) fn hyphen_start(&self) -> Bound {
        match (self.minor, self.patch, self.pre) {
            (Some(minor), Some(patch), pre) if !pre.is_empty() => {
                Bound::new(Relation::GreaterOrEqual, [self.major, minor, patch], pre)
            }
            (minor, patch, _) => Bound::from_first([
                self.major,
                minor.unwrap_or(0),
                minor.and(patch).unwrap_or(0),
            ]),
        }
    }

    /// The bounds of `from - this` (npm's hyphen range) seen from its upper end.
    pub(super) fn hyphen_end(&self, highest: u64) -> Option<Bound> {
        match (self.minor, self.patch, self.pre) {
            (Some(minor), Some(patch), pre) if !pre.is_empty() => Some(Bound::new(
                Relation::LessOrEqual,
                [self.major, minor, patch],
                pre,
            )),
            _ => self.next_release(highest).map(Bound::before),
        }
    }
}
