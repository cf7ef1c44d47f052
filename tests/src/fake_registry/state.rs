//! What the fake registry holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use sha2::Digest as _;

use super::release::{Protocol, Published, PythonFile, Release};
use crate::archive;

/// Packages and fixed documents.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) packages: BTreeMap<(Protocol, String), Package>,
    /// Answers set by the test, by decoded path.
    pub(super) fixed: BTreeMap<String, (String, Bytes)>,
    /// cargo's `dl`, when the test sets its own.
    pub(super) cargo_dl: Option<String>,
}

/// A package. The key holds the name in the form its paths use; this one keeps the spelling.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) releases: Vec<Stored>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) modified: Timestamp,
    /// PEP 792 status.
    pub(super) status: Option<String>,
}

/// A published version.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) release: Release,
    pub(super) published_at: Option<Timestamp>,
    pub(super) files: Vec<StoredFile>,
    pub(super) yanked: Option<String>,
    pub(super) deprecated: Option<String>,
}

/// A file and what the index says of it, which need not be true.
#[derive(Clone, Debug)]
pub(super) struct StoredFile {
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) declared: Declared,
    pub(super) metadata: Option<Bytes>,
}

/// Declared digests and size.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) sha1: String,
    pub(super) sha256: String,
    pub(super) sha512_sri: String,
    pub(super) size: usize,
}

impl Declared {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            sha1: HEXLOWER.encode(&sha1::Sha1::digest(bytes)),
            sha256: sha256_hex(bytes),
            sha512_sri: format!("sha512-{}", BASE64.encode(&sha2::Sha512::digest(bytes))),
            size: bytes.len(),
        }
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

impl State {
    pub(super) fn publish(&mut self, release: Release, now: Timestamp) {
        let key = (release.protocol, path_name(release.protocol, &release.name));
        let package = self.packages.entry(key).or_insert_with(|| Package {
            name: release.name.clone(),
            releases: Vec::new(),
            tags: BTreeMap::new(),
            modified: now,
            status: None,
        });
        if release.protocol == Protocol::Npm
            && let Some(tag) = &release.tag
        {
            package.tags.insert(tag.clone(), release.version.clone());
        }
        let published_at = match release.published_at {
            Published::ByClock => Some(now),
            Published::At(instant) => Some(instant),
            Published::Unsaid => None,
        };
        package.modified = package.modified.max(published_at.unwrap_or(now)).max(now);
        package
            .releases
            .retain(|stored| stored.release.version != release.version);
        package.releases.push(Stored {
            files: files_of(&release),
            release,
            published_at,
            yanked: None,
            deprecated: None,
        });
    }

    pub(super) fn package(&self, protocol: Protocol, name: &str) -> Option<&Package> {
        self.packages.get(&(protocol, path_name(protocol, name)))
    }

    /// # Panics
    /// If the package was never published.
    pub(super) fn package_mut(&mut self, protocol: Protocol, name: &str) -> &mut Package {
        self.packages
            .get_mut(&(protocol, path_name(protocol, name)))
            .unwrap_or_else(|| panic!("the test published no {protocol:?} package {name}"))
    }

    /// # Panics
    /// If the version was never published.
    pub(super) fn stored_mut(
        &mut self,
        protocol: Protocol,
        name: &str,
        version: &str,
    ) -> &mut Stored {
        self.package_mut(protocol, name)
            .releases
            .iter_mut()
            .find(|stored| stored.release.version == version)
            .unwrap_or_else(|| panic!("the test published no {name} {version}"))
    }
}

impl Package {
    pub(super) fn stored(&self, version: &str) -> Option<&Stored> {
        self.releases
            .iter()
            .find(|stored| stored.release.version == version)
    }
}

/// The name as it appears in paths.
pub(super) fn path_name(protocol: Protocol, name: &str) -> String {
    match protocol {
        Protocol::Npm => name.to_owned(),
        Protocol::Pypi => archive::python_module(name).replace('_', "-"),
        Protocol::Cargo => name.to_ascii_lowercase(),
    }
}

/// The name's last part: an npm name without its scope.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn files_of(release: &Release) -> Vec<StoredFile> {
    match release.protocol {
        Protocol::Npm => {
            let name = release
                .file_name
                .clone()
                .unwrap_or_else(|| format!("{}-{}.tgz", base_name(&release.name), release.version));
            let made = || {
                let manifest = super::npm::package_json(release).to_string();
                archive::npm_tarball(&manifest, release.filling.clone())
            };
            vec![file(
                name,
                release.archive.clone().unwrap_or_else(made),
                None,
            )]
        }
        Protocol::Cargo => {
            let name = format!("{}-{}.crate", release.name, release.version);
            let made = || {
                archive::crate_file(
                    &release.name,
                    &release.version,
                    &release.dependencies,
                    release.filling.clone(),
                )
            };
            vec![file(
                name,
                release.archive.clone().unwrap_or_else(made),
                None,
            )]
        }
        Protocol::Pypi => release
            .python_files
            .iter()
            .map(|kind| python_file(release, *kind))
            .collect(),
    }
}

fn python_file(release: &Release, kind: PythonFile) -> StoredFile {
    let metadata = archive::core_metadata(
        &release.name,
        &release.version,
        &release.dependencies,
        release.requires_python.as_deref(),
    );
    let module = archive::python_module(&release.name);
    let filling = release.filling.clone();
    let (name, made) = match kind {
        PythonFile::Wheel => (
            format!("{module}-{}-py3-none-any.whl", release.version),
            archive::wheel(&release.name, &release.version, &metadata, filling),
        ),
        PythonFile::Sdist => (
            format!("{module}-{}.tar.gz", release.version),
            archive::sdist(&release.name, &release.version, &metadata, filling),
        ),
    };
    let has_sibling = kind == PythonFile::Wheel && release.has_metadata_sibling;
    file(
        release.file_name.clone().unwrap_or(name),
        release.archive.clone().unwrap_or(made),
        has_sibling.then(|| metadata.into()),
    )
}

fn file(name: String, bytes: Bytes, metadata: Option<Bytes>) -> StoredFile {
    StoredFile {
        declared: Declared::of(&bytes),
        name,
        bytes,
        metadata,
    }
}
