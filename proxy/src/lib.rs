//! Cordon's shell: sockets, TLS, upstreams, timers; the binary `cordon`.
//!
//! A request comes in at [`server`], is parsed strictly by [`http::target`], goes through the
//! [`engine`] (which asks an adapter in [`registry`] what it means), and leaves through
//! [`http::respond`]. [`serve`] puts the parts together; [`cli`] is the only place that prints.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod data;
pub mod engine;
pub mod exemptions;
pub mod feeds;
pub mod http;
pub mod import;
pub mod indicators;
pub mod inspection;
pub mod maintenance;
pub mod names;
pub mod policy_files;
pub mod quarantine;
pub mod registry;
pub mod reload;
pub mod replay;
pub mod selftest;
pub mod serve;
pub mod server;
pub mod signals;
pub mod telemetry;
pub mod upstream;
