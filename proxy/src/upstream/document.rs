//! Fetching documents: conditional, bounded in size and time.

use std::time::{Duration, Instant};

use http::header::{
    AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use smol_str::SmolStr;

use super::client::{Answer, Place, Upstream};
use super::error::UpstreamError;
use super::received::Received;
use crate::registry::DocumentRequest;

/// What upstream said about a document last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, verbatim.
    pub etag: Option<SmolStr>,
    /// `Last-Modified`, verbatim.
    pub last_modified: Option<SmolStr>,
}

/// The answer to a request for a document.
#[derive(Debug)]
pub enum DocumentAnswer {
    /// The document.
    Present {
        /// The document, not yet decoded.
        document: Box<Received>,
        /// For the next conditional request.
        validators: Validators,
        /// How long upstream says it is fresh, in seconds.
        max_age_seconds: Option<u32>,
    },
    /// The document named by the validators is still right.
    Unchanged {
        /// How long upstream says it is fresh, in seconds.
        max_age_seconds: Option<u32>,
    },
    /// There is none.
    Missing,
}

impl Upstream {
    /// Asks for a document. The large place of `place` is taken while more than
    /// `limits.large_document_size` are arriving. Time spent waiting for places counts against
    /// no time-out and says nothing of the upstream.
    ///
    /// # Errors
    /// Anything but the document, "unchanged" to a conditional request, or its absence (404, 410).
    pub async fn document(
        &self,
        place: &Place,
        request: &DocumentRequest,
        validators: Option<&Validators>,
    ) -> Result<DocumentAnswer, UpstreamError> {
        self.admit()?;
        let outcome = self.ask(place, request, validators).await;
        self.report(outcome.as_ref().err());
        outcome
    }

    async fn ask(
        &self,
        place: &Place,
        request: &DocumentRequest,
        validators: Option<&Validators>,
    ) -> Result<DocumentAnswer, UpstreamError> {
        let url = self
            .config()
            .url
            .join(&request.path)
            .map_err(|error| self.protocol(format!("the path `{}`: {error}", request.path)))?;
        let headers = conditional_headers(validators);
        let is_conditional = !headers.is_empty();
        let mut patience = Patience::new(self);
        let answer = patience
            .spend(self.get(url, request.accept, "gzip", headers))
            .await?;
        let max_age_seconds = max_age(answer.response.headers());
        match answer.response.status().as_u16() {
            200 => {
                let (document, validators) = self.present(answer, place, patience).await?;
                Ok(DocumentAnswer::Present {
                    document: Box::new(document),
                    validators,
                    max_age_seconds,
                })
            }
            304 if is_conditional => Ok(DocumentAnswer::Unchanged { max_age_seconds }),
            404 | 410 => Ok(DocumentAnswer::Missing),
            status => Err(UpstreamError::Status {
                upstream: self.name(),
                status,
            }),
        }
    }

    async fn present(
        &self,
        answer: Answer,
        place: &Place,
        mut patience: Patience<'_>,
    ) -> Result<(Received, Validators), UpstreamError> {
        let Answer { mut response, url } = answer;
        let headers = response.headers();
        let is_gzip = match coding(headers) {
            "" | "identity" => false,
            "gzip" | "x-gzip" => true,
            other => return Err(self.body(format!("unknown content coding `{other}`"))),
        };
        let content_type = media_type(headers);
        let validators = validators_of(headers);
        let limit_bytes = self.limits.document_bytes;
        let large_from_bytes = self.limits.large_document_bytes;
        let mut body = Vec::new();
        loop {
            let next = async { response.chunk().await.map_err(|e| self.network(&e)) };
            let Some(chunk) = patience.spend(next).await? else {
                break;
            };
            if (body.len() + chunk.len()) as u64 > limit_bytes {
                return Err(UpstreamError::TooLarge {
                    upstream: self.name(),
                    limit: "document_size",
                    bytes: limit_bytes,
                });
            }
            make_room(&mut body, chunk.len());
            body.extend_from_slice(&chunk);
            if body.len() as u64 > large_from_bytes {
                place.large.take().await;
            }
        }
        let received = Received {
            bytes: body.into(),
            is_gzip,
            content_type,
            url,
            files: self.files(),
            last_modified: validators.last_modified.clone(),
            upstream: self.config().id.clone(),
            limit_bytes,
            large_from_bytes,
        };
        Ok((received, validators))
    }
}

/// Room for so many more bytes. What is large grows by an eighth: a vector would double, and half of
/// that would lie idle for as long as the document is held (M-22).
fn make_room(body: &mut Vec<u8>, bytes: usize) {
    const LARGE: usize = 1 << 20;
    if body.capacity() - body.len() >= bytes {
        return;
    }
    let step = match body.len() < LARGE {
        true => body.len(),
        false => body.len() / 8,
    };
    body.reserve_exact(bytes.max(step));
}

/// The time upstream has for a document as a whole. Only upstream spends it.
struct Patience<'a> {
    upstream: &'a Upstream,
    left: Duration,
}

impl<'a> Patience<'a> {
    fn new(upstream: &'a Upstream) -> Self {
        Self {
            upstream,
            left: upstream.limits.document_timeout,
        }
    }

    async fn spend<T>(
        &mut self,
        work: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let started = Instant::now();
        let outcome = tokio::time::timeout(self.left, work).await;
        self.left = self.left.saturating_sub(started.elapsed());
        outcome.unwrap_or_else(|_| {
            let limit = self.upstream.limits.document_timeout;
            Err(UpstreamError::Timeout {
                upstream: self.upstream.name(),
                what: format!("limits.document_timeout ({} s)", limit.as_secs()),
            })
        })
    }
}

pub(super) fn conditional_headers(validators: Option<&Validators>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(validators) = validators else {
        return headers;
    };
    let value = |text: &SmolStr| HeaderValue::from_str(text).ok();
    if let Some(etag) = validators.etag.as_ref().and_then(value) {
        headers.insert(IF_NONE_MATCH, etag);
    } else if let Some(instant) = validators.last_modified.as_ref().and_then(value) {
        headers.insert(IF_MODIFIED_SINCE, instant);
    }
    headers
}

pub(super) fn validators_of(headers: &HeaderMap) -> Validators {
    Validators {
        etag: text(headers, ETAG),
        last_modified: text(headers, LAST_MODIFIED),
    }
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<SmolStr> {
    const LONGEST: usize = 512;
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= LONGEST).then(|| SmolStr::from(value))
}

fn media_type(headers: &HeaderMap) -> SmolStr {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim();
    SmolStr::from(essence.to_ascii_lowercase())
}

pub(super) fn coding(headers: &HeaderMap) -> &str {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => "",
        (Some(only), None) => only.to_str().map(str::trim).unwrap_or("unreadable"),
        (Some(_), Some(_)) => "several",
    }
}

/// Seconds of freshness left by `Cache-Control` (RFC 9111 §4.2.1), less the `Age` it arrived with.
fn max_age(headers: &HeaderMap) -> Option<u32> {
    let control = headers
        .get(CACHE_CONTROL)?
        .to_str()
        .ok()?
        .to_ascii_lowercase();
    let mut age = None;
    for directive in control.split(',').map(str::trim) {
        match directive.split_once('=') {
            Some(("s-maxage", value)) => age = value.trim_matches('"').parse::<u32>().ok(),
            Some(("max-age", value)) if age.is_none() => {
                age = value.trim_matches('"').parse::<u32>().ok();
            }
            _ if directive == "no-cache" || directive == "no-store" => return Some(0),
            _ => {}
        }
    }
    let spent = headers
        .get(AGE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok());
    age.map(|age| age.saturating_sub(spent.unwrap_or(0)))
}
