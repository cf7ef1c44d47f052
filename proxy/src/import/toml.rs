//! TOML files of other tools, with lines.

use toml_span::Value;

use super::ImportError;

/// A TOML file.
pub(super) struct TomlFile {
    /// The document.
    pub(super) root: Value<'static>,
    line_starts: Vec<usize>,
}

impl TomlFile {
    /// Reads a file. Dates without quotes, which the reader does not know, are read as texts.
    ///
    /// # Errors
    /// What is no TOML, with the line.
    pub(super) fn read(text: &str) -> Result<Self, ImportError> {
        let text = with_quoted_dates(text);
        let line_starts: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let file = |root| Self { root, line_starts };
        match toml_span::parse(&text) {
            Ok(root) => Ok(file(owned(root))),
            Err(error) => {
                let at = error.span.start;
                let line = file(Value::new(toml_span::value::ValueInner::Boolean(false)));
                Err(ImportError::syntax(line.line(at), error.to_string()))
            }
        }
    }

    /// The line of a byte.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// The line of a value.
    pub(super) fn line_of(&self, value: &Value<'_>) -> usize {
        self.line(value.span.start)
    }
}

/// The text with dates put into quotes, line by line.
fn with_quoted_dates(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let Some((key, value)) = line.split_once('=') else {
            return line.to_owned();
        };
        let written = value.trim_start();
        let bytes = written.as_bytes();
        let is_date = bytes.len() >= 10
            && bytes[..4].iter().all(u8::is_ascii_digit)
            && bytes[4] == b'-'
            && bytes[7] == b'-';
        if !is_date || key.contains(['"', '\'', '#']) {
            return line.to_owned();
        }
        let end = written.find(['#', '\r', '\n']).unwrap_or(written.len());
        let (date, rest) = written.split_at(end);
        format!("{key}= \"{}\"{rest}", date.trim())
    });
    lines.collect()
}

fn owned(value: Value<'_>) -> Value<'static> {
    use toml_span::value::{Key, ValueInner};
    let span = value.span;
    let mut value = value;
    let inner = match value.take() {
        ValueInner::String(text) => ValueInner::String(text.into_owned().into()),
        ValueInner::Integer(number) => ValueInner::Integer(number),
        ValueInner::Float(number) => ValueInner::Float(number),
        ValueInner::Boolean(value) => ValueInner::Boolean(value),
        ValueInner::Array(values) => ValueInner::Array(values.into_iter().map(owned).collect()),
        ValueInner::Table(table) => ValueInner::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    let key = Key {
                        name: key.name.into_owned().into(),
                        span: key.span,
                    };
                    (key, owned(value))
                })
                .collect(),
        ),
    };
    Value::with_span(inner, span)
}
