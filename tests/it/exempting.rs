//! Exemptions in the administrators' hands.

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use cordon_tests::fixture::{OLD, PACKAGE};
use cordon_tests::wait;

const DENY: &str = "[rules.deny]\npurls = [\"pkg:npm/left-pad\"]\n";

/// What a command says, and whether it succeeded.
fn run(cordon: &Cordon, arguments: &[&str]) -> (bool, String) {
    let mut arguments = arguments.to_vec();
    if arguments.first() == Some(&"exempt") {
        arguments.extend(["--admin", cordon.admin()]);
    }
    let output = cordon.command(&arguments);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn grant(cordon: &Cordon, id: &str, more: &[&str]) -> (bool, String) {
    let purl = format!("pkg:npm/{PACKAGE}@{OLD}");
    let mut arguments = vec![
        "exempt",
        "add",
        "--id",
        id,
        "--package",
        &purl,
        "--rule",
        "deny",
    ];
    arguments.extend([
        "--reason",
        "needed for the release",
        "--owner",
        "platform team",
        "--ticket",
        "OPS-512",
    ]);
    arguments.extend(more);
    run(cordon, &arguments)
}

#[test]
fn an_exemption_is_granted_used_kept_and_ended_without_touching_a_file() {
    let registry = FakeRegistry::start();
    registry.publish(Release::new(Protocol::Npm, PACKAGE, OLD));
    let policy = DENY.replace("left-pad", PACKAGE);
    let mut cordon = Builder::new(&registry).policy(&policy).start();
    let status = |cordon: &Cordon| {
        let base = cordon.url(Protocol::Npm);
        let path = registry.file_path(Protocol::Npm, PACKAGE, OLD);
        let file = path.rsplit('/').next().expect("a file name").to_owned();
        http::get(&format!("{base}{PACKAGE}/-/{file}")).status
    };
    assert_eq!(status(&cordon), 403);
    let (is_granted, said) = grant(&cordon, "hotfix", &["--until", "2h", "--by", "ada"]);
    assert!(is_granted, "{said}");
    assert_eq!(status(&cordon), 200);
    let (_, unused) = run(&cordon, &["exempt", "list", "--unused"]);
    assert!(unused.contains("no exemption"), "{unused}");
    // It outlives a restart, and is part of the recorded policy.
    assert!(cordon.stop().success());
    cordon.restart();
    assert_eq!(status(&cordon), 200);
    let (_, listed) = run(&cordon, &["exempt", "list"]);
    assert!(listed.contains("granted by ada"), "{listed}");
    assert!(listed.contains("last used 20"), "{listed}");
    let (_, unused) = run(&cordon, &["exempt", "list", "--unused"]);
    assert!(unused.contains("no exemption"), "{unused}");
    let (is_ended, said) = run(&cordon, &["exempt", "end", "hotfix", "--by", "grace"]);
    assert!(is_ended, "{said}");
    assert_eq!(status(&cordon), 403);
    let (is_ended, said) = run(&cordon, &["exempt", "end", "hotfix"]);
    assert!(
        !is_ended && said.contains("no exemption `hotfix` was granted"),
        "{said}"
    );
}

#[test]
fn judging_again_by_itself_is_no_use_of_an_exemption() {
    let registry = FakeRegistry::start();
    registry.publish(Release::new(Protocol::Npm, PACKAGE, OLD));
    let policy = DENY.replace("left-pad", PACKAGE);
    let cordon = Builder::new(&registry).policy(&policy).start();
    let path = registry.file_path(Protocol::Npm, PACKAGE, OLD);
    let file = path.rsplit('/').next().expect("a file name").to_owned();
    let url = format!("{}{PACKAGE}/-/{file}", cordon.url(Protocol::Npm));
    assert_eq!(http::get(&url).status, 403);
    let (is_granted, said) = grant(&cordon, "hotfix", &["--until", "2h"]);
    assert!(is_granted, "{said}");
    wait::until("the decision was taken again", || {
        let (_, log) = run(&cordon, &["log", "--json"]);
        log.contains("policy-reload")
    });
    let (_, unused) = run(&cordon, &["exempt", "list", "--unused"]);
    assert!(unused.contains("hotfix"), "{unused}");
    assert!(unused.contains("last used never"), "{unused}");
    assert_eq!(http::get(&url).status, 200);
    let (_, unused) = run(&cordon, &["exempt", "list", "--unused"]);
    assert!(unused.contains("no exemption"), "{unused}");
}

#[test]
fn an_emergency_is_told_of_everywhere_until_it_ends() {
    let registry = FakeRegistry::start();
    registry.publish(Release::new(Protocol::Npm, PACKAGE, OLD));
    let policy = DENY.replace("left-pad", PACKAGE);
    let mut cordon = Builder::new(&registry).policy(&policy).start();
    let page = |cordon: &Cordon, path: &str| http::get(&format!("{}{path}", cordon.admin())).text();
    let is_told = |cordon: &Cordon| {
        ["healthz", "status"]
            .map(|path| page(cordon, path).contains("break glass: exemption fire for pkg:npm/"))
    };
    let gauge = |cordon: &Cordon, count: u32| {
        let line = format!("\ncordon_break_glass_exemptions {count}\n");
        wait::until("the gauge follows", || {
            page(cordon, "metrics").contains(&line)
        });
    };
    let (is_granted, said) = grant(&cordon, "calm", &["--until", "2h"]);
    assert!(is_granted, "{said}");
    assert_eq!(is_told(&cordon), [false, false]);
    gauge(&cordon, 0);
    let (is_ended, said) = run(&cordon, &["exempt", "end", "calm"]);
    assert!(is_ended, "{said}");
    let (is_granted, said) = grant(&cordon, "fire", &["--until", "2h", "--break-glass"]);
    assert!(is_granted, "{said}");
    assert_eq!(is_told(&cordon), [true, true]);
    gauge(&cordon, 1);
    assert!(cordon.stop().success());
    cordon.restart();
    assert_eq!(is_told(&cordon), [true, true]);
    gauge(&cordon, 1);
    let (_, listed) = run(&cordon, &["exempt", "list"]);
    assert!(listed.contains("BREAK GLASS"), "{listed}");
    let (_, listed) = run(&cordon, &["exempt", "list", "--json"]);
    assert!(listed.contains("\"is_break_glass\":true"), "{listed}");
    let (is_ended, said) = run(&cordon, &["exempt", "end", "fire"]);
    assert!(is_ended, "{said}");
    assert_eq!(is_told(&cordon), [false, false]);
    gauge(&cordon, 0);
}

#[test]
fn what_is_granted_must_be_sound_and_an_emergency_ends_within_a_day() {
    let registry = FakeRegistry::start();
    registry.publish(Release::new(Protocol::Npm, PACKAGE, OLD));
    let policy = DENY.replace("left-pad", PACKAGE);
    let cordon = Builder::new(&registry).policy(&policy).start();
    for (more, why) in [
        (
            &["--until", "2020-01-01T00:00:00Z"][..],
            "it would have ended",
        ),
        (&["--until", "soon"], "neither a time"),
        (&["--until", "367d"], "longer than an exemption may"),
        (&["--until", "25h", "--break-glass"], "ends within 24 hours"),
        (
            &["--until", "2h", "--rule", "dney"],
            "there is no rule `dney`",
        ),
        (
            &["--until", "2h", "--rule", "integrity"],
            "not set aside for a name",
        ),
    ] {
        let (is_granted, said) = grant(&cordon, "x", more);
        assert!(!is_granted && said.contains(why), "{more:?}: {said}");
    }
    let (is_granted, said) = grant(&cordon, "fire", &["--until", "4h", "--break-glass"]);
    assert!(is_granted, "{said}");
    let (_, notices) = run(&cordon, &["log", "notices"]);
    assert!(notices.contains("break-glass"), "{notices}");
    assert!(cordon.log().contains("break glass"), "{}", cordon.log());
    // The same id twice is refused and changes nothing.
    let (is_granted, said) = grant(&cordon, "fire", &["--until", "4h"]);
    assert!(!is_granted && said.contains("given twice"), "{said}");
    assert!(
        listing::choices(Protocol::Npm, &cordon.url(Protocol::Npm), PACKAGE)
            .contains(&OLD.to_owned())
    );
}
