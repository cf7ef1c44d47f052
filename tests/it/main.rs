//! One binary for all black-box tests: files are named by the behaviour they hold Cordon to.

mod conformance_cargo;
mod conformance_general;
mod conformance_npm;
mod conformance_pypi;
mod every_client;
mod fake_registry_is_honest;
mod restart;
mod smoke;
