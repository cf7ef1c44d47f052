//! protocols.md §11, items 34 to 40 and 76 to 78: what the people in front of real clients read.
//!
//! Items about cargo are in `conformance_cargo`.

mod locked;
mod npm;
mod python;

use std::time::Duration;

use cordon_tests::client::{Sandbox, Tool, Transcript, listing};
use cordon_tests::cordon::Cordon;
use cordon_tests::fake_registry::{FakeRegistry, Index, Release};
use cordon_tests::fixture::{self, OLD, PACKAGE, Scene};

/// The words of the rule, which have to reach the terminal.
const REASON: &str = "quarrels with house rule seven";
/// The same in an address.
const REASON_AS_ADDRESS: &str = "quarrels-with-house-rule-seven";

/// A package of which nothing may be had.
const DENIED: &str = "denied-package";

/// A policy that denies a package in every protocol, or one version of it, with [`REASON`].
fn deny(package: &str, versions: &str) -> String {
    let rules = ["npm", "pypi", "cargo"].map(|ecosystem| {
        format!(
            "[[rules.deny.match]]\necosystem = \"{ecosystem}\"\nnames = [\"{package}\"]\n\
             {versions}\nreason = \"{REASON}\"\n\n"
        )
    });
    rules.concat()
}

/// A scene in which nothing of [`DENIED`] may be had.
fn scene_of_denied(tool: Tool) -> Scene {
    let registry = fixture::registry();
    registry.publish(Release::new(tool.protocol(), DENIED, "1.0.0"));
    let cordon = Cordon::with_policy(&registry, &deny(DENIED, ""));
    Scene { cordon, registry }
}

/// What the client's user reads on asking for [`DENIED`], of which no byte may be fetched. The
/// quickest of three runs speaks for how long the client takes: other work on the machine may make
/// a run slow, but never a client that waits between its attempts quick.
fn refused(tool: Tool, limit: Duration) -> Option<(Scene, Transcript)> {
    let scene = scene_of_denied(tool);
    let base = scene.cordon.url(tool.protocol());
    let transcript = quickest(limit, || {
        let sandbox = Sandbox::new();
        let mut command = tool.install(&sandbox, &base, DENIED)?;
        Some(sandbox.run(&mut command))
    })?;
    let archive = scene.registry.file_path(tool.protocol(), DENIED, "1.0.0");
    assert_eq!(scene.registry.log().gets(&archive), 0);
    Some((scene, transcript))
}

/// What the client's user reads when the document of a package is served and its file is refused:
/// by its bytes, which are not those of the document, so that clients without a lock file get as
/// far as to ask for it. Also where the file is.
fn refused_file(tool: Tool, limit: Duration) -> Option<(Scene, String, Transcript)> {
    let protocol = tool.protocol();
    let registry = FakeRegistry::start();
    registry.publish_all(protocol, PACKAGE, &[OLD]);
    let mut other = registry.bytes_of(protocol, PACKAGE, OLD).to_vec();
    other.push(0);
    registry.change_bytes(protocol, PACKAGE, OLD, other, Index::Stays);
    let cordon = Cordon::start(&registry);
    let scene = Scene { cordon, registry };
    let base = scene.cordon.url(protocol);
    let url = listing::locked_url(protocol, &base, PACKAGE, OLD);
    let transcript = quickest(limit, || {
        let sandbox = Sandbox::new();
        let mut command = tool.install(&sandbox, &base, PACKAGE)?;
        Some(sandbox.run(&mut command))
    })?;
    Some((scene, url, transcript))
}

/// Runs a client that must fail until it does so within `limit`, at most three times.
fn quickest(limit: Duration, run: impl Fn() -> Option<Transcript>) -> Option<Transcript> {
    let _undisturbed = crate::undisturbed();
    let mut transcript = run()?;
    for _ in 0..2 {
        if transcript.took < limit {
            break;
        }
        transcript = run()?;
    }
    transcript.expect_failure().expect_within(limit);
    println!(
        "{} in {:.1} s",
        transcript.line,
        transcript.took.as_secs_f32()
    );
    Some(transcript)
}

/// Whether a text was printed, wherever its lines were broken: some break addresses as well.
#[track_caller]
fn expect_wrapped(transcript: &Transcript, text: &str) {
    let joined = |text: &str| text.split_whitespace().collect::<String>();
    assert!(
        !text.is_empty() && joined(&transcript.printed).contains(&joined(text)),
        "no {text:?} in {transcript}"
    );
}
