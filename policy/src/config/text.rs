//! Showing foreign text in messages, and finding what was meant.

use super::limits::MAX_SHOWN_CHARS;

/// Makes foreign text fit for one line of a message: control and direction-changing characters are
/// escaped, and it is cut after [`MAX_SHOWN_CHARS`].
pub fn shown(text: &str) -> String {
    escaped(text, MAX_SHOWN_CHARS)
}

/// As [`shown`], cut after `max` characters.
pub(super) fn escaped(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for (count, character) in text.chars().enumerate() {
        if count == max {
            out.push_str("...");
            break;
        }
        if is_inert(character) {
            out.push(character);
        } else {
            out.extend(character.escape_unicode());
        }
    }
    out
}

/// Whether a character only shows itself: no control, no change of direction, not invisible.
pub(super) fn is_inert(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The allowed word nearest to what was written, if any is near enough to be what was meant.
pub fn nearest<'a>(written: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LIKENESS: f64 = 0.6;
    // Distances cost the product of the lengths; no key is this long.
    if written.len() > 64 {
        return None;
    }
    allowed
        .into_iter()
        .map(|word| (strsim::normalized_damerau_levenshtein(written, word), word))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, word)| word)
}

/// The help for a word outside a closed list: the nearest one, else the list.
pub fn help_for<'a>(written: &str, allowed: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(written, allowed.clone()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => {
            let mut words: Vec<String> = allowed
                .into_iter()
                .map(|word| format!("`{word}`"))
                .collect();
            words.sort();
            words.dedup();
            match words.as_slice() {
                [] => "nothing is allowed here".to_owned(),
                words => format!("allowed here: {}", words.join(", ")),
            }
        }
    }
}
