//! What versions change, as packuments tell it.

use cordon_policy::facts::{Change, DependencyKind, ExoticSource, Fact, Trust};
use serde_json::json;

use super::*;

fn change<'a>(document: &'a dyn Document, version: &str) -> &'a Change {
    let candidates = document.candidates();
    let facts = candidates
        .iter()
        .find(|facts| facts.subject().version.as_str() == version)
        .unwrap();
    match &facts.change {
        Fact::Known(change) => change,
        other => panic!("{version}: {other:?}"),
    }
}

/// A packument of versions with their times, each a manifest without name and version.
fn packument(versions: &[(&str, &str, Value)]) -> Box<dyn Document> {
    let mut document = json!({"name": "lure", "dist-tags": {}, "versions": {}, "time": {}});
    for (version, time, manifest) in versions {
        let mut manifest = manifest.clone();
        manifest["name"] = "lure".into();
        manifest["version"] = (*version).into();
        manifest["dist"]["tarball"] =
            format!("https://registry.example/lure/-/lure-{version}.tgz").into();
        document["versions"][*version] = manifest;
        document["time"][*version] = (*time).into();
    }
    read("lure", document.to_string().as_bytes()).unwrap()
}

#[test]
fn golden_changes_of_the_recorded_shape() {
    let document = read("widget", WIDGET).unwrap();
    let lines: Vec<String> = document
        .candidates()
        .iter()
        .map(|facts| {
            let (change, exotic, burst) = (&facts.change, &facts.exotic_dependencies, &facts.burst);
            format!("{}\n  {change:?}\n  {exotic:?} {burst:?}", facts.subject())
        })
        .collect();
    insta::assert_snapshot!("widget-changes", lines.join("\n"));
}

#[test]
fn a_takeover_that_adds_a_dependency_from_an_own_machine_shows_in_both_of_its_versions() {
    let honest = json!({
        "dependencies": {"follow": "^1", "form": "^4"},
        "_npmUser": {"name": "robot", "trustedPublisher": {"id": "actions"}},
        "dist": {"attestations": {"url": "https://registry.example/x"}, "unpackedSize": 2_000},
        "maintainers": [{"name": "ada"}],
    });
    let taken = json!({
        "dependencies": {"follow": "^1", "form": "^4", "plain-lure": "^4.2.1"},
        "_npmUser": {"name": "ada"},
        "dist": {"unpackedSize": 2_100},
        "maintainers": [{"name": "ada"}, {"name": "eve"}],
    });
    let document = packument(&[
        (
            "1.13.0",
            "2025-01-01T00:00:00Z",
            json!({"_npmUser": {"name": "ada"}}),
        ),
        ("1.14.0", "2026-01-01T00:00:00Z", honest),
        ("1.14.1", "2026-03-31T00:21:00Z", taken.clone()),
        ("1.14.2", "2026-03-31T00:40:00Z", taken),
    ]);
    for version in ["1.14.1", "1.14.2"] {
        let change = change(document.as_ref(), version);
        assert_eq!(change.since.as_str(), "1.14.0");
        let [added] = &change.added_dependencies[..] else {
            panic!("{change:?}");
        };
        assert_eq!(added.package.normalized(), "plain-lure");
        assert_eq!(
            (added.kind, &added.standing),
            (DependencyKind::Normal, &Fact::NotYet)
        );
        let lost = change.trust_lost.unwrap();
        assert_eq!(
            (lost.from, lost.to),
            (Trust::TrustedPublisher, Trust::Account)
        );
        assert_eq!(change.new_publisher, None, "ada published before");
        assert_eq!(change.new_maintainers, ["eve"]);
        assert_eq!(change.size_bytes, Some((2_000, 2_100)));
    }
}

#[test]
fn a_binding_file_without_any_script_is_code_at_install() {
    let document = packument(&[
        (
            "0.11.0",
            "2025-01-01T00:00:00Z",
            json!({"scripts": {"test": "x", "prepare": "y"}}),
        ),
        ("0.11.1", "2026-06-03T23:30:00Z", json!({"gypfile": true})),
        (
            "0.11.2",
            "2026-06-03T23:31:00Z",
            json!({"scripts": {"postinstall": "node x"}}),
        ),
    ]);
    assert_eq!(change(document.as_ref(), "0.11.1").added_hooks, ["gypfile"]);
    assert_eq!(
        change(document.as_ref(), "0.11.2").added_hooks,
        ["postinstall"]
    );
}

#[test]
fn dependencies_from_elsewhere_aliases_and_optional_ones_are_seen() {
    let document = packument(&[
        ("1.0.0", "2025-01-01T00:00:00Z", json!({})),
        (
            "1.0.1",
            "2025-01-02T00:00:00Z",
            json!({
                "dependencies": {"a": "npm:@real/a@^1", "b": "eve/b", "c": "1"},
                "optionalDependencies": {"c": "1", "d": "file:./d", "e": "*"},
                "peerDependencies": {"f": ">=1"},
                "devDependencies": {"never": "1"},
            }),
        ),
    ]);
    let change = change(document.as_ref(), "1.0.1");
    let added: Vec<_> = change
        .added_dependencies
        .iter()
        .map(|added| (added.package.normalized(), added.kind))
        .collect();
    assert_eq!(
        added,
        [
            ("@real/a", DependencyKind::Normal),
            ("c", DependencyKind::Normal),
            ("e", DependencyKind::Optional),
            ("f", DependencyKind::Peer),
        ]
    );
    let exotic: Vec<_> = change
        .added_exotic
        .iter()
        .map(|exotic| (exotic.name.as_str(), exotic.source))
        .collect();
    assert_eq!(
        exotic,
        [("b", ExoticSource::Git), ("d", ExoticSource::File)]
    );
    let facts = &document.candidates()[1];
    let known = facts.exotic_dependencies.known().unwrap();
    assert_eq!(**known, *change.added_exotic);
    assert_eq!(document.candidates()[0].exotic_dependencies, Fact::Absent);
}

#[test]
fn keys_that_are_compared_may_not_stand_twice() {
    let version = |manifest: &str| {
        format!(
            r#"{{"name":"lure","versions":{{"1.0.0":{{"dist":{{"tarball":"https://registry.example/lure/-/lure-1.0.0.tgz"}},{manifest}}}}}}}"#
        )
    };
    assert!(read("lure", version(r#""a":1"#).as_bytes()).is_ok());
    for twice in [
        r#""dependencies":{},"dependencies":{}"#,
        r#""maintainers":[],"maintainers":[]"#,
        r#""_npmUser":{"name":"a","name":"b"}"#,
        r#""_npmUser":{"trustedPublisher":{},"trustedPublisher":null}"#,
    ] {
        assert!(read("lure", version(twice).as_bytes()).is_err(), "{twice}");
    }
}

#[test]
fn a_key_that_is_no_version_lends_its_dependencies_to_nobody() {
    let text = r#"{"name":"lure","versions":{
        "1.0.0":{"dependencies":{"a":"1"}},
        "nonsense":{"dependencies":{"b":"eve/b","c":"1"},"maintainers":["eve"]},
        "1.0.1":{"dependencies":{"a":"1"}}
    },"time":{"1.0.0":"2025-01-01T00:00:00Z","1.0.1":"2025-01-02T00:00:00Z"}}"#;
    let document = read("lure", text.as_bytes()).unwrap();
    let change = change(document.as_ref(), "1.0.1");
    assert!(change.added_dependencies.is_empty() && change.added_exotic.is_empty());
}

#[test]
fn fields_of_the_wrong_type_do_not_hide_what_a_version_changes() {
    let honest = json!({"dependencies": {"follow": "^1"}});
    for (key, value) in [
        ("hasInstallScript", json!("true")),
        ("gypfile", json!("yes")),
    ] {
        let mut odd = honest.clone();
        odd[key] = value;
        let document = packument(&[
            ("1.0.0", "2025-01-01T00:00:00Z", honest.clone()),
            ("1.0.1", "2026-01-01T00:00:00Z", odd),
        ]);
        assert!(!change(&*document, "1.0.1").added_hooks.is_empty(), "{key}");
    }
    let document = packument(&[
        ("1.0.0", "2025-01-01T00:00:00Z", honest),
        (
            "1.0.1",
            "2026-01-01T00:00:00Z",
            json!({"dependencies": ["nosuch-a"]}),
        ),
    ]);
    let facts = &document.candidates()[1];
    assert!(matches!(facts.change, Fact::Unavailable(_)));
    assert!(matches!(facts.exotic_dependencies, Fact::Unavailable(_)));
}
