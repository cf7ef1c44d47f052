//! Checks on a request's head that decide whether it is answered at all.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, Version};

/// Why a request is refused before anyone looks at its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsound {
    #[error("the request names no host, or more than one")]
    HostCount,
    #[error("the request's host is not a host")]
    Host,
    #[error("the request's address and its host differ")]
    Authority,
    #[error("this is not a proxy for other addresses")]
    Foreign,
    #[error("the request's length is not clear")]
    Framing,
    #[error("the request is not well-formed HTTP")]
    Malformed,
    #[error("this method is not known here")]
    Method,
}

impl Unsound {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HostCount
            | Self::Host
            | Self::Authority
            | Self::Foreign
            | Self::Framing
            | Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }
}

/// Checks method, host and framing. `own` are the authorities an absolute address may name.
pub(super) fn check(head: &Parts, own: &[Authority]) -> Result<(), Unsound> {
    let is_known = matches!(
        head.method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    );
    if !is_known {
        return Err(Unsound::Method);
    }
    check_host(head, own)?;
    check_framing(&head.headers, head.version)
}

fn check_host(head: &Parts, own: &[Authority]) -> Result<(), Unsound> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Unsound::HostCount);
    }
    if let Some(host) = host
        && !is_host(host.as_bytes())
    {
        return Err(Unsound::Host);
    }
    match (head.version, head.uri.authority(), host) {
        (Version::HTTP_2 | Version::HTTP_3, Some(authority), host) => {
            if !is_host(authority.as_str().as_bytes()) {
                return Err(Unsound::Host);
            }
            match host {
                Some(host) if !is_same(host.as_bytes(), authority) => Err(Unsound::Authority),
                _ => Ok(()),
            }
        }
        // An absolute address: only for this Cordon, and never against the `Host` beside it.
        (_, Some(authority), host) => {
            if host.is_some_and(|host| !is_same(host.as_bytes(), authority)) {
                return Err(Unsound::Authority);
            }
            let is_http = head
                .uri
                .scheme_str()
                .is_some_and(|s| s == "http" || s == "https");
            if is_http && own.contains(authority) {
                Ok(())
            } else {
                Err(Unsound::Foreign)
            }
        }
        (Version::HTTP_09 | Version::HTTP_10, None, None) => Ok(()),
        (_, None, None) => Err(Unsound::HostCount),
        (_, None, Some(_)) => Ok(()),
    }
}

fn is_same(host: &[u8], authority: &Authority) -> bool {
    host.eq_ignore_ascii_case(authority.as_str().as_bytes())
}

/// `name`, `name:port`, `[v6]`, `[v6]:port`. No user, no list, no port 0.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(rest) => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => return false,
        },
        None => {
            let end = host
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(host.len());
            (&host[..end], &host[end..])
        }
    };
    let is_v6 = host.first() == Some(&b'[');
    let is_name = !name.is_empty()
        && name.iter().all(|byte| match byte {
            b':' => is_v6,
            byte => byte.is_ascii_alphanumeric() || b"-._".contains(byte),
        });
    is_name && (port.is_empty() || is_port(port))
}

fn is_port(port: &[u8]) -> bool {
    let Some(digits @ [_, ..]) = port.strip_prefix(b":") else {
        return false;
    };
    digits.len() <= 5
        && digits.iter().all(u8::is_ascii_digit)
        && (1..=65535).contains(
            &digits
                .iter()
                .fold(0u32, |sum, d| sum * 10 + u32::from(d - b'0')),
        )
}

/// The length of a body must be told once, and plainly. What the parser folds together was found
/// by `heads` already.
fn check_framing(headers: &HeaderMap, version: Version) -> Result<(), Unsound> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => return Err(Unsound::Framing),
        (Some(coding), None) => {
            let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
            if !is_chunked || version != Version::HTTP_11 {
                return Err(Unsound::Framing);
            }
        }
        (None, Some(length)) => {
            if !length.as_bytes().iter().all(u8::is_ascii_digit) {
                return Err(Unsound::Framing);
            }
        }
    }
    if codings.next().is_some() || lengths.next().is_some() {
        return Err(Unsound::Framing);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Request};

    use super::*;

    fn checked(version: Version, uri: &str, headers: &[(HeaderName, &str)]) -> Result<(), Unsound> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        check(&head, &[Authority::from_static("cordon.example:4873")])
    }

    fn with_host(host: &str) -> Result<(), Unsound> {
        checked(Version::HTTP_11, "/", &[(HOST, host)])
    }

    #[test]
    fn h28_a_request_names_exactly_one_plain_host() {
        for host in [
            "a",
            "a.example",
            "a:1",
            "127.0.0.1:65535",
            "[::1]",
            "[::1]:4873",
            "a_b",
        ] {
            assert_eq!(with_host(host), Ok(()), "{host}");
        }
        for host in [
            "", "a,b", "a, b", "u@a", "u:p@a", "a:0", "a:", "a:65536", "a:123456", "a:+1", "a/b",
            "a b", ":1", "[::1", "[]", "::1", "[::1]x", "a:1:2",
        ] {
            assert_eq!(with_host(host), Err(Unsound::Host), "{host:?}");
        }
        assert_eq!(checked(Version::HTTP_11, "/", &[]), Err(Unsound::HostCount));
        assert_eq!(checked(Version::HTTP_10, "/", &[]), Ok(()));
        let twice = [(HOST, "a"), (HOST, "a")];
        assert_eq!(
            checked(Version::HTTP_11, "/", &twice),
            Err(Unsound::HostCount)
        );
    }

    #[test]
    fn h11_an_absolute_address_must_be_ours() {
        let ask = |uri, host| checked(Version::HTTP_11, uri, &[(HOST, host)]);
        assert_eq!(
            ask("http://cordon.example:4873/npm/a", "cordon.example:4873"),
            Ok(())
        );
        assert_eq!(
            ask("http://evil.example/npm/a", "evil.example"),
            Err(Unsound::Foreign)
        );
        assert_eq!(
            ask("ftp://cordon.example:4873/a", "cordon.example:4873"),
            Err(Unsound::Foreign)
        );
        assert_eq!(
            ask("http://cordon.example:4873/a", "b"),
            Err(Unsound::Authority)
        );
    }

    #[test]
    fn h37_the_authority_of_http2_agrees_with_a_host_beside_it() {
        let ask = |uri, headers: &[_]| checked(Version::HTTP_2, uri, headers);
        assert_eq!(ask("https://any.example/npm/a", &[]), Ok(()));
        assert_eq!(
            ask("https://any.example/npm/a", &[(HOST, "ANY.example")]),
            Ok(())
        );
        assert_eq!(
            ask("https://any.example/npm/a", &[(HOST, "b")]),
            Err(Unsound::Authority)
        );
        assert_eq!(ask("https://u@any.example/npm/a", &[]), Err(Unsound::Host));
    }

    #[test]
    fn h22_h24_an_unclear_length_is_refused() {
        let ask = |headers: &[(HeaderName, &str)]| {
            let mut all = vec![(HOST, "a")];
            all.extend_from_slice(headers);
            checked(Version::HTTP_11, "/", &all)
        };
        assert_eq!(ask(&[(CONTENT_LENGTH, "5")]), Ok(()));
        assert_eq!(ask(&[(TRANSFER_ENCODING, "chunked")]), Ok(()));
        for length in ["+5", "0x5", "5,5", "-1", "5 "] {
            assert_eq!(
                ask(&[(CONTENT_LENGTH, length)]),
                Err(Unsound::Framing),
                "{length}"
            );
        }
        for coding in [
            "xchunked",
            "chunked, identity",
            "identity",
            "gzip, chunked",
            "chunked;q=1",
        ] {
            assert_eq!(
                ask(&[(TRANSFER_ENCODING, coding)]),
                Err(Unsound::Framing),
                "{coding}"
            );
        }
        let both = [(CONTENT_LENGTH, "5"), (TRANSFER_ENCODING, "chunked")];
        assert_eq!(ask(&both), Err(Unsound::Framing));
        assert_eq!(
            ask(&[(CONTENT_LENGTH, "5"), (CONTENT_LENGTH, "5")]),
            Err(Unsound::Framing)
        );
    }
}
