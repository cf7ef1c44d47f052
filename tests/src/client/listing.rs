//! What a registry lists, read the way its clients read it: the same questions for every protocol.

use serde_json::Value;

use super::http::{Reply, get, get_with};
use crate::fake_registry::{Protocol, index_path};

/// A version (PyPI: a file) as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The version; for PyPI taken from the file name.
    pub version: String,
    /// Where its archive is to be had.
    pub url: String,
    /// The declared digest: npm's `integrity`, hexadecimal SHA-256 elsewhere.
    pub digest: String,
    /// Whether it is marked as yanked (npm: deprecated).
    pub is_avoided: bool,
}

/// GETs the document of a package from a registry at `base` (below which PyPI's simple index is
/// `simple/`), in the form the protocol's main client asks for.
pub fn document(protocol: Protocol, base: &str, package: &str) -> Reply {
    match protocol {
        Protocol::Npm => get(&format!("{base}{}", package.replace('/', "%2f"))),
        Protocol::Pypi => get_with(
            &format!("{base}simple/{package}/"),
            &[(
                "Accept",
                "application/vnd.pypi.simple.v1+json, text/html;q=0.01",
            )],
        ),
        Protocol::Cargo => get(&format!("{base}{}", index_path(package))),
    }
}

/// Everything listed, in document order (npm: in the order of the version strings).
///
/// # Panics
/// If the document is refused or not in its protocol's form.
pub fn list(protocol: Protocol, base: &str, package: &str) -> Vec<Listed> {
    let document = document(protocol, base, package).expect(200);
    match protocol {
        Protocol::Npm => npm(&document.json()),
        Protocol::Pypi => pypi(&document.json()),
        Protocol::Cargo => cargo(base, &document.text()),
    }
}

/// The versions listed and not marked as to be avoided: what a resolver may choose from.
///
/// # Panics
/// As [`list`].
pub fn choices(protocol: Protocol, base: &str, package: &str) -> Vec<String> {
    list(protocol, base, package)
        .into_iter()
        .filter(|listed| !listed.is_avoided)
        .map(|listed| listed.version)
        .collect()
}

/// Where the archive of a version is, whether listed or not: the address clients with a lock file
/// ask, made from that of a version that is listed.
///
/// # Panics
/// If nothing of the package is listed.
pub fn locked_url(protocol: Protocol, base: &str, package: &str, version: &str) -> String {
    let all = list(protocol, base, package);
    if let Some(listed) = all.iter().find(|listed| listed.version == version) {
        return listed.url.clone();
    }
    let other = all
        .first()
        .unwrap_or_else(|| panic!("nothing of {package} is listed"));
    other.url.replace(&other.version, version)
}

fn npm(packument: &Value) -> Vec<Listed> {
    let versions = packument["versions"].as_object().into_iter().flatten();
    versions
        .map(|(version, manifest)| Listed {
            version: version.clone(),
            url: text(&manifest["dist"]["tarball"]),
            digest: text(&manifest["dist"]["integrity"]),
            is_avoided: manifest.get("deprecated").is_some(),
        })
        .collect()
}

fn pypi(page: &Value) -> Vec<Listed> {
    let files = page["files"].as_array().into_iter().flatten();
    files
        .map(|file| {
            let name = text(&file["filename"]);
            let stem = name.trim_end_matches(".tar.gz");
            Listed {
                version: stem.split('-').nth(1).unwrap_or_default().to_owned(),
                url: text(&file["url"]),
                digest: text(&file["hashes"]["sha256"]),
                is_avoided: !matches!(file["yanked"], Value::Null | Value::Bool(false)),
            }
        })
        .collect()
}

fn cargo(base: &str, index: &str) -> Vec<Listed> {
    let config = get(&format!("{base}config.json")).expect(200).json();
    let template = text(&config["dl"]);
    index
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("an index line is JSON");
            let (name, version) = (text(&line["name"]), text(&line["vers"]));
            let digest = text(&line["cksum"]);
            Listed {
                url: template
                    .replace("{crate}", &name)
                    .replace("{version}", &version)
                    .replace("{sha256-checksum}", &digest),
                version,
                digest,
                is_avoided: line["yanked"] == true,
            }
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
