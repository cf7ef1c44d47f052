//! `cordon health`: one question to the admin listener, for container health checks.

use std::process::ExitCode;
use std::time::Duration;

use super::{Common, fail, output};

pub(super) fn run(common: &Common) -> Result<ExitCode, ExitCode> {
    let config = common.load(&common.overrides())?;
    let scheme = if config.admin_tls.is_some() {
        "https"
    } else {
        "http"
    };
    let url = format!("{scheme}://{}/healthz", config.admin_listen);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| fail(&error))?;
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(3))
            .no_proxy()
            .build()
            .map_err(|error| fail(&error))?;
        let mut request = client.get(&url);
        if let Some(token) = &config.admin_token {
            request = request.bearer_auth(token.expose());
        }
        let response = request.send().await.map_err(|error| fail(&error))?;
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
