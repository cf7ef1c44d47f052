//! `cordon why`: the record behind a refusal.

use std::process::ExitCode;

use clap::Args;
use cordon_policy::decision::DecisionId;

use super::{Common, output, unusable};
use crate::data;

#[derive(Debug, Args)]
pub(super) struct Why {
    /// The id a refusal names, 12 characters
    id: String,
    /// The record as JSON
    #[arg(long)]
    json: bool,
}

impl Why {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let Some(id) = DecisionId::parse(&self.id) else {
            output::complain(format_args!(
                "`{}` is not a decision id; it has 12 letters and digits and stands in the \
                 refusal's text",
                self.id
            ));
            return Err(unusable());
        };
        let config = common.load(&common.overrides())?;
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| super::fail(&error))?;
            match evidence
                .decision(&id)
                .await
                .map_err(|error| super::fail(&error))?
            {
                Some(logged) if self.json => {
                    output::print(super::log::json_line(&logged))?;
                    Ok(ExitCode::SUCCESS)
                }
                Some(logged) => {
                    output::print(super::log::whole(&logged))?;
                    Ok(ExitCode::SUCCESS)
                }
                None => {
                    let folder = config.data.display();
                    output::complain(format_args!("no decision {id} in {folder}"));
                    Err(ExitCode::FAILURE)
                }
            }
        })
    }
}
