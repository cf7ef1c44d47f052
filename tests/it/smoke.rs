//! The whole way once per protocol: listed, fetched once, verified, refused where policy says so,
//! and understood by the real client.

use std::time::Duration;

use cordon_tests::client::{Sandbox, Tool, http, listing};
use cordon_tests::fake_registry::{Protocol, Release};
use cordon_tests::fixture::{self, OLD, PACKAGE, SETTLED, Scene, YOUNG};

/// Three days of age asked for, in every protocol; the packages themselves are old.
const AGED: &str = "[rules.minimum-age]\nversion_age = \"72h\"\n";

fn what_is_allowed_arrives_unchanged_and_is_fetched_once(protocol: Protocol) {
    let scene = Scene::new();
    let base = scene.cordon.url(protocol);
    let listed = listing::list(protocol, &base, PACKAGE);
    let versions: Vec<&str> = listed.iter().map(|l| l.version.as_str()).collect();
    assert_eq!(versions, [OLD, SETTLED, YOUNG]);
    for one in &listed {
        assert!(one.url.starts_with(&base), "{one:?}");
        let expected = scene.registry.bytes_of(protocol, PACKAGE, &one.version);
        for _ in 0..2 {
            let headers = [
                ("Authorization", "Bearer client-secret"),
                ("Cookie", "a=client-secret"),
            ];
            let reply = http::get_with(&one.url, &headers).expect(200);
            assert_eq!(reply.body, expected, "{one:?}");
            assert_eq!(reply.header("content-encoding"), None);
        }
        let path = scene.registry.file_path(protocol, PACKAGE, &one.version);
        assert_eq!(scene.registry.log().gets(&path), 1, "{path}");
    }
    let document = scene.registry.document_path(protocol, PACKAGE);
    assert_eq!(scene.registry.log().gets(&document), 1);
    for request in scene.registry.log().all() {
        assert!(!request.mentions("client-secret"), "{request:?}");
    }
}

#[test]
fn npm_what_is_allowed_arrives_unchanged_and_is_fetched_once() {
    what_is_allowed_arrives_unchanged_and_is_fetched_once(Protocol::Npm);
}

#[test]
fn pypi_what_is_allowed_arrives_unchanged_and_is_fetched_once() {
    what_is_allowed_arrives_unchanged_and_is_fetched_once(Protocol::Pypi);
}

#[test]
fn cargo_what_is_allowed_arrives_unchanged_and_is_fetched_once() {
    what_is_allowed_arrives_unchanged_and_is_fetched_once(Protocol::Cargo);
}

#[test]
fn a_young_version_is_no_choice_and_is_refused_without_being_fetched() {
    let scene = Scene::with_policy(AGED);
    for protocol in Protocol::ALL {
        let base = scene.cordon.url(protocol);
        assert_eq!(
            listing::choices(protocol, &base, PACKAGE),
            [OLD, SETTLED],
            "{protocol:?}"
        );
        // As a lock file names it: npm and cargo by version, PyPI by the file the page once had.
        let path = scene.registry.file_path(protocol, PACKAGE, YOUNG);
        if protocol != Protocol::Pypi {
            let url = listing::locked_url(protocol, &base, PACKAGE, YOUNG);
            let reply = http::get(&url).expect(403);
            assert!(reply.text().contains("/why/"), "{}", reply.text());
        }
        assert_eq!(scene.registry.log().gets(&path), 0, "{path}");
    }
}

#[test]
fn bytes_that_are_not_what_the_index_declares_never_arrive() {
    let registry = fixture::registry();
    let cordon = cordon_tests::cordon::Cordon::start(&registry);
    for protocol in Protocol::ALL {
        let path = registry.file_path(protocol, PACKAGE, OLD);
        registry.fault(&path, cordon_tests::fake_registry::Fault::WrongBytes);
        let url = listing::locked_url(protocol, &cordon.url(protocol), PACKAGE, OLD);
        let reply = http::get(&url);
        let wrong = registry.bytes_of(protocol, PACKAGE, OLD);
        assert!(reply.status >= 400, "{protocol:?}: {}", reply.status);
        assert_ne!(reply.body, wrong);
    }
}

#[test]
fn npm_installs_the_newest_allowed_version() {
    let scene = Scene::with_policy(AGED);
    let sandbox = Sandbox::new();
    let Some(mut npm) = Tool::Npm.command(&sandbox, &scene.cordon.url(Protocol::Npm)) else {
        return;
    };
    sandbox.write("package.json", r#"{"name":"app","version":"1.0.0"}"#);
    sandbox
        .run(npm.args(["install", PACKAGE]))
        .expect_success()
        .expect_within(Duration::from_secs(60));
    let manifest = sandbox.read(&format!("node_modules/{PACKAGE}/package.json"));
    assert!(manifest.contains(SETTLED), "{manifest}");
}

#[test]
fn pip_installs_the_newest_allowed_version() {
    let scene = Scene::with_policy(AGED);
    let sandbox = Sandbox::new();
    let Some(mut pip) = Tool::Pip.command(&sandbox, &scene.cordon.url(Protocol::Pypi)) else {
        return;
    };
    sandbox
        .run(pip.args(["install", "--target", "site", PACKAGE]))
        .expect_success();
    assert!(sandbox.has(&format!("site/demo_package-{SETTLED}.dist-info/METADATA")));
}

#[test]
fn cargo_locks_the_newest_allowed_version() {
    let scene = Scene::with_policy(AGED);
    let sandbox = Sandbox::new();
    let Some(mut cargo) = Tool::Cargo.command(&sandbox, &scene.cordon.url(Protocol::Cargo)) else {
        return;
    };
    sandbox.write("Cargo.toml", &cargo_manifest("1"));
    sandbox.write("src/lib.rs", "");
    sandbox.run(cargo.arg("fetch")).expect_success();
    let lock = sandbox.read("Cargo.lock");
    assert!(lock.contains(&format!("version = \"{SETTLED}\"")), "{lock}");
    // The replaced source's own name, not ours: the lock file is the one a direct build writes.
    assert!(!lock.contains("127.0.0.1"), "{lock}");
}

/// conformance 92: the version is listed as yanked, so the lock file is honoured as far as the
/// download, where the reason is.
#[test]
fn cargo_with_a_lock_file_prints_why_and_does_not_try_again() {
    let scene = Scene::with_policy(AGED);
    let sandbox = Sandbox::new();
    let base = scene.cordon.url(Protocol::Cargo);
    let Some(mut direct) = Tool::Cargo.command(&sandbox, &scene.registry.upstream(Protocol::Cargo))
    else {
        return;
    };
    sandbox.write("Cargo.toml", &cargo_manifest(&format!("={YOUNG}")));
    sandbox.write("src/lib.rs", "");
    sandbox
        .run(direct.arg("generate-lockfile"))
        .expect_success();
    sandbox.forget_caches();
    scene.registry.log().clear();
    let Some(mut cargo) = Tool::Cargo.command(&sandbox, &base) else {
        return;
    };
    sandbox
        .run(cargo.args(["fetch", "--locked"]))
        .expect_failure()
        .expect_printed("got 403")
        .expect_printed("versions must be 72 h old")
        .expect_printed("nearest allowed 1.1.0")
        .expect_within(Duration::from_secs(20));
    let path = scene.registry.file_path(Protocol::Cargo, PACKAGE, YOUNG);
    assert_eq!(scene.registry.log().gets(&path), 0);
}

fn cargo_manifest(requirement: &str) -> String {
    format!(
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
         [dependencies]\n{PACKAGE} = \"{requirement}\"\n"
    )
}

/// conformance 90: nothing is left of it, so the index file itself is refused, with the reason.
#[test]
fn cargo_prints_why_when_nothing_of_a_package_may_be_had() {
    let scene = Scene::with_policy("[rules.deny]\npurls = [\"pkg:cargo/wholly-denied\"]\n");
    for version in ["1.0.0", "1.1.0"] {
        scene
            .registry
            .publish(Release::cargo("wholly-denied", version));
    }
    let sandbox = Sandbox::new();
    let Some(mut cargo) = Tool::Cargo.command(&sandbox, &scene.cordon.url(Protocol::Cargo)) else {
        return;
    };
    let manifest = cargo_manifest("1").replace(PACKAGE, "wholly-denied");
    sandbox.write("Cargo.toml", &manifest);
    sandbox.write("src/lib.rs", "");
    sandbox
        .run(cargo.arg("fetch"))
        .expect_failure()
        .expect_printed("got 403")
        .expect_printed("/why/")
        .expect_within(Duration::from_secs(20));
}
