//! How far archives are looked into, changed between two starts over the same data.

use std::sync::Arc;

use cordon_tests::client::http;
use cordon_tests::client::listing;
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use tempfile::TempDir;

use super::{POLICY, found, of_registry};

const NAME: &str = "many";

/// A start with these lines in `[inspection]`, over the data of an earlier one.
fn start(registry: &FakeRegistry, lines: &str, folder: Option<&Arc<TempDir>>) -> Cordon {
    let section = format!("[inspection]\nworkers = 1\n{lines}\n");
    let builder = Builder::new(registry).policy(POLICY).section(&section);
    match folder {
        Some(folder) => builder.folder(Arc::clone(folder)).start(),
        None => builder.start(),
    }
}

fn status(registry: &FakeRegistry, cordon: &Cordon) -> u16 {
    http::get(&of_registry(registry, cordon, Protocol::Npm, NAME)).status
}

fn is_listed(cordon: &Cordon) -> bool {
    let listed = listing::choices(Protocol::Npm, &cordon.url(Protocol::Npm), NAME);
    listed.iter().any(|version| version == "1.0.0")
}

#[test]
fn a_held_archive_is_served_within_wider_limits_and_held_again_within_narrower_ones() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm(NAME, "0.9.0"));
    let mut many = Release::npm(NAME, "1.0.0");
    for file in 0..1_100 {
        many = many.source(&format!("lib/{file}.js"), "module.exports = 1;\n");
    }
    registry.publish(many);
    let mut narrow = start(&registry, "entries = 1000", None);
    let folder = Arc::clone(narrow.folder());
    assert_eq!(status(&registry, &narrow), 403);
    let entries = "archive/entries".to_owned();
    assert!(found(&narrow, Protocol::Npm, NAME).contains(&entries));
    assert!(!is_listed(&narrow));
    narrow.stop();

    // Hidden it would never be asked for again.
    let mut wide = start(&registry, "", Some(&folder));
    assert!(is_listed(&wide));
    assert_eq!(status(&registry, &wide), 200);
    wide.stop();

    let mut again = start(&registry, "entries = 1000", Some(&folder));
    assert_eq!(status(&registry, &again), 403);
    assert!(found(&again, Protocol::Npm, NAME).contains(&entries));
    assert!(!is_listed(&again));
    again.stop();

    // Another limit, and one that is still passed.
    let mut other = start(&registry, "entries = 1001", Some(&folder));
    assert_eq!(status(&registry, &other), 403);
    other.stop();
}
