//! What the tokens of one file do.

mod command;
mod connection;
mod constant;
mod hints;
mod hook;
mod indirect;
mod numbers;
mod python;
mod rust;

use self::connection::{is_socket, is_ssh};
use super::capability::{Capability, Used, of_name};
use super::facts::When;
use super::follow::{Hints, follow};
use super::keys;
use super::names::{Chain, Names};
use super::runs::{OwnCall, Runs};
use super::strings::{self, Command};
use super::text;
use super::token::{Language, Source, Token, TokenKind};

/// Something a file does, at one token.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) capability: Capability,
    pub(super) line: u32,
    /// The token it begins at: how near two of them are is counted in tokens.
    pub(super) at: usize,
    pub(super) scope: u32,
    pub(super) when: When,
    /// What is particular about it.
    pub(super) detail: Detail,
}

/// What is particular about something found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    None,
    /// Inside a call that runs code.
    InsideDynamicCode,
    /// The decoded constant says an address, a path or a command.
    HidesText,
    /// A command line that fetches or the like.
    Command(Command),
    /// A program is started so that nobody sees it.
    Unseen,
    /// A shell is started, without a command for it.
    Shell,
    /// A connection without a protocol.
    Socket,
    /// What is run was fetched.
    RunsFetched,
    /// What is run was decoded, or is in a file that holds no code.
    RunsDecoded,
    /// What takes a function's place connects to a host that is named.
    Sends,
    /// Credentials of a cloud are asked for.
    CloudCredentials,
    /// A key that programs of SSH use.
    SshKey,
    /// A connection of SSH.
    Ssh,
    /// A host is asked for whose name is put together from data.
    NamesData,
    /// Every import passes through what is put there.
    HooksImports,
    /// A native library is loaded from a path.
    LoadsLibrary,
}

/// A host named by a call of the network.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) host: String,
    pub(super) line: u32,
    pub(super) when: When,
    pub(super) is_sent: bool,
    /// Whether what is sent is near a key.
    pub(super) has_keys: bool,
    pub(super) at: usize,
    scope: u32,
}

/// What was found in one file.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    pub(super) found: Vec<Found>,
    pub(super) hosts: Vec<String>,
    pub(super) reached: Vec<Reached>,
    /// Files of the package that this one loads, as it names them.
    pub(super) loaded: Vec<String>,
    pub(super) wallet_addresses: usize,
    /// The first packed constant's line.
    pub(super) packed_line: Option<u32>,
    /// How many names look as an obfuscator makes them, and the first's line.
    pub(super) scrambled_names: (usize, u32),
    /// A text made of the codes of its characters.
    pub(super) character_codes_line: Option<u32>,
}

impl Analysis {
    /// About how much memory it takes.
    pub(super) fn size_bytes(&self) -> usize {
        let hosts = self.hosts.iter().map(|it| size_of::<String>() + it.len());
        let reached = self.reached.iter();
        size_of::<Self>()
            + size_of_val(&*self.found)
            + hosts.sum::<usize>()
            + reached
                .map(|it| size_of::<Reached>() + it.host.len())
                .sum::<usize>()
    }
}

/// Things found in one file that are kept.
const FOUND: usize = 2_000;
/// Hosts of one file that are kept.
const HOSTS: usize = 256;
/// Calls of functions of the file that are followed.
const CALLS: usize = 50_000;
/// Brackets that are open at once, at most.
const OPEN: usize = 10_000;
/// Characters from which on a constant may be an object that was packed.
const PACKED: usize = 40;
/// Tokens of a call's arguments that are looked at.
const ARGUMENTS: usize = 300;

/// Looks at a file.
pub(super) fn analyse(language: Language, source: &Source<'_>) -> Analysis {
    analyse_at(language, source, false)
}

/// Looks at code that stands in a text of another file; not at what is nested in that.
pub(super) fn analyse_nested(language: Language, source: &Source<'_>) -> Analysis {
    analyse_at(language, source, true)
}

fn analyse_at(language: Language, source: &Source<'_>, is_nested: bool) -> Analysis {
    let mut analyser = Analyser {
        language,
        source,
        names: Names::new(language, source),
        open: Vec::new(),
        calls: Vec::new(),
        out: Analysis::default(),
        told: Vec::new(),
        is_nested,
        hints: Hints::default(),
        joined: (String::new(), 0),
        lists: 0,
    };
    let mut at = 0;
    while at < source.tokens.len() {
        at = analyser.step(at);
    }
    let Analyser {
        calls,
        mut out,
        hints,
        ..
    } = analyser;
    follow(language, source, &hints, &mut out);
    let runs = Runs::of(source, &calls);
    for found in &mut out.found {
        found.when = runs.when(found.scope);
    }
    for reached in &mut out.reached {
        reached.when = runs.when(reached.scope);
        reached.has_keys =
            reached.is_sent && keys::are_at_hand(source, &calls, reached.at, reached.scope);
    }
    out
}

struct Analyser<'s> {
    language: Language,
    source: &'s Source<'s>,
    names: Names<'s>,
    /// Of every open bracket that is a call's: what is called. `None` for the others.
    open: Vec<Option<String>>,
    /// Calls of the file's own functions.
    calls: Vec<OwnCall<'s>>,
    out: Analysis,
    told: Vec<Capability>,
    /// Whether this is code in a text.
    is_nested: bool,
    hints: Hints,
    /// The path that the last texts make together, and the token after them.
    joined: (String, usize),
    /// Lists of numbers that were read.
    lists: usize,
}

impl<'s> Analyser<'s> {
    fn token(&self, at: usize) -> Option<&'s Token<'s>> {
        self.source.tokens.get(at)
    }

    fn is_before(&self, at: usize, back: usize, mark: &str) -> bool {
        let token = at.checked_sub(back).and_then(|it| self.token(it));
        token.is_some_and(|it| it.text == mark)
    }

    /// Looks at the token, and tells which comes next.
    fn step(&mut self, at: usize) -> usize {
        let Some(token) = self.token(at) else {
            return at + 1;
        };
        if self.names.may_be_spelled(at) {
            self.spelled(at, token);
        }
        match token.kind {
            TokenKind::Name => return self.name(at, token),
            TokenKind::Text => self.constant(at, token),
            TokenKind::Number => {}
            TokenKind::Mark => match &*token.text {
                "(" => {
                    self.numbers(at);
                    self.push_open(None);
                }
                "[" => self.numbers(at),
                "@" => self.decorator(at),
                ")" => {
                    self.open.pop();
                }
                "+=" if at > 0 => self.names.notice(at, None),
                "=" => {
                    self.names.notice(at, None);
                    self.hook(at);
                    self.replaces(at);
                }
                pattern if pattern.len() > 2 && pattern.starts_with('/') => {
                    self.pattern(at, token);
                }
                _ => {}
            },
        }
        at + 1
    }

    /// A regular expression: what it looks for.
    fn pattern(&mut self, at: usize, token: &Token<'_>) {
        if !self.language.is_script() {
            return;
        }
        for capability in strings::of_pattern(&token.text) {
            self.found(capability, at, token, Detail::None);
        }
    }

    fn push_open(&mut self, called: Option<String>) {
        if self.open.len() < OPEN {
            self.open.push(called);
        }
    }

    fn name(&mut self, at: usize, token: &'s Token<'s>) -> usize {
        self.scrambled(token);
        if self.language == Language::Rust && token.text == "mod" {
            self.module(at);
        }
        let chain = self.names.chain(at);
        self.names.notice(at, chain.as_ref());
        let Some(chain) = chain else {
            // `new (x.constructor)('…')` as well.
            let is_apart =
                token.text == "constructor" && self.token(at + 1).is_some_and(|it| it.is_mark(")"));
            let open = at + 1 + usize::from(is_apart);
            if self.token(open).is_some_and(|it| it.is_mark("(")) {
                self.method(&token.text, open, at, token);
            }
            return at + 1;
        };
        if self.language == Language::Rust && chain.path.ends_with("transmute") {
            self.transmuted(at, token);
        }
        if chain.is_known {
            self.chain(at, token, &chain);
        } else if self.language == Language::Rust {
            self.foreign_call(at, token);
        }
        match chain.arguments {
            // What stands between the name and its arguments holds nothing of interest.
            Some(open) => {
                self.push_open(Some(chain.path));
                open + 1
            }
            None => chain.end.max(at + 1),
        }
    }

    fn scrambled(&mut self, token: &Token<'_>) {
        let is_scrambled = token.text.split_once("_0x").is_some_and(|(_, digits)| {
            digits.len() >= 3 && digits.bytes().all(|it| it.is_ascii_hexdigit())
        });
        // Another one's: few of them, and never anybody else's.
        let is_marked = || {
            let digits = token.text.strip_prefix("_$_");
            digits.is_some_and(|it| it.len() == 4 && it.bytes().all(|it| it.is_ascii_hexdigit()))
        };
        let weight = match is_scrambled {
            true => 1,
            false => 4 * usize::from(is_marked()),
        };
        if weight > 0 {
            let (count, line) = &mut self.out.scrambled_names;
            if *count == 0 {
                *line = token.line;
            }
            *count += weight;
        }
    }

    fn chain(&mut self, at: usize, token: &'s Token<'s>, chain: &Chain) {
        let own = chain.path.strip_prefix('~');
        if let Some(own) = own
            && self.calls.len() < CALLS
            && !self.is_before(at, 1, "function")
            && !self.is_before(at, 1, "def")
            && own == token.text
            && (chain.arguments.is_some() || self.starts_later())
        {
            self.calls.push(OwnCall {
                scope: token.scope,
                at,
                name: &token.text,
            });
        }
        self.indirect(at, token, chain);
        self.hint(at, chain);
        self.python_hint(at, chain);
        self.mentioned(at, chain);
        if chain.path == "~Object.defineProperty" && self.redefines_fetch(chain) {
            self.found(Capability::NetworkHook, at, token, Detail::None);
        }
        let variable = match self.language {
            Language::Python => chain.path.strip_prefix("os.environ."),
            _ => chain.path.strip_prefix("~process.env."),
        };
        let is_method = chain.arguments.is_some() && self.language == Language::Python;
        if let Some(variable) = variable.filter(|_| !is_method) {
            let mut told = Vec::new();
            strings::capabilities(variable, &mut told);
            if told.contains(&Capability::SecretVariable) {
                self.found(Capability::SecretVariable, at, token, Detail::None);
            }
            return;
        }
        let Some((capability, used)) = of_name(self.language, &chain.path) else {
            if chain.path.ends_with("fromCharCode") {
                self.character_codes(chain, token.line);
            }
            if let Some(open) = chain.arguments
                && let Some((_, last)) = chain.path.rsplit_once('.')
            {
                self.method(last, open, at, token);
            }
            self.loaded_by_call(at, token, chain);
            return;
        };
        self.use_of(at, token, chain, capability, used);
    }

    /// Whether what is named here is given to something that calls it later, by itself.
    fn starts_later(&self) -> bool {
        let around = self.open.last().and_then(Option::as_ref);
        around.is_some_and(|it| {
            [
                "setTimeout",
                "setImmediate",
                "nextTick",
                "Thread",
                "Timer",
                "atexit.register",
                "asyncio.run",
            ]
            .iter()
            .any(|name| it.ends_with(name))
        })
    }

    /// Whether a constant that ends there is all of what counts of the arguments: `''.join(x)` is
    /// none, and what `Function` makes is the last.
    fn is_all(&self, capability: Capability, chain: &Chain, end: usize) -> bool {
        if capability != Capability::DynamicCode {
            return true;
        }
        let Some(next) = self.token(end) else {
            return true;
        };
        let goes_on = next.is_mark(".") || next.is_mark("[") || next.is_mark("%");
        !goes_on && (chain.path != "~Function" || next.is_mark(")"))
    }

    fn use_of(
        &mut self,
        at: usize,
        token: &'s Token<'s>,
        chain: &Chain,
        capability: Capability,
        used: Used,
    ) {
        let constant = chain
            .arguments
            .and_then(|open| self.names.constant(open + 1))
            .filter(|(_, end)| self.is_all(capability, chain, *end));
        let counts = match used {
            Used::Mention => true,
            Used::Call => chain.arguments.is_some(),
            Used::CallOfConstant => constant.is_some(),
            Used::CallOfPacked => chain
                .arguments
                .is_some_and(|open| self.constants(open).iter().any(|it| it.len() >= PACKED)),
            Used::CallOfUnknown => {
                let is_empty = chain
                    .arguments
                    .is_some_and(|open| self.token(open + 1).is_none_or(|it| it.is_mark(")")));
                chain.arguments.is_some() && constant.is_none() && !is_empty
            }
        };
        if !counts {
            if let Some((code, _)) = constant.filter(|_| capability == Capability::DynamicCode)
                && !self.is_nested
                && chain.arguments.is_some()
            {
                self.nested(self.language, &code, token, at);
            }
            return;
        }
        self.hints.opened(at, chain.arguments);
        let mut capability = capability;
        let mut detail = Detail::None;
        match capability {
            Capability::Environment if !self.takes_all(at, chain) => {
                let is_member = self
                    .token(chain.end)
                    .is_some_and(|it| it.is_mark(".") || it.is_mark("?.") || it.is_mark("["));
                if !is_member {
                    Hints::keep(&mut self.hints.environments, at);
                }
                return;
            }
            Capability::MakeExecutable if !self.makes_executable(chain) => return,
            Capability::Decode => {
                let Some(text) = constant.map(|(text, _)| text) else {
                    return self.found(capability, at, token, self.inside());
                };
                if is_media(&text) {
                    return;
                }
                if text::is_packed(&text) {
                    capability = Capability::DecodeLong;
                }
                detail = self.hidden(&text);
            }
            Capability::Process => detail = self.command(at, token, chain),
            Capability::Network => {
                self.destinations(at, token, chain);
                if chain.path.ends_with(".urlretrieve") {
                    self.found(Capability::Write, at, token, Detail::None);
                }
                if is_socket(&chain.path) {
                    detail = Detail::Socket;
                    if let Some(open) = chain.arguments.filter(|_| !self.language.is_script()) {
                        self.socket_host(open, at, token);
                    }
                }
                if is_ssh(&chain.path) {
                    detail = Detail::Ssh;
                }
                if self.names_data(chain) {
                    detail = Detail::NamesData;
                }
            }
            Capability::DynamicCode if !self.is_nested => {
                if let Some((code, _)) = constant {
                    self.nested(self.language, &code, token, at);
                }
            }
            Capability::NativeCode if chain.path.ends_with("VirtualAlloc") => {
                self.found(Capability::DynamicCode, at, token, Detail::RunsDecoded);
            }
            Capability::Tap if chain.path.starts_with("sys.meta_path") => {
                detail = Detail::HooksImports;
            }
            Capability::NativeCode
                if chain.path.ends_with(".dlopen")
                    || matches!(&*chain.path, "ctypes.CDLL" | "libloading.Library.new") =>
            {
                detail = Detail::LoadsLibrary;
            }
            Capability::Write if self.overwrites(at, chain) => {
                detail = Detail::Command(Command::Wipes);
            }
            Capability::Delete if self.deletes_home(chain) => {
                detail = Detail::Command(Command::Wipes);
            }
            _ => {}
        }
        if detail == Detail::None {
            detail = self.inside();
        }
        self.found(capability, at, token, detail);
    }

    fn inside(&self) -> Detail {
        let runs = |called: &Option<String>| {
            let called = called.as_deref()?;
            let (capability, _) = of_name(self.language, called)?;
            (capability == Capability::DynamicCode).then_some(())
        };
        match self.open.iter().rev().take(12).any(|it| runs(it).is_some()) {
            true => Detail::InsideDynamicCode,
            false => Detail::None,
        }
    }

    fn found(&mut self, capability: Capability, at: usize, token: &Token<'_>, detail: Detail) {
        if self.out.found.len() < FOUND {
            self.out.found.push(Found {
                capability,
                line: token.line,
                at,
                scope: token.scope,
                when: When::Call,
                detail,
            });
        }
    }

    /// Whether an environment is taken as a whole, and not for one variable or to be passed on to a
    /// program.
    fn takes_all(&self, at: usize, chain: &Chain) -> bool {
        let is_member = self
            .token(chain.end)
            .is_some_and(|it| it.is_mark(".") || it.is_mark("?.") || it.is_mark("["));
        if is_member || self.is_before(at, 2, "env") {
            return false;
        }
        // `process.env = new Proxy(…)`: whatever is read passes through it.
        let follows = |mark: usize, text: &str| {
            self.token(chain.end + mark)
                .is_some_and(|it| it.text == text)
        };
        if follows(0, "=") && follows(1, "new") && follows(2, "Proxy") {
            return true;
        }
        if chain.arguments.is_some() || self.is_walked(at) {
            return true;
        }
        let around = self.open.last().and_then(Option::as_deref).unwrap_or("");
        [
            "JSON.stringify",
            "Object.keys",
            "Object.entries",
            "Object.values",
            "Buffer.from",
            "stringify",
            "URLSearchParams",
            "~dict",
            "~str",
            "~repr",
            "json.dumps",
            "inspect",
            "btoa",
            "~Proxy",
        ]
        .iter()
        .any(|it| around.ends_with(it))
    }

    /// `for (const k in process.env)`, `for k in os.environ`.
    fn is_walked(&self, at: usize) -> bool {
        let is_in = self.is_before(at, 1, "in") || self.is_before(at, 1, "of");
        is_in && (3..=7).any(|back| self.is_before(at, back, "for"))
    }

    /// The tokens of a call's arguments.
    fn arguments(&self, open: usize) -> impl Iterator<Item = &'s Token<'s>> {
        let mut depth = 0_i32;
        let tokens = self.source.tokens.get(open..).unwrap_or_default();
        tokens.iter().take(ARGUMENTS).take_while(move |token| {
            if token.kind == TokenKind::Mark {
                match &*token.text {
                    "(" | "[" => depth += 1,
                    ")" | "]" => depth -= 1,
                    _ => {}
                }
            }
            depth > 0
        })
    }

    /// The constants of a call's arguments, names of constants among them.
    fn constants(&self, open: usize) -> Vec<&str> {
        let constant = |token: &'s Token<'s>| match token.kind {
            TokenKind::Text => Some(&*token.text),
            TokenKind::Name => self.names.constant_of(&token.text),
            TokenKind::Number | TokenKind::Mark => None,
        };
        self.arguments(open).filter_map(constant).take(40).collect()
    }
}

/// Whether an encoded constant is a picture, a font, a sound or WebAssembly: packages carry them so.
fn is_media(text: &str) -> bool {
    const MAGIC: [&str; 13] = [
        "AGFzb", "iVBOR", "R0lGOD", "/9j/", "d09GR", "d09GM", "UklGR", "PHN2Zy", "AAABAA",
        "T2dnUw", "SUQz", "AAEAAA", "data:",
    ];
    MAGIC.iter().any(|it| text.starts_with(it))
}
