//! `package.json`, and the version object of a packument, which is made from one.
//!
//! Publishing tools rewrite what they send beside the archive: `bin` as a text becomes an object,
//! optional dependencies are repeated among the others, bundled ones are added to them. Both sides
//! are read into the form that rewriting ends in.

use std::collections::{BTreeMap, BTreeSet};

use super::json::{self, Value};
use super::keeper::Keeper;
use super::{Dependency, Manifest};
use crate::facts::DependencyKind;

/// What installers run in the place of `install` where there is a `binding.gyp`.
pub const GYP_SCRIPT: &str = "node-gyp rebuild";

/// The members that are read.
const READ: [&str; 16] = [
    "name",
    "version",
    "dependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "scripts",
    "gypfile",
    "bin",
    "directories",
    "bundleDependencies",
    "bundledDependencies",
    "license",
    "licenses",
    "hasInstallScript",
    "workspaces",
];

/// A `package.json` as it was read.
#[derive(Debug)]
pub(super) struct PackageJson {
    pub(super) manifest: Manifest,
    /// What readers take differently.
    pub(super) odd: Vec<String>,
    pub(super) is_cut: bool,
}

/// What the version object of a packument says; `None` when it is no JSON object.
pub fn declared(version: &[u8]) -> Option<Manifest> {
    let mut document = json::read(version, &READ).ok()?;
    let has_gyp = match document.members.remove("gypfile") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(_) => true,
    };
    let read = read(document, has_gyp);
    Some(read.manifest)
}

/// Reads the `package.json` of an archive; `has_binding` says whether there is a `binding.gyp`
/// beside it.
///
/// # Errors
/// If it cannot be read at all; the text says why.
pub(super) fn found(bytes: &[u8], has_binding: bool) -> Result<PackageJson, String> {
    let document = json::read(bytes, &READ)?;
    let is_off = document.members.get("gypfile") == Some(&Value::Bool(false));
    Ok(read(document, has_binding && !is_off))
}

/// Name and version of a package inside another one's archive.
pub(super) fn identity(bytes: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(mut document) = json::read(bytes, &["name", "version"]) else {
        return (None, None);
    };
    let mut text = |key: &str| match document.members.remove(key) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    (text("name"), text("version"))
}

fn read(document: json::Document, has_gyp: bool) -> PackageJson {
    let mut reading = Reading {
        members: document.members,
        keeper: Keeper::new(),
        odd: document
            .twice
            .iter()
            .map(|key| format!("`{key}` stands twice"))
            .collect(),
    };
    let bundled = reading.bundled();
    let manifest = Manifest {
        name: reading.text("name"),
        version: reading.text("version"),
        dependencies: Some(reading.dependencies(&bundled)),
        scripts: Some(reading.scripts()),
        has_gyp: Some(has_gyp),
        bin: reading.bin(),
        license: reading.license(),
        bundled: Some(reading.keeper.sorted(bundled.iter())),
        ..Manifest::default()
    };
    PackageJson {
        manifest,
        odd: reading.odd,
        is_cut: reading.keeper.is_cut(),
    }
}

struct Reading {
    members: BTreeMap<String, Value>,
    keeper: Keeper,
    odd: Vec<String>,
}

impl Reading {
    fn text(&mut self, key: &str) -> Option<String> {
        let text = self.members.get(key)?.text()?;
        self.keeper.text(text)
    }

    fn license(&mut self) -> Option<String> {
        let given = self.members.get("license");
        let given = given.or_else(|| self.members.get("licenses")?.list()?.first())?;
        let text = given.text().or_else(|| given.object()?.get("type")?.text());
        self.keeper.text(text?)
    }

    /// An object of texts. What is neither that nor nothing is odd, because installers differ in
    /// what they make of it.
    fn map(&mut self, key: &str) -> BTreeMap<String, Value> {
        match self.members.remove(key) {
            Some(Value::Object(object)) => object,
            None | Some(Value::Null) => BTreeMap::new(),
            Some(Value::List(list)) if list.is_empty() => BTreeMap::new(),
            Some(Value::Text(text)) if text.is_empty() => BTreeMap::new(),
            Some(_) => {
                self.odd.push(format!("`{key}` is no object"));
                BTreeMap::new()
            }
        }
    }

    fn dependencies(&mut self, bundled: &BTreeSet<String>) -> Vec<Dependency> {
        let mut plain = self.map("dependencies");
        let optional = self.map("optionalDependencies");
        let peer = self.map("peerDependencies");
        // Whoever publishes repeats the optional ones among the others, or takes them out there.
        plain.retain(|name, _| !optional.contains_key(name));
        for name in bundled {
            if !optional.contains_key(name) && !plain.contains_key(name) {
                plain.insert(name.clone(), Value::Text("*".to_owned()));
            }
        }
        let meta = self.map("peerDependenciesMeta");
        let is_optional = |name: &String| {
            let told = meta.get(name).and_then(|it| it.object()?.get("optional"));
            told == Some(&Value::Bool(true))
        };
        let kinds = [
            (plain, DependencyKind::Normal),
            (optional, DependencyKind::Optional),
            (peer, DependencyKind::Peer),
        ];
        let mut list = Vec::new();
        for (map, kind) in kinds {
            for (name, specification) in map {
                let written = specification.text().unwrap_or_default().trim();
                let (Some(kept), Some(written)) =
                    (self.keeper.text(&name), self.keeper.text(written))
                else {
                    break;
                };
                list.push(Dependency {
                    is_optional: kind == DependencyKind::Peer && is_optional(&name),
                    ..Dependency::plain(kept, kind, written)
                });
            }
        }
        list.sort();
        list
    }

    fn scripts(&mut self) -> BTreeMap<String, String> {
        let mut scripts = BTreeMap::new();
        let all = self.map("scripts");
        // Those that run first: if there is no room for all, it is for these.
        let (at_install, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(name, _)| matches!(&**name, "preinstall" | "install" | "postinstall"));
        for (name, command) in at_install.into_iter().chain(others) {
            let Some(command) = command.text().map(str::trim).filter(|it| !it.is_empty()) else {
                continue;
            };
            let (Some(name), Some(command)) = (self.keeper.text(&name), self.keeper.text(command))
            else {
                break;
            };
            scripts.insert(name, command);
        }
        scripts
    }

    /// The dependencies the archive brings along. `true` stands for all of them.
    fn bundled(&mut self) -> BTreeSet<String> {
        let given = self.members.remove("bundleDependencies");
        let given = given.or_else(|| self.members.remove("bundledDependencies"));
        match given {
            Some(Value::List(list)) => {
                let names = list.iter().filter_map(Value::text);
                names.map(str::to_owned).collect()
            }
            Some(Value::Object(object)) => object.into_keys().collect(),
            Some(Value::Bool(true)) => {
                let names = ["dependencies", "optionalDependencies"].into_iter();
                let maps = names.filter_map(|key| self.members.get(key)?.object());
                maps.flat_map(BTreeMap::keys).cloned().collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// The programs; `None` where a folder of them is named instead, which is read at publishing.
    fn bin(&mut self) -> Option<BTreeMap<String, String>> {
        let name = self.members.get("name").and_then(Value::text);
        let own = program(name.unwrap_or_default());
        let pairs: Vec<(String, String)> = match self.members.remove("bin") {
            Some(Value::Text(path)) => vec![(own, path)],
            Some(Value::List(list)) => {
                let paths = list.iter().filter_map(Value::text);
                paths.map(|path| (program(path), path.to_owned())).collect()
            }
            Some(Value::Object(object)) => {
                let texts = object
                    .into_iter()
                    .filter_map(|(name, path)| Some((program(&name), path.text()?.to_owned())));
                texts.collect()
            }
            _ => {
                let folders = self.members.get("directories").and_then(Value::object);
                let folder = folders.and_then(|it| it.get("bin"));
                if folder.and_then(Value::text).is_some() {
                    return None;
                }
                Vec::new()
            }
        };
        let mut bin = BTreeMap::new();
        for (name, path) in pairs {
            let path = clean_path(&path);
            if name.is_empty() || path.is_empty() {
                continue;
            }
            let (Some(name), Some(path)) = (self.keeper.text(&name), self.keeper.text(&path))
            else {
                break;
            };
            bin.insert(name, path);
        }
        Some(bin)
    }
}

/// What a program is called: the last part, so that a scope does not make a folder.
fn program(name: &str) -> String {
    let parts = name.rsplit(['/', '\\', ':']);
    parts
        .map(str::trim)
        .find(|it| !it.is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// A path below the package's folder, without `.` and `..`.
fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\', ':']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A version as publishing writes it: `v1.0.0`, `=1.0.0`, `1.0.0+build` and spaces around are
/// 1.0.0.
pub(super) fn clean_version(version: &str) -> &str {
    let version = version.trim().trim_start_matches(['=', 'v', 'V', ' ']);
    version
        .split_once('+')
        .map_or(version, |(version, _)| version)
}
