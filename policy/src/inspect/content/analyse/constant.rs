//! What constant texts say, alone and together.

use super::super::capability::Capability;
use super::super::names::Chain;
use super::super::token::{Language, Token, TokenKind};
use super::super::{commands, nested, strings, text};
use super::{Analyser, Detail, FOUND, HOSTS, is_media};

impl<'s> Analyser<'s> {
    pub(super) fn constant(&mut self, at: usize, token: &'s Token<'s>) {
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
        if text.contains("import('data:text/javascript")
            || text.contains("import(\"data:text/javascript")
        {
            self.found(Capability::DynamicCode, at, token, Detail::RunsDecoded);
        }
        self.fetcher(at, text, token);
        if self.is_hidden_here(at, text) && self.hidden(text) == Detail::HidesText {
            self.found(Capability::Decode, at, token, Detail::HidesText);
        }
        if self.is_address_of_machine(at, text) {
            self.found(Capability::DropHost, at, token, Detail::None);
        }
        if !self.is_nested && nested::is_loader(self.language, text) {
            self.found(Capability::DynamicCode, at, token, Detail::RunsFetched);
        }
        self.python_text(at, text, token);
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
                self.found(*capability, at, token, particular(*capability, text));
            }
        }
        self.told = told;
    }

    /// What a decoded constant says.
    pub(super) fn hidden(&mut self, text: &str) -> Detail {
        let Some(said) = text::hidden(text) else {
            return Detail::None;
        };
        let mut told = Vec::new();
        strings::capabilities(&said, &mut told);
        let is_address = text::hosts(&said).next().is_some()
            || said.starts_with("./")
            || said.strip_prefix("//").is_some_and(|it| {
                let host = it.split('/').next().unwrap_or(it);
                host.contains('.') && text::is_host(host)
            })
            || said.starts_with("../");
        match is_code(&said) || is_address || !told.is_empty() || strings::command(&said).is_some()
        {
            true => Detail::HidesText,
            false => Detail::None,
        }
    }

    /// A constant put together so that nobody reads it.
    pub(super) fn spelled(&mut self, at: usize, token: &'s Token<'s>) {
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

    /// What code in a text does, told as if it stood here.
    pub(super) fn nested(&mut self, language: Language, code: &str, token: &Token<'_>, at: usize) {
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

    /// Whether a text may be an encoded one: it begins as encoded addresses do, or is given to
    /// something that decodes by its name.
    pub(super) fn is_hidden_here(&self, at: usize, text: &str) -> bool {
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
    pub(super) fn is_address_of_machine(&self, at: usize, text: &str) -> bool {
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
    pub(super) fn join(&mut self, at: usize, text: &str, told: &mut Vec<Capability>) {
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

    /// `run("curl", &["https://…"])`: a program that fetches, given to a function of the file's own.
    fn fetcher(&mut self, at: usize, text: &str, token: &Token<'_>) {
        const WITHIN: usize = 40;
        let is_given = matches!(text, "curl" | "wget") && self.is_before(at, 1, "(");
        let name = at.checked_sub(2).and_then(|it| self.token(it)?.name());
        // What starts programs by a name that is known is told there.
        if !is_given || name.is_none_or(|it| matches!(it, "new" | "which" | "find_executable")) {
            return;
        }
        let following = (at..at + WITHIN).map_while(|it| self.token(it));
        let mut statement = following.take_while(|it| !it.is_mark(";"));
        if statement.any(|it| it.constant().is_some_and(|it| it.contains("://"))) {
            let detail = Detail::Command(strings::Command::Fetches);
            self.found(Capability::Process, at, token, detail);
        }
    }

    /// Whether a constant is in brackets or a call: `env['TOKEN']`, `getenv('TOKEN')`.
    pub(super) fn is_in_access(&self, at: usize) -> bool {
        self.is_before(at, 1, "[") || self.is_before(at, 1, "(")
    }

    /// `require('./a')`, `import './a'`, `export * from '../a'`.
    pub(super) fn loads(&mut self, at: usize, text: &str) {
        let is_relative = text.starts_with("./") || text.starts_with("../");
        let is_loaded = self.is_before(at, 1, "from")
            || self.is_before(at, 1, "import")
            || (self.is_before(at, 1, "(")
                && (self.is_before(at, 2, "require") || self.is_before(at, 2, "import")));
        if is_relative && is_loaded {
            self.loads_file(text);
        }
    }

    pub(super) fn loads_file(&mut self, named: &str) {
        const LOADED: usize = 64;
        if self.out.loaded.len() < LOADED {
            self.out.loaded.push(named.to_owned());
        }
    }

    /// `require('./a')`, `import('./a')`, whose text is part of the name that was read.
    pub(super) fn loaded_by_call(&mut self, at: usize, token: &'s Token<'s>, chain: &Chain) {
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
    pub(super) fn imported(&mut self, at: usize, token: &Token<'_>, text: &str) {
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

    pub(super) fn character_codes(&mut self, chain: &Chain, line: u32) {
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

/// What is particular about what a constant tells.
fn particular(capability: Capability, text: &str) -> Detail {
    match capability {
        Capability::MetadataService if commands::asks_cloud_credentials(text) => {
            Detail::CloudCredentials
        }
        Capability::CredentialPath if text.contains("id_") || text.contains(".ssh/") => {
            Detail::SshKey
        }
        _ => Detail::None,
    }
}

/// Whether a text says code, or the name of a module that starts programs.
pub(super) fn is_code(text: &str) -> bool {
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
