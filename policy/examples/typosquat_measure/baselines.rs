//! What the detector is compared with. All know the same popular names, and none flags one of them.
//!
//! The check lists of typomania and SpellBound answer yes or no. So that a threshold can be chosen for
//! them as well, a yes for a more popular target counts for more.

use std::collections::BTreeMap;

use cordon_policy::typosquat::PopularNames;
use typomania::checks::{Bitflips, Omitted, SwappedWords, Typos};
use typomania::{AuthorSet, Harness, Package};

use super::{Guess, Scorer};

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

/// Keys beside each other and letters that look alike, as typogard lists them.
const TYPOS: [(char, &str); 36] = [
    ('0', "19o"),
    ('1', "02liq"),
    ('2', "13qw"),
    ('3', "24we"),
    ('4', "35er"),
    ('5', "46rts"),
    ('6', "57ty"),
    ('7', "68yu"),
    ('8', "79ui"),
    ('9', "80io"),
    ('a', "qwsz"),
    ('b', "vghnd"),
    ('c', "xdfv"),
    ('d', "serfcxb"),
    ('e', "wsdr"),
    ('f', "drtgvc"),
    ('g', "ftyhbv"),
    ('h', "gyujnb"),
    ('i', "ujko1l"),
    ('j', "huikmn"),
    ('k', "jiolm"),
    ('l', "kop1i"),
    ('m', "njkn"),
    ('n', "bhjmm"),
    ('o', "iklp0"),
    ('p', "ol"),
    ('q', "wa12"),
    ('r', "edft"),
    ('s', "awedxz5"),
    ('t', "rfgy"),
    ('u', "yhjiv"),
    ('v', "cfgbu"),
    ('w', "qase23"),
    ('x', "zsdc"),
    ('y', "tghu"),
    ('z', "asx"),
];

/// The more popular the target, the more, between a half and one.
fn by_rank(rank: usize) -> f64 {
    0.5 + 0.5 / (1.0 + rank as f64 / 1_000.0)
}

fn ranks(popular: &PopularNames) -> BTreeMap<String, usize> {
    let names = popular.names().iter().enumerate();
    names.map(|(rank, name)| (name.to_string(), rank)).collect()
}

fn best(ranks: &BTreeMap<String, usize>, targets: impl Iterator<Item = String>) -> Option<Guess> {
    let ranked = targets.filter_map(|target| Some((*ranks.get(&target)?, target)));
    let (rank, target) = ranked.min()?;
    Some((by_rank(rank), target))
}

/// Plain Damerau-Levenshtein distance to the nearest popular name, by the longer name's length.
pub(crate) struct DamerauLevenshtein {
    names: Vec<(String, u64)>,
    ranks: BTreeMap<String, usize>,
}

impl DamerauLevenshtein {
    pub(crate) fn new(popular: &PopularNames) -> Self {
        let names = popular.names().iter();
        Self {
            names: names
                .map(|name| (name.to_string(), letters(name)))
                .collect(),
            ranks: ranks(popular),
        }
    }
}

/// A bit for each letter a name has: every edit changes at most two.
fn letters(name: &str) -> u64 {
    name.bytes().fold(0, |set, byte| set | 1 << (byte & 63))
}

impl Scorer for DamerauLevenshtein {
    fn name(&self) -> &'static str {
        "Damerau-Levenshtein"
    }

    fn guess(&self, name: &str) -> Option<Guess> {
        const MOST: usize = 2;
        if self.ranks.contains_key(name) {
            return None;
        }
        let own = letters(name);
        let mut best: Option<(f64, &str)> = None;
        for (target, set) in &self.names {
            let far = (own ^ set).count_ones() as usize > 2 * MOST;
            if far || name.len().abs_diff(target.len()) > MOST {
                continue;
            }
            let distance = strsim::damerau_levenshtein(name, target);
            let likeness = 1.0 - distance as f64 / name.len().max(target.len()).max(1) as f64;
            if distance <= MOST && best.is_none_or(|(most, _)| likeness > most) {
                best = Some((likeness, target));
            }
        }
        best.map(|(likeness, target)| (likeness, target.to_owned()))
    }
}

/// The checks of the typomania crate, with its default ones and those that take an alphabet.
pub(crate) struct Typomania {
    harness: Harness<Corpus>,
    ranks: BTreeMap<String, usize>,
}

impl Typomania {
    pub(crate) fn new(popular: &PopularNames) -> Self {
        let names = || popular.names().iter().map(|name| name.as_str());
        let typos =
            TYPOS.map(|(key, others)| (key, others.chars().map(String::from).collect::<Vec<_>>()));
        let harness = Harness::builder()
            .with_check(Bitflips::new(ALPHABET, names()))
            .with_check(Omitted::new(ALPHABET))
            .with_check(SwappedWords::new("-_."))
            .with_check(Typos::new(typos.into_iter()));
        Self {
            harness: harness.build(Corpus(
                names().map(|name| (name.to_owned(), Nobody)).collect(),
            )),
            ranks: ranks(popular),
        }
    }
}

impl Scorer for Typomania {
    fn name(&self) -> &'static str {
        "typomania"
    }

    fn guess(&self, name: &str) -> Option<Guess> {
        let squats = self.harness.check_package(name, Box::new(Nobody)).ok()?;
        best(
            &self.ranks,
            squats.iter().map(|squat| squat.package().to_owned()),
        )
    }
}

/// The popular names, with nobody's packages.
struct Corpus(BTreeMap<String, Nobody>);

impl typomania::Corpus for Corpus {
    fn contains_name(&self, name: &str) -> typomania::Result<bool> {
        Ok(self.0.contains_key(name))
    }

    fn get(&self, name: &str) -> typomania::Result<Option<&dyn Package>> {
        Ok(self.0.get(name).map(|package| package as &dyn Package))
    }
}

/// A package nobody is known to own.
struct Nobody;

impl AuthorSet for Nobody {
    fn contains(&self, _author: &str) -> bool {
        false
    }
}

impl Package for Nobody {
    fn authors(&self) -> &dyn AuthorSet {
        self
    }

    fn description(&self) -> Option<&str> {
        None
    }

    fn shared_authors(&self, _other: &dyn AuthorSet) -> bool {
        false
    }
}

/// The six signals of "Defending Against Package Typosquatting" (Taylor and others, NSS 2020), after
/// its description: a repeated letter, an omitted one, two swapped, words or separators changed, a
/// likely mistype, a version number. All listed names are above its bounds of popularity.
pub(crate) struct SpellBound {
    ranks: BTreeMap<String, usize>,
}

impl SpellBound {
    pub(crate) fn new(popular: &PopularNames) -> Self {
        Self {
            ranks: ranks(popular),
        }
    }
}

impl Scorer for SpellBound {
    fn name(&self) -> &'static str {
        "SpellBound"
    }

    fn guess(&self, name: &str) -> Option<Guess> {
        if self.ranks.contains_key(name) || !name.is_ascii() {
            return None;
        }
        let mut targets = Vec::new();
        let bytes = name.as_bytes();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_default();
        for at in 0..=bytes.len() {
            let (before, after) = bytes.split_at(at);
            for letter in ALPHABET.bytes() {
                targets.push(text([before, &[letter], after].concat()));
            }
            let [first, rest @ ..] = after else {
                continue;
            };
            if let [second, rest @ ..] = rest {
                targets.push(text([before, &[*second, *first], rest].concat()));
                if first == second {
                    targets.push(text([before, &[*first], rest].concat()));
                }
            }
            let typos = TYPOS.iter().find(|(key, _)| *key == char::from(*first));
            for other in typos.map_or("", |(_, others)| others).bytes() {
                targets.push(text([before, &[other], rest].concat()));
            }
        }
        targets.extend(reordered(name));
        let version = name.trim_end_matches(|c: char| c.is_ascii_digit());
        targets.push(version.trim_end_matches(['-', '_', '.']).to_owned());
        best(&self.ranks, targets.into_iter())
    }
}

/// The words in every order, with every separator and with none.
fn reordered(name: &str) -> Vec<String> {
    const MOST_WORDS: usize = 4;
    let words: Vec<&str> = name.split(['-', '_', '.']).collect();
    if words.len() > MOST_WORDS || words.len() < 2 {
        return Vec::new();
    }
    let mut orders: Vec<Vec<&str>> = vec![Vec::new()];
    for word in words {
        let longer = orders.iter().flat_map(|order| {
            (0..=order.len()).map(move |at| {
                let mut order = order.clone();
                order.insert(at, word);
                order
            })
        });
        orders = longer.collect();
    }
    let separators = ["-", "_", ".", ""];
    let joined = orders
        .iter()
        .flat_map(|order| separators.map(|it| order.join(it)));
    joined.collect()
}
