//! Refusals and errors as cargo prints them (protocols.md §5.4): the body of the index and of
//! downloads, cut at 512 characters; `errors[].detail` of the web API.

use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::registry::denial::{PHRASE_CHARS, ascii, phrase, sentence};
use crate::registry::{Denial, DenialBody, RequestHead};

/// Most characters of a body: cargo shows 512, and some terminals and logs add to each line.
const BODY_CHARS: usize = 400;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The refusal of an index file or a download: 403, because 404 reads as "no matching package" and
/// other statuses did until Rust 1.96.
pub(super) fn deny(denial: &Denial<'_>, request: &RequestHead<'_>) -> DenialBody {
    // The address is never cut in `sentence`; if it alone is too long, the end of it must go.
    let line = ascii(&sentence(denial, BODY_CHARS), BODY_CHARS);
    let is_api = request.segments.first().is_some_and(|first| first == "api");
    let (content_type, body) = if is_api {
        (JSON, details(&line))
    } else {
        (TEXT, line)
    };
    DenialBody {
        status: StatusCode::FORBIDDEN,
        phrase: Some(phrase(denial)),
        content_type,
        body: body.into(),
        headers: Vec::new(),
    }
}

/// Any other error, in the form of the web API: there it is printed, at the index and at downloads
/// it is shown as it is, and a 404 of theirs is not shown at all.
pub(super) fn error(status: StatusCode, message: &str) -> DenialBody {
    let message = match message {
        "" => status.canonical_reason().unwrap_or("error"),
        message => message,
    };
    DenialBody {
        status,
        phrase: Some(ascii(message, PHRASE_CHARS)),
        content_type: JSON,
        body: details(&ascii(message, BODY_CHARS)).into(),
        headers: Vec::new(),
    }
}

fn details(line: &str) -> String {
    json!({"errors": [{"detail": line}]}).to_string()
}
