//! When a candidate was first seen.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const HOLDS_A_DAY: &str =
    "[rules.integrity]\n\n[rules.minimum-age]\nversion_age = \"0s\"\nfirst_seen_age = \"24h\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_since_first_sight_ends_while_the_document_stays_the_same() {
    for protocol in Protocol::ALL {
        let scene = Scene::with(HOLDS_A_DAY, "");
        let first = scene.document(protocol, PACKAGE).await;
        assert_ne!(first.status, 200, "{protocol:?}: {}", first.text());
        scene.advance(23 * HOUR).await;
        assert_ne!(
            scene.document(protocol, PACKAGE).await.status,
            200,
            "{protocol:?}"
        );
        scene.advance(2 * HOUR).await;
        let later = scene.document(protocol, PACKAGE).await;
        assert_eq!(later.status, 200, "{protocol:?}: {}", later.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_is_held_from_its_own_first_sight() {
    let scene = Scene::with(HOLDS_A_DAY, "");
    let _ = scene.document(Protocol::Npm, PACKAGE).await;
    scene.advance(20 * HOUR).await;
    scene
        .registry
        .publish_all(Protocol::Npm, PACKAGE, &["2.0.0"]);
    let _ = scene.document(Protocol::Npm, PACKAGE).await;
    scene.advance(5 * HOUR).await;
    let text = scene.document(Protocol::Npm, PACKAGE).await.text();
    assert!(
        text.contains("1.1.0\":") && !text.contains("2.0.0\":"),
        "{text}"
    );
    scene.advance(20 * HOUR).await;
    let text = scene.document(Protocol::Npm, PACKAGE).await.text();
    assert!(text.contains("2.0.0\":"), "{text}");
}
