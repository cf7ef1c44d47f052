//! Reports of malware that were wrong, or said more than was meant (features.md §5.3, O5).

use cordon_tests::client::http;
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use cordon_tests::wait;
use serde_json::{Value, json};

use super::{WITH_AGE, WITHOUT_AGE, decisions, file_url, findings_against, is_named, npm, offered};
use crate::feeds;

const NPM: Protocol = Protocol::Npm;
const REPORTS: &str = "[rules.integrity]\n[rules.malware]\n[rules.advisory]\nmode = \"monitor\"\n";

/// What is told of a version in use that a report sweeps over.
const IN_USE: &str = "malware/suspect-range-in-use";

/// A package each report names besides, so that it can be seen when the report is in force.
const CANARY: &str = "canary-in-the-mine";
/// Records about nothing.
const FILLING: u32 = 60;

/// A Cordon that hears reports.
pub(super) struct Scene {
    pub(super) cordon: Cordon,
    registry: FakeRegistry,
}

impl Scene {
    pub(super) fn new(releases: &[Release], policy: &str) -> Self {
        let registry = FakeRegistry::start();
        for release in releases {
            registry.publish(release.clone());
        }
        for number in 0..9 {
            registry.publish(npm(CANARY, &format!("{number}.0.0"), days(500)));
        }
        for protocol in Protocol::ALL {
            feeds::publish(&registry, protocol, &[]);
        }
        let cordon = Builder::new(&registry)
            .policy(&format!("{policy}{REPORTS}"))
            .section(&feeds::feeds(&registry, ""))
            .section("[freshness]\nmin_age = \"0s\"\nmax_age = \"0s\"\n")
            .start();
        let scene = Self { cordon, registry };
        wait::until("the feed", || {
            feeds::metric(&scene.cordon, "cordon_feed_believed{ecosystem=\"npm\"}") == Some(1)
        });
        scene
    }

    /// Puts these records in force, the `number`th time.
    pub(super) fn report(&self, number: u32, records: &[Value]) {
        let mut all = records.to_vec();
        for number in 1..=number {
            let (id, version) = (format!("MAL-2021-{number}"), format!("{number}.0.0"));
            all.push(listing(&id, CANARY, &[&version]));
        }
        // So that one withdrawn report is no great loss.
        all.extend((0..FILLING).map(|n| listing(&format!("MAL-2022-{n}"), CANARY, &["0.0.1"])));
        feeds::publish(&self.registry, NPM, &all);
        let reload = format!("{}reload", self.cordon.admin());
        let _ = http::request("POST", &reload, &[], b"").expect(200);
        let canary = self.url(CANARY, &format!("{number}.0.0"));
        wait::until("the report being in force", || {
            http::request("HEAD", &canary, &[], b"").status == 403
        });
    }

    fn url(&self, package: &str, version: &str) -> String {
        file_url((&self.registry, &self.cordon), NPM, package, version)
    }

    #[track_caller]
    pub(super) fn status(&self, package: &str, version: &str) -> u16 {
        http::get(&self.url(package, version)).status
    }

    /// Refused, and the decision calls it known malware.
    #[track_caller]
    fn refused_as_malware(&self, package: &str, version: &str) {
        let status = self.status(package, version);
        assert!(status >= 400, "{package} {version}: {status}");
        let findings = self.findings(package, version);
        assert!(
            is_named(&findings, "malware/known-malware"),
            "{package} {version}: {findings:?}"
        );
    }

    /// The texts of notices with a code.
    fn notices(&self, code: &str) -> Vec<String> {
        let all = feeds::lines(&self.cordon, &["log", "notices", "--json"]);
        let with_code = all.iter().filter(|line| line["notice"]["code"] == code);
        with_code
            .map(|line| line["notice"]["text"].to_string())
            .collect()
    }

    pub(super) fn findings(&self, package: &str, version: &str) -> Vec<String> {
        findings_against(&self.cordon, NPM, package, version)
    }
}

pub(super) fn record(id: &str, package: &str) -> Value {
    json!({
        "schema_version": "1.6.0",
        "id": id,
        "modified": ago(hours(1)).to_string(),
        "published": ago(hours(1)).to_string(),
        "affected": [{"package": {"ecosystem": feeds::osv_name(NPM), "name": package}}],
        "database_specific": {"cwe_ids": ["CWE-506"]},
    })
}

/// Says that every version is malware.
fn sweeping(id: &str, package: &str) -> Value {
    let mut record = record(id, package);
    record["affected"][0]["ranges"] = json!([{"type": "SEMVER", "events": [{"introduced": "0"}]}]);
    record
}

/// Says which versions are malware.
fn listing(id: &str, package: &str, versions: &[&str]) -> Value {
    let mut record = record(id, package);
    record["affected"][0]["versions"] = json!(versions);
    record
}

fn alias(mut record: Value, other: &str) -> Value {
    record["aliases"] = json!([other]);
    record
}

fn withdrawn(mut record: Value) -> Value {
    let now = ago(hours(0)).to_string();
    record["withdrawn"] = json!(now);
    record["modified"] = json!(now);
    record
}

/// Finds a finding of the newest decision about a version, whether it counts or only tells.
pub(super) fn told(cordon: &Cordon, package: &str, version: &str, finding: &str) -> Option<Value> {
    let decision = decisions(cordon, NPM, package, version).pop()?;
    let all = decision["evaluation"]["findings"].as_array()?.clone();
    all.into_iter().find(|it| {
        let name = format!("{}/{}", it["rule"], it["code"]).replace('"', "");
        name == finding
    })
}

/// N01: stylus. Every version was reported although none was bad, and the registry took them away.
#[test]
fn a_sweeping_report_keeps_what_is_in_use_and_tells_a_person() {
    for policy in [WITHOUT_AGE, WITH_AGE] {
        let versions = ["0.62.0", "0.63.0", "0.64.0"];
        let releases = [1_000, 600, 200].map(days);
        let releases: Vec<Release> = versions
            .iter()
            .zip(releases)
            .map(|(version, age)| npm("stylus", version, age))
            .collect();
        let scene = Scene::new(&releases, policy);
        let urls = versions.map(|version| scene.url("stylus", version));
        let all_are_served = || {
            let served = urls.iter().map(|url| http::get(url).status);
            assert_eq!(served.collect::<Vec<_>>(), [200; 3]);
            let choices = offered(&scene.cordon, NPM, "stylus");
            let is_offered = |version: &&str| choices.iter().any(|choice| choice == version);
            assert!(versions.iter().all(is_offered), "{choices:?}");
        };
        all_are_served();
        let bad = sweeping("GHSA-fh4q-jc76-r59p", "stylus");
        scene.report(1, std::slice::from_ref(&bad));
        all_are_served();
        for version in versions {
            assert!(scene.findings("stylus", version).is_empty(), "{version}");
            let told = told(&scene.cordon, "stylus", version, IN_USE);
            let told = told.expect("the report is on record");
            assert_eq!(told["evidence"], "GHSA-fh4q-jc76-r59p", "{version}");
        }
        wait::until("a notice for a person", || {
            let told = scene.notices("suspect-report");
            told.len() == 1 && told[0].contains("pkg:npm/stylus")
        });
        for version in versions {
            scene.registry.delete(NPM, "stylus", version);
        }
        let placeholder = npm("stylus", "0.0.1-security", hours(0));
        scene.registry.publish(placeholder);
        all_are_served();
        assert_eq!(scene.notices("project-removed-upstream").len(), 1);
        scene.report(2, &[withdrawn(bad.clone())]);
        all_are_served();
        for version in versions {
            let told = told(&scene.cordon, "stylus", version, IN_USE);
            assert_eq!(told, None, "{version}");
        }
        assert_eq!(scene.notices("suspect-report").len(), 1);
        let mut again = bad;
        again["modified"] = json!(ago(hours(0)).to_string());
        scene.report(3, &[again]);
        wait::until("another notice", || {
            scene.notices("suspect-report").len() == 2
        });
    }
}

/// N02: chalk and debug. One source lists the bad version, another says "every version".
#[test]
fn a_list_of_versions_wins_over_a_sweeping_alias() {
    for (policy, may_be_young) in [(WITHOUT_AGE, true), (WITH_AGE, false)] {
        let packages = [
            ("chalk", ["5.6.0", "5.6.1", "5.6.2"]),
            ("debug", ["4.4.1", "4.4.2", "4.4.3"]),
        ];
        let ages = [days(60), hours(5), hours(2)];
        let releases: Vec<Release> = packages
            .iter()
            .flat_map(|(package, versions)| {
                let each = versions.iter().zip(ages);
                each.map(|(version, age)| npm(package, version, age))
            })
            .collect();
        let scene = Scene::new(&releases, policy);
        let records: Vec<Value> = packages
            .iter()
            .zip(["46969", "46974"])
            .flat_map(|((package, versions), number)| {
                let (github, other) = (format!("GHSA-2v46-{number}"), format!("MAL-2025-{number}"));
                let listed = listing(&other, package, &[versions[1]]);
                [alias(sweeping(&github, package), &other), listed]
            })
            .collect();
        scene.report(1, &records);
        for (package, [before, bad, after]) in packages {
            let mut expected = vec![before];
            expected.extend(may_be_young.then_some(after));
            assert_eq!(offered(&scene.cordon, NPM, package), expected, "{package}");
            for version in expected {
                assert_eq!(scene.status(package, version), 200, "{package} {version}");
            }
            scene.refused_as_malware(package, bad);
            let of_later = scene.findings(package, after);
            assert!(!is_named(&of_later, "malware"), "{package}: {of_later:?}");
        }
    }
}

/// N04: @tanstack/history and @mistralai/mistralai. One record says both.
#[test]
fn a_list_of_versions_wins_over_the_sweeping_range_beside_it() {
    for policy in [WITHOUT_AGE, WITH_AGE] {
        let packages = [
            ("@tanstack/history", ["1.161.4", "1.161.9", "1.161.3"]),
            ("@mistralai/mistralai", ["2.1.0", "2.2.3", "2.0.9"]),
        ];
        let ages = [days(30), days(5), days(60)];
        let releases: Vec<Release> = packages
            .iter()
            .flat_map(|(package, versions)| {
                let each = versions.iter().zip(ages);
                each.map(|(version, age)| npm(package, version, age))
            })
            .collect();
        let scene = Scene::new(&releases, policy);
        let records: Vec<Value> = packages
            .iter()
            .zip(["GHSA-g7cv-rxg3-hmpx", "MAL-2026-3432"])
            .map(|((package, versions), id)| {
                let mut record = sweeping(id, package);
                record["affected"][0]["versions"] = json!([versions[1]]);
                record
            })
            .collect();
        scene.report(1, &records);
        for (package, [good, bad, older]) in packages {
            let mut choices = offered(&scene.cordon, NPM, package);
            choices.sort();
            assert_eq!(choices, [older, good], "{package}");
            for version in [good, older] {
                assert_eq!(scene.status(package, version), 200, "{package} {version}");
            }
            scene.refused_as_malware(package, bad);
        }
    }
}

const PUPPETEER: [&str; 3] = ["puppeteer", "puppeteer-core", "@puppeteer/browsers"];
const SETTLED: &str = "24.40.0";
const SERVED: &str = "24.42.0";
const NEW: &str = "24.43.0";

/// N05: three packages of the puppeteer team under two sweeping reports each, aliases of each other.
fn puppeteer(policy: &str) -> (Scene, Vec<[Value; 2]>) {
    let releases: Vec<Release> = PUPPETEER
        .iter()
        .flat_map(|package| {
            [(SETTLED, days(100)), (SERVED, days(6)), (NEW, days(4))]
                .map(|(version, age)| npm(package, version, age))
        })
        .collect();
    let scene = Scene::new(&releases, policy);
    for package in PUPPETEER {
        assert_eq!(scene.status(package, SERVED), 200, "{package}");
    }
    let records: Vec<[Value; 2]> = PUPPETEER
        .iter()
        .zip(["3654", "3655", "5077"])
        .map(|(package, number)| {
            let (mal, github) = (format!("MAL-2026-{number}"), format!("GHSA-xxxx-{number}"));
            let of_github = alias(sweeping(&github, package), &mal);
            [alias(sweeping(&mal, package), &github), of_github]
        })
        .collect();
    scene.report(1, records.as_flattened());
    for package in PUPPETEER {
        assert_eq!(
            offered(&scene.cordon, NPM, package),
            [SETTLED, SERVED],
            "{package}"
        );
        for version in [SETTLED, SERVED] {
            assert_eq!(scene.status(package, version), 200, "{package} {version}");
        }
        assert_eq!(scene.status(package, NEW), 403, "{package}");
        let findings = scene.findings(package, NEW);
        assert_eq!(findings, ["malware/suspect-range"], "{package}");
    }
    (scene, records)
}

#[test]
fn a_sweeping_report_holds_what_is_new_until_either_alias_is_withdrawn() {
    for (policy, withdrawing) in [(WITHOUT_AGE, 0), (WITH_AGE, 1)] {
        let (scene, mut records) = puppeteer(policy);
        for of_package in &mut records {
            of_package[withdrawing] = withdrawn(of_package[withdrawing].clone());
        }
        scene.report(2, records.as_flattened());
        for package in PUPPETEER {
            let all = [SETTLED, SERVED, NEW];
            assert_eq!(offered(&scene.cordon, NPM, package), all, "{package}");
            for version in all {
                assert_eq!(scene.status(package, version), 200, "{package} {version}");
            }
        }
    }
}

#[test]
fn two_people_release_what_a_sweeping_report_holds() {
    let (scene, _) = puppeteer(WITH_AGE);
    let held = told(&scene.cordon, "puppeteer", NEW, "malware/suspect-range");
    let held = held.expect("it was just refused");
    let report = held["evidence"].as_str().expect("an id").to_owned();
    let fingerprint = format!("malware/suspect-range/{report}");
    let grant = |more: &[&str]| {
        let purl = format!("pkg:npm/puppeteer@{NEW}");
        let mut arguments = vec!["exempt", "add", "--id", "puppeteer", "--package", &purl];
        arguments.extend(["--fingerprint", &fingerprint, "--until", "7d"]);
        arguments.extend([
            "--reason",
            "the team confirms the release",
            "--owner",
            "dana",
        ]);
        arguments.extend(["--ticket", "SEC-512", "--admin", scene.cordon.admin()]);
        arguments.extend(more);
        scene.cordon.command(&arguments).status.success()
    };
    assert!(!grant(&[]), "one person is not enough");
    assert_eq!(scene.status("puppeteer", NEW), 403);
    assert!(grant(&["--approved-by", "robin"]));
    assert_eq!(scene.status("puppeteer", NEW), 200);
    assert_eq!(
        offered(&scene.cordon, NPM, "puppeteer"),
        [SETTLED, SERVED, NEW]
    );
    assert_eq!(
        scene.status("puppeteer-core", NEW),
        403,
        "nobody spoke of it"
    );
}
