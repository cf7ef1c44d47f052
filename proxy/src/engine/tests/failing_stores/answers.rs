//! What the tests of failing stores run on: the stores, and answers up to the bytes sent.

use std::sync::{Arc, Mutex};

use cordon_policy::model::{ArtifactId, Digest};
use cordon_storage::StorageErrorKind;
use cordon_storage::blob::{BlobStore, FaultyBlobs, MemoryBlobs};
use cordon_storage::cache::{CacheIndex, FaultyIndex, MemoryIndex};
use cordon_storage::conformance::Faults;
use cordon_storage::evidence::{Evidence, FaultyEvidence, MemoryEvidence};
use http::HeaderMap;
use http_body_util::BodyExt as _;

use crate::engine::tests::request;
use crate::engine::{Engine, Stores};
use crate::http::body::{Body, DamageReport};
use crate::http::respond::{Asked, Responder};
use crate::http::service::Service as _;

/// Three stores in memory, each with its plan of failures.
pub(super) struct FailingStores {
    pub(super) blobs: Arc<FaultyBlobs<MemoryBlobs>>,
    pub(super) cache: Arc<FaultyIndex<MemoryIndex>>,
    pub(super) evidence: Arc<FaultyEvidence<MemoryEvidence>>,
    pub(super) faults: [Arc<Faults>; 3],
}

impl FailingStores {
    pub(super) fn new() -> Self {
        let faults = [Faults::none(), Faults::none(), Faults::none()];
        let [blobs, cache, evidence] = faults.each_ref().map(Arc::clone);
        Self {
            blobs: Arc::new(FaultyBlobs::new(MemoryBlobs::new(), blobs)),
            cache: Arc::new(FaultyIndex::new(MemoryIndex::new(), cache)),
            evidence: Arc::new(FaultyEvidence::new(MemoryEvidence::new(), evidence)),
            faults,
        }
    }

    pub(super) fn stores(&self) -> Stores {
        Stores {
            blobs: Arc::<FaultyBlobs<MemoryBlobs>>::clone(&self.blobs) as Arc<dyn BlobStore>,
            cache: Arc::<FaultyIndex<MemoryIndex>>::clone(&self.cache) as Arc<dyn CacheIndex>,
            evidence: Arc::<FaultyEvidence<MemoryEvidence>>::clone(&self.evidence)
                as Arc<dyn Evidence>,
        }
    }

    /// Takes all failures back.
    pub(super) fn heal(&self) {
        for faults in &self.faults {
            faults.heal();
        }
    }
}

/// The head of an answer, of whose body nothing has been asked for.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Body,
    engine: Arc<Engine>,
    damaged: Arc<Mutex<Vec<(ArtifactId, Digest)>>>,
}

impl Head {
    /// The body as far as it comes, and whether it came to its end. Damage met on the way is
    /// reported as the server does.
    pub(super) async fn receive(mut self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let mut is_whole = true;
        while let Some(frame) = self.body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().expect("no trailers")),
                Err(_) => is_whole = false,
            }
        }
        let damaged = std::mem::take(&mut *self.damaged.lock().expect("no panic"));
        for (artifact, sha256) in damaged {
            self.engine.damaged(&artifact, &sha256).await;
        }
        (bytes, is_whole)
    }
}

/// Asks for a path.
pub(super) async fn ask(engine: &Arc<Engine>, path: &str) -> Head {
    let request = request(path);
    let asked = Asked::of(&request.method, &request.headers);
    let damaged = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&damaged);
    let report: DamageReport = Arc::new(move |cleared, error| {
        if error.kind == StorageErrorKind::Corrupt {
            let permit = cleared.permit();
            let what = (permit.artifact().clone(), permit.sha256().clone());
            reported.lock().expect("no panic").push(what);
        }
    });
    let reply = engine.answer(request).await;
    let response = Responder::new(report).respond(reply, &asked);
    let (head, body) = response.into_parts();
    Head {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
        engine: Arc::clone(engine),
        damaged,
    }
}
