//! `cordon log missed`: names that were asked for and did not exist.

use std::process::ExitCode;

use clap::Args;

use super::output::{self, Lines};
use super::{Common, fail};
use crate::data;

#[derive(Debug, Args)]
pub(super) struct MissedNames {
    /// At most so many, the newest
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl MissedNames {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let config = common.load(&common.overrides())?;
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| fail(&error))?;
            let missed = evidence.missed_names(self.limit).await;
            let missed = missed.map_err(|error| fail(&error))?;
            if missed.is_empty() && !self.json {
                output::print("every name that was asked for exists")?;
                return Ok(ExitCode::SUCCESS);
            }
            let mut lines = Lines::default();
            for name in &missed {
                match self.json {
                    true => lines.add(serde_json::json!({
                        "at": name.at,
                        "package": name.package.purl(),
                    })),
                    false => lines.add(format_args!("{}  {}", name.at, name.package)),
                }
            }
            if !missed.is_empty() {
                output::print(lines)?;
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}
