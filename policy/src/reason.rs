//! Words for reasons: one sentence in printable ASCII, because it travels in a status line.

use std::time::Duration;

use crate::model::{PackageVersion, Timestamp};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Name and version as a developer knows them: `left-pad 1.3.1`.
pub fn subject(subject: &PackageVersion) -> String {
    format!(
        "{} {}",
        ascii(subject.name.as_published(), 64),
        ascii(subject.version.as_str(), 32)
    )
}

/// Foreign text for a reason: what is not printable ASCII becomes `?`, and it is cut after `max`
/// characters.
pub fn ascii(text: &str, max: usize) -> String {
    let printable = |c: char| match c {
        ' '..='~' => c,
        _ => '?',
    };
    let mut out: String = text.chars().take(max).map(printable).collect();
    if text.chars().nth(max).is_some() {
        out.push_str("...");
    }
    out
}

/// A length of time in the unit a person would use, rounded down: `3 h`, `12 days`.
pub fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        // Up to four days hours are what policies are written in (`72h`).
        HOUR..=345_600 => format!("{} h", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}

/// An instant to the minute, rounded up so that nobody comes too early: `2026-11-24T10:00Z`.
pub fn instant(at: Timestamp) -> String {
    const MILLIS: i64 = 60_000;
    let minutes = at.as_millis().div_euclid(MILLIS);
    let whole = at.as_millis().rem_euclid(MILLIS) == 0;
    let rounded = minutes
        .saturating_add(i64::from(!whole))
        .saturating_mul(MILLIS);
    match jiff::Timestamp::from_millisecond(rounded) {
        Ok(instant) => instant.strftime("%Y-%m-%dT%H:%MZ").to_string(),
        // Outside the calendar: ten thousand years away in either direction.
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_rounded_up_to_the_minute() {
        let text = |millis| instant(Timestamp::from_millis(millis));
        assert_eq!(text(0), "1970-01-01T00:00Z");
        assert_eq!(text(1), "1970-01-01T00:01Z");
        assert_eq!(text(60_000), "1970-01-01T00:01Z");
        assert_eq!(text(-1), "1970-01-01T00:00Z");
        assert!(text(i64::MAX).is_ascii());
        assert!(text(i64::MIN).is_ascii());
    }

    #[test]
    fn lengths_are_rounded_down_to_the_usual_unit() {
        let text = |seconds| length(Duration::from_secs(seconds));
        assert_eq!(text(59), "59 s");
        assert_eq!(text(3_599), "59 min");
        assert_eq!(text(3 * HOUR + 1), "3 h");
        assert_eq!(text(72 * HOUR), "72 h");
        assert_eq!(text(30 * DAY), "30 days");
    }

    #[test]
    fn foreign_text_becomes_short_printable_ascii() {
        assert_eq!(ascii("a\u{1b}[2J\u{e9}\r\n", 40), "a?[2J???");
        assert_eq!(ascii(&"x".repeat(50), 3), "xxx...");
    }
}
