//! Searches the files of an archive one by one.

use super::facts::IndicatorFacts;
use super::limits::SEARCHED_BYTES;
use super::search::SearchedFile;
use super::set::IndicatorSet;
use super::yara::Scanner;
use crate::inspect::archive::{Looked, Member, Sink};
use crate::inspect::content::ContentFacts;
use crate::inspect::fault::printable;
use crate::model::{ArtifactId, Ecosystem};

/// Searches an archive while it is read.
#[derive(Debug)]
pub(in crate::inspect) struct Searcher<'s> {
    set: &'s IndicatorSet,
    ecosystem: Ecosystem,
    /// Whether everything is in one folder.
    has_root: bool,
    facts: IndicatorFacts,
    yara: Option<Scanner<'s>>,
}

impl<'s> Searcher<'s> {
    /// For one archive.
    pub(in crate::inspect) fn new(artifact: &ArtifactId, set: &'s IndicatorSet) -> Self {
        Self {
            set,
            ecosystem: artifact.subject.name.ecosystem().clone(),
            has_root: !artifact.file.as_str().ends_with(".whl"),
            facts: IndicatorFacts::of(set.id()),
            yara: set.yara_scanner(),
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

impl Searcher<'_> {
    /// A file's path inside the archive's one folder.
    fn path<'p>(&self, member: &Member<'p>) -> &'p str {
        match (self.has_root, member.path.split_once('/')) {
            (true, Some((_, inside))) => inside,
            _ => member.path,
        }
    }
}

impl Sink for Searcher<'_> {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        match self.set.is_about(&self.ecosystem, self.path(member)) {
            true => member.size_bytes.min(SEARCHED_BYTES),
            false => 0,
        }
    }

    fn file(&mut self, looked: Looked<'_>) {
        let path = self.path(looked.member);
        if looked.member.size_bytes > SEARCHED_BYTES && !looked.bytes.is_empty() {
            self.facts.cut_files += 1;
        }
        let file = SearchedFile {
            ecosystem: &self.ecosystem,
            path,
            sha256: looked.sha256,
            bytes: looked.bytes,
        };
        self.set.search(&file, &mut self.facts);
        let Some(yara) = &mut self.yara else {
            return;
        };
        match yara.search(file.bytes) {
            Ok(met) => {
                let hits = met
                    .iter()
                    .filter_map(|it| self.set.yara_hit(it, path, file.bytes));
                hits.for_each(|hit| self.facts.push(hit));
            }
            Err(why) => {
                let why = format!("{path}: {why}");
                self.facts
                    .failed
                    .get_or_insert_with(|| printable(&why, 200).into());
            }
        }
    }
}
