//! The binary: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cordon::cli::run(cordon::cli::Cli::parse())
}
