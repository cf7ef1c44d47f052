//! Which packages and versions a line of policy means.
//!
//! Everything here is made when a policy is loaded, so that asking costs one hash look-up: exact
//! names in a table, name patterns compiled into one automaton per ecosystem, ranges parsed.

mod list;
mod names;
mod pattern;
mod scope;
mod versions;

pub use list::{Entry, ListBuilder, PackageList};
pub use names::NameIndex;
pub use pattern::{NamePattern, PatternError, parse_name_or_pattern};
pub use scope::{PackageScope, PackageSet};
pub use versions::VersionSet;
