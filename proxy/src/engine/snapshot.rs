//! The live policy: one immutable snapshot per request, swapped as a whole.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cordon_policy::evaluate::Ruleset;

/// The policy in force, with its number.
#[derive(Debug)]
pub struct Snapshot {
    /// The rules and exemptions.
    pub ruleset: Arc<Ruleset>,
    /// Grows with every change. A verdict of another generation is never served from memory.
    pub generation: u64,
}

/// Holds the snapshot in force.
#[derive(Debug)]
pub struct Live(ArcSwap<Snapshot>);

impl Live {
    /// Starts with generation 1.
    pub fn new(ruleset: Arc<Ruleset>) -> Self {
        Self(ArcSwap::from_pointee(Snapshot {
            ruleset,
            generation: 1,
        }))
    }

    /// The snapshot a request keeps to its end.
    pub fn get(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts a new policy in force and returns its generation. Requests under way finish under
    /// the old one.
    pub fn swap(&self, ruleset: Arc<Ruleset>) -> u64 {
        let previous = self.0.rcu(|current| Snapshot {
            ruleset: Arc::clone(&ruleset),
            generation: current.generation + 1,
        });
        previous.generation + 1
    }
}
