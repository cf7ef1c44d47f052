//! Keeping advisory data up to date while Cordon serves: sources are asked, imports of others
//! noticed, what is new put in force, and an operator told what needs a person.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use cordon_policy::advisory::changed_packages;
use cordon_policy::decision::Cause;
use cordon_policy::model::{Ecosystem, Timestamp};
use cordon_storage::Chain;
use cordon_storage::generations::Generations;

use super::data::{AdvisoryData, EcosystemFeed};
use super::fetch::{self, Source};
use super::import::{Import, Imported};
use super::installed::{self, Installed, folder, is_configured, renew};
use super::notes::Notes;
use crate::config::{Config, FeedSource, FeedsConfig};
use crate::engine::{Clock, Engine, Scope};
use crate::server::{Drain, Phase};
use crate::telemetry::Metrics;
use crate::upstream::UpstreamError;

/// How often the data folder is looked at for what others imported.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often files and folders of this machine are looked at.
const LOCAL_EVERY: Duration = Duration::from_secs(60);
/// How soon a source that failed is asked again; doubled each time, up to `feeds.refresh`.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// The advisory data of a running Cordon.
#[derive(Clone)]
pub struct Feeds {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    /// What each ecosystem has now, put together anew when one changes.
    current: Mutex<BTreeMap<Ecosystem, EcosystemFeed>>,
    /// What an operator must know, by ecosystem.
    pub(super) remarks: Mutex<BTreeMap<Ecosystem, Vec<String>>>,
    /// Raised when every source is to be asked now.
    asked: tokio::sync::watch::Sender<u64>,
    opened: Mutex<BTreeMap<Ecosystem, Installed>>,
}

impl Feeds {
    /// Opens what the data folder has. Blocks. What cannot be used is said, and is as if it were
    /// not there: the next refresh makes it again.
    pub fn open(config: Arc<Config>, clock: Arc<dyn Clock>) -> Self {
        let mut current = BTreeMap::new();
        let mut opened = BTreeMap::new();
        for ecosystem in config.feeds.ecosystems() {
            let at = folder(&config.data, &ecosystem);
            let found = Generations::open(at)
                .map_err(Into::into)
                .and_then(|generations| {
                    let now = clock.now();
                    installed::open_or_remake(&generations, &ecosystem, &config.feeds, now)
                });
            let feed = match found {
                Ok(Some(installed)) => {
                    let feed = installed.feed();
                    opened.insert(ecosystem.clone(), installed);
                    feed
                }
                Ok(None) => EcosystemFeed::Missing,
                Err(error) => {
                    tracing::error!(%ecosystem, error = %Chain(&error), "advisory data cannot be used");
                    EcosystemFeed::Missing
                }
            };
            current.insert(ecosystem, feed);
        }
        let (asked, _) = tokio::sync::watch::channel(0);
        Self {
            shared: Arc::new(Shared {
                config,
                clock,
                current: Mutex::new(current),
                remarks: Mutex::default(),
                asked,
                opened: Mutex::new(opened),
            }),
        }
    }

    /// What the engine judges by now.
    pub fn data(&self) -> AdvisoryData {
        AdvisoryData::new(lock(&self.shared.current).clone())
    }

    /// What an operator must know.
    pub fn remarks(&self) -> Vec<String> {
        let remarks = lock(&self.shared.remarks);
        remarks.values().flatten().cloned().collect()
    }

    /// Has every source asked now.
    pub fn refresh(&self) {
        self.shared.asked.send_modify(|count| *count += 1);
    }

    /// Keeps the data up to date until the end.
    ///
    /// # Errors
    /// If a client for a source cannot be made.
    pub fn watches(
        &self,
        engine: &Arc<Engine>,
        metrics: &Arc<Metrics>,
    ) -> Result<Vec<Watch>, UpstreamError> {
        let config = &self.shared.config;
        let ecosystems = config.feeds.ecosystems().into_iter();
        ecosystems
            .map(|ecosystem| {
                let generations = Generations::at(folder(&config.data, &ecosystem));
                let sources = config.feeds.of(&ecosystem).map(|feed| {
                    let source = Source::new(
                        feed.clone(),
                        generations.clone(),
                        config.feeds.clone(),
                        &config.limits,
                    )?;
                    Ok(Asked::new(source))
                });
                Ok(Watch {
                    sources: sources.collect::<Result<_, UpstreamError>>()?,
                    installed: lock(&self.shared.opened).remove(&ecosystem),
                    feeds: self.clone(),
                    engine: Arc::clone(engine),
                    metrics: Arc::clone(metrics),
                    pointer: None,
                    was_believed: true,
                    is_stale: false,
                    generations,
                    ecosystem,
                })
            })
            .collect()
    }
}

/// A source with when it is asked next.
struct Asked {
    source: Source,
    next: Option<Instant>,
    failures: u32,
    /// What a local source looked like when it was read last.
    stamp: Option<Stamp>,
}

/// Size and time of change of a file; of a folder, of all in it.
type Stamp = (u64, u64, Option<SystemTime>);

impl Asked {
    fn new(source: Source) -> Self {
        Self {
            source,
            next: None,
            failures: 0,
            stamp: None,
        }
    }
}

/// Watches the data of one ecosystem.
pub struct Watch {
    pub(super) feeds: Feeds,
    pub(super) engine: Arc<Engine>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) ecosystem: Ecosystem,
    pub(super) generations: Generations,
    sources: Vec<Asked>,
    pub(super) installed: Option<Installed>,
    /// What said which generation is in force when it was opened.
    pointer: Option<String>,
    was_believed: bool,
    pub(super) is_stale: bool,
}

impl Watch {
    /// Watches until the end.
    pub async fn run(mut self, mut drain: Drain) {
        let mut asked = self.feeds.shared.asked.subscribe();
        self.begin().await;
        loop {
            self.look().await;
            tokio::select! {
                () = drain.reached(Phase::Draining) => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                changed = asked.changed() => match changed {
                    Ok(()) => self.sources.iter_mut().for_each(|it| it.next = None),
                    Err(_) => return,
                },
            }
        }
    }

    pub(super) fn config(&self) -> &FeedsConfig {
        &self.feeds.shared.config.feeds
    }

    pub(super) fn now(&self) -> Timestamp {
        self.feeds.shared.clock.now()
    }

    /// Takes stock at the start: data that is young enough is not asked for again at once.
    async fn begin(&mut self) {
        self.pointer = self.generations.pointer().ok().flatten();
        if let Some(installed) = self.installed.clone() {
            self.tell(&installed, None, &BTreeSet::new()).await;
            let has_strangers = installed
                .manifest
                .feeds
                .iter()
                .any(|feed| !is_configured(feed, &self.ecosystem, self.config()));
            if has_strangers {
                self.drop_strangers().await;
            }
            let notes = Notes::read(&self.generations);
            let (now, refresh) = (self.now(), self.config().refresh);
            for asked in &mut self.sources {
                let id = &asked.source.feed.id;
                let Some(kept) = installed.manifest.feed(id) else {
                    continue;
                };
                let age = now.since(installed::confirmed_at(kept, &notes));
                let is_remote = matches!(asked.source.feed.source, FeedSource::Url(_));
                let is_young = installed::confirmed_at(kept, &notes) <= now && age < refresh;
                if is_remote && is_young {
                    asked.next = Some(Instant::now() + refresh.saturating_sub(age));
                }
            }
        }
    }

    /// Makes the index again without feeds that are no longer configured.
    async fn drop_strangers(&mut self) {
        let Ok(writing) = fetch::lock(&self.generations).await else {
            return;
        };
        let (ecosystem, bounds, now) = (self.ecosystem.clone(), self.config().clone(), self.now());
        let work = move || {
            let import = Import {
                writing: &writing,
                ecosystem: &ecosystem,
                bounds: &bounds,
                now,
                is_forced: false,
            };
            import.again(&|feed| is_configured(feed, &ecosystem, &bounds))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(_)) => tracing::info!(
                ecosystem = %self.ecosystem,
                "advisory data of feeds that are no longer configured was taken out"
            ),
            Ok(Err(refused)) => tracing::warn!(
                ecosystem = %self.ecosystem,
                error = %Chain(&refused),
                "taking out feeds that are no longer configured failed"
            ),
            Err(_) => {}
        }
    }

    async fn look(&mut self) {
        self.ask_sources().await;
        let pointer = self.generations.pointer();
        match pointer {
            Ok(pointer) if pointer != self.pointer => self.adopt(pointer).await,
            Ok(_) => self.look_at_confirmation().await,
            Err(error) => tracing::warn!(error = %Chain(&error), "the feeds cannot be looked at"),
        }
        self.renew().await;
        self.watch_age().await;
        self.show();
    }

    async fn ask_sources(&mut self) {
        let (now, refresh) = (self.now(), self.config().refresh);
        let mut told = Vec::new();
        for asked in &mut self.sources {
            if asked.next.is_some_and(|next| Instant::now() < next) {
                continue;
            }
            let id = &asked.source.feed.id;
            let is_local = match &asked.source.feed.source {
                FeedSource::Imported => {
                    asked.next = Some(Instant::now() + LOCAL_EVERY);
                    continue;
                }
                FeedSource::File(path) | FeedSource::Folder(path) => {
                    asked.next = Some(Instant::now() + LOCAL_EVERY);
                    let path = path.clone();
                    let stamp = tokio::task::spawn_blocking(move || stamp(&path)).await;
                    let stamp = stamp.ok().flatten();
                    let is_same = stamp.is_some() && stamp == asked.stamp;
                    if is_same && !asked.source.confirms_itself() {
                        continue;
                    }
                    asked.stamp = stamp;
                    true
                }
                FeedSource::Url(_) => false,
            };
            let outcome = asked.source.ask(now).await;
            let wait = match &outcome {
                _ if is_local => LOCAL_EVERY,
                Ok(_) => spread(refresh),
                Err(_) => {
                    let doubled = FIRST_RETRY.saturating_mul(1 << asked.failures.min(10));
                    spread(doubled.min(refresh))
                }
            };
            asked.failures = match &outcome {
                Ok(_) => 0,
                Err(_) => asked.failures.saturating_add(1),
            };
            asked.next = Some(Instant::now() + wait);
            match outcome {
                Ok(Imported::Unchanged) => tracing::debug!(feed = %id, "nothing new"),
                Ok(Imported::New(_)) => {}
                Err(refused) => told.push((id.clone(), refused, asked.failures)),
            }
        }
        for (id, refused, failures) in told {
            self.refused(&id, &refused, failures).await;
        }
    }

    /// Puts a generation in force that was not before.
    async fn adopt(&mut self, pointer: Option<String>) {
        let (generations, ecosystem) = (self.generations.clone(), self.ecosystem.clone());
        let bounds = self.config().clone();
        let before = self.installed.clone();
        let work = move || {
            let found = installed::open(&generations, &ecosystem, &bounds)?;
            let changed = found.as_ref().and_then(|found| {
                let before = before.as_ref()?;
                Some(changed_packages(&before.index, &found.index))
            });
            Ok::<_, installed::InstalledError>((found, changed))
        };
        let opened = tokio::task::spawn_blocking(work).await;
        let (installed, changed) = match opened {
            Ok(Ok((Some(installed), changed))) => (installed, changed),
            Ok(Ok((None, _))) => {
                // Somebody emptied the folder: what is in memory stays.
                self.pointer = pointer;
                return;
            }
            Ok(Err(error)) => {
                let error = Chain(&error).to_string();
                tracing::error!(ecosystem = %self.ecosystem, error, "new advisory data cannot be used");
                self.pointer = pointer;
                return;
            }
            Err(_) => return,
        };
        self.pointer = pointer;
        let held_back = self.hold_back(&installed, changed.as_ref()).await;
        let installed = Installed {
            held_back,
            ..installed
        };
        let scope = match &changed {
            Some(changed) if changed.is_empty() => None,
            Some(changed) => Some(Scope::Packages(changed.clone())),
            None => Some(Scope::Everything),
        };
        let awaiting = installed.held_back.as_ref();
        let awaiting = awaiting.map(|it| it.packages.clone()).unwrap_or_default();
        self.tell(&installed, changed.as_ref(), &awaiting).await;
        let is_same = self.installed.as_ref().is_some_and(|before| {
            before.generation.digest == installed.generation.digest
                && before.gap == installed.gap
                && before.held_back.is_none()
                && installed.held_back.is_none()
        });
        self.installed = Some(installed);
        if is_same {
            // The same bytes: what is cached stays good.
            let belief = self.installed.as_ref().map(|it| Arc::clone(&it.belief));
            self.share_belief(belief);
            return;
        }
        self.put_in_force(scope);
    }

    /// Keeps one belief for all snapshots of the same data.
    fn share_belief(&mut self, newer: Option<Arc<super::data::Belief>>) {
        let Some(newer) = newer else { return };
        let current = lock(&self.feeds.shared.current);
        if let Some(EcosystemFeed::Loaded(loaded)) = current.get(&self.ecosystem) {
            loaded.belief.renew(newer.confirmed_at(), newer.until());
            if let Some(installed) = &mut self.installed {
                installed.belief = Arc::clone(&loaded.belief);
            }
        }
    }

    /// Exchanges this ecosystem's part of what the engine judges by, and has what is on record
    /// judged again.
    pub(super) fn put_in_force(&self, scope: Option<Scope>) {
        let feed = match &self.installed {
            Some(installed) => installed.feed(),
            None => EcosystemFeed::Missing,
        };
        let mut current = lock(&self.feeds.shared.current);
        current.insert(self.ecosystem.clone(), feed);
        // Under the lock, so that of two ecosystems none undoes the other.
        let data = Arc::new(AdvisoryData::new(current.clone()));
        let generation = self.engine.replace_advisories(data);
        drop(current);
        let inactive = self.engine.snapshot().inactive_rules();
        self.metrics.generation_changed(generation, inactive);
        tracing::info!(ecosystem = %self.ecosystem, generation, "advisory data put in force");
        if let Some(scope) = scope {
            self.engine.reevaluate_later(Cause::AdvisoryRefresh, scope);
        }
    }

    /// Confirmations since the last look. Data that could not be believed and now can be is a
    /// change to everything judged in between.
    async fn renew(&mut self) {
        let Some(installed) = &self.installed else {
            return;
        };
        let notes = Notes::read(&self.generations);
        let config = self.config();
        renew(
            &installed.belief,
            &installed.manifest,
            &notes,
            &self.ecosystem,
            config,
        );
        let now = self.now();
        let is_believed = installed.belief.until() > now;
        if is_believed && !self.was_believed {
            self.put_in_force(None);
        }
        self.was_believed = is_believed;
    }
}

/// A tenth more or less, so that many who started together do not ask together.
fn spread(wait: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    let part = f64::from(random) / f64::from(u32::MAX);
    wait.mul_f64(0.9 + 0.2 * part)
}

/// What a file, or all in a folder, looks like from outside.
fn stamp(path: &Path) -> Option<Stamp> {
    const MOST: u64 = 1_000_000;
    let mut found: Stamp = (0, 0, None);
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        found.0 += 1;
        found.1 = found.1.wrapping_add(metadata.len());
        found.2 = found.2.max(metadata.modified().ok());
        if metadata.is_dir() && found.0 < MOST {
            let entries = std::fs::read_dir(&path).ok()?;
            left.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        }
    }
    Some(found)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No code under these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
