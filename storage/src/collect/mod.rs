//! Giving space back: which blobs to delete when they take more than they may.
//!
//! Blobs that no record names go first. Then go the least recently used, artifacts by when they
//! were last served and documents by when upstream last confirmed them, until the rest fits. A
//! document counts as used with every artifact of its package: without it none of them can be
//! served while upstream is away, and it is small beside them. What is in the keep-set (held files,
//! what evidence points to) is never touched, nor is what somebody is at work on ([`Claims`]): a
//! store may be collected while it is being filled.

mod claims;
mod stock;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use cordon_policy::model::{ArtifactId, Digest, Timestamp};
use futures_util::TryStreamExt;

use self::stock::{Choice, Stock};
use crate::blob::{BlobStat, BlobStore};
use crate::cache::{CacheIndex, DocumentKey};
use crate::{StorageError, StorageErrorKind};

pub use claims::{Claims, Held, Round};

/// What shall be kept.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Bytes all blobs together may take.
    pub budget_bytes: u64,
    /// Blobs that stay whatever they take.
    pub keep: HashSet<Digest>,
    /// What becomes of blobs that no record names.
    pub unnamed: Unnamed,
    /// Blobs that go at once, which bounds the plan; the next collection goes on.
    pub most: usize,
}

/// What becomes of blobs that no record names: superseded documents, what an interrupted fetch
/// left, or, after the index was lost, anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// All of them go.
    Go,
    /// They go first, and only as far as space is needed.
    GoFirst,
    /// They stay.
    Stay,
}

/// What a collection would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What goes, in this order.
    pub deletions: Vec<Deletion>,
    /// Bytes stored before.
    pub before_bytes: u64,
    /// Bytes stored after. More than the budget when what must be kept is more.
    pub after_bytes: u64,
}

/// A blob to delete, with the records that name it, which go first: a record without its blob
/// would cost a failed read, a blob without its record only space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The blob.
    pub blob: BlobStat,
    /// When it was last used; `None` when no record names it.
    pub last_used_at: Option<Timestamp>,
    /// Documents kept in it.
    pub documents: Vec<DocumentKey>,
    /// Artifacts kept in it.
    pub artifacts: Vec<ArtifactId>,
}

/// Takes stock of the stores and decides what goes.
///
/// # Errors
/// When a store fails.
pub async fn take_stock(
    blobs: &dyn BlobStore,
    index: &dyn CacheIndex,
    round: &Round,
    retention: &Retention,
) -> Result<Plan, StorageError> {
    let mut retention = retention.clone();
    retention.keep.extend(round.held());
    let mut stock = Stock::default();
    // Blobs first: one that arrives meanwhile is not in the stock and stays.
    let mut listed = blobs.scan();
    while let Some(blob) = listed.try_next().await? {
        stock.blob(&blob, &retention);
    }
    let mut pages = index.artifact_pages();
    while let Some(page) = pages.try_next().await? {
        page.iter()
            .for_each(|(id, record)| stock.artifact(id, record));
    }
    let mut pages = index.document_pages();
    while let Some(page) = pages.try_next().await? {
        page.iter()
            .for_each(|(key, record)| stock.document(key, record));
    }
    // A sort of everything there is.
    let choice = tokio::task::spawn_blocking(move || stock.choose(&retention)).await;
    let choice = choice.map_err(|error| {
        StorageError::new("blob", "planning a collection", StorageErrorKind::Io, error)
    })?;
    if choice.is_empty() {
        return Ok(choice.plan());
    }
    name(blobs, index, choice).await
}

/// Looks through everything a second time, for what was chosen.
async fn name(
    blobs: &dyn BlobStore,
    index: &dyn CacheIndex,
    mut choice: Choice,
) -> Result<Plan, StorageError> {
    let mut listed = blobs.scan();
    while let Some(blob) = listed.try_next().await? {
        choice.blob(blob);
    }
    let mut pages = index.artifact_pages();
    while let Some(page) = pages.try_next().await? {
        for (id, record) in page {
            choice.artifact(id, &record);
        }
    }
    let mut pages = index.document_pages();
    while let Some(page) = pages.try_next().await? {
        for (key, record) in page {
            choice.document(key, &record);
        }
    }
    Ok(choice.plan())
}

/// Carries a plan out, except for what somebody got hold of since the round began. `done` is told
/// of each deletion. Killed half-way, the rest is found by the next collection.
///
/// # Errors
/// When a store fails; what was deleted until then stays so.
pub async fn carry_out(
    blobs: &dyn BlobStore,
    index: &dyn CacheIndex,
    round: &Round,
    plan: &Plan,
    mut done: impl FnMut(&Deletion) + Send,
) -> Result<(), StorageError> {
    for deletion in &plan.deletions {
        let Some(_taken) = round.take(&deletion.blob.digest) else {
            continue;
        };
        for key in &deletion.documents {
            index.remove_document(key).await?;
        }
        for id in &deletion.artifacts {
            index.remove_sheet(id).await?;
            index.remove_artifact(id).await?;
        }
        blobs.delete(&deletion.blob.digest).await?;
        done(deletion);
    }
    index.flush().await
}
