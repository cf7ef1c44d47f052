//! What upstream takes back after it was had from there.

use cordon_policy::facts::RemovalScope;
use cordon_storage::StorageErrorKind;
use cordon_storage::conformance::Faults;
use cordon_storage::evidence::{Entry, Exposure, ExposureFilter, FaultyEvidence, Outcome};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const LIFECYCLE: &str = "[rules.integrity]\n\n[rules.lifecycle]\n";

/// The address of a version's file below the root.
fn file(scene: &Scene, protocol: Protocol, version: &str) -> String {
    match protocol {
        Protocol::Npm => format!("npm/{PACKAGE}/-/{PACKAGE}-{version}.tgz"),
        Protocol::Pypi => {
            let path = scene.registry.file_path(protocol, PACKAGE, version);
            let name = path.rsplit('/').next().unwrap_or_default();
            format!("pypi/files/{PACKAGE}/{name}")
        }
        Protocol::Cargo => {
            let digest = scene.registry.digest_of(protocol, PACKAGE, version);
            format!("cargo/crates/{PACKAGE}/{version}/{digest}/download")
        }
    }
}

impl Scene {
    /// The removals on record, oldest first.
    async fn removals(&self) -> Vec<(String, Option<RemovalScope>)> {
        let entries = self.stores.evidence.entries(0, 10_000).await;
        let entries = entries.expect("evidence in memory");
        let of = |(_, entry)| match entry {
            Entry::Removal(it) => Some((it.artifact.subject.version.as_str().to_owned(), it.scope)),
            _ => None,
        };
        entries.into_iter().filter_map(of).collect()
    }

    async fn exposures(&self) -> Vec<Exposure> {
        let filter = ExposureFilter::default();
        let found = self.stores.evidence.exposures(&filter);
        let found = found.await.expect("evidence in memory");
        found.into_iter().map(|it| it.exposure).collect()
    }

    /// The digest of the archive that was kept.
    async fn registry_bytes(&self, protocol: Protocol) -> cordon_policy::model::Digest {
        let all = self.stores.cache.artifacts().await.expect("an index");
        let mut all = all.into_iter();
        let is_ours = |id: &cordon_policy::model::ArtifactId| {
            id.subject.name.ecosystem().as_str() == protocol.purl_type()
        };
        let found = all.find(|(id, _)| is_ours(id));
        found.expect("it was kept").1.sha256
    }

    async fn notices(&self) -> Vec<String> {
        let found = self.stores.evidence.notices(100).await;
        let found = found.expect("evidence in memory").into_iter();
        found.map(|it| it.notice.code.to_string()).collect()
    }
}

/// A scene in which `1.1.0` was served, and the address it is at.
pub(super) async fn served(protocol: Protocol, policy: &'static str) -> (Scene, String) {
    served_in(Scene::with(policy, ""), protocol).await
}

async fn served_in(scene: Scene, protocol: Protocol) -> (Scene, String) {
    let url = file(&scene, protocol, "1.1.0");
    let asked = request(&url);
    let client = asked.client.clone();
    let Reply::Artifact(cleared) = scene.engine.answer(asked).await else {
        panic!("{protocol:?}: {url} is not served");
    };
    scene
        .engine
        .note(cleared.decision(), &client, Outcome::Served);
    scene.advance(HOUR).await;
    (scene, url)
}

const REMOVED: Option<RemovalScope> = Some(RemovalScope::Version);
const GONE: Option<RemovalScope> = Some(RemovalScope::Project);

fn of_one(scope: Option<RemovalScope>) -> (String, Option<RemovalScope>) {
    ("1.1.0".to_owned(), scope)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_removed_upstream_is_refused_although_its_bytes_are_kept() {
    for protocol in Protocol::ALL {
        let (scene, url) = served(protocol, LIFECYCLE).await;
        scene.registry.delete(protocol, PACKAGE, "1.1.0");
        let page = scene.document(protocol, PACKAGE).await;
        assert_eq!(page.status, 200, "{protocol:?}");
        assert!(!page.text().contains("1.1.0\""), "{}", page.text());
        let refused = scene.get(&url).await;
        assert_eq!(refused.status, 403, "{protocol:?}: {}", refused.text());
        let text = refused.text();
        assert!(text.contains("removed") && text.contains("1.0.0"), "{text}");
        // What was never had is not there, as before.
        assert_eq!(scene.removals().await, [of_one(REMOVED)]);
        scene.engine.finish().await;
        let exposures = scene.exposures().await;
        assert_eq!(exposures.len(), 1, "{exposures:?}");
        assert_eq!(exposures[0].received_by[0].client.address, "192.0.2.1");
        assert_eq!(scene.notices().await, ["removed-upstream"]);
        // Once told, it is told.
        scene.advance(HOUR).await;
        assert_eq!(scene.get(&url).await.status, 403);
        scene.engine.finish().await;
        assert_eq!(scene.exposures().await.len(), 1);
        assert_eq!(scene.removals().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_an_outage_nor_a_restart_brings_it_back() {
    for protocol in Protocol::ALL {
        let (mut scene, url) = served(protocol, LIFECYCLE).await;
        let path = scene.registry.document_path(protocol, PACKAGE);
        let documents = scene.stores.cache.documents().await.expect("an index");
        scene.registry.delete(protocol, PACKAGE, "1.1.0");
        assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
        scene.restart().await;
        assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
        scene.engine.finish().await;
        // As if the newer document had not been kept any more.
        for (key, record) in &documents {
            let put = scene.stores.cache.put_document(key, record).await;
            put.expect("an index");
        }
        scene.restart().await;
        scene
            .registry
            .fault(&path, cordon_tests::fake_registry::Fault::Close);
        let page = scene.document(protocol, PACKAGE).await;
        assert!(page.is_stale, "{protocol:?}: {}", page.text());
        assert_eq!(
            page.text().contains("\"yanked\":true"),
            protocol == Protocol::Cargo
        );
        assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
        assert_eq!(scene.removals().await, [of_one(REMOVED)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_listed_again_is_released_at_once_and_that_is_on_record() {
    for protocol in Protocol::ALL {
        let (scene, url) = served(protocol, LIFECYCLE).await;
        let bytes = scene.registry.bytes_of(protocol, PACKAGE, "1.1.0");
        scene.registry.delete(protocol, PACKAGE, "1.1.0");
        assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
        scene.registry.publish_all(protocol, PACKAGE, &["1.1.0"]);
        scene.advance(HOUR).await;
        let got = scene.get(&url).await;
        assert_eq!(got.status, 200, "{protocol:?}: {}", got.text());
        assert_eq!(got.body, bytes, "{protocol:?}");
        assert_eq!(scene.removals().await, [of_one(REMOVED), of_one(None)]);
        assert_eq!(scene.notices().await, ["removed-upstream", "listed-again"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_had_and_what_is_yanked_is_not_removed() {
    for protocol in Protocol::ALL {
        let (scene, url) = served(protocol, LIFECYCLE).await;
        scene.registry.delete(protocol, PACKAGE, "1.0.0");
        if protocol != Protocol::Npm {
            scene.registry.yank(protocol, PACKAGE, "1.1.0", "broken");
        }
        assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
        assert_eq!(scene.removals().await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_may_go_on_with_what_was_removed() {
    const GOES_ON: &str = "[rules.integrity]\n\n[rules.lifecycle]\nremoved = \"ignore\"\n";
    for protocol in Protocol::ALL {
        for policy in [GOES_ON, ALLOW_ALL] {
            let (scene, url) = served(protocol, policy).await;
            scene.registry.delete(protocol, PACKAGE, "1.1.0");
            let got = scene.get(&url).await;
            assert_eq!(got.status, 200, "{protocol:?}: {}", got.text());
            assert_eq!(scene.removals().await, [of_one(REMOVED)]);
        }
    }
}

/// Row N13: upstream took down all of it; who has a lock file goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_use_of_a_project_that_is_gone_is_served_and_nothing_else() {
    for protocol in Protocol::ALL {
        let (mut scene, url) = served(protocol, LIFECYCLE).await;
        let other = file(&scene, protocol, "1.0.0");
        scene.registry.delete_package(protocol, PACKAGE);
        let page = scene.document(protocol, PACKAGE).await;
        assert_eq!(page.status, 200, "{protocol:?}: {}", page.text());
        let text = page.text();
        assert!(text.contains("1.1.0") && !text.contains("1.0.0"), "{text}");
        assert!(page.is_stale, "{protocol:?}: it is marked");
        assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
        assert_eq!(scene.get(&other).await.status, 404, "{protocol:?}");
        // It may be a mistake of a moment.
        assert_eq!(scene.removals().await, []);
        scene.advance(2 * HOUR).await;
        assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
        assert_eq!(scene.removals().await, [of_one(GONE)]);
        assert_eq!(scene.notices().await, ["project-removed-upstream"]);
        assert_eq!(scene.exposures().await.len(), 0);
        scene.restart().await;
        scene.advance(2 * HOUR).await;
        let page = scene.document(protocol, PACKAGE).await;
        assert_eq!((page.status, page.text()), (200, text), "{protocol:?}");
        // Also while upstream is away.
        let path = scene.registry.document_path(protocol, PACKAGE);
        scene
            .registry
            .fault(&path, cordon_tests::fake_registry::Fault::Close);
        scene.advance(2 * HOUR).await;
        assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
        assert_eq!(scene.removals().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_that_is_back_without_a_version_has_removed_it() {
    for protocol in Protocol::ALL {
        let (scene, url) = served(protocol, LIFECYCLE).await;
        if protocol == Protocol::Cargo {
            // An index file without a line is none; a crate that was deleted is not found.
            scene.registry.delete_package(protocol, PACKAGE);
            assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
            scene.advance(HOUR).await;
        } else {
            // A document without a file is no mistake of a moment.
            for version in ["1.0.0", "1.1.0"] {
                scene.registry.delete(protocol, PACKAGE, version);
            }
        }
        assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
        assert_eq!(scene.removals().await, [of_one(GONE)], "{protocol:?}");
        scene.registry.publish_all(protocol, PACKAGE, &["1.0.0"]);
        scene.advance(HOUR).await;
        assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
        // Gone again, it stays removed.
        scene.registry.delete_package(protocol, PACKAGE);
        for _ in 0..2 {
            scene.advance(HOUR).await;
            assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
        }
        assert!(scene.document(protocol, PACKAGE).await.status >= 403);
        let removals = [of_one(GONE), of_one(REMOVED)];
        assert_eq!(scene.removals().await, removals);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_that_is_gone_may_be_refused_by_policy() {
    const REFUSES: &str = "[rules.integrity]\n\n[rules.lifecycle]\nproject_removed = \"block\"\n";
    for protocol in Protocol::ALL {
        let (scene, url) = served(protocol, REFUSES).await;
        scene.registry.delete_package(protocol, PACKAGE);
        assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
        assert!(scene.document(protocol, PACKAGE).await.status >= 403);
    }
}

/// Row N01: npm puts a placeholder in the place of a package.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_placeholder_is_a_project_that_is_gone() {
    let (scene, url) = served(Protocol::Npm, LIFECYCLE).await;
    for version in ["1.0.0", "1.1.0"] {
        scene.registry.delete(Protocol::Npm, PACKAGE, version);
    }
    let placeholder = &["0.0.1-security"];
    scene
        .registry
        .publish_all(Protocol::Npm, PACKAGE, placeholder);
    assert_eq!(scene.get(&url).await.status, 200);
    let page = scene.document(Protocol::Npm, PACKAGE).await;
    assert!(
        page.text().contains("\"latest\":\"1.1.0\""),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("0.0.1-security"), "{}", page.text());
    assert_eq!(scene.removals().await, [of_one(GONE)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_bytes_or_its_document_there_is_less_of_it() {
    for protocol in Protocol::ALL {
        let (mut scene, url) = served(protocol, LIFECYCLE).await;
        scene.registry.delete_package(protocol, PACKAGE);
        assert_eq!(scene.document(protocol, PACKAGE).await.status, 200);
        scene.engine.finish().await;
        for (key, _) in scene.stores.cache.documents().await.expect("an index") {
            scene
                .stores
                .cache
                .remove_document(&key)
                .await
                .expect("an index");
        }
        scene.restart().await;
        let page = scene.document(protocol, PACKAGE).await;
        assert_eq!(page.status, 404, "{protocol:?}: {}", page.text());
        assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
        let bytes = scene.registry_bytes(protocol).await;
        scene.stores.blobs.delete(&bytes).await.expect("a store");
        scene.restart().await;
        let got = scene.get(&url).await;
        assert_eq!(got.status, 404, "{protocol:?}");
        assert!(got.text().contains("not kept here"), "{}", got.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_never_had_is_not_found_and_a_crate_in_another_spelling_is_not_gone() {
    let (scene, url) = served(Protocol::Cargo, LIFECYCLE).await;
    let other = scene.document(Protocol::Cargo, "demo_package").await;
    assert_eq!(other.status, 404, "{}", other.text());
    scene.advance(HOUR).await;
    let other = scene.document(Protocol::Cargo, "demo_package").await;
    assert_eq!(other.status, 404, "{}", other.text());
    assert_eq!(scene.get(&url).await.status, 200);
    assert_eq!(scene.removals().await, []);
}

/// Nobody asks, and yet it is told who has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_over_what_is_in_use_finds_what_was_removed() {
    for protocol in Protocol::ALL {
        let (scene, url) = served(protocol, LIFECYCLE).await;
        scene.registry.delete(protocol, PACKAGE, "1.1.0");
        let mut after = None;
        let next = scene.engine.recheck_next(&mut after).await;
        assert!(next.expect("evidence in memory"), "{protocol:?}");
        assert_eq!(scene.removals().await, [of_one(REMOVED)]);
        scene.engine.finish().await;
        let exposures = scene.exposures().await;
        assert_eq!(exposures.len(), 1, "{protocol:?}");
        assert_eq!(exposures[0].received_by.len(), 1, "{protocol:?}");
        let next = scene.engine.recheck_next(&mut after).await;
        assert!(!next.expect("evidence in memory") && after.is_none());
        assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_round_asks_for_nothing_that_was_never_allowed() {
    const DENIES: &str = "[rules.integrity]\n\n[rules.deny]\npurls = [\"pkg:npm/demo-package\"]\n";
    let scene = Scene::with(DENIES, "");
    assert_ne!(scene.document(Protocol::Npm, PACKAGE).await.status, 200);
    scene.advance(HOUR).await;
    let before = scene.asked(Protocol::Npm, PACKAGE);
    let next = scene.engine.recheck_next(&mut None).await;
    assert!(!next.expect("evidence in memory"));
    assert_eq!(scene.asked(Protocol::Npm, PACKAGE), before);
}

/// What was found out and could not be recorded is not acted upon by half: nothing is answered, and
/// it is found out anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_cannot_be_recorded_serves_nothing() {
    for protocol in Protocol::ALL {
        let faults = Faults::none();
        let stores = Stores {
            blobs: Arc::new(MemoryBlobs::new()),
            cache: Arc::new(MemoryIndex::new()),
            evidence: Arc::new(FaultyEvidence::new(
                MemoryEvidence::new(),
                Arc::clone(&faults),
            )),
        };
        let (mut scene, url) = served_in(Scene::over(stores, LIFECYCLE, ""), protocol).await;
        scene.registry.delete(protocol, PACKAGE, "1.1.0");
        for operation in ["append", "remembered", "latest"] {
            faults.fail_from(operation, 0, StorageErrorKind::Full);
            let got = scene.get(&url).await;
            assert_eq!(got.status, 503, "{protocol:?} {operation}: {}", got.text());
            assert_ne!(scene.document(protocol, PACKAGE).await.status, 200);
            faults.heal();
        }
        assert_eq!(scene.get(&url).await.status, 403, "{protocol:?}");
        assert_eq!(scene.removals().await, [of_one(REMOVED)]);
        // Recorded, although that seemed to fail.
        scene.registry.publish_all(protocol, PACKAGE, &["1.1.0"]);
        scene.advance(HOUR).await;
        faults.tear("append", faults.calls("append") + 1, 0);
        assert_eq!(scene.get(&url).await.status, 503, "{protocol:?}");
        assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
        scene.restart().await;
        assert_eq!(scene.get(&url).await.status, 200, "{protocol:?}");
    }
}
