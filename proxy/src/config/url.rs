//! Addresses in the configuration: one strict reading.

use std::net::IpAddr;

use ::url::{Host, Url};

use crate::upstream::is_private as is_private_address;

/// Why an address is refused: what is wrong, and what to do. Never repeats the address, which may
/// hold a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UrlProblem {
    pub(super) what: &'static str,
    pub(super) help: &'static str,
}

/// Reads an `http` or `https` address without user, query or fragment, and ends its path in `/`.
pub(super) fn parse(text: &str) -> Result<Url, UrlProblem> {
    const EXAMPLE: &str = "write e.g. \"https://registry.example/\"";
    let problem = |what, help| Err(UrlProblem { what, help });
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\<>\"^`{|}".contains(&byte);
    if !text.bytes().all(is_plain) {
        return problem("holds characters an address cannot have", EXAMPLE);
    }
    let Ok(mut url) = Url::parse(text) else {
        return problem("is not an address", EXAMPLE);
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return problem("is not an http or https address", EXAMPLE);
    }
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return problem(
            "holds a user or password",
            "take them out and use `credential_env` or `credential_file`",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return problem(
            "has a query or fragment",
            "keep scheme, host, port and path",
        );
    }
    if url.port() == Some(0) {
        return problem("has port 0", "write the real port");
    }
    if has_odd_segment(text) {
        return problem(
            "has `.`, `..` or empty segments in its path",
            "write the path as the registry answers it",
        );
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// What stands between `//` and the path.
fn authority(text: &str) -> &str {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// Whether the path as written holds segments a URL parser would fold away.
fn has_odd_segment(text: &str) -> bool {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    let Some((_, path)) = rest.split_once('/') else {
        return false;
    };
    if path.is_empty() {
        return false;
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        matches!(segment.as_str(), "" | "." | "..") || segment.contains("%2f")
    })
}

/// Whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Whether the host is written as an address of this machine or of a private network, by the one
/// list of those there is.
pub(super) fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_private_address(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_private_address(IpAddr::V6(address)),
        Some(Host::Domain(_)) => is_loopback(url),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> &'static str {
        parse(text).expect_err(text).what
    }

    #[test]
    fn a_path_ends_in_a_slash_whether_written_or_not() {
        for text in ["https://registry.example", "https://registry.example/"] {
            assert_eq!(parse(text).unwrap().as_str(), "https://registry.example/");
        }
        assert_eq!(
            parse("https://registry.example:8443/npm/group")
                .unwrap()
                .as_str(),
            "https://registry.example:8443/npm/group/"
        );
    }

    #[test]
    fn c_13_userinfo_dots_and_trailing_junk_are_refused() {
        assert_eq!(
            what("https://user:pw@registry.example/"),
            "holds a user or password"
        );
        assert_eq!(
            what("https://@registry.example/"),
            "holds a user or password"
        );
        for path in ["../x", "a/./b", "a//b", "%2e%2E/x", "a/.%2e", "a%2fb", "/"] {
            assert_eq!(
                what(&format!("https://registry.example/{path}")),
                "has `.`, `..` or empty segments in its path",
                "{path}"
            );
        }
        for junk in [
            "https://registry.example/ x",
            "https://registry.example/\n",
            " https://a/",
        ] {
            assert_eq!(what(junk), "holds characters an address cannot have");
        }
        assert_eq!(
            what("https://registry.example/?a=b"),
            "has a query or fragment"
        );
        assert_eq!(
            what("https://registry.example/#a"),
            "has a query or fragment"
        );
        assert_eq!(
            what("ftp://registry.example/"),
            "is not an http or https address"
        );
        assert_eq!(what("registry.example"), "is not an address");
        assert_eq!(what("https://registry.example:0/"), "has port 0");
        assert_eq!(
            what("https:\\\\registry.example"),
            "holds characters an address cannot have"
        );
    }

    #[test]
    fn loopback_and_private_hosts_are_recognised_in_every_spelling() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://[::1]/",
            "http://localhost:1/",
            "http://0x7f000001/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(is_loopback(&parse(text).unwrap()), "{text}");
        }
        for text in [
            "http://10.0.0.1/",
            "http://[fd00::1]/",
            "http://100.64.0.1/",
            "http://127.0.0.1/",
            "http://0.0.0.0/",
            "http://198.18.0.1/",
            "http://[::ffff:10.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:a00:1::]/",
        ] {
            assert!(is_private(&parse(text).unwrap()), "{text}");
        }
        for text in [
            "http://192.0.2.1/",
            "https://registry.example/",
            "http://localhost.example/",
        ] {
            assert!(!is_loopback(&parse(text).unwrap()), "{text}");
            assert!(!is_private(&parse(text).unwrap()), "{text}");
        }
    }
}
