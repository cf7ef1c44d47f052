use std::sync::Arc;

use super::*;
use crate::ecosystem::{Cargo, Npm, PyPi};
use crate::facts::{Burst, Change, ExoticDependency, ExoticSource, PackageFacts, TrustLost};
use crate::model::{ArtifactId, ArtifactKind, FileName, PackageVersion};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// A version with its sheet, as a test tells it.
struct Told {
    facts: VersionFacts,
    sheet: Sheet,
}

fn told(scheme: &dyn Scheme, version: &str, published: Option<i64>) -> Told {
    let name = scheme.package("subject").unwrap();
    let package = Arc::new(PackageFacts::unknown(name.clone(), "test".into()));
    let artifact = ArtifactId {
        subject: PackageVersion {
            name,
            version: Version::verbatim(version),
        },
        file: FileName::new(format!("subject-{version}.tgz")).unwrap(),
        kind: ArtifactKind::Archive,
    };
    let mut facts = VersionFacts::unknown(artifact, package);
    facts.published_at =
        published.map_or(Fact::Absent, |at| Fact::Known(Timestamp::from_millis(at)));
    facts.license = Fact::Known("MIT".into());
    facts.publisher = Fact::Known("ada".into());
    facts.exotic_dependencies = Fact::Absent;
    Told {
        facts,
        sheet: Sheet::default(),
    }
}

fn npm(version: &str, published: i64) -> Told {
    told(&Npm, version, Some(published))
}

impl Told {
    fn needs(mut self, names: &[&str]) -> Self {
        let mut names: Vec<SmolStr> = names.iter().map(|name| SmolStr::new(*name)).collect();
        names.sort();
        let kind = DependencyKind::Normal;
        let list = names.into_iter().map(|name| Dependency { name, kind });
        self.sheet.dependencies = list.collect();
        self
    }
    fn hooks(mut self, names: &[&str]) -> Self {
        self.sheet.hooks = names.iter().map(|name| SmolStr::new(*name)).collect();
        self
    }
    fn by(mut self, publisher: &str) -> Self {
        self.facts.publisher = Fact::Known(publisher.into());
        self
    }
    fn trust(mut self, trust: Trust) -> Self {
        self.sheet.trust = trust;
        self
    }
    fn from(mut self, name: &str, source: ExoticSource, written: &str) -> Self {
        self.facts.exotic_dependencies = Fact::Known(Arc::new([ExoticDependency {
            name: name.into(),
            source,
            written: written.into(),
        }]));
        self
    }
    fn file(mut self, series: &str, size: u64) -> Self {
        self.sheet.series = series.into();
        self.sheet.size_bytes = Some(size);
        self
    }
}

/// The dependencies 1.0.1 adds, those of a known owner with an exclamation mark.
fn added_by(before: Told, after: Told) -> Vec<String> {
    let facts = compared(&Npm, vec![before, after]);
    let change = facts[1].change.known().unwrap();
    let added = change.added_dependencies.iter();
    added
        .map(|it| {
            let mark = if it.is_of_known_owner { "!" } else { "" };
            format!("{}{mark}", it.package.as_published())
        })
        .collect()
}

#[test]
fn a_scope_is_known_by_its_packages_its_publisher_or_what_was_needed_before() {
    let names = ["@ada/x", "@bob/x", "@eve/x", "ada", "adax"];
    let before = npm("1.0.0", 0).needs(&["@bob/core", "left"]);
    let after = npm("1.0.1", DAY).needs(&names).by("eve");
    assert_eq!(
        added_by(before, after),
        ["@ada/x!", "@bob/x!", "@eve/x", "ada", "adax"]
    );
    // What an earlier version needed counts as well, once that has settled.
    let list = |since: i64| {
        vec![
            npm("1.0.0", since).needs(&["@bob/core"]),
            npm("1.0.1", 900 * DAY),
            npm("1.0.2", 901 * DAY).needs(&["@bob/x"]),
        ]
    };
    for (since, is_known) in [(0, true), (899 * DAY, false)] {
        let facts = compared(&Npm, list(since));
        let change = facts[2].change.known().unwrap();
        assert_eq!(change.added_dependencies[0].is_of_known_owner, is_known);
    }
    // Another scope of the same beginning is another owner's.
    let before = npm("1.0.0", 0).needs(&["@bob/core"]);
    let after = npm("1.0.1", DAY).needs(&["@bo/x", "@bobby/x"]);
    assert_eq!(added_by(before, after), ["@bo/x", "@bobby/x"]);
}

fn compared(scheme: &dyn Scheme, told: Vec<Told>) -> Vec<VersionFacts> {
    let (mut facts, sheets): (Vec<_>, Vec<_>) = told
        .into_iter()
        .map(|told| (told.facts, told.sheet))
        .unzip();
    compare(scheme, &mut facts, &sheets);
    facts
}

fn change(facts: &VersionFacts) -> &Change {
    match &facts.change {
        Fact::Known(change) => change,
        other => panic!("{}: {other:?}", facts.subject()),
    }
}

fn since(facts: &VersionFacts) -> &str {
    change(facts).since.as_str()
}

fn added(facts: &VersionFacts) -> Vec<&str> {
    let added = change(facts).added_dependencies.iter();
    added
        .map(|dependency| dependency.package.normalized())
        .collect()
}

#[test]
fn what_a_second_bad_version_adds_is_still_seen_against_the_last_good_one() {
    let facts = compared(
        &Npm,
        vec![
            npm("1.13.0", 0).needs(&["form-data"]),
            npm("1.14.0", 100 * DAY).needs(&["form-data"]),
            npm("1.14.1", 200 * DAY).needs(&["form-data", "plain-crypto-js"]),
            npm("1.14.2", 200 * DAY + HOUR).needs(&["form-data", "plain-crypto-js"]),
            npm("1.14.3", 201 * DAY).needs(&["form-data"]),
            npm("1.14.4", 202 * DAY).needs(&["form-data", "plain-crypto-js"]),
        ],
    );
    assert_eq!(facts[0].change, Fact::Absent);
    assert_eq!(since(&facts[1]), "1.13.0");
    assert_eq!(
        (since(&facts[2]), added(&facts[2])),
        ("1.14.0", vec!["plain-crypto-js"])
    );
    assert_eq!(
        (since(&facts[3]), added(&facts[3])),
        ("1.14.0", vec!["plain-crypto-js"])
    );
    assert!(added(&facts[4]).is_empty());
    assert_eq!(
        (since(&facts[5]), added(&facts[5])),
        ("1.14.3", vec!["plain-crypto-js"])
    );
}

#[test]
fn what_was_added_long_ago_is_taken_for_granted() {
    let settled = i64::try_from(SETTLED.as_millis()).unwrap();
    for (later, expected) in [(settled - 1, vec!["new"]), (settled, vec![])] {
        let facts = compared(
            &Npm,
            vec![
                npm("1.0.0", 0),
                npm("1.1.0", 90 * DAY).needs(&["new"]),
                npm("1.2.0", 90 * DAY + later).needs(&["new"]),
            ],
        );
        assert_eq!(added(&facts[2]), expected, "{later}");
    }
}

#[test]
fn a_new_major_number_is_compared_with_the_line_below_and_a_backport_with_its_own() {
    let facts = compared(
        &Npm,
        vec![
            npm("4.0.0", 0),
            npm("5.0.0", DAY).needs(&["b"]),
            npm("5.5.0", 100 * DAY).needs(&["b", "c"]),
            // The hijacker's major, twice, and a backport by the owner.
            npm("6.0.0", 200 * DAY)
                .needs(&["b", "c"])
                .hooks(&["preinstall"]),
            npm("7.0.0", 200 * DAY + 1)
                .needs(&["b", "c"])
                .hooks(&["preinstall"]),
            npm("4.0.1", 200 * DAY + 2),
            // Below everything there is.
            npm("3.0.0", 200 * DAY + 3).needs(&["x"]),
        ],
    );
    assert_eq!(since(&facts[3]), "5.5.0");
    assert_eq!(change(&facts[3]).added_hooks, ["preinstall"]);
    assert_eq!(since(&facts[4]), "5.5.0");
    assert_eq!(change(&facts[4]).added_hooks, ["preinstall"]);
    assert_eq!(since(&facts[5]), "4.0.0");
    assert_eq!((since(&facts[6]), added(&facts[6])), ("4.0.1", vec!["x"]));
}

#[test]
fn below_one_each_minor_number_is_a_line() {
    let facts = compared(
        &Cargo,
        vec![
            told(&Cargo, "0.3.9", Some(0)).needs(&["a"]),
            told(&Cargo, "0.4.0", Some(DAY)),
            told(&Cargo, "0.3.10", Some(100 * DAY)).needs(&["a"]),
        ],
    );
    assert_eq!(since(&facts[2]), "0.3.9");
    assert!(added(&facts[2]).is_empty());
}

#[test]
fn stable_versions_are_compared_with_stable_ones_and_previews_with_the_newest() {
    let facts = compared(
        &Npm,
        vec![
            npm("1.0.0-rc.1", 0).needs(&["a"]),
            npm("1.0.0", DAY).needs(&["a"]),
            npm("1.1.0-rc.1", 40 * DAY).needs(&["a", "b"]),
            npm("1.1.0-rc.2", 100 * DAY).needs(&["a", "b"]),
            npm("1.1.0", 101 * DAY).needs(&["a", "b"]),
        ],
    );
    assert_eq!(since(&facts[1]), "1.0.0-rc.1");
    assert_eq!((since(&facts[3]), added(&facts[3])), ("1.1.0-rc.1", vec![]));
    assert_eq!((since(&facts[4]), added(&facts[4])), ("1.0.0", vec!["b"]));
}

#[test]
fn the_order_is_that_of_publication_whatever_the_document_says() {
    let facts = compared(
        &Npm,
        vec![
            npm("1.2.0", 3 * DAY).needs(&["c"]),
            npm("1.0.0", DAY),
            npm("1.1.9", 4 * DAY).needs(&["c"]),
        ],
    );
    assert_eq!((since(&facts[0]), added(&facts[0])), ("1.0.0", vec!["c"]));
    assert_eq!((since(&facts[2]), added(&facts[2])), ("1.0.0", vec!["c"]));
    assert_eq!(facts[1].change, Fact::Absent);
}

#[test]
fn without_dates_the_order_is_that_of_versions_and_nothing_settles() {
    let facts = compared(
        &Npm,
        vec![
            told(&Npm, "1.0.2", None).needs(&["x"]),
            told(&Npm, "1.0.0", Some(0)),
            told(&Npm, "1.0.1", Some(500 * DAY)).needs(&["x"]).by("eve"),
            told(&Npm, "1.0.3", Some(900 * DAY)),
        ],
    );
    assert_eq!(facts[1].change, Fact::Absent);
    assert_eq!((since(&facts[2]), added(&facts[2])), ("1.0.0", vec!["x"]));
    assert_eq!((since(&facts[0]), added(&facts[0])), ("1.0.0", vec!["x"]));
    assert_eq!(change(&facts[2]).new_publisher.as_deref(), Some("eve"));
    assert_eq!(change(&facts[3]).new_publisher, None);
    assert!(matches!(facts[0].burst, Fact::Unavailable(_)));
}

#[test]
fn hooks_are_new_only_where_nothing_like_them_ran() {
    let facts = compared(
        &Npm,
        vec![
            npm("1.0.0", 0).hooks(&["install"]),
            npm("1.0.1", 100 * DAY).hooks(&["gypfile"]),
            npm("1.0.2", 200 * DAY).hooks(&["gypfile", "hasInstallScript"]),
            npm("1.0.3", 300 * DAY).hooks(&["install", "postinstall"]),
            npm("1.0.4", 301 * DAY),
            npm("1.0.5", 302 * DAY).hooks(&["gypfile"]),
        ],
    );
    assert!(change(&facts[1]).added_hooks.is_empty());
    assert!(change(&facts[2]).added_hooks.is_empty());
    assert_eq!(change(&facts[3]).added_hooks, ["postinstall"]);
    assert_eq!(change(&facts[5]).added_hooks, ["gypfile"]);
}

#[test]
fn a_publisher_is_new_until_their_first_version_has_settled() {
    let new = |facts: &VersionFacts| change(facts).new_publisher.clone();
    let facts = compared(
        &Npm,
        vec![
            npm("1.0.0", 0),
            npm("1.0.1", 50 * DAY).by("eve"),
            npm("1.0.2", 50 * DAY + HOUR).by("eve"),
            npm("1.0.3", 51 * DAY),
            npm("1.0.4", 90 * DAY).by("eve"),
            npm("1.0.5", 91 * DAY)
                .by("robot")
                .trust(Trust::TrustedPublisher),
        ],
    );
    assert_eq!(new(&facts[1]).as_deref(), Some("eve"));
    assert_eq!(new(&facts[2]).as_deref(), Some("eve"));
    assert_eq!(new(&facts[3]), None);
    assert_eq!(new(&facts[4]), None);
    assert_eq!(new(&facts[5]), None);
}

#[test]
fn a_loss_of_trust_is_seen_until_it_has_settled() {
    let lost = |facts: &VersionFacts| change(facts).trust_lost;
    let facts = compared(
        &Npm,
        vec![
            npm("1.0.0", 0),
            npm("1.0.1", 50 * DAY).trust(Trust::TrustedPublisher),
            npm("1.0.2", 51 * DAY).trust(Trust::Provenance),
            npm("1.0.3", 52 * DAY),
            npm("1.0.4", 90 * DAY),
        ],
    );
    let from = Trust::TrustedPublisher;
    assert_eq!(lost(&facts[1]), None);
    assert_eq!(
        lost(&facts[2]),
        Some(TrustLost {
            from,
            to: Trust::Provenance
        })
    );
    assert_eq!(
        lost(&facts[3]),
        Some(TrustLost {
            from,
            to: Trust::Account
        })
    );
    assert_eq!(lost(&facts[4]), None);
}

#[test]
fn a_pinned_commit_that_moves_is_no_new_source_but_another_repository_is() {
    use ExoticSource::{Git, Url};
    let exotic = |facts: &VersionFacts| change(facts).added_exotic.len();
    let facts = compared(
        &Npm,
        vec![
            npm("1.0.0", 0).from("a", Git, "github:ada/a#1111"),
            npm("1.0.1", DAY).from("a", Git, "github:ada/a#2222"),
            npm("1.0.2", 2 * DAY).from("a", Git, "github:eve/a#2222"),
            npm("2.0.0", 50 * DAY).from("a", Url, "https://files.example/a-1.tgz"),
            npm("2.0.1", 90 * DAY).from("a", Url, "https://files.example/a-2.tgz"),
            npm("2.0.2", 91 * DAY).from("a", Url, "https://files.example.evil.example/a-2.tgz"),
        ],
    );
    assert_eq!(
        facts[1..].iter().map(exotic).collect::<Vec<_>>(),
        [0, 1, 1, 0, 1]
    );
}

#[test]
fn files_are_compared_with_files_of_their_kind() {
    let file = |version: &str, at: i64, series: &str, size: u64| {
        told(&PyPi, version, Some(at)).file(series, size)
    };
    let facts = compared(
        &PyPi,
        vec![
            file("1.0", 0, "gz", 1_000).trust(Trust::Provenance),
            // Built by hand, always.
            file("1.0", 50 * DAY, "cp311-win", 9_000),
            file("1.1", 100 * DAY, "cp311-win", 9_500),
            file("1.1", 100 * DAY, "gz", 1_100).trust(Trust::Provenance),
            file("1.2", 200 * DAY, "gz", 90_000),
            // Late, to an old release, of a kind there never was.
            file("1.1", 201 * DAY, "cp27-any", 5),
        ],
    );
    let lost = |index: usize| change(&facts[index]).trust_lost.is_some();
    assert!(lost(1));
    assert!(!lost(2) && !lost(3));
    assert!(lost(4) && lost(5));
    assert_eq!(change(&facts[4]).size_bytes, Some((1_100, 90_000)));
    assert_eq!(change(&facts[5]).size_bytes, None);
    assert_eq!(facts[4].burst, Fact::Absent);
    assert_eq!(
        facts[3].burst,
        Fact::Absent,
        "two files are not two versions"
    );
}

#[test]
fn a_burst_is_counted_around_a_version_and_never_makes_itself_usual() {
    let mut told = vec![npm("1.0.0", 0), npm("1.0.1", HOUR / 2)];
    // Ten in two hours.
    for number in 0..10 {
        let at = 100 * DAY + number * (HOUR / 5);
        told.push(npm(&format!("2.0.{number}"), at));
    }
    told.push(npm("3.0.0", 120 * DAY));
    let facts = compared(&Npm, told);
    let burst = |versions, habit| Fact::Known(Burst { versions, habit });
    assert_eq!(facts[0].burst, burst(2, 0));
    assert_eq!(facts[2].burst, burst(3, 2));
    assert_eq!(facts[6].burst, burst(5, 2));
    assert_eq!(facts[11].burst, burst(3, 2));
    assert_eq!(facts[12].burst, Fact::Absent);
}

#[test]
fn more_dependencies_than_can_be_asked_about_are_no_known_change() {
    let names: Vec<String> = (0..=MAX_ADDED).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let facts = compared(
        &Npm,
        vec![
            npm("1.0.0", 0),
            npm("1.0.1", DAY).needs(&names),
            npm("1.0.2", 2 * DAY).needs(&["a"]),
        ],
    );
    assert!(matches!(facts[1].change, Fact::Unavailable(_)));
    assert_eq!((since(&facts[2]), added(&facts[2])), ("1.0.0", vec!["a"]));
}

#[test]
fn names_outside_the_grammar_and_missing_sheets_are_no_dependencies() {
    let mut facts: Vec<VersionFacts> = vec![npm("1.0.0", 0).facts, npm("1.0.1", 1).facts];
    compare(&Npm, &mut facts, &[]);
    assert!(added(&facts[1]).is_empty());
    let facts = compared(
        &Npm,
        vec![npm("1.0.0", 0), npm("1.0.1", 1).needs(&["../up", "ok"])],
    );
    assert_eq!(added(&facts[1]), ["ok"]);
}

#[test]
fn a_licence_changes_when_its_words_do_and_both_are_known() {
    let mut told = vec![
        npm("1.0.0", 0),
        npm("1.0.1", 1),
        npm("1.0.2", 2),
        npm("1.0.3", 3),
    ];
    told[1].facts.license = Fact::Known("BUSL-1.1".into());
    told[2].facts.license = Fact::Absent;
    told[3].facts.license = Fact::NotYet;
    let facts = compared(&Npm, told);
    let words = |facts: &VersionFacts| {
        let license = change(facts).license.clone();
        license.map(|license| (license.from.to_string(), license.to.to_string()))
    };
    assert_eq!(words(&facts[1]), Some(("MIT".into(), "BUSL-1.1".into())));
    assert_eq!(words(&facts[2]), Some(("BUSL-1.1".into(), String::new())));
    assert_eq!(words(&facts[3]), None);
}

#[test]
fn times_at_the_ends_of_the_calendar_do_no_harm() {
    let facts = compared(
        &Npm,
        vec![
            npm("1.0.0", i64::MIN),
            npm("1.0.1", i64::MAX),
            npm("1.0.2", i64::MAX),
        ],
    );
    assert_eq!(since(&facts[2]), "1.0.1");
}
