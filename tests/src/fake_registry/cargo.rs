//! The sparse crate index, its `config.json`, crate files, and the search of the web API.

use serde_json::{Value, json};

use super::release::Protocol;
use super::server::{Answer, Request};
use super::state::{Package, State, Stored, sha256_hex};
use super::{Origins, http_date};

/// Answers a path below `/cargo/`, given decoded and without that prefix.
pub(super) fn answer(
    state: &State,
    origins: &Origins,
    path: &str,
    request: &Request,
) -> Option<Answer> {
    if path == "config.json" {
        let dl = state.cargo_dl.clone().unwrap_or_else(|| {
            format!(
                "{}crates/{{crate}}/{{crate}}-{{version}}.crate",
                origins.files
            )
        });
        let config = json!({"dl": dl, "api": format!("{}cargo", origins.main)});
        return Some(Answer::ok("application/json", config.to_string()));
    }
    if path == "api/v1/crates" {
        return Some(search(state, &request.parameter("q").unwrap_or_default()));
    }
    let name = path.rsplit('/').next()?;
    if path != index_path(name) {
        return None;
    }
    let package = state.package(Protocol::Cargo, name)?;
    let body: String = package
        .releases
        .iter()
        .map(|stored| index_line(package, stored) + "\n")
        .collect();
    Some(
        Answer::ok("text/plain", body.clone())
            .header(
                "ETag",
                format!("\"{}\"", &sha256_hex(body.as_bytes())[..32]),
            )
            .header("Last-Modified", http_date(package.modified))
            .header("Cache-Control", "public,max-age=600"),
    )
}

/// Answers a path below `/crates/` on the files' origin; also the marker-less form
/// `{name}/{version}/download`.
pub(super) fn file(state: &State, path: &str) -> Option<Answer> {
    let parts: Vec<&str> = path.split('/').collect();
    let found = match parts.as_slice() {
        [name, file] => state
            .package(Protocol::Cargo, name)?
            .releases
            .iter()
            .flat_map(|stored| &stored.files)
            .find(|stored| stored.name == *file)?,
        [name, version, "download"] => state
            .package(Protocol::Cargo, name)?
            .stored(version)?
            .files
            .first()?,
        _ => return None,
    };
    Some(
        Answer::ok("application/gzip", found.bytes.clone())
            .header("ETag", format!("\"{}\"", sha256_hex(&found.bytes)))
            .header("Cache-Control", "public,max-age=31536000,immutable"),
    )
}

/// Where a crate's index file is, for a name in lower case.
pub fn index_path(name: &str) -> String {
    match name.len() {
        1 => format!("1/{name}"),
        2 => format!("2/{name}"),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

fn index_line(package: &Package, stored: &Stored) -> String {
    let release = &stored.release;
    let dependencies: Vec<Value> = release
        .dependencies
        .iter()
        .map(|(name, requirement)| {
            json!({
                "name": name, "req": requirement, "features": [], "optional": false,
                "default_features": true, "target": null, "kind": "normal",
            })
        })
        .collect();
    let checksum = stored
        .files
        .first()
        .map(|file| file.declared.sha256.clone());
    let mut line = json!({
        "name": package.name,
        "vers": release.version,
        "deps": dependencies,
        "cksum": checksum,
        "features": {},
        "yanked": stored.yanked.is_some(),
    });
    if let Some(instant) = stored.published_at {
        line["pubtime"] = format!("{instant:.0}").into();
    }
    for (name, value) in &release.fields {
        line[name] = value.clone();
    }
    line.to_string()
}

fn search(state: &State, text: &str) -> Answer {
    let found: Vec<Value> = state
        .packages
        .iter()
        .filter(|((protocol, name), _)| *protocol == Protocol::Cargo && name.contains(text))
        .filter_map(|(_, package)| {
            let stored = package.releases.last()?;
            Some(json!({
                "name": package.name,
                "max_version": stored.release.version,
                "description": "a test crate",
            }))
        })
        .collect();
    let body = json!({"meta": {"total": found.len()}, "crates": found});
    Answer::ok("application/json", body.to_string())
}
