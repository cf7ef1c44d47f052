//! Documents no honest registry sends (reliability.md group M).

use cordon_policy::facts::Fact;
use cordon_policy::model::{ArtifactKind, DigestAlgorithm};

use super::*;

const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn file(name: &str, url: &str) -> Value {
    json!({"filename": name, "url": url, "hashes": {"sha256": SHA}, "size": 1,
           "upload-time": "2020-01-01T00:00:00Z"})
}

fn page_of(files: &Value) -> Value {
    json!({"meta": {"api-version": "1.4"}, "name": "foo", "versions": ["1.0"], "files": files})
}

fn read_value(page: &Value) -> Result<Box<dyn Document>, MetadataError> {
    read("foo", &[json_page("foo", &page.to_string())])
}

fn read_text(page: &str) -> Result<Box<dyn Document>, MetadataError> {
    read("foo", &[json_page("foo", page)])
}

fn names_of(page: &Value) -> Vec<String> {
    file_names(read_value(page).unwrap().candidates())
}

fn is_malformed(result: Result<Box<dyn Document>, MetadataError>) -> bool {
    matches!(result, Err(MetadataError::Malformed { .. }))
}

#[test]
fn a_page_of_hundreds_of_thousands_of_members_is_refused_at_once() {
    let members: String = (0..300_000).map(|n| format!("\"k{n}\":0,")).collect();
    let page = format!("{{{members}\"files\":[]}}");
    let error = match read("foo", &[json_page("foo", &page)]) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted"),
    };
    assert!(error.contains("more than 1000 members"), "{error}");
}

#[test]
fn m_17_members_given_twice_are_refused() {
    for page in [
        r#"{"meta":{"api-version":"1.0"},"name":"foo","files":[],"files":[]}"#,
        r#"{"meta":{"api-version":"1.0","api-version":"1.1"},"name":"foo","files":[]}"#,
        r#"{"meta":{"api-version":"1.0"},"name":"foo","name":"foo","files":[]}"#,
        r#"{"name":"foo","files":[{"filename":"foo-1.tar.gz","url":"foo-1.tar.gz","\u0075rl":"x/foo-1.tar.gz","hashes":{}}]}"#,
        r#"{"name":"foo","files":[{"filename":"foo-1.tar.gz","url":"foo-1.tar.gz","yanked":false,"yanked":true}]}"#,
    ] {
        assert!(is_malformed(read_text(page)), "{page}");
    }
}

#[test]
fn m_18_missing_and_unreadable_times_are_told_apart() {
    for (time, expected) in [
        (json!(null), "absent"),
        (json!("not a date"), "unavailable"),
        (json!(17), "unavailable"),
        (json!("1970-01-01T00:00:00Z"), "known"),
        (json!("2999-01-01T00:00:00+00:00"), "known"),
    ] {
        let mut entry = file("foo-1.0.tar.gz", "foo-1.0.tar.gz");
        entry["upload-time"] = time.clone();
        let document = read_value(&page_of(&json!([entry]))).unwrap();
        let found = match document.candidates()[0].published_at {
            Fact::Absent => "absent",
            Fact::Unavailable(_) => "unavailable",
            Fact::Known(_) => "known",
            Fact::NotYet => "not yet",
        };
        assert_eq!(found, expected, "{time}");
    }
}

#[test]
fn m_20_m_21_text_that_is_no_json_and_bombs_are_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let digits = "9".repeat(1 << 20);
    for page in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "\u{feff}{\"name\":\"foo\",\"files\":[]}".to_owned(),
        "{\"name\":\"foo\",\"files\":[]".to_owned(),
        "{\"name\":\"foo\",\"files\":[]} x".to_owned(),
        format!("{{\"name\":\"foo\",\"files\":[],\"x\":{deep}}}"),
        format!("{{\"name\":\"foo\",\"files\":[],\"x\":{digits}}}"),
        format!(
            "{{\"name\":\"foo\",\"files\":[{{\"filename\":\"a\",\"url\":\"b\",\"x\":{deep}}}]}}"
        ),
        "{\"name\":\"\\ud800\",\"files\":[]}".to_owned(),
        "{\"name\":\"foo\"}".to_owned(),
        "{\"name\":\"foo\",\"files\":null}".to_owned(),
    ] {
        let shown: String = page.chars().take(60).collect();
        assert!(is_malformed(read_text(&page)), "{shown}");
    }
    let latin = Fixture::upstream(
        "https://registry.example/simple/foo/",
        JSON_TYPE,
        b"{\"\xff\":1}",
    );
    assert!(is_malformed(read("foo", &[latin])));
}

#[test]
fn m_30_m_31_files_without_a_strong_digest_say_so() {
    for (hashes, expected) in [
        (json!({}), None),
        (json!({"md5": "0".repeat(32)}), Some(DigestAlgorithm::Md5)),
        (
            json!({"sha256": SHA.to_uppercase()}),
            Some(DigestAlgorithm::Sha256),
        ),
    ] {
        let mut entry = file("foo-1.0.tar.gz", "foo-1.0.tar.gz");
        entry["hashes"] = hashes.clone();
        let document = read_value(&page_of(&json!([entry]))).unwrap();
        let strongest = match &document.candidates()[0].declared {
            Fact::Known(digests) => digests.iter().last().map(|digest| digest.algorithm()),
            Fact::Absent => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(strongest, expected, "{hashes}");
    }
    let mut entry = file("foo-1.0.tar.gz", "foo-1.0.tar.gz");
    entry["hashes"] = json!({"md5": "0".repeat(32), "sha256": "beef"});
    let document = read_value(&page_of(&json!([entry]))).unwrap();
    assert!(matches!(
        document.candidates()[0].declared,
        Fact::Unavailable(_)
    ));
}

#[test]
fn m_33_m_35_addresses_that_are_not_the_file_s_are_left_out() {
    for url in [
        "file:///etc/foo-1.0.tar.gz",
        "ftp://files.example/foo-1.0.tar.gz",
        "data:text/plain,foo-1.0.tar.gz",
        "https://user:pw@files.example/foo-1.0.tar.gz",
        "https://files.example/x\\foo-1.0.tar.gz",
        "https://files.example/foo-1.0.tar.gz/",
        "https://files.example/bar-1.0.tar.gz",
        "https://files.example/bar-1.0.tar.gz?x=/foo-1.0.tar.gz",
        "https://files.example/bar-1.0.tar.gz#/foo-1.0.tar.gz",
        "https://files.example/a%2Ffoo-1.0.tar.gz",
        "https://[::/foo-1.0.tar.gz",
        "",
    ] {
        let page = page_of(&json!([
            file("foo-1.0.tar.gz", url),
            file("foo-1.0.zip", "foo-1.0.zip")
        ]));
        assert_eq!(names_of(&page), ["foo-1.0.zip"], "{url}");
        let document = read_value(&page).unwrap();
        assert_eq!(document.remarks().len(), 1, "{url}");
        let json = all_of(document.as_ref(), FORM_JSON);
        assert_eq!(listed(&json), ["foo-1.0.zip"], "{url}");
    }
    // Where they point is the fetcher's to judge, but they are absolute and unmistakable.
    let page = page_of(&json!([file(
        "foo-1.0.tar.gz",
        "//evil.example/foo-1.0.tar.gz"
    )]));
    let url = read_value(&page).unwrap().locate(0).unwrap().url;
    assert_eq!(url.as_str(), "https://evil.example/foo-1.0.tar.gz");
}

#[test]
fn m_34_a_base_element_moves_addresses_but_not_what_clients_see() {
    let html =
        format!("<base href=\"https://evil.example/\"><a href=\"foo-1.0.zip#sha256={SHA}\">x</a>");
    let document = read("foo", &[html_page("foo", &html)]).unwrap();
    assert_eq!(
        document.locate(0).unwrap().url.host_str(),
        Some("evil.example")
    );
    let text = String::from_utf8(all_of(document.as_ref(), FORM_HTML)).unwrap();
    assert!(!text.contains("evil.example"));
    let html = html.replace("https://evil.example/", "http://[");
    assert!(is_malformed(read("foo", &[html_page("foo", &html)])));
}

#[test]
fn conformance_084_relative_addresses_resolve_against_the_upstream_page() {
    let page = page_of(&json!([file(
        "foo-1.0.zip",
        "../../files/foo-1.0.zip#sha256=1"
    )]));
    let source = read_value(&page).unwrap().locate(0).unwrap();
    assert_eq!(
        source.url.as_str(),
        "https://registry.example/files/foo-1.0.zip"
    );
    let html = "<a href=\"../../files/foo-1.0.zip\">foo-1.0.zip</a>";
    let source = read("foo", &[html_page("foo", html)])
        .unwrap()
        .locate(0)
        .unwrap();
    assert_eq!(
        source.url.as_str(),
        "https://index.example/team/files/foo-1.0.zip"
    );
}

#[test]
fn m_36_m_37_m_44_markup_in_upstream_values_stays_text() {
    let html = "<!-- <a href=foo-9.tar.gz>x</a> --><![CDATA[<a href=foo-8.tar.gz>x</a>]]>\
        <A onclick=evil() HREF=foo-1.0.tar.gz data-yanked='\"><script>alert(1)</script>' \
        data-requires-python='&gt;=3&quot; onx=&quot;'>\"><script>alert(2)</script></A>\
        <a href=\"javascript:alert(3)\">foo-2.tar.gz</a>\
        <a href=\"foo-3&#46;tar&#x2e;gz\">entities</a>";
    let document = read("foo", &[html_page("foo", html)]).unwrap();
    // To HTML, `<![CDATA[` begins a comment that ends at the first `>`.
    assert_eq!(
        file_names(document.candidates()),
        ["foo-1.0.tar.gz", "foo-3.tar.gz"]
    );
    let text = String::from_utf8(all_of(document.as_ref(), FORM_HTML)).unwrap();
    assert!(
        !text.contains("<script") && !text.contains("onclick"),
        "{text}"
    );
    assert!(!text.contains("javascript:"), "{text}");
    assert_eq!(anchors(text.as_bytes()), file_names(document.candidates()));
}

#[test]
fn m_41_names_that_are_not_the_project_s_are_left_out() {
    let names = [
        "bar-1.0.tar.gz",
        "foo-bar-1.0.tar.gz",
        "foo 1.0.tar.gz",
        "fоo-1.0.tar.gz",
        "..",
        "foo-1.0/../x.tar.gz",
        "foo-1.0-py3.whl",
    ];
    let files: Vec<Value> = names
        .iter()
        .map(|name| file(name, &format!("https://files.example/{name}")))
        .collect();
    assert_eq!(names_of(&page_of(&json!(files))), Vec::<String>::new());
}

#[test]
fn m_42_a_file_named_twice_is_one_file_or_no_page() {
    let one = file("foo-1.0.zip", "a/foo-1.0.zip");
    let mut same = file("foo-1.0.zip", "b/foo-1.0.zip");
    same["hashes"]["md5"] = json!("0".repeat(32));
    let document = read_value(&page_of(&json!([one, same]))).unwrap();
    assert_eq!(document.candidates().len(), 1);
    assert_eq!(document.locate(0).unwrap().digests.iter().count(), 2);
    let mut other = one.clone();
    other["hashes"]["sha256"] = json!("0".repeat(64));
    assert!(is_malformed(read_value(&page_of(&json!([one, other])))));
}

#[test]
fn m_46_other_major_versions_are_refused_in_both_forms() {
    for version in ["2.0", "2", "1", "1.", "1.x", "01.0", "1.00000", ""] {
        let mut page = page_of(&json!([]));
        page["meta"]["api-version"] = json!(version);
        assert!(is_malformed(read_value(&page)), "{version}");
        let html = format!("<meta name=\"pypi:repository-version\" content=\"{version}\">");
        assert!(
            is_malformed(read("foo", &[html_page("foo", &html)])),
            "{version}"
        );
    }
    let mut page = page_of(&json!([]));
    page["meta"]["api-version"] = json!(1.0);
    assert!(is_malformed(read_value(&page)));
    page["meta"] = json!({"x": 1});
    let body = all_of(read_value(&page).unwrap().as_ref(), FORM_JSON);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["meta"], json!({"api-version": "1.0", "x": 1}));
}

#[test]
fn m_49_a_page_of_the_other_s_type_or_of_none_is_refused() {
    let json = page_of(&json!([])).to_string();
    let url = "https://registry.example/simple/foo/";
    for (content_type, text) in [
        ("text/html", json.as_str()),
        (JSON_TYPE, "<a href=foo-1.0.zip>x</a>"),
        ("text/plain", json.as_str()),
        ("application/octet-stream", "<a href=foo-1.0.zip>x</a>"),
        ("", ""),
    ] {
        let document = Fixture::upstream(url, content_type, text.as_bytes());
        assert!(
            is_malformed(read("foo", std::slice::from_ref(&document))),
            "{content_type}"
        );
        assert!(PyPi.read_catalog(&document).is_err(), "{content_type}");
    }
    assert!(is_malformed(PyPi.read(&package("foo"), &[None])));
    assert!(is_malformed(PyPi.read(&package("foo"), &[])));
}

#[test]
fn the_page_of_another_project_is_refused() {
    let mut page = page_of(&json!([]));
    for name in [json!("bar"), json!("f o"), json!(7)] {
        page["name"] = name;
        assert!(is_malformed(read_value(&page)), "{page}");
    }
    page["name"] = json!("Foo");
    let body = all_of(read_value(&page).unwrap().as_ref(), FORM_JSON);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["name"], "foo");
}

#[test]
fn locations_elsewhere_are_not_passed_on() {
    let mut page = page_of(&json!([]));
    page["alternate-locations"] = json!(["https://evil.example/simple/foo/"]);
    page["meta"]["tracks"] = json!(["https://evil.example/simple/foo/"]);
    let body = all_of(read_value(&page).unwrap().as_ref(), FORM_JSON);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["alternate-locations"], json!([]));
    assert_eq!(body["meta"], json!({"api-version": "1.4"}));
}

#[test]
fn m_32_a_legacy_document_with_other_digests_is_refused_and_foreign_files_dropped() {
    let page = page_of(&json!([file("foo-1.0.zip", "foo-1.0.zip")]));
    let legacy = |sha: &str| {
        json!({"info": {"name": "Foo", "version": "1.0"}, "urls": [
            {"filename": "foo-1.0.zip", "url": "https://files.example/foo-1.0.zip", "digests": {"sha256": sha}},
            {"filename": "foo-6.6.zip", "url": "https://files.example/foo-6.6.zip", "digests": {"sha256": sha}},
        ]})
        .to_string()
    };
    let read_both = |legacy: &str| {
        let documents = [
            json_page("foo", &page.to_string()),
            legacy_document("foo", legacy),
        ];
        read("foo", &documents)
    };
    assert!(is_malformed(read_both(&legacy(&"0".repeat(64)))));
    let document = read_both(&legacy(SHA)).unwrap();
    let text = String::from_utf8(all_of(document.as_ref(), FORM_LEGACY)).unwrap();
    assert!(
        text.contains("foo-1.0.zip") && !text.contains("6.6"),
        "{text}"
    );
    for broken in [
        "{}",
        r#"{"info":{"name":"bar","version":"1.0"}}"#,
        r#"{"info":{"name":"foo"}}"#,
        "[]",
    ] {
        assert!(is_malformed(read_both(broken)), "{broken}");
    }
}

#[test]
fn conformance_067_a_sibling_is_offered_exactly_when_it_can_be_verified() {
    let sha = json!({"sha256": SHA});
    for (members, expected, is_offered) in [
        (
            json!({"core-metadata": sha}),
            json!({"core-metadata": sha}),
            true,
        ),
        (
            json!({"data-dist-info-metadata": sha}),
            json!({"data-dist-info-metadata": sha}),
            true,
        ),
        (
            json!({"core-metadata": true, "data-dist-info-metadata": sha}),
            json!({"core-metadata": false, "data-dist-info-metadata": false}),
            false,
        ),
        (
            json!({"core-metadata": {"sha256": "x"}}),
            json!({"core-metadata": false}),
            false,
        ),
        (
            json!({"core-metadata": {}}),
            json!({"core-metadata": false}),
            false,
        ),
        (
            json!({"core-metadata": "yes"}),
            json!({"core-metadata": false}),
            false,
        ),
        (
            json!({"core-metadata": false}),
            json!({"core-metadata": false}),
            false,
        ),
        (
            json!({"core-metadata": null}),
            json!({"core-metadata": null}),
            false,
        ),
        (json!({}), json!({}), false),
    ] {
        let name = "foo-1.0-py3-none-any.whl";
        let mut entry = file(name, "foo-1.0-py3-none-any.whl?sig=1");
        for (name, value) in members.as_object().unwrap() {
            entry[name] = value.clone();
        }
        let document = read_value(&page_of(&json!([entry]))).unwrap();
        let source = document
            .locate_derived(0, ArtifactKind::CoreMetadata)
            .transpose()
            .unwrap();
        assert_eq!(source.is_some(), is_offered, "{members}");
        if let Some(source) = source {
            assert_eq!(source.url.path(), format!("/simple/foo/{name}.metadata"));
            assert_eq!(source.digests.iter().count(), 1);
        }
        let body = all_of(document.as_ref(), FORM_JSON);
        let page: Value = serde_json::from_slice(&body).unwrap();
        let kept = ["core-metadata", "data-dist-info-metadata"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), page["files"][0].get(name)?.clone())))
            .collect();
        assert_eq!(Value::Object(kept), expected, "{members}");
        let html = String::from_utf8(all_of(document.as_ref(), FORM_HTML)).unwrap();
        assert_eq!(html.contains("data-core-metadata"), is_offered, "{members}");
        assert!(document.locate_derived(0, ArtifactKind::Archive).is_none());
        assert!(
            document
                .locate_derived(1, ArtifactKind::CoreMetadata)
                .is_none()
        );
    }
}

#[test]
fn inv_6_a_page_cannot_give_a_file_another_identity_by_spelling_its_version_anew() {
    let mut page = page_of(&json!([file("foo-1.0.0-rc1.zip", "foo-1.0.0-rc1.zip")]));
    for versions in [
        json!(["1.0rc1"]),
        json!(["v1.0.0.RC1"]),
        json!([]),
        json!(["1.0.0-c1", "2"]),
    ] {
        page["versions"] = versions;
        let document = read_value(&page).unwrap();
        let subject = document.candidates()[0].subject().to_string();
        assert_eq!(subject, "pkg:pypi/foo@1.0.0rc1", "{page}");
    }
}

#[test]
fn m_38_what_a_page_shows_of_a_file_s_metadata_is_told_when_asked_for() {
    let mut wheel = file("foo-1.0-py3-none-any.whl", "foo-1.0-py3-none-any.whl");
    wheel["core-metadata"] = json!({"sha256": SHA});
    wheel["requires-python"] = json!(">=3.8");
    let page = page_of(&json!([wheel, file("foo-1.0.zip", "foo-1.0.zip")]));
    let document = read_value(&page).unwrap();
    let declared = document.declared(0).unwrap();
    let digest = declared.core_metadata_sha256.map(|digest| digest.hex());
    assert_eq!(digest.as_deref(), Some(SHA));
    assert_eq!(declared.requires_python.as_deref(), Some(">=3.8"));
    assert_eq!(declared.name.as_deref(), Some("foo"));
    let source = document.declared(1).unwrap();
    assert_eq!(
        (source.core_metadata_sha256, source.dependencies),
        (None, None)
    );
    assert_eq!(document.declared(2), None);
}
