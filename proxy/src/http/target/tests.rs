use proptest::prelude::*;

use super::*;

fn parse(target: &str) -> Result<Target, TargetError> {
    match target.split_once('?') {
        Some((path, query)) => Target::from_parts(path, Some(query)),
        None => Target::from_parts(target, None),
    }
}

fn segments(path: &str) -> Vec<String> {
    parse(path).expect(path).segments().to_vec()
}

#[test]
fn every_spelling_of_a_scoped_name_decodes_to_the_same_text() {
    for path in ["/npm/@s%2fp", "/npm/@s%2Fp", "/npm/%40s%2fp"] {
        assert_eq!(segments(path), ["@s/p"], "{path}");
    }
    for path in ["/npm/@s/p", "/npm/%40s/p"] {
        assert_eq!(segments(path), ["@s", "p"], "{path}");
    }
    assert_eq!(
        segments("/npm/@s%2fp/-/p-1.0.0.tgz"),
        ["@s/p", "-", "p-1.0.0.tgz"]
    );
    assert_eq!(
        segments("/-/npm/v1/attestations/@s%2fp@1.0.0"),
        ["npm", "v1", "attestations", "@s/p@1.0.0"]
    );
}

#[test]
fn h01_an_encoded_slash_outside_a_scoped_name_is_refused() {
    for path in [
        "/npm/a%2fb",
        "/npm/@%2fname",
        "/npm/@scope%2f",
        "/npm/@scope%2fa%2fb",
        "/npm/@scope%2f%2fa",
        "/%2fnpm/a",
        "/@npm%2fa/b",
        "/npm/%2f",
    ] {
        assert_eq!(parse(path), Err(TargetError::EncodedSlash), "{path}");
    }
    assert_eq!(parse("/npm/a%5cb"), Err(TargetError::Character));
    assert_eq!(parse("/npm/a\\b"), Err(TargetError::Character));
}

#[test]
fn h02_a_double_escape_is_refused() {
    for path in [
        "/npm/@scope%252fname",
        "/npm/%25252e",
        "/npm/%25",
        "/npm/%2525",
    ] {
        assert_eq!(parse(path), Err(TargetError::Character), "{path}");
    }
    for path in ["/npm/%", "/npm/%2", "/npm/%zz", "/npm/%+1", "/npm/%-1a"] {
        assert_eq!(parse(path), Err(TargetError::Escape), "{path}");
    }
}

#[test]
fn h03_h04_dots_and_empty_segments_are_refused() {
    for path in [
        "/npm/./a",
        "/npm/../a",
        "/npm/%2e%2e/a",
        "/npm/.%2e/a",
        "/npm/%2E/",
        "/..",
        "/npm/@s%2f..",
        "/npm/@s%2f%2e",
    ] {
        assert_eq!(parse(path), Err(TargetError::DotSegment), "{path}");
    }
    for path in [
        "//",
        "//npm/a",
        "/npm//a",
        "/npm/a//",
        "/npm/@scope//name",
        "/npm//",
    ] {
        assert_eq!(parse(path), Err(TargetError::EmptySegment), "{path}");
    }
    assert!(parse("/%2F%2F..%2F..%2Fetc%2Fpasswd").is_err());
    assert_eq!(segments("/npm/...")[0], "...");
}

#[test]
fn one_doubled_slash_after_simple_is_understood_and_no_other() {
    let target = parse("/pypi/simple//name/").expect("pipenv's form");
    assert!(target.has_doubled_slash() && target.has_trailing_slash());
    assert_eq!(target.segments(), ["simple", "name"]);
    assert_eq!(target.to_string(), "/pypi/simple//name/");
    for path in [
        "/pypi/simple///name/",
        "/pypi/simple//name//",
        "/pypi/simple//",
        "/pypi//simple/name/",
        "/simple//name/",
        "/pypi/x/simple//name",
    ] {
        assert_eq!(parse(path), Err(TargetError::EmptySegment), "{path}");
    }
}

#[test]
fn h05_h06_parameters_controls_and_other_alphabets_are_refused() {
    for path in [
        "/npm/a;jsessionid=1",
        "/npm/a%3bx",
        "/npm/a%00",
        "/npm/a\0",
        "/npm/a%c0%af",
        "/npm/a%7f",
        "/npm/a%0d%0ab",
        "/npm/\u{ff46}oo",
        "/npm/a%20b",
        "/npm/a%23b",
        "/npm/a%3fb",
        "/npm/a\u{200b}",
    ] {
        assert_eq!(parse(path), Err(TargetError::Character), "{path}");
    }
    assert_eq!(parse("/npm/a?q=\u{e9}"), Err(TargetError::Character));
    assert_eq!(parse("/npm/a?q=\t"), Err(TargetError::Character));
}

#[test]
fn h09_h11_long_and_odd_targets_are_refused() {
    let long = |count: usize| format!("/npm/{}", "a".repeat(count));
    assert!(parse(&long(MAX_SEGMENT_BYTES)).is_ok());
    assert_eq!(
        parse(&long(MAX_SEGMENT_BYTES + 1)),
        Err(TargetError::SegmentTooLong)
    );
    assert_eq!(parse(&long(8192)), Err(TargetError::TooLong));
    assert_eq!(TargetError::TooLong.status(), StatusCode::URI_TOO_LONG);
    assert_eq!(
        parse(&"/a".repeat(MAX_SEGMENTS + 1)),
        Err(TargetError::TooManySegments)
    );
    assert!(parse(&"/a".repeat(MAX_SEGMENTS)).is_ok());
    assert_eq!(parse("*"), Err(TargetError::NotAPath));
    assert_eq!(parse(""), Err(TargetError::NotAPath));
    assert_eq!(
        parse(&format!("/npm/a?{}", "q".repeat(9000))),
        Err(TargetError::TooLong)
    );
}

#[test]
fn the_root_and_a_bare_mount_are_targets() {
    let root = parse("/").expect("root");
    assert_eq!((root.mount(), root.segments().len()), ("", 0));
    let bare = parse("/npm").expect("bare mount");
    assert_eq!((bare.mount(), bare.has_trailing_slash()), ("npm", false));
    assert!(
        parse("/npm/")
            .expect("mount with slash")
            .has_trailing_slash()
    );
    assert_eq!(parse("/NPM/a").expect("other case").mount(), "NPM");
}

#[test]
fn versions_with_their_punctuation_survive() {
    assert_eq!(
        segments("/x/1!1.0+local/~1.0/^1/a,b")[..],
        ["1!1.0+local", "~1.0", "^1", "a,b"]
    );
    assert_eq!(segments("/x/1.0.0%2Bmeta"), segments("/x/1.0.0+meta"));
}

/// Pieces hostile paths are made of, so that random paths get past the first character.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "/",
            "//",
            "@",
            "@s",
            "%2f",
            "%2F",
            "%40",
            "%25",
            "%2e",
            ".",
            "..",
            "npm",
            "pypi",
            "simple",
            "a",
            "-",
            "p-1.0.0.tgz",
            ";",
            "%00",
            "\\",
            "%5c",
            "~",
            "^",
            "|",
            "%7C",
            "?",
            "q=1",
            "%",
            "%zz",
            "é",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ]
}

proptest! {
    #[test]
    fn inv_38_rendering_a_parsed_target_is_a_fixed_point(
        pieces in proptest::collection::vec(piece(), 0..12)
    ) {
        let text = format!("/{}", pieces.concat());
        if let Ok(target) = parse(&text) {
            let rendered = target.to_string();
            let again = parse(&rendered).expect("what was rendered parses");
            prop_assert_eq!(&again, &target);
            prop_assert_eq!(again.to_string(), rendered);
        }
    }

    #[test]
    fn a_parsed_target_holds_only_safe_segments(text in "\\PC{0,60}") {
        if let Ok(target) = parse(&format!("/npm/{text}")) {
            for segment in target.segments() {
                let parts: Vec<&str> = segment.split('/').collect();
                prop_assert!(parts.len() <= 2);
                prop_assert!(parts.iter().all(|p| !p.is_empty() && *p != "." && *p != ".."));
                prop_assert!(parts.len() == 1 || segment.starts_with('@'));
                prop_assert!(segment.bytes().all(|b| b.is_ascii_graphic() && b != b'%' && b != b'\\'));
            }
        }
    }
}
