//! What is known about a package beyond its own documents, gathered anew for every judgement: the
//! packages its young versions newly depend on or pin, and how old those are.
//!
//! Asking costs requests upstream, so it is done only for the few versions a rule says it matters
//! for ([`Ruleset::wants`]), some at a time, and at most so many for one judgement. What could not
//! be learned is `Unavailable`, which holds, and is asked again soon.
//!
//! [`Ruleset::wants`]: cordon_policy::evaluate::Ruleset::wants

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cordon_policy::facts::{
    Audience, Change, Fact, FactKind, FactSet, PackageFacts, Popularity, Sibling, Standing,
    VersionFacts,
};
use cordon_policy::model::{PackageName, PackageVersion, Timestamp};
use futures_util::StreamExt as _;
use smol_str::SmolStr;

use super::Engine;
use super::failure::Failure;
use super::inspect::advise_bundled;
use super::package::Package;
use super::snapshot::Snapshot;
use crate::feeds::{AdvisoryData, AdvisoryFacts};
use crate::registry::{Pin, View};

/// Other packages asked about for one judgement, at most. A release that adds more dependencies
/// than this is held until a person looks.
const LOOKUPS: usize = 64;
/// How many of them at once.
const AT_ONCE: usize = 8;
/// How soon a judgement is made again that lacked something.
const RETRY: Duration = Duration::from_secs(60);

/// What one judgement adds to the facts of the documents.
#[derive(Debug)]
pub(super) struct Context {
    package: Option<Arc<PackageFacts>>,
    advisories: Arc<AdvisoryData>,
    audience: Audience,
    at: Timestamp,
    standings: BTreeMap<PackageName, Fact<Standing>>,
    siblings: HashMap<usize, Arc<[Sibling]>>,
    /// When it is gathered again: something could not be learned, or what was gets too old.
    pub(super) valid_until: Option<Timestamp>,
}

impl Context {
    /// Whether it was gathered from this advisory data.
    pub(super) fn is_of(&self, advisories: &AdvisoryData) -> bool {
        self.advisories.id() == advisories.id()
    }

    /// Completes what the documents tell of the candidate at `index`, whose history is known.
    pub(super) fn complete(&self, index: usize, facts: &mut VersionFacts) {
        self.complete_recorded(facts);
        if let Some(package) = &self.package {
            facts.package = Arc::clone(package);
        }
        let siblings = self.siblings.get(&index);
        facts.siblings = siblings.map_or(Fact::Absent, |all| Fact::Known(Arc::clone(all)));
        if let Fact::Known(change) = &facts.change
            && !change.added_dependencies.is_empty()
        {
            facts.change = Fact::Known(Arc::new(self.with_standings(change)));
        }
    }

    /// Completes facts that were recorded earlier, when there was a document: all that changes of
    /// them is what is known of advisories, and who asks.
    pub(super) fn complete_recorded(&self, facts: &mut VersionFacts) {
        let subject = &facts.artifact.subject;
        let was_allowed = facts.history.first_allowed_at.is_some();
        let AdvisoryFacts {
            advisories, fixes, ..
        } = self
            .advisories
            .facts(&subject.name, &subject.version, was_allowed, self.at);
        (facts.advisories, facts.fixes) = (advisories, fixes);
        facts.audience = self.audience.clone();
        advise_bundled(facts, &self.advisories, self.at);
    }

    fn with_standings(&self, change: &Change) -> Change {
        let mut change = change.clone();
        for added in &mut change.added_dependencies {
            if let Some(known) = self.standings.get(&added.package) {
                added.standing = known.clone();
            }
        }
        change
    }
}

/// Another package, or why it is not there: `Absent` when upstream has no such package.
type Other = Fact<Arc<Package>>;

fn standing(other: &Other, popularity: Option<Popularity>) -> Fact<Standing> {
    let first_published_at = match other {
        Fact::Known(package) => package.first_published_at(),
        // It exists nowhere; what is in a list of popular ones did once.
        Fact::Absent if popularity.is_none() => return Fact::Absent,
        Fact::Absent => Fact::Absent,
        Fact::Unavailable(why) => return Fact::Unavailable(why.clone()),
        Fact::NotYet => return Fact::NotYet,
    };
    Fact::Known(Standing {
        first_published_at,
        rank: popularity.map(|popularity| popularity.rank),
    })
}

/// What everybody uses needs no second look.
fn known_by_rank(popularity: Option<Popularity>) -> Fact<Standing> {
    Fact::Known(Standing {
        first_published_at: Fact::NotYet,
        rank: popularity.map(|popularity| popularity.rank),
    })
}

fn published_at(pinned: &PackageVersion, other: Option<&Other>) -> Fact<Timestamp> {
    match other {
        None | Some(Fact::NotYet) => {
            Fact::Unavailable(SmolStr::new_static("too many packages to ask about"))
        }
        Some(Fact::Absent) => Fact::Absent,
        Some(Fact::Unavailable(why)) => Fact::Unavailable(why.clone()),
        Some(Fact::Known(package)) => package.published_at(&pinned.version),
    }
}

/// What has to be asked.
#[derive(Default)]
struct Questions {
    names: BTreeSet<PackageName>,
    pins: HashMap<usize, Vec<Pin>>,
}

impl Questions {
    fn of(package: &Package, snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut questions = Self::default();
        let costly = FactSet::of(FactKind::Siblings).union(FactSet::of(FactKind::Standing));
        if snapshot.ruleset.needs().intersection(costly).is_empty() {
            return questions;
        }
        for (index, facts) in package.document.candidates().iter().enumerate() {
            let wants = wants(facts, snapshot, now);
            if wants.contains(FactKind::Siblings) {
                questions.ask_about_pins(package, index);
            }
            if wants.contains(FactKind::Standing)
                && let Fact::Known(change) = &facts.change
            {
                let added = change.added_dependencies.iter();
                let names = added.map(|added| added.package.clone());
                questions.names.extend(names);
            }
        }
        questions
    }

    fn ask_about_pins(&mut self, package: &Package, index: usize) {
        let mut pins = package.document.pins(index);
        // A package that pins itself waits for nothing new.
        pins.retain(|pin| pin.subject.name != package.name);
        if !pins.is_empty() {
            let names = pins.iter().map(|pin| pin.subject.name.clone());
            self.names.extend(names);
            self.pins.insert(index, pins);
        }
    }
}

/// What is known of the package as a whole. Names are compared only where a rule reads the result.
fn package_facts(package: &Package, snapshot: &Snapshot) -> Option<PackageFacts> {
    let mut facts = package.package_facts()?;
    facts.popularity = snapshot.names.popularity(&facts.name);
    if snapshot.ruleset.needs().contains(FactKind::Similarity) {
        facts.similarity = snapshot.names.similarity(&facts.name);
    }
    Some(facts)
}

/// What the rules want to know of a candidate; of a fix more than of other versions.
fn wants(facts: &VersionFacts, snapshot: &Snapshot, now: Timestamp) -> FactSet {
    let PackageVersion { name, version } = facts.subject();
    let fixes = snapshot.advisories.fixes(name, version);
    if fixes.is_empty() && snapshot.audience == facts.audience {
        return snapshot.ruleset.wants(facts, now);
    }
    let mut facts = facts.clone();
    facts.fixes = fixes.into();
    facts.audience = snapshot.audience.clone();
    snapshot.ruleset.wants(&facts, now)
}

impl Engine {
    /// Gathers what the rules want to know about this package's candidates now.
    pub(super) async fn context(
        &self,
        package: &Package,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Context, Failure> {
        let Questions { names, pins } = Questions::of(package, snapshot, now);
        let pinned = pins.values().flatten().map(|pin| &pin.subject.name);
        let pinned: BTreeSet<&PackageName> = pinned.collect();
        let (popular, others): (Vec<_>, Vec<_>) = names
            .into_iter()
            .map(|name| (snapshot.names.popularity(&name), name))
            .partition(|(popularity, name)| popularity.is_some() && !pinned.contains(name));
        let asked = others.into_iter().map(|(_, name)| name).take(LOOKUPS);
        let lookups = asked.map(|name| async move {
            let other = self.other(package, &name).await?;
            Ok::<(PackageName, Other), Failure>((name, other))
        });
        let mut answers = futures_util::stream::iter(lookups).buffer_unordered(AT_ONCE);
        let mut others = BTreeMap::new();
        while let Some(answer) = answers.next().await {
            let (name, other) = answer?;
            others.insert(name, other);
        }
        let lacks_something = others.values().any(|other| other.known().is_none());
        let standings: Vec<(PackageName, Fact<Standing>)> = others
            .iter()
            .map(|(name, other)| {
                (
                    name.clone(),
                    standing(other, snapshot.names.popularity(name)),
                )
            })
            .collect();
        let sibling = |pin: Pin| {
            let published_at = published_at(&pin.subject, others.get(&pin.subject.name));
            // Without a binary for some rare platform the rest is installed all the same.
            let is_missed = !(pin.is_optional && published_at == Fact::Absent);
            is_missed.then_some(Sibling {
                published_at,
                subject: pin.subject,
            })
        };
        let pins = pins.into_iter();
        Ok(Context {
            package: package_facts(package, snapshot).map(Arc::new),
            siblings: pins
                .map(|(index, pinned)| (index, pinned.into_iter().filter_map(sibling).collect()))
                .collect(),
            standings: popular
                .into_iter()
                .map(|(popularity, name)| (name, known_by_rank(popularity)))
                .chain(standings)
                .collect(),
            valid_until: [
                lacks_something.then(|| now.saturating_add(RETRY)),
                snapshot
                    .advisories
                    .believed_until(package.name.ecosystem(), now),
            ]
            .into_iter()
            .flatten()
            .min(),
            advisories: Arc::clone(&snapshot.advisories),
            audience: snapshot.audience.clone(),
            at: now,
        })
    }

    /// Another package of the same registry, by its documents alone: it is not judged.
    async fn other(&self, of: &Package, name: &PackageName) -> Result<Other, Failure> {
        // Boxed: learning of one package may lead to the same code for another.
        let found = Box::pin(self.package(of.registry, name, &View::plain("context"))).await;
        match found {
            Ok(package) => Ok(Fact::Known(package)),
            Err(Failure::NotFound(_)) => Ok(Fact::Absent),
            Err(Failure::Store(error)) => Err(Failure::Store(error)),
            Err(failure) => {
                let why = failure.to_string();
                Ok(Fact::Unavailable(
                    cordon_policy::reason::ascii(&why, 120).into(),
                ))
            }
        }
    }
}
