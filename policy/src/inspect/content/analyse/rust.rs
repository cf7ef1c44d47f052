//! What only Rust has: functions of C that are called by their own names, and modules in other files.

use super::super::capability::Capability;
use super::super::strings::{self, Command};
use super::super::token::{Token, TokenKind};
use super::{Analyser, Detail};

impl<'s> Analyser<'s> {
    /// `system(b"…")`, declared by the file itself. Functions of that name are many: only one that
    /// is given such a command counts.
    pub(super) fn foreign_call(&mut self, at: usize, token: &'s Token<'s>) {
        let is_foreign = matches!(
            &*token.text,
            "system" | "popen" | "execl" | "execlp" | "WinExec" | "ShellExecuteA" | "_popen"
        );
        let open = at + 1;
        if !is_foreign || !self.token(open).is_some_and(|it| it.is_mark("(")) {
            return;
        }
        let line = self.constants(open).join(" ").replace('\0', " ");
        let command = strings::command(&line);
        if let Some(command) = command.filter(|it| *it != Command::Detached) {
            let detail = Detail::Command(command);
            self.found(Capability::Process, at, token, detail);
        }
    }

    /// `transmute` of memory that was made executable a few statements before, in a file that
    /// carries bytes: a compiler at run time gets its bytes elsewhere.
    pub(super) fn transmuted(&mut self, at: usize, token: &'s Token<'s>) {
        const BEFORE: usize = 250;
        const CARRIED: usize = 400;
        let range = |far: usize| at.saturating_sub(far)..at;
        let makes = |it: usize| {
            let named = self.token(it).and_then(Token::name);
            let makes = matches!(
                named,
                Some("VirtualAlloc" | "VirtualAllocEx" | "VirtualProtect" | "mprotect" | "mmap")
            );
            let is_called = self.token(it + 1).is_some_and(|it| it.is_mark("("));
            makes
                && is_called
                && self.arguments(it + 1).any(|it| {
                    matches!(
                        &*it.text,
                        "0x40" | "PROT_EXEC" | "PAGE_EXECUTE_READWRITE" | "PAGE_EXECUTE_READ"
                    )
                })
        };
        let is_byte = |it: usize| {
            let follows = self.token(it + 1).is_some_and(|it| it.is_mark(";"));
            let is_list = it > 0 && self.is_before(it, 1, "[");
            follows && is_list && self.token(it).is_some_and(|it| it.is_name("u8"))
        };
        if range(BEFORE).any(makes) && range(CARRIED).any(is_byte) {
            self.found(Capability::DynamicCode, at, token, Detail::RunsDecoded);
        }
    }

    /// `mod a;`, `#[path = "../b.rs"] mod a;`: files that are part of this one.
    pub(super) fn module(&mut self, at: usize) {
        let (Some(name), Some(end)) = (self.token(at + 1), self.token(at + 2)) else {
            return;
        };
        if name.kind != TokenKind::Name || !end.is_mark(";") {
            return;
        }
        let before = |back: usize| at.checked_sub(back).and_then(|it| self.token(it));
        let path = before(1)
            .filter(|it| !it.is_name("pub"))
            .or_else(|| before(2))
            .and_then(|it| it.constant());
        let named = path.map_or_else(|| format!("./{}", name.text), |it| format!("./{it}"));
        self.loads_file(&named);
    }
}
