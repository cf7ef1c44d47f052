//! Bodies nobody asked for. No route takes one, but a client that publishes sends it before it
//! reads the refusal, and closing on it at once would destroy the answer.

use std::time::Duration;

use http::header::EXPECT;
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

/// Most bytes read and thrown away. More than any package is published with in one request today;
/// what comes on top is cut off by closing the connection.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What became of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discarded {
    /// There was none.
    Nothing,
    /// There was one. Nothing after it is read from an HTTP/1 connection, so that two ways of
    /// telling where it ends cannot matter.
    Something,
    /// It was not a well-formed body.
    Malformed,
}

/// Reads a request's body and forgets it, within bounds.
pub(super) async fn discard(head: &Parts, mut body: Incoming, within: Duration) -> Discarded {
    if body.is_end_stream() {
        return Discarded::Nothing;
    }
    // The client waits for leave to send it, and does not get it.
    if head.headers.contains_key(EXPECT) {
        return Discarded::Something;
    }
    let read = async {
        let mut bytes = 0usize;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes += frame.data_ref().map_or(0, bytes::Bytes::len),
                Err(_) => return Discarded::Malformed,
            }
            if bytes > MAX_BYTES {
                break;
            }
        }
        Discarded::Something
    };
    tokio::time::timeout(within, read)
        .await
        .unwrap_or(Discarded::Something)
}
