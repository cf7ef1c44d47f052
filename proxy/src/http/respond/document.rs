//! Filtered documents: one stored form, two codings, a validator for each.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, VARY,
    WARNING, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};

use super::headers::{self, NPM_NOTICE, X_CORDON_WITHHELD};
use super::{Asked, Body, plain};
use crate::http::reply::ReadyDocument;
use crate::registry::LastModified;

/// Longest notice, in characters.
const MAX_NOTICE_CHARACTERS: usize = 400;

enum Form {
    Identity,
    Gzip,
}

pub(super) fn respond(document: &ReadyDocument, asked: &Asked) -> Response<Body> {
    let Some(form) = choose(document, asked) else {
        return plain(
            StatusCode::NOT_ACCEPTABLE,
            "this document can be had with gzip or without any coding",
        );
    };
    let etag = match form {
        Form::Identity => format!("\"{}\"", document.etag),
        Form::Gzip => format!("\"{}-gzip\"", document.etag),
    };
    let date = document.last_modified.as_ref();
    let is_current = asked
        .conditions
        .is_current(Some(&etag), date.and_then(LastModified::validator));
    let mut response = if is_current {
        super::not_modified()
    } else {
        full(document, &form, asked.is_head)
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, headers::value(&etag));
    headers.insert(CACHE_CONTROL, headers::NO_CACHE);
    headers.insert(VARY, vary(document.vary));
    if let Some(date) = date {
        headers.insert(LAST_MODIFIED, headers::value(date.date()));
    }
    if document.withheld > 0 {
        headers.insert(X_CORDON_WITHHELD, HeaderValue::from(document.withheld));
    }
    if document.is_stale {
        headers.insert(WARNING, headers::STALE);
    }
    // npm prints notices only on answers it may not keep (protocols.md §2.5); other clients print
    // none, and would lose their copy for nothing.
    if let Some(notice) = &document.notice
        && asked.shows_notices
        && !is_current
    {
        headers.insert(NPM_NOTICE, headers::sentence(notice, MAX_NOTICE_CHARACTERS));
        headers.insert(CACHE_CONTROL, headers::NO_STORE);
    }
    response
}

/// The form the client gets, `None` if it takes neither.
fn choose(document: &ReadyDocument, asked: &Asked) -> Option<Form> {
    let codings = asked.codings;
    if codings.prefers_gzip && document.gzip.is_some() {
        Some(Form::Gzip)
    } else if codings.takes_identity {
        Some(Form::Identity)
    } else {
        codings.takes_gzip.then_some(Form::Gzip)
    }
}

/// The document with 200.
fn full(document: &ReadyDocument, form: &Form, is_head: bool) -> Response<Body> {
    let body = match (form, &document.gzip, &document.identity) {
        (Form::Gzip, Some(gzip), _) => Body::whole(gzip.clone()),
        (Form::Gzip, None, Some(identity)) => Body::whole(compressed(identity)),
        (Form::Identity, _, Some(identity)) => Body::whole(identity.clone()),
        (Form::Identity, Some(gzip), None) => Body::inflated(gzip.clone(), document.identity_bytes),
        (_, None, None) => {
            tracing::error!(etag = %document.etag, "a document without bytes was to be sent");
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the document has no bytes",
            );
        }
    };
    let length = body.len();
    let mut response = Response::new(if is_head { Body::empty() } else { body });
    let headers = response.headers_mut();
    headers.reserve(10);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(document.content_type),
    );
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if matches!(form, Form::Gzip) {
        headers.insert(CONTENT_ENCODING, headers::GZIP);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, headers::NOSNIFF);
    response
}

/// For the rare client that refuses plain bytes of a document too small to be kept compressed.
fn compressed(identity: &Bytes) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(identity)
        .and_then(|()| encoder.finish())
        .map(Bytes::from)
        .expect("writing to memory does not fail")
}

fn vary(besides: &'static str) -> HeaderValue {
    match besides {
        "" => HeaderValue::from_static("accept-encoding"),
        "accept" | "Accept" => HeaderValue::from_static("accept, accept-encoding"),
        other => headers::value(&format!("{other}, accept-encoding")),
    }
}

#[cfg(test)]
pub(super) fn compressed_for_test(identity: &Bytes) -> Bytes {
    compressed(identity)
}
