use std::sync::{Arc, OnceLock};

use proptest::prelude::*;

use super::*;
use crate::ecosystem::{CARGO, Cargo, NPM, Npm, PYPI, PyPi, schemes};
use crate::facts::{Score, Similarity};
use crate::model::{Ecosystem, Scheme};

/// What the rule holds a name from.
const HELD: Score = Score(800);

fn detector(ecosystem: &Ecosystem) -> &'static Detector {
    static DETECTORS: [OnceLock<Detector>; 3] = [const { OnceLock::new() }; 3];
    let at = schemes().iter().position(|it| it.ecosystem() == ecosystem);
    let at = at.unwrap();
    DETECTORS[at].get_or_init(|| Detector::built_in(schemes()[at]).unwrap())
}

fn score(ecosystem: &Ecosystem, name: &str) -> Option<Similarity> {
    let scheme = crate::ecosystem::scheme_for(ecosystem).unwrap();
    detector(ecosystem).score(&scheme.package(name).unwrap())
}

/// A list of one's own, for what must not depend on the built-in ones.
fn of_names(scheme: &dyn Scheme, names: &str) -> Detector {
    Detector::new(Arc::new(PopularNames::parse(scheme, names).unwrap()))
}

#[test]
fn slips_of_the_hand_on_popular_names_are_held_with_target_and_technique() {
    for (ecosystem, name, target, technique) in [
        (&NPM, "raect-dom", "react-dom", "two letters swapped"),
        (&NPM, "expresss", "express", "a letter doubled"),
        // `rn` looks like `m`, and is a slip all the same.
        (&NPM, "electorn", "electron", "two letters swapped"),
        (&PYPI, "reqeusts", "requests", "two letters swapped"),
        (&PYPI, "matplotib", "matplotlib", "a letter left out"),
        (
            &PYPI,
            "websocket-clientt",
            "websocket-client",
            "a letter doubled",
        ),
        (&CARGO, "serde_josn", "serde-json", "two letters swapped"),
        (
            &CARGO,
            "once_ce1l",
            "once-cell",
            "letters replaced by look-alikes",
        ),
        (&CARGO, "parkinglot", "parking-lot", "separators changed"),
        (
            &CARGO,
            "locale-icu-core",
            "icu-locale-core",
            "words in another order",
        ),
    ] {
        let found = score(ecosystem, name).unwrap();
        assert!(found.score >= HELD, "{name}: {found:?}");
        assert_eq!(
            (&*found.target, &*found.technique),
            (target, technique),
            "{name}"
        );
    }
}

#[test]
fn incidents_whose_target_is_popular_are_held() {
    // T01 of the incident table.
    let found = score(&CARGO, "rustdecimal").unwrap();
    assert!(found.score >= HELD, "{found:?}");
    assert_eq!(found.target, "rust-decimal");
}

#[test]
fn incidents_whose_target_is_in_no_list_are_held_once_it_is() {
    // T06: too few public repositories use what it imitates.
    let built_in = detector(&CARGO).popular().names();
    let list = format!("{}\npolymarket-client-sdk\n", built_in[..500].join("\n"));
    let detector = of_names(&Cargo, &list);
    for name in [
        "polymarket-clients-sdk",
        "polymarket-client-sdks",
        "polymarkets-client-sdk",
    ] {
        let found = detector.score(&Cargo.package(name).unwrap()).unwrap();
        assert_eq!(found.target, "polymarket-client-sdk", "{name}");
        assert!(found.score >= HELD, "{name}: {found:?}");
        assert_eq!(score(&CARGO, name), None);
    }
}

#[test]
fn honest_families_are_never_held() {
    for (ecosystem, names) in [
        (
            &PYPI,
            &[
                "python-dateutil",
                "pytest-django",
                "pytest-requests-thing",
                "types-requests",
                "types-obscure-thing",
                "django-numpy",
                "flask-pandas",
                "sphinx-requests",
            ][..],
        ),
        (
            &NPM,
            &[
                "@types/left-pad",
                "@types/obscure",
                "eslint-plugin-lodash-thing",
                "babel-react",
                "@babel/coer",
            ],
        ),
        (
            &CARGO,
            &[
                "zstd-sys",
                "openssl-thing-sys",
                "serde-derive",
                "anyhow-derive",
                "tokio-macros",
                "bitflags-macros",
                "rand-sys",
            ],
        ),
    ] {
        for name in names {
            let found = score(ecosystem, name);
            assert!(
                found.as_ref().is_none_or(|it| it.score < HELD),
                "{name}: {found:?}"
            );
        }
    }
}

#[test]
fn a_popular_name_is_like_none_however_near() {
    let detector = of_names(&Npm, "react\npreact\nraect\n");
    for name in ["react", "preact", "raect"] {
        assert_eq!(detector.score(&Npm.package(name).unwrap()), None);
    }
    for scheme in schemes() {
        let detector = self::detector(scheme.ecosystem());
        for name in detector.popular().names() {
            assert_eq!(detector.score_text(name), None, "{name}");
        }
    }
}

#[test]
fn a_name_of_another_ecosystem_is_not_scored() {
    assert_eq!(detector(&NPM).score(&PyPi.package("raect").unwrap()), None);
}

#[test]
fn packages_of_the_scope_itself_are_its_owners() {
    let detector = of_names(&Npm, "@babel/core\n@babel/parser\n");
    assert_eq!(detector.score(&Npm.package("@babel/coer").unwrap()), None);
    let other = detector
        .score(&Npm.package("@bable/core").unwrap())
        .unwrap();
    assert_eq!(other.target, "@babel/core");
}

#[test]
fn a_family_without_its_scope_is_named_with_it() {
    let detector = of_names(
        &Npm,
        "react\n@azure/arm-a\n@azure/arm-b\n@azure/arm-c\n@google/x\n",
    );
    let found = detector.score(&Npm.package("arm-dns").unwrap()).unwrap();
    assert_eq!(found.target, "@azure/arm-dns");
    // As soon as anybody else's popular package begins with the word, it says nothing.
    let shared = of_names(
        &Npm,
        "@azure/arm-a\n@azure/arm-b\n@azure/arm-c\narm-tools\n",
    );
    let found = shared.score(&Npm.package("arm-dns").unwrap());
    assert!(found.is_none_or(|found| found.target != "@azure/arm-dns"));
}

#[test]
fn letters_of_other_scripts_are_read_as_what_they_look_like() {
    let found = detector(&PYPI).score_text("r\u{435}quests").unwrap();
    assert_eq!(found.target, "requests");
    assert_eq!(found.technique, "letters replaced by look-alikes");
    assert!(found.score >= HELD, "{found:?}");
}

#[test]
fn the_built_in_lists_are_read_whole_and_their_indexes_stay_small() {
    let mut bytes = 0;
    for (scheme, least) in [
        (&Npm as &dyn Scheme, 15_000),
        (&PyPi, 14_900),
        (&Cargo, 3_900),
    ] {
        let detector = detector(scheme.ecosystem());
        assert!(detector.popular().names().len() >= least, "{detector:?}");
        bytes += detector.bytes();
    }
    assert!(bytes < 24 << 20, "{bytes} bytes");
}

#[test]
fn a_list_may_have_comments_blank_lines_and_names_twice() {
    let list = PopularNames::parse(
        &PyPi,
        "# by downloads\n\n Requests \nnumpy\nrequests\nflask",
    );
    let list = list.unwrap();
    let rank = |name: &str| list.rank(&PyPi.package(name).unwrap());
    assert_eq!(list.names(), ["requests", "numpy", "flask"]);
    assert_eq!((rank("requests"), rank("Flask")), (Some(1), Some(3)));
    assert_eq!(rank("pandas"), None);
    assert_eq!(list.rank(&Npm.package("requests").unwrap()), None);
}

#[test]
fn a_list_that_is_none_is_refused_with_its_line() {
    let parse = |text: &str| PopularNames::parse(&Npm, text);
    assert_eq!(parse("# nothing\n\n").unwrap_err(), PopularError::Empty);
    let error = parse("react\n\nlodash@4.17.21\n").unwrap_err().to_string();
    assert!(error.starts_with("line 3: "), "{error}");
    let many: String = (0..=MAX_POPULAR_NAMES).map(|n| format!("a{n}\n")).collect();
    assert_eq!(
        parse(&many).unwrap_err(),
        PopularError::TooMany { line: 65_536 }
    );
    let most = many.strip_suffix("a65535\n").unwrap();
    assert_eq!(parse(most).unwrap().names().len(), MAX_POPULAR_NAMES);
    let long = "#".repeat(MAX_POPULAR_BYTES + 1);
    assert!(matches!(parse(&long), Err(PopularError::TooLong { .. })));
}

proptest! {
    #[test]
    fn any_text_has_a_score_and_always_the_same(text in any::<String>()) {
        for scheme in schemes() {
            let detector = detector(scheme.ecosystem());
            let found = detector.score_text(&text);
            prop_assert_eq!(&found, &detector.score_text(&text));
            if let Some(found) = found {
                prop_assert!(found.score <= Score(1_000));
                prop_assert!(!found.target.is_empty() && !found.technique.is_empty());
            }
        }
    }

    #[test]
    fn names_near_popular_ones_never_panic(
        at in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[a-z0-9./@_-]{0,3}"), 0..4),
    ) {
        for scheme in schemes() {
            let detector = detector(scheme.ecosystem());
            let mut name = at.get(detector.popular().names()).to_string();
            for (place, put) in &cuts {
                let place = place.index(name.len() + 1);
                name.replace_range(place..(place + 1).min(name.len()), put);
            }
            let found = detector.score_text(&name);
            prop_assert!(found.is_none_or(|it| it.score <= Score(1_000)));
        }
    }
}
