//! Texts that are written as lists of numbers, each with the same change to it or none.

use super::super::capability::Capability;
use super::super::strings::{self, Command};
use super::super::text;
use super::super::token::{Language, TokenKind};
use super::constant::is_code;
use super::{Analyser, Detail};

/// Numbers that may be a text; fewer are none worth hiding.
const LEAST: usize = 12;
/// Numbers of one list that are read. Longer ones are data.
const MOST: usize = 600;
/// Lists of one file that are read.
const LISTS: usize = 64;

impl<'s> Analyser<'s> {
    /// `[104, 116, 116, 112, …]` that says an address or a command, perhaps under one key.
    pub(super) fn numbers(&mut self, at: usize) {
        if self.lists >= LISTS {
            return;
        }
        let Some(bytes) = self.bytes(at + 1) else {
            return;
        };
        self.lists += 1;
        if let Some(token) = self.token(at).filter(|_| self.says_something(&bytes)) {
            self.found(Capability::Decode, at, token, Detail::HidesText);
        }
    }

    /// Whether a list says something. Scripts are full of lists of numbers: only what stands there without
    /// a key counts.
    fn says_something(&self, bytes: &[u8]) -> bool {
        match self.language.is_script() {
            true => keyed(bytes, 0).is_some_and(|it| says(&it)),
            false => says_something(bytes),
        }
    }

    fn bytes(&self, mut at: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let token = self.token(at)?;
            if token.kind != TokenKind::Number || bytes.len() >= MOST {
                return None;
            }
            bytes.push(byte(&token.text, self.language)?);
            let next = self.token(at + 1)?;
            let closes = |mark: &str| matches!(mark, "]" | ")");
            match &*next.text {
                "," if self.token(at + 2).is_some_and(|it| closes(&it.text)) => break,
                "," => at += 2,
                mark if closes(mark) => break,
                _ => return None,
            }
        }
        (bytes.len() >= LEAST).then_some(bytes)
    }
}

fn byte(number: &str, language: Language) -> Option<u8> {
    let number = match language {
        Language::Rust => number
            .trim_end_matches("u8")
            .trim_end_matches("i32")
            .trim_end_matches("u32"),
        _ => number,
    };
    match number.strip_prefix("0x").or(number.strip_prefix("0X")) {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    }
}

/// The text that bytes are under a key.
fn keyed(bytes: &[u8], key: u8) -> Option<String> {
    text_of(bytes.iter().map(|it| it ^ key))
}

fn text_of(bytes: impl Iterator<Item = u8>) -> Option<String> {
    let is_text = |it: u8| (b' '..=b'~').contains(&it) || matches!(it, b'\n' | b'\t' | b'\r');
    bytes
        .map(|it| is_text(it).then(|| char::from(it)))
        .collect()
}

fn says_something(bytes: &[u8]) -> bool {
    (0..=u8::MAX).any(|key| {
        let shifted = || text_of(bytes.iter().map(|it| it.wrapping_sub(key))).filter(|_| key > 0);
        keyed(bytes, key).is_some_and(|it| says(&it)) || shifted().is_some_and(|it| says(&it))
    })
}

fn says(text: &str) -> bool {
    let is_command = matches!(
        strings::command(text),
        Some(
            Command::Fetches
                | Command::FetchesAndRuns
                | Command::Sends
                | Command::Encoded
                | Command::Connects
        )
    );
    is_command || is_code(text) || text::hosts(text).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_under_any_key_are_read_and_tables_are_not() {
        let plain = b"https://x.invalid/a";
        assert!(says_something(plain));
        let keyed: Vec<u8> = plain.iter().map(|it| it ^ 0x5a).collect();
        assert!(says_something(&keyed));
        let shifted: Vec<u8> = plain.iter().map(|it| it.wrapping_add(3)).collect();
        assert!(says_something(&shifted));
        let table: Vec<u8> = (0..=255).collect();
        assert!(!says_something(&table));
        assert!(!says_something(b"the words of a song"));
    }
}
