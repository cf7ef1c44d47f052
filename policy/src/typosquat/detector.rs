//! Finds the popular name that a name looks most made to be taken for.

use std::sync::Arc;

use super::affix::{self, Affix};
use super::catalogue::Catalogue;
use super::distance::{EditKind, Edits, edits};
use super::features::{Features, Setting, measure};
use super::form::{Form, MAX_LETTERS, View, ascii_skeleton};
use super::language::Language;
use super::letters::Cost;
use super::popular::PopularNames;
use super::relation::{Relation, Side};
use crate::facts::{Score, Similarity};
use crate::model::{Ecosystem, PackageName, Scheme};

/// Most names near one that are compared with it. No name has so many in the built-in lists; in a
/// list somebody made to be slow the most used are kept.
const MOST_NEAR: usize = 256;

/// Most words of a name that are taken apart.
const MOST_WORDS: usize = 12;

/// Most packages of other scopes a name is compared with, the most used first.
const MOST_OF_OTHER_SCOPES: usize = 4;

/// npm's own scope for type definitions: `@types/left-pad` is what it says.
const TYPES: &[u8] = b"types";

/// A measured likeness.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The likeness.
    pub similarity: Similarity,
    /// What was measured and how much of it, in sixteenths, by name. For training and for tests.
    pub features: Vec<(&'static str, i32)>,
}

/// Scores names of one ecosystem against its popular ones. Holds some megabytes; scoring allocates
/// nothing but the answer.
pub struct Detector {
    ecosystem: Ecosystem,
    popular: Arc<PopularNames>,
    catalogue: Catalogue,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Detector({:?})", self.popular)
    }
}

impl Detector {
    /// A detector for the names of that list. Takes about a second of one core for a long list in
    /// a debug build, a tenth of it in a release build.
    pub fn new(popular: Arc<PopularNames>) -> Self {
        Self {
            ecosystem: popular.ecosystem().clone(),
            catalogue: Catalogue::new(popular.names()),
            popular,
        }
    }

    /// A detector with the list Cordon comes with; `None` for an ecosystem without one.
    pub fn built_in(scheme: &dyn Scheme) -> Option<Self> {
        PopularNames::built_in(scheme).map(Self::new)
    }

    /// The list it compares with.
    pub fn popular(&self) -> &Arc<PopularNames> {
        &self.popular
    }

    /// Bytes its indexes take up.
    pub fn bytes(&self) -> usize {
        self.catalogue.bytes()
    }

    /// The popular name that a name looks most made to be taken for, and how much. `None` when it
    /// looks like none, is popular itself or belongs to another ecosystem.
    pub fn score(&self, name: &PackageName) -> Option<Similarity> {
        (name.ecosystem() == &self.ecosystem)
            .then(|| self.score_text(name.normalized()))
            .flatten()
    }

    /// As [`Self::score`], of a text the ecosystem's grammar may refuse; where it does not, it must
    /// be normalised. Any text is taken.
    pub fn score_text(&self, normalized: &str) -> Option<Similarity> {
        let mut best: Option<(u16, Relation, Score)> = None;
        self.visit(normalized, |place, relation, features| {
            let score = features.score();
            // Of equal scores the most used name is the likelier target.
            let is_better =
                best.is_none_or(|(at, _, most)| score > most || (score == most && place < at));
            if score > Score(0) && is_better {
                best = Some((place, relation, score));
            }
        });
        let (place, relation, score) = best?;
        Some(self.similarity(normalized, place, relation, score))
    }

    /// Everything a text was compared with.
    pub fn candidates(&self, normalized: &str) -> Vec<Candidate> {
        let mut found = Vec::new();
        self.visit(normalized, |place, relation, features| {
            found.push(Candidate {
                similarity: self.similarity(normalized, place, relation, features.score()),
                features: features.by_name(),
            });
        });
        found
    }

    fn similarity(&self, name: &str, place: u16, relation: Relation, score: Score) -> Similarity {
        let popular = self.popular.names().get(usize::from(place));
        let popular = popular.cloned().unwrap_or_default();
        let target = match (relation, popular.split_once('/')) {
            (Relation::ScopeFamily, Some((scope, _))) => {
                smol_str::format_smolstr!("{scope}/{name}")
            }
            _ => popular,
        };
        Similarity {
            score,
            target,
            technique: smol_str::SmolStr::new_static(relation.technique()),
        }
    }

    fn visit(&self, name: &str, visit: impl FnMut(u16, Relation, &Features)) {
        // A scope with popular packages is somebody's, and so is what else is published in it.
        if self.popular.has(name) || self.popular.has_scope_of(name) {
            return;
        }
        let Some(form) = Form::of(name) else {
            return;
        };
        let mut search = Search {
            detector: self,
            name: form.view(),
            cost: Language::built_in().letters(form.view()),
            reading: None,
            crowd: 0,
            visit,
        };
        search.near(form.has_lookalikes());
        match form.view().scope {
            0 => {
                search.order();
                search.words();
                search.joined();
                search.scope_dropped();
                search.scope_family();
            }
            _ => search.other_scope(),
        }
    }
}

/// One name being compared.
struct Search<'d, 'n, V> {
    detector: &'d Detector,
    name: View<'n>,
    cost: Cost,
    /// What it costs as a row of words, once asked for.
    reading: Option<i32>,
    /// How many popular names are within two slips.
    crowd: u32,
    visit: V,
}

impl<V: FnMut(u16, Relation, &Features)> Search<'_, '_, V> {
    fn catalogue(&self) -> &Catalogue {
        &self.detector.catalogue
    }

    fn report(&mut self, place: u16, relation: Relation) {
        let letters = self.name.letters;
        let reading = *self
            .reading
            .get_or_insert_with(|| Language::built_in().reading(letters));
        let features = measure(&Setting {
            ecosystem: &self.detector.ecosystem,
            catalogue: &self.detector.catalogue,
            name: self.name,
            cost: self.cost,
            reading,
            place,
            target: self.detector.catalogue.view(place),
            crowd: self.crowd,
            relation,
        });
        (self.visit)(place, relation, &features);
    }

    /// Names of the same letters, of the same look, and within two slips.
    fn near(&mut self, has_lookalikes: bool) {
        let mut places = [0u16; MOST_NEAR];
        let mut count = 0;
        self.detector.catalogue.near(self.name, |place| {
            if !places[..count].contains(&place)
                && let Some(free) = places.get_mut(count)
            {
                *free = place;
                count += 1;
            }
        });
        let mut related = [(0u16, Relation::Separators); MOST_NEAR];
        let mut kept = 0;
        for place in &places[..count] {
            if let Some(relation) = self.relation(*place, has_lookalikes) {
                related[kept] = (*place, relation);
                kept += 1;
            }
        }
        self.crowd = u32::try_from(kept).unwrap_or(u32::MAX);
        for (place, relation) in &related[..kept] {
            self.report(*place, *relation);
        }
    }

    fn relation(&self, place: u16, has_lookalikes: bool) -> Option<Relation> {
        let (name, target) = (self.name, self.catalogue().view(place));
        if name.letters == target.letters {
            return Some(match (has_lookalikes, name.scope, target.scope) {
                (true, ..) => Relation::LookAlike,
                (_, 0, 1..) => Relation::ScopeJoined,
                _ => Relation::Separators,
            });
        }
        let (mut left, mut right) = ([0; MAX_LETTERS], [0; MAX_LETTERS]);
        if ascii_skeleton(name.letters, &mut left) == ascii_skeleton(target.letters, &mut right) {
            return Some(Relation::LookAlike);
        }
        let edits = edits(name, target)?;
        // A whole word more is no slip; where it misleads, it is found among the words.
        (!adds_word(name, &edits)).then_some(Relation::Edits(edits))
    }

    /// The same words in another order.
    fn order(&mut self) {
        if !(2..=MOST_WORDS).contains(&self.name.word_count()) {
            return;
        }
        let (name, detector) = (self.name, self.detector);
        for place in detector.catalogue.reordered(name) {
            if detector.catalogue.view(place).letters != name.letters {
                self.report(place, Relation::Order);
            }
        }
    }

    /// A popular name with further words before and behind.
    fn words(&mut self) {
        let count = self.name.word_count();
        if !(2..=MOST_WORDS).contains(&count) {
            return;
        }
        let length = self.name.letters.len();
        let mut bounds = [length; MOST_WORDS + 1];
        let starts = (0..length).filter(|at| self.name.is_start(*at));
        for (bound, start) in bounds.iter_mut().zip(starts) {
            *bound = start;
        }
        for from in 0..count {
            for to in from + 1..=count {
                if to - from < count {
                    self.part(&bounds, count, from, to);
                }
            }
        }
    }

    /// Looks the words from `from` to `to` up by themselves.
    fn part(&mut self, bounds: &[usize; MOST_WORDS + 1], count: usize, from: usize, to: usize) {
        let (name, detector) = (self.name, self.detector);
        let ecosystem = &detector.ecosystem;
        let word = |at: usize| &name.letters[bounds[at]..bounds[at + 1]];
        let is_family = (from > 0 && affix::is_family_before(ecosystem, word(0)))
            || (to < count && affix::is_family_behind(ecosystem, word(count - 1)));
        if is_family {
            return;
        }
        let side = match (from, to == count) {
            (0, _) => Side::Behind,
            (_, true) => Side::Before,
            _ => Side::Both,
        };
        let relation = match (count + from - to, side) {
            (1, Side::Behind) => affix_relation(word(count - 1), side, false),
            (1, Side::Before) => affix_relation(word(0), side, false),
            (count, _) => {
                let added = (0..from).chain(to..self.name.word_count());
                let kinds = added.map(|at| affix::affix(word(at)));
                let known = kinds.filter(|kind| *kind != Affix::Other).count();
                Relation::Words { side, count, known }
            }
        };
        let place = detector
            .catalogue
            .whole(&name.letters[bounds[from]..bounds[to]]);
        let mut unscoped = place.filter(|place| detector.catalogue.view(*place).scope == 0);
        if let Some(place) = unscoped.next() {
            self.report(place, relation);
        }
    }

    /// A popular name with a short word or a version run together with it.
    fn joined(&mut self) {
        let letters = self.name.letters;
        for word in affix::JOINED.map(str::as_bytes) {
            if let Some(rest) = letters.strip_suffix(word) {
                self.joined_part(rest, word, Side::Behind);
            }
            if let Some(rest) = letters.strip_prefix(word) {
                self.joined_part(rest, word, Side::Before);
            }
        }
        let digits = letters
            .iter()
            .rev()
            .take_while(|at| at.is_ascii_digit())
            .count();
        if digits > 0 {
            let (rest, version) = letters.split_at(letters.len() - digits);
            self.joined_part(rest, version, Side::Behind);
            if let Some(rest) = rest.strip_suffix(b"v") {
                self.joined_part(rest, version, Side::Behind);
            }
        }
    }

    fn joined_part(&mut self, rest: &[u8], word: &[u8], side: Side) {
        const LEAST: usize = 3;
        let boundary = match side {
            Side::Before => word.len(),
            Side::Behind | Side::Both => rest.len(),
        };
        // Set apart, it was found among the words.
        if rest.len() < LEAST || self.name.is_start(boundary) {
            return;
        }
        let detector = self.detector;
        if let Some(place) = detector.catalogue.whole(rest).next() {
            self.report(place, affix_relation(word, side, true));
        }
    }

    /// `@azure/arm-dns` as `arm-dns`.
    fn scope_dropped(&mut self) {
        let (name, detector) = (self.name, self.detector);
        for place in detector.catalogue.bare(name).take(MOST_OF_OTHER_SCOPES) {
            self.report(place, Relation::ScopeDropped);
        }
    }

    /// `arm-…` where every popular package called so is under `@azure`. The scope is somebody's, so
    /// to name the target with it misleads nobody.
    fn scope_family(&mut self) {
        let (name, detector) = (self.name, self.detector);
        let mut words = name.words();
        let (Some(first), Some(_)) = (words.next(), words.next()) else {
            return;
        };
        if let Some(place) = detector.catalogue.family(first) {
            let target = detector.catalogue.view(place);
            if &target.letters[..target.scope] != TYPES {
                self.report(place, Relation::ScopeFamily);
            }
        }
    }

    /// A popular name under a scope it does not have.
    fn other_scope(&mut self) {
        let (name, detector) = (self.name, self.detector);
        if &name.letters[..name.scope] == TYPES {
            return;
        }
        let bare = name.bare();
        let unscoped = |place: &u16| detector.catalogue.view(*place).scope == 0;
        if let Some(place) = detector.catalogue.whole(bare.letters).find(unscoped) {
            self.report(place, Relation::ScopeAdded);
        }
        for place in detector.catalogue.bare(bare).take(MOST_OF_OTHER_SCOPES) {
            self.report(place, Relation::ScopeOther);
        }
    }
}

/// Whether all that was done is to put a word in.
fn adds_word(name: View<'_>, edits: &Edits) -> bool {
    let is_inserted = |kind: EditKind| {
        matches!(
            kind,
            EditKind::Doubled
                | EditKind::Plural
                | EditKind::InsertedNear
                | EditKind::Inserted
                | EditKind::InsertedDigit
        )
    };
    let Some(first) = edits.iter().next() else {
        return false;
    };
    let (from, to) = name.word_at(first.at);
    to - from == edits.count()
        && edits
            .iter()
            .zip(from..)
            .all(|(edit, at)| edit.at == at && is_inserted(edit.kind))
}

fn affix_relation(word: &[u8], side: Side, is_joined: bool) -> Relation {
    Relation::Affix {
        affix: affix::affix(word),
        side,
        is_joined,
    }
}
