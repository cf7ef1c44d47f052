//! Whether registry and archive say the same.
//!
//! Only what installers, resolvers or rules go by is compared, and each in its meaning: what
//! publishing rewrites is no contradiction.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Dependency, Manifest, hosted, npm, requirement};
use crate::ecosystem::{CARGO, NPM, scheme_for};
use crate::facts::DependencyKind;
use crate::inspect::fault::printable;
use crate::model::{Ecosystem, Version};

/// What registry and archive can contradict each other about. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// Name or version.
    Identity,
    /// What runs at install.
    Scripts,
    /// What is required.
    Dependencies,
    /// Which dependencies the archive brings along.
    Bundled,
    /// The programs put on the path.
    Bin,
    /// The core metadata beside the archive is not that inside.
    Metadata,
    /// The Python versions it is for.
    RequiresPython,
    /// cargo: features.
    Features,
    /// cargo: the native library linked.
    Links,
}

impl Field {
    /// Every field with one line about it, in order.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Identity, "name or version"),
        (Self::Scripts, "what runs at install"),
        (Self::Dependencies, "what it requires"),
        (Self::Bundled, "which dependencies its archive brings along"),
        (Self::Bin, "the programs it puts on the path"),
        (Self::Metadata, "the core metadata beside the archive"),
        (Self::RequiresPython, "the Python versions it is for"),
        (Self::Features, "its features"),
        (Self::Links, "the native library it links"),
    ];

    /// The stable name: `requires-python`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Scripts => "scripts",
            Self::Dependencies => "dependencies",
            Self::Bundled => "bundled",
            Self::Bin => "bin",
            Self::Metadata => "metadata",
            Self::RequiresPython => "requires-python",
            Self::Features => "features",
            Self::Links => "links",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing the registry and the archive tell differently.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Disagreement {
    /// Which field.
    pub field: Field,
    /// What the registry declares, printable; `none` where it declares nothing.
    pub declared: String,
    /// What the archive says, printable; `none` where it says nothing.
    pub found: String,
}

impl Disagreement {
    /// Characters of either text, at most.
    pub const CHARS: usize = 200;
    /// Disagreements told of one archive, at most.
    pub const MOST: usize = 64;

    fn new(field: Field, declared: Option<&str>, found: Option<&str>) -> Self {
        let text = |it: Option<&str>| printable(it.unwrap_or("none"), Self::CHARS);
        Self {
            field,
            declared: text(declared),
            found: text(found),
        }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            declared,
            found,
        } = self;
        write!(
            f,
            "{field}: the registry has `{declared}`, the archive `{found}`"
        )
    }
}

/// Where they contradict each other, sorted, each contradiction once; at most [`Disagreement::MOST`].
/// What one side does not tell is not compared.
pub fn agree(declared: &Manifest, found: &Manifest, ecosystem: &Ecosystem) -> Vec<Disagreement> {
    let mut comparison = Comparison {
        declared,
        found,
        ecosystem,
        out: Vec::new(),
    };
    comparison.identity();
    comparison.metadata();
    comparison.dependencies();
    if *ecosystem == NPM {
        comparison.scripts();
        comparison.bundled();
        comparison.map(Field::Bin, |it| it.bin.clone());
    } else if *ecosystem == CARGO {
        comparison.features();
        comparison.links();
    }
    let mut out = comparison.out;
    out.sort();
    out.dedup();
    out.truncate(Disagreement::MOST);
    out
}

struct Comparison<'a> {
    declared: &'a Manifest,
    found: &'a Manifest,
    ecosystem: &'a Ecosystem,
    out: Vec<Disagreement>,
}

impl Comparison<'_> {
    fn push(&mut self, field: Field, declared: Option<&str>, found: Option<&str>) {
        self.out.push(Disagreement::new(field, declared, found));
    }

    fn identity(&mut self) {
        let scheme = scheme_for(self.ecosystem);
        let (declared, found) = (self.declared, self.found);
        if let (Some(a), Some(b)) = (declared.name.as_deref(), found.name.as_deref()) {
            let name = |text: &str| scheme.and_then(|it| it.package(text.trim()).ok());
            if a.trim() != b.trim() && (name(a).is_none() || name(a) != name(b)) {
                self.push(Field::Identity, Some(a), Some(b));
            }
        }
        if let (Some(a), Some(b)) = (declared.version.as_deref(), found.version.as_deref()) {
            let is_same = match *self.ecosystem == NPM {
                true => npm::clean_version(a) == npm::clean_version(b),
                // Equal in meaning; what differs in build metadata alone is not the same archive.
                false if *self.ecosystem == CARGO => a == b,
                false => scheme.is_some_and(|it| {
                    let version = |text: &str| Version::verbatim(text.trim());
                    it.compare(&version(a), &version(b)).is_eq()
                }),
            };
            if !is_same {
                self.push(Field::Identity, Some(a), Some(b));
            }
        }
    }

    fn metadata(&mut self) {
        let (declared, found) = (self.declared, self.found);
        let digests = (&declared.core_metadata_sha256, &found.core_metadata_sha256);
        if let (Some(a), Some(b)) = digests
            && a != b
        {
            self.push(Field::Metadata, Some(&a.to_string()), Some(&b.to_string()));
        }
        if let (Some(a), Some(b)) = (&declared.requires_python, &found.requires_python) {
            let spelled = requirement::requires_python;
            if spelled(a) != spelled(b) {
                self.push(Field::RequiresPython, Some(a), Some(b));
            }
        }
    }

    fn dependencies(&mut self) {
        let is_npm = *self.ecosystem == NPM;
        let (declared, found) = (self.declared, self.found);
        if let (Some(declared), Some(found)) = (&declared.dependencies, &found.dependencies) {
            let (declared, found) = (by_key(declared, is_npm), by_key(found, is_npm));
            self.compare(Field::Dependencies, &declared, &found);
        }
    }

    /// What runs at install. An archive that runs less than the registry shows is compared as well:
    /// the registry shows another package.
    fn scripts(&mut self) {
        let spelled = |of: &Manifest| {
            of.scripts.as_ref()?;
            let all = of.install_scripts().into_iter();
            Some(
                all.map(|(name, command)| (name.to_string(), format!("{name}: {command}")))
                    .collect::<BTreeMap<_, _>>(),
            )
        };
        let (Some(declared), Some(found)) = (spelled(self.declared), spelled(self.found)) else {
            return;
        };
        self.compare(Field::Scripts, &declared, &found);
    }

    fn bundled(&mut self) {
        let (Some(declared), Some(found)) = (&self.declared.bundled, &self.found.bundled) else {
            return;
        };
        let map = |list: &[String]| list.iter().map(|it| (it.clone(), it.clone())).collect();
        let (declared, found): (BTreeMap<_, _>, BTreeMap<_, _>) = (map(declared), map(found));
        self.compare(Field::Bundled, &declared, &found);
    }

    fn map(&mut self, field: Field, of: impl Fn(&Manifest) -> Option<BTreeMap<String, String>>) {
        let (Some(declared), Some(found)) = (of(self.declared), of(self.found)) else {
            return;
        };
        let spelled = |map: BTreeMap<String, String>| {
            let all = map.into_iter();
            all.map(|(name, value)| (name.clone(), format!("{name}: {value}")))
                .collect::<BTreeMap<_, _>>()
        };
        self.compare(field, &spelled(declared), &spelled(found));
    }

    fn features(&mut self) {
        self.map(Field::Features, |of| {
            let features = of.features.as_ref()?.iter();
            Some(
                features
                    .map(|(name, list)| (name.clone(), list.join(" ")))
                    .collect(),
            )
        });
    }

    fn links(&mut self) {
        let (declared, found) = (self.declared, self.found);
        if declared.links != found.links {
            self.push(
                Field::Links,
                declared.links.as_deref(),
                found.links.as_deref(),
            );
        }
    }

    fn compare<K: Ord>(
        &mut self,
        field: Field,
        declared: &BTreeMap<K, String>,
        found: &BTreeMap<K, String>,
    ) {
        for (key, b) in found {
            let a = declared.get(key);
            if a != Some(b) {
                self.push(field, a.map(String::as_str), Some(b));
            }
        }
        for (key, a) in declared {
            if !found.contains_key(key) {
                self.push(field, Some(a), None);
            }
        }
    }
}

/// What tells requirements of one package apart.
type Key<'a> = (
    &'a str,
    DependencyKind,
    Option<&'a str>,
    Option<&'a str>,
    &'a str,
);

fn key(of: &Dependency) -> Key<'_> {
    // One package may be required several times with different versions for different platforms
    // (PyPI), which only the requirement tells apart.
    let also = match of.target {
        Some(_) => of.requirement.as_str(),
        None => "",
    };
    (
        &of.name,
        of.kind,
        of.alias.as_deref(),
        of.target.as_deref(),
        also,
    )
}

fn by_key(list: &[Dependency], is_npm: bool) -> BTreeMap<Key<'_>, String> {
    list.iter().map(|it| (key(it), text(it, is_npm))).collect()
}

fn text(of: &Dependency, is_npm: bool) -> String {
    let requirement = match is_npm {
        true => hosted::normalized(&of.requirement),
        false => of.requirement.clone(),
    };
    let mut text = match requirement.as_str() {
        "" => of.name.clone(),
        requirement => format!("{} {requirement}", of.name),
    };
    match of.kind {
        DependencyKind::Normal => {}
        DependencyKind::Build => text.push_str(" (build)"),
        DependencyKind::Optional => text.push_str(" (optional)"),
        DependencyKind::Peer => text.push_str(" (peer)"),
    }
    if let Some(alias) = &of.alias {
        text.push_str(&format!(" as {alias}"));
    }
    if !of.features.is_empty() {
        text.push_str(&format!(" [{}]", of.features.join(",")));
    }
    if of.is_bare {
        text.push_str(" without default features");
    }
    if of.is_optional {
        text.push_str(" if wanted");
    }
    if let Some(target) = &of.target {
        text.push_str(&format!(" on {target}"));
    }
    text
}
