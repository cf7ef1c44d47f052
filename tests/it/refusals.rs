//! What a refusal says, and that every way of asking comes to it.

use cordon_tests::client::http;
use cordon_tests::clock::{ago, hours};
use cordon_tests::cordon::Cordon;
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Release, index_path};
use cordon_tests::fixture::{self, OLD, PACKAGE, SETTLED, Scene, YOUNG};

const AGED: &str = "[rules.minimum-age]\nversion_age = \"72h\"\n";

/// A young version of a young package clears with the package, not with the version.
#[test]
fn a_refusal_names_the_last_instant_not_the_first() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm("newcomer", "1.0.0").published_at(ago(hours(1))));
    let cordon = Cordon::with_policy(
        &registry,
        "[rules.minimum-age]\nversion_age = \"72h\"\nname_age = \"30d\"\n",
    );
    let refusal = cordon.get(Protocol::Npm, "newcomer").expect(403).json();
    let decision = refusal["decision"].as_str().expect("a decision").to_owned();
    let why = http::get(&format!("{}why/{decision}.json", cordon.root())).json();
    assert!(why["clears_at"].is_string(), "{why:#}");
    assert_eq!(refusal["available_after"], why["clears_at"], "{refusal:#}");
    let untils: Vec<&str> = why["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["until"].as_str())
        .collect();
    assert_eq!(untils.iter().max().copied(), why["clears_at"].as_str());
    assert_eq!(untils.len(), 2, "{why:#}");
}

#[test]
fn a_date_alone_does_not_keep_a_client_from_learning_of_a_block() {
    let registry = fixture::registry();
    let mut cordon = Cordon::start(&registry);
    for protocol in Protocol::ALL {
        let path = match protocol {
            Protocol::Cargo => index_path(PACKAGE),
            Protocol::Pypi => format!("simple/{PACKAGE}/"),
            Protocol::Npm => PACKAGE.to_owned(),
        };
        let first = cordon.get(protocol, &path).expect(200);
        let Some(date) = first.header("last-modified").map(str::to_owned) else {
            assert_eq!(protocol, Protocol::Pypi, "{path} has no date");
            continue;
        };
        cordon.stop();
        let kind = protocol.purl_type();
        cordon.write_policy(&format!(
            "[rules.deny]\npurls = [\"pkg:{kind}/{PACKAGE}@{SETTLED}\"]\n"
        ));
        cordon.restart();
        let url = format!("{}{path}", cordon.url(protocol));
        let again = http::get_with(&url, &[("If-Modified-Since", &date)]).expect(200);
        assert_ne!(again.body, first.body, "{path}");
    }
}

#[test]
fn inv_13_every_spelling_of_a_held_version_is_refused_with_its_reason() {
    let scene = Scene::with_policy(AGED);
    for spelling in [YOUNG, "1.2", "v1.2.0", "1.2.0.0"] {
        let path = format!("pypi/{PACKAGE}/{spelling}/json");
        let reply = scene.cordon.get(Protocol::Pypi, &path);
        assert_eq!(reply.status, 403, "{path}: {}", reply.text());
    }
    let path = format!("pypi/{PACKAGE}/{OLD}/json");
    let _ = scene.cordon.get(Protocol::Pypi, &path).expect(200);
}

#[test]
fn a_project_of_which_one_version_is_allowed_is_listed() {
    let scene = Scene::with_policy(&format!(
        "[rules.allow]\npurls = [\"pkg:pypi/{PACKAGE}@{OLD}\"]\n"
    ));
    let list = scene.cordon.get(Protocol::Pypi, "simple/").expect(200);
    assert!(list.text().contains(PACKAGE), "{}", list.text());
    let scene = Scene::with_policy("[rules.allow]\npurls = [\"pkg:pypi/other@1.0.0\"]\n");
    let list = scene.cordon.get(Protocol::Pypi, "simple/").expect(200);
    assert!(!list.text().contains(PACKAGE), "{}", list.text());
}

#[test]
fn h_54_an_empty_document_is_a_failure_of_upstream_not_a_crate_without_versions() {
    for fault in [None, Some(Fault::Gzip { layers: 1 })] {
        let scene = Scene::new();
        let document = scene.registry.document_path(Protocol::Cargo, PACKAGE);
        scene.registry.put(&document, "text/plain", "");
        if let Some(fault) = fault {
            scene.registry.fault(&document, fault);
        }
        let reply = scene.cordon.get(Protocol::Cargo, &index_path(PACKAGE));
        assert!(
            matches!(reply.status, 502..=504),
            "{}: {:?}",
            reply.status,
            reply.text()
        );
    }
}

#[test]
fn pages_about_decisions_are_only_read() {
    let scene = Scene::with_policy(AGED);
    let path = format!("{PACKAGE}/-/{PACKAGE}-{YOUNG}.tgz");
    let refusal = scene.cordon.get(Protocol::Npm, &path).expect(403);
    let decision = refusal.header("x-cordon-decision").expect("a decision");
    for page in [decision.to_owned(), format!("{decision}.json")] {
        let url = format!("{}why/{page}", scene.cordon.root());
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let reply = http::request(method, &url, &[], b"");
            assert_eq!(reply.status, 405, "{method} {url}");
        }
        for method in ["GET", "HEAD"] {
            let reply = http::request(method, &url, &[], b"");
            assert_eq!(reply.status, 200, "{method} {url}");
        }
    }
}
