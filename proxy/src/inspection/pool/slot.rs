//! The place of one worker: a thread that keeps it running and gives it one archive after the other.

use std::fs::File;
use std::io::{self, Seek as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cordon_policy::config::text::shown;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::inspect::{INSPECTOR, Sheet};
use cordon_policy::model::{ArtifactId, Digest};
use data_encoding::BASE64;
use smol_str::SmolStr;

use super::Shared;
use super::process::{End, NoAnswer, NotStarted, Process};
use super::queue::{Next, Waiting, Work};
use crate::inspection::protocol::{Outcome, Request, Task};
use crate::inspection::source::input;
use crate::inspection::{InspectFailure, Job, MetadataJob, Source};
use crate::telemetry::metrics::inspection::WorkerEnd;

/// Archives after which a worker is replaced, so that nothing left behind adds up.
const JOBS: u32 = 1_000;

/// Part of its memory a worker may still hold between two archives.
const KEPT_PART: u64 = 2;

/// How long an idle worker is kept.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// Pauses between attempts to start a worker.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
];

/// How long no start is attempted after all of them failed.
const GIVE_UP: Duration = Duration::from_secs(10);

/// What ends the talk with the worker from outside.
#[derive(Debug, Default)]
pub(super) struct Cut(Mutex<Option<(UnixStream, u32)>>);

impl Cut {
    /// Ends the talk: the thread finds its worker gone, and ends it.
    pub(super) fn cut(&self) {
        if let Some((socket, _)) = self.lock().take() {
            // It may be gone already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// The worker there is to cut off, and the number of its process.
    fn set(&self, worker: Option<(UnixStream, u32)>) {
        *self.lock() = worker;
    }

    #[cfg(test)]
    pub(super) fn process_id(&self) -> Option<u32> {
        self.lock().as_ref().map(|(_, process)| *process)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(UnixStream, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker's place.
pub(super) struct Slot {
    shared: Arc<Shared>,
    cut: Arc<Cut>,
    process: Option<Process>,
    /// Why no worker is started, and until when.
    given_up: Option<(Instant, String)>,
}

impl Slot {
    pub(super) fn new(shared: Arc<Shared>, cut: Arc<Cut>) -> Self {
        Self {
            shared,
            cut,
            process: None,
            given_up: None,
        }
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            match shared.queue.next(IDLE) {
                Next::Closed => break self.end_process(WorkerEnd::Retired),
                Next::Idle => self.end_process(WorkerEnd::Retired),
                Next::Work(waiting, turn) => {
                    let Waiting { work, begun } = *waiting;
                    // Who gave up between the two is answered in vain.
                    let _ = begun.send(());
                    match work {
                        Work::Inspect(job, tell) => {
                            let result = self.timed(|slot| slot.look_into(job));
                            drop(turn);
                            let _ = tell.send(result);
                        }
                        Work::CoreMetadata(job, tell) => {
                            let result = self.timed(|slot| slot.take_out(job));
                            drop(turn);
                            let _ = tell.send(result);
                        }
                    }
                }
            }
        }
    }

    /// Does something with an archive, and counts it.
    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> Done<T>) -> Result<T, InspectFailure> {
        let started = Instant::now();
        let (size_bytes, result) = work(self);
        let name = result
            .as_ref()
            .map_or_else(InspectFailure::name, |_| "done");
        let metrics = &self.shared.metrics;
        metrics.inspected(name, started.elapsed(), size_bytes);
        result
    }

    fn look_into(&mut self, job: Job) -> Done<Sheet> {
        let Job {
            artifact,
            depth,
            indicators,
            source,
        } = job;
        let is_searched = indicators.is_some();
        let task = Task::Inspect { depth, is_searched };
        let wanted = indicators.as_ref().map(|set| set.id());
        let limits = self.shared.settings.limits.id();
        let accept = |outcome| sheet(outcome, wanted, &limits);
        self.give((artifact, task, source), indicators.as_ref(), accept)
    }

    fn take_out(&mut self, job: MetadataJob) -> Done<Option<Bytes>> {
        let MetadataJob {
            artifact,
            sha256,
            source,
        } = job;
        let task = Task::CoreMetadata {
            sha256: sha256.clone(),
        };
        let accept = |outcome| core_metadata(outcome, &sha256);
        self.give((artifact, task, source), None, accept)
    }

    /// Gives an archive to a worker.
    fn give<T>(
        &mut self,
        (artifact, task, source): (ArtifactId, Task, Source),
        set: Option<&Arc<IndicatorSet>>,
        accept: impl Fn(Outcome) -> Accepted<T>,
    ) -> Done<T> {
        let (mut file, size_bytes) = match source.into_file() {
            Ok(opened) => opened,
            Err(failure) => return (0, Err(failure)),
        };
        let settings = &self.shared.settings;
        let limit = settings.time_limit(size_bytes);
        let request = Request {
            number: 0,
            artifact,
            limits: settings.limits.clone(),
            task,
        };
        let result = self.ask_twice(request, set, (&mut file, limit), accept);
        if let Err(failure) = &result {
            tracing::debug!(%failure, size_bytes, "no inspection");
        }
        (size_bytes, result)
    }

    /// Asks a worker and, if it breaks, a fresh one: what came before may have been the cause.
    fn ask_twice<T>(
        &mut self,
        mut request: Request,
        set: Option<&Arc<IndicatorSet>>,
        (file, limit): (&mut File, Duration),
        accept: impl Fn(Outcome) -> Accepted<T>,
    ) -> Result<T, InspectFailure> {
        let mut is_last = false;
        loop {
            request.number = random()?;
            file.rewind().map_err(|error| input(&error))?;
            let process = self.process(set)?;
            let is_fresh = process.jobs == 0;
            let failure = match process.ask(&request, file, limit) {
                Ok(answer) => match accept(answer.outcome) {
                    Ok(result) => {
                        self.retire_if_worn();
                        return result;
                    }
                    Err(what) => self.gone(NoAnswer::Garbage(what), limit),
                },
                Err(no_answer) => self.gone(no_answer, limit),
            };
            if self.shared.queue.is_closed() {
                return Err(InspectFailure::Unavailable("Cordon is stopping".into()));
            }
            let is_final = match &failure {
                InspectFailure::TimedOut(_) => true,
                // Its own doing: nothing came before.
                InspectFailure::OutOfMemory(_) => is_fresh,
                _ => false,
            };
            if is_last || is_final {
                return Err(failure);
            }
            is_last = true;
        }
    }

    /// Ends a worker that gave no answer; what that means.
    fn gone(&mut self, no_answer: NoAnswer, limit: Duration) -> InspectFailure {
        self.cut.set(None);
        let end = self.process.take().map(Process::end);
        let (failure, counted) = match (no_answer, end) {
            (NoAnswer::TimedOut, _) => (InspectFailure::TimedOut(limit), WorkerEnd::TimedOut),
            (NoAnswer::Garbage(what), _) => {
                (InspectFailure::Garbage(what.into()), WorkerEnd::Garbage)
            }
            (NoAnswer::Gone, Some(End::OutOfMemory)) => {
                let memory_bytes = self.shared.settings.memory_bytes;
                let failure = InspectFailure::OutOfMemory(memory_bytes);
                (failure, WorkerEnd::OutOfMemory)
            }
            (NoAnswer::Gone, Some(End::Other(how))) => {
                (InspectFailure::Crashed(how.into()), WorkerEnd::Crashed)
            }
            (NoAnswer::Gone, None) => (
                InspectFailure::Crashed("it is gone".into()),
                WorkerEnd::Crashed,
            ),
        };
        self.shared.metrics.worker_ended(counted);
        tracing::warn!(%failure, "an inspection worker is replaced");
        failure
    }

    /// The worker, started if there is none.
    fn process(&mut self, set: Option<&Arc<IndicatorSet>>) -> Result<&mut Process, InspectFailure> {
        // One that looks for something else than is in force by now is of no use any more.
        let is_other =
            |process: &Process, set: &IndicatorSet| process.indicators.as_ref() != Some(set.id());
        if let (Some(process), Some(set)) = (&self.process, set)
            && is_other(process, set)
        {
            self.end_process(WorkerEnd::Retired);
        }
        if self.process.is_none() {
            let started = self.start(set.map(Arc::as_ref))?;
            self.process = Some(started);
        }
        let none = || InspectFailure::Unavailable("none was started".into());
        self.process.as_mut().ok_or_else(none)
    }

    fn start(&mut self, set: Option<&IndicatorSet>) -> Result<Process, InspectFailure> {
        let unavailable = |why: &str| InspectFailure::Unavailable(why.into());
        if let Some((until, why)) = &self.given_up
            && Instant::now() < *until
        {
            return Err(unavailable(why));
        }
        let mut pauses = PAUSES.into_iter();
        let why = loop {
            let started = Instant::now();
            let failed = match Process::start(&self.shared.settings.program, set) {
                Ok(process) => {
                    self.given_up = None;
                    self.greet(&process, started.elapsed())
                        .map_err(|error| unavailable(&error.to_string()))?;
                    return Ok(process);
                }
                // It will not be otherwise after a pause.
                Err(NotStarted::Refused(why)) => break format!("it cannot be confined: {why}"),
                Err(NotStarted::Failed(why)) => why,
            };
            match pauses.next() {
                Some(pause) => self.shared.queue.rest(pause),
                None => break failed,
            }
            if self.shared.queue.is_closed() {
                return Err(unavailable("Cordon is stopping"));
            }
        };
        self.shared.metrics.worker_ended(WorkerEnd::NotStarted);
        tracing::error!(%why, "no inspection worker can be started; what needs inspection is held");
        let failure = unavailable(&why);
        self.given_up = Some((Instant::now() + GIVE_UP, why));
        Err(failure)
    }

    /// Notes a worker that was started.
    fn greet(&self, process: &Process, took: Duration) -> io::Result<()> {
        self.cut.set(Some((process.socket()?, process.id())));
        // Closed before there was something to cut.
        if self.shared.queue.is_closed() {
            self.cut.cut();
        }
        self.shared.metrics.worker_started();
        let took_ms = took.as_millis();
        let process_id = process.id();
        match &process.lacks {
            None => tracing::debug!(process_id, took_ms, "an inspection worker is ready"),
            Some(lacks) => tracing::warn!(
                process_id,
                took_ms,
                lacks,
                "an inspection worker is ready and not fully confined"
            ),
        }
        Ok(())
    }

    fn retire_if_worn(&mut self) {
        let kept_bytes = self.shared.settings.memory_bytes / KEPT_PART;
        let is_worn = |process: &Process| {
            process.jobs >= JOBS || process.memory_bytes().is_some_and(|it| it > kept_bytes)
        };
        if self.process.as_ref().is_some_and(is_worn) {
            self.end_process(WorkerEnd::Retired);
        }
    }

    fn end_process(&mut self, how: WorkerEnd) {
        self.cut.set(None);
        if self.process.take().is_some() {
            self.shared.metrics.worker_ended(how);
        }
    }
}

/// What an answer says; what is wrong with one that cannot be used.
type Accepted<T> = Result<Result<T, InspectFailure>, String>;

/// The archive's size, and what came of it.
type Done<T> = (u64, Result<T, InspectFailure>);

/// A sheet, which must be about the indicators that were wanted, within the limits that were given.
fn sheet(outcome: Outcome, wanted: Option<&SmolStr>, limits: &str) -> Accepted<Sheet> {
    match outcome {
        Outcome::Sheet(sheet) if sheet.indicators.as_ref().map(|it| &it.set) != wanted => {
            Err("a sheet about other indicators than were asked for".to_owned())
        }
        Outcome::Sheet(sheet) if sheet.inspector != INSPECTOR => {
            let found = sheet.inspector;
            Err(format!("a sheet of inspector {found}, not {INSPECTOR}"))
        }
        Outcome::Sheet(sheet) if sheet.limits != limits => {
            Err("a sheet made within other limits".to_owned())
        }
        Outcome::Sheet(sheet) => Ok(Ok(*sheet)),
        Outcome::CoreMetadata(_) => Err("a file instead of a sheet".to_owned()),
        Outcome::Input(why) => Ok(Err(unreadable(&why))),
    }
}

/// A file, which must have the digest that was wanted: it is served as it is.
fn core_metadata(outcome: Outcome, sha256: &Digest) -> Accepted<Option<Bytes>> {
    match outcome {
        Outcome::CoreMetadata(None) => Ok(Ok(None)),
        Outcome::CoreMetadata(Some(text)) => {
            let bytes = BASE64.decode(text.as_bytes());
            let bytes = bytes.map_err(|error| format!("a file that is no base64: {error}"))?;
            match Digest::of(&bytes) == *sha256 {
                true => Ok(Ok(Some(bytes.into()))),
                false => Err("another file than was asked for".to_owned()),
            }
        }
        Outcome::Sheet(_) => Err("a sheet instead of a file".to_owned()),
        Outcome::Input(why) => Ok(Err(unreadable(&why))),
    }
}

fn unreadable(why: &str) -> InspectFailure {
    InspectFailure::Input(shown(why).into())
}

fn random() -> Result<u64, InspectFailure> {
    getrandom::u64().map_err(|error| InspectFailure::Unavailable(error.to_string().into()))
}
