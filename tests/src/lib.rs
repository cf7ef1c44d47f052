//! Black-box tests of Cordon: a programmable fake registry, the real binary, the real clients.

pub mod archive;
pub mod clock;
pub mod fake_registry;
