//! A few worker processes, and who gets one when.
//!
//! Each worker has a thread of Cordon that starts it, hands it one archive after the other, and ends
//! it when it takes too long, breaks, answers nonsense, or has done enough. The workers share no
//! state and keep none between two archives that matters. What they can do to Cordon is to give a
//! wrong sheet for an archive that has taken them over, or for the archives after it until they are
//! replaced.

mod process;
mod queue;
mod slot;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::inspect::{Limits, Sheet};
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::process::{NotStarted, Process};
use self::queue::{Queue, Refused, Tell, WAITING, Waiting, Work};
use self::slot::{Cut, Slot};
use super::{InspectFailure, Inspector, Job, MetadataJob};
use crate::config::InspectionConfig;
use crate::telemetry::Metrics;

/// How long an archive may wait for a worker.
const WAIT: Duration = Duration::from_secs(5 * 60);

/// Size of an archive that gets the time-out once more.
const TIME_PER_BYTES: u64 = 32 << 20;

/// How many times the time-out the largest archive gets.
const TIME_TIMES: u32 = 10;

/// The program a worker is.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it is told.
    pub(super) arguments: Vec<OsString>,
}

impl Program {
    /// Cordon, as a worker.
    fn at(path: PathBuf, config: &InspectionConfig) -> Self {
        let sandbox = match config.is_sandbox_required {
            true => "required",
            false => "best-effort",
        };
        let memory = config.memory_bytes.to_string();
        let arguments = ["inspect-worker", "--memory", &memory, "--sandbox", sandbox];
        let arguments = arguments.into_iter().map(OsString::from).collect();
        Self { path, arguments }
    }
}

/// The program that runs here.
fn this_program() -> io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        // The file itself, also when another was put in its place since.
        true => Ok(PathBuf::from("/proc/self/exe")),
        false => std::env::current_exe(),
    }
}

/// How the workers work.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) program: Program,
    /// How many there are, at least one.
    pub(super) workers: usize,
    /// Bytes of memory each may have, as it is told by `program`.
    pub(super) memory_bytes: u64,
    /// Time for a small archive.
    pub(super) timeout: Duration,
    pub(super) limits: Limits,
}

impl Settings {
    /// Time for an archive of a size.
    fn time_limit(&self, size_bytes: u64) -> Duration {
        let times = u32::try_from(size_bytes / TIME_PER_BYTES).unwrap_or(u32::MAX);
        let times = times.saturating_add(1).min(TIME_TIMES);
        self.timeout.saturating_mul(times)
    }
}

/// What the threads share.
struct Shared {
    settings: Settings,
    queue: Queue,
    metrics: Arc<Metrics>,
}

/// The inspector that serves: worker processes. They start when there is something to do, and end
/// when this is dropped, or with this process however that ends.
pub struct Workers {
    shared: Arc<Shared>,
    cuts: Vec<Arc<Cut>>,
}

impl Workers {
    /// Workers as configured. None is started so far.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub fn new(config: &InspectionConfig, metrics: Arc<Metrics>) -> io::Result<Self> {
        Self::of_program(this_program()?, config, metrics)
    }

    /// The same where this program is not Cordon: a test, a measurement.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_program(
        cordon: PathBuf,
        config: &InspectionConfig,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let settings = Settings {
            program: Program::at(cordon, config),
            workers: config.worker_count(),
            memory_bytes: config.memory_bytes,
            timeout: config.timeout,
            limits: config.limits.clone(),
        };
        Self::with(settings, metrics)
    }

    fn with(settings: Settings, metrics: Arc<Metrics>) -> io::Result<Self> {
        let workers = settings.workers.max(1);
        let shared = Arc::new(Shared {
            queue: Queue::new(workers),
            settings,
            metrics,
        });
        let mut all = Self {
            shared,
            cuts: Vec::with_capacity(workers),
        };
        for number in 1..=workers {
            let cut = Arc::new(Cut::default());
            let slot = Slot::new(Arc::clone(&all.shared), Arc::clone(&cut));
            all.cuts.push(cut);
            std::thread::Builder::new()
                .name(format!("inspection-{number}"))
                .spawn(move || slot.run())?;
        }
        Ok(all)
    }

    /// Ends all workers. What waits or is being looked into fails.
    pub fn close(&self) {
        self.shared.queue.close();
        for cut in &self.cuts {
            cut.cut();
        }
    }

    /// Has a worker do something, and waits for what comes of it.
    async fn do_work<T>(&self, work: impl FnOnce(Tell<T>) -> Work) -> Result<T, InspectFailure> {
        let unavailable = |why: String| InspectFailure::Unavailable(why.into());
        let (begun, begins) = oneshot::channel();
        let (outcome, ends) = oneshot::channel();
        let work = work(outcome);
        let pushed = self.shared.queue.push(Waiting { work, begun });
        pushed.map_err(|refused| {
            let failure = unavailable(match refused {
                Refused::Full => {
                    let half = WAITING / 2;
                    format!("{WAITING} archives wait already, or {half} of this package")
                }
                Refused::Closed => "Cordon is stopping".to_owned(),
            });
            self.shared
                .metrics
                .inspected(failure.name(), Duration::ZERO, 0);
            failure
        })?;
        match timeout(WAIT, begins).await {
            Err(_) => {
                let failure = unavailable(format!("none was free for {} s", WAIT.as_secs()));
                self.shared.metrics.inspected(failure.name(), WAIT, 0);
                Err(failure)
            }
            Ok(_) => ends
                .await
                .unwrap_or_else(|_| Err(unavailable("Cordon is stopping".to_owned()))),
        }
    }

    /// The numbers of the processes that run now.
    #[cfg(test)]
    fn process_ids(&self) -> Vec<u32> {
        self.cuts
            .iter()
            .filter_map(|cut| cut.process_id())
            .collect()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Inspector for Workers {
    async fn inspect(&self, job: Job) -> Result<Sheet, InspectFailure> {
        self.do_work(|tell| Work::Inspect(job, tell)).await
    }

    async fn core_metadata(&self, job: MetadataJob) -> Result<Option<Bytes>, InspectFailure> {
        self.do_work(|tell| Work::CoreMetadata(job, tell)).await
    }
}

/// Starts a worker as configured, with what it looks for, and ends it: how long it took to be ready, and what its confinement
/// lacks, if that is accepted. Blocks.
///
/// # Errors
/// Why there can be no workers.
pub fn probe(
    config: &InspectionConfig,
    indicators: Option<&IndicatorSet>,
) -> Result<(Duration, Option<String>), InspectFailure> {
    let unavailable = |why: String| InspectFailure::Unavailable(why.into());
    let program = this_program().map_err(|error| unavailable(error.to_string()))?;
    let program = Program::at(program, config);
    let started = std::time::Instant::now();
    match Process::start(&program, indicators) {
        Ok(process) => Ok((started.elapsed(), process.lacks.clone())),
        Err(NotStarted::Refused(why)) => Err(unavailable(format!("it cannot be confined: {why}"))),
        Err(NotStarted::Failed(why)) => Err(unavailable(why)),
    }
}
