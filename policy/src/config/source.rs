//! One file being read: its text, its lines, and the problems found so far.

use std::cell::{RefCell, RefMut};
use std::ops::Range;

use smol_str::SmolStr;
use toml_span::ErrorKind;
use toml_span::value::Table;

use super::diagnostic::{Diagnostic, Severity};
use super::limits::{MAX_DIAGNOSTICS, MAX_SHOWN_CHARS};
use super::reader::TableReader;
use super::shape::{Key, Shape};
use super::text::{escaped, shown};
use crate::finding::ConfigSpan;

/// A configuration or policy file, from text to table, collecting every problem on the way.
///
/// ```
/// use cordon_policy::config::source::SourceFile;
///
/// let file = SourceFile::new("cordon.toml", "lsten = '127.0.0.1:4873'");
/// if let Some(mut root) = file.root(1 << 20) {
///     assert!(root.string("listen").is_none());
///     root.finish();
/// }
/// let problems = file.into_diagnostics();
/// assert_eq!(problems[0].code, "unknown-key");
/// assert_eq!(problems[0].help, "did you mean `listen`?");
/// ```
#[derive(Debug)]
pub struct SourceFile<'t> {
    name: SmolStr,
    text: &'t str,
    is_ascii: bool,
    line_starts: Vec<usize>,
    problems: RefCell<Problems>,
    shape: Option<RefCell<Shape>>,
}

/// Beyond this many bytes into a line, columns count bytes.
const MAX_COUNTED_COLUMNS: usize = 4_096;

#[derive(Debug, Default)]
struct Problems {
    kept: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Problems {
    /// Counts each severity by itself: many warnings must not push an error out, nor refuse a file.
    fn count(&mut self, severity: Severity) -> usize {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        *count
    }
}

/// Removes the byte order mark some editors write. Byte ranges count from after it.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

impl<'t> SourceFile<'t> {
    /// Takes a file's text. `name` is how messages call it.
    pub fn new(name: &str, text: &'t str) -> Self {
        let text = without_byte_order_mark(text);
        let line_starts = std::iter::once(0)
            .chain(newlines(text).map(|at| at + 1))
            .collect();
        Self {
            name: name.into(),
            text,
            is_ascii: text.is_ascii(),
            line_starts,
            problems: RefCell::default(),
            shape: None,
        }
    }

    /// An empty file that notes every key asked for. Tables asked for are given, empty, once.
    pub fn probe(name: &str) -> Self {
        Self {
            shape: Some(RefCell::default()),
            ..Self::new(name, "")
        }
    }

    /// The table of a [`probe`](Self::probe) at `path`, empty for the root.
    pub(super) fn probed(&self, path: &str) -> TableReader<'_, 't> {
        TableReader::new(self, path.to_owned(), 0..0, Table::default())
    }

    /// Where a probe notes keys; `None` for a file that is really read.
    pub(super) fn shape(&self) -> Option<RefMut<'_, Shape>> {
        self.shape.as_ref().map(RefCell::borrow_mut)
    }

    /// The keys a probe was asked for.
    pub fn into_keys(self) -> Vec<Key> {
        self.shape
            .map(|shape| shape.into_inner().into_keys())
            .unwrap_or_default()
    }

    /// Parses the text as TOML. `None` when it is longer than `max_bytes`, is not TOML or says
    /// nothing at all; the reason is then among the problems.
    pub fn root(&self, max_bytes: usize) -> Option<TableReader<'_, 't>> {
        let start = 0..0;
        if self.text.len() > max_bytes {
            self.error(
                "file-too-large",
                &start,
                format!(
                    "the file has {} bytes, at most {max_bytes} are read",
                    self.text.len()
                ),
                "split it into several files, or drop what is not needed",
            );
            return None;
        }
        let mut value = match toml_span::parse(self.text) {
            Ok(value) => value,
            Err(error) => {
                self.report_syntax(&error);
                return None;
            }
        };
        let toml_span::value::ValueInner::Table(entries) = value.take() else {
            unreachable!("a TOML document is a table");
        };
        if entries.is_empty() {
            self.error(
                "empty-file",
                &start,
                "the file says nothing".to_owned(),
                "write settings into it, or do not name it; an empty file is not a default",
            );
            return None;
        }
        Some(TableReader::new(self, String::new(), start, entries))
    }

    /// How the file is named in messages.
    pub fn name(&self) -> &SmolStr {
        &self.name
    }

    /// Line and column of the first byte of a range.
    pub fn span(&self, bytes: &Range<usize>) -> ConfigSpan {
        let at = self.floor(bytes.start);
        let line = self.line_starts.partition_point(|start| *start <= at);
        let line_start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(line_start..at).unwrap_or("");
        // Counting characters of a line with a million entries once for each would take hours.
        let column = match self.is_ascii || before.len() > MAX_COUNTED_COLUMNS {
            true => before.len() + 1,
            false => before.chars().count() + 1,
        };
        ConfigSpan {
            file: self.name.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    /// The rest of a line from a place on, for problems found after reading.
    pub fn bytes_from(&self, place: &ConfigSpan) -> Range<usize> {
        let line = usize::try_from(place.line).unwrap_or(usize::MAX);
        let column = usize::try_from(place.column).unwrap_or(usize::MAX);
        let start = self
            .line_starts
            .get(line.saturating_sub(1))
            .map_or(self.text.len(), |start| {
                start.saturating_add(column.saturating_sub(1))
            });
        start..self.text.len()
    }

    /// Adds an error: the file will be refused.
    pub fn error(
        &self,
        code: &'static str,
        bytes: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(Severity::Error, code, bytes, message.into(), help.into());
    }

    /// Adds a warning: the file stays usable.
    pub fn warning(
        &self,
        code: &'static str,
        bytes: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(Severity::Warning, code, bytes, message.into(), help.into());
    }

    fn report(
        &self,
        severity: Severity,
        code: &'static str,
        bytes: &Range<usize>,
        message: String,
        help: String,
    ) {
        let mut problems = self.problems.borrow_mut();
        if problems.count(severity) > MAX_DIAGNOSTICS {
            return;
        }
        let start = self.floor(bytes.start);
        // One line is enough to show where; a table or a list may span hundreds.
        let line_end = self
            .text
            .get(start..)
            .and_then(|rest| rest.find(['\n', '\r']))
            .map_or(self.text.len(), |length| start + length);
        let end = self.floor(bytes.end).clamp(start, line_end);
        problems.kept.push(Diagnostic {
            code,
            severity,
            message,
            span: self.span(&(start..end)),
            bytes: start..end,
            help,
        });
    }

    /// Everything found, in the order of the file.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        let end = self.span(&(self.text.len()..self.text.len()));
        let at = self.text.len();
        let mut problems = self.problems.into_inner();
        problems
            .kept
            .sort_by(|a, b| (a.bytes.start, a.code).cmp(&(b.bytes.start, b.code)));
        for (severity, count) in [
            (Severity::Error, problems.errors),
            (Severity::Warning, problems.warnings),
        ] {
            let Some(dropped) = count.checked_sub(MAX_DIAGNOSTICS).filter(|n| *n > 0) else {
                continue;
            };
            problems.kept.push(Diagnostic {
                code: "too-many-problems",
                severity,
                message: format!("{dropped} more are not shown (limit {MAX_DIAGNOSTICS})"),
                span: end.clone(),
                bytes: at..at,
                help: "mend those above and check again".to_owned(),
            });
        }
        problems.kept
    }

    fn report_syntax(&self, error: &toml_span::Error) {
        // The parser repeats the offending character as it is.
        let said = escaped(&error.to_string(), 4 * MAX_SHOWN_CHARS);
        let bytes = error.span.start..error.span.end;
        match &error.kind {
            ErrorKind::DuplicateKey { key, first } => {
                let first = self.span(&(first.start..first.end));
                self.error(
                    "duplicate-key",
                    &bytes,
                    format!("`{}` is given twice, first at {first}", shown(key)),
                    "keep one of them",
                );
            }
            ErrorKind::DuplicateTable { name, first } => {
                let first = self.span(&(first.start..first.end));
                self.error(
                    "duplicate-key",
                    &bytes,
                    format!("table `{}` is given twice, first at {first}", shown(name)),
                    "join the two tables",
                );
            }
            ErrorKind::InvalidNumber | ErrorKind::UnquotedString => self.error(
                "syntax",
                &bytes,
                format!("not a TOML value: {said}"),
                "texts, durations (\"72h\") and times (\"2026-01-31T00:00:00Z\") need quotes",
            ),
            _ => self.error(
                "syntax",
                &bytes,
                format!("not TOML: {said}"),
                "see https://toml.io for the syntax",
            ),
        }
    }

    /// The nearest character boundary at or before `at`.
    fn floor(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at.min(self.text.len()))
    }
}

fn newlines(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.bytes()
        .enumerate()
        .filter(|(_, byte)| *byte == b'\n')
        .map(|(at, _)| at)
}
