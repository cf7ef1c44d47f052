//! Refusals as npm's clients show them (protocols.md §5.1).
//!
//! npm prints the reason phrase, the JSON `error` and `npm-notice`; pnpm up to 10 and yarn berry
//! the phrase; yarn 1 the `error` of a packument; deno the whole body. bun shows nothing but the
//! address that refused, and takes for it the last one it was sent to: so it is sent to the record
//! of the decision, under an address that says why. That reaches further than a reason in the
//! tarball's address (§5.3), which works only for versions that are listed though refused. Of a
//! refused tarball yarn 1 and pnpm 12 show the address they asked for and nothing else.

use http::header::LOCATION;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::negotiate;
use crate::registry::denial::{self, ascii};
use crate::registry::{Denial, DenialBody, RequestHead};

/// Longest line shown in a terminal.
const MAX_SENTENCE_CHARS: usize = 900;

/// The header npm shows as `npm notice …`.
const NPM_NOTICE: HeaderName = HeaderName::from_static("npm-notice");

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    title: &'static str,
    detail: String,
    subject: &'a str,
    code: &'a str,
    decision: &'a str,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest_allowed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<&'a str>,
}

/// How bun's `User-Agent` begins: the only client told by an address.
const BUN: &str = "Bun/";

/// 403 for packuments and tarballs alike: the only status that every client takes as final and
/// tells of. bun is sent to an address that answers 403.
pub(super) fn deny(denial: &Denial<'_>, request: &RequestHead<'_>) -> DenialBody {
    let mut refusal = forbid(denial);
    if request.user_agent().starts_with(BUN)
        && let Ok(address) = HeaderValue::from_str(&denial::telling_address(denial))
    {
        refusal.status = StatusCode::TEMPORARY_REDIRECT;
        refusal.phrase = None;
        refusal.headers.push((LOCATION, address));
    }
    refusal
}

fn forbid(denial: &Denial<'_>) -> DenialBody {
    let sentence = denial::sentence(denial, MAX_SENTENCE_CHARS);
    let body = Body {
        error: &sentence,
        title: denial::what_happened(denial.effect),
        detail: ascii(denial.reason, MAX_SENTENCE_CHARS),
        subject: &denial.subject,
        code: &denial.code,
        decision: denial.decision.as_str(),
        why: &denial.why_url,
        available_after: denial.until.map(|until| until.to_string()),
        nearest_allowed: denial.nearest_allowed,
        contact: denial.contact,
    };
    DenialBody {
        status: StatusCode::FORBIDDEN,
        phrase: Some(denial::phrase(denial)),
        content_type: HeaderValue::from_static(negotiate::FULL),
        body: json(&body),
        headers: notice(&sentence),
    }
}

/// Any other error: npm prints the string `error`.
pub(super) fn error(status: StatusCode, message: &str) -> DenialBody {
    #[derive(Serialize)]
    struct Body {
        error: String,
    }
    let mut headers = Vec::new();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.push((http::header::ALLOW, HeaderValue::from_static("GET, HEAD")));
    }
    DenialBody {
        status,
        phrase: None,
        content_type: HeaderValue::from_static(negotiate::FULL),
        body: json(&Body {
            error: ascii(message, MAX_SENTENCE_CHARS),
        }),
        headers,
    }
}

fn notice(sentence: &str) -> Vec<(HeaderName, HeaderValue)> {
    HeaderValue::from_str(sentence)
        .map(|value| vec![(NPM_NOTICE, value)])
        .unwrap_or_default()
}

fn json(body: &impl Serialize) -> bytes::Bytes {
    serde_json::to_vec(body)
        .expect("strings are always JSON")
        .into()
}
