//! Files, their metadata, and ranges of them (67 to 75).

use cordon_tests::client::http::{self, Reply};
use cordon_tests::fake_registry::{Fault, Protocol};
use cordon_tests::fixture::{OLD, PACKAGE, Scene, YOUNG};
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{LARGE, SHARED, content_type, files, get, names, page, resolved, url, wheel_of};

#[test]
fn conformance_067_core_metadata_is_there_where_it_is_advertised() {
    let scene = SHARED.get();
    let document = page(&scene, "rich");
    let mut advertised = 0;
    for file in files(&document) {
        let address = format!(
            "{}.metadata",
            resolved(&scene, file["url"].as_str().unwrap())
        );
        match &file["core-metadata"] {
            Value::Null | Value::Bool(false) => {}
            said => {
                let bytes = http::get(&address).expect(200).body;
                assert_eq!(said["sha256"], HEXLOWER.encode(&Sha256::digest(&bytes)));
                advertised += 1;
            }
        }
    }
    assert_eq!(advertised, 2);
}

#[test]
fn conformance_068_of_a_blocked_file_the_metadata_is_blocked_too() {
    let scene = SHARED.get();
    for (project, version) in [("denied", "1.0.0"), (PACKAGE, YOUNG)] {
        let wheel = wheel_of(project, version);
        for path in [wheel.clone(), format!("{wheel}.metadata")] {
            let reply = get(&scene, &path).expect(403);
            assert!(reply.text().contains("/why/"));
        }
        let upstream = scene.registry.file_path(Protocol::Pypi, project, version);
        assert_eq!(scene.registry.log().containing(&upstream), 0);
    }
}

#[test]
fn conformance_069_age_is_asked_of_each_file() {
    let scene = SHARED.get();
    let document = page(&scene, "late-file");
    assert_eq!(names(&document), ["late_file-1.0-py3-none-any.whl"]);
    let late = "files/late-file/late_file-1.0-cp311-cp311-linux_x86_64.whl";
    let _ = get(&scene, late).expect(403);
}

#[test]
fn conformance_070_head_tells_the_length_and_that_ranges_work() {
    let scene = SHARED.get();
    let bytes = scene.registry.bytes_of(Protocol::Pypi, LARGE, "1.0.0");
    let head = http::request("HEAD", &url(&scene, &wheel_of(LARGE, "1.0.0")), &[], b"");
    let head = head.expect(200);
    let length = bytes.len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    assert_eq!(head.body, b"");
}

fn range(scene: &Scene, project: &str, range: &str) -> Reply {
    http::get_with(
        &url(scene, &wheel_of(project, "1.0.0")),
        &[("Range", range)],
    )
}

#[test]
fn conformance_071_ranges_are_exact() {
    let scene = SHARED.get();
    let bytes = scene.registry.bytes_of(Protocol::Pypi, LARGE, "1.0.0");
    let length = bytes.len();
    for (asked, from, to) in [
        ("bytes=0-99".to_owned(), 0, 99),
        ("bytes=-10000".to_owned(), length - 10_000, length - 1),
        (format!("bytes={}-", length - 5), length - 5, length - 1),
        ("bytes=7-999999999".to_owned(), 7, length - 1),
    ] {
        let reply = range(&scene, LARGE, &asked).expect(206);
        assert_eq!(reply.body, bytes[from..=to], "{asked}");
        let said = format!("bytes {from}-{to}/{length}");
        assert_eq!(reply.header("content-range"), Some(said.as_str()));
        assert_eq!(
            reply.header("content-length"),
            Some((to + 1 - from).to_string().as_str())
        );
    }
}

#[test]
fn conformance_071_a_range_beyond_the_end_is_416() {
    let scene = SHARED.get();
    let length = scene
        .registry
        .bytes_of(Protocol::Pypi, LARGE, "1.0.0")
        .len();
    let reply = range(&scene, LARGE, &format!("bytes={length}-")).expect(416);
    let said = format!("bytes */{length}");
    assert_eq!(reply.header("content-range"), Some(said.as_str()));
}

#[test]
fn conformance_072_a_range_of_a_blocked_file_is_403() {
    let reply = range(&SHARED.get(), "denied", "bytes=0-9").expect(403);
    assert_eq!(reply.header("content-range"), None);
}

#[test]
fn conformance_073_a_range_asked_for_first_does_not_spoil_the_cache() {
    let scene = SHARED.get();
    let bytes = scene
        .registry
        .bytes_of(Protocol::Pypi, "range-first", "1.0.0");
    assert_eq!(
        range(&scene, "range-first", "bytes=10-19").expect(206).body,
        bytes[10..=19]
    );
    let whole = get(&scene, &wheel_of("range-first", "1.0.0")).expect(200);
    assert_eq!(whole.body, bytes);
    let path = scene
        .registry
        .file_path(Protocol::Pypi, "range-first", "1.0.0");
    let asked = scene.registry.log().of(&path);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("range"), None);
}

#[test]
fn conformance_074_a_file_with_the_wrong_digest_is_neither_served_nor_kept() {
    let mut scene = Scene::new();
    let path = scene.registry.file_path(Protocol::Pypi, PACKAGE, OLD);
    scene.registry.fault(&path, Fault::WrongBytes);
    let reply = get(&scene, &wheel_of(PACKAGE, OLD));
    assert!([403, 502].contains(&reply.status), "{}", reply.status);
    assert_eq!(content_type(&reply), "application/problem+json");
    scene.registry.clear_fault(&path);
    // What failed is not asked for again at once; a new process has only what was kept.
    scene.cordon.kill();
    scene.cordon.restart();
    let bytes = scene.registry.bytes_of(Protocol::Pypi, PACKAGE, OLD);
    assert_eq!(get(&scene, &wheel_of(PACKAGE, OLD)).expect(200).body, bytes);
}

#[test]
fn conformance_074_not_even_a_part_of_it_is_served() {
    let scene = SHARED.get();
    let path = scene
        .registry
        .file_path(Protocol::Pypi, "range-wrong", "1.0.0");
    scene.registry.fault(&path, Fault::WrongBytes);
    let reply = range(&scene, "range-wrong", "bytes=0-9");
    assert!([403, 502].contains(&reply.status), "{}", reply.status);
}

#[test]
fn conformance_075_files_are_never_coded() {
    let scene = SHARED.get();
    let bytes = scene.registry.bytes_of(Protocol::Pypi, LARGE, "1.0.0");
    let headers = [("Accept-Encoding", "gzip, deflate, br, zstd")];
    let reply = http::get_with(&url(&scene, &wheel_of(LARGE, "1.0.0")), &headers).expect(200);
    assert_eq!(reply.header("content-encoding"), None);
    assert_eq!(reply.body, bytes);
}
