//! What upstream takes back: found by comparing what is remembered with what a document lists,
//! written to the evidence before anybody is answered, and told of.
//!
//! Only a document upstream confirmed just now proves anything. What stands in for one, or was had
//! before the removal was found out, changes nothing: so neither an outage nor a restart brings
//! back what was removed.

use std::collections::{HashMap, HashSet};

use cordon_policy::decision::Cause;
use cordon_policy::facts::{Removal, RemovalScope, VersionFacts};
use cordon_policy::model::{ArtifactId, ArtifactKind, PackageName, PackageVersion, Timestamp};
use cordon_storage::Chain;
use cordon_storage::evidence::{Entry as LogEntry, Notice, Remembered, Removal as RemovalEntry};

use super::Engine;
use super::documents::{Known, Wanted};
use super::failure::Failure;
use super::gone::{has_removed_version, since_removal};
use super::metadata::Subject;
use super::package::Package;
use super::sightings::Candidate;
use super::unlisted::Unlisted;
use crate::registry::{Document, Registry};

/// Files named in one notice; of the others it gives the number.
const NAMED: usize = 20;

/// What is remembered of a package's files.
pub(super) type Memory = HashMap<Candidate, Remembered>;

/// What a document shows.
pub(super) struct Shown<'a> {
    pub(super) candidates: &'a [VersionFacts],
    /// Whether the project has no release left.
    pub(super) is_emptied: bool,
    /// When upstream confirmed it.
    pub(super) since: Timestamp,
    /// Whether it stands in for one upstream would not confirm.
    pub(super) is_stale: bool,
    /// The files it can tell about; `None` for all of the package.
    pub(super) only: Option<&'a HashSet<Candidate>>,
}

/// One thing a document shows: how much is gone, or that a file is listed again.
type Change = (Candidate, Option<RemovalScope>);

impl Shown<'_> {
    /// What it shows that is not remembered, in the order of versions and files.
    fn changes(&self, memory: &Memory) -> Vec<Change> {
        if self.is_stale {
            return Vec::new();
        }
        let listed: HashSet<(&str, &str)> = self
            .candidates
            .iter()
            .map(|facts| {
                let id = &facts.artifact;
                (id.subject.version.as_str(), id.file.as_str())
            })
            .collect();
        let mut changes: Vec<Change> = memory
            .iter()
            .filter(|(candidate, _)| self.only.is_none_or(|only| only.contains(candidate)))
            .filter_map(|(candidate, remembered)| {
                let is_listed = listed.contains(&(candidate.0.as_str(), candidate.1.as_str()));
                let scope = self.scope(is_listed, remembered.removal);
                let before = remembered.removal.map(|removal| removal.scope);
                (scope != before).then(|| (candidate.clone(), scope))
            })
            .collect();
        changes.sort_by(|(a, _), (b, _)| {
            let key = |it: &Candidate| (it.0.as_str().to_owned(), it.1.as_str().to_owned());
            key(a).cmp(&key(b))
        });
        changes
    }

    /// How much is gone. A version that was removed stays so when its project follows, and one that
    /// is missing where the project is back was removed.
    fn scope(&self, is_listed: bool, before: Option<Removal>) -> Option<RemovalScope> {
        match before {
            Some(removal) if is_listed => {
                let is_news = self.since > removal.at;
                (!is_news).then_some(removal.scope)
            }
            _ if is_listed => None,
            Some(removal) if removal.scope == RemovalScope::Version => Some(removal.scope),
            _ if self.is_emptied => Some(RemovalScope::Project),
            _ => Some(RemovalScope::Version),
        }
    }
}

/// A document, compared with what is remembered.
pub(super) struct Compared {
    /// The document, or the last good one of a project that is gone.
    pub(super) document: Box<dyn Document>,
    /// What it does not list.
    pub(super) unlisted: Unlisted,
    /// Whether it is to be told who has what was removed.
    pub(super) owes_alarm: bool,
}

impl Engine {
    /// Compares a new document, of which `first` tells how it was had, with what is remembered;
    /// that is brought up to date.
    pub(super) async fn compare(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        wanted: Wanted<'_>,
        first: &mut Known,
        document: Box<dyn Document>,
        memory: &mut Memory,
    ) -> Result<Compared, Failure> {
        let is_emptied = document.is_emptied();
        let shown = Shown {
            candidates: document.candidates(),
            is_emptied,
            since: first.since,
            is_stale: first.is_stale,
            only: None,
        };
        let has_news = self.note_removals(name, &shown, memory).await?;
        let files = self.unlisted(name, document.candidates(), memory).await?;
        let owes_alarm = has_news || has_removed_version(memory);
        let unlisted = Unlisted::of(files);
        if !is_emptied || unlisted.is_empty() {
            return Ok(Compared {
                document,
                unlisted,
                owes_alarm,
            });
        }
        let since = since_removal(memory).unwrap_or(first.since);
        let before = first.before.take();
        let last = self.last_good(registry, name, wanted, before).await?;
        let (document, unlisted) = unlisted.of_gone((since, true), last, document);
        Ok(Compared {
            document,
            unlisted,
            owes_alarm,
        })
    }

    /// Finds out what was removed or is listed again. That is durable, and in `memory`, when this
    /// returns; whether there was anything.
    pub(super) async fn note_removals(
        &self,
        name: &PackageName,
        shown: &Shown<'_>,
        memory: &mut Memory,
    ) -> Result<bool, Failure> {
        if shown.changes(memory).is_empty() {
            return Ok(false);
        }
        let evidence = &self.stores.evidence;
        let turn = self.turns.of(name).await;
        // Somebody else may have found it out meanwhile.
        *memory = evidence.remembered(name).await?;
        let changes = shown.changes(memory);
        if changes.is_empty() {
            return Ok(false);
        }
        let entry = |(candidate, scope): &Change| {
            LogEntry::Removal(RemovalEntry {
                at: shown.since,
                artifact: artifact(name, candidate),
                scope: *scope,
            })
        };
        let mut log: Vec<LogEntry> = changes.iter().map(entry).collect();
        log.extend(self.notices(name, &changes));
        evidence.append(log).await?;
        drop(turn);
        for (candidate, scope) in changes {
            let at = shown.since;
            memory.entry(candidate).or_default().removal = scope.map(|scope| Removal { at, scope });
        }
        self.forget_made_of(name);
        Ok(true)
    }

    /// The alarm: in the log, in the metrics and as notices.
    fn notices(&self, name: &PackageName, changes: &[Change]) -> Vec<LogEntry> {
        let kinds = [
            (
                Some(RemovalScope::Version),
                "removed-upstream",
                "upstream removed what was had from there; it is refused from now on, unless the policy says otherwise",
            ),
            (
                Some(RemovalScope::Project),
                "project-removed-upstream",
                "upstream has the whole project no longer; what is in use is served from the store, unless the policy says otherwise",
            ),
            (
                None,
                "listed-again",
                "upstream lists again what it had removed",
            ),
        ];
        let mut notices = Vec::new();
        for (scope, code, what) in kinds {
            let of_kind = changes.iter().filter(|(_, found)| *found == scope);
            let files: Vec<&Candidate> = of_kind.map(|(candidate, _)| candidate).collect();
            if files.is_empty() {
                continue;
            }
            let list = listed(&files);
            match scope {
                Some(scope) => {
                    let count = files.len() as u64;
                    self.metrics
                        .removed(name.ecosystem().as_str(), scope, count);
                    tracing::warn!(package = %name, code, files = list, "{what}");
                }
                None => tracing::info!(package = %name, code, files = list, "{what}"),
            }
            notices.push(LogEntry::Notice(Notice {
                at: self.clock.now(),
                code: code.into(),
                text: format!("{}: {what}: {list}", name.purl()),
            }));
        }
        notices
    }

    /// Whatever was made of other documents of the package, or earlier, is made anew.
    fn forget_made_of(&self, name: &PackageName) {
        for (key, _) in &self.packages {
            if key.package == *name {
                self.packages.invalidate(&*key);
            }
        }
        for (key, _) in &self.ready {
            if matches!(&key.subject, Subject::Package(package) if package == name) {
                self.ready.invalidate(&*key);
            }
        }
        for (key, _) in &self.hot {
            if key.0.package == *name {
                self.hot.invalidate(&*key);
            }
        }
    }

    /// Tells behind the answer who has what is refused by now because upstream removed it: once for
    /// each time a package was read, after the verdicts are on record.
    pub(super) async fn tell_of_removals(&self, package: &Package) {
        if !package.takes_alarm() {
            return;
        }
        let (this, name) = (self.this(), package.name.clone());
        let tell = async move {
            if let Err(error) = this.reevaluate(&name, Cause::UpstreamRemoval).await {
                this.metrics.store_failed(&error);
                tracing::error!(
                    package = %name, error = %Chain(&error),
                    "telling who has what upstream removed failed"
                );
            }
        };
        self.background.run(tell).await;
    }
}

/// A file of a package.
pub(super) fn artifact(name: &PackageName, (version, file): &Candidate) -> ArtifactId {
    ArtifactId {
        subject: PackageVersion {
            name: name.clone(),
            version: version.clone(),
        },
        file: file.clone(),
        kind: ArtifactKind::Archive,
    }
}

/// The first few, and how many more.
fn listed(files: &[&Candidate]) -> String {
    let named: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|(version, file)| format!("{version} ({file})"))
        .collect();
    let named = named.join(", ");
    match files.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_000;

    fn scope(
        is_listed: bool,
        is_emptied: bool,
        since: i64,
        before: Option<RemovalScope>,
    ) -> Option<RemovalScope> {
        let shown = Shown {
            candidates: &[],
            is_emptied,
            since: Timestamp::from_millis(since),
            is_stale: false,
            only: None,
        };
        let at = Timestamp::from_millis(T);
        shown.scope(is_listed, before.map(|scope| Removal { at, scope }))
    }

    #[test]
    fn what_is_missing_is_removed_and_stays_so_until_a_later_document_lists_it() {
        let (version, project) = (Some(RemovalScope::Version), Some(RemovalScope::Project));
        // Never removed so far.
        assert_eq!(scope(true, false, T, None), None);
        assert_eq!(scope(false, false, T, None), version);
        assert_eq!(scope(false, true, T, None), project);
        // A document of the same moment or before is not news.
        for before in [version, project] {
            assert_eq!(scope(true, false, T - 1, before), before);
            assert_eq!(scope(true, false, T, before), before);
            assert_eq!(scope(true, false, T + 1, before), None);
        }
        // A removed version is not the milder for its project following it; one that is missing
        // when the project is back was removed.
        assert_eq!(scope(false, true, T + 1, version), version);
        assert_eq!(scope(false, false, T + 1, project), version);
        assert_eq!(scope(false, true, T + 1, project), project);
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let file = |n: usize| {
            let version = cordon_policy::model::Version::verbatim(format!("{n}.0.0"));
            let name = cordon_policy::model::FileName::new(format!("a-{n}.tgz"));
            (version, name.expect("a sound name"))
        };
        let files: Vec<Candidate> = (0..NAMED + 3).map(file).collect();
        let all: Vec<&Candidate> = files.iter().collect();
        assert!(listed(&all).ends_with("19.0.0 (a-19.tgz) and 3 more"));
        assert_eq!(listed(&all[..1]), "0.0.0 (a-0.tgz)");
    }
}
