//! When artifacts were last served, so that collection takes the right ones. Gathered in memory:
//! serving an artifact writes nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cordon_policy::model::{ArtifactId, Timestamp};

/// How often the use of an artifact in memory is put on the list.
const LISTED_EVERY: Duration = Duration::from_secs(60);
/// Artifacts on the list; the use of further ones is forgotten.
const MOST: usize = 65_536;

/// When one artifact in memory was last used, and when that was last put on the list.
#[derive(Debug)]
pub(super) struct LastUse {
    at: AtomicI64,
    listed: AtomicI64,
}

impl LastUse {
    /// Not used so far.
    pub(super) fn never() -> Self {
        Self {
            at: AtomicI64::new(i64::MIN),
            listed: AtomicI64::new(i64::MIN),
        }
    }

    /// When.
    pub(super) fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.at.load(Ordering::Relaxed))
    }

    /// Notes a use. Whether it wants to be put on the list: of several at once, one does.
    fn note(&self, now: Timestamp) -> bool {
        let now_millis = now.as_millis();
        self.at.store(now_millis, Ordering::Relaxed);
        let listed = self.listed.load(Ordering::Relaxed);
        let is_recent =
            listed != i64::MIN && now.since(Timestamp::from_millis(listed)) < LISTED_EVERY;
        let claim = || {
            let order = Ordering::Relaxed;
            self.listed
                .compare_exchange(listed, now_millis, order, order)
        };
        !is_recent && claim().is_ok()
    }
}

/// Uses that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<ArtifactId, Timestamp>>);

impl Uses {
    /// An artifact in memory was served.
    pub(super) fn note(&self, artifact: &ArtifactId, last: &LastUse, now: Timestamp) {
        if last.note(now) {
            self.put(artifact, now);
        }
    }

    /// Puts a use on the list.
    pub(super) fn put(&self, artifact: &ArtifactId, at: Timestamp) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = waiting.get_mut(artifact) {
            *latest = (*latest).max(at);
        } else if waiting.len() < MOST {
            waiting.insert(artifact.clone(), at);
        }
    }

    /// Takes all that wait.
    pub(super) fn take(&self) -> HashMap<ArtifactId, Timestamp> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use cordon_storage::conformance::cache::artifact_id;

    use super::*;

    #[test]
    fn a_hot_artifact_is_listed_once_a_minute_and_knows_its_latest_use() {
        let (uses, last) = (Uses::default(), LastUse::never());
        let artifact = artifact_id("a", "1", "a-1.tgz");
        let at = |seconds: i64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        for seconds in 0..599 {
            uses.note(&artifact, &last, at(seconds));
        }
        assert_eq!(uses.take().get(&artifact), Some(&at(540)));
        uses.note(&artifact, &last, at(599));
        assert!(uses.take().is_empty(), "listed within the same minute");
        assert_eq!(last.at(), at(599));
    }

    #[test]
    fn the_latest_of_several_uses_counts() {
        let uses = Uses::default();
        let artifact = artifact_id("a", "1", "a-1.tgz");
        for millis in [1, 3, 2] {
            uses.put(&artifact, Timestamp::from_millis(millis));
        }
        assert_eq!(uses.take().get(&artifact), Some(&Timestamp::from_millis(3)));
    }

    #[test]
    fn more_artifacts_than_the_bound_are_not_kept() {
        let uses = Uses::default();
        for number in 0..=MOST {
            let artifact = artifact_id("a", &number.to_string(), "a.tgz");
            uses.note(&artifact, &LastUse::never(), Timestamp::from_millis(1));
        }
        assert_eq!(uses.take().len(), MOST);
    }
}
