//! What the files of an archive can do.

pub mod change;

use serde::{Deserialize, Serialize};

use super::archive::{Looked, Member, Sink};
use super::limits::Limits;
use super::manifest::Manifest;
use super::sheet::Mark;
use crate::model::ArtifactId;

pub use change::ContentChange;

/// What the files of an archive can do, each with file and line. Bounded lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentFacts {}

/// Looks at the files of an archive while it is read.
#[derive(Debug)]
pub struct Looker {}

impl Looker {
    /// For one archive.
    pub fn new(artifact: &ArtifactId, limits: &Limits) -> Self {
        let _ = (artifact, limits);
        Self {}
    }

    /// What they can do. `manifest` tells which of them run at install.
    pub fn finish(self, manifest: Option<&Manifest>, marks: &mut Vec<Mark>) -> ContentFacts {
        let _ = (manifest, marks);
        ContentFacts::default()
    }
}

impl Sink for Looker {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        let _ = member;
        0
    }

    fn file(&mut self, looked: Looked<'_>) {
        let _ = looked;
    }
}
