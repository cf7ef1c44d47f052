//! What a generation of advisory data was made of, as it is kept beside the index.

use cordon_policy::model::{Digest, Ecosystem, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::config::FeedContent;

/// The manifest of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Whose packages it is about.
    pub ecosystem: Ecosystem,
    /// When it was put in force.
    pub imported_at: Timestamp,
    /// Records that hold, of all feeds together.
    pub records: u64,
    /// Records that were taken back.
    pub withdrawn: u64,
    /// Packages named.
    pub packages: u64,
    /// How new the records are, see `IndexBuilder::newest_modified`.
    pub newest_modified: Option<Timestamp>,
    /// The feeds it was made of, in order of their ids.
    pub feeds: Vec<KeptFeed>,
}

impl Manifest {
    /// The feed of that id.
    pub fn feed(&self, id: &str) -> Option<&KeptFeed> {
        self.feeds.iter().find(|feed| feed.id == id)
    }
}

/// One feed as it was when it last changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFeed {
    /// Its id.
    pub id: SmolStr,
    /// What it holds.
    pub content: Content,
    /// In which form it is kept.
    pub form: Form,
    /// SHA-256 of what is kept: the dump itself, or what a folder came to.
    pub part: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Where it came from: an address or a path.
    pub origin: String,
    /// When this content was first had here.
    pub changed_at: Timestamp,
    /// Whether it was fetched, so that only its source says that it is the newest.
    pub is_fetched: bool,
    /// Records usable, those taken back among them.
    pub records: u64,
    /// Of those, records taken back.
    pub withdrawn: u64,
    /// Records that could not be used.
    pub unusable: u64,
    /// How new its records are, see `IndexBuilder::newest_modified`.
    pub newest_modified: Option<Timestamp>,
    /// Why somebody had it imported although it was refused, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
}

/// What a feed holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// OSV records.
    Osv,
    /// Own indicators.
    List,
    /// Probabilities of exploitation.
    Epss,
    /// Exploited vulnerabilities.
    Kev,
}

impl Content {
    /// Whether it brings records, and not only scores of records of other feeds.
    pub fn has_records(self) -> bool {
        matches!(self, Self::Osv | Self::List)
    }
}

impl From<FeedContent> for Content {
    fn from(content: FeedContent) -> Self {
        match content {
            FeedContent::Osv => Self::Osv,
            FeedContent::List => Self::List,
            FeedContent::Epss => Self::Epss,
            FeedContent::Kev => Self::Kev,
        }
    }
}

/// In which form a feed is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A zip of one JSON file for each record.
    Zip,
    /// One JSON file a line, each after its name and a tab.
    Lines,
    /// As it came: a list, a table of scores.
    Text,
    /// The same, compressed by gzip.
    Gzip,
}
