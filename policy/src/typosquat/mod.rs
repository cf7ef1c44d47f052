//! Names made to be taken for popular ones.

mod affix;
mod catalogue;
mod detector;
mod distance;
mod features;
mod form;
mod index;
mod keyboard;
mod language;
mod letters;
mod popular;
mod relation;
mod weights;

#[cfg(test)]
mod tests;

pub use detector::{Candidate, Detector};
pub use popular::{MAX_POPULAR_BYTES, MAX_POPULAR_NAMES, PopularError, PopularNames};
