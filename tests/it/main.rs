//! One binary for all black-box tests: files are named by the behaviour they hold Cordon to.
#![expect(
    clippy::print_stdout,
    reason = "figures and skips are for whoever reads the test output"
)]

mod advisory_cases;
mod audiences;
mod audit;
mod bytes;
mod certificates;
mod conformance_cargo;
mod conformance_clients;
mod conformance_general;
mod conformance_npm;
mod conformance_pypi;
mod doctor;
mod epochs;
mod every_client;
mod evidence;
mod exempt_bytes;
mod exempting;
mod fake_registry_is_honest;
mod feeds;
mod herd;
mod hostile_archives;
mod incidents;
mod indicators;
mod isolation;
mod kill;
mod manifests;
mod missed_names;
mod no_leak;
mod operating;
mod policy_files;
mod quarantine;
mod refusals;
mod removals;
mod restart;
mod smoke;
mod space;
mod tokens;
mod typosquat_sets;
mod verdicts;
mod workers;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

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

/// The machine, for tests in threads of one process; nextest, which gives each a process, reads the
/// same from `.config/nextest.toml`.
static MACHINE: RwLock<()> = RwLock::new(());

/// Held by a test that leaves nothing of the machine to others.
fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Held while a time is taken that such a test would spoil.
fn undisturbed() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}
