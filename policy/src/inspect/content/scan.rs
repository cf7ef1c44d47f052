//! Source read without a grammar: for what is too large or too damaged for one. Comments and texts
//! are known, functions are guessed from what stands before their braces.

use std::borrow::Cow;

use super::text::unescape;
use super::token::{Language, ScopeKind, Source, TokenKind};

/// Reads a file token by token.
pub(super) fn read(language: Language, text: &str) -> Source<'_> {
    let mut scanner = Scanner {
        language,
        text,
        at: 0,
        line: 1,
        source: Source::new(),
        scope: 0,
        brackets: Vec::new(),
        indents: Vec::new(),
        line_start: 0,
        has_function_ahead: false,
    };
    while !scanner.source.is_full() && scanner.step() {}
    scanner.source
}

struct Scanner<'a> {
    language: Language,
    text: &'a str,
    at: usize,
    line: u32,
    source: Source<'a>,
    scope: u32,
    brackets: Vec<Bracket>,
    /// Python: the columns of the functions that are open, and the scopes around them.
    indents: Vec<(usize, u32)>,
    line_start: usize,
    /// Rust: that `fn` was seen and its body was not.
    has_function_ahead: bool,
}

/// An open bracket.
struct Bracket {
    /// The token it is.
    token: usize,
    /// The scope around it.
    scope: u32,
    /// Whether it is `${` of a template, which goes on after it.
    is_template: bool,
}

/// Brackets kept. Deeper ones close nothing.
const BRACKETS: usize = 10_000;

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes so many bytes, which must end between characters; otherwise all that is left.
    fn take(&mut self, bytes: usize) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..bytes).unwrap_or(rest);
        let before = self.at;
        self.at += taken.len();
        for end in memchr::memchr_iter(b'\n', taken.as_bytes()) {
            self.line = self.line.saturating_add(1);
            self.line_start = before + end + 1;
        }
        taken
    }

    fn push(&mut self, kind: TokenKind, text: Cow<'a, str>, line: u32) {
        self.source.push(kind, text, line, self.scope);
    }

    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return false;
        };
        if first.is_whitespace() {
            let end = rest.find(|it: char| !it.is_whitespace());
            self.take(end.unwrap_or(rest.len()));
        } else if let Some(length) = self.comment() {
            self.take(length);
        } else if self.literal(first) {
        } else if first.is_alphanumeric() || matches!(first, '_' | '$') {
            let is_part = |it: char| it.is_alphanumeric() || matches!(it, '_' | '$');
            let end = rest.find(|it: char| !is_part(it)).unwrap_or(rest.len());
            self.word(end, first);
        } else {
            self.mark(first);
        }
        true
    }

    fn comment(&self) -> Option<usize> {
        let rest = self.rest();
        let to_line_end = || rest.find('\n').unwrap_or(rest.len());
        if self.language == Language::Python {
            return rest.starts_with('#').then(to_line_end);
        }
        if rest.starts_with("//") || (self.at == 0 && rest.starts_with("#!")) {
            return Some(to_line_end());
        }
        if !rest.starts_with("/*") {
            return None;
        }
        if self.language != Language::Rust {
            return Some(rest.find("*/").map_or(rest.len(), |at| at + 2));
        }
        let mut depth = 0_u32;
        let mut at = 0;
        while let Some(pair) = rest.as_bytes().get(at..at + 2) {
            match pair {
                b"/*" => depth += 1,
                b"*/" => depth -= 1,
                _ => {
                    at += 1;
                    continue;
                }
            }
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        }
        Some(rest.len())
    }

    /// Takes a text or a regular expression, if one begins here.
    fn literal(&mut self, first: char) -> bool {
        match (self.language, first) {
            (Language::Python | Language::Rust, _) => self.prefixed(),
            (_, '"' | '\'') => {
                self.quoted(0, first, false);
                true
            }
            (_, '`') => {
                self.take(1);
                self.template();
                true
            }
            (_, '/') if self.expects_value() => self.regular_expression(),
            _ => false,
        }
    }

    fn prefixed(&mut self) -> bool {
        let rest = self.rest();
        let letters = rest.bytes().take(3).take_while(u8::is_ascii_alphabetic);
        let prefix = letters.count();
        let (letters, after) = rest.split_at(prefix);
        let is_prefix = letters.bytes().all(|it| b"rRbBuUfFcC".contains(&it));
        let hashes = after.bytes().take_while(|it| *it == b'#').count();
        match after.as_bytes().get(hashes) {
            Some(b'"') if is_prefix && self.language == Language::Rust => {
                self.rust_text(prefix, hashes, letters.contains('r'));
                true
            }
            Some(quote @ (b'"' | b'\''))
                if is_prefix && hashes == 0 && self.language == Language::Python =>
            {
                let is_raw = letters.contains(['r', 'R']);
                self.quoted(prefix, char::from(*quote), is_raw);
                true
            }
            _ => false,
        }
    }

    fn rust_text(&mut self, prefix: usize, hashes: usize, is_raw: bool) {
        if !is_raw {
            self.quoted(prefix, '"', false);
            return;
        }
        let line = self.line;
        self.take(prefix + hashes + 1);
        let end = format!("\"{}", "#".repeat(hashes));
        let rest = self.rest();
        let length = rest.find(&end).unwrap_or(rest.len());
        let inner = self.take(length);
        self.take(end.len());
        self.push(TokenKind::Text, Cow::Borrowed(inner), line);
    }

    fn quoted(&mut self, prefix: usize, quote: char, is_raw: bool) {
        let line = self.line;
        self.take(prefix);
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let is_triple = self.language == Language::Python && self.rest().starts_with(&triple);
        let mark = match is_triple {
            true => triple.as_str(),
            false => triple.get(..1).unwrap_or_default(),
        };
        self.take(mark.len());
        let is_one_line = !is_triple && self.language != Language::Rust;
        let length = text_length(self.rest(), mark, is_one_line);
        let inner = self.take(length);
        if self.rest().starts_with(mark) {
            self.take(mark.len());
        }
        let text = match is_raw {
            true => Cow::Borrowed(inner),
            false => unescape(inner, self.language),
        };
        self.push(TokenKind::Text, text, line);
    }

    /// Takes a template up to its end or its next expression.
    fn template(&mut self) {
        let line = self.line;
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut at = 0;
        let (length, is_expression) = loop {
            match memchr::memchr3(b'`', b'$', b'\\', bytes.get(at..).unwrap_or_default()) {
                None => break (rest.len(), false),
                Some(found) => at += found,
            }
            match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'`'), _) => break (at, false),
                (Some(b'$'), Some(b'{')) => break (at, true),
                (Some(b'\\'), _) => at += 2,
                _ => at += 1,
            }
        };
        let inner = unescape(self.take(length), self.language);
        self.push(TokenKind::Text, inner, line);
        if is_expression {
            self.take(2);
            self.push(TokenKind::Mark, Cow::Borrowed("+"), line);
            self.open(true);
        } else {
            self.take(1);
        }
    }

    /// Whether a `/` here begins a regular expression: nothing stands before it that can be divided.
    fn expects_value(&self) -> bool {
        let Some(last) = self.source.tokens.last() else {
            return true;
        };
        match last.kind {
            TokenKind::Text | TokenKind::Number => false,
            TokenKind::Name => matches!(
                &*last.text,
                "return" | "typeof" | "case" | "in" | "of" | "delete" | "void" | "throw" | "new"
            ),
            // A regular expression is a mark of more than one character.
            TokenKind::Mark => {
                !matches!(&*last.text, ")" | "]" | "}") && !last.text.starts_with('/')
            }
        }
    }

    fn regular_expression(&mut self) -> bool {
        let rest = self.rest();
        let mut is_class = false;
        let mut is_escaped = false;
        for (at, byte) in rest.bytes().enumerate().skip(1) {
            match byte {
                b'\n' => return false,
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'[' => is_class = true,
                b']' => is_class = false,
                b'/' if !is_class => {
                    let line = self.line;
                    let pattern = self.take(at + 1);
                    self.push(TokenKind::Mark, Cow::Borrowed(pattern), line);
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    fn word(&mut self, length: usize, first: char) {
        let line = self.line;
        let column = self.at.saturating_sub(self.line_start);
        if self.language == Language::Python {
            self.close_indents(column);
        }
        let word = self.take(length);
        let kind = match first.is_ascii_digit() {
            true => TokenKind::Number,
            false => TokenKind::Name,
        };
        self.push(kind, Cow::Borrowed(word), line);
        if self.language == Language::Python && word == "def" {
            let name = self.rest().trim_start();
            let is_part = |it: char| it.is_alphanumeric() || it == '_';
            let end = name.find(|it: char| !is_part(it)).unwrap_or(name.len());
            let around = self.scope;
            let opened = self
                .source
                .open(around, ScopeKind::Function, name.get(..end));
            self.scope = opened;
            self.indents.push((column, around));
        }
        self.has_function_ahead |= self.language == Language::Rust && word == "fn";
    }

    /// Ends the functions whose column the line is not right of. Only its first word tells.
    fn close_indents(&mut self, column: usize) {
        let before = self.text.get(self.line_start..self.at).unwrap_or_default();
        if !before.trim().is_empty() || !self.brackets.is_empty() {
            return;
        }
        while let Some((opened, around)) = self.indents.last().copied()
            && column <= opened
        {
            self.indents.pop();
            self.scope = around;
        }
    }

    fn mark(&mut self, first: char) {
        const LONG: [&str; 7] = ["=>", "?.", "::", "...", "==", "!=", "->"];
        let rest = self.rest();
        let long = LONG.into_iter().find(|it| rest.starts_with(it));
        let length = long.map_or(first.len_utf8(), str::len);
        let line = self.line;
        let taken = self.take(length);
        match first {
            '(' | '[' | '{' => {
                let is_template = false;
                let scope = self.scope_of_brace(first);
                self.push(TokenKind::Mark, Cow::Borrowed(taken), line);
                self.open(is_template);
                self.scope = scope;
            }
            ')' | ']' | '}' => self.close(taken, line),
            _ => self.push(TokenKind::Mark, Cow::Borrowed(taken), line),
        }
    }

    fn open(&mut self, is_template: bool) {
        if self.brackets.len() < BRACKETS {
            self.brackets.push(Bracket {
                token: self.source.tokens.len().saturating_sub(1),
                scope: self.scope,
                is_template,
            });
        }
    }

    fn close(&mut self, taken: &'a str, line: u32) {
        match self.brackets.pop() {
            Some(bracket) if bracket.is_template && taken == "}" => {
                self.scope = bracket.scope;
                self.push(TokenKind::Mark, Cow::Borrowed("+"), line);
                self.template();
            }
            bracket => {
                self.push(TokenKind::Mark, Cow::Borrowed(taken), line);
                if let Some(bracket) = bracket {
                    self.scope = bracket.scope;
                }
            }
        }
        if let (")", Some(last)) = (taken, self.source.tokens.last_mut()) {
            last.scope = self.scope;
        }
    }

    /// The scope inside a bracket that comes next.
    fn scope_of_brace(&mut self, bracket: char) -> u32 {
        let around = self.scope;
        if bracket != '{' || self.language == Language::Python {
            return around;
        }
        if self.language == Language::Rust {
            return match std::mem::take(&mut self.has_function_ahead) {
                true => self.source.open(around, ScopeKind::Function, None),
                false => around,
            };
        }
        let Some(name) = self.function_before() else {
            return around;
        };
        let name = name.map(str::to_owned);
        let scope = self
            .source
            .open(around, ScopeKind::Function, name.as_deref());
        // The head of a method is no call of it.
        let open = matching_open(&self.source.tokens);
        let named = open.and_then(|it| self.source.tokens.get_mut(it.checked_sub(1)?));
        if let Some(named) = named {
            named.scope = scope;
        }
        scope
    }

    /// Whether the tokens so far are the head of a function that does not run at once, and its
    /// name.
    fn function_before(&self) -> Option<Option<&str>> {
        let tokens = &self.source.tokens;
        let last = tokens.last()?;
        if last.is_mark("=>") {
            // In parentheses it is given to a call, or called in place.
            let around = self.brackets.last().and_then(|it| tokens.get(it.token));
            return match around.is_some_and(|it| it.is_mark("(")) {
                true => None,
                false => Some(self.name_of_arrow()),
            };
        }
        if !last.is_mark(")") {
            return None;
        }
        let open = matching_open(tokens)?;
        let before = |back: usize| tokens.get(open.checked_sub(back)?);
        let (name, head) = match before(1)?.name()? {
            "function" => (None, 1),
            "if" | "for" | "while" | "switch" | "catch" | "with" => return None,
            name if before(2).is_some_and(|it| it.is_name("function")) => (Some(name), 2),
            // A method.
            name => return Some(Some(name)),
        };
        let ahead = before(head + 1);
        let runs_at_once = ahead.is_some_and(|it| {
            it.is_mark("(") || it.is_mark("!") || (it.is_mark(",") && name.is_none())
        });
        (!runs_at_once).then_some(name)
    }
}

impl Scanner<'_> {
    /// What the arrow function is called that the tokens so far are the head of.
    fn name_of_arrow(&self) -> Option<&str> {
        let tokens = &self.source.tokens;
        let (_, head) = tokens.split_last()?;
        let mut first = match head.last()?.is_mark(")") {
            true => matching_open(head)?,
            false => head.len().checked_sub(1)?,
        };
        let before = |index: usize| index.checked_sub(1).and_then(|it| head.get(it));
        if before(first)?.is_name("async") {
            first = first.checked_sub(1)?;
        }
        let is_named = before(first).is_some_and(|it| it.is_mark("=") || it.is_mark(":"));
        before(first.checked_sub(1)?)?.name().filter(|_| is_named)
    }
}

/// The bracket that the last token closes.
fn matching_open(tokens: &[super::token::Token<'_>]) -> Option<usize> {
    /// Tokens of a list of parameters.
    const FAR: usize = 200;
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().rev().take(FAR) {
        if token.is_mark(")") {
            depth += 1;
        } else if token.is_mark("(") {
            // `f(a => {`: the head of a function without brackets, inside some that are open.
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(index);
            }
        }
    }
    None
}

/// Bytes up to the end of a text, without its end.
fn text_length(rest: &str, mark: &str, is_one_line: bool) -> usize {
    let bytes = rest.as_bytes();
    let quote = mark.bytes().next().unwrap_or(b'"');
    let mut at = 0;
    while let Some(found) =
        memchr::memchr3(quote, b'\\', b'\n', bytes.get(at..).unwrap_or_default())
    {
        at += found;
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'\n') if is_one_line => return at,
            Some(byte)
                if *byte == quote
                    && bytes
                        .get(at..)
                        .is_some_and(|it| it.starts_with(mark.as_bytes())) =>
            {
                return at;
            }
            _ => at += 1,
        }
    }
    rest.len()
}
