//! What reading an archive showed.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::inspect::{Faults, INSPECTOR, Mark, Sheet};

/// What reading an archive showed, without what its files can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFacts {
    /// The version of the inspection that found it, [`INSPECTOR`] then.
    pub inspector: u32,
    /// The id of the limits it was found within ([`Limits::id`](crate::inspect::Limits::id)).
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub limits: SmolStr,
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

impl ArchiveFacts {
    /// Whether the inspection there is now would find the same within limits of that id.
    pub fn is_current(&self, limits: &str) -> bool {
        self.inspector == INSPECTOR && self.limits == limits
    }

    /// Whether what stood against it may be gone, so that it has to be looked at again before it is
    /// hidden for that: another version of the inspection found it, or it passed one of other limits
    /// than those of that id.
    pub fn is_outdated(&self, limits: &str) -> bool {
        let faults = self.faults.first();
        let is_of_limits = || faults.iter().any(|fault| fault.code.is_of_limits());
        self.inspector != INSPECTOR || (self.limits != limits && is_of_limits())
    }
}

impl From<&Sheet> for ArchiveFacts {
    fn from(sheet: &Sheet) -> Self {
        Self {
            inspector: sheet.inspector,
            limits: sheet.limits.clone(),
            files: sheet.files,
            unpacked_bytes: sheet.unpacked_bytes,
            faults: sheet.faults.clone(),
            marks: sheet.marks.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{Fault, FaultCode};

    #[test]
    fn what_another_inspection_or_other_limits_held_is_looked_at_again() {
        let found = |inspector, limits: &str, code: Option<FaultCode>| {
            let mut faults = Faults::default();
            if let Some(code) = code {
                faults.push(Fault::new(code, "a", "b"));
            }
            ArchiveFacts {
                inspector,
                limits: limits.into(),
                faults,
                ..ArchiveFacts::default()
            }
        };
        let is_outdated = |facts: ArchiveFacts| facts.is_outdated("now");
        assert!(!is_outdated(found(
            INSPECTOR,
            "now",
            Some(FaultCode::Entries)
        )));
        assert!(is_outdated(found(
            INSPECTOR,
            "then",
            Some(FaultCode::Entries)
        )));
        assert!(!is_outdated(found(
            INSPECTOR,
            "then",
            Some(FaultCode::Path)
        )));
        assert!(!is_outdated(found(INSPECTOR, "then", None)));
        assert!(is_outdated(found(
            INSPECTOR - 1,
            "now",
            Some(FaultCode::Path)
        )));
    }
}
