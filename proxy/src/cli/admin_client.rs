//! Speaking to the admin listener of a Cordon that runs on this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use url::Url;

use super::fail;
use crate::config::Config;
use crate::server::Certificates;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request for a path of the admin listener (the configured one, or that at `admin`), with the
/// token it wants.
pub(super) fn request(
    config: &Config,
    admin: Option<&Url>,
    method: Method,
    path: &str,
) -> Result<RequestBuilder, ExitCode> {
    let base = match admin {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("{}://{}", scheme(config), reachable(config.admin_listen)),
    };
    let url = format!("{base}{path}");
    let request = client(config)?.request(method, url);
    Ok(match &config.admin_token {
        Some(token) => request.bearer_auth(token.expose()),
        None => request,
    })
}

fn scheme(config: &Config) -> &'static str {
    match config.admin_tls {
        Some(_) => "https",
        None => "http",
    }
}

/// Speaks to this machine only, so what it trusts is the configured certificate itself: names and
/// issuers are for those who come from elsewhere.
fn client(config: &Config) -> Result<reqwest::Client, ExitCode> {
    let mut builder = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
    if let Some(files) = &config.admin_tls {
        let tls = Certificates::client_of(files).map_err(|error| fail(&error))?;
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder.build().map_err(|error| fail(&error))
}

/// Where a listener is reached from this machine: every address (`0.0.0.0`) is none to ask.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_at_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("192.0.2.7:1", "192.0.2.7:1"),
        ] {
            let listen = listen.parse().expect("an address");
            assert_eq!(reachable(listen).to_string(), asked);
        }
    }
}
