//! Advisory data: fetched or imported, kept in generations, put in force as a whole.
//!
//! [`data`] is what the engine judges by: one value for every ecosystem together, exchanged at
//! once. What is behind it on disk, and how it gets there, is no business of the engine's.
//!
//! A dump comes from a source (`source`, or fetched), is read record by record within bounds
//! (`records`), refused or made into an index ([`import`]) and put in force as a generation on
//! disk, which [`installed`] opens. `manifest` says what a generation was made of, [`notes`] what
//! is remembered of its sources.

mod confirm;
pub mod data;
pub mod dump;
mod fetch;
pub mod gather;
pub mod import;
pub mod installed;
mod list;
pub mod manifest;
pub mod notes;
mod records;
mod refused;
mod source;
mod tell;
pub mod watch;

pub use data::{AdvisoryData, AdvisoryFacts};
pub use refused::Refused;
pub use watch::Feeds;
