//! What is read, and checked, before the writer starts.

use cordon_policy::model::Timestamp;
use rusqlite::{Connection, params};
use tlog_tiles::{EMPTY_HASH, Hash, record_hash};

use super::project::{self, KnownRows, number};
use super::schema::sql;
use crate::evidence::key::TreeHead;
use crate::evidence::log::heads::SignedHead;
use crate::evidence::tree::Tree;
use crate::evidence::{Entry, Notice, STORE, encoding};
use crate::{StorageError, StorageErrorKind};

const OPERATION: &str = "opening the evidence store";

/// The log as the database has it.
#[derive(Debug)]
pub(super) struct Opened {
    /// Its right edge.
    pub(super) tree: Tree,
    /// Which opening this is.
    pub(super) epoch: i64,
}

/// Takes the right to write, finds entries cut off the end, and loads the edge of the tree.
///
/// Every checkpoint of `signed` must be one of the log: nothing that contradicts one is written,
/// and the log is never repaired to fewer entries than one covers (INV-26, S-07 to S-09, S-12).
pub(super) fn open(
    connection: &mut Connection,
    signed: &[SignedHead],
    now: Timestamp,
) -> Result<Opened, StorageError> {
    let transaction = connection.transaction().map_err(sql(OPERATION))?;
    let (size, root, epoch) = first_head(&transaction)?;
    let present: u64 = transaction
        .query_row("SELECT coalesce(max(idx) + 1, 0) FROM entries", [], |row| {
            row.get(0)
        })
        .map_err(sql(OPERATION))?;
    if present > size {
        return Err(corrupt(format!(
            "there are {present} entries, the log has {size}"
        )));
    }
    for head in signed {
        check_head(&transaction, head, present)?;
    }
    let mut tree;
    if present == size {
        tree = load(&transaction, size)?;
        if tree.root().0 != *root {
            return Err(corrupt(format!(
                "the tree over {size} entries has another root"
            )));
        }
    } else {
        cut(&transaction, present)?;
        tree = load(&transaction, present)?;
        note_gap(&transaction, &mut tree, size - present, now)?;
    }
    transaction
        .execute(
            "UPDATE head SET size = ?1, root = ?2, epoch = ?3",
            params![number(tree.size()), tree.root().0, epoch + 1],
        )
        .map_err(sql(OPERATION))?;
    transaction.commit().map_err(sql(OPERATION))?;
    Ok(Opened {
        tree,
        epoch: epoch + 1,
    })
}

fn check_head(
    connection: &Connection,
    signed: &SignedHead,
    present: u64,
) -> Result<(), StorageError> {
    let SignedHead { place, head } = signed;
    if present < head.size {
        return Err(corrupt(format!(
            "{place} covers {} entries, the database has {present}: restore a newer database; nothing is signed that contradicts a checkpoint",
            head.size
        )));
    }
    if load(connection, head.size)?.root() == head.root {
        return Ok(());
    }
    Err(corrupt(format!(
        "{place} contradicts the first {} entries of the database: restore the database that belongs to it; nothing is signed that contradicts a checkpoint",
        head.size
    )))
}

/// How far the log goes, without taking the right to write.
pub(super) fn head(connection: &Connection) -> Result<TreeHead, StorageError> {
    connection
        .query_row("SELECT size, root FROM head", [], |row| {
            Ok(TreeHead {
                size: row.get(0)?,
                root: Hash(row.get(1)?),
            })
        })
        .map_err(sql(OPERATION))
}

/// The head, made when the store is new.
fn first_head(connection: &Connection) -> Result<(u64, Vec<u8>, i64), StorageError> {
    connection
        .execute(
            "INSERT INTO head (only, size, root, epoch) VALUES (1, 0, ?1, 0) ON CONFLICT DO NOTHING",
            [EMPTY_HASH.0],
        )
        .and_then(|_| {
            connection.query_row("SELECT size, root, epoch FROM head", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        })
        .map_err(sql(OPERATION))
}

/// The edge of the tree over the first `size` entries.
///
/// # Errors
/// `Corrupt` when an entry or a node that it needs is missing, or an entry is not what was
/// appended.
pub(super) fn load(connection: &Connection, size: u64) -> Result<Tree, StorageError> {
    Tree::load(size, |level, numbers| {
        let wanted = numbers.end - numbers.start;
        let hashes = if level == 0 {
            leaves(connection, numbers)?
        } else {
            nodes(connection, level, numbers)?
        };
        if hashes.len() as u64 == wanted {
            Ok(hashes)
        } else {
            Err(corrupt(format!(
                "entries or nodes near the end of {size} entries are missing"
            )))
        }
    })
}

fn leaves(
    connection: &Connection,
    numbers: std::ops::Range<u64>,
) -> Result<Vec<Hash>, StorageError> {
    let mut select = connection
        .prepare_cached("SELECT leaf, bytes FROM entries WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")
        .map_err(sql(OPERATION))?;
    let mut rows = select
        .query(params![number(numbers.start), number(numbers.end)])
        .map_err(sql(OPERATION))?;
    let mut hashes = Vec::new();
    while let Some(row) = rows.next().map_err(sql(OPERATION))? {
        let leaf: Vec<u8> = row.get(0).map_err(sql(OPERATION))?;
        let bytes: Vec<u8> = row.get(1).map_err(sql(OPERATION))?;
        let hash = record_hash(&bytes);
        if hash.0 != *leaf {
            let index = numbers.start + hashes.len() as u64;
            return Err(corrupt(format!("entry {index} is not what was appended")));
        }
        hashes.push(hash);
    }
    Ok(hashes)
}

fn nodes(
    connection: &Connection,
    level: u8,
    numbers: std::ops::Range<u64>,
) -> Result<Vec<Hash>, StorageError> {
    connection
        .prepare_cached(
            "SELECT hash FROM nodes WHERE level = ?1 AND number >= ?2 AND number < ?3
             ORDER BY number",
        )
        .and_then(|mut select| {
            select
                .query_map(
                    params![level, number(numbers.start), number(numbers.end)],
                    |row| row.get::<_, [u8; 32]>(0).map(Hash),
                )?
                .collect()
        })
        .map_err(sql(OPERATION))
}

/// Forgets what was derived from entries that are gone.
fn cut(connection: &Connection, size: u64) -> Result<(), StorageError> {
    let from = number(size);
    let all = [
        "DELETE FROM decision_rules WHERE idx >= ?1",
        "DELETE FROM decisions WHERE idx >= ?1",
        "DELETE FROM servings WHERE idx >= ?1",
        "DELETE FROM sightings WHERE seen_by >= ?1",
        "DELETE FROM exposures WHERE idx >= ?1",
        "DELETE FROM missed WHERE missed_by >= ?1",
        "DELETE FROM removals WHERE idx >= ?1",
        "UPDATE artifacts SET pinned = NULL, pinned_by = NULL WHERE pinned_by >= ?1",
        "UPDATE artifacts SET first_allowed_at = NULL, first_allowed_by = NULL
         WHERE first_allowed_by >= ?1",
        "DELETE FROM nodes WHERE (number + 1) << (8 * level) > ?1",
    ];
    for statement in all {
        connection
            .execute(statement, [from])
            .map_err(sql(OPERATION))?;
    }
    Ok(())
}

/// The log says itself that entries are missing; nothing is repaired silently (S-07).
fn note_gap(
    connection: &Connection,
    tree: &mut Tree,
    lost: u64,
    now: Timestamp,
) -> Result<(), StorageError> {
    let at = tree.size();
    tracing::error!(
        entries = lost,
        at,
        "entries of the evidence log are missing at its end"
    );
    let notice = encoding::encode(Entry::Notice(Notice {
        at: now,
        code: "log-gap".into(),
        text: format!(
            "{lost} entries from {at} on were missing when the store was opened; no checkpoint covered them"
        ),
    }))?;
    project::insert(connection, &mut KnownRows::default(), at, &notice, &[])
        .map_err(sql(OPERATION))?;
    let mut completed = Vec::new();
    tree.push(notice.hash, |tile| completed.push(tile));
    for tile in completed {
        connection
            .execute(
                "INSERT INTO nodes (level, number, hash) VALUES (?1, ?2, ?3)",
                params![tile.level + 1, number(tile.number), tile.root.0],
            )
            .map_err(sql(OPERATION))?;
    }
    Ok(())
}

pub(super) fn corrupt(cause: String) -> StorageError {
    StorageError::new(STORE, OPERATION, StorageErrorKind::Corrupt, cause)
}
