//! Range requests (RFC 9110 §14) on verified artifacts.

use http::{HeaderMap, HeaderValue, header};

/// What a request says about ranges.
#[derive(Clone, Debug, Default)]
pub struct RangeRequest {
    range: Option<HeaderValue>,
    if_range: Option<HeaderValue>,
}

/// What part to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything, with 200.
    Whole,
    /// Bytes `first..=last`, with 206.
    Bytes {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte.
        last: u64,
    },
    /// Nothing there: 416.
    Unsatisfiable,
}

impl RangeRequest {
    /// Takes the range out of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        Self {
            range: headers.get(header::RANGE).cloned(),
            if_range: headers.get(header::IF_RANGE).cloned(),
        }
    }

    /// The part of `size_bytes` bytes to send. `etag` is the strong, quoted validator of the
    /// bytes; an `If-Range` that is not exactly it (a date, a weak or an old tag) means the whole.
    pub fn part(&self, size_bytes: u64, etag: &str) -> Part {
        let Some(range) = &self.range else {
            return Part::Whole;
        };
        if self
            .if_range
            .as_ref()
            .is_some_and(|tag| tag.as_bytes() != etag.as_bytes())
        {
            return Part::Whole;
        }
        parse(range.as_bytes(), size_bytes)
    }
}

/// Reads a `Range` header. A wrong 206 is worse than a 200, so whatever is not exactly one
/// well-formed range (several ranges, other units, junk) means the whole.
fn parse(header: &[u8], size_bytes: u64) -> Part {
    let Some(spec) = header.split_at_checked(6).and_then(|(unit, spec)| {
        unit.eq_ignore_ascii_case(b"bytes=")
            .then(|| spec.trim_ascii())
    }) else {
        return Part::Whole;
    };
    let Some(dash) = spec.iter().position(|byte| *byte == b'-') else {
        return Part::Whole;
    };
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    match (number(first), number(last)) {
        (Number::None, Number::Is(0)) => Part::Unsatisfiable,
        (Number::None, Number::Is(count)) => match size_bytes.checked_sub(1) {
            None => Part::Unsatisfiable,
            Some(end) => Part::Bytes {
                first: size_bytes.saturating_sub(count),
                last: end,
            },
        },
        (Number::Is(first), _) if first >= size_bytes => match number(last) {
            Number::Is(last) if last < first => Part::Whole,
            Number::Junk => Part::Whole,
            Number::Is(_) | Number::None => Part::Unsatisfiable,
        },
        (Number::Is(first), Number::None) => Part::Bytes {
            first,
            last: size_bytes - 1,
        },
        (Number::Is(first), Number::Is(last)) if first <= last => Part::Bytes {
            first,
            last: last.min(size_bytes - 1),
        },
        _ => Part::Whole,
    }
}

enum Number {
    Is(u64),
    None,
    Junk,
}

/// Digits only; more of them than fit count as "very far".
fn number(digits: &[u8]) -> Number {
    if digits.is_empty() {
        return Number::None;
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return Number::Junk;
    }
    let value = digits.iter().fold(0u64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Number::Is(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(range: &str, size_bytes: u64) -> Part {
        parse(range.as_bytes(), size_bytes)
    }

    #[test]
    fn single_ranges_are_exact() {
        assert_eq!(part("bytes=0-0", 10), Part::Bytes { first: 0, last: 0 });
        assert_eq!(part("bytes=2-5", 10), Part::Bytes { first: 2, last: 5 });
        assert_eq!(part("bytes=2-", 10), Part::Bytes { first: 2, last: 9 });
        assert_eq!(part("bytes=2-99", 10), Part::Bytes { first: 2, last: 9 });
        assert_eq!(part("bytes=-3", 10), Part::Bytes { first: 7, last: 9 });
        assert_eq!(part("bytes=-10000", 10), Part::Bytes { first: 0, last: 9 });
        assert_eq!(part("Bytes=0-1", 10), Part::Bytes { first: 0, last: 1 });
        assert_eq!(
            part("bytes=0-18446744073709551615", 10),
            Part::Bytes { first: 0, last: 9 }
        );
    }

    #[test]
    fn beyond_the_end_is_unsatisfiable() {
        for range in [
            "bytes=10-",
            "bytes=10-20",
            "bytes=99999999999999999999999-",
            "bytes=-0",
        ] {
            assert_eq!(part(range, 10), Part::Unsatisfiable, "{range}");
        }
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(part(range, 0), Part::Unsatisfiable, "{range} of nothing");
        }
    }

    #[test]
    fn several_ranges_and_junk_mean_the_whole() {
        let many = format!("bytes=0-0{}", ",1-1".repeat(10_000));
        for range in [
            "bytes=0-0,2-3",
            many.as_str(),
            "bytes=5-2",
            "bytes=20-15",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-b",
            "bytes=20-b",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes 0-1",
            "items=0-1",
            "",
            "bytes",
        ] {
            assert_eq!(
                part(range, 10),
                Part::Whole,
                "{}",
                &range[..range.len().min(20)]
            );
        }
    }

    #[test]
    fn if_range_needs_exactly_our_tag() {
        let ask = |tag: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-0"));
            headers.insert(header::IF_RANGE, HeaderValue::from_static(tag));
            RangeRequest::of(&headers).part(10, "\"now\"")
        };
        assert_eq!(ask("\"now\""), Part::Bytes { first: 0, last: 0 });
        for tag in [
            "\"old\"",
            "W/\"now\"",
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "now",
        ] {
            assert_eq!(ask(tag), Part::Whole, "{tag}");
        }
    }

    proptest! {
        #[test]
        fn any_header_gives_a_part_inside_the_file(range in "(bytes=)?[0-9, -]{0,30}|\\PC{0,20}", size in 0u64..1000) {
            if let Part::Bytes { first, last } = part(&range, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
