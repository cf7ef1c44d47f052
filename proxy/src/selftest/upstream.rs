//! The registry of the self-test: a listener on loopback that lives as long as one round.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

use super::shelf::Shelf;

/// Connections answered at once. The engine's own client opens fewer.
const CONNECTIONS: usize = 64;

/// A registry not yet filled, whose address is known.
pub(super) struct Bound {
    listener: TcpListener,
    pub(super) origin: Url,
}

impl Bound {
    /// Takes a free port of this machine, which nobody else can reach.
    pub(super) async fn new() -> std::io::Result<Self> {
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await?,
        };
        let address: SocketAddr = listener.local_addr()?;
        let origin = format!("http://{address}/").parse();
        let origin = origin.expect("a socket address is a URL authority");
        Ok(Self { listener, origin })
    }

    /// Begins to answer.
    pub(super) fn serve(self, shelf: Shelf) -> Serving {
        let state = Arc::new(State {
            shelf,
            asked: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(self.listener, Arc::clone(&state)));
        Serving {
            state,
            _tasks: tasks,
        }
    }
}

struct State {
    shelf: Shelf,
    /// Paths that were asked for and are there: no more than the shelf has.
    asked: Mutex<BTreeSet<String>>,
}

/// A registry that answers until it is dropped.
pub(super) struct Serving {
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl Serving {
    /// Whether somebody asked for what is at a path.
    pub(super) fn was_asked(&self, path: &str) -> bool {
        let asked = self.state.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).contains(path)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, mostly: the test then says what it could not ask.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let answer = service_fn(move |request| {
                let response = answer(&state, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            // Whoever goes away in the middle asked for nothing.
            drop(connection.await);
            drop(place);
        });
    }
}

fn answer(state: &State, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
    let path = path.trim_start_matches('/');
    let Some(found) = state.shelf.get(path) else {
        let mut response = Response::new(Full::from("there is nothing here"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut asked = state.asked.lock().unwrap_or_else(PoisonError::into_inner);
    asked.insert(path.to_owned());
    let mut response = Response::new(Full::new(found.body.clone()));
    let content_type = HeaderValue::from_static(found.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
