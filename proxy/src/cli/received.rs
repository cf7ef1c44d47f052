//! `cordon log received`: who has it.

use std::process::ExitCode;

use clap::Args;
use cordon_policy::ecosystem::schemes;
use cordon_policy::model::parse_purl;
use cordon_storage::evidence::{
    ExposureFilter, LoggedExposure, LoggedServing, Outcome, ServingFilter,
};

use super::output::{self, printable};
use super::{Common, exposures, unusable};
use crate::data;

#[derive(Debug, Args)]
pub(super) struct Received {
    /// A package or version: pkg:npm/left-pad@1.3.0
    purl: String,
    /// Who was refused it, instead
    #[arg(long)]
    refused: bool,
    /// At most so many, the newest
    #[arg(long, short = 'n', default_value_t = 1000)]
    limit: usize,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

impl Received {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let target = parse_purl(&self.purl, &schemes()).map_err(|error| {
            output::complain(error);
            unusable()
        })?;
        let outcome = match self.refused {
            true => Outcome::Refused,
            false => Outcome::Served,
        };
        let filter = ServingFilter {
            package: target.name,
            version: target.version,
            file: None,
            outcome: Some(outcome),
            limit: self.limit,
        };
        let exposed = ExposureFilter {
            package: Some(filter.package.clone()),
            ..ExposureFilter::default()
        };
        let config = common.load(&common.overrides())?;
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| super::fail(&error))?;
            let found = evidence.servings(&filter).await;
            self.show(&found.map_err(|error| super::fail(&error))?)?;
            if !(self.json || self.refused) {
                let exposures = evidence.exposures(&exposed).await;
                show_exposures(&exposures.map_err(|error| super::fail(&error))?, &filter)?;
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    fn show(&self, servings: &[LoggedServing]) -> Result<(), ExitCode> {
        if self.json {
            servings
                .iter()
                .try_for_each(|one| output::print(json_line(one)))
        } else if servings.is_empty() {
            output::print("nobody, as far as the log says")
        } else {
            output::print(table(servings))
        }
    }
}

/// Which of it is refused by now.
fn show_exposures(found: &[LoggedExposure], filter: &ServingFilter) -> Result<(), ExitCode> {
    let is_meant = |it: &&LoggedExposure| {
        let version = &it.exposure.artifact.subject.version;
        filter
            .version
            .as_ref()
            .is_none_or(|wanted| wanted == version)
    };
    let meant: Vec<String> = found.iter().filter(is_meant).map(exposures::text).collect();
    match meant.is_empty() {
        true => Ok(()),
        false => output::print(format_args!(
            "\nrefused by now:\n{}",
            meant.concat().trim_end()
        )),
    }
}

fn json_line(one: &LoggedServing) -> String {
    serde_json::json!({
        "index": one.index,
        "artifact": one.artifact,
        "served": one.served,
    })
    .to_string()
}

fn table(servings: &[LoggedServing]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header([
        "last", "first", "times", "client", "agent", "what", "file", "decision",
    ]);
    for LoggedServing {
        artifact, served, ..
    } in servings
    {
        table.add_row([
            served.last_at.to_string(),
            served.first_at.to_string(),
            served.count.to_string(),
            printable(&served.client.address),
            printable(&served.client.agent),
            printable(&artifact.subject.to_string()),
            printable(artifact.file.as_str()),
            served.decision.to_string(),
        ]);
    }
    table
}
