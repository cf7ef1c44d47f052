//! Names and versions of the three ecosystems: grammar, normal forms, order (reliability N-01 to
//! N-35, as far as they concern names and versions alone).

use std::cmp::Ordering;

use cordon_policy::ecosystem::{Cargo, Npm, PyPi, schemes};
use cordon_policy::model::{Scheme, Version};
use proptest::prelude::*;

fn normalized(scheme: &dyn Scheme, raw: &str) -> Option<String> {
    scheme
        .package(raw)
        .ok()
        .map(|name| name.normalized().to_owned())
}

fn assert_refused(scheme: &dyn Scheme, names: &[&str]) {
    for name in names {
        assert_eq!(normalized(scheme, name), None, "{name:?}");
    }
}

fn assert_kept(scheme: &dyn Scheme, names: &[&str]) {
    for name in names {
        assert_eq!(normalized(scheme, name).as_deref(), Some(*name));
    }
}

fn contains(scheme: &dyn Scheme, range: &str, version: &str) -> bool {
    scheme
        .range(range)
        .unwrap_or_else(|error| panic!("{error}"))
        .contains(&Version::verbatim(version))
}

#[test]
fn n_01_to_n_06_every_spelling_of_a_pypi_name_is_one_package() {
    for spelling in [
        "Foo_Bar",
        "foo..bar",
        "foo-_-.bar",
        "FOO-BAR",
        "foo_bar",
        "foo.bar",
        "foo-bar",
    ] {
        assert_eq!(
            normalized(&PyPi, spelling).as_deref(),
            Some("foo-bar"),
            "{spelling}"
        );
    }
    // A slash or an encoding left over is not a spelling.
    assert_refused(&PyPi, &["foo_bar/", "%66oo-bar", "foo%2dbar"]);
}

#[test]
fn n_07_spaces_plus_signs_and_tabs_are_no_part_of_pypi_names() {
    assert_refused(
        &PyPi,
        &[
            "acme sdk",
            "acme+sdk",
            "acme\tsdk",
            "acme%20sdk",
            "acme\n",
            "",
        ],
    );
}

#[test]
fn n_08_pypi_names_start_and_end_with_a_letter_or_digit() {
    assert_refused(
        &PyPi,
        &["-a", "a-", "_a", "a_", ".a", "a.", "-", "..", "a--"],
    );
    assert_kept(&PyPi, &["a", "0", "a0", "0a"]);
}

#[test]
fn n_09_to_n_11_letters_beyond_ascii_are_refused_never_folded() {
    let odd = [
        "\u{ff46}oo",     // full-width f
        "\u{212a}eras",   // Kelvin sign
        "reque\u{17f}ts", // long s
        "d\u{131}st",     // dotless i
        "\u{130}nst",     // dotted capital I
        "foo\u{200b}bar", // zero-width space
        "foo\u{301}",     // combining accent
        "foo\u{202e}bar", // right-to-left override
        "\u{440}equests", // Cyrillic er
    ];
    for scheme in schemes() {
        assert_refused(scheme, &odd);
    }
}

#[test]
fn n_12_names_longer_than_the_registry_takes_are_refused() {
    let long = |length: usize| "a".repeat(length);
    for (scheme, longest) in [(&Npm as &dyn Scheme, 214), (&PyPi, 255), (&Cargo, 64)] {
        assert!(scheme.package(&long(longest)).is_ok());
        assert!(scheme.package(&long(longest + 1)).is_err());
        assert!(scheme.package(&long(300)).is_err());
    }
}

#[test]
fn n_13_npm_names_that_differ_in_case_are_two_packages() {
    let old = Npm.package("JSONStream").unwrap();
    let new = Npm.package("jsonstream").unwrap();
    assert_ne!(old, new);
    assert_eq!(old.normalized(), "JSONStream");
}

#[test]
fn n_14_an_unknown_upper_case_npm_name_is_asked_for_as_written() {
    assert_kept(&Npm, &["NoSuchName", "A"]);
}

#[test]
fn n_15_and_n_16_a_scope_is_written_with_a_slash_and_nothing_stays_encoded() {
    assert_kept(&Npm, &["@scope/name", "@types/node", "@1/2"]);
    assert_refused(
        &Npm,
        &[
            "@scope%2fname",
            "@scope%2Fname",
            "@scope%252fname",
            "%40scope/name",
        ],
    );
}

#[test]
fn n_17_half_empty_and_nested_scopes_are_refused() {
    assert_refused(
        &Npm,
        &[
            "@scope//name",
            "@/name",
            "@scope/",
            "@scope/a/b",
            "@scope",
            "@",
            "scope/name",
            "@@a/b",
        ],
    );
}

#[test]
fn n_18_route_words_dots_and_underscores_are_no_npm_names() {
    assert_refused(
        &Npm,
        &[
            "-",
            "node_modules",
            "favicon.ico",
            "NODE_MODULES",
            ".hidden",
            "_x",
            "-x",
            ".",
            "..",
            "@./x",
            "@../x",
            "@a/..",
            "@a/.b",
            "@a/-",
            "@-/a",
            "a b",
            " a",
            "a ",
            "a\\b",
            "a\0",
            "%",
            "a%b",
            "a:b",
            "a?b",
            "a#b",
            "",
        ],
    );
    // Odd, but in the registry: special characters of old names, core modules, underscores inside.
    assert_kept(
        &Npm,
        &[
            "http", "a.b", "a_b", "a~b", "it's", "(x)", "x!", "@a/_b", "@_a/b",
        ],
    );
}

#[test]
fn n_21_a_version_has_one_spelling_per_client_request() {
    for refused in [
        "v1.0.0", "=1.0.0", " 1.0.0", "1.0.0 ", "1.0", "latest", "", "1.0.0/..", "x",
    ] {
        assert!(Npm.version(refused).is_err(), "{refused:?}");
    }
    for refused in [
        "v1.0.0", "1.0", "1", " 1.0.0", "01.0.0", "1.0.0-01", "1.0.0/x", "",
    ] {
        assert!(Cargo.version(refused).is_err(), "{refused:?}");
    }
    for refused in [" 1.0", "1.0 ", "1.0/..", "foo", "1.0-", "", "1.0\n"] {
        assert!(PyPi.version(refused).is_err(), "{refused:?}");
    }
    assert_ne!(
        Npm.version("1.0.0+b").unwrap(),
        Npm.version("1.0.0").unwrap()
    );
    let long = format!("1.0.0-{}", "a".repeat(300));
    for scheme in schemes() {
        assert!(scheme.version(&long).is_err());
        assert!(scheme.is_prerelease(&Version::verbatim(long.as_str())));
    }
}

#[test]
fn n_22_cargo_names_fold_case_hyphen_and_underscore_and_keep_their_spelling() {
    let published = Cargo.package("Serde_JSON").unwrap();
    assert_eq!(published, Cargo.package("serde-json").unwrap());
    assert_eq!(published.normalized(), "serde-json");
    assert_eq!(published.as_published(), "Serde_JSON");
    assert_refused(
        &Cargo,
        &["1abc", "_a", "-a", "a.b", "a/b", "a b", "a+b", ""],
    );
}

#[test]
fn n_24_short_names_and_names_of_devices_are_names() {
    assert_kept(&Cargo, &["a", "ab", "abc", "nul", "con", "aux"]);
    assert_kept(&Npm, &["a", "nul", "con"]);
    assert_kept(&PyPi, &["a", "nul", "con"]);
}

#[test]
fn n_25_build_metadata_is_part_of_the_version_once_decoded() {
    for scheme in [&Npm as &dyn Scheme, &Cargo] {
        assert_eq!(scheme.version("1.0.0+meta").unwrap().as_str(), "1.0.0+meta");
        assert!(scheme.version("1.0.0%2Bmeta").is_err());
        assert!(contains(scheme, "=1.0.0", "1.0.0+meta"));
    }
}

#[test]
fn n_26_pypi_versions_of_one_meaning_are_equal_in_order_and_in_ranges() {
    for (a, b) in [
        ("1.0", "1.0.0"),
        ("1.0RC1", "1.0rc1"),
        ("1.0-1", "1.0.post1"),
        ("v1", "1"),
    ] {
        let (a, b) = (Version::verbatim(a), Version::verbatim(b));
        assert_eq!(PyPi.compare(&a, &b), Ordering::Equal, "{a} {b}");
    }
    assert!(contains(&PyPi, "==1.0", "1.0.0"));
    assert!(contains(&PyPi, "==1.0", "1.0+local"));
    assert!(!contains(&PyPi, "==1.0", "1!1.0"));
    assert!(!contains(&PyPi, ">1.0", "1.0.post1"));
    assert!(contains(&PyPi, ">=1.0", "1.1.dev1"));
}

#[test]
fn n_27_ranges_of_a_policy_hold_the_pre_releases_inside_them() {
    for (scheme, range) in [(&Npm as &dyn Scheme, "1.x"), (&Cargo, "1.*")] {
        assert!(contains(scheme, range, "1.0.0-alpha"));
        assert!(contains(scheme, range, "1.9.9-rc.1"));
        assert!(!contains(scheme, range, "2.0.0-0"));
    }
    for scheme in [&Npm as &dyn Scheme, &Cargo] {
        assert!(contains(scheme, "<1.2.3", "1.2.3-beta"));
        assert!(!contains(scheme, "^1.2.3", "2.0.0-beta"));
        assert!(contains(scheme, "~1.2", "1.2.0-beta"));
    }
    assert!(contains(&Cargo, "^0.0.3", "0.0.3") && !contains(&Cargo, "^0.0.3", "0.0.4"));
    assert!(contains(&Npm, "1.2.3 || 2", "2.5.0"));
    for blank in ["||", "1 ||", "|| 1", "1 || || 2", ">=1.2.3 <1.2.5 ||"] {
        assert!(Npm.range(blank).is_err(), "{blank}");
    }
    // Next to the largest number a version can have, an end above it is no end.
    let largest = "18446744073709551615.0.0";
    assert!(contains(&Cargo, "^18446744073709551615.0.0", largest));
    assert!(!contains(&Cargo, ">18446744073709551615", largest));
    assert!(contains(&Cargo, "<=18446744073709551615", largest));
}

#[test]
fn a_blank_range_is_a_mistake_and_a_star_is_everything() {
    for scheme in schemes() {
        for blank in ["", "  ", "\t", ","] {
            assert!(scheme.range(blank).is_err(), "{blank:?}");
        }
        assert!(scheme.range(&"1".repeat(20_000)).is_err());
        for version in ["1.0.0", "1.0.0-alpha", "not a version", ""] {
            assert!(contains(scheme, "*", version));
        }
        for range in [">=0", ">=0.0.0-0", "<=99999", "=1.0.0", "==1.0.0"] {
            if let Ok(range) = scheme.range(range) {
                assert!(!range.contains(&Version::verbatim("not a version")));
            }
        }
    }
}

#[test]
fn n_29_an_error_says_which_rule_was_broken_without_raw_control_characters() {
    let error = Npm.package("a\u{202e}b\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a\\u{202e}b\\n` is not a valid npm package name: only ASCII letters, digits and \
         `-_.!~*'()` are possible, after an optional `@scope/`"
    );
    let long = Cargo.package(&"x".repeat(100_000)).unwrap_err().to_string();
    assert!(long.len() < 250, "{long}");
}

#[test]
fn n_31_one_name_in_two_ecosystems_is_two_packages() {
    assert_ne!(
        Npm.package("requests").unwrap(),
        PyPi.package("requests").unwrap()
    );
}

#[test]
fn n_32_a_scope_is_compared_byte_for_byte() {
    let scoped = Npm.package("@acme/x").unwrap();
    assert_ne!(scoped, Npm.package("@Acme/x").unwrap());
    assert_ne!(scoped, Npm.package("@acme-evil/x").unwrap());
}

#[test]
fn pre_releases_are_what_installers_take_for_them() {
    for (scheme, version, expected) in [
        (&Npm as &dyn Scheme, "1.0.0", false),
        (&Npm, "1.0.0+b-1", false),
        (&Npm, "1.0.0-0", true),
        (&Npm, "junk", true),
        (&PyPi, "1.0", false),
        (&PyPi, "1.0.post1", false),
        (&PyPi, "1.0rc1", true),
        (&PyPi, "1.0.dev1", true),
        (&PyPi, "2004d-junk", true),
        (&Cargo, "1.0.0+1", false),
        (&Cargo, "1.0.0-rc", true),
    ] {
        let version = Version::verbatim(version);
        assert_eq!(scheme.is_prerelease(&version), expected, "{version}");
    }
}

#[test]
fn unparsable_versions_sort_below_all_others_and_by_spelling() {
    for scheme in schemes() {
        let mut versions =
            ["1.0.0", "zzz", "0.0.0", "", "junk", "1.0.0-alpha"].map(Version::verbatim);
        versions.sort_by(|a, b| scheme.compare(a, b));
        let order = versions.each_ref().map(Version::as_str);
        assert_eq!(order[..3], ["", "junk", "zzz"]);
        assert_eq!(order[5], "1.0.0");
    }
}

/// Texts near versions of every kind, and texts far from them.
fn version_text() -> impl Strategy<Value = Version> {
    prop_oneof![
        6 => "[0-2](\\.[0-2]){0,3}([-.+_]?(a|rc|dev|post|alpha|0|1|beta)[0-1]?){0,3}",
        2 => "[0-2]\\.[0-2]\\.[0-2](-[a-b0-2]{1,2}(\\.[0-2a]){0,2})?(\\+[a-z])?",
        1 => "(v|=|1!)?[0-9]{1,22}\\.[0-9]{1,3}\\.0",
        1 => ".{0,8}",
    ]
    .prop_map(Version::verbatim)
}

fn name_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "@?[A-Za-z0-9._/-]{1,12}",
        1 => "@[A-Za-z0-9._~-]{1,6}/[A-Za-z0-9._~-]{1,6}",
        1 => ".{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn normalising_is_idempotent(raw in name_text()) {
        for scheme in schemes() {
            if let Ok(name) = scheme.package(&raw) {
                let again = scheme.package(name.normalized()).expect("a normal form is a name");
                prop_assert_eq!(again.normalized(), name.normalized());
                prop_assert_eq!(&again, &name);
            }
        }
    }

    #[test]
    fn n_35_accepted_names_hold_nothing_a_path_or_a_key_could_trip_over(raw in ".{0,16}") {
        for scheme in schemes() {
            if let Ok(name) = scheme.package(&raw) {
                let text = name.normalized();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!text.contains(['%', '\\', '?', '#', ':', '"']));
                prop_assert!(text.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
                prop_assert_eq!(text.matches('/').count(), usize::from(text.starts_with('@')));
            }
        }
    }

    #[test]
    fn the_order_is_total(a in version_text(), b in version_text(), c in version_text()) {
        for scheme in schemes() {
            let order = |x: &Version, y: &Version| scheme.compare(x, y);
            prop_assert_eq!(order(&a, &a), Ordering::Equal);
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            if order(&a, &b).is_le() && order(&b, &c).is_le() {
                prop_assert!(order(&a, &c).is_le(), "{} {} {}", a, b, c);
            }
            if order(&a, &b).is_eq() {
                prop_assert_eq!(order(&a, &c), order(&b, &c));
            }
        }
    }

    #[test]
    fn versions_of_equal_meaning_are_in_the_same_ranges(
        a in version_text(),
        b in version_text(),
        bound in "[0-2]\\.[0-2]\\.[0-2]",
        operator in "(>|<|>=|<=|~|\\^|=|==|~=|!=)",
    ) {
        for scheme in [&Npm as &dyn Scheme, &Cargo] {
            if scheme.compare(&a, &b).is_eq()
                && let Ok(range) = scheme.range(&format!("{operator}{bound}"))
            {
                prop_assert_eq!(range.contains(&a), range.contains(&b));
            }
        }
    }

    #[test]
    fn an_exact_range_holds_what_compares_equal(a in version_text(), b in version_text()) {
        for (scheme, operator) in [(&Npm as &dyn Scheme, "="), (&PyPi, "=="), (&Cargo, "=")] {
            // Local versions: PEP 440 lets `==1.0` hold `1.0+x` as well.
            let Ok(range) = scheme.range(&format!("{operator}{a}")) else { continue };
            if scheme.version(a.as_str()).is_err() || a.as_str().contains('+') || b.as_str().contains('+') {
                continue;
            }
            prop_assert_eq!(range.contains(&b), scheme.compare(&a, &b).is_eq(), "{} {}", a, b);
        }
    }

    #[test]
    fn nothing_panics_on_any_text(raw in any::<String>(), other in any::<String>()) {
        for scheme in schemes() {
            let _ = scheme.package(&raw);
            let _ = scheme.version(&raw);
            let (a, b) = (Version::verbatim(raw.as_str()), Version::verbatim(other.as_str()));
            let _ = scheme.compare(&a, &b);
            let _ = scheme.is_prerelease(&a);
            if let Ok(range) = scheme.range(&raw) {
                let _ = range.contains(&b);
            }
        }
    }

    #[test]
    fn nothing_panics_on_text_that_looks_like_a_range(
        raw in "([<>=~^!v x*|.,+0-9a-c-]|99999999999999999999){0,24}",
        version in version_text(),
    ) {
        for scheme in schemes() {
            if let Ok(range) = scheme.range(&raw) {
                let _ = range.contains(&version);
            }
        }
    }
}
