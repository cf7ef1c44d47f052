//! Indicators: texts, patterns, hosts and digests that are known to belong to attacks.
//!
//! A set of them ([`IndicatorSet`]) is made from packs of rules and plain lists
//! ([`IndicatorSource`]), and searched for in every file of an archive while it is read. What was
//! found says by which set it was ([`IndicatorFacts::set`]): under another set the archive is looked
//! at again.
//!
//! Texts are found by one automaton over all of them, patterns by regular expressions that take
//! linear time and bounded memory; both see bytes, whatever a file says it is. A set that cannot be
//! made is refused as a whole, with every problem and its line: half a set would look like a whole one.

mod automaton;
mod facts;
mod glob;
mod list;
mod pack;
mod rule;
mod search;
mod searcher;
mod set;
mod source;
#[cfg(test)]
mod starter_tests;
#[cfg(test)]
mod tests;
#[cfg(not(feature = "yara"))]
#[path = "without_yara.rs"]
mod yara;
#[cfg(feature = "yara")]
mod yara;
#[cfg(all(test, feature = "yara"))]
mod yara_tests;

pub use facts::{Grade, IndicatorFacts, IndicatorHit};
pub use search::SearchedFile;
pub(super) use searcher::Searcher;
pub use set::{IndicatorSet, PackSummary};
pub use source::{IndicatorFile, IndicatorSource, TEST_MARKER};

/// Limits of a set.
pub mod limits {
    /// Bytes of a pack of rules.
    pub const PACK_BYTES: usize = 4 << 20;
    /// Bytes of a list.
    pub const LIST_BYTES: usize = 32 << 20;
    /// Bytes of all files of a set together.
    pub const SOURCE_BYTES: usize = 48 << 20;
    /// Rules of all packs together.
    pub const RULES: usize = 20_000;
    /// Regular expressions of all packs together: each is run by itself.
    pub const PATTERNS: usize = 2_000;
    /// Entries of all lists together.
    pub const ENTRIES: usize = 500_000;
    /// Shortest text that is looked for: shorter ones are everywhere.
    pub const SHORTEST_TEXT: usize = 4;
    /// Longest text or pattern.
    pub const LONGEST_TEXT: usize = 1_024;
    /// Bytes of memory a compiled pattern may take.
    pub const PATTERN_MEMORY: usize = 1 << 20;
    /// Bytes of a file that are searched; of a larger one its beginning.
    pub const SEARCHED_BYTES: u64 = 16 << 20;
}
