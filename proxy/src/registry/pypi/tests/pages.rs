//! Every view of every fixture, and what filtering does to it.

use super::*;

fn tide_table() -> Box<dyn Document> {
    read(
        "tide-table",
        &[
            json_page("tide-table", TIDE_TABLE),
            legacy_document("tide-table", TIDE_TABLE_LEGACY),
        ],
    )
    .unwrap()
}

fn pretty(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap();
    format!("{value:#}")
}

#[test]
fn golden_every_view_with_all_allowed_and_with_something_hidden() {
    for (name, hidden) in [
        ("tide-table", &["7.31.0", "7.33.0"][..]),
        ("harbour-light", &["5.61", "5.64"]),
        ("old-harbour", &["0.92", "0.96!x"]),
        ("reef", &[]),
    ] {
        let fixture = fixtures().into_iter().find(|f| f.package == name).unwrap();
        for view in &fixture.views {
            let document = fixture.read(&PyPi, view).unwrap();
            for (state, hidden) in [("all", &[][..]), ("some", hidden)] {
                let text = match without(document.as_ref(), view, hidden) {
                    Ok(body) if view.form.starts_with("simple-html") => {
                        String::from_utf8(body).unwrap()
                    }
                    Ok(body) => pretty(&body),
                    Err(error) => error.to_string(),
                };
                insta::assert_snapshot!(format!("{name}_{}_{state}", view.form), text);
            }
        }
    }
}

#[test]
fn golden_facts_and_sources_of_every_page() {
    for name in ["tide-table", "harbour-light", "old-harbour", "reef"] {
        let fixture = fixtures().into_iter().find(|f| f.package == name).unwrap();
        let document = fixture.read(&PyPi, &View::plain(FORM_JSON)).unwrap();
        insta::assert_snapshot!(
            format!("{name}_candidates"),
            format!("{:#}", summary(document.as_ref()))
        );
    }
}

#[test]
fn all_allowed_copies_file_objects_byte_for_byte_but_for_addresses() {
    let document = read("tide-table", &[json_page("tide-table", TIDE_TABLE)]).unwrap();
    let body = String::from_utf8(all_of(document.as_ref(), FORM_JSON)).unwrap();
    let base = links(&PyPi).base;
    let mut expected = TIDE_TABLE.trim_end().to_owned();
    let page: Value = serde_json::from_str(TIDE_TABLE).unwrap();
    for file in page["files"].as_array().unwrap() {
        let ours = format!(
            "{base}files/tide-table/{}",
            file["filename"].as_str().unwrap()
        );
        if let Some(provenance) = file["provenance"].as_str() {
            expected = expected.replace(provenance, &format!("{ours}.provenance"));
        }
        expected = expected.replace(file["url"].as_str().unwrap(), &ours);
    }
    assert_eq!(body, expected);
}

#[test]
fn conformance_054_057_every_form_has_its_type_and_varies() {
    let document = tide_table();
    for (form, content_type, vary) in [
        (FORM_JSON, JSON_TYPE, "Accept"),
        (FORM_HTML, "text/html", "Accept"),
        (
            FORM_HTML_V1,
            "application/vnd.pypi.simple.v1+html",
            "Accept",
        ),
        (FORM_LEGACY, "application/json", ""),
    ] {
        let view = View::plain(form);
        let rendered = render_with(document.as_ref(), &view, |_| Entry::Listed).unwrap();
        assert_eq!((rendered.content_type, rendered.vary), (content_type, vary));
    }
}

#[test]
fn conformance_060_to_064_both_forms_tell_of_the_same_files_at_our_addresses() {
    for fixture in fixtures() {
        let view = View::plain(FORM_JSON);
        if fixture.views.first() != Some(&view) {
            continue;
        }
        let document = fixture.read(&PyPi, &view).unwrap();
        let json = all_of(document.as_ref(), FORM_JSON);
        let html = all_of(document.as_ref(), FORM_HTML);
        assert_eq!(listed(&json), anchors(&html), "{}", fixture.name);
        let page: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(page["name"], fixture.package);
        assert!(
            page["meta"]["api-version"]
                .as_str()
                .unwrap()
                .starts_with("1.")
        );
        for file in page["files"].as_array().unwrap() {
            let url = file["url"].as_str().unwrap();
            let name = render::segment(file["filename"].as_str().unwrap());
            let base = format!("{}files/{}/", links(&PyPi).base, fixture.package);
            assert_eq!(url, format!("{base}{name}"));
        }
        for body in [json, html] {
            let text = String::from_utf8(body).unwrap();
            for host in [
                "files.example",
                "registry.example",
                "index.example",
                "cdn.example",
            ] {
                assert!(!text.contains(host), "{host} in {}", fixture.name);
            }
        }
    }
}

#[test]
fn conformance_065_081_a_hidden_version_is_in_no_form() {
    let document = tide_table();
    for form in [FORM_JSON, FORM_HTML, FORM_LEGACY] {
        let body = without(document.as_ref(), &View::plain(form), &["7.33.0"]).unwrap();
        let text = String::from_utf8(body).unwrap();
        assert!(!text.contains("7.33.0"), "{form}: {text}");
        assert!(text.contains("7.32.0"));
    }
}

#[test]
fn conformance_069_a_late_file_is_hidden_alone_and_its_version_stays() {
    let document = tide_table();
    let late = "tide_table-7.33.0-cp313-cp313-musllinux_1_2_x86_64.whl";
    for form in [FORM_JSON, FORM_HTML, FORM_LEGACY] {
        let rendered = render_with(document.as_ref(), &View::plain(form), |facts| {
            if facts.artifact.file.as_str() == late {
                Entry::Hidden
            } else {
                Entry::Listed
            }
        })
        .unwrap();
        let text = String::from_utf8(rendered.body.to_vec()).unwrap();
        assert!(!text.contains(late), "{form}");
        assert!(text.contains("7.33.0"), "{form}");
    }
}

#[test]
fn conformance_083_a_quarantined_project_has_no_files_and_keeps_its_status() {
    let document = read("reef", &[json_page("reef", REEF)]).unwrap();
    assert!(document.candidates().is_empty());
    let page: Value = serde_json::from_slice(&all_of(document.as_ref(), FORM_JSON)).unwrap();
    assert_eq!(page["files"], json!([]));
    assert_eq!(page["versions"], json!([]));
    assert_eq!(page["project-status"]["status"], "quarantined");
    let html = String::from_utf8(all_of(document.as_ref(), FORM_HTML)).unwrap();
    assert!(html.contains("content=\"quarantined\""));
}

#[test]
fn legacy_info_moves_to_the_newest_stable_release_that_is_shown() {
    let document = tide_table();
    let info = |hidden: &[&str]| {
        let view = View::plain(FORM_LEGACY);
        let body = without(document.as_ref(), &view, hidden).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    // Stable before pre-release, whatever is newest; not yanked before yanked.
    assert_eq!(info(&["7.33.0"])["info"]["version"], "7.32.0");
    assert_eq!(info(&["7.33.0", "7.32.0"])["info"]["version"], "7.31.0");
    assert_eq!(
        info(&["7.33.0", "7.32.0", "7.31.0"])["info"]["version"],
        "7.34.0rc2"
    );
    let yanked = info(&["7.33.0", "7.32.0", "7.31.0", "7.34.0rc2"]);
    assert_eq!(yanked["info"]["version"], "7.31.1");
    assert_eq!(yanked["info"]["yanked"], true);
    let repaired = info(&["7.33.0"]);
    assert_eq!(repaired["info"]["requires_dist"], Value::Null);
    assert_eq!(repaired["info"]["requires_python"], ">=3.7");
    assert_eq!(repaired["urls"], repaired["releases"]["7.32.0"]);
    assert_eq!(repaired.get("vulnerabilities"), None);
    let view = View::plain(FORM_LEGACY);
    let error = render_with(document.as_ref(), &view, |_| Entry::Hidden).unwrap_err();
    assert!(matches!(error, MetadataError::NotFound { .. }), "{error}");
}

#[test]
fn legacy_by_version_is_there_exactly_when_a_file_of_it_is_shown() {
    let document = read(
        "tide-table",
        &[
            json_page("tide-table", TIDE_TABLE),
            legacy_document("tide-table/7.32.0", TIDE_TABLE_7_32_0),
        ],
    )
    .unwrap();
    let view = |version: &str| View {
        form: FORM_LEGACY_VERSION,
        argument: Some(version.into()),
    };
    assert!(without(document.as_ref(), &view("7.32.0"), &["7.33.0"]).is_ok());
    assert!(without(document.as_ref(), &view("7.32"), &[]).is_ok());
    let error = without(document.as_ref(), &view("7.32.0"), &["7.32.0"]).unwrap_err();
    assert!(matches!(error, MetadataError::NotFound { .. }), "{error}");
    let error = without(document.as_ref(), &view("7.31.0"), &[]).unwrap_err();
    assert!(matches!(error, MetadataError::Malformed { .. }), "{error}");
}

#[test]
fn a_blocked_file_is_listed_as_yanked_and_nothing_tells_what_its_bytes_are() {
    let document = tide_table();
    let is_blocked = |facts: &VersionFacts| facts.subject().version.as_str() == "7.32.0";
    let render = |form| {
        let rendered = render_with(
            document.as_ref(),
            &View::plain(form),
            |facts| match is_blocked(facts) {
                true => Entry::Demoted,
                false => Entry::Listed,
            },
        )
        .unwrap();
        String::from_utf8(rendered.body.to_vec()).unwrap()
    };
    for form in [FORM_JSON, FORM_HTML] {
        // Wheel and sdist of the one version.
        assert_eq!(render(form).matches(render::DEMOTED).count(), 2, "{form}");
    }
    for form in [FORM_JSON, FORM_HTML, FORM_LEGACY] {
        let text = render(form);
        for facts in document.candidates().iter().filter(|f| is_blocked(f)) {
            let name = facts.artifact.file.as_str();
            assert_eq!(text.contains(name), form != FORM_LEGACY, "{form}");
            for digest in facts
                .declared
                .known()
                .into_iter()
                .flat_map(|all| all.iter())
            {
                assert!(!text.contains(&digest.hex()), "{form}");
            }
        }
    }
    let value: Value = serde_json::from_str(&render(FORM_JSON)).unwrap();
    let files = value["files"].as_array().unwrap();
    let blocked: Vec<&Value> = files
        .iter()
        .filter(|file| file["yanked"] == render::DEMOTED)
        .collect();
    assert_eq!(blocked.len(), 2);
    for file in blocked {
        assert_eq!(file["hashes"], serde_json::json!({}));
        assert!(file.get("size").is_none() && file.get("core-metadata").is_none());
        assert!(file["upload-time"].is_string());
    }
}

#[test]
fn project_lists_are_filtered_by_name_in_both_forms() {
    for (content_type, text) in [
        (JSON_TYPE, include_str!("../fixtures/projects.json")),
        ("text/html", include_str!("../fixtures/projects.html")),
    ] {
        let url = "https://registry.example/simple/";
        let document = Fixture::upstream(url, content_type, text.as_bytes());
        let catalog = PyPi.read_catalog(&document).unwrap();
        let names: Vec<String> = catalog
            .entries()
            .map(|facts| facts.subject().name.normalized().to_owned())
            .collect();
        assert_eq!(names, ["tide-table", "harbour-light", "reef"]);
        let keep = [true, false, true];
        for form in [CATALOG_JSON, CATALOG_HTML] {
            let view = View::plain(form);
            let rendered = catalog.render(&keep, &view, &links(&PyPi)).unwrap();
            let text = String::from_utf8(rendered.body.to_vec()).unwrap();
            assert!(!text.contains("harbour"), "{text}");
            let name = format!(
                "projects_from_{}_{form}",
                content_type.rsplit(['+', '/']).next().unwrap()
            );
            insta::assert_snapshot!(name, text);
        }
        let short = catalog
            .render(&[], &View::plain(CATALOG_JSON), &links(&PyPi))
            .unwrap();
        assert!(
            !String::from_utf8(short.body.to_vec())
                .unwrap()
                .contains("name")
        );
    }
}
