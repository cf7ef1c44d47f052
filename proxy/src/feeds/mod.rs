//! Advisory data: fetched or imported, kept in generations, put in force as a whole.
//!
//! [`data`] is what the engine judges by: one value for every ecosystem together, exchanged at
//! once. What is behind it on disk, and how it gets there, is no business of the engine's.

pub mod data;
pub mod dump;
pub mod gather;

pub use data::{AdvisoryData, AdvisoryFacts};
