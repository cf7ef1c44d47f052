//! Where Cordon keeps bytes and records; it knows no rules.
//!
//! Three traits by what a loss would mean (README, "Stores"): [`blob::BlobStore`] holds bytes by
//! SHA-256 and can be filled again from upstream; [`cache::CacheIndex`] holds what may be thrown
//! away and rebuilt; [`evidence::Evidence`] holds what must never be lost. Beside them,
//! [`generations::Generations`] holds advisory data, which is made elsewhere and exchanged as a whole.

pub mod blob;
pub mod cache;
pub mod collect;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod disk;
pub mod error;
pub mod evidence;
pub mod generations;

pub use error::{Chain, StorageError, StorageErrorKind};
