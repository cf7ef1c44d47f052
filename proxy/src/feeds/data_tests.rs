use cordon_policy::ecosystem::{CARGO, NPM, Npm};
use cordon_policy::facts::Named;
use cordon_policy::model::Scheme;

use super::*;

/// Names every version of every package with the same advisories.
#[derive(Debug)]
struct Says(Vec<AdvisoryMatch>);

impl Advisories for Says {
    fn matches(&self, _: &PackageName, _: &Version) -> Vec<AdvisoryMatch> {
        self.0.clone()
    }

    fn fixes(&self, _: &PackageName, _: &Version) -> Vec<SmolStr> {
        vec!["OSV-1".into()]
    }
}

fn advisory(kind: AdvisoryKind) -> AdvisoryMatch {
    AdvisoryMatch {
        id: "OSV-1".into(),
        aliases: Vec::new(),
        kind,
        named: Named::Listed,
        cvss_tenths: None,
        fixed: Vec::new(),
        is_reviewed: true,
        published_at: None,
        modified_at: None,
        summary: SmolStr::default(),
        is_exploited: false,
        epss_thousandths: None,
    }
}

const CONFIRMED: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn at(hours: i64) -> Timestamp {
    Timestamp::from_millis(CONFIRMED.as_millis() + hours * 3_600_000)
}

fn data(says: Vec<AdvisoryMatch>, gap: Option<&str>) -> AdvisoryData {
    let loaded = LoadedFeed {
        index: Arc::new(Says(says)),
        digest: Digest::of(b"index"),
        belief: Arc::new(Belief::new(CONFIRMED, at(72))),
        gap: gap.map(SmolStr::new),
        held_back: None,
    };
    AdvisoryData::new([(NPM, EcosystemFeed::Loaded(loaded))])
}

fn ask(data: &AdvisoryData, was_allowed: bool, now: Timestamp) -> AdvisoryFacts {
    let package = Npm.package("left-pad").expect("a name");
    data.facts(&package, &Version::verbatim("1.0.0"), was_allowed, now)
}

#[test]
fn what_no_advisory_names_is_absent_until_the_data_is_too_old() {
    let data = data(Vec::new(), None);
    let fresh = ask(&data, false, at(71));
    assert_eq!(fresh.advisories, Fact::Absent);
    assert_eq!(fresh.valid_until, Some(at(72)));
    assert_eq!(*fresh.fixes, [SmolStr::from("OSV-1")]);
    let old = ask(&data, true, at(72));
    assert!(matches!(old.advisories, Fact::Unavailable(cause) if cause.contains("too old")));
    assert_eq!(old.valid_until, None);
    assert!(
        old.fixes.is_empty(),
        "no early release by data of yesterday"
    );
}

#[test]
fn malware_stays_malware_when_the_data_is_too_old_or_incomplete() {
    let malware = vec![advisory(AdvisoryKind::Malware)];
    for (data, now) in [
        (data(malware.clone(), None), at(1000)),
        (
            data(malware.clone(), Some("feed `own` was never loaded")),
            at(1),
        ),
    ] {
        for was_allowed in [false, true] {
            let said = ask(&data, was_allowed, now).advisories;
            assert_eq!(said, Fact::Known(malware.clone().into()));
        }
    }
}

#[test]
fn an_old_flaw_counts_where_losing_it_would_serve_and_holds_where_it_would_not() {
    let data = data(vec![advisory(AdvisoryKind::Vulnerability)], None);
    assert!(matches!(
        ask(&data, true, at(100)).advisories,
        Fact::Known(_)
    ));
    assert!(matches!(
        ask(&data, false, at(100)).advisories,
        Fact::Unavailable(_)
    ));
}

#[test]
fn d_01_data_never_loaded_is_told_by_its_own_cause() {
    let data = AdvisoryData::new([(NPM, EcosystemFeed::Missing)]);
    assert_eq!(
        ask(&data, true, at(0)).advisories,
        Fact::Unavailable(NO_DATA)
    );
    assert!(data.is_missing(&NPM));
    assert!(!data.is_missing(&CARGO), "nothing is configured for it");
}

#[test]
fn where_nothing_is_configured_nothing_is_said_or_held() {
    let said = ask(&AdvisoryData::off(), false, at(0));
    assert_eq!(said.advisories, Fact::Absent);
    assert_eq!(said.valid_until, None);
}

#[test]
fn d_23_data_confirmed_in_the_future_is_not_believed() {
    let data = data(Vec::new(), None);
    assert_eq!(ask(&data, false, at(-1)).advisories, Fact::Absent);
    assert!(matches!(
        ask(&data, false, at(-24)).advisories,
        Fact::Unavailable(cause) if cause.contains("yet to come")
    ));
}

#[test]
fn a_confirmation_renews_belief_in_every_snapshot_of_the_data() {
    let data = data(Vec::new(), None);
    let EcosystemFeed::Loaded(loaded) = data.ecosystem(&NPM).clone() else {
        panic!("it was loaded");
    };
    loaded.belief.renew(at(71), at(71 + 72));
    assert_eq!(ask(&data, false, at(100)).advisories, Fact::Absent);
}

#[test]
fn d_20_what_is_held_back_keeps_what_was_allowed_and_nothing_else() {
    let mut held = data(vec![advisory(AdvisoryKind::Vulnerability)], None);
    let package = Npm.package("left-pad").expect("a name");
    let hold = |held: &mut AdvisoryData, packages: BTreeSet<PackageName>| {
        let Some(EcosystemFeed::Loaded(loaded)) = held.ecosystems.get_mut(&NPM) else {
            panic!("it was loaded");
        };
        loaded.held_back = Some(Arc::new(HeldBack {
            previous: Arc::new(Says(Vec::new())),
            packages,
            until: at(10),
        }));
    };
    hold(&mut held, BTreeSet::from([package]));
    assert_eq!(ask(&held, true, at(9)).advisories, Fact::Absent);
    assert_eq!(ask(&held, true, at(9)).valid_until, Some(at(10)));
    let unseen = ask(&held, false, at(9)).advisories;
    assert!(
        matches!(unseen, Fact::Known(_)),
        "the unseen is refused at once"
    );
    let later = ask(&held, true, at(10)).advisories;
    assert!(
        matches!(later, Fact::Known(_)),
        "silence does not serve for ever"
    );
    hold(&mut held, BTreeSet::new());
    let other = ask(&held, true, at(9)).advisories;
    assert!(matches!(other, Fact::Known(_)), "another package");
    // Named version by version as malware: nobody has to confirm that.
    let mut malware = data(vec![advisory(AdvisoryKind::Malware)], None);
    let package = Npm.package("left-pad").expect("a name");
    hold(&mut malware, BTreeSet::from([package]));
    let listed = ask(&malware, true, at(9)).advisories;
    assert!(matches!(listed, Fact::Known(_)));
}

#[test]
fn the_identity_is_that_of_the_indexes() {
    let id = |data: &AdvisoryData| data.id().to_string();
    assert_eq!(id(&AdvisoryData::off()), "none");
    assert_eq!(
        id(&AdvisoryData::new([(NPM, EcosystemFeed::Missing)])),
        "none"
    );
    let (one, same) = (data(Vec::new(), None), data(Vec::new(), Some("a gap")));
    assert_eq!(id(&one), id(&same));
    assert_eq!(id(&one).len(), 16);
}
