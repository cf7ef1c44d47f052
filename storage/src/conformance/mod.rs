//! Conformance suites, one per trait, run on every backend.

pub mod blob;
pub mod cache;
<<<<<<< HEAD
mod faults;

pub use faults::{Faults, Passage, planned};
=======
pub mod evidence;
pub mod sample;
>>>>>>> 9e9a1ad (Keep evidence in SQLite and in memory)
