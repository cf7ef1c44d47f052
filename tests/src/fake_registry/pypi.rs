//! PyPI: simple pages in JSON and HTML, the legacy JSON API, files with their siblings.

use serde_json::{Value, json};

use super::release::Protocol;
use super::server::{Answer, Request};
use super::state::{Package, State, Stored, StoredFile, path_name, sha256_hex};
use super::{Origins, http_date};

const JSON_TYPE: &str = "application/vnd.pypi.simple.v1+json";

/// Answers a path below `/pypi/`, given decoded and without that prefix.
pub(super) fn answer(
    state: &State,
    origins: &Origins,
    path: &str,
    request: &Request,
) -> Option<Answer> {
    if path == "simple/" {
        return Some(list(state, wants_json(request)));
    }
    if let Some(rest) = path.strip_prefix("simple/") {
        let name = rest.trim_end_matches('/');
        let normal = path_name(Protocol::Pypi, name);
        if normal != name || !rest.ends_with('/') {
            let location = format!("{}pypi/simple/{normal}/", origins.main);
            return Some(
                Answer::with_status(301, "text/plain", "moved\n").header("Location", location),
            );
        }
        let package = state.package(Protocol::Pypi, name)?;
        return Some(page(package, origins, wants_json(request)));
    }
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["pypi", name, "json"] => {
            let package = state.package(Protocol::Pypi, name)?;
            legacy(package, package.releases.last()?, origins)
        }
        ["pypi", name, version, "json"] => {
            let package = state.package(Protocol::Pypi, name)?;
            legacy(package, package.stored(version)?, origins)
        }
        ["integrity", name, version, file, "provenance"] => {
            let stored = state.package(Protocol::Pypi, name)?.stored(version)?;
            provenance(stored, file)
        }
        _ => None,
    }
}

/// Answers a path below `/packages/` on the files' origin: `{sha256}/{name}`, with `.metadata` and
/// `.provenance` siblings. Deleted files are gone with their releases.
pub(super) fn file(state: &State, path: &str) -> Option<Answer> {
    let name = path.rsplit('/').next()?;
    let (name, sibling) = match name.strip_suffix(".metadata") {
        Some(archive) => (archive, Some("metadata")),
        None => match name.strip_suffix(".provenance") {
            Some(archive) => (archive, Some("provenance")),
            None => (name, None),
        },
    };
    let (stored, file) = state
        .packages
        .iter()
        .filter(|((protocol, _), _)| *protocol == Protocol::Pypi)
        .flat_map(|(_, package)| &package.releases)
        .flat_map(|stored| stored.files.iter().map(move |file| (stored, file)))
        .find(|(_, file)| file.name == name)?;
    match sibling {
        Some("metadata") => {
            let bytes = file.metadata.clone()?;
            Some(Answer::ok("application/octet-stream", bytes))
        }
        Some(_) => provenance(stored, name),
        None => Some(
            Answer::ok("application/octet-stream", file.bytes.clone())
                .header("ETag", format!("\"{}\"", sha256_hex(&file.bytes)))
                .header("Cache-Control", "max-age=365000000, immutable, public"),
        ),
    }
}

fn wants_json(request: &Request) -> bool {
    // Enough for a fake: whoever can read JSON names it first.
    request
        .header("accept")
        .is_some_and(|accept| accept.contains("vnd.pypi.simple.v1+json"))
}

fn list(state: &State, is_json: bool) -> Answer {
    let names: Vec<&str> = state
        .packages
        .iter()
        .filter(|((protocol, _), _)| *protocol == Protocol::Pypi)
        .map(|(_, package)| package.name.as_str())
        .collect();
    if is_json {
        let projects: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        let body = json!({"meta": {"api-version": "1.4"}, "projects": projects});
        return Answer::ok(JSON_TYPE, body.to_string());
    }
    let anchors: String = names
        .iter()
        .map(|name| {
            let path = path_name(Protocol::Pypi, name);
            format!("<a href=\"/pypi/simple/{path}/\">{name}</a>\n")
        })
        .collect();
    Answer::ok(
        "text/html; charset=utf-8",
        format!("<!DOCTYPE html><html><body>\n{anchors}</body></html>\n"),
    )
}

fn page(package: &Package, origins: &Origins, is_json: bool) -> Answer {
    let body = if is_json {
        json_page(package, origins).to_string()
    } else {
        html_page(package, origins)
    };
    let content_type = if is_json {
        JSON_TYPE
    } else {
        "text/html; charset=utf-8"
    };
    Answer::ok(content_type, body.clone())
        .header(
            "ETag",
            format!("\"{}\"", &sha256_hex(body.as_bytes())[..32]),
        )
        .header("Last-Modified", http_date(package.modified))
        .header("Cache-Control", "max-age=600, public")
        .header("Vary", "Accept, Accept-Encoding")
        .header("X-PyPI-Last-Serial", "1")
}

fn json_page(package: &Package, origins: &Origins) -> Value {
    let versions: Vec<&str> = package
        .releases
        .iter()
        .map(|stored| stored.release.version.as_str())
        .collect();
    let mut files = Vec::new();
    for stored in &package.releases {
        for file in &stored.files {
            files.push(json_file(package, stored, file, origins));
        }
    }
    let mut page = json!({
        "meta": {"api-version": "1.4", "_last-serial": 1},
        "name": path_name(Protocol::Pypi, &package.name),
        "versions": versions,
        "files": files,
    });
    if let Some(status) = &package.status {
        page["project-status"] = json!({"status": status});
    }
    page
}

fn json_file(package: &Package, stored: &Stored, file: &StoredFile, origins: &Origins) -> Value {
    let mut entry = json!({
        "filename": file.name,
        "url": file_url(file, origins),
        "hashes": {"sha256": file.declared.sha256},
        "size": file.declared.size,
        "requires-python": stored.release.requires_python,
        "yanked": match &stored.yanked {
            Some(reason) if reason.is_empty() => json!(true),
            Some(reason) => json!(reason),
            None => json!(false),
        },
    });
    if let Some(instant) = stored.published_at {
        entry["upload-time"] = format!("{instant:.6}").into();
    }
    entry["core-metadata"] = match &file.metadata {
        Some(bytes) => json!({"sha256": sha256_hex(bytes)}),
        None => json!(false),
    };
    entry["data-dist-info-metadata"] = entry["core-metadata"].clone();
    if stored.release.has_provenance {
        entry["provenance"] = format!(
            "{}pypi/integrity/{}/{}/{}/provenance",
            origins.main,
            path_name(Protocol::Pypi, &package.name),
            stored.release.version,
            file.name
        )
        .into();
    }
    for (name, value) in &stored.release.fields {
        entry[name] = value.clone();
    }
    entry
}

fn html_page(package: &Package, origins: &Origins) -> String {
    let mut anchors = String::new();
    for stored in &package.releases {
        for file in &stored.files {
            let mut attributes = String::new();
            if let Some(specifier) = &stored.release.requires_python {
                attributes.push_str(&format!(
                    " data-requires-python=\"{}\"",
                    specifier.replace('<', "&lt;").replace('>', "&gt;")
                ));
            }
            if let Some(bytes) = &file.metadata {
                attributes.push_str(&format!(
                    " data-core-metadata=\"sha256={}\"",
                    sha256_hex(bytes)
                ));
            }
            if let Some(reason) = &stored.yanked {
                attributes.push_str(&format!(" data-yanked=\"{reason}\""));
            }
            anchors.push_str(&format!(
                "<a href=\"{}#sha256={}\"{attributes}>{}</a><br>\n",
                file_url(file, origins),
                file.declared.sha256,
                file.name
            ));
        }
    }
    format!(
        "<!DOCTYPE html><html><head><meta name=\"pypi:repository-version\" content=\"1.4\">\
         </head><body>\n{anchors}</body></html>\n"
    )
}

fn legacy(package: &Package, chosen: &Stored, origins: &Origins) -> Option<Answer> {
    let urls = |stored: &Stored| -> Vec<Value> {
        stored
            .files
            .iter()
            .map(|file| {
                json!({
                    "filename": file.name,
                    "url": file_url(file, origins),
                    "digests": {"sha256": file.declared.sha256},
                    "size": file.declared.size,
                    "packagetype": if file.name.ends_with(".whl") { "bdist_wheel" } else { "sdist" },
                    "requires_python": stored.release.requires_python,
                    "upload_time_iso_8601": stored.published_at.map(|at| format!("{at:.6}")),
                    "yanked": stored.yanked.is_some(),
                    "yanked_reason": stored.yanked,
                })
            })
            .collect()
    };
    let releases: serde_json::Map<String, Value> = package
        .releases
        .iter()
        .map(|stored| (stored.release.version.clone(), urls(stored).into()))
        .collect();
    let body = json!({
        "info": {
            "name": package.name,
            "version": chosen.release.version,
            "summary": "a test distribution",
            "requires_python": chosen.release.requires_python,
            "yanked": chosen.yanked.is_some(),
        },
        "last_serial": 1,
        "releases": releases,
        "urls": urls(chosen),
        "vulnerabilities": [],
    });
    Some(Answer::ok("application/json", body.to_string()))
}

fn provenance(stored: &Stored, file: &str) -> Option<Answer> {
    let found = stored.files.iter().find(|stored| stored.name == file)?;
    let body = json!({
        "version": 1,
        "attestation_bundles": [{
            "publisher": {"kind": "test"},
            "attestations": [{"version": 1, "subject": found.declared.sha256}],
        }],
    });
    stored
        .release
        .has_provenance
        .then(|| Answer::ok("application/vnd.pypi.integrity.v1+json", body.to_string()))
}

pub(super) fn file_url(file: &StoredFile, origins: &Origins) -> String {
    let digest = &file.declared.sha256;
    format!(
        "{}packages/{}/{}/{}/{}",
        origins.files,
        &digest[..2],
        &digest[2..4],
        &digest[4..],
        file.name
    )
}
