//! Archives that wait, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cordon_policy::inspect::Sheet;
use cordon_policy::model::PackageName;
use tokio::sync::oneshot;

use crate::inspection::{InspectFailure, Job, MetadataJob};

/// Archives that wait, at most; of one package half as many. Each holds an open file.
pub(super) const WAITING: usize = 256;

/// One that waits.
pub(super) struct Waiting {
    pub(super) work: Work,
    /// Told when a worker takes it on.
    pub(super) begun: oneshot::Sender<()>,
}

/// Who is told what came of it.
pub(super) type Tell<T> = oneshot::Sender<Result<T, InspectFailure>>;

/// What is to be done with an archive.
pub(super) enum Work {
    /// It is looked into.
    Inspect(Job, Tell<Sheet>),
    /// Its core metadata is taken out.
    CoreMetadata(MetadataJob, Tell<Option<Bytes>>),
}

impl Waiting {
    fn package(&self) -> &PackageName {
        let artifact = match &self.work {
            Work::Inspect(job, _) => &job.artifact,
            Work::CoreMetadata(job, _) => &job.artifact,
        };
        &artifact.subject.name
    }

    /// Whether nobody waits for it any more.
    fn is_given_up(&self) -> bool {
        match &self.work {
            Work::Inspect(_, outcome) => outcome.is_closed(),
            Work::CoreMetadata(_, outcome) => outcome.is_closed(),
        }
    }
}

/// First come, first served, but no package has more than its share of the workers: one with a
/// thousand large files holds up no other (INV-49).
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Workers that may be busy with one package.
    share: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Packages being looked into, and by how many workers.
    busy: HashMap<PackageName, usize>,
    is_closed: bool,
}

/// What a worker is to do next.
pub(super) enum Next<'a> {
    /// Look into this. The turn ends when it is dropped.
    Work(Box<Waiting>, Turn<'a>),
    /// There was nothing for as long as was waited.
    Idle,
    /// Nothing will come any more.
    Closed,
}

/// A worker busy with a package.
pub(super) struct Turn<'a> {
    queue: &'a Queue,
    package: PackageName,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        if let Some(workers) = state.busy.get_mut(&self.package) {
            *workers = workers.saturating_sub(1);
            if *workers == 0 {
                state.busy.remove(&self.package);
            }
        }
        drop(state);
        // Another of that package may go now, and any idle worker may be the one to take it.
        self.queue.changed.notify_all();
    }
}

/// Why nothing more can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// [`WAITING`] wait already, or half as many of that package.
    Full,
    Closed,
}

impl Queue {
    /// A queue for so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            share: (workers / 2).max(1),
        }
    }

    pub(super) fn push(&self, waiting: Waiting) -> Result<(), Refused> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        state.waiting.retain(|it| !it.is_given_up());
        let package = waiting.package();
        let of_package = state.waiting.iter().filter(|it| it.package() == package);
        if of_package.count() >= WAITING / 2 || state.waiting.len() >= WAITING {
            return Err(Refused::Full);
        }
        state.waiting.push_back(waiting);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for something to do, for `patience` at most.
    pub(super) fn next(&self, patience: Duration) -> Next<'_> {
        let is_idle = |state: &mut State| !state.is_closed && self.first(state).is_none();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.state(), patience, is_idle)
            .unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Next::Closed;
        }
        let Some(waiting) = self.first(&state).and_then(|at| state.waiting.remove(at)) else {
            return Next::Idle;
        };
        let package = waiting.package().clone();
        let busy = state.busy.entry(package.clone()).or_default();
        *busy = busy.saturating_add(1);
        let queue = self;
        Next::Work(Box::new(waiting), Turn { queue, package })
    }

    /// The first whose package has a worker to spare, passing over those nobody waits for any more.
    fn first(&self, state: &State) -> Option<usize> {
        state.waiting.iter().position(|it| {
            let busy = state.busy.get(it.package()).copied().unwrap_or(0);
            busy < self.share && !it.is_given_up()
        })
    }

    /// Ends it. Those that wait are given up.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.waiting.clear();
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Waits until it is closed, for `patience` at most.
    pub(super) fn rest(&self, patience: Duration) {
        // Whether it was closed is looked at by whoever rested.
        let _ = self
            .changed
            .wait_timeout_while(self.state(), patience, |state| !state.is_closed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves it whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use cordon_policy::inspect::Depth;

    use super::*;
    use crate::inspection::Source;
    use crate::inspection::tests::artifact;

    type Ends = (
        oneshot::Receiver<()>,
        oneshot::Receiver<Result<Sheet, InspectFailure>>,
    );

    fn waiting(package: &str) -> (Waiting, Ends) {
        let ((begun, begins), (outcome, ends)) = (oneshot::channel(), oneshot::channel());
        let job = Job {
            artifact: artifact(package),
            depth: Depth::Structure,
            indicators: None,
            source: Source::Memory(Bytes::new()),
        };
        let waiting = Waiting {
            work: Work::Inspect(job, outcome),
            begun,
        };
        (waiting, (begins, ends))
    }

    fn push(queue: &Queue, packages: &[&str]) -> Vec<Ends> {
        let pushed = packages.iter().map(|package| {
            let (waiting, ends) = waiting(package);
            queue.push(waiting).expect("there is room");
            ends
        });
        pushed.collect()
    }

    fn next(queue: &Queue) -> Option<(String, Turn<'_>)> {
        match queue.next(Duration::ZERO) {
            Next::Work(waiting, turn) => Some((waiting.package().normalized().to_owned(), turn)),
            Next::Idle | Next::Closed => None,
        }
    }

    #[test]
    fn inv_49_one_package_has_at_most_half_of_the_workers() {
        for (workers, share) in [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4)] {
            let queue = Queue::new(workers);
            let mut packages = vec!["greedy"; 20];
            packages.extend(["modest", "shy"]);
            let _ends = push(&queue, &packages);
            let mut turns = Vec::new();
            let mut taken = Vec::new();
            while let Some((package, turn)) = next(&queue) {
                taken.push(package);
                turns.push(turn);
            }
            let mut expected = vec!["greedy"; share];
            expected.extend(["modest", "shy"]);
            assert_eq!(taken, expected, "{workers} workers");
            // A turn that ends makes room for the next of that package.
            turns.remove(0);
            assert_eq!(next(&queue).expect("a turn").0, "greedy");
        }
    }

    #[test]
    fn those_nobody_waits_for_are_passed_over_and_make_room() {
        let queue = Queue::new(1);
        let mut ends = push(&queue, &["left", "right"]);
        drop(ends.remove(0));
        assert_eq!(next(&queue).expect("a turn").0, "right");
        assert!(next(&queue).is_none());
        for round in 0..2 {
            for number in 0..WAITING {
                let (given_up, ends) = waiting(&format!("p{number}"));
                queue.push(given_up).expect("there is room");
                drop(ends);
            }
            assert!(next(&queue).is_none(), "round {round}");
        }
    }

    #[test]
    fn it_is_bounded_and_one_package_fills_half_of_it() {
        let queue = Queue::new(1);
        let mut ends = push(&queue, &["greedy"; WAITING / 2]);
        let (one_more, _ends) = waiting("greedy");
        assert_eq!(queue.push(one_more), Err(Refused::Full));
        for number in 0..WAITING / 2 {
            ends.extend(push(&queue, &[&format!("p{number}")]));
        }
        let (one_more, _ends) = waiting("late");
        assert_eq!(queue.push(one_more), Err(Refused::Full));
        queue.close();
        let (after, _ends) = waiting("late");
        assert_eq!(queue.push(after), Err(Refused::Closed));
        assert!(matches!(queue.next(Duration::MAX), Next::Closed));
        for (mut begins, mut ends) in ends {
            begins.try_recv().expect_err("never begun");
            ends.try_recv().expect_err("given up");
        }
    }
}
