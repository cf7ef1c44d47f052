//! protocols.md §11, items 85 to 100: the sparse protocol as cargo and its kin see it.

use std::time::{Duration, Instant};

use cordon_tests::client::{Reply, Sandbox, Tool, http, listing};
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::cordon::Cordon;
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Release};
use cordon_tests::fixture::{self, OLD, PACKAGE, SETTLED, Scene, YOUNG};

const AGED: &str = "[rules.minimum-age]\nversion_age = \"72h\"\n";

/// Long enough for a slow machine, far shorter than any client's retries.
const QUICK: Duration = Duration::from_secs(20);

fn get(scene: &Scene, path: &str) -> Reply {
    scene.cordon.get(Protocol::Cargo, path)
}

fn upstream_index(registry: &FakeRegistry, name: &str) -> String {
    listing::document(Protocol::Cargo, &registry.upstream(Protocol::Cargo), name)
        .expect(200)
        .text()
}

fn index(scene: &Scene, name: &str) -> Reply {
    listing::document(Protocol::Cargo, &scene.cordon.url(Protocol::Cargo), name)
}

fn project(sandbox: &Sandbox, dependency: &str, requirement: &str) {
    sandbox.write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
             [dependencies]\n{dependency} = \"{requirement}\"\n"
        ),
    );
    sandbox.write("src/lib.rs", "");
}

#[test]
fn conformance_085_config_names_cordon_and_api_has_no_trailing_slash() {
    let scene = Scene::new();
    let base = scene.cordon.url(Protocol::Cargo);
    let config = get(&scene, "config.json").expect(200).json();
    let dl = config["dl"].as_str().unwrap_or_default();
    assert!(dl.starts_with(&base), "{config}");
    assert_eq!(config["api"], base.trim_end_matches('/'));
    assert_eq!(config.get("auth-required"), None);
}

#[test]
fn conformance_086_prefix_paths_work_and_upper_case_is_404() {
    let scene = Scene::new();
    for (name, path) in [
        ("a", "1/a"),
        ("ab", "2/ab"),
        ("abc", "3/a/abc"),
        ("abcd", "ab/cd/abcd"),
        ("Mixed-Case_1", "mi/xe/mixed-case_1"),
    ] {
        scene.registry.publish(Release::cargo(name, "1.0.0"));
        let reply = get(&scene, path).expect(200);
        assert!(reply.text().contains(&format!("\"name\":\"{name}\"")));
    }
    for path in ["AB/CD/ABCD", "ab/cd/ABCD", "3/b/abc", "2/abc", "ab/ce/abcd"] {
        let _ = get(&scene, path).expect(404);
    }
}

#[test]
fn conformance_087_allowed_lines_are_upstream_s_bytes_in_upstream_s_order() {
    let scene = Scene::with_policy(AGED);
    let upstream = upstream_index(&scene.registry, PACKAGE);
    let ours = index(&scene, PACKAGE).expect(200).text();
    assert!(ours.ends_with('\n'));
    let pairs: Vec<(&str, &str)> = upstream.lines().zip(ours.lines()).collect();
    assert_eq!(pairs.len(), 3);
    assert_eq!(pairs[0].0, pairs[0].1);
    assert_eq!(pairs[1].0, pairs[1].1);
}

#[test]
fn conformance_088_a_demoted_line_differs_only_in_yanked() {
    let scene = Scene::with_policy(AGED);
    let upstream = upstream_index(&scene.registry, PACKAGE);
    let ours = index(&scene, PACKAGE).expect(200).text();
    let expected: Vec<String> = upstream
        .lines()
        .map(|line| match line.contains(YOUNG) {
            true => line.replace("\"yanked\":false", "\"yanked\":true"),
            false => line.to_owned(),
        })
        .collect();
    assert_eq!(ours.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn conformance_089_validators_round_trip() {
    let scene = Scene::new();
    let base = scene.cordon.url(Protocol::Cargo);
    let url = format!("{base}{}", cordon_tests::fake_registry::index_path(PACKAGE));
    let first = http::get(&url).expect(200);
    let tag = first.header("etag").expect("an ETag").to_owned();
    let date = first.header("last-modified").expect("a date").to_owned();
    let again = http::get_with(&url, &[("If-None-Match", &tag)]).expect(304);
    assert!(again.body.is_empty());
    let again = http::get_with(&url, &[("If-Modified-Since", &date)]).expect(304);
    assert!(again.body.is_empty());
    let _ = http::get_with(&url, &[("If-None-Match", "\"other\"")]).expect(200);
}

/// A date alone must not keep a client from learning of a block.
#[test]
fn conformance_089_a_file_with_a_withheld_version_has_no_date() {
    let scene = Scene::with_policy(AGED);
    let reply = index(&scene, PACKAGE).expect(200);
    assert_eq!(reply.header("last-modified"), None);
    assert!(reply.header("etag").is_some());
}

#[test]
fn conformance_090_an_entirely_blocked_crate_is_403_text_that_cargo_prints() {
    let scene = Scene::with_policy("[rules.deny]\npurls = [\"pkg:cargo/demo-package\"]\n");
    let reply = index(&scene, PACKAGE).expect(403);
    let kind = reply.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert!(reply.body.len() <= 512 && reply.text().contains("/why/"));

    let sandbox = Sandbox::new();
    let Some(mut cargo) = Tool::Cargo.command(&sandbox, &scene.cordon.url(Protocol::Cargo)) else {
        return;
    };
    project(&sandbox, PACKAGE, "1");
    sandbox
        .run(cargo.arg("fetch"))
        .expect_failure()
        .expect_printed(reply.text().split("; why").next().unwrap_or_default())
        .expect_within(QUICK);
}

/// Writes the lock file of a build against the registry itself, then forgets everything but it.
fn locked_to_young(scene: &Scene, sandbox: &Sandbox) -> bool {
    let upstream = scene.registry.upstream(Protocol::Cargo);
    let Some(mut cargo) = Tool::Cargo.command(sandbox, &upstream) else {
        return false;
    };
    project(sandbox, PACKAGE, &format!("={YOUNG}"));
    sandbox.run(cargo.arg("generate-lockfile")).expect_success();
    sandbox.forget_caches();
    scene.registry.log().clear();
    true
}

#[test]
fn conformance_091_a_blocked_download_is_403_and_asked_for_once() {
    let scene = Scene::with_policy(AGED);
    let url = listing::list(Protocol::Cargo, &scene.cordon.url(Protocol::Cargo), PACKAGE)
        .into_iter()
        .find(|listed| listed.version == YOUNG)
        .map(|listed| listed.url)
        .expect("demoted, so listed");
    let reply = http::get(&url).expect(403);
    assert!(
        reply.text().contains("nearest allowed 1.1.0"),
        "{}",
        reply.text()
    );
    let head = http::request("HEAD", &url, &[], b"").expect(403);
    assert!(head.body.is_empty());
    let path = scene.registry.file_path(Protocol::Cargo, PACKAGE, YOUNG);
    assert_eq!(scene.registry.log().gets(&path), 0);
}

#[test]
fn conformance_092_a_locked_build_learns_the_reason_at_the_download() {
    let scene = Scene::with_policy(AGED);
    let sandbox = Sandbox::new();
    if !locked_to_young(&scene, &sandbox) {
        return;
    }
    let Some(mut cargo) = Tool::Cargo.command(&sandbox, &scene.cordon.url(Protocol::Cargo)) else {
        return;
    };
    let transcript = sandbox.run(cargo.args(["fetch", "--locked"]));
    transcript
        .expect_failure()
        .expect_printed("versions must be 72 h old")
        .expect_within(QUICK);
    assert!(
        !transcript.printed.contains("no matching package"),
        "{transcript}"
    );
}

#[test]
fn conformance_093_bytes_match_cksum_and_a_mismatch_is_neither_served_nor_kept() {
    let registry = fixture::registry();
    let cordon = Cordon::start(&registry);
    let listed = listing::list(Protocol::Cargo, &cordon.url(Protocol::Cargo), PACKAGE);
    let first = &listed[0];
    let path = registry.file_path(Protocol::Cargo, PACKAGE, OLD);
    registry.fault(&path, Fault::WrongBytes);
    let reply = http::get(&first.url);
    assert!(matches!(reply.status, 403 | 502), "{reply:?}");
    registry.clear_faults();
    // Whatever is remembered of the failure, it is never the wrong bytes.
    let after = http::get(&first.url);
    if after.status == 200 {
        assert_eq!(after.body, registry.bytes_of(Protocol::Cargo, PACKAGE, OLD));
    }
    let other = http::get(&listed[1].url).expect(200);
    assert_eq!(
        other.body,
        registry.bytes_of(Protocol::Cargo, PACKAGE, SETTLED)
    );
}

#[test]
fn conformance_094_a_checksum_other_than_the_index_s_is_refused() {
    let scene = Scene::new();
    let listed = listing::list(Protocol::Cargo, &scene.cordon.url(Protocol::Cargo), PACKAGE);
    let [old, settled, _] = listed.as_slice() else {
        panic!("three versions: {listed:?}");
    };
    for wrong in [settled.digest.clone(), "0".repeat(64), "beef".to_owned()] {
        let reply = http::get(&old.url.replace(&old.digest, &wrong));
        assert!((400..500).contains(&reply.status), "{wrong}: {reply:?}");
    }
    let path = scene.registry.file_path(Protocol::Cargo, PACKAGE, OLD);
    assert_eq!(scene.registry.log().gets(&path), 0);
}

#[test]
fn conformance_095_probes_of_a_missing_crate_are_404_fast_and_hurt_no_other_spelling() {
    let scene = Scene::new();
    scene
        .registry
        .publish(Release::cargo("real_crate", "1.0.0"));
    let start = Instant::now();
    for path in [
        "mi/ss/missing-crate",
        "mi/ss/missing_crate",
        "re/al/real-crate",
    ] {
        let _ = get(&scene, path).expect(404);
        // What was learned is written in the background; once it is, upstream is left alone.
        let asked = || scene.registry.log().gets(&format!("/cargo/{path}"));
        loop {
            let before = asked();
            let _ = get(&scene, path).expect(404);
            if asked() == before {
                break;
            }
            assert!(
                start.elapsed() < QUICK,
                "{path} was asked for {before} times"
            );
        }
    }
    let _ = get(&scene, "re/al/real_crate").expect(200);
    let _ = get(&scene, "re/al/real-crate").expect(404);
}

#[test]
fn conformance_096_unknown_formats_and_keys_pass_through() {
    let scene = Scene::new();
    scene.registry.publish(
        Release::cargo("tomorrow", "1.0.0")
            .field("v", 99)
            .field("someday", serde_json::json!({"yanked": [1e3, null]})),
    );
    let upstream = upstream_index(&scene.registry, "tomorrow");
    assert_eq!(index(&scene, "tomorrow").expect(200).text(), upstream);
}

#[test]
fn conformance_097_an_upgrade_to_h2c_is_ignored() {
    let scene = Scene::new();
    let url = format!("{}config.json", scene.cordon.url(Protocol::Cargo));
    let headers = [
        ("Connection", "Upgrade, HTTP2-Settings, close"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
    ];
    let reply = http::get_with(&url, &headers).expect(200);
    assert_eq!(reply.header("upgrade"), None);
}

#[test]
fn conformance_098_search_answers_in_words_cargo_prints() {
    let scene = Scene::new();
    let reply = get(&scene, "api/v1/crates?q=demo&per_page=10");
    let detail = &reply.json()["errors"][0]["detail"];
    assert!(
        detail.as_str().is_some_and(|d| d.contains("search")),
        "{detail}"
    );

    let sandbox = Sandbox::new();
    let Some(mut cargo) = Tool::Cargo.command(&sandbox, &scene.cordon.url(Protocol::Cargo)) else {
        return;
    };
    sandbox
        .run(cargo.args(["search", "--registry", "cordon", "demo"]))
        .expect_printed("this registry has no search")
        .expect_within(QUICK);
}

#[test]
fn conformance_099_publishing_is_refused_and_upstream_not_told() {
    let scene = Scene::new();
    let base = scene.cordon.url(Protocol::Cargo);
    for (method, path) in [
        ("PUT", "api/v1/crates/new"),
        ("DELETE", "api/v1/crates/demo-package/1.0.0/yank"),
        ("PUT", "api/v1/crates/demo-package/1.0.0/unyank"),
        ("PUT", "api/v1/crates/demo-package/owners"),
        ("DELETE", "api/v1/crates/demo-package/owners"),
    ] {
        let reply = http::request(method, &format!("{base}{path}"), &[], b"body");
        assert!(
            matches!(reply.status, 403 | 405),
            "{method} {path}: {reply:?}"
        );
        let detail = &reply.json()["errors"][0]["detail"];
        assert!(
            detail.as_str().is_some_and(|d| d.contains("read-only")),
            "{detail}"
        );
    }
    assert!(scene.registry.log().is_empty());
}

/// Lock files written through Cordon and beside it are the same bytes: with the same name for the
/// replaced source, nothing of Cordon enters them.
#[test]
fn conformance_100_lock_files_are_identical_to_those_of_a_direct_build() {
    let scene = Scene::new();
    scene.registry.publish(
        Release::cargo("with-dependency", "2.0.0")
            .published_at(ago(days(90)))
            .depends_on(PACKAGE, "^1.0"),
    );
    scene
        .registry
        .publish(Release::cargo("with-dependency", "2.0.1+build.7").published_at(ago(hours(100))));
    let lock = |base: &str| {
        let sandbox = Sandbox::new();
        let mut cargo = Tool::Cargo.command(&sandbox, base)?;
        project(&sandbox, "with-dependency", "=2.0.0");
        sandbox.run(cargo.arg("fetch")).expect_success();
        Some(sandbox.read("Cargo.lock"))
    };
    let through = lock(&scene.cordon.url(Protocol::Cargo));
    let direct = lock(&scene.registry.upstream(Protocol::Cargo));
    assert_eq!(through, direct);
}
