//! `cordon completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<ExitCode, ExitCode> {
        let mut command = super::Cli::command();
        clap_complete::generate(self.shell, &mut command, "cordon", &mut std::io::stdout());
        Ok(ExitCode::SUCCESS)
    }
}
