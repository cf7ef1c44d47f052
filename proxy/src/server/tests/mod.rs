//! The listener over real sockets, with a service that answers from memory.

mod framing;
mod http2;
mod lifetime;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use cordon_policy::model::Digest;
use cordon_storage::blob::{CHUNK_BYTES, ReadBlob};
use cordon_storage::evidence::Client;
use cordon_storage::{StorageError, StorageErrorKind};
use http::{HeaderValue, Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::engine::{Cleared, ClearedBytes};
use crate::http::reply::Reply;
use crate::http::respond::Responder;
use crate::http::service::Service;
use crate::registry::DenialBody;
use crate::telemetry::Metrics;

/// Long enough that reaching it means something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers by the first segment below the mount.
#[derive(Default)]
struct Fake {
    /// Lets `/npm/slow` answer.
    release: Notify,
    /// Told when `/npm/slow` was asked for.
    asked: Notify,
}

/// As large as needed to fill every buffer between here and a client that does not read.
const LARGE_BYTES: u64 = 64 * 1024 * 1024;

struct Zeros {
    bad_from: u64,
}

impl ReadBlob for Zeros {
    fn size_bytes(&self) -> u64 {
        LARGE_BYTES
    }

    fn read_at(&self, offset: u64, max: usize) -> Result<Bytes, StorageError> {
        if offset >= self.bad_from {
            let cause = "checksum of a chunk differs";
            return Err(StorageError::new(
                "blob",
                "reading a blob",
                StorageErrorKind::Corrupt,
                cause,
            ));
        }
        let left = CHUNK_BYTES - offset % CHUNK_BYTES;
        Ok(vec![0; max.min(left as usize)].into())
    }
}

fn stored(bad_from: u64) -> Reply {
    let bytes = ClearedBytes::Stored(Arc::new(Zeros { bad_from }));
    Reply::Artifact(Arc::new(Cleared::for_test(Digest::of(b"zeros"), bytes)))
}

fn failure(status: StatusCode, text: &'static str) -> Reply {
    Reply::Failed {
        body: DenialBody {
            status,
            phrase: None,
            content_type: HeaderValue::from_static("text/plain"),
            body: Bytes::from_static(text.as_bytes()),
            headers: Vec::new(),
        },
        retry_after_seconds: None,
    }
}

impl Service for Fake {
    fn admit(&self, _request: &mut Request) -> Result<(), Box<Reply>> {
        Ok(())
    }

    async fn answer(&self, request: Request) -> Reply {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return failure(StatusCode::METHOD_NOT_ALLOWED, "read only");
        }
        let name = request.target.segments().first().map_or("", String::as_str);
        match name {
            "slow" => {
                self.asked.notify_one();
                self.release.notified().await;
                page("slow")
            }
            "panic" => panic!("asked to"),
            "large" => stored(u64::MAX),
            "damaged" => stored(CHUNK_BYTES * 2),
            "blocked" => Reply::Denied {
                body: DenialBody {
                    status: StatusCode::FORBIDDEN,
                    phrase: Some("blocked by policy".to_owned()),
                    content_type: HeaderValue::from_static("application/json"),
                    body: Bytes::from_static(b"{\"error\":\"no\"}"),
                    headers: Vec::new(),
                },
                decision: DecisionId::from_random(7),
            },
            name => page(name),
        }
    }

    fn sent(&self, _: &DecisionId, _: &Client) {}
}

fn page(text: &str) -> Reply {
    Reply::Page {
        status: StatusCode::OK,
        content_type: "text/plain",
        body: Bytes::from(text.to_owned()),
    }
}

struct Running {
    address: SocketAddr,
    fake: Arc<Fake>,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    ended: JoinHandle<Drained>,
}

fn settings() -> ServerSettings {
    let limits = Limits {
        connections: 64,
        header_timeout: Duration::from_secs(10),
        ..Limits::default()
    };
    ServerSettings::new(&limits, Vec::new())
}

async fn start(settings: ServerSettings) -> Running {
    start_with(settings, None).await
}

async fn start_with(settings: ServerSettings, tls: Option<Arc<Certificates>>) -> Running {
    let metrics = Arc::new(Metrics::new(&["npm"]));
    let fake = Arc::new(Fake::default());
    let damaged = Arc::clone(&metrics);
    let responder = Responder::new(Arc::new(move |_, _| damaged.blob_damaged()));
    let handler = Registries::new(Arc::clone(&fake), responder, Arc::clone(&metrics));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, settings, tls, handler, Arc::clone(&metrics))
        .await
        .expect("binds");
    let shutdown = Shutdown::new();
    Running {
        address: server.address(),
        fake,
        metrics,
        ended: tokio::spawn(server.run(shutdown.drain())),
        shutdown,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// Sends bytes and reads until the server closes, with the peer's side left open.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.expect("writes");
        read_to_end(&mut stream).await
    }

    /// One request, `connection: close`.
    async fn get(&self, path: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        self.exchange(head.as_bytes()).await
    }
}

async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    read.expect("the server closes").expect("reads");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status_of(response: &str) -> &str {
    response.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn a_request_is_answered_and_the_connection_kept() {
    let server = start(settings()).await;
    let one = "GET /npm/one HTTP/1.1\r\nhost: a\r\n\r\n";
    let last = "GET /npm/blocked HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let text = server.exchange(format!("{one}{last}").as_bytes()).await;
    let without_dates: Vec<&str> = text.lines().filter(|l| !l.starts_with("date: ")).collect();
    insta::assert_snapshot!("keep_alive", without_dates.join("\n"));
}

#[tokio::test]
async fn a_panic_ends_one_request_and_no_other() {
    let server = start(settings()).await;
    let panics = "GET /npm/panic HTTP/1.1\r\nhost: a\r\n\r\n";
    let next = "GET /npm/next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let text = server.exchange(format!("{panics}{next}").as_bytes()).await;
    assert!(
        text.starts_with("HTTP/1.1 500 ") && text.ends_with("\r\n\r\nnext"),
        "{text}"
    );
    assert!(
        server
            .metrics
            .encode()
            .contains("\ncordon_panics_total 1\n")
    );
}

#[tokio::test]
async fn a_damaged_artifact_is_cut_with_a_reset() {
    let server = start(settings()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /npm/damaged HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .expect("writes");
    let mut bytes = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("ends");
    let error = ended.expect_err("not ended cleanly");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(bytes.len() as u64 <= CHUNK_BYTES * 2 + 1024);
    assert!(
        server
            .metrics
            .encode()
            .contains("\ncordon_damaged_blobs_total 1\n")
    );
}

#[tokio::test]
async fn sent_bytes_and_outcomes_are_counted() {
    let server = start(settings()).await;
    server.get("/npm/large").await;
    server.get("/npm/blocked").await;
    server.get("/elsewhere/x").await;
    server.get("/npm/..").await;
    let text = server.metrics.encode();
    for line in [
        format!(
            "cordon_sent_bytes_total{{ecosystem=\"npm\"}} {}",
            LARGE_BYTES + 14
        ),
        "cordon_requests_total{ecosystem=\"npm\",outcome=\"denied\"} 1".to_owned(),
        "cordon_requests_total{ecosystem=\"other\",outcome=\"page\"} 1".to_owned(),
        "cordon_requests_total{ecosystem=\"other\",outcome=\"refused\"} 1".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}
