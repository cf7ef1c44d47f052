//! The access log: one event a request, under the target `cordon::server::access`.

use std::time::Duration;

use cordon_storage::evidence::Client;
use http::{Method, StatusCode};

use crate::http::service::Request;
use crate::http::target::Target;
use crate::telemetry::fields;
use crate::telemetry::metrics::Outcome;

/// Whether any line about requests would be written at all.
pub(super) fn is_logged() -> bool {
    tracing::enabled!(tracing::Level::INFO)
}

/// A line of the access log. Refusals and failures are told at `info`, the rest at `debug`.
pub(super) struct Entry {
    method: Method,
    target: Target,
    client: Client,
}

impl Entry {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method.clone(),
            target: request.target.clone(),
            client: request.client.clone(),
        }
    }

    pub(super) fn log(
        &self,
        status: StatusCode,
        outcome: Outcome,
        took: Duration,
        decision: Option<&str>,
    ) {
        let is_notable = match outcome {
            Outcome::Denied | Outcome::UpstreamFailed | Outcome::Overloaded | Outcome::Failed => {
                true
            }
            Outcome::Document
            | Outcome::NotModified
            | Outcome::Artifact
            | Outcome::PartialArtifact
            | Outcome::Static
            | Outcome::Forwarded
            | Outcome::Redirect
            | Outcome::NotFound
            | Outcome::Refused
            | Outcome::Page => false,
        };
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    { fields::METHOD } = self.method.as_str(),
                    { fields::PATH } = display(self.target.path()),
                    { fields::STATUS } = status.as_u16(),
                    { fields::OUTCOME } = outcome.name(),
                    { fields::DURATION_MS } = took.as_secs_f64() * 1000.0,
                    { fields::CLIENT } = self.client.address.as_str(),
                    { fields::AGENT } = self.client.agent.as_str(),
                    { fields::DECISION } = decision,
                    "answered a request"
                )
            };
        }
        if is_notable {
            line!(info);
        } else {
            line!(debug);
        }
    }
}
