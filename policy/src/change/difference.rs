//! What is different between two versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::{SmolStr, format_smolstr};

use super::{Dependency, MAX_ADDED, Sheet, has_settled};
use crate::facts::{
    AddedDependency, Change, ExoticDependency, ExoticSource, Fact, LicenseChange, Trust, TrustLost,
    VersionFacts,
};
use crate::model::{Scheme, Timestamp};

/// Names of one and the same: a native addon is built by an `install` script that the registry
/// adds, or the publishing tool does, or none of them, from one version to the next.
const SAME_HOOK: [&str; 3] = ["install", "gypfile", "hasInstallScript"];

/// What `after` changes, and whether any of it is remarkable.
pub(super) fn difference(
    scheme: &dyn Scheme,
    before: (&VersionFacts, &Sheet),
    after: (&VersionFacts, &Sheet),
    is_new_publisher: bool,
    owners: &Owners,
) -> (Fact<Arc<Change>>, bool) {
    let ((old, old_sheet), (new, new_sheet)) = (before, after);
    if let Some(why) = new_sheet.unreadable {
        return (Fact::Unavailable(why.into()), true);
    }
    let added = added_dependencies(scheme, before, after, owners);
    if added.len() > MAX_ADDED {
        let why = format_smolstr!(
            "it adds {} dependencies, more than can be judged",
            added.len()
        );
        return (Fact::Unavailable(why), true);
    }
    let trust_lost = (new_sheet.trust < old_sheet.trust).then_some(TrustLost {
        from: old_sheet.trust,
        to: new_sheet.trust,
    });
    // A workflow the registry trusts to publish the package was named by its owners; it is nobody
    // new, whatever account the registry writes down for it.
    let is_person = new_sheet.trust != Trust::TrustedPublisher;
    let change = Change {
        since: old.artifact.subject.version.clone(),
        since_published_at: old.published_at.known().copied(),
        added_dependencies: added,
        added_hooks: added_hooks(&old_sheet.hooks, &new_sheet.hooks),
        added_exotic: added_exotic(exotic(old), exotic(new)),
        new_publisher: (is_new_publisher && is_person)
            .then(|| new.publisher.known().cloned())
            .flatten(),
        new_maintainers: new_maintainers(&old_sheet.maintainers, &new_sheet.maintainers),
        trust_lost,
        license: changed_license(&old.license, &new.license),
        size_bytes: old_sheet
            .size_bytes
            .zip(new_sheet.size_bytes)
            .filter(|(before, now)| before != now && old_sheet.series == new_sheet.series),
    };
    let is_remarkable = !change.added_dependencies.is_empty()
        || !change.added_hooks.is_empty()
        || !change.added_exotic.is_empty()
        || change.new_publisher.is_some()
        || change.trust_lost.is_some();
    (Fact::Known(Arc::new(change)), is_remarkable)
}

/// Both lists are sorted by name.
fn added_dependencies(
    scheme: &dyn Scheme,
    before: (&VersionFacts, &Sheet),
    after: (&VersionFacts, &Sheet),
    owners: &Owners,
) -> Vec<AddedDependency> {
    let (old, new) = (before.1, after.1);
    let at = after.0.published_at.known().copied();
    if Arc::ptr_eq(&old.dependencies, &new.dependencies) {
        return Vec::new();
    }
    let is_new = |dependency: &&Dependency| {
        let found = old
            .dependencies
            .binary_search_by(|old| old.name.cmp(&dependency.name));
        found.is_err()
    };
    let added = new.dependencies.iter().filter(is_new);
    let mut added: Vec<AddedDependency> = added
        // What is no name of the ecosystem cannot be had through Cordon either.
        .filter_map(|dependency| {
            Some(AddedDependency {
                package: scheme.package(&dependency.name).ok()?,
                kind: dependency.kind,
                is_of_known_owner: owners.is_known(&dependency.name, before, at),
                standing: Fact::NotYet,
            })
        })
        .collect();
    added.sort_by(|a, b| (&a.package, a.kind).cmp(&(&b.package, b.kind)));
    added.dedup_by(|later, first| later.package == first.package);
    added
}

/// The scope of an npm name, without `@`. No other ecosystem has names that look like one.
fn scope(name: &str) -> Option<&str> {
    let (scope, _) = name.strip_prefix('@')?.split_once('/')?;
    Some(scope)
}

/// Whose code the versions of a package brought along: the scopes they depended on, and since when.
#[derive(Default)]
pub(super) struct Owners<'a>(BTreeMap<&'a str, Option<Timestamp>>);

impl<'a> Owners<'a> {
    /// Remembers those of a version. Called in the order of publication.
    pub(super) fn add(&mut self, sheet: &'a Sheet, published_at: Option<Timestamp>) {
        for dependency in sheet.dependencies.iter() {
            if let Some(scope) = scope(&dependency.name) {
                self.0.entry(scope).or_insert(published_at);
            }
        }
    }

    /// Whether a name is in a scope whose owner's code came with the version before, or with
    /// earlier ones that have settled by `at`.
    fn is_known(&self, name: &str, before: (&VersionFacts, &Sheet), at: Option<Timestamp>) -> bool {
        let Some(owner) = scope(name) else {
            return false;
        };
        let (facts, sheet) = before;
        let own = scope(facts.subject().name.as_published()) == Some(owner);
        let publisher = facts.publisher.known().is_some_and(|it| it == owner);
        let mut compared = sheet.dependencies.iter();
        let earlier = self
            .0
            .get(owner)
            .is_some_and(|since| has_settled(*since, at));
        own || publisher || earlier || compared.any(|it| scope(&it.name) == Some(owner))
    }
}

fn added_hooks(old: &[SmolStr], new: &[SmolStr]) -> Vec<SmolStr> {
    let is_same = |a: &SmolStr, b: &SmolStr| {
        a == b || (SAME_HOOK.contains(&a.as_str()) && SAME_HOOK.contains(&b.as_str()))
    };
    // That something runs is no news where something ran before.
    let is_claim = |hook: &SmolStr| hook == "hasInstallScript" && !old.is_empty();
    let is_new = |hook: &&SmolStr| !is_claim(hook) && !old.iter().any(|old| is_same(old, hook));
    let mut added: Vec<SmolStr> = new.iter().filter(is_new).cloned().collect();
    added.sort();
    added
}

fn exotic(facts: &VersionFacts) -> &[ExoticDependency] {
    facts.exotic_dependencies.known().map_or(&[], |list| list)
}

/// A source is new when its origin is: a pinned commit that moves is not.
fn added_exotic(old: &[ExoticDependency], new: &[ExoticDependency]) -> Vec<ExoticDependency> {
    let is_same = |a: &ExoticDependency, b: &ExoticDependency| {
        a.name == b.name && a.source == b.source && origin(a) == origin(b)
    };
    let is_new = |exotic: &&ExoticDependency| !old.iter().any(|old| is_same(old, exotic));
    let mut added: Vec<ExoticDependency> = new.iter().filter(is_new).cloned().collect();
    added.sort();
    added
}

/// What of a source stays while its versions change.
fn origin(exotic: &ExoticDependency) -> &str {
    let written = exotic.written.as_str();
    match exotic.source {
        ExoticSource::Git => written.split('#').next().unwrap_or_default(),
        ExoticSource::Url => {
            let authority = written.find("://").map_or(0, |at| at + 3);
            let path = written.get(authority..).and_then(|rest| rest.find('/'));
            let end = path.map_or(written.len(), |at| authority + at);
            written.get(..end).unwrap_or_default()
        }
        ExoticSource::File | ExoticSource::Registry => written,
    }
}

fn new_maintainers(old: &Arc<[SmolStr]>, new: &Arc<[SmolStr]>) -> Vec<SmolStr> {
    // Versions before the first that names its maintainers do not make all of them new.
    if old.is_empty() || Arc::ptr_eq(old, new) {
        return Vec::new();
    }
    let is_new = |name: &&SmolStr| old.binary_search(name).is_err();
    new.iter().filter(is_new).cloned().collect()
}

fn changed_license(old: &Fact<SmolStr>, new: &Fact<SmolStr>) -> Option<LicenseChange> {
    let words = |fact: &Fact<SmolStr>| match fact {
        Fact::Known(words) => Some(words.clone()),
        Fact::Absent => Some(SmolStr::default()),
        Fact::Unavailable(_) | Fact::NotYet => None,
    };
    if old == new {
        return None;
    }
    let (from, to) = (words(old)?, words(new)?);
    (from != to).then_some(LicenseChange { from, to })
}

/// Who published the package so far.
pub(super) struct Publishers {
    known: BTreeMap<SmolStr, Since>,
    is_dated: bool,
}

/// Since when somebody publishes a package.
enum Since {
    /// From its first version on.
    Ever,
    /// From this date on, if there is one.
    Date(Option<Timestamp>),
}

impl Publishers {
    pub(super) fn new(is_dated: bool) -> Self {
        Self {
            known: BTreeMap::new(),
            is_dated,
        }
    }

    /// Whether the version's publisher is new, and remembers them. Whoever published first is
    /// known from the beginning; anybody else once their first version has settled.
    pub(super) fn is_new(&mut self, facts: &VersionFacts) -> bool {
        let Some(name) = facts.publisher.known() else {
            return false;
        };
        let at = facts.published_at.known().copied();
        match self.known.get(name) {
            Some(Since::Ever) => false,
            Some(Since::Date(since)) => !(self.is_dated && has_settled(*since, at)),
            None => {
                let is_founder = self.known.is_empty();
                let since = match is_founder {
                    true => Since::Ever,
                    false => Since::Date(at),
                };
                self.known.insert(name.clone(), since);
                !is_founder
            }
        }
    }
}
