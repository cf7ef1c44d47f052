//! Policy reload (flow c): all or nothing, the old policy stays when the new one is wrong.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cordon_policy::config::diagnostic::Diagnostic;

use crate::config::Config;
use crate::engine::Engine;
use crate::policy_files;
use crate::serve::record_policy;
use crate::server::{Drain, Phase};
use crate::telemetry::Metrics;

/// How often the policy files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the policy again and puts it in force.
#[derive(Clone)]
pub struct Reloader {
    engine: Arc<Engine>,
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    turn: Arc<tokio::sync::Mutex<()>>,
    last_problems: Arc<Mutex<Vec<String>>>,
}

impl Reloader {
    /// Reloads for an engine.
    pub fn new(engine: Arc<Engine>, config: Arc<Config>, metrics: Arc<Metrics>) -> Self {
        metrics.generation_changed(engine.snapshot().generation, 0);
        Self {
            engine,
            config,
            metrics,
            turn: Arc::default(),
            last_problems: Arc::default(),
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// What was wrong with the policy files when they were read last; empty when they are in force.
    pub fn last_problems(&self) -> Vec<String> {
        self.last_problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the policy files and puts them in force, or reports what is wrong and changes nothing.
    pub async fn reload(&self) {
        if let Err(problems) = self.try_reload().await {
            tracing::error!(
                problems = problems.len(),
                "the policy was not reloaded; the old one stays"
            );
            for problem in &problems {
                tracing::error!(problem, "policy problem");
            }
        }
    }

    /// As [`reload`](Self::reload), telling the outcome: the generation now in force.
    ///
    /// # Errors
    /// Every problem, one line each.
    pub async fn try_reload(&self) -> Result<u64, Vec<String>> {
        let _turn = self.turn.lock().await;
        let outcome = self.replace().await;
        self.metrics.policy_reloaded(outcome.is_ok());
        let problems = outcome.as_ref().err().cloned().unwrap_or_default();
        *self
            .last_problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = problems;
        outcome
    }

    async fn replace(&self) -> Result<u64, Vec<String>> {
        let files = self.config.policy_files.clone();
        let loaded = tokio::task::spawn_blocking(move || policy_files::load(&files))
            .await
            .map_err(|error| vec![error.to_string()])?
            .map_err(|rejected| lines(&rejected.problems))?;
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "policy warning");
        }
        if *loaded.ruleset.hash() == *self.engine.snapshot().ruleset.hash() {
            return Ok(self.engine.snapshot().generation);
        }
        // What is not recorded is not put in force.
        record_policy(&self.engine, &loaded, "reload")
            .await
            .map_err(|error| vec![format!("recording the policy: {error}")])?;
        let generation = self.engine.replace_policy(loaded.ruleset);
        self.metrics.generation_changed(generation, 0);
        tracing::info!(generation, "policy reloaded");
        Ok(generation)
    }

    /// Looks at the policy files until the end and reloads them when they change.
    pub async fn watch_files(self, mut drain: Drain) {
        if self.config.policy_files.is_empty() {
            return;
        }
        let mut seen = stamp(self.config.policy_files.clone()).await;
        loop {
            tokio::select! {
                () = drain.reached(Phase::Draining) => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let now = stamp(self.config.policy_files.clone()).await;
            if now != seen {
                seen = now;
                self.reload().await;
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

/// A fingerprint of the files' contents. Times and sizes can stay the same over an edit.
async fn stamp(files: Vec<PathBuf>) -> u64 {
    let work = move || {
        let mut hasher = DefaultHasher::new();
        for file in files {
            std::fs::read(file).ok().hash(&mut hasher);
        }
        hasher.finish()
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(0)
}
