//! What advisory data says about a version.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::model::Timestamp;

/// One advisory that names a version, aliases merged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AdvisoryMatch {
    /// The record's id: `GHSA-…`, `MAL-…`, `RUSTSEC-…`. Of several records about one thing, the
    /// first in order of their ids.
    pub id: SmolStr,
    /// Other ids of the same thing, in order.
    pub aliases: Vec<SmolStr>,
    /// What it warns of.
    pub kind: AdvisoryKind,
    /// How the record names the version.
    pub named: Named,
    /// Highest CVSS base score of the records, in tenths (98 is 9.8); `None` when none is given
    /// or none can be read.
    pub cvss_tenths: Option<u8>,
    /// The versions its range events call fixed, as written, in order; at most a few.
    pub fixed: Vec<SmolStr>,
    /// Whether the source is reviewed by people who are not the package's owners (GHSA-reviewed,
    /// PYSEC, RUSTSEC): only these may release a young version early.
    pub is_reviewed: bool,
    /// When the record was published.
    pub published_at: Option<Timestamp>,
    /// When it last changed.
    pub modified_at: Option<Timestamp>,
    /// One line about it, as the record words it, cut to a bounded length. Foreign text.
    pub summary: SmolStr,
    /// Whether it is in the list of exploited vulnerabilities (CISA KEV); `false` without a list.
    pub is_exploited: bool,
    /// EPSS probability of exploitation in thousandths; `None` without a list or an entry.
    pub epss_thousandths: Option<u16>,
}

/// What an advisory warns of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdvisoryKind {
    /// The package itself is harmful.
    Malware,
    /// It has a flaw that others can use.
    Vulnerability,
    /// Nobody maintains it (RustSec `unmaintained`).
    Unmaintained,
    /// It can break memory safety in safe code (RustSec `unsound`).
    Unsound,
    /// Anything else worth knowing (RustSec `notice`).
    Notice,
}

/// How a record names a version, from the surest to the broadest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// In an explicit list of versions. What a vulnerability lists and its ranges hold as well is
    /// named by the range.
    Listed,
    /// Inside a range that ends, or that begins at some version.
    Range,
    /// By a range over all versions (`introduced: "0"` without an end), or by nothing but the
    /// package's name.
    Everything,
    /// As `Everything`, of malware of which versions are also listed, this one not among them.
    Unlisted,
    /// The version, or an end of the range, cannot be read; it counts as affected.
    Unreadable,
}
