//! `/quarantine`: what is held, and what people decide about it. Parameters stand in the query, as
//! for exemptions.

use cordon_policy::ecosystem::schemes;
use cordon_policy::finding::RuleId;
use cordon_policy::model::{Ecosystem, Timestamp, parse_purl};
use cordon_storage::evidence::{HoldFilter, HoldState};
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::exemptions::parameter;
use super::{Admin, AdminState, JSON, not_allowed, page};
use crate::http::body::Body;
use crate::http::respond::{own_page, plain};
use crate::http::service::Request;
use crate::quarantine::{Bulk, BulkFilter, Order, Query, Refused, Wish};

/// Tickets on one page when the question names no number, and at most.
const PAGE: usize = 100;
const MOST: usize = 1_000;

impl<A: AdminState> Admin<A> {
    /// Answers a request of a trusted operator.
    pub(super) async fn quarantine(&self, request: &Request) -> Response<Body> {
        let segments: Vec<&str> = request
            .target
            .segments()
            .iter()
            .map(String::as_str)
            .collect();
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        let is_post = request.method == Method::POST;
        match (segments.as_slice(), is_read, is_post) {
            ([], true, _) => match query(request) {
                Ok(query) => answer(self.state.tickets(query).await),
                Err(refused) => refuse(&refused),
            },
            ([], _, true) => match bulk(request) {
                Ok(bulk) => answer(self.state.review_many(bulk).await),
                Err(refused) => refuse(&refused),
            },
            ([id], true, _) => answer(self.state.ticket(id).await),
            ([id, "fetch"], _, true) => answer(self.state.fetch_held(id).await),
            ([id, act], _, true) => match order(request, id, act) {
                Some(Ok(order)) => answer(self.state.review(order).await),
                Some(Err(refused)) => refuse(&refused),
                None => plain(StatusCode::NOT_FOUND, "there is no such page here"),
            },
            ([], _, _) => not_allowed("GET, HEAD, POST"),
            ([_], _, _) => not_allowed("GET, HEAD"),
            ([_, _], _, _) => not_allowed("POST"),
            _ => plain(StatusCode::NOT_FOUND, "there is no such page here"),
        }
    }
}

fn answer<T: Serialize>(outcome: Result<T, Refused>) -> Response<Body> {
    match outcome {
        Ok(value) => {
            let text = serde_json::to_string_pretty(&value);
            page(JSON, text.expect("strings, lists and numbers are JSON"))
        }
        Err(refused) => refuse(&refused),
    }
}

fn refuse(refused: &Refused) -> Response<Body> {
    let (status, what) = match refused {
        Refused::Unknown(_) => (StatusCode::NOT_FOUND, "unknown"),
        Refused::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        Refused::Unsound(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
        Refused::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
    };
    let body = serde_json::json!({ "error": what, "message": refused.to_string() });
    own_page(status, JSON, format!("{body:#}\n").into())
}

fn unsound(text: impl Into<String>) -> Refused {
    Refused::Unsound(vec![text.into()])
}

fn query(request: &Request) -> Result<Query, Refused> {
    let state = match parameter(request, "state").as_deref() {
        None | Some("held") => Some(HoldState::Held),
        Some("released") => Some(HoldState::Released),
        Some("rejected") => Some(HoldState::Rejected),
        Some("cleared") => Some(HoldState::Cleared),
        Some("all") => None,
        Some(other) => return Err(unsound(format!("there is no state `{other}`"))),
    };
    let filter = filter(request)?;
    Ok(Query { filter, state })
}

fn filter(request: &Request) -> Result<HoldFilter, Refused> {
    let ecosystem = match parameter(request, "ecosystem") {
        None => None,
        Some(name) => Some(known_ecosystem(&name)?),
    };
    let package = match parameter(request, "package") {
        None => None,
        Some(purl) => {
            let target = parse_purl(&purl, &schemes());
            Some(target.map_err(|error| unsound(error.to_string()))?.name)
        }
    };
    let since = match parameter(request, "since") {
        None => None,
        Some(text) => Some(Timestamp::parse(&text).map_err(|_| {
            unsound(format!(
                "`{text}` is no RFC 3339 time (2026-12-31T00:00:00Z)"
            ))
        })?),
    };
    let number = |name: &str| match parameter(request, name) {
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(unsound(format!("`{name}` is a number"))),
        },
    };
    let limit = number("limit")?.and_then(|it| usize::try_from(it).ok());
    Ok(HoldFilter {
        ecosystem,
        package,
        rule: parameter(request, "rule").as_deref().map(RuleId::parse),
        since,
        only_open: false,
        before: number("before")?,
        limit: limit.unwrap_or(PAGE).clamp(1, MOST),
    })
}

fn known_ecosystem(name: &str) -> Result<Ecosystem, Refused> {
    let mut known = schemes()
        .map(|scheme| scheme.ecosystem().clone())
        .into_iter();
    known
        .find(|ecosystem| ecosystem.as_str() == name)
        .ok_or_else(|| unsound(format!("there is no ecosystem `{name}`")))
}

/// What is to be done about one; `None` when there is no such thing.
fn order(request: &Request, id: &str, act: &str) -> Option<Result<Order, Refused>> {
    let wish = match act {
        "release" => release(request),
        "reject" => Ok(Wish::Reject),
        "undo" => Ok(Wish::Undo),
        _ => return None,
    };
    let order = wish.map(|wish| Order {
        seen: id.to_owned(),
        wish,
        by: parameter(request, "by").unwrap_or_default(),
        reason: parameter(request, "reason").unwrap_or_default(),
    });
    Some(order)
}

fn release(request: &Request) -> Result<Wish, Refused> {
    let until = match parameter(request, "until") {
        None => None,
        Some(text) => Some(Timestamp::parse(&text).map_err(|_| {
            unsound(format!(
                "`{text}` is no RFC 3339 time (2026-12-31T00:00:00Z)"
            ))
        })?),
    };
    Ok(Wish::Release { until })
}

fn bulk(request: &Request) -> Result<Bulk, Refused> {
    let wish = match parameter(request, "act").as_deref() {
        Some("release") => release(request)?,
        Some("reject") => Wish::Reject,
        _ => {
            return Err(unsound(
                "say what is to be done: `act` is release or reject",
            ));
        }
    };
    Ok(Bulk {
        filter: BulkFilter {
            filter: filter(request)?,
            names: parameter(request, "names"),
            fingerprint: parameter(request, "fingerprint"),
        },
        wish,
        by: parameter(request, "by").unwrap_or_default(),
        reason: parameter(request, "reason").unwrap_or_default(),
        plan: parameter(request, "plan"),
    })
}
