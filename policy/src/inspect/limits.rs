//! How far inspection goes.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::model::Digest;

/// The bounds of one inspection. Whatever passes one is a fault: what was not looked at is not
/// known to be good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Entries of an archive, those of archives inside it included.
    pub entries: u64,
    /// Bytes all its files have together, unpacked.
    pub unpacked_bytes: u64,
    /// How many times its own size it may unpack to, once that is more than [`Self::ratio_from_bytes`].
    pub ratio: u64,
    /// How many times its own size it may unpack to with what is in archives inside it, which nobody
    /// unpacks at install: as much as one layer of deflate can hold. More takes layers of them.
    pub nested_ratio: u64,
    /// Unpacked bytes below which the ratios do not matter.
    pub ratio_from_bytes: u64,
    /// Bytes of a path.
    pub path_bytes: usize,
    /// Bytes of one component of a path.
    pub component_bytes: usize,
    /// Components of a path.
    pub path_depth: usize,
    /// Archives inside archives that are looked into. Real packages hold archives of themselves by
    /// accident, one in the other.
    pub nested_depth: u32,
    /// Bytes of a file that are looked at; of a larger one its beginning.
    pub looked_at_bytes: u64,
    /// Bytes of a manifest.
    pub manifest_bytes: u64,
}

impl Limits {
    /// Characters of an id.
    const ID_CHARS: usize = 16;

    /// What a sheet made within these is marked with: what was found within others says neither
    /// that an archive passes these nor that it does not. Empty for the default ones, which are part
    /// of [`INSPECTOR`](super::INSPECTOR).
    pub fn id(&self) -> SmolStr {
        if *self == Self::default() {
            return SmolStr::default();
        }
        let text = serde_json::to_vec(self).expect("numbers can be written");
        let hex = Digest::of(&text).hex();
        hex.get(..Self::ID_CHARS).unwrap_or(&hex).into()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 200_000,
            unpacked_bytes: 8 << 30,
            ratio: 200,
            nested_ratio: 1_032,
            ratio_from_bytes: 64 << 20,
            path_bytes: 4_096,
            component_bytes: 255,
            path_depth: 128,
            nested_depth: 4,
            looked_at_bytes: 4 << 20,
            manifest_bytes: 16 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_limits_have_another_id_and_the_default_ones_none() {
        assert_eq!(Limits::default().id(), "");
        let fewer = Limits {
            entries: 10,
            ..Limits::default()
        };
        let more = Limits {
            entries: 11,
            ..Limits::default()
        };
        assert_eq!(fewer.id(), fewer.clone().id());
        assert_eq!(fewer.id().len(), Limits::ID_CHARS);
        assert_ne!(fewer.id(), more.id());
    }
}
