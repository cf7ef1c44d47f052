//! What was honest although it looks like an attack: it is served, or one approval lets it through
//! (features.md §5.3). What advisories say too much is in `reports.rs`.

use std::time::Duration;

use cordon_tests::client::http;
use cordon_tests::clock::{days, hours};
use cordon_tests::cordon::{Builder, Cordon, Upstream};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};

use super::{
    WITH_AGE, WITHOUT_AGE, by, decisions, file_url, findings_against, minutes, npm, offered,
    serving, trusted,
};

/// All of these versions are served, on both planes.
#[track_caller]
fn served(
    (registry, cordon): (&FakeRegistry, &Cordon),
    protocol: Protocol,
    package: &str,
    versions: &[&str],
) {
    let mut choices = offered(cordon, protocol, package);
    choices.sort();
    assert_eq!(
        choices,
        versions,
        "{package}: what may be chosen; {:?}",
        versions
            .iter()
            .map(|version| findings_against(cordon, protocol, package, version))
            .collect::<Vec<_>>()
    );
    for version in versions {
        let reply = http::get(&file_url((registry, cordon), protocol, package, version));
        let text = reply.text();
        assert_eq!(reply.status, 200, "{package} {version}: {text}");
    }
}

/// N07: by hand for once. The scope of `@yc-software` has no other package.
const BY_HAND: [(&str, &str, &str); 3] = [
    ("fastq", "1.20.1", "1.20.2"),
    ("@novu/framework", "2.11.0", "2.12.0"),
    ("@yc-software/qm", "0.1.4", "0.1.5"),
];

#[test]
fn a_lost_provenance_is_held_until_one_person_accepts_it_and_is_not_called_malware() {
    for policy in [WITHOUT_AGE, WITH_AGE] {
        let releases: Vec<Release> = BY_HAND
            .iter()
            .flat_map(|(package, before, after)| {
                let by_hand = by(npm(package, after, days(10)), "tester");
                [trusted(npm(package, before, days(120))), by_hand]
            })
            .collect();
        let policy = format!("{policy}[rules.malware]\nwithout_data = \"inactive\"\n");
        let (registry, cordon) = serving(&releases, &policy);
        for (package, before, after) in BY_HAND {
            served((&registry, &cordon), Protocol::Npm, package, &[before]);
            let url = file_url((&registry, &cordon), Protocol::Npm, package, after);
            let reply = http::get(&url);
            assert_eq!(reply.status, 403, "{package}: {}", reply.text());
            assert!(!reply.text().contains("malware"), "{}", reply.text());
            let found = findings_against(&cordon, Protocol::Npm, package, after);
            assert_eq!(found, ["provenance/provenance-lost"], "{package}");
            let decision = decisions(&cordon, Protocol::Npm, package, after).pop();
            let decision = decision.expect("it was just made");
            assert_eq!(decision["evaluation"]["effect"], "quarantine", "{package}");
            accept(&cordon, package, after, "provenance");
            served(
                (&registry, &cordon),
                Protocol::Npm,
                package,
                &[before, after],
            );
        }
    }
}

/// What one person does about a version that is held.
fn accept(cordon: &Cordon, package: &str, version: &str, rule: &str) {
    let purl = format!("pkg:npm/{}@{version}", package.replacen('@', "%40", 1));
    let id = package.replace(['@', '/'], "-");
    let id = id.trim_start_matches('-');
    let mut arguments = vec!["exempt", "add", "--id", id, "--package", &purl];
    arguments.extend(["--rule", rule, "--until", "90d"]);
    arguments.extend(["--reason", "tagged and announced; published by hand"]);
    arguments.extend(["--owner", "dana", "--ticket", "SEC-512"]);
    arguments.extend(["--admin", cordon.admin()]);
    let output = cordon.command(&arguments);
    assert!(output.status.success(), "{output:?}");
}

/// N08: they have built something at install for years; only the words change now and then.
#[test]
fn install_code_that_was_always_there_is_served() {
    let gyp = |release: Release| release.field("gypfile", true);
    let install = |release: Release, command| release.script("install", command);
    let package = |name: &str, make: &dyn Fn(Release, usize) -> Release| {
        let versions = [
            ("1.0.0", days(900)),
            ("1.1.0", days(300)),
            ("1.2.0", days(10)),
        ];
        let each = versions.into_iter().enumerate();
        each.map(|(turn, (version, age))| make(npm(name, version, age), turn))
            .collect::<Vec<_>>()
    };
    let packages = [
        package("esbuild", &|release, _| {
            release.script("postinstall", "node install.js")
        }),
        // From a download to a build, and no `gypfile` any more.
        package("sharp", &|release, turn| match turn {
            0 => gyp(install(release, "prebuild-install || node-gyp rebuild")),
            _ => install(release, "node install/check.js || npm run build"),
        }),
        package("node-sass", &|release, _| {
            gyp(install(release, "node scripts/install.js"))
                .script("postinstall", "node scripts/build.js")
        }),
        package("bcrypt", &|release, turn| match turn {
            2 => gyp(install(release, "node-gyp-build")),
            _ => gyp(install(release, "node-pre-gyp install --fallback-to-build")),
        }),
        // npm adds the script for the file, or does not.
        package("fsevents", &|release, turn| match turn {
            1 => gyp(release),
            _ => gyp(install(release, "node-gyp rebuild")),
        }),
    ];
    for policy in [WITHOUT_AGE, WITH_AGE] {
        let (registry, cordon) = serving(packages.iter().flatten(), policy);
        for name in ["esbuild", "sharp", "node-sass", "bcrypt", "fsevents"] {
            let versions = ["1.0.0", "1.1.0", "1.2.0"];
            served((&registry, &cordon), Protocol::Npm, name, &versions);
        }
    }
}

/// N09: names made by putting a word before or behind a popular one, as honest families are, and not
/// in the list of popular names themselves but for the first two.
const FAMILIES: [(Protocol, &[&str]); 3] = [
    (
        Protocol::Pypi,
        &[
            "python-dateutil",
            "pytest-django",
            "pytest-requests",
            "pytest-pandas",
            "types-requests",
            "types-numpyx",
            "types-python-dateutil-extra",
            "django-numpy",
            "flask-requests",
            "sphinx-numpy",
        ],
    ),
    (
        Protocol::Npm,
        &[
            "@types/lodash-es-extra",
            "@babel/plugin-fresh",
            "eslint-plugin-lodash-fp",
            "webpack-plugin-react",
            "rollup-plugin-chalk",
        ],
    ),
    (
        Protocol::Cargo,
        &[
            "openssl-sys",
            "regex-sys",
            "mio-sys",
            "rand-sys",
            "tokio-derive",
            "anyhow-derive",
            "serde-macros",
            "bytes-macros",
            "hyper-macros",
        ],
    ),
];

#[test]
fn names_of_honest_families_are_served_while_they_are_young() {
    // Past the clock of the name, and long before a name counts as established.
    let (first, second) = (days(40), days(20));
    let releases: Vec<Release> = FAMILIES
        .iter()
        .flat_map(|(protocol, names)| names.iter().map(|name| (*protocol, *name)))
        .flat_map(|(protocol, name)| {
            [("1.0.0", first), ("1.0.1", second)].map(|(version, age)| {
                let release = Release::new(protocol, name, version);
                release.published_at(cordon_tests::clock::ago(age))
            })
        })
        .collect();
    for policy in [WITHOUT_AGE, WITH_AGE] {
        let (registry, cordon) = serving(&releases, policy);
        for (protocol, names) in FAMILIES {
            for name in names {
                served((&registry, &cordon), protocol, name, &["1.0.0", "1.0.1"]);
            }
        }
    }
}

/// A public registry, and the house's own behind it, which gives no dates or dates of its own.
struct Feeds {
    house: FakeRegistry,
    public: FakeRegistry,
}

const OURS: [&str; 2] = ["1.0.0", "1.1.0"];

impl Feeds {
    fn start(date: impl Fn(Release) -> Release) -> Self {
        let (house, public) = (FakeRegistry::start(), FakeRegistry::start());
        for protocol in Protocol::ALL {
            for version in OURS {
                house.publish(date(Release::new(protocol, "acme-tool", version)));
            }
            let dated = Release::new(protocol, "dated", "1.0.0");
            public.publish(dated);
            let undated = Release::new(protocol, "undated", "1.0.0");
            public.publish(undated.without_publish_time());
        }
        Self { house, public }
    }

    fn cordon(&self, policy: &str) -> Cordon {
        let upstreams = Protocol::ALL.into_iter().flat_map(|protocol| {
            let house = Upstream::of(&self.house, protocol, "house");
            [
                house.with("only = [\"acme-*\"]\nexclusive = true"),
                Upstream::of(&self.public, protocol, "public"),
            ]
        });
        Builder::without_upstreams()
            .upstreams(upstreams)
            .policy(policy)
            .start()
    }

    /// What is public and has no date stays held, whatever is said of the house's own.
    fn only_the_public_one_without_a_date_is_held(&self, cordon: &Cordon) {
        for protocol in Protocol::ALL {
            served((&self.house, cordon), protocol, "acme-tool", &OURS);
            served((&self.public, cordon), protocol, "dated", &["1.0.0"]);
            assert!(
                offered(cordon, protocol, "undated").is_empty(),
                "{protocol:?}"
            );
            let url = file_url((&self.public, cordon), protocol, "undated", "1.0.0");
            assert_eq!(http::get(&url).status, 403, "{protocol:?}");
        }
    }
}

/// Overrides for the house's names in each ecosystem. Without dates no burst can be seen, and one that
/// cannot be ruled out is held: that rule is no use there.
fn for_ours(clocks: &str) -> String {
    let of_rule = |rule: &str, protocol: Protocol, settings: &str| {
        format!(
            "[[rules.{rule}.override]]\necosystem = \"{}\"\npackages = [\"acme-*\"]\n{settings}\n",
            protocol.purl_type()
        )
    };
    Protocol::ALL
        .map(|protocol| {
            of_rule("minimum-age", protocol, clocks)
                + &of_rule("publish-burst", protocol, "enabled = false")
        })
        .concat()
}

/// N10: feeds without dates, or with the date at which they took a version in.
#[test]
fn a_private_registry_is_served_without_the_clocks_whatever_its_dates() {
    let off = for_ours("version_age = \"0s\"\nname_age = \"0s\"");
    let just_taken_in = |release: Release| release.published_at(cordon_tests::clock::ago(hours(1)));
    for feeds in [
        Feeds::start(Release::without_publish_time),
        Feeds::start(just_taken_in),
    ] {
        let cordon = feeds.cordon(&format!("{WITH_AGE}{off}"));
        feeds.only_the_public_one_without_a_date_is_held(&cordon);
    }
}

/// N10: counted from the first sight instead; the clock is short, so that a test can wait for it.
#[test]
fn a_private_registry_without_dates_comes_of_age_from_its_first_sight() {
    let counted =
        for_ours("when_missing = \"first-seen\"\nversion_age = \"2s\"\nname_age = \"0s\"");
    let feeds = Feeds::start(Release::without_publish_time);
    let cordon = feeds.cordon(&format!("{WITH_AGE}{counted}"));
    for protocol in Protocol::ALL {
        assert!(
            offered(&cordon, protocol, "acme-tool").is_empty(),
            "{protocol:?}"
        );
    }
    for protocol in Protocol::ALL {
        cordon_tests::wait::until("coming of age", || {
            offered(&cordon, protocol, "acme-tool").len() == OURS.len()
        });
    }
    feeds.only_the_public_one_without_a_date_is_held(&cordon);
}

/// What each version of a train needs of the others: its own version of them.
fn train(package: &'static str, pins: &'static [(&'static str, &'static str)]) -> Train {
    Train { package, pins }
}

struct Train {
    package: &'static str,
    /// Other packages of the train and what stands before the version that is asked for.
    pins: &'static [(&'static str, &'static str)],
}

const OLD: &str = "1.3.0";
const NEW: &str = "1.3.1";

/// N11: packages released minutes apart, around the moment they come of age. What is listed can be
/// installed at every moment, and when all are old enough all are listed.
#[test]
fn a_release_train_can_be_installed_at_every_moment() {
    let trains = [
        [train("react", &[]), train("react-dom", &[("react", "^")])],
        [
            train("bun-types", &[]),
            train("@types/bun", &[("bun-types", "")]),
        ],
    ];
    let age = hours(72);
    let step = minutes(20);
    // The ages of the new versions, of the first and the second package of each train.
    let moments: [(Duration, Duration, [bool; 2]); 4] = [
        (age - step, age - 2 * step, [false, false]),
        (age + step, age - step, [true, false]),
        // The one that pins is old enough, what it pins is not.
        (age - step, age + step, [false, false]),
        (age + 2 * step, age + step, [true, true]),
    ];
    for (first, second, listed) in moments {
        let releases: Vec<Release> = trains
            .iter()
            .flat_map(|train| train.iter().zip([first, second]))
            .flat_map(|(train, age)| {
                let of = |version: &str, age| {
                    let release = npm(train.package, version, age);
                    train.pins.iter().fold(release, |release, (other, from)| {
                        release.depends_on(other, &format!("{from}{version}"))
                    })
                };
                [of(OLD, days(100)), of(NEW, age)]
            })
            .collect();
        let (registry, cordon) = serving(&releases, WITH_AGE);
        for train in &trains {
            for (car, is_listed) in train.iter().zip(listed) {
                let versions: &[&str] = if is_listed { &[OLD, NEW] } else { &[OLD] };
                served((&registry, &cordon), Protocol::Npm, car.package, versions);
                let url = file_url((&registry, &cordon), Protocol::Npm, car.package, NEW);
                let status = if is_listed { 200 } else { 403 };
                assert_eq!(http::get(&url).status, status, "{}", car.package);
            }
        }
    }
}
