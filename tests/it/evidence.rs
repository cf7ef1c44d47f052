//! What ends up on record, and what does not: each conclusion once, each delivery, nothing more.

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use cordon_tests::fixture::{OLD, PACKAGE, Scene};
use serde_json::Value;

/// The decisions on record, newest last, read after an orderly stop.
fn decisions(cordon: &mut Cordon) -> Vec<Value> {
    cordon.stop();
    let output = cordon.command(&["log", "--json", "-n", "1000"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

#[test]
fn a_refusal_that_stands_is_not_recorded_again_by_a_changed_document_or_a_start() {
    const DENIED: u64 = 19;
    let registry = FakeRegistry::start();
    for version in 0..DENIED {
        registry.publish(Release::npm("noisy", &format!("1.0.{version}")));
    }
    registry.publish(Release::npm("noisy", "2.0.0"));
    let mut cordon = Builder::new(&registry)
        .policy(
            "[[rules.deny.match]]\necosystem = \"npm\"\nnames = [\"noisy\"]\nversions = \"<2\"\n",
        )
        .section("[freshness]\nmax_age = \"1ms\"\nmin_age = \"1ms\"")
        .start();
    let listing = |cordon: &Cordon| {
        let _ = cordon.get(Protocol::Npm, "noisy").expect(200);
    };
    listing(&cordon);
    for minor in 1..4 {
        registry.publish(Release::npm("noisy", &format!("2.{minor}.0")));
        listing(&cordon);
    }
    assert_eq!(decisions(&mut cordon).len() as u64, DENIED);
    cordon.restart_in_place();
    listing(&cordon);
    assert_eq!(decisions(&mut cordon).len() as u64, DENIED);
    cordon.restart_in_place();
    registry.publish(Release::npm("noisy", "1.1.0"));
    listing(&cordon);
    assert_eq!(decisions(&mut cordon).len() as u64, DENIED + 1);
}

#[test]
fn only_answers_that_bring_bytes_count_as_received() {
    let mut scene = Scene::new();
    let base = scene.cordon.url(Protocol::Npm);
    let url = listing::locked_url(Protocol::Npm, &base, PACKAGE, OLD);
    let first = http::get(&url).expect(200);
    let etag = first.header("etag").expect("a validator").to_owned();
    let _ = http::get_with(&url, &[("if-none-match", &etag)]).expect(304);
    let _ = http::request("HEAD", &url, &[], b"").expect(200);
    let _ = http::get_with(&url, &[("range", "bytes=99999999-")]).expect(416);
    let _ = http::get_with(&url, &[("range", "bytes=0-9")]).expect(206);
    let received: u64 = decisions(&mut scene.cordon)
        .iter()
        .flat_map(|decision| decision["servings"].as_array().expect("a list"))
        .map(|served| served["count"].as_u64().expect("a number"))
        .sum();
    assert_eq!(received, 2, "the whole file and ten bytes of it");
}
