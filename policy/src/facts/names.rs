//! What is known about a name before anything of the package is read.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::model::Timestamp;

/// Something between 0 and 1, in thousandths, so that facts compare and hash exactly.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Score(pub u16);

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// How much a name looks made to be taken for another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Similarity {
    /// 0: not at all; 1: surely.
    pub score: Score,
    /// The popular package it looks like, normalised.
    pub target: SmolStr,
    /// How, in words: `two letters swapped`.
    pub technique: SmolStr,
}

/// A package's place in the list of popular ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Popularity {
    /// 1 is the most used.
    pub rank: u32,
}

impl Audience {
    /// One text for each: empty for everybody, else `route/identity`, either of which may be empty.
    /// No name of a route or an identity holds a `/`.
    pub fn key(&self) -> String {
        match (&self.route, &self.identity) {
            (None, None) => String::new(),
            (route, identity) => {
                let text = |name: &Option<SmolStr>| name.clone().unwrap_or_default();
                format!("{}/{}", text(route), text(identity))
            }
        }
    }
}

/// A name that was asked for here while it did not exist upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AskedInVain {
    /// When it was first asked for.
    pub first_at: Timestamp,
}

/// Who asks, as far as policies may tell them apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Audience {
    /// The route asked by, if the policy knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<SmolStr>,
    /// Who asks, if the policy knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<SmolStr>,
}
