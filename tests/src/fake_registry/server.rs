//! The sockets: a small HTTP/1.1 server of our own, because most faults are things a proper server
//! library refuses to send.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Shared;
use super::fault::{Fault, drip};
use super::request_log::Recorded;
use crate::archive;

const HEAD_LIMIT_BYTES: usize = 64 * 1024;
const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// A request as the protocol modules see it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter of the query, percent-decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| percent_decode(&value.replace('+', " ")))
        })
    }
}

/// An answer before faults and conditions.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn ok(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::with_status(200, content_type, body)
    }

    pub(super) fn with_status(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Serves one listener until dropped; dropping the task closes every connection.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, peer)) = accepted {
                    connections.spawn(connection(stream, peer, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(mut stream: TcpStream, _peer: SocketAddr, shared: Arc<Shared>) {
    // A test that watches latency must not measure Nagle's algorithm.
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Ok(Some(request)) = read_request(&mut stream, &mut buffer).await {
        let faults = shared.faults.take(&request.path);
        let answer = shared.answer(&request);
        let reply = Reply::plan(&request, answer, &faults);
        // Before the request is told of: whoever releases stalls on seeing it must not be too early.
        let releases = shared.faults.subscribe();
        shared.log.push(Recorded {
            method: request.method.clone(),
            target: request.target.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            status: reply.status,
        });
        let wants_close = request.header("connection") == Some("close");
        match reply.send(&mut stream, &request, releases).await {
            Ok(true) if !wants_close => {}
            Ok(_) | Err(_) => break,
        }
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > HEAD_LIMIT_BYTES || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (first.next(), first.next()) else {
        return Ok(None);
    };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse::<usize>().ok())
        .unwrap_or(0);
    while buffer.len() < length {
        if length > BODY_LIMIT_BYTES || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = buffer.drain(..length).collect();
    // A proxy is asked by the whole address; as one it answers for every host.
    let local = target.strip_prefix("http://").and_then(|rest| {
        let at = rest.find('/')?;
        rest.get(at..)
    });
    let (path, query) = local
        .unwrap_or(target)
        .split_once('?')
        .unwrap_or((local.unwrap_or(target), ""));
    Ok(Some(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        path: percent_decode(path),
        query: query.to_owned(),
        headers,
        body,
    }))
}

/// How the body goes out.
enum Framing {
    Length,
    WrongLength(i64),
    Chunked { has_end: bool },
    Endless,
}

/// What is sent, faults applied.
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    framing: Framing,
    cut_at: Option<usize>,
    stall_at: Option<usize>,
    bytes_per_second: Option<usize>,
    stalls_head: bool,
    raw: Option<&'static [u8]>,
}

impl Reply {
    fn plan(request: &Request, answer: Answer, faults: &[Fault]) -> Self {
        let mut reply = Self {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            framing: Framing::Length,
            cut_at: None,
            stall_at: None,
            bytes_per_second: None,
            stalls_head: false,
            raw: None,
        };
        let may_be_conditional = !faults.contains(&Fault::NoValidators);
        if may_be_conditional && reply.is_not_modified(request) {
            reply.status = 304;
            reply.body = Bytes::new();
        }
        for fault in faults {
            reply.apply(fault);
        }
        reply
    }

    fn apply(&mut self, fault: &Fault) {
        match fault {
            Fault::Status(status) => self.replace(*status, "text/plain", "out of order\n"),
            Fault::RetryAfter { status, seconds } => {
                self.replace(*status, "text/plain", "later\n");
                self.set("Retry-After", &seconds.to_string());
            }
            Fault::HtmlPage(status) => self.replace(
                *status,
                "text/html",
                "<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>",
            ),
            Fault::CutAt(at) => self.cut_at = Some(*at),
            Fault::StallAt(at) => self.stall_at = Some(*at),
            Fault::StallHead => self.stalls_head = true,
            Fault::Drip { bytes_per_second } => self.bytes_per_second = Some(*bytes_per_second),
            Fault::WrongLength(by) => self.framing = Framing::WrongLength(*by),
            Fault::ChunkedWithoutEnd => self.framing = Framing::Chunked { has_end: false },
            Fault::Chunked => self.framing = Framing::Chunked { has_end: true },
            Fault::Endless => self.framing = Framing::Endless,
            Fault::WrongBytes => {
                let mut bytes = self.body.to_vec();
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 1;
                }
                self.body = bytes.into();
            }
            Fault::Gzip { layers } => {
                for _ in 0..*layers {
                    self.body = archive::gzip(&self.body);
                }
                let codings = vec!["gzip"; usize::from(*layers)].join(", ");
                self.set("Content-Encoding", &codings);
            }
            Fault::MislabelledGzip => self.set("Content-Encoding", "gzip"),
            Fault::Redirect { status, location } => {
                self.replace(*status, "text/plain", "elsewhere\n");
                self.set("Location", location);
            }
            Fault::Headers(headers) => self.headers.extend(headers.iter().cloned()),
            Fault::NoValidators => self
                .headers
                .retain(|(name, _)| name != "ETag" && name != "Last-Modified"),
            Fault::Close => self.raw = Some(b""),
            Fault::Garbage => self.raw = Some(b"\x00\xffSSH-2.0-not-http\r\n\r\n"),
        }
        if self.raw.is_some() {
            self.status = 0;
        }
    }

    fn replace(&mut self, status: u16, content_type: &str, body: &'static str) {
        self.status = status;
        self.headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        self.body = Bytes::from_static(body.as_bytes());
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn own(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn is_not_modified(&self, request: &Request) -> bool {
        if self.status != 200 {
            return false;
        }
        if let Some(given) = request.header("if-none-match") {
            return self.own("ETag").is_some_and(|tag| {
                given
                    .split(',')
                    .any(|one| one.trim().trim_start_matches("W/") == tag)
            });
        }
        // Registries compare Last-Modified as a date; equality is all a well-behaved client needs.
        match (
            request.header("if-modified-since"),
            self.own("Last-Modified"),
        ) {
            (Some(given), Some(own)) => given == own,
            _ => false,
        }
    }

    /// Whether the connection can be used again.
    async fn send(
        self,
        stream: &mut TcpStream,
        request: &Request,
        mut releases: watch::Receiver<u64>,
    ) -> io::Result<bool> {
        if self.stalls_head {
            let _ = releases.changed().await;
        }
        if let Some(raw) = self.raw {
            stream.write_all(raw).await?;
            return Ok(false);
        }
        let has_body = request.method != "HEAD" && self.status != 304;
        stream.write_all(self.head().as_bytes()).await?;
        if !has_body {
            stream.flush().await?;
            return Ok(true);
        }
        let body = &self.body[..self.cut_at.unwrap_or(usize::MAX).min(self.body.len())];
        let stall_at = self.stall_at.unwrap_or(usize::MAX).min(body.len());
        let (before, after) = body.split_at(stall_at);
        self.write_paced(stream, before).await?;
        if self.stall_at.is_some() {
            stream.flush().await?;
            let _ = releases.changed().await;
        }
        self.write_paced(stream, after).await?;
        if let Framing::Endless = self.framing {
            // Ends when the other side has had enough and closes the connection.
            loop {
                self.write_piece(stream, &[b' '; 64 * 1024]).await?;
            }
        }
        if let Framing::Chunked { has_end: true } = self.framing {
            stream.write_all(b"0\r\n\r\n").await?;
        }
        stream.flush().await?;
        let is_whole = self.cut_at.is_none()
            && matches!(
                self.framing,
                Framing::Length | Framing::Chunked { has_end: true }
            );
        Ok(is_whole)
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, phrase(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.framing {
            Framing::Length if self.status == 304 => {}
            Framing::Length => head.push_str(&format!("Content-Length: {}\r\n", self.body.len())),
            Framing::WrongLength(by) => {
                let length = i64::try_from(self.body.len()).unwrap_or(i64::MAX);
                let claimed = length.saturating_add(by).max(0);
                head.push_str(&format!("Content-Length: {claimed}\r\n"));
            }
            Framing::Chunked { .. } | Framing::Endless => {
                head.push_str("Transfer-Encoding: chunked\r\n");
            }
        }
        head.push_str("\r\n");
        head
    }

    async fn write_paced(&self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        let Some(rate) = self.bytes_per_second else {
            return self.write_piece(stream, bytes).await;
        };
        let (pause, size) = drip(rate);
        for piece in bytes.chunks(size) {
            self.write_piece(stream, piece).await?;
            stream.flush().await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn write_piece(&self, stream: &mut TcpStream, piece: &[u8]) -> io::Result<()> {
        match self.framing {
            Framing::Chunked { .. } | Framing::Endless if piece.is_empty() => Ok(()),
            Framing::Chunked { .. } | Framing::Endless => {
                let size = format!("{:x}\r\n", piece.len());
                stream.write_all(size.as_bytes()).await?;
                stream.write_all(piece).await?;
                stream.write_all(b"\r\n").await
            }
            Framing::Length | Framing::WrongLength(_) => stream.write_all(piece).await,
        }
    }
}

/// Decodes `%XX`; what is not an escape stays.
pub(super) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], escape) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
