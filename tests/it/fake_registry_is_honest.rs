//! The fake registry itself, so that a failing test can be trusted to mean Cordon.

use std::time::{Duration, Instant};

use cordon_tests::client::{Sandbox, Tool, get, http};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Index, Protocol, PythonFile, Release};

fn origin(registry: &FakeRegistry) -> String {
    let upstream = registry.upstream(Protocol::Npm);
    upstream
        .strip_suffix("npm/")
        .expect("npm is mounted at /npm/")
        .to_owned()
}

fn document(registry: &FakeRegistry, protocol: Protocol, name: &str) -> String {
    let path = registry.document_path(protocol, name);
    format!("{}{}", origin(registry), &path[1..])
}

/// The address of the file as the document gives it.
fn file_url(registry: &FakeRegistry, protocol: Protocol, name: &str, version: &str) -> String {
    let path = registry.file_path(protocol, name, version);
    match protocol {
        Protocol::Npm => format!("{}{}", origin(registry), &path[1..]),
        Protocol::Pypi | Protocol::Cargo => format!("{}{}", registry.files_origin(), &path[1..]),
    }
}

#[test]
fn documents_name_files_that_have_the_declared_digests() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish(Release::new(protocol, "demo-package", "1.0.0"));
        let bytes = registry.bytes_of(protocol, "demo-package", "1.0.0");
        let reply = get(&file_url(&registry, protocol, "demo-package", "1.0.0")).expect(200);
        assert_eq!(reply.body, bytes, "{protocol:?}");
    }
    let packument = get(&document(&registry, Protocol::Npm, "demo-package")).json();
    let url = packument["versions"]["1.0.0"]["dist"]["tarball"].as_str();
    let _ = get(url.unwrap()).expect(200);
    let index = get(&document(&registry, Protocol::Cargo, "demo-package")).text();
    let line: serde_json::Value = serde_json::from_str(index.trim()).unwrap();
    assert_eq!(line["cksum"].as_str().unwrap().len(), 64);
    assert_eq!(
        line["pubtime"].as_str().unwrap().len(),
        "2020-01-01T00:00:00Z".len()
    );
}

#[test]
fn scoped_names_are_found_in_every_spelling() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm("@scope/name", "1.0.0"));
    let base = registry.upstream(Protocol::Npm);
    for spelling in ["@scope/name", "@scope%2fname", "%40scope%2Fname"] {
        let _ = get(&format!("{base}{spelling}")).expect(200);
    }
    assert_eq!(registry.log().gets("/npm/@scope/name"), 3);
}

#[test]
fn a_matching_validator_gets_304() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish(Release::new(protocol, "demo", "1.0.0"));
        let url = document(&registry, protocol, "demo");
        let tag = get(&url).header("etag").unwrap().to_owned();
        let again = http::get_with(&url, &[("If-None-Match", &tag)]).expect(304);
        assert!(again.body.is_empty());
        registry.publish(Release::new(protocol, "demo", "1.1.0"));
        let _ = http::get_with(&url, &[("If-None-Match", &tag)]).expect(200);
    }
}

#[test]
fn faults_do_what_they_say() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm("demo", "1.0.0").padded(10_000));
    let path = registry.file_path(Protocol::Npm, "demo", "1.0.0");
    let url = file_url(&registry, Protocol::Npm, "demo", "1.0.0");
    let whole = registry.bytes_of(Protocol::Npm, "demo", "1.0.0");
    let once = |fault: Fault| {
        registry.fault_times(&path, fault, 1);
        get(&url)
    };

    let cut = once(Fault::CutAt(100));
    assert_eq!((cut.body.len(), cut.is_complete), (100, false));
    assert!(!once(Fault::WrongLength(1)).is_complete);
    assert!(!once(Fault::ChunkedWithoutEnd).is_complete);
    assert_eq!(once(Fault::Chunked).body, whole);
    let flipped = once(Fault::WrongBytes);
    assert_ne!(flipped.body, whole);
    assert_eq!(flipped.body.len(), whole.len());
    assert_eq!(
        once(Fault::Gzip { layers: 1 }).header("content-encoding"),
        Some("gzip")
    );
    assert_eq!(once(Fault::MislabelledGzip).body, whole);
    assert_eq!(once(Fault::Status(451)).status, 451);
    assert_eq!(
        once(Fault::RetryAfter {
            status: 429,
            seconds: 7
        })
        .header("retry-after"),
        Some("7")
    );
    assert_eq!(
        once(Fault::HtmlPage(200)).header("content-type"),
        Some("text/html")
    );
    let elsewhere = once(Fault::redirect_to("http://files.example/x"));
    assert_eq!(elsewhere.header("location"), Some("http://files.example/x"));
    assert_eq!(
        once(Fault::header("Set-Cookie", "a=b")).header("set-cookie"),
        Some("a=b")
    );
    registry.fault_times(&path, Fault::Close, 1);
    assert!(http::try_request("GET", &url, &[], b"").is_err());
    let start = Instant::now();
    assert_eq!(
        once(Fault::Drip {
            bytes_per_second: 50_000
        })
        .body,
        whole
    );
    assert!(
        start.elapsed() > Duration::from_millis(150),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(get(&url).expect(200).body, whole);
}

#[test]
fn a_stall_ends_when_released() {
    let registry = FakeRegistry::start();
    registry.publish(Release::cargo("demo", "1.0.0"));
    let path = registry.file_path(Protocol::Cargo, "demo", "1.0.0");
    let url = file_url(&registry, Protocol::Cargo, "demo", "1.0.0");
    let whole = registry.bytes_of(Protocol::Cargo, "demo", "1.0.0");
    registry.fault_times(&path, Fault::StallAt(whole.len() - 1), 1);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| get(&url));
        registry.log().wait_until(Duration::from_secs(10), |log| {
            log.iter().any(|r| r.path == path)
        });
        assert!(!reader.is_finished());
        registry.release_stalls();
        assert_eq!(reader.join().unwrap().body, whole);
    });
}

#[test]
fn it_can_go_away_and_come_back_on_the_same_ports() {
    let mut registry = FakeRegistry::start();
    registry.publish(Release::pypi("demo", "1.0.0"));
    let url = document(&registry, Protocol::Pypi, "demo");
    let _ = get(&url).expect(200);
    registry.stop();
    assert!(http::try_request("GET", &url, &[], b"").is_err());
    registry.restart();
    let _ = get(&url).expect(200);
}

#[test]
fn bytes_can_change_with_and_without_the_index() {
    let registry = FakeRegistry::start();
    registry.publish(Release::cargo("demo", "1.0.0"));
    let url = document(&registry, Protocol::Cargo, "demo");
    let before = get(&url).text();
    let other = cordon_tests::archive::crate_file("demo", "1.0.0", &[], 500);
    registry.change_bytes(
        Protocol::Cargo,
        "demo",
        "1.0.0",
        other.clone(),
        Index::Stays,
    );
    assert_eq!(get(&url).text(), before);
    registry.change_bytes(Protocol::Cargo, "demo", "1.0.0", other, Index::Follows);
    assert_ne!(get(&url).text(), before);
}

#[test]
fn npm_installs_from_it() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm("@scope/leaf", "1.0.0"));
    registry.publish(Release::npm("demo", "2.0.0").depends_on("@scope/leaf", "^1.0.0"));
    let sandbox = Sandbox::new();
    let Some(mut npm) = Tool::Npm.command(&sandbox, &registry.upstream(Protocol::Npm)) else {
        return;
    };
    sandbox.write("package.json", r#"{"name":"app","version":"1.0.0"}"#);
    sandbox.run(npm.args(["install", "demo"])).expect_success();
    assert!(sandbox.has("node_modules/@scope/leaf/package.json"));
}

#[test]
fn pip_installs_wheels_from_it_and_reads_sdists() {
    let registry = FakeRegistry::start();
    registry.publish(Release::pypi("leaf", "1.0"));
    let both = [PythonFile::Wheel, PythonFile::Sdist];
    registry.publish(
        Release::pypi("Demo.Thing", "2.0")
            .files(&both)
            .depends_on("leaf", ">=1"),
    );
    let sandbox = Sandbox::new();
    // Cordon's base is the folder above `simple/`; so is this.
    let base = origin(&registry) + "pypi/";
    let Some(mut pip) = Tool::Pip.command(&sandbox, &base) else {
        return;
    };
    sandbox
        .run(pip.args(["install", "--target", "site", "demo-thing"]))
        .expect_success();
    assert!(sandbox.has("site/demo_thing/__init__.py"));
    assert!(sandbox.has("site/leaf/__init__.py"));
}

#[test]
fn cargo_fetches_from_it() {
    let registry = FakeRegistry::start();
    registry.publish(Release::cargo("leaf", "1.0.0"));
    registry.publish(Release::cargo("demo_crate", "2.0.0").depends_on("leaf", "1"));
    let sandbox = Sandbox::new();
    let Some(mut cargo) = Tool::Cargo.command(&sandbox, &registry.upstream(Protocol::Cargo)) else {
        return;
    };
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
         [dependencies]\ndemo_crate = \"2\"\n",
    );
    sandbox.write("src/lib.rs", "");
    sandbox.run(cargo.arg("fetch")).expect_success();
    assert!(sandbox.read("Cargo.lock").contains("demo_crate"));
}
