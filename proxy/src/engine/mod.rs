//! The engine: fetches, decides, records, answers. Adapters translate, stores keep; only here is
//! decided what a client gets, and only here are decisions written.
//!
//! A metadata request (flow a, `metadata`): the package's documents are fetched (`documents`),
//! parsed (`package`) and then kept (`kept`), what is new is noted (`sightings`), every candidate is
//! judged and changed verdicts are recorded (`judge`), the adapter renders what may be listed. What
//! was had and is listed no longer is noted first (`removals`), judged with the rest (`unlisted`),
//! and of a project that is gone shown by its last good document (`gone`).
//!
//! An artifact request (flow b, `artifact`): the candidate must be listed; its bytes are spooled
//! and hashed (`fetch`), judged with what they showed, kept, recorded; then the gate (`gate`)
//! makes the only value from which a response body can be built.

mod artifact;
mod asking;
mod background;
mod catalog;
mod clock;
mod content_baseline;
mod context;
mod core_metadata;
mod documents;
mod drift;
mod explain;
mod failure;
mod fetch;
mod freshness;
pub mod gate;
mod gone;
mod hash;
mod held;
mod home;
mod inflight;
mod inspect;
mod inspect_pauses;
mod inspections;
mod judge;
mod kept;
mod metadata;
mod missed;
mod observe;
mod package;
mod passes;
mod recheck;
mod record;
mod reevaluate;
mod removals;
mod searches;
mod service;
mod sightings;
mod signatures;
mod snapshot;
mod space;
mod stored;
mod suspected;
#[cfg(test)]
mod tests;
mod turns;
mod unlisted;
mod uses;

use std::sync::{Arc, Weak};
use std::time::Duration;

use cordon_policy::decision::Decision;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::Audience;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::model::{ArtifactId, Ecosystem, Timestamp};
use cordon_storage::Chain;
use cordon_storage::blob::BlobStore;
use cordon_storage::cache::CacheIndex;
use cordon_storage::evidence::{Client, Evidence, Outcome as Received};
use smol_str::SmolStr;
use tokio::sync::{Notify, Semaphore};
use url::Url;

pub use clock::{Clock, IdSource, RandomIds, SystemClock};
pub use explain::{Explained, Explanation};
pub use failure::{Blame, Failure};
pub use gate::{Cleared, ClearedBytes};
pub use passes::Scope;
pub use reevaluate::{Reevaluated, facts_now};
pub use snapshot::{Asker, Live, Snapshot};

use crate::config::Config;
use crate::feeds::AdvisoryData;
use crate::http::reply::Reply;
use crate::http::target::ROUTE;
use crate::inspection::Inspector;
use crate::inspection::scanner::Scanners;
use crate::names::Names;
use crate::registry::{
    self, ArtifactRequest, Denial, DenialScope, Links, Registry, RequestHead, Route,
};
use crate::telemetry::Metrics;
use crate::upstream::Upstreams;
use artifact::{Hot, Outcome};
use background::Background;
use drift::Drifts;
use inflight::Flights;
use inspections::Inspections;
use metadata::{Ready, ReadyKey};
use missed::MissedNames;
use observe::Meters;
use package::{Package, PackageKey};
use passes::Passes;
use record::Servings;
use signatures::Keys;
use space::Space;
use turns::Turns;

/// How long a failure is answered from memory, so that many who ask cause one attempt.
const FAILURE_MEMORY: Duration = Duration::from_secs(2);
/// Failures remembered at once.
const FAILURES: u64 = 4096;

/// The stores.
#[derive(Clone)]
pub struct Stores {
    /// Bytes.
    pub blobs: Arc<dyn BlobStore>,
    /// What may be thrown away.
    pub cache: Arc<dyn CacheIndex>,
    /// What must never be lost.
    pub evidence: Arc<dyn Evidence>,
}

/// What the engine is made of.
pub struct Parts {
    /// The configuration.
    pub config: Arc<Config>,
    /// The address clients use, ending in `/`.
    pub public_url: Url,
    /// The policy to start with.
    pub ruleset: Arc<Ruleset>,
    /// The advisory data to start with.
    pub advisories: Arc<AdvisoryData>,
    /// The popular names.
    pub names: Arc<Names>,
    /// What archives are searched for.
    pub indicators: Arc<IndicatorSet>,
    /// The stores.
    pub stores: Stores,
    /// The upstreams.
    pub upstreams: Upstreams,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Decision ids.
    pub ids: Arc<dyn IdSource>,
    /// Looks into archives.
    pub inspector: Arc<dyn Inspector>,
    /// Others who are asked about archives.
    pub scanners: Arc<Scanners>,
    /// Meters.
    pub metrics: Arc<Metrics>,
}

type Flown<T> = Result<T, Failure>;

/// The engine.
pub struct Engine {
    this: Weak<Engine>,
    config: Arc<Config>,
    public_url: Url,
    links: Vec<(Option<SmolStr>, Ecosystem, Links)>,
    live: Live,
    stores: Stores,
    upstreams: Upstreams,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    inspector: Arc<dyn Inspector>,
    /// The id of the limits it has.
    inspection_limits: SmolStr,
    scanners: Arc<Scanners>,
    metrics: Arc<Meters>,
    packages: moka::sync::Cache<PackageKey, Arc<Package>>,
    ready: moka::sync::Cache<ReadyKey, Arc<Ready>>,
    hot: moka::sync::Cache<(ArtifactRequest, Audience), Hot>,
    recent_failures: moka::sync::Cache<PackageKey, Failure>,
    recent_outcomes: moka::sync::Cache<(ArtifactId, u64, Audience), Flown<Outcome>>,
    recent_catalog_failures: moka::sync::Cache<ReadyKey, Failure>,
    /// Owned names that were told of as taken elsewhere.
    told: moka::sync::Cache<cordon_policy::model::PackageName, ()>,
    /// Reports a person was told of because they sweep over versions in use, by package.
    told_reports: moka::sync::Cache<
        cordon_policy::model::PackageName,
        Arc<std::collections::BTreeSet<smol_str::SmolStr>>,
    >,
    missed: Arc<MissedNames>,
    /// What looking into the files of packages showed.
    inspected: moka::sync::Cache<cordon_policy::model::PackageName, Arc<Inspections>>,
    /// Archives that could not be looked into.
    inspect_pauses: inspect_pauses::Pauses,
    /// Packages in use that were not found upstream, since when.
    suspects: moka::sync::Cache<cordon_policy::model::PackageName, Timestamp>,
    package_flights: Flights<PackageKey, Flown<Arc<Package>>>,
    render_flights: Flights<(ReadyKey, u64), Flown<Arc<Ready>>>,
    artifact_flights: Flights<(ArtifactId, u64, Audience), Flown<Outcome>>,
    /// Versions others are compared with that are being looked at.
    baseline_flights: Flights<ArtifactId, content_baseline::Looked>,
    documents_at_once: Semaphore,
    large_documents: Arc<Semaphore>,
    background: Background,
    space: Arc<Space>,
    servings: Servings,
    servings_full: Notify,
    servings_turn: tokio::sync::Mutex<()>,
    passes: Passes,
    turns: Turns,
    drifts: Drifts,
    keys: Keys,
    asking: asking::Asking,
}

impl Engine {
    /// Puts an engine together. [`write_servings`](Self::write_servings) and
    /// [`keep_store_bounded`](Self::keep_store_bounded) must be run beside it.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            config,
            public_url,
            ruleset,
            advisories,
            names,
            indicators,
            stores,
            upstreams,
            clock,
            ids,
            inspector,
            scanners,
            metrics,
        } = parts;
        let limits = config.limits.clone();
        let inspection_limits = config.inspection.limits.id();
        let weigh = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let packages = moka::sync::Cache::builder()
            .max_capacity(limits.parsed_cache_bytes)
            .weigher(move |_, package: &Arc<Package>| weigh(package.weight_bytes()))
            .build();
        let ready = moka::sync::Cache::builder()
            .max_capacity(limits.rendered_cache_bytes)
            .weigher(move |key: &ReadyKey, ready: &Arc<Ready>| {
                weigh(key.weight_bytes() + ready.weight_bytes())
            })
            .build();
        let hot = moka::sync::Cache::builder()
            .max_capacity(limits.artifact_cache_bytes)
            .weigher(move |_, hot: &Hot| {
                u32::try_from(hot.weight_bytes(limits.artifact_cache_bytes)).unwrap_or(u32::MAX)
            })
            .build();
        let counted = Arc::clone(&metrics);
        let metrics = Arc::new(Meters::new(metrics));
        let space = Space::new(
            stores.clone(),
            limits.store_bytes,
            config.quarantine.clone(),
            Arc::clone(&clock),
            Arc::clone(&metrics),
        );
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            links: links_below(&public_url, &config.routes),
            live: Live::new(ruleset, advisories, names, indicators),
            packages,
            ready,
            hot,
            recent_failures: short_memory(),
            recent_outcomes: short_memory(),
            recent_catalog_failures: short_memory(),
            told: moka::sync::Cache::new(FAILURES),
            told_reports: moka::sync::Cache::new(FAILURES),
            missed: Arc::new(MissedNames::new()),
            inspected: moka::sync::Cache::new(inspections::PACKAGES),
            inspect_pauses: inspect_pauses::Pauses::new(),
            suspects: moka::sync::Cache::new(FAILURES),
            package_flights: Flights::new(limits.connections),
            render_flights: Flights::new(limits.connections),
            artifact_flights: Flights::new(limits.connections),
            baseline_flights: Flights::new(limits.connections),
            documents_at_once: Semaphore::new(limits.documents_at_once),
            large_documents: Arc::new(Semaphore::new(1)),
            background: Background::new(Arc::clone(&counted)),
            space: Arc::new(space),
            servings: Servings::default(),
            servings_full: Notify::new(),
            servings_turn: tokio::sync::Mutex::default(),
            passes: Passes::default(),
            turns: Turns::default(),
            drifts: Drifts::new(),
            keys: Keys::new(),
            asking: asking::Asking::new(),
            config,
            public_url,
            stores,
            upstreams,
            clock,
            ids,
            inspector,
            inspection_limits,
            scanners,
            metrics,
        })
    }

    /// The policy in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.live.get()
    }

    /// Puts a new policy in force; requests under way finish under the old one. Returns the
    /// generation.
    pub fn replace_policy(&self, ruleset: Arc<Ruleset>) -> u64 {
        self.live.replace_policy(ruleset)
    }

    /// Puts new advisory data in force, as [`replace_policy`](Self::replace_policy) does rules.
    pub fn replace_advisories(&self, advisories: Arc<AdvisoryData>) -> u64 {
        self.live.replace_advisories(advisories)
    }

    /// Puts new lists of popular names in force, as [`replace_policy`](Self::replace_policy) does
    /// rules.
    pub fn replace_names(&self, names: Arc<Names>) -> u64 {
        self.live.replace_names(names)
    }

    /// Puts other indicators in force, as [`replace_policy`](Self::replace_policy) does rules.
    pub fn replace_indicators(&self, indicators: Arc<IndicatorSet>) -> u64 {
        self.live.replace_indicators(indicators)
    }

    /// The stores, for pages and commands that only read.
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// Who looks into archives, for the self-test.
    pub fn inspector(&self) -> &Arc<dyn Inspector> {
        &self.inspector
    }

    /// The upstreams, for status pages.
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// Waits for work behind answers and writes the last servings. Called at shutdown, after the
    /// last connection.
    pub async fn finish(&self) {
        self.background.finish().await;
        self.space.note_uses().await;
        self.flush_servings().await;
    }

    /// Answers a request below a registry's mount.
    pub async fn registry_request(
        &self,
        registry: &'static dyn Registry,
        head: &RequestHead<'_>,
        client: &Client,
        asker: &Asker,
    ) -> Reply {
        let snapshot = self.live.get_for(asker);
        let links = self.links(registry, asker.route.as_ref());
        let outcome = match registry.classify(head, links) {
            Ok(Route::Metadata { package, view }) => {
                self.metadata(registry, package, view, head, snapshot).await
            }
            Ok(Route::Artifact(request)) => self.artifact(registry, request, head, snapshot).await,
            Ok(Route::Catalog { request, view }) => {
                self.catalog(registry, request, view, snapshot).await
            }
            Ok(Route::Static(rendered)) => Ok(Reply::Static(rendered)),
            Ok(Route::Redirect(path)) => {
                let base = links.base.path();
                Ok(Reply::Redirect(format!("{base}{path}")))
            }
            Ok(Route::Forward {
                request,
                package,
                version,
            }) => match self
                .withheld(registry, package.as_ref(), version.as_ref(), &snapshot)
                .await
            {
                Ok(None) => self.forward(registry, request, package).await,
                Ok(Some(decision)) => {
                    Ok(self.denied(registry, head, &decision, DenialScope::Artifact))
                }
                Err(failure) => Err(failure),
            },
            Ok(Route::Refuse { status, message }) => Ok(Reply::Failed {
                body: registry.error(status, message),
                retry_after_seconds: None,
            }),
            Err(error) => Ok(Reply::Failed {
                body: registry.error(error.status, &error.message),
                retry_after_seconds: None,
            }),
        };
        match outcome {
            Ok(reply) => {
                if let Reply::Denied { decision, .. } = &reply {
                    self.note(decision, client, Received::Refused);
                }
                reply
            }
            Err(failure) => self.failed(registry, &failure),
        }
    }

    fn failed(&self, registry: &'static dyn Registry, failure: &Failure) -> Reply {
        // The client is told what failed; the log also why.
        let error = Chain(failure);
        match failure.blame() {
            Blame::Client => tracing::debug!(%error, "request refused"),
            Blame::Upstream => tracing::warn!(%error, "upstream gave no usable answer"),
            Blame::Store | Blame::Ours => tracing::error!(%error, "request failed"),
        }
        if let Failure::Store(error) = failure {
            self.metrics.store_failed(error);
        }
        Reply::Failed {
            body: registry.error(failure.status(), &failure.to_string()),
            retry_after_seconds: failure.retry_after_seconds(),
        }
    }

    /// The refusal a decision means, in the client's own form.
    fn denied(
        &self,
        registry: &'static dyn Registry,
        head: &RequestHead<'_>,
        decision: &Decision,
        scope: DenialScope,
    ) -> Reply {
        let evaluation = &decision.evaluation;
        let deciding = evaluation.deciding();
        let subject = match scope {
            DenialScope::Package => evaluation.subject().name.purl(),
            DenialScope::Artifact => evaluation.subject().to_string(),
        };
        let waiting = "a fact the policy needs is not known yet";
        let denial = Denial {
            subject,
            scope,
            effect: evaluation.effect(),
            code: deciding.map_or_else(
                || "awaiting-facts".to_owned(),
                |finding| format!("{}/{}", finding.rule, finding.code),
            ),
            reason: deciding.map_or(waiting, |finding| finding.reason.as_str()),
            until: evaluation.clears_at(),
            nearest_allowed: decision.nearest_allowed.as_deref(),
            decision: &decision.id,
            why_url: format!("{}why/{}", self.public_url, decision.id),
            contact: self.config.contact.as_deref(),
        };
        Reply::Denied {
            body: registry.deny(&denial, head),
            decision: decision.id.clone(),
        }
    }

    /// The addresses of a registry by a route; without one of the configuration's, by the root.
    fn links(&self, registry: &'static dyn Registry, route: Option<&SmolStr>) -> &Links {
        let ecosystem = registry.scheme().ecosystem();
        let found = self.links.iter().rev().find(|(by, mounted, _)| {
            mounted == ecosystem && (by.is_none() || by.as_ref() == route)
        });
        &found.expect("every adapter has its links from the start").2
    }

    fn this(&self) -> Arc<Self> {
        self.this
            .upgrade()
            .expect("the engine answers only while someone holds it")
    }
}

/// The base address of each registry.
fn links_below(public_url: &Url, routes: &[SmolStr]) -> Vec<(Option<SmolStr>, Ecosystem, Links)> {
    // Those of the root first: they are what is left when no route fits.
    let ways = std::iter::once(None).chain(routes.iter().map(Some));
    let below = |route: Option<&SmolStr>| {
        registry::all().map(|registry| {
            let ecosystem = registry.scheme().ecosystem();
            let mount = match route {
                None => format!("{ecosystem}/"),
                Some(name) => format!("{ROUTE}{name}/{ecosystem}/"),
            };
            let base = public_url
                .join(&mount)
                .expect("a mount is a valid relative address");
            (route.cloned(), ecosystem.clone(), Links { base })
        })
    };
    ways.flat_map(below).collect()
}

fn short_memory<K, V>() -> moka::sync::Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    moka::sync::Cache::builder()
        .max_capacity(FAILURES)
        .time_to_live(FAILURE_MEMORY)
        .build()
}
