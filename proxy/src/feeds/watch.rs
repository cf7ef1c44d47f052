//! Keeping advisory data up to date while Cordon serves: sources are asked, imports of others
//! noticed, what is new put in force, and an operator told what needs a person.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use cordon_policy::advisory::changed_packages;
use cordon_policy::decision::Cause;
use cordon_policy::model::{Ecosystem, PackageName, Timestamp};
use cordon_storage::Chain;
use cordon_storage::evidence::{Entry, Notice};
use cordon_storage::generations::Generations;

use super::data::{AdvisoryData, EcosystemFeed, HeldBack};
use super::fetch::{self, Source};
use super::import::{Import, Imported};
use super::installed::{self, Installed, folder, is_configured, renew};
use super::notes::{Awaiting, Notes};
use super::refused::Refused;
use crate::config::{Config, FeedSource, FeedsConfig};
use crate::engine::{Clock, Engine, Scope};
use crate::server::{Drain, Phase};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::feeds::FeedState;
use crate::upstream::UpstreamError;

/// How often the data folder is looked at for what others imported.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often files and folders of this machine are looked at.
const LOCAL_EVERY: Duration = Duration::from_secs(60);
/// How soon a source that failed is asked again; doubled each time, up to `feeds.refresh`.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// What counts as served lately.
const LATELY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Packages named in one notice.
const NAMED: usize = 20;
/// Remembers which generations were told of, beside the generations.
const TOLD: &str = "told.json";

/// The advisory data of a running Cordon.
#[derive(Clone)]
pub struct Feeds {
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    /// What each ecosystem has now, put together anew when one changes.
    current: Mutex<BTreeMap<Ecosystem, EcosystemFeed>>,
    /// What an operator must know, by ecosystem.
    remarks: Mutex<BTreeMap<Ecosystem, Vec<String>>>,
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
    feeds: Feeds,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    ecosystem: Ecosystem,
    generations: Generations,
    sources: Vec<Asked>,
    installed: Option<Installed>,
    /// What said which generation is in force when it was opened.
    pointer: Option<String>,
    was_believed: bool,
    is_stale: bool,
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

    fn config(&self) -> &FeedsConfig {
        &self.feeds.shared.config.feeds
    }

    fn now(&self) -> Timestamp {
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

    /// Something could not be had, or was refused: counted each time, on record the first time.
    async fn refused(&self, id: &str, refused: &Refused, failures: u32) {
        let ecosystem = self.ecosystem.as_str();
        self.metrics.feed_refused(ecosystem, refused.cause());
        let error = Chain(refused).to_string();
        if !refused.is_alarming() {
            tracing::warn!(
                ecosystem,
                feed = id,
                failures,
                error,
                "a feed could not be had"
            );
            return;
        }
        tracing::error!(
            ecosystem,
            feed = id,
            cause = refused.cause(),
            error,
            "a feed was refused; the data before it stays in force"
        );
        if failures <= 1 {
            let text = format!(
                "{ecosystem} feed `{id}` was refused ({}), the data before it stays: {error}",
                refused.cause()
            );
            self.notice("feed-refused", text).await;
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
    fn put_in_force(&self, scope: Option<Scope>) {
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

    /// D-20: what the new data would newly refuse of what was served lately waits for a person,
    /// when it is more than a person would not notice.
    async fn hold_back(
        &self,
        new: &Installed,
        changed: Option<&BTreeSet<PackageName>>,
    ) -> Option<Arc<HeldBack>> {
        let (before, changed) = (self.installed.as_ref()?, changed?);
        let now = self.now();
        let plain = Installed {
            held_back: None,
            ..new.clone()
        };
        let data = AdvisoryData::new([(self.ecosystem.clone(), plain.feed())]);
        let since = now.saturating_sub(LATELY);
        let mut asked_about = changed.clone();
        let waiting = before.held_back.as_ref().filter(|it| now < it.until);
        asked_about.extend(waiting.iter().flat_map(|it| it.packages.iter().cloned()));
        let newly = self.engine.newly_refused(&data, &asked_about, since).await;
        let mut packages = match newly {
            Ok(packages) => packages,
            Err(error) => {
                // Refusing is the safe side.
                tracing::warn!(error = %Chain(&error), "what new advisory data would refuse is not known");
                return None;
            }
        };
        packages.extend(waiting.iter().flat_map(|it| it.packages.iter().cloned()));
        if waiting.is_none() && packages.len() <= self.config().confirm_above {
            return None;
        }
        let until = waiting.map_or_else(
            || now.saturating_add(self.config().confirm_within),
            |it| it.until,
        );
        let awaiting = Awaiting {
            generation: new.generation.number,
            previous: before.generation.number,
            packages: packages.clone(),
            until,
        };
        if let Err(error) = Awaiting::write(Some(&awaiting), &self.generations) {
            tracing::warn!(error = %Chain(&error), "what waits to be confirmed was not noted");
        }
        let previous = match waiting {
            Some(waiting) => Arc::clone(&waiting.previous),
            None => Arc::clone(&before.index) as _,
        };
        Some(Arc::new(HeldBack {
            previous,
            packages,
            until,
        }))
    }

    /// Puts in force what waited, once it is confirmed or has waited long enough.
    async fn look_at_confirmation(&mut self) {
        let Some(installed) = &mut self.installed else {
            return;
        };
        let Some(held_back) = installed.held_back.clone() else {
            return;
        };
        let is_confirmed = Awaiting::read(&self.generations).is_none();
        let now = self.feeds.shared.clock.now();
        if !is_confirmed && now < held_back.until {
            return;
        }
        installed.held_back = None;
        if let Err(error) = Awaiting::write(None, &self.generations) {
            tracing::warn!(error = %Chain(&error), "what waited to be confirmed is still noted");
        }
        let how = match is_confirmed {
            true => "was confirmed",
            false => "was confirmed by nobody in time and takes effect",
        };
        let text = format!(
            "the refusal of {} {} packages in use {how}",
            held_back.packages.len(),
            self.ecosystem
        );
        self.notice("feed-confirmed", text).await;
        self.put_in_force(Some(Scope::Packages(held_back.packages.clone())));
    }

    /// Puts on record what a new generation is, and what is remarkable about it: once each.
    async fn tell(
        &self,
        installed: &Installed,
        changed: Option<&BTreeSet<PackageName>>,
        awaiting: &BTreeSet<PackageName>,
    ) {
        let number = installed.generation.number;
        let told = self.generations.note(TOLD).ok().flatten();
        let told: Option<u64> = told.and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(damage) = &installed.damage {
            let text = format!(
                "{} advisory data is damaged ({damage}); generation {number} before it is in force",
                self.ecosystem
            );
            self.notice("feed-damaged", text).await;
        }
        if told.is_some_and(|told| told >= number) {
            return;
        }
        let manifest = &installed.manifest;
        let changed = changed.map_or_else(String::new, |changed| {
            format!(", {} packages changed", changed.len())
        });
        let text = format!(
            "{} advisory data: generation {number} ({}), {} records, {} taken back{changed}",
            self.ecosystem, installed.generation.digest, manifest.records, manifest.withdrawn
        );
        self.notice("feed-changed", text).await;
        for feed in &manifest.feeds {
            if let Some(forced) = feed
                .forced
                .as_ref()
                .filter(|_| feed.changed_at == manifest.imported_at)
            {
                tracing::warn!(ecosystem = %self.ecosystem, feed = %feed.id, forced, "a refused dump was imported by force");
                let text = format!(
                    "{} feed `{}` was imported by force although it was refused: {forced}",
                    self.ecosystem, feed.id
                );
                self.notice("feed-forced", text).await;
            }
        }
        if !awaiting.is_empty() {
            let named: Vec<String> = awaiting
                .iter()
                .take(NAMED)
                .map(ToString::to_string)
                .collect();
            let text = format!(
                "new {} advisory data refuses {} packages that were served lately, more than \
                 feeds.confirm_above: who has them keeps getting them until `cordon feeds confirm \
                 --ecosystem {}` or the time is up ({}{})",
                self.ecosystem,
                awaiting.len(),
                self.ecosystem,
                named.join(", "),
                if awaiting.len() > NAMED { ", …" } else { "" }
            );
            tracing::error!(ecosystem = %self.ecosystem, packages = awaiting.len(), "new advisory data refuses many packages in use; confirm it");
            self.notice("feed-blast-radius", text).await;
        }
        let number = serde_json::to_vec(&number).expect("a number has a JSON form");
        if let Err(error) = self.generations.put_note(TOLD, &number) {
            tracing::warn!(error = %Chain(&error), "that a generation was told of is not noted");
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

    /// D-06: an alarm when nothing new comes for too long.
    async fn watch_age(&mut self) {
        let Some(installed) = &self.installed else {
            self.set_remarks(vec![format!(
                "{} advisory data was never loaded; nothing is known of vulnerabilities and malware",
                self.ecosystem
            )]);
            return;
        };
        let now = self.now();
        let mut remarks = Vec::new();
        let mut stale = Vec::new();
        let notes = Notes::read(&self.generations);
        for feed in self.config().of(&self.ecosystem) {
            let Some(kept) = installed.manifest.feed(&feed.id) else {
                remarks.push(format!(
                    "{} feed `{}` was never loaded",
                    self.ecosystem, feed.id
                ));
                continue;
            };
            let newest = kept
                .newest_modified
                .map_or(kept.changed_at, |newest| newest.min(kept.changed_at));
            let is_quiet_by_nature = kept.content != super::manifest::Content::Osv;
            if !is_quiet_by_nature && now.since(newest) > feed.stale_alarm {
                stale.push(format!("`{}` has nothing newer than {newest}", feed.id));
            }
            let failure = notes.feeds.get(&feed.id).and_then(|it| it.failure.as_ref());
            if let Some(failure) = failure {
                remarks.push(format!(
                    "{} feed `{}` fails since {} ({}): {}",
                    self.ecosystem, feed.id, failure.since, failure.cause, failure.text
                ));
            }
        }
        if installed.belief.until() <= now {
            remarks.push(format!(
                "{} advisory data is too old to be believed: versions never allowed here are held",
                self.ecosystem
            ));
        }
        if let Some(held_back) = &installed.held_back {
            remarks.push(format!(
                "{} {} packages in use wait for `cordon feeds confirm` until {}",
                held_back.packages.len(),
                self.ecosystem,
                held_back.until
            ));
        }
        let is_stale = !stale.is_empty();
        for text in &stale {
            remarks.push(format!("{} feed {text}", self.ecosystem));
        }
        self.set_remarks(remarks);
        if is_stale && !self.is_stale {
            let text = format!("{} feed {}", self.ecosystem, stale.join("; "));
            tracing::warn!(ecosystem = %self.ecosystem, text, "advisory data gets old");
            self.notice("feed-stale", text).await;
        }
        self.is_stale = is_stale;
    }

    fn set_remarks(&self, texts: Vec<String>) {
        lock(&self.feeds.shared.remarks).insert(self.ecosystem.clone(), texts);
    }

    fn show(&self) {
        let now = self.now();
        let state = self
            .installed
            .as_ref()
            .map_or_else(FeedState::default, |it| {
                let newest = it.manifest.newest_modified;
                FeedState {
                    generation: it.generation.number,
                    records: it.manifest.records,
                    confirmed_seconds: now.since(it.belief.confirmed_at()).as_secs(),
                    newest_seconds: now
                        .since(newest.unwrap_or(it.manifest.imported_at))
                        .as_secs(),
                    is_believed: it.belief.until() > now && it.gap.is_none(),
                    awaiting: it.held_back.as_ref().map_or(0, |it| it.packages.len()),
                }
            });
        self.metrics.feed(self.ecosystem.as_str(), &state);
    }

    async fn notice(&self, code: &'static str, text: String) {
        let notice = Notice {
            at: self.now(),
            code: code.into(),
            text,
        };
        let evidence = &self.engine.stores().evidence;
        if let Err(error) = evidence.append(vec![Entry::Notice(notice)]).await {
            tracing::warn!(code, error = %Chain(&error), "a notice about feeds was not recorded");
        }
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No code under these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
