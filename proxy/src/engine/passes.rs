//! Passes over what was recorded: one after the other, a page at a time, and on from where it was
//! after a restart.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cordon_policy::decision::Cause;
use cordon_policy::model::PackageName;
use cordon_storage::generations::Generations;
use cordon_storage::{Chain, StorageError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::Engine;
use super::reevaluate::{Reevaluated, identity};

/// Packages judged between two writings of the cursor.
const PAGE: usize = 256;
/// Packages a pass names one by one; a change of more is a pass over everything.
const MOST_NAMES: usize = 50_000;
/// How long a store that failed is left alone.
const RETRY: Duration = Duration::from_secs(5);
/// The cursor, beside the feeds.
const NOTE: &str = "passes.json";

/// What a pass goes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything anything was decided about.
    Everything,
    /// These packages, as far as anything was decided about them.
    Packages(BTreeSet<PackageName>),
}

impl Scope {
    /// Both together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Packages(mut some), Self::Packages(more)) => {
                some.extend(more);
                Self::Packages(some).bounded()
            }
            _ => Self::Everything,
        }
    }

    fn bounded(self) -> Self {
        match self {
            Self::Packages(names) if names.len() > MOST_NAMES => Self::Everything,
            scope => scope,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pass {
    cause: Cause,
    scope: Scope,
    /// The last package done.
    after: Option<PackageName>,
    /// Ruleset, and advisory data with indicators, it judges by.
    target: (String, String),
}

/// What was judged again by what, and what is still to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Ruleset, and advisory data with indicators, everything recorded was last judged by.
    done: Option<(String, String)>,
    pending: Option<Pass>,
}

/// The passes to be made; see [`Engine::run_passes`].
#[derive(Debug, Default)]
pub(super) struct Passes {
    state: Mutex<State>,
    asked: Notify,
}

impl Passes {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change under the lock is one assignment; none can be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, cause: Cause, scope: Scope, target: (String, String)) {
        let mut state = self.state();
        let pending = match state.pending.take() {
            None => Pass {
                cause,
                scope: scope.bounded(),
                after: None,
                target,
            },
            // What of the pass under way is done was judged by what is no longer in force.
            Some(under_way) => Pass {
                // That stored archives are to be searched again must not get lost.
                cause: match under_way.cause {
                    Cause::IndicatorChange => Cause::IndicatorChange,
                    _ => cause,
                },
                scope: under_way.scope.and(scope),
                after: None,
                target,
            },
        };
        state.pending = Some(pending);
        drop(state);
        self.asked.notify_one();
    }
}

impl Engine {
    /// Has what was recorded judged again, behind whatever else goes on.
    pub fn reevaluate_later(&self, cause: Cause, scope: Scope) {
        let target = identity(&self.snapshot());
        self.passes.ask(cause, scope, target);
    }

    /// Whether everything recorded was judged by what is in force.
    pub fn is_reevaluated(&self) -> bool {
        let state = self.passes.state();
        let done = state.done.as_ref();
        state.pending.is_none() && done == Some(&identity(&self.snapshot()))
    }

    /// Makes the passes asked for until `ended`. `notes` is where it remembers how far it is; what
    /// changed while nobody ran is made up for first.
    pub async fn run_passes(&self, notes: Generations, ended: impl Future<Output = ()>) {
        self.recall_passes(&notes);
        let mut ended = std::pin::pin!(ended);
        loop {
            let asked = self.passes.asked.notified();
            // A page is made to its end: what it writes must not be lost half-way.
            let has_more = self.make_pass(&notes).await;
            let next = async {
                if !has_more {
                    asked.await;
                }
            };
            tokio::select! {
                biased;
                () = &mut ended => return,
                () = next => {}
            }
        }
    }

    fn recall_passes(&self, notes: &Generations) {
        let noted = notes.note(NOTE).ok().flatten();
        let noted: Option<State> = noted.and_then(|text| serde_json::from_slice(&text).ok());
        let State { done, pending } = noted.unwrap_or_default();
        let target = identity(&self.snapshot());
        let mut state = self.passes.state();
        // What was asked for since the start is part of what changed since then.
        state.pending = match (pending, &done) {
            (Some(pending), _) if pending.target == target => Some(pending),
            (None, Some(done)) if *done == target => None,
            (_, done) => {
                let cause = cause_of(done.as_ref(), &target);
                Some(Pass {
                    cause,
                    scope: Scope::Everything,
                    after: None,
                    target,
                })
            }
        };
        state.done = done;
    }

    /// Makes a page of the pass under way; whether there was one.
    async fn make_pass(&self, notes: &Generations) -> bool {
        let Some(pass) = self.passes.state().pending.clone() else {
            return false;
        };
        match self.make_page(&pass).await {
            Ok(Page { done, last }) => {
                self.passes.progress(&pass, last);
                if done.stricter + done.milder + done.exposed > 0 {
                    tracing::info!(
                        judged = done.judged,
                        stricter = done.stricter,
                        milder = done.milder,
                        exposed = done.exposed,
                        "verdicts on record changed"
                    );
                }
                self.note_passes(notes);
            }
            Err(error) => {
                self.metrics.store_failed(&error);
                tracing::warn!(error = %Chain(&error), "judging again what was recorded failed; it is tried again");
                tokio::time::sleep(RETRY).await;
            }
        }
        true
    }

    async fn make_page(&self, pass: &Pass) -> Result<Page, StorageError> {
        let names: Vec<PackageName> = match &pass.scope {
            Scope::Everything => {
                let evidence = &self.stores.evidence;
                evidence.packages(pass.after.as_ref(), PAGE).await?
            }
            Scope::Packages(names) => {
                let is_left = |name: &&PackageName| pass.after.as_ref().is_none_or(|at| *name > at);
                names.iter().filter(is_left).take(PAGE).cloned().collect()
            }
        };
        let mut page = Page::default();
        for name in names {
            page.done += self.reevaluate(&name, pass.cause).await?;
            page.last = Some(name);
        }
        Ok(page)
    }

    fn note_passes(&self, notes: &Generations) {
        let text = serde_json::to_vec(&*self.passes.state()).expect("names have a JSON form");
        // Lost, it costs a pass over everything.
        if let Err(error) = notes.put_note(NOTE, &text) {
            self.metrics.store_failed(&error);
        }
    }
}

/// Why what is recorded is judged again after a start.
fn cause_of(done: Option<&(String, String)>, target: &(String, String)) -> Cause {
    let indicators = |data: &str| data.rsplit_once('+').map(|(_, it)| it.to_owned());
    match done {
        Some((rules, data)) if *rules == target.0 => {
            match indicators(data) == indicators(&target.1) {
                true => Cause::AdvisoryRefresh,
                false => Cause::IndicatorChange,
            }
        }
        _ => Cause::PolicyReload,
    }
}

/// A part of a pass.
#[derive(Debug, Default)]
struct Page {
    done: Reevaluated,
    /// The last package, `None` when there was none left.
    last: Option<PackageName>,
}

impl Passes {
    /// A page of a pass was made; without a last package it was the end. A pass that was asked for
    /// in between begins at its beginning.
    fn progress(&self, pass: &Pass, last: Option<PackageName>) {
        let mut state = self.state();
        if state.pending.as_ref() != Some(pass) {
            return;
        }
        state.pending = match last {
            None => {
                state.done = Some(pass.target.clone());
                None
            }
            last => Some(Pass {
                after: last,
                ..pass.clone()
            }),
        };
    }
}
