//! Reload (flow c): all or nothing, the old policy stays when the new one is wrong.
//!
//! Asked for (SIGHUP, `POST /reload`), the configuration is read again as well: its list of policy
//! files and its indicators take effect, and what else changed in it is named, because it needs a restart. So are the
//! certificates. Edits of configuration and policy files are noticed without being asked.

mod watch;
mod weakened;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cordon_policy::config::diagnostic::Diagnostic;
use cordon_policy::decision::Cause;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::model::PackageName;
use cordon_storage::Chain;
use cordon_storage::evidence::{Entry, Notice};
use smol_str::SmolStr;

use self::watch::{Contents, Watch, stamp_of_texts};
use self::weakened::{watching, weakened};
use crate::config::{Config, ConfigSource, IndicatorsConfig, Loaded};
use crate::engine::{Clock as _, Engine, Scope, SystemClock};
use crate::feeds::Feeds;
use crate::indicators;
use crate::names::Names;
use crate::policy_files::{self, Granted, LoadedPolicy};
use crate::selftest::{SelfTest, Tested};
use crate::serve::record_policy;
use crate::server::{Certificates, Drain, Phase, tls};
use crate::telemetry::Metrics;

/// How often the files are looked at. A change is acted on when two looks agree.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks between two counts of what is held.
const COUNT_EVERY: u64 = 10;

/// Reads the policy again and puts it in force.
#[derive(Clone)]
pub struct Reloader {
    engine: Arc<Engine>,
    /// As of the start.
    config: Arc<Config>,
    source: Arc<ConfigSource>,
    metrics: Arc<Metrics>,
    certificates: Vec<Arc<Certificates>>,
    self_test: Option<Arc<SelfTest>>,
    feeds: Option<Feeds>,
    turn: Arc<tokio::sync::Mutex<()>>,
    state: Arc<Mutex<State>>,
}

/// What the last reading said.
struct State {
    policy_files: Vec<PathBuf>,
    indicators: IndicatorsConfig,
    needs_restart: Vec<&'static str>,
    problems: Vec<String>,
    /// Ids of the exemptions granted in an emergency.
    break_glass: BTreeSet<SmolStr>,
    policy_watch: Watch,
    config_watch: Watch,
}

/// What was decided by hand, and about what.
#[derive(Clone, Debug)]
pub(crate) struct ByHand {
    /// Why it is judged again.
    pub(crate) cause: Cause,
    /// What is judged again.
    pub(crate) packages: BTreeSet<PackageName>,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// The generation in force.
    pub generation: u64,
    /// Whether it came into force by this reload; otherwise the policy was the same.
    pub is_new: bool,
    /// Keys of the configuration that differ from the start and need a restart.
    pub needs_restart: Vec<&'static str>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_new {
            write!(f, "generation {} is in force", self.generation)?;
        } else {
            write!(
                f,
                "the policy is the same; generation {} stays in force",
                self.generation
            )?;
        }
        if !self.needs_restart.is_empty() {
            write!(
                f,
                "\nchanged, but needs a restart: {}",
                self.needs_restart.join(", ")
            )?;
        }
        Ok(())
    }
}

impl Reloader {
    /// Reloads for an engine that was started with this configuration and policy.
    pub fn new(
        engine: Arc<Engine>,
        config: Arc<Config>,
        source: ConfigSource,
        policy: &LoadedPolicy,
        metrics: Arc<Metrics>,
    ) -> Self {
        let snapshot = engine.snapshot();
        metrics.generation_changed(snapshot.generation, snapshot.inactive_rules());
        metrics.rules_watching(watching(&snapshot.ruleset).len());
        let read = policy.sources.iter().map(|it| it.text.as_str());
        let is_built_in = config.policy_files.is_empty();
        // Lists of popular names and indicators are not in it: with some, the first look reloads once, to no effect.
        let policy_read = stamp_of_texts(read.filter(|_| !is_built_in));
        let config_read = Contents::default().stamp(source.path.as_slice());
        let state = State {
            policy_files: config.policy_files.clone(),
            indicators: config.indicators.clone(),
            needs_restart: Vec::new(),
            problems: Vec::new(),
            break_glass: policy.break_glass.clone(),
            policy_watch: Watch::new(policy_read),
            config_watch: Watch::new(config_read),
        };
        Self {
            engine,
            config,
            source: Arc::new(source),
            metrics,
            certificates: Vec::new(),
            self_test: None,
            feeds: None,
            turn: Arc::default(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Also reads these certificates again when asked to reload.
    #[must_use]
    pub fn with_certificates(
        self,
        certificates: impl IntoIterator<Item = Arc<Certificates>>,
    ) -> Self {
        Self {
            certificates: certificates.into_iter().collect(),
            ..self
        }
    }

    /// Also tells what this self-test found.
    #[must_use]
    pub fn with_self_test(self, self_test: Arc<SelfTest>) -> Self {
        Self {
            self_test: Some(self_test),
            ..self
        }
    }

    /// Also asks the sources of advisory data when asked to reload.
    #[must_use]
    pub fn with_feeds(self, feeds: Feeds) -> Self {
        Self {
            feeds: Some(feeds),
            ..self
        }
    }

    /// The last self-test.
    pub fn self_tested(&self) -> Option<Arc<Tested>> {
        self.self_test.as_ref()?.last()
    }

    /// What an operator must know of advisory data.
    pub fn feed_remarks(&self) -> Vec<String> {
        self.feeds.as_ref().map(Feeds::remarks).unwrap_or_default()
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// What was wrong with configuration or policy files when they were read last; empty when they
    /// are in force.
    pub fn last_problems(&self) -> Vec<String> {
        self.state().problems.clone()
    }

    /// Keys of the configuration that were changed and wait for a restart.
    pub fn needs_restart(&self) -> Vec<&'static str> {
        self.state().needs_restart.clone()
    }

    /// Ids of the exemptions that were granted in an emergency, ended by time or not.
    pub(crate) fn break_glass_ids(&self) -> BTreeSet<SmolStr> {
        self.state().break_glass.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change under the lock is one assignment; none can be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads configuration and policy again and puts the policy in force, or reports what is wrong
    /// and changes nothing of it. Each certificate is exchanged for itself.
    ///
    /// # Errors
    /// Every problem, one line each; after what did succeed, when only a certificate is wrong.
    pub async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        let outcome = self.reload_config().await;
        if outcome.as_ref().is_ok_and(|reloaded| !reloaded.is_new) {
            tracing::info!("the policy was read again and is the same as before");
        }
        let wrong = self.reload_certificates().await;
        if let Some(feeds) = &self.feeds {
            feeds.refresh();
        }
        match outcome {
            Ok(reloaded) if !wrong.is_empty() => Err([vec![reloaded.to_string()], wrong].concat()),
            Ok(reloaded) => Ok(reloaded),
            Err(problems) => Err([problems, wrong].concat()),
        }
    }

    /// The same for the configuration and the policy alone.
    async fn reload_config(&self) -> Result<Reloaded, Vec<String>> {
        let _turn = self.turn.lock().await;
        let outcome = match self.read_config().await {
            Ok(()) => self.replace(None).await,
            Err(problems) => Err(problems),
        };
        self.note(&outcome);
        let needs_restart = self.needs_restart();
        if !needs_restart.is_empty() {
            let keys = needs_restart.join(", ");
            tracing::warn!(
                keys,
                "the configuration changed in keys that need a restart"
            );
        }
        outcome
    }

    /// Reads every certificate again. Answers what is wrong with those that stay as they were.
    async fn reload_certificates(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for certificates in &self.certificates {
            let certificates = Arc::clone(certificates);
            match tokio::task::spawn_blocking(move || certificates.reload()).await {
                Ok(outcome) => {
                    problems.extend(outcome.as_ref().err().map(|error| {
                        format!("the certificate was not reloaded: {}", Chain(error))
                    }));
                    tls::report(&self.metrics, outcome);
                }
                Err(error) => problems.push(format!("reading a certificate: {error}")),
            }
        }
        problems
    }

    /// The same for the policy files alone.
    async fn reload_policy(&self) {
        let _turn = self.turn.lock().await;
        let outcome = self.replace(None).await;
        self.note(&outcome);
    }

    fn note(&self, outcome: &Result<Reloaded, Vec<String>>) {
        let problems = outcome.as_ref().err().cloned().unwrap_or_default();
        self.metrics.policy_reloaded(problems.len());
        if !problems.is_empty() {
            tracing::error!(
                problems = problems.len(),
                "the policy was not reloaded; the old one stays"
            );
        }
        for problem in &problems {
            tracing::error!(problem, "policy problem");
        }
        self.state().problems = problems;
    }

    /// Reads the configuration again; its policy files are the ones from now on.
    async fn read_config(&self) -> Result<(), Vec<String>> {
        let source = Arc::clone(&self.source);
        // The stamp first: an edit between the two is seen as one later, not missed.
        let read = move || {
            (
                Contents::default().stamp(source.path.as_slice()),
                source.load(),
            )
        };
        let (seen, loaded) = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| vec![error.to_string()])?;
        self.state().config_watch.acted_on = seen;
        let Loaded {
            config, warnings, ..
        } = loaded.map_err(|rejected| lines(&rejected.problems))?;
        for warning in &warnings {
            tracing::warn!(%warning, "configuration warning");
        }
        let mut state = self.state();
        state.needs_restart = self.config.needing_restart(&config);
        state.policy_files = config.policy_files;
        state.indicators = config.indicators;
        Ok(())
    }

    /// Reads the policy and puts it in force. What was recorded is judged again: all of it, or, when
    /// nothing but a decision by hand changed, what that is about and why.
    async fn replace(&self, by_hand: Option<ByHand>) -> Result<Reloaded, Vec<String>> {
        let (files, wanted) = {
            let state = self.state();
            (state.policy_files.clone(), state.indicators.clone())
        };
        let watched = self.watched();
        let config = Arc::clone(&self.config);
        let read = move || {
            (
                Contents::default().stamp(&watched),
                policy_files::load(&files),
                Names::read(&config.popular),
                indicators::read(&wanted),
            )
        };
        let (seen, loaded, names, indicators) = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| vec![error.to_string()])?;
        let before = std::mem::replace(&mut self.state().policy_watch.acted_on, seen);
        let by_hand = by_hand.filter(|_| before == seen);
        let loaded = loaded.and_then(|loaded| loaded.for_server(&self.config));
        let loaded = loaded.map_err(|rejected| lines(&rejected.problems))?;
        let before = self.engine.snapshot().names.clone();
        let names = names.and_then(|names| names.after(&before, &self.config.popular));
        let names = names.map_err(|error| vec![error.to_string()])?;
        let indicators = indicators.map_err(|error| error.lines())?;
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "policy warning");
        }
        let granted = Granted::of(&*self.engine.stores().evidence).await;
        let granted =
            granted.map_err(|error| vec![format!("reading exemptions: {}", Chain(&error))])?;
        let loaded = loaded.with_granted(&granted);
        self.state().break_glass = loaded.break_glass.clone();
        let needs_restart = self.needs_restart();
        let has_new_names = !Arc::ptr_eq(&names, &before);
        if has_new_names {
            let generation = self.engine.replace_names(names);
            let inactive = self.engine.snapshot().inactive_rules();
            self.metrics.generation_changed(generation, inactive);
            tracing::info!(generation, "popular names reloaded");
        }
        let has_new_indicators = self.replace_indicators(indicators).await?;
        let snapshot = self.engine.snapshot();
        if *loaded.ruleset.hash() == *snapshot.ruleset.hash() {
            return Ok(Reloaded {
                generation: snapshot.generation,
                is_new: has_new_names || has_new_indicators,
                needs_restart,
            });
        }
        // What is not recorded is not put in force.
        record_policy(&self.engine, &loaded, "reload")
            .await
            .map_err(|error| vec![format!("recording the policy: {}", Chain(&error))])?;
        self.record_weakened(&weakened(&snapshot.ruleset, &loaded.ruleset))
            .await?;
        self.metrics.rules_watching(watching(&loaded.ruleset).len());
        let generation = self.engine.replace_policy(loaded.ruleset);
        let inactive = self.engine.snapshot().inactive_rules();
        self.metrics.generation_changed(generation, inactive);
        let (cause, scope) = match by_hand {
            Some(by_hand) => (by_hand.cause, Scope::Packages(by_hand.packages)),
            None => (Cause::PolicyReload, Scope::Everything),
        };
        self.engine.reevaluate_later(cause, scope);
        tracing::info!(generation, "policy reloaded");
        Ok(Reloaded {
            generation,
            is_new: true,
            needs_restart,
        })
    }

    /// Puts indicators in force unless they are already; whether they were not. Stored archives are
    /// searched for them behind whatever else goes on.
    async fn replace_indicators(&self, set: Arc<IndicatorSet>) -> Result<bool, Vec<String>> {
        if *set.id() == *self.engine.snapshot().indicators.id() {
            return Ok(false);
        }
        let summary = set.summary();
        let notice = Entry::Notice(Notice {
            at: SystemClock.now(),
            code: "indicators-changed".into(),
            text: format!("archives are searched for {summary}"),
        });
        // What is not recorded is not put in force.
        let noted = self.engine.stores().evidence.append(vec![notice]).await;
        noted.map_err(|error| vec![format!("recording the indicators: {}", Chain(&error))])?;
        let generation = self.engine.replace_indicators(set);
        let inactive = self.engine.snapshot().inactive_rules();
        self.metrics.generation_changed(generation, inactive);
        self.engine
            .reevaluate_later(Cause::IndicatorChange, Scope::Everything);
        tracing::info!(generation, summary, "indicators reloaded");
        Ok(true)
    }

    /// Notes in the log for good which rules will no longer act.
    async fn record_weakened(&self, weakened: &[String]) -> Result<(), Vec<String>> {
        if weakened.is_empty() {
            return Ok(());
        }
        let at = SystemClock.now();
        let note = |text: &String| {
            tracing::warn!("by the new policy, {text}");
            Entry::Notice(Notice {
                at,
                code: "rule-weakened".into(),
                text: text.clone(),
            })
        };
        let entries = weakened.iter().map(note).collect();
        let noted = self.engine.stores().evidence.append(entries).await;
        noted
            .map(drop)
            .map_err(|error| vec![format!("recording the policy: {}", Chain(&error))])
    }

    /// Ids of the rules that only watch, and stop nothing.
    pub fn watching_rules(&self) -> Vec<String> {
        watching(&self.engine.snapshot().ruleset)
    }

    /// Holds off reloads while `work` changes what they read, then puts it in force.
    ///
    /// # Errors
    /// What `work` says, or every problem of the policy.
    pub(crate) async fn change<T>(
        &self,
        work: impl Future<Output = Result<T, Vec<String>>>,
    ) -> Result<(T, Reloaded), Vec<String>> {
        let _turn = self.turn.lock().await;
        let changed = work.await?;
        let outcome = self.replace(None).await;
        self.note(&outcome);
        Ok((changed, outcome?))
    }

    /// Holds off reloads and other changes by hand for as long as the answer lives.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Puts in force what was decided by hand, for whoever has the [turn](Self::turn).
    ///
    /// # Errors
    /// Every problem of the policy.
    pub(crate) async fn put_in_force(&self, by_hand: ByHand) -> Result<Reloaded, Vec<String>> {
        let outcome = self.replace(Some(by_hand)).await;
        self.note(&outcome);
        outcome
    }

    /// The configuration as of the start.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Where meters are.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The policy as its files are now, without what administrators granted.
    ///
    /// # Errors
    /// Every problem of the files.
    pub(crate) async fn read_policy(&self) -> Result<LoadedPolicy, Vec<String>> {
        let files = self.state().policy_files.clone();
        let read = tokio::task::spawn_blocking(move || policy_files::load(&files)).await;
        read.map_err(|error| vec![error.to_string()])?
            .and_then(|policy| policy.for_server(&self.config))
            .map_err(|rejected| lines(&rejected.problems))
    }

    async fn count_held(&self) {
        match self.engine.stores().evidence.hold_counts().await {
            Ok(held) => self.metrics.quarantine_held(&held),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "counting what is held failed");
            }
        }
    }

    /// The files whose change is a change of the policy.
    fn watched(&self) -> Vec<PathBuf> {
        let mut files = self.state().policy_files.clone();
        files.extend(self.state().indicators.files().cloned());
        let lists = self.config.popular.iter();
        files.extend(lists.map(|(_, file)| file.clone()));
        files
    }

    /// Looks at the files until the end and reloads them when they have changed and stay as they
    /// are.
    pub async fn watch_files(self, mut drain: Drain) {
        let mut contents = [Contents::default(), Contents::default()];
        let mut looks = 0_u64;
        loop {
            tokio::select! {
                () = drain.reached(Phase::Draining) => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            // Here too, because emergencies end by themselves.
            self.metrics.break_glass_active(self.break_glass().len());
            if looks.is_multiple_of(COUNT_EVERY) {
                self.count_held().await;
            }
            looks += 1;
            let files = self.watched();
            let source = Arc::clone(&self.source);
            let look = move || {
                let [config, policy] = &mut contents;
                let seen = [config.stamp(source.path.as_slice()), policy.stamp(&files)];
                (contents, seen)
            };
            let Ok((kept, [config, policy])) = tokio::task::spawn_blocking(look).await else {
                contents = [Contents::default(), Contents::default()];
                continue;
            };
            contents = kept;
            let (config_changed, policy_changed) = {
                let mut state = self.state();
                (
                    state.config_watch.look(config),
                    state.policy_watch.look(policy),
                )
            };
            if config_changed {
                // What is wrong was said.
                let _ = self.reload_config().await;
            } else if policy_changed {
                self.reload_policy().await;
            }
        }
    }
}

fn lines(problems: &[Diagnostic]) -> Vec<String> {
    problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(ToString::to_string)
        .collect()
}
