//! Items 76 to 78: Python's clients.

use std::time::Duration;

use cordon_tests::client::{Sandbox, Tool, http};
use cordon_tests::fake_registry::Protocol;
use cordon_tests::fixture::{OLD, PACKAGE, SETTLED, Scene};

use super::{DENIED, REASON, expect_wrapped, refused, refused_file};

const QUICK: Duration = Duration::from_secs(60);

/// The refused page as a client with this `User-Agent` gets it.
fn page(scene: &Scene, agent: &str) -> http::Reply {
    let url = format!("{}simple/{DENIED}/", scene.cordon.url(Protocol::Pypi));
    let accept = "application/vnd.pypi.simple.v1+json";
    http::get_with(&url, &[("User-Agent", agent), ("Accept", accept)])
}

#[test]
fn conformance_076_uv_prints_title_and_detail_of_a_wholly_blocked_project() {
    let Some((scene, transcript)) = refused(Tool::Uv, QUICK) else {
        return;
    };
    let problem = page(&scene, "uv/0.0").expect(451).json();
    for member in ["title", "detail"] {
        expect_wrapped(&transcript, problem[member].as_str().unwrap_or_default());
    }
    transcript.expect_printed(REASON);
}

#[test]
fn conformance_077_poetry_prints_the_phrase_of_a_wholly_blocked_project() {
    let Some((scene, transcript)) = refused(Tool::Poetry, QUICK) else {
        return;
    };
    let reply = page(&scene, "poetry/0.0").expect(451);
    assert!(reply.phrase.contains(REASON), "{}", reply.phrase);
    expect_wrapped(&transcript, &reply.phrase);
}

#[test]
fn conformance_077_pip_prints_the_content_type_of_a_wholly_blocked_project() {
    let Some((scene, transcript)) = refused(Tool::Pip, QUICK) else {
        return;
    };
    let reply = page(&scene, "pip/0.0").expect(200);
    let said = reply.header("content-type").unwrap_or_default().to_owned();
    assert!(said.contains(REASON), "{said}");
    expect_wrapped(&transcript, &said);
}

/// What the client must print of a refused file: the phrase, except pdm, which prints no phrase but
/// the address it was sent to.
fn check_file(tool: Tool) {
    let Some((_scene, url, transcript)) = refused_file(tool, QUICK) else {
        return;
    };
    if tool == Tool::Pdm {
        let reply = http::get_with(&url, &[("User-Agent", "pdm/0.0")]).expect(307);
        let address = reply.header("location").unwrap_or_default();
        assert!(address.contains("blocked-by-Cordon.integrity"), "{address}");
        let page = http::get(address).expect(403).text();
        assert!(page.contains("integrity"), "{page}");
        expect_wrapped(&transcript, address);
        return;
    }
    let phrase = http::get(&url).expect(403).phrase;
    assert!(phrase.contains("blocked by Cordon (integrity)"), "{phrase}");
    expect_wrapped(&transcript, &phrase);
}

#[test]
fn conformance_078_pip_prints_the_phrase_of_a_blocked_file() {
    check_file(Tool::Pip);
}

#[test]
fn conformance_078_uv_prints_the_phrase_of_a_blocked_file() {
    check_file(Tool::Uv);
}

#[test]
fn conformance_078_poetry_prints_the_phrase_of_a_blocked_file() {
    check_file(Tool::Poetry);
}

#[test]
fn conformance_078_pdm_prints_the_reason_of_a_blocked_file_by_the_address() {
    check_file(Tool::Pdm);
}

#[test]
fn conformance_078_pipenv_prints_the_phrase_of_a_blocked_file() {
    check_file(Tool::Pipenv);
}

/// Who pins a blocked version is told why, not that there is no such version; who does not gets
/// another one. A name that is merely absent from the page would say nothing.
fn check_pinned(tool: Tool, install: &[&str]) {
    let scene = Scene::with_policy(&format!(
        "[rules.deny]\npurls = [\"pkg:pypi/{PACKAGE}@{OLD}\"]\n"
    ));
    let base = scene.cordon.url(Protocol::Pypi);
    let run = |requirement: &str| {
        let sandbox = Sandbox::new();
        let mut command = tool.command(&sandbox, &base)?;
        command.args(install).arg(requirement);
        Some(sandbox.run(&mut command))
    };
    let Some(transcript) = run(&format!("{PACKAGE}=={OLD}")) else {
        return;
    };
    transcript
        .expect_failure()
        .expect_within(QUICK)
        .expect_printed("blocked by Cordon (deny)");
    if let Some(transcript) = run(&format!("{PACKAGE}<={SETTLED}")) {
        transcript.expect_success();
    }
    let archive = scene.registry.file_path(Protocol::Pypi, PACKAGE, OLD);
    assert_eq!(scene.registry.log().gets(&archive), 0);
}

#[test]
fn pip_reads_why_a_pinned_version_is_blocked() {
    check_pinned(Tool::Pip, &["install", "--target", "site"]);
}

#[test]
fn uv_reads_why_a_pinned_version_is_blocked() {
    check_pinned(Tool::Uv, &["pip", "install", "--target", "site"]);
}
