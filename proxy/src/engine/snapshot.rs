//! What is judged by: one immutable snapshot per request, swapped as a whole.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::FactKind;
use cordon_policy::rules::ConfiguredRule;

use crate::feeds::AdvisoryData;
use crate::feeds::data::EcosystemFeed;
use crate::names::Names;

/// What is judged by, with its number.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The rules and exemptions.
    pub ruleset: Arc<Ruleset>,
    /// What is known of vulnerabilities and malware.
    pub advisories: Arc<AdvisoryData>,
    /// The popular names.
    pub names: Arc<Names>,
    /// Grows with every change. A verdict of another generation is never served from memory.
    pub generation: u64,
}

impl Snapshot {
    /// How many rules have nothing to judge by: they are on and look at advisories, of which there
    /// are none for some ecosystem.
    pub fn inactive_rules(&self) -> usize {
        let mut feeds = self.advisories.ecosystems();
        let is_missing = |feed: &EcosystemFeed| !matches!(feed, EcosystemFeed::Loaded(_));
        let has_all = self.advisories.ecosystems().next().is_some()
            && !feeds.any(|(_, feed)| is_missing(feed));
        if has_all {
            return 0;
        }
        let needs_advisories = |rule: &&ConfiguredRule| {
            rule.variants.iter().any(|variant| {
                variant.settings.is_enabled && variant.rule.needs().contains(FactKind::Advisories)
            })
        };
        self.ruleset.rules().iter().filter(needs_advisories).count()
    }
}

/// Holds the snapshot in force.
#[derive(Debug)]
pub struct Live(ArcSwap<Snapshot>);

impl Live {
    /// Starts with generation 1.
    pub fn new(ruleset: Arc<Ruleset>, advisories: Arc<AdvisoryData>, names: Arc<Names>) -> Self {
        Self(ArcSwap::from_pointee(Snapshot {
            ruleset,
            advisories,
            names,
            generation: 1,
        }))
    }

    /// The snapshot a request keeps to its end.
    pub fn get(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Puts a new policy in force and returns its generation. Requests under way finish under
    /// the old one.
    pub fn replace_policy(&self, ruleset: Arc<Ruleset>) -> u64 {
        self.change(|snapshot| snapshot.ruleset = Arc::clone(&ruleset))
    }

    /// Puts new advisory data in force, as [`replace_policy`](Self::replace_policy) does rules.
    pub fn replace_advisories(&self, advisories: Arc<AdvisoryData>) -> u64 {
        self.change(|snapshot| snapshot.advisories = Arc::clone(&advisories))
    }

    fn change(&self, change: impl Fn(&mut Snapshot)) -> u64 {
        let previous = self.0.rcu(|current| {
            let mut next = Snapshot::clone(current);
            change(&mut next);
            next.generation += 1;
            next
        });
        previous.generation + 1
    }
}
