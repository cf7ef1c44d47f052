//! Each real client against the same policy: it installs the newest version that is old enough,
//! and of a denied package it says so quickly, in the words protocols.md §5 promises for it.

use std::process::Command;
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

/// Runs one client twice, in a project of its own each time. `set_up` writes the project that asks
/// for the package and completes the command line; `installed` is a file whose text proves what
/// arrived; `told` is what its user must be shown of a denied package.
fn check(
    tool: Tool,
    set_up: impl Fn(&Sandbox, &mut Command, &str, &str),
    installed: (&str, &str),
    told: &[&str],
) {
    let scene = Scene::with_policy(POLICY);
    let protocol = tool.protocol();
    scene
        .registry
        .publish(Release::new(protocol, DENIED, "1.0.0"));
    let base = scene.cordon.url(protocol);
    let run = |package: &str| -> Option<(Sandbox, Transcript)> {
        let sandbox = Sandbox::new();
        let mut command = tool.command(&sandbox, &base)?;
        set_up(&sandbox, &mut command, package, &base);
        let transcript = sandbox.run(&mut command);
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

const PACKAGE_JSON: &str = r#"{"name":"app","version":"1.0.0","private":true}"#;
const MANIFEST: &str = "node_modules/demo-package/package.json";
const VERSION: &str = "\"version\":\"1.1.0\"";

fn with_package_json(arguments: &[&'static str]) -> impl Fn(&Sandbox, &mut Command, &str, &str) {
    let arguments = arguments.to_vec();
    move |sandbox, command, package, _| {
        sandbox.write("package.json", PACKAGE_JSON);
        command.args(&arguments).arg(package);
    }
}

#[test]
fn npm() {
    check(
        Tool::Npm,
        with_package_json(&["install"]),
        (MANIFEST, VERSION),
        &["E403", "blocked by Cordon", "/why/"],
    );
}

#[test]
fn pnpm() {
    check(
        Tool::Pnpm,
        with_package_json(&["add"]),
        (MANIFEST, VERSION),
        &["403", "blocked by Cordon"],
    );
}

#[test]
fn yarn() {
    check(
        Tool::Yarn,
        with_package_json(&["add"]),
        (MANIFEST, VERSION),
        &["blocked by Cordon", "/why/"],
    );
}

#[test]
fn bun() {
    check(
        Tool::Bun,
        with_package_json(&["add"]),
        (MANIFEST, VERSION),
        &["403", "/why/", "blocked-by-Cordon.deny"],
    );
}

#[test]
fn pip() {
    check(
        Tool::Pip,
        |_, command, package, _| {
            command.args(["install", "--target", "site", package]);
        },
        ("site/demo_package-1.1.0.dist-info/METADATA", SETTLED),
        &["blocked by Cordon", "/why/"],
    );
}

#[test]
fn uv() {
    check(
        Tool::Uv,
        |_, command, package, _| {
            command.args(["pip", "install", "--target", "site", package]);
        },
        ("site/demo_package-1.1.0.dist-info/METADATA", SETTLED),
        &["451", "blocked by Cordon", "/why/"],
    );
}

#[test]
fn poetry() {
    check(
        Tool::Poetry,
        |sandbox, command, package, base| {
            sandbox.write(
                "pyproject.toml",
                &format!(
                    "[project]\nname = \"app\"\nversion = \"0.1.0\"\nrequires-python = \">=3.8\"\n\
                     dependencies = [\"{package}\"]\n\n[tool.poetry]\npackage-mode = false\n\n\
                     [[tool.poetry.source]]\nname = \"cordon\"\nurl = \"{base}simple/\"\n\
                     priority = \"primary\"\n"
                ),
            );
            command.args(["install", "--no-root"]);
        },
        ("poetry.lock", "version = \"1.1.0\""),
        &["451", "blocked by Cordon"],
    );
}

#[test]
fn cargo() {
    check(
        Tool::Cargo,
        |sandbox, command, package, _| {
            sandbox.write(
                "Cargo.toml",
                &format!(
                    "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
                     [dependencies]\n{package} = \"1\"\n"
                ),
            );
            sandbox.write("src/lib.rs", "");
            command.arg("fetch");
        },
        ("Cargo.lock", "version = \"1.1.0\""),
        &["got 403", "blocked by Cordon", "/why/"],
    );
}
