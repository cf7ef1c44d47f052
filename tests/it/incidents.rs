//! Incidents that happened, replayed with inert packages of the same shape: what was published when,
//! by whom, with which scripts, dependencies and provenance (features.md §5). Each is refused on both
//! planes by the rule that judges what happened, with the age rule on and again with it off, while
//! the versions from before stay installable. `tests/incidents.md` tells what each needs and gets.

use std::time::Duration;

use cordon_tests::client::{http, listing};
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use serde_json::{Value, json};

/// The rules of the built-in policy that look at names and changes, without those that look at time.
const WITHOUT_AGE: &str = include_str!("incidents/without_age.toml");
/// The same with the clocks of the built-in policy.
const WITH_AGE: &str = include_str!("incidents/with_age.toml");

/// A package somebody hijacked or made.
struct Incident {
    id: &'static str,
    protocol: Protocol,
    package: &'static str,
    /// Versions from before, which stay installable.
    good: Vec<Release>,
    /// What must be refused.
    bad: Vec<Release>,
    /// Others that are there.
    beside: Vec<Release>,
    /// The rule that refuses it whatever its age.
    rule: &'static str,
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Published by an account, as most versions are.
fn by(release: Release, account: &str) -> Release {
    release.field(
        "_npmUser",
        json!({"name": account, "email": "a@example.invalid"}),
    )
}

/// Published by a workflow the registry trusts.
fn trusted(release: Release) -> Release {
    let user = json!({
        "name": "GitHub Actions", "email": "npm-oidc@example.invalid",
        "trustedPublisher": {"id": "github", "oidcConfigId": "oidc:1"},
    });
    release.with_provenance().field("_npmUser", user)
}

fn npm(package: &str, version: &str, age: Duration) -> Release {
    Release::npm(package, version).published_at(ago(age))
}

fn pypi(package: &str, version: &str, age: Duration) -> Release {
    Release::pypi(package, version).published_at(ago(age))
}

fn cargo(package: &str, version: &str, age: Duration) -> Release {
    Release::cargo(package, version).published_at(ago(age))
}

/// A hijacked npm package that gains a script nobody runs but the installer.
fn gains_script(
    id: &'static str,
    package: &'static str,
    before: [&str; 2],
    bad: &[&str],
    event: &str,
) -> Incident {
    Incident {
        id,
        protocol: Protocol::Npm,
        package,
        good: vec![
            npm(package, before[0], days(400)).script("test", "tape"),
            npm(package, before[1], days(120)).script("test", "tape"),
        ],
        bad: bad
            .iter()
            .map(|version| {
                npm(package, version, hours(1))
                    .script("test", "tape")
                    .script(event, "node ./inert.js")
            })
            .collect(),
        beside: Vec::new(),
        rule: "install-code",
    }
}

fn hijacks() -> Vec<Incident> {
    let mut all = vec![
        gains_script(
            "H01",
            "eslint-scope",
            ["3.7.0", "3.7.1"],
            &["3.7.2"],
            "postinstall",
        ),
        gains_script(
            "H04",
            "coa",
            ["2.0.1", "2.0.2"],
            &["2.0.3", "2.0.4"],
            "preinstall",
        ),
        gains_script(
            "H14",
            "@rspack/core",
            ["1.1.5", "1.1.6"],
            &["1.1.7"],
            "postinstall",
        ),
        gains_script(
            "H17",
            "eslint-config-prettier",
            ["10.1.4", "10.1.5"],
            &["8.10.1", "10.1.6", "10.1.7"],
            "install",
        ),
        gains_script(
            "H22",
            "@ctrl/tinycolor",
            ["4.0.0", "4.1.0"],
            &["4.1.1", "4.1.2"],
            "postinstall",
        ),
        gains_script(
            "H23",
            "posthog-node",
            ["5.13.1", "5.13.2"],
            &["5.13.3"],
            "preinstall",
        ),
        gains_script(
            "H28",
            "@bitwarden/cli",
            ["2026.2.0", "2026.3.0"],
            &["2026.4.0"],
            "preinstall",
        ),
        gains_script("H35", "keyv", ["5.5.2", "5.6.0"], &["6.0.0"], "preinstall"),
    ];
    all.push(event_stream());
    all.extend(nx());
    all.push(axios());
    all.push(tanstack());
    all.push(phantom_gyp());
    all.push(mastra());
    all.push(arrayref());
    all.push(ultralytics());
    all
}

/// A new maintainer adds a new package of his own.
fn event_stream() -> Incident {
    Incident {
        id: "H02",
        protocol: Protocol::Npm,
        package: "event-stream",
        good: vec![by(npm("event-stream", "3.3.4", days(700)), "dominictarr")],
        bad: vec![
            by(npm("event-stream", "3.3.6", days(20)), "right9ctrl")
                .depends_on("flatmap-stream", "^0.1.0"),
        ],
        beside: vec![npm("flatmap-stream", "0.1.0", days(21))],
        rule: "new-dependency",
    }
}

/// Stolen token: a script, and the provenance is gone.
fn nx() -> Vec<Incident> {
    let make = |rule| Incident {
        id: "H20",
        protocol: Protocol::Npm,
        package: "nx",
        good: vec![
            trusted(npm("nx", "21.4.0", days(60))),
            trusted(npm("nx", "21.4.1", days(40))),
        ],
        bad: vec![
            npm("nx", "21.5.0", hours(2)).script("postinstall", "node telemetry.js"),
            npm("nx", "21.6.0", hours(1)).script("postinstall", "node telemetry.js"),
        ],
        beside: Vec::new(),
        rule,
    };
    vec![make("install-code"), make("provenance")]
}

/// From a laptop instead of the workflow, with one new dependency whose clean first version was
/// published the day before.
fn axios() -> Incident {
    let old = |version, age| trusted(npm("axios", version, age)).depends_on("form-data", "^4.0.4");
    Incident {
        id: "H26",
        protocol: Protocol::Npm,
        package: "axios",
        good: vec![old("1.13.6", days(90)), old("1.14.0", days(30))],
        bad: vec![
            by(npm("axios", "1.14.1", hours(2)), "jasonsaayman")
                .depends_on("form-data", "^4.0.4")
                .depends_on("plain-crypto-js", "^4.2.1"),
        ],
        beside: vec![
            npm("form-data", "4.0.4", days(500)),
            npm("plain-crypto-js", "4.2.0", hours(20)),
            npm("plain-crypto-js", "4.2.1", hours(3)),
        ],
        rule: "new-dependency",
    }
}

/// Valid provenance: only the script and the burst tell.
fn tanstack() -> Incident {
    Incident {
        id: "H29",
        protocol: Protocol::Npm,
        package: "@tanstack/history",
        good: vec![
            trusted(npm("@tanstack/history", "1.161.4", days(60))),
            trusted(npm("@tanstack/history", "1.161.6", days(20))),
        ],
        bad: vec![
            trusted(npm("@tanstack/history", "1.161.9", hours(3)))
                .script("prepare", "true")
                .script("postinstall", "node router_init.js"),
            trusted(npm("@tanstack/history", "1.161.12", hours(3) - minutes(6)))
                .script("postinstall", "node router_init.js"),
        ],
        beside: Vec::new(),
        rule: "install-code",
    }
}

/// No script at all: npm builds what has a `binding.gyp`.
fn phantom_gyp() -> Incident {
    let package = "@vapi-ai/server-sdk";
    let bad = |version, age| npm(package, version, age).field("gypfile", true);
    Incident {
        id: "H32",
        protocol: Protocol::Npm,
        package,
        good: vec![
            npm(package, "0.10.0", days(200)),
            npm(package, "0.11.0", days(90)),
        ],
        bad: vec![
            bad("0.11.1", hours(2)),
            bad("0.11.2", hours(2) - minutes(10)),
            bad("1.2.1", hours(1)),
        ],
        beside: Vec::new(),
        rule: "install-code",
    }
}

/// A token unused for sixteen months publishes everything with one new dependency.
fn mastra() -> Incident {
    Incident {
        id: "H34",
        protocol: Protocol::Npm,
        package: "@mastra/core",
        good: vec![trusted(npm("@mastra/core", "1.40.0", days(14)))],
        bad: vec![
            by(
                npm("@mastra/core", "1.40.1", hours(1)),
                "former-contributor",
            )
            .depends_on("easy-day-js", "^1.11.21"),
        ],
        beside: vec![
            npm("easy-day-js", "1.11.21", days(1)),
            npm("easy-day-js", "1.11.22", hours(2)),
        ],
        rule: "new-dependency",
    }
}

/// A build dependency that is a lookalike registered the same morning.
fn arrayref() -> Incident {
    Incident {
        id: "H36",
        protocol: Protocol::Cargo,
        package: "arrayref",
        good: vec![
            cargo("arrayref", "0.3.8", days(500)),
            cargo("arrayref", "0.3.9", days(300)),
        ],
        bad: vec![cargo("arrayref", "0.3.10", hours(1)).depends_on("proc-macro1", "^1.0.107")],
        beside: vec![cargo("proc-macro1", "1.0.107", hours(2))],
        rule: "new-dependency",
    }
}

/// A stolen API token instead of the trusted publisher.
fn ultralytics() -> Incident {
    Incident {
        id: "H13",
        protocol: Protocol::Pypi,
        package: "ultralytics",
        good: vec![
            pypi("ultralytics", "8.3.39", days(20)).with_provenance(),
            pypi("ultralytics", "8.3.40", days(10)).with_provenance(),
        ],
        bad: vec![
            pypi("ultralytics", "8.3.45", hours(2)),
            pypi("ultralytics", "8.3.46", hours(1)),
        ],
        beside: Vec::new(),
        rule: "provenance",
    }
}

fn start(incident: &Incident, policy: &str) -> (FakeRegistry, Cordon) {
    let registry = FakeRegistry::start();
    let all = incident
        .good
        .iter()
        .chain(&incident.beside)
        .chain(&incident.bad);
    for release in all {
        registry.publish(release.clone());
    }
    let cordon = Builder::new(&registry).policy(policy).start();
    (registry, cordon)
}

/// The rules that found something about a version, and count.
fn rules_against(cordon: &Cordon, protocol: Protocol, package: &str, version: &str) -> Vec<String> {
    let purl = format!(
        "pkg:{}/{}",
        protocol.purl_type(),
        package.replacen('@', "%40", 1)
    );
    let output = cordon.command(&["log", "--json", "--package", &purl, "-n", "1000"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rules = Vec::new();
    for line in text.lines() {
        let logged: Value = serde_json::from_str(line).expect("a line of JSON");
        let evaluation = &logged["decision"]["evaluation"];
        if evaluation["artifact"]["subject"]["version"] != version {
            continue;
        }
        for finding in evaluation["findings"].as_array().into_iter().flatten() {
            if finding["mode"] == "enforce" {
                rules.push(finding["rule"].as_str().expect("a rule's id").to_owned());
            }
        }
    }
    assert!(!text.is_empty(), "nothing is on record about {purl}");
    rules
}

fn versions(releases: &[Release]) -> Vec<String> {
    releases
        .iter()
        .map(|release| release.version().to_owned())
        .collect()
}

/// Checks both planes; the good versions are served.
fn replay(incident: &Incident, policy: &str) {
    let (registry, cordon) = start(incident, policy);
    let (id, protocol, package) = (incident.id, incident.protocol, incident.package);
    let base = cordon.url(protocol);
    let choices = listing::choices(protocol, &base, package);
    let mut listed = choices.clone();
    listed.sort();
    let mut good = versions(&incident.good);
    good.sort();
    assert_eq!(listed, good, "{id} {package}: what may be chosen");
    for version in versions(&incident.bad) {
        let url = listing::locked_url(protocol, &base, package, &version);
        let reply = http::get(&url);
        assert_eq!(
            reply.status,
            403,
            "{id} {package} {version}: {}",
            reply.text()
        );
        let rules = rules_against(&cordon, protocol, package, &version);
        assert!(
            rules.iter().any(|rule| rule == incident.rule),
            "{id} {package} {version}: refused by {rules:?}, not by {}",
            incident.rule
        );
    }
    for version in good {
        let url = listing::locked_url(protocol, &base, package, &version);
        assert_eq!(http::get(&url).status, 200, "{id} {package} {version}");
    }
    drop(registry);
}

#[test]
fn hijacked_packages_are_refused_by_what_changed_whatever_their_age() {
    for incident in hijacks() {
        replay(&incident, WITHOUT_AGE);
        println!(
            "{} {}: {} without the age rule",
            incident.id, incident.package, incident.rule
        );
    }
}

#[test]
fn hijacked_packages_are_refused_with_the_age_rule_as_well() {
    for incident in hijacks() {
        replay(&incident, WITH_AGE);
        println!(
            "{} {}: {} with the age rule",
            incident.id, incident.package, incident.rule
        );
    }
}
