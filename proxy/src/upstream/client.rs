//! One upstream: a client that follows redirects itself, to configured origins only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::breaker::Breaker;
use super::error::UpstreamError;
use super::host::{GuardedResolver, Origin, proxy_hosts};
use crate::config::{Limits, UpstreamConfig};

/// Redirects followed for one request.
const REDIRECTS: usize = 5;

/// A configured upstream and its connections.
pub struct Upstream {
    config: UpstreamConfig,
    own: Origin,
    allowed: Vec<Origin>,
    files: Arc<[Url]>,
    http: reqwest::Client,
    permits: Arc<Semaphore>,
    breaker: Breaker,
    pub(super) limits: Limits,
}

/// An answer with the permit that bounds how many are open.
pub(super) struct Answer {
    pub(super) response: reqwest::Response,
    pub(super) url: Url,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Upstream {
    pub(super) fn new(config: UpstreamConfig, limits: &Limits) -> Result<Self, UpstreamError> {
        let setup = |what: String| UpstreamError::Setup {
            upstream: config.id.to_string(),
            what,
        };
        let own = Origin::of(&config.url)
            .ok_or_else(|| setup(format!("`{}` has no usable origin", config.url)))?;
        let allowed = std::iter::once(own.clone())
            .chain(config.files.iter().filter_map(Origin::of))
            .collect();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("cordon/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(limits.upstream_connect_timeout)
            .read_timeout(limits.upstream_read_timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .http2_adaptive_window(true)
            .tcp_nodelay(true);
        if !config.may_be_private {
            let exempt = proxy_hosts(std::env::vars());
            builder = builder.dns_resolver(Arc::new(GuardedResolver { exempt }));
        }
        let http = builder.build().map_err(|error| setup(chain(&error)))?;
        Ok(Self {
            own,
            allowed,
            files: std::iter::once(&config.url)
                .chain(&config.files)
                .cloned()
                .collect(),
            http,
            permits: Arc::new(Semaphore::new(limits.upstream_requests)),
            breaker: Breaker::default(),
            limits: limits.clone(),
            config,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    /// Addresses whose origins its files may be had from.
    pub(crate) fn files(&self) -> Arc<[Url]> {
        Arc::clone(&self.files)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.config.id
    }

    /// Whether it failed so often that it is asked only once in a while.
    pub fn is_resting(&self) -> bool {
        self.breaker.is_open()
    }

    /// Sends a GET, following redirects, and returns the head of the answer.
    pub(super) async fn get(
        &self,
        url: Url,
        accept: &'static str,
        coding: &'static str,
        extra: HeaderMap,
    ) -> Result<Answer, UpstreamError> {
        self.breaker
            .admit(Instant::now())
            .map_err(|retry_in| UpstreamError::Resting {
                upstream: self.name(),
                retry_in,
            })?;
        let outcome = self.follow(url, accept, coding, extra).await;
        let is_outage = match &outcome {
            Ok(answer) => answer.response.status().is_server_error(),
            Err(error) => error.counts_as_outage(),
        };
        self.breaker.report(is_outage, Instant::now());
        outcome
    }

    async fn follow(
        &self,
        mut url: Url,
        accept: &'static str,
        coding: &'static str,
        extra: HeaderMap,
    ) -> Result<Answer, UpstreamError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| self.protocol("the client is shutting down"))?;
        for _ in 0..=REDIRECTS {
            let origin = self.check(&url)?;
            let mut headers = extra.clone();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(coding));
            if origin == self.own {
                self.authorize(&mut headers)?;
            }
            let request = self.http.get(url.clone()).headers(headers);
            let response = request.send().await.map_err(|error| self.network(&error))?;
            if !response.status().is_redirection() || response.status().as_u16() == 304 {
                return Ok(Answer {
                    response,
                    url,
                    permit,
                });
            }
            let target = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok())
                .filter(|text| !text.is_empty())
                .and_then(|text| url.join(text).ok())
                .ok_or_else(|| self.protocol("a redirect without a usable location"))?;
            if url.scheme() == "https" && target.scheme() != "https" {
                return Err(self.protocol("a redirect from https to http"));
            }
            url = target;
        }
        Err(self.protocol("more than 5 redirects"))
    }

    fn authorize(&self, headers: &mut HeaderMap) -> Result<(), UpstreamError> {
        if let Some(secret) = &self.config.credential {
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| self.protocol("the configured credential is not a header value"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(())
    }

    /// Refuses addresses outside the configured origins.
    fn check(&self, url: &Url) -> Result<Origin, UpstreamError> {
        match Origin::of(url) {
            Some(origin) if self.allowed.contains(&origin) => Ok(origin),
            Some(origin) => Err(UpstreamError::ForeignOrigin {
                upstream: self.name(),
                origin: origin.to_string(),
            }),
            None => Err(self.protocol("an address that is not plain http or https")),
        }
    }

    pub(super) fn name(&self) -> String {
        self.config.id.to_string()
    }

    pub(super) fn protocol(&self, what: impl Into<String>) -> UpstreamError {
        UpstreamError::Protocol {
            upstream: self.name(),
            what: what.into(),
        }
    }

    pub(super) fn network(&self, error: &reqwest::Error) -> UpstreamError {
        let what = chain(error);
        if error.is_timeout() {
            UpstreamError::Timeout {
                upstream: self.name(),
                what,
            }
        } else if error.is_body() || error.is_decode() {
            UpstreamError::Protocol {
                upstream: self.name(),
                what,
            }
        } else {
            UpstreamError::Connection {
                upstream: self.name(),
                what,
            }
        }
    }

    /// Tells the breaker of a body that failed after its head had arrived.
    pub(super) fn report_body(&self, error: &UpstreamError) {
        if error.counts_as_outage() {
            self.breaker.report(true, Instant::now());
        }
    }
}

/// An error with its causes, without the address (which may hold a query with a token).
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    if text.is_empty() {
        "the request failed".to_owned()
    } else {
        text
    }
}
