//! `cordon check`: everything that would stop a start, at once.

use std::process::ExitCode;

use clap::Args;
use cordon_storage::Chain;

use super::{Common, output, unusable};
use crate::config::Config;
use crate::policy_files;
use crate::server::{Certificates, tls};
use crate::upstream::Upstreams;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Fail on warnings as well
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let mut errors = 0;
        let mut warnings = 0;
        let files = match Config::load(common.config.as_deref(), &common.overrides()) {
            Ok(loaded) => {
                warnings += loaded.warnings.len();
                output::diagnostics(&loaded.warnings, &loaded.sources);
                errors += unusable_parts(&loaded.config);
                loaded.config.policy_files
            }
            Err(rejected) => {
                errors += rejected.problems.iter().filter(|p| p.is_error()).count();
                warnings += rejected.problems.iter().filter(|p| !p.is_error()).count();
                output::diagnostics(&rejected.problems, &rejected.sources);
                // The policy named on the command line can still be looked at.
                common.policy_files.clone()
            }
        };
        match policy_files::load(&files) {
            Ok(loaded) => {
                warnings += loaded.warnings.len();
                output::diagnostics(&loaded.warnings, &loaded.sources);
            }
            Err(rejected) => {
                errors += rejected.problems.iter().filter(|p| p.is_error()).count();
                warnings += rejected.problems.iter().filter(|p| !p.is_error()).count();
                output::diagnostics(&rejected.problems, &rejected.sources);
            }
        }
        let name = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            _ => format!("{count} {noun}s"),
        };
        if errors > 0 || (self.strict && warnings > 0) {
            let (errors, warnings) = (name(errors, "error"), name(warnings, "warning"));
            output::complain(format_args!("{errors}, {warnings}"));
            return Err(unusable());
        }
        let warnings = name(warnings, "warning");
        output::print(format_args!(
            "configuration and policy are usable ({warnings})"
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Tells what a valid configuration names and a start could not use; how much that is.
fn unusable_parts(config: &Config) -> usize {
    tls::install_crypto_provider();
    let mut found = 0;
    for files in [&config.tls, &config.admin_tls].into_iter().flatten() {
        if let Err(error) = Certificates::load(files.clone()) {
            output::complain(Chain(&error));
            found += 1;
        }
    }
    if let Err(error) = Upstreams::new(&config.upstreams, &config.limits) {
        output::complain(Chain(&error));
        found += 1;
    }
    found
}
