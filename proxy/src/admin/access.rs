//! Who may ask, and from where.

use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::Secret;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why an operator's request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("this listener answers only to its loopback names, such as localhost")]
    Host,
    #[error("web pages may not ask this listener for anything")]
    Origin,
    #[error("this listener asks for its token, as `authorization: Bearer …`")]
    Token,
}

impl Denied {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Token => StatusCode::UNAUTHORIZED,
        }
    }
}

/// The rules of one listener.
pub(super) struct Access {
    /// SHA-256 of the token, so that comparing takes the same time whatever the lengths are.
    token: Option<[u8; 32]>,
    is_loopback: bool,
}

impl Access {
    pub(super) fn new(token: Option<&Secret>, is_loopback: bool) -> Self {
        Self {
            token: token.map(|token| digest(token.expose().as_bytes())),
            is_loopback,
        }
    }

    /// Refuses requests a web page made a browser send: under a name that only pretends to be
    /// this machine, or across sites.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = host.and_then(|host| host.parse::<Authority>().ok());
        if self.is_loopback && !authority.as_ref().is_some_and(is_loopback) {
            return Err(Denied::Host);
        }
        let is_cross_site = headers
            .get(SEC_FETCH_SITE)
            .is_some_and(|site| site != "same-origin" && site != "none");
        let is_foreign = headers.get(ORIGIN).is_some_and(|origin| {
            let origin = origin
                .to_str()
                .ok()
                .and_then(|text| text.parse::<Uri>().ok());
            let origin = origin.as_ref().and_then(Uri::authority);
            origin.is_none() || origin != authority.as_ref()
        });
        if is_cross_site || is_foreign {
            return Err(Denied::Origin);
        }
        Ok(())
    }

    /// Asks for the token, if there is one.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(expected) = &self.token else {
            return Ok(());
        };
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.as_bytes().split_at_checked(7))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
            .map_or(&b""[..], |(_, token)| token.trim_ascii());
        if bool::from(digest(given).ct_eq(expected)) {
            Ok(())
        } else {
            Err(Denied::Token)
        }
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
