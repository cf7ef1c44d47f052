//! The signatures registries make of what they declare: their keys, and what they prove of a file that
//! is asked for. It is looked at anew for each file that is to be judged with its bytes, against the
//! document of now, so that nothing of an earlier story stays.

use std::sync::Arc;
use std::time::Duration;

use cordon_policy::facts::{Fact, SignatureFacts};
use cordon_policy::model::{ArtifactKind, Ecosystem, Timestamp};
use cordon_policy::reason;
use smol_str::{SmolStr, format_smolstr};

use super::Engine;
use super::artifact::Wanted;
use super::documents::Wanted as WantedDocuments;
use super::failure::Failure;
use crate::registry::Registry;
use crate::registry::signature::SigningKey;
use crate::upstream::Upstream;

/// How long keys in memory are used before upstream, or what is kept of its answer, is asked: a
/// registry that begins to sign with another key is believed that much later.
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// How soon an upstream is asked again whose keys could not be had.
const RETRY: Duration = Duration::from_secs(60);
/// Upstreams whose keys are in memory.
const UPSTREAMS: u64 = 256;
/// Longest text about why there are no keys.
const WHY_CHARS: usize = 120;

/// The keys of an upstream: `Absent` when it has none.
type KeysFact = Fact<Arc<[SigningKey]>>;

/// The keys in memory.
pub(super) struct Keys {
    known: moka::sync::Cache<SmolStr, (KeysFact, Timestamp)>,
    /// Held while they are fetched, so that many who need them ask once.
    turn: tokio::sync::Mutex<()>,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            known: moka::sync::Cache::new(UPSTREAMS),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn get(&self, key: &SmolStr, now: Timestamp) -> Option<KeysFact> {
        let (keys, until) = self.known.get(key)?;
        (now < until).then_some(keys)
    }
}

impl Engine {
    /// What the registry's signature of a wanted archive proves.
    pub(super) async fn signature(&self, wanted: &Wanted) -> Result<Fact<SignatureFacts>, Failure> {
        let (package, facts) = (&wanted.package, wanted.facts());
        let signed = match package.place_of(wanted.index) {
            Some(place) if facts.artifact.kind == ArtifactKind::Archive => {
                package.document.signed(place)
            }
            _ => None,
        };
        let Some(signed) = signed else {
            return Ok(Fact::Absent);
        };
        let ecosystem = package.name.ecosystem();
        let keys = self
            .signing_keys(package.registry, ecosystem, &package.upstream)
            .await?;
        Ok(match keys {
            Fact::Known(keys) => signed
                .check(&keys, &facts.published_at)
                .map_or(Fact::Absent, Fact::Known),
            Fact::Unavailable(why) if !signed.signatures.is_empty() => Fact::Unavailable(why),
            Fact::Unavailable(_) | Fact::Absent | Fact::NotYet => Fact::Absent,
        })
    }

    async fn signing_keys(
        &self,
        registry: &'static dyn Registry,
        ecosystem: &Ecosystem,
        upstream: &Arc<Upstream>,
    ) -> Result<KeysFact, Failure> {
        if let Some(pinned) = &upstream.config().signature_keys {
            return Ok(Fact::Known(Arc::clone(pinned)));
        }
        let key = format_smolstr!("{ecosystem}/{}", upstream.id());
        if let Some(known) = self.keys.get(&key, self.clock.now()) {
            return Ok(known);
        }
        let _turn = self.keys.turn.lock().await;
        if let Some(known) = self.keys.get(&key, self.clock.now()) {
            return Ok(known);
        }
        let keys = self.fetch_keys(registry, ecosystem, upstream).await?;
        let lasts = match &keys {
            Fact::Known(_) | Fact::Absent => KNOWN_FOR,
            Fact::Unavailable(_) | Fact::NotYet => RETRY,
        };
        let until = self.clock.now().saturating_add(lasts);
        self.keys.known.insert(key, (keys.clone(), until));
        Ok(keys)
    }

    async fn fetch_keys(
        &self,
        registry: &'static dyn Registry,
        ecosystem: &Ecosystem,
        upstream: &Arc<Upstream>,
    ) -> Result<KeysFact, Failure> {
        let Some(request) = registry.keys() else {
            return Ok(Fact::Absent);
        };
        let wanted = WantedDocuments {
            upstream,
            ecosystem,
            requests: std::slice::from_ref(&request),
            held: &[],
        };
        let documents = match self.fetch(wanted).await {
            Ok(documents) => documents,
            Err(Failure::Store(error)) => return Err(Failure::Store(error)),
            Err(failure) => return Ok(unavailable(&failure.to_string())),
        };
        let document = documents.sources().into_iter().next().flatten();
        let keys = match document {
            None => Fact::Absent,
            Some(document) => match SigningKey::read_list(&document.bytes) {
                Ok(keys) => Fact::Known(keys.into()),
                // Not kept, so that it is asked for again.
                Err(why) => return Ok(unavailable(&format!("its list of keys: {why}"))),
            },
        };
        self.keep_documents(documents.all).await;
        Ok(keys)
    }
}

fn unavailable(why: &str) -> KeysFact {
    tracing::warn!(why, "the keys a registry signs with could not be had");
    Fact::Unavailable(reason::ascii(why, WHY_CHARS).into())
}
