//! One inspection, from the bytes to the sheet.

use std::io::{self, Read, Seek};

use serde::{Deserialize, Serialize};

use super::INSPECTOR;
use super::archive::{self, Looked, Member, Sink};
use super::content::{KnownFiles, Looker};
use super::indicators::{IndicatorSet, Searcher};
use super::limits::Limits;
use super::manifest::Reader;
use super::sheet::Sheet;
use crate::model::ArtifactId;

/// The bytes of an archive: a ZIP is read from its end.
pub trait Input: Read + Seek {}

impl<T: Read + Seek> Input for T {}

/// How much of an archive is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// The archive itself and its manifest: cheap, done for every archive.
    Structure,
    /// Also what its files can do: they are parsed.
    Content,
}

/// Inspects an archive without looking for indicators.
///
/// # Errors
/// Only if the input itself cannot be read.
pub fn inspect(
    artifact: &ArtifactId,
    depth: Depth,
    input: &mut dyn Input,
    limits: &Limits,
) -> io::Result<Sheet> {
    let known = &mut KnownFiles::default();
    inspect_for(artifact, depth, input, limits, None, known)
}

/// Inspects an archive and looks for a set of indicators, if one is given. Files that are known from
/// archives before are not read again.
///
/// # Errors
/// Only if the input itself cannot be read.
pub fn inspect_for(
    artifact: &ArtifactId,
    depth: Depth,
    input: &mut dyn Input,
    limits: &Limits,
    indicators: Option<&IndicatorSet>,
    known: &mut KnownFiles,
) -> io::Result<Sheet> {
    let mut all = All {
        manifest: Reader::new(artifact, limits),
        content: match depth {
            Depth::Structure => None,
            Depth::Content => Some(Looker::new(artifact, limits, known)),
        },
        indicators: indicators.map(|set| Searcher::new(artifact, set)),
    };
    let reading = archive::read(artifact, input, limits, &mut all)?;
    let All {
        manifest,
        content,
        indicators,
    } = all;
    let mut faults = reading.faults;
    let manifest = manifest.finish(reading.root.as_deref(), &mut faults);
    let mut marks = reading.marks;
    let content = content.map(|looker| Box::new(looker.finish(manifest.as_ref(), &mut marks)));
    let indicators = indicators.map(|searcher| Box::new(searcher.finish(content.as_deref())));
    marks.sort();
    marks.dedup();
    marks.truncate(Sheet::MARKS);
    Ok(Sheet {
        inspector: INSPECTOR,
        limits: limits.id(),
        files: reading.files,
        unpacked_bytes: reading.unpacked_bytes,
        faults,
        marks,
        manifest: manifest.map(Box::new),
        content,
        indicators,
    })
}

/// All who look. Each sees of a file as much as it wants, whatever the others do.
struct All<'s> {
    manifest: Reader,
    content: Option<Looker<'s>>,
    indicators: Option<Searcher<'s>>,
}

impl All<'_> {
    fn each(&mut self) -> impl Iterator<Item = &mut dyn Sink> {
        let manifest: &mut dyn Sink = &mut self.manifest;
        let content = self.content.as_mut().map(|it| it as &mut dyn Sink);
        let indicators = self.indicators.as_mut().map(|it| it as &mut dyn Sink);
        [Some(manifest), content, indicators].into_iter().flatten()
    }
}

impl Sink for All<'_> {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        self.each().map(|it| it.wants(member)).max().unwrap_or(0)
    }

    fn file(&mut self, looked: Looked<'_>) {
        for sink in self.each() {
            let wanted = usize::try_from(sink.wants(looked.member)).unwrap_or(usize::MAX);
            sink.file(Looked {
                bytes: looked.bytes.get(..wanted).unwrap_or(looked.bytes),
                ..looked
            });
        }
    }
}
