//! Routes and identities: a policy may be another one for each, and none learns of another's.

use std::fs;

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol};
use cordon_tests::fixture::{self, OLD, PACKAGE, YOUNG};
use cordon_tests::wait;

const TOKEN: &str = "k3X9vQ0mZp7LrT2wYb5NcH8dJf1GsA6u";
const POLICY: &str = "[rules.minimum-age]\nversion_age = '30d'\nname_age = '0s'\n\
    [[rules.minimum-age.override]]\nroutes = ['lab']\nenabled = false\n\
    [[rules.minimum-age.override]]\nidentities = ['robot']\nenabled = false\n";

fn configured(registry: &FakeRegistry, policy: &str) -> Builder {
    Builder::new(registry)
        .policy(policy)
        .server("routes = ['lab', 'shop']")
        .section("[identities]\nrobot = { token_env = 'ROBOT' }\n")
        .env("ROBOT", TOKEN)
}

/// The token as the main client of the protocol sends it.
fn shown(protocol: Protocol, token: &str) -> String {
    match protocol {
        Protocol::Npm => format!("Bearer {token}"),
        Protocol::Pypi => {
            let pair = format!("__token__:{token}");
            format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
        }
        Protocol::Cargo => token.to_owned(),
    }
}

fn by_route(cordon: &Cordon, route: &str, protocol: Protocol) -> String {
    format!("{}route/{route}/{}/", cordon.root(), protocol.purl_type())
}

fn decisions(cordon: &Cordon) -> usize {
    let output = cordon.command(&["log", "--json", "--all"]);
    assert!(output.status.success());
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn a_rule_off_for_one_route_stays_on_for_all_others() {
    let registry = fixture::registry();
    let mut cordon = configured(&registry, POLICY).start();
    let look = |cordon: &Cordon| {
        for protocol in Protocol::ALL {
            let (root, lab) = (cordon.url(protocol), by_route(cordon, "lab", protocol));
            let shop = by_route(cordon, "shop", protocol);
            for strict in [&root, &shop] {
                let choices = listing::choices(protocol, strict, PACKAGE);
                assert!(!choices.iter().any(|it| it == YOUNG), "{strict}");
                let file = listing::locked_url(protocol, strict, PACKAGE, YOUNG);
                assert_eq!(http::get(&file).status, 403, "{file}");
            }
            let listed = listing::list(protocol, &lab, PACKAGE);
            let young = listed.iter().find(|it| it.version == YOUNG);
            let young = young.expect("it is listed by that route");
            // What is listed by a route is asked for by it.
            assert!(young.url.starts_with(&lab), "{} below {lab}", young.url);
            assert_eq!(http::get(&young.url).status, 200, "{}", young.url);
            let file = young.url.replace("route/lab/", "");
            assert_eq!(http::get(&file).status, 403, "{file}");
        }
    };
    look(&cordon);
    let written = decisions(&cordon);
    for _ in 0..3 {
        look(&cordon);
    }
    // Verdicts of one route neither replace nor repeat those of another.
    assert_eq!(decisions(&cordon), written);
    assert!(cordon.stop().success());
    cordon.restart();
    look(&cordon);
    assert_eq!(decisions(&cordon), written);
    assert_eq!(
        http::get(&by_route(&cordon, "nowhere", Protocol::Npm)).status,
        404
    );
    let page = http::get(&format!("{}route/lab/", cordon.root())).text();
    assert!(page.contains("/route/lab/npm/"), "{page}");
    assert_eq!(
        http::get(&format!("{}route/lab/status", cordon.admin())).status,
        404
    );
}

#[test]
fn a_rule_off_for_one_identity_stays_on_for_whoever_shows_no_token() {
    let registry = fixture::registry();
    let cordon = configured(&registry, POLICY).start();
    for protocol in Protocol::ALL {
        let root = cordon.url(protocol);
        let file = listing::locked_url(protocol, &root, PACKAGE, YOUNG);
        let value = shown(protocol, TOKEN);
        let robot = [("Authorization", value.as_str())];
        for _ in 0..2 {
            assert_eq!(http::get(&file).status, 403, "{file}");
            assert_eq!(http::get_with(&file, &robot).status, 200, "{file}");
        }
        for wrong in [
            shown(protocol, "k3X9vQ0mZp7LrT2wYb5NcH8dJf1GsA6v"),
            shown(protocol, ""),
            "Basic %%%".to_owned(),
        ] {
            let reply = http::get_with(&file, &[("Authorization", &wrong)]);
            assert_eq!(reply.status, 401, "{wrong}");
            assert!(!reply.text().contains(TOKEN));
        }
    }
    // Who received it is told by name, too.
    let purl = format!("pkg:npm/{PACKAGE}@{YOUNG}");
    wait::until("the serving", || {
        let output = cordon.command(&["log", "received", &purl]);
        String::from_utf8_lossy(&output.stdout).contains("as robot")
    });
    let explain = |more: &[&str]| {
        let arguments = [&["explain", &purl, "--recorded"][..], more].concat();
        let output = cordon.command(&arguments);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let (anybody, robot) = (explain(&[]), explain(&["--identity", "robot"]));
    assert!(anybody.contains("hide"), "{anybody}");
    assert!(robot.contains("allow"), "{robot}");
    let nobody = explain(&["--route", "shopp"]);
    assert!(nobody.contains("no route `shopp`"), "{nobody}");
}

#[test]
fn a_policy_for_a_route_nobody_configured_is_refused() {
    let registry = FakeRegistry::start();
    let wrong = POLICY.replace("'lab'", "'labb'");
    let Err(said) = configured(&registry, &wrong).try_start() else {
        panic!("it starts");
    };
    assert!(
        said.contains("the configuration has no route `labb`"),
        "{said}"
    );
    assert!(said.contains("did you mean `lab`?"), "{said}");
    // While it runs, the old policy stays.
    let cordon = configured(&registry, POLICY).start();
    cordon.write_policy(&POLICY.replace("'robot'", "'robots'"));
    let status = || {
        http::get(&format!("{}status", cordon.admin()))
            .expect(200)
            .text()
    };
    wait::until("the problem", || {
        status().contains("the configuration has no identity `robots`")
    });
    let check = cordon.command(&["check", "--config", "cordon.toml"]);
    assert!(!check.status.success());
}

#[test]
fn an_exposure_names_only_those_the_stricter_rule_is_for() {
    let registry = fixture::registry();
    let cordon = configured(&registry, "[rules.integrity]\n").start();
    let root = cordon.url(Protocol::Npm);
    let file = listing::locked_url(Protocol::Npm, &root, PACKAGE, OLD);
    let by_lab = file.replace("/npm/", "/route/lab/npm/");
    assert_eq!(http::get(&file).status, 200);
    let deny = format!("[rules.deny]\nroutes = ['lab']\npurls = ['pkg:npm/{PACKAGE}']\n");
    cordon.write_policy(&deny);
    wait::until("the new policy", || http::get(&by_lab).status == 403);
    assert_eq!(http::get(&file).status, 200);
    let exposures = cordon.command(&["log", "exposures"]);
    let exposures = String::from_utf8_lossy(&exposures.stdout).into_owned();
    assert!(!exposures.contains(PACKAGE), "{exposures}");
    let folder = cordon.folder().path().to_owned();
    assert!(fs::metadata(folder.join("policy.toml")).is_ok());
}
