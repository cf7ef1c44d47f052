//! One inspection, from the bytes to the sheet.

use std::io::{self, Read, Seek};

use serde::{Deserialize, Serialize};

use super::INSPECTOR;
use super::archive::{self, Looked, Member, Sink};
use super::content::Looker;
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

/// Inspects an archive.
///
/// # Errors
/// Only if the input itself cannot be read.
pub fn inspect(
    artifact: &ArtifactId,
    depth: Depth,
    input: &mut dyn Input,
    limits: &Limits,
) -> io::Result<Sheet> {
    let mut both = Both {
        manifest: Reader::new(artifact, limits),
        content: match depth {
            Depth::Structure => None,
            Depth::Content => Some(Looker::new(artifact, limits)),
        },
    };
    let reading = archive::read(artifact, input, limits, &mut both)?;
    let Both { manifest, content } = both;
    let mut faults = reading.faults;
    let manifest = manifest.finish(reading.root.as_deref(), &mut faults);
    let mut marks = reading.marks;
    let content = content.map(|looker| Box::new(looker.finish(manifest.as_ref(), &mut marks)));
    marks.sort();
    marks.dedup();
    marks.truncate(Sheet::MARKS);
    Ok(Sheet {
        inspector: INSPECTOR,
        files: reading.files,
        unpacked_bytes: reading.unpacked_bytes,
        faults,
        marks,
        manifest: manifest.map(Box::new),
        content,
    })
}

/// Both who look.
struct Both {
    manifest: Reader,
    content: Option<Looker>,
}

impl Sink for Both {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        let content = self.content.as_mut().map_or(0, |it| it.wants(member));
        self.manifest.wants(member).max(content)
    }

    fn file(&mut self, looked: Looked<'_>) {
        self.manifest.file(looked);
        if let Some(content) = &mut self.content {
            content.file(looked);
        }
    }
}
