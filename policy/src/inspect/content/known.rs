//! What was found in files that were read before: one version of a package has most of its files in
//! common with the next, and each is compared with the one before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::analyse::Analysis;
use super::token::Language;

/// Bytes of what is remembered, at most: twice this, while the younger half grows.
const HALF_BYTES: usize = 8 << 20;
/// Bytes an entry takes besides what was found.
const ENTRY_BYTES: usize = 256;

/// Everything an analysis depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) sha256: [u8; 32],
    pub(super) language: Language,
    /// Read by its grammar, and not by tokens alone.
    pub(super) by_grammar: bool,
}

/// Files that were read before, by what is in them. It changes how long an inspection takes and
/// nothing else: the same bytes give the same facts.
#[derive(Debug, Default)]
pub struct KnownFiles {
    young: BTreeMap<Key, Arc<Analysis>>,
    young_bytes: usize,
    old: BTreeMap<Key, Arc<Analysis>>,
}

impl KnownFiles {
    /// What was found in the file, now or before.
    pub(super) fn analysis(&mut self, key: Key, read: impl FnOnce() -> Analysis) -> Arc<Analysis> {
        if let Some(known) = self.young.get(&key) {
            return Arc::clone(known);
        }
        let analysis = match self.old.remove(&key) {
            Some(known) => known,
            None => Arc::new(read()),
        };
        self.young_bytes += ENTRY_BYTES + analysis.size_bytes();
        self.young.insert(key, Arc::clone(&analysis));
        if self.young_bytes > HALF_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        analysis
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::content::scan;

    fn key(number: u64) -> Key {
        let mut sha256 = [0; 32];
        sha256[..8].copy_from_slice(&number.to_le_bytes());
        Key {
            sha256,
            language: Language::JavaScript,
            by_grammar: true,
        }
    }

    fn read() -> Analysis {
        let source = scan::read(Language::JavaScript, "fetch('https://a.invalid/')\n");
        super::super::analyse::analyse(Language::JavaScript, &source)
    }

    #[test]
    fn the_same_file_is_read_once_and_another_way_of_reading_is_another() {
        let mut known = KnownFiles::default();
        let mut count = 0;
        for by_grammar in [true, true, false, false] {
            let key = Key {
                by_grammar,
                ..key(1)
            };
            let analysis = known.analysis(key, || {
                count += 1;
                read()
            });
            assert_eq!(analysis.found.len(), read().found.len());
        }
        assert_eq!(count, 2);
    }

    #[test]
    fn what_was_not_seen_for_long_is_forgotten_and_memory_is_bounded() {
        let mut known = KnownFiles::default();
        let often = key(u64::MAX);
        let mut reads_of_often = 0;
        let most = HALF_BYTES / ENTRY_BYTES + 1;
        for number in 0..5 * most as u64 {
            known.analysis(key(number), Analysis::default);
            if number % 1_000 == 0 {
                known.analysis(often, || {
                    reads_of_often += 1;
                    read()
                });
            }
            assert!(known.young.len() + known.old.len() <= 2 * most);
        }
        assert_eq!(reads_of_often, 1);
        let mut is_read = false;
        known.analysis(key(0), || {
            is_read = true;
            read()
        });
        assert!(is_read);
    }
}
