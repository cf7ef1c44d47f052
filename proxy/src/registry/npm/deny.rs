//! Refusals as npm's clients show them (protocols.md §5.1).
//!
//! npm prints the reason phrase, the JSON `error` and `npm-notice`; pnpm up to 10 and yarn berry
//! the phrase; yarn 1 the `error` of a packument; deno the whole body. bun, pnpm 12 and yarn 1 show
//! nothing of a refused tarball but its address. An address that bears the reason (§5.3) works only
//! for versions that are listed though refused; Cordon hides what it refuses, so there is none.

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::negotiate;
use crate::registry::denial::{self, ascii};
use crate::registry::{Denial, DenialBody};

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

/// 403 for packuments and tarballs alike: the only status that every client takes as final and
/// tells of.
pub(super) fn deny(denial: &Denial<'_>) -> DenialBody {
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
