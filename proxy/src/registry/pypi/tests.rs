//! The adapter on recorded shapes of documents.

mod changes;
mod hostile;
mod pages;
mod properties;
mod refusals;

use std::collections::BTreeMap;

use cordon_policy::facts::VersionFacts;
use cordon_policy::model::PackageName;
use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};
use serde_json::{Value, json};

use super::*;
use crate::registry::conformance::{Fixture, Suite, links, registry_conformance};
use crate::registry::{DenialScope, Entry, Listing, Rendered};

const JSON_TYPE: &str = "application/vnd.pypi.simple.v1+json";
const PAGE_FORMS: [&str; 3] = [FORM_JSON, FORM_HTML, FORM_HTML_V1];

registry_conformance!(suite());

fn suite() -> Suite {
    Suite {
        registry: &PyPi,
        names: vec![
            "requests",
            "Foo.Bar_baz",
            "A",
            "ruamel.yaml.clib",
            "zope-.-x",
        ],
        versions: vec![
            "1.0",
            "1.0.0",
            "1!0.1",
            "1.0rc1",
            "1.0.post1",
            "1.0.dev3",
            "1.0+local.2",
            "2004b",
            "0.1-dev-r3",
            "",
            "master",
            "1.0-1",
        ],
        fixtures: fixtures(),
        metadata_path: |package| format!("simple/{}/", package.normalized()),
        artifact_path: |facts| {
            format!(
                "files/{}/{}",
                facts.subject().name.normalized(),
                render::segment(facts.artifact.file.as_str())
            )
        },
        compare,
        clients: CLIENTS
            .iter()
            .map(|(agent, accept)| client(agent, accept))
            .collect(),
        check_denial: refusals::check,
    }
}

/// User agents and what they accept for a page.
const CLIENTS: [(&str, &str); 4] = [
    (
        "pip/26.3 {\"ci\":null}",
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, \
         text/html; q=0.01",
    ),
    (
        "uv/0.13.9 {}",
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, \
         text/html;q=0.01",
    ),
    (
        "poetry/2.5.1 CPython/3.11.7 Linux/6",
        "application/vnd.pypi.simple.v1+json, */*;q=0.1",
    ),
    ("pdm/2.25.9 CPython/3.11", "*/*"),
];

fn client(agent: &str, accept: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, agent.parse().unwrap());
    headers.insert(ACCEPT, accept.parse().unwrap());
    headers
}

fn json_page(name: &str, text: &str) -> UpstreamDocument {
    let url = format!("https://registry.example/simple/{name}/");
    Fixture::upstream(&url, JSON_TYPE, text.as_bytes())
}

fn legacy_document(path: &str, text: &str) -> UpstreamDocument {
    let url = format!("https://registry.example/pypi/{path}/json");
    Fixture::upstream(&url, "application/json", text.as_bytes())
}

fn html_page(name: &str, text: &str) -> UpstreamDocument {
    let url = format!("https://index.example/team/simple/{name}/");
    Fixture::upstream(&url, "text/html", text.as_bytes())
}

const TIDE_TABLE: &str = include_str!("fixtures/tide-table.json");
const TIDE_TABLE_LEGACY: &str = include_str!("fixtures/tide-table.legacy.json");
const TIDE_TABLE_7_32_0: &str = include_str!("fixtures/tide-table.7.32.0.legacy.json");
const HARBOUR_LIGHT: &str = include_str!("fixtures/harbour-light.html");
const OLD_HARBOUR: &str = include_str!("fixtures/old-harbour.json");
const REEF: &str = include_str!("fixtures/reef.json");

fn fixtures() -> Vec<Fixture> {
    let page_views = || PAGE_FORMS.map(View::plain).to_vec();
    let by_version = View {
        form: FORM_LEGACY_VERSION,
        argument: Some("7.32.0".into()),
    };
    vec![
        Fixture {
            name: "current page with metadata, provenance, status, and its legacy document",
            package: "tide-table",
            documents: vec![
                ("simple", json_page("tide-table", TIDE_TABLE)),
                (
                    FORM_LEGACY,
                    legacy_document("tide-table", TIDE_TABLE_LEGACY),
                ),
            ],
            views: [page_views(), vec![View::plain(FORM_LEGACY)]].concat(),
            has_unmistakable_versions: true,
        },
        Fixture {
            name: "legacy document of one version, whose advisories name others",
            package: "tide-table",
            documents: vec![
                ("simple", json_page("tide-table", TIDE_TABLE)),
                (
                    FORM_LEGACY_VERSION,
                    legacy_document("tide-table/7.32.0", TIDE_TABLE_7_32_0),
                ),
            ],
            views: vec![by_version],
            has_unmistakable_versions: false,
        },
        Fixture {
            name: "private index in HTML with relative links and a base",
            package: "harbour-light",
            documents: vec![("simple", html_page("harbour-light", HARBOUR_LIGHT))],
            views: [page_views(), vec![View::plain(FORM_LEGACY)]].concat(),
            has_unmistakable_versions: true,
        },
        Fixture {
            name: "names and versions of another age",
            package: "old-harbour",
            documents: vec![("simple", json_page("old-harbour", OLD_HARBOUR))],
            views: page_views(),
            has_unmistakable_versions: true,
        },
        Fixture {
            name: "quarantined project",
            package: "reef",
            documents: vec![("simple", json_page("reef", REEF))],
            views: page_views(),
            has_unmistakable_versions: true,
        },
    ]
}

/// With all allowed, JSON is upstream's but for addresses (and files that cannot be served); HTML
/// lists the files of the JSON.
fn compare(fixture: &Fixture, view: &View, rendered: &Rendered) -> Result<(), String> {
    let upstream = |kind: &str| -> Option<Value> {
        let (_, document) = fixture.documents.iter().find(|(found, _)| *found == kind)?;
        serde_json::from_slice(&document.bytes).ok()
    };
    let actual: Option<Value> = serde_json::from_slice(&rendered.body).ok();
    let (mut expected, actual) = match (view.form, upstream("simple"), actual) {
        (FORM_JSON, Some(expected), Some(actual)) => (expected, actual),
        (FORM_LEGACY | FORM_LEGACY_VERSION, _, Some(actual)) => {
            let expected = upstream(view.form).ok_or("upstream has no such document")?;
            (expected, actual)
        }
        (FORM_HTML | FORM_HTML_V1, ..) => {
            let document = fixture
                .read(&PyPi, view)
                .map_err(|error| error.to_string())?;
            let names = file_names(document.candidates());
            let listed = anchors(&rendered.body);
            return (names == listed)
                .then_some(())
                .ok_or(format!("{names:?} became {listed:?}"));
        }
        // Upstream has HTML only.
        (FORM_JSON, None, Some(_)) => return Ok(()),
        (form, ..) => return Err(format!("{form} is no JSON")),
    };
    // Its name holds a space, and the names of two others begin with another project's.
    let unserved = |file: &Value| {
        let name = file["filename"].as_str().unwrap_or_default();
        name.contains(' ') || name.starts_with("older") || name.contains("master")
    };
    if view.form == FORM_JSON {
        let is_quarantined = expected["project-status"]["status"] == "quarantined";
        let files = expected["files"].as_array_mut().ok_or("no files")?;
        let count = files.len();
        files.retain(|file| !unserved(file) && !is_quarantined);
        if files.len() < count {
            let versions = expected["versions"].as_array_mut().ok_or("no versions")?;
            versions.retain(|version| *version != "0.97" && !is_quarantined);
        }
    }
    relink(&mut expected, fixture.package);
    if expected == actual {
        Ok(())
    } else {
        Err(format!("{expected:#}\nbecame\n{actual:#}"))
    }
}

/// Puts our addresses in the place of upstream's.
fn relink(value: &mut Value, package: &str) {
    let base = links(&PyPi).base;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| relink(item, package)),
        Value::Object(members) => {
            let name = members
                .get("filename")
                .and_then(Value::as_str)
                .map(|name| format!("{base}files/{package}/{}", render::segment(name)));
            let version = members
                .get("version")
                .and_then(Value::as_str)
                .map(str::to_owned);
            for (key, value) in members.iter_mut() {
                match (key.as_str(), &name, &version) {
                    ("url", Some(url), _) => *value = json!(url),
                    ("provenance", Some(url), _) if value.is_string() => {
                        *value = json!(format!("{url}.provenance"));
                    }
                    ("package_url" | "project_url", ..) => {
                        *value = json!(format!("{base}simple/{package}/"));
                    }
                    ("release_url", _, Some(version)) => {
                        *value = json!(format!("{base}pypi/{package}/{version}/json"));
                    }
                    _ => relink(value, package),
                }
            }
        }
        _ => {}
    }
}

fn file_names(candidates: &[VersionFacts]) -> Vec<String> {
    candidates
        .iter()
        .map(|facts| facts.artifact.file.to_string())
        .collect()
}

/// The file names an HTML page of ours links to.
fn anchors(html: &[u8]) -> Vec<String> {
    read_html::tags(std::str::from_utf8(html).unwrap())
        .filter(|tag| tag.name == read_html::TagName::Anchor)
        .map(|tag| {
            let url = Url::parse(tag.get("href").unwrap()).unwrap();
            let segment = url.path().rsplit('/').next().unwrap();
            percent_encoding::percent_decode_str(segment)
                .decode_utf8()
                .unwrap()
                .into_owned()
        })
        .collect()
}

/// The files a JSON page of ours lists.
fn listed(json: &[u8]) -> Vec<String> {
    let page: Value = serde_json::from_slice(json).unwrap();
    page["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["filename"].as_str().unwrap().to_owned())
        .collect()
}

fn package(name: &str) -> PackageName {
    SCHEME.package(name).unwrap()
}

fn read(name: &str, documents: &[UpstreamDocument]) -> Result<Box<dyn Document>, MetadataError> {
    let documents: Vec<_> = documents.iter().cloned().map(Some).collect();
    PyPi.read(&package(name), &documents)
}

fn render_with(
    document: &dyn Document,
    view: &View,
    entry: impl Fn(&VersionFacts) -> Entry,
) -> Result<Rendered, MetadataError> {
    let entries: Vec<Entry> = document.candidates().iter().map(entry).collect();
    document.render(&Listing { entries: &entries }, view, &links(&PyPi))
}

fn all_of(document: &dyn Document, form: &'static str) -> Vec<u8> {
    render_with(document, &View::plain(form), |_| Entry::Listed)
        .unwrap()
        .body
        .to_vec()
}

/// Renders with the files of some versions hidden.
fn without(
    document: &dyn Document,
    view: &View,
    hidden: &[&str],
) -> Result<Vec<u8>, MetadataError> {
    render_with(document, view, |facts| {
        if hidden.contains(&facts.subject().version.as_str()) {
            Entry::Hidden
        } else {
            Entry::Listed
        }
    })
    .map(|rendered| rendered.body.to_vec())
}

/// What there is to see of candidates, for goldens.
fn summary(document: &dyn Document) -> Value {
    let first = document.candidates().first();
    let files: Vec<Value> = document
        .candidates()
        .iter()
        .enumerate()
        .map(|(index, facts)| {
            let derived = |kind| match document.locate_derived(index, kind) {
                None => json!(null),
                Some(Ok(source)) => json!(source.url.as_str()),
                Some(Err(error)) => json!(error.to_string()),
            };
            json!({
                "file": facts.artifact.to_string(),
                "url": document.locate(index).unwrap().url.as_str(),
                "published": facts.published_at,
                "declared": facts.declared,
                "size": facts.size_bytes,
                "yanked": facts.is_yanked,
                "metadata": derived(cordon_policy::model::ArtifactKind::CoreMetadata),
                "provenance": derived(cordon_policy::model::ArtifactKind::Provenance),
            })
        })
        .collect();
    let package = first.map(|facts| {
        let package: BTreeMap<&str, Value> = BTreeMap::from([
            ("first_published", json!(facts.package.first_published_at)),
            ("status", json!(facts.package.status)),
            ("deprecated", json!(facts.deprecated)),
        ]);
        package
    });
    json!({"package": package, "files": files})
}
