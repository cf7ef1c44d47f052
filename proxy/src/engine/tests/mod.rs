//! The engine between a fake registry and stores in memory, with a clock that stands still.

mod catalogs;
mod documents;
mod drift;
mod failing_stores;
mod outages;
mod reevaluations;
mod removals;
mod sightings;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cordon_policy::config::PolicySource;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::model::Timestamp;
use cordon_storage::blob::MemoryBlobs;
use cordon_storage::cache::MemoryIndex;
use cordon_storage::evidence::{Client, MemoryEvidence};
use cordon_tests::fake_registry::{FakeRegistry, Protocol};
use http::{HeaderMap, Method, Uri};

use super::{Clock, Engine, Parts, RandomIds, Stores};
use crate::config::{Config, Overrides, Platform};
use crate::engine::gate::ClearedBytes;
use crate::http::reply::{ReadyDocument, Reply};
use crate::http::service::{Request, Service as _};
use crate::http::target::Target;
use crate::upstream::Upstreams;

/// The policy of most tests.
const ALLOW_ALL: &str = "[rules.integrity]\n";
/// The package of most tests.
const PACKAGE: &str = "demo-package";

/// A clock that moves when told.
struct Standing(AtomicI64);

impl Standing {
    /// At the system's time.
    fn now() -> Arc<Self> {
        let now = jiff::Timestamp::now().as_millisecond();
        Arc::new(Self(AtomicI64::new(now)))
    }

    fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).expect("tests wait for less than an age");
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What a client got.
struct Got {
    status: u16,
    body: Bytes,
    is_stale: bool,
    /// The document it was made from, when it is one of the rendered.
    document: Option<Arc<ReadyDocument>>,
}

impl Got {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

struct Scene {
    registry: FakeRegistry,
    clock: Arc<Standing>,
    stores: Stores,
    policy: &'static str,
    sections: &'static str,
    engine: Arc<Engine>,
}

impl Scene {
    fn new() -> Self {
        Self::with(ALLOW_ALL, "")
    }

    /// With a policy, and with further tables of the configuration.
    fn with(policy: &'static str, sections: &'static str) -> Self {
        let stores = Stores {
            blobs: Arc::new(MemoryBlobs::new()),
            cache: Arc::new(MemoryIndex::new()),
            evidence: Arc::new(MemoryEvidence::new()),
        };
        Self::over(stores, policy, sections)
    }

    fn over(stores: Stores, policy: &'static str, sections: &'static str) -> Self {
        let registry = FakeRegistry::start();
        for protocol in Protocol::ALL {
            registry.publish_all(protocol, PACKAGE, &["1.0.0", "1.1.0"]);
        }
        let clock = Standing::now();
        let engine = engine(&registry, &clock, &stores, policy, sections);
        Self {
            registry,
            clock,
            stores,
            policy,
            sections,
            engine,
        }
    }

    /// Stops and starts again: only the stores stay.
    async fn restart(&mut self) {
        self.engine.finish().await;
        self.engine = engine(
            &self.registry,
            &self.clock,
            &self.stores,
            self.policy,
            self.sections,
        );
    }

    /// Lets what goes on behind answers end, and then time pass.
    async fn advance(&self, by: Duration) {
        self.engine.finish().await;
        self.clock.advance(by);
    }

    async fn turn_back(&self, by: Duration) {
        self.engine.finish().await;
        let by = i64::try_from(by.as_millis()).expect("tests wait for less than an age");
        self.clock.0.fetch_sub(by, Ordering::Relaxed);
    }

    /// GETs a path below the root.
    async fn get(&self, path: &str) -> Got {
        get(&self.engine, path).await
    }

    /// GETs the document of a package.
    async fn document(&self, protocol: Protocol, package: &str) -> Got {
        self.get(&document(protocol, package)).await
    }

    /// How often upstream was asked for the document of a package.
    fn asked(&self, protocol: Protocol, package: &str) -> usize {
        let path = self.registry.document_path(protocol, package);
        self.registry.log().gets(&path)
    }
}

async fn get(engine: &Arc<Engine>, path: &str) -> Got {
    got(engine.answer(request(path)).await)
}

fn request(path: &str) -> Request {
    let uri: Uri = format!("/{path}")
        .parse()
        .expect("tests ask for sound paths");
    Request {
        target: Target::parse(&uri).expect("tests ask for sound paths"),
        method: Method::GET,
        headers: HeaderMap::new(),
        client: Client {
            address: "192.0.2.1".into(),
            agent: "test".into(),
        },
        identity: None,
        body: bytes::Bytes::new(),
    }
}

fn got(reply: Reply) -> Got {
    let document = match &reply {
        Reply::Document(document) => Some(Arc::clone(document)),
        _ => None,
    };
    let (status, body, is_stale) = match reply {
        Reply::Document(document) => {
            let body = match (&document.identity, &document.gzip) {
                (Some(identity), _) => identity.clone(),
                (None, Some(gzip)) => inflated(gzip),
                (None, None) => Bytes::new(),
            };
            (200, body, document.is_stale)
        }
        Reply::Artifact(cleared) => {
            let body = match cleared.bytes() {
                ClearedBytes::Memory(bytes) => bytes.clone(),
                ClearedBytes::Stored(reader) => {
                    reader.read_at(0, usize::MAX).expect("a readable blob")
                }
            };
            (200, body, false)
        }
        Reply::Static(rendered) => (200, rendered.body, false),
        Reply::Forwarded { body, .. } => (200, body, false),
        Reply::Redirect(path) => (308, path.into(), false),
        Reply::Denied { body, .. } | Reply::Failed { body, .. } => {
            (body.status.as_u16(), body.body, false)
        }
        Reply::Page { status, body, .. } => (status.as_u16(), body, false),
    };
    Got {
        status,
        body,
        is_stale,
        document,
    }
}

fn inflated(gzip: &[u8]) -> Bytes {
    let mut all = Vec::new();
    flate2::read::MultiGzDecoder::new(gzip)
        .read_to_end(&mut all)
        .expect("our own gzip");
    all.into()
}

/// The document of a package below the root.
fn document(protocol: Protocol, package: &str) -> String {
    match protocol {
        Protocol::Npm => format!("npm/{package}"),
        Protocol::Pypi => format!("pypi/simple/{package}/"),
        Protocol::Cargo => format!("cargo/{}", cordon_tests::fake_registry::index_path(package)),
    }
}

fn engine(
    registry: &FakeRegistry,
    clock: &Arc<Standing>,
    stores: &Stores,
    policy: &str,
    sections: &str,
) -> Arc<Engine> {
    let config = Arc::new(configuration(registry, sections));
    let upstreams = Upstreams::new(&config.upstreams, &config.limits).expect("clients can be made");
    engine_of(&config, upstreams, clock, stores, ruleset(policy))
}

/// An engine of parts that outlive it.
fn engine_of(
    config: &Arc<Config>,
    upstreams: Upstreams,
    clock: &Arc<Standing>,
    stores: &Stores,
    ruleset: Arc<Ruleset>,
) -> Arc<Engine> {
    Engine::new(Parts {
        config: Arc::clone(config),
        public_url: "http://cordon.example/".parse().expect("an address"),
        ruleset,
        advisories: Arc::new(crate::feeds::AdvisoryData::off()),
        names: crate::names::Names::built_in(),
        indicators: cordon_policy::inspect::indicators::IndicatorSet::built_in(),
        stores: stores.clone(),
        upstreams,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        ids: Arc::new(RandomIds),
        inspector: Arc::new(crate::inspection::InProcess::default()),
        scanners: Arc::new(crate::inspection::scanner::Scanners::none()),
        metrics: Arc::new(crate::app::metrics()),
    })
}

fn configuration(registry: &FakeRegistry, sections: &str) -> Config {
    let mut text = format!("[server]\ndata = \"/nowhere\"\n{sections}");
    for protocol in Protocol::ALL {
        text.push_str(&format!(
            "\n[[upstream.{}]]\nid = \"fake\"\nurl = \"{}\"\nfiles = [\"{}\"]\n",
            protocol.purl_type(),
            registry.upstream(protocol),
            registry.files_origin()
        ));
    }
    Config::read(
        Some(source("test", &text)),
        Path::new("/"),
        &Overrides::default(),
        &Platform,
    )
    .unwrap_or_else(|rejected| panic!("{:?}", rejected.problems))
    .config
}

fn ruleset(policy: &str) -> Arc<Ruleset> {
    let loaded = cordon_policy::config::load(&[source("policy", policy)]);
    Arc::new(loaded.expect("tests have sound policies").ruleset)
}

fn source(name: &str, text: &str) -> PolicySource {
    PolicySource {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}
