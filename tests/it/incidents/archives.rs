//! Packages somebody took over where only the archive shows it (features.md §5.1): nothing in the
//! registry's document differs from an honest release. Until archives are looked into, the clock of
//! the version is what stands between, for as long as it runs.

use std::time::Duration;

use cordon_tests::client::http;
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::fake_registry::{Protocol, Release};

use super::{
    WITH_AGE, WITHOUT_AGE, file_url, findings_against, is_named, minutes, offered, serving,
};

/// A version whose harm is in its archive.
struct Hidden {
    id: &'static str,
    protocol: Protocol,
    package: &'static str,
    before: &'static str,
    bad: &'static str,
    /// From its publication until it was removed.
    live: Duration,
}

const fn npm(
    id: &'static str,
    package: &'static str,
    before: &'static str,
    bad: &'static str,
    live: Duration,
) -> Hidden {
    Hidden {
        id,
        protocol: Protocol::Npm,
        package,
        before,
        bad,
        live,
    }
}

const fn pypi(
    id: &'static str,
    package: &'static str,
    before: &'static str,
    bad: &'static str,
    live: Duration,
) -> Hidden {
    Hidden {
        protocol: Protocol::Pypi,
        ..npm(id, package, before, bad, live)
    }
}

const HIDDEN: [Hidden; 14] = [
    npm("H05", "colors", "1.4.0", "1.4.1", days(2)),
    npm("H05", "faker", "5.5.3", "6.6.6", days(2)),
    npm("H06", "node-ipc", "10.1.0", "10.1.1", days(1)),
    npm("H11", "@solana/web3.js", "1.95.5", "1.95.6", hours(5)),
    pypi("H12", "ultralytics", "8.3.40", "8.3.41", hours(12)),
    npm("H15", "xrpl", "4.2.0", "4.2.1", days(1)),
    pypi("H19", "num2words", "0.5.14", "0.5.15", hours(12)),
    npm("H21", "chalk", "5.6.0", "5.6.1", hours(2)),
    npm("H21", "debug", "4.4.1", "4.4.2", hours(2)),
    npm("H21", "ansi-styles", "6.2.1", "6.2.2", hours(2)),
    pypi("H25", "telnyx", "4.87.0", "4.87.1", hours(12)),
    pypi("H30", "guardrails-ai", "0.10.0", "0.10.1", hours(2)),
    pypi("H30", "mistralai", "2.4.5", "2.4.6", hours(2)),
    Hidden {
        protocol: Protocol::Cargo,
        ..npm("H33", "onering", "1.4.0", "1.4.1", hours(6))
    },
];

/// Found after ten days: the clock has run out by then.
const OUTLIVES: Hidden = pypi("H07", "ctx", "0.1.2", "0.2.2", days(10));

/// Asked for just before it was removed.
fn releases(hidden: &Hidden) -> [Release; 2] {
    let release = |version, age| {
        Release::new(hidden.protocol, hidden.package, version).published_at(ago(age))
    };
    let last_moment = hidden.live.saturating_sub(minutes(5));
    [
        release(hidden.before, days(200)),
        release(hidden.bad, last_moment),
    ]
}

#[test]
fn what_only_the_archive_shows_is_refused_by_the_clock_of_the_version() {
    let all: Vec<Release> = HIDDEN.iter().flat_map(releases).collect();
    let (registry, cordon) = serving(&all, WITH_AGE);
    for hidden in &HIDDEN {
        let (id, protocol, package) = (hidden.id, hidden.protocol, hidden.package);
        let choices = offered(&cordon, protocol, package);
        assert_eq!(choices, [hidden.before], "{id} {package}");
        let status = |version| {
            let url = file_url((&registry, &cordon), protocol, package, version);
            http::get(&url).status
        };
        assert_eq!(status(hidden.before), 200, "{id} {package}");
        assert_eq!(status(hidden.bad), 403, "{id} {package}");
        let findings = findings_against(&cordon, protocol, package, hidden.bad);
        assert!(
            is_named(&findings, "minimum-age/too-young"),
            "{id} {package}: {findings:?}"
        );
    }
}

/// What the table says is missed.
#[test]
fn what_only_the_archive_shows_is_missed_without_the_age_rule_or_after_it() {
    let all: Vec<Release> = HIDDEN.iter().flat_map(releases).collect();
    let without_age = serving(&all, WITHOUT_AGE);
    let after_it = serving(&releases(&OUTLIVES), WITH_AGE);
    let missed = HIDDEN.iter().map(|hidden| (hidden, &without_age));
    for (hidden, (registry, cordon)) in missed.chain([(&OUTLIVES, &after_it)]) {
        let (protocol, package) = (hidden.protocol, hidden.package);
        let url = file_url((registry, cordon), protocol, package, hidden.bad);
        assert_eq!(http::get(&url).status, 200, "{} {package}", hidden.id);
    }
}
