//! `cordon policy check`: every problem of policy files, without the rest of a configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::super::check::{Counts, check_policy, passes};
use super::{Common, name_of};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The files of one policy; without any, the configured ones
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Fail on warnings as well, an exemption that has ended among them
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let files = super::chosen(common, &self.files)?;
        let mut counts = Counts::default();
        check_policy(&files, None, &mut counts);
        passes(&format!("{} is", name_of(&files)), &counts, self.strict)
    }
}
