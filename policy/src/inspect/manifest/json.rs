//! JSON as a manifest has it, where a key that stands twice is told.
//!
//! Readers differ in which of two equal keys counts, and some take comments or a byte order mark:
//! a manifest with such is two manifests (reliability.md A-74).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// Values read of one document, at most.
const MAX_VALUES: usize = 100_000;

/// Keys kept that stand twice.
const MAX_TWICE: usize = 8;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number; none is of interest.
    Number,
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object, the last of equal keys kept.
    Object(BTreeMap<String, Value>),
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn object(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }
}

/// A document: the members asked for.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// By name.
    pub(super) members: BTreeMap<String, Value>,
    /// Keys that stand twice, at the top or in one of the members.
    pub(super) twice: Vec<String>,
}

/// Reads an object; `wanted` says of which members the values are needed.
///
/// # Errors
/// Not strict JSON, no object, or too large; the text says why and where.
pub(super) fn read(bytes: &[u8], wanted: &[&str]) -> Result<Document, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
    if text.starts_with('\u{feff}') {
        return Err("it begins with a byte order mark".to_owned());
    }
    let mut reading = Reading {
        values: 0,
        document: Document::default(),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Top {
        wanted,
        reading: &mut reading,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| deserializer.end())
    .map_err(|error| format!("it is not strict JSON: {error}"))?;
    Ok(reading.document)
}

/// A document while it is read.
struct Reading {
    values: usize,
    document: Document,
}

impl Reading {
    fn twice(&mut self, key: &str) {
        let twice = &mut self.document.twice;
        if twice.len() < MAX_TWICE && !twice.iter().any(|it| it == key) {
            twice.push(key.to_owned());
        }
    }
}

struct Top<'r> {
    wanted: &'r [&'r str],
    reading: &'r mut Reading,
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let is_wanted = self.wanted.contains(&key.as_str());
            let value = match is_wanted {
                true => Some(map.next_value_seed(Any(self.reading))?),
                false => map.next_value::<IgnoredAny>().map(|_| None)?,
            };
            if seen.len() >= MAX_VALUES {
                return Err(A::Error::custom("it has too many members"));
            }
            if !seen.insert(key.clone()) {
                self.reading.twice(&key);
            }
            if let Some(value) = value {
                self.reading.document.members.insert(key, value);
            }
        }
        Ok(())
    }
}

/// Reads any value.
struct Any<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.values += 1;
        if self.0.values > MAX_VALUES {
            return Err(D::Error::custom("it has too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Any(self.0))? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Any(self.0))?;
            if object.contains_key(&key) {
                self.0.twice(&key);
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_stand_twice_are_told_and_the_last_counts() {
        let text = br#"{"a":1,"b":{"c":1,"c":"2"},"a":2,"d":{"e":1,"e":1}}"#;
        let document = read(text, &["b"]).unwrap();
        assert_eq!(document.twice, ["c", "a"]);
        let b = document.members["b"].object().unwrap();
        assert_eq!(b["c"].text(), Some("2"));
        assert!(!document.members.contains_key("d"));
    }

    #[test]
    fn what_some_readers_take_and_others_do_not_is_refused() {
        for odd in [
            &b"\xef\xbb\xbf{}"[..],
            b"{} x",
            b"{}\0",
            b"{\"a\":1,}",
            b"// c\n{}",
            b"{/**/}",
            b"{'a':1}",
            b"{\"a\":1e400}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\xff\"}",
            b"[]",
            b"",
        ] {
            assert!(read(odd, &["a"]).is_err(), "{odd:?}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(read(deep.as_bytes(), &["a"]).is_err());
        let many = format!("{{\"a\":[{}0]}}", "0,".repeat(MAX_VALUES));
        assert!(
            read(many.as_bytes(), &["a"])
                .unwrap_err()
                .contains("too many")
        );
        let nest = format!("{{\"b\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        // Not wanted, so that it is skipped without a stack.
        let _ = read(nest.as_bytes(), &["a"]);
    }
}
