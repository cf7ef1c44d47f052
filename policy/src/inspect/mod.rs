//! What is inside an archive.
//!
//! Metadata says what a publisher claims; the archive is what runs. [`inspect`] reads one archive
//! once, from front to back, within [`Limits`], and gives a [`Sheet`]: every reason why two
//! installers could read it differently ([`archive`]), what its own manifest says ([`manifest`]),
//! and, when asked for, what its files can do ([`content`])
//! and what of a set of indicators is in them ([`indicators`]). It is pure and judges nothing: rules
//! read the sheet as facts. It runs in a process of its own, because parsers of hostile bytes are
//! where programs break.
//!
//! The sheet of an archive depends on its bytes, its file name, [`INSPECTOR`], the limits and the
//! set of indicators alone, so it is kept by digest and never made twice.

pub mod archive;
pub mod content;
pub mod fault;
pub mod indicators;
pub mod limits;
pub mod manifest;
mod run;
pub mod sheet;
mod take_out;

pub use fault::{Fault, FaultCode, Faults};
pub use limits::Limits;
pub use run::{Depth, Input, inspect, inspect_for};
pub use sheet::{Mark, MarkKind, Sheet};
pub use take_out::{CORE_METADATA_BYTES, core_metadata};

/// The version of what inspection finds, the default limits included. A sheet made by another is made
/// again.
pub const INSPECTOR: u32 = 4;
