//! Names that were asked for before anybody had registered them.

use cordon_tests::clock;
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use cordon_tests::fixture::{OLD, PACKAGE};
use cordon_tests::wait;
use std::time::Duration;

const POLICY: &str = "[rules.watched-name]\n";
const INVENTED: &str = "acme-invented";

fn log_of(cordon: &Cordon) -> String {
    let missed = cordon.command(&["log", "missed", "--json"]);
    String::from_utf8_lossy(&missed.stdout).into_owned()
}

/// Where a package's document is below the mount.
fn path_of(registry: &FakeRegistry, protocol: Protocol, name: &str) -> String {
    let path = registry.document_path(protocol, name);
    let below = path.trim_start_matches('/').split_once('/');
    below.expect("a path below a mount").1.to_owned()
}

#[test]
fn a_name_registered_after_it_was_asked_for_is_born_quarantined() {
    for protocol in Protocol::ALL {
        let registry = FakeRegistry::start();
        registry.publish(Release::new(protocol, PACKAGE, OLD));
        let mut cordon = Builder::new(&registry)
            .policy(POLICY)
            .section("[freshness]\nnegative = \"0s\"\n")
            .start();
        let path = path_of(&registry, protocol, INVENTED);
        assert_eq!(cordon.get(protocol, &path).status, 404);
        wait::until("the name being kept", || log_of(&cordon).contains(INVENTED));
        // Somebody was waiting for it.
        let young =
            Release::new(protocol, INVENTED, "1.0.0").published_at(clock::ago(Duration::ZERO));
        registry.publish(young);
        cordon.stop();
        cordon.restart();
        let page = cordon.get(protocol, &path);
        assert!(
            page.text().contains("watched-name") || page.text().contains("\"yanked\":true"),
            "{protocol:?}: {} {}",
            page.status,
            page.text()
        );
        let why = cordon.command(&["log", "--json"]);
        let why = String::from_utf8_lossy(&why.stdout);
        assert!(
            why.contains("registered-after-asked"),
            "{protocol:?}: {why}"
        );
        // What was there before is not held for having been missed by somebody's mistake.
        let known = cordon.get(protocol, &path_of(&registry, protocol, PACKAGE));
        assert_eq!(known.status, 200, "{protocol:?}");
    }
}
