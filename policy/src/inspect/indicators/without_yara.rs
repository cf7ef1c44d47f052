//! In the place of YARA, where this program is built without it: its rules are refused.

use smol_str::SmolStr;

use super::facts::Grade;
use super::source::IndicatorFile;
use crate::config::source::SourceFile;

/// No rules: there never are any.
#[derive(Debug)]
pub(super) enum Yara {}

/// A rule that is met.
pub(super) struct Met {
    pub(super) file: usize,
    pub(super) rule: SmolStr,
    pub(super) title: SmolStr,
    pub(super) grade: Grade,
    pub(super) at: Option<usize>,
}

/// Nothing to run.
pub(super) type Scanner<'y> = &'y Yara;

impl Yara {
    /// Refuses every file.
    pub(super) fn compile(_: &[IndicatorFile], sources: &[SourceFile<'_>]) -> Option<Self> {
        for source in sources {
            let message = "this program was built without YARA";
            let help = "use the distributed program or image, or build with `--features yara`";
            source.error("indicator-yara", &(0..0), message, help);
        }
        None
    }

    pub(super) fn count(&self, _: usize) -> usize {
        match *self {}
    }

    pub(super) fn scanner(&self) -> Scanner<'_> {
        self
    }

    pub(super) fn search(&self, _: &[u8]) -> Result<Vec<Met>, String> {
        match *self {}
    }
}
