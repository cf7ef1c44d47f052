//! A document as it arrived, and what it is decoded.

use std::io::{Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::model::Digest;
use flate2::bufread::MultiGzDecoder;
use smol_str::SmolStr;
use url::Url;

use super::error::UpstreamError;
use super::turn::Turn;
use crate::registry::UpstreamDocument;

/// The whole body of a document, perhaps still compressed.
#[derive(Debug)]
pub struct Received {
    pub(super) bytes: Bytes,
    pub(super) is_gzip: bool,
    pub(super) content_type: SmolStr,
    pub(super) url: Url,
    pub(super) files: Arc<[Url]>,
    pub(super) last_modified: Option<SmolStr>,
    pub(super) upstream: SmolStr,
    /// `limits.document_size`.
    pub(super) limit_bytes: u64,
    /// `limits.large_document_size`.
    pub(super) large_from_bytes: u64,
}

impl Received {
    /// Bytes as they came.
    pub fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The document. `large` is taken as soon as it turns out to be a large one, whatever it says
    /// of its size, so that memory stays bounded.
    ///
    /// # Errors
    /// If it is empty, does not inflate, or to more than `limits.document_size`.
    pub async fn decode(self, large: &Turn) -> Result<UpstreamDocument, UpstreamError> {
        if self.size_bytes() > self.large_from_bytes {
            large.take().await;
        }
        let bytes = match self.is_gzip {
            true => self.inflate(large).await?,
            false => self.bytes.clone(),
        };
        // No document of any registry is empty (H-54); to cargo it would be a crate without
        // versions.
        if bytes.is_empty() {
            return Err(UpstreamError::Body {
                upstream: self.upstream.to_string(),
                what: "an empty document".to_owned(),
            });
        }
        Ok(UpstreamDocument {
            digest: digest_of(bytes.clone()).await,
            bytes,
            content_type: self.content_type,
            url: self.url,
            files: self.files,
            last_modified: self.last_modified,
            upstream: self.upstream,
        })
    }

    async fn inflate(&self, large: &Turn) -> Result<Bytes, UpstreamError> {
        let start = Inflating {
            reader: MultiGzDecoder::new(Cursor::new(self.bytes.clone())),
            inflated: Vec::new(),
        };
        let mut inflating = self.inflate_to(start, self.large_from_bytes).await?;
        if inflating.len() > self.large_from_bytes {
            large.take().await;
            inflating = self.inflate_to(inflating, self.limit_bytes).await?;
        }
        if inflating.len() > self.limit_bytes {
            return Err(UpstreamError::TooLarge {
                upstream: self.upstream.to_string(),
                limit: "document_size",
                bytes: self.limit_bytes,
            });
        }
        Ok(inflating.inflated.into())
    }

    /// Goes on until there is more than `bytes`, or all of it.
    async fn inflate_to(
        &self,
        mut inflating: Inflating,
        bytes: u64,
    ) -> Result<Inflating, UpstreamError> {
        let failed = |what: String| UpstreamError::Body {
            upstream: self.upstream.to_string(),
            what: format!("inflating it: {what}"),
        };
        let work = move || {
            let room = (bytes + 1).saturating_sub(inflating.len());
            let mut part = (&mut inflating.reader).take(room);
            part.read_to_end(&mut inflating.inflated).map(|_| inflating)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| failed("the work was interrupted".to_owned()))?
            .map_err(|error| failed(error.to_string()))
    }
}

/// A gzip stream half-way. What it says of its own size is the sender's word, and its last
/// member's only, so nothing is made of that.
struct Inflating {
    reader: MultiGzDecoder<Cursor<Bytes>>,
    inflated: Vec<u8>,
}

impl Inflating {
    fn len(&self) -> u64 {
        self.inflated.len() as u64
    }
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tokio::sync::Semaphore;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn received(bytes: Vec<u8>) -> Received {
        Received {
            bytes: bytes.into(),
            is_gzip: true,
            content_type: "text/plain".into(),
            url: "http://registry.example/x".parse().expect("an address"),
            files: [].into(),
            last_modified: None,
            upstream: "test".into(),
            limit_bytes: 100_000,
            large_from_bytes: 10_000,
        }
    }

    #[tokio::test]
    async fn a_large_document_whose_last_member_is_small_takes_its_turn() {
        let places = Arc::new(Semaphore::new(1));
        let large = Turn::of(&places);
        let mut body = gzip(&vec![b'x'; 50_000]);
        body.extend(gzip(b"y"));
        let document = received(body).decode(&large).await.expect("it inflates");
        assert_eq!(document.bytes.len(), 50_001);
        assert_eq!(document.digest, Digest::of(&document.bytes));
        assert_eq!(places.available_permits(), 0);
        drop(large);
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn sizes_at_the_bounds_are_told_apart() {
        for (size, is_large) in [(10_000, false), (10_001, true), (100_000, true)] {
            let places = Arc::new(Semaphore::new(1));
            let large = Turn::of(&places);
            let body = gzip(&vec![0; size]);
            let document = received(body).decode(&large).await.expect("it inflates");
            assert_eq!(document.bytes.len(), size);
            assert_eq!(places.available_permits() == 0, is_large, "{size}");
        }
        let large = Turn::of(&Arc::new(Semaphore::new(1)));
        let outcome = received(gzip(&vec![0; 100_001])).decode(&large).await;
        assert!(matches!(outcome, Err(UpstreamError::TooLarge { .. })));
        let outcome = received(b"not gzip".to_vec()).decode(&large).await;
        assert!(matches!(outcome, Err(UpstreamError::Body { .. })));
    }
}
