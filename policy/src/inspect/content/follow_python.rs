//! What goes where in a file of Python, beyond calls: files that are fetched and then run, modules
//! that are loaded from elsewhere, functions of libraries that are replaced, folders that are
//! emptied.

use std::collections::BTreeMap;
use std::ops::Range;

use super::analyse::{Analysis, Detail, Found};
use super::capability::Capability;
use super::facts::When;
use super::flow::Flow;
use super::follow::Hints;
use super::functions::Functions;
use super::strings::Command;
use super::text;
use super::token::{Source, Token, TokenKind};

/// Calls of one kind that are followed.
const FOLLOWED: usize = 100;
/// Functions replaced that are followed: each is followed through the whole file.
const HOOKS: usize = 16;
/// Tokens between things that belong together, such as a file's name and what is written to it.
const NEAR: usize = 200;

/// Looks at a file, and tells what was found with the rest.
pub(super) fn follow_python(
    source: &Source<'_>,
    flow: &Flow<'_>,
    hints: &Hints,
    fetched: &[usize],
    analysis: &mut Analysis,
) {
    let follow = Follow {
        source,
        flow,
        hints,
        fetched,
    };
    if !fetched.is_empty() {
        follow.run_files(analysis);
        let loaded = follow.loaded_module(analysis);
        analysis.found.extend(loaded);
    }
    let found = [
        follow.hook(analysis),
        follow.executable_memory(analysis),
        follow.other_index(),
        follow.emptied(analysis),
    ];
    analysis.found.extend(found.into_iter().flatten());
}

struct Follow<'s> {
    source: &'s Source<'s>,
    flow: &'s Flow<'s>,
    hints: &'s Hints,
    fetched: &'s [usize],
}

impl<'s> Follow<'s> {
    fn token(&self, at: usize) -> Option<&'s Token<'s>> {
        self.source.tokens.get(at)
    }

    fn name(&self, at: usize) -> Option<&'s str> {
        self.token(at).and_then(Token::name)
    }

    fn is(&self, at: usize, mark: &str) -> bool {
        self.token(at).is_some_and(|it| it.is_mark(mark))
    }

    fn tokens(&self, range: Range<usize>) -> &'s [Token<'s>] {
        self.source.tokens.get(range).unwrap_or_default()
    }

    fn open(&self, at: usize) -> Option<usize> {
        if let Some(open) = self.hints.opens.get(&at) {
            return Some(*open);
        }
        (at..at + 14).find(|it| self.is(*it, "("))
    }

    fn found(&self, capability: Capability, at: usize, detail: Detail) -> Option<Found> {
        let token = self.token(at)?;
        Some(Found {
            capability,
            line: token.line,
            at,
            scope: token.scope,
            when: When::Call,
            detail,
        })
    }

    /// Code and programs that are read from a file something fetched was written to.
    fn run_files(&self, analysis: &mut Analysis) {
        let saved = self.saved();
        if saved.is_empty() {
            return;
        }
        let is_saved = |at: usize, range: Range<usize>| {
            range.clone().any(|it| {
                let is_member = it > 0 && self.is(it - 1, ".");
                let token = self.token(it).filter(|_| !is_member);
                let named = token.filter(|it| it.kind != TokenKind::Mark);
                named.is_some_and(|named| {
                    let saved = saved.get(&*named.text);
                    saved.is_some_and(|saved| *saved < at && self.is_same(named, *saved, at))
                })
            })
        };
        let mut natives = Vec::new();
        for found in analysis.found.iter_mut().take(FOLLOWED * 10) {
            let Some(open) = self.open(found.at) else {
                continue;
            };
            let range = self.flow.arguments(open);
            let counts = match found.capability {
                Capability::DynamicCode => found.detail != Detail::RunsDecoded,
                Capability::Process => self.starts_python(range.clone()),
                Capability::NativeCode => true,
                _ => false,
            };
            if counts && is_saved(found.at, range) {
                match found.capability {
                    Capability::NativeCode => natives.push(found.at),
                    _ => found.detail = Detail::RunsFetched,
                }
            }
        }
        let loads = self.hints.loads.iter().copied();
        let loads = loads.filter(|at| {
            let range = self.open(*at).map(|open| self.flow.arguments(open));
            range.is_some_and(|range| is_saved(*at, range))
        });
        let mut ran: Vec<usize> = loads.take(FOLLOWED).collect();
        ran.extend(natives);
        for at in ran {
            let found = self.found(Capability::DynamicCode, at, Detail::RunsFetched);
            analysis.found.extend(found);
        }
    }

    /// Whether a program is the interpreter, given a file and no module.
    fn starts_python(&self, range: Range<usize>) -> bool {
        let tokens = self.tokens(range);
        let is_python = |it: &Token<'_>| {
            it.is_name("executable") || it.constant().is_some_and(|it| it.starts_with("python"))
        };
        tokens.iter().any(is_python) && !tokens.iter().any(|it| it.constant() == Some("-m"))
    }

    /// Whether a name at two places is that of the same thing: in one function, or in functions
    /// around or inside each other. Texts are the same everywhere.
    fn is_same(&self, named: &Token<'_>, one: usize, other: usize) -> bool {
        let scope = |at: usize| self.token(at).map_or(0, |it| it.scope);
        let (one, other) = (scope(one), scope(other));
        named.kind == TokenKind::Text
            || self.is_within(one, other)
            || self.is_within(other, one)
            || self.is_of_file(&named.text, one, other)
    }

    fn is_within(&self, mut inner: u32, outer: u32) -> bool {
        while inner != outer {
            if inner == 0 {
                return false;
            }
            inner = match self.source.scopes.get(inner as usize) {
                Some(scope) => scope.parent,
                None => return false,
            };
        }
        true
    }

    /// Whether a name is assigned where both functions see it.
    fn is_of_file(&self, name: &str, one: u32, other: u32) -> bool {
        let mut values = self.flow.values(name, self.source.tokens.len());
        values.any(|value| {
            let scope = self.token(value.start).map_or(0, |it| it.scope);
            self.is_within(one, scope) && self.is_within(other, scope)
        })
    }

    /// The names and texts of files something fetched is written to, and where that is.
    fn saved(&self) -> BTreeMap<&'s str, usize> {
        let mut saved = BTreeMap::new();
        let mut left = FOLLOWED * 10;
        for (at, token) in self.source.tokens.iter().enumerate() {
            if saved.len() >= FOLLOWED || left == 0 {
                break;
            }
            let Some(name) = token.name().filter(|_| self.is(at + 1, "(")) else {
                continue;
            };
            match name {
                "urlretrieve" => {
                    let second = self.argument(at + 1, 1, "filename");
                    self.keep(second, at, &mut saved);
                }
                "write" | "write_bytes" | "write_text" | "copyfileobj" => {
                    left -= 1;
                    let range = self.flow.arguments(at + 1);
                    if self.flow.reaches_through(range, self.fetched) {
                        self.written(at, name, &mut saved);
                    }
                }
                _ => {}
            }
        }
        saved
    }

    /// `f.write(…)`, `open(p, 'wb').write(…)`, `Path(p).write_bytes(…)`, `copyfileobj(…, f)`.
    fn written(&self, at: usize, name: &str, saved: &mut BTreeMap<&'s str, usize>) {
        if name == "copyfileobj" {
            let second = self.argument(at + 1, 1, "fdst");
            return self.keep(second, at, saved);
        }
        let Some(object) = at.checked_sub(2).filter(|it| self.is(it + 1, ".")) else {
            return;
        };
        if self.is(object, ")") {
            let opened = (object.saturating_sub(30)..object)
                .rev()
                .find(|it| matches!(self.name(*it), Some("open" | "Path")) && self.is(it + 1, "("));
            let first = opened.and_then(|it| self.argument(it + 1, 0, "file"));
            return self.keep(first, at, saved);
        }
        self.keep(Some(object..object + 1), at, saved);
        // What the file was opened by.
        let Some(name) = self.name(object) else {
            return;
        };
        for value in self.flow.values(name, at) {
            let mut opened = value.filter(|it| {
                matches!(self.name(*it), Some("open" | "Path" | "fdopen")) && self.is(it + 1, "(")
            });
            let first = opened
                .next()
                .and_then(|it| self.argument(it + 1, 0, "file"));
            self.keep(first, at, saved);
        }
    }

    /// Keeps what is one name or text.
    fn keep(&self, range: Option<Range<usize>>, at: usize, saved: &mut BTreeMap<&'s str, usize>) {
        if let Some(range) = range
            && let [token] = self.tokens(range)
            && matches!(token.kind, TokenKind::Name | TokenKind::Text)
        {
            saved.entry(&*token.text).or_insert(at);
        }
    }

    /// The tokens of an argument, by its place or its name.
    fn argument(&self, open: usize, place: usize, named: &str) -> Option<Range<usize>> {
        let all = self.flow.arguments(open);
        let mut parts: Vec<Range<usize>> = Vec::new();
        let (mut depth, mut start) = (0_i32, all.start);
        for at in all.clone() {
            match self.token(at).filter(|it| it.kind == TokenKind::Mark) {
                Some(it) if matches!(&*it.text, "(" | "[" | "{") => depth += 1,
                Some(it) if matches!(&*it.text, ")" | "]" | "}") => depth -= 1,
                Some(it) if it.text == "," && depth == 0 => {
                    parts.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(start..all.end);
        let is_named =
            |it: &&Range<usize>| self.name(it.start) == Some(named) && self.is(it.start + 1, "=");
        match parts.iter().find(is_named) {
            Some(found) => Some(found.start + 2..found.end),
            None => parts.get(place).cloned(),
        }
    }

    /// The connection of a loader of modules: what it fetches is run as one.
    fn loaded_module(&self, analysis: &Analysis) -> Option<Found> {
        const LOADERS: [&str; 8] = [
            "SourceLoader",
            "InspectLoader",
            "ExecutionLoader",
            "FileLoader",
            "SourceFileLoader",
            "SourcelessFileLoader",
            "MetaPathFinder",
            "spec_from_loader",
        ];
        let mut tokens = self.source.tokens.iter();
        tokens.find(|it| it.name().is_some_and(|it| LOADERS.contains(&it)))?;
        let functions = Functions::of(self.source);
        let loads = [
            "get_data",
            "get_source",
            "get_code",
            "source_to_code",
            "exec_module",
        ];
        let runs = functions.running(loads.into_iter().filter(|it| functions.has(it)));
        let mut networks = analysis.found.iter().filter(|it| {
            it.capability == Capability::Network
                && runs.get(it.scope as usize).copied().unwrap_or(false)
        });
        let at = networks.next()?.at;
        self.found(Capability::DynamicCode, at, Detail::RunsFetched)
    }

    /// The first place where a function of a library is replaced by one that connects to a host the
    /// file names. Those that only measure name none, and those of tests connect to none.
    fn hook(&self, analysis: &Analysis) -> Option<Found> {
        if self.hints.replaced.is_empty() {
            return None;
        }
        let mut named: Vec<usize> = analysis
            .reached
            .iter()
            .filter(|it| text::site(&it.host) != "localhost" && !it.host.starts_with("127."))
            .map(|it| it.at)
            .collect();
        named.sort_unstable();
        if named.is_empty() {
            return None;
        }
        let functions = Functions::of(self.source);
        let names = |value: &Range<usize>| -> Vec<&'s str> {
            let tokens = self.tokens(value.clone()).iter();
            tokens
                .filter_map(Token::name)
                .filter(|it| functions.has(it))
                .collect()
        };
        let connects = |names: Vec<&'s str>| {
            let runs = functions.running(names);
            let mut ranges = functions.ranges(&runs).into_iter();
            ranges.any(|it| self.flow.reaches(it, &named))
        };
        let replaced = self.hints.replaced.iter();
        let replaced = replaced.map(|(at, value)| (*at, names(value)));
        let mut replaced = replaced.filter(|(_, it)| !it.is_empty()).take(HOOKS);
        let (at, _) = replaced.find(|(_, names)| connects(names.clone()))?;
        self.found(Capability::Tap, at, Detail::Sends)
    }

    /// Memory that is made executable, near a function at an address, in a file that carries bytes or
    /// fetches them.
    fn executable_memory(&self, analysis: &Analysis) -> Option<Found> {
        let carries = self.hints.has_bytes || !self.fetched.is_empty() || {
            let mut found = analysis.found.iter();
            found.any(|it| matches!(it.capability, Capability::Decode | Capability::DecodeLong))
        };
        if self.asks_processor() {
            return None;
        }
        let mut memories = self.hints.memories.iter().filter(|_| carries);
        let at = memories.find(|memory| {
            let mut called = self.hints.addresses.iter();
            called.any(|it| it.abs_diff(**memory) <= NEAR * 2)
        })?;
        self.found(Capability::DynamicCode, *at, Detail::RunsDecoded)
    }

    /// Whether the code that the file carries is to ask the processor what it can do, which no other way
    /// does: the file says so, and there is room for nothing more.
    fn asks_processor(&self) -> bool {
        const CHARACTERS: usize = 600;
        let says = |it: &Token<'_>| {
            matches!(it.kind, TokenKind::Name | TokenKind::Text)
                && it.text.to_ascii_lowercase().contains("cpuid")
        };
        if !self.source.tokens.iter().any(says) {
            return false;
        }
        let is_code = |it: &&str| {
            let is_hex = |it: char| it.is_ascii_hexdigit() || it == ' ';
            it.len() >= 2 && (it.chars().all(is_hex) || it.chars().any(char::is_control))
        };
        let texts = self.source.tokens.iter().filter_map(Token::constant);
        texts.filter(is_code).map(str::len).sum::<usize>() <= CHARACTERS
    }

    /// The settings of the installer, near an index of packages that has an address in this file.
    fn other_index(&self) -> Option<Found> {
        let named = self.hints.installer_settings.first()?;
        let names_host = |at: usize| {
            let near = at.saturating_sub(NEAR)..(at + NEAR).min(self.source.tokens.len());
            let mut texts = self.tokens(near).iter().filter_map(Token::constant);
            texts.any(|it| text::hosts(it).next().is_some())
        };
        let mut indexes = self.hints.indexes.iter();
        indexes.find(|it| it.abs_diff(*named) <= NEAR * 2 && names_host(**it))?;
        self.found(Capability::Persistence, *named, Detail::None)
    }

    /// Where files are deleted or overwritten that a walk through a whole home, or through
    /// everything, goes over.
    fn emptied(&self, analysis: &Analysis) -> Option<Found> {
        let walks = self.hints.walks.iter().copied();
        let walks: Vec<usize> = walks.filter(|it| self.walks_home(*it)).collect();
        if walks.is_empty() {
            return None;
        }
        let does = [Capability::Delete, Capability::Write];
        let mut calls = analysis
            .found
            .iter()
            .filter(|it| does.contains(&it.capability));
        let by_call = calls.find(|it| {
            let range = self.open(it.at).map(|open| self.flow.first_argument(open));
            range.is_some_and(|range| self.flow.reaches(range, &walks))
        });
        let at = by_call.map(|it| it.at).or_else(|| self.unlinked(&walks))?;
        let detail = Detail::Command(Command::Wipes);
        self.found(Capability::Delete, at, detail)
    }

    /// `for f in Path.home().rglob('*'): f.unlink()`.
    fn unlinked(&self, walks: &[usize]) -> Option<usize> {
        let places = (2..self.source.tokens.len()).filter(|at| {
            matches!(self.name(*at), Some("unlink" | "write_bytes" | "rmdir"))
                && self.is(at - 1, ".")
                && self.is(at + 1, "(")
        });
        let mut places = places.take(FOLLOWED * 10);
        places.find(|at| self.flow.reaches(at - 2..at - 1, walks))
    }

    /// `walk(expanduser('~'))`, `walk('/')`, `Path.home().rglob('*')`: no folder below it.
    fn walks_home(&self, at: usize) -> bool {
        if self.name(at) == Some("walk") {
            let first = self.flow.first_argument(at + 1);
            return self.is_home(first, 3);
        }
        let is_home =
            |back: usize| at.checked_sub(back).and_then(|it| self.name(it)) == Some("home");
        let object = at.checked_sub(2).and_then(|it| self.name(it));
        is_home(4)
            || object.is_some_and(|name| {
                let mut values = self.flow.values(name, at);
                values.any(|it| self.is_home(it, 2))
            })
    }

    /// Whether a value is a home as a whole, or everything.
    fn is_home(&self, range: Range<usize>, left: usize) -> bool {
        const WORDS: [&str; 12] = [
            "os",
            "path",
            "expanduser",
            "expandvars",
            "environ",
            "get",
            "getenv",
            "Path",
            "pathlib",
            "home",
            "str",
            "os.path",
        ];
        let tokens = self.tokens(range.clone());
        if let [token] = tokens
            && let Some(name) = token.name()
        {
            let mut values = self.flow.values(name, range.start);
            return left > 0 && values.any(|it| self.is_home(it, left - 1));
        }
        let texts: Vec<&str> = tokens.iter().filter_map(Token::constant).collect();
        let is_whole = |it: &&str| {
            matches!(
                *it,
                "~" | "~/" | "/" | "HOME" | "USERPROFILE" | "C:\\" | "C:/" | "$HOME"
            )
        };
        let mut names = tokens.iter().filter_map(Token::name);
        let has_home = match texts.is_empty() {
            true => tokens.iter().any(|it| it.is_name("home")),
            false => texts.iter().all(is_whole),
        };
        has_home && tokens.len() <= 16 && names.all(|it| WORDS.contains(&it))
    }
}
