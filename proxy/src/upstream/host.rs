//! Which origins may be asked, and which addresses a name may resolve to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;

/// Scheme, host and port (RFC 6454): what a credential and a permission to connect are bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an `http` or `https` address without user information.
    pub fn of(url: &Url) -> Option<Self> {
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none();
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        is_plain.then(|| Self {
            scheme: url.scheme().to_owned(),
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// Whether an address lies outside the public Internet: loopback, private, link-local, carrier
/// NAT, unspecified, multicast, and the IPv6 forms that carry such an IPv4 address.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || a >= 240
        || METADATA.contains(&address)
}

/// Addresses clouds keep for their machines outside the ranges above: Oracle's metadata service,
/// Azure's wire server.
const METADATA: [Ipv4Addr; 2] = [
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

fn is_private_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_private_v4(v4);
    }
    let segments = address.segments();
    let tail = Ipv4Addr::from(((u32::from(segments[6])) << 16) | u32::from(segments[7]));
    let is_nat64 = segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let is_6to4 = segments[0] == 0x2002;
    let v4_of_6to4 = Ipv4Addr::from(((u32::from(segments[1])) << 16) | u32::from(segments[2]));
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || (segments[0] & 0xfe00) == 0xfc00
        || (segments[0] & 0xffc0) == 0xfe80
        || (segments[..3] == [0x64, 0xff9b, 1])
        || (is_nat64 && is_private_v4(tail))
        || (is_6to4 && is_private_v4(v4_of_6to4))
        || (segments[..6] == [0; 6] && is_private_v4(tail))
        || (segments[..6] == [0, 0, 0, 0, 0xffff, 0] && is_private_v4(tail))
}

/// Asks for the addresses of a name.
pub(super) trait Lookup: Send + Sync {
    /// The addresses, as the resolver gives them now.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves names and drops private addresses, at every connection, so that a name cannot be
/// re-pointed between check and use.
pub(super) struct GuardedResolver {
    /// Names that may resolve to anything: a proxy from the environment.
    pub(super) exempt: Arc<[String]>,
    /// Who knows.
    pub(super) lookup: Arc<dyn Lookup>,
    /// Which addresses are dropped: [`is_private`] but in tests, which have no others to go to.
    pub(super) is_dropped: fn(IpAddr) -> bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_ascii_lowercase();
        let is_exempt = self.exempt.contains(&host);
        let is_dropped = self.is_dropped;
        let lookup = self.lookup.lookup(host.clone());
        Box::pin(async move {
            let mut found = lookup.await?;
            found.retain(|address| is_exempt || !is_dropped(*address));
            if found.is_empty() {
                let message = format!(
                    "`{host}` resolves to no public address; if it is an internal registry, set \
                     `private = true` for its upstream"
                );
                return Err(message.into());
            }
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Hosts of the proxies the environment names (`HTTPS_PROXY` and friends).
pub(super) fn proxy_hosts(environment: impl Iterator<Item = (String, String)>) -> Arc<[String]> {
    const NAMES: [&str; 3] = ["http_proxy", "https_proxy", "all_proxy"];
    environment
        .filter(|(name, _)| NAMES.contains(&name.to_ascii_lowercase().as_str()))
        .filter_map(|(_, value)| {
            // `host:port` would parse, with the host as its scheme.
            let url = match value.contains("://") {
                true => Url::parse(&value).ok()?,
                false => Url::parse(&format!("http://{value}")).ok()?,
            };
            url.host_str().map(str::to_ascii_lowercase)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv_33_private_addresses_in_every_form_are_told_apart() {
        let private = [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "::127.0.0.1",
            "::10.0.0.1",
            "::ffff:0:127.0.0.1",
            "192.0.0.192",
            "168.63.129.16",
            "::ffff:168.63.129.16",
        ];
        for text in private {
            assert!(
                is_private(text.parse().expect(text)),
                "{text} must count as private"
            );
        }
        let public = [
            "1.1.1.1",
            "203.0.113.9",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "169.253.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
            "2002:101:101::",
            "::ffff:8.8.8.8",
            "::ffff:0:8.8.8.8",
            "168.63.129.17",
        ];
        for text in public {
            assert!(
                !is_private(text.parse().expect(text)),
                "{text} must count as public"
            );
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_without_user_information() {
        let of = |text: &str| Origin::of(&Url::parse(text).expect(text));
        assert_eq!(of("https://A.example/x"), of("https://a.example:443/y"));
        assert_ne!(of("https://a.example/"), of("http://a.example/"));
        assert_ne!(of("https://a.example/"), of("https://a.example:444/"));
        assert_eq!(of("https://user@a.example/"), None);
        assert_eq!(of("ftp://a.example/"), None);
    }

    #[test]
    fn proxies_of_the_environment_are_recognised_with_and_without_scheme() {
        let environment = [
            ("HTTPS_PROXY", "http://proxy.example:3128"),
            ("http_proxy", "other.example:8080"),
            ("NO_PROXY", "no.example"),
        ];
        let hosts = proxy_hosts(environment.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        assert_eq!(
            &*hosts,
            ["proxy.example".to_owned(), "other.example".to_owned()]
        );
    }
}
