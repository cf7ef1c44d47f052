//! Files of a version.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::PackageVersion;

/// The last path segment of an artifact: 1 to 255 visible ASCII characters without `/`, `\`, and
/// not `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct FileName(SmolStr);

impl FileName {
    /// Checks and wraps a file name.
    pub fn new(text: impl Into<SmolStr>) -> Result<Self, FileNameError> {
        let text = text.into();
        let is_safe = (1..=255).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'/' && b != b'\\')
            && text != "."
            && text != "..";
        if is_safe {
            Ok(Self(text))
        } else {
            Err(FileNameError)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<SmolStr> for FileName {
    type Error = FileNameError;
    fn try_from(text: SmolStr) -> Result<Self, FileNameError> {
        Self::new(text)
    }
}

impl From<FileName> for SmolStr {
    fn from(name: FileName) -> Self {
        name.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not usable as a file name on every file system and in every URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file name has 1 to 255 visible ASCII characters and no slash")]
pub struct FileNameError;

/// What a file of a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// The archive that gets installed.
    Archive,
    /// A wheel's core metadata, served beside it (PEP 658).
    CoreMetadata,
    /// A provenance object (PEP 740).
    Provenance,
}

/// One file of one version: what a verdict about bytes is bound to, with the SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ArtifactId {
    /// The version it belongs to.
    pub subject: PackageVersion,
    /// The archive's file name, also for the files derived from it.
    pub file: FileName,
    /// Which of the files.
    pub kind: ArtifactKind,
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.subject, self.file)?;
        match self.kind {
            ArtifactKind::Archive => f.write_str(")"),
            ArtifactKind::CoreMetadata => f.write_str(", core metadata)"),
            ArtifactKind::Provenance => f.write_str(", provenance)"),
        }
    }
}
