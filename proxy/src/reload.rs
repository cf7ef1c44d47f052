//! Reload (flow c): all or nothing, the old policy stays when the new one is wrong.
//!
//! Asked for (SIGHUP, `POST /reload`), the configuration is read again as well: its list of policy
//! files takes effect, and what else changed in it is named, because it needs a restart. So are the
//! certificates. Edits of the policy files themselves are noticed without being asked.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cordon_policy::config::diagnostic::Diagnostic;
use cordon_storage::Chain;

use crate::config::{Config, ConfigSource, Loaded};
use crate::engine::Engine;
use crate::policy_files::{self, LoadedPolicy};
use crate::serve::record_policy;
use crate::server::{Certificates, Drain, Phase, tls};
use crate::telemetry::Metrics;

/// How often the policy files are looked at. A change is acted on when two looks agree.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the policy again and puts it in force.
#[derive(Clone)]
pub struct Reloader {
    engine: Arc<Engine>,
    /// As of the start.
    config: Arc<Config>,
    source: Arc<ConfigSource>,
    metrics: Arc<Metrics>,
    certificates: Vec<Arc<Certificates>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    state: Arc<Mutex<State>>,
}

/// What the last reading said.
struct State {
    policy_files: Vec<PathBuf>,
    needs_restart: Vec<&'static str>,
    problems: Vec<String>,
    watch: Watch,
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
        metrics.generation_changed(engine.snapshot().generation, 0);
        let read = policy.sources.iter().map(|it| Some(it.text.as_bytes()));
        let is_built_in = config.policy_files.is_empty();
        let state = State {
            policy_files: config.policy_files.clone(),
            needs_restart: Vec::new(),
            problems: Vec::new(),
            watch: Watch::new(if is_built_in { stamp([]) } else { stamp(read) }),
        };
        Self {
            engine,
            config,
            source: Arc::new(source),
            metrics,
            certificates: Vec::new(),
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
        let _turn = self.turn.lock().await;
        let outcome = match self.read_config().await {
            Ok(()) => self.replace().await,
            Err(problems) => Err(problems),
        };
        self.note(&outcome);
        if outcome.as_ref().is_ok_and(|reloaded| !reloaded.is_new) {
            tracing::info!("the policy was read again and is the same as before");
        }
        let needs_restart = self.needs_restart();
        if !needs_restart.is_empty() {
            let keys = needs_restart.join(", ");
            tracing::warn!(
                keys,
                "the configuration changed in keys that need a restart"
            );
        }
        let wrong = self.reload_certificates().await;
        match outcome {
            Ok(reloaded) if !wrong.is_empty() => Err([vec![reloaded.to_string()], wrong].concat()),
            Ok(reloaded) => Ok(reloaded),
            Err(problems) => Err([problems, wrong].concat()),
        }
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
        let outcome = self.replace().await;
        self.note(&outcome);
    }

    fn note(&self, outcome: &Result<Reloaded, Vec<String>>) {
        self.metrics.policy_reloaded(outcome.is_ok());
        let problems = outcome.as_ref().err().cloned().unwrap_or_default();
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
        let Loaded {
            config, warnings, ..
        } = tokio::task::spawn_blocking(move || source.load())
            .await
            .map_err(|error| vec![error.to_string()])?
            .map_err(|rejected| lines(&rejected.problems))?;
        for warning in &warnings {
            tracing::warn!(%warning, "configuration warning");
        }
        let mut state = self.state();
        state.needs_restart = self.config.needing_restart(&config);
        state.policy_files = config.policy_files;
        Ok(())
    }

    async fn replace(&self) -> Result<Reloaded, Vec<String>> {
        let files = self.state().policy_files.clone();
        // The stamp first: an edit between the two is seen as one later, not missed.
        let read = move || (stamp_of(&files), policy_files::load(&files));
        let (seen, loaded) = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| vec![error.to_string()])?;
        self.state().watch.acted_on = seen;
        let loaded = loaded.map_err(|rejected| lines(&rejected.problems))?;
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "policy warning");
        }
        let granted = self.engine.stores().evidence.exemptions().await;
        let granted =
            granted.map_err(|error| vec![format!("reading exemptions: {}", Chain(&error))])?;
        let loaded = loaded.with_granted(&granted);
        let needs_restart = self.needs_restart();
        let snapshot = self.engine.snapshot();
        if *loaded.ruleset.hash() == *snapshot.ruleset.hash() {
            return Ok(Reloaded {
                generation: snapshot.generation,
                is_new: false,
                needs_restart,
            });
        }
        // What is not recorded is not put in force.
        record_policy(&self.engine, &loaded, "reload")
            .await
            .map_err(|error| vec![format!("recording the policy: {}", Chain(&error))])?;
        let generation = self.engine.replace_policy(loaded.ruleset);
        self.metrics.generation_changed(generation, 0);
        tracing::info!(generation, "policy reloaded");
        Ok(Reloaded {
            generation,
            is_new: true,
            needs_restart,
        })
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
        let outcome = self.replace().await;
        self.note(&outcome);
        Ok((changed, outcome?))
    }

    /// The policy as its files are now, without what administrators granted.
    ///
    /// # Errors
    /// Every problem of the files.
    pub(crate) async fn read_policy(&self) -> Result<LoadedPolicy, Vec<String>> {
        let files = self.state().policy_files.clone();
        let read = tokio::task::spawn_blocking(move || policy_files::load(&files)).await;
        read.map_err(|error| vec![error.to_string()])?
            .map_err(|rejected| lines(&rejected.problems))
    }

    /// Looks at the policy files until the end and reloads them when they have changed and stay as
    /// they are.
    pub async fn watch_files(self, mut drain: Drain) {
        loop {
            tokio::select! {
                () = drain.reached(Phase::Draining) => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let files = self.state().policy_files.clone();
            let now = tokio::task::spawn_blocking(move || stamp_of(&files)).await;
            if now.is_ok_and(|now| self.state().watch.look(now)) {
                self.reload_policy().await;
            }
        }
    }
}

/// Tells a finished edit from one under way: a file caught between truncation and its last byte may
/// well be a valid, shorter policy.
#[derive(Debug)]
struct Watch {
    /// What the last reload read.
    acted_on: u64,
    /// What the last look saw.
    last: u64,
}

impl Watch {
    fn new(read: u64) -> Self {
        Self {
            acted_on: read,
            last: read,
        }
    }

    /// Whether what is seen now is new, and was seen at the look before as well.
    fn look(&mut self, now: u64) -> bool {
        let is_settled = now == self.last;
        self.last = now;
        is_settled && now != self.acted_on
    }
}

fn lines(problems: &[Diagnostic]) -> Vec<String> {
    problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(ToString::to_string)
        .collect()
}

/// A fingerprint of the files' contents. Times and sizes can stay the same over an edit.
fn stamp_of(files: &[PathBuf]) -> u64 {
    let contents: Vec<Option<Vec<u8>>> =
        files.iter().map(|file| std::fs::read(file).ok()).collect();
    stamp(contents.iter().map(Option::as_deref))
}

fn stamp<'a>(contents: impl IntoIterator<Item = Option<&'a [u8]>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for content in contents {
        content.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_written_file_is_not_acted_on() {
        let (before, half, whole) = (1, 2, 3);
        let mut watch = Watch::new(before);
        let looks = [before, half, whole, whole, whole, half, before, before];
        let acts = looks.map(|now| {
            let is_due = watch.look(now);
            if is_due {
                watch.acted_on = now;
            }
            is_due
        });
        let expected = [false, false, false, true, false, false, false, true];
        assert_eq!(acts, expected);
    }

    #[test]
    fn an_edit_taken_back_needs_no_reload() {
        let mut watch = Watch::new(1);
        assert_eq!([2, 1, 1].map(|now| watch.look(now)), [false; 3]);
    }
}
