//! What a test publishes.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::archive::Filling;

/// The three registries the fake one speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// The npm registry.
    Npm,
    /// PyPI.
    Pypi,
    /// The sparse crate index.
    Cargo,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Npm, Self::Pypi, Self::Cargo];

    /// The purl type, which is also Cordon's mount.
    pub const fn purl_type(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Cargo => "cargo",
        }
    }
}

/// Which file of a Python release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PythonFile {
    /// A pure wheel, with its metadata sibling.
    Wheel,
    /// A `.tar.gz` source distribution.
    Sdist,
}

/// A version to publish. Built with what the test cares about; the rest is filled in.
#[derive(Clone, Debug)]
pub struct Release {
    pub(super) protocol: Protocol,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) published_at: Published,
    pub(super) filling: Filling,
    pub(super) dependencies: Vec<(String, String)>,
    pub(super) scripts: Vec<(String, String)>,
    pub(super) python_files: Vec<PythonFile>,
    pub(super) requires_python: Option<String>,
    pub(super) has_metadata_sibling: bool,
    pub(super) has_provenance: bool,
    pub(super) tag: Option<String>,
    pub(super) fields: Map<String, Value>,
    pub(super) archive: Option<Bytes>,
    pub(super) file_name: Option<String>,
}

/// When a release says it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    ByClock,
    At(Timestamp),
    Unsaid,
}

impl Release {
    /// A release of any of the three.
    pub fn new(protocol: Protocol, name: &str, version: &str) -> Self {
        Self {
            protocol,
            name: name.to_owned(),
            version: version.to_owned(),
            published_at: Published::ByClock,
            filling: Filling::default(),
            dependencies: Vec::new(),
            scripts: Vec::new(),
            python_files: vec![PythonFile::Wheel],
            requires_python: None,
            has_metadata_sibling: true,
            has_provenance: false,
            tag: Some("latest".to_owned()),
            fields: Map::new(),
            archive: None,
            file_name: None,
        }
    }

    /// An npm release.
    pub fn npm(name: &str, version: &str) -> Self {
        Self::new(Protocol::Npm, name, version)
    }

    /// A Python release with one wheel.
    pub fn pypi(name: &str, version: &str) -> Self {
        Self::new(Protocol::Pypi, name, version)
    }

    /// A crate release.
    pub fn cargo(name: &str, version: &str) -> Self {
        Self::new(Protocol::Cargo, name, version)
    }

    /// The version, as published.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Published at this instant instead of the clock's.
    #[must_use]
    pub fn published_at(mut self, instant: Timestamp) -> Self {
        self.published_at = Published::At(instant);
        self
    }

    /// The registry says nothing of when.
    #[must_use]
    pub fn without_publish_time(mut self) -> Self {
        self.published_at = Published::Unsaid;
        self
    }

    /// Makes the archive about this much larger.
    #[must_use]
    pub fn padded(mut self, bytes: usize) -> Self {
        self.filling.padding_bytes = bytes;
        self
    }

    /// Puts a file of source into the archive, by its path below the archive's folder.
    #[must_use]
    pub fn source(mut self, path: &str, text: &str) -> Self {
        self.filling
            .sources
            .push((path.to_owned(), text.to_owned()));
        self
    }

    /// Depends on a package, in the ecosystem's own requirement syntax.
    #[must_use]
    pub fn depends_on(mut self, name: &str, requirement: &str) -> Self {
        self.dependencies
            .push((name.to_owned(), requirement.to_owned()));
        self
    }

    /// npm: adds a script.
    #[must_use]
    pub fn script(mut self, event: &str, command: &str) -> Self {
        self.scripts.push((event.to_owned(), command.to_owned()));
        self
    }

    /// PyPI: which files it has.
    #[must_use]
    pub fn files(mut self, files: &[PythonFile]) -> Self {
        self.python_files = files.to_vec();
        self
    }

    /// PyPI: `requires-python`.
    #[must_use]
    pub fn requires_python(mut self, specifier: &str) -> Self {
        self.requires_python = Some(specifier.to_owned());
        self
    }

    /// PyPI: no `.metadata` beside the wheel.
    #[must_use]
    pub fn without_metadata_sibling(mut self) -> Self {
        self.has_metadata_sibling = false;
        self
    }

    /// npm and PyPI: with an attestation to be had.
    #[must_use]
    pub fn with_provenance(mut self) -> Self {
        self.has_provenance = true;
        self
    }

    /// npm: the dist-tag to move here (`latest` unless said).
    #[must_use]
    pub fn tagged(mut self, tag: &str) -> Self {
        self.tag = Some(tag.to_owned());
        self
    }

    /// npm: moves no dist-tag.
    #[must_use]
    pub fn untagged(mut self) -> Self {
        self.tag = None;
        self
    }

    /// A further (or replacing) field of the version's manifest, file entry or index line.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// These bytes instead of a made archive.
    #[must_use]
    pub fn archive(mut self, bytes: impl Into<Bytes>) -> Self {
        self.archive = Some(bytes.into());
        self
    }

    /// An irregular file name (npm, PyPI).
    #[must_use]
    pub fn file_name(mut self, name: &str) -> Self {
        self.file_name = Some(name.to_owned());
        self
    }
}
