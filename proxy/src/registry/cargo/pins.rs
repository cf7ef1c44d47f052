//! What a version cannot be built without: other crates it requires exactly.

use std::borrow::Cow;

use cordon_policy::ecosystem;
use cordon_policy::model::{PackageVersion, Scheme as _, Version};
use serde::Deserialize;

use crate::registry::Pin;

/// Pins read of one line, at most.
const MAX_PINS: usize = 48;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    deps: Vec<Dependency<'a>>,
}

#[derive(Deserialize)]
struct Dependency<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    /// The crate's own name, where `name` is what it is called here.
    #[serde(borrow, default)]
    package: Option<Cow<'a, str>>,
    #[serde(borrow)]
    req: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    registry: Option<Cow<'a, str>>,
}

/// The pins of an index line whose version is `own`: `=1.2.3`, or a requirement that begins at the
/// crate's own version (`serde` 1.0.228 wants `serde_core` `^1.0.228`).
pub(super) fn read(line: &[u8], own: &Version) -> Vec<Pin> {
    let Ok(Line { deps }) = serde_json::from_slice::<Line<'_>>(line) else {
        return Vec::new();
    };
    deps.iter()
        .filter(|it| it.kind.as_deref() != Some("dev") && it.registry.is_none())
        .filter_map(|it| {
            let version = pinned(&it.req, own)?;
            let name = it.package.as_ref().unwrap_or(&it.name);
            let name = ecosystem::Cargo.package(name).ok()?;
            Some(Pin {
                subject: PackageVersion { name, version },
                is_optional: false,
            })
        })
        .take(MAX_PINS)
        .collect()
}

fn pinned(requirement: &str, own: &Version) -> Option<Version> {
    let requirement = requirement.trim();
    let from_own = requirement
        .strip_prefix(['^', '~'])
        .filter(|lower| *lower == own.as_str());
    let version = from_own.or_else(|| requirement.strip_prefix('='))?;
    ecosystem::Cargo.version(version.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_requirements_and_those_from_the_own_version_are_pins() {
        let line = r#"{"name":"serde","vers":"1.0.228","deps":[
            {"name":"core","package":"serde_core","req":"^1.0.228","kind":"normal"},
            {"name":"serde_derive","req":"=1.0.228","kind":"normal"},
            {"name":"proc-macro2","req":"^1.0.74","kind":"build"},
            {"name":"test","req":"=1.0.0","kind":"dev"},
            {"name":"far","req":"=1.0.0","kind":"normal","registry":"https://registry.example/"}]}"#;
        let pins = read(line.as_bytes(), &Version::verbatim("1.0.228"));
        let pins: Vec<String> = pins.iter().map(|pin| pin.subject.to_string()).collect();
        assert_eq!(
            pins,
            [
                "pkg:cargo/serde_core@1.0.228",
                "pkg:cargo/serde_derive@1.0.228"
            ]
        );
        assert!(read(b"{", &Version::verbatim("1.0.0")).is_empty());
    }
}
