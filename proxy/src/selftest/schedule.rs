//! When the self-test runs, and who is told.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cordon_storage::Chain;

use super::{Report, SelfTestError, run};
use crate::engine::{Clock as _, Engine, SystemClock};
use crate::registry;
use crate::server::{Drain, Phase};
use crate::telemetry::Metrics;

/// How often it is looked whether another policy is in force. Also the least time between two tests:
/// a storm of reloads must not make a storm of tests.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Tests the policy of a running engine.
pub struct SelfTest {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    every: Duration,
    last: ArcSwapOption<Tested>,
}

/// The last test.
#[derive(Debug)]
pub struct Tested {
    /// The generation that was tested.
    pub generation: u64,
    /// What was found, or why nothing could be.
    pub report: Result<Report, String>,
}

impl Tested {
    /// Whether every rule was seen to act.
    pub fn is_ok(&self) -> bool {
        self.report.as_ref().is_ok_and(Report::is_ok)
    }

    /// What has to be looked at, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        match &self.report {
            Ok(report) => report.failures(),
            Err(why) => vec![why.clone()],
        }
    }

    /// In one line.
    pub fn summary(&self) -> String {
        match &self.report {
            Ok(report) => report.to_string(),
            Err(why) => format!("not made: {why}"),
        }
    }
}

impl SelfTest {
    /// Tests the policy of `engine`, every so often.
    pub fn new(engine: Arc<Engine>, metrics: Arc<Metrics>, every: Duration) -> Self {
        Self {
            engine,
            metrics,
            every,
            last: ArcSwapOption::empty(),
        }
    }

    /// The last test.
    pub fn last(&self) -> Option<Arc<Tested>> {
        self.last.load_full()
    }

    /// Tests the policy in force, and tells log and meters.
    pub async fn run(&self) -> Arc<Tested> {
        let snapshot = self.engine.snapshot();
        let inspector = self.engine.inspector();
        let now = SystemClock.now();
        let report = run(&snapshot.ruleset, &registry::all(), inspector, now).await;
        let tested = Arc::new(Tested {
            generation: snapshot.generation,
            report: report.map_err(|error: SelfTestError| Chain(&error).to_string()),
        });
        let problems = tested.problems();
        for problem in &problems {
            tracing::error!(problem, "the self-test failed");
        }
        if let Ok(report) = &tested.report
            && problems.is_empty()
        {
            let (checks, took) = (report.checks(), report.took);
            tracing::info!(
                checks,
                milliseconds = took.as_millis(),
                "the self-test passed"
            );
        }
        let checks = tested.report.as_ref().map_or(0, Report::checks);
        self.metrics
            .self_tested(checks, problems.len(), SystemClock.now());
        self.last.store(Some(Arc::clone(&tested)));
        tested
    }

    /// Tests until the end: after every change of what is judged by, and when the last test is old.
    pub async fn watch(self: Arc<Self>, mut drain: Drain) {
        let mut since = tokio::time::Instant::now();
        loop {
            tokio::select! {
                () = drain.reached(Phase::Draining) => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let tested = self.last().map(|last| last.generation);
            if tested != Some(self.engine.snapshot().generation) || since.elapsed() >= self.every {
                self.run().await;
                since = tokio::time::Instant::now();
            }
        }
    }
}
