//! Group M of reliability.md, and documents nobody wrote on purpose.

use cordon_policy::facts::Fact;
use proptest::prelude::*;

use super::*;

fn refused(package: &str, text: &str) -> String {
    match read(package, text.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("accepted: {}", &text[..text.len().min(200)]),
    }
}

fn candidate<'a>(document: &'a dyn Document, version: &str) -> (usize, &'a VersionFacts) {
    document
        .candidates()
        .iter()
        .enumerate()
        .find(|(_, facts)| facts.subject().version.as_str() == version)
        .unwrap()
}

#[test]
fn m_04_to_m_09_unfit_versions_are_never_listed_nor_located() {
    let document = read("trap", HOSTILE).unwrap();
    for version in [
        "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0",
    ] {
        let (index, _) = candidate(document.as_ref(), version);
        let error = document.locate(index).unwrap_err().to_string();
        assert!(
            error.contains(&format!("pkg:npm/trap@{version}")),
            "{error}"
        );
        assert!(!error.contains('\n'));
    }
    let (index, _) = candidate(document.as_ref(), "2.0.0");
    assert_eq!(
        document.locate(index).unwrap().url.as_str(),
        "http://127.0.0.1:1/trap/-/trap-2.0.0.tgz"
    );
    assert!(!document.remarks().is_empty());
}

#[test]
fn m_12_an_integrity_nobody_can_check_is_not_replaced_by_a_weaker_one() {
    for integrity in [
        "\"\"",
        "\"sha512-AAAA\"",
        "\"sha512\"",
        "\"sha512-%%%\"",
        "\"whirlpool-AAAA\"",
        "\" \"",
        "{}",
        "\"sha512-AAAA sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\"",
    ] {
        let text = format!(
            r#"{{"name":"p","versions":{{"1.0.0":{{"dist":{{"integrity":{integrity},
            "shasum":"a9993e364706816aba3e25717850c26c9cd0d89d",
            "tarball":"https://registry.example/p/-/p-1.0.0.tgz"}}}}}}}}"#
        );
        let document = read("p", text.as_bytes()).unwrap();
        let declared = &document.candidates()[0].declared;
        assert!(
            matches!(declared, Fact::Unavailable(_)),
            "{integrity}: {declared:?}"
        );
        assert!(document.locate(0).unwrap().digests.is_empty());
    }
}

#[test]
fn m_13_m_14_m_16_tags_are_repaired_and_keys_are_data() {
    let document = read("trap", HOSTILE).unwrap();
    let tags = render_json(document.as_ref(), forms::DIST_TAGS, &["1.0.0"]);
    assert_eq!(
        tags,
        serde_json::json!({"latest": "2.0.0", "__proto__": "2.0.0"})
    );
}

#[test]
fn m_15_keys_that_are_no_semver_versions_are_no_candidates() {
    let long = format!("1.0.{}", "0".repeat(256));
    let version = |text: &str| {
        format!(
            r#""{text}":{{"name":"p","version":"{text}",
            "dist":{{"tarball":"https://registry.example/p/-/p-{text}.tgz"}}}}"#
        )
    };
    let odd = ["v1.0.0", "01.0.0", "1.0", " 1.0.0 ", "", long.as_str()];
    let all: Vec<String> = odd.iter().chain(&["1.0.0"]).map(|it| version(it)).collect();
    let text = format!(r#"{{"name":"p","versions":{{{}}}}}"#, all.join(","));
    let document = read("p", text.as_bytes()).unwrap();
    let candidates = document.candidates().iter();
    let candidates: Vec<&str> = candidates.map(|it| it.subject().version.as_str()).collect();
    assert_eq!(candidates, ["1.0.0"]);
}

#[test]
fn m_24_of_both_forms_the_full_document_alone_is_asked_for() {
    // Nothing else could contradict it: the short form is made from it.
    let package = Npm.scheme().package("p").unwrap();
    for view in views() {
        let requests = Npm.documents(&package, &view);
        let asked: Vec<(&str, &str)> = requests.iter().map(|it| (it.kind, it.accept)).collect();
        assert_eq!(asked, [("packument", "application/json")], "{view:?}");
    }
}

#[test]
fn m_27_a_placeholder_for_what_was_taken_down_leaves_the_package_empty() {
    let version = |text: &str| {
        format!(
            r#""{text}":{{"name":"p","version":"{text}",
            "dist":{{"tarball":"https://registry.example/p/-/p-{text}.tgz"}}}}"#
        )
    };
    let holding = format!(
        r#"{{"name":"p","versions":{{{}}}}}"#,
        version("0.0.1-security")
    );
    assert!(read("p", holding.as_bytes()).unwrap().is_emptied());
    let both = format!(
        r#"{{"name":"p","versions":{{{},{}}}}}"#,
        version("0.0.1-security"),
        version("1.0.0")
    );
    assert!(!read("p", both.as_bytes()).unwrap().is_emptied());
}

#[test]
fn m_17_a_key_that_stands_twice_refuses_the_document() {
    let version = r#"{"dist":{"tarball":"https://registry.example/p/-/p-1.0.0.tgz"}}"#;
    for text in [
        format!(r#"{{"name":"p","versions":{{}},"versions":{{"1.0.0":{version}}}}}"#),
        format!(r#"{{"name":"p","versions":{{"1.0.0":{version},"1.0.0":{version}}}}}"#),
        format!(r#"{{"name":"p","versions":{{"1.0.0":{version},"1\u002e0.0":{version}}}}}"#),
        r#"{"name":"p","versions":{"1.0.0":{"dist":{},"dist":{}}}}"#.to_owned(),
        r#"{"name":"p","versions":{"1.0.0":{"dist":{},"di\u0073t":{}}}}"#.to_owned(),
        r#"{"name":"p","versions":{"1.0.0":{"dist":{"shasum":"","shasum":""}}}}"#.to_owned(),
        r#"{"name":"p","versions":{"1.0.0":{"scripts":{},"scripts":{}}}}"#.to_owned(),
        r#"{"name":"p","versions":{},"time":{"1.0.0":"","1.0.0":""}}"#.to_owned(),
        r#"{"name":"p","versions":{},"dist-tags":{"latest":"1.0.0","latest":"2.0.0"}}"#.to_owned(),
        r#"{"name":"p","name":"p","versions":{}}"#.to_owned(),
    ] {
        assert!(refused("p", &text).contains("stands twice"), "{text}");
    }
}

#[test]
fn m_17_an_encoded_path_cannot_cut_the_document_apart() {
    // Decoded, the path before the name is what stands in the other version's text.
    let text = r#"{"name":"p","versions":{
        "0.1.0":{"dist":{"tarball":"https://files.example/%22%7D%2C%22d%22%3A%7B%22z%22%3A%22/p/-/p-0.1.0.tgz"}},
        "1.0.0":{"dist":{"tarball":"https://registry.example/p/-/p-1.0.0.tgz",
                         "a":"https://files.example/"},"d":{"z":"/","tarball":"https://evil.example/p/-/p-1.0.0.tgz"}}
    }}"#;
    let document = read("p", text.as_bytes()).unwrap();
    for form in [forms::PACKUMENT, forms::ABBREVIATED] {
        let value = render_json(document.as_ref(), form, &[]);
        let dist = &value["versions"]["1.0.0"]["dist"];
        assert_eq!(
            dist["tarball"],
            "http://cordon.example:4873/npm/p/-/p-1.0.0.tgz"
        );
        assert_eq!(value["versions"].as_object().unwrap().len(), 1, "{value}");
    }
    let error = document.locate(0).unwrap_err().to_string();
    assert!(error.contains("characters"), "{error}");
}

#[test]
fn a_place_upstream_does_not_serve_files_from_keeps_its_addresses() {
    let text = r#"{"name":"p","versions":{"1.0.0":{"homepage":"https://forge.example/p",
        "dist":{"tarball":"https://forge.example/p/-/p-1.0.0.tgz"}}}}"#;
    let document = read("p", text.as_bytes()).unwrap();
    let value = render_json(document.as_ref(), forms::PACKUMENT, &[]);
    let version = &value["versions"]["1.0.0"];
    assert_eq!(version["homepage"], "https://forge.example/p");
    assert_eq!(
        version["dist"]["tarball"],
        "http://cordon.example:4873/npm/p/-/p-1.0.0.tgz"
    );
}

#[test]
fn m_18_times_of_any_shape_are_facts() {
    let document = read("trap", HOSTILE).unwrap();
    let published = |version: &str| candidate(document.as_ref(), version).1.published_at.clone();
    assert!(matches!(published("1.0.0"), Fact::Unavailable(_)));
    assert!(matches!(published("1.2.0"), Fact::Unavailable(_)));
    assert_eq!(published("1.3.0"), Fact::Absent);
    assert_eq!(published("1.1.0").known().unwrap().as_millis(), 0);
    assert!(published("2.0.0").known().is_some());
    // Year 9999 is the last HTTP can say.
    let rendered = render(document.as_ref(), &View::plain(forms::PACKUMENT), |_| true).unwrap();
    assert!(rendered.last_modified.is_some());
}

#[test]
fn m_19_an_unpublished_package_is_not_there() {
    let document = read("gone", UNPUBLISHED).unwrap();
    assert!(document.candidates().is_empty());
    for view in views() {
        let answer = render(document.as_ref(), &view, |_| true);
        assert!(matches!(answer, Err(MetadataError::NotFound { .. })));
    }
}

#[test]
fn m_20_m_21_documents_that_are_not_strict_json_are_refused() {
    let deep = format!(
        r#"{{"name":"p","versions":{{"1.0.0":{{"x":{}}}}}}}"#,
        "[".repeat(100_000)
    );
    for text in [
        "\u{feff}{\"name\":\"p\",\"versions\":{}}",
        r#"{"name":"p","versions":{},"readme":"\ud800"}"#,
        r#"{"name":"p","versions":{},"n":1e400}"#,
        "{\"name\":\"p\",\"versions\":{},\"readme\":\"\0\"}",
        r#"{"name":"p","versions":{}"#,
        r#"{"name":"p","versions":[]}"#,
        r#"{"name":"p"}"#,
        r#"{"error":"not_found"}"#,
        r#"{"name":"q","versions":{}}"#,
        r#"{"name":["p"],"versions":{}}"#,
        "<html></html>",
        "[]",
        "null",
        "",
        &deep,
    ] {
        assert!(refused("p", text).contains("packument of pkg:npm/p"));
    }
    assert!(read("p", b"{\"name\":\"p\",\"versions\":{},\"x\":\"\xff\"}").is_err());
}

#[test]
fn n_13_case_makes_another_package() {
    assert!(refused("jsonstream", r#"{"name":"JSONStream","versions":{}}"#).contains("name"));
}

/// JSON that often has the shape of a packument.
fn packument() -> impl Strategy<Value = String> {
    let word = || {
        prop_oneof![
            proptest::sample::select(vec![
                "1.0.0",
                "1.0.1",
                "2.0.0-rc.1",
                "2.0.0",
                "3.0",
                "latest",
                "next",
                "created",
                "modified",
                "unpublished",
                "https://registry.example/p/-/p-1.0.0.tgz",
                "https://registry.example/p/-/odd.tgz",
                "https://files.example/p/-/p-2.0.0.tgz",
                "2024-01-01T00:00:00.000Z",
                "p",
                "//registry.example/",
                "sha512-AAAA",
            ])
            .prop_map(str::to_owned),
            "\\PC{0,8}",
        ]
    };
    let leaf = prop_oneof![
        word().prop_map(Value::String),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Into::into),
    ];
    let any_value = leaf.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((word(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let dist = (proptest::option::of(word()), any_value.clone()).prop_map(|(tarball, other)| {
        let mut dist = serde_json::json!({ "attestations": other });
        if let Some(tarball) = tarball {
            dist["tarball"] = tarball.into();
        }
        dist
    });
    let manifest = prop_oneof![
        8 => (dist, any_value.clone(), any_value.clone()).prop_map(|(dist, scripts, other)| {
            serde_json::json!({ "dist": dist, "scripts": scripts, "deprecated": other })
        }),
        1 => any_value.clone(),
    ];
    let versions = proptest::collection::vec((word(), manifest), 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect()));
    let texts = || {
        proptest::collection::vec((word(), word()), 0..6).prop_map(|members| {
            Value::Object(members.into_iter().map(|(k, v)| (k, v.into())).collect())
        })
    };
    let tags = prop_oneof![6 => texts(), 1 => any_value.clone()];
    let times = prop_oneof![6 => texts(), 1 => any_value.clone()];
    (versions, tags, times, any_value, any::<bool>()).prop_map(
        |(versions, tags, times, other, is_pretty)| {
            let document = serde_json::json!({
                "name": "p", "versions": versions, "dist-tags": tags, "time": times,
                "readme": other,
            });
            match is_pretty {
                true => format!("{document:#}"),
                false => document.to_string(),
            }
        },
    )
}

proptest! {
    #[test]
    fn any_document_renders_consistently(text in packument(), choice: u64) {
        let Ok(document) = read("p", text.as_bytes()) else {
            return Ok(());
        };
        let is_listed = |version: &str| {
            let digest = version.bytes().fold(choice, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
            digest % 3 != 0
        };
        for index in 0..document.candidates().len() + 1 {
            let _ = document.locate(index);
        }
        for view in views() {
            let rendered = match render(document.as_ref(), &view, is_listed) {
                Ok(rendered) => rendered,
                Err(MetadataError::NotFound { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            let value: Value = serde_json::from_slice(&rendered.body).unwrap();
            let Some(versions) = value.get("versions").filter(|_| view.argument.is_none()) else {
                continue;
            };
            for facts in document.candidates() {
                let version = facts.subject().version.as_str();
                let is_there = versions.get(version).is_some();
                prop_assert!(!is_there || is_listed(version), "{} in {}", version, value);
                if !is_listed(version) {
                    prop_assert!(value["time"].get(version).is_none());
                }
            }
            for (tag, version) in value["dist-tags"].as_object().unwrap() {
                let version = version.as_str().unwrap();
                prop_assert!(versions.get(version).is_some(), "{} -> {} in {}", tag, version, value);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read("p", &bytes);
    }

    #[test]
    fn any_damage_to_a_real_document_is_survived(at in 0..WIDGET.len(), byte: u8) {
        let mut bytes = WIDGET.to_vec();
        bytes[at] = byte;
        if let Ok(document) = read("widget", &bytes) {
            for view in views() {
                let _ = render(document.as_ref(), &view, |version| version != "2.0.0");
            }
        }
    }
}
