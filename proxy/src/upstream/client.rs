//! One upstream: a client that follows redirects itself, to configured origins only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::breaker::Breaker;
use super::error::UpstreamError;
use super::host::{GuardedResolver, Origin, SystemLookup, is_private, proxy_hosts};
use super::turn::Turn;
use crate::config::{Limits, UpstreamConfig};

/// Redirects followed for one request.
const REDIRECTS: usize = 5;
/// Packages with a large document fetched from one upstream at once.
const LARGE_AT_ONCE: usize = 2;

/// A configured upstream and its connections.
pub struct Upstream {
    config: UpstreamConfig,
    own: Origin,
    allowed: Vec<Origin>,
    files: Arc<[Url]>,
    http: reqwest::Client,
    /// Artifacts being fetched.
    artifacts: Arc<Semaphore>,
    /// Packages whose documents are being fetched, and are held until they are parsed.
    packages: Arc<Semaphore>,
    /// Of those, the ones with a large document.
    large: Arc<Semaphore>,
    breaker: Breaker,
    pub(super) limits: Limits,
}

/// The head of an answer.
pub(super) struct Answer {
    pub(super) response: reqwest::Response,
    pub(super) url: Url,
}

/// A place among the packages whose documents are fetched from one upstream. Each upstream has its
/// own, so that one that hangs holds up nobody else (INV-49). Held until the documents are parsed,
/// it also bounds how many bodies are in memory.
pub struct Place {
    pub(super) large: Turn,
    _permit: OwnedSemaphorePermit,
}

impl Upstream {
    pub(super) fn new(config: UpstreamConfig, limits: &Limits) -> Result<Self, UpstreamError> {
        let resolver = GuardedResolver {
            exempt: proxy_hosts(std::env::vars()),
            lookup: Arc::new(SystemLookup),
            is_dropped: is_private,
        };
        Self::with_resolver(config, limits, resolver)
    }

    /// As [`new`](Self::new); `resolver` is for names that must not resolve to anything private.
    pub(super) fn with_resolver(
        config: UpstreamConfig,
        limits: &Limits,
        resolver: GuardedResolver,
    ) -> Result<Self, UpstreamError> {
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
            builder = builder.dns_resolver(Arc::new(resolver));
        }
        // A proxy cannot reach what only this machine can.
        let is_loopback = match config.url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(_)) | None => false,
        };
        if is_loopback {
            builder = builder.no_proxy();
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
            artifacts: Arc::new(Semaphore::new(limits.upstream_requests)),
            packages: Arc::new(Semaphore::new(limits.documents_at_once)),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
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

    /// Waits for a place to fetch documents from here; the wait counts against no time-out.
    ///
    /// # Errors
    /// `Resting`: nobody should queue for what will not be asked.
    pub async fn place(&self) -> Result<Place, UpstreamError> {
        self.is_worth_waiting_for()?;
        Ok(Place {
            large: Turn::of(&self.large),
            _permit: permit(&self.packages).await,
        })
    }

    /// Waits for a place to fetch an artifact from here.
    pub(super) async fn artifact_place(&self) -> Result<OwnedSemaphorePermit, UpstreamError> {
        self.is_worth_waiting_for()?;
        Ok(permit(&self.artifacts).await)
    }

    fn is_worth_waiting_for(&self) -> Result<(), UpstreamError> {
        self.breaker
            .peek(Instant::now())
            .map_err(|retry_in| self.resting(retry_in))
    }

    fn resting(&self, retry_in: Duration) -> UpstreamError {
        UpstreamError::Resting {
            upstream: self.name(),
            retry_in,
        }
    }

    /// Asks the breaker for an attempt. Its outcome must be given to [`report`](Self::report).
    pub(super) fn admit(&self) -> Result<(), UpstreamError> {
        self.breaker
            .admit(Instant::now())
            .map_err(|retry_in| self.resting(retry_in))
    }

    /// Tells the breaker what became of an attempt, all of it: `None` for the thing or its proper
    /// absence. What says nothing of the upstream's health changes nothing.
    pub(super) fn report(&self, error: Option<&UpstreamError>) {
        let is_outage = match error {
            None => false,
            Some(error) if error.counts_as_outage() => true,
            // It is up, and refuses.
            Some(UpstreamError::Status { .. }) => false,
            Some(_) => return,
        };
        self.breaker.report(is_outage, Instant::now());
    }

    /// Sends a GET, following redirects, and returns the head of the answer.
    pub(super) async fn get(
        &self,
        mut url: Url,
        accept: &'static str,
        coding: &'static str,
        extra: HeaderMap,
    ) -> Result<Answer, UpstreamError> {
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
                return Ok(Answer { response, url });
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

    pub(super) fn body(&self, what: impl Into<String>) -> UpstreamError {
        UpstreamError::Body {
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
            self.body(what)
        } else {
            UpstreamError::Connection {
                upstream: self.name(),
                what,
            }
        }
    }
}

async fn permit(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(places)
        .acquire_owned()
        .await
        .expect("no semaphore of places is ever closed")
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
