//! Header names and values that are the same for every answer.

use std::sync::LazyLock;

use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::why;

/// The decision an artifact or a refusal rests on.
pub const X_CORDON_DECISION: HeaderName = HeaderName::from_static("x-cordon-decision");
/// How many candidates a document leaves out.
pub const X_CORDON_WITHHELD: HeaderName = HeaderName::from_static("x-cordon-withheld");
/// Printed by npm.
pub(super) const NPM_NOTICE: HeaderName = HeaderName::from_static("npm-notice");

pub(super) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");
/// The same where somebody showed who they are: a cache that others share must not hand it on.
pub(super) const IMMUTABLE_PRIVATE: HeaderValue =
    HeaderValue::from_static("private, max-age=31536000, immutable");
/// Clients may keep documents but must ask each time, or a block would wait for their caches.
pub(super) const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
pub(super) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
pub(super) const BYTES: HeaderValue = HeaderValue::from_static("bytes");
pub(super) const GZIP: HeaderValue = HeaderValue::from_static("gzip");
pub(super) const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// RFC 7234 §5.5.1; obsolete in RFC 9111, still what tools print.
pub(super) const STALE: HeaderValue = HeaderValue::from_static("110 cordon \"response is stale\"");

/// A value of our own making; what cannot be a header value (it never should) becomes `invalid`.
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("invalid"))
}

/// Text for people as a header value: visible ASCII and spaces, cut.
pub(super) fn sentence(text: &str, most: usize) -> HeaderValue {
    value(&printable(text, most))
}

/// Text reduced to visible ASCII and single spaces, at most `most` characters.
pub(super) fn printable(text: &str, most: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        let character = match character {
            ' '..='~' => character,
            control if control.is_control() || control.is_whitespace() => ' ',
            _ => '?',
        };
        if character == ' ' && (plain.is_empty() || plain.ends_with(' ')) {
            continue;
        }
        if plain.len() == most {
            break;
        }
        plain.push(character);
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// What an HTML page of Cordon's may do: show its own inline style sheet, and send its own form back
/// to where it came from. No scripts, no requests, no frames.
static PAGE_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = why::STYLE_SOURCE.as_str();
    value(&format!(
        "default-src 'none'; style-src {style}; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    ))
});

/// Keeps an HTML page of Cordon's to what `PAGE_POLICY` says.
pub fn page_policy(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, PAGE_POLICY.clone());
    // Nothing to others; to ourselves, because a browser told to say nothing at all does not say
    // either that a form is ours.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
}
