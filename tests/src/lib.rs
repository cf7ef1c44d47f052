//! Black-box tests of Cordon: a programmable fake registry, the real binary, the real clients.

pub mod archive;
pub mod client;
pub mod clock;
pub mod cordon;
pub mod fake_registry;
pub mod fixture;
pub mod memory;
pub mod numbers;
pub mod wait;
