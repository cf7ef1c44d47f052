//! The npm registry: packuments, tarballs, keys, attestations, search.

use serde_json::{Map, Value, json};

use super::release::{Protocol, Release};
use super::server::{Answer, Request};
use super::signature;
use super::state::{Package, State, Stored, base_name, sha256_hex};
use super::{Origins, http_date};

/// Answers a path below `/npm/`, given decoded and without that prefix.
pub(super) fn answer(
    state: &State,
    origins: &Origins,
    path: &str,
    request: &Request,
) -> Option<Answer> {
    if let Some(rest) = path.strip_prefix("-/") {
        return auxiliary(state, rest, request);
    }
    if let Some((name, file)) = path.split_once("/-/") {
        let package = state.package(Protocol::Npm, name)?;
        let found = package
            .releases
            .iter()
            .flat_map(|stored| &stored.files)
            .find(|stored| stored.name == file)?;
        return Some(
            Answer::ok("application/octet-stream", found.bytes.clone())
                .header("ETag", format!("\"{}\"", sha256_hex(&found.bytes)))
                .header("Cache-Control", "public, immutable, max-age=31557600"),
        );
    }
    let package = state.package(Protocol::Npm, path)?;
    let body = packument(package, origins).to_string();
    Some(
        Answer::ok("application/json", body.clone())
            .header(
                "ETag",
                format!("\"{}\"", &sha256_hex(body.as_bytes())[..32]),
            )
            .header("Last-Modified", http_date(package.modified))
            .header("Cache-Control", "public, max-age=300")
            .header("Vary", "accept-encoding, accept"),
    )
}

/// The manifest as it stands in the tarball, and as the packument repeats it.
pub(super) fn package_json(release: &Release) -> Value {
    let mut manifest = json!({
        "name": release.name,
        "version": release.version,
        "description": "a test package",
        "license": "MIT",
        "main": "index.js",
    });
    if !release.dependencies.is_empty() {
        manifest["dependencies"] = pairs(&release.dependencies);
    }
    if !release.scripts.is_empty() {
        manifest["scripts"] = pairs(&release.scripts);
    }
    for (name, value) in &release.fields {
        manifest[name] = value.clone();
    }
    manifest
}

fn packument(package: &Package, origins: &Origins) -> Value {
    let mut versions = Map::new();
    let mut time = Map::new();
    let created = package.releases.iter().filter_map(|r| r.published_at).min();
    if let Some(created) = created {
        time.insert("created".to_owned(), milliseconds(created).into());
    }
    time.insert("modified".to_owned(), milliseconds(package.modified).into());
    for stored in &package.releases {
        let version = stored.release.version.clone();
        if let Some(instant) = stored.published_at {
            time.insert(version.clone(), milliseconds(instant).into());
        }
        versions.insert(version, manifest(package, stored, origins));
    }
    json!({
        "_id": package.name,
        "_rev": "1-0",
        "name": package.name,
        "dist-tags": package.tags,
        "versions": versions,
        "time": time,
        "maintainers": [{"name": "tester", "email": "tester@example.invalid"}],
        "description": "a test package",
        "readme": "# a test package",
        "readmeFilename": "README.md",
    })
}

fn manifest(package: &Package, stored: &Stored, origins: &Origins) -> Value {
    let mut manifest = package_json(&stored.release);
    let version = &stored.release.version;
    manifest["_id"] = format!("{}@{version}", package.name).into();
    manifest["maintainers"] = json!([{"name": "tester", "email": "tester@example.invalid"}]);
    if !stored.release.fields.contains_key("_npmUser") {
        manifest["_npmUser"] = json!({"name": "tester", "email": "tester@example.invalid"});
    }
    if let Some(message) = &stored.deprecated {
        manifest["deprecated"] = message.clone().into();
    }
    if let Some(file) = stored.files.first() {
        let mut dist = json!({
            "tarball": format!("{}npm/{}/-/{}", origins.main, package.name, file.name),
            "integrity": file.declared.sha512_sri,
            "shasum": file.declared.sha1,
            "fileCount": 2,
            "unpackedSize": file.declared.size,
            "signatures": [signature::of(&package.name, version, &file.declared.sha512_sri)],
        });
        if stored.release.has_provenance {
            dist["attestations"] = json!({
                "url": format!(
                    "{}npm/-/npm/v1/attestations/{}@{version}",
                    origins.main,
                    package.name.replace('/', "%2f")
                ),
                "provenance": {"predicateType": "https://slsa.dev/provenance/v1"},
            });
        }
        for (name, value) in stored.release.fields.get("dist").into_iter().flat_map(|v| {
            v.as_object()
                .into_iter()
                .flatten()
                .map(|(k, v)| (k.clone(), v.clone()))
        }) {
            dist[name] = value;
        }
        // Old versions lack members; null takes one away.
        if let Some(members) = dist.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        manifest["dist"] = dist;
    }
    manifest
}

fn auxiliary(state: &State, rest: &str, request: &Request) -> Option<Answer> {
    if rest == "ping" {
        return Some(Answer::ok("application/json", "{}"));
    }
    if rest == "npm/v1/keys" {
        let keys = signature::keys().to_string();
        return Some(Answer::ok("application/json", keys));
    }
    if let Some(spec) = rest.strip_prefix("npm/v1/attestations/") {
        let (name, version) = spec.rsplit_once('@')?;
        let stored = state.package(Protocol::Npm, name)?.stored(version)?;
        let body = json!({"attestations": [{
            "predicateType": "https://slsa.dev/provenance/v1",
            "bundle": {"subject": format!("{name}@{version}")},
        }]});
        return stored
            .release
            .has_provenance
            .then(|| Answer::ok("application/json", body.to_string()));
    }
    if rest == "v1/search" {
        let text = request.parameter("text").unwrap_or_default();
        return Some(search(state, &text));
    }
    if let Some(name) = rest
        .strip_prefix("package/")
        .and_then(|rest| rest.strip_suffix("/dist-tags"))
    {
        let tags = json!(state.package(Protocol::Npm, name)?.tags);
        return Some(Answer::ok("application/json", tags.to_string()));
    }
    None
}

fn search(state: &State, text: &str) -> Answer {
    let objects: Vec<Value> = state
        .packages
        .iter()
        .filter(|((protocol, name), _)| *protocol == Protocol::Npm && name.contains(text))
        .filter_map(|(_, package)| {
            let stored = package.releases.last()?;
            let scope = match package.name.split_once('/') {
                Some((scope, _)) => scope.trim_start_matches('@'),
                None => "unscoped",
            };
            Some(json!({
                "package": {
                    "name": package.name,
                    "scope": scope,
                    "version": stored.release.version,
                    "description": base_name(&package.name),
                    "date": stored.published_at.map(milliseconds),
                    "links": {},
                    "maintainers": [],
                },
                "score": {"final": 1, "detail": {"quality": 1, "popularity": 1, "maintenance": 1}},
                "searchScore": 1,
            }))
        })
        .collect();
    let body = json!({"total": objects.len(), "objects": objects, "time": "now"});
    Answer::ok("application/json", body.to_string())
}

fn pairs(list: &[(String, String)]) -> Value {
    list.iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect::<Map<_, _>>()
        .into()
}

/// npm's form of an instant: always three fractional digits.
fn milliseconds(instant: jiff::Timestamp) -> String {
    format!("{instant:.3}")
}
