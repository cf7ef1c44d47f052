//! Bodies of requests. Nobody asks for them, but for the form of a page of Cordon's own; but a client
//! that publishes sends one before it reads the refusal, and closing on it at once would destroy the
//! answer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

/// Most bytes read and thrown away. More than any package is published with in one request today;
/// what comes on top is cut off by closing the connection.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What became of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// There was none.
    Nothing,
    /// There was one. Nothing after it is read from an HTTP/1 connection, so that two ways of
    /// telling where it ends cannot matter. It is kept whole where it was wanted and is no longer
    /// than that; else it is empty.
    Something(Bytes),
    /// It was not a well-formed body.
    Malformed,
}

impl Taken {
    /// The bytes that were kept.
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Something(bytes) => bytes,
            Self::Nothing | Self::Malformed => Bytes::new(),
        }
    }
}

/// Reads a request's body within bounds, and keeps it where at most `wanted` bytes of it are wanted.
pub(super) async fn take(
    head: &Parts,
    mut body: Incoming,
    wanted: usize,
    within: Duration,
) -> Taken {
    if body.is_end_stream() {
        return Taken::Nothing;
    }
    let nothing_kept = || Taken::Something(Bytes::new());
    // The client waits for leave to send it, and does not get it.
    if head.headers.contains_key(EXPECT) {
        return nothing_kept();
    }
    let read = async {
        let mut count = 0usize;
        let mut kept = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Taken::Malformed;
            };
            let Some(data) = frame.data_ref() else {
                continue;
            };
            count += data.len();
            if count <= wanted {
                kept.extend_from_slice(data);
            }
            if count > MAX_BYTES {
                break;
            }
        }
        match count <= wanted {
            true => Taken::Something(kept.freeze()),
            false => nothing_kept(),
        }
    };
    tokio::time::timeout(within, read)
        .await
        .unwrap_or_else(|_| nothing_kept())
}
