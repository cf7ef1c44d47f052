//! Items 34 to 40: npm's clients.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordon_tests::client::{Sandbox, Tool, Transcript, listing};
use cordon_tests::fake_registry::Protocol;
use cordon_tests::fixture::{PACKAGE, SETTLED, Scene};
use serde_json::json;

use super::locked::{Locked, PINNED};
use super::{DENIED, REASON, REASON_AS_ADDRESS, expect_wrapped, quickest, refused, refused_file};

/// The base address of the public registry, as the example configuration shows it.
fn public_registry() -> String {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.example.toml");
    let text = fs::read_to_string(example).expect("the example is in the repository");
    let table = text.split("[[upstream.npm]]").nth(1).unwrap_or_default();
    let mut urls = table
        .lines()
        .filter_map(|line| line.strip_prefix("#url = "));
    let url = urls.next().expect("the example shows every default");
    url.trim_matches('"').to_owned()
}

/// A proxy that reaches nothing and counts who wanted to go out through it.
fn dead_end() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be bound");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    // Ends with the test process.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            seen.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    (format!("http://{address}"), count)
}

#[test]
fn conformance_034_npm_ci_of_a_lock_file_of_the_public_registry_asks_cordon_only() {
    let scene = Scene::new();
    let base = scene.cordon.url(Protocol::Npm);
    let sandbox = Sandbox::new();
    let Some(mut npm) = Tool::Npm.command(&sandbox, &base) else {
        return;
    };
    let listed = listing::list(Protocol::Npm, &base, PACKAGE);
    let settled = listed.iter().find(|listed| listed.version == SETTLED);
    let integrity = &settled.expect("it is published").digest;
    let resolved = format!("{}{PACKAGE}/-/{PACKAGE}-{SETTLED}.tgz", public_registry());
    let dependencies = json!({ PACKAGE: SETTLED });
    let manifest = json!({ "name": "app", "version": "1.0.0", "dependencies": dependencies });
    let lock = json!({
        "name": "app", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
        "packages": {
            "": { "name": "app", "version": "1.0.0", "dependencies": dependencies },
            format!("node_modules/{PACKAGE}"): {
                "version": SETTLED, "resolved": resolved, "integrity": integrity,
            },
        },
    });
    let lock = lock.to_string();
    sandbox.write("package.json", &manifest.to_string());
    sandbox.write("package-lock.json", &lock);
    let (proxy, left) = dead_end();
    // Whatever does not go to loopback goes to the dead end.
    npm.env_remove("no_proxy")
        .env("npm_config_proxy", &proxy)
        .env("npm_config_https_proxy", &proxy)
        .env("npm_config_noproxy", "127.0.0.1");
    sandbox.run(npm.arg("ci")).expect_success();
    let installed = sandbox.read(&format!("node_modules/{PACKAGE}/package.json"));
    assert!(installed.contains(SETTLED), "{installed}");
    assert_eq!(left.load(Ordering::SeqCst), 0, "npm went elsewhere");
    let file = scene.registry.file_path(Protocol::Npm, PACKAGE, SETTLED);
    assert_eq!(scene.registry.log().gets(&file), 1);
    assert_eq!(sandbox.read("package-lock.json"), lock);
}

/// The dead end of item 34 would have seen a client that goes out.
#[test]
fn conformance_034_a_lock_file_of_another_host_is_seen_to_leave() {
    let scene = Scene::new();
    let sandbox = Sandbox::new();
    let Some(mut npm) = Tool::Npm.command(&sandbox, &scene.cordon.url(Protocol::Npm)) else {
        return;
    };
    let (proxy, left) = dead_end();
    npm.env_remove("no_proxy")
        .env("npm_config_proxy", &proxy)
        .env("npm_config_https_proxy", &proxy)
        .env("npm_config_noproxy", "127.0.0.1")
        .env("npm_config_fetch_retries", "0");
    let elsewhere = "https://files.example/demo-package-1.1.0.tgz";
    sandbox.write("package.json", r#"{"name":"app","version":"1.0.0"}"#);
    sandbox
        .run(npm.args(["install", elsewhere]))
        .expect_failure();
    assert!(left.load(Ordering::SeqCst) > 0, "the dead end sees nothing");
}

#[test]
fn conformance_035_npm_prints_the_reason_at_once() {
    let Some((_scene, transcript)) = refused(Tool::Npm, Duration::from_secs(3)) else {
        return;
    };
    transcript
        .expect_printed("E403")
        .expect_printed(REASON)
        .expect_printed("/why/");
}

/// Installs by the lock file a version denied since it was written: no client may wait and ask
/// again.
fn locked_refusal(tool: Tool, limit: Duration) -> Option<Transcript> {
    let locked = Locked::new(tool)?;
    let base = locked.base(tool);
    let transcript = quickest(limit, || {
        locked.sandbox.forget("node_modules");
        let mut command = tool.install_locked(&locked.sandbox, &base)?;
        Some(locked.sandbox.run(&mut command))
    })?;
    let archive = locked
        .scene
        .registry
        .file_path(tool.protocol(), PACKAGE, PINNED);
    assert_eq!(locked.scene.registry.log().gets(&archive), 0);
    let manifest = format!("node_modules/{PACKAGE}/package.json");
    assert!(!locked.sandbox.has(&manifest), "{transcript}");
    Some(transcript)
}

#[test]
fn conformance_035_npm_prints_the_reason_of_a_locked_version() {
    if let Some(transcript) = locked_refusal(Tool::Npm, Duration::from_secs(3)) {
        transcript.expect_printed("E403").expect_printed(REASON);
    }
}

const PNPM_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn conformance_036_pnpm_10_gives_up_a_blocked_tarball_at_once() {
    if let Some((_scene, url, transcript)) = refused_file(Tool::Pnpm, PNPM_LIMIT) {
        transcript
            .expect_printed("403")
            .expect_printed("blocked by Cordon (integrity)")
            .expect_printed(&url);
    }
}

#[test]
fn conformance_036_pnpm_10_prints_the_reason_of_a_locked_version() {
    if let Some(transcript) = locked_refusal(Tool::Pnpm, PNPM_LIMIT) {
        transcript.expect_printed("403").expect_printed(REASON);
    }
}

/// It shows the address it asked for, and no more.
#[test]
fn conformance_036_pnpm_12_gives_up_a_blocked_tarball_at_once() {
    if let Some((_scene, url, transcript)) = refused_file(Tool::Pnpm12, PNPM_LIMIT) {
        expect_wrapped(&transcript, &format!("HTTP 403 for {url}"));
    }
}

/// It may look for the versions of the lock file in the packument before it asks for tarballs, and
/// then names the one it misses.
#[test]
fn conformance_036_pnpm_12_names_a_locked_version_at_once() {
    if let Some(transcript) = locked_refusal(Tool::Pnpm12, PNPM_LIMIT) {
        let is_named = transcript.printed.contains("demo-package@1.1.0")
            || transcript.printed.contains("demo-package-1.1.0.tgz");
        assert!(is_named, "{transcript}");
    }
}

const QUICK: Duration = Duration::from_secs(30);

#[test]
fn conformance_037_bun_prints_the_reason_by_the_address() {
    if let Some((_scene, transcript)) = refused(Tool::Bun, QUICK) {
        transcript
            .expect_printed("403")
            .expect_printed("/why/")
            .expect_printed(REASON_AS_ADDRESS);
    }
}

#[test]
fn conformance_037_bun_prints_the_reason_of_a_locked_version() {
    if let Some(transcript) = locked_refusal(Tool::Bun, QUICK) {
        transcript
            .expect_printed("403")
            .expect_printed(REASON_AS_ADDRESS);
    }
}

#[test]
fn conformance_038_yarn_berry_prints_status_and_phrase() {
    if let Some((_scene, transcript)) = refused(Tool::Berry, QUICK) {
        transcript
            .expect_printed("403 (blocked by Cordon")
            .expect_printed(REASON);
    }
}

#[test]
fn conformance_038_yarn_berry_prints_the_phrase_of_a_locked_version() {
    if let Some(transcript) = locked_refusal(Tool::Berry, QUICK) {
        transcript
            .expect_printed("403 (blocked by Cordon")
            .expect_printed(REASON);
    }
}

#[test]
fn conformance_039_deno_prints_the_reason_in_the_body() {
    if let Some((_scene, transcript)) = refused(Tool::Deno, QUICK) {
        transcript
            .expect_printed("403")
            .expect_printed(REASON)
            .expect_printed("/why/");
    }
}

#[test]
fn conformance_039_deno_prints_the_reason_of_a_locked_version() {
    if let Some(transcript) = locked_refusal(Tool::Deno, QUICK) {
        transcript.expect_printed("403").expect_printed(REASON);
    }
}

#[test]
fn conformance_040_yarn_1_prints_the_error_of_a_blocked_packument() {
    if let Some((scene, transcript)) = refused(Tool::Yarn, QUICK) {
        let reply = scene.cordon.get(Protocol::Npm, DENIED).expect(403);
        let error = reply.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(error.contains(REASON), "{error}");
        transcript.expect_printed(&error);
    }
}

/// Of a tarball it shows nothing but the address.
#[test]
fn conformance_040_yarn_1_gives_up_a_blocked_tarball() {
    if let Some(transcript) = locked_refusal(Tool::Yarn, QUICK) {
        transcript
            .expect_printed("403 Forbidden")
            .expect_printed("demo-package-1.1.0.tgz");
    }
}
