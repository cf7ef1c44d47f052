//! What upstream removes after it was had from there: one version (refused, and it is told who has
//! it) or the whole project (what is in use goes on: rows N01 and N13 of `tests/incidents.md`).

use std::time::Duration;

use cordon_tests::client::{Sandbox, Tool, http, listing};
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::cordon::{Builder, Cordon, Upstream};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use cordon_tests::fixture::{OLD, PACKAGE, SETTLED};
use cordon_tests::wait;
use serde_json::{Value, json};

const LIFECYCLE: &str = "[rules.integrity]\n\n[rules.lifecycle]\n";
/// Upstream is asked each time.
const ALWAYS_ASKS: &str = "[freshness]\nmax_age = \"0s\"\nmin_age = \"0s\"\nnegative = \"0s\"\n";
/// What the built-in policy holds new releases for has passed.
const LONG: Duration = days(200);

fn start(registry: &FakeRegistry, policy: &str) -> Cordon {
    Builder::new(registry)
        .policy(policy)
        .section(ALWAYS_ASKS)
        .start()
}

fn lines(cordon: &Cordon, arguments: &[&str]) -> Vec<Value> {
    let output = cordon.command(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    text.lines().map(line).collect()
}

fn exposures(cordon: &Cordon) -> Vec<Value> {
    lines(cordon, &["log", "exposures", "--json"])
}

fn notices(cordon: &Cordon) -> String {
    let output = cordon.command(&["log", "notices"]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn metrics(cordon: &Cordon) -> String {
    http::get(&format!("{}metrics", cordon.admin()))
        .expect(200)
        .text()
}

/// A Cordon that served the newest version in every protocol, and where that is.
fn served(policy: &str) -> (FakeRegistry, Cordon, [(Protocol, String); 3]) {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish_all(protocol, PACKAGE, &[OLD, SETTLED]);
    }
    let cordon = start(&registry, policy);
    let urls = Protocol::ALL.map(|protocol| {
        let url = listing::locked_url(protocol, &cordon.url(protocol), PACKAGE, SETTLED);
        let _ = http::get_with(&url, &[("user-agent", "builder/7.1 (ci)")]).expect(200);
        (protocol, url)
    });
    (registry, cordon, urls)
}

#[test]
fn a_removed_version_is_refused_on_both_planes_and_it_is_told_who_has_it() {
    let (mut registry, mut cordon, urls) = served(LIFECYCLE);
    for (protocol, url) in &urls {
        registry.delete(*protocol, PACKAGE, SETTLED);
        let choices = listing::choices(*protocol, &cordon.url(*protocol), PACKAGE);
        assert_eq!(choices, [OLD], "{protocol:?}");
        let refused = http::get(url).expect(403).text();
        assert!(refused.contains("removed"), "{refused}");
        assert!(refused.contains("lifecycle/removed-upstream"), "{refused}");
        assert!(refused.contains(OLD), "the nearest one allowed: {refused}");
    }
    let one = cordon.get(Protocol::Npm, &format!("{PACKAGE}/{SETTLED}"));
    assert_eq!(one.status, 403, "{}", one.text());
    wait::until("three exposures", || exposures(&cordon).len() == 3);
    for line in exposures(&cordon) {
        let exposure = &line["exposure"];
        assert_eq!(exposure["cause"], "upstream-removal");
        let receiver = &exposure["received_by"][0];
        assert_eq!(receiver["client"]["agent"], "builder/7.1");
        assert_eq!(receiver["count"], 1);
    }
    let told = notices(&cordon);
    assert_eq!(told.matches("removed-upstream").count(), 3, "{told}");
    let counted = metrics(&cordon);
    for protocol in Protocol::ALL {
        let labels = format!(
            "{{ecosystem=\"{}\",scope=\"version\"}} 1",
            protocol.purl_type()
        );
        let line = format!("cordon_removals_total{labels}");
        assert!(counted.contains(&line), "{line}\n{counted}");
    }
    assert!(
        cordon.log().contains("removed-upstream"),
        "{}",
        cordon.log()
    );
    // Neither a kill nor an outage brings it back.
    cordon.kill();
    registry.stop();
    cordon.restart_in_place();
    for (protocol, url) in &urls {
        assert_eq!(http::get(url).expect(403).status, 403, "{protocol:?}");
        let choices = listing::choices(*protocol, &cordon.url(*protocol), PACKAGE);
        assert_eq!(choices, [OLD], "{protocol:?}");
    }
    cordon.stop();
    let output = cordon.command(&["log", "verify"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_is_listed_again_is_released_at_once() {
    let (registry, cordon, urls) = served(LIFECYCLE);
    for (protocol, url) in &urls {
        registry.delete(*protocol, PACKAGE, SETTLED);
        let _ = http::get(url).expect(403);
        registry.publish_all(*protocol, PACKAGE, &[SETTLED]);
        let _ = http::get(url).expect(200);
    }
    let told = notices(&cordon);
    assert_eq!(told.matches("listed-again").count(), 3, "{told}");
}

#[test]
fn a_project_not_found_any_more_goes_on_for_who_has_it() {
    let (registry, mut cordon, urls) = served(LIFECYCLE);
    for (protocol, url) in &urls {
        let never_had = url.replace(SETTLED, OLD);
        registry.delete_package(*protocol, PACKAGE);
        for _ in 0..2 {
            let _ = http::get(url).expect(200);
            let listed = listing::choices(*protocol, &cordon.url(*protocol), PACKAGE);
            assert_eq!(listed, [SETTLED], "{protocol:?}");
        }
        assert_eq!(http::get(&never_had).status, 404, "{protocol:?}");
        let page = listing::document(*protocol, &cordon.url(*protocol), PACKAGE).expect(200);
        assert!(
            page.header("warning").is_some(),
            "{protocol:?}: it is marked"
        );
        let never = listing::document(*protocol, &cordon.url(*protocol), "never-was");
        assert_eq!(never.status, 404, "{protocol:?}");
    }
    cordon.stop();
    cordon.restart_in_place();
    for (protocol, url) in &urls {
        let bytes = http::get(url).expect(200).body;
        assert!(!bytes.is_empty(), "{protocol:?}");
        let listed = listing::choices(*protocol, &cordon.url(*protocol), PACKAGE);
        assert_eq!(listed, [SETTLED], "{protocol:?}");
    }
    assert_eq!(exposures(&cordon), Vec::<Value>::new());
}

/// Row N13: PyPI put all of litellm into quarantine because of two versions; lock files pinned a
/// good one.
#[test]
fn n13_a_quarantined_project_keeps_what_is_in_use_and_loses_what_was_bad() {
    const NAME: &str = "litellm";
    const GOOD: &str = "1.81.13";
    const BAD: [&str; 2] = ["1.82.7", "1.82.8"];
    let pypi = Protocol::Pypi;
    let registry = FakeRegistry::start();
    let release = |version: &str, age| Release::new(pypi, NAME, version).published_at(ago(age));
    let publish_good = || {
        registry.publish(release("1.80.0", 2 * LONG));
        registry.publish(release(GOOD, LONG));
    };
    publish_good();
    let cordon = Builder::new(&registry)
        .policy(&built_in())
        .section(ALWAYS_ASKS)
        .start();
    let base = cordon.url(pypi);
    let locked = listing::locked_url(pypi, &base, NAME, GOOD);
    let expected = http::get(&locked).expect(200).body;
    for version in BAD {
        registry.publish(release(version, hours(1)));
    }
    let bad = BAD.map(|version| locked.replace(GOOD, version));
    for url in &bad {
        let _ = http::get(url).expect(403);
    }
    // The quarantine: no file is listed any more.
    registry.set_status(NAME, "quarantined");
    for version in ["1.80.0", GOOD].into_iter().chain(BAD) {
        registry.delete(pypi, NAME, version);
    }
    assert_eq!(http::get(&locked).expect(200).body, expected);
    assert_eq!(listing::choices(pypi, &base, NAME), [GOOD]);
    for url in &bad {
        assert_eq!(http::get(url).status, 404);
    }
    let told = notices(&cordon);
    assert_eq!(
        told.matches("project-removed-upstream").count(),
        1,
        "{told}"
    );
    assert_eq!(exposures(&cordon), Vec::<Value>::new());
    // Then not even the page is there.
    registry.delete_package(pypi, NAME);
    assert_eq!(http::get(&locked).expect(200).body, expected);
    assert_eq!(listing::choices(pypi, &base, NAME), [GOOD]);
    // It comes back without the bad ones.
    publish_good();
    assert_eq!(http::get(&locked).expect(200).body, expected);
    assert_eq!(listing::choices(pypi, &base, NAME), ["1.80.0", GOOD]);
    let told = notices(&cordon);
    assert_eq!(
        told.matches("project-removed-upstream").count(),
        1,
        "{told}"
    );
    assert_eq!(told.matches("listed-again").count(), 1, "{told}");
    let recorded = lines(&cordon, &["log", "--json", "--package", "pkg:pypi/litellm"]);
    let refusals = recorded.iter().filter(|line| {
        let subject = &line["decision"]["facts"]["artifact"]["version"];
        line["decision"]["evaluation"]["effect"] != "allow" && *subject == json!(GOOD)
    });
    assert_eq!(refusals.count(), 0);
}

/// The policy Cordon follows when it is given none.
fn built_in() -> String {
    include_str!("../../policy/src/config/default.toml").to_owned()
}

/// Row N01: npm put a placeholder in the place of stylus.
#[test]
fn n01_a_placeholder_does_not_take_away_what_is_in_use() {
    const NAME: &str = "stylus";
    let npm = Protocol::Npm;
    let registry = FakeRegistry::start();
    let release = |version: &str| Release::new(npm, NAME, version).published_at(ago(LONG));
    registry.publish(release("0.63.0"));
    registry.publish(release("0.64.0"));
    let cordon = start(&registry, &built_in());
    let base = cordon.url(npm);
    let locked = listing::locked_url(npm, &base, NAME, "0.64.0");
    let expected = http::get(&locked).expect(200).body;
    registry.delete(npm, NAME, "0.63.0");
    registry.delete(npm, NAME, "0.64.0");
    registry.publish(Release::new(npm, NAME, "0.0.1-security").published_at(ago(hours(1))));
    assert_eq!(http::get(&locked).expect(200).body, expected);
    assert_eq!(listing::choices(npm, &base, NAME), ["0.64.0"]);
    let told = notices(&cordon);
    assert_eq!(
        told.matches("project-removed-upstream").count(),
        1,
        "{told}"
    );
}

/// Clients install what is in use of a project that is gone.
#[test]
fn clients_go_on_when_the_project_is_gone() {
    for tool in [Tool::Npm, Tool::Pip, Tool::Uv, Tool::Cargo] {
        let registry = FakeRegistry::start();
        registry.publish_all(tool.protocol(), PACKAGE, &[OLD, SETTLED]);
        let cordon = start(&registry, LIFECYCLE);
        let base = cordon.url(tool.protocol());
        let sandbox = Sandbox::new();
        let Some(mut command) = tool.install(&sandbox, &base, PACKAGE) else {
            continue;
        };
        sandbox.run(&mut command).expect_success();
        sandbox.forget_caches();
        sandbox.forget("node_modules");
        sandbox.forget("site");
        registry.delete_package(tool.protocol(), PACKAGE);
        let again = match tool {
            // They have no lock file here, and take what is listed.
            Tool::Pip | Tool::Uv => Some(command),
            _ => tool.install_locked(&sandbox, &base),
        };
        let mut again = again.expect("the client was there a moment ago");
        sandbox.run(&mut again).expect_success();
    }
}

/// The upstream that had the package is not the first one asked.
#[test]
fn a_project_gone_from_the_second_upstream_goes_on_too() {
    let npm = Protocol::Npm;
    let (first, second) = (FakeRegistry::start(), FakeRegistry::start());
    second.publish_all(npm, PACKAGE, &[OLD, SETTLED]);
    let cordon = Builder::without_upstreams()
        .upstreams([
            Upstream::of(&first, npm, "first"),
            Upstream::of(&second, npm, "second"),
        ])
        .policy(LIFECYCLE)
        .section(ALWAYS_ASKS)
        .start();
    let base = cordon.url(npm);
    let locked = listing::locked_url(npm, &base, PACKAGE, SETTLED);
    let _ = http::get(&locked).expect(200);
    second.delete_package(npm, PACKAGE);
    for _ in 0..2 {
        assert_eq!(listing::choices(npm, &base, PACKAGE), [SETTLED]);
        let _ = http::get(&locked).expect(200);
    }
}

/// Nobody asks for it, and yet it is told who has what was removed.
#[test]
fn a_removal_is_told_of_although_nobody_asks() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish_all(protocol, PACKAGE, &[OLD, SETTLED]);
    }
    let section = format!("{ALWAYS_ASKS}recheck = \"1s\"\n");
    let cordon = Builder::new(&registry)
        .policy(LIFECYCLE)
        .section(&section)
        .start();
    for protocol in Protocol::ALL {
        let url = listing::locked_url(protocol, &cordon.url(protocol), PACKAGE, SETTLED);
        let _ = http::get(&url).expect(200);
        registry.delete(protocol, PACKAGE, SETTLED);
    }
    wait::until("three exposures", || exposures(&cordon).len() == 3);
}
