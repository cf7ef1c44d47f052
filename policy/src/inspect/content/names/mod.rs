//! What the names of a file stand for: imports and simple assignments, followed by hand.
//!
//! `const { exec: run } = require('child_' + 'process')` makes `run` stand for
//! `child_process.exec`. Names are resolved in the order of the text; one that is bound in a function
//! stands for the same only inside it.

mod imports;

use std::collections::BTreeMap;

use super::token::{Language, Source, Token, TokenKind};

/// Bindings kept of one file. Later ones are not followed.
const BINDINGS: usize = 20_000;

/// Parts of a path that are followed.
const PARTS: usize = 8;

/// A name with what it stands for.
#[derive(Clone, Debug)]
struct Binding {
    path: String,
    scope: u32,
}

/// The bindings so far.
#[derive(Debug)]
pub(super) struct Names<'s> {
    language: Language,
    source: &'s Source<'s>,
    bound: BTreeMap<&'s str, Binding>,
    constants: BTreeMap<&'s str, String>,
    /// Modules a bundle keeps under numbers of its own.
    bundled: BTreeMap<&'s str, String>,
}

/// A name with what follows it, resolved.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// What it stands for, `~` before what is global.
    pub(super) path: String,
    /// The token after it.
    pub(super) end: usize,
    /// Whether the name at its beginning was bound, or is one of the language's.
    pub(super) is_known: bool,
    /// The token that opens its arguments, when it is called.
    pub(super) arguments: Option<usize>,
}

impl<'s> Names<'s> {
    pub(super) fn new(language: Language, source: &'s Source<'s>) -> Self {
        Self {
            language,
            source,
            bound: BTreeMap::new(),
            constants: BTreeMap::new(),
            bundled: BTreeMap::new(),
        }
    }

    pub(super) fn token(&self, index: usize) -> Option<&'s Token<'s>> {
        self.source.tokens.get(index)
    }

    /// A path in the one spelling for what is the same.
    pub(super) fn tidied(&self, path: String) -> String {
        tidied(path, self.language)
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// A constant that stands there, or is put together there.
    fn any_constant(&self, at: usize) -> Option<(String, usize)> {
        self.constant(at)
            .or_else(|| self.may_be_spelled(at).then(|| self.spelled(at)).flatten())
    }

    fn is_mark(&self, index: usize, mark: &str) -> bool {
        self.token(index).is_some_and(|it| it.is_mark(mark))
    }

    fn name(&self, index: usize) -> Option<&'s str> {
        self.token(index).and_then(|it| it.name())
    }

    /// The constant that begins at a token: texts, sums of them, and names of such.
    pub(super) fn constant(&self, mut at: usize) -> Option<(String, usize)> {
        let mut text = String::new();
        let start = at;
        loop {
            let token = self.token(at)?;
            match token.kind {
                TokenKind::Text => text.push_str(&token.text),
                TokenKind::Name => text.push_str(self.constants.get(&*token.text)?),
                TokenKind::Number | TokenKind::Mark => return None,
            }
            at += 1;
            if text.len() > 100_000 || at > start + 2_000 {
                return None;
            }
            match self.token(at) {
                Some(next) if next.is_mark("+") => at += 1,
                Some(next) if next.kind == TokenKind::Text && self.language == Language::Python => {
                }
                _ => return Some((text, at)),
            }
        }
    }

    /// What a name bound to a constant says.
    pub(super) fn constant_of(&self, name: &str) -> Option<&str> {
        self.constants.get(name).map(String::as_str)
    }

    fn binding(&self, name: &str, scope: u32) -> Option<&str> {
        let binding = self.bound.get(name)?;
        let mut scope = scope;
        loop {
            if scope == binding.scope {
                return Some(&binding.path);
            }
            if scope == 0 {
                return None;
            }
            scope = self.source.scopes.get(scope as usize)?.parent;
        }
    }

    fn bind(&mut self, name: &'s str, path: String, scope: u32) {
        if self.bound.len() < BINDINGS || self.bound.contains_key(name) {
            self.bound.insert(name, Binding { path, scope });
        }
    }

    /// Reads the name at a token, with its members. `None` when the token is not the beginning of
    /// one.
    pub(super) fn chain(&self, at: usize) -> Option<Chain> {
        let token = self.token(at)?;
        let root = token.name()?;
        let before = at.checked_sub(1).and_then(|it| self.token(it));
        if before.is_some_and(|it| it.is_mark(".") || it.is_mark("?.") || it.is_mark("::")) {
            return None;
        }
        let (mut path, is_known, mut end) = self.root(at, root, token.scope);
        for _ in 0..PARTS {
            match self.member(&mut path, end) {
                Some(next) => end = next,
                // `(await import('x')).y`
                None if before.is_some_and(|it| it.is_name("await"))
                    && at.checked_sub(2).is_some_and(|it| self.is_mark(it, "("))
                    && self.is_mark(end, ")")
                    && self.is_mark(end + 1, ".") =>
                {
                    end += 1;
                }
                None => break,
            }
        }
        let arguments = self.arguments(at, end);
        Some(Chain {
            path: tidied(path, self.language),
            end,
            is_known,
            arguments,
        })
    }

    /// What the first name stands for, whether that is known, and where its members begin.
    fn root(&self, at: usize, root: &'s str, scope: u32) -> (String, bool, usize) {
        if let Some(bound) = self.binding(root, scope) {
            return (bound.to_owned(), true, at + 1);
        }
        let is_everything = matches!(root, "globalThis" | "window" | "global" | "self" | "top");
        if self.language.is_script() && is_everything {
            let mut inner = String::from("~");
            if let Some(end) = self.member(&mut inner, at + 1) {
                return (inner.replacen("~.", "~", 1), true, end);
            }
        }
        match self.language {
            Language::Rust => (root.to_owned(), self.is_mark(at + 1, "::"), at + 1),
            _ => (format!("~{root}"), true, at + 1),
        }
    }

    /// Adds the member that begins at a token, and tells where it ends.
    fn member(&self, path: &mut String, at: usize) -> Option<usize> {
        let token = self.token(at)?;
        let dot = match self.language {
            Language::Rust => token.is_mark("::"),
            _ => token.is_mark(".") || token.is_mark("?."),
        };
        if dot && let Some(name) = self.name(at + 1) {
            path.push('.');
            path.push_str(name);
            return Some(at + 2);
        }
        if token.is_mark("[") && self.language != Language::Rust {
            let (name, end) = self.any_constant(at + 1)?;
            if !self.is_mark(end, "]") || name.len() > 100 {
                return None;
            }
            path.push('.');
            path.push_str(&name);
            return Some(end + 1);
        }
        if token.is_mark("(")
            && self.is_mark(at + 2, ")")
            && let Some(module) = self
                .token(at + 1)
                .and_then(|it| self.bundled.get(&*it.text))
            && path.len() <= 24
        {
            // `n(317)` of a bundle.
            path.clone_from(module);
            return Some(at + 3);
        }
        if token.is_mark("(") && path == "~eval" && self.language == Language::Python {
            // `eval('exec')(…)`: a name that nobody may read.
            let (name, end) = self.any_constant(at + 1)?;
            let is_name = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
            if !self.is_mark(end, ")") || name.len() > 40 || !name.bytes().all(is_name) {
                return None;
            }
            self.is_mark(end + 1, "(")
                .then(|| *path = format!("~{name}"))?;
            return Some(end + 1);
        }
        if token.is_mark("(") && is_import(path) {
            let (module, end) = self.any_constant(at + 1)?;
            if !self.is_mark(end, ")") || module.len() > 200 {
                return None;
            }
            *path = match path.as_str() {
                "~process.binding" | "~process._linkedBinding" => format!("internal/{module}"),
                _ => module,
            };
            return Some(end + 1);
        }
        if token.is_mark("(") && self.is_mark(at + 2, ")") && self.may_load(path) {
            // `load('https')`, whatever loads it.
            let module = self.token(at + 1)?.constant().filter(|it| is_core(it))?;
            *path = module.to_owned();
            return Some(at + 3);
        }
        None
    }

    /// Whether a path is a plain name, which may stand for a function of the file's own.
    fn may_load(&self, path: &str) -> bool {
        const LENGTH: usize = 24;
        let name = path.strip_prefix('~').unwrap_or(path);
        self.language.is_script() && name.len() <= LENGTH && !name.contains(['.', '/'])
    }

    /// The bracket that opens the arguments of a chain.
    fn arguments(&self, at: usize, end: usize) -> Option<usize> {
        let next = self.token(end)?;
        if next.is_mark("(") {
            return Some(end);
        }
        if next.is_mark("?.") && self.is_mark(end + 1, "(") {
            return Some(end + 1);
        }
        // `(0, x.y)(…)`, as compilers write it.
        let before = at.checked_sub(1).and_then(|it| self.token(it))?;
        let is_sequence = before.is_mark(",") || before.is_mark("(");
        let is_called = next.is_mark(")") && self.is_mark(end + 1, "(");
        (is_sequence && is_called).then_some(end + 1)
    }

    /// Notices what is bound at a token: an import, or an assignment. `chain` is what begins there.
    pub(super) fn notice(&mut self, at: usize, chain: Option<&Chain>) {
        if let Some(name) = self.name(at) {
            match (self.language, name) {
                (Language::Python, "import" | "from") if self.begins_statement(at) => {
                    self.python_import(at, name == "from");
                }
                (Language::Rust, "use") => self.rust_use(at),
                (Language::JavaScript | Language::TypeScript | Language::Tsx, "import") => {
                    self.script_import(at);
                }
                _ => {}
            }
        }
        if self.is_mark(at, "=") {
            self.assignment(at);
        }
        if self.is_mark(at, "+=") {
            self.extended(at - 1, at + 1);
        }
        if let Some(chain) = chain
            && chain.is_known
        {
            match chain.arguments {
                None => {
                    self.alias(at, chain);
                    self.bundle(at, chain);
                }
                Some(_) if chain.path == "module.createRequire" => {
                    let require = Chain {
                        path: String::from("~require"),
                        ..chain.clone()
                    };
                    self.alias(at, &require);
                }
                Some(open) => self.promised(open, chain),
            }
        }
    }

    fn begins_statement(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).and_then(|it| self.token(it)) else {
            return true;
        };
        let line = self.token(at).map_or(0, |it| it.line);
        before.line < line || before.is_mark(";") || before.is_mark(":")
    }

    /// `name = 'constant'`, or the end of what a name stood for.
    fn assignment(&mut self, at: usize) {
        if at >= 2 && self.is_mark(at - 1, "+") {
            return self.extended(at - 2, at + 1);
        }
        let Some(target) = at.checked_sub(1).and_then(|it| self.name(it)) else {
            return;
        };
        let is_member = at
            .checked_sub(2)
            .is_some_and(|it| self.is_mark(it, ".") || self.is_mark(it, "?."));
        if is_member {
            return;
        }
        self.bound.remove(target);
        self.constants.remove(target);
        let constant = match self.is_apart(at + 1) {
            true => self.spelled(at + 1),
            false => self.any_constant(at + 1),
        };
        if let Some((constant, _)) = constant
            && self.constants.len() < BINDINGS
        {
            self.constants.insert(target, constant);
        }
    }

    /// `''.join(x)`: the text is what stands between others.
    fn is_apart(&self, at: usize) -> bool {
        self.language == Language::Python
            && self.token(at).is_some_and(|it| it.kind == TokenKind::Text)
            && self.is_mark(at + 1, ".")
            && self.name(at + 2) == Some("join")
    }

    /// `name += 'constant'`; with anything else it is no constant from then on.
    fn extended(&mut self, target: usize, value: usize) {
        const LONGEST: usize = 20_000;
        let Some(name) = self.name(target) else {
            return;
        };
        let added = self.constant(value);
        match (self.constants.get_mut(name), added) {
            (Some(text), Some((added, _))) if text.len() + added.len() <= LONGEST => {
                text.push_str(&added);
            }
            _ => {
                self.constants.remove(name);
            }
        }
    }

    /// `name = chain`, `{ a, b: c } = chain`, `name = wrapper(chain)`.
    fn alias(&mut self, at: usize, chain: &Chain) {
        // What an arrow takes is nothing that is known.
        if self.is_mark(chain.end, "=>") {
            return;
        }
        let scope = self.token(at).map_or(0, |it| it.scope);
        let Some(mut before) = at.checked_sub(1) else {
            return;
        };
        while self
            .name(before)
            .is_some_and(|it| matches!(it, "await" | "new"))
            || self.is_mark(before, "(")
        {
            let is_wrapped = self.is_mark(before, "(");
            let Some(further) = before.checked_sub(1) else {
                return;
            };
            before = further;
            if is_wrapped && self.name(before).is_some_and(is_wrapper) {
                before = before.saturating_sub(1);
                while self.is_mark(before, ".") {
                    before = before.saturating_sub(2);
                }
            }
        }
        // `name = x && chain`.
        if ["&&", "||", "??"].iter().any(|it| self.is_mark(before, it)) {
            let is_part = |it: &usize| {
                self.name(*it).is_some() || self.is_mark(*it, ".") || self.is_mark(*it, "?.")
            };
            let mut further = (before.saturating_sub(12)..before).rev();
            before = further.find(|it| !is_part(it)).unwrap_or(before);
        }
        // `for (const name of [chain, …])`.
        if self.is_mark(before, "[") && before >= 2 && self.name(before - 1) == Some("of") {
            if let Some(name) = self.name(before - 2) {
                self.bind(name, chain.path.clone(), scope);
            }
            return;
        }
        let is_equal = self.is_mark(before, "=");
        let Some(target) = before.checked_sub(1).filter(|_| is_equal) else {
            return;
        };
        if let Some(name) = self.name(target) {
            let is_member = target
                .checked_sub(1)
                .is_some_and(|it| self.is_mark(it, "."));
            if !is_member && chain.path != format!("~{name}") {
                self.bind(name, chain.path.clone(), scope);
            }
        } else if self.is_mark(target, "}") {
            self.destructured(target, &chain.path, scope);
        }
    }

    /// `317: e => { e.exports = require('child_process') }`: a bundle's module under its number.
    fn bundle(&mut self, at: usize, chain: &Chain) {
        const MODULES: usize = 2_000;
        let is_exported = self.language.is_script()
            && at >= 4
            && self.is_mark(at - 1, "=")
            && self.name(at - 2) == Some("exports")
            && self.is_mark(at - 3, ".");
        if !is_exported || self.bundled.len() >= MODULES {
            return;
        }
        let key = (at.saturating_sub(24)..at - 3).rev().find(|it| {
            self.is_mark(*it, ":")
                && it
                    .checked_sub(1)
                    .and_then(|it| self.token(it))
                    .is_some_and(|it| matches!(it.kind, TokenKind::Number | TokenKind::Text))
        });
        if let Some(key) = key.and_then(|it| self.token(it - 1)) {
            self.bundled.insert(&*key.text, chain.path.clone());
        }
    }
}

/// Whether a name is that of a module of the runtime that reaches outside.
fn is_core(name: &str) -> bool {
    matches!(
        name.strip_prefix("node:").unwrap_or(name),
        "child_process" | "http" | "https" | "http2" | "net" | "tls" | "dns" | "dgram" | "vm"
    )
}

/// Whether a path, called with a constant, is the module of that name.
fn is_import(path: &str) -> bool {
    // Compilers call theirs `__require`; `Module._load` is what it calls.
    let is_named =
        path.starts_with('~') && path.len() < 40 && path.to_ascii_lowercase().ends_with("require");
    is_named
        || path.ends_with(".mainModule.require")
        || path.ends_with("._load")
        || matches!(
            path,
            "~require"
                | "~import"
                | "~__import__"
                | "~__non_webpack_require__"
                | "~module.require"
                | "~process.mainModule.require"
                | "~process.getBuiltinModule"
                | "~process.binding"
                | "~process._linkedBinding"
                | "importlib.import_module"
        )
}

/// Whether a function gives back what it is given, as compilers and `promisify` do.
fn is_wrapper(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["interop", "import", "toesm", "promisify"]
        .iter()
        .any(|it| lower.contains(it))
}

/// One spelling for what is the same.
fn tidied(path: String, language: Language) -> String {
    if language == Language::Python && (path.contains("builtins") || path.contains("__dict__")) {
        return without_builtins(&path);
    }
    if !language.is_script() {
        return path;
    }
    let path = path.strip_prefix("node:").unwrap_or(&path);
    let of_all = ["~globalThis.", "~window.", "~global.", "~self."];
    if let Some(rest) = of_all.iter().find_map(|it| path.strip_prefix(it)) {
        return tidied(format!("~{rest}"), language);
    }
    let mut parts: Vec<&str> = path
        .split('.')
        .filter(|it| !matches!(*it, "default" | "promises"))
        .collect();
    if let Some(first) = parts.first_mut() {
        *first = match *first {
            "fs/promises" | "fs-extra" | "graceful-fs" => "fs",
            "dns/promises" => "dns",
            other => other,
        };
    }
    parts.join(".")
}

/// What every module knows, by its own name: `__builtins__.exec`, `builtins.__dict__['exec']`.
fn without_builtins(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').filter(|it| *it != "__dict__").collect();
    match parts.as_slice() {
        ["~__builtins__" | "~builtins" | "builtins", rest @ ..] if !rest.is_empty() => {
            format!("~{}", rest.join("."))
        }
        all => all.join("."),
    }
}
