//! What a stop, a kill and a start again leave as they were.

use cordon_tests::client::{http, listing};
use cordon_tests::fake_registry::Protocol;
use cordon_tests::fixture::{OLD, PACKAGE, Scene};

#[test]
fn what_was_served_is_served_again_after_a_stop_and_without_upstream() {
    let mut scene = Scene::new();
    let old = |scene: &Scene, protocol: Protocol| {
        listing::locked_url(protocol, &scene.cordon.url(protocol), PACKAGE, OLD)
    };
    let urls = Protocol::ALL.map(|protocol| old(&scene, protocol));
    for url in &urls {
        let _ = http::get(url).expect(200);
    }
    scene.cordon.stop();
    scene.registry.stop();
    scene.cordon.restart_in_place();
    for (url, protocol) in urls.iter().zip(Protocol::ALL) {
        let expected = scene.registry.bytes_of(protocol, PACKAGE, OLD);
        assert_eq!(http::get(url).expect(200).body, expected, "{protocol:?}");
        assert_eq!(&old(&scene, protocol), url);
    }
}

#[test]
fn an_orderly_stop_ends_well_and_the_log_verifies() {
    let mut scene = Scene::new();
    for protocol in Protocol::ALL {
        let url = listing::locked_url(protocol, &scene.cordon.url(protocol), PACKAGE, OLD);
        let _ = http::get(&url).expect(200);
    }
    let status = scene.cordon.stop();
    assert!(status.success(), "{status}:\n{}", scene.cordon.log());
    let output = scene.cordon.command(&["log", "verify"]);
    assert!(output.status.success(), "{output:?}");
}
