//! `cordon policy …`: reading, checking and trying policies before they are in force.

mod check;
mod diff;
mod import;
mod schema;
mod show;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, output, unusable};
use crate::policy_files::{self, LoadedPolicy};

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Read policy files and print every problem with file, line and remedy
    Check(check::Check),
    /// Print the policy: the text of the configured files, or the built-in one
    Show(show::Show),
    /// Say what would be decided about a package or version, and from which facts
    Explain(super::explain::Explain),
    /// Run the `[[test]]` tables of policy files
    Test(test::Test),
    /// Judge recorded decisions by two policies and print what would newly be refused or allowed
    Diff(diff::Diff),
    /// Make a policy of what another tool is told
    Import(import::Import),
    /// Print the JSON Schema of policy files, for editors
    Schema,
}

impl Policy {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        match self {
            Self::Check(check) => check.run(common),
            Self::Show(show) => show.run(common),
            Self::Explain(explain) => explain.run(common),
            Self::Test(test) => test.run(common),
            Self::Diff(diff) => diff.run(common),
            Self::Import(import) => import.run(),
            Self::Schema => schema::run(),
        }
    }
}

/// The files named as arguments; without any those of the command line's `--policy` or of the
/// configuration.
fn chosen(common: &Common, named: &[PathBuf]) -> Result<Vec<PathBuf>, ExitCode> {
    match named {
        [] if common.policy_files.is_empty() => Ok(common.load(&common.overrides())?.policy_files),
        [] => Ok(common.policy_files.clone()),
        named => Ok(named.to_vec()),
    }
}

/// A policy, its warnings printed; or all its problems.
fn load(files: &[PathBuf]) -> Result<LoadedPolicy, ExitCode> {
    match policy_files::load(files) {
        Ok(loaded) => {
            output::diagnostics(&loaded.warnings, &loaded.sources);
            Ok(loaded)
        }
        Err(rejected) => {
            output::diagnostics(&rejected.problems, &rejected.sources);
            Err(unusable())
        }
    }
}

/// How a policy is called in an answer.
fn name_of(files: &[PathBuf]) -> String {
    match files {
        [] => "the built-in policy".to_owned(),
        files => {
            let names: Vec<String> = files
                .iter()
                .map(|file| Path::display(file).to_string())
                .collect();
            names.join(", ")
        }
    }
}
