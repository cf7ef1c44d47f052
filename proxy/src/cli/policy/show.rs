//! `cordon policy show`.

use std::process::ExitCode;

use clap::Args;

use super::{Common, output};

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// In canonical form: every rule with every setting, defaults included, whatever way it was
    /// written
    #[arg(long)]
    canonical: bool,
}

impl Show {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let loaded = super::load(&super::chosen(common, &[])?)?;
        let mut lines = output::Lines::default();
        if self.canonical {
            lines.add(loaded.ruleset.describe().trim_end());
        } else {
            for source in &loaded.sources {
                lines.add(format_args!("# {}", source.name));
                lines.add(source.text.trim_end());
            }
        }
        lines.add(format_args!("# ruleset {}", loaded.ruleset.hash()));
        output::print(lines)?;
        Ok(ExitCode::SUCCESS)
    }
}
