//! What a failing upstream does, and to whom.

use cordon_tests::fake_registry::Fault;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// How often an upstream of that ecosystem must fail for it to be given a rest.
async fn failures_until_rest(fault: Fault) -> Option<usize> {
    let scene = Scene::new();
    scene.registry.fault("/npm/*", fault);
    for count in 1..=8 {
        let got = scene
            .document(Protocol::Npm, &format!("name-{count}"))
            .await;
        assert!(got.status >= 500, "{}", got.status);
        if scene
            .engine
            .upstreams()
            .all()
            .iter()
            .any(|u| u.is_resting())
        {
            return Some(count);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_counts_once_whenever_it_shows() {
    assert_eq!(failures_until_rest(Fault::Close).await, Some(5));
    assert_eq!(failures_until_rest(Fault::Status(503)).await, Some(5));
    assert_eq!(failures_until_rest(Fault::Status(429)).await, Some(5));
    assert_eq!(failures_until_rest(Fault::Status(403)).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_never_come_give_the_upstream_a_rest() {
    let scene = Scene::with(ALLOW_ALL, "[limits]\nupstream_read_timeout = \"1s\"\n");
    let names: Vec<String> = (0..6).map(|number| format!("stalled-{number}")).collect();
    for name in &names {
        scene.registry.publish_all(Protocol::Npm, name, &["1.0.0"]);
    }
    scene.registry.fault("/npm/stalled-*", Fault::StallAt(10));
    // Heads that arrive in between are no sign of health.
    for some in names.chunks(3) {
        let asking = some.iter().map(|name| scene.document(Protocol::Npm, name));
        for got in futures_util::future::join_all(asking).await {
            assert_eq!(got.status, 504, "{}", got.text());
        }
    }
    assert!(
        scene
            .engine
            .upstreams()
            .all()
            .iter()
            .any(|u| u.is_resting())
    );
}

/// INV-49: one hung upstream stops nobody but those who ask it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_upstream_stops_no_other() {
    let scene = Arc::new(Scene::new());
    assert_eq!(scene.document(Protocol::Npm, PACKAGE).await.status, 200);
    scene.registry.fault("/npm/stalled-*", Fault::StallHead);
    let asking: Vec<_> = (0..200)
        .map(|number| {
            let scene = Arc::clone(&scene);
            let name = format!("stalled-{number}");
            tokio::spawn(async move { scene.document(Protocol::Npm, &name).await.status })
        })
        .collect();
    let log = scene.registry.log();
    tokio::task::block_in_place(|| {
        log.wait_until(PATIENCE, |all| {
            all.iter().filter(|r| r.path.contains("stalled")).count() >= 64
        });
    });
    let cold = scene.document(Protocol::Pypi, PACKAGE);
    let cold = tokio::time::timeout(PATIENCE, cold).await;
    assert_eq!(cold.expect("it is not held up").status, 200);
    // What needs no upstream is answered of the hung one as well.
    let fresh = engine(
        &scene.registry,
        &scene.clock,
        &scene.stores,
        scene.policy,
        scene.sections,
    );
    let known = tokio::time::timeout(PATIENCE, get(&fresh, "npm/demo-package")).await;
    assert_eq!(known.expect("it is not held up").status, 200);
    let stored = scene.document(Protocol::Npm, PACKAGE);
    let stored = tokio::time::timeout(PATIENCE, stored).await;
    assert_eq!(stored.expect("it is not held up").status, 200);
    assert!(asking.iter().all(|asking| !asking.is_finished()));
    scene.registry.clear_faults();
}

/// A file that is listed but not there is looked for once, not for each who asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_file_that_is_missing_is_not_looked_for_again_at_once() {
    let scene = Scene::new();
    let path = scene.registry.file_path(Protocol::Npm, PACKAGE, "1.0.0");
    scene.registry.fault(&path, Fault::Status(404));
    for _ in 0..20 {
        let got = scene.get("npm/demo-package/-/demo-package-1.0.0.tgz").await;
        assert_eq!(got.status, 404, "{}", got.text());
    }
    assert_eq!(scene.registry.log().gets(&path), 1);
}
