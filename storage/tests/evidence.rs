//! The conformance suite on every evidence store.

use std::ops::Deref;
use std::time::Duration;

use cordon_storage::conformance::Faults;
use cordon_storage::conformance::sample::notice;
use cordon_storage::evidence::{
    Evidence, FaultyEvidence, MemoryEvidence, SqliteEvidence, SqliteOptions,
};
use cordon_storage::{StorageErrorKind, evidence_conformance};

/// A store in a folder that goes with it.
struct Sqlite {
    store: SqliteEvidence,
    _folder: tempfile::TempDir,
}

impl Sqlite {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = SqliteEvidence::open(folder.path(), &SqliteOptions::default())
            .expect("a new store opens");
        Self {
            store,
            _folder: folder,
        }
    }
}

impl Deref for Sqlite {
    type Target = SqliteEvidence;
    fn deref(&self) -> &SqliteEvidence {
        &self.store
    }
}

evidence_conformance!(memory, &MemoryEvidence::new());
evidence_conformance!(sqlite, &*Sqlite::open());
evidence_conformance!(
    faulty_without_faults,
    &FaultyEvidence::new(MemoryEvidence::new(), Faults::none())
);

#[tokio::test]
async fn faulty_store_fails_the_planned_calls_and_no_others() {
    let faults = Faults::none();
    let store = FaultyEvidence::new(MemoryEvidence::new(), faults.clone());
    faults.fail("append", 2, StorageErrorKind::Full);
    faults.tear("append", 3, 0);
    let outcomes = [0, 1, 2, 3].map(async |n| store.append(vec![notice(n)]).await);
    let outcomes = futures_util::future::join_all(outcomes).await;
    assert!(outcomes[0].is_ok() && outcomes[3].is_ok());
    let kinds: Vec<_> = outcomes
        .iter()
        .filter_map(|o| o.as_ref().err())
        .map(|e| e.kind)
        .collect();
    assert_eq!(kinds, [StorageErrorKind::Full, StorageErrorKind::Io]);
    let kept = store
        .entries(0, 10)
        .await
        .expect("reading is not planned to fail");
    assert_eq!(
        kept.len(),
        3,
        "the torn append took effect, the failed one did not"
    );
}

#[tokio::test]
async fn faulty_store_takes_at_least_as_long_as_planned() {
    let faults = Faults::none();
    let store = FaultyEvidence::new(MemoryEvidence::new(), faults.clone());
    faults.delay("append", Duration::from_millis(20));
    let started = std::time::Instant::now();
    store
        .append(vec![notice(0)])
        .await
        .expect("only a delay is planned");
    assert!(started.elapsed() >= Duration::from_millis(20));
}
