//! Escaping for HTML made here: plain ASCII, so that no client needs to guess an encoding and
//! nothing in a file name or a reason can leave its place (reliability.md M-36, M-44).

/// The text, fit for attribute values and for text.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}

/// Appends the text, fit for attribute values and for text.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            ' '..='~' => out.push(character),
            // No reference gives these characters back; the standard replaces them.
            '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => out.push_str("&#xfffd;"),
            _ => out.push_str(&format!("&#x{:x};", u32::from(character))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformance_063_what_means_something_is_escaped() {
        assert_eq!(escape(">=3.8,<4"), "&gt;=3.8,&lt;4");
        assert_eq!(escape("a\" onx='&"), "a&quot; onx=&#39;&amp;");
        assert_eq!(escape("é\n\0"), "&#xe9;&#xa;&#xfffd;");
    }
}
