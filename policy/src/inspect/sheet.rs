//! What an inspection found.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::INSPECTOR;
use super::content::ContentFacts;
use super::fault::Faults;
use super::indicators::IndicatorFacts;
use super::manifest::Manifest;

/// Everything inspection found in one archive. Bounded: a few hundred kilobytes at most, however
/// hostile the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// [`INSPECTOR`] when it was made.
    pub inspector: u32,
    /// The id of the limits it was made within ([`Limits::id`](super::Limits::id)).
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub limits: SmolStr,
    /// How many files the archive holds.
    pub files: u64,
    /// Bytes of all of them, unpacked.
    pub unpacked_bytes: u64,
    /// Why it is not to be trusted with an installer. When there are some, the rest may be
    /// incomplete.
    pub faults: Faults,
    /// What its format allows and a reader may want to know of.
    pub marks: Vec<Mark>,
    /// What its own manifest says; `None` when there is none that could be read (then there is a
    /// fault).
    pub manifest: Option<Box<Manifest>>,
    /// What its files can do; `None` when that was not asked for.
    pub content: Option<Box<ContentFacts>>,
    /// What of a set of indicators is in its files; `None` when that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indicators: Option<Box<IndicatorFacts>>,
}

/// Something a format allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// What.
    pub kind: MarkKind,
    /// The entry, printable.
    pub place: SmolStr,
}

/// What a format allows and yet is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// A file that runs without being asked for: a `.pth` with an import line, `sitecustomize.py`,
    /// `_manylinux.py`.
    Autoexec,
    /// A symbolic link of a source distribution that stays inside it.
    Link,
    /// Bits that give rights away: set-user-id, writable by everybody.
    Mode,
}

impl MarkKind {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Autoexec => "autoexec",
            Self::Link => "link",
            Self::Mode => "mode",
        }
    }
}

impl Sheet {
    /// Marks kept.
    pub const MARKS: usize = 64;

    /// Whether the inspection there is now would find the same within limits of that id.
    pub fn is_current(&self, limits: &str) -> bool {
        self.inspector == INSPECTOR && self.limits == limits
    }
}
