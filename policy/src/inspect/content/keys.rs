//! Whether what is sent somewhere is a key: who steals keys adds one call to a place that handles
//! them, and nothing else of the code changes.

use super::runs::OwnCall;
use super::token::{Source, Token, TokenKind};

/// How far from a call, in tokens, names of its function still belong to it.
const NEAR: usize = 200;
/// Tokens of a call's arguments that are looked at.
const ARGUMENTS: usize = 40;
/// Calls of a function that are looked at.
const CALLS: usize = 1_000;

/// Whether keys are at hand where a call is made: the function it stands in names them near it, or
/// is itself given them by the file. In code that belongs to no function only the call's own
/// arguments count: a bundle names everything somewhere.
pub(super) fn are_at_hand(
    source: &Source<'_>,
    calls: &[OwnCall<'_>],
    at: usize,
    scope: u32,
) -> bool {
    if names_key(arguments(source, at)) {
        return true;
    }
    if scope == 0 {
        return false;
    }
    let around = source
        .tokens
        .get(at.saturating_sub(NEAR)..(at + NEAR).min(source.tokens.len()))
        .unwrap_or_default();
    if names_key(around.iter().filter(|it| it.scope == scope)) {
        return true;
    }
    let scope = source.scopes.get(scope as usize);
    let Some(name) = scope.and_then(|it| it.name.as_deref()) else {
        return false;
    };
    let mut of_it = calls.iter().filter(|it| it.name == name).take(CALLS);
    of_it.any(|it| names_key(arguments(source, it.at)))
}

/// The tokens between the brackets after a name.
fn arguments<'t, 's>(source: &'t Source<'s>, at: usize) -> impl Iterator<Item = &'t Token<'s>> {
    let tokens = source.tokens.get(at..).unwrap_or_default();
    let open = tokens.iter().take(12).position(|it| it.is_mark("("));
    let tokens = open.and_then(|open| tokens.get(open..)).unwrap_or_default();
    let mut depth = 0_i32;
    tokens.iter().take(ARGUMENTS).take_while(move |token| {
        depth += i32::from(token.is_mark("(")) - i32::from(token.is_mark(")"));
        depth > 0
    })
}

fn names_key<'t>(mut tokens: impl Iterator<Item = &'t Token<'t>>) -> bool {
    tokens.any(|it| it.kind == TokenKind::Name && is_key(&it.text))
}

/// Whether a name is that of a key only its owner may have: `secretKey`, `private_key`, `mnemonic`,
/// `seed`, `_keypair`.
fn is_key(name: &str) -> bool {
    let mut spelled = String::with_capacity(name.len());
    for character in name.chars().take(64).filter(char::is_ascii_alphanumeric) {
        spelled.push(character.to_ascii_lowercase());
    }
    let is_whole = matches!(&*spelled, "seed" | "keypair" | "privkey" | "passphrase");
    let has_part = [
        "secretkey",
        "privatekey",
        "mnemonic",
        "seedphrase",
        "walletseed",
        "signingkey",
    ];
    is_whole || has_part.iter().any(|it| spelled.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys_are_known_in_every_spelling_and_public_ones_are_none() {
        for name in [
            "secretKey",
            "SECRET_KEY",
            "_keypair",
            "userPrivateKey",
            "mnemonic",
            "seed",
        ] {
            assert!(is_key(name), "{name}");
        }
        for name in [
            "publicKey",
            "key",
            "seeded",
            "seedrandom",
            "apiKey",
            "token",
            "",
        ] {
            assert!(!is_key(name), "{name}");
        }
    }
}
