//! A plan of failures, shared between a test and the faulty store it wraps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{StorageError, StorageErrorKind};

/// What shall go wrong, by the name of the trait method: `commit`, `put_document`. Calls are
/// counted from 1, for each method, since the plan was made.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    calls: HashMap<&'static str, u64>,
    faults: Vec<Fault>,
    delays: HashMap<&'static str, Duration>,
}

#[derive(Debug)]
struct Fault {
    operation: &'static str,
    first: u64,
    last: u64,
    effect: Effect,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Fail(StorageErrorKind),
    Tear { kept_bytes: usize },
}

/// How a call that was let through is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// As asked.
    Whole,
    /// Only the first bytes of what is written or read; then fail.
    Torn {
        /// How many bytes.
        kept_bytes: usize,
    },
}

impl Faults {
    /// A plan in which nothing goes wrong yet.
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// Lets call number `call` of `operation` fail without having any effect.
    pub fn fail(&self, operation: &'static str, call: u64, kind: StorageErrorKind) {
        self.plan_for(operation, call, call, Effect::Fail(kind));
    }

    /// Lets every call of `operation` fail from number `call` on.
    pub fn fail_from(&self, operation: &'static str, call: u64, kind: StorageErrorKind) {
        self.plan_for(operation, call, u64::MAX, Effect::Fail(kind));
    }

    /// Lets call number `call` take effect for its first `kept_bytes` only, and fail.
    pub fn tear(&self, operation: &'static str, call: u64, kept_bytes: usize) {
        self.plan_for(operation, call, call, Effect::Tear { kept_bytes });
    }

    /// Lets every call of `operation` take longer.
    pub fn delay(&self, operation: &'static str, duration: Duration) {
        self.plan().delays.insert(operation, duration);
    }

    /// Takes all failures and delays back; the counts go on.
    pub fn heal(&self) {
        let mut plan = self.plan();
        plan.faults.clear();
        plan.delays.clear();
    }

    /// How many calls of `operation` there were.
    pub fn calls(&self, operation: &'static str) -> u64 {
        self.plan().calls.get(operation).copied().unwrap_or(0)
    }

    /// Counts a call, waits as planned, and lets it through or not.
    ///
    /// # Errors
    /// The planned one.
    pub async fn pass(
        &self,
        store: &'static str,
        operation: &'static str,
    ) -> Result<Passage, StorageError> {
        let (passage, delay) = self.next(store, operation);
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        passage
    }

    /// The same for a call that blocks.
    ///
    /// # Errors
    /// The planned one.
    pub fn pass_blocking(
        &self,
        store: &'static str,
        operation: &'static str,
    ) -> Result<Passage, StorageError> {
        let (passage, delay) = self.next(store, operation);
        if let Some(delay) = delay {
            std::thread::sleep(delay);
        }
        passage
    }

    fn next(
        &self,
        store: &'static str,
        operation: &'static str,
    ) -> (Result<Passage, StorageError>, Option<Duration>) {
        let mut plan = self.plan();
        let call = plan.calls.entry(operation).or_default();
        *call += 1;
        let call = *call;
        let fault = plan.faults.iter().find(|fault| {
            fault.operation == operation && (fault.first..=fault.last).contains(&call)
        });
        let passage = match fault.map(|fault| fault.effect) {
            None => Ok(Passage::Whole),
            Some(Effect::Tear { kept_bytes }) => Ok(Passage::Torn { kept_bytes }),
            Some(Effect::Fail(kind)) => Err(planned(store, operation, kind)),
        };
        (passage, plan.delays.get(operation).copied())
    }

    fn plan_for(&self, operation: &'static str, first: u64, last: u64, effect: Effect) {
        self.plan().faults.push(Fault {
            operation,
            first,
            last,
            effect,
        });
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a planned failure.
pub fn planned(
    store: &'static str,
    operation: &'static str,
    kind: StorageErrorKind,
) -> StorageError {
    StorageError::new(store, operation, kind, "a planned failure")
}
