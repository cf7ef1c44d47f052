//! How a name is like a popular one, as far as can be told from the two.

use super::affix::Affix;
use super::distance::{EditKind, Edits};

/// Where words were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Before the popular name.
    Before,
    /// Behind it.
    Behind,
    /// On both sides.
    Both,
}

/// How a name is like a popular one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// The same letters, set apart otherwise.
    Separators,
    /// The same to the eye.
    LookAlike,
    /// One or two slips.
    Edits(Edits),
    /// The same words in another order.
    Order,
    /// The popular name and one word more.
    Affix {
        /// What the word claims.
        affix: Affix,
        /// Where it stands.
        side: Side,
        /// Whether it is run together with the name.
        is_joined: bool,
    },
    /// The popular name and several words more.
    Words {
        /// Where they stand.
        side: Side,
        /// How many.
        count: usize,
        /// How many of them claim something.
        known: usize,
    },
    /// `@types/node` as `types-node`.
    ScopeJoined,
    /// `@azure/arm-dns` as `arm-dns`.
    ScopeDropped,
    /// `arm-…` where all popular packages called so are under `@azure`.
    ScopeFamily,
    /// `react` as `@somebody/react`.
    ScopeAdded,
    /// `@near/crypto` as `@somebody/crypto`.
    ScopeOther,
}

impl Relation {
    /// In words, for a reason: `two letters swapped`.
    pub(super) fn technique(&self) -> &'static str {
        match self {
            Self::Separators => "separators changed",
            Self::LookAlike => "letters replaced by look-alikes",
            Self::Edits(edits) => edits_in_words(edits),
            Self::Order => "words in another order",
            Self::Affix { affix, side, .. } => match (affix, side) {
                (Affix::Language, _) => "the language added",
                (Affix::Version, _) => "a version added",
                (Affix::Better | Affix::Part | Affix::Other, Side::Before) => "a word put before",
                (Affix::Better | Affix::Part | Affix::Other, _) => "a word put behind",
            },
            Self::Words { .. } => "words added",
            Self::ScopeJoined => "the scope run into the name",
            Self::ScopeDropped => "the scope left out",
            Self::ScopeFamily => "the scope left out of a family of names",
            Self::ScopeAdded => "a scope added",
            Self::ScopeOther => "another scope",
        }
    }
}

fn edits_in_words(edits: &Edits) -> &'static str {
    if edits.count() > 1 {
        return "two slips of the hand";
    }
    match edits.iter().next().map(|edit| edit.kind) {
        Some(EditKind::Swap) => "two letters swapped",
        Some(EditKind::Doubled) => "a letter doubled",
        Some(EditKind::Undoubled) => "a double letter made single",
        Some(EditKind::Plural) => "a plural made of it",
        Some(EditKind::Singular) => "a singular made of it",
        Some(EditKind::InsertedNear | EditKind::Inserted) => "a letter put in",
        Some(EditKind::InsertedDigit) => "a digit put in",
        Some(EditKind::Omitted) => "a letter left out",
        Some(EditKind::OmittedDigit) => "a digit left out",
        Some(EditKind::LookAlike) => "a letter replaced by one that looks like it",
        Some(EditKind::NearKey) => "a letter replaced by its neighbour on the keyboard",
        Some(EditKind::Vowel) => "a vowel replaced",
        Some(EditKind::Digit) => "a digit replaced",
        Some(EditKind::Replaced) => "a letter replaced",
        None => "the same letters",
    }
}
