//! `cordon log notices`: what an operator should find later.

use std::process::ExitCode;

use clap::Args;
use cordon_storage::evidence::LoggedNotice;

use super::output::{self, Lines, printable};
use super::{Common, fail};
use crate::data;

#[derive(Debug, Args)]
pub(super) struct Notices {
    /// At most so many, the newest
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Notices {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let config = common.load(&common.overrides())?;
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| fail(&error))?;
            let newest = evidence.notices(self.limit).await;
            self.show(&newest.map_err(|error| fail(&error))?)?;
            Ok(ExitCode::SUCCESS)
        })
    }

    fn show(&self, notices: &[LoggedNotice]) -> Result<(), ExitCode> {
        if notices.is_empty() && !self.json {
            return output::print("the log notes nothing");
        }
        let mut lines = Lines::default();
        for LoggedNotice { index, notice } in notices {
            if self.json {
                lines.add(serde_json::json!({ "index": index, "notice": notice }));
            } else {
                let (code, text) = (printable(&notice.code), printable(&notice.text));
                lines.add(format_args!("{}  {code:24}  {text}", notice.at));
            }
        }
        match notices.is_empty() {
            true => Ok(()),
            false => output::print(lines),
        }
    }
}
