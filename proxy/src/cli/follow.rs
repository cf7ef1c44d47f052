//! Following the log: every decision that matches, once, in order.

use cordon_storage::StorageError;
use cordon_storage::evidence::query::MAX_PAGE;
use cordon_storage::evidence::{Evidence, LogFilter, LoggedDecision};

/// A place in the log, and what is looked for after it.
pub(super) struct Following<'a> {
    evidence: &'a dyn Evidence,
    filter: LogFilter,
}

impl<'a> Following<'a> {
    /// Begins before the first decision.
    pub(super) fn whole(evidence: &'a dyn Evidence, mut filter: LogFilter) -> Self {
        // Entry 0 is the policy the log began with, so no decision is passed over.
        filter.after = Some(0);
        filter.limit = MAX_PAGE;
        Self { evidence, filter }
    }

    /// Begins with the page the filter asks for.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) async fn begin(
        evidence: &'a dyn Evidence,
        mut filter: LogFilter,
    ) -> Result<(Self, Vec<LoggedDecision>), StorageError> {
        // Asked before the page: what is decided in between is on it or comes after.
        let newest = LogFilter {
            limit: 1,
            ..LogFilter::default()
        };
        let newest = evidence.decisions(&newest).await?;
        let first = evidence.decisions(&filter).await?;
        let last = first.last().or(newest.last());
        // Entry 0 is the policy the log began with, so no decision is passed over.
        filter.after = Some(last.map_or(0, |last| last.index));
        filter.limit = MAX_PAGE;
        Ok((Self { evidence, filter }, first))
    }

    /// What matches and was not given yet, at most a page of it; empty for nothing new.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) async fn next(&mut self) -> Result<Vec<LoggedDecision>, StorageError> {
        let found = self.evidence.decisions(&self.filter).await?;
        if let Some(last) = found.last() {
            self.filter.after = Some(last.index);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use cordon_policy::verdict::Effect;
    use cordon_storage::conformance::sample::{Sample, artifact, notice};
    use cordon_storage::evidence::{Entry, MemoryEvidence};

    use super::*;

    fn hidden(ids: std::ops::Range<u64>) -> Vec<Entry> {
        ids.map(|id| Sample::hide(id, artifact("a", "1.0.0")).entry())
            .collect()
    }

    fn indexes(found: &[LoggedDecision]) -> Vec<u64> {
        found.iter().map(|one| one.index).collect()
    }

    #[tokio::test]
    async fn a_first_burst_larger_than_the_first_page_is_given_whole() {
        let filter = LogFilter {
            effect: Some(Effect::Hide),
            limit: 2,
            ..LogFilter::default()
        };
        let allowed = Sample::allow(99, artifact("b", "1.0.0")).entry();
        for before in [vec![notice(0)], vec![notice(0), allowed]] {
            let evidence = MemoryEvidence::new();
            let start = before.len() as u64;
            evidence.append(before).await.expect("appends");
            let (mut following, first) = Following::begin(&evidence, filter.clone())
                .await
                .expect("reads");
            assert!(first.is_empty());
            assert!(following.next().await.expect("reads").is_empty());
            evidence.append(hidden(0..5)).await.expect("appends");
            let found = following.next().await.expect("reads");
            assert_eq!(indexes(&found), Vec::from_iter(start..start + 5));
            assert!(following.next().await.expect("reads").is_empty());
        }
    }

    #[tokio::test]
    async fn it_begins_with_the_newest_and_goes_on_after_them() {
        let evidence = MemoryEvidence::new();
        evidence.append(vec![notice(0)]).await.expect("appends");
        evidence.append(hidden(0..5)).await.expect("appends");
        let filter = LogFilter {
            limit: 2,
            ..LogFilter::default()
        };
        let (mut following, first) = Following::begin(&evidence, filter).await.expect("reads");
        assert_eq!(indexes(&first), [4, 5]);
        evidence.append(hidden(5..8)).await.expect("appends");
        let found = following.next().await.expect("reads");
        assert_eq!(indexes(&found), [6, 7, 8]);
    }
}
