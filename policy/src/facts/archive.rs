//! What reading an archive showed.

use serde::{Deserialize, Serialize};

use crate::inspect::{Faults, Mark, Sheet};

/// What reading an archive showed, without what its files can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFacts {
    /// The version of the inspection that found it, [`INSPECTOR`](crate::inspect::INSPECTOR) then.
    pub inspector: u32,
    /// How many files it holds.
    pub files: u64,
    /// Bytes of all of them, unpacked.
    pub unpacked_bytes: u64,
    /// Why it is not to be trusted with an installer.
    pub faults: Faults,
    /// What its format allows and is worth telling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

impl From<&Sheet> for ArchiveFacts {
    fn from(sheet: &Sheet) -> Self {
        Self {
            inspector: sheet.inspector,
            files: sheet.files,
            unpacked_bytes: sheet.unpacked_bytes,
            faults: sheet.faults.clone(),
            marks: sheet.marks.clone(),
        }
    }
}
