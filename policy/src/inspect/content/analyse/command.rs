//! Programs that are started, and files that are made executable or deleted.

use super::super::capability::Capability;
use super::super::follow::Hints;
use super::super::names::Chain;
use super::super::strings::Command;
use super::super::token::{Language, Token, TokenKind};
use super::super::{commands, nested, strings};
use super::{Analyser, Detail};

impl<'s> Analyser<'s> {
    /// What is particular about a program that is started.
    pub(super) fn command(&mut self, at: usize, token: &'s Token<'s>, chain: &Chain) -> Detail {
        let Some(open) = chain.arguments else {
            return Detail::None;
        };
        let constants = match self.language {
            Language::Rust => self.rust_arguments(open),
            _ => self.constants(open),
        };
        let line = constants.join(" ");
        let spelled = self.spelled_words(open);
        let code = match &constants[..] {
            ["-e" | "-c" | "--eval", code, ..] => Some((self.language_of(code), *code)),
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
            None if spelled.iter().any(|it| strings::is_loader(it)) => {
                Detail::Command(strings::Command::Encoded)
            }
            None if is_shell && words_of_shell(&constants) <= 3 => Detail::Shell,
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
        if detail == Detail::Command(Command::Sends) {
            told.push(Capability::Network);
            told.extend(commands::sent(&line));
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

    /// The language of code that is given to a program whose name is not known.
    fn language_of(&self, code: &str) -> Language {
        match self.language {
            Language::Rust if code.contains("require(") => Language::JavaScript,
            Language::Rust => Language::Python,
            own => own,
        }
    }

    /// Words of a command that are put together so that nobody reads them.
    fn spelled_words(&self, open: usize) -> Vec<String> {
        let tokens = self.arguments(open).take(40).count();
        let mut words = Vec::new();
        for at in open + 1..open + tokens {
            if self.names.may_be_spelled(at) {
                words.extend(self.names.spelled(at).map(|(word, _)| word));
            }
        }
        words
    }

    /// Whether what is in a folder is written over with a few characters, file by file.
    pub(super) fn overwrites(&self, at: usize, chain: &Chain) -> bool {
        const BEFORE: usize = 70;
        const LEAST: usize = 16;
        let Some(open) = chain.arguments.filter(|_| self.language.is_script()) else {
            return false;
        };
        let arguments: Vec<&Token<'_>> = self.arguments(open).collect();
        let is_constant = arguments.windows(2).any(|window| {
            matches!(window, [comma, text]
                if comma.is_mark(",") && text.constant().is_some_and(|it| it.len() <= LEAST))
        });
        if !is_constant || arguments.len() > 8 {
            return false;
        }
        let before = self.source.tokens.get(at.saturating_sub(BEFORE)..at);
        let before = before.unwrap_or_default();
        let names = |wanted: fn(&str) -> bool| before.iter().filter_map(Token::name).any(wanted);
        names(|it| it.starts_with("readdir")) && names(|it| it == "isDirectory")
    }

    /// The constants of `Command::new("sh").arg("-c").args(["…"])`, up to the end of the statement.
    pub(super) fn rust_arguments(&self, open: usize) -> Vec<&str> {
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

    pub(super) fn makes_executable(&self, chain: &Chain) -> bool {
        let Some(open) = chain.arguments else {
            return self.language == Language::Rust;
        };
        if chain.path.ends_with("memfd_create") {
            return true;
        }
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

    /// `rmSync(os.homedir(), …)`, `rmtree(Path.home())`: nothing below it.
    pub(super) fn deletes_home(&self, chain: &Chain) -> bool {
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
}

/// How many words are given to a shell, without those about the platform and its streams.
fn words_of_shell(constants: &[&str]) -> usize {
    let is_word = |it: &&&str| {
        !matches!(
            **it,
            "win32" | "linux" | "darwin" | "-i" | "ignore" | "pipe" | "inherit"
        )
    };
    constants.iter().filter(is_word).count()
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
