//! The self-test: does the policy in force really stop what it says it stops?
//!
//! A registry of our own on loopback publishes, for every table of every enabled rule and for every
//! protocol, a package the rule must refuse and one it must not ([`cordon_policy::specimen`]). An
//! engine of its own, with the rules in force and with stores in memory, is asked for them the way a
//! client asks: the document must not offer the bad release, its file must be refused by a finding
//! of exactly this rule, and the good release must stay. Nothing of it touches the running
//! engine, its stores or its evidence.

mod archive;
mod ask;
mod plan;
mod report;
mod schedule;
mod shelf;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cordon_policy::advisory::{AdvisoryIndex, IndexBuilder};
use cordon_policy::config::PolicySource;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::finding::RuleId;
use cordon_policy::model::{Digest, PackageName, Timestamp};
use cordon_policy::specimen::{Advised, Fixture, Good, Refusal};
use cordon_storage::StorageError;
use cordon_storage::blob::MemoryBlobs;
use cordon_storage::cache::MemoryIndex;
use cordon_storage::evidence::{Entry, MemoryEvidence, Missed};
use futures_util::StreamExt as _;

use crate::config::{Config, Overrides, Platform};
use crate::engine::{Clock, Engine, Parts, RandomIds, Stores};
use crate::feeds::AdvisoryData;
use crate::feeds::data::{Belief, EcosystemFeed, LoadedFeed};
use crate::inspection::Inspector;
use crate::registry::Registry;
use crate::upstream::{UpstreamError, Upstreams};
use ask::Asker;
use plan::{Case, Plan};
pub use report::{Outcome, Report, Row};
pub use schedule::{SelfTest, Tested};
use shelf::Shelf;
use upstream::Bound;

/// Pairs asked for at once.
const AT_ONCE: usize = 8;
/// How long a test may take. One takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the registry of the test is called.
const UPSTREAM: &str = "cordon-self-test";
/// How long the advisory data of the test is believed.
const BELIEVED: Duration = Duration::from_secs(24 * 3_600);

/// Why nothing could be tested.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// No port of this machine could be had.
    #[error("the self-test could not listen on loopback: {0}")]
    Listen(#[source] std::io::Error),
    /// The test's own configuration is not one.
    #[error("the self-test could not be configured: {0}")]
    Configuration(String),
    /// A client cannot be made.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The test's own advisories are none.
    #[error("the self-test could not make advisories: {0}")]
    Advisories(String),
    /// The store in memory failed.
    #[error("the self-test could not prepare its stores")]
    Store(#[from] StorageError),
    /// It takes longer than it may.
    #[error("the self-test was not done within {} seconds", PATIENCE.as_secs())]
    TooSlow,
}

/// A clock that stands still, at a whole second: registries tell no more.
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Tests a policy on these protocols, with archives looked into by `inspector`: the one that serves,
/// or rules about archives would be said to act while nobody looks.
///
/// # Errors
/// If it could not be tested, which says nothing about the rules.
pub async fn run(
    ruleset: &Ruleset,
    registries: &[&'static dyn Registry],
    inspector: &Arc<dyn Inspector>,
    now: Timestamp,
) -> Result<Report, SelfTestError> {
    let started = Instant::now();
    let now = Timestamp::from_millis(now.as_millis().div_euclid(1_000).saturating_mul(1_000));
    let ruleset = Arc::new(ruleset.without_exemptions());
    let Plan { cases, mut rows } = Plan::of(&ruleset, registries, now);
    let rounds = async {
        let mut rows = Vec::new();
        // Where other rules refuse a release, its bytes are never fetched: what only they can tell
        // is tested without those rules.
        let (by_bytes, others): (Vec<Case>, Vec<Case>) = cases
            .into_iter()
            .partition(|case| case.pair.refusal == Refusal::Bytes);
        for round in rounds(others) {
            rows.extend(play(&ruleset, inspector, round, now).await?);
        }
        let mut alone: BTreeMap<RuleId, Vec<Case>> = BTreeMap::new();
        for case in by_bytes {
            alone.entry(case.rule.clone()).or_default().push(case);
        }
        for (rule, cases) in alone {
            let ruleset = Arc::new(ruleset.only(&rule));
            for round in rounds(cases) {
                rows.extend(play(&ruleset, inspector, round, now).await?);
            }
        }
        Ok::<_, SelfTestError>(rows)
    };
    let asked = tokio::time::timeout(PATIENCE, rounds).await;
    rows.extend(asked.map_err(|_| SelfTestError::TooSlow)??);
    rows.sort_by(|a, b| {
        let key = |row: &Row| (row.rule.clone(), row.place.clone(), row.ecosystem.clone());
        key(a).cmp(&key(b))
    });
    Ok(Report {
        at: now,
        took: started.elapsed(),
        ruleset: ruleset.hash().to_string(),
        rows,
    })
}

/// Cases that can be published together: no two of them with a package of the same name.
fn rounds(cases: Vec<Case>) -> Vec<Vec<Case>> {
    let mut rounds: Vec<(BTreeSet<PackageName>, Vec<Case>)> = Vec::new();
    for case in cases {
        let is_free = |taken: &BTreeSet<PackageName>| {
            !taken.contains(&case.bad) && !taken.contains(&case.good)
        };
        let names = [case.bad.clone(), case.good.clone()];
        match rounds.iter_mut().find(|(taken, _)| is_free(taken)) {
            Some((taken, round)) => {
                taken.extend(names);
                round.push(case);
            }
            None => rounds.push((names.into(), vec![case])),
        }
    }
    rounds.into_iter().map(|(_, round)| round).collect()
}

/// Publishes cases and asks for each.
async fn play(
    ruleset: &Arc<Ruleset>,
    inspector: &Arc<dyn Inspector>,
    cases: Vec<Case>,
    now: Timestamp,
) -> Result<Vec<Row>, SelfTestError> {
    let bound = Bound::new().await.map_err(SelfTestError::Listen)?;
    let mut shelf = Shelf::new(bound.origin.clone());
    let mut missed = Vec::new();
    for case in &cases {
        for (name, fixture) in packages(case) {
            shelf.publish(case.registry, name, fixture);
            missed.extend(fixture.asked_in_vain_at.map(|at| {
                Entry::Missed(Missed {
                    at,
                    package: name.clone(),
                })
            }));
        }
    }
    let config = Arc::new(configuration(&bound, &cases)?);
    let stores = Stores {
        blobs: Arc::new(MemoryBlobs::new()),
        cache: Arc::new(MemoryIndex::new()),
        evidence: Arc::new(MemoryEvidence::new()),
    };
    if !missed.is_empty() {
        stores.evidence.append(missed).await?;
    }
    let engine = Engine::new(Parts {
        public_url: ask::public_url(),
        ruleset: Arc::clone(ruleset),
        advisories: Arc::new(advisories(&cases, now)?),
        names: crate::names::Names::built_in(),
        indicators: cordon_policy::inspect::indicators::IndicatorSet::built_in(),
        stores,
        upstreams: Upstreams::new(&config.upstreams, &config.limits)?,
        clock: Arc::new(Standing(now)),
        ids: Arc::new(RandomIds),
        inspector: Arc::clone(inspector),
        scanners: Arc::new(crate::inspection::scanner::Scanners::none()),
        metrics: Arc::new(crate::app::metrics()),
        config,
    });
    let asker = Arc::new(Asker {
        engine: Arc::clone(&engine),
        upstream: bound.serve(shelf),
    });
    let asked = futures_util::stream::iter(cases).map(|case| {
        let asker = Arc::clone(&asker);
        async move { asker.row(&case).await }
    });
    let rows = asked.buffer_unordered(AT_ONCE).collect().await;
    engine.finish().await;
    Ok(rows)
}

/// What a case publishes.
fn packages(case: &Case) -> impl Iterator<Item = (&PackageName, &Fixture)> {
    let good = match &case.pair.good {
        Good::Package(good) => Some((&case.good, &**good)),
        Good::Version(_) | Good::Impossible(_) => None,
    };
    std::iter::once((&case.bad, &case.pair.bad)).chain(good)
}

fn configuration(bound: &Bound, cases: &[Case]) -> Result<Config, SelfTestError> {
    let mut text = "[server]\ndata = \"/nowhere\"\n".to_owned();
    let mut written = BTreeSet::new();
    for case in cases {
        let ecosystem = case.registry.scheme().ecosystem();
        if written.insert(ecosystem.as_str()) {
            let base = Shelf::base(&bound.origin, case.registry);
            text.push_str(&format!(
                "\n[[upstream.{ecosystem}]]\nid = \"{UPSTREAM}\"\nurl = \"{base}\"\n"
            ));
        }
    }
    let source = PolicySource {
        name: "self-test".to_owned(),
        text,
    };
    let folder = std::path::Path::new("/");
    let read = Config::read(Some(source), folder, &Overrides::default(), &Platform);
    let loaded = read.map_err(|rejected| {
        let problems: Vec<String> = rejected.problems.iter().map(ToString::to_string).collect();
        SelfTestError::Configuration(problems.join("; "))
    })?;
    Ok(loaded.config)
}

/// The advisories about what is published, as a generation of data of its own.
fn advisories(cases: &[Case], now: Timestamp) -> Result<AdvisoryData, SelfTestError> {
    let failed = |why: String| SelfTestError::Advisories(why);
    let mut feeds = Vec::new();
    for registry in crate::registry::all() {
        let scheme = registry.scheme();
        let mut builder = IndexBuilder::new(scheme);
        let own = cases
            .iter()
            .filter(|case| case.registry.scheme().ecosystem() == scheme.ecosystem());
        for (number, case) in own.enumerate() {
            let fixture = &case.pair.bad;
            let Some(advised) = fixture.advisory else {
                continue;
            };
            let record = record(
                number,
                advised,
                scheme.osv_name(),
                &case.bad,
                &fixture.version,
                now,
            );
            let added = builder.add("self-test", record.as_bytes());
            added.map_err(|error| failed(error.to_string()))?;
        }
        let finished = builder
            .finish(now)
            .map_err(|error| failed(error.to_string()))?;
        let digest = Digest::of(&finished.0);
        let index = AdvisoryIndex::open(finished.0).map_err(|error| failed(error.to_string()))?;
        let loaded = LoadedFeed {
            index: Arc::new(index),
            digest,
            belief: Arc::new(Belief::new(now, now.saturating_add(BELIEVED))),
            gap: None,
            held_back: None,
        };
        feeds.push((scheme.ecosystem().clone(), EcosystemFeed::Loaded(loaded)));
    }
    Ok(AdvisoryData::new(feeds))
}

fn record(
    number: usize,
    advised: Advised,
    ecosystem: &str,
    name: &PackageName,
    version: &str,
    now: Timestamp,
) -> String {
    let id = match advised {
        Advised::Vulnerable => format!("CORDON-SELF-TEST-{number}"),
        Advised::Malware => format!("MAL-0000-{number}"),
    };
    serde_json::json!({
        "id": id,
        "modified": now.to_string(),
        "published": now.to_string(),
        "severity": [{
            "type": "CVSS_V3",
            "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H",
        }],
        "affected": [{
            "package": {"ecosystem": ecosystem, "name": name.as_published()},
            "versions": [version],
        }],
    })
    .to_string()
}
