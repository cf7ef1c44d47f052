//! Decisions: evaluations as they are kept for ever.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::facts::VersionFacts;
use crate::model::{Digest, Timestamp};
use crate::verdict::{Evaluation, RulesetHash};

/// Id of a decision: 12 characters of Crockford base32, random, so that it can be typed and tells
/// nothing about volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(SmolStr);

impl DecisionId {
    /// Number of characters.
    pub const LEN: usize = 12;
    const ALPHABET: &'static [u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// Makes an id from 60 random bits (the low ones of `random`).
    pub fn from_random(random: u64) -> Self {
        let text: String = (0..Self::LEN)
            .map(|i| char::from(Self::ALPHABET[(random >> (i * 5)) as usize & 31]))
            .collect();
        Self(text.into())
    }

    /// Reads an id as a person typed it: case does not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let is_id = lower.len() == Self::LEN && lower.bytes().all(|b| Self::ALPHABET.contains(&b));
        is_id.then(|| Self(lower.into()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a decision was taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A client asked.
    Request,
    /// The policy changed.
    PolicyReload,
    /// Advisory data changed.
    AdvisoryRefresh,
    /// What archives are searched for changed.
    IndicatorChange,
    /// A reviewer released it.
    AdminRelease,
    /// A reviewer rejected it.
    AdminDeny,
    /// Time passed.
    Expiry,
    /// Upstream removed it, or lists it again.
    UpstreamRemoval,
}

/// An evaluation with everything needed to take it again: append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its name.
    pub id: DecisionId,
    /// When it was taken: the `now` of the evaluation.
    pub at: Timestamp,
    /// What was concluded, about what.
    pub evaluation: Evaluation,
    /// Why now.
    pub cause: Cause,
    /// Under which rules.
    pub ruleset: RulesetHash,
    /// From which facts.
    pub facts: VersionFacts,
    /// The nearest version that was allowed instead, when this one was not and one existed.
    pub nearest_allowed: Option<SmolStr>,
}

impl Decision {
    /// SHA-256 of the bytes decided about, when they were known.
    pub fn sha256(&self) -> Option<&Digest> {
        self.evaluation.sha256()
    }
}
