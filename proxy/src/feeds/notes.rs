//! What is remembered of feeds beside their data, and may be lost: when each was last asked, what
//! its source said, what waits to be confirmed.

use std::collections::{BTreeMap, BTreeSet};

use cordon_policy::model::{Digest, PackageName, Timestamp};
use cordon_storage::StorageError;
use cordon_storage::generations::Generations;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

const NOTES: &str = "notes.json";
const AWAITING: &str = "awaiting.json";

/// The notes of one ecosystem, by feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// One for each feed that was ever asked.
    pub feeds: BTreeMap<SmolStr, Note>,
}

/// What is noted of one feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When its source was last asked, or something was last imported.
    pub asked_at: Option<Timestamp>,
    /// When it was last confirmed that what is kept is the newest.
    pub confirmed_at: Option<Timestamp>,
    /// What is kept: a confirmation of something else is none.
    pub part: Option<Digest>,
    /// `ETag` of it, verbatim.
    pub etag: Option<SmolStr>,
    /// `Last-Modified` of it, verbatim.
    pub last_modified: Option<SmolStr>,
    /// Why the last attempt failed, until one succeeds.
    pub failure: Option<NotedFailure>,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedFailure {
    /// The first time in a row.
    pub since: Timestamp,
    /// The word for its cause.
    pub cause: String,
    /// In words.
    pub text: String,
    /// Whether somebody should look: the data was refused, and not only out of reach.
    pub is_alarming: bool,
}

/// A block that waits to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaiting {
    /// Number of the generation that asks for it.
    pub generation: u64,
    /// Number of the generation that holds meanwhile.
    pub previous: u64,
    /// The packages.
    pub packages: BTreeSet<PackageName>,
    /// From when on it is in force unconfirmed.
    pub until: Timestamp,
}

impl Notes {
    /// The notes beside some generations. What cannot be read is as if nothing was noted.
    pub fn read(generations: &Generations) -> Self {
        read(generations, NOTES).unwrap_or_default()
    }

    /// Writes them.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, generations: &Generations) -> Result<(), StorageError> {
        write(generations, NOTES, self)
    }

    /// The note of a feed, to change.
    pub fn of(&mut self, id: &str) -> &mut Note {
        self.feeds.entry(id.into()).or_default()
    }
}

impl Note {
    /// An attempt failed.
    pub fn failed(&mut self, now: Timestamp, refused: &super::Refused) {
        let since = self.failure.as_ref().map_or(now, |failure| failure.since);
        self.asked_at = Some(now);
        self.failure = Some(NotedFailure {
            since,
            cause: refused.cause().to_owned(),
            text: cordon_storage::Chain(refused).to_string(),
            is_alarming: refused.is_alarming(),
        });
    }

    /// What is kept is the newest there is.
    pub fn confirmed(&mut self, now: Timestamp, part: &Digest) {
        self.asked_at = Some(now);
        self.confirmed_at = Some(now);
        self.part = Some(part.clone());
        self.failure = None;
    }
}

impl Awaiting {
    /// What waits, if anything does.
    pub fn read(generations: &Generations) -> Option<Self> {
        read::<Option<Self>>(generations, AWAITING).flatten()
    }

    /// Writes down what waits, or that nothing does.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(awaiting: Option<&Self>, generations: &Generations) -> Result<(), StorageError> {
        write(generations, AWAITING, &awaiting)
    }
}

fn read<T: serde::de::DeserializeOwned>(generations: &Generations, name: &str) -> Option<T> {
    let bytes = generations.note(name).ok()??;
    serde_json::from_slice(&bytes).ok()
}

fn write(
    generations: &Generations,
    name: &str,
    value: &impl Serialize,
) -> Result<(), StorageError> {
    let bytes = serde_json::to_vec_pretty(value).expect("notes have a JSON form");
    generations.put_note(name, &bytes)
}
