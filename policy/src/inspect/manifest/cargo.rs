//! `Cargo.toml`, and the line of the index that is made from one.
//!
//! Cargo normalises the manifest when it packs a crate, but its authors' spelling of requirements
//! and targets stays; in the index it does not.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml_span::value::Table;
use toml_span::{ErrorKind, Value};

use super::keeper::Keeper;
use super::{Dependency, Manifest};
use crate::facts::DependencyKind;

/// A `Cargo.toml` as it was read.
#[derive(Debug)]
pub(super) struct CargoToml {
    pub(super) manifest: Manifest,
    /// What readers take differently.
    pub(super) odd: Vec<String>,
    pub(super) is_cut: bool,
}

/// Reads a `Cargo.toml`; `has_build_rs` says whether there is a `build.rs` beside it.
///
/// # Errors
/// If it cannot be read at all; the text says why.
pub(super) fn found(bytes: &[u8], has_build_rs: bool) -> Result<CargoToml, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
    if text.starts_with('\u{feff}') {
        return Err("it begins with a byte order mark".to_owned());
    }
    let parsed = toml_span::parse(text).map_err(|error| {
        let why = match error.kind {
            ErrorKind::DuplicateKey { key, .. } => format!("`{key}` stands twice"),
            kind => kind.to_string(),
        };
        let line = text
            .bytes()
            .take(error.span.start)
            .filter(|it| *it == b'\n')
            .count()
            + 1;
        format!("it is no TOML: line {line}: {why}")
    })?;
    let Some(root) = parsed.as_table() else {
        return Err("it is no table".to_owned());
    };
    let mut reading = Reading {
        keeper: Keeper::new(),
        odd: Vec::new(),
        dependencies: Vec::new(),
    };
    let manifest = reading.manifest(root, has_build_rs);
    Ok(CargoToml {
        manifest,
        odd: reading.odd,
        is_cut: reading.keeper.is_cut(),
    })
}

struct Reading {
    keeper: Keeper,
    odd: Vec<String>,
    dependencies: Vec<Dependency>,
}

impl Reading {
    fn manifest(&mut self, root: &Table<'_>, has_build_rs: bool) -> Manifest {
        let package = self.table(root, &["package", "project"]);
        let library = self.table(root, &["lib"]);
        if package.is_none() {
            self.odd.push("it has no `[package]`".to_owned());
        }
        let mut text = |key: &str| {
            let text = package?.get(key)?.as_str()?;
            self.keeper.text(text)
        };
        let (name, version) = (text("name"), text("version"));
        let (license, links) = (text("license"), text("links"));
        let build_script = match package.and_then(|it| it.get("build")) {
            Some(path) if path.as_str().is_some() => text("build"),
            Some(told) if told.as_bool() == Some(false) => None,
            _ => has_build_rs.then(|| "build.rs".to_owned()),
        };
        self.all_dependencies(root);
        self.dependencies.sort();
        self.dependencies.dedup();
        Manifest {
            name,
            version,
            dependencies: Some(std::mem::take(&mut self.dependencies)),
            license,
            links,
            build_script,
            is_proc_macro: Some(library.is_some_and(is_proc_macro)),
            features: Some(self.features(root)),
            ..Manifest::default()
        }
    }

    /// The table under the first of its names; under two of them at once it is odd.
    fn table<'t, 'de>(&mut self, of: &'t Table<'de>, names: &[&str]) -> Option<&'t Table<'de>> {
        let mut tables = names
            .iter()
            .filter_map(|name| Some((*name, of.get(*name)?)));
        let (name, value) = tables.next()?;
        if let Some((other, _)) = tables.next() {
            self.odd.push(format!("it has both `{name}` and `{other}`"));
        }
        let table = value.as_table();
        if table.is_none() {
            self.odd.push(format!("`{name}` is no table"));
        }
        table
    }

    fn all_dependencies(&mut self, root: &Table<'_>) {
        self.dependencies_of(root, None);
        let Some(targets) = self.table(root, &["target"]) else {
            return;
        };
        for (target, tables) in targets {
            if let Some(tables) = tables.as_table() {
                self.dependencies_of(tables, Some(&target.name));
            }
        }
    }

    fn dependencies_of(&mut self, of: &Table<'_>, target: Option<&str>) {
        let kinds = [
            (&["dependencies"][..], DependencyKind::Normal),
            (
                &["build-dependencies", "build_dependencies"],
                DependencyKind::Build,
            ),
        ];
        for (names, kind) in kinds {
            let Some(table) = self.table(of, names) else {
                continue;
            };
            for (name, value) in table {
                let Some(dependency) = self.dependency(&name.name, value, kind, target) else {
                    return;
                };
                self.dependencies.push(dependency);
            }
        }
    }

    fn dependency(
        &mut self,
        name: &str,
        value: &Value<'_>,
        kind: DependencyKind,
        target: Option<&str>,
    ) -> Option<Dependency> {
        let table = value.as_table();
        let get = |keys: &[&str]| keys.iter().find_map(|key| table?.get(*key));
        let text = |keys: &[&str]| get(keys).and_then(Value::as_str);
        let version = value.as_str().or_else(|| text(&["version"])).unwrap_or("*");
        let package = text(&["package"]).filter(|package| *package != name);
        let is = |keys: &[&str]| get(keys).and_then(Value::as_bool);
        let features = get(&["features"]).and_then(Value::as_array);
        let features = features.into_iter().flatten().filter_map(Value::as_str);
        let registry = text(&["registry-index", "registry"]);
        Some(Dependency {
            alias: match package {
                Some(_) => Some(self.keeper.text(name)?),
                None => None,
            },
            target: match target {
                Some(target) => Some(self.keeper.text(&platform(target))?),
                None => None,
            },
            features: self.keeper.sorted(features),
            is_bare: is(&["default-features", "default_features"]) == Some(false),
            is_optional: is(&["optional"]) == Some(true),
            registry: registry.and_then(|it| self.keeper.text(it)),
            ..Dependency::plain(
                self.keeper.text(package.unwrap_or(name))?,
                kind,
                self.keeper.text(&requirement(version))?,
            )
        })
    }

    fn features(&mut self, root: &Table<'_>) -> BTreeMap<String, Vec<String>> {
        let mut features = BTreeMap::new();
        let Some(table) = self.table(root, &["features"]) else {
            return features;
        };
        for (name, list) in table {
            let list = list
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            let list = self.keeper.sorted(list);
            let Some(name) = self.keeper.text(&name.name) else {
                break;
            };
            features.insert(name, list);
        }
        features
    }
}

fn is_proc_macro(library: &Table<'_>) -> bool {
    let told = ["proc-macro", "proc_macro"]
        .iter()
        .find_map(|key| library.get(*key));
    let kinds = ["crate-type", "crate_type"]
        .iter()
        .find_map(|key| library.get(*key));
    let mut kinds = kinds.and_then(Value::as_array).into_iter().flatten();
    told.and_then(Value::as_bool) == Some(true) || kinds.any(|it| it.as_str() == Some("proc-macro"))
}

/// A requirement as cargo prints it; what it could not read stays.
fn requirement(text: &str) -> String {
    semver::VersionReq::parse(text).map_or_else(|_| text.trim().to_owned(), |it| it.to_string())
}

/// A target in one spelling: `cfg(any(unix, windows,))` is `cfg(any(unix,windows))`.
fn platform(target: &str) -> String {
    let text: String = target.chars().filter(|it| !it.is_whitespace()).collect();
    text.replace(",)", ")")
}

/// An index line, as far as it repeats the manifest.
#[derive(Deserialize)]
struct Line {
    name: String,
    vers: String,
    #[serde(default)]
    deps: Vec<LineDependency>,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    features2: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    links: Option<String>,
}

#[derive(Deserialize)]
struct LineDependency {
    name: String,
    req: String,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default = "is_true")]
    default_features: bool,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    registry: Option<String>,
    #[serde(default)]
    package: Option<String>,
}

fn is_true() -> bool {
    true
}

/// What a line of the index says; `None` when it cannot be read.
pub fn declared(line: &[u8]) -> Option<Manifest> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let mut keeper = Keeper::new();
    let mut dependencies = Vec::new();
    for dependency in &line.deps {
        if dependency.kind.as_deref() != Some("dev") {
            dependencies.push(dependency.read(&mut keeper)?);
        }
    }
    dependencies.sort();
    dependencies.dedup();
    let mut features = BTreeMap::new();
    let second = line.features2.iter().flatten();
    for (name, list) in line.features.iter().chain(second) {
        let list = keeper.sorted(list.iter());
        features.insert(keeper.text(name)?, list);
    }
    Some(Manifest {
        name: keeper.text(&line.name),
        version: keeper.text(&line.vers),
        dependencies: Some(dependencies),
        links: line.links.and_then(|links| keeper.text(&links)),
        features: Some(features),
        ..Manifest::default()
    })
}

impl LineDependency {
    fn read(&self, keeper: &mut Keeper) -> Option<Dependency> {
        let package = self
            .package
            .as_deref()
            .filter(|package| *package != self.name);
        let kind = match self.kind.as_deref() {
            Some("build") => DependencyKind::Build,
            _ => DependencyKind::Normal,
        };
        Some(Dependency {
            alias: match package {
                Some(_) => Some(keeper.text(&self.name)?),
                None => None,
            },
            target: match &self.target {
                Some(target) => Some(keeper.text(&platform(target))?),
                None => None,
            },
            features: keeper.sorted(self.features.iter().filter(|it| !it.is_empty())),
            is_bare: !self.default_features,
            is_optional: self.optional,
            registry: self.registry.as_ref().and_then(|it| keeper.text(it)),
            ..Dependency::plain(
                keeper.text(package.unwrap_or(&self.name))?,
                kind,
                keeper.text(&requirement(&self.req))?,
            )
        })
    }
}
