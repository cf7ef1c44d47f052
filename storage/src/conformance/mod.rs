//! Conformance suites, one per trait, run on every backend.

pub mod blob;
pub mod cache;
pub mod evidence;
mod exposed;
mod faults;
mod holds;
mod known;
pub mod sample;

pub use faults::{Faults, Passage, planned};
