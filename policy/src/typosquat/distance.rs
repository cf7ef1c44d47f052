//! What was done to one name to get another: up to two slips of the hand.
//!
//! The distance is the optimal string alignment form of Damerau-Levenshtein: inserting, leaving
//! out, replacing a letter and swapping two neighbours count one each.

use super::form::{MAX_LETTERS, View};
use super::keyboard;

/// Most edits that are told apart; beyond them two names are not alike.
pub(super) const MOST_EDITS: usize = 2;

/// One edit that makes a name of a popular one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// Where in the name, in letters.
    pub(super) at: usize,
    /// What was done.
    pub(super) kind: EditKind,
}

/// The kinds of edit, by what a person sees or a hand does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EditKind {
    /// Two neighbours swapped.
    Swap,
    /// A letter typed twice.
    Doubled,
    /// One of two equal letters left out.
    Undoubled,
    /// An `s` at the end of a word added.
    Plural,
    /// An `s` at the end of a word left out.
    Singular,
    /// A letter put in that is beside its neighbour on the keyboard.
    InsertedNear,
    /// Any other letter put in.
    Inserted,
    /// A digit put in.
    InsertedDigit,
    /// A letter left out.
    Omitted,
    /// A digit left out.
    OmittedDigit,
    /// A letter replaced by one that looks like it.
    LookAlike,
    /// A letter replaced by one beside it on the keyboard.
    NearKey,
    /// A vowel replaced by another.
    Vowel,
    /// A digit replaced by another.
    Digit,
    /// Any other letter replaced.
    Replaced,
}

/// The edits that make `name` of `target`, fewest first found; `None` when there are more than
/// [`MOST_EDITS`].
pub(super) fn edits(name: View<'_>, target: View<'_>) -> Option<Edits> {
    let (whole_name, whole_target) = (name, target);
    let (name, target) = (name.letters, target.letters);
    if name.len().abs_diff(target.len()) > MOST_EDITS || name.len().max(target.len()) > MAX_LETTERS
    {
        return None;
    }
    let same = |pair: &(&u8, &u8)| pair.0 == pair.1;
    let front = name.iter().zip(target).take_while(same).count();
    let (left, right) = (&name[front..], &target[front..]);
    let back = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(same)
        .count();
    let left = &left[..left.len() - back];
    let right = &right[..right.len() - back];
    let mut found = Edits::default();
    if trace(
        left,
        right,
        MOST_EDITS,
        front,
        whole_name,
        whole_target,
        &mut found,
    ) {
        found.items[..found.count].reverse();
        Some(found)
    } else {
        None
    }
}

/// Edits in the order of the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edits {
    items: [Option<Edit>; MOST_EDITS],
    count: usize,
}

impl Edits {
    /// The edits.
    pub(super) fn iter(&self) -> impl Iterator<Item = Edit> + '_ {
        self.items.iter().take(self.count).copied().flatten()
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn push(&mut self, edit: Edit) {
        if let Some(place) = self.items.get_mut(self.count) {
            *place = Some(edit);
            self.count += 1;
        }
    }
}

/// Looks for at most `budget` edits between what is left, the first difference first. Three ways at
/// each difference and at most two differences: a handful of calls.
fn trace(
    left: &[u8],
    right: &[u8],
    budget: usize,
    at: usize,
    name: View<'_>,
    target: View<'_>,
    found: &mut Edits,
) -> bool {
    let front = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let (left, right, at) = (&left[front..], &right[front..], at + front);
    if left.is_empty() && right.is_empty() {
        return true;
    }
    if budget == 0 || left.len().abs_diff(right.len()) > budget {
        return false;
    }
    let place = target.letters.len() - right.len();
    // With the fewest edits first, a second one is only sought where one does not do.
    for budget in 0..budget {
        let mut go = |skip_left: usize, skip_right: usize, kind: EditKind| {
            let is_way = trace(
                &left[skip_left..],
                &right[skip_right..],
                budget,
                at + skip_left,
                name,
                target,
                found,
            );
            if is_way {
                found.push(Edit { at, kind });
            }
            is_way
        };
        if let ([a, b, ..], [c, d, ..]) = (left, right)
            && a == d
            && b == c
            && go(2, 2, EditKind::Swap)
        {
            return true;
        }
        if let (Some(new), Some(old)) = (left.first(), right.first())
            && go(1, 1, replaced(*new, *old))
        {
            return true;
        }
        if let Some(new) = left.first()
            && go(1, 0, inserted(*new, at, name))
        {
            return true;
        }
        if let Some(old) = right.first()
            && go(0, 1, omitted(*old, place, target))
        {
            return true;
        }
    }
    false
}

fn replaced(new: u8, old: u8) -> EditKind {
    const LOOK_ALIKES: [(u8, u8); 9] = [
        (b'0', b'o'),
        (b'1', b'l'),
        (b'1', b'i'),
        (b'i', b'l'),
        (b'5', b's'),
        (b'3', b'e'),
        (b'4', b'a'),
        (b'u', b'v'),
        (b'i', b'j'),
    ];
    let is_vowel = |letter: u8| b"aeiouy".contains(&letter);
    if new.is_ascii_digit() && old.is_ascii_digit() {
        EditKind::Digit
    } else if LOOK_ALIKES.contains(&(new, old)) || LOOK_ALIKES.contains(&(old, new)) {
        EditKind::LookAlike
    } else if keyboard::are_neighbours(new, old) {
        EditKind::NearKey
    } else if is_vowel(new) && is_vowel(old) {
        EditKind::Vowel
    } else {
        EditKind::Replaced
    }
}

fn inserted(new: u8, at: usize, whole: View<'_>) -> EditKind {
    let name = whole.letters;
    let before = at.checked_sub(1).and_then(|at| name.get(at)).copied();
    let after = name.get(at + 1).copied();
    let near = |other: Option<u8>| other.is_some_and(|other| keyboard::are_neighbours(new, other));
    if Some(new) == before || Some(new) == after {
        EditKind::Doubled
    } else if new == b's' && at > 0 && whole.is_start(at + 1) {
        EditKind::Plural
    } else if new.is_ascii_digit() {
        EditKind::InsertedDigit
    } else if near(before) || near(after) {
        EditKind::InsertedNear
    } else {
        EditKind::Inserted
    }
}

fn omitted(old: u8, at: usize, whole: View<'_>) -> EditKind {
    let target = whole.letters;
    let before = at.checked_sub(1).and_then(|at| target.get(at)).copied();
    let after = target.get(at + 1).copied();
    if Some(old) == before || Some(old) == after {
        EditKind::Undoubled
    } else if old == b's' && at > 0 && whole.is_start(at + 1) {
        EditKind::Singular
    } else if old.is_ascii_digit() {
        EditKind::OmittedDigit
    } else {
        EditKind::Omitted
    }
}
