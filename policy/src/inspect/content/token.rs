//! What a source file is made of, whichever way it was read: names, texts and marks in order.

use std::borrow::Cow;

/// The languages whose source is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Language {
    JavaScript,
    TypeScript,
    /// TypeScript with markup.
    Tsx,
    Python,
    Rust,
}

impl Language {
    /// Whether it is JavaScript or a form of it.
    pub(super) fn is_script(self) -> bool {
        matches!(self, Self::JavaScript | Self::TypeScript | Self::Tsx)
    }
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// An identifier or a word of the language.
    Name,
    /// A constant text, unescaped.
    Text,
    /// A number.
    Number,
    /// Anything else that means something. A regular expression is one, as it is written.
    Mark,
}

/// A piece of source.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    pub(super) text: Cow<'a, str>,
    /// 1-based.
    pub(super) line: u32,
    /// Index into [`Source::scopes`].
    pub(super) scope: u32,
}

impl Token<'_> {
    pub(super) fn is_mark(&self, mark: &str) -> bool {
        self.kind == TokenKind::Mark && self.text == mark
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        self.kind == TokenKind::Name && self.text == name
    }

    /// The text of a constant.
    pub(super) fn constant(&self) -> Option<&str> {
        (self.kind == TokenKind::Text).then_some(&*self.text)
    }

    /// The text of a name.
    pub(super) fn name(&self) -> Option<&str> {
        (self.kind == TokenKind::Name).then_some(&*self.text)
    }
}

/// When the statements of a scope run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScopeKind {
    /// When the file is loaded.
    Load,
    /// When a function is called.
    Function,
    /// Only in tests.
    Test,
    /// Only when the file is the program.
    Main,
}

/// A part of a file whose statements run together.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) parent: u32,
    pub(super) kind: ScopeKind,
    /// What the function is called, where it has a name.
    pub(super) name: Option<Box<str>>,
}

/// A file, read.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    /// The first is the file itself.
    pub(super) scopes: Vec<Scope>,
}

impl<'a> Source<'a> {
    /// Tokens kept of one file. More are in no source a person wrote; what a file of the greatest
    /// size looked at can hold is a few millions, of 56 bytes each.
    pub(super) const TOKENS: usize = 2_000_000;
    /// Scopes kept of one file; later functions belong to the one around them.
    pub(super) const SCOPES: usize = 100_000;

    pub(super) fn new() -> Self {
        Self {
            tokens: Vec::new(),
            scopes: vec![Scope {
                parent: 0,
                kind: ScopeKind::Load,
                name: None,
            }],
        }
    }

    /// Whether no more tokens are taken.
    pub(super) fn is_full(&self) -> bool {
        self.tokens.len() >= Self::TOKENS
    }

    pub(super) fn push(&mut self, kind: TokenKind, text: Cow<'a, str>, line: u32, scope: u32) {
        if !self.is_full() {
            self.tokens.push(Token {
                kind,
                text,
                line,
                scope,
            });
        }
    }

    /// Opens a scope inside another.
    pub(super) fn open(&mut self, parent: u32, kind: ScopeKind, name: Option<&str>) -> u32 {
        if self.scopes.len() >= Self::SCOPES {
            return parent;
        }
        let kind = match self.scopes.get(parent as usize).map(|it| it.kind) {
            Some(ScopeKind::Test) => ScopeKind::Test,
            _ => kind,
        };
        let index = u32::try_from(self.scopes.len()).unwrap_or(u32::MAX);
        self.scopes.push(Scope {
            parent,
            kind,
            name: name.map(Into::into),
        });
        index
    }

    /// The name a function is given that begins after the tokens so far: `run = async`.
    pub(super) fn name_before(&self) -> Option<&str> {
        let mut before = self.tokens.iter().rev();
        let mut last = before.next()?;
        if last.is_name("async") {
            last = before.next()?;
        }
        match last.is_mark("=") || last.is_mark(":") {
            true => before.next()?.name(),
            false => None,
        }
    }
}

/// The line of every offset of a text, asked for in rising order.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    starts: Vec<u32>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let ends = memchr::memchr_iter(b'\n', text.as_bytes());
        let starts = ends.map(|end| u32::try_from(end + 1).unwrap_or(u32::MAX));
        Self {
            starts: std::iter::once(0).chain(starts).collect(),
        }
    }

    /// The text of a 1-based line, without its end.
    pub(super) fn text<'t>(&self, text: &'t str, line: u32) -> &'t str {
        let index = (line as usize).saturating_sub(1);
        let start = self.starts.get(index).map_or(text.len(), |it| *it as usize);
        let end = self
            .starts
            .get(index + 1)
            .map_or(text.len(), |it| *it as usize);
        text.get(start..end).unwrap_or_default().trim_end()
    }

    /// The 1-based line an offset is on.
    pub(super) fn at(&self, offset: usize) -> u32 {
        let index = self
            .starts
            .partition_point(|start| *start as usize <= offset);
        u32::try_from(index).unwrap_or(u32::MAX)
    }
}
