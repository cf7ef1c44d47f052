//! Functions that are replaced by others: of pages and their wallets, of the language, of libraries.

use super::super::capability::Capability;
use super::super::names::Chain;
use super::super::token::TokenKind;
use super::{Analyser, Detail};

/// Parts of a path that is assigned to.
const PARTS: usize = 8;

impl Analyser<'_> {
    /// `XMLHttpRequest.prototype.open = …`, `window.fetch = …`, `crypto[name] = …`.
    pub(super) fn hook(&mut self, at: usize) {
        if !self.language.is_script() {
            return;
        }
        let Some((start, chain)) = self.assigned(at) else {
            return;
        };
        let Some(token) = self.token(at) else {
            return;
        };
        let parts: Vec<&str> = chain.path.split('.').collect();
        let is_wallet = matches!(
            parts.as_slice(),
            [
                ..,
                "~ethereum"
                    | "~solana"
                    | "~phantom"
                    | "~tronWeb"
                    | "ethereum"
                    | "solana"
                    | "phantom"
                    | "tronWeb",
                "request" | "send" | "sendAsync" | "signTransaction" | "signAndSendTransaction"
            ]
        );
        let is_network = matches!(
            parts.as_slice(),
            ["~XMLHttpRequest", "prototype", "open" | "send"]
                | ["~fetch"]
                | ["~navigator", "clipboard", "writeText"]
        );
        if is_network || is_wallet {
            self.found(Capability::NetworkHook, at, token, Detail::None);
        }
        if is_wallet {
            self.found(Capability::Wallet, at, token, Detail::None);
        }
        if is_tapped(&parts) && self.is_function(at + 1) && self.is_kept(start, at) {
            self.found(Capability::Tap, at, token, Detail::None);
        }
    }

    /// The path that a value is assigned to at a mark, where it has more than one part.
    fn assigned(&self, at: usize) -> Option<(usize, Chain)> {
        let mut start = at.checked_sub(1)?;
        let mut members = 0;
        for _ in 0..PARTS {
            let token = self.token(start)?;
            if token.is_mark("]") {
                let back = start.saturating_sub(12)..start;
                let open = back
                    .rev()
                    .find(|it| self.token(*it).is_some_and(|it| it.is_mark("[")))?;
                start = open.checked_sub(1)?;
                members += 1;
                continue;
            }
            token.name()?;
            let is_member = self.is_before(start, 1, ".") || self.is_before(start, 1, "?.");
            if !is_member {
                break;
            }
            start = start.checked_sub(2)?;
            members += 1;
        }
        let chain = self.names.chain(start).filter(|_| members > 0)?;
        // A member whose name is not constant is the last one.
        let is_whole = chain.end == at
            || (self.token(chain.end).is_some_and(|it| it.is_mark("["))
                && self.is_before(at, 1, "]")
                && at - chain.end <= 12);
        is_whole.then_some((start, chain))
    }

    /// Whether what is replaced was given a name a little before, to be called from what replaces it. What
    /// only adds a function does not.
    fn is_kept(&self, start: usize, end: usize) -> bool {
        const BEFORE: usize = 120;
        let tokens = &self.source.tokens;
        let replaced = tokens.get(start..end).unwrap_or_default();
        let before = tokens.get(start.saturating_sub(BEFORE)..start);
        let mut windows = before.unwrap_or_default().windows(replaced.len() + 1);
        windows.any(|window| match window {
            [mark, rest @ ..] => {
                mark.is_mark("=")
                    && rest
                        .iter()
                        .map(|it| &it.text)
                        .eq(replaced.iter().map(|it| &it.text))
            }
            [] => false,
        })
    }

    /// Whether a function begins there.
    fn is_function(&self, at: usize) -> bool {
        let Some(token) = self.token(at) else {
            return false;
        };
        match token.kind {
            TokenKind::Name => {
                matches!(&*token.text, "function" | "async")
                    || self.token(at + 1).is_some_and(|it| it.is_mark("=>"))
            }
            TokenKind::Mark => token.text == "(",
            TokenKind::Text | TokenKind::Number => false,
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

/// Whether a path is that of a function everybody's data passes through: of what the language has, of
/// the runtime, or of another package.
fn is_tapped(parts: &[&str]) -> bool {
    match parts {
        [
            "~Promise" | "~Array" | "~String" | "~Function" | "~Object" | "~Buffer" | "~Uint8Array"
            | "~EventTarget" | "~Storage" | "~HTMLFormElement" | "~HTMLInputElement" | "~WebSocket",
            "prototype",
            ..,
        ]
        | ["~JSON", _] => true,
        // A file of the package's own is its own affair.
        [module, ..] => !module.starts_with(['~', '.']),
        [] => false,
    }
}
