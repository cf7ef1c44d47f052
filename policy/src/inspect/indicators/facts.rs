//! What was found.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// How sure a rule is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Honest packages have it too: worth knowing, and nothing to stop anybody for.
    Watch,
    /// Only packages that do harm have it.
    Malicious,
}

impl Grade {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Malicious => "malicious",
        }
    }
}

/// A place where an indicator was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IndicatorHit {
    /// The id of the pack, or `hashes`, `domains`, `strings`, `yara` for what is in a list.
    pub pack: SmolStr,
    /// The version of the pack; of a list the beginning of its SHA-256.
    pub version: SmolStr,
    /// The rule's id in its pack; of a list its file.
    pub rule: SmolStr,
    /// What the rule is about, in words.
    pub title: SmolStr,
    /// How sure it is.
    pub grade: Grade,
    /// The file; empty for the archive as a whole.
    pub file: SmolStr,
    /// The 1-based line; 0 where it is the file as a whole.
    pub line: u32,
    /// What stands there, cut and printable.
    pub excerpt: SmolStr,
}

impl IndicatorHit {
    /// What policies and exemptions name it by: `starter/npm-token-worm`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.pack, self.rule)
    }
}

/// What of a set was found in one archive. Bounded: this is kept with each decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IndicatorFacts {
    /// The [id](super::IndicatorSet::id) of the set.
    pub set: SmolStr,
    /// Where something was found, the surest first.
    pub hits: Vec<IndicatorHit>,
    /// How many places there are.
    pub hit_count: u64,
    /// Files of which only the beginning was searched.
    pub cut_files: u64,
    /// Why a file could not be searched; then what is not among the hits is not known to be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<SmolStr>,
}

impl IndicatorFacts {
    /// Hits kept.
    pub const HITS: usize = 64;
    /// Hits kept of one rule.
    pub const HITS_OF_ONE: usize = 4;

    /// Nothing found by a set.
    pub fn of(set: &SmolStr) -> Self {
        Self {
            set: set.clone(),
            ..Self::default()
        }
    }

    /// Adds one. When there is no more room, what is surer takes the place of what is less sure.
    pub fn push(&mut self, hit: IndicatorHit) {
        self.hit_count = self.hit_count.saturating_add(1);
        let is_same_rule = |it: &&IndicatorHit| it.pack == hit.pack && it.rule == hit.rule;
        if self.hits.iter().filter(is_same_rule).count() >= Self::HITS_OF_ONE {
            return;
        }
        let at = self.hits.partition_point(|it| it.grade >= hit.grade);
        if at < Self::HITS {
            self.hits.insert(at, hit);
            self.hits.truncate(Self::HITS);
        }
    }
}
