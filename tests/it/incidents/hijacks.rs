//! Packages somebody took over (features.md §5.1).

use cordon_tests::client::http;
use cordon_tests::clock::{days, hours};
use cordon_tests::cordon::Cordon;
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};

use super::{
    WITH_AGE, WITHOUT_AGE, by, cargo, file_url, findings_against, is_named, minutes, npm, offered,
    pypi, serving, trusted,
};

/// A package somebody hijacked.
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
    /// The rules that refuse it whatever its age, each by itself.
    rules: &'static [&'static str],
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
        rules: &["install-code"],
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
    ];
    all.push(keyv());
    all.push(event_stream());
    all.push(nx());
    all.push(axios());
    all.push(tanstack());
    all.push(phantom_gyp());
    all.push(mastra());
    all.push(arrayref());
    all.push(ultralytics());
    all
}

/// A worm with valid provenance: a script, and five versions within minutes.
fn keyv() -> Incident {
    let versions = ["5.6.1", "5.6.2", "5.6.3", "6.0.0", "6.0.1"];
    let bad = |(version, after): (&str, u64)| {
        trusted(npm("keyv", version, hours(1) - minutes(after)))
            .script("preinstall", "node ./setup.mjs")
    };
    Incident {
        id: "H35",
        protocol: Protocol::Npm,
        package: "keyv",
        good: vec![
            trusted(npm("keyv", "5.5.2", days(400))),
            trusted(npm("keyv", "5.6.0", days(120))),
        ],
        bad: versions.into_iter().zip(0..).map(bad).collect(),
        beside: Vec::new(),
        rules: &["install-code", "publish-burst"],
    }
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
        rules: &["new-dependency"],
    }
}

/// Stolen token: a script, and the provenance is gone.
fn nx() -> Incident {
    Incident {
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
        rules: &["install-code", "provenance"],
    }
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
        rules: &["new-dependency", "provenance"],
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
        rules: &["install-code"],
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
        rules: &["install-code"],
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
        rules: &["new-dependency"],
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
        rules: &["new-dependency"],
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
        rules: &["provenance"],
    }
}

fn versions(releases: &[Release]) -> Vec<String> {
    releases
        .iter()
        .map(|release| release.version().to_owned())
        .collect()
}

/// Checks both planes; the good versions are served.
fn replay(registry: &FakeRegistry, cordon: &Cordon, incident: &Incident) {
    let (id, protocol, package) = (incident.id, incident.protocol, incident.package);
    let mut listed = offered(cordon, protocol, package);
    listed.sort();
    let mut good = versions(&incident.good);
    good.sort();
    assert_eq!(listed, good, "{id} {package}: what may be chosen");
    for version in versions(&incident.bad) {
        let url = file_url((registry, cordon), protocol, package, &version);
        let reply = http::get(&url);
        let text = reply.text();
        assert_eq!(reply.status, 403, "{id} {package} {version}: {text}");
        let findings = findings_against(cordon, protocol, package, &version);
        for rule in incident.rules {
            assert!(
                is_named(&findings, rule),
                "{id} {package} {version}: refused by {findings:?}, not by {rule}"
            );
        }
    }
    for version in good {
        let url = file_url((registry, cordon), protocol, package, &version);
        assert_eq!(http::get(&url).status, 200, "{id} {package} {version}");
    }
}

fn replay_all(policy: &str) {
    let all = hijacks();
    let releases = all.iter().flat_map(|incident| {
        let published = incident.good.iter().chain(&incident.beside);
        published.chain(&incident.bad)
    });
    let (registry, cordon) = serving(releases, policy);
    for incident in &all {
        replay(&registry, &cordon, incident);
        println!("{} {}: {:?}", incident.id, incident.package, incident.rules);
    }
}

/// The built-in policy only watches for new publishers; who enforces it has these refused by it alone.
#[test]
fn a_new_publisher_alone_is_reason_enough_where_the_rule_is_enforced() {
    let by_strangers = [event_stream(), mastra()].map(|incident| Incident {
        rules: &["publisher-change"],
        ..incident
    });
    for incident in &by_strangers {
        let published = incident.good.iter().chain(&incident.bad);
        let (registry, cordon) = serving(published, "[rules.publisher-change]\n");
        replay(&registry, &cordon, incident);
    }
}

#[test]
fn hijacked_packages_are_refused_by_what_changed_whatever_their_age() {
    replay_all(WITHOUT_AGE);
}

#[test]
fn hijacked_packages_are_refused_with_the_age_rule_as_well() {
    replay_all(WITH_AGE);
}
