//! `cordon policy show`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, output, unusable};
use crate::policy_files;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Print the policy: the text of the configured files, or the built-in one
    Show,
}

impl Policy {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let Self::Show = self;
        let config = common.load(&common.overrides())?;
        let loaded = policy_files::load(&config.policy_files).map_err(|rejected| {
            output::diagnostics(&rejected.problems, &rejected.sources);
            unusable()
        })?;
        output::diagnostics(&loaded.warnings, &loaded.sources);
        let mut lines = output::Lines::default();
        for source in &loaded.sources {
            lines.add(format_args!("# {}", source.name));
            lines.add(source.text.trim_end());
        }
        lines.add(format_args!("# ruleset {}", loaded.ruleset.hash()));
        output::print(lines)?;
        Ok(ExitCode::SUCCESS)
    }
}
