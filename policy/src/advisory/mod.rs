//! Advisory data: records of the OSV format become one compact index per ecosystem, and an index
//! tells which of them name a version.
//!
//! Data flows one way. The shell reads a dump and hands each record to an [`IndexBuilder`]; what it
//! finishes is the content of an index file; [`AdvisoryIndex::open`] checks such a file's bytes and
//! answers from them as they are, without a tree of records in memory. A new generation of data is
//! a new index; [`changed_packages`] tells which packages it says something else about.
//!
//! Matching is the evaluation the OSV schema describes, with the ecosystem's own order of versions
//! ([`Scheme::order_key`](crate::model::Scheme::order_key)). Where the schema leaves something
//! open, the answer is the strict one: what cannot be read counts as affected, and says so
//! ([`Named::Unreadable`](crate::facts::Named)).

mod bound;
mod build;
mod codec;
mod diff;
mod draft;
mod index;
mod osv;
mod package;
mod range;
mod record;
mod scores;
mod severity;

pub use build::{Added, BuildReport, IndexBuilder};
pub use diff::{Losses, changed_packages};
pub use index::{AdvisoryIndex, IndexError};
pub use osv::RecordError;
pub use package::PackageAdvisories;
pub use scores::ScoresError;

/// The cause of an unavailable [`advisories`](crate::facts::VersionFacts::advisories) fact when no
/// advisory data was ever loaded, as opposed to data that is too old. Rules may tell the two apart
/// (`without_data`).
pub const NO_DATA: &str = "no advisory data was ever loaded";

/// Largest record read, in bytes. The largest of the public dumps has a few hundred thousand.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// Largest index, in bytes: offsets are of 32 bits, and an index is kept in memory.
pub const MAX_INDEX_BYTES: usize = 1 << 30;

/// Longest id of a record, in bytes.
const MAX_ID_BYTES: usize = 128;

/// Most aliases kept of one record.
const MAX_ALIASES: usize = 64;

/// Longest summary kept, in characters.
const MAX_SUMMARY_CHARS: usize = 160;

/// Most fixed versions told with a match.
const MAX_FIXED: usize = 16;

#[cfg(test)]
mod tests;
