//! What makes source hard to read for people, found in its bytes: invisible characters, code pushed
//! out of sight, marks that turn text, and lines nobody wrote.

use super::signal::SignalKind;

/// Spaces in a row, between code and code, that push the rest out of sight.
const PUSHED: usize = 120;
/// Spaces at the beginning of a line that do the same. Deep nesting is not that deep.
const PUSHED_AT_START: usize = 400;
/// Invisible characters in a row. An emoji has one or two.
const INVISIBLE: usize = 16;
/// Marks of a program written in brackets alone.
const BRACKETS: usize = 400;
/// Bytes of a line looked at behind something odd.
const LINE_LOOKED_AT: usize = 1_000;
/// Characters of a line that no person wrote.
const LONG_LINE: usize = 5_000;

/// Something odd and the offset it is at.
pub(super) type Odd = (SignalKind, usize);

/// Looks at the text of a file; each kind once.
pub(super) fn oddities(text: &str) -> Vec<Odd> {
    let mut found: Vec<Odd> = Vec::new();
    let mut tell = |kind: SignalKind, at: Option<usize>| {
        if let Some(at) = at {
            found.push((kind, at));
        }
    };
    tell(SignalKind::HiddenCode, pushed(text));
    tell(
        SignalKind::Obfuscated,
        brackets(text)
            .or_else(|| escaped(text))
            .or_else(|| dollars(text)),
    );
    let invisible = match text.is_ascii() {
        true => None,
        false => invisible(text),
    };
    tell(
        SignalKind::InvisibleText,
        invisible.or_else(|| blanks(text)),
    );
    if !text.is_ascii() {
        tell(SignalKind::TurnedText, turned(text));
    }
    found
}

/// Whether some line is longer than a person writes.
pub(super) fn is_minified(text: &str) -> bool {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text.as_bytes())
        .chain([text.len()])
        .any(|end| {
            let length = end - start;
            start = end + 1;
            length > LONG_LINE
        })
}

/// Code after many spaces on one line.
fn pushed(text: &str) -> Option<usize> {
    let needle = " ".repeat(PUSHED);
    let tabs = "\t".repeat(PUSHED / 4);
    pushed_by(text, &needle, b' ', PUSHED_AT_START)
        .or_else(|| pushed_by(text, &tabs, b'\t', PUSHED_AT_START / 4))
}

fn pushed_by(text: &str, needle: &str, space: u8, at_start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(bytes.get(from..)?, needle.as_bytes()) {
        let start = from + found;
        let length = bytes
            .get(start..)?
            .iter()
            .take_while(|it| **it == space)
            .count();
        let end = start + length;
        let is_first = start == 0 || bytes.get(start - 1) == Some(&b'\n');
        let rest = line_from(text, end).trim();
        // Tables of comments and the ends of padded lines are none.
        let is_code = rest.len() >= 12
            && rest.contains(['(', '=', ';'])
            && !rest.starts_with(['/', '*', '#', '|', '+']);
        if is_code && (!is_first || length >= at_start) {
            return Some(end);
        }
        from = end;
    }
    None
}

/// The rest of a line, as far as it is looked at: a file may be one line, and odd at every place of it.
fn line_from(text: &str, at: usize) -> &str {
    let most = text.len().min(at.saturating_add(LINE_LOOKED_AT));
    let most = (at..=most).rev().find(|end| text.is_char_boundary(*end));
    let rest = most.and_then(|end| text.get(at..end)).unwrap_or_default();
    rest.lines().next().unwrap_or_default()
}

/// A run of nothing but brackets, `!` and `+`, as of programs written in these alone.
fn brackets(text: &str) -> Option<usize> {
    let mut start = None;
    let mut count = 0;
    let mut pluses = 0;
    for (at, byte) in text.bytes().enumerate() {
        if matches!(byte, b'[' | b']' | b'(' | b')' | b'!' | b'+' | b'{' | b'}') {
            start = start.or(Some(at));
            count += 1;
            pluses += usize::from(byte == b'+' || byte == b'!');
            if count >= BRACKETS && pluses * 8 > count {
                return start;
            }
        } else {
            (start, count, pluses) = (None, 0, 0);
        }
    }
    None
}

/// Texts written in escapes though their letters need none: three of them of eight letters.
fn escaped(text: &str) -> Option<usize> {
    const LETTERS: usize = 8;
    const TEXTS: usize = 3;
    let bytes = text.as_bytes();
    let mut first = None;
    let mut count = 0;
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(bytes.get(from..)?, b"\\x") {
        let start = from + found;
        let mut at = start;
        let mut letters = 0;
        while let Some([b'\\', b'x', high, low]) = bytes.get(at..at + 4)
            && let Some(code) = hexadecimal(*high, *low)
        {
            letters += usize::from(code.is_ascii_alphabetic());
            at += 4;
        }
        let length = (at - start) / 4;
        // Tables of bytes have every code; words have letters.
        if letters >= LETTERS && letters * 4 >= length * 3 {
            first = first.or(Some(start));
            count += 1;
        }
        if count >= TEXTS {
            return first;
        }
        from = at.max(start + 2);
    }
    None
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |it: u8| char::from(it).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// A run of marks with many `$` and `_`, as of programs whose every name is made of these.
fn dollars(text: &str) -> Option<usize> {
    const RUN: usize = 150;
    const DOLLARS: usize = 40;
    let bytes = text.as_bytes();
    // Most files have no such pair at all.
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(bytes.get(from..)?, b"$.$") {
        let start = from + found;
        let run = bytes.get(start..)?.iter();
        let is_mark = |it: &&u8| b"$_.+()[]!:,~\"\\{}=;".contains(*it);
        let run = run.take_while(is_mark).take(RUN * 4);
        let (length, dollars) = run.fold((0, 0), |(length, dollars), it| {
            (length + 1, dollars + usize::from(*it == b'$'))
        });
        if length >= RUN && dollars >= DOLLARS {
            return Some(start);
        }
        from = start + 3 + length;
    }
    None
}

/// A run of characters that show nothing.
fn invisible(text: &str) -> Option<usize> {
    let mut count = 0;
    for (at, character) in text.char_indices() {
        let is_invisible = matches!(
            character,
            '\u{200b}'..='\u{200d}'
                | '\u{2060}'..='\u{2064}'
                | '\u{3164}'
                | '\u{ffa0}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{e0000}'..='\u{e01ef}'
        );
        count = match is_invisible {
            true => count + 1,
            false => 0,
        };
        if count >= INVISIBLE {
            return Some(at);
        }
    }
    None
}

/// Data in spaces and tabs that end lines or fill empty ones: one long run of both by turns, or a
/// short one on many lines.
fn blanks(text: &str) -> Option<usize> {
    const LONG: usize = 32;
    const SHORT: usize = 3;
    const LINES: usize = 12;
    memchr::memmem::find(text.as_bytes(), b" \t ")?;
    let mut first = None;
    let mut count = 0;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let whole = line.trim_end_matches(['\n', '\r']);
        let shown = whole.trim_end_matches([' ', '\t']);
        let run = whole.as_bytes().get(shown.len()..).unwrap_or_default();
        let turns = run.windows(2).filter(|it| matches!(it, [a, b] if a != b));
        let turns = turns.count();
        if turns >= LONG {
            return Some(start);
        }
        if turns >= SHORT {
            first = first.or(Some(start));
            count += 1;
        }
        start += line.len();
    }
    first.filter(|_| count >= LINES)
}

/// A mark that overrides the direction of text and is not within quotes of a table of such marks: an
/// override or isolate that code follows on its line.
fn turned(text: &str) -> Option<usize> {
    let is_turning = |it: char| matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.char_indices().find_map(|(at, character)| {
        let is_override = matches!(character, '\u{202d}' | '\u{202e}' | '\u{2066}'..='\u{2068}');
        if !is_override {
            return None;
        }
        let line = line_from(text, at);
        // Trojan source needs several on the line: one turns, others part it.
        let count = line.chars().filter(|it| is_turning(*it)).count();
        let apart = line
            .chars()
            .skip(1)
            .take_while(|it| !is_turning(*it))
            .count();
        // A line that was cut is a table, or data.
        let is_whole = line.len() + char::MAX_LEN_UTF8 < LINE_LOOKED_AT;
        (count >= 2 && apart >= 3 && is_whole).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<SignalKind> {
        oddities(text).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn code_out_of_sight_is_found_and_aligned_comments_are_not() {
        let far = " ".repeat(300);
        assert_eq!(
            kinds(&format!("let a = 1;{far}run(a); b = 2\n")),
            [SignalKind::HiddenCode]
        );
        assert_eq!(kinds(&format!("let a = 1;{far}// run(a); b = 2\n")), []);
        assert_eq!(kinds(&format!("let a = 1;{far}\n")), []);
        assert_eq!(kinds(&format!("{far}let a = run(1);\n")), []);
    }

    /// Looking at a megabyte takes milliseconds; where every place led to a look at the rest of the
    /// line it took minutes.
    #[test]
    fn a_file_of_one_line_is_not_looked_at_again_from_every_place() {
        let letters = "\u{e9}=f(1);".repeat(150_000);
        assert_eq!(kinds(&letters), []);
        let pushed = format!("{}#", " ".repeat(PUSHED)).repeat(5_000);
        assert_eq!(kinds(&pushed), []);
        let turning = "\u{202e}a".repeat(100_000);
        assert_eq!(kinds(&turning), []);
    }

    #[test]
    fn programs_of_brackets_and_invisible_data_are_found() {
        let brackets = "[][(![]+[])[+[]]]".repeat(40);
        assert_eq!(kinds(&brackets), [SignalKind::Obfuscated]);
        assert_eq!(kinds(&"]".repeat(900)), []);
        let invisible: String = std::iter::repeat_n('\u{e0101}', 40).collect();
        assert_eq!(
            kinds(&format!("eval(s('{invisible}'))")),
            [SignalKind::InvisibleText]
        );
        assert_eq!(kinds("\u{2764}\u{fe0f}\u{200d}\u{1f525}"), []);
    }

    #[test]
    fn data_in_blanks_is_found_and_sloppy_indentation_is_not() {
        let line = format!(
            "def f():\n    # x\n{}\n    return 1\n",
            " \t\t \t".repeat(40)
        );
        assert_eq!(kinds(&line), [SignalKind::InvisibleText]);
        let ends = "x = 1 \t \t\n".repeat(20);
        assert_eq!(kinds(&ends), [SignalKind::InvisibleText]);
        assert_eq!(kinds(&"\t\t  \t\nx = 1  \t\n".repeat(90)), []);
        assert_eq!(kinds(&format!("x = 1{}\n", " \t ".repeat(8))), []);
    }

    #[test]
    fn marks_that_turn_code_are_found_and_tables_of_them_are_not() {
        assert_eq!(
            kinds("if (level != 'user\u{202e} \u{2066}// only admins\u{2069} \u{2066}') {"),
            [SignalKind::TurnedText]
        );
        assert_eq!(kinds("const marks = ['\u{202e}'];"), []);
    }
}
