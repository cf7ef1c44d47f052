//! `cordon health`: one question to the admin listener, for container health checks.

use std::process::ExitCode;
use std::time::Duration;

use super::{Common, admin_client, fail, output};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run(common: &Common) -> Result<ExitCode, ExitCode> {
    let config = common.load(&common.overrides())?;
    let request = admin_client::request(&config, None, reqwest::Method::GET, "/healthz")?;
    super::block_on(async {
        let response = request.timeout(PATIENCE).send().await;
        let response = response.map_err(|error| fail(&error))?;
        let is_well = response.status().is_success();
        let text = response.text().await.unwrap_or_default();
        let lines: Vec<String> = text.lines().map(output::printable).collect();
        output::print(lines.join("\n"))?;
        if is_well {
            Ok(ExitCode::SUCCESS)
        } else {
            Err(ExitCode::FAILURE)
        }
    })
}
