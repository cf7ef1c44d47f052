use proptest::prelude::*;

use super::*;

/// How a text is read, in short.
fn read(text: &str) -> String {
    match License::read(text) {
        None => "nothing".to_owned(),
        Some(License::Expression(terms)) => terms.to_string(),
        Some(License::Unlicensed) => "unlicensed".to_owned(),
        Some(License::Custom) => "custom".to_owned(),
        Some(License::Unreadable) => "unreadable".to_owned(),
    }
}

#[test]
fn texts_of_every_age_are_read() {
    for (text, expected) in [
        ("MIT", "MIT"),
        (" mit ", "MIT"),
        ("The MIT License", "MIT"),
        ("MIT/Apache-2.0", "Apache-2.0 OR MIT"),
        ("(MIT OR apache-2.0) and isc", "ISC AND (Apache-2.0 OR MIT)"),
        ("MIT OR ISC OR MIT", "ISC OR MIT"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("GPL-3.0+", "GPL-3.0-or-later"),
        ("gpl-3.0-or-later", "GPL-3.0-or-later"),
        ("LGPLv3+", "LGPL-3.0-or-later"),
        ("Apache-2.0+", "Apache-2.0+"),
        (
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "GPL-2.0-only WITH Classpath-exception-2.0",
        ),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("LicenseRef-Acme", "LicenseRef-Acme"),
        (r#"{"type":"MIT","url":"https://licences.example"}"#, "MIT"),
        (
            r#"[{"type":"MIT"},{"type":"Apache2"}]"#,
            "Apache-2.0 OR MIT",
        ),
        (
            r#"["MIT AND ISC","BSD-2"]"#,
            "BSD-2-Clause OR (ISC AND MIT)",
        ),
        (r#"[{"url":"https://licences.example"}]"#, "unreadable"),
        ("[]", "unreadable"),
        (r#"[{"type":"MIT"},{"ty"#, "unreadable"),
        ("License :: OSI Approved :: MIT License", "MIT"),
        (
            "License :: OSI Approved :: MIT License\nLicense :: OSI Approved :: ISC License (ISCL)",
            "ISC AND MIT",
        ),
        ("License :: OSI Approved :: BSD License", "unreadable"),
        ("License :: Other/Proprietary License", "unlicensed"),
        ("UNLICENSED", "unlicensed"),
        ("Unlicense", "Unlicense"),
        ("SEE LICENSE IN LICENSE.md", "custom"),
        ("BSD", "unreadable"),
        ("GPL", "unreadable"),
        ("mitten", "unreadable"),
        ("MIT AND", "unreadable"),
        ("é", "unreadable"),
        ("NOASSERTION", "unreadable"),
        ("NONE", "unreadable"),
        ("none", "unreadable"),
        ("MIT AND NOASSERTION", "unreadable"),
        ("MIT OR NONE", "unreadable"),
        ("  ", "nothing"),
        ("", "nothing"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
    assert_eq!(read(&"MIT OR ".repeat(1_000)), "unreadable");
}

#[test]
fn the_same_terms_are_the_same_in_other_words() {
    let same = |a: &str, b: &str| {
        let (a, b) = (License::read(a).unwrap(), License::read(b).unwrap());
        assert_eq!(a.is_same(&b), b.is_same(&a));
        a.is_same(&b)
    };
    assert!(same("MIT/Apache-2.0", "Apache-2.0 OR MIT"));
    assert!(same("{\"type\":\"MIT\"}", "MIT License"));
    assert!(same("GPL-3.0+", "GPL-3.0-or-later"));
    assert!(!same("MIT AND ISC", "MIT OR ISC"));
    assert!(!same("GPL-3.0-only", "GPL-3.0-or-later"));
    assert!(!same("whatever", "whatever"));
}

#[test]
fn patterns_mean_ids_beginnings_and_exceptions() {
    let holds = |pattern: &str, text: &str| {
        let pattern = LicensePattern::parse(pattern).unwrap();
        let Some(License::Expression(terms)) = License::read(text) else {
            panic!("{text}");
        };
        terms.can_be_met(|term| pattern.holds(term))
    };
    assert!(holds("mit", "MIT"));
    assert!(holds("MIT", "MIT OR GPL-3.0-only"));
    assert!(!holds("MIT", "MIT AND GPL-3.0-only"));
    assert!(holds("agpl-*", "AGPL-3.0-or-later"));
    assert!(!holds("GPL-*", "LGPL-3.0-only"));
    assert!(holds("GPL-3.0", "GPL-3.0-only"));
    assert!(holds("GPL-3.0+", "GPL-3.0-or-later"));
    assert!(!holds("GPL-3.0-or-later", "GPL-3.0-only"));
    let with = "GPL-2.0-only WITH Classpath-exception-2.0";
    assert!(holds("GPL-2.0-only", with));
    assert!(holds(with, with));
    assert!(!holds(with, "GPL-2.0-only"));
    assert!(holds("LicenseRef-Acme", "LicenseRef-Acme"));
    for wrong in [
        "",
        "MITT",
        "XYZ-*",
        "*x",
        "GPL-2.0-only WITH nothing",
        "MIT OR ISC",
        "A* WITH x",
        "NOASSERTION",
        "none",
    ] {
        assert!(LicensePattern::parse(wrong).is_err(), "{wrong}");
    }
    for text in ["MIT", "AGPL-*", with, "LicenseRef-Acme", "UNLICENSED", "*"] {
        let pattern = LicensePattern::parse(text).unwrap();
        assert_eq!(pattern.to_string(), text);
        assert_eq!(LicensePattern::parse(&pattern.to_string()), Ok(pattern));
    }
}

#[test]
fn a_version_of_a_gnu_licence_is_meant_where_later_ones_may_be_chosen_too() {
    for (pattern, text, expected) in [
        ("AGPL-3.0", "AGPL-3.0-or-later", true),
        ("AGPL-3.0-only", "AGPL-3.0+", true),
        ("GPL-2.0", "GPL-2.0-or-later", true),
        ("GFDL-1.3", "GFDL-1.3-or-later", true),
        ("GPL-2.0-or-later", "GPL-2.0-only", false),
        ("GPL-2.0", "GPL-3.0-or-later", false),
        ("GPL-3.0", "LGPL-3.0-or-later", false),
        ("GPL-2.0", "GPL-2.0-with-classpath-exception", true),
        (
            "GPL-2.0 WITH Classpath-exception-2.0",
            "GPL-2.0-or-later",
            false,
        ),
        (
            "GPL-2.0 WITH Classpath-exception-2.0",
            "GPL-2.0-or-later WITH Classpath-exception-2.0",
            true,
        ),
    ] {
        let pattern = LicensePattern::parse(pattern).unwrap();
        let Some(License::Expression(terms)) = License::read(text) else {
            panic!("{text}");
        };
        let holds = terms.can_be_met(|term| pattern.holds(term));
        assert_eq!(holds, expected, "{pattern} of {text}");
    }
}

#[test]
fn the_same_terms_twice_are_those_terms_once() {
    for (text, means) in [
        ("MIT AND MIT", "MIT"),
        ("mit AND MIT or MIT", "MIT"),
        ("(MIT AND MIT / MIT)", "MIT"),
        ("(MIT AND ISC) OR (ISC AND MIT)", "ISC AND MIT"),
        (
            "ISC AND (MIT OR (ISC AND MIT) OR MIT)",
            "ISC AND (MIT OR (ISC AND MIT))",
        ),
    ] {
        let Some(License::Expression(terms)) = License::read(text) else {
            panic!("{text}");
        };
        assert_eq!(terms.to_string(), means, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_its_reading_reads_back(
        text in prop_oneof![
            "\\PC{0,60}",
            "[(]{0,3}(MIT|ISC|GPL-3.0|mit)( (AND|or|WITH|/) (MIT|[)]|Apache-2.0|LLVM-exception|\\+)){0,4}[)]{0,2}",
            "[\\[{\"a-zA-Z:,}\\] ]{0,40}",
        ],
    ) {
        if let Some(License::Expression(terms)) = License::read(&text) {
            let printed = terms.to_string();
            let again = License::read(&printed).unwrap();
            prop_assert!(again.is_same(&License::Expression(terms)), "{}", printed);
        }
        let _ = LicensePattern::parse(&text);
    }
}
