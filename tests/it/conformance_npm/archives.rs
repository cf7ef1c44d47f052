//! Tarballs, and what is about the registry rather than a package (26 to 33, 41, 48 to 53).

use cordon_tests::client::http;
use cordon_tests::fake_registry::{Fault, Protocol, Release};
use cordon_tests::fixture::{OLD, PACKAGE, Scene, YOUNG};
use serde_json::json;

use super::{INSTALL_V1, POLICY, SCOPED, SHARED, get, tarball, upstream, url};

#[test]
fn conformance_026_a_scoped_tarball_is_had_under_both_spellings() {
    let scene = SHARED.get();
    let bytes = scene.registry.bytes_of(Protocol::Npm, SCOPED, OLD);
    for path in ["@scope/pkg/-/pkg-1.0.0.tgz", "@scope%2fpkg/-/pkg-1.0.0.tgz"] {
        assert_eq!(get(&scene, path).expect(200).body, bytes, "{path}");
    }
}

#[test]
fn conformance_027_a_blocked_tarball_is_403_whatever_blocks_it() {
    let scene = SHARED.get();
    let blocked = [
        ("denied", "1.0.0"),
        ("repointed", "2.0.0"),
        ("odd-reason", "1.0.0"),
        (PACKAGE, YOUNG),
    ];
    for (name, version) in blocked {
        let _ = get(&scene, &tarball(name, version)).expect(403);
        let path = scene.registry.file_path(Protocol::Npm, name, version);
        assert_eq!(scene.registry.log().gets(&path), 0, "{path}");
    }
}

#[test]
fn conformance_028_a_blocked_tarball_asked_for_first_is_403() {
    let scene = Scene::with_policy(POLICY);
    let _ = get(&scene, &tarball(PACKAGE, YOUNG)).expect(403);
    let path = scene.registry.file_path(Protocol::Npm, PACKAGE, YOUNG);
    assert_eq!(scene.registry.log().gets(&path), 0);
}

#[test]
fn conformance_029_tarballs_are_never_coded_and_their_length_is_exact() {
    let scene = SHARED.get();
    let bytes = scene.registry.bytes_of(Protocol::Npm, PACKAGE, OLD);
    for accept in ["gzip", "gzip, deflate, br, zstd", "identity"] {
        let headers = [("Accept-Encoding", accept), ("Accept", INSTALL_V1)];
        let reply = http::get_with(&url(&scene, &tarball(PACKAGE, OLD)), &headers).expect(200);
        assert_eq!(reply.header("content-encoding"), None);
        let length = bytes.len().to_string();
        assert_eq!(reply.header("content-length"), Some(length.as_str()));
        assert_eq!(reply.body, bytes);
    }
}

#[test]
fn conformance_030_a_tarball_with_the_wrong_digest_is_neither_served_nor_kept() {
    let mut scene = Scene::new();
    let path = scene.registry.file_path(Protocol::Npm, PACKAGE, OLD);
    scene.registry.fault(&path, Fault::WrongBytes);
    for _ in 0..2 {
        let reply = get(&scene, &tarball(PACKAGE, OLD));
        assert!([403, 502].contains(&reply.status), "{}", reply.status);
        assert!(reply.json()["error"].is_string());
    }
    scene.registry.clear_fault(&path);
    // What failed is not asked for again at once; a new process has only what was kept.
    scene.cordon.kill();
    scene.cordon.restart();
    let reply = get(&scene, &tarball(PACKAGE, OLD)).expect(200);
    let bytes = scene.registry.bytes_of(Protocol::Npm, PACKAGE, OLD);
    assert_eq!(reply.body, bytes);
}

#[test]
fn conformance_031_versions_with_only_sha1_are_verified_by_it() {
    let scene = SHARED.get();
    let right = get(&scene, &tarball("sha1-right", OLD)).expect(200);
    let bytes = scene.registry.bytes_of(Protocol::Npm, "sha1-right", OLD);
    assert_eq!(right.body, bytes);
    let wrong = get(&scene, &tarball("sha1-wrong", OLD));
    assert!([403, 502].contains(&wrong.status), "{}", wrong.status);
}

#[test]
fn conformance_032_only_verified_tarballs_are_immutable() {
    let scene = SHARED.get();
    let cache_control = |path: &str| get(&scene, path).header("cache-control").map(str::to_owned);
    let verified = cache_control(&tarball(PACKAGE, OLD)).unwrap();
    assert!(verified.contains("immutable"), "{verified}");
    assert_eq!(cache_control(PACKAGE).as_deref(), Some("no-cache"));
    for blocked in [
        "denied".to_owned(),
        tarball(PACKAGE, YOUNG),
        tarball(PACKAGE, "9.9.9"),
    ] {
        assert_eq!(
            cache_control(&blocked).as_deref(),
            Some("no-store"),
            "{blocked}"
        );
    }
}

#[test]
fn conformance_033_an_irregular_upstream_file_is_had_under_the_regular_name() {
    let scene = SHARED.get();
    let reply = get(&scene, &tarball("odd-file", OLD)).expect(200);
    assert_eq!(
        reply.body,
        scene.registry.bytes_of(Protocol::Npm, "odd-file", OLD)
    );
    assert_eq!(
        scene
            .registry
            .log()
            .gets("/npm/odd-file/-/odd-file-final.tgz"),
        1
    );
}

#[test]
fn conformance_041_a_phrase_is_one_line_of_ascii_whatever_the_reason() {
    let scene = SHARED.get();
    for path in ["odd-reason".to_owned(), tarball("odd-reason", "1.0.0")] {
        let reply = get(&scene, &path).expect(403);
        assert!(reply.phrase.contains("first line"), "{}", reply.phrase);
        let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        assert!(reply.phrase.bytes().all(is_plain), "{:?}", reply.phrase);
        assert!(reply.phrase.len() <= 150);
        assert_eq!(reply.header("x-injected"), None);
    }
}

#[test]
fn conformance_048_ping_answers() {
    let scene = SHARED.get();
    for path in ["-/ping", "-/ping?write=true"] {
        assert_eq!(get(&scene, path).expect(200).json(), json!({}));
    }
}

#[test]
fn conformance_049_keys_are_passed_on_byte_for_byte() {
    let scene = SHARED.get();
    let original = upstream(&scene, "-/npm/v1/keys").body;
    assert_eq!(get(&scene, "-/npm/v1/keys").expect(200).body, original);
}

#[test]
fn conformance_050_attestations_are_had_under_the_prefix() {
    let scene = SHARED.get();
    let path = "-/npm/v1/attestations/@scope%2fpkg@1.0.0";
    let original = upstream(&scene, path).body;
    assert_eq!(get(&scene, path).expect(200).body, original);
}

/// npm takes the path of the address in the document and resolves it against the origin.
#[test]
fn conformance_050_attestations_are_had_where_the_document_says() {
    let scene = SHARED.get();
    let document = get(&scene, SCOPED).expect(200).json();
    let said = document["versions"][OLD]["dist"]["attestations"]["url"].clone();
    let reply = http::get(said.as_str().unwrap()).expect(200);
    assert!(reply.json()["attestations"].is_array());
}

#[test]
fn conformance_050_attestations_are_had_at_the_root() {
    let scene = SHARED.get();
    let path = "-/npm/v1/attestations/@scope%2fpkg@1.0.0";
    let original = upstream(&scene, path).body;
    let reply = http::get(&format!("{}{path}", scene.cordon.root())).expect(200);
    assert_eq!(reply.body, original);
}

#[test]
fn conformance_051_publishing_is_refused_without_asking_upstream() {
    let scene = SHARED.get();
    for (method, path) in [
        ("PUT", "published-here"),
        ("PUT", "@scope%2fpublished-here"),
        ("DELETE", "-/package/published-here/dist-tags/latest"),
        ("PUT", "-/user/org.couchdb.user:published-here"),
        ("POST", "-/v1/login?for=published-here"),
    ] {
        let reply = http::request(method, &url(&scene, path), &[], b"{}");
        assert!(
            [403, 405].contains(&reply.status),
            "{path}: {}",
            reply.status
        );
        assert!(reply.json()["error"].is_string(), "{path}");
    }
    assert_eq!(scene.registry.log().containing("published-here"), 0);
    assert!(scene.registry.log().all().iter().all(|r| r.method == "GET"));
}

#[test]
fn conformance_052_what_clients_authenticate_with_goes_nowhere() {
    let scene = SHARED.get();
    scene
        .registry
        .publish(Release::npm("asked-with-token", OLD));
    let headers = [
        ("Authorization", "Bearer token-of-the-client"),
        ("Cookie", "session=token-of-the-client"),
        ("npm-otp", "token-of-the-client"),
        ("npm-session", "token-of-the-client"),
    ];
    for path in [
        "asked-with-token".to_owned(),
        tarball("asked-with-token", OLD),
    ] {
        let _ = http::get_with(&url(&scene, &path), &headers).expect(200);
    }
    assert_eq!(scene.registry.log().containing("asked-with-token"), 2);
    let log = scene.registry.log().all();
    assert!(
        !log.iter()
            .any(|request| request.mentions("token-of-the-client"))
    );
}

#[test]
fn conformance_053_refusals_bear_a_notice_that_npm_prints() {
    let scene = SHARED.get();
    for path in [
        "denied".to_owned(),
        tarball("denied", "1.0.0"),
        tarball(PACKAGE, YOUNG),
    ] {
        let reply = get(&scene, &path).expect(403);
        let notice = reply.header("npm-notice").unwrap();
        assert!(notice.contains("/why/"), "{notice}");
    }
}
