//! What a version cannot be installed without: other packages it pins, of the same release train.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cordon_policy::ecosystem;
use cordon_policy::model::{PackageVersion, Scheme as _, Version};
use serde::Deserialize;

use crate::registry::Pin;

/// Pins read of one manifest, at most: bundlers pin a binary for each of some thirty platforms.
const MAX_PINS: usize = 48;

/// A manifest's dependencies. Read again from the bytes for the few versions that are asked about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    #[serde(borrow, default)]
    dependencies: BTreeMap<Cow<'a, str>, serde_json::Value>,
    #[serde(borrow, default)]
    optional_dependencies: BTreeMap<Cow<'a, str>, serde_json::Value>,
    #[serde(borrow, default)]
    peer_dependencies: BTreeMap<Cow<'a, str>, serde_json::Value>,
}

/// The pins of a manifest whose version is `own`. A manifest that cannot be read pins nothing that
/// could be known; installers could not read it either.
pub(super) fn read(manifest: &[u8], own: &Version) -> Vec<Pin> {
    let Ok(manifest) = serde_json::from_slice::<Manifest<'_>>(manifest) else {
        return Vec::new();
    };
    let Manifest {
        dependencies,
        optional_dependencies,
        peer_dependencies,
    } = manifest;
    let needed = dependencies.iter().chain(&peer_dependencies);
    let needed = needed.map(|entry| (entry, false));
    let optional = optional_dependencies.iter().map(|entry| (entry, true));
    needed
        .chain(optional)
        .filter_map(|((name, requirement), is_optional)| {
            let version = pinned(requirement.as_str()?, own)?;
            let name = ecosystem::Npm.package(name).ok()?;
            let subject = PackageVersion { name, version };
            Some(Pin {
                subject,
                is_optional,
            })
        })
        .take(MAX_PINS)
        .collect()
}

/// The version a requirement pins: an exact one, or the lower end of a range that begins at the
/// version of the one who requires (`react-dom` 19.2.1 wants `react` `^19.2.1`).
fn pinned(requirement: &str, own: &Version) -> Option<Version> {
    let requirement = requirement.trim();
    let from_own = requirement
        .strip_prefix(['^', '~'])
        .filter(|lower| *lower == own.as_str());
    let exact = requirement.strip_prefix('=').unwrap_or(requirement);
    ecosystem::Npm
        .version(from_own.unwrap_or(exact).trim())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(manifest: &str, own: &str) -> Vec<String> {
        let pins = read(manifest.as_bytes(), &Version::verbatim(own));
        let text = |pin: &Pin| match pin.is_optional {
            true => format!("{} if it can be had", pin.subject),
            false => pin.subject.to_string(),
        };
        pins.iter().map(text).collect()
    }

    #[test]
    fn exact_versions_and_ranges_from_the_own_version_are_pins() {
        let manifest = r#"{
            "dependencies": {"bun-types": "1.3.2", "scheduler": "^0.27.0", "left": "=1.0.0"},
            "optionalDependencies": {"@esbuild/linux-x64": "0.25.1"},
            "peerDependencies": {"react": "^19.2.1", "other": ">=19.2.1"},
            "devDependencies": {"tape": "5.0.0"}
        }"#;
        let expected = [
            "pkg:npm/bun-types@1.3.2",
            "pkg:npm/left@1.0.0",
            "pkg:npm/react@19.2.1",
            "pkg:npm/%40esbuild/linux-x64@0.25.1 if it can be had",
        ];
        assert_eq!(pins(manifest, "19.2.1"), expected);
    }

    #[test]
    fn what_is_no_version_or_no_manifest_pins_nothing() {
        for manifest in [
            r#"{"dependencies":{"a":"latest","b":"1.x","c":"file:../c","d":7,"e":"npm:f@1.0.0"}}"#,
            r#"{"dependencies":["a"]}"#,
            "nothing",
        ] {
            assert!(pins(manifest, "1.0.0").is_empty(), "{manifest}");
        }
    }
}
