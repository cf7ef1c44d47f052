//! `/exemptions`: what administrators grant and end. Parameters stand in the query, because no
//! listener of Cordon reads a body.

use http::{Method, Response, StatusCode};

use super::{Admin, AdminState, JSON, TEXT, not_allowed, page};
use crate::exemptions::Asked;
use crate::http::body::Body;
use crate::http::respond::{own_page, plain};
use crate::http::service::Request;

impl<A: AdminState> Admin<A> {
    /// Answers a request of a trusted operator.
    pub(super) async fn exemptions(&self, request: &Request) -> Response<Body> {
        let segments = request.target.segments();
        match (&request.method, segments) {
            (&Method::GET | &Method::HEAD, []) => self.list_exemptions().await,
            (&Method::POST, []) => self.grant(request).await,
            (&Method::DELETE, [id]) => self.end_exemption(request, id).await,
            (_, []) => not_allowed("GET, HEAD, POST"),
            (_, [_]) => not_allowed("DELETE"),
            _ => plain(StatusCode::NOT_FOUND, "there is no such page here"),
        }
    }

    async fn list_exemptions(&self) -> Response<Body> {
        match self.state.exemptions().await {
            Ok(listed) => {
                let text = serde_json::to_string_pretty(&listed);
                page(JSON, text.expect("strings and times are JSON"))
            }
            Err(problem) => plain(StatusCode::SERVICE_UNAVAILABLE, &problem),
        }
    }

    async fn grant(&self, request: &Request) -> Response<Body> {
        let (Some(text), Some(by)) = (parameter(request, "text"), parameter(request, "by")) else {
            return plain(
                StatusCode::BAD_REQUEST,
                "give `text`, an [[exempt]] table, and `by`, your name, in the query",
            );
        };
        let is_break_glass = parameter(request, "break_glass").is_some_and(|it| it == "true");
        let asked = Asked {
            text,
            by,
            is_break_glass,
        };
        match self.state.grant(asked).await {
            Ok(id) => page(TEXT, format!("exemption {id} is in force\n")),
            Err(problems) => refused("not granted", &problems),
        }
    }

    async fn end_exemption(&self, request: &Request, id: &str) -> Response<Body> {
        let Some(by) = parameter(request, "by") else {
            return plain(
                StatusCode::BAD_REQUEST,
                "give `by`, your name, in the query",
            );
        };
        match self.state.end_exemption(id, &by).await {
            Ok(()) => page(TEXT, format!("exemption {id} is ended\n")),
            Err(problems) => refused("not ended", &problems),
        }
    }
}

fn refused(what: &str, problems: &str) -> Response<Body> {
    let text = format!("{what}; nothing has changed\n{problems}\n");
    own_page(StatusCode::UNPROCESSABLE_ENTITY, TEXT, text.into())
}

/// A parameter of the query that says something.
pub(super) fn parameter(request: &Request, name: &str) -> Option<String> {
    let query = request.target.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .filter(|value| !value.trim().is_empty())
}
