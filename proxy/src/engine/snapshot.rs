//! What is judged by: one immutable snapshot per request, swapped as a whole.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{Audience, FactKind};
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::rules::ConfiguredRule;
use smol_str::SmolStr;

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
    /// What archives are searched for.
    pub indicators: Arc<IndicatorSet>,
    /// Who is judged for. Everybody the rules do not tell apart is one audience.
    pub audience: Audience,
    /// The route asked by: its addresses are written into documents.
    pub route: Option<SmolStr>,
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

/// By which way somebody asks, and who it is, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// The route, one of the configuration's.
    pub route: Option<SmolStr>,
    /// The identity, one of the configuration's.
    pub identity: Option<SmolStr>,
}

impl Asker {
    fn is_anybody(&self) -> bool {
        self.route.is_none() && self.identity.is_none()
    }
}

/// Holds the snapshot in force.
#[derive(Debug)]
pub struct Live(ArcSwap<Snapshot>);

impl Live {
    /// Starts with generation 1.
    pub fn new(
        ruleset: Arc<Ruleset>,
        advisories: Arc<AdvisoryData>,
        names: Arc<Names>,
        indicators: Arc<IndicatorSet>,
    ) -> Self {
        Self(ArcSwap::from_pointee(Snapshot {
            ruleset,
            advisories,
            names,
            indicators,
            audience: Audience::default(),
            route: None,
            generation: 1,
        }))
    }

    /// The snapshot for everybody.
    pub fn get(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// The snapshot a request keeps to its end.
    pub fn get_for(&self, asker: &Asker) -> Arc<Snapshot> {
        let snapshot = self.get();
        if asker.is_anybody() {
            return snapshot;
        }
        let (route, identity) = (asker.route.as_deref(), asker.identity.as_deref());
        Arc::new(Snapshot {
            audience: snapshot.ruleset.audience(route, identity),
            route: asker.route.clone(),
            ..Snapshot::clone(&snapshot)
        })
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

    /// Puts new lists of popular names in force, as [`replace_policy`](Self::replace_policy) does
    /// rules.
    pub fn replace_names(&self, names: Arc<Names>) -> u64 {
        self.change(|snapshot| snapshot.names = Arc::clone(&names))
    }

    /// Puts other indicators in force, as [`replace_policy`](Self::replace_policy) does rules.
    pub fn replace_indicators(&self, indicators: Arc<IndicatorSet>) -> u64 {
        self.change(|snapshot| snapshot.indicators = Arc::clone(&indicators))
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
