//! What the tokens of one file do.

use super::capability::{Capability, Used, of_name};
use super::facts::When;
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
    scope: u32,
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
    let mut analyser = Analyser {
        language,
        source,
        names: Names::new(language, source),
        open: Vec::new(),
        calls: Vec::new(),
        out: Analysis::default(),
        told: Vec::new(),
    };
    let mut at = 0;
    while at < source.tokens.len() {
        at = analyser.step(at);
    }
    let Analyser { calls, mut out, .. } = analyser;
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
        match token.kind {
            TokenKind::Name => return self.name(at, token),
            TokenKind::Text => self.constant(at, token),
            TokenKind::Number => {}
            TokenKind::Mark => match &*token.text {
                "(" => self.push_open(None),
                ")" => {
                    self.open.pop();
                }
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
        if is_scrambled {
            let (count, line) = &mut self.out.scrambled_names;
            if *count == 0 {
                *line = token.line;
            }
            *count += 1;
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
        if self.language == Language::Python && chain.path == "~getattr" {
            self.attribute(at, token, chain);
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

    /// `getattr(os, 'sys' + 'tem')`.
    fn attribute(&mut self, at: usize, token: &'s Token<'s>, chain: &Chain) {
        let Some(open) = chain.arguments else {
            return;
        };
        let Some(object) = self.names.chain(open + 1) else {
            return;
        };
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
            .and_then(|open| self.names.constant(open + 1));
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
            return;
        }
        let mut capability = capability;
        let mut detail = Detail::None;
        match capability {
            Capability::Environment if !self.takes_all(at, chain) => return,
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
            Capability::Process => detail = self.command(chain.arguments),
            Capability::Network => self.destinations(at, token, chain),
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
        if chain.arguments.is_some() {
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

    fn command(&self, arguments: Option<usize>) -> Detail {
        let Some(open) = arguments else {
            return Detail::None;
        };
        let line = self.constants(open).join(" ");
        strings::command(&line).map_or(Detail::None, Detail::Command)
    }

    fn destinations(&mut self, at: usize, token: &Token<'_>, chain: &Chain) {
        let Some(open) = chain.arguments else {
            return;
        };
        let named: Vec<String> = self
            .constants(open)
            .iter()
            .flat_map(|it| text::hosts(it))
            .map(str::to_ascii_lowercase)
            .collect();
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
    }

    /// What a decoded constant says.
    fn hidden(&mut self, text: &str) -> Detail {
        let Some(said) = text::hidden(text) else {
            return Detail::None;
        };
        let mut told = Vec::new();
        strings::capabilities(&said, &mut told);
        let is_code = [
            "child_process",
            "require(",
            "subprocess",
            "__import__",
            "eval(",
            "exec(",
        ]
        .iter()
        .any(|it| said.contains(it));
        let is_address = text::hosts(&said).next().is_some();
        match is_code || is_address || !told.is_empty() || strings::command(&said).is_some() {
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
        let mut told = std::mem::take(&mut self.told);
        told.clear();
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
        if let Some(token) = self.token(at)
            && (is_prototype || is_global)
        {
            self.found(Capability::NetworkHook, at, token, Detail::None);
        }
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

/// Whether an encoded constant is a picture, a font, a sound or WebAssembly: packages carry them so.
fn is_media(text: &str) -> bool {
    const MAGIC: [&str; 13] = [
        "AGFzb", "iVBOR", "R0lGOD", "/9j/", "d09GR", "d09GM", "UklGR", "PHN2Zy", "AAABAA",
        "T2dnUw", "SUQz", "AAEAAA", "data:",
    ];
    MAGIC.iter().any(|it| text.starts_with(it))
}
