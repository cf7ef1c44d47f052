//! What is believed of upstream's documents, for how long, and what stands in for them.

use cordon_storage::blob::FilesystemBlobs;
use cordon_storage::cache::{DocumentKey, DocumentState, MemoryIndex};
use cordon_storage::evidence::{Evidence as _, MemoryEvidence};
use cordon_tests::fake_registry::{Fault, Release};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Where the document of a package is remembered.
fn key(protocol: Protocol, kind: &str, package: &str) -> DocumentKey {
    DocumentKey {
        ecosystem: protocol.purl_type().into(),
        upstream: "fake".into(),
        kind: kind.into(),
        name: package.into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_stored_document_is_set_aside_and_fetched_again() {
    for left in [0, 300 * 1024, 399 * 1024] {
        let folder = tempfile::tempdir().expect("a folder");
        let evidence = Arc::new(MemoryEvidence::new());
        let stores = Stores {
            blobs: Arc::new(FilesystemBlobs::open(folder.path()).expect("a store")),
            cache: Arc::new(MemoryIndex::new()),
            evidence: Arc::clone(&evidence) as _,
        };
        let mut scene = Scene::over(stores, ALLOW_ALL, "");
        let long = "x".repeat(400 * 1024);
        let release = Release::npm("long", "1.0.0").field("description", long);
        scene.registry.publish(release);
        assert_eq!(scene.document(Protocol::Npm, "long").await.status, 200);
        scene.restart().await;
        let key = key(Protocol::Npm, "packument", "long");
        let record = scene.stores.cache.document(&key);
        let record = record.await.expect("it can be read").expect("it was kept");
        let DocumentState::Present { blob, .. } = &record.state else {
            panic!("{record:?}");
        };
        truncate(folder.path(), &blob.hex(), left);
        let again = scene.document(Protocol::Npm, "long").await;
        assert_eq!(again.status, 200, "{left}: {}", again.text());
        assert_eq!(scene.asked(Protocol::Npm, "long"), 2, "{left}");
        scene.engine.finish().await;
        let entries = evidence.entries(0, 1000).await.expect("readable");
        let notices = entries
            .iter()
            .filter(|entry| format!("{entry:?}").contains("blob-damaged"));
        assert_eq!(notices.count(), 1, "{left}");
    }
}

/// Cuts the blob of that digest, wherever the store keeps it.
fn truncate(folder: &Path, hex: &str, left: u64) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| *name == *hex) {
                let file = std::fs::File::options().write(true).open(path);
                file.and_then(|file| file.set_len(left)).expect("writable");
                return;
            }
        }
    }
    panic!("no blob {hex}");
}

/// M-56, H-53: what cannot be read never replaces what could.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_document_leaves_the_last_good_one_in_its_place() {
    let mut scene = Scene::new();
    for protocol in Protocol::ALL {
        let good = scene.document(protocol, PACKAGE).await;
        assert_eq!(good.status, 200, "{}", good.text());
        let path = scene.registry.document_path(protocol, PACKAGE);
        for is_restarted in [false, true] {
            if is_restarted {
                scene.restart().await;
            }
            scene.advance(HOUR).await;
            scene.registry.log().clear();
            scene.registry.fault_times(&path, Fault::HtmlPage(200), 1);
            let stale = scene.document(protocol, PACKAGE).await;
            assert_eq!(stale.status, 200, "{protocol:?}: {}", stale.text());
            assert_eq!(stale.body, good.body, "{protocol:?}");
            assert!(stale.is_stale, "{protocol:?}");
            scene.advance(Duration::from_secs(5)).await;
            let fresh = scene.document(protocol, PACKAGE).await;
            assert_eq!((fresh.status, fresh.is_stale), (200, false), "{protocol:?}");
            assert_eq!(scene.registry.log().gets(&path), 2, "{protocol:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_first_document_is_not_kept() {
    let scene = Scene::new();
    for (protocol, kind) in [
        (Protocol::Npm, "packument"),
        (Protocol::Pypi, "simple"),
        (Protocol::Cargo, "index"),
    ] {
        let path = scene.registry.document_path(protocol, PACKAGE);
        scene.registry.fault(&path, Fault::HtmlPage(200));
        let got = scene.document(protocol, PACKAGE).await;
        assert_eq!(got.status, 502, "{protocol:?}: {}", got.text());
        scene.engine.finish().await;
        let key = key(protocol, kind, PACKAGE);
        let record = scene.stores.cache.document(&key);
        assert_eq!(record.await.expect("readable"), None, "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwarded_documents_must_be_json() {
    let scene = Scene::new();
    let keys = "/npm/-/npm/v1/keys";
    scene
        .registry
        .put(keys, "application/json", "{\"keys\":[]}");
    assert_eq!(scene.get("npm/-/npm/v1/keys").await.status, 200);
    scene.advance(HOUR).await;
    scene.registry.fault(keys, Fault::HtmlPage(200));
    let got = scene.get("npm/-/npm/v1/keys").await;
    assert_eq!((got.status, got.text().as_str()), (200, "{\"keys\":[]}"));
    let cold = Scene::new();
    cold.registry.fault(keys, Fault::HtmlPage(200));
    assert_eq!(cold.get("npm/-/npm/v1/keys").await.status, 502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_that_fails_or_is_missing_is_502_and_not_404() {
    let scene = Scene::new();
    let legacy = "/pypi/pypi/demo-package/json";
    scene.registry.fault(legacy, Fault::Status(500));
    let got = scene.get("pypi/pypi/demo-package/json").await;
    assert_eq!(got.status, 502, "{}", got.text());
    let other = Scene::new();
    other
        .registry
        .fault_times("/cargo/config.json", Fault::Status(404), 1);
    let path = document(Protocol::Cargo, PACKAGE);
    let file = "cargo/api/v1/crates/demo-package/1.0.0/download";
    let got = other.get(file).await;
    assert_eq!(got.status, 502, "{path}: {}", got.text());
    // Nor is that believed: as soon as failures are forgotten, it is there.
    let mut other = other;
    other.restart().await;
    assert_eq!(other.get(file).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_own_404_of_the_json_about_a_project_stays_404() {
    let scene = Scene::new();
    let legacy = "/pypi/pypi/demo-package/json";
    scene.registry.fault(legacy, Fault::Status(404));
    let got = scene.get("pypi/pypi/demo-package/json").await;
    assert_eq!(got.status, 404, "{}", got.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_in_a_redirected_page_are_read_against_where_it_was_after_a_restart() {
    let mut scene = Scene::new();
    let path = scene.registry.document_path(Protocol::Pypi, PACKAGE);
    let wheel = "demo_package-1.0.0-py3-none-any.whl";
    let bytes = scene.registry.bytes_of(Protocol::Pypi, PACKAGE, "1.0.0");
    let digest = scene.registry.digest_of(Protocol::Pypi, PACKAGE, "1.0.0");
    let page = format!(
        "<!DOCTYPE html><html><body><a href=\"../../files/{wheel}#sha256={digest}\">{wheel}</a>\
         </body></html>"
    );
    scene.registry.put("/moved/a/page/", "text/html", page);
    let there = scene
        .registry
        .upstream(Protocol::Pypi)
        .replace("/pypi/simple/", "/moved/a/page/");
    scene.registry.fault(&path, Fault::redirect_to(there));
    scene.registry.put(
        "/moved/files/demo_package-1.0.0-py3-none-any.whl",
        "x/y",
        bytes.clone(),
    );
    assert_eq!(scene.document(Protocol::Pypi, PACKAGE).await.status, 200);
    scene.restart().await;
    let got = scene.get(&format!("pypi/files/demo-package/{wheel}")).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.body, bytes);
    assert_eq!(scene.asked(Protocol::Pypi, PACKAGE), 1);
}

/// H-61: an answer that refuses is no outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_outage_is_stood_in_for() {
    for (fault, stands_in) in [
        (Fault::Status(451), false),
        (Fault::Status(401), false),
        (Fault::Status(403), false),
        (Fault::redirect_to("http://files.example/x"), false),
        (Fault::redirect_to(""), false),
        (Fault::Status(503), true),
        (Fault::Status(429), true),
        (Fault::Close, true),
        (Fault::CutAt(10), true),
        (Fault::MislabelledGzip, true),
    ] {
        let scene = Scene::new();
        assert_eq!(scene.document(Protocol::Npm, PACKAGE).await.status, 200);
        scene.advance(HOUR).await;
        let path = scene.registry.document_path(Protocol::Npm, PACKAGE);
        scene.registry.fault(&path, Fault::NoValidators);
        scene.registry.fault(&path, fault.clone());
        let got = scene.document(Protocol::Npm, PACKAGE).await;
        let expected = if stands_in { (200, true) } else { (502, false) };
        assert_eq!((got.status, got.is_stale), expected, "{fault:?}");
    }
}

/// F-30: a clock that was ahead makes nothing immortal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_makes_documents_and_absences_old() {
    let mut scene = Scene::new();
    scene.advance(365 * 24 * HOUR).await;
    assert_eq!(scene.document(Protocol::Npm, PACKAGE).await.status, 200);
    assert_eq!(scene.document(Protocol::Npm, "absent").await.status, 404);
    scene.turn_back(365 * 24 * HOUR).await;
    // In memory, and from the store.
    for asked in [2, 3] {
        assert_eq!(scene.document(Protocol::Npm, PACKAGE).await.status, 200);
        assert_eq!(scene.asked(Protocol::Npm, PACKAGE), asked);
        assert_eq!(scene.document(Protocol::Npm, "absent").await.status, 404);
        scene.restart().await;
        scene.turn_back(HOUR).await;
    }
    assert_eq!(scene.asked(Protocol::Npm, "absent"), 3);
    let asked = scene.registry.log().of("/npm/demo-package");
    assert!(
        asked
            .iter()
            .skip(1)
            .all(|r| r.header("if-none-match").is_some())
    );
}
