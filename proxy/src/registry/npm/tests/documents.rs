//! Recorded-shape documents, in every form.

use cordon_policy::facts::Fact;
use cordon_policy::model::DigestAlgorithm;

use super::*;

/// A rendering, laid out for reading.
fn pretty(rendered: &Rendered) -> String {
    let value: Value = serde_json::from_slice(&rendered.body).unwrap();
    format!(
        "content-type: {}\nlast-modified: {}\nvary: {}\n\n{value:#}",
        rendered.content_type,
        rendered.last_modified.as_ref().map_or("-", |at| at.date()),
        rendered.vary,
    )
}

#[test]
fn golden_renderings() {
    for (name, package, bytes) in [
        ("widget", "widget", WIDGET),
        ("scoped", "@acme/widget", SCOPED),
        ("hostile", "trap", HOSTILE),
    ] {
        let document = read(package, bytes).unwrap();
        for view in views() {
            for (listing, hidden) in [("all", ""), ("without-latest", "2.1.0")] {
                let Ok(rendered) = render(document.as_ref(), &view, |version| version != hidden)
                else {
                    continue;
                };
                let argument = view.argument.as_deref().unwrap_or("any");
                insta::assert_snapshot!(
                    format!("{name}-{}-{argument}-{listing}", view.form),
                    pretty(&rendered)
                );
            }
        }
    }
}

/// The facts about a candidate that differ between documents.
fn line(facts: &VersionFacts) -> String {
    format!(
        "{}\n  published {:?}, the package {:?}\n  declared {:?}\n  deprecated {:?}, license {:?}\n  \
         hooks {:?}, provenance {:?}, publisher {:?}",
        facts.artifact,
        facts.published_at,
        facts.package.first_published_at,
        facts.declared,
        facts.deprecated,
        facts.license,
        facts.install_hooks,
        facts.has_provenance,
        facts.publisher,
    )
}

#[test]
fn golden_facts() {
    for (name, package, bytes) in [
        ("widget", "widget", WIDGET),
        ("scoped", "@acme/widget", SCOPED),
        ("hostile", "trap", HOSTILE),
    ] {
        let document = read(package, bytes).unwrap();
        let lines: Vec<String> = document.candidates().iter().map(line).collect();
        insta::assert_snapshot!(format!("{name}-facts"), lines.join("\n"));
        insta::assert_json_snapshot!(format!("{name}-remarks"), document.remarks());
    }
}

#[test]
fn conformance_001_002_003_forms_have_their_types_and_fields() {
    let document = read("widget", WIDGET).unwrap();
    let full = render(document.as_ref(), &View::plain(forms::PACKUMENT), |_| true).unwrap();
    let short = render(document.as_ref(), &View::plain(forms::ABBREVIATED), |_| {
        true
    })
    .unwrap();
    assert_eq!(full.content_type, "application/json");
    assert_eq!(short.content_type, "application/vnd.npm.install-v1+json");
    assert_eq!((full.vary, short.vary), ("Accept", "Accept"));
    let text = String::from_utf8(short.body.to_vec()).unwrap();
    for absent in ["readme", "maintainers", "_npmUser", "gitHead", "x-unknown"] {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn all_allowed_is_upstream_byte_for_byte_but_for_addresses() {
    let plain = String::from_utf8(SCOPED.to_vec()).unwrap();
    // Spellings the rendering makes canonical, made canonical beforehand.
    let plain = plain
        .replace("/@acme%2fwidget/-/", "/@acme/widget/-/")
        .replace(
            "https://files.example/@acme/widget/-/@acme/widget-2",
            "https://registry.example/npm/@acme/widget/-/widget-2",
        );
    let document = read("@acme/widget", plain.as_bytes()).unwrap();
    let full = render(document.as_ref(), &View::plain(forms::PACKUMENT), |_| true).unwrap();
    let ours = String::from_utf8(full.body.to_vec()).unwrap();
    let theirs = ours.replace(
        "http://cordon.example:4873/npm/",
        "https://registry.example/npm/",
    );
    assert_eq!(theirs, plain);
}

#[test]
fn conformance_010_tarballs_have_the_canonical_shape() {
    let document = read("widget", WIDGET).unwrap();
    for form in [forms::PACKUMENT, forms::ABBREVIATED] {
        let value = render_json(document.as_ref(), form, &[]);
        for (version, manifest) in value["versions"].as_object().unwrap() {
            assert_eq!(
                manifest["dist"]["tarball"],
                format!("http://cordon.example:4873/npm/widget/-/widget-{version}.tgz")
            );
        }
    }
}

#[test]
fn conformance_011_no_upstream_host_remains() {
    for (package, bytes) in [("widget", WIDGET), ("@acme/widget", SCOPED)] {
        let document = read(package, bytes).unwrap();
        for view in views() {
            let rendered = render(document.as_ref(), &view, |_| true).unwrap();
            let text = String::from_utf8(rendered.body.to_vec()).unwrap();
            for host in ["registry.example", "files.example"] {
                assert!(
                    !text.contains(host),
                    "{host} in {view:?} of {package}: {text}"
                );
            }
        }
    }
}

#[test]
fn conformance_012_digests_and_signatures_are_untouched() {
    let document = read("widget", WIDGET).unwrap();
    let upstream: Value = serde_json::from_slice(WIDGET).unwrap();
    for form in [forms::PACKUMENT, forms::ABBREVIATED] {
        let ours = render_json(document.as_ref(), form, &["2.0.0"]);
        for (version, manifest) in ours["versions"].as_object().unwrap() {
            for field in ["integrity", "shasum", "signatures"] {
                assert_eq!(
                    manifest["dist"].get(field),
                    upstream["versions"][version]["dist"].get(field)
                );
            }
        }
    }
}

#[test]
fn conformance_013_a_hidden_version_is_absent_from_versions_and_time() {
    let document = read("widget", WIDGET).unwrap();
    for form in [forms::PACKUMENT, forms::ABBREVIATED] {
        let value = render_json(document.as_ref(), form, &["1.0.0", "2.1.0"]);
        for field in ["versions", "time"] {
            assert!(value[field].get("1.0.0").is_none());
            assert!(value[field].get("2.0.0").is_some());
        }
        // Unpublished long ago: not Cordon's to hide.
        assert!(value["time"].get("1.0.1").is_some());
    }
}

#[test]
fn conformance_018_019_every_route_agrees_with_the_packument() {
    let document = read("widget", WIDGET).unwrap();
    let hidden = ["2.1.0", "3.0.0-beta.2"];
    let packument = render_json(document.as_ref(), forms::PACKUMENT, &hidden);
    assert_eq!(packument["dist-tags"]["latest"], "2.0.0");
    assert!(packument["dist-tags"].get("next").is_none());
    assert!(packument["dist-tags"].get("broken").is_none());
    let tags = render_json(document.as_ref(), forms::DIST_TAGS, &hidden);
    assert_eq!(tags, packument["dist-tags"]);
    let one = |selector: &str| {
        let view = View {
            form: forms::VERSION,
            argument: Some(selector.into()),
        };
        render(document.as_ref(), &view, |version| {
            !hidden.contains(&version)
        })
        .map(|rendered| serde_json::from_slice::<Value>(&rendered.body).unwrap())
    };
    assert_eq!(one("latest").unwrap(), packument["versions"]["2.0.0"]);
    assert_eq!(one("2.0.0").unwrap(), packument["versions"]["2.0.0"]);
    for absent in ["2.1.0", "next", "broken", "7.7.7", "none"] {
        assert!(
            matches!(one(absent), Err(MetadataError::NotFound { .. })),
            "{absent}"
        );
    }
}

#[test]
fn conformance_020_021_last_modified_is_the_documents_time() {
    let document = read("widget", WIDGET).unwrap();
    for view in views() {
        let rendered = render(document.as_ref(), &view, |_| true).unwrap();
        assert_eq!(
            rendered.last_modified.as_ref().map(|at| at.date()),
            Some("Mon, 06 May 2024 07:08:09 GMT")
        );
    }
    let short = render_json(document.as_ref(), forms::ABBREVIATED, &["2.1.0"]);
    assert_eq!(short["modified"], "2024-05-06T07:08:09.010Z");
}

#[test]
fn modified_is_the_latest_publication_when_upstream_says_nothing() {
    let document = read("@acme/widget", SCOPED).unwrap();
    let short = render_json(document.as_ref(), forms::ABBREVIATED, &["2.0.0"]);
    assert_eq!(short["modified"], "2022-01-01T00:00:00Z");
}

#[test]
fn conformance_022_has_install_script_is_computed() {
    let document = read("widget", WIDGET).unwrap();
    let short = render_json(document.as_ref(), forms::ABBREVIATED, &[]);
    for (version, manifest) in short["versions"].as_object().unwrap() {
        let expected = ["1.0.0", "2.1.0"].contains(&version.as_str());
        assert_eq!(
            manifest.get("hasInstallScript"),
            expected.then_some(&Value::Bool(true)),
            "{version}"
        );
    }
}

#[test]
fn conformance_024_keys_that_are_no_versions_do_no_harm() {
    let document = read("trap", HOSTILE).unwrap();
    let full = render_json(document.as_ref(), forms::PACKUMENT, &[]);
    let listed: Vec<&String> = full["versions"].as_object().unwrap().keys().collect();
    assert_eq!(listed, ["1.0.0", "2.0.0"]);
}

#[test]
fn conformance_031_every_declared_digest_is_kept() {
    let document = read("widget", WIDGET).unwrap();
    let algorithms = |version: &str| -> Vec<DigestAlgorithm> {
        let candidate = document
            .candidates()
            .iter()
            .find(|facts| facts.subject().version.as_str() == version)
            .unwrap();
        let declared = candidate.declared.known().unwrap();
        declared
            .iter()
            .map(cordon_policy::model::Digest::algorithm)
            .collect()
    };
    assert_eq!(algorithms("0.9.0"), [DigestAlgorithm::Sha1]);
    assert_eq!(
        algorithms("0.9.1"),
        [DigestAlgorithm::Sha1, DigestAlgorithm::Sha512]
    );
}

#[test]
fn conformance_033_an_irregular_file_is_found_by_the_packument() {
    let document = read("widget", WIDGET).unwrap();
    let index = document
        .candidates()
        .iter()
        .position(|facts| facts.artifact.file.as_str() == "widget-1.0.0.tgz")
        .unwrap();
    let source = document.locate(index).unwrap();
    assert_eq!(
        source.url.as_str(),
        "https://registry.example/widget/-/WidgetRelease.tgz"
    );
    assert_eq!(source.digests.iter().count(), 2);
}

#[test]
fn an_abbreviated_upstream_is_served_as_far_as_it_goes() {
    let bytes =
        br#"{"name":"thin","modified":"2024-01-02T03:04:05.000Z","dist-tags":{"latest":"1.0.0"},
        "versions":{"1.0.0":{"name":"thin","version":"1.0.0","hasInstallScript":true,
        "dist":{"tarball":"https://registry.example/thin/-/thin-1.0.0.tgz"}}}}"#;
    let document = read("thin", bytes).unwrap();
    assert_eq!(document.candidates()[0].published_at, Fact::Absent);
    let short = render_json(document.as_ref(), forms::ABBREVIATED, &[]);
    assert_eq!(short["modified"], "2024-01-02T03:04:05.000Z");
    assert_eq!(short["versions"]["1.0.0"]["hasInstallScript"], true);
    assert!(short.get("time").is_none());
}

#[test]
fn m_01_to_m_03_what_a_packument_shows_of_a_manifest_is_told_when_asked_for() {
    let text = r#"{"name":"acme","versions":{
        "1.0.0":{"name":"acme","version":"1.0.0","scripts":{"install":"node-gyp rebuild"},
            "gypfile":true,"dependencies":{"b":"^1","o":"1"},"optionalDependencies":{"o":"1"},
            "bin":{"acme":"cli.js"},"bundleDependencies":["b"],
            "dist":{"tarball":"https://registry.example/acme/-/acme-1.0.0.tgz"}},
        "1.1.0":{"name":"acme","version":"1.1.0",
            "dist":{"tarball":"https://registry.example/acme/-/acme-1.1.0.tgz"}}}}"#;
    let document = read("acme", text.as_bytes()).unwrap();
    let declared = document.declared(0).unwrap();
    assert_eq!(declared.version.as_deref(), Some("1.0.0"));
    let scripts = declared.install_scripts();
    assert_eq!(scripts, [("install".into(), "node-gyp rebuild")]);
    let dependencies = declared.dependencies.unwrap();
    let told: Vec<String> = dependencies
        .iter()
        .map(|it| format!("{} {} {:?}", it.name, it.requirement, it.kind))
        .collect();
    assert_eq!(told, ["b ^1 Normal", "o 1 Optional"]);
    assert_eq!(declared.bundled.unwrap(), ["b"]);
    // Nothing is told of neither: that is what the archive must say as well.
    let plain = document.declared(1).unwrap();
    assert_eq!(plain.dependencies, Some(Vec::new()));
    assert!(plain.install_scripts().is_empty());
    assert_eq!(document.declared(2), None);
}
