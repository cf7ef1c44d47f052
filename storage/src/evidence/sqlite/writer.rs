//! The one writer: a thread that commits whatever was queued while the last commit ran.
//!
//! Callers encode and hash their entries themselves; the thread gives them their indexes, extends
//! the tree and writes rows. An append is acknowledged after the commit that holds it. When a
//! commit fails for want of space, or cannot begin because another program holds the database, the
//! state before it stands and the next may succeed; when the disk fails in any other way nothing more is written until the store is opened again, because
//! after a failed fsync nobody knows what the disk holds (reliability.md F-06).

use bytes::Bytes;
use cordon_policy::model::Digest;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::project::{self, KnownRows, number};
use super::publish::{Bell, Stopped};
use super::schema::{kind_of, settle, sql};
use crate::evidence::encoding::Encoded;
use crate::evidence::key::TreeHead;
use crate::evidence::memory::{bad_text, missing_text};
use crate::evidence::tree::Tree;
use crate::evidence::{Entry, EntryIndex, STORE, Sighted, sighted_from_text};
use crate::{StorageError, StorageErrorKind};

/// Requests waiting for the writer; more wait outside the queue.
pub(super) const QUEUE_REQUESTS: usize = 4096;

/// KiB of encoded entries that may wait or be in a commit (64 MiB); more wait outside.
pub(super) const QUEUE_KIB: usize = 64 << 10;

/// Entries one commit takes before it is closed.
const BATCH_ENTRIES: usize = 16_384;

/// Something to write.
#[derive(Debug)]
pub(super) struct Request {
    /// What.
    pub(super) work: Work,
    /// Where to acknowledge it: the index of the first entry.
    pub(super) reply: oneshot::Sender<Result<EntryIndex, StorageError>>,
    /// The room it takes in the queue, given back when it is done.
    pub(super) _room: OwnedSemaphorePermit,
}

/// What can be asked of the writer.
#[derive(Debug)]
pub(super) enum Work {
    /// Append these, in order, together.
    Append(Vec<Encoded>),
    /// Keep a text.
    Text(Digest, Bytes),
}

/// The state of the writer's thread.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) tree: Tree,
    /// Which opening of the store this is; a later one takes the right to write away.
    pub(super) epoch: i64,
    /// Where commits are announced.
    pub(super) bell: Bell,
    /// Why nothing more may be written, once that is so.
    pub(super) stopped: Stopped,
}

impl Writer {
    /// Writes until no one can ask any more.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let _closing = self.bell.close_on_drop();
        while let Some(first) = requests.blocking_recv() {
            let mut batch = vec![first];
            let mut entries = batch.iter().map(Request::entries).sum::<usize>();
            while entries < BATCH_ENTRIES {
                let Ok(next) = requests.try_recv() else { break };
                entries += next.entries();
                batch.push(next);
            }
            self.commit(batch);
        }
        settle(&self.connection);
    }

    fn commit(&mut self, batch: Vec<Request>) {
        if let Some(cause) = self.stopped.get() {
            for request in batch {
                request.answer(Err(unavailable(cause)));
            }
            return;
        }
        let mut acknowledged = Vec::with_capacity(batch.len());
        let mut tree = self.tree.clone();
        match self.write(&mut tree, batch, &mut acknowledged) {
            Ok(()) => {
                self.tree = tree;
                self.bell.committed(TreeHead {
                    size: self.tree.size(),
                    root: self.tree.root(),
                });
                for (request, answer) in acknowledged {
                    request.answer(Ok(answer));
                }
            }
            Err(failure) => {
                let kind = failure.kind();
                if !failure.leaves_the_store_sound() {
                    tracing::error!(
                        error = %failure,
                        "the evidence store stops writing until it is opened again"
                    );
                    // The first cause is the one to keep.
                    let _ = self.stopped.set(failure.to_string());
                }
                for (request, _) in acknowledged {
                    request.answer(Err(StorageError::new(
                        STORE,
                        "appending entries",
                        kind,
                        failure.to_string(),
                    )));
                }
            }
        }
    }

    /// One transaction. Requests that cannot be met on their own account are answered at once and
    /// left out; all others end in `acknowledged`, also when the transaction fails.
    fn write(
        &mut self,
        tree: &mut Tree,
        batch: Vec<Request>,
        acknowledged: &mut Vec<(Request, EntryIndex)>,
    ) -> Result<(), Failure> {
        let mut batch = batch.into_iter();
        let written = self.write_all(tree, &mut batch, acknowledged);
        acknowledged.extend(batch.map(|request| (request, 0)));
        written
    }

    fn write_all(
        &mut self,
        tree: &mut Tree,
        batch: &mut std::vec::IntoIter<Request>,
        acknowledged: &mut Vec<(Request, EntryIndex)>,
    ) -> Result<(), Failure> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Failure::of_beginning)?;
        let epoch: i64 = transaction
            .prepare_cached("SELECT epoch FROM head")?
            .query_row([], |row| row.get(0))?;
        if epoch != self.epoch {
            return Err(Failure::Fenced);
        }
        let mut known = KnownRows::default();
        let before = tree.size();
        for request in batch {
            let first = tree.size();
            let written = match &request.work {
                Work::Text(digest, bytes) => {
                    project::insert_text(&transaction, digest.as_bytes(), bytes)
                }
                Work::Append(entries) => match sighted_of(&transaction, entries) {
                    Err(error) => {
                        request.answer(Err(error));
                        continue;
                    }
                    Ok(sighted) => append(&transaction, &mut known, tree, entries, &sighted),
                },
            };
            // First into the list: should the transaction fail, it must be answered too.
            acknowledged.push((request, first));
            written?;
        }
        if tree.size() != before {
            transaction
                .prepare_cached("UPDATE head SET size = ?1, root = ?2")?
                .execute(params![number(tree.size()), tree.root().0])?;
        }
        transaction.commit()?;
        Ok(())
    }
}

/// The candidate lists of the sightings among `entries`, in order.
fn sighted_of(
    connection: &Connection,
    entries: &[Encoded],
) -> Result<Vec<Vec<Sighted>>, StorageError> {
    let mut lists = Vec::new();
    for Encoded { entry, .. } in entries {
        let Entry::Sighting(sighting) = entry else {
            continue;
        };
        let text: Option<Vec<u8>> = connection
            .prepare_cached("SELECT bytes FROM texts WHERE digest = ?1")
            .and_then(|mut find| {
                find.query_row([sighting.candidates.as_bytes()], |row| row.get(0))
                    .optional()
            })
            .map_err(sql("appending entries"))?;
        let text = text.ok_or_else(|| missing_text(&sighting.candidates))?;
        let list =
            sighted_from_text(&text).map_err(|error| bad_text(&sighting.candidates, error))?;
        lists.push(list);
    }
    Ok(lists)
}

fn append(
    connection: &Connection,
    known: &mut KnownRows,
    tree: &mut Tree,
    entries: &[Encoded],
    sighted: &[Vec<Sighted>],
) -> rusqlite::Result<()> {
    let mut sighted = sighted.iter();
    for encoded in entries {
        let is_sighting = matches!(encoded.entry, Entry::Sighting(_));
        let candidates = if is_sighting { sighted.next() } else { None };
        let candidates = candidates.map_or(&[][..], Vec::as_slice);
        project::insert(connection, known, tree.size(), encoded, candidates)?;
        let mut full = Vec::new();
        tree.push(encoded.hash, |tile| full.push(tile));
        for tile in full {
            connection
                .prepare_cached("INSERT INTO nodes (level, number, hash) VALUES (?1, ?2, ?3)")?
                .execute(params![tile.level + 1, number(tile.number), tile.root.0])?;
        }
    }
    Ok(())
}

impl Request {
    fn entries(&self) -> usize {
        match &self.work {
            Work::Append(entries) => entries.len(),
            Work::Text(..) => 1,
        }
    }

    /// The caller may have gone; then nobody needs the answer.
    fn answer(self, answer: Result<EntryIndex, StorageError>) {
        let _ = self.reply.send(answer);
    }
}

/// The store does not write any more.
pub(super) fn unavailable(cause: &str) -> StorageError {
    StorageError::new(
        STORE,
        "appending entries",
        StorageErrorKind::Unavailable,
        format!("{cause}; open the store again after the cause is removed"),
    )
}

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("another program holds the database locked: {0}")]
    Locked(rusqlite::Error),
    #[error("another process opened this store for writing")]
    Fenced,
}

impl Failure {
    /// A transaction that could not begin for a lock of somebody else (a shell, a backup) wrote
    /// nothing; in any later step the same error would be one of the store itself.
    fn of_beginning(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(error),
            _ => Self::Sql(error),
        }
    }

    /// Whether the state before the transaction stands, so that the next one may succeed.
    fn leaves_the_store_sound(&self) -> bool {
        match self {
            Self::Locked(_) => true,
            Self::Sql(error) => kind_of(error) == StorageErrorKind::Full,
            Self::Fenced => false,
        }
    }

    fn kind(&self) -> StorageErrorKind {
        match self {
            Self::Sql(error) | Self::Locked(error) => kind_of(error),
            Self::Fenced => StorageErrorKind::Unavailable,
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
