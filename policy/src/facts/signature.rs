//! What a registry's signature of a version proves.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What a registry's signature of a version proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureFacts {
    /// What came of checking it; of several signatures the best one counts.
    pub verdict: SignatureVerdict,
    /// The id of the key, as the registry words it, printable; of a missing signature the earlier
    /// version that has one.
    pub about: SmolStr,
}

/// What came of checking a signature, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureVerdict {
    /// The registry signed exactly this name, version and digest.
    Valid,
    /// There is none, although earlier versions have one.
    Missing,
    /// It is by a key the registry does not list.
    UnknownKey,
    /// It is by a key that had expired when the version was published.
    ExpiredKey,
    /// The key did not make it for this name, version and digest.
    Invalid,
}

impl SignatureVerdict {
    /// In words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Missing => "missing, unlike that of an earlier version",
            Self::UnknownKey => "by a key nobody knows",
            Self::ExpiredKey => "by a key that had expired",
            Self::Invalid => "not of this version and digest",
        }
    }
}
