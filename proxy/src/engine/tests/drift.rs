//! Registries that change the bytes of what they published (reliability.md M-43, M-52, INV-6).

use cordon_tests::fake_registry::Index;

use super::removals::served;
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

impl Scene {
    /// What was told of changed digests.
    async fn drifts(&self) -> Vec<String> {
        self.engine.finish().await;
        let found = self.stores.evidence.notices(1_000).await;
        let found = found.expect("evidence in memory").into_iter();
        let of_kind = found.filter(|it| it.notice.code == "digest-changed");
        of_kind.map(|it| it.notice.text).collect()
    }

    fn replace(&self, protocol: Protocol, index: Index) -> (Bytes, String) {
        let first = self.registry.bytes_of(protocol, PACKAGE, "1.1.0");
        let other = [&first[..], b"later"].concat();
        self.registry
            .change_bytes(protocol, PACKAGE, "1.1.0", other.clone(), index);
        let digest = cordon_policy::model::Digest::of(&other);
        (first, digest.hex())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m_43_m_52_a_digest_that_changes_is_told_once_and_the_first_bytes_stay() {
    for protocol in Protocol::ALL {
        let (mut scene, url) = served(protocol, ALLOW_ALL).await;
        assert!(scene.drifts().await.is_empty(), "{protocol:?}");
        let (first, _) = scene.replace(protocol, Index::Follows);
        let pinned = cordon_policy::model::Digest::of(&first).hex();
        for is_restarted in [false, true] {
            if is_restarted {
                scene.restart().await;
            }
            scene.advance(HOUR).await;
            let page = scene.document(protocol, PACKAGE).await;
            assert_eq!(page.status, 200, "{protocol:?}: {}", page.text());
            let got = scene.get(&url).await;
            // cargo's address names the digest of then, which the index no longer has.
            match protocol {
                Protocol::Cargo => assert_eq!(got.status, 403, "{}", got.text()),
                _ => assert_eq!((got.status, got.body == first), (200, true), "{protocol:?}"),
            }
            let told = scene.drifts().await;
            let [told] = told.as_slice() else {
                panic!("{protocol:?}: {told:?}");
            };
            for part in [
                pinned.as_str(),
                "declares",
                "192.0.2.1",
                "1.1.0",
                "first seen on",
            ] {
                assert!(told.contains(part), "{part}: {told}");
            }
            assert_eq!(scene.engine.drifted_files(), 1, "{protocol:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m_43_m_52_other_bytes_for_what_is_not_kept_any_more_are_refused_and_told_of() {
    for protocol in Protocol::ALL {
        for index in [Index::Follows, Index::Stays] {
            let (scene, _) = served(protocol, ALLOW_ALL).await;
            let (first, now) = scene.replace(protocol, index);
            let digest = cordon_policy::model::Digest::of(&first);
            scene
                .stores
                .blobs
                .set_aside(&digest)
                .await
                .expect("it is there");
            scene.engine.hot.invalidate_all();
            scene.advance(HOUR).await;
            let url = match protocol {
                Protocol::Cargo => format!("cargo/api/v1/crates/{PACKAGE}/1.1.0/download"),
                Protocol::Npm => format!("npm/{PACKAGE}/-/{PACKAGE}-1.1.0.tgz"),
                Protocol::Pypi => {
                    let path = scene.registry.file_path(protocol, PACKAGE, "1.1.0");
                    let name = path.rsplit('/').next().unwrap_or_default();
                    format!("pypi/files/{PACKAGE}/{name}")
                }
            };
            for _ in 0..2 {
                let got = scene.get(&url).await;
                assert_eq!(got.status, 403, "{protocol:?} {index:?}: {}", got.text());
                scene.advance(HOUR).await;
            }
            let told = scene.drifts().await;
            let [told] = told.as_slice() else {
                panic!("{protocol:?} {index:?}: {told:?}");
            };
            for part in [digest.hex().as_str(), now.as_str(), "192.0.2.1"] {
                assert!(told.contains(part), "{part}: {told}");
            }
        }
    }
}
