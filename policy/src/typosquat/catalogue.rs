//! The popular names made ready for comparison: once, when a list is loaded.

use smol_str::SmolStr;

use super::form::{Form, MAX_LETTERS, View, ascii_skeleton};
use super::index::{self, Index};
use super::language::Language;
use super::letters::Cost;

/// How many of the most used names are found by two slips; the rest by one. A name two slips from
/// a rarely used one is a name of its own.
const FOUND_BY_TWO: usize = 5_000;

/// Fewest letters of a name that is found by two slips.
pub(super) const LEAST_FOR_TWO: usize = 5;

/// Fewest letters of a name that is found by one slip. Of two letters every pair is somebody's.
const LEAST_FOR_ONE: usize = 3;

/// Most letters of a name that is found by two slips: the index grows with the square.
pub(super) const MOST_FOR_TWO: usize = 48;

const BARE: u8 = 1;
const ORDER: u8 = 2;
const FAMILY: u8 = 3;
const SCOPE: u8 = 4;

/// Fewest popular packages of a scope that make a family.
const LEAST_FAMILY: usize = 3;

/// The popular names of an ecosystem, indexed.
pub(super) struct Catalogue {
    text: Vec<u8>,
    targets: Vec<Entry>,
    slips: Index,
    whole: Index,
    bare: Index,
    order: Index,
    family: Index,
    scopes: Index,
}

#[derive(Clone, Copy)]
struct Entry {
    starts: u128,
    offset: u32,
    length: u8,
    scope: u8,
    cost: Cost,
    reading: i32,
    /// How many popular names begin with it, and how many end with it, as words.
    extended: [u16; 2],
}

/// What is known of a popular name besides its letters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// What its letters cost.
    pub(super) cost: Cost,
    /// What it costs as a row of words.
    pub(super) reading: i32,
    /// How many popular names put words behind it.
    pub(super) extended_behind: u32,
    /// How many popular names put words before it.
    pub(super) extended_before: u32,
}

impl Catalogue {
    pub(super) fn new(names: &[SmolStr]) -> Self {
        let language = Language::built_in();
        let mut text = Vec::new();
        let mut targets = Vec::with_capacity(names.len());
        for name in names {
            let form = Form::of(name);
            let view = form.as_ref().map_or(View::EMPTY, Form::view);
            targets.push(Entry {
                starts: view.starts,
                offset: u32::try_from(text.len()).unwrap_or(u32::MAX),
                // A form has at most `MAX_LETTERS`.
                length: view.letters.len() as u8,
                scope: view.scope as u8,
                cost: language.letters(view),
                reading: language.reading(view.letters),
                extended: [0; 2],
            });
            text.extend_from_slice(view.letters);
        }
        let views = || targets.iter().map(|entry| entry.view(&text));
        let slips = slips_of(views());
        let whole = index_by(views(), |view| Some(index::hash(view.letters)));
        let bare = index_by(views(), |view| (view.scope > 0).then(|| bare_hash(view)));
        let order = index_by(views(), |view| {
            (view.word_count() > 1).then(|| order_hash(view))
        });
        let family = families_of(views());
        let scopes = scopes_of(views());
        text.shrink_to_fit();
        let mut catalogue = Self {
            text,
            targets,
            slips,
            whole,
            bare,
            order,
            family,
            scopes,
        };
        catalogue.count_extensions();
        catalogue
    }

    /// Counts for every popular name how many others begin or end with it.
    fn count_extensions(&mut self) {
        let mut found = Vec::new();
        for entry in &self.targets {
            let view = entry.view(&self.text);
            if view.scope > 0 {
                continue;
            }
            for at in (1..view.letters.len()).filter(|at| view.is_start(*at)) {
                let (front, back) = view.letters.split_at(at);
                found.extend(self.whole(front).map(|place| (place, 0)));
                found.extend(self.whole(back).map(|place| (place, 1)));
            }
        }
        for (place, side) in found {
            if let Some(entry) = self.targets.get_mut(usize::from(place)) {
                let count: &mut u16 = &mut entry.extended[side];
                *count = count.saturating_add(1);
            }
        }
    }

    /// The popular name at that place.
    pub(super) fn view(&self, place: u16) -> View<'_> {
        self.targets
            .get(usize::from(place))
            .map_or(View::EMPTY, |entry| entry.view(&self.text))
    }

    /// What else is known of it.
    pub(super) fn known(&self, place: u16) -> Known {
        self.targets
            .get(usize::from(place))
            .map_or(Known::default(), |entry| Known {
                cost: entry.cost,
                reading: entry.reading,
                extended_behind: u32::from(entry.extended[0]),
                extended_before: u32::from(entry.extended[1]),
            })
    }

    /// Names that may be within one or two slips, or be the same to the eye. Some come twice.
    pub(super) fn near(&self, name: View<'_>, mut visit: impl FnMut(u16)) {
        let mut probe = |letters: &[u8]| {
            let two = (LEAST_FOR_TWO - 1..=MOST_FOR_TWO).contains(&letters.len());
            index::deletions(letters, two, |hash| {
                self.slips.get(hash).for_each(&mut visit)
            });
        };
        probe(name.letters);
        let mut buffer = [0; MAX_LETTERS];
        let seen = ascii_skeleton(name.letters, &mut buffer);
        if seen != name.letters {
            probe(seen);
        }
    }

    /// Names of the same letters, the most used first.
    pub(super) fn whole(&self, letters: &[u8]) -> impl Iterator<Item = u16> {
        let same = move |place: &u16| self.view(*place).letters == letters;
        self.whole.get(index::hash(letters)).filter(same)
    }

    /// Scoped names whose part behind the scope has these letters, the most used first.
    pub(super) fn bare<'a>(&'a self, name: View<'a>) -> impl Iterator<Item = u16> + 'a {
        let same = move |place: &u16| self.view(*place).bare().letters == name.letters;
        self.bare.get(bare_hash(name)).filter(same)
    }

    /// Names of the same words, in whatever order.
    pub(super) fn reordered<'a>(&'a self, name: View<'a>) -> impl Iterator<Item = u16> + 'a {
        let same = move |place: &u16| has_same_words(self.view(*place), name);
        self.order.get(order_hash(name)).filter(same)
    }

    /// The most used of a scope's packages that alone begin with this word: `arm` of `@azure`.
    pub(super) fn family(&self, word: &[u8]) -> Option<u16> {
        let begins = |place: &u16| self.view(*place).bare().words().next() == Some(word);
        self.family.get(index::hash_as(FAMILY, word)).find(begins)
    }

    /// How many popular packages a scope has.
    pub(super) fn packages_of(&self, scope: &[u8]) -> u32 {
        let counts = self.scopes.get(index::hash_as(SCOPE, scope));
        counts.map(u32::from).max().unwrap_or_default()
    }

    /// Bytes it takes up, within a few hundred.
    pub(super) fn bytes(&self) -> usize {
        let indexes = [
            &self.slips,
            &self.whole,
            &self.bare,
            &self.order,
            &self.family,
            &self.scopes,
        ];
        let indexes: usize = indexes.iter().map(|index| index.bytes()).sum();
        self.text.len() + size_of_val(&*self.targets) + indexes
    }
}

impl Entry {
    fn view<'t>(&self, text: &'t [u8]) -> View<'t> {
        let from = self.offset as usize;
        View {
            letters: &text[from..from + usize::from(self.length)],
            starts: self.starts,
            scope: usize::from(self.scope),
        }
    }
}

fn index_by<'a>(
    views: impl Iterator<Item = View<'a>>,
    key: impl Fn(View<'a>) -> Option<u64>,
) -> Index {
    let keys = (0..=u16::MAX)
        .zip(views)
        .filter(|(_, view)| !view.letters.is_empty());
    Index::new(
        keys.filter_map(|(place, view)| Some((key(view)?, place)))
            .collect(),
    )
}

fn slips_of<'a>(views: impl Iterator<Item = View<'a>>) -> Index {
    let mut pairs = Vec::new();
    let mut buffer = [0; MAX_LETTERS];
    for (place, view) in (0..=u16::MAX).zip(views) {
        let mut add = |letters: &[u8]| {
            let two = usize::from(place) < FOUND_BY_TWO
                && (LEAST_FOR_TWO..=MOST_FOR_TWO).contains(&letters.len());
            if letters.len() >= LEAST_FOR_ONE {
                index::deletions(letters, two, |hash| pairs.push((hash, place)));
            }
        };
        add(view.letters);
        // A look-alike of two letters for one, or a slip within it, changes how many slips there
        // are: both ways of seeing a name are kept, and both are looked for.
        let seen = ascii_skeleton(view.letters, &mut buffer);
        if seen != view.letters {
            add(seen);
        }
    }
    Index::new(pairs)
}

/// The words only one scope's packages begin with, each with the most used of them.
fn families_of<'a>(views: impl Iterator<Item = View<'a>>) -> Index {
    let mut members = Vec::new();
    for (place, view) in (0..=u16::MAX).zip(views) {
        if let Some(word) = view.bare().words().next() {
            let scope = &view.letters[..view.scope];
            members.push((index::hash_as(FAMILY, word), place, scope));
        }
    }
    members.sort_unstable();
    let words = members.chunk_by(|a, b| a.0 == b.0);
    let families = words.filter_map(|same| {
        let (hash, place, scope) = same.first()?;
        let is_family = same.len() >= LEAST_FAMILY
            && !scope.is_empty()
            && same.iter().all(|(_, _, other)| other == scope);
        is_family.then_some((*hash, *place))
    });
    Index::new(families.collect())
}

fn scopes_of<'a>(views: impl Iterator<Item = View<'a>>) -> Index {
    let scoped = views.filter(|view| view.scope > 0);
    let mut scopes: Vec<u64> = scoped
        .map(|view| index::hash_as(SCOPE, &view.letters[..view.scope]))
        .collect();
    scopes.sort_unstable();
    let counted = scopes.chunk_by(|a, b| a == b).filter_map(|same| {
        let count = u16::try_from(same.len()).unwrap_or(u16::MAX);
        Some((*same.first()?, count))
    });
    Index::new(counted.collect())
}

fn bare_hash(name: View<'_>) -> u64 {
    index::hash_as(BARE, name.bare().letters)
}

/// The same for the same words in any order.
fn order_hash(name: View<'_>) -> u64 {
    name.words()
        .map(|word| index::hash_as(ORDER, word))
        .fold(0, u64::wrapping_add)
}

fn has_same_words(a: View<'_>, b: View<'_>) -> bool {
    let count = |name: View<'_>, word: &[u8]| name.words().filter(|other| *other == word).count();
    a.letters.len() == b.letters.len() && a.words().all(|word| count(a, word) == count(b, word))
}
