//! Fetching documents: conditional, bounded, decoded.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use cordon_policy::model::Digest;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use smol_str::SmolStr;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::{Answer, Upstream};
use super::error::UpstreamError;
use crate::registry::{DocumentRequest, UpstreamDocument};

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
        /// The document.
        document: Box<UpstreamDocument>,
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
    /// Asks for a document. `large` is taken while a document of more than
    /// `limits.large_document_size` is being read, so that memory stays bounded.
    ///
    /// # Errors
    /// Anything but the document, "unchanged" to a conditional request, or its absence (404, 410).
    pub async fn document(
        &self,
        request: &DocumentRequest,
        validators: Option<&Validators>,
        large: &Semaphore,
    ) -> Result<DocumentAnswer, UpstreamError> {
        let limit = self.limits.document_timeout;
        let work = self.document_unhurried(request, validators, large);
        let outcome = tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(UpstreamError::Timeout {
                upstream: self.name(),
                what: format!("limits.document_timeout ({} s)", limit.as_secs()),
            })
        });
        if let Err(error) = &outcome {
            self.report_body(error);
        }
        outcome
    }

    async fn document_unhurried(
        &self,
        request: &DocumentRequest,
        validators: Option<&Validators>,
        large: &Semaphore,
    ) -> Result<DocumentAnswer, UpstreamError> {
        let url = self
            .config()
            .url
            .join(&request.path)
            .map_err(|error| self.protocol(format!("the path `{}`: {error}", request.path)))?;
        let headers = conditional_headers(validators);
        let is_conditional = !headers.is_empty();
        let answer = self.get(url, request.accept, "gzip", headers).await?;
        let max_age_seconds = max_age(answer.response.headers());
        match answer.response.status().as_u16() {
            200 => self.present(answer, max_age_seconds, large).await,
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
        max_age_seconds: Option<u32>,
        large: &Semaphore,
    ) -> Result<DocumentAnswer, UpstreamError> {
        let Answer {
            mut response,
            url,
            permit: _permit,
        } = answer;
        let headers = response.headers();
        let is_gzip = match coding(headers) {
            "" | "identity" => false,
            "gzip" | "x-gzip" => true,
            other => return Err(self.protocol(format!("unknown content coding `{other}`"))),
        };
        let content_type = media_type(headers);
        let validators = Validators {
            etag: text(headers, ETAG),
            last_modified: text(headers, LAST_MODIFIED),
        };
        let limit = self.limits.document_bytes;
        let large_from = self.limits.large_document_bytes;
        let mut held: Option<SemaphorePermit<'_>> = None;
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.network(&error))?
        {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(self.too_large());
            }
            body.extend_from_slice(&chunk);
            if held.is_none() && body.len() as u64 > large_from {
                held = Some(self.hold(large).await?);
            }
        }
        let body = body.freeze();
        let bytes = if is_gzip {
            if held.is_none() && inflated_size_hint(&body) > large_from {
                held = Some(self.hold(large).await?);
            }
            self.inflate(body, limit).await?
        } else {
            body
        };
        // No document of any registry is empty (H-54); to cargo it would be a crate without
        // versions.
        if bytes.is_empty() {
            return Err(self.protocol("an empty document"));
        }
        let digest = digest_of(bytes.clone()).await;
        drop(held);
        Ok(DocumentAnswer::Present {
            document: Box::new(UpstreamDocument {
                digest,
                bytes,
                content_type,
                url,
                files: self.files(),
                last_modified: validators.last_modified.clone(),
                upstream: self.config().id.clone(),
            }),
            validators,
            max_age_seconds,
        })
    }

    async fn hold<'a>(&self, large: &'a Semaphore) -> Result<SemaphorePermit<'a>, UpstreamError> {
        large
            .acquire()
            .await
            .map_err(|_| self.protocol("the engine is shutting down"))
    }

    async fn inflate(&self, body: Bytes, limit: u64) -> Result<Bytes, UpstreamError> {
        let work = move || {
            let capacity = usize::try_from(inflated_size_hint(&body).min(limit)).unwrap_or(0);
            let mut inflated = Vec::with_capacity(capacity);
            let mut reader = flate2::read::MultiGzDecoder::new(&body[..]).take(limit + 1);
            reader.read_to_end(&mut inflated).map(|_| inflated)
        };
        let inflated = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| self.protocol("inflating it failed"))?
            .map_err(|error| self.protocol(format!("inflating it: {error}")))?;
        if inflated.len() as u64 > limit {
            return Err(self.too_large());
        }
        Ok(Bytes::from(inflated))
    }

    fn too_large(&self) -> UpstreamError {
        UpstreamError::TooLarge {
            upstream: self.name(),
            limit: "document_size",
            bytes: self.limits.document_bytes,
        }
    }
}

/// The size a gzip member says it inflates to, modulo 2^32 (RFC 1952 §2.3.1). Only a hint: it is
/// the sender's word.
fn inflated_size_hint(body: &[u8]) -> u64 {
    body.last_chunk::<4>()
        .map_or(0, |tail| u64::from(u32::from_le_bytes(*tail)))
}

async fn digest_of(bytes: Bytes) -> Digest {
    const INLINE: usize = 256 * 1024;
    if bytes.len() <= INLINE {
        return Digest::of(&bytes);
    }
    let copy = bytes.clone();
    match tokio::task::spawn_blocking(move || Digest::of(&copy)).await {
        Ok(digest) => digest,
        Err(_) => Digest::of(&bytes),
    }
}

fn conditional_headers(validators: Option<&Validators>) -> HeaderMap {
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
