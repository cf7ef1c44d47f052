//! All texts of a set, found in one pass.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// Places of one text that are kept in one file. Where there are more, its places are not known.
pub(super) const PLACES: usize = 64;

/// Texts up to which the fastest form is used, which takes a few megabytes for these.
const FAST_TEXTS: usize = 1_000;

/// How a text is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Way {
    /// Byte by byte.
    Exact,
    /// Letters of ASCII in either case.
    AnyCase,
    /// As [`AnyCase`](Self::AnyCase), not as a part of another host's name.
    Host,
}

/// A text that is looked for, by its number.
pub(super) type TextNumber = u32;

/// Where a text was found in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Its first places, ascending.
    pub(super) first: Vec<usize>,
    /// Whether there are more.
    pub(super) has_more: bool,
}

/// The texts found in one file.
pub(super) type Found = BTreeMap<TextNumber, Places>;

/// Collects texts; each is looked for once, however many rules want it.
#[derive(Debug, Default)]
pub(super) struct Texts {
    numbers: BTreeMap<(String, Way), TextNumber>,
    all: Vec<(String, Way)>,
}

impl Texts {
    pub(super) fn add(&mut self, text: &str, way: Way) -> TextNumber {
        let text = match way {
            Way::Exact => text.to_owned(),
            Way::AnyCase | Way::Host => text.to_ascii_lowercase(),
        };
        let key = (text, way);
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The automaton over all of them.
    ///
    /// # Errors
    /// When it would be too large.
    pub(super) fn build(self) -> Result<Automaton, String> {
        let mut exact = Half::default();
        let mut any_case = Half::default();
        for (number, (text, way)) in (0_u32..).zip(&self.all) {
            let half = match way {
                Way::Exact => &mut exact,
                Way::AnyCase | Way::Host => &mut any_case,
            };
            half.texts.push(text.as_str());
            half.numbers.push((number, *way == Way::Host));
        }
        Ok(Automaton {
            exact: exact.build(false)?,
            any_case: any_case.build(true)?,
        })
    }
}

#[derive(Default)]
struct Half<'t> {
    texts: Vec<&'t str>,
    numbers: Vec<(TextNumber, bool)>,
}

impl Half<'_> {
    fn build(self, ignores_case: bool) -> Result<Option<Searching>, String> {
        if self.texts.is_empty() {
            return Ok(None);
        }
        let mut builder = AhoCorasick::builder();
        builder
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(ignores_case);
        if self.texts.len() <= FAST_TEXTS {
            builder.kind(Some(AhoCorasickKind::DFA));
        }
        let matcher = builder
            .build(&self.texts)
            .map_err(|error| error.to_string())?;
        Ok(Some(Searching {
            matcher,
            numbers: self.numbers,
        }))
    }
}

/// Finds all texts of a set.
#[derive(Debug)]
pub(super) struct Automaton {
    exact: Option<Searching>,
    any_case: Option<Searching>,
}

#[derive(Debug)]
struct Searching {
    matcher: AhoCorasick,
    /// Of each of the matcher's texts its number, and whether it is a host.
    numbers: Vec<(TextNumber, bool)>,
}

impl Automaton {
    /// The texts in some bytes, wherever they overlap.
    pub(super) fn find(&self, bytes: &[u8]) -> Found {
        let mut found = Found::new();
        for half in [&self.exact, &self.any_case].into_iter().flatten() {
            for hit in half.matcher.find_overlapping_iter(bytes) {
                let Some((number, is_host)) = half.numbers.get(hit.pattern().as_usize()) else {
                    continue;
                };
                if *is_host && !stands_alone(bytes, hit.start(), hit.end()) {
                    continue;
                }
                let places = found.entry(*number).or_default();
                match places.first.len() < PLACES {
                    true => places.first.push(hit.start()),
                    false => places.has_more = true,
                }
            }
        }
        found
    }
}

/// Whether a host's name is not the end or the beginning of another label: `evil.example` is in
/// `a.evil.example` and in `evil.example.`, not in `devil.example` or `evil.example.org`.
fn stands_alone(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_label = |at: usize| {
        let byte = bytes.get(at);
        byte.is_some_and(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
    };
    let is_longer_before = start.checked_sub(1).is_some_and(is_label);
    let is_longer_after = is_label(end) || (bytes.get(end) == Some(&b'.') && is_label(end + 1));
    !is_longer_before && !is_longer_after
}
