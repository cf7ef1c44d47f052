//! Registries that show another package than the one they serve (reliability.md group M, INV-16).
//! `tests/manifests.md` tells which test shows what of the group.

mod documents;
mod signatures;
mod table;

use cordon_tests::archive;
use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Release};
use serde_json::{Value, json};

use crate::incidents::{decisions, file_url, findings};

const POLICY: &str = "[rules.integrity]\n[rules.manifest]\n";

const NAME: &str = "acme";
const GOOD: &str = "1.0.0";
const BAD: &str = "1.1.0";

/// A good version, and one whose archive is not what the registry shows.
fn serving(protocol: Protocol, bad: Release) -> (FakeRegistry, Cordon) {
    let registry = FakeRegistry::start();
    registry.publish(Release::new(protocol, NAME, GOOD));
    registry.publish(bad);
    let cordon = Cordon::with_policy(&registry, POLICY);
    (registry, cordon)
}

/// The status of the bad version's file, with what was found about it last; the good one is served.
fn outcome(protocol: Protocol, bad: Release) -> (u16, Vec<String>) {
    let (registry, cordon) = serving(protocol, bad);
    let url = |version| file_url((&registry, &cordon), protocol, NAME, version);
    let _ = http::get(&url(GOOD)).expect(200);
    let reply = http::get(&url(BAD));
    let served = registry.bytes_of(protocol, NAME, BAD);
    assert_ne!(reply.body, served, "what is held was sent");
    let all = decisions(&cordon, protocol, NAME, BAD);
    let found = all.last().map(findings).unwrap_or_default();
    (reply.status, found)
}

fn held(code: &str) -> (u16, Vec<String>) {
    (403, vec![format!("manifest/manifest-{code}")])
}

/// An npm version whose `package.json` is the registry's with these members instead.
fn npm_lie(members: &Value) -> Release {
    let mut manifest = json!({"name": NAME, "version": BAD});
    for (key, value) in members.as_object().expect("an object") {
        manifest[key] = value.clone();
    }
    let bytes = archive::npm_tarball(&manifest.to_string(), 0);
    Release::npm(NAME, BAD).archive(bytes)
}

#[test]
fn m_01_a_dependency_only_in_the_archive_holds_it() {
    let lie = npm_lie(&json!({"dependencies": {"evil": "^6.6.6"}}));
    assert_eq!(outcome(Protocol::Npm, lie), held("dependencies"));
}

#[test]
fn m_02_an_install_script_only_in_the_archive_holds_it() {
    let lie = npm_lie(&json!({"scripts": {"postinstall": "node x"}}));
    assert_eq!(outcome(Protocol::Npm, lie), held("scripts"));
}

#[test]
fn m_02_a_build_only_in_the_archive_holds_it() {
    let manifest = json!({"name": NAME, "version": BAD, "gypfile": true});
    let bytes = archive::npm_tarball(&manifest.to_string(), 0);
    let lie = Release::npm(NAME, BAD).archive(bytes);
    assert_eq!(outcome(Protocol::Npm, lie), held("scripts"));
}

#[test]
fn m_03_another_name_or_version_in_the_archive_holds_it() {
    for other in [json!({"name": "evil"}), json!({"version": "9.9.9"})] {
        assert_eq!(outcome(Protocol::Npm, npm_lie(&other)), held("identity"));
    }
}

#[test]
fn m_26_packages_only_the_archive_brings_along_hold_it() {
    let lie = npm_lie(&json!({"bundleDependencies": ["evil"], "dependencies": {"evil": "1"}}));
    let (status, found) = outcome(Protocol::Npm, lie);
    assert_eq!(status, 403);
    let expected = [
        "manifest/manifest-bundled",
        "manifest/manifest-dependencies",
    ];
    assert_eq!(found, expected);
}

#[test]
fn m_38_metadata_beside_the_wheel_that_is_not_inside_it_holds_it() {
    let dependencies = [("evil".to_owned(), ">=1".to_owned())];
    let metadata = archive::core_metadata(NAME, BAD, &dependencies, None);
    let bytes = archive::wheel(NAME, BAD, &metadata, 0);
    let lie = Release::pypi(NAME, BAD).archive(bytes);
    assert_eq!(outcome(Protocol::Pypi, lie), held("metadata"));
}

#[test]
fn m_59_a_dependency_only_in_the_crate_holds_it() {
    let dependencies = [("evil".to_owned(), "1".to_owned())];
    let bytes = archive::crate_file(NAME, BAD, &dependencies, 0);
    let lie = Release::cargo(NAME, BAD).archive(bytes);
    assert_eq!(outcome(Protocol::Cargo, lie), held("dependencies"));
}

#[test]
fn archives_that_are_what_the_registry_shows_are_served() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        let release = Release::new(protocol, NAME, BAD).depends_on("other", ">=1");
        registry.publish(
            release
                .script("postinstall", "node x")
                .requires_python(">=3.8"),
        );
    }
    let native = Release::npm("native", BAD).field("gypfile", true);
    registry.publish(native.field("bin", "./cli.js"));
    let cordon = Cordon::with_policy(&registry, POLICY);
    for protocol in Protocol::ALL {
        let url = file_url((&registry, &cordon), protocol, NAME, BAD);
        let reply = http::get(&url).expect(200);
        assert_eq!(reply.body, registry.bytes_of(protocol, NAME, BAD));
    }
    let url = file_url((&registry, &cordon), Protocol::Npm, "native", BAD);
    let _ = http::get(&url).expect(200);
}

#[test]
fn m_11_one_wrong_digest_among_several_refuses_the_bytes() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm(NAME, GOOD));
    let document = listing::document(Protocol::Npm, &registry.upstream(Protocol::Npm), NAME).json();
    let right = document["versions"][GOOD]["dist"]["integrity"].as_str();
    let right = right.expect("an integrity").to_owned();
    let wrong = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    for integrity in [format!("{right} {wrong}"), format!("{wrong} {right}")] {
        let bad = Release::npm(NAME, BAD).field("dist", json!({"integrity": integrity}));
        let (registry, cordon) = serving(Protocol::Npm, bad);
        let url = file_url((&registry, &cordon), Protocol::Npm, NAME, BAD);
        let reply = http::get(&url);
        assert!(matches!(reply.status, 403 | 502), "{}", reply.status);
        assert_ne!(reply.body, registry.bytes_of(Protocol::Npm, NAME, BAD));
    }
}

#[test]
fn m_39_core_metadata_that_is_not_what_the_page_declares_is_not_served() {
    let (registry, cordon) = serving(Protocol::Pypi, Release::pypi(NAME, BAD));
    let path = registry.file_path(Protocol::Pypi, NAME, BAD);
    registry.fault(&format!("{path}.metadata"), Fault::WrongBytes);
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
    let reply = http::get(&format!("{url}.metadata"));
    assert!(matches!(reply.status, 403 | 502), "{}", reply.status);
    // The archive is not harmed by that.
    let _ = http::get(&url).expect(200);
}

/// A Cordon that asks upstream each time.
fn always_asking(registry: &FakeRegistry) -> Cordon {
    Builder::new(registry)
        .policy(POLICY)
        .section("[freshness]\nmax_age = \"0s\"\nmin_age = \"0s\"\n")
        .start()
}

#[test]
fn m_29_a_document_that_changes_under_its_etag_is_read_anew() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm(NAME, GOOD));
    let path = registry.document_path(Protocol::Npm, NAME);
    registry.fault(&path, Fault::NoValidators);
    let same = ("ETag".to_owned(), "\"same\"".to_owned());
    registry.fault(&path, Fault::Headers(vec![same]));
    let cordon = always_asking(&registry);
    let choices = || listing::choices(Protocol::Npm, &cordon.url(Protocol::Npm), NAME);
    assert_eq!(choices(), [GOOD]);
    registry.publish(Release::npm(NAME, BAD));
    assert_eq!(choices(), [GOOD, BAD]);
}

#[test]
fn m_60_a_yank_that_flips_back_and_forth_is_followed() {
    let registry = FakeRegistry::start();
    registry.publish(Release::cargo(NAME, GOOD));
    registry.publish(Release::cargo(NAME, BAD));
    let cordon = always_asking(&registry);
    for is_yanked in [true, false, true] {
        match is_yanked {
            true => registry.yank(Protocol::Cargo, NAME, BAD, ""),
            false => registry.unyank(Protocol::Cargo, NAME, BAD),
        }
        let listed = listing::list(Protocol::Cargo, &cordon.url(Protocol::Cargo), NAME);
        let bad = listed.iter().find(|it| it.version == BAD).expect("listed");
        assert_eq!(bad.is_avoided, is_yanked);
    }
}
