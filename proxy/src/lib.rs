//! Cordon's shell: sockets, TLS, upstreams, timers; the binary `cordon`.

pub mod config;
pub mod engine;
pub mod http;
pub mod registry;
pub mod server;
pub mod telemetry;
pub mod upstream;
