//! Names somebody made up to resemble others, to be hit upon, or to be taken for internal ones
//! (features.md §5.2).

use std::time::Duration;

use cordon_tests::client::{http, listing};
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::cordon::{Builder, Cordon, Upstream};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};

use super::{WITH_AGE, WITHOUT_AGE, file_url, findings_against, is_named, offered, pypi, serving};

const LIKENESS: &str = "typosquat/resembles-popular";
const NAME_CLOCK: &str = "minimum-age/name-too-young";

/// A package whose name was new.
struct FreshName {
    id: &'static str,
    protocol: Protocol,
    package: &'static str,
    /// Since its first version, when somebody asks for it.
    age: Duration,
}

impl FreshName {
    /// One version at first, another later: the clock of the name runs from the first.
    fn releases(&self) -> [Release; 2] {
        let release = |version, age| {
            Release::new(self.protocol, self.package, version).published_at(ago(age))
        };
        [release("0.1.0", self.age), release("0.1.1", self.age / 2)]
    }
}

const fn fresh(id: &'static str, package: &'static str, age: Duration) -> FreshName {
    FreshName {
        id,
        protocol: Protocol::Cargo,
        package,
        age,
    }
}

/// Made to be taken for a popular name: found by likeness whatever their age, here on the last day
/// before they were removed.
const LOOKALIKES: [FreshName; 1] = [fresh("T01", "rustdecimal", days(38))];

/// Found by the clock of the name: on the day they were removed, or the last day it runs.
fn within_the_name_clock() -> Vec<FreshName> {
    let mut all = vec![
        fresh("T01", "rustdecimal", days(29)),
        fresh("T03", "faster_log", days(29)),
        fresh("T03", "async_println", days(29)),
        fresh("T04", "evm-units", days(29)),
        fresh("T04", "uniswap-utils", days(29)),
        fresh("T06", "polymarket-clients-sdk", days(1)),
        fresh("T06", "polymarket-client-sdks", days(1)),
        fresh("T07", "time_calibrator", days(3)),
        fresh("T07", "time_calibrators", days(3)),
        fresh("T07", "chrono_anchor", days(6)),
        fresh("T07", "dnp3times", days(6)),
        fresh("T07", "time-sync", days(6)),
        fresh("T08", "mysten-metrics", days(2)),
        fresh("T08", "sui-execution-cut", days(2)),
        fresh("T10", "exploration", hours(1)),
        fresh("T11", "arone", days(2)),
        fresh("T11", "aronenao", days(2)),
        fresh("T11", "tinymember", days(2)),
        fresh("T12", "logs-update", days(20)),
    ];
    all.push(FreshName {
        protocol: Protocol::Npm,
        ..fresh("T15", "pino-sdk-v2", days(20))
    });
    all
}

/// Refused on both planes, each version by the finding named.
fn refused(registry: &FakeRegistry, cordon: &Cordon, name: &FreshName, finding: &str) {
    let (id, protocol, package) = (name.id, name.protocol, name.package);
    let choices = offered(cordon, protocol, package);
    assert!(choices.is_empty(), "{id} {package}: {choices:?}");
    for release in name.releases() {
        let version = release.version();
        let url = file_url((registry, cordon), protocol, package, version);
        let reply = http::get(&url);
        let text = reply.text();
        assert_eq!(reply.status, 403, "{id} {package} {version}: {text}");
        let findings = findings_against(cordon, protocol, package, version);
        assert!(
            is_named(&findings, finding),
            "{id} {package} {version}: refused by {findings:?}, not by {finding}"
        );
    }
}

/// Served on both planes.
fn served(registry: &FakeRegistry, cordon: &Cordon, name: &FreshName) {
    let (id, protocol, package) = (name.id, name.protocol, name.package);
    assert_eq!(
        offered(cordon, protocol, package),
        ["0.1.0", "0.1.1"],
        "{id} {package}"
    );
    let url = file_url((registry, cordon), protocol, package, "0.1.1");
    assert_eq!(http::get(&url).status, 200, "{id} {package}");
}

fn published(names: &[FreshName], policy: &str) -> (FakeRegistry, Cordon) {
    let releases: Vec<Release> = names.iter().flat_map(FreshName::releases).collect();
    serving(&releases, policy)
}

#[test]
fn a_lookalike_is_refused_for_its_name_with_and_without_the_age_rule() {
    for policy in [WITHOUT_AGE, WITH_AGE] {
        let (registry, cordon) = published(&LOOKALIKES, policy);
        for name in &LOOKALIKES {
            refused(&registry, &cordon, name, LIKENESS);
        }
    }
}

#[test]
fn a_fresh_name_is_refused_by_the_clock_of_the_name() {
    let names = within_the_name_clock();
    // Without the clock of the version, which would refuse most of them as well.
    let only_names = WITHOUT_AGE.replace("name_age = \"0s\"", "name_age = \"30d\"");
    assert_ne!(only_names, WITHOUT_AGE);
    for policy in [only_names.as_str(), WITH_AGE] {
        let (registry, cordon) = published(&names, policy);
        for name in &names {
            refused(&registry, &cordon, name, NAME_CLOCK);
        }
    }
}

/// What the table says is missed: no rule of names reaches these, and time runs out for two of them.
#[test]
fn what_the_table_says_is_missed_is_missed() {
    let missed_by_likeness: Vec<FreshName> = within_the_name_clock()
        .into_iter()
        .filter(|name| matches!(name.id, "T03" | "T06" | "T15"))
        .collect();
    let (registry, cordon) = published(&missed_by_likeness, WITHOUT_AGE);
    for name in &missed_by_likeness {
        served(&registry, &cordon, name);
    }
    let outlives_the_clock = [
        fresh("T03", "faster_log", days(122)),
        fresh("T03", "async_println", days(122)),
        fresh("T04", "evm-units", days(240)),
        fresh("T04", "uniswap-utils", days(240)),
    ];
    let (registry, cordon) = published(&outlives_the_clock, WITH_AGE);
    for name in &outlives_the_clock {
        served(&registry, &cordon, name);
    }
}

const OWNED: &str = r#"
[[rules.namespace.owned]]
ecosystem = "cargo"
names = ["mysten-*", "sui-*"]
upstreams = ["internal"]
[[rules.namespace.owned]]
ecosystem = "pypi"
names = ["torchtriton"]
upstreams = ["internal"]
"#;

/// Two registries that know the same names: the house's and the public one.
struct House {
    internal: FakeRegistry,
    public: FakeRegistry,
}

impl House {
    fn confused() -> Self {
        let (internal, public) = (FakeRegistry::start(), FakeRegistry::start());
        internal.publish(pypi("torchtriton", "2.0.0", days(30)));
        public.publish(pypi("torchtriton", "3.0.0", days(5)));
        for package in ["mysten-metrics", "sui-execution-cut"] {
            internal.publish(super::cargo(package, "0.7.0", days(300)));
            public.publish(super::cargo(package, "9.9.9", days(2)));
        }
        Self { internal, public }
    }

    /// The public registry is asked first, and everything it has would win.
    fn cordon(&self, policy: &str) -> Cordon {
        let both = [(&self.public, "public"), (&self.internal, "internal")];
        let upstreams = Protocol::ALL
            .into_iter()
            .flat_map(|protocol| both.map(|(registry, id)| Upstream::of(registry, protocol, id)));
        Builder::without_upstreams()
            .upstreams(upstreams)
            .policy(policy)
            .start()
    }
}

const CONFUSED: [(&str, Protocol, &str, &str, &str); 3] = [
    ("H08", Protocol::Pypi, "torchtriton", "2.0.0", "3.0.0"),
    ("T08", Protocol::Cargo, "mysten-metrics", "0.7.0", "9.9.9"),
    (
        "T08",
        Protocol::Cargo,
        "sui-execution-cut",
        "0.7.0",
        "9.9.9",
    ),
];

#[test]
fn an_owned_name_comes_from_home_and_the_public_one_is_never_asked_for() {
    for policy in [WITHOUT_AGE, WITH_AGE] {
        let house = House::confused();
        let cordon = house.cordon(&format!("{policy}{OWNED}"));
        for (id, protocol, package, own, foreign) in CONFUSED {
            assert_eq!(offered(&cordon, protocol, package), [own], "{id} {package}");
            let at = |registry, version| file_url((registry, &cordon), protocol, package, version);
            let own = http::get(&at(&house.internal, own));
            assert_eq!(own.status, 200, "{id} {package}: {}", own.text());
            let foreign = http::get(&at(&house.public, foreign));
            assert!(foreign.status >= 400, "{id} {package}: {}", foreign.status);
            assert_eq!(house.public.log().containing(package), 0, "{id} {package}");
        }
    }
}

/// The names are owned before anything of theirs is at home: the public ones are refused and the
/// refusal names the rule.
#[test]
fn an_owned_name_without_a_home_is_refused_and_not_asked_for() {
    let homeless = OWNED.replace("upstreams = [\"internal\"]\n", "");
    for policy in [WITHOUT_AGE, WITH_AGE] {
        let house = House::confused();
        let cordon = house.cordon(&format!("{policy}{homeless}"));
        for (id, protocol, package, _, foreign) in CONFUSED {
            let document = listing::document(protocol, &cordon.url(protocol), package);
            let url = file_url((&house.public, &cordon), protocol, package, foreign);
            for reply in [document, http::get(&url)] {
                assert_eq!(reply.status, 403, "{id} {package}");
                let text = reply.text();
                assert!(text.contains("rule namespace"), "{id} {package}: {text}");
            }
            assert_eq!(house.public.log().containing(package), 0, "{id} {package}");
        }
    }
}

/// What was let in before the line was written is refused from then on, although it is kept here.
#[test]
fn a_public_package_taken_in_before_its_name_was_owned_is_refused_by_namespace() {
    let house = House::confused();
    let cordon = house.cordon(WITHOUT_AGE);
    let urls: Vec<String> = CONFUSED
        .iter()
        .map(|(_, protocol, package, _, foreign)| {
            file_url((&house.public, &cordon), *protocol, package, foreign)
        })
        .collect();
    for url in &urls {
        assert_eq!(http::get(url).status, 200, "{url}: nothing owns it yet");
    }
    cordon.write_policy(&format!("{WITHOUT_AGE}{OWNED}"));
    let _ = http::request("POST", &format!("{}reload", cordon.admin()), &[], b"").expect(200);
    for ((id, protocol, package, ..), url) in CONFUSED.iter().zip(&urls) {
        let document = listing::document(*protocol, &cordon.url(*protocol), package);
        for reply in [document, http::get(url)] {
            assert!(reply.status >= 400, "{id} {package}: {}", reply.status);
            let text = reply.text();
            assert!(
                text.contains("namespace/foreign-source"),
                "{id} {package}: {text}"
            );
        }
    }
}
