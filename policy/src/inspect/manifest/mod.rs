//! What an archive says about itself, and whether the registry says the same.
//!
//! A registry's metadata is what a publisher sent beside the archive; nobody compares the two. So
//! the manifest inside is read while the archive is ([`Reader`]), the metadata is read into the same
//! form ([`npm::declared`], [`cargo::declared`]; PyPI's adapter fills it in), and [`agree()`] tells where
//! they contradict each other (reliability.md INV-16).

pub mod agree;
pub mod cargo;
mod csv;
mod dist_info;
mod headers;
mod hosted;
mod json;
mod keeper;
pub mod npm;
#[cfg(test)]
mod properties;
mod reader;
mod record;
mod requirement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use agree::{Disagreement, Field, agree};
pub use reader::Reader;
pub use requirement::requires_python;

use crate::facts::DependencyKind;
use crate::model::Digest;

/// What a manifest says: `package.json`, `METADATA` or `PKG-INFO`, `Cargo.toml`; or what the
/// registry's metadata says in its place. `None` where the source does not tell, or its ecosystem
/// knows no such thing. All texts together have half a mebibyte at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Manifest {
    /// The package's name, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it requires, sorted; without what only its own developers need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Vec<Dependency>>,
    /// npm: its scripts that are not empty, by name. [`Self::install_scripts`] tells which run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<BTreeMap<String, String>>,
    /// npm: whether it is built by `node-gyp` where no script says otherwise: the archive has a
    /// `binding.gyp`, or the registry says so, and `gypfile` is not `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_gyp: Option<bool>,
    /// Programs it puts on the path, with the file (npm) or the object (PyPI) behind each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bin: Option<BTreeMap<String, String>>,
    /// npm: names of the dependencies its archive brings along, sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundled: Option<Vec<String>>,
    /// npm: packages found below `node_modules` folders of the archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<Nested>,
    /// PyPI: the Python versions it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_python: Option<String>,
    /// PyPI: its extras, normalised and sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extras: Option<Vec<String>>,
    /// PyPI: fields a source archive leaves to its build (`Dynamic`), in lower case, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dynamic: Vec<String>,
    /// The licence, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// cargo: the native library it links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<String>,
    /// cargo: the file of its build script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_script: Option<String>,
    /// cargo: whether it is a procedural macro, which runs in the compiler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_proc_macro: Option<bool>,
    /// cargo: its features with what each turns on, sorted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<BTreeMap<String, Vec<String>>>,
    /// PyPI: SHA-256 of the core metadata: of the file in the wheel, or as the registry declares it
    /// for the file beside it (PEP 658).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_metadata_sha256: Option<Digest>,
}

/// Something a package requires.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// The package: npm by the name it goes by here (an alias is in the requirement), PyPI
    /// normalised, cargo as written.
    pub name: String,
    /// What for.
    pub kind: DependencyKind,
    /// Which versions, or where from, as written but for white space; empty: any.
    pub requirement: String,
    /// cargo: the name it goes by here, when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// On what platforms only: cargo's target, PyPI's marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its features or extras that are wanted, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// cargo: whether its default features are not wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_bare: bool,
    /// Whether one can do without: cargo's `optional`, npm's optional peers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_optional: bool,
    /// cargo: the registry, when another one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
}

impl Dependency {
    /// One that is required for running, without particulars.
    fn plain(name: String, kind: DependencyKind, requirement: String) -> Self {
        Self {
            name,
            kind,
            requirement,
            alias: None,
            target: None,
            features: Vec::new(),
            is_bare: false,
            is_optional: false,
            registry: None,
        }
    }
}

/// A package inside another one's archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nested {
    /// Its folder in the archive, printable: `package/node_modules/left-pad`.
    pub place: String,
    /// Its name as its own `package.json` says; that of the folder where that cannot be read.
    pub name: String,
    /// Its version, where its `package.json` can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Nested {
    /// Whether installers and `require` find it as a dependency of the package: it is below the
    /// `node_modules` beside the package's own `package.json`. Others are mostly test data.
    pub fn is_bundled(&self) -> bool {
        let mut components = self.place.split('/');
        components.nth(1) == Some("node_modules")
    }
}

impl Manifest {
    /// The npm scripts that run when the package is installed from a registry, in their order, with
    /// their commands: `preinstall`, `install`, `postinstall`, and `node-gyp rebuild` in place of
    /// `install` where there is a `binding.gyp` and nothing that says otherwise. `prepare` runs for
    /// sources from git alone.
    pub fn install_scripts(&self) -> Vec<(SmolStr, &str)> {
        let script = |name: &str| {
            let command = self.scripts.as_ref()?.get(name)?.trim();
            (!command.is_empty()).then_some(command)
        };
        let (before, own) = (script("preinstall"), script("install"));
        let implicit = match (before, own, self.has_gyp) {
            (None, None, Some(true)) => Some(npm::GYP_SCRIPT),
            _ => None,
        };
        [
            ("preinstall", before),
            ("install", own.or(implicit)),
            ("postinstall", script("postinstall")),
        ]
        .into_iter()
        .filter_map(|(name, command)| Some((SmolStr::new_static(name), command?)))
        .collect()
    }
}
