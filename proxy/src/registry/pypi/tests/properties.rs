//! Properties over arbitrary documents.

use proptest::prelude::*;

use super::*;

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        proptest::sample::select(vec![
            "1.4",
            "foo",
            "foo-1.0.tar.gz",
            "foo-1.0-py3-none-any.whl",
            "https://x.example/foo-1.0.tar.gz",
            "2020-01-01T00:00:00Z",
            "quarantined",
        ])
        .prop_map(Value::from),
    ];
    let key = prop_oneof![
        "[a-z-]{1,8}",
        proptest::sample::select(vec![
            "meta",
            "api-version",
            "name",
            "files",
            "versions",
            "filename",
            "url",
            "hashes",
            "sha256",
            "yanked",
            "core-metadata",
            "provenance",
            "project-status",
            "status",
            "size",
            "info",
            "urls",
            "releases",
            "version",
            "upload-time",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .prop_map(|value| value.to_string())
}

/// A file of `foo` and whether it is hidden.
fn file() -> impl Strategy<Value = (Value, bool)> {
    let name = prop_oneof![
        ("[0-9]{1,2}\\.[0-9]{1,2}(rc[0-9])?", "(tar\\.gz|zip|egg)")
            .prop_map(|(version, ending)| format!("foo-{version}.{ending}")),
        ("[0-9]{1,2}\\.[0-9]{1,2}", "(cp3[0-9]|py3)")
            .prop_map(|(version, tag)| format!("foo-{version}-{tag}-none-any.whl")),
        "[ -~]{1,20}",
    ];
    let yanked = prop_oneof![
        Just(json!(false)),
        Just(json!(true)),
        "\\PC{0,20}".prop_map(Value::from)
    ];
    (name, "\\PC{0,16}", yanked, any::<bool>(), any::<bool>()).prop_map(
        |(name, requires, yanked, has_metadata, is_hidden)| {
            let segment = render::segment(&name).to_string();
            let digest = cordon_policy::model::Digest::of(name.as_bytes()).hex();
            let file = json!({
                "filename": name,
                "url": format!("https://files.example/p/{segment}"),
                "hashes": {"sha256": digest},
                "requires-python": requires,
                "yanked": yanked,
                "core-metadata": has_metadata,
                "_private": [name],
            });
            (file, is_hidden)
        },
    )
}

fn page(files: &[(Value, bool)]) -> String {
    let files: Vec<&Value> = files.iter().map(|(file, _)| file).collect();
    json!({"meta": {"api-version": "1.4"}, "name": "foo", "files": files}).to_string()
}

fn legacy(files: &[(Value, bool)]) -> String {
    json!({
        "info": {"name": "foo", "version": "1.0"},
        "urls": files.iter().map(|(file, _)| file).collect::<Vec<_>>(),
        "releases": {"1.0": files.iter().map(|(file, _)| file).collect::<Vec<_>>()},
    })
    .to_string()
}

fn every_rendering(
    document: &dyn Document,
    entry: impl Fn(&VersionFacts) -> Entry,
) -> Vec<Vec<u8>> {
    [FORM_JSON, FORM_HTML, FORM_LEGACY]
        .into_iter()
        .filter_map(|form| render_with(document, &View::plain(form), &entry).ok())
        .map(|rendered| rendered.body.to_vec())
        .collect()
}

proptest! {
    #[test]
    fn arbitrary_json_never_panics(page in json_text(), legacy in json_text(), content_type in 0..2_usize) {
        let content_type = [JSON_TYPE, "text/html"][content_type];
        let url = "https://registry.example/simple/foo/";
        let page = Fixture::upstream(url, content_type, page.as_bytes());
        let legacy = legacy_document("foo", &legacy);
        let _ = PyPi.read_catalog(&page).map(|catalog| catalog.entries().count());
        for documents in [vec![page.clone()], vec![page, legacy]] {
            if let Ok(document) = read("foo", &documents) {
                every_rendering(document.as_ref(), |_| Entry::Listed);
                every_rendering(document.as_ref(), |_| Entry::Demoted);
                summary(document.as_ref());
            }
        }
    }

    #[test]
    fn arbitrary_html_never_panics_and_both_forms_list_the_same(
        html in "(<(a|A|base|meta|/a|!--|script|p)( (href|name|content|data-yanked|data-core-metadata)=[\"']?[ -~é]{0,24}[\"']?){0,3}>?|foo-1\\.[0-9]\\.zip|[ -~]{0,8}){0,12}"
    ) {
        let document = html_page("foo", &html);
        let _ = PyPi.read_catalog(&document);
        if let Ok(document) = read("foo", &[document]) {
            let names = file_names(document.candidates());
            prop_assert_eq!(&listed(&all_of(document.as_ref(), FORM_JSON)), &names);
            prop_assert_eq!(&anchors(&all_of(document.as_ref(), FORM_HTML)), &names);
            summary(document.as_ref());
        }
    }

    #[test]
    fn json_and_html_list_the_same_files_and_read_back_the_same(
        files in proptest::collection::vec(file(), 0..12)
    ) {
        let document = read("foo", &[json_page("foo", &page(&files))]).unwrap();
        let names = file_names(document.candidates());
        let json = all_of(document.as_ref(), FORM_JSON);
        let html = all_of(document.as_ref(), FORM_HTML);
        prop_assert_eq!(&listed(&json), &names);
        prop_assert_eq!(&anchors(&html), &names);
        // Cordon behind Cordon: what one writes the other reads.
        for (content_type, body) in [(JSON_TYPE, json), ("text/html", html)] {
            let url = "http://cordon.example:4873/pypi/simple/foo/";
            let again = read("foo", &[Fixture::upstream(url, content_type, &body)]).unwrap();
            prop_assert_eq!(&file_names(again.candidates()), &names);
            for (before, after) in document.candidates().iter().zip(again.candidates()) {
                prop_assert_eq!(&before.declared, &after.declared);
                prop_assert_eq!(before.is_yanked.known().map(Option::is_some),
                    after.is_yanked.known().map(Option::is_some));
            }
        }
    }

    #[test]
    fn a_hidden_file_is_in_no_form(files in proptest::collection::vec(file(), 1..10)) {
        let documents = [json_page("foo", &page(&files)), legacy_document("foo", &legacy(&files))];
        let document = read("foo", &documents).unwrap();
        let is_hidden = |facts: &VersionFacts| {
            files.iter().any(|(file, is_hidden)| {
                *is_hidden && file["filename"] == facts.artifact.file.as_str()
            })
        };
        let bodies = every_rendering(document.as_ref(), |facts| {
            if is_hidden(facts) { Entry::Hidden } else { Entry::Listed }
        });
        for body in bodies {
            let text = String::from_utf8(body).unwrap();
            for facts in document.candidates().iter().filter(|facts| is_hidden(facts)) {
                let name = facts.artifact.file.as_str();
                let digest = facts.declared.known().unwrap().iter().next().unwrap().hex();
                prop_assert!(!text.contains(&digest), "{name} in {text}");
            }
        }
    }
}
