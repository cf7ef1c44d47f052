//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use cordon_storage::evidence::Client;
use futures_util::FutureExt as _;
use http::header::{CONNECTION, Entry, HOST};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use smol_str::{SmolStr, ToSmolStr as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::activity::{Connection, Idle};
use super::discard::{Taken, take};
use super::heads::StrictHeads;
use super::sound::{self, Unsound};
use super::wire::Wire;
use super::{Certificates, Drain, Handler, Phase, ServerSettings};
use crate::http::body::Body;
use crate::http::service::{Request, agent_of};
use crate::http::target::{Target, TargetError};
use crate::telemetry::Metrics;

/// What all connections of a listener have in common.
pub(super) struct Shared<H> {
    pub(super) settings: ServerSettings,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) handler: H,
    pub(super) http: auto::Builder<TokioExecutor>,
    pub(super) metrics: Arc<Metrics>,
}

/// Serves a connection to its end.
pub(super) async fn serve<H: Handler>(
    stream: TcpStream,
    peer: IpAddr,
    shared: Arc<Shared<H>>,
    drain: Drain,
) {
    // Small answers must not wait for the acknowledgement of the ones before. Fails only on a
    // connection that is gone already.
    let _ = stream.set_nodelay(true);
    let connection = Arc::new(Connection::new(peer.to_canonical().to_smolstr()));
    let wire = Wire::new(
        stream,
        Arc::clone(&connection),
        shared.settings.write_timeout,
    );
    let Some(certificates) = &shared.certificates else {
        return drive(wire, connection, &shared, drain).await;
    };
    let handshake = certificates.acceptor().accept(wire);
    let mut ending = drain.clone();
    let outcome = tokio::select! {
        biased;
        outcome = timeout(shared.settings.header_timeout, handshake) => outcome,
        // Nothing was asked for yet, so nothing is lost.
        () = ending.reached(Phase::Draining) => return,
    };
    match outcome {
        Ok(Ok(stream)) => drive(stream, connection, &shared, drain).await,
        Ok(Err(error)) => {
            shared.metrics.connection_refused("tls");
            tracing::debug!(client = %connection.address, %error, "TLS handshake failed");
        }
        Err(_) => shared.metrics.connection_refused("tls"),
    }
}

/// Runs HTTP over a connection until it ends, or has to.
async fn drive<H: Handler, T>(
    io: T,
    connection: Arc<Connection>,
    shared: &Arc<Shared<H>>,
    mut drain: Drain,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = &shared.settings;
    let heads = StrictHeads::new(io, Arc::clone(&connection), settings.header_timeout);
    let service = {
        let connection = Arc::clone(&connection);
        service_fn(move |request: http::Request<Incoming>| {
            answer(Arc::clone(shared), Arc::clone(&connection), request)
        })
    };
    let mut http = pin!(shared.http.serve_connection(TokioIo::new(heads), service));
    let mut look = pin!(sleep_until(Instant::now() + settings.header_timeout));
    let mut is_ending = false;
    loop {
        let awaited = if drain.phase() == Phase::Serving {
            Phase::Draining
        } else {
            Phase::Aborting
        };
        tokio::select! {
            biased;
            outcome = http.as_mut() => {
                if let Err(error) = outcome {
                    ended_with(&connection, error.as_ref());
                }
                return;
            }
            () = drain.reached(awaited) => {
                if drain.phase() == Phase::Aborting {
                    // Ended cleanly, a cut body could pass for a whole one.
                    connection.reset_on_close();
                    return;
                }
                connection.set_draining();
                http.as_mut().graceful_shutdown();
            }
            () = look.as_mut() => {
                let next = match connection.idle(settings) {
                    Idle::LookAgain(after) => after,
                    Idle::NeverAsked => return,
                    Idle::Stalled => {
                        connection.reset_on_close();
                        return;
                    }
                    Idle::TooLong if is_ending => return,
                    // HTTP/2 is told first, so that a request under way is not lost.
                    Idle::TooLong => {
                        is_ending = true;
                        http.as_mut().graceful_shutdown();
                        settings.header_timeout
                    }
                };
                look.as_mut().reset(Instant::now() + next);
            }
        }
    }
}

/// A connection that ended with an error. The causes are the peer's and of no interest, except a
/// body that could not be completed: then the peer must notice.
fn ended_with(connection: &Connection, error: &(dyn std::error::Error + Send + Sync + 'static)) {
    let is_ours = error
        .downcast_ref::<hyper::Error>()
        .is_some_and(hyper::Error::is_user);
    if is_ours {
        connection.reset_on_close();
    }
    tracing::debug!(client = %connection.address, %error, "a connection ended early");
}

/// Answers one request. It cannot fail: what goes wrong is an answer as well.
async fn answer<H: Handler>(
    shared: Arc<Shared<H>>,
    connection: Arc<Connection>,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let answering = connection.begin();
    let (head, body) = request.into_parts();
    let is_http1 = head.version <= Version::HTTP_11;
    let is_head = head.method == Method::HEAD;
    let admitted = admit(&shared, &connection, &head, body).await;
    let must_close = !matches!(admitted, Ok((_, Taken::Nothing)));
    let mut response = match admitted {
        Ok((target, taken)) => {
            let body = taken.into_bytes();
            respond(&shared, &connection.address, target, head, body).await
        }
        Err(refusal) => shared.handler.refuse(refusal.status, &refusal.message),
    };
    if must_close && is_http1 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    if is_head {
        *response.body_mut() = Body::empty();
    }
    let sending = answering.send();
    Ok(response.map(|body| body.watched(sending)))
}

/// Why a request was not looked at.
struct Refusal {
    status: StatusCode,
    message: String,
}

impl From<Unsound> for Refusal {
    fn from(why: Unsound) -> Self {
        Self {
            status: why.status(),
            message: why.to_string(),
        }
    }
}

impl From<TargetError> for Refusal {
    fn from(why: TargetError) -> Self {
        Self {
            status: why.status(),
            message: why.to_string(),
        }
    }
}

/// Checks a request and gets its body out of the way.
async fn admit<H: Handler>(
    shared: &Shared<H>,
    connection: &Connection,
    head: &Parts,
    body: Incoming,
) -> Result<(Target, Taken), Refusal> {
    let settings = &shared.settings;
    if connection.is_malformed() {
        return Err(Unsound::Malformed.into());
    }
    sound::check(head, &settings.own_authorities)?;
    let target = Target::parse(&head.uri)?;
    let wanted = shared.handler.takes_body(&head.method, &target);
    match take(head, body, wanted, settings.header_timeout).await {
        Taken::Malformed => Err(Unsound::Malformed.into()),
        taken => Ok((target, taken)),
    }
}

/// Hands a request to the handler. A panic ends this request and no other.
async fn respond<H: Handler>(
    shared: &Shared<H>,
    address: &SmolStr,
    target: Target,
    head: Parts,
    body: Bytes,
) -> Response<Body> {
    let Parts {
        method,
        uri,
        mut headers,
        ..
    } = head;
    // HTTP/2 names the host outside the headers; those who look find it in one place.
    if let Some(authority) = uri.authority()
        && let Entry::Vacant(host) = headers.entry(HOST)
        && let Ok(authority) = HeaderValue::from_str(authority.as_str())
    {
        host.insert(authority);
    }
    let agent = agent_of(&headers);
    let request = Request {
        target,
        method,
        headers,
        client: Client {
            address: address.clone(),
            agent,
        },
        identity: None,
        body,
    };
    let handled = AssertUnwindSafe(shared.handler.handle(request)).catch_unwind();
    handled.await.unwrap_or_else(|_| {
        shared.metrics.panicked();
        shared.handler.panicked()
    })
}
