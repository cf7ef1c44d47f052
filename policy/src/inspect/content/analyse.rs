//! What the tokens of one file do.

use super::capability::{Capability, Used, of_name};
use super::facts::When;
use super::follow::{Hints, follow};
use super::keys;
use super::names::{Chain, Names};
use super::nested;
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
    at: usize,
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
                "(" => self.push_open(None),
                ")" => {
                    self.open.pop();
                }
                "+=" if at > 0 => self.names.notice(at, None),
                "=" => {
                    self.names.notice(at, None);
                    self.hook(at);
                }
                _ => {}
            },
        }
        at + 1
    }

    fn push_open(&mut self, called: Option<String>) {
        if self.open.len() < OPEN {
            self.open.push(called);
        }
    }

    fn name(&mut self, at: usize, token: &'s Token<'s>) -> usize {
        self.scrambled(token);
        let chain = self.names.chain(at);
        self.names.notice(at, chain.as_ref());
        let Some(chain) = chain else {
            if self.token(at + 1).is_some_and(|it| it.is_mark("(")) {
                self.method(&token.text, at + 1, at, token);
            }
            return at + 1;
        };
        if chain.is_known {
            self.chain(at, token, &chain);
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

    /// A method of something that is not followed.
    fn method(&mut self, name: &str, open: usize, at: usize, token: &Token<'_>) {
        match name {
            "decrypt" => Hints::keep(&mut self.hints.decodes, at),
            "recv" => Hints::keep(&mut self.hints.receives, at),
            "extractall" | "write_text" | "write_bytes" if self.language == Language::Python => {
                self.found(Capability::Write, at, token, Detail::None);
            }
            "to_socket_addrs" if self.language == Language::Rust => {
                self.found(Capability::Network, at, token, Detail::None);
            }
            "post" | "put" => self.sent_by_method(open, at, token),
            _ => {}
        }
    }

    /// `client.post("https://…")`, a little after a connection was made.
    fn sent_by_method(&mut self, open: usize, at: usize, token: &Token<'_>) {
        const WITHIN: usize = 200;
        let mut before = self.out.found.iter().rev().take(8);
        let is_connected =
            before.any(|it| it.capability == Capability::Network && at.abs_diff(it.at) <= WITHIN);
        let address = self.token(open + 1).and_then(|it| it.constant());
        let Some(address) = address.filter(|_| is_connected) else {
            return;
        };
        for host in text::hosts(address).take(1) {
            self.reach(host.to_ascii_lowercase(), true, at, token);
        }
    }

    fn reach(&mut self, host: String, is_sent: bool, at: usize, token: &Token<'_>) {
        if self.out.reached.len() < HOSTS {
            self.out.reached.push(Reached {
                host,
                line: token.line,
                when: When::Call,
                is_sent,
                has_keys: false,
                at,
                scope: token.scope,
            });
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
        if self.language == Language::Python && matches!(&*chain.path, "~getattr" | "~vars") {
            self.attribute(at, token, chain);
        }
        self.hint(at, chain);
        if chain.path == "~Object.defineProperty" && self.redefines_fetch(chain) {
            self.found(Capability::NetworkHook, at, token, Detail::None);
        }
        if let Some(variable) = chain.path.strip_prefix("~process.env.") {
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

    /// Notices what means something only with other things of the file.
    fn hint(&mut self, at: usize, chain: &Chain) {
        let Some(open) = chain.arguments else {
            return;
        };
        let last = chain.path.rsplit('.').next().unwrap_or_default();
        let decodes = matches!(
            of_name(self.language, &chain.path),
            Some((Capability::Decode, _))
        ) || matches!(
            last,
            "decrypt" | "gunzipSync" | "inflateSync" | "brotliDecompressSync"
        ) || matches!(
            &*chain.path,
            "~chr" | "String.fromCharCode" | "~String.fromCharCode" | "marshal.loads"
        );
        if decodes && self.decodes_text(open) {
            Hints::keep(&mut self.hints.decodes, at);
        }
        if matches!(last, "recv" | "recv_into" | "makefile") {
            Hints::keep(&mut self.hints.receives, at);
        }
        let takes_code = matches!(&*chain.path, "~setTimeout" | "~setInterval");
        let constant = self.token(open + 1).and_then(|it| it.constant());
        if let Some(code) = constant.filter(|_| takes_code && !self.is_nested)
            && let Some(token) = self.token(at)
        {
            self.nested(self.language, code, token, at);
        }
        if self.language == Language::Python
            && chain.path == "~open"
            && self.opens_to_write(open)
            && let Some(token) = self.token(at)
        {
            self.found(Capability::Write, at, token, Detail::None);
        }
    }

    /// Whether a call that may decode does: `Buffer.from(x)` alone does not.
    fn decodes_text(&self, open: usize) -> bool {
        let is_buffer = open
            .checked_sub(1)
            .and_then(|it| self.token(it))
            .is_some_and(|it| matches!(&*it.text, "from" | "Buffer"));
        !is_buffer
            || self
                .arguments(open)
                .any(|it| matches!(it.constant(), Some("base64" | "hex" | "base64url")))
    }

    /// `open(path, 'wb')`.
    fn opens_to_write(&self, open: usize) -> bool {
        let mut texts = self.arguments(open).filter_map(|it| it.constant());
        texts.any(|it| {
            matches!(
                it,
                "w" | "wb" | "a" | "ab" | "w+" | "a+" | "wb+" | "x" | "xb"
            )
        })
    }

    /// What code in a text does, told as if it stood here.
    fn nested(&mut self, language: Language, code: &str, token: &Token<'_>, at: usize) {
        let Some(analysis) = nested::analyse(language, code) else {
            return;
        };
        for mut found in analysis.found {
            if self.out.found.len() < FOUND {
                found.line = token.line;
                (found.at, found.scope) = (at, token.scope);
                self.out.found.push(found);
            }
        }
        self.out.hosts.extend(analysis.hosts);
        self.out.hosts.truncate(HOSTS);
    }

    /// A constant put together so that nobody reads it.
    fn spelled(&mut self, at: usize, token: &'s Token<'s>) {
        let Some((text, end)) = self.names.spelled(at) else {
            return;
        };
        let says = |text: &str| {
            is_code(text) || text::hosts(text).next().is_some() || strings::command(text).is_some()
        };
        let pieces = self.source.tokens.get(at..end).unwrap_or_default();
        let is_plain = pieces
            .iter()
            .any(|it| says(&it.text) || it.text.contains("://"));
        if text.len() >= 6 && !is_plain && says(&text) {
            self.found(Capability::Decode, at, token, Detail::HidesText);
        }
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

    /// `getattr(os, 'sys' + 'tem')`.
    fn attribute(&mut self, at: usize, token: &'s Token<'s>, chain: &Chain) {
        let Some(open) = chain.arguments else {
            return;
        };
        let Some(object) = self.names.chain(open + 1) else {
            return;
        };
        if chain.path == "~vars" {
            return self.variable(at, token, &object);
        }
        let is_pair = self.token(object.end).is_some_and(|it| it.is_mark(","));
        if !is_pair {
            return;
        }
        let Some((name, end)) = self.names.constant(object.end + 1) else {
            return;
        };
        let path = format!("{}.{name}", object.path);
        let called = Chain {
            path,
            end,
            is_known: true,
            arguments: Some(end + 1),
        };
        if let Some((capability, used)) = of_name(self.language, &called.path) {
            self.use_of(at, token, &called, capability, used);
        }
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

    /// `vars(os)['system'](…)`.
    fn variable(&mut self, at: usize, token: &'s Token<'s>, object: &Chain) {
        let named = self.names.constant(object.end + 2);
        let Some((name, end)) =
            named.filter(|(_, end)| self.token(*end).is_some_and(|it| it.is_mark("]")))
        else {
            return;
        };
        let called = Chain {
            path: format!("{}.{name}", object.path),
            end: end + 1,
            is_known: true,
            arguments: Some(end + 1),
        };
        if let Some((capability, used)) = of_name(self.language, &called.path) {
            self.use_of(at, token, &called, capability, used);
        }
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
        ]
        .iter()
        .any(|it| around.ends_with(it))
    }

    /// `rmSync(os.homedir(), …)`, `rmtree(Path.home())`: nothing below it.
    fn deletes_home(&self, chain: &Chain) -> bool {
        let Some(open) = chain.arguments else {
            return false;
        };
        let arguments = self.arguments(open).skip(1).take(6);
        let first: Vec<&Token<'_>> = arguments.take_while(|it| !it.is_mark(",")).collect();
        let is_home = first
            .iter()
            .any(|it| matches!(it.name(), Some("homedir" | "home")));
        is_home
            && first.len() <= 5
            && first
                .first()
                .is_some_and(|it| matches!(it.name(), Some("os" | "homedir" | "Path")))
            && first.iter().all(|it| it.kind != TokenKind::Text)
    }

    /// `for (const k in process.env)`, `for k in os.environ`.
    fn is_walked(&self, at: usize) -> bool {
        let is_in = self.is_before(at, 1, "in") || self.is_before(at, 1, "of");
        is_in && (3..=7).any(|back| self.is_before(at, back, "for"))
    }

    fn makes_executable(&self, chain: &Chain) -> bool {
        let Some(open) = chain.arguments else {
            return self.language == Language::Rust;
        };
        let is_mode = |token: &Token<'_>| {
            let digits = token.text.trim_start_matches(['0', 'o', 'O']);
            let is_octal = matches!(
                digits,
                "755" | "777" | "775" | "700" | "744" | "770" | "711" | "555"
            );
            let is_other = matches!(
                &*token.text,
                "493" | "511" | "0x1ed" | "0x1ff" | "+x" | "S_IEXEC" | "S_IXUSR"
            );
            is_octal || is_other
        };
        self.arguments(open).any(is_mode)
    }

    /// The tokens of a call's arguments.
    fn arguments(&self, open: usize) -> impl Iterator<Item = &'s Token<'s>> {
        let mut depth = 0_i32;
        let tokens = self.source.tokens.get(open..).unwrap_or_default();
        tokens.iter().take(ARGUMENTS).take_while(move |token| {
            if token.kind == TokenKind::Mark {
                match &*token.text {
                    "(" => depth += 1,
                    ")" => depth -= 1,
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

    /// What is particular about a program that is started.
    fn command(&mut self, at: usize, token: &'s Token<'s>, chain: &Chain) -> Detail {
        let Some(open) = chain.arguments else {
            return Detail::None;
        };
        let constants = match self.language {
            Language::Rust => self.rust_arguments(open),
            _ => self.constants(open),
        };
        let line = constants.join(" ");
        let code = match &constants[..] {
            ["-e" | "-c" | "--eval", code, ..] => Some((self.language, *code)),
            _ => nested::of_command(&line),
        };
        let is_shell = constants.iter().any(|it| is_shell(it) || *it == "pty")
            && !constants
                .iter()
                .any(|it| matches!(*it, "-c" | "/c" | "/C" | "-Command" | "-File"));
        let takes_line = matches!(
            chain.path.rsplit('.').next(),
            Some("exec" | "execSync" | "system" | "popen" | "getoutput" | "getstatusoutput")
        );
        let is_unseen = chain.path == "os.startfile" || self.arguments(open).any(is_unseen);
        let of_one = || constants.iter().find_map(|it| strings::command(it));
        let detail = match strings::command(&line).or_else(of_one) {
            Some(command) => Detail::Command(command),
            None if is_shell && constants.len() <= 3 => Detail::Shell,
            None if is_unseen => Detail::Unseen,
            None => Detail::None,
        };
        let makes_executable = constants
            .iter()
            .any(|it| *it == "chmod" || it.starts_with("chmod +x"));
        let mut told = Vec::new();
        if constants.len() > 1 {
            strings::capabilities(&line, &mut told);
        }
        let code = code.map(|(language, code)| (language, code.to_owned()));
        if takes_line || constants.contains(&"-c") {
            Hints::keep(&mut self.hints.shells, at);
        }
        if makes_executable {
            told.push(Capability::MakeExecutable);
        }
        for capability in told {
            self.found(capability, at, token, Detail::None);
        }
        if let Some((language, code)) = code.filter(|_| !self.is_nested) {
            self.nested(language, &code, token, at);
        }
        detail
    }

    /// The constants of `Command::new("sh").arg("-c").args(["…"])`, up to the end of the statement.
    fn rust_arguments(&self, open: usize) -> Vec<&str> {
        const TOKENS: usize = 120;
        let tokens = self.source.tokens.get(open..).unwrap_or_default();
        let statement = tokens.iter().take(TOKENS).take_while(|it| !it.is_mark(";"));
        let constant = |token: &'s Token<'s>| match token.kind {
            TokenKind::Text => Some(&*token.text),
            TokenKind::Name => self.names.constant_of(&token.text),
            TokenKind::Number | TokenKind::Mark => None,
        };
        statement.filter_map(constant).take(40).collect()
    }

    fn destinations(&mut self, at: usize, token: &Token<'_>, chain: &Chain) {
        let Some(open) = chain.arguments else {
            return;
        };
        let mut named: Vec<String> = self
            .constants(open)
            .iter()
            .flat_map(|it| text::hosts(it))
            .map(str::to_ascii_lowercase)
            .collect();
        named.extend(self.named_host(open));
        if named.is_empty() {
            return;
        }
        let sends = |token: &Token<'_>| match token.kind {
            TokenKind::Name => matches!(
                &*token.text,
                "method" | "body" | "data" | "json" | "params" | "headers" | "files"
            ),
            TokenKind::Text => {
                matches!(&*token.text, "POST" | "PUT" | "body" | "method" | "headers")
            }
            TokenKind::Mark => token.text == "+",
            TokenKind::Number => false,
        };
        let last = chain.path.rsplit('.').next().unwrap_or_default();
        let is_sent =
            matches!(last, "post" | "put" | "sendBeacon") || self.arguments(open).any(sends);
        for host in named {
            self.reach(host, is_sent, at, token);
        }
    }

    /// `{ hostname: 'x.example' }`.
    fn named_host(&self, open: usize) -> Option<String> {
        let arguments: Vec<&Token<'_>> = self.arguments(open).collect();
        arguments.windows(3).find_map(|window| {
            let [name, colon, host] = window else {
                return None;
            };
            let is_host = matches!(name.name(), Some("hostname" | "host")) && colon.is_mark(":");
            let host = host.constant().filter(|_| is_host)?;
            let is_whole = host.contains('.') && text::is_host(host);
            is_whole.then(|| host.to_ascii_lowercase())
        })
    }

    /// What a decoded constant says.
    fn hidden(&mut self, text: &str) -> Detail {
        let Some(said) = text::hidden(text) else {
            return Detail::None;
        };
        let mut told = Vec::new();
        strings::capabilities(&said, &mut told);
        let is_address = text::hosts(&said).next().is_some()
            || said.starts_with("./")
            || said.starts_with("../");
        match is_code(&said) || is_address || !told.is_empty() || strings::command(&said).is_some()
        {
            true => Detail::HidesText,
            false => Detail::None,
        }
    }

    fn constant(&mut self, at: usize, token: &'s Token<'s>) {
        let text = &*token.text;
        if self.out.packed_line.is_none() && text::is_packed(text) && !is_media(text) {
            self.out.packed_line = Some(token.line);
        }
        if text.len() < 65_536 {
            for host in text::hosts(text) {
                if self.out.hosts.len() < HOSTS {
                    self.out.hosts.push(host.to_ascii_lowercase());
                }
            }
            self.out.wallet_addresses += text::wallet_addresses(text);
        }
        if self.language.is_script() && text.starts_with('.') && text.len() < 200 {
            self.loads(at, text);
        }
        if text.starts_with("data:text/javascript")
            && self.is_before(at, 1, "(")
            && self.is_before(at, 2, "import")
        {
            self.found(Capability::DynamicCode, at, token, Detail::RunsDecoded);
        }
        if self.is_hidden_here(at, text) && self.hidden(text) == Detail::HidesText {
            self.found(Capability::Decode, at, token, Detail::HidesText);
        }
        if self.is_address_of_machine(at, text) {
            self.found(Capability::DropHost, at, token, Detail::None);
        }
        if !self.is_nested && nested::is_loader(self.language, text) {
            self.found(Capability::DynamicCode, at, token, Detail::RunsFetched);
        }
        let mut told = std::mem::take(&mut self.told);
        told.clear();
        self.join(at, text, &mut told);
        // What is built from pieces is read as a whole at its first.
        let is_first = !self.is_before(at, 1, "+");
        let whole = is_first.then(|| self.names.constant(at)).flatten();
        match whole {
            Some((whole, _)) if whole.len() > text.len() => {
                strings::capabilities(&whole, &mut told);
            }
            _ => strings::capabilities(text, &mut told),
        }
        for capability in &told {
            let reads_variable = *capability != Capability::SecretVariable || self.is_in_access(at);
            if reads_variable {
                self.found(*capability, at, token, Detail::None);
            }
        }
        self.told = told;
    }

    /// `require('./a')`, `import './a'`, `export * from '../a'`.
    fn loads(&mut self, at: usize, text: &str) {
        let is_relative = text.starts_with("./") || text.starts_with("../");
        let is_loaded = self.is_before(at, 1, "from")
            || self.is_before(at, 1, "import")
            || (self.is_before(at, 1, "(")
                && (self.is_before(at, 2, "require") || self.is_before(at, 2, "import")));
        if is_relative && is_loaded {
            self.loads_file(text);
        }
    }

    fn loads_file(&mut self, named: &str) {
        const LOADED: usize = 64;
        if self.out.loaded.len() < LOADED {
            self.out.loaded.push(named.to_owned());
        }
    }

    /// `require('./a')`, `import('./a')`, whose text is part of the name that was read.
    fn loaded_by_call(&mut self, at: usize, token: &'s Token<'s>, chain: &Chain) {
        let is_loading =
            self.language.is_script() && matches!(&*token.text, "require" | "import" | "__require");
        if !is_loading {
            return;
        }
        let mut named = at..chain.end.min(at + 4);
        let named = named.find_map(|it| self.token(it)?.constant());
        if let Some(named) = named {
            self.imported(at, token, named);
            if named.starts_with('.') && named.len() < 200 {
                self.loads_file(named);
            }
        }
    }

    /// `import('https://…')`, `import('data:text/javascript,…')`.
    fn imported(&mut self, at: usize, token: &Token<'_>, text: &str) {
        let detail = match () {
            () if token.text != "import" => return,
            () if text.starts_with("https://") || text.starts_with("http://") => {
                Detail::RunsFetched
            }
            () if text.starts_with("data:text/javascript") => Detail::RunsDecoded,
            () => return,
        };
        self.found(Capability::DynamicCode, at, token, detail);
    }

    /// Whether a text may be an encoded one: it begins as encoded addresses do, or is given to
    /// something that decodes by its name.
    fn is_hidden_here(&self, at: usize, text: &str) -> bool {
        let is_address = text.starts_with("aHR0c") || text.starts_with("68747470");
        let is_digits = || text.len() < 2_000 && text.bytes().all(|it| it.is_ascii_hexdigit());
        let is_given = || {
            let name = at.checked_sub(2).and_then(|it| self.token(it)?.name());
            name.is_some_and(|it| matches!(it, "decode" | "decode_to_vec" | "from_hex" | "b64"))
        };
        text.len() >= 16
            && (is_address || is_digits() || (self.is_before(at, 1, "(") && is_given()))
    }

    /// Whether a text is the address of a machine nobody gave a name: in a URL, or as the host of a
    /// connection.
    fn is_address_of_machine(&self, at: usize, text: &str) -> bool {
        if text.len() < 7 || text.len() > 2_000 {
            return false;
        }
        if text.contains("://") {
            return text::hosts(text).any(text::is_public_address);
        }
        let is_host = self.is_before(at, 2, "hostname")
            || self.is_before(at, 2, "host")
            || (self.is_before(at, 1, "(")
                && self.is_before(at, 2, "(")
                && self.is_before(at, 3, "connect"));
        is_host && text::is_public_address(text)
    }

    /// Reads a path in pieces as a whole: `join(home, '.ssh', 'id_rsa')`, `home / ".ssh" / "id_rsa"`.
    fn join(&mut self, at: usize, text: &str, told: &mut Vec<Capability>) {
        const PIECE: usize = 60;
        let (joined, end) = &mut self.joined;
        let between = self.source.tokens.get(*end..at).unwrap_or_default();
        let is_joining = |it: &Token<'_>| match it.kind {
            TokenKind::Mark => matches!(&*it.text, "," | "/" | ")" | "(" | "."),
            TokenKind::Name => matches!(&*it.text, "join" | "joinpath" | "push"),
            TokenKind::Text | TokenKind::Number => false,
        };
        let goes_on = *end > 0
            && !joined.is_empty()
            && between.len() <= 4
            && text.len() <= PIECE
            && joined.len() <= PIECE * 4
            && !text.is_empty()
            && between.iter().all(is_joining);
        if goes_on {
            joined.push('/');
            joined.push_str(text.trim_matches('/'));
            *end = at + 1;
            strings::capabilities(joined, told);
            return;
        }
        joined.clear();
        let begins = text.starts_with('.')
            || text.starts_with("~/.")
            || matches!(
                text,
                "Library" | "Microsoft" | "AppData" | "resources" | "Google" | "node_modules"
            );
        if begins && text.len() <= PIECE {
            joined.push_str(text.trim_end_matches('/'));
            *end = at + 1;
        }
    }

    /// Whether a constant is in brackets or a call: `env['TOKEN']`, `getenv('TOKEN')`.
    fn is_in_access(&self, at: usize) -> bool {
        self.is_before(at, 1, "[") || self.is_before(at, 1, "(")
    }

    /// `XMLHttpRequest.prototype.open = …`, `window.fetch = …`.
    fn hook(&mut self, at: usize) {
        if !self.language.is_script() {
            return;
        }
        let name = |back: usize| at.checked_sub(back).and_then(|it| self.token(it)?.name());
        let is_prototype = matches!(name(1), Some("open" | "send"))
            && name(3) == Some("prototype")
            && name(5) == Some("XMLHttpRequest");
        let is_global = matches!(name(1), Some("fetch"))
            && matches!(name(3), Some("window" | "globalThis" | "self" | "global"));
        let is_wallet = matches!(
            name(1),
            Some("request" | "send" | "sendAsync" | "signTransaction" | "signAndSendTransaction")
        ) && matches!(name(3), Some("ethereum" | "solana" | "phantom" | "tronWeb"));
        let Some(token) = self.token(at) else {
            return;
        };
        if is_prototype || is_global || is_wallet {
            self.found(Capability::NetworkHook, at, token, Detail::None);
        }
        if is_wallet {
            self.found(Capability::Wallet, at, token, Detail::None);
        }
    }

    /// `Object.defineProperty(globalThis, 'fetch', …)`.
    fn redefines_fetch(&self, chain: &Chain) -> bool {
        let Some(open) = chain.arguments else {
            return false;
        };
        let text = |at: usize| self.token(at).map(|it| &*it.text);
        matches!(
            text(open + 1),
            Some("window" | "globalThis" | "self" | "global")
        ) && text(open + 3) == Some("fetch")
    }

    fn character_codes(&mut self, chain: &Chain, line: u32) {
        const MANY: usize = 20;
        let Some(open) = chain.arguments else {
            return;
        };
        let numbers = self
            .arguments(open)
            .filter(|it| it.kind == TokenKind::Number);
        if numbers.count() >= MANY {
            self.out.character_codes_line.get_or_insert(line);
        }
    }
}

/// Whether a text says code, or the name of a module that starts programs.
fn is_code(text: &str) -> bool {
    const CODE: [&str; 6] = [
        "child_process",
        "require(",
        "subprocess",
        "__import__",
        "eval(",
        "exec(",
    ];
    CODE.iter().any(|it| text.contains(it))
}

/// Whether a connection is one without a protocol.
fn is_socket(path: &str) -> bool {
    matches!(
        path,
        "net.connect"
            | "net.createConnection"
            | "net.Socket"
            | "tls.connect"
            | "socket.socket"
            | "socket.create_connection"
            | "std.net.TcpStream.connect"
            | "tokio.net.TcpStream.connect"
    )
}

/// Whether a program is a shell.
fn is_shell(program: &str) -> bool {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    matches!(
        name.to_ascii_lowercase().trim_end_matches(".exe"),
        "sh" | "bash" | "zsh" | "cmd" | "powershell"
    )
}

/// Whether an argument starts a program so that nobody sees it.
fn is_unseen(token: &Token<'_>) -> bool {
    token.kind != TokenKind::Mark
        && matches!(
            &*token.text,
            "detached"
                | "windowsHide"
                | "creationflags"
                | "CREATE_NO_WINDOW"
                | "DETACHED_PROCESS"
                | "start_new_session"
        )
}

/// Whether an encoded constant is a picture, a font, a sound or WebAssembly: packages carry them so.
fn is_media(text: &str) -> bool {
    const MAGIC: [&str; 13] = [
        "AGFzb", "iVBOR", "R0lGOD", "/9j/", "d09GR", "d09GM", "UklGR", "PHN2Zy", "AAABAA",
        "T2dnUw", "SUQz", "AAEAAA", "data:",
    ];
    MAGIC.iter().any(|it| text.starts_with(it))
}
