//! Reading tables key by key, with the place of everything and every problem kept.
//!
//! Not serde: serde stops at the first error, forgets places, and cannot tell a wrong value from
//! a missing one. Here a setting is asked for by name; what is wrong is reported to the
//! [`SourceFile`] and reads as `None`; what was never asked for is an unknown key.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use smol_str::SmolStr;
use toml_span::value::{Table, Value, ValueInner};

use super::quantity::{format_duration, format_size, parse_duration, parse_size};
use super::shape::KeyType;
use super::source::SourceFile;
use super::text::{help_for, shown};
use crate::model::Timestamp;

/// A value and the bytes of the file it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub bytes: Range<usize>,
}

impl<T> Spanned<T> {
    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: f(self.value),
            bytes: self.bytes,
        }
    }
}

/// An element of an array that may hold texts and tables side by side.
#[derive(Debug)]
pub enum Item<'f, 't> {
    /// A text.
    Text(Spanned<String>),
    /// A table.
    Table(TableReader<'f, 't>),
}

/// A table being read. Every accessor takes its key out; [`Self::finish`] reports what is left.
#[derive(Debug)]
#[must_use = "call `finish`, or unknown keys go unnoticed"]
pub struct TableReader<'f, 't> {
    file: &'f SourceFile<'t>,
    path: String,
    bytes: Range<usize>,
    left: Table<'t>,
    asked: Vec<SmolStr>,
}

impl<'f, 't> TableReader<'f, 't> {
    pub(super) fn new(
        file: &'f SourceFile<'t>,
        path: String,
        bytes: Range<usize>,
        left: Table<'t>,
    ) -> Self {
        Self {
            file,
            path,
            bytes,
            left,
            asked: Vec::new(),
        }
    }

    /// The file it stands in.
    pub fn file(&self) -> &'f SourceFile<'t> {
        self.file
    }

    /// Its dotted name, empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where it begins.
    pub fn bytes(&self) -> &Range<usize> {
        &self.bytes
    }

    /// Whether the key is given (and was not read yet).
    pub fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// Reports `missing-key` unless the key is given. Call before the accessor.
    pub fn require(&mut self, key: &str, help: &str) {
        if let Some(mut shape) = self.file.shape() {
            shape.require(self.path_of(key));
        }
        if !self.has(key) {
            let path = self.path_of(key);
            self.file.error(
                "missing-key",
                &self.bytes,
                format!("`{path}` is missing"),
                help,
            );
        }
    }

    /// A text. Blank ones are refused: no setting means something by being blank.
    pub fn string(&mut self, key: &str) -> Option<Spanned<String>> {
        self.note(key, || KeyType::Text);
        let (value, bytes) = self.take(key)?;
        self.text(key, value, bytes)
    }

    /// A text that must be there.
    pub fn required_string(&mut self, key: &str, help: &str) -> Option<Spanned<String>> {
        self.require(key, help);
        self.string(key)
    }

    /// A whole number within `allowed`.
    pub fn integer(&mut self, key: &str, allowed: RangeInclusive<i64>) -> Option<Spanned<i64>> {
        self.note(key, || KeyType::Integer(*allowed.start(), *allowed.end()));
        let (value, bytes) = self.take(key)?;
        let ValueInner::Integer(value) = value else {
            return self.wrong_type(key, "an integer", &value, &bytes);
        };
        let (least, most) = allowed.into_inner();
        self.within(key, value, least, most, |n| n.to_string(), bytes)
    }

    /// A number with at most `places` decimals, as a count of units of the last: `7.5` with one
    /// place is 75. `allowed` is counted like that. What it means must not depend on rounding, so a
    /// number with more decimals is refused.
    pub fn decimal(
        &mut self,
        key: &str,
        places: u32,
        allowed: RangeInclusive<u32>,
    ) -> Option<Spanned<u32>> {
        self.note(key, || {
            KeyType::Decimal(places, *allowed.start(), *allowed.end())
        });
        let (value, bytes) = self.take(key)?;
        let number = match value {
            ValueInner::Integer(number) => number as f64,
            ValueInner::Float(number) => number,
            other => return self.wrong_type(key, "a number", &other, &bytes),
        };
        let units = number * f64::from(10_u32.pow(places));
        if (units - units.round()).abs() > 1e-6 {
            self.file.error(
                "invalid-value",
                &bytes,
                format!("`{}` has more than {places} decimals", self.path_of(key)),
                "leave the others out",
            );
            return None;
        }
        let (least, most) = allowed.into_inner();
        let (least, most) = (f64::from(least), f64::from(most));
        let print = |units: f64| (units / f64::from(10_u32.pow(places))).to_string();
        let read = self.within(key, units.round(), least, most, print, bytes)?;
        // Within bounds that are such numbers themselves; what is no number is within none.
        Some(read.map(|units| units as u32))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str) -> Option<Spanned<bool>> {
        self.note(key, || KeyType::Boolean);
        let (value, bytes) = self.take(key)?;
        let ValueInner::Boolean(value) = value else {
            return self.wrong_type(key, "`true` or `false`", &value, &bytes);
        };
        Some(Spanned { value, bytes })
    }

    /// A duration such as `"72h"`, within `allowed`.
    pub fn duration(
        &mut self,
        key: &str,
        allowed: RangeInclusive<Duration>,
    ) -> Option<Spanned<Duration>> {
        self.note(key, || KeyType::Duration);
        let help = "write a whole number with a unit: \"90s\", \"15min\", \"72h\", \"30d\", \"1w\"";
        let read = self.quantity(key, "a duration", help, parse_duration)?;
        let (least, most) = allowed.into_inner();
        self.within(key, read.value, least, most, format_duration, read.bytes)
    }

    /// A size in bytes such as `"64 MiB"`, within `allowed`.
    pub fn size_bytes(&mut self, key: &str, allowed: RangeInclusive<u64>) -> Option<Spanned<u64>> {
        self.note(key, || KeyType::Size);
        let help = "write a whole number with a unit: \"512 KiB\", \"64 MiB\", \"2 GiB\"";
        let read = self.quantity(key, "a size", help, parse_size)?;
        let (least, most) = allowed.into_inner();
        self.within(key, read.value, least, most, format_size, read.bytes)
    }

    /// An instant such as `"2026-01-31T00:00:00Z"`.
    pub fn timestamp(&mut self, key: &str) -> Option<Spanned<Timestamp>> {
        self.note(key, || KeyType::Timestamp);
        let help = "write an RFC 3339 time with its offset in quotes: \"2026-01-31T00:00:00Z\"";
        self.quantity(key, "a time", help, |text| {
            Timestamp::parse(text).map_err(|_| "date, time and offset are needed")
        })
    }

    /// A text that `parse` understands; what it says is the message.
    pub fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        help: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spanned<T>> {
        let text = self.string(key)?;
        match parse(&text.value) {
            Ok(value) => Some(text.map(|_| value)),
            Err(error) => {
                let path = self.path_of(key);
                self.file.error(
                    "invalid-value",
                    &text.bytes,
                    format!("`{path}`: {error}"),
                    help,
                );
                None
            }
        }
    }

    /// One word of a closed list.
    pub fn choice<T: Clone>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<Spanned<T>> {
        self.note(key, || {
            KeyType::Choice(choices.iter().map(|(word, _)| (*word).to_owned()).collect())
        });
        let text = self.string(key)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text.value) {
            let value = value.clone();
            return Some(text.map(|_| value));
        }
        let path = self.path_of(key);
        let words: Vec<String> = choices.iter().map(|(w, _)| format!("`{w}`")).collect();
        let help = help_for(&text.value, choices.iter().map(|(word, _)| *word));
        self.file.error(
            "unknown-value",
            &text.bytes,
            format!(
                "`{path}` cannot be `{}`; it is one of {}",
                shown(&text.value),
                words.join(", ")
            ),
            help,
        );
        None
    }

    /// A list of words of a closed list.
    pub fn choices<T: Clone>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<Vec<T>> {
        let written = self.strings(key)?;
        let path = self.path_of(key);
        let chosen = written.into_iter().filter_map(|text| {
            let found = choices.iter().find(|(word, _)| *word == text.value);
            if found.is_none() {
                let help = help_for(&text.value, choices.iter().map(|(word, _)| *word));
                let what = format!("`{path}` cannot hold `{}`", shown(&text.value));
                self.file.error("unknown-value", &text.bytes, what, help);
            }
            found.map(|(_, value)| value.clone())
        });
        Some(chosen.collect())
    }

    /// A list of texts.
    pub fn strings(&mut self, key: &str) -> Option<Vec<Spanned<String>>> {
        self.note(key, || KeyType::Texts);
        let (value, bytes) = self.take(key)?;
        let ValueInner::Array(values) = value else {
            return self.wrong_type(key, "a list of texts", &value, &bytes);
        };
        Some(
            values
                .into_iter()
                .filter_map(|mut value| {
                    let bytes = value.span.start..value.span.end;
                    self.text(key, value.take(), bytes)
                })
                .collect(),
        )
    }

    /// A list whose elements are texts or tables.
    pub fn items(&mut self, key: &str) -> Option<Vec<Item<'f, 't>>> {
        if let Some(probed) = self.probe(key, || KeyType::TextsAndTables) {
            return Some(vec![Item::Table(probed)]);
        }
        let (value, bytes) = self.take(key)?;
        let ValueInner::Array(values) = value else {
            return self.wrong_type(key, "a list of texts and tables", &value, &bytes);
        };
        let path = self.path_of(key);
        Some(
            values
                .into_iter()
                .filter_map(|mut value| {
                    let bytes = value.span.start..value.span.end;
                    match value.take() {
                        ValueInner::Table(left) => {
                            Some(Item::Table(Self::new(self.file, path.clone(), bytes, left)))
                        }
                        other => self.text(key, other, bytes).map(Item::Text),
                    }
                })
                .collect(),
        )
    }

    /// A table.
    pub fn table(&mut self, key: &str) -> Option<TableReader<'f, 't>> {
        if let Some(probed) = self.probe(key, || KeyType::Table) {
            return Some(probed);
        }
        let path = self.path_of(key);
        let (value, bytes) = self.take(key)?;
        let ValueInner::Table(left) = value else {
            return self.wrong_type(key, "a table", &value, &bytes);
        };
        Some(Self::new(self.file, path, bytes, left))
    }

    /// An array of tables (`[[key]]`); empty when it is not given.
    pub fn tables(&mut self, key: &str) -> Vec<TableReader<'f, 't>> {
        if let Some(probed) = self.probe(key, || KeyType::Tables) {
            return vec![probed];
        }
        let Some((value, bytes)) = self.take(key) else {
            return Vec::new();
        };
        let ValueInner::Array(values) = value else {
            let help = format!("write `[[{}]]`", self.path_of(key));
            self.report_type(key, "an array of tables", &value, &bytes, &help);
            return Vec::new();
        };
        let path = self.path_of(key);
        let mut tables = Vec::with_capacity(values.len());
        for mut value in values {
            let bytes = value.span.start..value.span.end;
            match value.take() {
                ValueInner::Table(left) => {
                    tables.push(Self::new(self.file, path.clone(), bytes, left));
                }
                other => {
                    let help = format!("write `[[{path}]]`");
                    self.report_type(key, "an array of tables", &other, &bytes, &help);
                }
            }
        }
        tables
    }

    /// All keys not read so far, for tables whose keys are chosen by the author, with their
    /// tables, in the order of the file. What is not a table is reported.
    pub fn named_tables(&mut self) -> Vec<(Spanned<String>, TableReader<'f, 't>)> {
        if let Some(probed) = self.probe("*", || KeyType::Table) {
            let name = Spanned {
                value: "*".to_owned(),
                bytes: 0..0,
            };
            return vec![(name, probed)];
        }
        let left = std::mem::take(&mut self.left);
        let mut found = Vec::with_capacity(left.len());
        for (key, mut value) in left {
            let name = Spanned {
                value: key.name.into_owned(),
                bytes: key.span.start..key.span.end,
            };
            let bytes = value.span.start..value.span.end;
            let path = self.path_of(&name.value);
            match value.take() {
                ValueInner::Table(left) => {
                    found.push((name, Self::new(self.file, path, bytes, left)));
                }
                other => self.report_type(&name.value, "a table", &other, &bytes, ""),
            }
        }
        found.sort_by_key(|(name, _)| name.bytes.start);
        found
    }

    /// Reports every key that was never asked for.
    pub fn finish(self) {
        for key in self.left.keys() {
            let path = self.path_of(&key.name);
            self.file.error(
                "unknown-key",
                &(key.span.start..key.span.end),
                format!("unknown key `{}`", shown(&path)),
                help_for(&key.name, self.asked.iter().map(SmolStr::as_str)),
            );
        }
    }

    /// In a probe, writes down that the key is asked for.
    fn note(&self, key: &str, holds: impl FnOnce() -> KeyType) {
        if let Some(mut shape) = self.file.shape() {
            shape.note(self.path_of(key), holds());
        }
    }

    /// As [`Self::note`], for what holds tables: in a probe there is one, without keys.
    fn probe(&self, key: &str, holds: impl FnOnce() -> KeyType) -> Option<Self> {
        self.file.shape()?.note(self.path_of(key), holds());
        Some(self.file.probed(&self.path_of(key)))
    }

    fn take(&mut self, key: &str) -> Option<(ValueInner<'t>, Range<usize>)> {
        if !self.asked.iter().any(|asked| asked == key) {
            self.asked.push(key.into());
        }
        let mut value: Value<'t> = self.left.remove(key)?;
        let bytes = value.span.start..value.span.end;
        Some((value.take(), bytes))
    }

    fn text(
        &self,
        key: &str,
        value: ValueInner<'t>,
        bytes: Range<usize>,
    ) -> Option<Spanned<String>> {
        let ValueInner::String(text) = value else {
            return self.wrong_type(key, "a text in quotes", &value, &bytes);
        };
        if text.trim().is_empty() {
            let path = self.path_of(key);
            self.file.error(
                "empty-value",
                &bytes,
                format!("`{path}` is blank"),
                "write a value, or leave the key out",
            );
            return None;
        }
        Some(Spanned {
            value: text.into_owned(),
            bytes,
        })
    }

    fn quantity<T, E: Display>(
        &mut self,
        key: &str,
        what: &str,
        help: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Spanned<T>> {
        let (value, bytes) = self.take(key)?;
        if !matches!(value, ValueInner::String(_)) {
            self.report_type(key, what, &value, &bytes, help);
            return None;
        }
        let text = self.text(key, value, bytes)?;
        match parse(&text.value) {
            Ok(value) => Some(text.map(|_| value)),
            Err(error) => {
                let path = self.path_of(key);
                let written = shown(&text.value);
                self.file.error(
                    "invalid-value",
                    &text.bytes,
                    format!("`{path}`: `{written}` is not {what}: {error}"),
                    help,
                );
                None
            }
        }
    }

    fn within<T: PartialOrd + Copy>(
        &self,
        key: &str,
        value: T,
        least: T,
        most: T,
        print: impl Fn(T) -> String,
        bytes: Range<usize>,
    ) -> Option<Spanned<T>> {
        if value >= least && value <= most {
            return Some(Spanned { value, bytes });
        }
        let path = self.path_of(key);
        self.file.error(
            "out-of-range",
            &bytes,
            format!("`{path}` is out of range: {}", print(value)),
            format!("from {} to {}", print(least), print(most)),
        );
        None
    }

    fn wrong_type<T>(
        &self,
        key: &str,
        wanted: &str,
        found: &ValueInner<'_>,
        bytes: &Range<usize>,
    ) -> Option<T> {
        self.report_type(key, wanted, found, bytes, "");
        None
    }

    fn report_type(
        &self,
        key: &str,
        wanted: &str,
        found: &ValueInner<'_>,
        bytes: &Range<usize>,
        help: &str,
    ) {
        let path = self.path_of(key);
        let found = match found {
            ValueInner::String(_) => "a text",
            ValueInner::Integer(_) => "an integer",
            ValueInner::Float(_) => "a fraction",
            ValueInner::Boolean(_) => "true or false",
            ValueInner::Array(_) => "a list",
            ValueInner::Table(_) => "a table",
        };
        let help = match help {
            "" => format!("write {wanted}"),
            help => help.to_owned(),
        };
        self.file.error(
            "wrong-type",
            bytes,
            format!("`{}` must be {wanted}, not {found}", shown(&path)),
            help,
        );
    }

    fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
