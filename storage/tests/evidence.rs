//! The conformance suite on every evidence store.

use std::ops::Deref;

use cordon_storage::evidence::{MemoryEvidence, SqliteEvidence, sqlite::SqliteOptions};
use cordon_storage::evidence_conformance;

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
