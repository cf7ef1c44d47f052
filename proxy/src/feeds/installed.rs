//! What is in the data folder: opened at a start, and again when a generation was put in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_policy::advisory::{AdvisoryIndex, IndexError};
use cordon_policy::model::{Ecosystem, Timestamp};
use cordon_storage::generations::{Generation, Generations};
use cordon_storage::{StorageError, StorageErrorKind};
use smol_str::SmolStr;

use super::data::{AdvisoryData, Belief, EcosystemFeed, HeldBack, LoadedFeed};
use super::import::Import;
use super::manifest::{KeptFeed, Manifest};
use super::notes::{Awaiting, Notes};
use super::refused::Refused;
use crate::config::{Config, FeedContent, FeedSource, FeedsConfig};

/// Where the feeds of an ecosystem are kept.
pub fn folder(data: &Path, ecosystem: &Ecosystem) -> PathBuf {
    data.join("feeds").join(ecosystem.as_str())
}

/// The data of one ecosystem, opened.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The index.
    pub index: Arc<AdvisoryIndex>,
    /// The generation it is of.
    pub generation: Generation,
    /// What it was made of.
    pub manifest: Manifest,
    /// Until when it may be believed.
    pub belief: Arc<Belief>,
    /// Why it does not hold all it should.
    pub gap: Option<SmolStr>,
    /// What waits to be confirmed.
    pub held_back: Option<Arc<HeldBack>>,
    /// That something was wrong with the generation in force, and this is the one before it.
    pub damage: Option<String>,
}

/// Why there is data and none can be used.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// The folder cannot be read, or no generation in it is whole.
    #[error(transparent)]
    Store(#[from] StorageError),
    /// The manifest is none.
    #[error("the manifest of generation {number} cannot be read; import the feed again")]
    Manifest {
        /// The generation.
        number: u64,
        /// Why.
        #[source]
        error: serde_json::Error,
    },
    /// The index cannot be opened.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Opens the data of one ecosystem; `None` when there is none. Where the generation in force is
/// damaged, the one before it has to do, and says so. Blocks.
///
/// # Errors
/// If there is data and none of it can be used.
pub fn open(
    generations: &Generations,
    ecosystem: &Ecosystem,
    config: &FeedsConfig,
) -> Result<Option<Installed>, InstalledError> {
    let current = generations.current();
    let (number, found) = match current {
        Ok(None) => return Ok(None),
        Ok(Some(generation)) => {
            let number = generation.number;
            (
                number,
                generations.data(&generation).map(|data| (generation, data)),
            )
        }
        Err(error) => (u64::MAX, Err(error)),
    };
    let (generation, data, damage) = match found {
        Ok((generation, data)) => (generation, data, None),
        Err(error) if error.kind == StorageErrorKind::Corrupt => {
            let damage = cordon_storage::Chain(&error).to_string();
            match generations.newest_whole(number)? {
                Some((generation, data)) => (generation, data, Some(damage)),
                None => return Err(error.into()),
            }
        }
        Err(error) => return Err(error.into()),
    };
    let manifest: Manifest =
        serde_json::from_value(generation.manifest.clone()).map_err(|error| {
            InstalledError::Manifest {
                number: generation.number,
                error,
            }
        })?;
    let index = Arc::new(AdvisoryIndex::open(data)?);
    let notes = Notes::read(generations);
    let belief = Arc::new(Belief::new(
        Timestamp::from_millis(0),
        Timestamp::from_millis(0),
    ));
    renew(&belief, &manifest, &notes, ecosystem, config);
    let held_back = held_back(generations, &generation);
    Ok(Some(Installed {
        gap: gap(&manifest, ecosystem, config),
        index,
        generation,
        manifest,
        belief,
        held_back,
        damage,
    }))
}

/// The index in force, whether or not it may be believed. Blocks.
///
/// # Errors
/// If there is one and it cannot be used.
pub fn index(generations: &Generations) -> Result<Option<AdvisoryIndex>, InstalledError> {
    let Some(generation) = generations.current()? else {
        return Ok(None);
    };
    let data = generations.data(&generation)?;
    Ok(Some(AdvisoryIndex::open(data)?))
}

/// As [`open`]; an index of another version of Cordon is made again from what is kept.
///
/// # Errors
/// As for [`open`], and if it cannot be made again.
pub(super) fn open_or_remake(
    generations: &Generations,
    ecosystem: &Ecosystem,
    config: &FeedsConfig,
    now: Timestamp,
) -> Result<Option<Installed>, InstalledError> {
    match open(generations, ecosystem, config) {
        Err(InstalledError::Index(found)) => {
            tracing::info!(%ecosystem, %found, "making the advisory index again");
            let Some(writing) = generations.write()? else {
                return Err(found.into());
            };
            let import = Import {
                writing: &writing,
                ecosystem,
                bounds: config,
                now,
                is_forced: false,
            };
            match import.again(&|_| true) {
                Ok(_) => open(generations, ecosystem, config),
                Err(Refused::Store(error)) => Err(error.into()),
                Err(_) => Err(found.into()),
            }
        }
        other => other,
    }
}

impl Installed {
    /// As the engine judges by it.
    pub fn feed(&self) -> EcosystemFeed {
        EcosystemFeed::Loaded(LoadedFeed {
            index: Arc::clone(&self.index) as _,
            digest: self.generation.digest.clone(),
            belief: Arc::clone(&self.belief),
            gap: self.gap.clone(),
            held_back: self.held_back.clone(),
        })
    }
}

/// Sets until when data may be believed, by the feed that was confirmed longest ago.
pub(super) fn renew(
    belief: &Belief,
    manifest: &Manifest,
    notes: &Notes,
    ecosystem: &Ecosystem,
    config: &FeedsConfig,
) {
    let wanted = |feed: &&KeptFeed| {
        feed.content.has_records() && config.of(ecosystem).any(|it| it.id == feed.id)
    };
    let feeds: Vec<&KeptFeed> = manifest.feeds.iter().filter(wanted).collect();
    let confirmed = |feed: &&KeptFeed| confirmed_at(feed, notes);
    let until = |feed: &&KeptFeed| {
        let until = confirmed_at(feed, notes).saturating_add(config.max_age);
        match feed.is_fetched {
            true => until.min(feed.changed_at.saturating_add(config.max_unchanged)),
            false => until,
        }
    };
    let confirmed_at = feeds.iter().map(confirmed).min();
    let until = feeds.iter().map(until).min();
    let never = Timestamp::from_millis(0);
    belief.renew(confirmed_at.unwrap_or(never), until.unwrap_or(never));
}

/// When it was last confirmed that what is kept of a feed is the newest.
pub fn confirmed_at(feed: &KeptFeed, notes: &Notes) -> Timestamp {
    notes
        .feeds
        .get(&feed.id)
        .filter(|note| note.part.as_ref() == Some(&feed.part))
        .and_then(|note| note.confirmed_at)
        .map_or(feed.changed_at, |confirmed| confirmed.max(feed.changed_at))
}

fn gap(manifest: &Manifest, ecosystem: &Ecosystem, config: &FeedsConfig) -> Option<SmolStr> {
    let mut missing = config
        .of(ecosystem)
        .filter(|feed| feed.content.has_records() && manifest.feed(&feed.id).is_none());
    let first = missing.next()?;
    Some(format!("the advisory feed `{}` was never loaded", first.id).into())
}

fn held_back(generations: &Generations, generation: &Generation) -> Option<Arc<HeldBack>> {
    let awaiting = Awaiting::read(generations)?;
    if awaiting.generation != generation.number {
        return None;
    }
    let (previous, data) = generations.newest_whole(generation.number).ok()??;
    if previous.number != awaiting.previous {
        return None;
    }
    Some(Arc::new(HeldBack {
        previous: Arc::new(AdvisoryIndex::open(data).ok()?),
        packages: awaiting.packages,
        until: awaiting.until,
    }))
}

/// The data in a data folder as one generation, for commands that only look. What cannot be read is
/// as if it were not there, and said.
pub fn read_data(config: &Config) -> AdvisoryData {
    let feeds = config.feeds.ecosystems().into_iter().map(|ecosystem| {
        let generations = Generations::at(folder(&config.data, &ecosystem));
        let feed = match open(&generations, &ecosystem, &config.feeds) {
            Ok(Some(installed)) => installed.feed(),
            Ok(None) => EcosystemFeed::Missing,
            Err(error) => {
                let error = cordon_storage::Chain(&error).to_string();
                tracing::error!(%ecosystem, error, "advisory data cannot be used");
                EcosystemFeed::Missing
            }
        };
        (ecosystem, feed)
    });
    AdvisoryData::new(feeds)
}

/// The manifest of the generation in force; `None` when there is none that can be read.
pub fn manifest_of(generations: &Generations) -> Option<Manifest> {
    let generation = generations.current().ok()??;
    serde_json::from_value(generation.manifest).ok()
}

/// Whether a feed that is kept is still configured, with the same meaning.
pub(super) fn is_configured(feed: &KeptFeed, ecosystem: &Ecosystem, config: &FeedsConfig) -> bool {
    config
        .of(ecosystem)
        .any(|it| it.id == feed.id && super::manifest::Content::from(it.content) == feed.content)
}

/// Whether the file of a feed being readable confirms it: own lists are as new as their owner
/// wants them.
pub(super) fn confirms_itself(source: &FeedSource, content: FeedContent) -> bool {
    content == FeedContent::List && matches!(source, FeedSource::File(_))
}
