//! What the files of an archive can do.
//!
//! Every file of source is read by the grammar of its language; what is too large or too damaged for
//! that, by a scanner that knows comments and texts. Either way a file becomes names, texts and marks,
//! each in the scope it runs in (`token`). Imports and simple assignments are followed (`names`),
//! so that it does not matter how a function is spelled; what it does is in one table
//! (`capability`). Capabilities that mean harm together, near each other and where they run, are
//! signs (`signal`), and what a version has that the one before had not is its [`ContentChange`].
//!
//! Nothing here runs, resolves or loads anything. The same bytes give the same facts.

mod agents;
mod analyse;
mod binary;
mod capability;
mod change;
mod commands;
mod facts;
mod flow;
mod follow;
mod follow_python;
mod follow_rust;
mod functions;
mod install;
mod judge_file;
mod keys;
mod known;
mod looker;
mod names;
mod nested;
mod oddity;
mod place;
mod runs;
mod scan;
mod signal;
mod spelled;
mod strings;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod tree;

pub use capability::Capability;
pub use change::{ArchiveBefore, ContentChange};
pub use facts::{
    Binary, BinaryFormat, ContentFacts, Destination, FileKind, InstallCode, InstallKind, Trace,
    When,
};
pub use known::KnownFiles;
pub use looker::Looker;
pub use signal::{Signal, SignalKind};
