//! The one place that makes responses.
//!
//! Headers come from the lists in here and from nowhere else: nothing an upstream sent can pass.
//! `HEAD` gets the status and headers of `GET`, always.

mod document;
mod headers;
mod refusal;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, LOCATION, USER_AGENT, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::body::{Body, DamageReport};
use super::coding::AcceptedCodings;
use super::conditional::Conditions;
use super::range::{Part, RangeRequest};
use super::reply::Reply;
use crate::engine::Cleared;
use crate::registry::{LastModified, Rendered};

pub use headers::{X_CORDON_DECISION, X_CORDON_WITHHELD, page_policy};
pub use refusal::plain;

/// What a request says about the form of its answer. Taken before the service gets the request.
#[derive(Clone, Debug)]
pub struct Asked {
    is_head: bool,
    conditions: Conditions,
    range: RangeRequest,
    codings: AcceptedCodings,
    /// The client prints `npm-notice` headers.
    shows_notices: bool,
    /// The client showed a token: the answer may be for it alone.
    is_authorized: bool,
}

impl Asked {
    /// Reads a request's head. Ranges are for `GET` alone (RFC 9110 §14.2).
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        Self {
            is_head: method == Method::HEAD,
            conditions: Conditions::of(headers),
            range: if method == Method::GET {
                RangeRequest::of(headers)
            } else {
                RangeRequest::default()
            },
            codings: AcceptedCodings::of(headers),
            shows_notices: headers
                .get(USER_AGENT)
                .is_some_and(|agent| agent.as_bytes().starts_with(b"npm/")),
            is_authorized: headers.contains_key(AUTHORIZATION),
        }
    }
}

/// Makes responses from replies.
#[derive(Clone)]
pub struct Responder {
    report: DamageReport,
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Responder")
    }
}

impl Responder {
    /// `report` is told of stored bytes that turned out damaged while being sent.
    pub fn new(report: DamageReport) -> Self {
        Self { report }
    }

    /// The response to a request.
    pub fn respond(&self, reply: Reply, asked: &Asked) -> Response<Body> {
        let mut response = match reply {
            Reply::Document(document) => document::respond(&document, asked),
            Reply::Artifact(cleared) => self.artifact(&cleared, asked),
            Reply::Static(rendered) => fixed(rendered, asked),
            Reply::Forwarded { content_type, body } => forwarded(&content_type, body),
            Reply::Redirect(path) => redirect(&path),
            Reply::Denied { body, decision } => {
                let mut response = refusal::refuse(body);
                response
                    .headers_mut()
                    .insert(X_CORDON_DECISION, headers::value(decision.as_str()));
                response
            }
            Reply::Failed {
                body,
                retry_after_seconds,
            } => refusal::fail(body, retry_after_seconds),
            Reply::Page {
                status,
                content_type,
                body,
            } => own_page(status, content_type, body),
        };
        if asked.is_head {
            *response.body_mut() = Body::empty();
        }
        response
    }

    /// Bytes that a decision allows. They never change under their address, so they alone are
    /// immutable, and they are never coded.
    fn artifact(&self, cleared: &Arc<Cleared>, asked: &Asked) -> Response<Body> {
        let etag = format!("\"{}\"", cleared.permit().sha256().hex());
        let size_bytes = cleared.size_bytes();
        let is_current = asked.conditions.is_current(Some(&etag), None);
        let part = match asked.range.part(size_bytes, &etag) {
            _ if is_current => None,
            part => Some(part),
        };
        let (status, body, length, content_range) = match part {
            None => (StatusCode::NOT_MODIFIED, Body::empty(), None, None),
            Some(Part::Unsatisfiable) => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                Body::empty(),
                Some(0),
                Some(format!("bytes */{size_bytes}")),
            ),
            Some(Part::Bytes { first, last }) => (
                StatusCode::PARTIAL_CONTENT,
                self.bytes(cleared, first, last, asked),
                Some(last - first + 1),
                Some(format!("bytes {first}-{last}/{size_bytes}")),
            ),
            Some(Part::Whole) => (
                StatusCode::OK,
                match size_bytes.checked_sub(1) {
                    Some(last) => self.bytes(cleared, 0, last, asked),
                    None => Body::empty(),
                },
                Some(size_bytes),
                None,
            ),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.reserve(8);
        headers.insert(ETAG, headers::value(&etag));
        let keeping = match asked.is_authorized {
            true => headers::IMMUTABLE_PRIVATE,
            false => headers::IMMUTABLE,
        };
        headers.insert(CACHE_CONTROL, keeping);
        headers.insert(ACCEPT_RANGES, headers::BYTES);
        headers.insert(
            X_CORDON_DECISION,
            headers::value(cleared.decision().as_str()),
        );
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(range) = content_range {
            headers.insert(CONTENT_RANGE, headers::value(&range));
        }
        if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            headers.insert(CONTENT_TYPE, headers::OCTET_STREAM);
        }
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            headers.insert(CACHE_CONTROL, headers::NO_STORE);
            headers.remove(ETAG);
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, headers::NOSNIFF);
        response
    }

    /// No reading is begun for a body that `HEAD` leaves out.
    fn bytes(&self, cleared: &Arc<Cleared>, first: u64, last: u64, asked: &Asked) -> Body {
        if asked.is_head {
            Body::empty()
        } else {
            Body::artifact(cleared, first, last, &self.report)
        }
    }
}

/// A fixed answer of an adapter: small, from memory, revalidated by its date where it has one.
fn fixed(rendered: Rendered, asked: &Asked) -> Response<Body> {
    let is_current = asked.conditions.is_current(
        None,
        rendered
            .last_modified
            .as_ref()
            .and_then(LastModified::validator),
    );
    let mut response = if is_current {
        not_modified()
    } else {
        whole(
            StatusCode::OK,
            HeaderValue::from_static(rendered.content_type),
            rendered.body,
        )
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, headers::NO_CACHE);
    if let Some(date) = &rendered.last_modified {
        headers.insert(LAST_MODIFIED, headers::value(date.date()));
    }
    if !rendered.vary.is_empty() {
        headers.insert(VARY, HeaderValue::from_static(rendered.vary));
    }
    response
}

/// Passed through from upstream: its bytes and, checked, its media type; nothing else of it.
fn forwarded(content_type: &str, body: Bytes) -> Response<Body> {
    let content_type = HeaderValue::from_str(content_type).unwrap_or(headers::OCTET_STREAM);
    // A page of somebody else's must not run on this origin.
    let is_active = content_type
        .to_str()
        .map(str::to_ascii_lowercase)
        .is_ok_and(|text| {
            ["html", "xml", "svg", "script"]
                .iter()
                .any(|kind| text.contains(kind))
        });
    let content_type = if is_active {
        headers::OCTET_STREAM
    } else {
        content_type
    };
    let mut response = whole(StatusCode::OK, content_type, body);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, headers::NO_CACHE);
    response
}

/// To the proper spelling of the same resource. Only an absolute path on this Cordon is possible.
fn redirect(path: &str) -> Response<Body> {
    let is_path = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    let location = HeaderValue::from_str(path).ok().filter(|_| is_path);
    let Some(location) = location else {
        tracing::error!(path, "refusing to redirect to something that is not a path");
        return plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "an answer could not be made",
        );
    };
    let mut response = whole(StatusCode::MOVED_PERMANENTLY, headers::TEXT, Bytes::new());
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, headers::NO_CACHE);
    response
}

/// A page of Cordon's own. Markup may use its own style sheet and nothing else.
pub fn own_page(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = whole(status, HeaderValue::from_static(content_type), body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, headers::NO_STORE);
    if content_type.starts_with("text/html") {
        page_policy(headers);
    }
    response
}

/// The parts every answer with a body has.
fn whole(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Body> {
    let length = body.len() as u64;
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(X_CONTENT_TYPE_OPTIONS, headers::NOSNIFF);
    response
}

fn not_modified() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

#[cfg(test)]
mod tests;
