//! Durations (`"72h"`) and sizes (`"64 MiB"`) as people write them.

use std::time::Duration;

const SECOND: u64 = 1_000;
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 24 * 3_600 * SECOND),
    ("d", 24 * 3_600 * SECOND),
    ("h", 3_600 * SECOND),
    ("min", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1),
];
const SIZES: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// A text that is not a duration or not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// No unit after the number.
    #[error("the unit is missing")]
    NoUnit,
    /// A unit nobody knows.
    #[error("the unit is unknown")]
    UnknownUnit,
    /// Not a whole, non-negative number.
    #[error("the number is not a whole number of 0 or more")]
    Number,
    /// Beyond what can be counted.
    #[error("the number is too large")]
    TooLarge,
}

/// Parses a duration: a whole number with one of `w d h min s ms`. `0` needs its unit as well.
///
/// # Errors
/// No unit, an unknown unit, a sign, a fraction, an exponent, or more than fits.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    parse(text, &UNITS).map(Duration::from_millis)
}

/// Parses a size in bytes: a whole number with one of `B KiB MiB GiB`.
///
/// # Errors
/// As [`parse_duration`].
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    parse(text, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Result<u64, QuantityError> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    if number.is_empty() || unit.starts_with(['.', ',', 'e', 'E', '_']) {
        return Err(QuantityError::Number);
    }
    if unit.is_empty() {
        return Err(QuantityError::NoUnit);
    }
    let (_, scale) = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(QuantityError::UnknownUnit)?;
    let number: u64 = number.parse().map_err(|_| QuantityError::TooLarge)?;
    number.checked_mul(*scale).ok_or(QuantityError::TooLarge)
}

/// Prints a duration so that it reads back the same: in the largest unit that divides it.
pub fn format_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    print(milliseconds, &UNITS[1..], "0s")
}

/// Prints a size so that it reads back the same.
pub fn format_size(bytes: u64) -> String {
    print(bytes, &SIZES, "0B")
}

fn print(number: u64, units: &[(&str, u64)], zero: &str) -> String {
    units
        .iter()
        .find(|(_, scale)| number != 0 && number.is_multiple_of(*scale))
        .map_or_else(
            || zero.to_owned(),
            |(unit, scale)| format!("{}{unit}", number / scale),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_written() {
        let hours = |n: u64| Ok(Duration::from_secs(n * 3_600));
        assert_eq!(parse_duration("72h"), hours(72));
        assert_eq!(parse_duration("30d"), hours(720));
        assert_eq!(parse_duration(" 1 w "), hours(168));
        assert_eq!(parse_duration("0s"), hours(0));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2min"), Ok(Duration::from_secs(120)));
    }

    #[test]
    fn durations_without_unit_negative_fractional_or_huge_are_refused() {
        assert_eq!(parse_duration("7"), Err(QuantityError::NoUnit));
        assert_eq!(parse_duration("-1d"), Err(QuantityError::Number));
        assert_eq!(parse_duration("1e9d"), Err(QuantityError::Number));
        assert_eq!(parse_duration("1.5h"), Err(QuantityError::Number));
        assert_eq!(parse_duration(""), Err(QuantityError::Number));
        assert_eq!(
            parse_duration("7 fortnights"),
            Err(QuantityError::UnknownUnit)
        );
        // `m` could be minutes or months: neither is guessed.
        assert_eq!(parse_duration("7m"), Err(QuantityError::UnknownUnit));
        assert_eq!(
            parse_duration("99999999999999999999d"),
            Err(QuantityError::TooLarge)
        );
        assert_eq!(
            parse_duration("18446744073709551615w"),
            Err(QuantityError::TooLarge)
        );
    }

    #[test]
    fn sizes_read_as_written() {
        assert_eq!(parse_size("64 MiB"), Ok(64 << 20));
        assert_eq!(parse_size("512KiB"), Ok(512 << 10));
        assert_eq!(parse_size("64 MB"), Err(QuantityError::UnknownUnit));
        assert_eq!(parse_size("64"), Err(QuantityError::NoUnit));
    }

    #[test]
    fn printing_reads_back() {
        for text in ["72h", "30d", "90s", "1min", "250ms", "0s", "25h"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
        assert_eq!(format_duration(Duration::from_secs(72 * 3_600)), "3d");
        assert_eq!(format_size(64 << 20), "64MiB");
        assert_eq!(format_size(0), "0B");
    }
}
