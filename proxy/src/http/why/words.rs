//! Sentences.

use std::time::Duration;

use cordon_policy::model::Timestamp;
use cordon_policy::verdict::Effect;

use crate::telemetry::escape;

/// Text from a record with everything visible that could hide or reorder it.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape::write_plain(&mut out, text).expect("writing to a string does not fail");
    out
}

/// A finding's sentence with a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = visible(text);
    let mut characters = text.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let mut sentence: String = first.to_uppercase().chain(characters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// The verdict as a heading.
pub(super) fn verdict(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "Allowed",
        Effect::Hide => "Held back",
        Effect::Quarantine => "In quarantine",
        Effect::Block => "Blocked",
    }
}

/// What a finding asks for.
pub(super) fn asks_for(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "asks for nothing",
        Effect::Hide => "holds the version back",
        Effect::Quarantine => "holds the version for a person to look at",
        Effect::Block => "blocks the version",
    }
}

/// How long before `now` an instant was, in the two largest units.
pub(super) fn before(now: Timestamp, then: Timestamp) -> String {
    if then > now {
        return format!("{} later than the decision", duration(then.since(now)));
    }
    format!("{} before the decision", duration(now.since(then)))
}

/// `3 days 4 hours`.
pub(super) fn duration(duration: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("day", 24 * 60 * 60),
        ("hour", 60 * 60),
        ("minute", 60),
        ("second", 1),
    ];
    let mut left = duration.as_secs();
    let mut parts = Vec::new();
    for (name, seconds) in UNITS {
        let count = left / seconds;
        left %= seconds;
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            parts.push(format!("{count} {name}{plural}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        return "less than a second".to_owned();
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_their_two_largest_units() {
        let words = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(words(0), "less than a second");
        assert_eq!(words(1), "1 second");
        assert_eq!(words(3_600), "1 hour");
        assert_eq!(words(90_061), "1 day 1 hour");
        assert_eq!(words(86_401), "1 day");
        assert_eq!(words(61), "1 minute 1 second");
    }

    #[test]
    fn a_sentence_has_a_capital_and_an_end() {
        assert_eq!(sentence("published 2 hours ago"), "Published 2 hours ago.");
        assert_eq!(sentence("why?"), "Why?");
        assert_eq!(sentence(""), "");
        assert_eq!(sentence("a\u{202e}b"), "A\\u{202e}b.");
    }
}
