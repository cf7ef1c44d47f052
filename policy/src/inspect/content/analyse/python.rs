//! What only Python has: decorators that run, functions of libraries that are replaced in place,
//! memory that is made executable, and settings of its installer.

use super::super::capability::Capability;
use super::super::follow::Hints;
use super::super::names::Chain;
use super::super::token::{Language, Token};
use super::super::{nested, text};
use super::{Analyser, Detail};

/// Tokens of a value that takes the place of a function.
const VALUE: usize = 40;
/// Parts of a name that is assigned to.
const PARTS: usize = 6;

impl<'s> Analyser<'s> {
    /// `@exec` above something: what stands below is run.
    pub(super) fn decorator(&mut self, at: usize) {
        if self.language != Language::Python {
            return;
        }
        let Some(chain) = self.names.chain(at + 1) else {
            return;
        };
        let runs = matches!(&*chain.path, "~exec" | "~eval" | "os.system" | "os.popen");
        if let Some(token) = self.token(at).filter(|_| runs && chain.arguments.is_none()) {
            self.found(Capability::DynamicCode, at, token, Detail::RunsDecoded);
        }
    }

    /// `requests.Session.send = mine`: notices it where a function of the file takes the place.
    pub(super) fn replaces(&mut self, at: usize) {
        if self.language != Language::Python {
            return;
        }
        let Some(mut start) = at.checked_sub(1) else {
            return;
        };
        for _ in 0..PARTS {
            let is_member = start
                .checked_sub(1)
                .and_then(|it| self.token(it))
                .is_some_and(|it| it.is_mark("."));
            match start.checked_sub(2).filter(|_| is_member) {
                Some(further) => start = further,
                None => break,
            }
        }
        if start + 1 < at && self.is_of_library(start) {
            self.replaced(start, at + 1..at + 1 + VALUE);
        }
    }

    /// Whether a name stands for something that was imported by its whole name.
    fn is_of_library(&self, at: usize) -> bool {
        let chain = self.names.chain(at);
        chain.is_some_and(|it| it.is_known && !it.path.starts_with('~') && it.path.contains('.'))
    }

    fn replaced(&mut self, at: usize, value: std::ops::Range<usize>) {
        const REPLACED: usize = 200;
        let line = self.token(value.start).map_or(0, |it| it.line);
        let mut depth = 0_i32;
        let mut end = value.start;
        for index in value.clone() {
            let Some(token) = self.token(index) else {
                break;
            };
            depth += i32::from(token.is_mark("(")) - i32::from(token.is_mark(")"));
            if depth < 0 || (depth == 0 && token.line > line) {
                break;
            }
            end = index + 1;
        }
        if self.hints.replaced.len() < REPLACED {
            self.hints.replaced.push((at, value.start..end));
        }
    }

    /// Notices calls and mentions that mean something only with other things of the file.
    pub(super) fn python_hint(&mut self, at: usize, chain: &Chain) {
        if self.language != Language::Python {
            return;
        }
        let last = chain.path.rsplit('.').next().unwrap_or_default();
        if last == "PROT_EXEC" {
            Hints::keep(&mut self.hints.memories, at);
        }
        let Some(open) = chain.arguments else {
            let around = self.open.last().and_then(Option::as_deref);
            if chain.path == "~chr" && around == Some("~map") {
                Hints::keep(&mut self.hints.decodes, at);
            }
            return;
        };
        match &*chain.path {
            "importlib.util.spec_from_file_location"
            | "importlib.machinery.SourceFileLoader"
            | "imp.load_source"
            | "imp.load_dynamic" => Hints::keep(&mut self.hints.loads, at),
            "ctypes.CFUNCTYPE" | "ctypes.WINFUNCTYPE" | "ctypes.PYFUNCTYPE" | "ctypes.cast" => {
                Hints::keep(&mut self.hints.addresses, at);
            }
            path if is_of_chain(path) => self.chain_host(open, at),
            "os.walk" => Hints::keep(&mut self.hints.walks, chain.end - 1),
            "~setattr" if self.is_of_library_or_class(open + 1) => {
                let end = open + VALUE;
                self.replaced(at, open + 1..end);
            }
            _ => self.python_method(last, at),
        }
    }

    /// The host of a connection to a block chain. Such connections say nothing by themselves: who
    /// makes one reads public data.
    fn chain_host(&mut self, open: usize, at: usize) {
        let constants = self.constants(open);
        let host = constants.into_iter().find_map(|it| text::hosts(it).next());
        if let (Some(host), Some(token)) = (host.map(str::to_ascii_lowercase), self.token(at)) {
            self.reach(host, false, at, token);
        }
    }

    /// The first argument of `setattr`: a module, or a class that was imported.
    fn is_of_library_or_class(&self, at: usize) -> bool {
        let chain = self.names.chain(at);
        chain.is_some_and(|it| it.is_known && !it.path.starts_with('~'))
    }

    /// A method, of whatever.
    pub(super) fn python_method(&mut self, name: &str, at: usize) {
        match name {
            "mprotect" | "VirtualProtect" | "VirtualAllocEx" | "NtAllocateVirtualMemory" => {
                Hints::keep(&mut self.hints.memories, at);
            }
            "CreateThread" | "CreateRemoteThread" | "QueueUserAPC" => {
                Hints::keep(&mut self.hints.addresses, at);
            }
            _ => {}
        }
    }

    /// Notices constants that mean something only with others.
    pub(super) fn python_text(&mut self, at: usize, text: &str, token: &'s Token<'s>) {
        if self.language != Language::Python {
            return;
        }
        let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
        if matches!(
            name,
            "pip.conf" | "pip.ini" | ".pydistutils.cfg" | "uv.toml"
        ) {
            Hints::keep(&mut self.hints.installer_settings, at);
        }
        if text.len() < 2_000 && text.contains("index-url") {
            Hints::keep(&mut self.hints.indexes, at);
        }
        if !self.hints.has_bytes && text.len() >= 8 {
            let odd = text.chars().filter(|it| {
                it.is_control() && !matches!(it, '\n' | '\t' | '\r' | '\u{1b}')
                    || matches!(it, '\u{80}'..='\u{ff}')
            });
            self.hints.has_bytes = odd.count() >= 4;
        }
        if !self.is_nested && nested::is_thief(text) {
            self.nested(Language::Python, text, token, at);
        }
    }
}

/// Whether a call makes a connection to a block chain.
fn is_of_chain(path: &str) -> bool {
    let is_web3 = path.starts_with("web3.") && path.ends_with("HTTPProvider");
    let is_solana = path.starts_with("solana.rpc.") && path.ends_with("Client");
    is_web3 || is_solana
}
