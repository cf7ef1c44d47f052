//! The whole log, page by page: for rebuilding and export.

use futures_util::stream::{self, Stream};

use super::{Entry, EntryIndex, Evidence};
use crate::StorageError;

/// Entries of one page: a few megabytes at most in practice.
const PAGE: usize = 1_000;

/// Every entry from an index on, in order. Ends with the last one there is when it is reached; to
/// follow the log, begin again after it.
pub fn pages(
    evidence: &dyn Evidence,
    from: EntryIndex,
) -> impl Stream<Item = Result<Vec<(EntryIndex, Entry)>, StorageError>> {
    stream::try_unfold(from, move |next| async move {
        let page = evidence.entries(next, PAGE).await?;
        Ok(page
            .last()
            .map(|(index, _)| index + 1)
            .map(|after| (page, after)))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;
    use crate::conformance::sample::notice;
    use crate::evidence::MemoryEvidence;

    #[tokio::test]
    async fn every_entry_is_on_exactly_one_page() {
        let store = MemoryEvidence::new();
        store
            .append((0..2_500).map(notice).collect())
            .await
            .unwrap();
        let all: Vec<_> = pages(&store, 7).try_concat().await.unwrap();
        let indexes: Vec<_> = all.iter().map(|(index, _)| *index).collect();
        assert_eq!(indexes, (7..2_500).collect::<Vec<_>>());
        let none: Vec<Vec<_>> = pages(&store, 2_500).try_collect().await.unwrap();
        assert!(none.is_empty());
    }
}
