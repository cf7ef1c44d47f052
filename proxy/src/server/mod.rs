//! Listeners: connections in, responses out.
//!
//! A connection passes, from the socket up: `wire` (stalls, goodbyes, resets), TLS where it is
//! configured, `heads` (strictness the parser lacks), hyper. A request passes `sound` (method, host,
//! framing), the strict target of [`crate::http::target`], and then a [`Handler`]. Everything is
//! bounded: connections in all and per client address, time for a head, time idle, time stalled,
//! bytes of a body nobody asked for.

mod access;
mod activity;
mod connection;
mod discard;
pub mod drain;
mod heads;
mod listen;
pub mod registries;
mod slots;
mod sound;
pub mod tls;
mod wire;

use std::future::Future;
use std::time::Duration;

use http::uri::Authority;
use http::{Method, Response, StatusCode};

use crate::config::Limits;
use crate::http::body::Body;
use crate::http::service::Request;
use crate::http::target::Target;

pub use drain::{Drain, Phase, Shutdown};
pub use listen::{Drained, Server};
pub use registries::Registries;
pub use tls::Certificates;

/// Answers requests that were found sound.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: Request) -> impl Future<Output = Response<Body>> + Send;

    /// Bytes of the body this request may bring; what is more, or where it is 0 anything, is thrown
    /// away.
    fn takes_body(&self, method: &Method, target: &Target) -> usize {
        let _ = (method, target);
        0
    }

    /// Answers a request that has no target or must not be looked at.
    fn refuse(&self, status: StatusCode, message: &str) -> Response<Body>;

    /// A request panicked; this answers it.
    fn panicked(&self) -> Response<Body>;
}

/// Bounds of one listener.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Open connections.
    pub connections: usize,
    /// Open connections of one client address.
    pub connections_per_address: usize,
    /// Time for a TLS handshake, for the first request, and for each request head.
    pub header_timeout: Duration,
    /// Time a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// Time a client may take no bytes of a response.
    pub write_timeout: Duration,
    /// Time running requests get once the end has begun.
    pub drain_timeout: Duration,
    /// Authorities an absolute request address may name, besides the listener's own address.
    pub own_authorities: Vec<Authority>,
}

impl ServerSettings {
    /// Time a connection may stay open without a request: longer than clients pause between
    /// resolving and downloading, shorter than the reuse limits of their pools.
    const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

    /// The bounds of a configuration. One client address gets at most half of the connections, so
    /// that it cannot lock out the others.
    pub fn new(limits: &Limits, own_authorities: Vec<Authority>) -> Self {
        Self {
            connections: limits.connections,
            connections_per_address: limits.connections.div_ceil(2),
            header_timeout: limits.header_timeout,
            idle_timeout: Self::IDLE_TIMEOUT.max(limits.header_timeout),
            write_timeout: limits.write_timeout,
            drain_timeout: limits.drain_timeout,
            own_authorities,
        }
    }
}

#[cfg(test)]
mod tests;
