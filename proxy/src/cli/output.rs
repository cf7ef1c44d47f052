//! Printing: colours only on a terminal, foreign text escaped.

use std::io::IsTerminal as _;

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
    eprint!("{}", render(diagnostics, sources, colours));
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
pub(super) fn evaluation(evaluation: &Evaluation) {
    for finding in evaluation.findings() {
        let mode = if finding.mode == Mode::Monitor {
            ", only monitored"
        } else {
            ""
        };
        println!(
            "  {:10} {} ({}/{}{mode})",
            finding.effect.name(),
            printable(&finding.reason),
            finding.rule,
            finding.code
        );
        if let Some(until) = finding.until {
            println!("             clears {until}");
        }
        println!("             policy {}", finding.source);
    }
    for (finding, exemption) in evaluation.waived() {
        println!(
            "  waived     {} (exemption {exemption})",
            printable(&finding.reason)
        );
    }
    if !evaluation.awaits().is_empty() {
        let kinds: Vec<String> = evaluation
            .awaits()
            .iter()
            .map(|k| format!("{k:?}"))
            .collect();
        println!("  awaits     {}", kinds.join(", ").to_lowercase());
    }
}

/// An error with its causes, on standard error.
pub(super) fn error(error: &dyn std::error::Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    eprintln!("cordon: {}", printable(&text));
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
}
