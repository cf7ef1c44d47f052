//! A scanner that is a service.
//!
//! The archive is the body of a POST. What it is told is in the header `x-cordon-facts`. Who asks is
//! proved by `x-cordon-signature`: `t=<seconds since 1970>,v1=<hex>`, an HMAC-SHA-256 with the shared
//! secret over that number, a full stop, and the header of facts as it stands. The facts hold the
//! SHA-256 of the body, so that nothing can be exchanged; the number is to be refused when it is old.

use std::fs::File;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use futures_util::StreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use sha2::Sha256;
use tokio_util::io::ReaderStream;
use url::Url;

use super::ANSWER_BYTES;
use crate::config::Secret;

/// A service and the secret shared with it.
pub(super) struct Service {
    url: Url,
    secret: Secret,
    client: reqwest::Client,
}

impl Service {
    pub(super) fn new(url: Url, secret: Secret) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("cordon/", env!("CARGO_PKG_VERSION")))
            // Archives go where they were meant to go.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            url,
            secret,
            client,
        })
    }

    pub(super) async fn ask(&self, told: String, file: &File) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| error.to_string();
        let length = file.metadata().map_err(failed)?.len();
        let body = reading(file).map_err(failed)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let signature = self.sign(now.map_err(|error| error.to_string())?.as_secs(), &told);
        let response = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length)
            .header("x-cordon-facts", told)
            .header("x-cordon-signature", signature)
            .body(reqwest::Body::wrap_stream(body))
            .send()
            .await
            .map_err(|error| cordon_storage::Chain(&error.without_url()).to_string())?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("it answered {}", response.status().as_u16()));
        }
        let mut answer = Vec::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| error.without_url().to_string())?;
            if answer.len().saturating_add(piece.len()) > ANSWER_BYTES {
                return Err(format!("an answer of more than {ANSWER_BYTES} bytes"));
            }
            answer.extend_from_slice(&piece);
        }
        Ok(answer)
    }

    fn sign(&self, seconds: u64, told: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(format!("{seconds}.{told}").as_bytes());
        let code = HEXLOWER.encode(&mac.finalize().into_bytes());
        format!("t={seconds},v1={code}")
    }
}

/// The bytes of a file from its beginning on, whatever others read of it at the same time.
fn reading(
    file: &File,
) -> std::io::Result<impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + use<>> {
    let file = super::program::reopened(file)?;
    let file = tokio::fs::File::from_std(file);
    Ok(ReaderStream::with_capacity(file, 64 * 1024))
}
