//! What is measured about a name and a popular one, and how much it weighs.

use super::affix::{self, Affix};
use super::catalogue::Catalogue;
use super::distance::{Edit, EditKind, Edits};
use super::form::View;
use super::language::Language;
use super::letters::{BIT, Cost, log2};
use super::relation::{Relation, Side};
use super::weights::WEIGHTS;
use crate::ecosystem::{CARGO, NPM, PYPI};
use crate::facts::Score;
use crate::model::Ecosystem;

/// Everything about one comparison.
pub(super) struct Setting<'a> {
    pub(super) ecosystem: &'a Ecosystem,
    pub(super) catalogue: &'a Catalogue,
    pub(super) name: View<'a>,
    /// Of the name.
    pub(super) cost: Cost,
    /// Of the name as a row of words.
    pub(super) reading: i32,
    pub(super) place: u16,
    pub(super) target: View<'a>,
    pub(super) crowd: u32,
    pub(super) relation: Relation,
}

macro_rules! features {
    ($($name:ident),* $(,)?) => {
        /// What is measured.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Feature { $($name),* }

        impl Feature {
            /// Every feature, in the order of the weights.
            pub(super) const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$name, stringify!($name))),*];
        }
    };
}

features! {
    // One slip: which, how long the popular name is, where, what is around it.
    OneSwap, OneDoubled, OneUndoubled, OnePlural, OneSingular, OneInsertedNear, OneInserted,
    OneInsertedDigit, OneOmitted, OneOmittedDigit, OneLookAlike, OneNearKey, OneVowel, OneDigit,
    OneReplaced,
    OneLength3, OneLength4, OneLength5, OneLength6, OneLength7, OneLength8, OneLength9,
    OneLength10, OneLength12, OneLength15,
    OneFirst, OneLast, OneWordStart, OneRank, OneShortRank, OneCost, OneDearest, OneKnownWord,
    OneShortWord, OneWordUses, OneManyWords, OneCrowd, OneSeparators, OneNpm, OnePypi, OneCargo,
    OneScope, OneRank8, OneRank11, OneCargoRank, OneReading, OneReadingBetter, OneReading8,
    OneReading20, OneName, OneWordLength,
    // Two slips.
    TwoSwap, TwoDoubled, TwoUndoubled, TwoPlural, TwoSingular, TwoInsertedNear, TwoInserted,
    TwoInsertedDigit, TwoOmitted, TwoOmittedDigit, TwoLookAlike, TwoNearKey, TwoVowel, TwoDigit,
    TwoReplaced,
    TwoLength5, TwoLength6, TwoLength7, TwoLength8, TwoLength9, TwoLength10, TwoLength12,
    TwoLength15,
    TwoFirst, TwoLast, TwoRank, TwoCost, TwoDearest, TwoKnownWord, TwoShortWord, TwoWordUses,
    TwoTogether, TwoCrowd, TwoSeparators, TwoManyWords, TwoNpm, TwoPypi,  TwoScope,
    TwoRank8, TwoRank11, TwoReading, TwoReadingBetter, TwoReading8, TwoReading20,
    TwoName, TwoWordLength, TwoOneWord, TwoEnding,
    // The same letters or look.
    Separators, LookAlike, ScopeJoined, SameLength, SameRank, SameWords, SameNpm, SamePypi,
     SameRank11,
    // Words more.
    AffixLanguage, AffixVersion, AffixMarkedVersion, AffixBetter, AffixPart, AffixOther, AffixBefore, AffixJoined,
    AffixJoinedVersion, AffixJoinedRest, AffixLength, AffixTargetWords, AffixRank, AffixUses,
    AffixNpm, AffixPypi,  AffixOtherRank, AffixExtended, AffixRank11, AffixName,
    WordsBase, WordsCount, WordsAllClaim, WordsMarkedVersion, WordsBefore, WordsBoth, WordsLength, WordsTargetWords, WordsRank,
    WordsUses, WordsUnknown, WordsNpm, WordsPypi,  WordsExtended, WordsRank11,
    // Another order.
    Order, OrderLength, OrderWords, OrderRank, OrderUses, OrderNpm, OrderPypi,  OrderRank11,
    // Scopes.
    ScopeDropped, ScopeAdded, ScopeOther, ScopeLength, ScopeWords, ScopeRank, ScopeUses,
    ScopeDroppedWords, ScopeDroppedLength, ScopeAddedRank, Family, FamilyScope, FamilyWords, FamilyUnknown,
}

/// Moves the weighed sum, in thousandths, so that a score of 0.8 flags one honest name in a thousand
/// in every ecosystem: one threshold for all.
const CALIBRATION: i32 = 1_400;

/// Most features one comparison has.
const MOST: usize = 48;

/// What was measured of one comparison, in sixteenths.
pub(super) struct Features {
    items: [(Feature, i32); MOST],
    count: usize,
}

impl Features {
    fn add(&mut self, feature: Feature, sixteenths: i32) {
        if let Some(place) = self.items.get_mut(self.count) {
            *place = (feature, sixteenths);
            self.count += 1;
        }
    }

    fn is(&mut self, feature: Feature) {
        self.add(feature, BIT);
    }

    fn when(&mut self, condition: bool, feature: Feature) {
        if condition {
            self.is(feature);
        }
    }

    /// The weighed sum as a score.
    pub(super) fn score(&self) -> Score {
        let items = &self.items[..self.count];
        let weighed = items
            .iter()
            .map(|(feature, value)| WEIGHTS[*feature as usize] * value);
        sigmoid(CALIBRATION + weighed.sum::<i32>() / BIT)
    }

    /// By name, for training.
    pub(super) fn by_name(&self) -> Vec<(&'static str, i32)> {
        let items = &self.items[..self.count];
        let named = items
            .iter()
            .map(|(feature, value)| (Feature::ALL[*feature as usize].1, *value));
        named.collect()
    }
}

/// The logistic function from thousandths to thousandths, straight between whole numbers: no
/// floating point, so that a score is the same on every machine.
fn sigmoid(thousandths: i32) -> Score {
    const AT: [i32; 9] = [500, 731, 881, 953, 982, 993, 998, 999, 1000];
    let distance = thousandths.abs().min(7_999);
    let (step, rest) = (distance / 1_000, distance % 1_000);
    let (from, to) = (AT[step as usize], AT[step as usize + 1]);
    let above = from + (to - from) * rest / 1_000;
    let score = if thousandths < 0 {
        1_000 - above
    } else {
        above
    };
    Score(u16::try_from(score).unwrap_or_default())
}

/// Measures one comparison.
pub(super) fn measure(setting: &Setting<'_>) -> Features {
    let mut out = Features {
        items: [(Feature::OneSwap, 0); MOST],
        count: 0,
    };
    match setting.relation {
        Relation::Edits(edits) if edits.count() == 1 => one(setting, &edits, &mut out),
        Relation::Edits(edits) => two(setting, &edits, &mut out),
        Relation::Separators | Relation::LookAlike | Relation::ScopeJoined => {
            same(setting, &mut out)
        }
        Relation::Affix {
            affix,
            side,
            is_joined,
        } => affixed(setting, affix, side, is_joined, &mut out),
        Relation::Words { side, count, known } => words(setting, side, (count, known), &mut out),
        Relation::Order => order(setting, &mut out),
        Relation::ScopeFamily => {
            let scope = &setting.target.letters[..setting.target.scope];
            let rest = setting.name.words().skip(1);
            let unknown = rest
                .filter(|word| Language::built_in().uses(word) == 0)
                .count();
            out.is(Feature::Family);
            // A name of several known words says by itself what it is.
            out.add(
                Feature::FamilyWords,
                sixteenths(setting.name.word_count().min(5)),
            );
            out.add(Feature::FamilyUnknown, sixteenths(unknown.min(2)));
            out.add(
                Feature::FamilyScope,
                log2(setting.catalogue.packages_of(scope)),
            );
        }
        Relation::ScopeDropped | Relation::ScopeAdded | Relation::ScopeOther => {
            scope(setting, &mut out);
        }
    }
    out
}

fn rank(setting: &Setting<'_>) -> i32 {
    log2(u32::from(setting.place) + 1)
}

/// How far the rank's logarithm is above a number of doublings.
fn rank_above(setting: &Setting<'_>, doublings: i32) -> i32 {
    (rank(setting) - doublings * BIT).max(0)
}

/// How much worse than the popular name the name reads as a row of words.
fn reading(setting: &Setting<'_>) -> i32 {
    let target = setting.catalogue.known(setting.place).reading;
    (setting.reading - target).clamp(-20 * BIT, 40 * BIT)
}

/// How many popular names put words on that side of the popular name: there it is what one does.
fn extended(setting: &Setting<'_>, side: Side) -> i32 {
    let known = setting.catalogue.known(setting.place);
    log2(match side {
        Side::Behind => known.extended_behind + 1,
        Side::Before => known.extended_before + 1,
        Side::Both => known.extended_behind.max(known.extended_before) + 1,
    })
}

fn by_ecosystem(setting: &Setting<'_>, features: [Feature; 2], out: &mut Features) {
    let ecosystems = [NPM, PYPI];
    let at = ecosystems.iter().position(|it| it == setting.ecosystem);
    if let Some(feature) = at.and_then(|at| features.get(at)) {
        out.is(*feature);
    }
}

fn sixteenths(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX / BIT) * BIT
}

fn one(setting: &Setting<'_>, edits: &Edits, out: &mut Features) {
    let Some(edit) = edits.iter().next() else {
        return;
    };
    out.is(match edit.kind {
        EditKind::Swap => Feature::OneSwap,
        EditKind::Doubled => Feature::OneDoubled,
        EditKind::Undoubled => Feature::OneUndoubled,
        EditKind::Plural => Feature::OnePlural,
        EditKind::Singular => Feature::OneSingular,
        EditKind::InsertedNear => Feature::OneInsertedNear,
        EditKind::Inserted => Feature::OneInserted,
        EditKind::InsertedDigit => Feature::OneInsertedDigit,
        EditKind::Omitted => Feature::OneOmitted,
        EditKind::OmittedDigit => Feature::OneOmittedDigit,
        EditKind::LookAlike => Feature::OneLookAlike,
        EditKind::NearKey => Feature::OneNearKey,
        EditKind::Vowel => Feature::OneVowel,
        EditKind::Digit => Feature::OneDigit,
        EditKind::Replaced => Feature::OneReplaced,
    });
    out.is(match setting.target.letters.len() {
        0..=3 => Feature::OneLength3,
        4 => Feature::OneLength4,
        5 => Feature::OneLength5,
        6 => Feature::OneLength6,
        7 => Feature::OneLength7,
        8 => Feature::OneLength8,
        9 => Feature::OneLength9,
        10..=11 => Feature::OneLength10,
        12..=14 => Feature::OneLength12,
        _ => Feature::OneLength15,
    });
    let around = Around::of(setting, edit);
    let is_short = setting.target.letters.len() <= 5;
    out.when(edit.at == 0, Feature::OneFirst);
    out.when(edit.at + 1 >= setting.name.letters.len(), Feature::OneLast);
    out.when(
        edit.at > 0 && setting.name.is_start(edit.at),
        Feature::OneWordStart,
    );
    out.add(
        if is_short {
            Feature::OneShortRank
        } else {
            Feature::OneRank
        },
        rank(setting),
    );
    out.add(Feature::OneRank8, rank_above(setting, 8));
    out.add(Feature::OneRank11, rank_above(setting, 11));
    if *setting.ecosystem == CARGO {
        out.is(Feature::OneCargo);
        out.add(Feature::OneCargoRank, rank_above(setting, 8));
    }
    let reading = reading(setting);
    out.add(Feature::OneReading, reading);
    out.add(Feature::OneReadingBetter, reading.min(0));
    out.add(Feature::OneReading8, (reading - 8 * BIT).max(0));
    out.add(Feature::OneReading20, (reading - 20 * BIT).max(0));
    out.when(
        Language::built_in().is_name(setting.name.letters),
        Feature::OneName,
    );
    let (total, dearest) = surprise(setting);
    out.add(Feature::OneCost, total);
    out.add(Feature::OneDearest, dearest);
    out.when(around.uses > 0, Feature::OneKnownWord);
    out.add(Feature::OneWordUses, log2(around.uses + 1));
    out.when(around.is_short, Feature::OneShortWord);
    out.add(Feature::OneWordLength, around.length);
    out.when(setting.target.word_count() > 1, Feature::OneManyWords);
    out.add(Feature::OneCrowd, log2(setting.crowd));
    out.when(
        setting.name.word_count() != setting.target.word_count(),
        Feature::OneSeparators,
    );
    out.when(
        setting.name.scope != setting.target.scope,
        Feature::OneScope,
    );
    by_ecosystem(setting, [Feature::OneNpm, Feature::OnePypi], out);
}

fn two(setting: &Setting<'_>, edits: &Edits, out: &mut Features) {
    let length = setting.name.letters.len();
    let mut last: Option<usize> = None;
    let mut words = (0, false, 0);
    let mut shortest = Around::LONG;
    for edit in edits.iter() {
        out.is(match edit.kind {
            EditKind::Swap => Feature::TwoSwap,
            EditKind::Doubled => Feature::TwoDoubled,
            EditKind::Undoubled => Feature::TwoUndoubled,
            EditKind::Plural => Feature::TwoPlural,
            EditKind::Singular => Feature::TwoSingular,
            EditKind::InsertedNear => Feature::TwoInsertedNear,
            EditKind::Inserted => Feature::TwoInserted,
            EditKind::InsertedDigit => Feature::TwoInsertedDigit,
            EditKind::Omitted => Feature::TwoOmitted,
            EditKind::OmittedDigit => Feature::TwoOmittedDigit,
            EditKind::LookAlike => Feature::TwoLookAlike,
            EditKind::NearKey => Feature::TwoNearKey,
            EditKind::Vowel => Feature::TwoVowel,
            EditKind::Digit => Feature::TwoDigit,
            EditKind::Replaced => Feature::TwoReplaced,
        });
        let around = Around::of(setting, edit);
        words.0 += u32::from(around.uses > 0);
        words.1 |= around.is_short;
        shortest = shortest.min(around.length);
        out.when(
            last.is_some_and(|last| setting.name.word_at(last) == setting.name.word_at(edit.at)),
            Feature::TwoOneWord,
        );
        words.2 = around.uses.max(words.2);
        out.when(edit.at == 0, Feature::TwoFirst);
        out.when(edit.at + 1 >= length, Feature::TwoLast);
        out.when(
            last.is_some_and(|last| edit.at.abs_diff(last) <= 1),
            Feature::TwoTogether,
        );
        last = Some(edit.at);
    }
    out.is(match setting.target.letters.len() {
        0..=5 => Feature::TwoLength5,
        6 => Feature::TwoLength6,
        7 => Feature::TwoLength7,
        8 => Feature::TwoLength8,
        9 => Feature::TwoLength9,
        10..=11 => Feature::TwoLength10,
        12..=14 => Feature::TwoLength12,
        _ => Feature::TwoLength15,
    });
    let is_ending = |edit: Edit| {
        matches!(
            edit.kind,
            EditKind::Plural | EditKind::InsertedNear | EditKind::Inserted
        ) && setting.name.word_at(edit.at).1 <= edit.at + 2
    };
    out.when(edits.iter().all(is_ending), Feature::TwoEnding);
    let (total, dearest) = surprise(setting);
    out.add(Feature::TwoRank, rank(setting));
    out.add(Feature::TwoRank8, rank_above(setting, 8));
    out.add(Feature::TwoRank11, rank_above(setting, 11));
    let reading = reading(setting);
    out.add(Feature::TwoReading, reading);
    out.add(Feature::TwoReadingBetter, reading.min(0));
    out.add(Feature::TwoReading8, (reading - 8 * BIT).max(0));
    out.add(Feature::TwoReading20, (reading - 20 * BIT).max(0));
    out.when(
        Language::built_in().is_name(setting.name.letters),
        Feature::TwoName,
    );
    out.add(Feature::TwoCost, total);
    out.add(Feature::TwoDearest, dearest);
    out.when(words.0 > 0, Feature::TwoKnownWord);
    out.add(Feature::TwoWordUses, log2(words.2 + 1));
    out.when(words.1, Feature::TwoShortWord);
    out.add(Feature::TwoWordLength, shortest);
    out.when(setting.target.word_count() > 1, Feature::TwoManyWords);
    out.add(Feature::TwoCrowd, log2(setting.crowd));
    out.when(
        setting.name.word_count() != setting.target.word_count(),
        Feature::TwoSeparators,
    );
    out.when(
        setting.name.scope != setting.target.scope,
        Feature::TwoScope,
    );
    by_ecosystem(setting, [Feature::TwoNpm, Feature::TwoPypi], out);
}

/// How much stranger the name's letters are than the popular name's.
fn surprise(setting: &Setting<'_>) -> (i32, i32) {
    let target = setting.catalogue.known(setting.place).cost;
    let total = (setting.cost.total - target.total).clamp(-10 * BIT, 24 * BIT);
    (total, setting.cost.dearest - target.dearest)
}

/// The word a slip is in.
struct Around {
    /// In how many popular names the word stands as the name has it.
    uses: u32,
    /// Whether it is one of several words and so short that a letter makes another of it.
    is_short: bool,
    /// Its letters, up to eight; eight where it is the only word.
    length: i32,
}

impl Around {
    const LONG: i32 = 8 * BIT;

    fn of(setting: &Setting<'_>, edit: Edit) -> Self {
        const SHORT: usize = 3;
        let (from, to) = setting.name.word_at(edit.at);
        Self {
            uses: Language::built_in().uses(&setting.name.letters[from..to]),
            is_short: setting.name.word_count() > 1 && to - from <= SHORT,
            length: match setting.name.word_count() {
                1 => Self::LONG,
                _ => sixteenths(to - from).min(Self::LONG),
            },
        }
    }
}

fn same(setting: &Setting<'_>, out: &mut Features) {
    out.is(match setting.relation {
        Relation::LookAlike => Feature::LookAlike,
        Relation::ScopeJoined => Feature::ScopeJoined,
        _ => Feature::Separators,
    });
    out.add(
        Feature::SameLength,
        sixteenths(setting.target.letters.len().min(12)),
    );
    out.add(Feature::SameRank, rank(setting));
    out.add(Feature::SameRank11, rank_above(setting, 11));
    out.add(
        Feature::SameWords,
        sixteenths(setting.target.word_count().min(4)),
    );
    by_ecosystem(setting, [Feature::SameNpm, Feature::SamePypi], out);
}

fn affixed(setting: &Setting<'_>, affix: Affix, side: Side, is_joined: bool, out: &mut Features) {
    out.is(match affix {
        Affix::Language => Feature::AffixLanguage,
        Affix::Version => Feature::AffixVersion,
        Affix::Better => Feature::AffixBetter,
        Affix::Part => Feature::AffixPart,
        Affix::Other => Feature::AffixOther,
    });
    out.when(
        affix == Affix::Version
            && !is_joined
            && setting
                .name
                .words()
                .last()
                .is_some_and(|word| word.starts_with(b"v")),
        Feature::AffixMarkedVersion,
    );
    out.when(side == Side::Before, Feature::AffixBefore);
    out.when(is_joined, Feature::AffixJoined);
    out.when(
        is_joined && affix == Affix::Version,
        Feature::AffixJoinedVersion,
    );
    out.add(
        Feature::AffixLength,
        sixteenths(setting.target.letters.len().min(12)),
    );
    out.add(
        Feature::AffixTargetWords,
        sixteenths(setting.target.word_count().min(4)),
    );
    out.add(Feature::AffixRank, rank(setting));
    out.add(Feature::AffixRank11, rank_above(setting, 11));
    out.add(Feature::AffixExtended, extended(setting, side));
    out.when(
        Language::built_in().is_name(setting.name.letters),
        Feature::AffixName,
    );
    if affix == Affix::Other {
        out.add(Feature::AffixOtherRank, rank(setting));
    }
    out.add(Feature::AffixUses, log2(target_uses(setting)));
    by_ecosystem(setting, [Feature::AffixNpm, Feature::AffixPypi], out);
}

fn words(setting: &Setting<'_>, side: Side, (count, known): (usize, usize), out: &mut Features) {
    out.is(Feature::WordsBase);
    out.add(Feature::WordsCount, sixteenths(count.min(4)));
    out.when(known == count, Feature::WordsAllClaim);
    let is_marked = |word: &[u8]| word.starts_with(b"v") && affix::is_version(word);
    out.when(
        setting.name.words().last().is_some_and(is_marked),
        Feature::WordsMarkedVersion,
    );
    out.when(side == Side::Before, Feature::WordsBefore);
    out.when(side == Side::Both, Feature::WordsBoth);
    out.add(
        Feature::WordsLength,
        sixteenths(setting.target.letters.len().min(12)),
    );
    out.add(
        Feature::WordsTargetWords,
        sixteenths(setting.target.word_count().min(4)),
    );
    out.add(Feature::WordsRank, rank(setting));
    out.add(Feature::WordsRank11, rank_above(setting, 11));
    out.add(Feature::WordsExtended, extended(setting, side));
    out.add(Feature::WordsUses, log2(target_uses(setting)));
    let unknown = setting
        .name
        .words()
        .filter(|word| Language::built_in().uses(word) == 0)
        .count();
    out.add(Feature::WordsUnknown, sixteenths(unknown));
    by_ecosystem(setting, [Feature::WordsNpm, Feature::WordsPypi], out);
}

/// In how many popular names the popular name stands as a word: what many build on is a word of
/// the language by now. Of several words the rarest counts.
fn target_uses(setting: &Setting<'_>) -> u32 {
    let uses = setting
        .target
        .words()
        .map(|word| Language::built_in().uses(word));
    uses.min().unwrap_or_default()
}

fn order(setting: &Setting<'_>, out: &mut Features) {
    out.is(Feature::Order);
    out.add(
        Feature::OrderLength,
        sixteenths(setting.target.letters.len().min(16)),
    );
    out.add(
        Feature::OrderWords,
        sixteenths(setting.target.word_count().min(5)),
    );
    out.add(Feature::OrderRank, rank(setting));
    out.add(Feature::OrderRank11, rank_above(setting, 11));
    out.add(Feature::OrderUses, log2(target_uses(setting)));
    by_ecosystem(setting, [Feature::OrderNpm, Feature::OrderPypi], out);
}

fn scope(setting: &Setting<'_>, out: &mut Features) {
    let bare = setting.target.bare();
    out.add(Feature::ScopeLength, sixteenths(bare.letters.len().min(20)));
    out.add(Feature::ScopeWords, sixteenths(bare.word_count().min(5)));
    out.add(Feature::ScopeRank, rank(setting));
    out.add(Feature::ScopeUses, log2(target_uses(setting)));
    match setting.relation {
        Relation::ScopeDropped => {
            out.is(Feature::ScopeDropped);
            out.add(
                Feature::ScopeDroppedWords,
                sixteenths(bare.word_count().min(5)),
            );
            out.add(
                Feature::ScopeDroppedLength,
                sixteenths(bare.letters.len().min(20)),
            );
        }
        Relation::ScopeAdded => {
            out.is(Feature::ScopeAdded);
            out.add(Feature::ScopeAddedRank, rank(setting));
        }
        _ => out.is(Feature::ScopeOther),
    }
}
