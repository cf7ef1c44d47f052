//! One binary for all black-box tests: files are named by the behaviour they hold Cordon to.
#![expect(
    clippy::print_stdout,
    reason = "figures and skips are for whoever reads the test output"
)]

mod audit;
mod bytes;
mod certificates;
mod conformance_cargo;
mod conformance_clients;
mod conformance_general;
mod conformance_npm;
mod conformance_pypi;
mod epochs;
mod every_client;
mod evidence;
mod exempt_bytes;
mod fake_registry_is_honest;
mod herd;
mod isolation;
mod kill;
mod no_leak;
mod operating;
mod refusals;
mod restart;
mod smoke;
mod space;
mod tokens;
mod verdicts;

/// Set to anything for the counts of a release run instead of those of a change.
const SLOW: &str = "CORDON_SLOW";

/// Whether this is a release run.
fn is_thorough() -> bool {
    std::env::var_os(SLOW).is_some()
}

/// How many: the first for every change, the second for a release.
fn scale(quick: u64, thorough: u64) -> u64 {
    if is_thorough() { thorough } else { quick }
}
