//! How much of a manifest is kept.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Bytes of one text; of a longer one the beginning is kept, and a digest of all of it.
const TEXT_BYTES: usize = 1_024;

/// Bytes of all texts of a manifest, each counted with [`EACH_BYTES`] more.
const ALL_BYTES: usize = 512 << 10;

/// What keeping a text costs beside its bytes.
const EACH_BYTES: usize = 48;

/// Keeps texts of a manifest as long as there is room.
#[derive(Debug)]
pub(super) struct Keeper {
    left: usize,
    is_cut: bool,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Self {
            left: ALL_BYTES,
            is_cut: false,
        }
    }

    /// The text, cut if it is long, so that equal texts stay equal and different ones different;
    /// `None` when there is no room left.
    pub(super) fn text(&mut self, text: &str) -> Option<String> {
        let kept = match text.len() <= TEXT_BYTES {
            true => text.to_owned(),
            false => {
                let start = text.floor_char_boundary(TEXT_BYTES);
                let digest = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
                let start = text.get(..start).unwrap_or_default();
                format!("{start}… (sha256:{digest})")
            }
        };
        match self.left.checked_sub(kept.len() + EACH_BYTES) {
            Some(left) => {
                self.left = left;
                Some(kept)
            }
            None => {
                self.is_cut = true;
                None
            }
        }
    }

    /// All of them, as far as there is room; sorted, each once.
    pub(super) fn sorted<T: AsRef<str>>(&mut self, texts: impl Iterator<Item = T>) -> Vec<String> {
        let mut kept: Vec<String> = texts.map_while(|text| self.text(text.as_ref())).collect();
        kept.sort();
        kept.dedup();
        kept
    }

    /// Whether something had no room.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_that_differ_at_their_end_stay_different() {
        let mut keeper = Keeper::new();
        let long = "é".repeat(1_000);
        let (a, b) = (format!("{long}a"), format!("{long}b"));
        let (a, b, again) = (keeper.text(&a), keeper.text(&b), keeper.text(&a));
        assert!(a != b && a == again);
        assert!(a.is_some_and(|text| text.len() < TEXT_BYTES + 100));
        assert!(!keeper.is_cut());
    }

    #[test]
    fn there_is_an_end() {
        let mut keeper = Keeper::new();
        let kept = keeper.sorted((0..1_000_000).map(|n| n.to_string()));
        assert!(kept.len() < ALL_BYTES / EACH_BYTES);
        assert!(keeper.is_cut());
    }
}
