//! Text from outside made harmless for a terminal and a line-based log (INV-54).

use std::fmt::{self, Write};

/// Whether a character could move the cursor, start a line, reorder or hide text: C0 and C1
/// controls, line separators, bidirectional and zero-width marks, tags.
pub fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Writes text with hostile characters as `\u{…}`.
///
/// # Errors
/// Only if `into` fails.
pub fn write_plain(into: &mut impl Write, text: &str) -> fmt::Result {
    write_pieces(into, text, |into, character| match character {
        '\n' => into.write_str("\\n"),
        '\t' => into.write_str("\\t"),
        '\r' => into.write_str("\\r"),
        other => write!(into, "\\u{{{:x}}}", u32::from(other)),
    })
}

/// Writes a field value: bare where it is one plain word, else quoted.
///
/// # Errors
/// Only if `into` fails.
pub fn write_value(into: &mut impl Write, text: &str) -> fmt::Result {
    let is_word = !text.is_empty() && text.chars().all(|c| !matches!(c, ' ' | '"' | '=' | '\\'));
    if is_word {
        return write_plain(into, text);
    }
    into.write_char('"')?;
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        let (before, after) = rest.split_at(at);
        write_plain(into, before)?;
        into.write_char('\\')?;
        let mut characters = after.chars();
        if let Some(special) = characters.next() {
            into.write_char(special)?;
        }
        rest = characters.as_str();
    }
    write_plain(into, rest)?;
    into.write_char('"')
}

/// Writes a JSON string in which hostile characters are escaped, not only those JSON demands.
///
/// # Errors
/// Only if `into` fails.
pub fn write_json(into: &mut impl Write, text: &str) -> fmt::Result {
    into.write_char('"')?;
    let mut rest = text;
    loop {
        let end = rest.find(|c| c == '"' || c == '\\' || is_hostile(c));
        let (before, after) = rest.split_at(end.unwrap_or(rest.len()));
        into.write_str(before)?;
        let mut characters = after.chars();
        let Some(special) = characters.next() else {
            break;
        };
        match special {
            '"' => into.write_str("\\\"")?,
            '\\' => into.write_str("\\\\")?,
            '\n' => into.write_str("\\n")?,
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(into, "\\u{unit:04x}")?;
                }
            }
        }
        rest = characters.as_str();
    }
    into.write_char('"')
}

fn write_pieces<W: Write>(
    into: &mut W,
    text: &str,
    escape: impl Fn(&mut W, char) -> fmt::Result,
) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(is_hostile) {
        let (before, after) = rest.split_at(at);
        into.write_str(before)?;
        let mut characters = after.chars();
        if let Some(hostile) = characters.next() {
            escape(into, hostile)?;
        }
        rest = characters.as_str();
    }
    into.write_str(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(text: &str) -> String {
        let mut out = String::new();
        write_plain(&mut out, text).expect("writes");
        out
    }

    fn value(text: &str) -> String {
        let mut out = String::new();
        write_value(&mut out, text).expect("writes");
        out
    }

    fn json(text: &str) -> String {
        let mut out = String::new();
        write_json(&mut out, text).expect("writes");
        out
    }

    #[test]
    fn controls_and_direction_marks_become_visible() {
        assert_eq!(
            plain("a\u{1b}[31mb\r\nc\u{202e}d\u{85}"),
            "a\\u{1b}[31mb\\r\\nc\\u{202e}d\\u{85}"
        );
        assert_eq!(plain("pkg:npm/über@1"), "pkg:npm/über@1");
        assert_eq!(value("one"), "one");
        assert_eq!(value("two words"), "\"two words\"");
        assert_eq!(value("say \"x\" \\ \n"), "\"say \\\"x\\\" \\\\ \\n\"");
        assert_eq!(value(""), "\"\"");
        assert_eq!(
            json("\u{e0041}\u{9b}\"\\\u{7}"),
            "\"\\udb40\\udc41\\u009b\\\"\\\\\\u0007\""
        );
    }

    proptest! {
        #[test]
        fn inv_54_nothing_hostile_is_left_and_json_reads_back(text in "(\\PC|[\\x00-\\x1f\\x7f-\\x9f\u{202a}-\u{202e}\u{2066}-\u{2069}\u{e0041}\"\\\\ =]){0,40}") {
            prop_assert!(!plain(&text).chars().any(is_hostile));
            prop_assert!(!value(&text).chars().any(is_hostile));
            let written = json(&text);
            prop_assert!(!written.chars().any(is_hostile));
            let read: String = serde_json::from_str(&written).expect("valid JSON");
            prop_assert_eq!(read, text);
        }
    }
}
