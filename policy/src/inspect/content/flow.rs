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
    /// Where what functions give back begins, by their names.
    returned: BTreeMap<&'s str, Vec<usize>>,
}

/// One question about where something comes from.
struct Question<'t> {
    /// The tokens asked for, in order.
    targets: &'t [usize],
    /// Names that may still be followed.
    left: u32,
    /// Whether calls of the file's own functions are followed to what they give back.
    is_through: bool,
}

impl<'s> Flow<'s> {
    pub(super) fn of(language: Language, source: &'s Source<'s>) -> Self {
        let mut flow = Self {
            language,
            source,
            assigned: BTreeMap::new(),
            returned: BTreeMap::new(),
        };
        for (at, token) in source.tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Mark if token.text == "=" || token.text == "+=" => flow.assignment(at),
                TokenKind::Name if language == Language::Python => flow.word(at, token),
                // `for (const x of y)`.
                TokenKind::Name if language.is_script() && token.text == "of" => {
                    if let Some(name) = at.checked_sub(1).and_then(|it| flow.name(it)) {
                        flow.assign(name, at + 1);
                    }
                }
                _ => {}
            }
        }
        flow
    }

    /// `with open(x) as f`, `for a, b in x`, `return x`.
    fn word(&mut self, at: usize, token: &'s Token<'s>) {
        const VARIABLES: usize = 16;
        match &*token.text {
            "as" => {
                let Some(name) = self.name(at + 1) else {
                    return;
                };
                let mut before = (at.saturating_sub(30)..at).rev();
                let with = before.find(|it| self.token(*it).is_some_and(|it| it.is_name("with")));
                self.assign(name, with.map_or(at.saturating_sub(30), |it| it + 1));
            }
            "for" => {
                let mut following = at + 1..at + VARIABLES;
                let is_in = |it: &usize| self.token(*it).is_some_and(|it| it.is_name("in"));
                let Some(end) = following.find(is_in) else {
                    return;
                };
                for variable in at + 1..end {
                    if let Some(name) = self.name(variable) {
                        self.assign(name, end + 1);
                    }
                }
            }
            "return" => {
                let scope = self.source.scopes.get(token.scope as usize);
                if let Some(function) = scope.and_then(|it| it.name.as_deref()) {
                    self.returned.entry(function).or_default().push(at + 1);
                }
            }
            _ => {}
        }
    }

    fn token(&self, at: usize) -> Option<&'s Token<'s>> {
        self.source.tokens.get(at)
    }

    /// The values a name was assigned before a token, the nearest first.
    pub(super) fn values(
        &self,
        name: &str,
        before: usize,
    ) -> impl Iterator<Item = std::ops::Range<usize>> {
        let assigned = self.assigned.get(name).map_or(&[][..], Vec::as_slice);
        let end = assigned.partition_point(|it| *it < before);
        let nearest = assigned.iter().take(end).rev().take(ASSIGNMENTS);
        nearest.map(|from| self.value(*from))
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
        self.leads(range, targets, false)
    }

    /// The same, and whether what the file's own functions give back leads there.
    pub(super) fn reaches_through(&self, range: std::ops::Range<usize>, targets: &[usize]) -> bool {
        self.leads(range, targets, true)
    }

    /// Whether what a function of the file gives back comes from one of the tokens.
    pub(super) fn returns(&self, function: &str, targets: &[usize]) -> bool {
        let returned = self.returned.get(function).map_or(&[][..], Vec::as_slice);
        let mut values = returned.iter().rev().take(ASSIGNMENTS);
        values.any(|it| self.leads(self.value(*it), targets, true))
    }

    fn leads(&self, range: std::ops::Range<usize>, targets: &[usize], is_through: bool) -> bool {
        let mut question = Question {
            targets,
            left: FOLLOWED,
            is_through,
        };
        !targets.is_empty() && self.answer(range, &mut question)
    }

    fn answer(&self, range: std::ops::Range<usize>, question: &mut Question<'_>) -> bool {
        let targets = question.targets;
        let first = targets.partition_point(|it| *it < range.start);
        if targets.get(first).is_some_and(|it| *it < range.end) {
            return true;
        }
        for at in range.clone() {
            let Some(name) = self.name(at) else {
                continue;
            };
            let dot = at.checked_sub(1).and_then(|it| self.token(it));
            let is_member = dot.is_some_and(|it| it.is_mark(".") || it.is_mark("?."));
            let of_self = is_member
                && at
                    .checked_sub(2)
                    .and_then(|it| self.token(it))
                    .is_some_and(|it| it.is_name("self"));
            let is_called = self.token(at + 1).is_some_and(|it| it.is_mark("("));
            let returned = match question.is_through && is_called && (!is_member || of_self) {
                true => self.returned.get(name).map_or(&[][..], Vec::as_slice),
                false => &[],
            };
            let assigned = match is_member {
                true => &[][..],
                false => self.assigned.get(name).map_or(&[][..], Vec::as_slice),
            };
            let before = assigned.partition_point(|it| *it < range.start);
            let assigned = assigned.iter().take(before).rev().take(ASSIGNMENTS);
            for from in assigned.chain(returned.iter().rev().take(ASSIGNMENTS)) {
                question.left = question.left.saturating_sub(1);
                if question.left == 0 {
                    return false;
                }
                if self.answer(self.value(*from), question) {
                    return true;
                }
            }
        }
        false
    }

    /// The texts of a range and of what its names were assigned, as many as a command line has.
    pub(super) fn texts(&self, range: std::ops::Range<usize>) -> Vec<&'s str> {
        const TEXTS: usize = 24;
        const NAMES: usize = 8;
        let mut texts = Vec::new();
        let mut ranges = vec![range];
        let mut next = 0;
        while let Some(range) = ranges.get(next).cloned() {
            next += 1;
            for at in range.clone() {
                let Some(token) = self.token(at) else { break };
                match token.constant() {
                    Some(text) if texts.len() < TEXTS => texts.push(text),
                    _ => {}
                }
                let assigned = token.name().and_then(|it| self.assigned.get(it));
                let before = assigned.map_or(0, |it| it.partition_point(|it| *it < range.start));
                let last = before.checked_sub(1).and_then(|it| assigned?.get(it));
                if let Some(from) = last.filter(|_| ranges.len() < NAMES) {
                    ranges.push(self.value(*from));
                }
            }
        }
        texts
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
