//! The naming and ordering rules of each ecosystem: the one canonicaliser of each.

mod cargo;
mod npm;
mod pypi;

pub use cargo::Cargo;
pub use npm::Npm;
pub use pypi::PyPi;

use crate::model::{Ecosystem, Scheme};

/// npm: `npm`.
pub const NPM: Ecosystem = Ecosystem::from_static("npm");
/// PyPI: `pypi`.
pub const PYPI: Ecosystem = Ecosystem::from_static("pypi");
/// crates.io: `cargo`.
pub const CARGO: Ecosystem = Ecosystem::from_static("cargo");

/// Every scheme Cordon knows.
pub fn schemes() -> [&'static dyn Scheme; 3] {
    [&Npm, &PyPi, &Cargo]
}

/// The scheme of an ecosystem.
pub fn scheme_for(ecosystem: &Ecosystem) -> Option<&'static dyn Scheme> {
    schemes()
        .into_iter()
        .find(|scheme| scheme.ecosystem() == ecosystem)
}
