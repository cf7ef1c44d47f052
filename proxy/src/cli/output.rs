//! Printing: colours only on a terminal, foreign text escaped, a reader that went away no error.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use cordon_policy::config::PolicySource;
use cordon_policy::config::diagnostic::{Colours, Diagnostic, render};
use cordon_policy::finding::Mode;
use cordon_policy::verdict::Evaluation;

/// Prints diagnostics with their source lines to standard error.
pub(super) fn diagnostics(diagnostics: &[Diagnostic], sources: &[PolicySource]) {
    if diagnostics.is_empty() {
        return;
    }
    let colours = match std::io::stderr().is_terminal() {
        true => Colours::Ansi,
        false => Colours::Without,
    };
    let text = render(diagnostics, sources, colours);
    // Nobody is left to be told of a failure.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints an answer and a line feed.
///
/// # Errors
/// The exit code to end with: success when nobody reads any more (`cordon log | head`), failure,
/// with a complaint, when the answer cannot be written.
pub(super) fn print(answer: impl fmt::Display) -> Result<(), ExitCode> {
    print_to(&mut io::stdout().lock(), answer)
}

fn print_to(output: &mut impl io::Write, answer: impl fmt::Display) -> Result<(), ExitCode> {
    match writeln!(output, "{answer}").and_then(|()| output.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ExitCode::SUCCESS),
        Err(error) => {
            complain(format_args!("writing the answer: {error}"));
            Err(ExitCode::FAILURE)
        }
    }
}

/// Says on standard error what is wrong, foreign text escaped.
pub(super) fn complain(message: impl fmt::Display) {
    let text = printable(&message.to_string());
    // Nobody is left to be told of a failure.
    let _ = writeln!(io::stderr(), "cordon: {text}");
}

/// Text from outside made printable: control characters, escapes and direction marks become
/// visible.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let is_odd = c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            let escaped: Box<dyn Iterator<Item = char>> =
                if is_odd { Box::new(c.escape_unicode()) } else { Box::new(std::iter::once(c)) };
            escaped
        })
        .collect()
}

/// Findings and waivers of an evaluation, a line or two each.
pub(super) struct Findings<'a>(pub(super) &'a Evaluation);

impl fmt::Display for Findings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.0.findings() {
            let mode = if finding.mode == Mode::Monitor {
                ", only monitored"
            } else {
                ""
            };
            writeln!(
                f,
                "  {:10} {} ({}/{}{mode})",
                finding.effect.name(),
                printable(&finding.reason),
                finding.rule,
                finding.code
            )?;
            if let Some(until) = finding.until {
                writeln!(f, "             clears {until}")?;
            }
            writeln!(f, "             policy {}", finding.source)?;
        }
        for (finding, exemption) in self.0.waived() {
            let reason = printable(&finding.reason);
            writeln!(f, "  waived     {reason} (exemption {exemption})")?;
        }
        if !self.0.awaits().is_empty() {
            let kinds: Vec<String> = self.0.awaits().iter().map(|k| format!("{k:?}")).collect();
            writeln!(f, "  awaits     {}", kinds.join(", ").to_lowercase())?;
        }
        Ok(())
    }
}

/// Lines put together for one answer.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// Adds a line.
    pub(super) fn add(&mut self, line: impl fmt::Display) {
        writeln!(self.0, "{line}").expect("writing to a string does not fail");
    }

    /// Adds what already ends its lines.
    pub(super) fn append(&mut self, lines: impl fmt::Display) {
        write!(self.0, "{lines}").expect("writing to a string does not fail");
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end_matches('\n'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_54_terminal_escapes_and_direction_marks_become_visible() {
        assert_eq!(printable("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(printable("x\u{202e}y\nz"), "x\\u{202e}y\\u{a}z");
        assert_eq!(printable("plain – text"), "plain – text");
    }
    /// Fails with one kind of error.
    struct Broken(io::ErrorKind);

    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_the_end_and_a_full_disk_a_failure() {
        for (kind, code) in [
            (io::ErrorKind::BrokenPipe, ExitCode::SUCCESS),
            (io::ErrorKind::StorageFull, ExitCode::FAILURE),
        ] {
            let ended = print_to(&mut Broken(kind), "an answer");
            assert_eq!(ended, Err(code), "{kind}");
        }
    }
}
