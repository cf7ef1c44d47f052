//! What holds in every protocol (protocols.md §11, 101 to 105).

#![expect(
    clippy::unwrap_used,
    reason = "an answer of another shape than expected fails the test that asked for it"
)]

use std::thread;
use std::time::Duration;

use cordon_tests::client::http::{self, Reply};
use cordon_tests::client::listing;
use cordon_tests::cordon::Builder;
use cordon_tests::fake_registry::{Protocol, Release};
use cordon_tests::fixture::{self, OLD, PACKAGE, Scene, Shared, YOUNG};

/// Young versions are withheld, one package is denied, in every protocol.
const POLICY: &str = "[rules.integrity]\n\n[rules.minimum-age]\nversion_age = \"72h\"\n\n\
    [rules.deny]\npurls = [\"pkg:npm/denied\", \"pkg:pypi/denied\", \"pkg:cargo/denied\"]\n";
const DENIED: &str = "denied";
const CLIENTS: usize = 100;

static SHARED: Shared = Shared::new(|| {
    let scene = Scene::with_policy(POLICY);
    for protocol in Protocol::ALL {
        scene
            .registry
            .publish(Release::new(protocol, DENIED, "1.0.0"));
    }
    let young = Release::pypi("late-file", "1.0.0")
        .published_at(cordon_tests::clock::ago(Duration::from_secs(3600)));
    scene.registry.publish(young);
    scene
});

/// The document of a package below the root, as the protocol's clients ask for it.
fn document(protocol: Protocol, package: &str) -> String {
    match protocol {
        Protocol::Npm => format!("npm/{package}"),
        Protocol::Pypi => format!("pypi/simple/{package}/"),
        Protocol::Cargo => format!("cargo/{}", cordon_tests::fake_registry::index_path(package)),
    }
}

/// Addresses below the root that are refused by policy, one of each kind.
fn refused(scene: &Scene) -> Vec<String> {
    let cargo_archive = |package: &str, version: &str| {
        let digest = scene.registry.digest_of(Protocol::Cargo, package, version);
        format!("cargo/crates/{package}/{version}/{digest}/download")
    };
    let mut all: Vec<String> = Protocol::ALL.map(|p| document(p, DENIED)).into();
    all.extend([
        format!("npm/{DENIED}/-/{DENIED}-1.0.0.tgz"),
        format!("npm/{PACKAGE}/-/{PACKAGE}-{YOUNG}.tgz"),
        format!("npm/{DENIED}/latest"),
        format!("npm/-/package/{DENIED}/dist-tags"),
        format!("pypi/files/{DENIED}/{DENIED}-1.0.0-py3-none-any.whl"),
        format!("pypi/files/{DENIED}/{DENIED}-1.0.0-py3-none-any.whl.metadata"),
        format!("pypi/files/{PACKAGE}/demo_package-{YOUNG}-py3-none-any.whl"),
        format!("pypi/files/{PACKAGE}/demo_package-{YOUNG}-py3-none-any.whl.metadata"),
        format!("pypi/pypi/{DENIED}/json"),
        "pypi/simple/late-file/".to_owned(),
        cargo_archive(DENIED, "1.0.0"),
        cargo_archive(PACKAGE, YOUNG),
        format!("cargo/api/v1/crates/{DENIED}/1.0.0/download"),
    ]);
    all
}

/// Addresses below the root that are answered, and some that are not found or not understood.
fn answered(scene: &Scene) -> Vec<String> {
    let mut all: Vec<String> = Protocol::ALL.map(|p| document(p, PACKAGE)).into();
    all.extend(Protocol::ALL.map(|p| document(p, "no-such-package")));
    for protocol in Protocol::ALL {
        let url = listing::locked_url(protocol, &scene.cordon.url(protocol), PACKAGE, OLD);
        let path = url.strip_prefix(scene.cordon.root()).unwrap();
        all.push(path.to_owned());
        if protocol == Protocol::Pypi {
            all.push(format!("{path}.metadata"));
        }
    }
    let others = [
        "npm/-/ping",
        "npm/-/whoami",
        "npm/-/npm/v1/keys",
        "npm/-/package/demo-package/dist-tags",
        "npm/demo-package/latest",
        "npm/demo-package/1.0.0",
        "npm/demo-package/-/other-1.0.0.tgz",
        "npm/-/v1/search?text=demo",
        "pypi/simple/",
        "pypi/simple",
        "pypi/simple/Demo.Package",
        "pypi/pypi/demo-package/json",
        "pypi/pypi/demo-package/1.0.0/json",
        "pypi/nothing/here/at/all",
        "cargo/config.json",
        "cargo/me",
        "cargo/api/v1/crates?q=demo",
        "cargo/DE/MO/demo-package",
        "",
        "no-such-mount/x",
        "npm/%2e%2e/x",
    ];
    all.extend(others.map(str::to_owned));
    all
}

/// Has the address asked for by all clients at once, and gives the one body they got.
fn rush(url: &str) -> Vec<u8> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let url = url.to_owned();
            thread::spawn(move || http::get(&url).expect(200).body)
        })
        .collect();
    let mut bodies: Vec<_> = clients.into_iter().map(|c| c.join().unwrap()).collect();
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{url}");
    bodies.remove(0)
}

#[test]
fn conformance_101_a_hundred_clients_asking_for_one_cold_name_cost_one_request() {
    let scene = Scene::new();
    for protocol in Protocol::ALL {
        rush(&format!(
            "{}{}",
            scene.cordon.root(),
            document(protocol, PACKAGE)
        ));
        let path = scene.registry.document_path(protocol, PACKAGE);
        assert_eq!(scene.registry.log().gets(&path), 1, "{protocol:?}");
    }
}

#[test]
fn conformance_101_a_hundred_clients_asking_for_one_cold_archive_cost_one_request() {
    let scene = Scene::new();
    for protocol in Protocol::ALL {
        let base = scene.cordon.url(protocol);
        let body = rush(&listing::locked_url(protocol, &base, PACKAGE, OLD));
        assert_eq!(body, scene.registry.bytes_of(protocol, PACKAGE, OLD));
        let path = scene.registry.file_path(protocol, PACKAGE, OLD);
        assert_eq!(scene.registry.log().gets(&path), 1, "{protocol:?}");
    }
}

#[test]
fn conformance_102_what_is_cached_is_served_through_an_outage() {
    let registry = fixture::registry();
    let cordon = Builder::new(&registry)
        .section("[freshness]\nmax_age = \"0s\"\nmin_age = \"0s\"")
        .start();
    let mut scene = Scene { cordon, registry };
    let get = |scene: &Scene, path: &str| http::get(&format!("{}{path}", scene.cordon.root()));
    let mut seen = Vec::new();
    for protocol in Protocol::ALL {
        let url = listing::locked_url(protocol, &scene.cordon.url(protocol), PACKAGE, OLD);
        let archive = url.strip_prefix(scene.cordon.root()).unwrap().to_owned();
        let page = document(protocol, PACKAGE);
        let bodies = [&page, &archive].map(|path| get(&scene, path).expect(200).body);
        seen.push((page, archive, bodies));
    }
    scene.registry.stop();
    for (page, archive, bodies) in seen {
        let stale = get(&scene, &page).expect(200);
        assert!(stale.header("warning").is_some(), "{:?}", stale.headers);
        assert_eq!(stale.body, bodies[0], "{page}");
        assert_eq!(
            get(&scene, &archive).expect(200).body,
            bodies[1],
            "{archive}"
        );
    }
}

/// Headers that must be equal; the date may tick between two requests, and decisions have an id
/// each.
fn comparable(reply: &Reply) -> Vec<(String, String)> {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| name != "date" && name != "x-cordon-decision")
        .cloned()
        .collect();
    headers.sort();
    headers
}

fn head_and_get_agree(path: &str, url: &str, headers: &[(&str, &str)]) {
    // The first of a kind may be special (it fetches); clients meet both orders.
    let _ = http::get_with(url, headers);
    let get = http::get_with(url, headers);
    let head = http::request("HEAD", url, headers, b"");
    assert_eq!(head.body, b"", "{path} has a body on HEAD");
    assert_eq!(head.status, get.status, "{path}");
    assert_eq!(comparable(&head), comparable(&get), "{path} {headers:?}");
}

#[test]
fn conformance_103_head_and_get_agree_on_every_route() {
    let scene = SHARED.get();
    for path in answered(&scene) {
        let url = format!("{}{path}", scene.cordon.root());
        head_and_get_agree(&path, &url, &[]);
        for headers in [
            ("Accept-Encoding", "gzip"),
            ("Accept", "application/vnd.npm.install-v1+json"),
            ("Accept", "application/vnd.pypi.simple.v1+json"),
        ] {
            head_and_get_agree(&path, &url, &[headers]);
        }
        if let Some(etag) = http::get(&url).header("etag") {
            head_and_get_agree(&path, &url, &[("If-None-Match", etag)]);
        }
    }
}

/// uv asks for a wheel's length before anybody has had it.
#[test]
fn conformance_103_a_head_of_a_cold_archive_agrees_with_the_get_after_it() {
    let scene = Scene::new();
    for protocol in Protocol::ALL {
        let base = scene.cordon.url(protocol);
        let url = listing::locked_url(protocol, &base, PACKAGE, OLD);
        let head = http::request("HEAD", &url, &[], b"").expect(200);
        let get = http::get(&url).expect(200);
        assert_eq!(head.body, b"");
        assert_eq!(comparable(&head), comparable(&get), "{protocol:?}");
        let path = scene.registry.file_path(protocol, PACKAGE, OLD);
        assert_eq!(scene.registry.log().of(&path).len(), 1, "{protocol:?}");
    }
}

#[test]
fn conformance_103_head_and_get_agree_on_every_refusal() {
    let scene = SHARED.get();
    for path in refused(&scene) {
        let url = format!("{}{path}", scene.cordon.root());
        head_and_get_agree(&path, &url, &[]);
    }
}

#[test]
fn conformance_104_paths_that_could_be_read_in_two_ways_are_400() {
    let scene = SHARED.get();
    let long = "a".repeat(300);
    for mount in ["npm", "pypi", "cargo"] {
        for rest in [
            "..", "../x", "a/../b", "%2e%2e", "%2E%2e/x", ".%2e/x", "a%00b", "%2e", "a%2fb", "a/%",
            &long,
        ] {
            let reply = http::get(&format!("{}{mount}/{rest}", scene.cordon.root()));
            assert_eq!(reply.status, 400, "{mount}/{rest}: {}", reply.text());
        }
    }
}

#[test]
fn conformance_104_such_paths_never_reach_upstream() {
    let scene = Scene::new();
    for rest in ["npm/..%2fx", "pypi/simple/%2e%2e/", "cargo/aa/bb/%00"] {
        let _ = http::get(&format!("{}{rest}", scene.cordon.root())).expect(400);
    }
    assert!(scene.registry.log().is_empty());
}

/// The address of the record as it stands in a text.
fn why_url(scene: &Scene, text: &str) -> Option<String> {
    let start = text.find(&format!("{}why/", scene.cordon.root()))?;
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || ":/._-".contains(c));
    let url = text[start..].split(is_end).next()?;
    Some(url.to_owned())
}

#[test]
fn conformance_105_every_refusal_has_its_decision_and_address_in_body_and_phrase() {
    let scene = SHARED.get();
    for path in refused(&scene) {
        let reply = http::get(&format!("{}{path}", scene.cordon.root()));
        assert!(
            [403, 451].contains(&reply.status),
            "{path} {}",
            reply.status
        );
        let in_body = why_url(&scene, &reply.text());
        assert!(in_body.is_some(), "{path}: {}", reply.text());
        assert_eq!(why_url(&scene, &reply.phrase), in_body, "{path}");
        let decision = reply.header("x-cordon-decision").expect(&path);
        assert!(in_body.unwrap().ends_with(&format!("/why/{decision}")));
    }
}

/// pip prints nothing of a refused page but a content type it does not know (protocols.md §5.2).
#[test]
fn conformance_105_pip_is_told_of_a_page_in_the_content_type() {
    let scene = SHARED.get();
    let url = format!(
        "{}{}",
        scene.cordon.root(),
        document(Protocol::Pypi, DENIED)
    );
    let reply = http::get_with(&url, &[("User-Agent", "pip/26.3 {}")]).expect(200);
    let said = reply.header("content-type").unwrap();
    let decision = reply.header("x-cordon-decision").unwrap();
    let why = why_url(&scene, said);
    assert_eq!(why, why_url(&scene, &reply.text()), "{said}");
    assert!(why.unwrap().ends_with(decision), "{said}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn conformance_105_the_address_leads_to_the_record() {
    let scene = SHARED.get();
    for path in refused(&scene) {
        let refusal = http::get(&format!("{}{path}", scene.cordon.root()));
        let url = why_url(&scene, &refusal.text()).unwrap();
        let record = http::get(&url).expect(200).text();
        let decision = refusal.header("x-cordon-decision").unwrap();
        assert!(record.contains(decision), "{path}: {record}");
    }
}

#[test]
fn conformance_105_refusals_are_never_stored_by_clients() {
    let scene = SHARED.get();
    for path in refused(&scene) {
        let reply = http::get(&format!("{}{path}", scene.cordon.root()));
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(reply.header("etag"), None, "{path}");
    }
}
