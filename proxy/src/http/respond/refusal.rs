//! Refusals and failures, in the form an adapter gave them.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;

use super::headers::{self, printable};
use super::{Body, whole};
use crate::registry::DenialBody;

/// Longest reason phrase, in characters (protocols.md §1).
const MAX_PHRASE_CHARACTERS: usize = 150;

/// A refusal: never stored by anyone, so that it ends when its reason does.
pub(super) fn refuse(refusal: DenialBody) -> Response<Body> {
    let mut response = whole(refusal.status, refusal.content_type, refusal.body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, headers::NO_STORE);
    for (name, value) in refusal.headers {
        headers.append(name, value);
    }
    if let Some(phrase) = refusal.phrase {
        set_phrase(&mut response, &phrase);
    }
    response
}

/// A failure that is nobody's policy.
pub(super) fn fail(failure: DenialBody, retry_after_seconds: Option<u32>) -> Response<Body> {
    let mut response = refuse(failure);
    if let Some(seconds) = retry_after_seconds {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A failure outside any protocol, as one line of text.
pub fn plain(status: StatusCode, message: &str) -> Response<Body> {
    refuse(DenialBody {
        status,
        phrase: None,
        content_type: headers::TEXT,
        body: Bytes::from(format!("{message}\n")),
        headers: Vec::new(),
    })
}

/// Sets the HTTP/1.1 reason phrase; HTTP/2 has none and drops it.
fn set_phrase(response: &mut Response<Body>, phrase: &str) {
    let phrase = printable(phrase, MAX_PHRASE_CHARACTERS);
    if phrase.is_empty() {
        return;
    }
    if let Ok(phrase) = ReasonPhrase::try_from(phrase.into_bytes()) {
        response.extensions_mut().insert(phrase);
    }
}
