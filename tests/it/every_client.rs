//! Each real client against the same policy: it installs the newest version that is old enough,
//! and of a denied package it says so quickly, in the words protocols.md §5 promises for it.

use std::time::Duration;

use cordon_tests::client::{Sandbox, Tool, Transcript};
use cordon_tests::fake_registry::Release;
use cordon_tests::fixture::{PACKAGE, SETTLED, Scene};

/// Three days of age asked for, and one package denied in every protocol.
const POLICY: &str = "[rules.minimum-age]\nversion_age = \"72h\"\n\n[rules.deny]\npurls = [\
    \"pkg:npm/denied-package\", \"pkg:pypi/denied-package\", \"pkg:cargo/denied-package\"]\n";
const DENIED: &str = "denied-package";

/// No client may sit in retries: a refusal is final and must look so.
const QUICK: Duration = Duration::from_secs(30);

/// Runs one client twice, in a project of its own each time. `installed` is a file whose text
/// proves what arrived; `told` is what its user must be shown of a denied package.
fn check(tool: Tool, installed: (&str, &str), told: &[&str]) {
    let scene = Scene::with_policy(POLICY);
    let protocol = tool.protocol();
    scene
        .registry
        .publish(Release::new(protocol, DENIED, "1.0.0"));
    let base = scene.cordon.url(protocol);
    let run = |package: &str| -> Option<(Sandbox, Transcript)> {
        let sandbox = Sandbox::new();
        let transcript = sandbox.run(&mut tool.install(&sandbox, &base, package)?);
        Some((sandbox, transcript))
    };
    let Some((sandbox, transcript)) = run(PACKAGE) else {
        return;
    };
    transcript.expect_success();
    let (path, proof) = installed;
    let text = sandbox.read(path);
    assert!(text.contains(proof), "no {proof:?} in {path}:\n{text}");

    let Some((_, transcript)) = run(DENIED) else {
        return;
    };
    transcript.expect_failure().expect_within(QUICK);
    for text in told {
        transcript.expect_printed(text);
    }
    let archive = scene.registry.file_path(protocol, DENIED, "1.0.0");
    assert_eq!(scene.registry.log().gets(&archive), 0);
}

const MANIFEST: (&str, &str) = (
    "node_modules/demo-package/package.json",
    "\"version\":\"1.1.0\"",
);
const METADATA: (&str, &str) = ("site/demo_package-1.1.0.dist-info/METADATA", SETTLED);

#[test]
fn npm() {
    check(Tool::Npm, MANIFEST, &["E403", "blocked by Cordon", "/why/"]);
}

#[test]
fn pnpm() {
    check(Tool::Pnpm, MANIFEST, &["403", "blocked by Cordon"]);
}

#[test]
fn pnpm_12() {
    // It shows neither phrase nor body.
    check(Tool::Pnpm12, MANIFEST, &["403", DENIED]);
}

#[test]
fn yarn() {
    check(Tool::Yarn, MANIFEST, &["blocked by Cordon", "/why/"]);
}

#[test]
fn yarn_berry() {
    check(Tool::Berry, MANIFEST, &["403 (blocked by Cordon"]);
}

#[test]
fn bun() {
    check(
        Tool::Bun,
        MANIFEST,
        &["403", "/why/", "blocked-by-Cordon.deny"],
    );
}

#[test]
fn deno() {
    check(Tool::Deno, MANIFEST, &["blocked by Cordon", "/why/"]);
}

#[test]
fn pip() {
    check(Tool::Pip, METADATA, &["blocked by Cordon", "/why/"]);
}

#[test]
fn uv() {
    check(Tool::Uv, METADATA, &["451", "blocked by Cordon", "/why/"]);
}

#[test]
fn poetry() {
    let locked = ("poetry.lock", "version = \"1.1.0\"");
    check(Tool::Poetry, locked, &["451", "blocked by Cordon"]);
}

#[test]
fn pdm() {
    // It says nothing of a refused page but that there is no candidate.
    let locked = ("pdm.lock", "version = \"1.1.0\"");
    check(Tool::Pdm, locked, &[DENIED]);
}

#[test]
fn pipenv() {
    // Nor does it, although it is pip that it runs.
    let locked = ("Pipfile.lock", "\"version\": \"==1.1.0\"");
    check(Tool::Pipenv, locked, &[DENIED]);
}

#[test]
fn cargo() {
    let locked = ("Cargo.lock", "version = \"1.1.0\"");
    check(
        Tool::Cargo,
        locked,
        &["got 403", "blocked by Cordon", "/why/"],
    );
}
