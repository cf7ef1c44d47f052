//! What npm's clients rely on (protocols.md §11, 1 to 33, 41 and 48 to 53), one test a line.

#![expect(
    clippy::unwrap_used,
    reason = "an answer of another shape than expected fails the test that asked for it"
)]

mod archives;

use std::thread;
use std::time::Instant;

use cordon_tests::client::http::{self, Reply};
use cordon_tests::cordon::Signal;
use cordon_tests::fake_registry::{FakeRegistry, Index, Protocol, Release};
use cordon_tests::fixture::{OLD, PACKAGE, SETTLED, Scene, Shared, YOUNG};
use cordon_tests::memory;
use serde_json::{Value, json};

const INSTALL_V1: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";
const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
const SCOPED: &str = "@scope/pkg";

const POLICY: &str = "[rules.integrity]\n\n[rules.minimum-age]\nversion_age = \"72h\"\n\n\
    [rules.deny]\npurls = [\"pkg:npm/denied\", \"pkg:npm/repointed@2.0.0\", \
    \"pkg:npm/no-stable-below@1.0.0\"]\n\n\
    [[rules.deny.match]]\necosystem = \"npm\"\nnames = [\"odd-reason\"]\n\
    reason = \"first line\\r\\nX-Injected: yes\\u0000 \\u2013 \\u00fc \\u202e \\t%0d%0a \\\" end\"\n";

static SHARED: Shared = Shared::new(|| {
    let scene = Scene::with_policy(POLICY);
    let registry = &scene.registry;
    registry.tag(PACKAGE, "next", YOUNG);
    registry.tag(PACKAGE, "stable", OLD);
    publish_names(registry);
    publish_tagged(registry);
    publish_archives(registry);
    scene
});

fn publish_names(registry: &FakeRegistry) {
    registry.publish(Release::npm(SCOPED, OLD).with_provenance());
    registry.publish(Release::npm("JSONStream", "1.0.0"));
    registry.publish(Release::npm("jsonstream", "2.0.0"));
    registry.publish(Release::npm("denied", "1.0.0"));
    registry.publish(Release::npm("odd-reason", "1.0.0"));
    registry.publish(Release::npm("ancient", "not a version").untagged());
    registry.publish(Release::npm("ancient", "1.0.0"));
    registry.publish(Release::npm("scripted", "1.0.0").script("postinstall", "node x"));
    registry.publish(Release::npm("scripted", "1.1.0").script("preinstall", "node x"));
    registry.publish(Release::npm("scripted", "1.2.0").script("install", "node x"));
    registry.publish(Release::npm("scripted", "1.3.0").script("test", "node x"));
    registry.publish(Release::npm("scripted", "1.4.0"));
}

fn publish_tagged(registry: &FakeRegistry) {
    let release = |name, version| Release::npm(name, version).untagged();
    for version in ["1.0.0", "1.9.0", "2.0.0-rc.1", "3.0.0"] {
        registry.publish(release("repointed", version));
    }
    registry.publish(release("repointed", "2.0.0").tagged("latest"));
    registry.publish(release("no-stable-below", "0.9.0-rc.1"));
    registry.publish(release("no-stable-below", "1.0.0").tagged("latest"));
    registry.publish(release("no-stable-below", "1.1.0"));
    registry.publish(release("no-stable-below", "1.2.0-rc.1"));
}

fn publish_archives(registry: &FakeRegistry) {
    registry.publish(Release::npm("odd-file", OLD).file_name("odd-file-final.tgz"));
    let sha1_only = json!({"integrity": null});
    for name in ["sha1-right", "sha1-wrong"] {
        registry.publish(Release::npm(name, OLD).field("dist", sha1_only.clone()));
    }
    let changed = b"not what was declared".as_slice();
    registry.change_bytes(Protocol::Npm, "sha1-wrong", OLD, changed, Index::Stays);
}

fn url(scene: &Scene, path: &str) -> String {
    format!("{}{path}", scene.cordon.url(Protocol::Npm))
}

fn get(scene: &Scene, path: &str) -> Reply {
    http::get(&url(scene, path))
}

fn abbreviated(scene: &Scene, path: &str) -> Reply {
    http::get_with(&url(scene, path), &[("Accept", INSTALL_V1)])
}

fn upstream(scene: &Scene, path: &str) -> Reply {
    http::get(&format!("{}{path}", scene.registry.upstream(Protocol::Npm))).expect(200)
}

fn tarball(name: &str, version: &str) -> String {
    let base = name.rsplit('/').next().unwrap();
    format!("{name}/-/{base}-{version}.tgz")
}

fn versions(packument: &Value) -> Vec<&String> {
    packument["versions"].as_object().unwrap().keys().collect()
}

#[test]
fn conformance_001_without_accept_the_full_document_comes() {
    let reply = get(&SHARED.get(), PACKAGE).expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let document = reply.json();
    assert!(document["time"].is_object());
    assert!(document["maintainers"].is_array());
}

#[test]
fn conformance_002_install_v1_gets_the_abbreviated_document() {
    let reply = abbreviated(&SHARED.get(), PACKAGE).expect(200);
    assert_eq!(reply.header("content-type"), Some(ABBREVIATED));
    let document = reply.json();
    for left_out in ["readme", "maintainers"] {
        assert!(document.get(left_out).is_none(), "{document}");
        assert!(document["versions"][OLD].get(left_out).is_none());
    }
    assert_eq!(document["versions"][OLD]["version"], OLD);
}

#[test]
fn conformance_003_both_forms_vary_by_accept() {
    let scene = SHARED.get();
    for reply in [get(&scene, PACKAGE), abbreviated(&scene, PACKAGE)] {
        let vary = reply.expect(200).header("vary").unwrap().to_lowercase();
        assert!(vary.split(", ").any(|one| one == "accept"), "{vary}");
    }
}

#[test]
fn conformance_004_the_forms_have_their_own_etags() {
    let scene = SHARED.get();
    let full = get(&scene, PACKAGE).header("etag").unwrap().to_owned();
    let short = abbreviated(&scene, PACKAGE)
        .header("etag")
        .unwrap()
        .to_owned();
    assert_ne!(full, short);
    let crossed = [("Accept", INSTALL_V1), ("If-None-Match", full.as_str())];
    let _ = http::get_with(&url(&scene, PACKAGE), &crossed).expect(200);
    let _ = http::get_with(&url(&scene, PACKAGE), &[("If-None-Match", &short)]).expect(200);
}

#[test]
fn conformance_005_the_matching_etag_gets_304_without_a_body() {
    let scene = SHARED.get();
    for accept in [("Accept", INSTALL_V1), ("Accept", "*/*")] {
        let fresh = http::get_with(&url(&scene, PACKAGE), &[accept]).expect(200);
        let etag = fresh.header("etag").unwrap();
        let headers = [accept, ("If-None-Match", etag)];
        let reply = http::get_with(&url(&scene, PACKAGE), &headers).expect(304);
        assert_eq!(reply.header("etag"), Some(etag));
        assert_eq!(reply.body, b"");
    }
}

#[test]
fn conformance_006_unconditional_requests_never_get_304() {
    let scene = SHARED.get();
    for _ in 0..3 {
        assert!(!get(&scene, PACKAGE).expect(200).body.is_empty());
        assert!(!abbreviated(&scene, PACKAGE).expect(200).body.is_empty());
    }
}

#[test]
fn conformance_007_another_policy_makes_another_etag() {
    let scene = Scene::new();
    let before = get(&scene, PACKAGE).expect(200);
    let etag = before.header("etag").unwrap();
    let denied = format!("[rules.deny]\npurls = [\"pkg:npm/{PACKAGE}@{SETTLED}\"]\n");
    scene.cordon.write_policy(&denied);
    scene.cordon.signal(Signal::Reload);
    let deadline = Instant::now() + http::PATIENCE;
    loop {
        let headers = [("If-None-Match", etag)];
        let after = http::get_with(&url(&scene, PACKAGE), &headers);
        if after.status == 200 {
            assert_ne!(after.header("etag"), Some(etag));
            assert!(!versions(&after.json()).contains(&&SETTLED.to_owned()));
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the new policy never took effect"
        );
        thread::yield_now();
    }
    let path = scene.registry.file_path(Protocol::Npm, PACKAGE, SETTLED);
    assert_eq!(scene.registry.log().gets(&path), 0);
}

#[test]
fn conformance_008_every_spelling_of_a_scoped_name_is_the_same_document() {
    let scene = SHARED.get();
    let plain = get(&scene, SCOPED).expect(200).body;
    for spelling in [
        "@scope%2fpkg",
        "@scope%2Fpkg",
        "%40scope%2fpkg",
        "%40scope/pkg",
    ] {
        assert_eq!(get(&scene, spelling).expect(200).body, plain, "{spelling}");
    }
}

#[test]
fn conformance_009_names_are_case_sensitive() {
    let scene = SHARED.get();
    let upper = get(&scene, "JSONStream").expect(200).json();
    let lower = get(&scene, "jsonstream").expect(200).json();
    assert_eq!(
        (&upper["name"], versions(&upper)[0].as_str()),
        (&json!("JSONStream"), "1.0.0")
    );
    assert_eq!(
        (&lower["name"], versions(&lower)[0].as_str()),
        (&json!("jsonstream"), "2.0.0")
    );
}

#[test]
fn conformance_010_tarball_addresses_are_ours_and_canonical() {
    let scene = SHARED.get();
    for name in [PACKAGE, SCOPED, "odd-file", "JSONStream"] {
        for reply in [get(&scene, name), abbreviated(&scene, name)] {
            for (version, manifest) in reply.expect(200).json()["versions"].as_object().unwrap() {
                let expected = url(&scene, &tarball(name, version));
                assert_eq!(manifest["dist"]["tarball"], expected);
            }
        }
    }
}

#[test]
fn conformance_011_no_upstream_address_is_in_any_document() {
    let scene = SHARED.get();
    let main = scene.registry.upstream(Protocol::Npm);
    let hosts = [
        main.trim_end_matches("/npm/"),
        scene.registry.files_origin(),
    ];
    for path in [
        PACKAGE,
        SCOPED,
        "odd-file",
        "demo-package/1.0.0",
        "@scope%2fpkg/latest",
    ] {
        for reply in [get(&scene, path), abbreviated(&scene, path)] {
            let text = reply.expect(200).text();
            assert!(
                !hosts.iter().any(|host| text.contains(host)),
                "{path}: {text}"
            );
        }
    }
}

#[test]
fn conformance_012_digests_and_signatures_are_upstreams() {
    let scene = SHARED.get();
    for name in [PACKAGE, SCOPED, "sha1-right"] {
        let original = upstream(&scene, name).json();
        for reply in [get(&scene, name), abbreviated(&scene, name)] {
            for (version, manifest) in reply.expect(200).json()["versions"].as_object().unwrap() {
                for member in ["integrity", "shasum", "signatures"] {
                    let declared = original["versions"][version]["dist"].get(member);
                    assert_eq!(manifest["dist"].get(member), declared, "{name} {member}");
                }
            }
        }
    }
}

#[test]
fn conformance_013_a_hidden_version_is_in_neither_versions_nor_time() {
    let scene = SHARED.get();
    let full = get(&scene, PACKAGE).expect(200).json();
    assert_eq!(versions(&full), [OLD, SETTLED]);
    assert!(full["time"].get(SETTLED).is_some());
    assert!(full["time"].get(YOUNG).is_none());
    let short = abbreviated(&scene, PACKAGE).expect(200);
    assert!(!short.text().contains(YOUNG), "{}", short.text());
}

#[test]
fn conformance_014_no_tag_points_to_an_absent_version() {
    let scene = SHARED.get();
    for name in [PACKAGE, "repointed", "no-stable-below", "ancient"] {
        for reply in [get(&scene, name), abbreviated(&scene, name)] {
            let document = reply.expect(200).json();
            for (tag, target) in document["dist-tags"].as_object().unwrap() {
                let target = target.as_str().unwrap();
                assert!(
                    document["versions"].get(target).is_some(),
                    "{name} {tag} {target}"
                );
            }
        }
    }
}

#[test]
fn conformance_014_tags_of_listed_versions_stay() {
    let scene = SHARED.get();
    let tags = get(&scene, PACKAGE).expect(200).json()["dist-tags"].clone();
    assert_eq!(tags, json!({"latest": SETTLED, "stable": OLD}));
}

#[test]
fn conformance_015_latest_moves_to_the_highest_allowed_stable_below_it() {
    let document = get(&SHARED.get(), "repointed").expect(200).json();
    assert_eq!(document["dist-tags"]["latest"], "1.9.0", "{document}");
}

#[test]
fn conformance_016_latest_is_no_prerelease_while_there_is_an_allowed_stable() {
    let document = get(&SHARED.get(), "no-stable-below").expect(200).json();
    assert_eq!(document["dist-tags"]["latest"], "1.1.0", "{document}");
}

#[test]
fn conformance_017_a_wholly_blocked_package_is_403_with_a_string_error() {
    let scene = SHARED.get();
    for reply in [get(&scene, "denied"), abbreviated(&scene, "denied")] {
        let reply = reply.expect(403);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert!(
            reply.json()["error"]
                .as_str()
                .unwrap()
                .contains("pkg:npm/denied")
        );
    }
}

#[test]
fn conformance_018_single_versions_agree_with_the_filtered_document() {
    let scene = SHARED.get();
    let document = get(&scene, PACKAGE).expect(200).json();
    for (selector, version) in [(OLD, OLD), ("latest", SETTLED), ("stable", OLD)] {
        let manifest = get(&scene, &format!("{PACKAGE}/{selector}"))
            .expect(200)
            .json();
        assert_eq!(manifest, document["versions"][version], "{selector}");
    }
}

#[test]
fn conformance_018_a_hidden_version_cannot_be_had_by_its_number_or_its_tag() {
    let scene = SHARED.get();
    for selector in [YOUNG, "next"] {
        let reply = get(&scene, &format!("{PACKAGE}/{selector}"));
        assert!(
            [403, 404].contains(&reply.status),
            "{selector}: {}",
            reply.status
        );
        assert!(reply.json()["error"].is_string());
    }
}

#[test]
fn conformance_019_the_tags_route_equals_the_documents_tags() {
    let scene = SHARED.get();
    for name in [PACKAGE, SCOPED, "repointed", "no-stable-below"] {
        let document = get(&scene, name).expect(200).json();
        let route = format!("-/package/{}/dist-tags", name.replace('/', "%2f"));
        let tags = get(&scene, &route).expect(200).json();
        assert_eq!(tags, document["dist-tags"], "{name}");
    }
}

#[test]
fn conformance_020_head_tells_the_time_of_the_last_change() {
    let scene = SHARED.get();
    let modified = get(&scene, PACKAGE).expect(200).json()["time"]["modified"].clone();
    let modified: jiff::Timestamp = modified.as_str().unwrap().parse().unwrap();
    let head = http::request("HEAD", &url(&scene, PACKAGE), &[], b"").expect(200);
    let said = head.header("last-modified").unwrap();
    let said = jiff::fmt::rfc2822::parse(said).unwrap().timestamp();
    assert_eq!(said.as_second(), modified.as_second());
    assert_eq!(head.body, b"");
}

#[test]
fn conformance_021_the_abbreviated_time_is_never_before_upstreams() {
    let scene = SHARED.get();
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    for name in [PACKAGE, SCOPED, "repointed"] {
        let original = time(&upstream(&scene, name).json()["time"]["modified"]);
        let served = time(&abbreviated(&scene, name).expect(200).json()["modified"]);
        assert!(served >= original, "{name}: {served} before {original}");
    }
}

#[test]
fn conformance_022_install_scripts_are_announced_exactly_where_they_are() {
    let document = abbreviated(&SHARED.get(), "scripted").expect(200).json();
    for (version, has_script) in [
        ("1.0.0", true),
        ("1.1.0", true),
        ("1.2.0", true),
        ("1.3.0", false),
        ("1.4.0", false),
    ] {
        let announced = document["versions"][version].get("hasInstallScript");
        assert_eq!(announced, has_script.then_some(&json!(true)), "{version}");
    }
}

#[test]
fn conformance_023_an_unknown_package_is_404_and_remembered_briefly() {
    let scene = SHARED.get();
    for _ in 0..3 {
        let reply = get(&scene, "unknown-package").expect(404);
        assert!(reply.json()["error"].is_string(), "{}", reply.text());
    }
    assert_eq!(scene.registry.log().gets("/npm/unknown-package"), 1);
}

#[test]
fn conformance_024_a_version_that_is_no_semver_does_no_harm() {
    let scene = SHARED.get();
    for reply in [get(&scene, "ancient"), abbreviated(&scene, "ancient")] {
        let document = reply.expect(200).json();
        assert!(document["versions"].get("1.0.0").is_some(), "{document}");
        assert_eq!(document["dist-tags"]["latest"], "1.0.0");
    }
    let _ = get(&scene, &tarball("ancient", "1.0.0")).expect(200);
}

#[test]
fn conformance_025_a_document_of_30_megabytes_is_served_in_bounded_memory() {
    let scene = Scene::new();
    scene.registry.publish(Release::npm("huge", OLD));
    let mut document = upstream(&scene, "huge").json();
    let filler = "x".repeat(100_000);
    for version in 0..300 {
        let mut manifest = document["versions"][OLD].clone();
        manifest["version"] = format!("0.{version}.0").into();
        manifest["description"] = filler.clone().into();
        // The file of another version would be refused.
        let address = manifest["dist"]["tarball"].as_str().unwrap();
        let address = address.replace(OLD, &format!("0.{version}.0"));
        manifest["dist"]["tarball"] = address.into();
        document["time"][format!("0.{version}.0")] = "2020-01-01T00:00:00.000Z".into();
        document["versions"][format!("0.{version}.0")] = manifest;
    }
    let bytes = document.to_string();
    assert!(bytes.len() > 30_000_000);
    scene.registry.put("/npm/huge", "application/json", bytes);
    let gzip = [("Accept-Encoding", "gzip")];
    let coded = http::get_with(&url(&scene, "huge"), &gzip).expect(200);
    let coding = coded.header("content-encoding");
    assert_eq!(coding, Some("gzip"), "{:?}", coded.headers);
    let plain = get(&scene, "huge").expect(200);
    assert!(plain.is_complete && plain.body.len() > 30_000_000);
    let peak = memory::peak_mib(scene.cordon.pid().unwrap());
    assert!(peak < 256, "{peak} MiB");
}
