//! Connections: where they go, what is sent over them, and who puts himself between.

use super::super::capability::Capability;
use super::super::facts::When;
use super::super::follow::Hints;
use super::super::names::Chain;
use super::super::text;
use super::super::token::{Language, Token, TokenKind};
use super::{Analyser, Detail, HOSTS, Reached};

impl<'s> Analyser<'s> {
    /// A method of something that is not followed.
    pub(super) fn method(&mut self, name: &str, open: usize, at: usize, token: &Token<'_>) {
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
            "createElement" if self.language.is_script() => self.element(open, at, token),
            _ => {}
        }
    }

    /// `client.post("https://…")`, a little after a connection was made.
    pub(super) fn sent_by_method(&mut self, open: usize, at: usize, token: &Token<'_>) {
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

    /// `s = document.createElement('script'); s.src = 'https://…'`: not an address it is given.
    fn element(&mut self, open: usize, at: usize, token: &Token<'_>) {
        const WITHIN: usize = 80;
        let made = self.token(open + 1).and_then(|it| it.constant());
        if made != Some("script") {
            return;
        }
        let address = (open..open + WITHIN).find_map(|at| {
            let is_source = self.token(at).is_some_and(|it| it.text == "src");
            let follows = self
                .token(at + 1)
                .is_some_and(|it| it.is_mark("=") || it.is_mark(","));
            let (text, _) = self
                .names
                .constant(at + 2)
                .filter(|_| is_source && follows)?;
            let host = text::hosts(&text).next()?;
            Some(host.to_ascii_lowercase())
        });
        if let Some(host) = address {
            self.found(Capability::RemoteScript, at, token, Detail::None);
            self.reach(host, true, at, token);
        }
    }

    pub(super) fn reach(&mut self, host: String, is_sent: bool, at: usize, token: &Token<'_>) {
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

    pub(super) fn destinations(&mut self, at: usize, token: &Token<'_>, chain: &Chain) {
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
    pub(super) fn named_host(&self, open: usize) -> Option<String> {
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

    /// `XMLHttpRequest.prototype.open = …`, `window.fetch = …`.
    pub(super) fn hook(&mut self, at: usize) {
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
    pub(super) fn redefines_fetch(&self, chain: &Chain) -> bool {
        let Some(open) = chain.arguments else {
            return false;
        };
        let text = |at: usize| self.token(at).map(|it| &*it.text);
        matches!(
            text(open + 1),
            Some("window" | "globalThis" | "self" | "global")
        ) && text(open + 3) == Some("fetch")
    }
}

/// Whether a connection is one without a protocol.
pub(super) fn is_socket(path: &str) -> bool {
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
