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
        self.python_method(name, at);
        match name {
            "decrypt" => Hints::keep(&mut self.hints.decodes, at),
            "recv" => Hints::keep(&mut self.hints.receives, at),
            "extractall" | "write_text" | "write_bytes" if self.language == Language::Python => {
                self.found(Capability::Write, at, token, Detail::None);
            }
            "send_to" if self.language == Language::Rust => self.socket_host(open, at, token),
            "to_socket_addrs" if self.language == Language::Rust => {
                self.found(Capability::Network, at, token, Detail::None);
            }
            "open" if self.language == Language::Python && self.opens_to_write(open) => {
                self.found(Capability::Write, at, token, Detail::None);
            }
            "rglob" | "iterdir" => Hints::keep(&mut self.hints.walks, open - 1),
            "post" | "put" => self.sent_by_method(open, at, token),
            "set_text" if self.language == Language::Rust => {
                self.found(Capability::Clipboard, at, token, Detail::None);
            }
            "eval" if self.language == Language::Rust => {
                self.hints.opened(at, Some(open));
                self.found(Capability::DynamicCode, at, token, Detail::None);
            }
            "createDecipher" | "createDecipheriv" if self.language.is_script() => {
                Hints::keep(&mut self.hints.decodes, at);
                self.found(Capability::Decode, at, token, Detail::None);
            }
            // `[].filter.constructor('return this')`: what makes functions.
            "constructor" if self.language.is_script() && self.is_text(open + 1) => {
                self.hints.opened(at, Some(open));
                self.found(Capability::DynamicCode, at, token, Detail::None);
            }
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

    fn is_text(&self, at: usize) -> bool {
        self.token(at).is_some_and(|it| it.kind == TokenKind::Text)
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

    /// Whether a name that is asked for is put together from data: `${data}.x.example`.
    pub(super) fn names_data(&self, chain: &Chain) -> bool {
        let is_asked = matches!(chain.path.split('.').next(), Some("dns"))
            || matches!(
                &*chain.path,
                "socket.gethostbyname" | "socket.gethostbyname_ex" | "socket.getaddrinfo"
            );
        let Some(open) = chain.arguments.filter(|_| is_asked) else {
            return false;
        };
        let arguments = self.arguments(open).skip(1);
        let mut has_name = false;
        let mut is_named = false;
        for token in arguments.take_while(|it| !it.is_mark(",") && !it.is_mark("=>")) {
            match token.kind {
                TokenKind::Name => (has_name, is_named) = (true, false),
                TokenKind::Text
                    if token.text.starts_with("%s.") || token.text.starts_with("{}.") =>
                {
                    let host = token.text.rsplit(['%', '}']).next().unwrap_or_default();
                    let host = host.split_once('.').map_or("", |(_, it)| it);
                    is_named = host.contains('.') && text::is_host(host);
                    break;
                }
                TokenKind::Text if has_name => {
                    let host = token.text.trim_start_matches('.');
                    is_named =
                        token.text.starts_with('.') && host.contains('.') && text::is_host(host);
                }
                _ => {}
            }
        }
        is_named
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

    /// The host of a connection without a protocol: `connect("x.example:80")`,
    /// `create_connection(("x.example", 80))`.
    pub(super) fn socket_host(&mut self, open: usize, at: usize, token: &Token<'_>) {
        let named = self.constants(open).into_iter().find_map(|it| {
            let (host, port) = it.split_once(':').unwrap_or((it, ""));
            let is_port = port.is_empty() || port.bytes().all(|it| it.is_ascii_digit());
            let is_named = is_port && text::is_host(host) && host.trim_matches('.').contains('.');
            let is_other = !host.starts_with("127.") && host != "0.0.0.0";
            (is_named && is_other).then(|| host.to_ascii_lowercase())
        });
        if let Some(host) = named {
            self.reach(host, true, at, token);
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
}

/// Whether a connection is one that goes on both ways, with no protocol of questions and answers.
pub(super) fn is_socket(path: &str) -> bool {
    matches!(
        path,
        "net.connect"
            | "net.createConnection"
            | "net.Socket"
            | "tls.connect"
            | "~WebSocket"
            | "ws"
            | "ws.WebSocket"
            | "socket.socket"
            | "socket.create_connection"
            | "std.net.TcpStream.connect"
            | "tokio.net.TcpStream.connect"
    )
}

/// Whether a connection is one of SSH, which keys are for.
pub(super) fn is_ssh(path: &str) -> bool {
    matches!(
        path,
        "paramiko.SSHClient" | "asyncssh.connect" | "fabric.Connection"
    )
}
