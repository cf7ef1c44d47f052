//! Conformance suites, one per trait, run on every backend.

pub mod blob;
pub mod cache;
mod faults;

pub use faults::{Faults, Passage, planned};
