//! Constants that are spelled so that nobody reads them: backwards, in pieces, by the codes of
//! their characters. What honest code puts together so is short, and says nothing of interest.

use super::names::Names;
use super::token::{Language, Token, TokenKind};

/// Pieces of one constant.
const PIECES: usize = 4_000;
/// Bytes of one constant.
const LONGEST: usize = 20_000;
/// Members applied one after the other.
const STEPS: usize = 8;

/// What is being put together.
enum Spelled {
    Text(String),
    List(Vec<String>),
}

impl Names<'_> {
    /// The constant that is put together at a token, and the token after it. `None` for those that
    /// stand there as they are.
    pub(super) fn spelled(&self, at: usize) -> Option<(String, usize)> {
        let (mut value, mut end) = self.spelled_first(at)?;
        let mut steps = 0;
        while steps < STEPS
            && let Some((next, after)) = self.spelled_member(&value, end)
        {
            (value, end) = (next, after);
            steps += 1;
        }
        match value {
            Spelled::Text(text) if steps > 0 || self.is_codes(at) => Some((text, end)),
            _ => None,
        }
    }

    fn is_codes(&self, at: usize) -> bool {
        self.spelled_name(at)
            .is_some_and(|it| matches!(it, "String" | "chr" | "bytes"))
    }

    fn spelled_token(&self, at: usize) -> Option<&Token<'_>> {
        self.token(at)
    }

    fn spelled_name(&self, at: usize) -> Option<&str> {
        self.spelled_token(at).and_then(Token::name)
    }

    fn is(&self, at: usize, mark: &str) -> bool {
        self.spelled_token(at).is_some_and(|it| it.is_mark(mark))
    }

    fn spelled_first(&self, at: usize) -> Option<(Spelled, usize)> {
        let token = self.spelled_token(at)?;
        match token.kind {
            TokenKind::Text if token.text.len() <= LONGEST => {
                let follows = self.is(at + 1, ".") || self.is(at + 1, "[");
                follows.then(|| (Spelled::Text(token.text.to_string()), at + 1))
            }
            TokenKind::Mark if token.text == "[" => {
                let (list, end) = self.list(at + 1, "]")?;
                Some((Spelled::List(list), end))
            }
            TokenKind::Name => self.codes(at),
            _ => None,
        }
    }

    /// `String.fromCharCode(1, 2)`, `bytes([1, 2])`, `chr(1) + chr(2)`.
    fn codes(&self, at: usize) -> Option<(Spelled, usize)> {
        match self.spelled_name(at)? {
            "String"
                if matches!(
                    self.spelled_name(at + 2),
                    Some("fromCharCode" | "fromCodePoint")
                ) =>
            {
                if !self.is(at + 3, "(") {
                    return None;
                }
                let (list, end) = self.list(at + 4, ")")?;
                Some((Spelled::Text(characters(&list)?), end))
            }
            "bytes" if self.is(at + 1, "(") && self.is(at + 2, "[") => {
                let (list, end) = self.list(at + 3, "]")?;
                let end = self.is(end, ")").then_some(end + 1)?;
                Some((Spelled::Text(characters(&list)?), end))
            }
            "chr" => {
                let mut text = String::new();
                let mut end = at;
                while self.spelled_name(end) == Some("chr") && text.len() < LONGEST {
                    let (list, after) = self.list(end + 2, ")")?;
                    text.push_str(&characters(&list)?);
                    end = after;
                    if self.is(end, "+") && self.spelled_name(end + 1) == Some("chr") {
                        end += 1;
                    }
                }
                (text.len() >= 4).then_some((Spelled::Text(text), end))
            }
            _ => None,
        }
    }

    /// Texts or numbers up to a closing bracket.
    fn list(&self, mut at: usize, close: &str) -> Option<(Vec<String>, usize)> {
        let mut list = Vec::new();
        let mut bytes = 0;
        loop {
            let token = self.spelled_token(at)?;
            match token.kind {
                TokenKind::Text | TokenKind::Number => {
                    bytes += token.text.len();
                    list.push(token.text.to_string());
                }
                TokenKind::Mark if token.text == close => return Some((list, at + 1)),
                TokenKind::Mark if token.text == "," => {}
                _ => return None,
            }
            if list.len() > PIECES || bytes > LONGEST {
                return None;
            }
            at += 1;
        }
    }

    fn spelled_member(&self, value: &Spelled, at: usize) -> Option<(Spelled, usize)> {
        if let Spelled::Text(text) = value
            && self.is(at, "[")
            && self.is(at + 1, ":")
            && self.is(at + 2, ":")
            && self.is(at + 3, "-")
            && self.is(at + 5, "]")
        {
            return Some((Spelled::Text(text.chars().rev().collect()), at + 6));
        }
        if !self.is(at, ".") || !self.is(at + 2, "(") {
            return None;
        }
        let name = self.spelled_name(at + 1)?;
        let open = at + 2;
        let argument = self.spelled_token(open + 1).and_then(|it| it.constant());
        let end = self.is(open + 1, ")").then_some(open + 2);
        let end_of_one = || self.is(open + 2, ")").then_some(open + 3);
        match (value, name) {
            (Spelled::Text(text), "split") => {
                let pieces = match argument? {
                    "" => text.chars().map(String::from).collect(),
                    apart => text.split(apart).map(str::to_owned).collect(),
                };
                Some((Spelled::List(pieces), end_of_one()?))
            }
            (Spelled::Text(apart), "join") => {
                // Python's: what is joined is the argument.
                let (list, end) = self
                    .list(open + 2, "]")
                    .filter(|_| self.is(open + 1, "["))?;
                let end = self.is(end, ")").then_some(end + 1)?;
                Some((Spelled::Text(list.join(apart)), end))
            }
            (Spelled::Text(text), "toString" | "decode" | "encode" | "strip" | "trim") => {
                let end = end.or_else(end_of_one)?;
                Some((Spelled::Text(text.clone()), end))
            }
            (Spelled::List(list), "reverse") => {
                Some((Spelled::List(list.iter().rev().cloned().collect()), end?))
            }
            (Spelled::List(list), "join") => {
                Some((Spelled::Text(list.join(argument?)), end_of_one()?))
            }
            (Spelled::List(list), "map") => {
                let close = (open..open + 16).find(|it| self.is(*it, ")") && self.is(*it + 1, "."));
                let close = close.or_else(|| (open..open + 16).find(|it| self.is(*it, ")")))?;
                let is_codes =
                    (open..close).any(|it| self.spelled_name(it) == Some("fromCharCode"));
                let texts = list.iter().map(|it| characters(std::slice::from_ref(it)));
                let texts: Option<Vec<String>> = texts.collect();
                Some((Spelled::List(texts.filter(|_| is_codes)?), close + 1))
            }
            _ => None,
        }
    }

    /// Whether a constant may be spelled at a token: for a first look that costs little.
    pub(super) fn may_be_spelled(&self, at: usize) -> bool {
        let Some(token) = self.spelled_token(at) else {
            return false;
        };
        match token.kind {
            TokenKind::Text => {
                let is_reversed = self.is(at + 1, "[") && self.is(at + 2, ":");
                let member = self.spelled_name(at + 2).filter(|_| self.is(at + 1, "."));
                is_reversed
                    || matches!(member, Some("split" | "join")) && token.text.len() < LONGEST
            }
            TokenKind::Mark => token.text == "[" && self.is(at + 2, ","),
            TokenKind::Name => {
                matches!(&*token.text, "String" | "chr" | "bytes")
                    && !matches!(self.language(), Language::Rust)
            }
            TokenKind::Number => false,
        }
    }
}

fn characters(codes: &[String]) -> Option<String> {
    let one = |code: &String| {
        let number = match code.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => code.parse().ok(),
        };
        number.and_then(char::from_u32)
    };
    codes.iter().map(one).collect()
}
