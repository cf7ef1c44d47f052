//! The listener for operators: health, readiness, metrics, status, reload.
//!
//! It is a listener of its own, so that whoever installs packages cannot reach it. On loopback it
//! answers only to loopback names (a web page that points its own name here gets nothing); anywhere
//! else the configuration demands TLS and a token.

mod access;
mod exemptions;
mod quarantine;
mod running;
mod status;

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use crate::config::{Config, Secret};
use crate::http::body::Body;
use crate::http::respond::{own_page, plain};
use crate::http::service::Request;
use crate::server::Handler;
use crate::telemetry::Metrics;

use access::{Access, Denied};
pub use status::{AdminState, Check, Readiness, RuleStatus, Status, StoreStatus, UpstreamStatus};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How the listener is set up.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// The token asked for, if any.
    pub token: Option<Secret>,
    /// Whether it can be reached from this machine only, which makes it careful about names.
    pub is_loopback: bool,
}

impl AdminSettings {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        Self {
            token: config.admin_token.clone(),
            is_loopback: config.admin_listen.ip().is_loopback(),
        }
    }
}

/// Answers operators.
pub struct Admin<A> {
    state: Arc<A>,
    metrics: Arc<Metrics>,
    access: Access,
    started_at: String,
}

/// `/status` as sent.
#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    started_at: &'a str,
    notices: Vec<String>,
    #[serde(flatten)]
    status: Status,
}

impl<A: AdminState> Admin<A> {
    /// Answers with `state`.
    pub fn new(state: Arc<A>, settings: AdminSettings, metrics: Arc<Metrics>) -> Self {
        Self {
            state,
            metrics,
            access: Access::new(settings.token.as_ref(), settings.is_loopback),
            started_at: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
        }
    }

    async fn route(&self, request: &Request) -> Result<Response<Body>, Denied> {
        self.access.check_origin(&request.headers)?;
        let is_trusted = self.access.check_token(&request.headers);
        let target = &request.target;
        if target.route().is_some() {
            is_trusted?;
            return Ok(plain(StatusCode::NOT_FOUND, "there are no routes here"));
        }
        if target.mount() == "exemptions" && is_trusted.is_ok() {
            return Ok(self.exemptions(request).await);
        }
        if target.mount() == "quarantine" && is_trusted.is_ok() {
            return Ok(self.quarantine(request).await);
        }
        if !target.segments().is_empty() {
            is_trusted?;
            return Ok(plain(StatusCode::NOT_FOUND, "there is no such page here"));
        }
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        let is_post = request.method == Method::POST;
        match (target.mount(), is_read, is_post) {
            // Probes of container platforms have no token; without it they get the bare answer.
            ("healthz", true, _) => Ok(self.health(is_trusted.is_ok())),
            ("readyz", true, _) => Ok(self.readiness(is_trusted.is_ok()).await),
            (_, _, _) if is_trusted.is_err() => Err(Denied::Token),
            ("metrics", true, _) => Ok(page(OPENMETRICS, self.metrics.encode())),
            ("status", true, _) => Ok(self.status().await),
            ("reload", _, true) => Ok(self.reload().await),
            ("", true, _) => Ok(page(TEXT, INDEX.to_owned())),
            ("healthz" | "readyz" | "metrics" | "status" | "", _, _) => {
                Ok(not_allowed("GET, HEAD"))
            }
            ("reload", _, _) => Ok(not_allowed("POST")),
            _ => Ok(plain(StatusCode::NOT_FOUND, "there is no such page here")),
        }
    }

    /// Whether the process works at all: it answers, so it does.
    fn health(&self, is_trusted: bool) -> Response<Body> {
        let mut text = "ok\n".to_owned();
        if is_trusted {
            for line in self.state.self_test() {
                writeln!(text, "self-test: {line}").expect("writing to a string does not fail");
            }
            for notice in self.state.notices() {
                writeln!(text, "notice: {notice}").expect("writing to a string does not fail");
            }
        }
        page(TEXT, text)
    }

    /// Whether requests should be sent here now.
    async fn readiness(&self, is_trusted: bool) -> Response<Body> {
        let Readiness { checks } = self.state.readiness().await;
        let is_ready = checks.iter().all(|check| check.is_ok);
        let mut text = if is_ready { "ready\n" } else { "not ready\n" }.to_owned();
        for check in checks.iter().filter(|_| is_trusted) {
            let state = if check.is_ok { "ok" } else { "failed" };
            writeln!(text, "{}: {state}: {}", check.name, check.detail)
                .expect("writing to a string does not fail");
        }
        let status = if is_ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        own_page(status, TEXT, Bytes::from(text))
    }

    async fn status(&self) -> Response<Body> {
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            started_at: &self.started_at,
            notices: self.state.notices(),
            status: self.state.status().await,
        };
        let text = serde_json::to_string_pretty(&report).expect("strings and lists are JSON");
        page(JSON, text)
    }

    async fn reload(&self) -> Response<Body> {
        match self.state.reload().await {
            Ok(said) => page(TEXT, format!("{said}\n")),
            Err(problems) => own_page(
                StatusCode::UNPROCESSABLE_ENTITY,
                TEXT,
                Bytes::from(format!(
                    "not reloaded; what was in force stays in force\n{problems}\n"
                )),
            ),
        }
    }
}

const INDEX: &str = "\
Cordon, for operators.
GET  /healthz  the process answers
GET  /readyz   requests may be sent here
GET  /metrics  OpenMetrics
GET  /status   generation, ruleset, rules, upstreams, stores, as JSON
POST /reload   read configuration and policy files again
GET    /exemptions       every exemption of the policy, as JSON
POST   /exemptions       grant one: ?text=<an [[exempt]] table>&by=<who>[&break_glass=true]
DELETE /exemptions/<id>  end one that was granted: ?by=<who>
GET  /quarantine         what is held, as JSON: ?state=held|released|rejected|cleared|all
                         [&ecosystem=][&package=][&rule=][&since=][&before=][&limit=]
POST /quarantine         many at once: ?act=release|reject&by=<who>&reason=<why> and at least one of
                         [&rule=][&package=][&names=<pattern>][&fingerprint=]; shows a plan, and
                         with &plan=<it> carries it out
GET  /quarantine/<id>    one ticket, by the id of any decision about it
POST /quarantine/<id>/release  ?by=<who>&reason=<why>[&until=<time>]; <id> is the decision looked at
POST /quarantine/<id>/reject   ?by=<who>&reason=<why>
POST /quarantine/<id>/undo     ?by=<who>&reason=<why>
POST /quarantine/<id>/fetch    fetch, check and keep its bytes for review, without serving them
";

impl<A: AdminState> Handler for Admin<A> {
    async fn handle(&self, request: Request) -> Response<Body> {
        match self.route(&request).await {
            Ok(response) => response,
            Err(denied) => refuse(denied),
        }
    }

    fn refuse(&self, status: StatusCode, message: &str) -> Response<Body> {
        plain(status, message)
    }

    fn panicked(&self) -> Response<Body> {
        plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this request failed; the log of the server says why",
        )
    }
}

fn refuse(denied: Denied) -> Response<Body> {
    let mut response = plain(denied.status(), &denied.to_string());
    if denied == Denied::Token {
        let challenge = HeaderValue::from_static("Bearer realm=\"cordon admin\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this page does not do that");
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn page(content_type: &'static str, text: String) -> Response<Body> {
    own_page(StatusCode::OK, content_type, Bytes::from(text))
}

#[cfg(test)]
mod tests;
