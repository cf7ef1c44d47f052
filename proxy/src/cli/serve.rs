//! `cordon serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Addresses, Common, fail, output};
use crate::config::{ConfigSource, Overrides};
use crate::serve;
use crate::telemetry::log;

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    addresses: Addresses,
    /// Write the addresses here as JSON once both listeners answer
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let overrides = Overrides {
            listen: self.addresses.listen,
            admin_listen: self.addresses.admin_listen,
            public_url: self.addresses.public_url.clone(),
            ..common.overrides()
        };
        let config = common.load(&overrides)?;
        let source = ConfigSource {
            path: common.config.clone(),
            overrides,
        };
        let policy = super::server_policy(&config)?;
        output::diagnostics(&policy.warnings, &policy.sources);
        log::init(&config.log).map_err(|error| fail(&error))?;
        let data = config.data.display().to_string();
        let policy_name = match config.policy_files.is_empty() {
            true => "built-in (cordon policy show)".to_owned(),
            false => format!("{} file(s)", config.policy_files.len()),
        };
        let announce = |addresses: &serve::Addresses| {
            let setup = addresses.client_setup();
            let (registry, admin) = (&addresses.registry, &addresses.admin);
            // Serving does not depend on who reads this.
            let _ = output::print(format_args!(
                "{}\n\n\
                 registries  {registry}\n\
                 admin       {admin} (healthz, readyz, metrics, status)\n\
                 data        {data}\n\
                 policy      {policy_name}",
                setup.trim_end()
            ));
        };
        super::block_on(async {
            let serving =
                serve::serve(config, source, policy, self.ready_file.as_deref(), announce);
            serving.await.map_err(|error| fail(&error))?;
            Ok(ExitCode::SUCCESS)
        })
    }
}
