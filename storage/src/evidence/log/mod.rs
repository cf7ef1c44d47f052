//! The log as published: plain files that anyone can serve, copy and check (C2SP tlog-tiles,
//! tlog-checkpoint, signed-note).
//!
//! ```text
//! log/checkpoint          how many entries, their root, signed
//! log/log.pub             the public key
//! log/tile/entries/<N>    256 entries, each after its length as 16 bits
//! log/tile/<L>/<N>        256 hashes of level L
//! ….p/<W>                 the first W of a tile or bundle that is not full yet
//! keys/log.key            the private key; never published
//! keys/log.last           the last checkpoint signed
//! ```
//!
//! `keys/log.last` is written before `log/checkpoint`. It stands beside the key because it is the
//! key's memory: a data folder restored from a backup beside today's key is found out by it, and
//! nothing is signed that contradicts what was signed before (INV-26).

#[cfg(test)]
mod crash_tests;
pub(crate) mod heads;
pub(crate) mod layout;
pub mod proof;
pub(crate) mod publisher;
mod reader;
pub mod verify;

pub use layout::PUBLIC_KEY;
pub use verify::verify;
