//! Diagnostics: a stable code, the place, what is wrong and what to do.

use std::fmt;

use codespan_reporting::diagnostic as report;
use codespan_reporting::files::SimpleFiles;
use codespan_reporting::term;

use super::PolicySource;
use super::source::without_byte_order_mark;
use super::text::is_inert;
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
    /// Byte range in the file, for drawing the line. Counted from after a byte order mark.
    pub bytes: std::ops::Range<usize>,
    /// What to do about it.
    pub help: String,
}

impl Diagnostic {
    /// Whether the file is refused because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
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

/// Whether a rendered text carries colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Plain ASCII drawing, for files, pipes and tests.
    Without,
    /// ANSI escape sequences, for a terminal.
    Ansi,
}

/// Draws diagnostics as a compiler would: code and message, the line with the place marked, and
/// the remedy. Files missing from `sources` are shown by place only.
pub fn render(diagnostics: &[Diagnostic], sources: &[PolicySource], colours: Colours) -> String {
    let mut files = SimpleFiles::new();
    let ids: Vec<(&str, usize)> = sources
        .iter()
        .map(|source| {
            let id = files.add(source.name.as_str(), without_secrets(&inert(&source.text)));
            (source.name.as_str(), id)
        })
        .collect();
    let config = term::Config {
        chars: term::Chars::ascii(),
        ..term::Config::default()
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let id = ids
            .iter()
            .find(|(name, _)| *name == diagnostic.span.file)
            .map(|(_, id)| *id);
        let drawn = id.and_then(|id| draw(&to_report(diagnostic, id), &files, &config, colours));
        match drawn {
            // The carriage return of a CRLF line was made a space above.
            Some(text) => {
                for line in text.lines() {
                    out.push_str(line.trim_end());
                    out.push('\n');
                }
            }
            None => out.push_str(&format!("{diagnostic}\n\n")),
        }
    }
    out
}

fn to_report(diagnostic: &Diagnostic, file: usize) -> report::Diagnostic<usize> {
    let severity = match diagnostic.severity {
        Severity::Warning => report::Severity::Warning,
        Severity::Error => report::Severity::Error,
    };
    report::Diagnostic::new(severity)
        .with_code(diagnostic.code)
        .with_message(&diagnostic.message)
        .with_label(report::Label::primary(file, diagnostic.bytes.clone()))
        .with_note(format!("help: {}", diagnostic.help))
}

fn draw(
    diagnostic: &report::Diagnostic<usize>,
    files: &SimpleFiles<&str, String>,
    config: &term::Config,
    colours: Colours,
) -> Option<String> {
    match colours {
        Colours::Without => term::emit_into_string(config, files, diagnostic).ok(),
        Colours::Ansi => {
            let mut ansi = term::termcolor::Ansi::new(Vec::new());
            term::emit_to_write_style(&mut ansi, config, files, diagnostic).ok()?;
            String::from_utf8(ansi.into_inner()).ok()
        }
    }
}

/// The text with everything a terminal might obey replaced, byte for byte so that places hold.
fn inert(text: &str) -> String {
    let text = without_byte_order_mark(text);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            '\r' => out.push(' '),
            _ if is_inert(character) => out.push(character),
            _ => out.extend(std::iter::repeat_n('?', character.len_utf8())),
        }
    }
    out
}

/// The text with the user and password of every address in it masked, byte for byte: what is drawn
/// ends up in the logs of a pipeline.
fn without_secrets(text: &str) -> String {
    const SCHEME_END: &str = "://";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME_END) {
        let (before, after) = rest.split_at(at + SCHEME_END.len());
        out.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?' | '#');
        let authority = after.find(ends).unwrap_or(after.len());
        let secret = after[..authority].rfind('@').unwrap_or(0);
        out.extend(std::iter::repeat_n('*', secret));
        rest = &after[secret..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_not_drawn() {
        let text = "a = \"https://us\u{e9}r:s@cret@h.example/p@th\"\nb = 'ssh://x/y' # ://@";
        let drawn = without_secrets(text);
        assert_eq!(
            drawn,
            "a = \"https://************@h.example/p@th\"\nb = 'ssh://x/y' # ://@"
        );
        assert_eq!(drawn.len(), text.len());
        assert_eq!(without_secrets("nothing"), "nothing");
    }
}
