//! A blocking HTTP/1.1 client on a plain socket: it hides nothing, follows nothing, and shows the
//! reason phrase and every header as sent.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may be silent before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An answer as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Reason phrase.
    pub phrase: String,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, taken out of its transfer coding but not of its content coding.
    pub body: Vec<u8>,
    /// Whether the body ended as its framing promised.
    pub is_complete: bool,
}

impl Reply {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// Asserts the status, showing the answer otherwise, and gives it back for chaining.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{} {:?} {}",
            self.phrase,
            self.headers,
            self.text()
        );
        self
    }
}

/// GETs an absolute `http://` address.
///
/// # Panics
/// If no answer comes.
#[track_caller]
pub fn get(url: &str) -> Reply {
    request("GET", url, &[], b"")
}

/// GETs with headers.
///
/// # Panics
/// If no answer comes.
#[track_caller]
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Reply {
    request("GET", url, headers, b"")
}

/// Sends one request on a connection of its own.
///
/// # Panics
/// If no answer comes.
#[track_caller]
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    try_request(method, url, headers, body)
        .unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// Sends one request; an error when the connection or the answer's head fails.
///
/// # Errors
/// Of the socket, or when what came is not HTTP.
pub fn try_request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let (authority, path) = split(url);
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head.push_str(&format!("Host: {authority}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    parse(&exchange(authority, &bytes)?, method == "HEAD")
}

/// Sends exactly these bytes to the address's authority and returns everything that comes back
/// until the other side closes.
///
/// # Errors
/// Of the socket.
pub fn raw(url: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    exchange(split(url).0, bytes)
}

/// Opens a connection to the address's authority, for tests that send piece by piece.
///
/// # Errors
/// Of the socket.
pub fn connect(url: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(split(url).0)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An asynchronous client for tests that need many requests at once. It follows no redirects and
/// uses no proxy.
///
/// # Panics
/// If it cannot be made.
pub fn concurrent() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client can be made")
}

fn exchange(authority: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(authority)?;
    // A server may answer and close before it read everything.
    let sent = stream.write_all(bytes);
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => {}
        Err(error) if received.is_empty() => return Err(sent.err().unwrap_or(error)),
        Err(_) => {}
    }
    Ok(received)
}

/// Reads an answer from the bytes of a connection that was closed after it.
///
/// # Errors
/// If there is no whole head.
pub fn parse(received: &[u8], is_head_request: bool) -> io::Result<Reply> {
    let end = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("no answer, only {} bytes", received.len()),
            )
        })?;
    let head = String::from_utf8_lossy(&received[..end]);
    let rest = &received[end + 4..];
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().splitn(3, ' ');
    let status = first
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {head}")))?;
    let phrase = first.next().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut reply = Reply {
        status,
        phrase,
        headers,
        body: Vec::new(),
        is_complete: true,
    };
    let length = reply
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok());
    let is_chunked = reply.header("transfer-encoding") == Some("chunked");
    if is_head_request || status == 304 || status == 204 {
        // Whatever follows must not be there; the test sees it.
        reply.body = rest.to_vec();
    } else if is_chunked {
        (reply.body, reply.is_complete) = unchunk(rest);
    } else {
        reply.body = rest.to_vec();
        reply.is_complete = length.is_none_or(|length| length == rest.len());
    }
    Ok(reply)
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else {
            return (body, false);
        };
        let size = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|line| usize::from_str_radix(line.split(';').next()?.trim(), 16).ok());
        rest = &rest[end + 2..];
        match size {
            Some(0) => return (body, true),
            Some(size) if rest.len() >= size + 2 => {
                body.extend_from_slice(&rest[..size]);
                rest = &rest[size + 2..];
            }
            _ => {
                body.extend_from_slice(rest);
                return (body, false);
            }
        }
    }
}

/// Authority and path of an `http://` address; a bare authority is taken as it is.
fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_without_its_end_is_incomplete() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let whole = format!("{head}3\r\nabc\r\n0\r\n\r\n");
        let cut = format!("{head}3\r\nabc\r\n");
        let whole = parse(whole.as_bytes(), false).unwrap();
        let cut = parse(cut.as_bytes(), false).unwrap();
        assert_eq!((whole.body, whole.is_complete), (b"abc".to_vec(), true));
        assert_eq!((cut.body, cut.is_complete), (b"abc".to_vec(), false));
    }

    #[test]
    fn the_reason_phrase_is_kept() {
        let reply = parse(b"HTTP/1.1 403 blocked by x\r\n\r\n", false).unwrap();
        assert_eq!((reply.status, reply.phrase.as_str()), (403, "blocked by x"));
    }
}
