use cordon_policy::decision::DecisionId;
use cordon_policy::facts::{Fact, VersionFacts};
use cordon_policy::model::{Digest, DigestAlgorithm, PackageName, Timestamp};
use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;
use crate::registry::conformance::{Fixture, Suite, Target, links, registry_conformance};
use crate::registry::{DenialScope, Listing, Rendered};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/// Lines as crates.io writes them: compact, newest last, keys of every age, and one of the future.
fn compact() -> String {
    [
        format!(
            r#"{{"name":"Demo-Crate","vers":"0.1.0","deps":[],"cksum":"{A}","features":{{}},"yanked":true}}"#
        ),
        format!(
            r#"{{"name":"Demo-Crate","vers":"0.2.0-rc.1","deps":[{{"name":"serde","req":"^1","features":["derive"],"optional":false,"default_features":true,"target":null,"kind":"normal"}}],"cksum":"{B}","features":{{}},"yanked":false,"pubtime":"2024-03-01T12:00:00Z"}}"#
        ),
        format!(
            r#"{{"name":"Demo-Crate","vers":"0.3.0+linux.5","deps":[],"cksum":"{C}","features":{{}},"features2":{{"x":["dep:serde"]}},"yanked":false,"links":"demo","rust_version":"1.70","v":9,"pubtime":"2025-03-01T12:00:00Z","someday":{{"yanked":false}}}}"#
        ),
    ]
    .map(|line| line + "\n")
    .concat()
}

/// The same kind of lines with other spacing, order and escapes, and without `yanked`.
fn spaced() -> String {
    [
        format!(
            "{{\"vers\": \"1.0.0\", \"yanked\" :  false , \"name\": \"demo_crate\", \"cksum\": \"{A}\", \"deps\": []}}"
        ),
        format!(
            "  {{ \"na\\u006de\": \"demo_crate\", \"vers\": \"1.1.0\", \"cksum\": \"{B}\" }} "
        ),
        format!(
            "{{\"name\":\"demo_crate\",\"vers\":\"1.2.0\",\"cksum\":\"{C}\",\"yanked\":null,\"pubtime\":null}}"
        ),
    ]
    .map(|line| line + "\n")
    .concat()
}

fn package(name: &str) -> PackageName {
    Cargo.scheme().package(name).unwrap()
}

fn config(dl: &str) -> UpstreamDocument {
    let json = serde_json::json!({
        "dl": dl, "api": "https://elsewhere.example", "auth-required": true,
    });
    Fixture::upstream(
        "https://index.example/config.json",
        "application/json",
        json.to_string().as_bytes(),
    )
}

fn index(text: &str) -> UpstreamDocument {
    UpstreamDocument {
        last_modified: Some("Sat, 01 Mar 2025 12:00:00 GMT".into()),
        ..Fixture::upstream("https://index.example/x", "text/plain", text.as_bytes())
    }
}

fn try_read(name: &str, text: &str) -> Result<Box<dyn Document>, MetadataError> {
    let documents = [
        Some(index(text)),
        Some(config("https://static.example/crates")),
    ];
    Cargo.read(&package(name), &documents)
}

#[track_caller]
fn read(name: &str, text: &str) -> Box<dyn Document> {
    try_read(name, text).unwrap()
}

fn render(document: &dyn Document, entries: &[Entry]) -> Rendered {
    document
        .render(&Listing { entries }, &INDEX, &links(&Cargo))
        .unwrap()
}

fn text(rendered: &Rendered) -> String {
    String::from_utf8(rendered.body.to_vec()).unwrap()
}

fn versions(document: &dyn Document) -> Vec<&str> {
    let candidates = document.candidates().iter();
    candidates.map(|f| f.subject().version.as_str()).collect()
}

fn fixture(name: &'static str, package: &'static str, text: String) -> Fixture {
    Fixture {
        name,
        package,
        documents: vec![
            ("index", index(&text)),
            ("config", config("https://static.example/crates")),
        ],
        views: vec![INDEX],
        has_unmistakable_versions: true,
    }
}

fn suite() -> Suite {
    let agent = |agent: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::USER_AGENT,
            http::HeaderValue::from_static(agent),
        );
        headers
    };
    Suite {
        registry: &Cargo,
        names: vec!["serde", "a", "nul", "Inflector", "foo_bar-baz", "x86"],
        versions: vec![
            "1.0.0",
            "1.0.0-rc.1",
            "1.0.0+meta",
            "0.0.1",
            "10.0.0",
            "not a version",
        ],
        fixtures: vec![
            fixture("compact", "demo-crate", compact()),
            fixture("spaced", "demo_crate", spaced()),
            fixture("empty", "demo", String::new()),
        ],
        metadata_path: |package| route::index_path(&package.as_published().to_ascii_lowercase()),
        artifact_path: |facts| download_path(facts),
        compare: |fixture, _, rendered| {
            let (_, upstream) = &fixture.documents[0];
            (upstream.bytes == rendered.body)
                .then_some(())
                .ok_or_else(|| "the bytes are not upstream's".to_owned())
        },
        clients: vec![agent("cargo/1.95.0 (f2d3ce0bd 2026-03-21)"), agent("curl")],
        check_denial: |_, _, denial| {
            let body = String::from_utf8(denial.body.to_vec()).unwrap();
            if denial.status != StatusCode::FORBIDDEN || denial.content_type != "text/plain" {
                return Err("not 403 text/plain".to_owned());
            }
            if body.chars().count() > 400 || body.lines().count() != 1 {
                return Err("more than one line of 400 characters".to_owned());
            }
            Ok(())
        },
    }
}

/// Our own download address, expanded the way cargo expands `dl`.
fn download_path(facts: &VersionFacts) -> String {
    let config: serde_json::Value = serde_json::from_slice(&own_config().body).unwrap();
    let declared = facts.declared.known().unwrap();
    let checksum = declared.get(DigestAlgorithm::Sha256).unwrap();
    config["dl"]
        .as_str()
        .unwrap()
        .strip_prefix(links(&Cargo).base.as_str())
        .unwrap()
        .replace("{crate}", facts.subject().name.as_published())
        .replace("{version}", facts.subject().version.as_str())
        .replace("{sha256-checksum}", &checksum.hex())
}

registry_conformance!(suite());

fn classify(method: Method, path: &str) -> Result<Route, RouteError> {
    Target::parse(path).classify(&Cargo, &method, &HeaderMap::new())
}

#[track_caller]
fn status_of(method: Method, path: &str) -> u16 {
    match classify(method, path) {
        Err(error) => error.status.as_u16(),
        Ok(Route::Refuse { status, .. }) => status.as_u16(),
        Ok(other) => panic!("{path} is {other:?}"),
    }
}

fn own_config() -> Rendered {
    match classify(Method::GET, "config.json") {
        Ok(Route::Static(rendered)) => rendered,
        other => panic!("{other:?}"),
    }
}

#[test]
fn conformance_085_config_has_our_addresses_and_api_no_trailing_slash() {
    let config: serde_json::Value = serde_json::from_slice(&own_config().body).unwrap();
    let expected = serde_json::json!({
        "dl": "http://cordon.example:4873/cargo/crates/{crate}/{version}/{sha256-checksum}/download",
        "api": "http://cordon.example:4873/cargo",
    });
    assert_eq!(config, expected);
}

#[test]
fn conformance_086_index_paths_have_the_name_s_own_prefix() {
    for (path, name) in [
        ("1/a", "a"),
        ("2/ab", "ab"),
        ("3/a/abc", "abc"),
        ("ab/cd/abcd", "abcd"),
        ("se/rd/serde_json", "serde_json"),
        ("3/n/nul", "nul"),
    ] {
        match classify(Method::GET, path) {
            Ok(Route::Metadata { package, view }) => {
                assert_eq!((package.as_published(), view.form), (name, INDEX.form));
                assert_eq!(view.argument.as_deref(), Some(name));
            }
            other => panic!("{path} is {other:?}"),
        }
        assert_eq!(route::index_path(name), path);
    }
}

#[test]
fn index_paths_of_another_prefix_case_or_shape_are_404() {
    for path in [
        "3/f/foo-bar",
        "2/a",
        "1/ab",
        "3/b/abc",
        "ab/cd/abce2x/y",
        "ab/ce/abcd",
        "AB/CD/ABCD",
        "ab/cd/Abcd",
        "Ab/cd/abcd",
        "3/a/abc/",
        "ab%2Fcd/abcd",
        "1/%C3%A9",
        "se/rd/serde.json",
        "serde",
        "",
        "crates/demo/1.0.0/download",
        "crates/demo/one/aa/download",
    ] {
        assert_eq!(status_of(Method::GET, path), 404, "{path}");
    }
    assert_eq!(status_of(Method::POST, "ab/cd/abcd"), 405);
}

#[test]
fn downloads_are_artifacts_bound_to_their_checksum() {
    for path in [
        format!("crates/Demo-Crate/1.0.0+meta/{A}/download"),
        format!("crates/Demo-Crate/1.0.0%2Bmeta/{A}/download"),
    ] {
        let Ok(Route::Artifact(request)) = classify(Method::HEAD, &path) else {
            panic!("{path} is no artifact");
        };
        assert_eq!(request.package, package("demo_crate"));
        assert_eq!(request.package.as_published(), "Demo-Crate");
        assert_eq!(request.version.unwrap().as_str(), "1.0.0+meta");
        assert_eq!(
            request.expected,
            Digest::from_hex(DigestAlgorithm::Sha256, A).ok()
        );
        assert_eq!(request.file, None);
    }
    let by_api = classify(Method::GET, "api/v1/crates/demo/1.0.0/download");
    assert!(matches!(by_api, Ok(Route::Artifact(request)) if request.expected.is_none()));
}

#[test]
fn conformance_098_099_search_and_publishing_are_refused_in_words_cargo_prints() {
    assert_eq!(
        status_of(Method::GET, "api/v1/crates?q=serde&per_page=10"),
        403
    );
    assert_eq!(status_of(Method::PUT, "api/v1/crates/new"), 405);
    assert_eq!(
        status_of(Method::DELETE, "api/v1/crates/demo/1.0.0/yank"),
        405
    );
    assert_eq!(
        status_of(Method::PUT, "api/v1/crates/demo/1.0.0/unyank"),
        405
    );
    assert_eq!(status_of(Method::PUT, "api/v1/crates/demo/owners"), 405);
    assert_eq!(status_of(Method::GET, "api/v1/crates/demo/owners"), 404);
    let error = Cargo.error(StatusCode::METHOD_NOT_ALLOWED, "read-only\r\nregistry");
    let json: serde_json::Value = serde_json::from_slice(&error.body).unwrap();
    assert_eq!(json["errors"][0]["detail"], "read-only registry");
    assert_eq!(error.content_type, "application/json");
}

#[test]
fn the_login_page_says_that_no_token_is_needed() {
    let Ok(Route::Static(page)) = classify(Method::GET, "me") else {
        panic!("no page at /me");
    };
    assert!(text(&page).contains("no token is needed"));
}

#[test]
fn upstream_documents_are_the_index_file_and_the_config() {
    let asked = Cargo.documents(&package("Foo_Bar"), &INDEX);
    let shown: Vec<_> = asked
        .iter()
        .map(|d| (d.kind, d.name.as_str(), d.path.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("index", "foo_bar", "fo/o_/foo_bar"),
            ("config", "", "config.json")
        ]
    );
}

#[test]
fn every_fact_of_a_line_is_read() {
    let document = read("demo-crate", &compact());
    assert_eq!(
        versions(&*document),
        ["0.1.0", "0.2.0-rc.1", "0.3.0+linux.5"]
    );
    let [oldest, middle, newest] = document.candidates() else {
        panic!("three lines are three candidates");
    };
    assert_eq!(oldest.published_at, Fact::Absent);
    assert_eq!(oldest.is_yanked, Fact::Known(Some("".into())));
    assert_eq!(middle.is_yanked, Fact::Known(None));
    let at = |text| Fact::Known(Timestamp::parse(text).unwrap());
    assert_eq!(newest.published_at, at("2025-03-01T12:00:00Z"));
    assert_eq!(
        newest.package.first_published_at,
        at("2024-03-01T12:00:00Z")
    );
    assert_eq!(newest.package.upstream, "test");
    assert_eq!(
        newest.subject().to_string(),
        "pkg:cargo/Demo-Crate@0.3.0%2Blinux.5"
    );
    assert_eq!(
        newest.artifact.file.as_str(),
        "Demo-Crate-0.3.0+linux.5.crate"
    );
    let declared: Vec<String> = newest
        .declared
        .known()
        .unwrap()
        .iter()
        .map(Digest::hex)
        .collect();
    assert_eq!(declared, [C]);
}

#[test]
fn a_publish_time_that_cannot_be_read_is_not_taken_for_none() {
    for value in ["\"yesterday\"", "17", "{}"] {
        let line = format!(r#"{{"name":"demo","vers":"1.0.0","cksum":"{A}","pubtime":{value}}}"#);
        let document = read("demo", &line);
        let fact = &document.candidates()[0].published_at;
        assert!(matches!(fact, Fact::Unavailable(_)), "{value}: {fact:?}");
    }
}

#[test]
fn conformance_087_allowed_lines_are_upstream_s_bytes() {
    for (name, source) in [("demo-crate", compact()), ("demo_crate", spaced())] {
        let document = read(name, &source);
        let all = render(&*document, &[Entry::Listed, Entry::Listed, Entry::Listed]);
        assert_eq!(text(&all), source);
        assert!(all.last_modified.is_some());
        let some = render(&*document, &[Entry::Listed, Entry::Hidden, Entry::Listed]);
        let lines: Vec<&str> = source.lines().collect();
        assert_eq!(text(&some), format!("{}\n{}\n", lines[0], lines[2]));
        assert_eq!(some.last_modified, None);
    }
}

#[test]
fn a_last_line_without_its_line_feed_gets_one() {
    let source = compact();
    let document = read("demo-crate", source.trim_end());
    let all = render(&*document, &[Entry::Listed, Entry::Listed, Entry::Listed]);
    assert_eq!(text(&all), source);
    let document = read("demo-crate", &format!("{source}\n\n"));
    let all = render(&*document, &[Entry::Listed, Entry::Listed, Entry::Listed]);
    assert_eq!(text(&all), source);
}

#[test]
fn conformance_088_a_demoted_line_differs_only_in_yanked() {
    let all = [Entry::Demoted, Entry::Demoted, Entry::Demoted];
    let source = compact();
    let demoted = text(&render(&*read("demo-crate", &source), &all));
    // The nested `yanked` of a key nobody knows is not the version's.
    let expected = source
        .replace(
            r#""yanked":false,"pubtime":"2024"#,
            r#""yanked":true,"pubtime":"2024"#,
        )
        .replace(r#""yanked":false,"links""#, r#""yanked":true,"links""#);
    assert_eq!(demoted, expected);

    let demoted = text(&render(&*read("demo_crate", &spaced()), &all));
    let expected = spaced()
        .replace("\"yanked\" :  false ,", "\"yanked\" :  true ,")
        .replace("  { \"na", "  { \"yanked\":true,\"na")
        .replace("\"yanked\":null", "\"yanked\":true");
    assert_eq!(demoted, expected);
}

#[test]
fn conformance_096_unknown_keys_and_formats_pass_through() {
    let line = format!(
        r#"{{"v":77,"name":"demo","vers":"1.0.0","cksum":"{A}","new":[1e3,{{"a":null}}],"yanked":false}}"#
    ) + "\n";
    let document = read("demo", &line);
    assert_eq!(text(&render(&*document, &[Entry::Listed])), line);
}

#[test]
fn lines_that_cannot_be_judged_are_left_out() {
    let good = format!(r#"{{"name":"demo","vers":"2.0.0","cksum":"{B}"}}"#);
    for bad in [
        format!(r#"{{"vers":"1.0.0","cksum":"{A}"}}"#),
        format!(r#"{{"name":"","vers":"1.0.0","cksum":"{A}"}}"#),
        format!(r#"{{"name":7,"vers":"1.0.0","cksum":"{A}"}}"#),
        format!(r#"{{"name":"demo","cksum":"{A}"}}"#),
        format!(r#"{{"name":"demo","vers":"one","cksum":"{A}"}}"#),
        format!(r#"{{"name":"demo","vers":"../1.0.0","cksum":"{A}"}}"#),
        r#"{"name":"demo","vers":"1.0.0"}"#.to_owned(),
        r#"{"name":"demo","vers":"1.0.0","cksum":"abc"}"#.to_owned(),
        format!(r#"{{"name":"demo","vers":"1.0.0","cksum":"{A}","yanked":"no"}}"#),
        format!(r#"{{"name":"demo","vers":"1.0.0","vers":"1.0.1","cksum":"{A}"}}"#),
        format!(r#"{{"name":"demo","vers":"1.0.0","cksum":"{A}","cksum":"{B}"}}"#),
        format!(r#"{{"name":"demo","vers":"1.0.0","cksum":"{A}","yanked":true,"yanked":false}}"#),
        format!(
            r#"{{"name":"demo","vers":"1.0.0-{}","cksum":"{A}"}}"#,
            "a".repeat(250)
        ),
    ] {
        let document = read("demo", &format!("{bad}\n{good}\n"));
        assert_eq!(versions(&*document), ["2.0.0"], "{bad}");
        assert_eq!(
            text(&render(&*document, &[Entry::Listed])),
            good.clone() + "\n"
        );
        assert_eq!(document.remarks().len(), 1, "{bad}");
    }
}

#[test]
fn a_version_given_twice_is_left_out_build_metadata_aside() {
    let line = |version: &str, checksum: &str| {
        format!(r#"{{"name":"demo","vers":"{version}","cksum":"{checksum}"}}"#) + "\n"
    };
    for (first, second) in [
        ("1.0.0", "1.0.0"),
        ("1.0.0", "1.0.0+x"),
        ("1.0.0+a", "1.0.0+b"),
    ] {
        let source = [line(first, A), line("2.0.0", B), line(second, C)].concat();
        let document = read("demo", &source);
        assert_eq!(versions(&*document), ["2.0.0"], "{first} and {second}");
        assert_eq!(
            text(&render(&*document, &[Entry::Listed])),
            line("2.0.0", B)
        );
        assert!(document.remarks()[0].contains("1.0.0"));
    }
}

#[test]
fn damaged_files_are_refused_whole() {
    let good = format!(r#"{{"name":"demo","vers":"2.0.0","cksum":"{B}"}}"#);
    for bad in [
        "<html><body>Service unavailable</body></html>".to_owned(),
        format!("{good}\n{}", &good[..40]),
        format!("{good}\n\n{good}"),
        format!("{good}{good}\n"),
        "[]\n".to_owned(),
        "null\n".to_owned(),
        format!("\u{feff}{good}\n"),
    ] {
        let error = try_read("demo", &bad).err();
        assert!(
            matches!(error, Some(MetadataError::Malformed { .. })),
            "{bad}: {error:?}"
        );
    }
}

#[test]
fn lines_of_another_package_make_the_file_unusable() {
    for name in ["other", "de-mo", "de_mo_", "../x"] {
        let line = format!(r#"{{"name":"{name}","vers":"1.0.0","cksum":"{A}"}}"#);
        let error = try_read("de_mo", &line).err();
        assert!(
            matches!(error, Some(MetadataError::Malformed { .. })),
            "{name}: {error:?}"
        );
    }
    let line = format!(r#"{{"name":"De_Mo","vers":"1.0.0","cksum":"{A}"}}"#);
    assert_eq!(read("de_mo", &line).candidates().len(), 1);
}

#[test]
fn every_marker_of_the_download_template_is_expanded() {
    let located = |dl: &str| {
        let documents = [Some(index(&compact())), Some(config(dl))];
        let document = Cargo.read(&package("demo-crate"), &documents)?;
        Ok::<_, MetadataError>(document.locate(2)?.url.to_string())
    };
    for (dl, expected) in [
        (
            "https://static.example/crates",
            "https://static.example/crates/Demo-Crate/0.3.0+linux.5/download".to_owned(),
        ),
        (
            "https://static.example/{crate}/{crate}-{version}.crate",
            "https://static.example/Demo-Crate/Demo-Crate-0.3.0+linux.5.crate".to_owned(),
        ),
        (
            "https://static.example/{prefix}/{lowerprefix}/{sha256-checksum}",
            format!("https://static.example/De/mo/de/mo/{C}"),
        ),
    ] {
        assert_eq!(located(dl).unwrap(), expected);
    }
    for dl in [
        "ftp://static.example/{crate}",
        "file:///etc/{crate}",
        "/relative/{crate}",
        "",
    ] {
        let error = located(dl).err();
        assert!(
            matches!(error, Some(MetadataError::Address { .. })),
            "{dl}: {error:?}"
        );
    }
}

#[test]
fn a_config_without_dl_is_refused() {
    for body in ["{}", "[]", "<html>", r#"{"dl":1}"#] {
        let config = Fixture::upstream("https://index.example/config.json", "", body.as_bytes());
        let read = Cargo.read(&package("demo"), &[Some(index("")), Some(config)]);
        assert!(
            matches!(read, Err(MetadataError::Malformed { .. })),
            "{body}"
        );
    }
    let read = Cargo.read(&package("demo"), &[None, Some(config("https://x.example"))]);
    assert!(matches!(read, Err(MetadataError::NotFound { .. })));
}

#[test]
fn conformance_090_091_refusals_are_one_short_line_of_text() {
    let decision = DecisionId::from_random(7);
    let reason = "published 3 hours ago, policy asks for 72 hours ".repeat(20);
    let denial = Denial {
        subject: "pkg:cargo/demo@1.0.0".to_owned(),
        scope: DenialScope::Artifact,
        effect: Effect::Hide,
        code: "minimum-age/too-young".to_owned(),
        reason: &reason,
        until: None,
        nearest_allowed: Some("0.9.0"),
        decision: &decision,
        why_url: format!("http://127.0.0.1:4873/why/{decision}"),
        contact: None,
    };
    let headers = HeaderMap::new();
    let target = Target::parse(&format!("crates/demo/1.0.0/{A}/download"));
    let body = Cargo.deny(&denial, &target.head(&Method::GET, &headers));
    assert_eq!((body.status.as_u16(), body.body.len()), (403, 400));
    let shown = std::str::from_utf8(&body.body).unwrap();
    assert!(
        shown.ends_with(&format!("; nearest allowed 0.9.0; why: {}", denial.why_url)),
        "{shown}"
    );

    let target = Target::parse("api/v1/crates/demo/1.0.0/download");
    let body = Cargo.deny(&denial, &target.head(&Method::GET, &headers));
    let json: serde_json::Value = serde_json::from_slice(&body.body).unwrap();
    assert_eq!(json["errors"][0]["detail"], shown);
}

#[test]
fn the_set_up_text_replaces_the_built_in_source() {
    let setup = Cargo.client_setup(&links(&Cargo).base);
    assert!(setup.contains("registry = \"sparse+http://cordon.example:4873/cargo/\"\n"));
    assert!(setup.contains("replace-with = \"cordon\""));
    assert_eq!(Cargo.withheld_as(Effect::Hide), Entry::Demoted);
}

proptest! {
    #[test]
    fn any_file_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let documents = [
            Some(Fixture::upstream("https://index.example/x", "text/plain", &bytes)),
            Some(config("https://static.example")),
        ];
        let _ = Cargo.read(&package("demo"), &documents);
    }

    /// Whatever is chosen, the answer has exactly the chosen lines, each as upstream has it but
    /// for `yanked`, as another reader of JSON sees it.
    #[test]
    fn a_rendering_has_exactly_the_chosen_lines(
        lines in proptest::collection::vec(("[ ]{0,2}", any::<Option<bool>>(), 0..3_u8), 0..8),
    ) {
        let source: String = lines
            .iter()
            .enumerate()
            .map(|(at, (space, yanked, _))| {
                let yanked = match yanked {
                    Some(value) => format!(",{space}\"yanked\"{space}:{space}{value}{space}"),
                    None => String::new(),
                };
                format!(
                    "{space}{{{space}\"name\":\"demo\",\"vers\":\"1.0.{at}\"{yanked},{space}\"cksum\":\"{A}\"}}{space}\n"
                )
            })
            .collect();
        let entries: Vec<Entry> = lines
            .iter()
            .map(|(_, _, choice)| match choice {
                0 => Entry::Listed,
                1 => Entry::Hidden,
                _ => Entry::Demoted,
            })
            .collect();
        let rendered = text(&render(&*read("demo", &source), &entries));
        let mut answers = rendered.lines();
        for (upstream, entry) in source.lines().zip(&entries) {
            let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
            match entry {
                Entry::Hidden => {}
                Entry::Listed => prop_assert_eq!(answers.next(), Some(upstream)),
                Entry::Demoted => {
                    let mut expected = parse(upstream);
                    expected["yanked"] = true.into();
                    prop_assert_eq!(parse(answers.next().unwrap()), expected);
                }
            }
        }
        prop_assert_eq!(answers.next(), None);
    }
}

#[test]
fn m_59_what_a_line_shows_of_a_manifest_is_told_when_asked_for() {
    let document = read("demo-crate", &compact());
    let declared = document.declared(1).unwrap();
    assert_eq!(declared.name.as_deref(), Some("Demo-Crate"));
    let dependencies = declared.dependencies.unwrap();
    assert_eq!(dependencies.len(), 1);
    assert_eq!(dependencies[0].name, "serde");
    assert_eq!(dependencies[0].features, ["derive"]);
    let declared = document.declared(2).unwrap();
    assert_eq!(declared.links.as_deref(), Some("demo"));
    assert_eq!(declared.features.unwrap()["x"], ["dep:serde"]);
    assert_eq!(document.declared(3), None);
}
