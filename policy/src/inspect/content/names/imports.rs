//! Imports, as each language writes them.

use super::super::capability::names_of;
use super::super::token::TokenKind;
use super::{Chain, Names, tidied};

impl<'s> Names<'s> {
    /// `import('m').then(({ a }) => …)`, `import('m').then((m) => …)`.
    pub(super) fn promised(&mut self, open: usize, chain: &Chain) {
        let Some(module) = chain.path.strip_suffix(".then") else {
            return;
        };
        if module.starts_with('~') || !self.language.is_script() {
            return;
        }
        let first = open + 1 + usize::from(self.is_mark(open + 1, "("));
        if self.is_mark(first, "{") {
            let close = (first..first + 40).find(|it| self.is_mark(*it, "}"));
            if let Some(close) = close {
                // What is bound belongs to the function that follows.
                let scope = self.token(close).map_or(0, |it| it.scope);
                self.destructured(close, module, scope);
            }
        } else if let Some(name) = self.name(first) {
            let scope = self.token(first).map_or(0, |it| it.scope);
            self.bind(name, module.to_owned(), scope);
        }
    }

    /// The names of `{ a, b: c }`, whose end is known.
    pub(super) fn destructured(&mut self, end: usize, path: &str, scope: u32) {
        let Some(start) = (end.saturating_sub(200)..end)
            .rev()
            .find(|it| self.is_mark(*it, "{"))
        else {
            return;
        };
        for at in start + 1..end {
            let is_first = self.is_mark(at - 1, "{") || self.is_mark(at - 1, ",");
            let Some(name) = self.name(at).filter(|_| is_first) else {
                continue;
            };
            let renamed = match self.is_mark(at + 1, ":") || self.name(at + 1) == Some("as") {
                true => self.name(at + 2),
                false => Some(name),
            };
            if let Some(renamed) = renamed {
                self.bind(
                    renamed,
                    tidied(format!("{path}.{name}"), self.language),
                    scope,
                );
            }
        }
    }

    /// `import a, { b as c } from 'm'`, `import * as a from 'm'`.
    pub(super) fn script_import(&mut self, at: usize) {
        if self.is_mark(at + 1, "(") || self.is_mark(at + 1, ".") {
            return;
        }
        let Some(from) = (at + 1..at + 400).find(|it| {
            self.token(*it)
                .is_none_or(|token| token.kind == TokenKind::Text || token.is_mark(";"))
        }) else {
            return;
        };
        let Some(module) = self.token(from).and_then(|it| it.constant()) else {
            return;
        };
        let scope = self.token(at).map_or(0, |it| it.scope);
        let path = tidied(module.to_owned(), self.language);
        let mut index = at + 1;
        while index < from {
            if self.is_mark(index, "{") {
                let close = (index..from).find(|it| self.is_mark(*it, "}"));
                let Some(close) = close else {
                    return;
                };
                self.destructured(close, &path, scope);
                index = close + 1;
                continue;
            }
            match self.name(index) {
                Some("from") if index + 1 == from => {}
                Some("as" | "type") | None => {}
                Some(name) => self.bind(name, path.clone(), scope),
            }
            index += 1;
        }
    }

    /// `import a.b as c, d`, `from a import b as c, d`, `from a import *`.
    pub(super) fn python_import(&mut self, at: usize, is_from: bool) {
        let scope = self.token(at).map_or(0, |it| it.scope);
        let mut index = at + 1;
        let Some((module, after)) = self.dotted(index) else {
            return;
        };
        if !is_from {
            let mut module = (module, after);
            for _ in 0..100 {
                let (path, after) = module;
                let first = path.split('.').next().unwrap_or_default().to_owned();
                index = after;
                if self.name(index) == Some("as") {
                    if let Some(name) = self.name(index + 1) {
                        self.bind(name, path, scope);
                    }
                    index += 2;
                } else if let Some(name) = self.name(after - 2 * (path.matches('.').count()) - 1) {
                    self.bind(name, first, scope);
                }
                match self.is_mark(index, ",").then(|| self.dotted(index + 1)) {
                    Some(Some(next)) => module = next,
                    _ => return,
                }
            }
            return;
        }
        index = after + 1;
        if self.name(after) != Some("import") {
            return;
        }
        if self.is_mark(index, "*") {
            for name in names_of(self.language, &module) {
                self.bind(name, format!("{module}.{name}"), scope);
            }
            return;
        }
        index += usize::from(self.is_mark(index, "("));
        for _ in 0..200 {
            let Some(name) = self.name(index) else {
                return;
            };
            let (bound, next) = match self.name(index + 1) {
                Some("as") => (self.name(index + 2).unwrap_or(name), index + 3),
                _ => (name, index + 1),
            };
            self.bind(bound, format!("{module}.{name}"), scope);
            if !self.is_mark(next, ",") {
                return;
            }
            index = next + 1;
        }
    }

    /// The dotted name at a token, and the token after it.
    pub(super) fn dotted(&self, at: usize) -> Option<(String, usize)> {
        let mut path = self.name(at)?.to_owned();
        let mut at = at + 1;
        while self.is_mark(at, ".")
            && path.len() < 500
            && let Some(name) = self.name(at + 1)
        {
            path.push('.');
            path.push_str(name);
            at += 2;
        }
        Some((path, at))
    }

    /// `use a::{b, c::d as e};`
    pub(super) fn rust_use(&mut self, at: usize) {
        let scope = self.token(at).map_or(0, |it| it.scope);
        // The prefix of every group that is open, and of what is being read.
        let mut groups: Vec<String> = Vec::new();
        let mut path = String::new();
        let mut last: Option<&'s str> = None;
        for index in at + 1..at + 400 {
            let Some(token) = self.token(index) else {
                return;
            };
            match (&token.kind, &*token.text) {
                (TokenKind::Name, "as") => {
                    last = self.name(index + 1);
                }
                (TokenKind::Name, _) if self.name(index - 1) == Some("as") => {}
                (TokenKind::Name, name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                    last = self.name(index);
                }
                (TokenKind::Mark, "{") if groups.len() < 20 => {
                    groups.push(path.clone());
                    last = None;
                }
                (TokenKind::Mark, mark @ ("," | "}" | ";")) => {
                    if let Some(name) = last.take() {
                        let path = path.strip_suffix(".self").unwrap_or(&path).to_owned();
                        let name = match name {
                            "self" => None,
                            name => Some(name),
                        };
                        if let Some(name) = name {
                            self.bind(name, path, scope);
                        }
                    }
                    match mark {
                        ";" => return,
                        "}" => path = groups.pop().unwrap_or_default(),
                        _ => path = groups.last().cloned().unwrap_or_default(),
                    }
                }
                _ => {}
            }
        }
    }
}
