//! Source read by a grammar: the leaves of its syntax tree in order, each in its scope.

use std::borrow::Cow;
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, Parser, TreeCursor};

use super::text::unescape;
use super::token::{Language, ScopeKind, Source, TokenKind};

/// How often the parser may report progress, every hundred steps of its own, for each kilobyte of
/// source: what takes more is made to take long. Steps and not seconds, so that every machine gives
/// up at the same place.
const PROGRESS_PER_KILOBYTE: u64 = 400;

/// The share of a file, in hundredths, that may be damaged before its tree is worth less than its
/// tokens.
const DAMAGED: usize = 10;

/// Parsers of each language, made once for an archive.
#[derive(Default)]
pub(super) struct Parsers {
    parsers: Vec<(Language, Parser)>,
}

impl std::fmt::Debug for Parsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parsers").finish_non_exhaustive()
    }
}

impl Parsers {
    /// Reads a file by its grammar; `None` when it is too damaged, or takes too long.
    pub(super) fn read<'a>(&mut self, language: Language, text: &'a str) -> Option<Source<'a>> {
        let parser = self.parser(language)?;
        let kilobytes = (text.len() as u64).div_ceil(1_024);
        let mut left = kilobytes.saturating_mul(PROGRESS_PER_KILOBYTE);
        let mut progress = |_: &tree_sitter::ParseState| {
            left = left.saturating_sub(1);
            match left {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let options = ParseOptions::new().progress_callback(&mut progress);
        let bytes = text.as_bytes();
        let mut input = |at: usize, _| bytes.get(at..).unwrap_or_default();
        let tree = parser.parse_with_options(&mut input, None, Some(options));
        let Some(tree) = tree else {
            parser.reset();
            return None;
        };
        Walk::new(language, text).run(tree.walk())
    }

    fn parser(&mut self, language: Language) -> Option<&mut Parser> {
        if let Some(index) = self.parsers.iter().position(|(it, _)| *it == language) {
            return self.parsers.get_mut(index).map(|(_, parser)| parser);
        }
        let grammar = match language {
            Language::JavaScript => tree_sitter_javascript::LANGUAGE,
            Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
            Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX,
            Language::Python => tree_sitter_python::LANGUAGE,
            Language::Rust => tree_sitter_rust::LANGUAGE,
        };
        let mut parser = Parser::new();
        parser.set_language(&grammar.into()).ok()?;
        self.parsers.push((language, parser));
        self.parsers.last_mut().map(|(_, parser)| parser)
    }
}

/// One walk over a tree, without recursion: source can be nested as deep as it is long.
struct Walk<'a, 't> {
    language: Language,
    text: &'a str,
    source: Source<'a>,
    /// For every node that is open: its kind, and the scope around it.
    open: Vec<(&'t str, u32)>,
    scope: u32,
    damaged: usize,
    /// Whether the next item is only there for tests.
    is_test_next: bool,
}

impl<'a, 't> Walk<'a, 't> {
    fn new(language: Language, text: &'a str) -> Self {
        Self {
            language,
            text,
            source: Source::new(),
            open: Vec::new(),
            scope: 0,
            damaged: 0,
            is_test_next: false,
        }
    }

    fn run(mut self, mut cursor: TreeCursor<'t>) -> Option<Source<'a>> {
        loop {
            let node = cursor.node();
            let descends = self.enter(node) && cursor.goto_first_child();
            if descends {
                continue;
            }
            self.leave_leaf(node);
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return self.end();
                }
                if let Some((_, scope)) = self.open.pop() {
                    self.scope = scope;
                }
            }
            if self.source.is_full() {
                return self.end();
            }
        }
    }

    fn end(self) -> Option<Source<'a>> {
        let is_whole = self.damaged * 100 <= self.text.len() * DAMAGED;
        is_whole.then_some(self.source)
    }

    fn part(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn line(node: Node<'_>) -> u32 {
        u32::try_from(node.start_position().row + 1).unwrap_or(u32::MAX)
    }

    fn push(&mut self, kind: TokenKind, text: Cow<'a, str>, node: Node<'_>) {
        self.source.push(kind, text, Self::line(node), self.scope);
    }

    /// Whether its children are looked at. If so it is open, and has its scope.
    fn enter(&mut self, node: Node<'t>) -> bool {
        let kind = node.kind();
        if node.is_error() {
            self.damaged += node.byte_range().len();
        }
        match kind {
            "comment" | "line_comment" | "block_comment" | "html_comment" | "hash_bang_line" => {
                return false;
            }
            "regex" => {
                let pattern = self.part(node);
                self.push(TokenKind::Mark, Cow::Borrowed(pattern), node);
                return false;
            }
            // A text that stands alone does nothing: a doc string.
            "expression_statement" if is_lone_text(node) => return false,
            "string" | "template_string" | "string_literal" | "raw_string_literal"
            | "char_literal"
                if self.text(node) =>
            {
                return false;
            }
            "attribute_item" => {
                let attribute = self.part(node);
                self.is_test_next |= attribute.contains("cfg(test)") || attribute == "#[test]";
                // `#[path = "…"]`: where the module that follows is.
                if let Some(named) = path_of(attribute) {
                    self.push(TokenKind::Text, Cow::Borrowed(named), node);
                }
                return false;
            }
            _ => {}
        }
        if node.child_count() == 0 {
            return false;
        }
        let around = self.scope;
        self.open_scope(node, kind);
        self.open.push((kind, around));
        true
    }

    /// A node none of whose children are looked at.
    fn leave_leaf(&mut self, node: Node<'_>) {
        if node.child_count() > 0 || node.is_extra() || node.kind() == "hash_bang_line" {
            return;
        }
        let part = self.part(node);
        let around = self.open.last().map(|(kind, _)| *kind);
        if matches!(around, Some("template_substitution" | "interpolation"))
            && matches!(part, "${" | "{" | "}")
        {
            self.push(TokenKind::Mark, Cow::Borrowed("+"), node);
            return;
        }
        if matches!(
            node.kind(),
            "string_fragment" | "string_content" | "escape_sequence"
        ) {
            let piece = unescape(part, self.language);
            self.push(TokenKind::Text, piece, node);
            return;
        }
        let kind = match part.chars().next() {
            None => return,
            Some('0'..='9') => TokenKind::Number,
            Some(first) if first.is_alphabetic() || matches!(first, '_' | '$' | '#') => {
                TokenKind::Name
            }
            // What is between the quotes of a text is told with it, its pieces one by one.
            Some('`' | '"' | '\'') => return,
            Some(_) => TokenKind::Mark,
        };
        // `#private` is the name without its mark.
        let text = match kind {
            TokenKind::Name => part.strip_prefix('#').unwrap_or(part),
            _ => part,
        };
        self.push(kind, Cow::Borrowed(text), node);
    }

    /// Tells a constant text. Whether it was one: a text with expressions in it is told as the sum of
    /// its parts.
    fn text(&mut self, node: Node<'_>) -> bool {
        let is_sum = |kind: &str| matches!(kind, "template_substitution" | "interpolation");
        // Plain texts can have as many children as they have escapes; only these hold expressions.
        let may_sum = match node.kind() {
            "template_string" => true,
            "string" => self.language == Language::Python,
            _ => false,
        };
        let is_summed = may_sum && {
            let mut cursor = node.walk();
            node.children(&mut cursor).any(|it| is_sum(it.kind()))
        };
        if !is_summed {
            let constant = self.unquoted(self.part(node));
            self.push(TokenKind::Text, constant, node);
        }
        !is_summed
    }

    fn unquoted(&self, raw: &'a str) -> Cow<'a, str> {
        let Some(quote_at) = raw.find(['\'', '"', '`']) else {
            return Cow::Borrowed(raw);
        };
        let (prefix, quoted) = raw.split_at(quote_at);
        let is_raw = prefix.contains(['r', 'R']);
        let trimmed = match self.language {
            Language::Python if quoted.starts_with("\"\"\"") || quoted.starts_with("'''") => {
                quoted.get(3..quoted.len().saturating_sub(3).max(3))
            }
            Language::Rust => {
                let end = quoted.trim_end_matches('#').len();
                quoted.get(1..end.saturating_sub(1).max(1))
            }
            _ => quoted.get(1..quoted.len().saturating_sub(1).max(1)),
        };
        let inner = trimmed.unwrap_or_default();
        match is_raw {
            true => Cow::Borrowed(inner),
            false => unescape(inner, self.language),
        }
    }

    fn open_scope(&mut self, node: Node<'_>, kind: &str) {
        let is_test = std::mem::take(&mut self.is_test_next);
        let scope = match kind {
            "function_declaration"
            | "generator_function_declaration"
            | "method_definition"
            | "function_definition"
            | "function_item" => ScopeKind::Function,
            "function_expression" | "generator_function" | "arrow_function" => {
                match self.runs_at_once() {
                    true => return,
                    false => ScopeKind::Function,
                }
            }
            "if_statement" if self.language == Language::Python && self.is_main_guard(node) => {
                ScopeKind::Main
            }
            "mod_item" if is_test => ScopeKind::Test,
            _ => {
                // Only the item right after the attribute is meant; between them are only marks.
                self.is_test_next = is_test && !node.is_named();
                return;
            }
        };
        let scope = match is_test {
            true => ScopeKind::Test,
            false => scope,
        };
        let named = node.child_by_field_name("name").map(|it| self.part(it));
        let name = named.or_else(|| match kind {
            "function_expression" | "generator_function" | "arrow_function" => {
                self.source.name_before()
            }
            _ => None,
        });
        let name = name.map(str::to_owned);
        self.scope = self.source.open(self.scope, scope, name.as_deref());
    }

    /// Whether a function expression runs with what is around it: it is called in place, or given
    /// to a call.
    fn runs_at_once(&self) -> bool {
        let around = self.open.last().map(|(kind, _)| *kind);
        matches!(
            around,
            Some("parenthesized_expression" | "arguments" | "call_expression")
        )
    }

    fn is_main_guard(&self, node: Node<'_>) -> bool {
        let condition = node.child_by_field_name("condition");
        condition.is_some_and(|it| self.part(it).contains("__name__"))
    }
}

/// The file an attribute names: `#[path = "a.rs"]`.
fn path_of(attribute: &str) -> Option<&str> {
    let value = attribute.strip_prefix("#[path")?.trim_start();
    let quoted = value.strip_prefix('=')?.trim();
    quoted.strip_prefix('"')?.split('"').next()
}

fn is_lone_text(node: Node<'_>) -> bool {
    node.child_count() == 1 && node.child(0).is_some_and(|it| it.kind() == "string")
}
