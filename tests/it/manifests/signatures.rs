//! The signatures a registry makes of what it declares.

use std::fs;

use cordon_tests::client::http;
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::cordon::{Builder, Cordon, Upstream};
use cordon_tests::fake_registry::signature::{self, KEY_ID};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Release};
use serde_json::{Value, json};

use super::{BAD, GOOD, NAME};
use crate::incidents::{decisions, file_url};

const KEYS: &str = "/npm/-/npm/v1/keys";
const PLAIN: &str = "[rules.integrity]\n";
const STRICT: &str = "[rules.integrity]\nsignature_unknown = \"quarantine\"\n\
                      signature_missing = \"quarantine\"\n";

/// An old version that is signed, and one with these signatures.
fn registry_with(signatures: &Value) -> FakeRegistry {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm(NAME, GOOD).published_at(ago(days(900))));
    let dist = json!({ "signatures": signatures });
    let bad = Release::npm(NAME, BAD).published_at(ago(hours(1)));
    registry.publish(bad.field("dist", dist));
    registry
}

/// The status of the version's file, and the codes of all that was found, notes included.
fn asked(registry: &FakeRegistry, cordon: &Cordon) -> (u16, Vec<String>) {
    let reply = http::get(&file_url((registry, cordon), Protocol::Npm, NAME, BAD));
    let all = decisions(cordon, Protocol::Npm, NAME, BAD);
    let last = all.last().expect("a decision");
    let findings = last["evaluation"]["findings"].as_array();
    let codes = findings.into_iter().flatten();
    let codes = codes.map(|it| it["code"].as_str().unwrap_or_default().to_owned());
    (reply.status, codes.collect())
}

fn outcome(signatures: &Value, policy: &str) -> (u16, Vec<String>) {
    let registry = registry_with(signatures);
    let cordon = Cordon::with_policy(&registry, policy);
    let good = file_url((&registry, &cordon), Protocol::Npm, NAME, GOOD);
    let _ = http::get(&good).expect(200);
    asked(&registry, &cordon)
}

fn found(status: u16, codes: &[&str]) -> (u16, Vec<String>) {
    (status, codes.iter().map(|it| (*it).to_owned()).collect())
}

#[test]
fn a_version_the_registry_signed_is_served_and_its_keys_are_asked_for_once() {
    let registry = FakeRegistry::start();
    for name in ["one", "two", "@acme/three"] {
        registry.publish(Release::npm(name, GOOD));
    }
    let cordon = Cordon::with_policy(&registry, STRICT);
    for name in ["one", "two", "@acme/three"] {
        let url = file_url((&registry, &cordon), Protocol::Npm, name, GOOD);
        let _ = http::get(&url).expect(200);
        let all = decisions(&cordon, Protocol::Npm, name, GOOD);
        let last = all.last().expect("a decision");
        assert_eq!(
            last["facts"]["signature"]["known"]["verdict"], "valid",
            "{last}"
        );
    }
    assert_eq!(registry.log().gets(KEYS), 1);
}

#[test]
fn a_signature_of_something_else_is_refused_whatever_the_policy() {
    let wrong = signature::of(NAME, BAD, "sha512-AAAA");
    let expected = found(403, &["signature-invalid"]);
    for signatures in [json!([wrong]), json!([{"keyid": KEY_ID, "sig": "AAAA"}])] {
        assert_eq!(outcome(&signatures, PLAIN), expected);
    }
}

#[test]
fn a_signature_with_a_key_nobody_knows_is_noted_or_held_as_the_policy_says() {
    let unknown = json!([{"keyid": "SHA256:other", "sig": "AAAA"}]);
    let codes = &["signature-unknown-key"];
    assert_eq!(outcome(&unknown, PLAIN), found(200, codes));
    assert_eq!(outcome(&unknown, STRICT), found(403, codes));
}

#[test]
fn a_signature_that_is_missing_is_noted_or_held_as_the_policy_says() {
    for none in [Value::Null, json!([])] {
        let codes = &["signature-missing"];
        assert_eq!(outcome(&none, PLAIN), found(200, codes));
        assert_eq!(outcome(&none, STRICT), found(403, codes));
    }
}

#[test]
fn a_mirror_without_signatures_or_without_keys_breaks_nothing() {
    // No version is signed.
    let registry = FakeRegistry::start();
    for version in [GOOD, BAD] {
        let dist = json!({ "signatures": null });
        registry.publish(Release::npm(NAME, version).field("dist", dist));
    }
    let cordon = Cordon::with_policy(&registry, STRICT);
    assert_eq!(asked(&registry, &cordon), found(200, &[]));
    assert_eq!(registry.log().gets(KEYS), 0);
    // Signatures are passed on, keys are not there: nothing to check by.
    let signed = json!([{"keyid": "SHA256:other", "sig": "AAAA"}]);
    let registry = registry_with(&signed);
    registry.fault(KEYS, Fault::Status(404));
    let cordon = Cordon::with_policy(&registry, STRICT);
    assert_eq!(asked(&registry, &cordon), found(200, &[]));
    // Keys that cannot be had are not taken for keys that are not there.
    let registry = registry_with(&signed);
    registry.fault(KEYS, Fault::Status(500));
    let cordon = Cordon::with_policy(&registry, PLAIN);
    let codes = &["signature-unknown-key"];
    assert_eq!(asked(&registry, &cordon), found(200, codes));
    let cordon = Cordon::with_policy(&registry, STRICT);
    assert_eq!(asked(&registry, &cordon), found(403, codes));
}

#[test]
fn a_key_that_expired_before_the_version_was_published_stands_for_it_no_more() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm(NAME, GOOD).published_at(ago(days(9_000))));
    registry.publish(Release::npm(NAME, BAD).published_at(ago(hours(1))));
    let keys = signature::keys_until(Some("2020-01-01T00:00:00.000Z"));
    registry.put(KEYS, "application/json", keys.to_string());
    let cordon = Cordon::with_policy(&registry, PLAIN);
    assert_eq!(
        asked(&registry, &cordon),
        found(403, &["signature-invalid"])
    );
    let good = file_url((&registry, &cordon), Protocol::Npm, NAME, GOOD);
    let _ = http::get(&good).expect(200);
}

#[test]
fn keys_in_a_file_count_and_those_the_registry_lists_do_not() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm(NAME, BAD).published_at(ago(hours(1))));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    let expired = signature::keys_until(Some("2020-01-01T00:00:00.000Z"));
    for (keys, expected) in [
        (signature::keys(), found(200, &[])),
        (expired, found(403, &["signature-invalid"])),
    ] {
        fs::write(&file, keys.to_string()).expect("a file");
        let line = format!("signature_keys = '{}'", file.display());
        let upstream = Upstream::of(&registry, Protocol::Npm, "fake").with(&line);
        let cordon = Builder::without_upstreams()
            .upstreams([upstream])
            .policy(STRICT)
            .start();
        assert_eq!(asked(&registry, &cordon), expected);
    }
    assert_eq!(registry.log().gets(KEYS), 0);
    fs::write(&file, "{\"keys\":[]}").expect("a file");
    let line = format!("signature_keys = '{}'", file.display());
    let upstream = Upstream::of(&registry, Protocol::Npm, "fake").with(&line);
    let refused = Builder::without_upstreams()
        .upstreams([upstream])
        .try_start();
    let Err(said) = refused else {
        panic!("no keys are no configuration");
    };
    assert!(said.contains("signature-keys-unreadable"), "{said}");
}
