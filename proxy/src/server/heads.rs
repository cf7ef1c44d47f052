//! A strict look at HTTP/1 request heads before they are parsed.
//!
//! The parser behind this is lenient where servers and proxies disagree: a bare line feed ends a
//! line, a length beside `chunked` is ignored, a repeated length is folded. Each such difference
//! has been used to make two parties see different requests; a fragment, which no request target
//! has, is cut off. This layer marks the connection when
//! it sees one; the request is then answered with 400 and the connection ends. It changes no byte.
//!
//! It also holds the time-out for a head that has begun: the parser's own counts from the end of
//! the response before, so it serves as the limit on idleness instead.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use memchr::{memchr, memchr2};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::activity::Connection;

/// The start of HTTP/2's preface, which is no HTTP/1 request.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// Bytes of a line's start that are looked at: enough for the names that matter.
const START_BYTES: usize = 18;

/// Reads through to `inner`, looking at heads as they pass.
pub(super) struct StrictHeads<T> {
    inner: T,
    connection: Arc<Connection>,
    scanner: Scanner,
    header_timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> StrictHeads<T> {
    pub(super) fn new(inner: T, connection: Arc<Connection>, header_timeout: Duration) -> Self {
        Self {
            inner,
            connection,
            scanner: Scanner::default(),
            header_timeout,
            timer: None,
        }
    }

    /// A head must be complete in time, however it is split.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.scanner.is_inside_head() {
            self.timer = None;
            return Poll::Pending;
        }
        let timeout = self.header_timeout;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        ready!(timer.as_mut().poll(context));
        let message = "the client took too long to send a request head";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for StrictHeads<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if Pin::new(&mut self.inner)
            .poll_read(context, buffer)?
            .is_pending()
        {
            return self.poll_deadline(context);
        }
        let new = buffer.filled().get(before..).unwrap_or_default();
        let heads = self.scanner.heads;
        if self.scanner.scan(new).is_err() {
            self.connection.set_malformed();
        }
        if self.scanner.heads != heads {
            self.timer = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for StrictHeads<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Bytes that break the grammar of heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// Follows heads through however the bytes are split.
#[derive(Debug, Default)]
struct Scanner {
    /// Not HTTP/1, or behind a head with a body: a request with a body is the last one answered on
    /// its connection, so nothing that follows it is ever parsed as a head.
    is_off: bool,
    /// A carriage return was the last byte.
    after_return: bool,
    start: [u8; START_BYTES],
    line_bytes: usize,
    lines: usize,
    lengths: usize,
    codings: usize,
    /// The request line holds a `#`: whatever follows it would be dropped without a word.
    has_fragment: bool,
    /// Heads that were complete.
    heads: u64,
}

impl Scanner {
    fn is_inside_head(&self) -> bool {
        !self.is_off && (self.lines > 0 || self.line_bytes > 0 || self.after_return)
    }

    fn scan(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while !self.is_off {
            if self.after_return {
                let Some((first, rest)) = bytes.split_first() else {
                    return Ok(());
                };
                if *first != b'\n' {
                    return Err(self.give_up());
                }
                self.after_return = false;
                bytes = rest;
                self.end_line()?;
                continue;
            }
            let Some(at) = memchr2(b'\r', b'\n', bytes) else {
                self.take(bytes);
                return Ok(());
            };
            let (line, rest) = bytes.split_at(at);
            self.take(line);
            if rest.first() == Some(&b'\n') {
                return Err(self.give_up());
            }
            self.after_return = true;
            bytes = rest.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    fn give_up(&mut self) -> Malformed {
        self.is_off = true;
        Malformed
    }

    fn take(&mut self, bytes: &[u8]) {
        self.has_fragment |= self.lines == 0 && memchr(b'#', bytes).is_some();
        if let Some(room) = self.start.get_mut(self.line_bytes..) {
            let count = room.len().min(bytes.len());
            if let (Some(to), Some(from)) = (room.get_mut(..count), bytes.get(..count)) {
                to.copy_from_slice(from);
            }
        }
        self.line_bytes = self.line_bytes.saturating_add(bytes.len());
    }

    fn end_line(&mut self) -> Result<(), Malformed> {
        let length = std::mem::take(&mut self.line_bytes);
        let start = self
            .start
            .get(..length.min(START_BYTES))
            .unwrap_or_default();
        if length == 0 {
            // An empty line before the request line is nothing; after it, it ends the head.
            if self.lines > 0 {
                self.heads += 1;
                self.lines = 0;
                let has_body = self.lengths + self.codings > 0;
                let has_fragment = std::mem::take(&mut self.has_fragment);
                let is_doubtful = self.lengths + self.codings > 1 || has_fragment;
                (self.lengths, self.codings) = (0, 0);
                self.is_off = has_body;
                return if is_doubtful { Err(Malformed) } else { Ok(()) };
            }
            return Ok(());
        }
        if self.lines == 0 {
            self.is_off = start.starts_with(HTTP2_PREFACE);
        } else if is_named(start, b"content-length") {
            self.lengths += 1;
        } else if is_named(start, b"transfer-encoding") {
            self.codings += 1;
        }
        self.lines += 1;
        Ok(())
    }
}

/// Whether a line starts with a header name and a colon.
fn is_named(start: &[u8], name: &[u8]) -> bool {
    start
        .split_at_checked(name.len())
        .is_some_and(|(found, rest)| {
            found.eq_ignore_ascii_case(name) && rest.first() == Some(&b':')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Scans in pieces of `size` bytes.
    fn scan(text: &str, size: usize) -> (Result<(), Malformed>, Scanner) {
        let mut scanner = Scanner::default();
        for piece in text.as_bytes().chunks(size) {
            if scanner.scan(piece).is_err() {
                return (Err(Malformed), scanner);
            }
        }
        (Ok(()), scanner)
    }

    fn outcomes(text: &str) -> Vec<bool> {
        [1, 2, 3, 7, 4096]
            .map(|size| scan(text, size).0.is_ok())
            .to_vec()
    }

    #[test]
    fn a_fragment_is_met_in_the_request_line_and_nowhere_else() {
        let line = "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(!outcomes(line).contains(&true), "{line:?}");
        let header = "GET /a HTTP/1.1\r\nHost: a\r\nX-Note: #b\r\n\r\n";
        assert!(!outcomes(header).contains(&false), "{header:?}");
    }

    #[test]
    fn sound_heads_pass_however_they_are_split() {
        for text in [
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nb\r",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\n",
            "GET / HTTP/1.1\r\nx-content-length: 1\r\ncontent-length-x: 1\r\ncontent-lengt: 1\r\n\r\n\r\n",
        ] {
            assert_eq!(outcomes(text), [true; 5], "{text:?}");
        }
        assert_eq!(
            scan("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 5)
                .1
                .heads,
            2
        );
    }

    #[test]
    fn h22_h25_what_others_read_differently_is_malformed() {
        for text in [
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\n",
            "GET / HTTP/1.1\r\nhost: a\rb: c\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
            "\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(outcomes(text), [false; 5], "{text:?}");
        }
    }

    #[test]
    fn it_is_known_whether_a_head_is_unfinished() {
        assert!(!scan("", 1).1.is_inside_head());
        assert!(scan("G", 1).1.is_inside_head());
        assert!(scan("GET / HTTP/1.1\r\n", 1).1.is_inside_head());
        assert!(scan("GET / HTTP/1.1\r\na: b\r\n\r", 1).1.is_inside_head());
        assert!(!scan("GET / HTTP/1.1\r\na: b\r\n\r\n", 1).1.is_inside_head());
        assert!(
            !scan("POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nab", 1)
                .1
                .is_inside_head()
        );
    }

    proptest! {
        #[test]
        fn splitting_changes_nothing(text in "(GET / HTTP/1.1\r\n|a: b\r\n|content-length: 1\r\n|\r\n|\r|\n|PRI \\* HTTP/2.0|x){0,12}", size in 1usize..9) {
            let (split, a) = scan(&text, size);
            let (whole, b) = scan(&text, 4096);
            prop_assert_eq!(split, whole);
            if split.is_ok() {
                prop_assert_eq!((a.heads, a.is_off, a.is_inside_head()), (b.heads, b.is_off, b.is_inside_head()));
            }
        }
    }
}
