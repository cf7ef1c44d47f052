//! Files that were had from upstream and are not listed there any more: judged from what was
//! recorded of them, and served, if at all, from the store.

use std::collections::{BTreeMap, HashMap, HashSet};

use cordon_policy::decision::Decision;
use cordon_policy::facts::{Removal, RemovalScope, VersionFacts};
use cordon_policy::model::{ArtifactId, Digest, PackageName, Timestamp};

use super::Engine;
use super::failure::Failure;
use super::removals::{Memory, artifact};
use super::sightings::Candidate;
use crate::registry::Document;

/// Files asked about one by one; of more, all of the package is read.
const FEW: usize = 16;

/// The files of a package that are not listed.
#[derive(Default)]
pub(super) struct Unlisted {
    files: Vec<UnlistedFile>,
    /// That the whole project is gone.
    gone: Option<Gone>,
}

struct UnlistedFile {
    /// As they were recorded last.
    facts: VersionFacts,
    /// Where the last good document has it.
    place: Option<usize>,
}

/// That a project is gone.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    /// Since when.
    pub(super) since: Timestamp,
    /// Whether that is on record.
    pub(super) is_believed: bool,
    /// The last good document, if it is shown.
    pub(super) shown: Option<Digest>,
}

impl Unlisted {
    pub(super) fn of(files: Vec<VersionFacts>) -> Self {
        let file = |facts| UnlistedFile { facts, place: None };
        Self {
            files: files.into_iter().map(file).collect(),
            gone: None,
        }
    }

    /// The same, the project being gone since an instant, with the document that shows what is in
    /// use of it: the last good one if there is one.
    pub(super) fn of_gone(
        mut self,
        (since, is_believed): (Timestamp, bool),
        last: Option<(Box<dyn Document>, Digest)>,
        otherwise: Box<dyn Document>,
    ) -> (Box<dyn Document>, Self) {
        let (document, shown) = match last {
            Some((document, digest)) => (document, Some(digest)),
            None => (otherwise, None),
        };
        let places: HashMap<Candidate, usize> = document
            .candidates()
            .iter()
            .enumerate()
            .map(|(place, facts)| (candidate(facts), place))
            .collect();
        for file in &mut self.files {
            file.place = places.get(&candidate(&file.facts)).copied();
        }
        self.gone = Some(Gone {
            since,
            is_believed,
            shown,
        });
        (document, self)
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn facts(&self, number: usize) -> Option<&VersionFacts> {
        self.files.get(number).map(|file| &file.facts)
    }

    pub(super) fn place(&self, number: usize) -> Option<usize> {
        self.files.get(number)?.place
    }

    pub(super) fn gone(&self) -> Option<&Gone> {
        self.gone.as_ref()
    }

    /// What that means for each of its files.
    pub(super) fn removal(&self) -> Option<Removal> {
        self.gone.as_ref().map(|gone| Removal {
            at: gone.since,
            scope: RemovalScope::Project,
        })
    }
}

/// Which file of its package facts are about.
pub(super) fn candidate(facts: &VersionFacts) -> Candidate {
    let id = &facts.artifact;
    (id.subject.version.clone(), id.file.clone())
}

impl Engine {
    /// Of the files remembered those that are not listed, as they were recorded last.
    pub(super) async fn unlisted(
        &self,
        name: &PackageName,
        listed: &[VersionFacts],
        memory: &Memory,
    ) -> Result<Vec<VersionFacts>, Failure> {
        let mut missing: HashSet<&Candidate> = memory.keys().collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let listed: HashSet<Candidate> = listed.iter().map(candidate).collect();
        missing.retain(|candidate| !listed.contains(*candidate));
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let evidence = &self.stores.evidence;
        // What is known does not depend on who asked: of several audiences the newest counts.
        let mut newest: BTreeMap<ArtifactId, Decision> = BTreeMap::new();
        if missing.len() > FEW {
            for decision in evidence.standing(name).await? {
                let artifact = &decision.facts.artifact;
                let known = newest.get(artifact);
                if missing.contains(&candidate(&decision.facts))
                    && known.is_none_or(|known| known.at <= decision.at)
                {
                    newest.insert(artifact.clone(), decision);
                }
            }
        } else {
            for candidate in missing {
                let artifact = artifact(name, candidate);
                if let Some(logged) = evidence.latest(&artifact, None).await? {
                    newest.insert(artifact, logged.decision);
                }
            }
        }
        let newest = newest.into_values();
        Ok(newest.map(|decision| decision.facts).collect())
    }
}
