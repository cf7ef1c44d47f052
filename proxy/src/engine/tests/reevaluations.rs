//! What is on record judged again (flow d).

use std::sync::atomic::AtomicBool;

use cordon_policy::advisory::{AdvisoryIndex, IndexBuilder};
use cordon_policy::decision::Cause;
use cordon_policy::ecosystem::{NPM, Npm};
use cordon_policy::model::{Digest, PackageName, Scheme as _};
use cordon_policy::verdict::Effect;
use cordon_storage::evidence::{ExposureFilter, LogFilter, Outcome};
use cordon_storage::generations::Generations;

use super::*;
use crate::engine::{Reevaluated, Scope};
use crate::feeds::AdvisoryData;
use crate::feeds::data::{Belief, EcosystemFeed, LoadedFeed};

const POLICY: &str = "[rules.integrity]\n[rules.malware]\n";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Data that calls these versions malware.
fn data(bad: &[(&str, &str)]) -> Arc<AdvisoryData> {
    let mut builder = IndexBuilder::new(&Npm);
    for (n, (package, version)) in bad.iter().enumerate() {
        let record = format!(
            r#"{{"id":"MAL-{n}","affected":[{{"package":{{"ecosystem":"npm","name":"{package}"}},
                "versions":["{version}"]}}]}}"#
        );
        builder.add("record", record.as_bytes()).expect("a record");
    }
    let (bytes, _) = builder.finish(Timestamp::from_millis(0)).expect("an index");
    let digest = Digest::of(&bytes);
    let loaded = LoadedFeed {
        index: Arc::new(AdvisoryIndex::open(bytes).expect("an index")),
        digest,
        belief: Arc::new(Belief::new(
            Timestamp::from_millis(0),
            Timestamp::from_millis(i64::MAX),
        )),
        gap: None,
        held_back: None,
    };
    Arc::new(AdvisoryData::new([(NPM, EcosystemFeed::Loaded(loaded))]))
}

fn package(name: &str) -> PackageName {
    Npm.package(name).expect("a name")
}

impl Scene {
    fn judged_by(policy: &'static str, bad: &[(&str, &str)]) -> Self {
        let scene = Self::with(policy, "");
        scene.engine.replace_advisories(data(bad));
        scene
    }

    /// A client receives a version.
    async fn receive(&self, name: &str, version: &str) {
        let path = format!("npm/{name}/-/{name}-{version}.tgz");
        let request = request(&path);
        let client = request.client.clone();
        let Reply::Artifact(cleared) = self.engine.answer(request).await else {
            panic!("{path} is served");
        };
        self.engine
            .note(cleared.decision(), &client, Outcome::Served);
    }

    /// Verdicts and causes on record about a package, oldest first.
    async fn record(&self, name: &str) -> Vec<(Effect, Cause)> {
        let filter = LogFilter {
            package: Some(package(name)),
            ..LogFilter::default()
        };
        let found = self.stores.evidence.decisions(&filter).await;
        let found = found.expect("the store answers").into_iter();
        found
            .map(|logged| {
                let decision = logged.decision;
                (decision.evaluation.effect(), decision.cause)
            })
            .collect()
    }

    async fn exposed(&self) -> Vec<(String, u64)> {
        let all = ExposureFilter {
            limit: 1_000,
            ..ExposureFilter::default()
        };
        let found = self.stores.evidence.exposures(&all).await;
        let found = found.expect("the store answers").into_iter();
        found
            .map(|logged| {
                let exposure = logged.exposure;
                (exposure.artifact.subject.to_string(), exposure.total)
            })
            .collect()
    }

    async fn reevaluate(&self, name: &str) -> Reevaluated {
        let package = package(name);
        let done = self.engine.reevaluate(&package, Cause::AdvisoryRefresh);
        done.await.expect("the store works")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_served_and_is_malware_by_now_is_an_exposure_told_once() {
    let scene = Scene::judged_by(POLICY, &[]);
    scene.receive(PACKAGE, "1.0.0").await;
    scene.receive(PACKAGE, "1.1.0").await;
    assert_eq!(scene.reevaluate(PACKAGE).await.stricter, 0);
    scene.engine.replace_advisories(data(&[(PACKAGE, "1.0.0")]));
    let done = scene.reevaluate(PACKAGE).await;
    let expected = Reevaluated {
        judged: 2,
        stricter: 1,
        milder: 0,
        exposed: 1,
    };
    assert_eq!(done, expected);
    let refused = (Effect::Block, Cause::AdvisoryRefresh);
    assert_eq!(scene.record(PACKAGE).await.last(), Some(&refused));
    let exposures = [(format!("pkg:npm/{PACKAGE}@1.0.0"), 1)];
    assert_eq!(scene.exposed().await, exposures);
    let again = scene.reevaluate(PACKAGE).await;
    assert_eq!((again.stricter, again.exposed), (0, 0), "told once");
    assert_eq!(scene.exposed().await, exposures);
    // Taken back, received again, and bad again: a new exposure, with all receipts.
    scene.engine.replace_advisories(data(&[]));
    assert_eq!(scene.reevaluate(PACKAGE).await.milder, 1);
    scene.receive(PACKAGE, "1.0.0").await;
    scene.engine.replace_advisories(data(&[(PACKAGE, "1.0.0")]));
    assert_eq!(scene.reevaluate(PACKAGE).await.exposed, 1);
    assert_eq!(scene.exposed().await.last().map(|it| it.1), Some(2));
}

/// A request may be faster than the pass: the exposure is found all the same, and the verdict is
/// recorded once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_19_a_request_before_the_pass_is_refused_and_hides_no_exposure() {
    let scene = Scene::judged_by(POLICY, &[]);
    scene.receive(PACKAGE, "1.0.0").await;
    scene.engine.replace_advisories(data(&[(PACKAGE, "1.0.0")]));
    let path = format!("npm/{PACKAGE}/-/{PACKAGE}-1.0.0.tgz");
    assert_eq!(scene.get(&path).await.status, 403);
    let before = scene.record(PACKAGE).await;
    let refused = (Effect::Block, Cause::AdvisoryRefresh);
    assert_eq!(before.last(), Some(&refused));
    let done = scene.reevaluate(PACKAGE).await;
    assert_eq!((done.stricter, done.exposed), (0, 1));
    assert_eq!(scene.record(PACKAGE).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_time_alone_changed_is_no_news() {
    const YOUNG: &str = "[rules.integrity]\n[rules.minimum-age]\nversion_age = \"72h\"\n";
    let scene = Scene::judged_by(YOUNG, &[]);
    let now = jiff::Timestamp::now();
    let young = cordon_tests::fake_registry::Release::npm("fresh", "1.0.0").published_at(now);
    scene.registry.publish(young);
    let _ = scene.document(Protocol::Npm, "fresh").await;
    let held = scene.record("fresh").await;
    assert_eq!(held.len(), 1, "{held:?}");
    scene.advance(4 * DAY).await;
    scene.engine.replace_advisories(data(&[("other", "1.0.0")]));
    let done = scene.reevaluate("fresh").await;
    assert_eq!((done.judged, done.milder), (1, 0));
    assert_eq!(scene.record("fresh").await, held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_received_is_no_exposure() {
    let scene = Scene::judged_by(POLICY, &[]);
    let path = format!("npm/{PACKAGE}/-/{PACKAGE}-1.0.0.tgz");
    assert_eq!(scene.get(&path).await.status, 200);
    scene.engine.replace_advisories(data(&[(PACKAGE, "1.0.0")]));
    let done = scene.reevaluate(PACKAGE).await;
    assert_eq!((done.stricter, done.exposed), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d_20_only_what_is_in_use_and_not_surely_malware_counts_as_newly_refused() {
    const FLAWS: &str = "[rules.integrity]\n[rules.malware]\n[rules.deny]\n";
    let scene = Scene::judged_by(FLAWS, &[]);
    scene.receive(PACKAGE, "1.0.0").await;
    scene.engine.flush_servings().await;
    let all = std::collections::BTreeSet::from([package(PACKAGE), package("unseen")]);
    let since = Timestamp::from_millis(0);
    let listed = data(&[(PACKAGE, "1.0.0")]);
    let counted = scene.engine.newly_refused(&listed, &all, since).await;
    assert!(
        counted.expect("the store works").is_empty(),
        "it is listed malware"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m_26_malware_brought_along_refuses_whoever_brings_it_also_when_it_is_found_out_later() {
    const READS: &str = "[rules.integrity]\n[rules.malware]\n[rules.manifest]\n";
    let evil = [("evil", "6.6.6")];
    let carrier = |name: &str, version: &str| {
        let inner = format!("{{\"name\":\"evil\",\"version\":\"{version}\"}}");
        cordon_tests::fake_registry::Release::npm(name, "1.0.0")
            .source("node_modules/evil/package.json", &inner)
    };
    let scene = Scene::judged_by(READS, &evil);
    scene.registry.publish(carrier("carrier", "6.6.6"));
    scene.registry.publish(carrier("innocent", "6.6.7"));
    let refused = scene.get("npm/carrier/-/carrier-1.0.0.tgz").await;
    let text = refused.text();
    assert_eq!(refused.status, 403, "{text}");
    assert!(
        text.contains("evil 6.6.6") && text.contains("package/node_modules/evil"),
        "{text}"
    );
    let page = scene.document(Protocol::Npm, "carrier").await;
    assert_eq!(page.status, 403, "it is listed no more: {}", page.text());
    let served = scene.get("npm/innocent/-/innocent-1.0.0.tgz").await;
    assert_eq!(served.status, 200, "{}", served.text());

    let scene = Scene::judged_by(READS, &[]);
    scene.registry.publish(carrier("carrier", "6.6.6"));
    scene.receive("carrier", "1.0.0").await;
    scene.engine.replace_advisories(data(&evil));
    let refused = scene.get("npm/carrier/-/carrier-1.0.0.tgz").await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(scene.reevaluate("carrier").await.exposed, 1);
}

/// Runs passes until everything on record was judged by what is in force.
async fn pass(engine: &Arc<Engine>, notes: &Generations) {
    let is_over = Arc::new(AtomicBool::new(false));
    let ended = {
        let (engine, is_over) = (Arc::clone(engine), Arc::clone(&is_over));
        async move {
            while !is_over.load(Ordering::Relaxed) {
                is_over.store(engine.is_reevaluated(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    engine.run_passes(notes.clone(), ended).await;
}

/// More packages than one page, and a process that ends in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_goes_on_where_it_was_and_makes_up_for_what_changed_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let notes = Generations::open(folder.path().join("feeds")).expect("a folder");
    let mut scene = Scene::judged_by(POLICY, &[]);
    let names: Vec<String> = (0..300).map(|n| format!("package-{n:03}")).collect();
    for name in &names {
        scene.registry.publish_all(Protocol::Npm, name, &["1.0.0"]);
        scene.receive(name, "1.0.0").await;
    }
    pass(&scene.engine, &notes).await;
    assert!(scene.exposed().await.is_empty());
    let bad: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1.0.0")).collect();
    scene.engine.replace_advisories(data(&bad));
    let all = names.iter().map(|name| package(name)).collect();
    scene
        .engine
        .reevaluate_later(Cause::AdvisoryRefresh, Scope::Packages(all));
    // One page, then the end.
    scene
        .engine
        .run_passes(notes.clone(), std::future::ready(()))
        .await;
    let found = scene.exposed().await.len();
    assert!((1..300).contains(&found), "{found} after the first page");
    scene.restart().await;
    scene.engine.replace_advisories(data(&bad));
    pass(&scene.engine, &notes).await;
    assert_eq!(scene.exposed().await.len(), 300);
    // Everything was judged by this; nothing is left after another start.
    let entries = scene.stores.evidence.entries(0, 10_000).await;
    let entries = entries.expect("the store answers").len();
    scene.restart().await;
    scene.engine.replace_advisories(data(&bad));
    pass(&scene.engine, &notes).await;
    let later = scene.stores.evidence.entries(0, 10_000).await;
    assert_eq!(later.expect("the store answers").len(), entries);
    // What changed while nobody ran is made up for.
    scene.restart().await;
    scene.engine.replace_advisories(data(&bad[..299]));
    pass(&scene.engine, &notes).await;
    let released = scene.record(&names[299]).await;
    assert_eq!(
        released.last(),
        Some(&(Effect::Allow, Cause::AdvisoryRefresh))
    );
}
