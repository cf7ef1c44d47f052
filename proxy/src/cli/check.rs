//! `cordon check`: everything that would stop a start, at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cordon_policy::config::diagnostic::Diagnostic;
use cordon_storage::Chain;

use super::{Common, output, unusable};
use crate::config::Config;
use crate::engine::{Clock as _, SystemClock};
use crate::server::{Certificates, tls};
use crate::upstream::Upstreams;
use crate::{indicators, policy_files};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Fail on warnings as well
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let mut counts = Counts::default();
        let (files, config) = match Config::load(common.config.as_deref(), &common.overrides()) {
            Ok(loaded) => {
                counts.add(&loaded.warnings);
                output::diagnostics(&loaded.warnings, &loaded.sources);
                counts.errors += unusable_parts(&loaded.config);
                (loaded.config.policy_files.clone(), Some(loaded.config))
            }
            Err(rejected) => {
                counts.add(&rejected.problems);
                output::diagnostics(&rejected.problems, &rejected.sources);
                // The policy named on the command line can still be looked at.
                (common.policy_files.clone(), None)
            }
        };
        check_policy(&files, config.as_ref(), &mut counts);
        passes("configuration and policy are", &counts, self.strict)
    }
}

/// How many problems there are.
#[derive(Debug, Default)]
pub(super) struct Counts {
    errors: usize,
    warnings: usize,
}

impl Counts {
    fn add(&mut self, problems: &[Diagnostic]) {
        let errors = problems.iter().filter(|it| it.is_error()).count();
        self.errors += errors;
        self.warnings += problems.len() - errors;
    }
}

/// Prints every problem of the policy in these files, exemptions that have ended among them; and
/// whether it fits the configuration, when that is known.
pub(super) fn check_policy(files: &[PathBuf], config: Option<&Config>, counts: &mut Counts) {
    let loaded = policy_files::load(files).and_then(|policy| match config {
        Some(config) => policy.for_server(config),
        None => Ok(policy),
    });
    let (problems, sources) = match loaded {
        Ok(loaded) => {
            let lacking = config.map(|config| loaded.without_source(&config.feeds));
            let mut warnings = loaded.warnings;
            warnings.extend(lacking.into_iter().flatten());
            warnings.extend(loaded.ruleset.expired_exemptions(SystemClock.now()));
            (warnings, loaded.sources)
        }
        Err(rejected) => (rejected.problems, rejected.sources),
    };
    counts.add(&problems);
    output::diagnostics(&problems, &sources);
}

/// Ends a check: says that what was checked is usable, or how much is wrong with it.
pub(super) fn passes(what: &str, counts: &Counts, is_strict: bool) -> Result<ExitCode, ExitCode> {
    let name = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    let Counts { errors, warnings } = counts;
    let (error_count, warning_count) = (name(*errors, "error"), name(*warnings, "warning"));
    if *errors > 0 || (is_strict && *warnings > 0) {
        output::complain(format_args!("{error_count}, {warning_count}"));
        return Err(unusable());
    }
    output::print(format_args!("{what} usable ({warning_count})"))?;
    Ok(ExitCode::SUCCESS)
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
    if let Err(error) = indicators::read(&config.indicators) {
        let problems = error.lines();
        found += problems.len();
        problems.into_iter().for_each(output::complain);
    }
    found
}
