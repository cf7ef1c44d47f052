//! The command line: one file a command. Answers go to standard output, complaints to standard
//! error, both by way of `output`.

mod admin_client;
mod advisories;
mod batch;
mod check;
mod completions;
mod doctor;
mod exempt;
mod explain;
mod exposures;
mod feeds;
mod follow;
mod health;
#[cfg(unix)]
mod inspect_worker;
mod ioc;
mod log;
mod missed;
mod notices;
mod output;
mod policy;
mod quarantine;
mod rebuild;
mod received;
mod recorded;
mod scrub;
mod serve;
mod typosquat;
mod verify;
mod why;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use cordon_storage::Chain;

use crate::config::{Config, Loaded, Overrides};
use crate::policy_files::{self, LoadedPolicy};

/// A dependency firewall for npm, PyPI and crates.io.
#[derive(Debug, Parser)]
#[command(name = "cordon", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Configuration file; without one everything has its default
    #[arg(long, short, global = true, env = "CORDON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder where everything is kept
    #[arg(long, global = true, env = "CORDON_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Policy file, in place of those the configuration names; may be given several times
    #[arg(long = "policy", global = true, value_name = "FILE")]
    policy_files: Vec<PathBuf>,
    /// Log filter, e.g. `info` or `cordon=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

impl Common {
    fn overrides(&self) -> Overrides {
        Overrides {
            data: self.data.clone(),
            policy_files: self.policy_files.clone(),
            log_filter: self.log.clone(),
            ..Overrides::default()
        }
    }

    /// The configuration, or all its problems printed.
    fn load(&self, overrides: &Overrides) -> Result<Config, ExitCode> {
        match Config::load(self.config.as_deref(), overrides) {
            Ok(Loaded {
                config,
                warnings,
                sources,
            }) => {
                output::diagnostics(&warnings, &sources);
                Ok(config)
            }
            Err(rejected) => {
                output::diagnostics(&rejected.problems, &rejected.sources);
                Err(unusable())
            }
        }
    }
}

/// Exit code for a configuration, policy or argument that cannot be used.
pub(crate) fn unusable() -> ExitCode {
    ExitCode::from(2)
}

/// The policy the configuration names, as a server would follow it; what is wrong with it is drawn.
fn server_policy(config: &Config) -> Result<LoadedPolicy, ExitCode> {
    policy_files::load(&config.policy_files)
        .and_then(|policy| policy.for_server(config))
        .map_err(|rejected| {
            output::diagnostics(&rejected.problems, &rejected.sources);
            unusable()
        })
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the firewall
    Serve(serve::Serve),
    /// Read configuration and policy and print every problem with file, line and remedy
    Check(check::Check),
    /// Say what would be decided about a package or version, and from which facts
    Explain(explain::Explain),
    /// Show the record behind a refusal
    Why(why::Why),
    /// List decisions, say who received what, or verify the log
    Log(log::Log),
    /// List, grant and end exemptions on a running Cordon
    Exempt(exempt::Exempt),
    /// Look at what is held, and release or reject it
    Quarantine(quarantine::Quarantine),
    /// Search everything stored for indicators, and name who received it
    #[command(subcommand)]
    Ioc(ioc::Ioc),
    /// Look at policies
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Look into the advisory data
    #[command(subcommand)]
    Advisories(advisories::Advisories),
    /// Import advisory data and look after it
    #[command(subcommand)]
    Feeds(feeds::Feeds),
    /// Say how much names look like popular ones
    Typosquat(typosquat::Typosquat),
    /// Make the cache index again from evidence and blobs
    Rebuild,
    /// Free space: blobs nothing names, then the least recently used
    Gc(rebuild::Gc),
    /// Read every blob against its name and set damaged ones aside; they are fetched again
    Scrub,
    /// Look whether everything is well: rules that act, data, feeds, a running Cordon
    Doctor(doctor::Doctor),
    /// Ask a running Cordon whether it is well
    Health,
    /// Print shell completions
    Completions(completions::Completions),
    /// Look into the archives a running Cordon hands over; started by it
    #[cfg(unix)]
    #[command(hide = true)]
    InspectWorker(inspect_worker::InspectWorker),
}

/// Addresses given on the command line.
#[derive(Clone, Debug, Args)]
pub(crate) struct Addresses {
    /// Where registries are served
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where health, metrics and status are served
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    /// The address clients use, when it is not the one listened on
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
}

/// Runs a command and gives the exit code: 0 done, 1 failed or a check found something, 2 unusable
/// arguments or configuration.
pub fn run(cli: Cli) -> ExitCode {
    let Cli { common, command } = cli;
    let outcome = match command {
        Command::Serve(serve) => serve.run(&common),
        Command::Check(check) => check.run(&common),
        Command::Explain(explain) => explain.run(&common),
        Command::Why(why) => why.run(&common),
        Command::Log(log) => log.run(&common),
        Command::Advisories(advisories) => advisories.run(&common),
        Command::Feeds(feeds) => feeds.run(&common),
        Command::Typosquat(typosquat) => typosquat.run(),
        Command::Exempt(exempt) => exempt.run(&common),
        Command::Quarantine(quarantine) => quarantine.run(&common),
        Command::Ioc(ioc) => ioc.run(&common),
        Command::Rebuild => rebuild::rebuild(&common),
        Command::Gc(gc) => gc.run(&common),
        Command::Scrub => scrub::scrub(&common),
        Command::Policy(policy) => policy.run(&common),
        Command::Doctor(doctor) => doctor.run(&common),
        Command::Health => health::run(&common),
        Command::Completions(completions) => completions.run(),
        #[cfg(unix)]
        Command::InspectWorker(worker) => worker.run(),
    };
    outcome.unwrap_or_else(|code| code)
}

/// Runs a command's asynchronous part.
fn block_on<T>(work: impl Future<Output = Result<T, ExitCode>>) -> Result<T, ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| fail(&error))?;
    runtime.block_on(work)
}

/// Prints an error and gives the exit code of a command that failed.
fn fail(error: &dyn std::error::Error) -> ExitCode {
    output::complain(Chain(error));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{Command, CommandFactory as _};

    use super::*;

    /// The arguments of every command that has none below it, with a value where one is needed.
    fn leaves(command: &Command, before: &[String]) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for below in command.get_subcommands() {
            let mut path = before.to_vec();
            path.push(below.get_name().to_owned());
            found.extend(leaves(below, &path));
        }
        if !command.is_subcommand_required_set() {
            let needed = command.get_arguments().filter(|it| it.is_required_set());
            let values = needed.flat_map(|it| {
                let choices = it.get_possible_values();
                let any = match it.get_id() == "ecosystem" {
                    true => "npm",
                    false => "x",
                };
                let value = choices.first().map_or(any, |it| it.get_name()).to_owned();
                let option = it.get_long().map(|long| format!("--{long}"));
                option.into_iter().chain([value])
            });
            // What is only needed without `--batch` does not call itself needed.
            let batch = command
                .get_arguments()
                .find_map(|it| it.get_long().filter(|it| *it == "batch"));
            let batch = batch.map(|long| format!("--{long}"));
            found.push(before.iter().cloned().chain(values).chain(batch).collect());
        }
        found
    }

    #[test]
    fn every_command_takes_every_global_argument() {
        Cli::command().debug_assert();
        let mut root = Cli::command();
        root.build();
        let globals: Vec<(String, String)> = root
            .get_arguments()
            .filter(|it| it.is_global_set() && it.get_action().takes_values())
            .filter_map(|it| Some((it.get_long()?.to_owned(), "1".to_owned())))
            .collect();
        assert_eq!(globals.len(), 4, "{globals:?}");
        let leaves = leaves(&Cli::command(), &["cordon".to_owned()]);
        assert!(leaves.len() > 10, "{leaves:?}");
        for leaf in leaves {
            for (name, value) in &globals {
                let mut words = leaf.clone();
                words.extend([format!("--{name}"), value.clone()]);
                match Cli::try_parse_from(&words) {
                    // What is missing besides is another matter.
                    Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {}
                    Err(error) => panic!("{words:?}: {error}"),
                    Ok(_) => {}
                }
            }
        }
    }
}
