//! Conditional requests (RFC 9110 §13): what the client already has.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};

/// The validators a request carries. Values are shared with the request's headers, not copied.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    if_none_match: Option<HeaderValue>,
    if_modified_since: Option<HeaderValue>,
}

impl Conditions {
    /// Takes the validators out of a request.
    pub fn of(headers: &HeaderMap) -> Self {
        Self {
            if_none_match: joined(headers, &header::IF_NONE_MATCH),
            if_modified_since: headers.get(header::IF_MODIFIED_SINCE).cloned(),
        }
    }

    /// Whether the client's copy is the current one, so that 304 is the answer. Never true for an
    /// unconditional request. `If-None-Match` decides alone when it is there, whatever
    /// `If-Modified-Since` says.
    ///
    /// `etag` is quoted; `last_modified` is an HTTP date.
    pub fn is_current(&self, etag: Option<&str>, last_modified: Option<&str>) -> bool {
        if let Some(candidates) = &self.if_none_match {
            return etag.is_some_and(|etag| matches_weakly(candidates.as_bytes(), etag.as_bytes()));
        }
        let (Some(since), Some(modified)) = (&self.if_modified_since, last_modified) else {
            return false;
        };
        // A client that repeats our own date needs no parsing.
        if since.as_bytes() == modified.as_bytes() {
            return true;
        }
        let since = since.to_str().ok().and_then(date);
        match (since, date(modified)) {
            (Some(since), Some(modified)) => modified <= since,
            _ => false,
        }
    }
}

fn date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// One value for a header that may be spread over lines.
fn joined(headers: &HeaderMap, name: &header::HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(first.clone());
    };
    let mut all = first.as_bytes().to_vec();
    for value in std::iter::once(second).chain(values) {
        all.extend_from_slice(b", ");
        all.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&all).ok()
}

/// Weak comparison (RFC 9110 §8.8.3.2) of a list of entity tags, or `*`, with ours.
fn matches_weakly(list: &[u8], etag: &[u8]) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = trim_separators(rest);
        let Some(tag) = next_tag(&mut rest) else {
            return false;
        };
        if tag == etag {
            return true;
        }
    }
}

fn trim_separators(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b',', after @ ..] = rest {
        rest = after;
    }
    rest
}

/// The next tag with its quotes and without `W/`. `None` at the end or where it is no tag any more.
fn next_tag<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let start = rest.strip_prefix(b"W/").unwrap_or(rest);
    let opaque = start.strip_prefix(b"\"")?;
    let length = opaque.iter().position(|byte| *byte == b'"')?;
    let (tag, after) = start.split_at(length + 2);
    *rest = after;
    Some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    const NEW: &str = "Thu, 22 Oct 2015 07:28:00 GMT";

    fn conditions(headers: &[(header::HeaderName, &'static str)]) -> Conditions {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        Conditions::of(&map)
    }

    #[test]
    fn an_unconditional_request_is_never_current() {
        assert!(!Conditions::default().is_current(Some("\"a\""), Some(OLD)));
    }

    #[test]
    fn tags_are_compared_weakly_in_lists_and_over_lines() {
        for value in [
            "\"a\"",
            "W/\"a\"",
            "\"b\", W/\"a\"",
            "\"b\",\"a\"",
            "*",
            ",, \"a\"",
            "\"b,\" , \"a\"",
        ] {
            let mut map = HeaderMap::new();
            map.insert(
                header::IF_NONE_MATCH,
                HeaderValue::from_str(value).expect("value"),
            );
            assert!(
                Conditions::of(&map).is_current(Some("\"a\""), None),
                "{value}"
            );
        }
        for value in [
            "",
            "a",
            "\"A\"",
            "\"b\"",
            "\"a",
            "W/a",
            "w/\"a\"",
            "junk \"a\"",
            "\"a\"x\"b\"",
        ] {
            let mut map = HeaderMap::new();
            map.insert(
                header::IF_NONE_MATCH,
                HeaderValue::from_str(value).expect("value"),
            );
            let is_current = Conditions::of(&map).is_current(Some("\"c\""), None);
            assert!(!is_current, "{value}");
        }
        let lines = conditions(&[
            (header::IF_NONE_MATCH, "\"x\""),
            (header::IF_NONE_MATCH, "\"a\""),
        ]);
        assert!(lines.is_current(Some("\"a\""), None));
    }

    #[test]
    fn if_none_match_decides_over_if_modified_since() {
        let differing = conditions(&[
            (header::IF_NONE_MATCH, "\"b\""),
            (header::IF_MODIFIED_SINCE, NEW),
        ]);
        assert!(!differing.is_current(Some("\"a\""), Some(OLD)));
        let agreeing = conditions(&[
            (header::IF_NONE_MATCH, "\"a\""),
            (header::IF_MODIFIED_SINCE, OLD),
        ]);
        assert!(agreeing.is_current(Some("\"a\""), Some(NEW)));
    }

    #[test]
    fn dates_are_compared_as_dates_and_bad_ones_are_ignored() {
        let since = |value| conditions(&[(header::IF_MODIFIED_SINCE, value)]);
        assert!(since(OLD).is_current(None, Some(OLD)));
        assert!(since(NEW).is_current(None, Some(OLD)));
        assert!(!since(OLD).is_current(None, Some(NEW)));
        assert!(!since("yesterday").is_current(None, Some(OLD)));
        assert!(!since(NEW).is_current(Some("\"a\""), None));
    }
}
