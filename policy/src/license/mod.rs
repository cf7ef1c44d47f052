//! Licences as registries word them, read as SPDX expressions.
//!
//! The expressions and the list of licences are the crate `spdx`'s. What people wrote before there
//! was SPDX, and still write, is put into its words first: JSON objects and arrays of old npm
//! manifests, Python classifiers, `MIT/Apache-2.0`, ids in the wrong case, and the common names. A
//! name that could mean several licences (`BSD`, `GPL`) is not guessed at.

mod legacy;
mod pattern;

use std::borrow::Cow;
use std::collections::BTreeSet;

use spdx::expression::{ExprNode, Operator};
use spdx::{Expression, LicenseItem, LicenseReq, ParseMode};

pub use pattern::{LicensePattern, PatternError};

/// Longest text read, in bytes; longer ones are a licence's own words, not its name.
pub const MAX_TEXT_BYTES: usize = 1024;

/// As strict as the SPDX grammar, but for what cargo used to accept.
const MODE: ParseMode = ParseMode {
    allow_slash_as_or_operator: true,
    // Those match the beginning of a word and ignore the rest.
    allow_imprecise_license_names: false,
    allow_postfix_plus_on_gpl: true,
    allow_deprecated: true,
    allow_unknown: false,
};

/// Every licence of the SPDX list.
pub fn ids() -> impl Iterator<Item = &'static str> + Clone {
    pattern::licenses()
}

/// Whether the text is the one spelling of a licence that has no other: reading it is not needed.
pub fn is_plain_id(text: &str) -> bool {
    spdx::license_id(text)
        .is_some_and(|id| id.name == text && !id.is_gnu() && !pattern::is_no_license(text))
}

/// What a text says about a licence.
#[derive(Debug)]
pub enum License {
    /// These terms.
    Expression(Terms),
    /// Nobody may use it: npm's `UNLICENSED`, Python's `Private`, `Proprietary`.
    Unlicensed,
    /// Terms of its own, to be read somewhere else (`SEE LICENSE IN …`).
    Custom,
    /// Nothing that can be read.
    Unreadable,
}

/// Licences joined by `AND` and `OR`.
#[derive(Debug)]
pub struct Terms(Box<Expression>);

impl License {
    /// Reads a text. `None` when it says nothing.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        if text.len() > MAX_TEXT_BYTES {
            return Some(Self::Unreadable);
        }
        if let Some(id) = spdx::license_id(text).filter(|id| id.name == text) {
            return Some(Self::expression(id.name));
        }
        if text.starts_with(['{', '[']) {
            return Some(match legacy::from_json(text) {
                Some(joined) => Self::plain(&joined),
                None => Self::Unreadable,
            });
        }
        if text.contains("License ::") {
            return Some(match legacy::from_classifiers(text) {
                Some(joined) => Self::plain(&joined),
                None => Self::Unreadable,
            });
        }
        Some(Self::plain(text))
    }

    fn plain(text: &str) -> Self {
        if legacy::is_unlicensed(text) {
            return Self::Unlicensed;
        }
        if legacy::is_elsewhere(text) {
            return Self::Custom;
        }
        match legacy::by_name(text) {
            Some(id) => Self::expression(id),
            None => Self::expression(text),
        }
    }

    fn expression(text: &str) -> Self {
        let read = |text: &str| Expression::parse_mode(text, MODE).ok();
        let names_all = |expression: &Expression| {
            let mut terms = expression.requirements();
            terms.all(|term| {
                let id = term.req.license.id();
                !id.is_some_and(|id| pattern::is_no_license(id.name))
            })
        };
        match read(text).or_else(|| read(&legacy::in_proper_case(text))) {
            Some(expression) if !names_all(&expression) => Self::Unreadable,
            Some(expression) => Self::Expression(Terms(Box::new(expression))),
            None => Self::Unreadable,
        }
    }

    /// Whether both mean the same terms, however they are worded. What cannot be read is never the
    /// same as anything.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Expression(a), Self::Expression(b)) => a.canonical() == b.canonical(),
            (Self::Unlicensed, Self::Unlicensed) => true,
            _ => false,
        }
    }
}

impl Terms {
    /// Whether one may comply by accepting only licences for which `accepts` holds.
    pub fn can_be_met(&self, mut accepts: impl FnMut(&Term<'_>) -> bool) -> bool {
        self.0.evaluate(|required| accepts(&Term(required)))
    }

    /// One form for the same terms: ids in full, choices and sums in order and without repetition.
    fn canonical(&self) -> Joined {
        let mut stack = Vec::new();
        for node in self.0.iter() {
            match node {
                ExprNode::Req(required) => {
                    stack.push(Joined::One(Term(&required.req).to_string()));
                }
                ExprNode::Op(operator) => {
                    let (Some(b), Some(a)) = (stack.pop(), stack.pop()) else {
                        break;
                    };
                    stack.push(a.with(*operator, b));
                }
            }
        }
        stack.pop().unwrap_or_else(|| Joined::Any(BTreeSet::new()))
    }
}

/// Terms in an order that does not depend on how they were written. A group has at least two
/// members, none of its own kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Joined {
    One(String),
    All(BTreeSet<Joined>),
    Any(BTreeSet<Joined>),
}

impl Joined {
    fn with(self, operator: Operator, other: Self) -> Self {
        let mut members = BTreeSet::new();
        for side in [self, other] {
            match (operator, side) {
                (Operator::And, Self::All(inner)) | (Operator::Or, Self::Any(inner)) => {
                    members.extend(inner);
                }
                (_, side) => {
                    members.insert(side);
                }
            }
        }
        // The same twice is that once: `MIT AND MIT` is no group.
        if members.len() == 1
            && let Some(only) = members.pop_first()
        {
            return only;
        }
        match operator {
            Operator::And => Self::All(members),
            Operator::Or => Self::Any(members),
        }
    }
}

impl std::fmt::Display for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (members, word) = match self {
            Self::One(term) => return f.write_str(term),
            Self::All(members) => (members, " AND "),
            Self::Any(members) => (members, " OR "),
        };
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                f.write_str(word)?;
            }
            match member {
                Self::One(term) => f.write_str(term)?,
                group => write!(f, "({group})")?,
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.canonical().fmt(f)
    }
}

/// One licence of an expression, with its exception.
#[derive(Debug)]
pub struct Term<'a>(&'a LicenseReq);

impl Term<'_> {
    /// The licence's id in full: of the GNU licences always with `-only` or `-or-later`.
    pub fn id(&self) -> Cow<'_, str> {
        match &self.0.license {
            LicenseItem::Spdx { id, or_later } => {
                let has_ending = id.name.ends_with("-only") || id.name.ends_with("-or-later");
                if !id.is_gnu() || has_ending || id.name.contains("-with-") {
                    return Cow::Borrowed(id.name);
                }
                let name = id.name.trim_end_matches('+');
                let ending = match *or_later || id.name.ends_with('+') {
                    true => "or-later",
                    false => "only",
                };
                Cow::Owned(format!("{name}-{ending}"))
            }
            LicenseItem::Other(reference) => Cow::Owned(reference.to_string()),
        }
    }

    /// The exception that goes with it.
    pub fn exception(&self) -> Option<String> {
        self.0.addition.as_ref().map(ToString::to_string)
    }
}

impl std::fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id())?;
        let is_gnu = self.0.license.id().is_some_and(|id| id.is_gnu());
        if let LicenseItem::Spdx { or_later: true, .. } = self.0.license
            && !is_gnu
        {
            f.write_str("+")?;
        }
        match self.exception() {
            Some(exception) => write!(f, " WITH {exception}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
