//! The registry listener: requests go to the engine, replies become responses, both are counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Response, StatusCode};

use super::Handler;
use super::access;
use crate::http::body::Body;
use crate::http::reply::Reply;
use crate::http::respond::{Asked, Responder, plain};
use crate::http::service::{Request, Service};
use crate::http::target::Target;
use crate::http::why;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Outcome;

/// Serves the registries.
pub struct Registries<S> {
    service: Arc<S>,
    responder: Responder,
    metrics: Arc<Metrics>,
}

impl<S: Service> Registries<S> {
    /// Serves with `service`.
    pub fn new(service: Arc<S>, responder: Responder, metrics: Arc<Metrics>) -> Self {
        Self {
            service,
            responder,
            metrics,
        }
    }

    fn count_refused(&self, outcome: Outcome) {
        self.metrics.served("").count(outcome, Duration::ZERO);
    }
}

impl<S: Service> Handler for Registries<S> {
    async fn handle(&self, mut request: Request) -> Response<Body> {
        let began = Instant::now();
        let asked = Asked::of(&request.method, &request.headers);
        let served = self.metrics.served(request.target.mount());
        let admitted = self.service.admit(&mut request);
        // The log wants the request, which the service takes; it is copied only if it will be told.
        let entry = access::is_logged().then(|| access::Entry::of(&request));
        let is_read = request.method == Method::GET;
        let client = request.client.clone();
        let reply = match admitted {
            Ok(()) => self.service.answer(request).await,
            Err(reply) => *reply,
        };
        let outcome = Outcome::of(&reply);
        let refused_with = match &reply {
            Reply::Denied { decision, .. } => Some(decision.clone()),
            _ => None,
        };
        let allowed_by = match &reply {
            Reply::Artifact(cleared) if is_read => Some(Arc::clone(cleared)),
            _ => None,
        };
        let response = self.responder.respond(reply, &asked);
        let status = response.status();
        if let Some(cleared) = allowed_by.filter(|_| status.is_success()) {
            self.service.sent(cleared.decision(), &client);
        }
        let outcome = outcome.with_status(status);
        let took = began.elapsed();
        served.count(outcome, took);
        if let Some(entry) = entry {
            let decision = refused_with.as_ref().map(|id| id.as_str());
            entry.log(status, outcome, took, decision);
        }
        response.map(|body| body.counted(served.bytes().clone()))
    }

    fn takes_body(&self, method: &Method, target: &Target) -> usize {
        match method == Method::POST && why::asks_for_release(target) {
            true => why::MAX_FORM_BYTES,
            false => 0,
        }
    }

    fn refuse(&self, status: StatusCode, message: &str) -> Response<Body> {
        self.count_refused(Outcome::of_failure(status));
        plain(status, message)
    }

    fn panicked(&self) -> Response<Body> {
        self.count_refused(Outcome::Failed);
        plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this request failed; the log of the server says why",
        )
    }
}
