//! Fetching artifacts: identity bytes, bounded in size, time and slowness.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::client::{Answer, Upstream};
use super::document::{Validators, coding, conditional_headers, validators_of};
use super::error::UpstreamError;

/// The body of an artifact as it arrives.
pub struct ArtifactBody<'a> {
    upstream: &'a Upstream,
    response: reqwest::Response,
    /// Whether upstream applied gzip although identity was asked for. The published digests then
    /// decide which form is the artifact.
    pub is_gzip_coded: bool,
    declared_bytes: Option<u64>,
    received_bytes: u64,
    started: Instant,
    window: Window,
    _permit: OwnedSemaphorePermit,
}

/// The answer to a request for a file that may have changed.
pub enum ChangedFile<'a> {
    /// It did.
    Present {
        /// What it is now.
        body: Box<ArtifactBody<'a>>,
        /// For the next request.
        validators: Validators,
    },
    /// It is what the validators name.
    Unchanged,
    /// There is none.
    Missing,
}

/// Bytes received since an instant, for the minimum rate.
struct Window {
    since: Instant,
    bytes: u64,
}

impl Upstream {
    /// Asks for an artifact and returns its body, `None` if upstream does not have it.
    ///
    /// # Errors
    /// Any status but 200, 404 and 410, and a declared length above `limits.artifact_size`.
    pub async fn artifact(&self, url: Url) -> Result<Option<ArtifactBody<'_>>, UpstreamError> {
        let permit = self.artifact_place().await?;
        self.admit()?;
        let head = self.artifact_head(url, permit).await;
        // What has a body is reported with its end.
        if !matches!(head, Ok(Some(_))) {
            self.report(head.as_ref().err());
        }
        head
    }

    /// Asks for the file at the upstream's own address, a large one, when it changed since it had
    /// these validators. `limits.artifact_size` bounds it.
    ///
    /// # Errors
    /// As [`artifact`](Self::artifact).
    pub async fn changed_file(
        &self,
        validators: Option<&Validators>,
    ) -> Result<ChangedFile<'_>, UpstreamError> {
        let permit = self.artifact_place().await?;
        self.admit()?;
        let head = self.changed_head(validators, permit).await;
        if !matches!(head, Ok(ChangedFile::Present { .. })) {
            self.report(head.as_ref().err());
        }
        head
    }

    async fn changed_head(
        &self,
        validators: Option<&Validators>,
        permit: OwnedSemaphorePermit,
    ) -> Result<ChangedFile<'_>, UpstreamError> {
        let headers = conditional_headers(validators);
        let is_conditional = !headers.is_empty();
        let url = self.config().url.clone();
        let Answer { response, .. } = self.get(url, "*/*", "identity", headers).await?;
        match response.status().as_u16() {
            200 => {
                let validators = validators_of(response.headers());
                let body = Box::new(self.body_of(response, permit)?);
                Ok(ChangedFile::Present { body, validators })
            }
            304 if is_conditional => Ok(ChangedFile::Unchanged),
            404 | 410 => Ok(ChangedFile::Missing),
            status => Err(UpstreamError::Status {
                upstream: self.name(),
                status,
            }),
        }
    }

    async fn artifact_head(
        &self,
        url: Url,
        permit: OwnedSemaphorePermit,
    ) -> Result<Option<ArtifactBody<'_>>, UpstreamError> {
        let Answer { response, .. } = self.get(url, "*/*", "identity", HeaderMap::new()).await?;
        match response.status().as_u16() {
            200 => self.body_of(response, permit).map(Some),
            404 | 410 => Ok(None),
            status => Err(UpstreamError::Status {
                upstream: self.name(),
                status,
            }),
        }
    }

    fn body_of(
        &self,
        response: reqwest::Response,
        permit: OwnedSemaphorePermit,
    ) -> Result<ArtifactBody<'_>, UpstreamError> {
        let is_gzip_coded = match coding(response.headers()) {
            "" | "identity" => false,
            "gzip" | "x-gzip" => true,
            other => return Err(self.body(format!("unknown content coding `{other}`"))),
        };
        let declared_bytes = response
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u64>().ok());
        if declared_bytes.is_some_and(|bytes| bytes > self.limits.artifact_bytes) {
            return Err(self.artifact_too_large());
        }
        let now = Instant::now();
        Ok(ArtifactBody {
            upstream: self,
            response,
            is_gzip_coded,
            declared_bytes,
            received_bytes: 0,
            started: now,
            window: Window {
                since: now,
                bytes: 0,
            },
            _permit: permit,
        })
    }

    fn artifact_too_large(&self) -> UpstreamError {
        UpstreamError::TooLarge {
            upstream: self.name(),
            limit: "artifact_size",
            bytes: self.limits.artifact_bytes,
        }
    }
}

impl ArtifactBody<'_> {
    /// The next piece, `None` at the proper end.
    ///
    /// # Errors
    /// A cut, over-long, too large or too slow body.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        let outcome = self.next_chunk().await;
        match &outcome {
            Ok(Some(_)) => {}
            Ok(None) => self.upstream.report(None),
            Err(error) => self.upstream.report(Some(error)),
        }
        outcome
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        let limits = &self.upstream.limits;
        let left = limits.artifact_timeout.checked_sub(self.started.elapsed());
        let too_long = || UpstreamError::Timeout {
            upstream: self.upstream.name(),
            what: format!(
                "limits.artifact_timeout ({} s)",
                limits.artifact_timeout.as_secs()
            ),
        };
        let left = left.ok_or_else(too_long)?;
        let chunk = tokio::time::timeout(left, self.response.chunk())
            .await
            .map_err(|_| too_long())?
            .map_err(|error| self.upstream.network(&error))?;
        let Some(chunk) = chunk else {
            return self.finish().map(|()| None);
        };
        self.received_bytes += chunk.len() as u64;
        if self.received_bytes > limits.artifact_bytes {
            return Err(self.upstream.artifact_too_large());
        }
        self.check_rate(chunk.len() as u64, limits.upstream_read_timeout)?;
        Ok(Some(chunk))
    }

    fn finish(&self) -> Result<(), UpstreamError> {
        match self.declared_bytes {
            Some(declared) if declared != self.received_bytes => Err(self.upstream.body(format!(
                "{} bytes instead of the declared {declared}",
                self.received_bytes
            ))),
            _ => Ok(()),
        }
    }

    /// A drip of bytes keeps a read time-out from firing; the average over one such time does not.
    fn check_rate(&mut self, bytes: u64, over: Duration) -> Result<(), UpstreamError> {
        self.window.bytes += bytes;
        if self.window.since.elapsed() < over {
            return Ok(());
        }
        let wanted = self
            .upstream
            .limits
            .upstream_min_rate_bytes
            .saturating_mul(over.as_secs());
        if self.window.bytes < wanted {
            return Err(UpstreamError::Timeout {
                upstream: self.upstream.name(),
                what: format!(
                    "limits.upstream_min_rate ({} bytes in {} s)",
                    self.window.bytes,
                    over.as_secs()
                ),
            });
        }
        self.window = Window {
            since: Instant::now(),
            bytes: 0,
        };
        Ok(())
    }
}
