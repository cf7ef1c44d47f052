//! `cordon log exposures`: what was served and is refused by now, and who has it.

use std::process::ExitCode;

use clap::Args;
use cordon_policy::ecosystem::schemes;
use cordon_policy::model::parse_purl;
use cordon_storage::Chain;
use cordon_storage::evidence::{ExposureFilter, LoggedExposure, Receiver};

use super::output::{self, Lines, printable};
use super::{Common, fail, unusable};
use crate::data;

#[derive(Debug, Args)]
pub(super) struct Exposures {
    /// Only of this package, as a package URL
    #[arg(value_name = "PURL")]
    purl: Option<String>,
    /// At most so many, the newest
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Exposures {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let config = common.load(&common.overrides())?;
        let target = match &self.purl {
            None => None,
            Some(purl) => match parse_purl(purl, &schemes()) {
                Ok(target) => Some(target),
                Err(error) => {
                    output::complain(Chain(&error));
                    return Err(unusable());
                }
            },
        };
        let filter = ExposureFilter {
            package: target.as_ref().map(|target| target.name.clone()),
            limit: self.limit,
            ..ExposureFilter::default()
        };
        let version = target.and_then(|target| target.version);
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| fail(&error))?;
            let found = evidence.exposures(&filter).await;
            let mut found = found.map_err(|error| fail(&error))?;
            if let Some(version) = &version {
                found.retain(|it| it.exposure.artifact.subject.version == *version);
            }
            self.show(&found)?;
            Ok(ExitCode::SUCCESS)
        })
    }

    fn show(&self, found: &[LoggedExposure]) -> Result<(), ExitCode> {
        if found.is_empty() && !self.json {
            return output::print("nothing that was served is refused by now, as far as is known");
        }
        let mut lines = Lines::default();
        for logged in found {
            if self.json {
                lines.add(serde_json::json!({
                    "index": logged.index, "exposure": logged.exposure,
                }));
            } else {
                lines.append(text(logged));
            }
        }
        match found.is_empty() {
            true => Ok(()),
            false => output::print(lines),
        }
    }
}

/// A line for each receiver.
pub(super) fn add_receivers(lines: &mut Lines, receivers: &[Receiver]) {
    for receiver in receivers {
        lines.add(format_args!(
            "    {}  {}  {} times, {} to {}",
            printable(&receiver.client.address),
            printable(&receiver.client.agent),
            receiver.count,
            receiver.first_at,
            receiver.last_at
        ));
    }
}

/// An exposure, a line and one for each receiver.
pub(super) fn text(logged: &LoggedExposure) -> String {
    let exposure = &logged.exposure;
    let mut lines = Lines::default();
    let why = match exposure.advisories.is_empty() {
        true => String::new(),
        false => format!(" ({})", printable(&exposure.advisories.join(", "))),
    };
    lines.add(format_args!(
        "{}  {}  {}  {} now{why}; {} times to {} clients; decision {}",
        exposure.at,
        exposure.artifact.subject,
        printable(exposure.artifact.file.as_str()),
        exposure.effect.name(),
        exposure.total,
        exposure.clients,
        exposure.decision
    ));
    add_receivers(&mut lines, &exposure.received_by);
    let more = exposure
        .clients
        .saturating_sub(exposure.received_by.len() as u64);
    if more > 0 {
        lines.add(format_args!("    and {more} more: cordon log received"));
    }
    format!("{lines}\n")
}
