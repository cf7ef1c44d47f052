//! The adapter against recorded shapes and hostile ones.

mod changes;
mod documents;
mod hostile;
mod routes;
mod search;

use cordon_policy::facts::VersionFacts;
use cordon_policy::model::PackageName;
use http::HeaderMap;
use serde_json::Value;

use super::{Npm, forms, upstream_path};
use crate::registry::conformance::{Fixture, Suite, links, registry_conformance};
use crate::registry::{
    DenialBody, DenialScope, Document, Entry, Listing, MetadataError, Registry, Rendered,
    UpstreamDocument, View,
};

const WIDGET: &[u8] = include_bytes!("../fixtures/widget.json");
const SCOPED: &[u8] = include_bytes!("../fixtures/scoped.json");
const HOSTILE: &[u8] = include_bytes!("../fixtures/hostile.json");
const UNPUBLISHED: &[u8] = include_bytes!("../fixtures/unpublished.json");

registry_conformance!(suite());

fn suite() -> Suite {
    Suite {
        registry: &Npm,
        names: vec![
            "left-pad",
            "JSONStream",
            "jsonstream",
            "@acme/widget",
            "a.b_c~d",
        ],
        versions: vec![
            "0.0.0",
            "1.0.0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0beta",
            "1.0.0+build",
            "2.10.0",
            "2.9.0",
            "1.0",
            "nonsense",
            "",
            "v1.0.0",
            "10000000000000000000.0.0",
        ],
        fixtures: vec![
            fixture("widget", "widget", WIDGET),
            fixture("scoped", "@acme/widget", SCOPED),
            fixture("hostile", "trap", HOSTILE),
            fixture("unpublished", "gone", UNPUBLISHED),
        ],
        metadata_path,
        artifact_path,
        compare,
        clients: ["npm/11.19.1", "pnpm/12.21.0", "Bun/1.4.5", "Deno/2.9.6"]
            .into_iter()
            .map(|agent| {
                let mut headers = HeaderMap::new();
                headers.insert(http::header::USER_AGENT, agent.parse().unwrap());
                headers
            })
            .collect(),
        check_denial,
    }
}

fn fixture(name: &'static str, package: &'static str, bytes: &[u8]) -> Fixture {
    Fixture {
        name,
        package,
        documents: vec![("packument", upstream(package, bytes))],
        views: views(),
        has_unmistakable_versions: name != "hostile",
    }
}

fn views() -> Vec<View> {
    let version = |argument: &str| View {
        form: forms::VERSION,
        argument: Some(argument.into()),
    };
    vec![
        View::plain(forms::PACKUMENT),
        View::plain(forms::ABBREVIATED),
        View::plain(forms::DIST_TAGS),
        version("latest"),
        version("2.0.0"),
    ]
}

fn metadata_path(package: &PackageName) -> String {
    upstream_path(package)
}

fn artifact_path(facts: &VersionFacts) -> String {
    let name = facts.subject().name.as_published();
    format!("{name}/-/{}", facts.artifact.file)
}

/// As upstream sends it; the scoped package comes from a registry below a path.
fn upstream(package: &str, bytes: &[u8]) -> UpstreamDocument {
    let base = match package.starts_with('@') {
        true => "https://registry.example/npm/",
        false => "https://registry.example/",
    };
    let url = format!("{base}{}", package.replace('/', "%2f"));
    Fixture::upstream(&url, "application/json", bytes)
}

/// Everything but addresses, `_attachments`, dangling tags and unfit versions is upstream's.
fn compare(fixture: &Fixture, view: &View, rendered: &Rendered) -> Result<(), String> {
    let ours: Value = serde_json::from_slice(&rendered.body).map_err(|error| error.to_string())?;
    let mut theirs: Value = serde_json::from_slice(&fixture.documents[0].1.bytes).unwrap();
    let versions = ours["versions"].as_object().cloned().unwrap_or_default();
    if view.form != forms::PACKUMENT {
        return Ok(());
    }
    theirs.as_object_mut().unwrap().remove("_attachments");
    for field in ["versions", "time", "dist-tags"] {
        let unfit = |key: &str, value: &Value| match field {
            "versions" => fixture.name == "hostile" && !versions.contains_key(key),
            "time" => fixture.name == "hostile" && ours["time"].get(key).is_none(),
            _ => !versions.contains_key(value.as_str().unwrap_or_default()),
        };
        if let Some(members) = theirs[field].as_object_mut() {
            members.retain(|key, value| !unfit(key, value));
        }
    }
    let (ours, theirs) = (without_addresses(ours), without_addresses(theirs));
    match ours == theirs {
        true => Ok(()),
        false => Err(format!("{ours:#}\nis not\n{theirs:#}")),
    }
}

fn without_addresses(value: Value) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text;
            for base in [
                "http://cordon.example:4873/npm",
                "https://registry.example/npm",
                "https://registry.example",
                "https://files.example",
                "http://127.0.0.1:1",
            ] {
                text = text.replace(base, "");
            }
            Value::String(text)
        }
        Value::Array(items) => items.into_iter().map(without_addresses).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| match key.as_str() {
                "tarball" => (key, Value::Null),
                _ => (key, without_addresses(value)),
            })
            .collect(),
        other => other,
    }
}

fn check_denial(_: DenialScope, client: &HeaderMap, body: &DenialBody) -> Result<(), String> {
    let is_bun = client
        .get("user-agent")
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Bun/"));
    if is_bun {
        // It shows the last address and nothing else.
        let address = body.headers.iter().find(|(name, _)| name == "location");
        let address = address.and_then(|(_, value)| value.to_str().ok());
        let is_telling = body.status == 307
            && address.is_some_and(|address| {
                address.starts_with("http://cordon.example:4873/why/")
                    && address.contains("by-Cordon.minimum-age-too-young.")
                    && address.ends_with(".nearest-allowed-1.2.2")
            });
        return match is_telling {
            true => Ok(()),
            false => Err("not what bun shows".to_owned()),
        };
    }
    let parsed: Value = serde_json::from_slice(&body.body).map_err(|error| error.to_string())?;
    let error = parsed["error"].as_str().ok_or("`error` is no string")?;
    let is_sound = body.status == 403
        && body.content_type == "application/json"
        && error.contains("http://cordon.example:4873/why/")
        && error.contains("nearest allowed 1.2.2")
        && !body.body.contains(&b'\n')
        && body.phrase.as_deref().is_some_and(|p| p.contains("/why/"))
        && body.headers.iter().any(|(name, _)| name == "npm-notice");
    match is_sound {
        true => Ok(()),
        false => Err("not what npm's clients show".to_owned()),
    }
}

fn read(package: &str, bytes: &[u8]) -> Result<Box<dyn Document>, MetadataError> {
    let name = Npm.scheme().package(package).unwrap();
    Npm.read(&name, &[Some(upstream(package, bytes))])
}

/// Renders with the versions for which `is_listed` holds.
fn render(
    document: &dyn Document,
    view: &View,
    is_listed: impl Fn(&str) -> bool,
) -> Result<Rendered, MetadataError> {
    let entries: Vec<Entry> = document
        .candidates()
        .iter()
        .map(|facts| match is_listed(facts.subject().version.as_str()) {
            true => Entry::Listed,
            false => Entry::Hidden,
        })
        .collect();
    document.render(&Listing { entries: &entries }, view, &links(&Npm))
}

fn render_json(document: &dyn Document, form: &'static str, hidden: &[&str]) -> Value {
    let view = View::plain(form);
    let rendered = render(document, &view, |version| !hidden.contains(&version)).unwrap();
    serde_json::from_slice(&rendered.body).unwrap()
}
