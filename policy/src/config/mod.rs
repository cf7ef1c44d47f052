//! Policy files: text in, a [`Ruleset`] or every problem out.
//!
//! [`source`] and [`reader`] read any TOML file key by key and keep every place; [`load`] turns
//! policy files into a ruleset; [`canonical`] writes a ruleset back; [`diagnostic`] draws problems.

pub mod canonical;
pub mod diagnostic;
mod exempt;
mod key_docs;
pub mod limits;
mod load;
pub mod names;
pub mod quantity;
pub mod reader;
mod reject;
pub mod schema;
mod settings;
pub mod shape;
pub mod source;
pub mod text;
mod untold;
mod weakened;

use crate::evaluate::Ruleset;
use crate::policy_test::PolicyTest;
use diagnostic::Diagnostic;
pub use load::load;
pub use settings::{MAX_ASKER_NAME, is_asker_name};

/// One policy file.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// How the file is named in messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl PolicySource {
    /// The policy in force when no file is given.
    pub fn built_in() -> Self {
        Self {
            name: BUILT_IN.to_owned(),
            text: DEFAULT_POLICY.to_owned(),
        }
    }
}

/// A ruleset and what is worth saying about it.
#[derive(Debug)]
pub struct Loaded {
    /// The validated policy.
    pub ruleset: Ruleset,
    /// What the files say the policy must do, in their order.
    pub tests: Vec<PolicyTest>,
    /// Warnings: shadowed entries, non-canonical names, lists that say nothing.
    pub warnings: Vec<Diagnostic>,
}

/// How the built-in policy is named in messages and sources of findings.
pub const BUILT_IN: &str = "built-in";

/// The policy in force when no file is given: architecture §14.11, each default with its reason.
pub const DEFAULT_POLICY: &str = include_str!("default.toml");

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
