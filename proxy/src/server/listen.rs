//! Accepting connections, and ending.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::connection::{self, Shared};
use super::slots::Slots;
use super::{Certificates, Drain, Handler, Phase, ServerSettings, Shutdown};
use crate::telemetry::Metrics;

/// Bytes of a request head, and of response bytes waiting in user space per HTTP/1 connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// Requests open on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// Bytes of an HTTP/2 request's headers, uncompressed.
const HEADER_LIST_BYTES: u32 = 32 * 1024;
/// Streams a client may open and reset before they were looked at (rapid reset).
const PENDING_RESETS: usize = 20;
/// Streams reset for the client's own errors before the connection is closed (MadeYouReset).
const ERROR_RESETS: usize = 64;
/// Bytes of one HTTP/2 response waiting in user space.
const STREAM_BUFFER_BYTES: usize = 256 * 1024;
/// Pause after the system would not give a connection (no more descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener with what answers on it.
pub struct Server<H> {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared<H>>,
}

/// How a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that still ran at the deadline and were reset.
    pub aborted: usize,
}

impl<H: Handler> Server<H> {
    /// Binds `address`. With `certificates` it speaks TLS and nothing else.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(
        address: SocketAddr,
        settings: ServerSettings,
        certificates: Option<Arc<Certificates>>,
        handler: H,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Self::on(listener, settings, certificates, handler, metrics)
    }

    /// Serves on a listener bound earlier: what answers may have to know the port first.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn on(
        listener: TcpListener,
        settings: ServerSettings,
        certificates: Option<Arc<Certificates>>,
        handler: H,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let mut settings = settings;
        settings.own_authorities.extend(authorities_of(address));
        let http = http_of(&settings);
        Ok(Self {
            listener,
            address,
            shared: Arc::new(Shared {
                settings,
                certificates,
                handler,
                http,
                metrics,
            }),
        })
    }

    /// The address bound, with the port the system chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `drain` says otherwise, then lets requests finish up to the deadline and
    /// resets what is left.
    pub async fn run(self, mut drain: Drain) -> Drained {
        let Self {
            listener, shared, ..
        } = self;
        let connections = TaskTracker::new();
        let ending = Shutdown::new();
        let permits = Arc::new(Semaphore::new(shared.settings.connections));
        let slots = Slots::new(shared.settings.connections_per_address);
        loop {
            let (stream, peer, permit) = tokio::select! {
                biased;
                () = drain.reached(Phase::Draining) => break,
                accepted = accept(&listener, &permits) => accepted,
            };
            let Some(slot) = slots.take(peer.ip()) else {
                shared.metrics.connection_refused("address");
                continue;
            };
            let open = shared.metrics.connection_opened();
            let serving = connection::serve(stream, peer.ip(), Arc::clone(&shared), ending.drain());
            connections.spawn(async move {
                serving.await;
                drop((permit, slot, open));
            });
        }
        drop(listener);
        connections.close();
        ending.begin();
        tokio::select! {
            biased;
            () = connections.wait() => return Drained { aborted: 0 },
            () = drain.reached(Phase::Aborting) => (),
            () = tokio::time::sleep(shared.settings.drain_timeout) => (),
        }
        let aborted = connections.len();
        ending.abort();
        connections.wait().await;
        Drained { aborted }
    }
}

/// The next connection. The permit comes first, so that at the limit connections wait in the
/// system's queue and cost nothing here.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(permits)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) if is_about_the_peer(&error) => (),
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether only the connection at hand was lost, before it was ours.
fn is_about_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// What the listener may be called in an absolute request address.
fn authorities_of(address: SocketAddr) -> Vec<Authority> {
    let port = address.port();
    [
        address.to_string(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
    ]
    .iter()
    .filter_map(|text| text.parse().ok())
    .collect()
}

fn http_of(settings: &ServerSettings) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // Without a timer hyper's time-outs are silently off. The one for heads counts from the end of
    // the response before, so it bounds idleness; `heads` bounds a head that has begun.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.idle_timeout)
        .max_buf_size(BUFFER_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(settings.idle_timeout / 2)
        .keep_alive_timeout(settings.header_timeout)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .max_send_buf_size(STREAM_BUFFER_BYTES);
    http
}
