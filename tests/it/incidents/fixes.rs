//! Security fixes nobody should wait for (features.md §5.3, O4).

use cordon_tests::clock::{days, hours};
use cordon_tests::fake_registry::Protocol;
use serde_json::{Value, json};

use super::reports::{Scene, record, told};
use super::{WITH_AGE, is_named, npm, offered};

/// A vulnerability with the version that fixes it, from a reviewed source or not.
fn fixed_in(id: &str, package: &str, version: &str, is_reviewed: bool) -> Value {
    let mut record = record(id, package);
    record["database_specific"] = json!({"github_reviewed": is_reviewed, "severity": "HIGH"});
    let events = json!([{"introduced": "0"}, {"fixed": version}]);
    record["affected"][0]["ranges"] = json!([{"type": "SEMVER", "events": events}]);
    record
}

/// N12: axios 1.15.0 and next 16.2.11, which mend what is being attacked. Without the age rule nobody
/// waits for anything.
#[test]
fn a_reviewed_fix_is_had_early_and_what_only_claims_to_be_one_is_not() {
    let old = |package, version| npm(package, version, days(100));
    let releases = [
        old("axios", "1.14.0"),
        npm("axios", "1.15.0", hours(40)),
        npm("axios", "1.15.1", hours(30)),
        old("next", "16.2.10"),
        npm("next", "16.2.11", hours(25)),
        // Called a fix, but it runs a script that was not there before.
        old("undici", "7.0.0"),
        npm("undici", "7.0.1", hours(40)).script("postinstall", "node ./inert.js"),
        // Called a fix, but only a day has passed since.
        old("ws", "8.18.0"),
        npm("ws", "8.18.1", hours(20)),
        // Called a fix by its owner.
        old("semver", "7.7.0"),
        npm("semver", "7.7.1", hours(40)),
    ];
    let scene = Scene::new(&releases, WITH_AGE);
    scene.report(
        1,
        &[
            fixed_in("GHSA-3p68-rc4w-qgx5", "axios", "1.15.0", true),
            fixed_in("GHSA-2026-next", "next", "16.2.11", true),
            fixed_in("GHSA-2026-undici", "undici", "7.0.1", true),
            fixed_in("GHSA-2026-ws", "ws", "8.18.1", true),
            fixed_in("GHSA-2026-semver", "semver", "7.7.1", false),
        ],
    );
    for (package, versions, advisory) in [
        ("axios", ["1.14.0", "1.15.0"], "GHSA-3p68-rc4w-qgx5"),
        ("next", ["16.2.10", "16.2.11"], "GHSA-2026-next"),
    ] {
        assert_eq!(
            offered(&scene.cordon, Protocol::Npm, package),
            versions,
            "{package}"
        );
        assert_eq!(scene.status(package, versions[1]), 200, "{package}");
        let early = told(
            &scene.cordon,
            package,
            versions[1],
            "minimum-age/released-early",
        );
        let early = early.expect("that it was let through early is on record");
        assert_eq!(early["evidence"], advisory, "{package}");
    }
    for (package, version) in [
        ("axios", "1.15.1"),
        ("undici", "7.0.1"),
        ("ws", "8.18.1"),
        ("semver", "7.7.1"),
    ] {
        assert_eq!(scene.status(package, version), 403, "{package}");
        let choices = offered(&scene.cordon, Protocol::Npm, package);
        assert!(
            !choices.contains(&version.to_owned()),
            "{package}: {choices:?}"
        );
        let findings = scene.findings(package, version);
        assert!(
            is_named(&findings, "minimum-age/too-young"),
            "{package}: {findings:?}"
        );
    }
}
