//! Searches the files of an archive one by one.

use super::facts::IndicatorFacts;
use super::limits::SEARCHED_BYTES;
use super::search::SearchedFile;
use super::set::IndicatorSet;
use crate::inspect::archive::{Looked, Member, Sink};
use crate::inspect::content::ContentFacts;
use crate::model::{ArtifactId, Ecosystem};

/// Searches an archive while it is read.
#[derive(Debug)]
pub(in crate::inspect) struct Searcher<'s> {
    set: &'s IndicatorSet,
    ecosystem: Ecosystem,
    /// Whether everything is in one folder.
    has_root: bool,
    facts: IndicatorFacts,
}

impl<'s> Searcher<'s> {
    /// For one archive.
    pub(in crate::inspect) fn new(artifact: &ArtifactId, set: &'s IndicatorSet) -> Self {
        Self {
            set,
            ecosystem: artifact.subject.name.ecosystem().clone(),
            has_root: !artifact.file.as_str().ends_with(".whl"),
            facts: IndicatorFacts::of(set.id()),
        }
    }

    /// What was found, in the files and among the hosts its source names.
    pub(in crate::inspect) fn finish(mut self, content: Option<&ContentFacts>) -> IndicatorFacts {
        if let Some(content) = content {
            self.set.search_hosts(content, &mut self.facts);
        }
        self.facts
    }
}

impl Sink for Searcher<'_> {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        member.size_bytes.min(SEARCHED_BYTES)
    }

    fn file(&mut self, looked: Looked<'_>) {
        let path = looked.member.path;
        let path = match (self.has_root, path.split_once('/')) {
            (true, Some((_, inside))) => inside,
            _ => path,
        };
        if !looked.is_whole() {
            self.facts.cut_files += 1;
        }
        let file = SearchedFile {
            ecosystem: &self.ecosystem,
            path,
            sha256: looked.sha256,
            bytes: looked.bytes,
        };
        self.set.search(&file, &mut self.facts);
    }
}
