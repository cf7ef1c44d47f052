//! Diagnostics: a stable code, the place, what is wrong and what to do.

use std::fmt;

use crate::finding::ConfigSpan;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the file is usable. Fails `check --strict`.
    Warning,
    /// The file is refused.
    Error,
}

/// One problem in a configuration or policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable kebab-case code: `unknown-key`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, names the thing.
    pub message: String,
    /// Where.
    pub span: ConfigSpan,
    /// Byte range in the file, for drawing the line.
    pub bytes: std::ops::Range<usize>,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(
            f,
            "{}: {word}[{}]: {}; {}",
            self.span, self.code, self.message, self.help
        )
    }
}
