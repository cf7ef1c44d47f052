//! Pieces of a JSON document by position, so that a value nobody rewrites is copied, not rebuilt.
//!
//! Bounds: nesting and number length of what is passed through (reliability.md M-21), and no member
//! that Cordon reads may occur twice (M-17): a reader that takes the first and a client that takes
//! the last would see two documents in one.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting passed through in a value Cordon does not read.
const MAX_NESTING: usize = 32;
/// Longest number passed through, in characters.
const MAX_NUMBER_LEN: usize = 64;

/// Position of a piece in its document, in bytes. Documents are far below 4 GiB
/// (`limits.document_size`), and a page has thousands of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// Where `part`, a slice of `whole`, lies in it.
    pub(super) fn of(whole: &str, part: &str) -> Option<Self> {
        let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        if end > whole.len() {
            return None;
        }
        Some(Self {
            start: u32::try_from(start).ok()?,
            end: u32::try_from(end).ok()?,
        })
    }

    /// The piece; empty if `whole` is not the document the span was made on.
    pub(super) fn bytes(self, whole: &[u8]) -> &[u8] {
        whole
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// The piece as text; empty if `whole` is not the document the span was made on.
    pub(super) fn text(self, whole: &[u8]) -> &str {
        std::str::from_utf8(self.bytes(whole)).unwrap_or_default()
    }
}

/// A member name without a copy where it holds no escapes.
#[derive(serde::Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The members of an object in document order, values unread. No name occurs twice.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(name), value)) = map.next_entry::<Key<'de>, &RawValue>()? {
                    members.push((name, value));
                }
                if let Some(name) = twice(&members) {
                    return Err(A::Error::custom(format_args!("`{name}` occurs twice")));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// A name that occurs twice. Most objects are so small that comparing all pairs is quickest.
fn twice<'m>(members: &'m [(Cow<'_, str>, &RawValue)]) -> Option<&'m str> {
    const FEW: usize = 8;
    if members.len() > FEW {
        let mut seen = HashSet::with_capacity(members.len());
        return members
            .iter()
            .map(|(name, _)| name.as_ref())
            .find(|name| !seen.insert(*name));
    }
    let mut rest = members;
    while let [(name, _), others @ ..] = rest {
        if others.iter().any(|(other, _)| other == name) {
            return Some(name);
        }
        rest = others;
    }
    None
}

impl<'a> Members<'a> {
    /// The value of that name.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find_map(|(key, value)| (key == name).then_some(*value))
    }
}

/// Whether the value is `null`.
pub(super) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// The string, borrowed where it holds no escapes; `None` if it is no string.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    unquote(raw.get())
}

/// As [`string`], from the value's text.
pub(super) fn unquote(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(text).ok().map(Cow::Owned)
}

/// Whether a value nobody reads is fit to be passed on: bounded nesting, no giant numbers.
pub(super) fn is_tame(raw: &RawValue) -> bool {
    let mut depth = 0_usize;
    let mut number_len = 0_usize;
    let mut bytes = raw.get().bytes();
    while let Some(byte) = bytes.next() {
        number_len = if byte.is_ascii_digit() || b"+-.eE".contains(&byte) {
            number_len + 1
        } else {
            0
        };
        if number_len > MAX_NUMBER_LEN {
            return false;
        }
        match byte {
            b'"' => loop {
                match bytes.next() {
                    None | Some(b'"') => break,
                    Some(b'\\') => {
                        bytes.next();
                    }
                    Some(_) => {}
                }
            },
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Writes a JSON string.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a `Vec` cannot fail, and every `str` is a JSON string.
    let written = serde_json::to_writer(&mut *out, text);
    debug_assert!(written.is_ok(), "a string is always serialisable");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn members_keep_order_and_refuse_a_name_written_twice_even_if_escaped() {
        let Members(members) = serde_json::from_str(r#"{"b": [1, 2], "a" :null}"#).unwrap();
        let read: Vec<_> = members.iter().map(|(k, v)| (&**k, v.get())).collect();
        assert_eq!(read, [("b", "[1, 2]"), ("a", "null")]);
        assert!(serde_json::from_str::<Members<'_>>(r#"{"url":1,"\u0075rl":2}"#).is_err());
    }

    #[test]
    fn spans_point_into_their_document_only() {
        let whole = r#"{"a":"xyz"}"#;
        let span = Span::of(whole, &whole[5..10]).unwrap();
        assert_eq!(span.text(whole.as_bytes()), "\"xyz\"");
        assert_eq!(Span::of(&whole[5..7], whole), None);
        assert_eq!(span.text(b"short"), "");
    }

    #[test]
    fn strings_with_and_without_escapes() {
        assert_eq!(string(&raw(r#""plain""#)).as_deref(), Some("plain"));
        assert_eq!(string(&raw(r#""a\"b""#)).as_deref(), Some("a\"b"));
        assert_eq!(string(&raw("12")), None);
        assert_eq!(string(&raw(r#""\ud800""#)), None);
    }

    #[test]
    fn deep_nesting_and_giant_numbers_are_not_tame_but_long_strings_are() {
        assert!(is_tame(&raw(&format!(
            "{}{}",
            "[".repeat(32),
            "]".repeat(32)
        ))));
        assert!(!is_tame(&raw(&format!(
            "{}{}",
            "[".repeat(33),
            "]".repeat(33)
        ))));
        assert!(!is_tame(&raw(&"1".repeat(65))));
        assert!(is_tame(&raw(&format!("\"{}[[\\\"\"", "1".repeat(100)))));
    }
}
