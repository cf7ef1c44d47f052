//! Refusals and errors as Python clients print them (protocols.md §5.2).
//!
//! * files: 403; pip and poetry print the reason phrase, uv prints `title` and `detail`.
//! * files for pdm, whose cache loses the phrase and which prints no body: a redirect to an address
//!   that tells why and answers 403. It prints the last address it was sent to.
//! * pages: 451, because uv and poetry take 403 for missing credentials and 404 for leave to go on
//!   to the next index.
//! * pages for pip, which says nothing about a failed page: 200 with a content type it does not
//!   know, whose parameters it prints.

use cordon_policy::decision::DecisionId;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::registry::denial::{PHRASE_CHARS, ascii, phrase, sentence, telling_address};
use crate::registry::{Denial, DenialBody, DenialScope, RequestHead};

/// Exactly this: uv compares it as text.
const PROBLEM: &str = "application/problem+json";

/// Most characters of the sentence in a problem's `detail`.
const DETAIL_CHARS: usize = 2000;

/// Most characters of the sentence pip prints from a content type.
const PIP_CHARS: usize = 400;

/// How pdm's `User-Agent` begins.
const PDM: &str = "pdm/";

/// RFC 9457, with Cordon's own members.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'a DecisionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<&'a str>,
}

impl Problem<'_> {
    fn into_body(self, status: StatusCode, phrase: String) -> DenialBody {
        DenialBody {
            status,
            phrase: Some(phrase),
            content_type: HeaderValue::from_static(PROBLEM),
            body: serde_json::to_vec(&self)
                .expect("a struct of strings and a number is serialisable")
                .into(),
            headers: Vec::new(),
        }
    }
}

/// The refusal of a page or a file.
pub(super) fn deny(denial: &Denial<'_>, request: &RequestHead<'_>) -> DenialBody {
    let status = match denial.scope {
        DenialScope::Artifact => StatusCode::FORBIDDEN,
        DenialScope::Package if is_page_for_pip(request) => return pip_page(denial),
        DenialScope::Package => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
    };
    let problem = Problem {
        kind: &ascii(&denial.why_url, 300),
        // uv prints it before the detail, which says by whom.
        title: "refused by policy",
        status: status.as_u16(),
        detail: sentence(denial, DETAIL_CHARS),
        decision: Some(denial.decision),
        code: Some(&denial.code),
        why: Some(&ascii(&denial.why_url, 300)),
        nearest: denial.nearest_allowed,
    };
    let mut refusal = problem.into_body(status, phrase(denial));
    if denial.scope == DenialScope::Artifact
        && request.user_agent().starts_with(PDM)
        && let Ok(address) = HeaderValue::from_str(&telling_address(denial))
    {
        refusal.status = StatusCode::TEMPORARY_REDIRECT;
        refusal.phrase = None;
        refusal.headers.push((LOCATION, address));
    }
    refusal
}

fn is_page_for_pip(request: &RequestHead<'_>) -> bool {
    request.user_agent().starts_with("pip/")
        && request
            .segments
            .first()
            .is_some_and(|first| first == "simple")
}

/// pip prints the content type of a page it skips, and nothing else.
fn pip_page(denial: &Denial<'_>) -> DenialBody {
    let sentence = sentence(denial, PIP_CHARS);
    // The parameter is a quoted string; what would end it or escape in it is replaced.
    let reason = sentence.replace(['"', '\\'], "'");
    let value = format!(
        "application/x-blocked-by-cordon; reason=\"{reason}\"; decision={}",
        denial.decision
    );
    DenialBody {
        status: StatusCode::OK,
        phrase: None,
        content_type: HeaderValue::from_str(&value)
            .unwrap_or(HeaderValue::from_static("application/x-blocked-by-cordon")),
        body: format!("{sentence}\n").into(),
        headers: vec![(CACHE_CONTROL, HeaderValue::from_static("no-store"))],
    }
}

/// Any other error.
pub(super) fn error(status: StatusCode, message: &str) -> DenialBody {
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("error"),
        status: status.as_u16(),
        detail: ascii(message, DETAIL_CHARS),
        decision: None,
        code: None,
        why: None,
        nearest: None,
    };
    let phrase = match message {
        "" => status.canonical_reason().unwrap_or("error").to_owned(),
        message => ascii(message, PHRASE_CHARS),
    };
    problem.into_body(status, phrase)
}
