//! stand-in
use crate::http::body::Body;
use crate::http::respond::plain;
use crate::http::service::Request;
use http::{Response, StatusCode};
use std::sync::Arc;
/// x
pub struct AdminSettings;
impl AdminSettings {
    /// x
    pub fn new(_: &crate::config::Config) -> Self {
        Self
    }
}
/// x
pub struct Admin {
    metrics: Arc<crate::telemetry::Metrics>,
}
impl Admin {
    /// x
    pub fn new<T>(_: Arc<T>, _: AdminSettings, metrics: Arc<crate::telemetry::Metrics>) -> Self {
        Self { metrics }
    }
}
impl crate::server::Handler for Admin {
    async fn handle(&self, _request: Request) -> Response<Body> {
        plain(StatusCode::OK, &self.metrics.encode())
    }
    fn refuse(&self, status: StatusCode, message: &str) -> Response<Body> {
        plain(status, message)
    }
    fn panicked(&self) -> Response<Body> {
        plain(StatusCode::INTERNAL_SERVER_ERROR, "panic")
    }
}
