//! From where what a call is given comes: by the file's own assignments, a few steps back.
//!
//! Only names are followed, never values. `code = get(address).text` and, further down, `exec(code)`
//! make the call of `exec` reach the call of `get`.

use std::collections::BTreeMap;

use super::token::{Language, Source, Token, TokenKind};

/// Tokens of a call's arguments, or of an assigned value, that are looked at.
const LOOKED_AT: usize = 150;
/// Names that are followed for one question.
const FOLLOWED: u32 = 60;
/// Assignments of one name that are looked at, the nearest first.
const ASSIGNMENTS: usize = 3;

/// The assignments of a file, by the name assigned to.
pub(super) struct Flow<'s> {
    language: Language,
    source: &'s Source<'s>,
    /// Where the values begin, in order.
    assigned: BTreeMap<&'s str, Vec<usize>>,
}

impl<'s> Flow<'s> {
    pub(super) fn of(language: Language, source: &'s Source<'s>) -> Self {
        let mut flow = Self {
            language,
            source,
            assigned: BTreeMap::new(),
        };
        for (at, token) in source.tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Mark if token.text == "=" || token.text == "+=" => flow.assignment(at),
                // `with open(x) as f`
                TokenKind::Name if token.text == "as" && language == Language::Python => {
                    if let Some(name) = flow.name(at + 1) {
                        flow.assign(name, at.saturating_sub(30));
                    }
                }
                _ => {}
            }
        }
        flow
    }

    fn token(&self, at: usize) -> Option<&'s Token<'s>> {
        self.source.tokens.get(at)
    }

    fn name(&self, at: usize) -> Option<&'s str> {
        self.token(at).and_then(Token::name)
    }

    fn assign(&mut self, name: &'s str, from: usize) {
        self.assigned.entry(name).or_default().push(from);
    }

    fn assignment(&mut self, at: usize) {
        let Some(target) = at.checked_sub(1) else {
            return;
        };
        // `a += b` is told in two tokens.
        let target = match self.token(target) {
            Some(it) if it.is_mark("+") => target.saturating_sub(1),
            _ => target,
        };
        if let Some(name) = self.name(target) {
            self.assign(name, at + 1);
        } else if self.token(target).is_some_and(|it| it.is_mark("}")) {
            for back in (target.saturating_sub(16)..target).rev() {
                match self.token(back) {
                    Some(it) if it.is_mark("{") => break,
                    Some(it) if it.kind == TokenKind::Name => self.assign(&it.text, at + 1),
                    _ => {}
                }
            }
        }
    }

    /// The tokens of a call's arguments, between its brackets.
    pub(super) fn arguments(&self, open: usize) -> std::ops::Range<usize> {
        let mut depth = 0_i32;
        for (at, token) in self.following(open) {
            depth += depth_of(token);
            if depth <= 0 {
                return open + 1..at;
            }
        }
        open + 1..(open + LOOKED_AT).min(self.source.tokens.len())
    }

    /// The tokens of its first argument.
    pub(super) fn first_argument(&self, open: usize) -> std::ops::Range<usize> {
        let all = self.arguments(open);
        let mut depth = 0_i32;
        for at in all.clone() {
            let Some(token) = self.token(at) else { break };
            depth += depth_of(token);
            if depth == 0 && token.is_mark(",") {
                return all.start..at;
            }
        }
        all
    }

    fn following(&self, from: usize) -> impl Iterator<Item = (usize, &'s Token<'s>)> {
        let tokens = self.source.tokens.get(from..).unwrap_or_default();
        (from..).zip(tokens.iter().take(LOOKED_AT))
    }

    /// The tokens of the value that begins at one.
    fn value(&self, from: usize) -> std::ops::Range<usize> {
        let mut depth = 0_i32;
        let mut line = self.token(from).map_or(0, |it| it.line);
        let mut end = from;
        for (at, token) in self.following(from) {
            let ends_line = depth == 0
                && token.line > line
                && (self.language == Language::Python || token.kind == TokenKind::Name);
            let ends = depth == 0 && (token.is_mark(";") || token.is_mark(","));
            depth += depth_of(token);
            if depth < 0 || ends || ends_line {
                return from..at;
            }
            line = token.line;
            end = at + 1;
        }
        from..end
    }

    /// Whether one of the tokens `targets`, in order, is in a range, or in what its names were
    /// assigned.
    pub(super) fn reaches(&self, range: std::ops::Range<usize>, targets: &[usize]) -> bool {
        let mut left = FOLLOWED;
        !targets.is_empty() && self.reaches_within(range, targets, &mut left)
    }

    fn reaches_within(
        &self,
        range: std::ops::Range<usize>,
        targets: &[usize],
        left: &mut u32,
    ) -> bool {
        let first = targets.partition_point(|it| *it < range.start);
        if targets.get(first).is_some_and(|it| *it < range.end) {
            return true;
        }
        for at in range.clone() {
            let is_member = at
                .checked_sub(1)
                .and_then(|it| self.token(it))
                .is_some_and(|it| it.is_mark(".") || it.is_mark("?."));
            let Some(name) = self.name(at).filter(|_| !is_member) else {
                continue;
            };
            let Some(assigned) = self.assigned.get(name) else {
                continue;
            };
            let before = assigned.partition_point(|it| *it < range.start);
            for from in assigned.iter().take(before).rev().take(ASSIGNMENTS) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    return false;
                }
                if self.reaches_within(self.value(*from), targets, left) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether a range, or what its names were assigned, holds a text such as `is_wanted` wants.
    pub(super) fn holds_text(
        &self,
        range: std::ops::Range<usize>,
        is_wanted: impl Fn(&str) -> bool,
    ) -> bool {
        let texts: Vec<usize> = (range.start.saturating_sub(400)..range.end)
            .filter(|at| {
                self.token(*at)
                    .and_then(|it| it.constant())
                    .is_some_and(&is_wanted)
            })
            .collect();
        self.reaches(range, &texts)
    }
}

fn depth_of(token: &Token<'_>) -> i32 {
    if token.kind != TokenKind::Mark {
        return 0;
    }
    match &*token.text {
        "(" | "[" | "{" => 1,
        ")" | "]" | "}" => -1,
        _ => 0,
    }
}
