//! What two policies disagree on, gathered within bounds.

use std::collections::{BTreeMap, HashMap};

use cordon_policy::facts::VersionFacts;
use cordon_policy::model::{PackageName, Timestamp};
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::evidence::Served;
use serde::Serialize;
use smol_str::SmolStr;

/// Packages kept in each direction; further ones are counted.
const MAX_PACKAGES: usize = 10_000;

/// Versions, routes, identities, clients and rules named for one package; further ones are counted.
const MAX_NAMED: usize = 50;

/// How two policies disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The new one refuses what the old one allows.
    NewlyBlocked,
    /// The new one allows what the old one refuses.
    NewlyAllowed,
    /// Both refuse, in another way.
    Changed,
}

impl Direction {
    /// Every direction, in order.
    pub const ALL: [Self; 3] = [Self::NewlyBlocked, Self::NewlyAllowed, Self::Changed];

    /// The words of an answer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewlyBlocked => "newly blocked",
            Self::NewlyAllowed => "newly allowed",
            Self::Changed => "refused otherwise",
        }
    }
}

/// What two policies disagree on.
#[derive(Debug, Default)]
pub struct Difference {
    /// Decisions judged.
    pub decisions: u64,
    /// Requests that were answered by them.
    pub servings: u64,
    /// Of these, how many could not be told which decision they followed.
    pub unjoined: u64,
    /// The first and the last instant judged at.
    pub span: Option<(Timestamp, Timestamp)>,
    sides: [Side; 3],
}

/// Everything in one direction.
#[derive(Debug, Default)]
struct Side {
    decisions: u64,
    groups: Vec<Group>,
    by_package: HashMap<PackageName, usize>,
    /// Decisions about packages beyond `MAX_PACKAGES`.
    omitted: u64,
}

/// One package on which the policies disagree.
#[derive(Debug, Serialize)]
pub struct Group {
    /// The package.
    #[serde(serialize_with = "as_purl")]
    pub package: PackageName,
    /// The versions concerned.
    pub versions: Tally,
    /// Decisions concerned.
    pub decisions: u64,
    /// Requests that were answered by them.
    pub servings: u64,
    /// Verdicts, from the old one to the new one: `allow to hide`.
    pub verdicts: Tally,
    /// What decides under the policy that refuses (under the new one when both do): rule and code.
    pub rules: Tally,
    /// The reason it gives, of the first decision.
    pub reason: String,
    /// The routes asked by.
    pub routes: Tally,
    /// Who asked, where policies tell them apart.
    pub identities: Tally,
    /// Who was served or refused: address and client.
    pub clients: Tally,
}

/// Names with how often each came up; at most `MAX_NAMED` of them.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    /// The names.
    pub named: BTreeMap<SmolStr, u64>,
    /// How often others came up.
    pub others: u64,
}

impl Tally {
    fn add(&mut self, name: &str, times: u64) {
        if let Some(count) = self.named.get_mut(name) {
            *count += times;
        } else if self.named.len() < MAX_NAMED {
            self.named.insert(name.into(), times);
        } else {
            self.others += times;
        }
    }

    /// The names alone, the most frequent first.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<(&SmolStr, &u64)> = self.named.iter().collect();
        names.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
        names.into_iter().map(|(name, _)| name.as_str()).collect()
    }

    fn add_all(&mut self, other: &Self) {
        for (name, count) in &other.named {
            self.add(name, *count);
        }
        self.others += other.others;
    }
}

impl Difference {
    /// Decisions in a direction.
    pub fn count_of(&self, direction: Direction) -> u64 {
        self.side(direction).decisions
    }

    /// The packages of a direction, those with the most decisions first.
    pub fn groups(&self, direction: Direction) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.side(direction).groups.iter().collect();
        groups.sort_by(|a, b| {
            (b.decisions, b.servings)
                .cmp(&(a.decisions, a.servings))
                .then_with(|| a.package.cmp(&b.package))
        });
        groups
    }

    /// Decisions of a direction about packages that are not kept: beyond `MAX_PACKAGES`.
    pub fn omitted(&self, direction: Direction) -> u64 {
        self.side(direction).omitted
    }

    /// Routes and identities over all packages of a direction.
    pub fn audiences(&self, direction: Direction) -> (Tally, Tally) {
        let (mut routes, mut identities) = (Tally::default(), Tally::default());
        for group in &self.side(direction).groups {
            routes.add_all(&group.routes);
            identities.add_all(&group.identities);
        }
        (routes, identities)
    }

    pub(super) fn count(&mut self, at: Timestamp) {
        self.decisions += 1;
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    /// Adds a decision on which the policies disagree; where it went, if it is kept.
    pub(super) fn add(
        &mut self,
        direction: Direction,
        facts: &VersionFacts,
        old: &Evaluation,
        new: &Evaluation,
    ) -> Option<usize> {
        let side = &mut self.sides[direction as usize];
        side.decisions += 1;
        let refusing = match new.effect() {
            Effect::Allow => old,
            Effect::Hide | Effect::Quarantine | Effect::Block => new,
        };
        let deciding = refusing.deciding();
        let name = &facts.subject().name;
        let at = match side.by_package.get(name) {
            Some(at) => *at,
            None if side.groups.len() < MAX_PACKAGES => {
                let reason = deciding.map_or_else(String::new, |it| it.reason.clone());
                side.groups.push(Group::new(name.clone(), reason));
                side.by_package.insert(name.clone(), side.groups.len() - 1);
                side.groups.len() - 1
            }
            None => {
                side.omitted += 1;
                return None;
            }
        };
        let group = side.groups.get_mut(at)?;
        group.decisions += 1;
        group.versions.add(facts.subject().version.as_str(), 1);
        let verdicts = format!("{} to {}", old.effect(), new.effect());
        group.verdicts.add(&verdicts, 1);
        if let Some(finding) = deciding {
            let rule = format!("{}/{}", finding.rule, finding.code);
            group.rules.add(&rule, 1);
        }
        if let Some(route) = &facts.audience.route {
            group.routes.add(route, 1);
        }
        if let Some(identity) = &facts.audience.identity {
            group.identities.add(identity, 1);
        }
        Some(at)
    }

    pub(super) fn add_client(&mut self, direction: Direction, group: usize, served: &Served) {
        let side = &mut self.sides[direction as usize];
        if let Some(group) = side.groups.get_mut(group) {
            let times = u64::from(served.count);
            group.servings += times;
            let client = format!("{} {}", served.client.address, served.client.agent);
            group.clients.add(&client, times);
        }
    }

    fn side(&self, direction: Direction) -> &Side {
        &self.sides[direction as usize]
    }
}

impl Group {
    fn new(package: PackageName, reason: String) -> Self {
        Self {
            package,
            versions: Tally::default(),
            decisions: 0,
            servings: 0,
            verdicts: Tally::default(),
            rules: Tally::default(),
            reason,
            routes: Tally::default(),
            identities: Tally::default(),
            clients: Tally::default(),
        }
    }
}

fn as_purl<S: serde::Serializer>(name: &PackageName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&name.purl())
}
