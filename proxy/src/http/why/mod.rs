//! `/why/<id>`: what was decided, by which rule, on which facts, and what to do about it.
//!
//! The page is a pure function of the record and of how what was held stands by now. It runs nothing:
//! no script, no request, one inline style sheet the policy of the page names by digest; what is held
//! can be asked for by a plain form (`ask`). Everything that came from a registry is
//! escaped, and made visible where it could hide or reorder text. Who else asked is not shown, nor,
//! of what is refused, size and digests: the pages are on the port every client reaches (INV-3).

mod ask;
mod facts;
mod page;
mod words;

use std::sync::LazyLock;

use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use cordon_policy::finding::RuleId;
use cordon_storage::evidence::LoggedDecision;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::reply::Reply;
use super::service::Request;
use super::target::Target;

pub use ask::{Asked, MAX_FORM_BYTES, Proofs, is_foreign};
pub use page::{HoldView, explanation};

/// The mount of these pages.
pub const MOUNT: &str = "why";

/// The style sheet of Cordon's pages.
pub(super) const STYLE: &str = include_str!("../../../templates/page.css");

/// The style sheet as a source of `Content-Security-Policy`.
pub(super) static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| {
    use sha2::Digest as _;
    format!("'sha256-{}'", BASE64.encode(&sha2::Sha256::digest(STYLE)))
});

/// What the page takes besides the record.
pub struct Surroundings<'a> {
    /// Whom to ask, from configuration.
    pub contact: Option<&'a str>,
    /// How what it is about stands by now, if it was ever held.
    pub hold: Option<HoldView>,
    /// Where a rule's documentation can be read.
    pub documentation: &'a dyn Fn(&RuleId) -> Option<String>,
}

/// The form asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Html,
    /// For programs.
    Json,
}

/// A request for an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which decision; `None` if that is no id.
    pub decision: Option<DecisionId>,
    /// In which form.
    pub form: Form,
    /// Whether it came as the end of a refused request (`/why/<id>/<words>`), which this answer
    /// must refuse.
    pub is_refused: bool,
}

/// Whether it is the address of a form that asks for a release, `/why/<id>/request`. All else about
/// decisions is only read.
pub fn asks_for_release(target: &Target) -> bool {
    target.mount() == MOUNT && matches!(target.segments(), [_, what] if what == "request")
}

impl Question {
    /// Reads `/why/<id>`, `/why/<id>.json` or `/why/<id>/<words>`; `None` for other targets.
    pub fn of(request: &Request) -> Option<Self> {
        let target = &request.target;
        if target.mount() != MOUNT {
            return None;
        }
        let (name, is_refused) = match target.segments() {
            [name] => (name, false),
            [name, _words] => (name, true),
            _ => {
                return Some(Self {
                    decision: None,
                    form: accepted(&request.headers),
                    is_refused: false,
                });
            }
        };
        let (id, form) = match name.strip_suffix(".json") {
            Some(id) => (id, Form::Json),
            None => (name.as_str(), accepted(&request.headers)),
        };
        Some(Self {
            decision: DecisionId::parse(id),
            form,
            is_refused,
        })
    }
}

/// JSON for those who ask for it and not for a page.
fn accepted(headers: &HeaderMap) -> Form {
    let mentions = |kind: &str| {
        headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value: &HeaderValue| value.to_str().ok())
            .any(|value| value.contains(kind))
    };
    if mentions("application/json") && !mentions("text/html") {
        Form::Json
    } else {
        Form::Html
    }
}

/// The explanation of a decision. A client that was sent here instead of what it asked for is
/// refused by the status: it must take the page for nothing else.
pub fn answer(record: &LoggedDecision, around: &Surroundings<'_>, question: &Question) -> Reply {
    let explanation = explanation(record, around);
    let status = match question.is_refused {
        true => StatusCode::FORBIDDEN,
        false => StatusCode::OK,
    };
    reply(
        status,
        question.form,
        || explanation.html(),
        || explanation.json(),
    )
}

/// There is no such decision, or that was no id.
pub fn unknown(question: &Question) -> Reply {
    let message = match &question.decision {
        Some(id) => format!("No decision {id} is recorded here."),
        None => "That is not the id of a decision.".to_owned(),
    };
    let json = || serde_json::json!({ "error": message }).to_string();
    reply(
        StatusCode::NOT_FOUND,
        question.form,
        || page::not_found(&message),
        json,
    )
}

/// What became of a request for release.
pub fn said(status: StatusCode, form: Form, message: &str) -> Reply {
    let title = match status {
        StatusCode::OK => "Asked for",
        _ => "Not asked for",
    };
    let message = words::visible(message);
    let key = match status {
        StatusCode::OK => "said",
        _ => "error",
    };
    reply(
        status,
        form,
        || page::said(title, &message),
        || serde_json::json!({ key: message }).to_string(),
    )
}

fn reply(
    status: StatusCode,
    form: Form,
    html: impl FnOnce() -> String,
    json: impl FnOnce() -> String,
) -> Reply {
    let (content_type, body) = match form {
        Form::Html => ("text/html; charset=utf-8", html()),
        Form::Json => ("application/json", json()),
    };
    Reply::Page {
        status,
        content_type,
        body: Bytes::from(body),
    }
}

#[cfg(test)]
mod tests;
