//! What keys a policy may have, learned from the code that reads them.
//!
//! Reading an empty file with [`SourceFile::probe`](super::source::SourceFile::probe) writes down
//! every key asked for, with its type. Nothing declares keys beside the readers, so a declaration
//! cannot be forgotten or be wrong. What it asks of readers: ask for every key always, not only
//! when another one is given (`finish` needs that as well, for its suggestions).

use serde_json::{Value, json};

/// What a key's value must look like.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyType {
    /// A text that is not blank.
    Text,
    /// A whole number within bounds, both inclusive.
    Integer(i64, i64),
    /// A number with at most so many decimals, within bounds counted in units of the last.
    Decimal(u32, u32, u32),
    /// `true` or `false`.
    Boolean,
    /// `"72h"`.
    Duration,
    /// `"64 MiB"`.
    Size,
    /// `"2026-01-31T00:00:00Z"`.
    Timestamp,
    /// One of these words.
    Choice(Vec<String>),
    /// A list of texts.
    Texts,
    /// A list whose elements are texts or tables.
    TextsAndTables,
    /// A table.
    Table,
    /// `[[key]]`.
    Tables,
}

impl KeyType {
    /// The JSON Schema of such a value; of tables without their keys.
    pub(super) fn schema(&self) -> Value {
        match self {
            Self::Text => json!({ "type": "string", "minLength": 1 }),
            Self::Integer(least, most) => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Self::Decimal(places, least, most) => {
                let unit = f64::from(10_u32.pow(*places));
                let (least, most) = (f64::from(*least) / unit, f64::from(*most) / unit);
                json!({ "type": "number", "minimum": least, "maximum": most })
            }
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Duration => {
                json!({ "type": "string", "pattern": "^\\s*[0-9]+\\s*(w|d|h|min|s|ms)\\s*$" })
            }
            Self::Size => {
                json!({ "type": "string", "pattern": "^\\s*[0-9]+\\s*(GiB|MiB|KiB|B)\\s*$" })
            }
            Self::Timestamp => json!({ "type": "string", "format": "date-time" }),
            Self::Choice(words) => json!({ "enum": words }),
            Self::Texts => {
                json!({ "type": "array", "items": { "type": "string", "minLength": 1 } })
            }
            Self::TextsAndTables => json!({
                "type": "array",
                "items": { "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "object" }] },
            }),
            Self::Table => json!({ "type": "object" }),
            Self::Tables => json!({ "type": "array", "items": { "type": "object" } }),
        }
    }
}

/// A key that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its dotted name. `*` stands for a name the author chooses.
    pub path: String,
    /// What it holds.
    pub holds: KeyType,
    /// Whether its table is refused without it.
    pub is_required: bool,
}

/// The keys asked for so far, in order.
#[derive(Debug, Default)]
pub(super) struct Shape {
    keys: Vec<Key>,
    required: Vec<String>,
}

impl Shape {
    /// Notes a key. The first reading of a key counts.
    pub(super) fn note(&mut self, path: String, holds: KeyType) {
        if !self.keys.iter().any(|key| key.path == path) {
            self.keys.push(Key {
                path,
                holds,
                is_required: false,
            });
        }
    }

    /// Notes that a key must be there.
    pub(super) fn require(&mut self, path: String) {
        self.required.push(path);
    }

    /// The keys, in the order they were first asked for.
    pub(super) fn into_keys(self) -> Vec<Key> {
        let Self { mut keys, required } = self;
        for key in &mut keys {
            key.is_required = required.contains(&key.path);
        }
        keys
    }
}
