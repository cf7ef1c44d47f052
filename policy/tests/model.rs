//! Values of the model: package URLs, digests, instants, file names.

use std::time::Duration;

use cordon_policy::ecosystem::{Cargo, Npm, PyPi, schemes};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, DigestAlgorithm, DigestError, Digests, FileName,
    PackageVersion, PurlError, Scheme, Timestamp, Version, parse_purl,
};
use proptest::prelude::*;

fn purl(scheme: &dyn Scheme, name: &str, version: &str) -> String {
    PackageVersion {
        name: scheme.package(name).expect("a valid name"),
        version: Version::verbatim(version),
    }
    .to_string()
}

#[test]
fn purls_are_printed_as_the_specification_asks() {
    for (scheme, name, version, expected) in [
        (
            &Npm as &dyn Scheme,
            "left-pad",
            "1.3.0",
            "pkg:npm/left-pad@1.3.0",
        ),
        (
            &Npm,
            "@types/node",
            "20.0.0",
            "pkg:npm/%40types/node@20.0.0",
        ),
        (
            &Npm,
            "JSONStream",
            "1.0.0+b",
            "pkg:npm/JSONStream@1.0.0%2Bb",
        ),
        (
            &PyPi,
            "Foo_Bar",
            "1!2.0+local.1",
            "pkg:pypi/foo-bar@1%212.0%2Blocal.1",
        ),
        (&Cargo, "serde_json", "1.0.0", "pkg:cargo/serde_json@1.0.0"),
    ] {
        assert_eq!(purl(scheme, name, version), expected);
    }
    assert_eq!(Npm.package("@a/b").unwrap().purl(), "pkg:npm/%40a/b");
}

#[test]
fn purls_read_back_in_every_spelling_people_use() {
    for (text, name, version) in [
        ("pkg:npm/left-pad", "left-pad", None),
        ("pkg:npm/@types/node@20.0.0", "@types/node", Some("20.0.0")),
        (
            "pkg:npm/%40types/node@20.0.0",
            "@types/node",
            Some("20.0.0"),
        ),
        ("pkg:npm/JSONStream@1.0.0", "JSONStream", Some("1.0.0")),
        (
            "pkg:pypi/Foo_Bar@1!2.0%2Blocal.1",
            "foo-bar",
            Some("1!2.0+local.1"),
        ),
        (
            "pkg:cargo/Serde_JSON@1.0.0+x",
            "serde-json",
            Some("1.0.0+x"),
        ),
    ] {
        let target = parse_purl(text, &schemes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(target.name.normalized(), name, "{text}");
        assert_eq!(
            target.version.as_ref().map(Version::as_str),
            version,
            "{text}"
        );
    }
}

#[test]
fn purls_of_nothing_we_serve_are_refused_with_the_reason() {
    let refused = |text: &str| parse_purl(text, &schemes()).unwrap_err();
    assert!(matches!(refused("left-pad"), PurlError::Syntax(_)));
    assert!(matches!(refused(""), PurlError::Syntax(_)));
    assert_eq!(
        refused("pkg:gem/rails@1"),
        PurlError::UnknownEcosystem("gem".to_owned())
    );
    for text in [
        "pkg:npm/a/b",
        "pkg:npm/%40a/b/c",
        "pkg:pypi/a/b",
        "pkg:cargo/%66oo%2fbar",
        "pkg:npm/.x",
        "pkg:npm/%2e%2e",
        "pkg:cargo/1a",
    ] {
        let error = refused(text);
        assert!(
            matches!(error, PurlError::Name(_) | PurlError::Syntax(_)),
            "{text}: {error}"
        );
    }
    assert!(matches!(refused("pkg:npm/a@latest"), PurlError::Version(_)));
    // What would be ignored is refused: `?` and `#` cannot narrow a rule.
    for text in [
        "pkg:pypi/a@1.0?file_name=a.whl",
        "pkg:npm/a@1.0.0#lib",
        "pkg:npm/a?x=y",
    ] {
        assert_eq!(refused(text), PurlError::Narrowed, "{text}");
    }
}

#[test]
fn an_artifact_is_named_by_purl_and_file() {
    let subject = PackageVersion {
        name: PyPi.package("a").unwrap(),
        version: PyPi.version("1.0").unwrap(),
    };
    let named = |kind| {
        let file = FileName::new("a-1.0-py3-none-any.whl").unwrap();
        ArtifactId {
            subject: subject.clone(),
            file,
            kind,
        }
        .to_string()
    };
    assert_eq!(
        named(ArtifactKind::Archive),
        "pkg:pypi/a@1.0 (a-1.0-py3-none-any.whl)"
    );
    assert_eq!(
        named(ArtifactKind::CoreMetadata),
        "pkg:pypi/a@1.0 (a-1.0-py3-none-any.whl, core metadata)"
    );
}

#[test]
fn file_names_are_one_safe_path_segment() {
    for name in ["a", "a-1.0.tgz", "..a", "a%2fb", &"x".repeat(255)] {
        assert!(FileName::new(name).is_ok(), "{name}");
    }
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a b",
        "a\0",
        "\u{e9}",
        "a\n",
        &"x".repeat(256),
    ] {
        assert!(FileName::new(name).is_err(), "{name:?}");
    }
    assert!(serde_json::from_str::<FileName>("\"../etc\"").is_err());
}

#[test]
fn digests_have_the_length_of_their_algorithm() {
    use DigestAlgorithm::{Blake2b256, Md5, Sha1, Sha256, Sha384, Sha512};
    for algorithm in [Md5, Sha1, Sha256, Sha384, Blake2b256, Sha512] {
        let bytes = vec![0xab; algorithm.len()];
        let digest = Digest::from_bytes(algorithm, &bytes).unwrap();
        assert_eq!(digest.to_string().parse(), Ok(digest.clone()));
        assert_eq!(
            Digest::from_hex(algorithm, &digest.hex().to_uppercase()),
            Ok(digest.clone())
        );
        let base64 = data_encoding::BASE64.encode(&bytes);
        assert_eq!(Digest::from_base64(algorithm, &base64), Ok(digest.clone()));
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        assert_eq!(
            DigestAlgorithm::from_name(algorithm.name()),
            Some(algorithm)
        );
        assert!(matches!(
            Digest::from_bytes(algorithm, &bytes[1..]),
            Err(DigestError::Length { .. })
        ));
    }
    assert_eq!(Digest::from_hex(Md5, "xy"), Err(DigestError::Encoding));
    assert_eq!("md5".parse::<Digest>(), Err(DigestError::Encoding));
    assert_eq!(
        "crc32:00".parse::<Digest>(),
        Err(DigestError::UnknownAlgorithm("crc32".to_owned()))
    );
    assert_eq!(
        Digest::of(b"").hex(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn contradicting_digests_are_both_kept() {
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    let digests: Digests = [b.clone(), a.clone(), a.clone()].into_iter().collect();
    assert_eq!(digests.iter().count(), 2);
    assert!(!digests.is_empty() && Digests::none().is_empty());
}

#[test]
fn instants_read_with_any_offset_and_fraction() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:01.5Z", 1_500),
        ("1970-01-01T00:00:01.123456Z", 1_123),
        ("1970-01-01T00:00:01.123456789Z", 1_123),
        ("1969-12-31T23:59:59Z", -1_000),
        ("2016-12-31t23:59:59z", 1_483_228_799_000),
    ] {
        assert_eq!(
            Timestamp::parse(text).map(Timestamp::as_millis),
            Ok(expected),
            "{text}"
        );
    }
    for text in [
        "",
        "2026-01-31",
        "2026-01-31T00:00:00",
        "2026-02-30T00:00:00Z",
        "yesterday",
    ] {
        assert!(Timestamp::parse(text).is_err(), "{text}");
    }
}

#[test]
fn instants_print_as_rfc_3339_and_arithmetic_saturates() {
    assert_eq!(
        Timestamp::from_millis(0).to_string(),
        "1970-01-01T00:00:00Z"
    );
    assert_eq!(
        Timestamp::from_millis(1_500).to_string(),
        "1970-01-01T00:00:01.5Z"
    );
    let last = Timestamp::from_millis(i64::MAX);
    assert_eq!(last.saturating_add(Duration::MAX), last);
    assert_eq!(last.to_string(), "9223372036854775807 ms since 1970");
    let first = Timestamp::from_millis(i64::MIN);
    assert_eq!(first.saturating_sub(Duration::MAX), first);
    assert_eq!(first.since(last), Duration::ZERO);
    assert_eq!(
        last.since(Timestamp::from_millis(i64::MAX - 5)),
        Duration::from_millis(5)
    );
}

fn npm_name() -> impl Strategy<Value = String> {
    "(@[A-Za-z0-9_~'!()*][A-Za-z0-9._~'!()*-]{0,8}/)?[A-Za-z0-9~'!()*][A-Za-z0-9._~'!()*-]{0,8}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn purls_round_trip_in_every_ecosystem(
        npm in npm_name(),
        pypi in "[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?",
        cargo in "[A-Za-z][A-Za-z0-9_-]{0,12}",
        semver in "[0-9]\\.[0-9]\\.[0-9](-[a-z]{1,3}\\.[1-9])?(\\+[a-z0-9]{1,3}(\\.[a-z0-9]{1,2})?)?",
        pep440 in "([1-9]!)?[0-9]{1,4}(\\.[0-9]){0,3}((a|rc)[0-9])?(\\.post[0-9])?(\\+[a-z0-9]{1,4})?",
    ) {
        for (scheme, name, version) in
            [(&Npm as &dyn Scheme, &npm, &semver), (&PyPi, &pypi, &pep440), (&Cargo, &cargo, &semver)]
        {
            let Ok(name) = scheme.package(name) else { continue };
            let subject = PackageVersion { name, version: scheme.version(version).unwrap() };
            let read = parse_purl(&subject.to_string(), &schemes());
            let read = read.map_err(|error| TestCaseError::fail(format!("{subject}: {error}")))?;
            prop_assert_eq!(&read.name, &subject.name);
            prop_assert_eq!(read.version.as_ref(), Some(&subject.version));
            prop_assert_eq!(read.name.purl(), subject.name.purl());
            let bare = parse_purl(&subject.name.purl(), &schemes()).expect("a purl without version");
            prop_assert_eq!(bare.version, None);
        }
    }

    #[test]
    fn reading_purls_digests_and_instants_never_panics(text in any::<String>()) {
        let _ = parse_purl(&text, &schemes());
        let _ = parse_purl(&format!("pkg:npm/{text}"), &schemes());
        let _ = text.parse::<Digest>();
        let _ = Timestamp::parse(&text);
        let _ = FileName::new(text.as_str());
    }

    #[test]
    fn instants_round_trip(milliseconds in -62_135_596_800_000_i64..253_402_300_799_999) {
        let instant = Timestamp::from_millis(milliseconds);
        prop_assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
        let json = serde_json::to_string(&instant).expect("a number");
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("a number"), instant);
    }
}
