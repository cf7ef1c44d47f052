//! A few connections for reading, used on blocking threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema::open_reader;
use crate::evidence::STORE;
use crate::{StorageError, StorageErrorKind};

/// Connections that may read at the same time; further questions wait.
const READERS: usize = 4;

/// The pool.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
    room: Arc<Semaphore>,
}

impl Readers {
    /// A pool on a database; the first connection is opened at once, so that a store that cannot
    /// be read is noticed now.
    pub(super) fn open(database: &Path) -> Result<Self, StorageError> {
        let first = open_reader(database)?;
        Ok(Self {
            shared: Arc::new(Shared {
                database: database.to_owned(),
                idle: Mutex::new(vec![first]),
                room: Arc::new(Semaphore::new(READERS)),
            }),
        })
    }

    /// Answers a question. Each sees one state of the database from its first read to its last.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    {
        let room = Arc::clone(&self.shared.room).acquire_owned().await;
        let shared = Arc::clone(&self.shared);
        let answer = tokio::task::spawn_blocking(move || {
            let _room = room;
            shared.ask(question)
        });
        answer.await.unwrap_or_else(|error| {
            Err(StorageError::new(
                STORE,
                "reading",
                StorageErrorKind::Io,
                error,
            ))
        })
    }
}

impl Shared {
    fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.database)?,
        };
        let answer = connection
            .unchecked_transaction()
            .map_err(super::schema::sql("reading"))
            .and_then(|_snapshot| question(&connection));
        // A connection that failed may be the cause; the next question opens a fresh one.
        if answer.is_ok() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        answer
    }
}
