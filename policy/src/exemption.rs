//! Exemptions: who set aside which finding, for what, why and until when.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::finding::{ConfigSpan, Finding, Fingerprint, RuleId};
use crate::matching::VersionSet;
use crate::model::{ArtifactId, Digest, PackageName, Timestamp};

/// Names an exemption in records: the id given in the policy file, or one made by the shell.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExemptionId(pub SmolStr);

impl fmt::Display for ExemptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an exemption covers.
#[derive(Debug)]
pub enum Scope {
    /// Versions of a package.
    Versions(PackageName, VersionSet),
    /// Exactly these bytes under this name.
    Artifact {
        /// The file.
        artifact: ArtifactId,
        /// The bytes.
        sha256: Digest,
    },
}

impl Scope {
    /// The package it is about.
    pub fn package(&self) -> &PackageName {
        match self {
            Self::Versions(name, _) => name,
            Self::Artifact { artifact, .. } => &artifact.subject.name,
        }
    }

    /// Whether the candidate is covered. An exemption for exact bytes covers nothing while the
    /// bytes are unknown.
    pub fn covers(&self, artifact: &ArtifactId, sha256: Option<&Digest>) -> bool {
        let subject = &artifact.subject;
        match self {
            Self::Versions(name, versions) => *name == subject.name && versions.holds(subject),
            Self::Artifact {
                artifact: exempt,
                sha256: exempt_sha256,
            } => exempt == artifact && Some(exempt_sha256) == sha256,
        }
    }
}

/// What an exemption sets aside. There is no "everything": integrity failures are never waived by
/// naming a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waives {
    /// All findings of these rules.
    Rules(Vec<RuleId>),
    /// Exactly these findings.
    Fingerprints(Vec<Fingerprint>),
}

impl Waives {
    /// Whether the finding is set aside.
    pub fn includes(&self, finding: &Finding) -> bool {
        match self {
            Self::Rules(rules) => rules.contains(&finding.rule),
            Self::Fingerprints(prints) => prints.contains(&finding.fingerprint()),
        }
    }
}

/// A person's decision to accept findings for a while.
#[derive(Debug)]
pub struct Exemption {
    /// Its name in records.
    pub id: ExemptionId,
    /// What it covers.
    pub scope: Scope,
    /// What it sets aside.
    pub waives: Waives,
    /// Why, in the owner's words. Never empty.
    pub reason: String,
    /// Who answers for it. Never empty.
    pub owner: String,
    /// Where it was agreed, when it was.
    pub ticket: Option<String>,
    /// When it ends by itself; at this instant it no longer holds.
    pub expires: Timestamp,
    /// Where it is written.
    pub source: ConfigSpan,
    /// Where in the file, in bytes, for drawing the line.
    pub bytes: std::ops::Range<usize>,
}

impl Exemption {
    /// Whether it holds at `now`.
    pub fn is_active_at(&self, now: Timestamp) -> bool {
        now < self.expires
    }
}
