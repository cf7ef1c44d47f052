//! Evidence in memory: for tests, and the model the other backends are compared with. Every
//! question is answered by looking through all entries, so that there is nothing to get wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::facts::{Audience, Removal};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, Ecosystem, FileName, PackageName, Timestamp, Version,
};
use cordon_policy::verdict::Effect;

use super::encoding::{self, Encoded};
use super::holds::{self, HeldBytes, Hold, HoldFilter};
use super::key::LogKey;
use super::query::{MAX_PAGE, SERVINGS_PER_DECISION, page_size};
use super::tree::Tree;
use super::{
    APPEND_LIMIT, Entry, EntryIndex, Evidence, ExemptionChange, Exposure, ExposureFilter,
    LogFilter, LoggedDecision, LoggedExposure, LoggedNotice, LoggedServing, Missed, Outcome, Pin,
    QuarantineChange, Receiver, Receivers, Remembered, STORE, Seen, Served, ServingFilter,
    TEXT_LIMIT_BYTES, sighted_from_text,
};
use crate::{StorageError, StorageErrorKind};

/// The in-memory evidence store. Its key lasts as long as it does.
#[derive(Debug)]
pub struct MemoryEvidence {
    key: LogKey,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    texts: HashMap<Digest, Bytes>,
    tree: Tree,
}

impl MemoryEvidence {
    /// An empty store with a new key.
    pub fn new() -> Self {
        let key = LogKey::generate("memory.invalid/log")
            .expect("the name is well formed and tests have a source of randomness");
        Self {
            key,
            state: Mutex::default(),
        }
    }

    /// The public key of its checkpoints.
    pub fn public_key(&self) -> &str {
        self.key.public()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code between taking and releasing the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryEvidence {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn indexed(&self) -> impl DoubleEndedIterator<Item = (EntryIndex, &Entry)> {
        self.entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (index as EntryIndex, entry))
    }

    fn decisions(&self) -> impl DoubleEndedIterator<Item = (EntryIndex, &Decision)> {
        self.indexed().filter_map(|(index, entry)| match entry {
            Entry::Decision(decision) => Some((index, &**decision)),
            _ => None,
        })
    }

    fn servings(&self) -> impl DoubleEndedIterator<Item = (EntryIndex, &Served)> {
        self.indexed().filter_map(|(index, entry)| match entry {
            Entry::Served(served) => Some((index, served)),
            _ => None,
        })
    }

    fn pins(&self) -> Vec<&Pin> {
        let pins = self.entries.iter().filter_map(|entry| match entry {
            Entry::Pin(pin) => Some(pin),
            _ => None,
        });
        pins.collect()
    }

    fn missed(&self) -> impl Iterator<Item = &Missed> {
        self.indexed().filter_map(|(_, entry)| match entry {
            Entry::Missed(missed) => Some(missed),
            _ => None,
        })
    }

    /// The first time each name was missed, in order.
    fn missed_first(&self) -> Vec<Missed> {
        let mut seen = BTreeSet::new();
        let first = self.missed().filter(|it| seen.insert(&it.package));
        first.cloned().collect()
    }

    fn logged(&self, index: EntryIndex, decision: &Decision) -> LoggedDecision {
        LoggedDecision {
            index,
            decision: decision.clone(),
            servings: self
                .servings()
                .rev()
                .map(|(_, served)| served)
                .filter(|served| served.decision == decision.id)
                .take(SERVINGS_PER_DECISION)
                .cloned()
                .collect(),
        }
    }

    fn matches(&self, filter: &LogFilter, index: EntryIndex, decision: &Decision) -> bool {
        let evaluation = &decision.evaluation;
        let LogFilter {
            package,
            effect,
            rule,
            client,
            since,
            until,
            after,
            limit: _,
        } = filter;
        package
            .as_ref()
            .is_none_or(|package| *package == evaluation.subject().name)
            && effect.is_none_or(|effect| effect == evaluation.effect())
            && rule
                .as_ref()
                .is_none_or(|rule| rules_of(decision).any(|found| found == rule))
            && client.as_ref().is_none_or(|client| {
                self.servings().any(|(_, served)| {
                    served.decision == decision.id && served.client.address == *client
                })
            })
            && since.is_none_or(|since| decision.at >= since)
            && until.is_none_or(|until| decision.at < until)
            && after.is_none_or(|after| index > after)
    }
}

/// The rules that found something about a decision, waived or not.
pub(crate) fn rules_of(
    decision: &Decision,
) -> impl Iterator<Item = &cordon_policy::finding::RuleId> {
    let waived = decision
        .evaluation
        .waived()
        .iter()
        .map(|(finding, _)| finding);
    decision
        .evaluation
        .findings()
        .iter()
        .chain(waived)
        .map(|finding| &finding.rule)
}

fn check_texts(state: &State, encoded: &[Encoded]) -> Result<(), StorageError> {
    for Encoded { entry, .. } in encoded {
        if let Entry::Sighting(sighting) = entry {
            let text = state
                .texts
                .get(&sighting.candidates)
                .ok_or_else(|| missing_text(&sighting.candidates))?;
            sighted_from_text(text).map_err(|error| bad_text(&sighting.candidates, error))?;
        }
    }
    Ok(())
}

/// A sighting names a text nobody stored.
pub(crate) fn missing_text(digest: &Digest) -> StorageError {
    let cause = format!("the sighting names the text {digest}, which was not stored before it");
    StorageError::new(STORE, "appending entries", StorageErrorKind::Io, cause)
}

/// A sighting names a text that is no candidate list.
pub(crate) fn bad_text(digest: &Digest, error: serde_json::Error) -> StorageError {
    let cause = format!("the text {digest} is not a list of candidates: {error}");
    StorageError::new(STORE, "appending entries", StorageErrorKind::Io, cause)
}

/// Refuses an append of more entries than [`APPEND_LIMIT`].
pub(crate) fn check_count(entries: usize) -> Result<(), StorageError> {
    if entries <= APPEND_LIMIT {
        return Ok(());
    }
    let cause = format!("{entries} entries in one append, more than {APPEND_LIMIT}");
    Err(StorageError::new(
        STORE,
        "appending entries",
        StorageErrorKind::Io,
        cause,
    ))
}

/// Refuses a text longer than [`TEXT_LIMIT_BYTES`].
pub(crate) fn check_text(bytes: &Bytes) -> Result<(), StorageError> {
    if bytes.len() <= TEXT_LIMIT_BYTES {
        return Ok(());
    }
    let cause = format!(
        "the text has {} bytes, more than {TEXT_LIMIT_BYTES}",
        bytes.len()
    );
    Err(StorageError::new(
        STORE,
        "keeping a text",
        StorageErrorKind::Io,
        cause,
    ))
}

#[async_trait]
impl Evidence for MemoryEvidence {
    async fn append(&self, entries: Vec<Entry>) -> Result<EntryIndex, StorageError> {
        check_count(entries.len())?;
        let encoded: Vec<Encoded> = entries
            .into_iter()
            .map(encoding::encode)
            .collect::<Result<_, _>>()?;
        let mut state = self.state();
        check_texts(&state, &encoded)?;
        let first = state.tree.size();
        for Encoded {
            entry, hash, apart, ..
        } in encoded
        {
            state.tree.push(hash, |_| ());
            state.texts.extend(apart);
            state.entries.push(entry);
        }
        Ok(first)
    }

    async fn put_text(&self, bytes: Bytes) -> Result<Digest, StorageError> {
        check_text(&bytes)?;
        let digest = Digest::of(&bytes);
        self.state().texts.insert(digest.clone(), bytes);
        Ok(digest)
    }

    async fn text(&self, digest: &Digest) -> Result<Option<Bytes>, StorageError> {
        Ok(self.state().texts.get(digest).cloned())
    }

    async fn decision(&self, id: &DecisionId) -> Result<Option<LoggedDecision>, StorageError> {
        let state = self.state();
        let found = state.decisions().find(|(_, decision)| decision.id == *id);
        Ok(found.map(|(index, decision)| state.logged(index, decision)))
    }

    async fn decisions(&self, filter: &LogFilter) -> Result<Vec<LoggedDecision>, StorageError> {
        let state = self.state();
        let matching = state
            .decisions()
            .filter(|(index, decision)| state.matches(filter, *index, decision));
        let logged = |(index, decision)| state.logged(index, decision);
        let limit = page_size(filter.limit);
        if filter.after.is_some() {
            return Ok(matching.take(limit).map(logged).collect());
        }
        let mut newest: Vec<_> = matching.rev().take(limit).map(logged).collect();
        newest.reverse();
        Ok(newest)
    }

    async fn notices(&self, limit: usize) -> Result<Vec<LoggedNotice>, StorageError> {
        let state = self.state();
        let all = state
            .indexed()
            .rev()
            .filter_map(|(index, entry)| match entry {
                Entry::Notice(notice) => Some(LoggedNotice {
                    index,
                    notice: notice.clone(),
                }),
                _ => None,
            });
        let mut newest: Vec<_> = all.take(limit.min(MAX_PAGE)).collect();
        newest.reverse();
        Ok(newest)
    }

    async fn latest(
        &self,
        artifact: &ArtifactId,
        audience: Option<&Audience>,
    ) -> Result<Option<LoggedDecision>, StorageError> {
        let state = self.state();
        let found = state.decisions().rev().find(|(_, decision)| {
            decision.evaluation.artifact() == artifact
                && audience.is_none_or(|only| decision.facts.audience == *only)
        });
        Ok(found.map(|(index, decision)| state.logged(index, decision)))
    }

    async fn standing(&self, package: &PackageName) -> Result<Vec<Decision>, StorageError> {
        let state = self.state();
        let mut newest = HashMap::new();
        for (_, decision) in state.decisions() {
            let artifact = decision.evaluation.artifact();
            if artifact.kind == ArtifactKind::Archive && artifact.subject.name == *package {
                let key = (artifact.clone(), decision.facts.audience.clone());
                newest.insert(key, decision.clone());
            }
        }
        Ok(newest.into_values().collect())
    }

    async fn pin(&self, artifact: &ArtifactId) -> Result<Option<Digest>, StorageError> {
        let state = self.state();
        Ok(state.entries.iter().find_map(|entry| match entry {
            Entry::Pin(pin) if pin.artifact == *artifact => Some(pin.sha256.clone()),
            _ => None,
        }))
    }

    async fn remembered(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Remembered>, StorageError> {
        let mut remembered: HashMap<_, Remembered> = HashMap::new();
        let is_ours = |artifact: &ArtifactId| {
            artifact.kind == ArtifactKind::Archive && artifact.subject.name == *package
        };
        let key = |artifact: &ArtifactId| (artifact.subject.version.clone(), artifact.file.clone());
        for entry in &self.state().entries {
            match entry {
                Entry::Pin(pin) if is_ours(&pin.artifact) => {
                    let row = remembered.entry(key(&pin.artifact)).or_default();
                    row.pinned.get_or_insert_with(|| pin.sha256.clone());
                }
                Entry::Decision(decision) if is_ours(decision.evaluation.artifact()) => {
                    let is_allow = decision.evaluation.effect() == Effect::Allow;
                    if is_allow && decision.sha256().is_some() {
                        let row = remembered
                            .entry(key(decision.evaluation.artifact()))
                            .or_default();
                        row.first_allowed_at.get_or_insert(decision.at);
                    }
                }
                Entry::Removal(removal) if is_ours(&removal.artifact) => {
                    let row = remembered.entry(key(&removal.artifact)).or_default();
                    let at = removal.at;
                    row.removal = removal.scope.map(|scope| Removal { at, scope });
                }
                _ => {}
            }
        }
        Ok(remembered)
    }

    async fn sightings(
        &self,
        package: &PackageName,
    ) -> Result<HashMap<(Version, FileName), Seen>, StorageError> {
        let state = self.state();
        let mut seen = HashMap::new();
        for entry in &state.entries {
            let Entry::Sighting(sighting) = entry else {
                continue;
            };
            if sighting.package != *package {
                continue;
            }
            let digest = &sighting.candidates;
            let text = state
                .texts
                .get(digest)
                .ok_or_else(|| missing_text(digest))?;
            let candidates = sighted_from_text(text).map_err(|error| bad_text(digest, error))?;
            for candidate in candidates {
                seen.entry((candidate.version, candidate.file))
                    .or_insert(Seen {
                        first_seen_at: sighting.at,
                        published_at: candidate.published_at,
                    });
            }
        }
        Ok(seen)
    }

    async fn servings(&self, filter: &ServingFilter) -> Result<Vec<LoggedServing>, StorageError> {
        let state = self.state();
        let mut found = Vec::new();
        for (index, served) in state.servings().rev() {
            let decided = state
                .decisions()
                .find(|(_, decision)| decision.id == served.decision);
            let Some((_, decision)) = decided else {
                continue;
            };
            let artifact = decision.evaluation.artifact();
            let is_wanted = artifact.subject.name == filter.package
                && filter
                    .version
                    .as_ref()
                    .is_none_or(|v| *v == artifact.subject.version)
                && filter
                    .file
                    .as_ref()
                    .is_none_or(|file| *file == artifact.file)
                && filter
                    .outcome
                    .is_none_or(|outcome| outcome == served.outcome);
            if is_wanted && found.len() < page_size(filter.limit) {
                let (artifact, served) = (artifact.clone(), served.clone());
                found.push(LoggedServing {
                    index,
                    artifact,
                    served,
                });
            }
        }
        Ok(found)
    }

    async fn receivers(
        &self,
        artifact: &ArtifactId,
        audience: Option<&Audience>,
        limit: usize,
    ) -> Result<Receivers, StorageError> {
        let state = self.state();
        let mut all: Vec<(EntryIndex, Receiver)> = Vec::new();
        for (index, served) in state.servings() {
            let is_ours = served.outcome == Outcome::Served
                && state.decisions().any(|(_, decision)| {
                    decision.id == served.decision
                        && decision.evaluation.artifact() == artifact
                        && audience.is_none_or(|only| decision.facts.audience == *only)
                });
            if !is_ours {
                continue;
            }
            let known = all
                .iter_mut()
                .find(|(_, receiver)| receiver.client == served.client);
            if let Some((newest, receiver)) = known {
                *newest = index;
                receiver.first_at = receiver.first_at.min(served.first_at);
                receiver.last_at = receiver.last_at.max(served.last_at);
                receiver.count += u64::from(served.count);
            } else {
                let receiver = Receiver {
                    client: served.client.clone(),
                    first_at: served.first_at,
                    last_at: served.last_at,
                    count: u64::from(served.count),
                };
                all.push((index, receiver));
            }
        }
        all.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
        Ok(Receivers {
            clients: all.len() as u64,
            total: all.iter().map(|(_, receiver)| receiver.count).sum(),
            newest: all.first().map(|(newest, _)| *newest),
            list: all
                .into_iter()
                .map(|(_, receiver)| receiver)
                .take(limit.min(MAX_PAGE))
                .collect(),
        })
    }

    async fn exposures(
        &self,
        filter: &ExposureFilter,
    ) -> Result<Vec<LoggedExposure>, StorageError> {
        let state = self.state();
        let is_wanted = |exposure: &Exposure| {
            let artifact = &exposure.artifact;
            let package = &artifact.subject.name;
            filter.package.as_ref().is_none_or(|it| it == package)
                && filter.artifact.as_ref().is_none_or(|it| it == artifact)
                && filter.since.is_none_or(|since| exposure.at >= since)
        };
        let matching = state
            .indexed()
            .rev()
            .filter_map(|(index, entry)| match entry {
                Entry::Exposure(exposure) if is_wanted(exposure) => Some(LoggedExposure {
                    index,
                    exposure: (**exposure).clone(),
                }),
                _ => None,
            });
        let mut newest: Vec<_> = matching.take(page_size(filter.limit)).collect();
        newest.reverse();
        Ok(newest)
    }

    async fn missed(&self, package: &PackageName) -> Result<Option<Timestamp>, StorageError> {
        let state = self.state();
        let first = state.missed().find(|it| it.package == *package);
        Ok(first.map(|missed| missed.at))
    }

    async fn missed_names(&self, limit: usize) -> Result<Vec<Missed>, StorageError> {
        let mut names = self.state().missed_first();
        let beyond = names.len().saturating_sub(page_size(limit));
        Ok(names.split_off(beyond))
    }

    async fn missed_count(&self) -> Result<u64, StorageError> {
        Ok(self.state().missed_first().len() as u64)
    }

    async fn exemptions(&self) -> Result<Vec<ExemptionChange>, StorageError> {
        let state = self.state();
        let mut newest: BTreeMap<&str, &ExemptionChange> = BTreeMap::new();
        for (_, entry) in state.indexed() {
            if let Entry::Exemption(change) = entry {
                newest.insert(&change.id, change);
            }
        }
        let granted = newest.into_values().filter(|it| it.text.is_some());
        Ok(granted.cloned().collect())
    }

    async fn holds(&self, filter: &HoldFilter) -> Result<Vec<Hold>, StorageError> {
        Ok(holds::page(holds::all(self.state().indexed()), filter))
    }

    async fn hold(&self, artifact: &ArtifactId) -> Result<Option<Hold>, StorageError> {
        let mut all = holds::all(self.state().indexed()).into_iter();
        Ok(all.find(|hold| hold.artifact == *artifact))
    }

    async fn quarantine_history(
        &self,
        artifact: &ArtifactId,
    ) -> Result<Vec<QuarantineChange>, StorageError> {
        Ok(holds::history(self.state().indexed(), artifact))
    }

    async fn reviews(&self) -> Result<Vec<QuarantineChange>, StorageError> {
        Ok(holds::reviews(self.state().indexed()))
    }

    async fn held_bytes(&self, limit: usize) -> Result<Vec<HeldBytes>, StorageError> {
        let state = self.state();
        let mut all = holds::bytes(&holds::all(state.indexed()), &state.pins());
        all.truncate(limit);
        Ok(all)
    }

    async fn hold_counts(&self) -> Result<BTreeMap<Ecosystem, u64>, StorageError> {
        Ok(holds::counts(&holds::all(self.state().indexed())))
    }

    async fn packages(
        &self,
        after: Option<&PackageName>,
        limit: usize,
    ) -> Result<Vec<PackageName>, StorageError> {
        let state = self.state();
        let all: BTreeSet<&PackageName> = state
            .decisions()
            .map(|(_, decision)| &decision.evaluation.subject().name)
            .filter(|name| after.is_none_or(|after| *name > after))
            .collect();
        Ok(all.into_iter().take(limit.min(MAX_PAGE)).cloned().collect())
    }

    async fn entries(
        &self,
        from: EntryIndex,
        limit: usize,
    ) -> Result<Vec<(EntryIndex, Entry)>, StorageError> {
        let state = self.state();
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let page = state.indexed().skip(skip).take(page_size(limit));
        Ok(page.map(|(index, entry)| (index, entry.clone())).collect())
    }

    async fn checkpoint(&self) -> Result<String, StorageError> {
        let state = self.state();
        Ok(self.key.sign(state.tree.size(), state.tree.root()))
    }
}
