//! The pure core of Cordon: what is known about a version, may it be used, and why.
//!
//! Data flows one way. An adapter reads a registry document into [`facts::VersionFacts`], to which
//! [`change`] adds what each version changes against the one before; a policy
//! file becomes an [`evaluate::Ruleset`] ([`config`]); [`evaluate::Ruleset::evaluate`] turns facts
//! and an instant into a [`verdict::Evaluation`]; from an evaluation that allows known bytes comes
//! the [`verdict::ServePermit`] without which nothing is streamed; a [`decision::Decision`] keeps
//! all of it.
//!
//! No I/O, no async, no clock, no randomness, no environment: `.clippy.toml` beside this crate
//! forbids the means.

pub mod advisory;
pub mod change;
pub mod config;
pub mod decision;
pub mod ecosystem;
pub mod evaluate;
pub mod exemption;
pub mod facts;
pub mod finding;
pub mod inspect;
pub mod license;
pub mod matching;
pub mod model;
pub mod policy_test;
pub mod reason;
pub mod rejection;
pub mod rules;
pub mod specimen;
pub mod typosquat;
pub mod verdict;
